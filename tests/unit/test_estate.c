/* What can be given of what a worker has, in which order, and that each is
 * counted once on either side. */
#include "worker/handover/estate.h"

#include <unistd.h>

#include "tests/lib/check.h"
#include "tests/lib/conn_world.h"
#include "worker/engineio/polling.h"
#include "worker/engineio/polling_save.h"
#include "worker/sockjs/sockjs.h"
#include "worker/sockjs/sockjs_save.h"
#include "worker/handover/give.h"
#include "worker/handover/take.h"

#define CONNS	6u

static struct estate from, to;
static struct give_calls give;
static struct take_calls take;
static struct conn *conns[CONNS];	/* the first is the oldest */
static int peers[CONNS];
static uint64_t counted[COUNTER__MAX];

#define assert_counted(name, n) \
	assert_int_equal(counter_get(COUNTER_##name) - \
	    counted[COUNTER_##name], n)

struct hub_move *
hub_move_new(struct hub *h, bool giving, uint16_t peer)
{
	(void)h;
	assert_int_equal(peer, giving ? 2 : 1);
	return ((struct hub_move *)&world);
}

void
hub_move_free(struct hub_move **m)
{
	*m = NULL;
}

void
hub_move_failed(struct hub_move *m)
{
	assert_ptr_equal(m, &world);
}

const char *
hub_move_part(struct hub_move *m)
{
	(void)m;
	return ("client");
}

/* --- sessions over polling, and parked ones: three of each ---------------- */

struct poller {
	unsigned	 nconns;
	bool		 busy, over_tls, frozen, slow, waits;
	const char	*is;
};

struct recover {
	const char	*is;
};

static struct poller pollers[3], loaded_poller;
static struct recover parked[3], loaded_parked;
static unsigned npollers, nparked;
static bool none_may_wait;

size_t
polling_waiting(const struct polling *p)
{
	(void)p;
	return (npollers);
}

struct poller *
polling_first(const struct polling *p)
{
	(void)p;
	return (npollers > 0 ? pollers : NULL);
}

struct poller *
polling_next(const struct poller *p)
{
	size_t i = (size_t)(p - pollers) + 1;

	return (i < npollers ? &pollers[i] : NULL);
}

bool
poller_may_move(const struct poller *p)
{
	return (!p->busy && !p->over_tls && !p->waits);
}

bool
poller_waits(const struct poller *p)
{
	return (p->waits);
}

bool
poller_may_release(const struct poller *p)
{
	return (p->over_tls && !p->busy);
}

bool
poller_release(struct poller *p)
{
	assert_true(poller_may_release(p));
	p->over_tls = false;
	return (!p->slow);
}

unsigned
poller_nconns(const struct poller *p)
{
	return (p->nconns);
}

bool
poller_save(struct poller *p, struct hub_move *m, struct buf *b, int fds[])
{
	unsigned i;

	(void)m;
	for (i = 0; i < p->nconns; i++)
		fds[i] = peers[i];
	state_put_u8(b, 7);
	return (true);
}

void
poller_freeze(struct poller *p)
{
	p->frozen = true;
}

void
poller_thaw(struct poller *p)
{
	p->is = "thawed";
}

void
poller_moved(struct poller *p)
{
	assert_true(p->frozen);
	p->is = "moved";
}

struct poller *
poller_load(struct polling *all, struct hub_move *m, struct state_in *in,
    const int fds[], unsigned n)
{
	(void)all;
	(void)m;
	while (n > 0)
		(void)close(fds[--n]);
	return (state_get_u8(in) == 7 ? &loaded_poller : NULL);
}

void
poller_activate(struct poller *p)
{
	p->is = "active";
}

void
poller_unload(struct poller *p)
{
	p->is = "unloaded";
}

/* --- sessions of SockJS: one ---------------------------------------------- */

struct sockjs {
	unsigned	 nconns;
	bool		 busy, over_tls, frozen, waits;
	const char	*is;
};

static struct sockjs socks[1], loaded_sockjs;
static unsigned nsocks;

size_t
sockjs_waiting(const struct sockjs_all *all)
{
	(void)all;
	return (nsocks);
}

struct sockjs *
sockjs_save_first(const struct sockjs_all *all)
{
	(void)all;
	return (nsocks > 0 ? socks : NULL);
}

struct sockjs *
sockjs_save_next(const struct sockjs *s)
{
	assert_ptr_equal(s, socks);
	return (NULL);
}

bool
sockjs_may_move(const struct sockjs *s)
{
	return (!s->busy && !s->over_tls);
}

bool
sockjs_waits(const struct sockjs *s)
{
	return (s->waits);
}

bool
sockjs_may_release(const struct sockjs *s)
{
	return (!s->busy && s->over_tls);
}

bool
sockjs_release(struct sockjs *s)
{
	assert_true(sockjs_may_release(s));
	s->over_tls = false;
	return (true);
}

unsigned
sockjs_nconns(const struct sockjs *s)
{
	return (s->nconns);
}

bool
sockjs_save(struct sockjs *s, struct hub_move *m, struct buf *b, int fds[])
{
	unsigned i;

	(void)m;
	for (i = 0; i < s->nconns; i++)
		fds[i] = peers[i];
	state_put_u8(b, 9);
	return (true);
}

void
sockjs_freeze(struct sockjs *s)
{
	s->frozen = true;
}

void
sockjs_thaw(struct sockjs *s)
{
	s->is = "thawed";
}

void
sockjs_moved(struct sockjs *s)
{
	assert_true(s->frozen);
	s->is = "moved";
}

struct sockjs *
sockjs_load(struct sockjs_all *all, struct hub_move *m, struct state_in *in,
    const int fds[], unsigned n)
{
	(void)all;
	(void)m;
	while (n > 0)
		(void)close(fds[--n]);
	return (state_get_u8(in) == 9 ? &loaded_sockjs : NULL);
}

void
sockjs_activate(struct sockjs *s)
{
	s->is = "active";
}

void
sockjs_unload(struct sockjs *s)
{
	s->is = "unloaded";
}

size_t
hub_parked(const struct hub *h)
{
	(void)h;
	return (nparked);
}

bool
hub_has_parked(const struct hub *h)
{
	(void)h;
	return (nparked > 0);
}

struct recover *
parked_first(struct hub *h)
{
	(void)h;
	return (nparked > 0 ? parked : NULL);
}

struct recover *
parked_next(struct recover *r)
{
	size_t i = (size_t)(r - parked) + 1;

	return (i < nparked ? &parked[i] : NULL);
}

bool
parked_save(struct hub_move *m, struct recover *r, struct buf *b)
{
	(void)m;
	(void)r;
	state_put_u8(b, 9);
	return (true);
}

struct recover *
parked_load(struct hub_move *m, struct state_in *in, bool *none)
{
	(void)m;
	*none = none_may_wait;
	return (state_get_u8(in) != 9 || none_may_wait ? NULL :
	    &loaded_parked);
}

void
parked_thaw(struct recover *r)
{
	r->is = "thawed";
}

void
parked_activate(struct recover *r)
{
	r->is = "active";
}

void
parked_moved(struct recover **rp)
{
	(*rp)->is = "moved";
	*rp = NULL;
}

void
parked_unload(struct recover **rp)
{
	(*rp)->is = "unloaded";
	*rp = NULL;
}

static int
setup(void **state)
{
	unsigned i;

	(void)state;
	world_init();
	for (i = 0; i < CONNS; i++)
		conns[i] = world_conn(i == 1 ? CONN_IDLE : CONN_WS, &peers[i]);
	world_turn(world.w[0]);
	assert_true(estate_init(&from, world.w[0], true, 2));
	assert_true(estate_init(&to, world.w[1], false, 1));
	give = estate_gives(&from);
	take = estate_takes(&to);
	give.begin(give.arg);
	memset(pollers, 0, sizeof pollers);
	memset(parked, 0, sizeof parked);
	npollers = nparked = nsocks = 0;
	none_may_wait = false;
	for (i = 0; i < COUNTER__MAX; i++)
		counted[i] = counter_get((enum counter)i);
	return (0);
}

static int
teardown(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < CONNS; i++)
		(void)close(peers[i]);
	estate_fini(&from);
	estate_fini(&to);
	world_fini();
	return (0);
}

/* As it crosses. */
static struct take_item
carry(const struct give_item *item, struct buf *b, bool cut)
{
	struct take_item got = { .kind = item->kind, .nfds = item->nfds };
	struct state_in in;
	int fds[5];
	unsigned i;

	assert_true(item->nfds <= nitems(fds));
	assert_true(give.save(give.arg, item, b, fds));
	b->wpos -= cut;
	in = state_in(buf_unread(b));
	for (i = 0; i < item->nfds; i++)
		fds[i] = world_copy(fds[i]);
	got.what = take.load(take.arg, item->kind, &in, fds, item->nfds);
	return (got);
}

static void
the_newest_goes_first_and_each_once(void **state)
{
	struct give_item item;
	struct take_item got;
	struct buf b;
	unsigned i;

	(void)state;
	for (i = 0; i < CONNS; i++) {
		assert_int_equal(give.any(give.arg), GIVE_SOME);
		assert_true(give.next(give.arg, 3, &item));
		assert_ptr_equal(item.what, conns[CONNS - 1 - i]);
		assert_int_equal(item.nfds, 1);
		buf_init(&b);
		got = carry(&item, &b, false);
		buf_fini(&b);
		assert_non_null(got.what);
		/* meanwhile it is not given again */
		if (i + 1 < CONNS) {
			struct give_item other;

			assert_true(give.next(give.arg, 3, &other));
			assert_true(other.what != item.what);
		}
		give.moved(give.arg, &item);
		take.activate(take.arg, &got, false);
		world_turn(world.w[0]);
		world_turn(world.w[1]);
	}
	assert_int_equal(give.any(give.arg), GIVE_NONE);
	assert_false(give.next(give.arg, 3, &item));
	assert_int_equal(give.left(give.arg), 0);
	assert_int_equal(world.w[1]->nconns, CONNS);
	assert_counted(connections_moved_out, CONNS);
	assert_counted(connections_moved_in, CONNS);
	assert_counted(clients_moved_out, CONNS - 1);
	assert_counted(clients_moved_in, CONNS - 1);
	assert_counted(connections_open, 0);
}

/* The giver has died: with it they are counted as ended. */
static void
what_is_inherited_is_counted_as_new(void **state)
{
	struct give_item item;
	struct take_item got;
	struct buf b;

	(void)state;
	assert_true(give.next(give.arg, 3, &item));
	buf_init(&b);
	got = carry(&item, &b, false);
	buf_fini(&b);
	take.activate(take.arg, &got, true);
	assert_counted(connections_moved_in, 0);
	assert_counted(connections_accepted, 1);
	assert_counted(clients_moved_in, 0);
	assert_counted(clients_opened, 1);
	give.thaw(give.arg, &item);
}

static void
who_cannot_go_now_is_passed_over(void **state)
{
	struct give_item item;
	unsigned i;

	(void)state;
	for (i = 2; i < CONNS; i++)
		conns[i]->client->busy = true;
	assert_true(give.next(give.arg, 3, &item));
	assert_ptr_equal(item.what, conns[1]);
	assert_false(give.next(give.arg, 0, &item));	/* no descriptor */
	conns[1]->parting = true;
	conns[0]->client->busy = true;
	assert_int_equal(give.any(give.arg), GIVE_NONE);
	assert_int_equal(give.left(give.arg), CONNS);
	conns[1]->parting = false;
	conns[3]->client->busy = false;
	assert_int_equal(give.any(give.arg), GIVE_SOME);
}

/* Unless it would not go then either. */
static void
who_waits_for_other_workers_may_go_soon(void **state)
{
	struct give_item item;
	unsigned i;

	(void)state;
	for (i = 0; i < CONNS; i++)
		if (i != 1)
			conns[i]->client->busy = true;
	conns[1]->parting = true;
	assert_int_equal(give.any(give.arg), GIVE_NONE);
	conns[2]->client->waits = true;
	conns[2]->client->busy = false;
	assert_int_equal(give.any(give.arg), GIVE_SOON);
	assert_false(give.next(give.arg, 3, &item));
	conns[2]->client->waits = false;
	assert_int_equal(give.any(give.arg), GIVE_SOME);
	conns[2]->client->busy = true;
	assert_int_equal(give.any(give.arg), GIVE_NONE);
	npollers = 1;
	pollers[0].waits = true;
	assert_int_equal(give.any(give.arg), GIVE_NONE);
	from.all = true;
	assert_int_equal(give.any(give.arg), GIVE_SOON);
	pollers[0].waits = false;
	assert_int_equal(give.any(give.arg), GIVE_SOME);
	conns[1]->parting = false;
}

static void
what_is_not_loaded_is_where_it_was(void **state)
{
	struct give_item item;
	struct take_item got;
	struct buf b;

	(void)state;
	assert_true(give.next(give.arg, 3, &item));
	buf_init(&b);
	got = carry(&item, &b, true);		/* cut short */
	buf_fini(&b);
	assert_null(got.what);
	give.thaw(give.arg, &item);
	assert_int_equal(world.w[1]->nconns, 0);
	buf_init(&b);
	got = carry(&item, &b, false);
	buf_fini(&b);
	assert_non_null(got.what);
	take.unload(take.arg, &got);
	give.thaw(give.arg, &item);
	world_turn(world.w[0]);
	world_turn(world.w[1]);
	assert_int_equal(world.w[1]->nconns, 0);
	assert_int_equal(world.w[0]->nconns, CONNS);
	assert_counted(connections_moved_in, 0);
	assert_counted(connections_moved_out, 0);
	assert_int_equal(write(peers[5], "here\n", 5), 5);
	world_turn(world.w[0]);
	assert_buf(&world.read[0], "here\n");
	/* of a kind that is not known, or with too many descriptors */
	{
		struct state_in in = state_in(SLICE("x"));
		int fds[2] = { world_copy(peers[0]), world_copy(peers[1]) };

		assert_null(take.load(take.arg, 77, &in, fds, 1));
		assert_null(take.load(take.arg, item.kind, &in, fds + 1, 0));
		assert_int_equal(write(fds[0], "", 1), -1);
		(void)close(fds[1]);
	}
}

/* Those of a client over polling go together, or not at all; those that wait
 * come last.  Only who leaves gives them. */
static void
what_has_no_connection_of_its_own_goes_too(void **state)
{
	struct give_item item;
	struct take_item got;
	struct buf b;
	unsigned i;

	(void)state;
	world_end_all(world.w[0]);
	npollers = nparked = 3;
	pollers[0].nconns = 4;
	pollers[1].nconns = 5;
	pollers[1].busy = true;
	assert_int_equal(give.any(give.arg), GIVE_NONE);
	assert_int_equal(estate_waiting(&from), 0);
	assert_false(estate_has_waiting(&from));
	from.all = true;
	assert_int_equal(estate_waiting(&from), 6);
	assert_true(estate_has_waiting(&from));
	assert_int_equal(give.any(give.arg), GIVE_SOME);
	for (i = 0; i < 5; i++) {
		assert_true(give.next(give.arg, 4, &item));
		buf_init(&b);
		got = carry(&item, &b, false);
		buf_fini(&b);
		if (i < 2) {
			assert_ptr_equal(item.what, &pollers[2 * i]);
			assert_int_equal(item.nfds, 4 - 4 * i);
			assert_ptr_equal(got.what, &loaded_poller);
			give.moved(give.arg, &item);
			take.activate(take.arg, &got, false);
			assert_string_equal(pollers[2 * i].is, "moved");
			assert_string_equal(loaded_poller.is, "active");
			continue;
		}
		assert_ptr_equal(item.what, &parked[i - 2]);
		assert_ptr_equal(got.what, &loaded_parked);
		take.unload(take.arg, &got);
		assert_string_equal(loaded_parked.is, "unloaded");
		take.activate(take.arg, &got, false);
		assert_string_equal(loaded_parked.is, "active");
		give.thaw(give.arg, &item);
		assert_string_equal(parked[i - 2].is, "thawed");
		give.moved(give.arg, &item);
		assert_string_equal(parked[i - 2].is, "moved");
	}
	assert_false(give.next(give.arg, 4, &item));
	assert_counted(connections_moved_out, 4);
	assert_counted(connections_moved_in, 4);
	assert_counted(clients_moved_out, 2);
	assert_counted(clients_moved_in, 2);
	/* none of them may wait here: they are at their end, not refused */
	none_may_wait = true;
	give.begin(give.arg);
	npollers = 0;
	assert_true(give.next(give.arg, 4, &item));
	buf_init(&b);
	got = carry(&item, &b, false);
	buf_fini(&b);
	assert_non_null(got.what);
	take.activate(take.arg, &got, false);
	take.unload(take.arg, &got);
}

static void
so_does_a_session_of_sockjs(void **state)
{
	struct give_item item;
	struct take_item got;
	struct buf b;

	(void)state;
	world_end_all(world.w[0]);
	nsocks = 1;
	socks[0] = (struct sockjs){ .nconns = 2, .busy = true };
	assert_false(estate_has_waiting(&from));
	from.all = true;
	assert_true(estate_has_waiting(&from));
	assert_int_equal(estate_waiting(&from), 1);
	assert_int_equal(give.any(give.arg), GIVE_NONE);
	socks[0].waits = true;
	assert_int_equal(give.any(give.arg), GIVE_SOON);
	socks[0] = (struct sockjs){ .nconns = 2, .over_tls = true };
	assert_int_equal(give.any(give.arg), GIVE_SOME);
	give.begin(give.arg);
	assert_false(give.next(give.arg, 1, &item));	/* too few files */
	give.begin(give.arg);
	assert_true(give.next(give.arg, 4, &item));
	assert_false(socks[0].over_tls);
	assert_int_equal(item.nfds, 2);
	buf_init(&b);
	got = carry(&item, &b, false);
	buf_fini(&b);
	assert_ptr_equal(got.what, &loaded_sockjs);
	take.unload(take.arg, &got);
	assert_string_equal(loaded_sockjs.is, "unloaded");
	give.thaw(give.arg, &item);
	assert_string_equal(socks[0].is, "thawed");
	take.activate(take.arg, &got, false);
	assert_string_equal(loaded_sockjs.is, "active");
	give.moved(give.arg, &item);
	assert_string_equal(socks[0].is, "moved");
	assert_counted(connections_moved_out, 2);
	assert_counted(clients_moved_in, 1);
	assert_false(give.next(give.arg, 4, &item));
}

/* A GET over TLS is answered early, when its session is to go and not before:
 * its client asks again. */
static void
who_may_go_once_it_is_answered_is(void **state)
{
	struct give_item item;

	(void)state;
	world_end_all(world.w[0]);
	from.all = true;
	npollers = 3;
	pollers[0].busy = true;
	pollers[1].over_tls = pollers[1].slow = pollers[1].busy = true;
	pollers[2].over_tls = true;
	assert_int_equal(give.any(give.arg), GIVE_SOME);
	pollers[1].busy = false;
	assert_int_equal(give.any(give.arg), GIVE_SOME);
	assert_true(pollers[1].over_tls && pollers[2].over_tls);
	give.begin(give.arg);
	assert_true(give.next(give.arg, 4, &item));
	assert_ptr_equal(item.what, &pollers[2]);
	assert_false(pollers[1].over_tls || pollers[2].over_tls);
	assert_false(give.next(give.arg, 4, &item));
	pollers[1].busy = pollers[2].busy = true;
	assert_int_equal(give.any(give.arg), GIVE_NONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(the_newest_goes_first_and_each_once),
		T(what_is_inherited_is_counted_as_new),
		T(who_cannot_go_now_is_passed_over),
		T(who_waits_for_other_workers_may_go_soon),
		T(what_is_not_loaded_is_where_it_was),
		T(what_has_no_connection_of_its_own_goes_too),
		T(so_does_a_session_of_sockjs),
		T(who_may_go_once_it_is_answered_is),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
