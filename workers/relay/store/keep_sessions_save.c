/*
 * Sessions for the relay that takes this one's place; see keep_sessions.h.
 */
#include "relay/store/keep_session.h"

#include "base/state.h"
#include "relay/store/keep_sessions_far.h"
#include "shm/counters.h"

#define SESSIONS_TAG	0x5780

static void
sessions_add_hole(const struct stored *s, struct stored_hole v[STORED_HOLES],
    unsigned *n, uint64_t lost, uint64_t told)
{
	/* its client has more, or was not there yet */
	if (told < s->proven || told < s->base)
		return;
	if (*n == STORED_HOLES) {
		if (v[0].lost < v[1].lost)
			v[1].lost = v[0].lost;
		if (v[0].told > v[1].told)
			v[1].told = v[0].told;
		memmove(v, v + 1, --*n * sizeof *v);
	}
	v[(*n)++] = (struct stored_hole){ lost, told };
}

unsigned
sessions_holes(const struct keep *k, const struct stored *s,
    struct stored_hole v[STORED_HOLES])
{
	const struct conf_namespace *ns = conf_namespace_find(k->conf,
	    stored_nsp(s));
	const struct journal *j = ns == NULL ? NULL : journal_known(k, ns);
	const unsigned had[] = { s->before, sessions_had(s) };
	struct journal_hole h[JOURNAL_HOLES + 1];
	unsigned n = 0;
	size_t i, w, nh;

	for (i = 0; i < s->nholes; i++)
		sessions_add_hole(s, v, &n, s->holes[i].lost,
		    s->holes[i].told);
	if (j == NULL || !slice_eq(stored_epoch(s), journal_epoch(j)))
		return (n);
	for (w = had[0] == had[1] ? 1 : 0; w < nitems(had); w++) {
		nh = journal_holes(k, j, had[w], h);
		for (i = 0; i < nh; i++)
			sessions_add_hole(s, v, &n, h[i].lost, h[i].told);
	}
	return (n);
}

void
sessions_put_one(const struct keep *k, const struct stored *s,
    struct buf *records, struct buf *b)
{
	struct stored_hole v[STORED_HOLES];
	unsigned i, n = sessions_holes(k, s, v);

	buf_reset(records);
	stored_put(s, records);
	state_put_bytes(b, s->pid, STORED_PID);
	state_put_bytes(b, s->sid, STORED_SID);
	state_put_slice(b, stored_nsp(s));
	state_put_bool(b, s->has_user);
	state_put_slice(b, stored_user(s));
	state_put_slice(b, stored_epoch(s));
	state_put_u64(b, s->base);
	state_put_u64(b, s->floor);
	state_put_u64(b, s->proven);
	state_put_u8(b, (uint8_t)n);
	for (i = 0; i < n; i++) {
		state_put_u64(b, v[i].lost);
		state_put_u64(b, v[i].told);
	}
	state_put_u16(b, (uint16_t)sessions_had(s));
	state_put_slice(b, buf_unread(records));
	b->oom |= records->oom;
}

void
sessions_save(const struct keep *k, struct buf *b)
{
	const struct sessions *t = k->sessions;
	const struct stored *s;
	struct buf records;
	unsigned slot;
	size_t at, before;

	if (t->table.count == 0)
		return;
	buf_init(&records);
	before = b->wpos;
	at = state_open(b, SESSIONS_TAG, SESSIONS_VERSION);
	TAILQ_FOREACH(s, &t->away, list)
		sessions_put_one(k, s, &records, b);
	for (slot = 1; slot < ROLE_SLOTS_MAX; slot++)
		TAILQ_FOREACH(s, &t->here[slot], list)
			sessions_put_one(k, s, &records, b);
	state_close(b, at);
	if (b->oom) {		/* none, then: they come back as others */
		counter_add(COUNTER_memory_failures, 1);
		b->wpos = before;
		b->oom = false;
	}
	buf_fini(&records);
}

bool
sessions_get_one(struct keep *k, struct state_in *in, unsigned version)
{
	char pid[STORED_PID], sid[STORED_SID];
	struct bus_session b = { .pid = slice_of(pid, sizeof pid),
		.sid = slice_of(sid, sizeof sid) };
	struct slice epoch, records;
	uint64_t base, floor, proven;
	struct stored_hole holes[STORED_HOLES] = { { 0, 0 } };
	unsigned i, nholes = 0;
	struct stored *s;
	uint16_t slot;

	state_get_bytes(in, pid, sizeof pid);
	state_get_bytes(in, sid, sizeof sid);
	b.nsp = state_get_slice(in);
	b.has_user = state_get_bool(in);
	b.user = state_get_slice(in);
	epoch = state_get_slice(in);
	base = state_get_u64(in);
	floor = state_get_u64(in);
	proven = state_get_u64(in);
	if (version > 1)
		nholes = state_get_u8(in);
	for (i = 0; i < nholes && i < STORED_HOLES; i++) {
		holes[i].lost = state_get_u64(in);
		holes[i].told = state_get_u64(in);
	}
	slot = state_get_u16(in);
	records = state_get_slice(in);
	if (in->bad || nholes > STORED_HOLES || slot >= ROLE_SLOTS_MAX ||
	    epoch.n > STORE_EPOCH_MAX ||
	    sessions_find(k->sessions, &b) != NULL)
		return (false);
	if (!sessions_fit(k, NULL, 1, stored_will_cost(&b) + records.n * 2) ||
	    (s = sessions_add(k, NULL, &b, 0)) == NULL)
		return (true);		/* no room, no memory: another one */
	stored_set_epoch(s, epoch);
	s->base = base;
	s->floor = floor;
	s->proven = proven;
	memcpy(s->holes, holes, sizeof s->holes);
	s->nholes = nholes;
	s->last = slot;
	if (stored_get(k->sessions, s, records)) {
		sessions_far_due(k, s);
		return (true);
	}
	sessions_drop(k->sessions, s);
	return (false);
}

bool
sessions_load(struct keep *k, struct slice saved, struct slice *rest)
{
	struct state_in in = state_in(saved), look = in, body;
	uint16_t version;
	bool good;

	*rest = saved;
	if (saved.n < 2 || state_get_u16(&look) != SESSIONS_TAG)
		return (true);
	good = state_section(&in, SESSIONS_TAG, &version, &body);
	*rest = slice_of(in.p, (size_t)(in.end - in.p));
	good = good && version >= 1 && version <= SESSIONS_VERSION;
	while (good && body.p != body.end)
		good = sessions_get_one(k, &body, version);
	sessions_show(k->sessions);
	return (good);
}
