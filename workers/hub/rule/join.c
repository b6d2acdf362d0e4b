/*
 * Join rules; see join.h.  Called by service.c and auth.c, and for sessions
 * that come back.
 */
#include "hub/rule/join.h"

#include <string.h>

#include "hub/model.h"
#include "hub/session/principal.h"
#include "proto/json.h"
#include "shm/counters.h"

/* Its name for this session; empty: its user's id is too long for it, or there
 * is no user. */
static struct slice
join_name(const struct session *s, const struct conf_pattern *every,
    uint8_t name[ROOM_NAME_MAX])
{
	struct slice part;
	size_t i, n = 0;

	for (i = 0; i < every->npieces; i++) {
		part = slice_of(every->pieces[i].text, every->pieces[i].len);
		if (every->pieces[i].param)
			part = s->who == NULL ? slice_of(NULL, 0) :
			    principal_user(s->who);
		if (part.n == 0 || part.n > ROOM_NAME_MAX - n)
			return (slice_of(NULL, 0));
		memcpy(name + n, part.p, part.n);
		n += part.n;
	}
	return (slice_of(name, n));
}

unsigned
join_everybodys(const struct session *s, struct join_names *all)
{
	struct slice name;
	unsigned n = 0;
	size_t i;

	for (i = 0; i < s->ns->njoins; i++) {
		name = join_name(s, &s->ns->joins[i], all->bytes[n]);
		if (name.n != 0)
			all->names[n++] = name;
		else if (s->who != NULL)
			counter_add(COUNTER_joins_refused, 1);
	}
	return (n);
}

/* One that its namespace puts every session in, and so this one. */
static bool
join_is_everybodys(const struct session *s, struct slice room)
{
	uint8_t name[ROOM_NAME_MAX];
	size_t i;

	for (i = 0; i < s->ns->njoins; i++)
		if (slice_eq(join_name(s, &s->ns->joins[i], name), room))
			return (true);
	return (false);
}

bool
join_claim_has(struct slice claim, struct slice value)
{
	struct slice key, element;
	struct json_iter it;

	if (json_type(claim) == JSON_STRING)
		return (json_string_eq(claim, value));
	if (json_type(claim) == JSON_NUMBER)
		return (slice_eq(claim, value));
	if (json_type(claim) != JSON_ARRAY || !json_enter(claim, &it))
		return (false);
	while (json_next(&it, &key, &element)) {
		if (json_type(element) == JSON_STRING ?
		    json_string_eq(element, value) :
		    json_type(element) == JSON_NUMBER &&
		    slice_eq(element, value))
			return (true);
	}
	return (false);
}

static bool
join_is_self(const struct session *s, const struct conf_room *r,
    const struct slice *values)
{
	size_t i;

	for (i = 0; s->who != NULL && i < r->pattern.nparams; i++)
		if ((r->self >> i & 1) != 0 &&
		    slice_eq(values[i], principal_user(s->who)))
			return (true);
	return (false);
}

enum refused
join_may(const struct session *s, struct slice room)
{
	struct slice values[CONF_PARAMS_MAX], claim;
	const struct conf_room *r;
	bool ok = false;

	if (room.n == 0 || room.n > ROOM_NAME_MAX)
		return (REFUSED_INVALID);
	if (unlikely(s->ns->njoins != 0) && join_is_everybodys(s, room))
		return (REFUSED_NONE);
	r = conf_room_find(s->ns, room, values);
	if (r == NULL)
		return (REFUSED_FORBIDDEN);
	switch (r->join) {
	case CONF_JOIN_OPEN:
		ok = true;
		break;
	case CONF_JOIN_CLAIM:
		ok = principal_claim(s->who, r->claim, &claim) &&
		    join_claim_has(claim, r->pattern.nparams == 1 ? values[0] :
		    room);
		break;
	case CONF_JOIN_SELF:
		ok = join_is_self(s, r, values);
		break;
	case CONF_JOIN_ASK:
	case CONF_JOIN_SERVER:
		break;
	}
	return (ok ? REFUSED_NONE : REFUSED_FORBIDDEN);
}

bool
join_asks(const struct session *s, struct slice room)
{
	struct slice values[CONF_PARAMS_MAX];
	const struct conf_room *r;

	if (likely(!s->ns->asks) || room.n == 0 || room.n > ROOM_NAME_MAX ||
	    (s->ns->njoins != 0 && join_is_everybodys(s, room)))
		return (false);
	r = conf_room_find(s->ns, room, values);
	return (r != NULL && r->join == CONF_JOIN_ASK);
}

enum refused
join_may_heard(const struct session *s, struct slice room)
{
	return (join_asks(s, room) ? REFUSED_NONE : join_may(s, room));
}

bool
join_may_stay(const struct session *s, const struct membership *m)
{
	const struct room *r = m->room;

	return (!m->asked || join_may_heard(s, slice_of(r->key + 1,
	    r->len - 1u)) == REFUSED_NONE);
}

bool
join_keeps(const struct session *s, const struct principal *who)
{
	struct session as = *s;		/* if it were his */
	const struct membership *m;

	as.who = (struct principal *)(uintptr_t)who;
	for (m = s->memberships; m != NULL; m = m->next)
		if (!join_may_stay(&as, m))
			return (false);
	return (true);
}
