/*
 * The table's operations with threads for processes, for ThreadSanitizer,
 * which does not see across processes.  Nobody dies here; what is looked for
 * is an access without an order.
 *
 *	threads [SECONDS]
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shm/bucket.h"
#include "shm/interest.h"
#include "shm/presence.h"
#include "shm/sweep.h"
#include "shm/table_relay.h"
#include "shm/table_revoked.h"
#include "verify.h"

#define WORKERS	3u
#define USERS	60u

static struct segment *seg;
static struct sweep *sweep;
static _Atomic int stop;
static const unsigned slots[WORKERS] = { 1, 2, 65 };

static uint32_t
roll(uint64_t *rng, uint32_t n)
{
	*rng ^= *rng << 13;
	*rng ^= *rng >> 7;
	*rng ^= *rng << 17;
	return ((uint32_t)(*rng >> 20) % n);
}

/* Some are over at once, and swept away while others begin anew. */
static void
turn_revoked(unsigned slot, uint64_t *rng)
{
	uint64_t now_s = wall_now().ms / 1000;
	struct revoked_entry e;
	uint32_t at = roll(rng, 64);
	struct revocation r;
	char text[80];
	uint64_t id;

	snprintf(text, sizeof text, "%0*u", 1 + (int)roll(rng, 60),
	    roll(rng, 40));
	r = (struct revocation){ .kind = roll(rng, 2) == 0 ? REVOKED_USER :
		REVOKED_TOKEN, .name = slice_str(text) };
	id = revoked_id(seg, r.kind, r.name);
	if (roll(rng, 2) == 0) {
		r.moment = r.kind == REVOKED_USER ? (uint32_t)now_s : 0;
		r.until = (uint32_t)now_s + roll(rng, 3);
		if (revoked_put(seg, slot, &r, now_s) != REVOKED_FULL &&
		    !revoked_is(seg, id, 0, now_s))
			abort();
	} else if (revoked_is(seg, id, (int64_t)now_s + 1000000, now_s))
		abort();
	if (roll(rng, 20) == 0 && revoked_next(seg, &at, now_s, &e) &&
	    (e.r.name.n == 0 || e.r.name.n > 60 || e.r.name.p[0] < '0' ||
	    e.r.name.p[0] > '9'))
		abort();
}

static void
turn(struct presence *p, struct interest *in, uint32_t held[2][USERS],
    uint64_t *rng, const struct bucket_rate *rate)
{
	struct presence_entry list[8];
	struct presence_info info;
	uint32_t u = roll(rng, USERS), cursor = 0;
	uint64_t bits[2];
	struct slice key;
	char text[16];

	snprintf(text, sizeof text, "user-%u", u);
	key = slice_str(text);
	if (held[0][u] == 0) {
		held[0][u] = presence_join(p, 1, key) + 1;
		held[1][u] = interest_join(in, 1, key) + 1;
		presence_set_status(p, held[0][u] - 1, 1, key, 1, key,
		    wall_now());
	} else {
		presence_leave(p, held[0][u] - 1, 1, key,
		    (uint8_t)(1 + u % 30));
		interest_leave(in, held[1][u] - 1, 1, key);
		held[0][u] = held[1][u] = 0;
	}
	snprintf(text, sizeof text, "user-%u", roll(rng, USERS));
	(void)presence_get(p, 1, slice_str(text), &info);
	(void)presence_list(p, 1, &cursor, list, nitems(list));
	interest_who(in, 1, slice_str(text), bits);
	(void)bucket_check(seg, rate, slice_str(text), 1, mono_now(), NULL);
	if (roll(rng, 50) == 0) {
		presence_retry(p, mono_now());
		interest_retry(in, mono_now());
	}
}

