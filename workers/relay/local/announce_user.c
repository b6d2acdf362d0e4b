/*
 * Who comes, who goes, and who has another status; see announce.h.  Those who
 * watch the user hear of it, or everybody in the namespace, and of a status also
 * the rooms that he is in.
 */
#include "relay/local/announce_int.h"

#include <stdlib.h>

#include "shm/counters.h"

static struct presence_user
announce_user_of(const struct announce *a, const struct conf_namespace *ns,
    struct slice user)
{
	return ((struct presence_user){ .ns = ns->index,
		.stride = (uint16_t)a->conf->ns_room, .user = user });
}

void
announce_fill_entry(struct announce *a, const struct conf_namespace *ns,
    struct slice user, struct status_entry *entry, struct presence_info *info)
{
	entry->user = user;
	entry->code = STATUS_ONLINE;
	if (!presence_get(a->presence, ns->index, user, info))
		return;
	entry->online = info->online;
	entry->code = status_of_mark((enum status_mark)presence_mark(
	    a->presence, announce_user_of(a, ns, user), false));
	entry->connections = info->connections;
	entry->last_seen_ms = info->last_seen_ms;
}

/* What was last told of a node; NULL: no memory. */
static struct told *
announce_told_of(struct announce *a, uint32_t node)
{
	uint32_t n = a->ntold == 0 ? 1024 : a->ntold;
	struct told *v;

	if (node >= a->ntold) {
		while (n <= node)
			n *= 2;
		v = reallocarray(a->told, n, sizeof *v);
		if (v == NULL)
			return (NULL);
		memset(v + a->ntold, 0, (n - a->ntold) * sizeof *v);
		a->told = v;
		a->ntold = n;
	}
	return (a->told + node);
}

/* --- what is not told yet -------------------------------------------------*/

static bool
announce_in_ms(struct announce *a, struct mono now, uint64_t ms)
{
	uint64_t due = now.us + ms * 1000;

	if (due < a->due_us)
		a->due_us = due;
	return (true);
}

/*
 * A new status waits: while a connection that has ended may be back, with what
 * it said, and while another one was told a moment ago.  The last one is told.
 */
static bool
announce_waits(struct announce *a, const struct told *told,
    const struct presence_info *info)
{
	uint64_t wall = wall_now().ms, until;
	struct mono now = mono_now();
	int32_t since = (int32_t)((uint32_t)(now.us / 1000) - told->at_ms);
	int32_t interval = (int32_t)a->conf->status_interval_ms;

	until = info->left && a->conf->leave_grace_ms != 0 ? info->set_ms + a->conf->leave_grace_ms : 0;
	/* a clock that was set back does not make it longer */
	if (wall < until && until - wall < a->conf->leave_grace_ms + 1000)
		return (announce_in_ms(a, now, until - wall));
	if (told->at_ms != 0 && since < interval) {
		counter_add(COUNTER_presence_coalesced, 1);
		return (announce_in_ms(a, now, (uint64_t)(interval -
		    (since < 0 ? 0 : since))));
	}
	return (false);
}

/* --- a user of the namespace ----------------------------------------------*/

/* Those who watch, or everybody; a new status also where the user is in rooms,
 * whose workers tell these. */
static void
announce_to(struct announce *a, const struct conf_namespace *ns,
    const struct table_event *t, struct bus_envelope *e)
{
	struct bus_publish *p = &e->publish;
	uint64_t bits[2];

	if (ns->presence == CONF_PRESENCE_NAMESPACE) {
		announce_who(a, t->ns, INTEREST_NAMESPACE, slice_of(NULL, 0),
		    e->slots);
		return;
	}
	e->flags = BUS_WATCHERS;
	p->to.users[p->to.nusers++] = t->key;
	announce_who(a, t->ns, INTEREST_WATCH, t->key, e->slots);
	if (ns->presence != CONF_PRESENCE_ROOMS || announce_is_level(t))
		return;
	e->flags |= BUS_ROOMS_OF;
	announce_who(a, t->ns, INTEREST_USER, t->key, bits);
	slotset_join(e->slots, bits);
}

