/*
 * Who somebody is, as a hook says; see granted.h.  Called by hearing.c, and by
 * dialect/ for sessions of Socket.IO.
 */
#include "hub/stream/granted.h"

#include "hub/hub_int.h"
#include "hub/session/principal.h"
#include "hub/session/tokens.h"
#include "proto/json.h"
#include "proto/json_verdict.h"

/* Each with a NUL behind it. */
static void
granted_roles(struct slice array, struct buf *b)
{
	uint8_t name[VERDICT_USER_MAX];
	struct slice key, element;
	struct json_iter it;
	ssize_t n;

	if (array.n == 0 || !json_enter(array, &it))
		return;
	while (json_next(&it, &key, &element)) {
		n = json_name(element, name, sizeof name);
		MUST(n > 0);		/* verdict_decode() has looked */
		buf_append(b, name, (size_t)n);
		buf_byte(b, '\0');
	}
}

/* The token that he came with goes on to count: it may be revoked. */
static bool
granted_token(struct hub *h, const struct principal *was,
    struct principal *who)
{
	if (was == NULL || was->token == NULL)
		return (true);
	if (!principal_set_token(who, was->token->id))
		return (false);
	tokens_add(h, who);
	return (true);
}

bool
granted_who(struct hub *h, const struct verdict *v, uint64_t asked_ms,
    struct principal **whop)
{
	struct principal *was = *whop, *who = NULL;
	uint8_t user[VERDICT_USER_MAX];
	struct slice name = { NULL, 0 }, all;
	struct buf roles;

	if (v->user.n == 0 && (v->roles.n == 0 || was == NULL))
		return (true);
	if (v->user.n != 0)
		name = slice_of(user, (size_t)json_name(v->user, user,
		    sizeof user));
	buf_init(&roles);
	granted_roles(v->roles, &roles);
	all = buf_unread(&roles);
	if (!roles.oom)
		who = principal_other(was, name, v->roles.n == 0 ? NULL : &all,
		    (int64_t)(asked_ms / 1000));
	buf_fini(&roles);
	if (who == NULL || !granted_token(h, was, who)) {
		principal_unref(&who);
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	principal_unref(whop);
	*whop = who;
	return (true);
}
