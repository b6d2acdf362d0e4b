/*
 * Who is in a room, told to those who are in it by name, or, where there are too
 * many, how many they are; see announce.h.
 */
#include "relay/local/announce_int.h"

#include "proto/json.h"
#include "shm/counters.h"

#define COUNTS_A_TURN	256u	/* rooms that are told how many are there */
#define COUNT_AGAIN_MS	100u	/* when there was no room for it */

/* Who is there hears nothing of an invisible user, nor when that one goes. */
static bool
announce_is_hidden(struct announce *a, const struct conf_namespace *ns,
    const struct table_event *t, const struct status_entry *entry)
{
	uint32_t node;

	if (entry->online && entry->code == STATUS_INVISIBLE)
		return (true);
	node = t->is != 0 ? 0 : presence_find(a->presence, ns->index,
	    entry->user);
	return (node != 0 && node < a->ntold &&
	    a->told[node].code == STATUS_INVISIBLE + 1);
}

/* Those who are in it. */
static bool
announce_name(struct announce *a, const struct conf_namespace *ns,
    const struct table_event *t, struct slice room, struct slice user)
{
	struct bus_envelope e;
	struct bus_publish *p = announce_envelope(&e);
	struct status_entry entry = { .room = room, .present = t->is != 0 };
	struct presence_info info;

	announce_fill_entry(a, ns, user, &entry, &info);
	if (announce_is_hidden(a, ns, t, &entry))
		return (true);
	buf_reset(&a->args);
	status_encode(&a->args, &entry);
	p->to.rooms[p->to.nrooms++] = room;
	announce_who(a, ns->index, INTEREST_ROOM, room, e.slots);
	return (announce_tell(a, &e, ns));
}

/* Where there are too many names it is told how many. */
bool
announce_in_room(struct announce *a, const struct conf_namespace *ns,
    const struct table_event *t)
{
	struct crowd_room *r;
	struct slice room, user;
	uint32_t users;

	if (!status_room_split(t->key, &room, &user))
		return (true);
	if (ns->presence_list == 0)
		return (announce_name(a, ns, t, room, user));
	r = crowd_find(&a->crowd, ns->index, room);
	users = (r == NULL ? 0 : r->users) + (t->is != 0 && !t->repeat);
	if (users <= ns->presence_list && (r == NULL || !r->large) &&
	    !announce_name(a, ns, t, room, user))
		return (false);
	if (!t->repeat)
		r = crowd_move(&a->crowd, ns->index, room, t->is != 0);
	if (r != NULL && (r->large || r->users > ns->presence_list))
		crowd_due(&a->crowd, r, mono_now());
	return (true);
}

/* presence:count {"room","users"} */
static bool
announce_count(struct announce *a, const struct conf_namespace *ns,
    const struct crowd_room *r)
{
	struct slice room = slice_of(r->name, r->len);
	struct bus_envelope e;
	struct bus_publish *p = announce_envelope(&e);

	buf_reset(&a->args);
	buf_str(&a->args, "{\"room\":");
	json_escape(&a->args, room);
	buf_str(&a->args, ",\"users\":");
	buf_u64(&a->args, r->users);
	buf_byte(&a->args, '}');
	p->event = SLICE("\"presence:count\"");
	p->to.rooms[p->to.nrooms++] = room;
	e.flags = BUS_COUNTED | (r->users > ns->presence_list ? BUS_MORE : 0);
	announce_who(a, ns->index, INTEREST_ROOM, room, e.slots);
	if (!announce_tell(a, &e, ns))
		return (false);
	counter_add(COUNTER_presence_counts, 1);
	return (true);
}

void
announce_turn(struct announce *a, struct mono now)
{
	const struct conf_namespace *ns;
	struct crowd_room *r;
	unsigned left = COUNTS_A_TURN;

	CHECK_MAGIC(a, ANNOUNCE_MAGIC);
	while (left-- > 0 && (r = crowd_next(&a->crowd, now)) != NULL) {
		ns = conf_namespace_at(a->conf, r->ns);
		if (ns == NULL || announce_count(a, ns, r)) {
			crowd_told(&a->crowd, r, now,
			    a->conf->count_interval_ms, ns != NULL &&
			    r->users > ns->presence_list);
			continue;
		}
		/* there is no room for it */
		crowd_told(&a->crowd, r, now, COUNT_AGAIN_MS, r->large);
		crowd_due(&a->crowd, r, now);
	}
}

static void
announce_count_all_of(struct announce *a, const struct conf_namespace *ns)
{
	struct presence_entry found[32];
	struct slice room, user;
	struct crowd_room *r;
	uint32_t cursor = 0;
	unsigned i, n;

	do {
		n = presence_list(a->presence, conf_rooms_index(a->conf, ns),
		    &cursor, found, nitems(found));
		for (i = 0; i < n; i++) {
			if (!found[i].info.told || !found[i].whole ||
			    !status_room_split(found[i].user, &room, &user))
				continue;
			r = crowd_move(&a->crowd, ns->index, room, true);
			if (r != NULL && r->users > ns->presence_list)
				crowd_due(&a->crowd, r, mono_now());
		}
	} while (cursor != 0);
}

void
announce_count_all(struct announce *a)
{
	const struct conf_namespace *ns;
	size_t i;

	CHECK_MAGIC(a, ANNOUNCE_MAGIC);
	crowd_empty(&a->crowd);
	for (i = 0; i < a->conf->nnamespaces; i++) {
		ns = &a->conf->namespaces[i];
		if (!ns->gone && ns->presence_list != 0 &&
		    ns->presence >= CONF_PRESENCE_ROOMS)
			announce_count_all_of(a, ns);
	}
}