/* To others it is as before: who is invisible is not there. */
static bool
announce_is_unseen(const struct table_event *t, const struct told *told,
    unsigned code)
{
	bool was = told != NULL && told->code == STATUS_INVISIBLE + 1;

	if (!announce_is_level(t))
		return (was && code == STATUS_INVISIBLE);
	return (t->is != 0 ? code == STATUS_INVISIBLE : was);
}

/* Told to all who are to hear of it; false: not now. */
static bool
announce_say(struct announce *a, const struct conf_namespace *ns,
    const struct table_event *t, struct status_entry *entry)
{
	struct bus_envelope e;

	(void)announce_envelope(&e);
	/* what is told is what happened, though it may be over by now */
	entry->online = t->is != 0;
	if (!entry->online)
		entry->connections = 0;
	status_hide(entry);
	buf_reset(&a->args);
	status_encode(&a->args, entry);
	announce_to(a, ns, t, &e);
	return (announce_tell(a, &e, ns));
}

bool
announce_user(struct announce *a, const struct conf_namespace *ns,
    const struct table_event *t)
{
	struct told *told = announce_told_of(a, t->node);
	struct presence_info info = { .left = false };
	struct status_entry entry = { .online = false };
	bool level = announce_is_level(t);
	uint8_t code;

	announce_fill_entry(a, ns, t->key, &entry, &info);
	code = (uint8_t)(entry.code + 1);
	/* who came and went between two looks was never told to be here */
	if (!level && t->is != 0 && (told == NULL || told->code != code)) {
		if (told != NULL && told->code != 0 &&
		    announce_waits(a, told, &info))
			return (false);
	} else if (!level) {
		if (told != NULL)
			told->code = code;
		return (true);
	}
	if (announce_is_unseen(t, told, entry.code)) {
		if (t->is == 0)
			return (true);	/* and the rooms hear no more */
	} else if (!announce_say(a, ns, t, &entry))
		return (false);
	if (told != NULL)
		*told = (struct told){ .code = code, .at_ms = level ? 0 :
			(uint32_t)(mono_now().us / 1000) | 1 };
	return (true);
}

/* --- what a predecessor has told ------------------------------------------*/

static void
announce_learn_some(struct announce *a, const struct conf_namespace *ns,
    const struct presence_entry *found, unsigned n)
{
	struct status_entry entry = { .online = false };
	struct presence_info info;
	struct told *told;
	unsigned i;

	for (i = 0; i < n; i++) {
		info = found[i].info;
		if (!found[i].whole || !info.told || !info.settled ||
		    info.set_ms == 0)
			continue;
		announce_fill_entry(a, ns, found[i].user, &entry, &info);
		told = announce_told_of(a, presence_find(a->presence,
		    ns->index, found[i].user));
		if (told != NULL)
			told->code = (uint8_t)(entry.code + 1);
	}
}

void
announce_learn(struct announce *a)
{
	const struct conf_namespace *ns;
	struct presence_entry found[32];
	uint32_t cursor;
	unsigned n;
	size_t i;

	CHECK_MAGIC(a, ANNOUNCE_MAGIC);
	for (i = 0; i < a->conf->nnamespaces; i++) {
		ns = &a->conf->namespaces[i];
		cursor = 0;
		while (!ns->gone && ns->presence != CONF_PRESENCE_OFF) {
			n = presence_list(a->presence, ns->index, &cursor,
			    found, nitems(found));
			announce_learn_some(a, ns, found, n);
			if (cursor == 0)
				break;
		}
	}
}

/* --- marks ----------------------------------------------------------------*/

bool
announce_is_mark(const struct announce *a, const struct table_event *t)
{
	return (t->ns >= 2 * a->conf->ns_room);
}

bool
announce_of_mark(struct announce *a, const struct table_event *t,
    struct table_event *user)
{
	const struct conf_namespace *ns = conf_namespace_at(a->conf,
	    t->ns % a->conf->ns_room);
	struct presence_info info;

	CHECK_MAGIC(a, ANNOUNCE_MAGIC);
	if (!t->whole || ns == NULL || !presence_get(a->presence, ns->index,
	    t->key, &info) || !info.told || !info.online)
		return (false);
	*user = *t;
	user->node = presence_find(a->presence, ns->index, t->key);
	user->ns = ns->index;
	user->was = user->is = info.local ? ANN_L : ANN_R;
	user->status = true;
	user->repeat = false;
	user->version = info.version;
	return (user->node != 0);
}
