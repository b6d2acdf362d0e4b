/*
 * Users that come and go, as entries; see guests.h.  Called by hooks.c.
 */
#include "relay/hooks/guests.h"

#include <stdlib.h>

#include "conf/conf.h"
#include "proto/status.h"
#include "shm/counters.h"
#include "shm/presence.h"
#include "shm/table_relay.h"
#include "shm/why.h"

#define GUESTS_NODES	1000u	/* looked at in a turn */

static bool
guests_are_told(const struct conf *conf, const struct conf_namespace *ns)
{
	return (!ns->gone && ns->hook != NULL && ns->tells != 0 &&
	    !conf_redis_on(&conf->redis));
}

bool
guests_init(struct guests *p, const struct conf *conf,
    const struct presence *presence, const struct guests_calls *calls)
{
	*p = (struct guests){ .calls = *calls, .conf = conf,
		.presence = presence, .nwalks = conf->ns_room };
	present_init(&p->present);
	buf_init(&p->parts.bytes);
	p->walks = calloc(p->nwalks, sizeof *p->walks);
	return (p->walks != NULL);
}

void
guests_fini(struct guests *p)
{
	present_fini(&p->present);
	buf_fini(&p->parts.bytes);
	free(p->walks);
	p->walks = NULL;
}

void
guests_conf(struct guests *p, const struct conf *conf)
{
	struct guests_walk *w;
	size_t i;
	bool on;

	p->conf = conf;
	for (i = 0; i < conf->nnamespaces; i++) {
		w = &p->walks[i];
		on = guests_are_told(conf, &conf->namespaces[i]);
		if (on && !w->on) {
			p->walking = true;
			p->calls.begin(p->calls.arg, &conf->namespaces[i]);
		}
		if (w->on && !on)
			present_forget(&p->present, (unsigned)i);
		if (w->on != on)
			*w = (struct guests_walk){ .on = on };
	}
}

/* --- telling ----------------------------------------------------------------*/

static void
guests_tell(struct guests *p, const struct conf_namespace *ns, uint32_t bit,
    const char *type, struct slice room, struct slice user, bool there)
{
	if ((ns->tells & bit) == 0)
		return;
	entry_begin(&p->parts, slice_str(type), p->now_ms);
	if (user.n != 0)
		entry_put(&p->parts, "user", user);
	if (room.n != 0)
		entry_put(&p->parts, "room", room);
	if (!there)
		entry_put(&p->parts, "why", SLICE("left"));
	if (!there && why_name(p->why) != NULL)
		entry_put(&p->parts, "reason", slice_str(why_name(p->why)));
	p->calls.tell(p->calls.arg, ns, &p->parts);
}

static void
guests_room(struct guests *p, const struct conf_namespace *ns,
    enum present_change change, struct slice room, struct slice user,
    bool there)
{
	const struct slice nobody = { NULL, 0 };

	if (there && change == PRESENT_EDGE)
		guests_tell(p, ns, CONF_TELL_OCCUPIED, "occupied", room,
		    nobody, true);
	guests_tell(p, ns, there ? CONF_TELL_JOINED : CONF_TELL_LEFT,
	    there ? "joined" : "left", room, user, there);
	if (!there && change == PRESENT_EDGE)
		guests_tell(p, ns, CONF_TELL_VACATED, "vacated", room, nobody,
		    false);
}

static void
guests_set(struct guests *p, const struct conf_namespace *ns, struct slice room,
    struct slice user, bool there)
{
	enum present_change change = present_set(&p->present, ns->index, room,
	    user, there);

	switch (change) {
	case PRESENT_SAME:
		return;
	case PRESENT_NO_MEMORY:
		counter_add(COUNTER_memory_failures, 1);
		return;
	case PRESENT_CHANGED:
	case PRESENT_EDGE:
		break;
	}
	if (room.n == 0)
		guests_tell(p, ns, there ? CONF_TELL_CONNECTED :
		    CONF_TELL_DISCONNECTED, there ? "connected" :
		    "disconnected", room, user, there);
	else
		guests_room(p, ns, change, room, user, there);
}

/* NULL: nobody is told of it; *rooms: it is of its rooms. */
static const struct conf_namespace *
guests_namespace(const struct guests *p, uint16_t index, bool *rooms)
{
	size_t i = index;

	*rooms = i >= p->conf->ns_room;
	if (*rooms)
		i -= p->conf->ns_room;
	return (i < p->conf->nnamespaces && p->walks[i].on ?
	    &p->conf->namespaces[i] : NULL);
}

void
guests_event(struct guests *p, const struct table_event *e)
{
	struct slice room = { NULL, 0 }, user = e->key;
	const struct conf_namespace *ns;
	bool rooms;

	ns = guests_namespace(p, e->ns, &rooms);
	if (ns == NULL || !e->whole || e->key.n == 0 ||
	    (rooms && !status_room_split(e->key, &room, &user)))
		return;
	p->why = (e->is & ANN_L) != 0 ? 0 : presence_ended(p->presence,
	    e->node);
	guests_set(p, ns, room, user, (e->is & ANN_L) != 0);
}

/* --- those who were there ---------------------------------------------------*/

static bool
guests_on_held(void *arg, const struct table_event *e)
{
	struct guests *p = arg;
	const struct conf_namespace *ns;
	bool rooms;

	guests_event(p, e);
	ns = guests_namespace(p, e->ns, &rooms);
	return (ns != NULL && !p->calls.crowded(p->calls.arg, ns));
}

/* True: there are more. */
static bool
guests_walk(struct guests *p, const struct conf_namespace *ns,
    const struct table_relay *table)
{
	struct guests_walk *w = &p->walks[ns->index];

	if (p->calls.crowded(p->calls.arg, ns))
		return (false);
	if (table_tell_some(table, w->part == 0 ? ns->index :
	    conf_rooms_index(p->conf, ns), false, &w->at, GUESTS_NODES,
	    guests_on_held, p)) {
		w->part++;
		w->at = 0;
	}
	return (w->part < 2 && !p->calls.crowded(p->calls.arg, ns));
}

bool
guests_turn(struct guests *p, const struct table_relay *table,
    uint64_t now_ms)
{
	bool more = false;
	size_t i;

	p->now_ms = now_ms;
	if (!p->walking)
		return (false);
	p->walking = false;
	for (i = 0; i < p->conf->nnamespaces; i++) {
		if (!p->walks[i].on || p->walks[i].part >= 2)
			continue;
		more |= guests_walk(p, &p->conf->namespaces[i], table);
		p->walking |= p->walks[i].part < 2;
	}
	return (more);
}
