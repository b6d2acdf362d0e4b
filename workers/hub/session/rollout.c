/*
 * Shares of users; see rollout.h.  Called by what admits, before a limit is
 * charged.
 */
#include "hub/session/rollout.h"

#include "base/hash.h"
#include "hub/client.h"
#include "hub/session/principal.h"
#include "shm/counters.h"

/* Known to all: whoever may choose his id may choose his place.  A change of
 * these would put every user elsewhere. */
static const struct hash_key rollout_user = { 0x726f6f737464, 1 };
static const struct hash_key rollout_address = { 0x726f6f737464, 2 };

/*
 * The name is the salt: the key of the second hash, so that those who are
 * first in one namespace are not the first in all.
 */
unsigned
rollout_place(const struct conf_namespace *ns, const struct principal *who,
    uint64_t address)
{
	const struct hash_key *kind = who != NULL ? &rollout_user :
	    &rollout_address;
	struct hash_key salted = { hash_bytes(kind, slice_of(ns->name,
	    ns->name_len)), kind->k1 };
	struct slice id = who != NULL ? principal_user(who) :
	    slice_of(&address, sizeof address);

	return ((unsigned)(hash_bytes(&salted, id) % 100));
}

bool
rollout_admits(const struct conf_namespace *ns, const struct principal *who,
    uint64_t address)
{
	bool in;

	if (ns->rollout >= 100)
		return (true);
	in = rollout_place(ns, who, address) < ns->rollout;
	counter_ns_add(ns->index, in ? NS_rollout_in : NS_rollout_out, 1);
	return (in);
}

/* What a path has as it is, RFC 3986; and none of it needs a JSON escape. */
static bool
rollout_is_plain(uint8_t c)
{
	return ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') ||
	    (c != '\0' && strchr("/-._~!$&'()*+;=:@", c) != NULL));
}

void
refusal_poll_path(struct buf *b, const struct conf_namespace *ns)
{
	const uint8_t *name = (const uint8_t *)ns->name;
	size_t i;

	buf_str(b, "\"/poll");
	for (i = 0; i < ns->name_len; i++)
		if (rollout_is_plain(name[i]))
			buf_byte(b, name[i]);
		else
			buf_printf(b, "%%%02X", name[i]);
	buf_byte(b, '"');
}
