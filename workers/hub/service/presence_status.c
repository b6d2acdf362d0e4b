/*
 * The status of users: what each session says, what a worker's sessions say
 * together (a mark in shared memory, shm/presence.h), what is told of it, and
 * the idle clock; see presence.h.
 */
#include "hub/service/presence_int.h"

#include "hub/audience/room.h"
#include "hub/session/client.h"
#include "proto/json.h"

static_assert((unsigned)MARK__MAX == PRESENCE_MARKS && MARK_AWAY == 0,
    "what statuses leave in shared memory");

#define SAID_LOOKED	256u	/* sessions of a user, on this worker */

/* --- what is told ---------------------------------------------------------- */

/* A connection that has ended may be back: until then nothing is told. */
static bool
status_may_be_back(const struct hub *h, const struct presence_info *info)
{
	return (info->left && h->conf->leave_grace_ms != 0 &&
	    h->wall.ms < info->set_ms + h->conf->leave_grace_ms);
}

static enum status
status_now(const struct hub *h, const struct conf_namespace *ns,
    struct slice user)
{
	return (status_of_mark((enum status_mark)presence_mark(h->presence,
	    presence_user_of(h, ns, user), false)));
}

/*
 * as_told: for who hears of changes from now on, what was told so far.  A user
 * whose leave waits for its grace is online for him (who comes back in time is
 * no news); one whose coming is not told yet is offline, and told in a moment.
 */
void
presence_entry_of(struct hub *h, const struct conf_namespace *ns,
    struct slice user, const struct session *to, bool as_told,
    struct status_entry *e)
{
	struct presence_info info;

	*e = (struct status_entry){ .user = user, .code = STATUS_ONLINE };
	if (!presence_get(h->presence, ns->index, user, &info))
		return;
	e->online = as_told ? info.told : info.online;
	e->code = as_told && status_may_be_back(h, &info) ? info.status :
	    (unsigned)status_now(h, ns, user);
	e->connections = e->online ? info.connections : 0;
	e->last_seen_ms = info.last_seen_ms;
	if (to == NULL)
		return;
	e->own = to->who != NULL && slice_eq(principal_user(to->who), user);
	if (!e->own)
		status_hide(e);
}

void
presence_user_json(struct hub *h, const struct conf_namespace *ns,
    struct slice user, struct buf *b)
{
	struct status_entry e;

	presence_entry_of(h, ns, user, NULL, false, &e);
	status_encode(b, &e);
}

/* --- what the sessions here say -------------------------------------------- */

static unsigned
status_of_session(const struct session *s)
{
	return (s->idle && s->status <= STATUS_ONLINE ? STATUS_IDLE :
	    s->status);
}

struct said {
	const struct session *without;
	unsigned	 mark;		/* the greatest; PRESENCE_MARKS: none */
	unsigned	 left;		/* to be looked at */
	bool		 online;	/* one of them has none */
};

static void
status_hear(struct said *said, const struct session *s)
{
	unsigned mark = status_mark(status_of_session(s));

	if (mark == MARK__MAX)
		said->online = true;
	else if (said->mark == PRESENCE_MARKS || mark > said->mark)
		said->mark = mark;
}

static void
status_hear_wire(struct said *said, const struct room_wire *w)
{
	const struct session *s;
	uint32_t i;

	for (i = 0; i < w->n && said->left > 0; i++, said->left--) {
		if (w->v[i].out == NULL)
			continue;
		s = w->v[i].ship->session;
		if (s != said->without && s->client != NULL)
			status_hear(said, s);
	}
}

/* The mark of the user's sessions here, but for that one. */
static unsigned
status_mark_here(struct session *s, const struct session *without)
{
	struct said said = { .without = without, .mark = PRESENCE_MARKS,
		.left = SAID_LOOKED };
	struct room *r = room_find(s->hub, s->ns->index, ROOM_USER,
	    principal_user(s->who));
	const struct room_wire *w;

	for (w = r == NULL ? NULL : r->wires; w != NULL; w = w->next)
		status_hear_wire(&said, w);
	return (said.mark == MARK_AWAY && said.online ? PRESENCE_MARKS :
	    said.mark);
}

static bool
status_settle(struct session *s, const struct session *without)
{
	return (presence_mark_set(s->hub->presence, presence_user_of(s->hub,
	    s->ns, principal_user(s->who)), status_mark_here(s, without)));
}

/* What the session says is another thing, or the same once more. */
static void
status_change(struct session *s, bool said)
{
	if (status_settle(s, NULL) || said)
		presence_set_status(s->hub->presence, s->presence_node,
		    s->ns->index, principal_user(s->who),
		    (uint8_t)status_of_session(s), slice_of(NULL, 0),
		    s->hub->wall);
}

/* --- as it comes and goes --------------------------------------------------- */

