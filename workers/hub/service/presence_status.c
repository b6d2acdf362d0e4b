/*
 * The status of users, and the idle clock; see presence.h.
 */
#include "hub/service/presence_int.h"

#include "hub/publish/publish.h"
#include "hub/session/client.h"
#include "proto/bus.h"
#include "proto/json.h"
#include "shm/presence.h"

/* --- status --------------------------------------------------------------- */

/*
 * as_told: for who hears of changes from now on, what was told so far.  A user
 * whose leave waits for its grace is online for him (who comes back in time is
 * no news); one whose coming is not told yet is offline, and told in a moment.
 */
void
presence_entry_of(struct hub *h, const struct conf_namespace *ns,
    struct slice user, bool as_told, struct status_entry *e)
{
	struct presence_info info;

	*e = (struct status_entry){ .user = user };
	if (!presence_get(h->presence, ns->index, user, &info))
		return;
	e->online = as_told ? info.told : info.online;
	e->code = info.status;
	e->connections = e->online ? info.connections : 0;
	e->last_seen_ms = info.last_seen_ms;
}

void
presence_user_json(struct hub *h, const struct conf_namespace *ns,
    struct slice user, struct buf *b)
{
	struct status_entry e;

	presence_entry_of(h, ns, user, false, &e);
	status_encode(b, &e);
}

/* So many rooms at a time; who is in rooms of several lots hears once of
 * each. */
#define ROOMS_TOLD	BUS_LIST_MAX
#define ROOMS_WORK	16u	/* units of a lot: it goes to others, too */

static void
presence_tell_lot(struct session *s, struct audience *a,
    const struct publication *p)
{
	if (a->nrooms == 0)
		return;
	(void)publish_audience(s->hub, s->ns, a, p, NULL);
	work_add(&s->hub->work, ROOMS_WORK);
	a->nrooms = 0;
}

/*
 * The rooms of the session that has a new status hear of it from here; those
 * who watch the user, or the whole namespace, hear of it from the relay.
 */
static void
presence_tell_rooms(struct session *s)
{
	struct slice rooms[ROOMS_TOLD];
	struct audience a = { .rooms = rooms };
	struct publication p = { .nsp = slice_of(s->ns->name,
	    s->ns->name_len), .event = SLICE("\"presence:update\"") };
	struct membership *m;
	struct buf b;

	if (s->ns->presence != CONF_PRESENCE_ROOMS || s->nrooms == 0)
		return;
	buf_init(&b);
	presence_user_json(s->hub, s->ns, principal_user(s->who), &b);
	if (b.oom) {	/* nobody there hears of it */
		counter_add(COUNTER_dropped_memory, 1);
		buf_fini(&b);
		return;
	}
	p.args = p.first = buf_unread(&b);
	for (m = s->memberships; m != NULL; m = m->next) {
		if (m->room->key[0] != ROOM_NAMED)
			continue;
		rooms[a.nrooms++] = room_name(m->room);
		if (a.nrooms == nitems(rooms))
			presence_tell_lot(s, &a, &p);
	}
	presence_tell_lot(s, &a, &p);
	buf_fini(&b);
}

static void
presence_change(struct session *s, enum status code)
{
	struct hub *h = s->hub;

	presence_set_status(h->presence, s->presence_node, s->ns->index,
	    principal_user(s->who), (uint8_t)code, slice_of(NULL, 0),
	    h->wall);
	presence_tell_rooms(s);
}

static unsigned
presence_status_now(struct session *s, uint64_t *last_seen_ms)
{
	struct status_entry e;

	presence_entry_of(s->hub, s->ns, principal_user(s->who), false, &e);
	*last_seen_ms = e.last_seen_ms;
	return (e.code);
}

/* --- the idle clock ------------------------------------------------------- */

void
presence_no_longer_idle(struct session *s)
{
	uint64_t seen;

	if (presence_status_now(s, &seen) == STATUS_IDLE)
		presence_change(s, STATUS_ONLINE);
}


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
	presence_no_longer_idle(s);
	client_schedule(s->client);
}

void
presence_session_silent(struct session *s)
{
	uint64_t seen, silent;
	unsigned code;

	/* another connection of the user may be busy */
	code = presence_status_now(s, &seen);
	silent = s->hub->wall.ms > seen ? s->hub->wall.ms - seen : 0;
	if (silent + 1000 < s->ns->idle_after_ms) {
		s->seen = when_of(s->hub->now.us - silent * 1000);
		return;
	}
	s->idle = true;
	if (code == STATUS_NONE || code == STATUS_ONLINE)
		presence_change(s, STATUS_IDLE);
}

/* --- events --------------------------------------------------------------- */

bool
presence_do_set(struct session *s, const struct inbound *in)
{
	uint8_t name[32];
	struct slice raw;
	struct buf b;
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
		refuse(s, in, REFUSED_INVALID,
		    "\"status\" must be online, away, busy or dnd");
		return (false);
	}
	presence_change(s, (enum status)code);
	buf_init(&b);
	presence_user_json(s->hub, s->ns, principal_user(s->who), &b);
	refuse_or_ack(s, in, &b);
	buf_fini(&b);
	return (true);
}