static void *
worker(void *arg)
{
	unsigned slot = *(const unsigned *)arg;
	struct presence *p = presence_open(seg, slot);
	struct interest *in = interest_open(seg, slot);
	uint32_t held[2][USERS] = { { 0 } };
	uint64_t rng = slot * 7919 + 1;
	struct bucket_rate rate;
	unsigned i;

	if (p == NULL || in == NULL ||
	    !bucket_rate_init(&rate, 0, 1000, 1000000, 10))
		abort();
	while (atomic_load(&stop) == 0) {
		slots_quiesce_leave(seg, slot);
		for (i = roll(&rng, 8); i > 0; i--)
			turn(p, in, held, &rng, &rate);
		turn_revoked(slot, &rng);
		slots_quiesce_enter(seg, slot);
		(void)sched_yield();
	}
	/* spilled keys go with their handle, as with their process */
	presence_close(&p);
	interest_close(&in);
	return (NULL);
}

static bool
hear(void *arg, const struct table_event *e)
{
	uint64_t *heard = arg;

	*heard += e->key.n + e->is;
	return (true);
}

static void *
relay(void *arg)
{
	struct table_relay *t[2];
	struct revoked_entry e;
	uint64_t heard = 0, rng = 99;
	uint32_t at = 0;
	char text[16];
	unsigned i;

	(void)arg;
	for (i = 0; i < 2; i++) {
		t[i] = table_relay_open(seg, (enum table_id)i, 0);
		if (t[i] == NULL)
			abort();
	}
	while (atomic_load(&stop) == 0) {
		slots_quiesce_leave(seg, 0);
		snprintf(text, sizeof text, "user-%u", roll(&rng, USERS));
		(void)table_mirror(t[0], 1, slice_str(text), roll(&rng, 2));
		for (i = 0; i < 2; i++)
			(void)table_announce(t[i], mono_now(), hear, &heard);
		if (revoked_next(seg, &at, wall_now().ms / 1000, &e))
			revoked_tell(seg, &e.r);
		else if ((at = 0, roll(&rng, 10)) == 0)
			revoked_untell(seg);
		slots_quiesce_enter(seg, 0);
		if (segment_relay_sleep(seg))
			segment_relay_woke(seg);
	}
	table_relay_close(&t[0]);
	table_relay_close(&t[1]);
	return (NULL);
}

static void
master(unsigned seconds)
{
	uint64_t end = mono_now().us + seconds * 1000000ull;
	uint32_t users[2];

	while (mono_now().us < end) {
		atomic_store(&segment_header(seg)->need_sweep, 1);
		sweep_round(sweep, mono_now());
		presence_tally(seg, users, 2);
		usleep(100);
	}
}

int
main(int argc, char **argv)
{
	struct segment_params p = { .max_workers = 64, .presence_max = 40,
		.interest_max = 40, .rate_ways = 64, .max_ns = 2,
		.status_text = true, .revoked_max = 64 };
	pthread_t thread[WORKERS + 1];
	unsigned i, w;

	seg = segment_create(&p);
	if (seg == NULL || (sweep = sweep_new(seg)) == NULL)
		return (2);
	for (i = 0; i <= WORKERS; i++) {
		w = i == WORKERS ? 0 : slots[i];
		atomic_store(&segment_slot(seg, w)->state, SLOT_ASSIGNED);
		slot_live(seg, w, 1);
	}
	for (i = 0; i < WORKERS; i++)
		if (pthread_create(&thread[i], NULL, worker,
		    (void *)(uintptr_t)&slots[i]) != 0)
			return (2);
	if (pthread_create(&thread[WORKERS], NULL, relay, NULL) != 0)
		return (2);
	master(argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 5);
	atomic_store(&stop, 1);
	for (i = 0; i <= WORKERS; i++)
		(void)pthread_join(thread[i], NULL);
	for (i = 0; i < WORKERS; i++) {
		slot_dead(seg, slots[i]);
		sweep_reclaim(sweep, slots[i]);
	}
	i = verify_segment(seg);
	sweep_free(&sweep);
	segment_free(&seg);
	return (i == 0 ? 0 : 1);
}