static bool
status_is_kept(const struct session *s)
{
	return (s->who != NULL && s->ns->presence != CONF_PRESENCE_OFF &&
	    principal_user(s->who).n <= presence_key_max(s->hub->presence));
}

/* Something was said of its user, or it says something; most say nothing. */
static bool
status_is_said(struct session *s, struct presence_info *info)
{
	return (status_is_kept(s) && ((presence_get(s->hub->presence,
	    s->ns->index, principal_user(s->who), info) &&
	    info->set_ms != 0) ||
	    status_mark(status_of_session(s)) != MARK__MAX));
}

/*
 * A connection of the user had a status and has ended, a moment ago; nobody has
 * that status any more: this is the connection, which is back.
 */
static bool
status_is_taken_up(const struct session *s, const struct presence_info *info)
{
	const struct hub *h = s->hub;
	unsigned mark = status_mark(info->status);

	if (s->status != STATUS_NONE || mark == MARK__MAX ||
	    info->status == STATUS_IDLE)
		return (false);
	if (info->left ? !status_may_be_back(h, info) :
	    info->online || !info->told)
		return (false);
	return (!presence_marked(h->presence, presence_user_of(h, s->ns,
	    principal_user(s->who)), mark));
}

/* Before its user is joined: who holds the user without a mark is online. */
void
presence_status_comes(struct session *s, bool anew)
{
	struct presence_info info;

	if (!status_is_said(s, &info))
		return;
	if (anew && status_is_taken_up(s, &info))
		s->status = info.status;
	(void)status_settle(s, NULL);
}

void
presence_status_came(struct session *s)
{
	struct presence_info info;

	if (!status_is_said(s, &info))
		return;
	if (status_mark(s->status) != MARK__MAX)
		status_change(s, true);
	else
		presence_touch(s->hub->presence, s->presence_node);
}

bool
presence_status_goes(struct session *s, enum status *was)
{
	struct presence_info info;

	if (!status_is_said(s, &info))
		return (false);
	*was = status_may_be_back(s->hub, &info) ? (enum status)info.status :
	    status_now(s->hub, s->ns, principal_user(s->who));
	if (*was == STATUS_AWAY && s->status != STATUS_AWAY)
		*was = STATUS_IDLE;	/* not to be taken up */
	return (true);
}

void
presence_status_went(struct session *s, enum status was)
{
	struct slice user = principal_user(s->who);
	struct presence_info info;
	enum status is;

	(void)status_settle(s, s);
	if (!presence_get(s->hub->presence, s->ns->index, user, &info) ||
	    status_may_be_back(s->hub, &info))
		return;
	is = info.online ? status_now(s->hub, s->ns, user) : STATUS_ONLINE;
	if (status_mark(is) != status_mark(was))
		presence_set_left(s->hub->presence, s->presence_node,
		    (uint8_t)was, s->hub->wall);
}

void
presence_status_given(struct session *s)
{
	struct presence_info info;

	if (status_is_said(s, &info))
		(void)status_settle(s, s);
}

/* --- the idle clock ------------------------------------------------------- */

void
presence_active(struct session *s)
{
	struct hub *h = s->hub;

	s->seen = when_of(h->now.us);
	if (s->who == NULL || s->ns->presence == CONF_PRESENCE_OFF)
		return;
	presence_seen(h->presence, s->presence_node, h->wall);
	if (!s->idle)
		return;
	s->idle = false;
	status_change(s, false);
	client_schedule(s->client);
}

void
presence_session_silent(struct session *s)
{
	s->idle = true;
	status_change(s, false);
}

/* --- presence:set ---------------------------------------------------------- */

static void
status_answer(struct session *s, const struct inbound *in)
{
	struct status_entry e;
	struct buf b;

	buf_init(&b);
	presence_entry_of(s->hub, s->ns, principal_user(s->who), s, false, &e);
	status_encode(&b, &e);
	refuse_or_ack(s, in, &b);
	buf_fini(&b);
}

bool
presence_do_set(struct session *s, const struct inbound *in)
{
	uint8_t name[32];
	struct slice raw;
	int code = -1;
	ssize_t n;

	if (!presence_is_on(s, in))
		return (false);
	if (s->who == NULL) {
		refuse(s, in, REFUSED_UNAUTHORIZED,
		    "only a user with a token has a status");
		return (false);
	}
	n = json_text(presence_first_arg(in), SLICE("status"), name,
	    sizeof name, &raw);
	if (n > 0)
		code = status_from(slice_of(name, (size_t)n));
	if (code < 0) {
		refuse(s, in, REFUSED_INVALID, "\"status\" must be online, "
		    "away, hidden, busy, dnd or invisible");
		return (false);
	}
	if (s->status != code) {
		s->status = (uint8_t)code;
		status_change(s, true);
	}
	status_answer(s, in);
	return (true);
}
