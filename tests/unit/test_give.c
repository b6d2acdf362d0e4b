/* Giving connections away: to one who takes them, takes some, is silent, or
 * dies at each step.  The giver has each of them until it is another's. */
#include "worker/handover/give.h"

#include <sys/resource.h>
#include <sys/socket.h>

#include <unistd.h>

#include "base/state.h"
#include "role.h"
#include "shm/counters.h"
#include "tests/lib/stand_fake.h"

#define CONNS	200u

enum fake_state { HERE, FROZEN, GONE, TAKEN_BACK };

/* What the heir does when it is asked to take part; the answer to that word is
 * left out, or is its end. */
enum heir_mode {
	HEIR_TAKES, HEIR_SILENT_PREPARE, HEIR_ABORTS_CUT, HEIR_SILENT_STATE,
	HEIR_DIES_STATE, HEIR_ABORTS_STATE, HEIR_DIES_LOADED,
	HEIR_SILENT_COMMIT, HEIR_DIES_COMMIT, HEIR_FULL_COMMIT
};

static struct world {
	struct stand_fake f;
	struct give	*g;
	int		 heir;		/* its end; -1: closed */
	enum heir_mode	 mode;
	uint64_t	 takes;		/* bits of LOADED */
	enum fake_state	 conns[CONNS];
	unsigned	 nfds;		/* of each */
	unsigned	 blocked;	/* the first so many cannot go, */
	bool		 settles;	/*   until they have settled, */
	unsigned	 vain;		/*   or not even then: so often */
	bool		 no_memory;
	unsigned	 failed, refused, settled;
	unsigned	 items, sockets; /* of a STATE, the most */
	unsigned	 batches;
	uint64_t	 batch;		/* of the last PREPARE */
	uint64_t	 go_us;		/* that GO says */
	unsigned	 aborted;	/* heard by the heir */
	bool		 deaf;		/* it reads nothing now */
	unsigned	 files;
	uint64_t	 versions;	/* of HELLO */
} w;

static uint64_t counted[COUNTER__MAX];

#define assert_counted(name, n) \
	assert_int_equal(counter_get(COUNTER_##name) - \
	    counted[COUNTER_##name], n)

static void
heir_says(enum wire_type type, uint64_t bits)
{
	struct wire_msg m;

	wire_init(&m, type, w.batch);
	m.bits = bits;
	assert_int_equal(wire_send(w.heir, &m), 1);
}

static void
heir_dies(void)
{
	(void)close(w.heir);
	w.heir = -1;
}

/* The next word of the giver finds no room. */
static void
heir_fills_up(void)
{
	while (send(w.g->sock, "", 1, MSG_DONTWAIT) == 1)
		continue;
	w.deaf = true;
}

static void
heir_empties(void)
{
	uint8_t byte;

	while (recv(w.heir, &byte, 1, MSG_DONTWAIT) > 0)
		continue;
	w.deaf = false;
}

static void
heir_state(const struct wire_msg *m)
{
	struct state_in in, body;
	uint16_t version;
	unsigned n = 0, fds = 0;
	struct buf b;

	buf_init(&b);
	assert_int_equal(m->got, m->nfds);
	assert_true(wire_state_get(m->fds[0], m->bytes, &b));
	in = state_in(buf_unread(&b));
	while (state_section(&in, WIRE_ITEM, &version, &body)) {
		assert_int_equal(state_get_u8(&body), 3);
		fds += state_get_u8(&body);
		assert_true(w.conns[state_get_u32(&body)] == FROZEN);
		n++;
	}
	assert_int_equal(n, m->items);
	assert_int_equal(fds, m->nfds - 1);
	assert_true(m->nfds <= 1 + WIRE_FDS_MAX);
	if (n > w.items)
		w.items = n;
	if (fds > w.sockets)
		w.sockets = fds;
	w.batches++;
	buf_fini(&b);
	if (w.mode == HEIR_DIES_STATE)
		heir_dies();
	else if (w.mode == HEIR_ABORTS_STATE)
		heir_says(WIRE_ABORT, 0);
	else if (w.mode != HEIR_SILENT_STATE)
		heir_says(WIRE_LOADED, w.takes);
	if (w.mode == HEIR_DIES_LOADED)
		heir_dies();
	if (w.mode == HEIR_FULL_COMMIT)
		heir_fills_up();
}

static void
heir_reads(void *arg)
{
	struct wire_msg m;

	(void)arg;
	while (w.heir != -1 && !w.deaf && wire_recv(w.heir, &m) == 1) {
		switch (m.type) {
		case WIRE_PREPARE:
			w.batch = m.batch;
			if (w.mode != HEIR_SILENT_PREPARE)
				heir_says(WIRE_GO, w.go_us);
			if (w.mode == HEIR_ABORTS_CUT)
				heir_says(WIRE_ABORT, 0);
			break;
		case WIRE_STATE:
			heir_state(&m);
			break;
		case WIRE_COMMIT:
			if (w.mode == HEIR_DIES_COMMIT)
				heir_dies();
			else if (w.mode != HEIR_SILENT_COMMIT)
				heir_says(WIRE_TAKEN, m.bits);
			break;
		case WIRE_ABORT:
			assert_int_equal(m.batch, w.batch);
			w.aborted++;
			break;
		case WIRE_HELLO:
		case WIRE_GO:
		case WIRE_LOADED:
		case WIRE_TAKEN:
			break;
		}
		wire_close(&m);
	}
}

/* --- what there is to give ------------------------------------------------ */

static size_t
count(enum fake_state state)
{
	size_t i, n = 0;

	for (i = 0; i < CONNS; i++)
		n += w.conns[i] == state;
	return (n);
}

static unsigned
first(unsigned from)
{
	while (from < CONNS && w.conns[from] != HERE)
		from++;
	return (from);
}

static enum give_any
fake_any(void *arg)
{
	(void)arg;
	return (first(w.blocked) < CONNS ? GIVE_SOME :
	    w.settles || w.vain > 0 ? GIVE_SOON : GIVE_NONE);
}

static void
fake_begin(void *arg)
{
	(void)arg;
	assert_int_equal(count(FROZEN), 0);
}

static bool
fake_next(void *arg, unsigned nfds, struct give_item *item)
{
	unsigned i = first(w.blocked);

	(void)arg;
	if (i == CONNS || nfds < w.nfds)
		return (false);
	*item = (struct give_item){ 3, (uint8_t)w.nfds, &w.conns[i] };
	return (true);
}

static bool
fake_save(void *arg, const struct give_item *item, struct buf *b, int *fds)
{
	enum fake_state *c = item->what;
	unsigned i;

	(void)arg;
	assert_int_equal(*c, HERE);
	state_put_u32(b, (uint32_t)(c - w.conns));
	if (w.no_memory)
		return (false);
	for (i = 0; i < w.nfds; i++)
		fds[i] = 0;
	*c = FROZEN;
	return (true);
}

static void
fake_thaw(void *arg, const struct give_item *item)
{
	enum fake_state *c = item->what;

	(void)arg;
	assert_int_equal(*c, FROZEN);
	*c = HERE;
}

static void
fake_moved(void *arg, const struct give_item *item)
{
	enum fake_state *c = item->what;

	(void)arg;
	assert_int_equal(*c, FROZEN);
	*c = GONE;
}

static void
fake_failed(void *arg)
{
	(void)arg;
	w.failed++;
}

static void
fake_settle(void *arg)
{
	(void)arg;
	w.settled++;
	if (w.settles)
		w.blocked = 0;
	w.settles = false;
}

static size_t
fake_left(void *arg)
{
	(void)arg;
	return (count(HERE));
}

static void
fake_refused(void *arg, const struct give_item *item)
{
	(void)arg;
	assert_non_null(item->what);
	w.refused++;
}

static const struct give_calls calls = { .any = fake_any,
	.begin = fake_begin, .next = fake_next,
	.save = fake_save, .thaw = fake_thaw, .moved = fake_moved,
	.failed = fake_failed, .refused = fake_refused, .settle = fake_settle, .left = fake_left };

static void
begin(uint64_t share)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK,
	    0, fds), 0);
	w.heir = fds[1];
	w.g = give_new(&calls, &w.f.stand, fds[0], 1, 7, 2, share);
	assert_non_null(w.g);
	heir_says(WIRE_HELLO, w.versions);
}

static int
set_up(void **state)
{
	unsigned i;

	(void)state;
	memset(&w, 0, sizeof w);
	stand_fake_init(&w.f);
	w.f.other = heir_reads;
	w.nfds = 1;
	w.takes = UINT64_MAX;
	w.heir = -1;
	w.versions = UINT64_C(1) << 32 | 1;
	for (i = 0; i < COUNTER__MAX; i++)
		counted[i] = counter_get((enum counter)i);
	w.files = open_files();
	return (0);
}

static int
tear_down(void **state)
{
	(void)state;
	give_free(&w.g);
	if (w.heir != -1)
		(void)close(w.heir);
	assert_int_equal(open_files(), w.files);
	assert_int_equal(w.f.ends, w.f.cuts + w.vain);	/* it went on */
	return (0);
}

/* As the loop does: events, then the end of the turn; then time passes. */
static void
turn(void)
{
	heir_reads(NULL);
	give_read(w.g);
	(void)give_turn_end(w.g);
	w.f.now.us += 1000;
}

static void
turns(unsigned n)
{
	while (n-- > 0)
		turn();
}

/* --- tests ---------------------------------------------------------------- */

static void
all_go_in_batches_of_32(void **state)
{
	(void)state;
	begin(CONTROL_SHARE_ALL);
	turns(60);
	assert_int_equal(count(GONE), CONNS);
	assert_int_equal(w.batches, (CONNS + 31) / 32);
	assert_int_equal(w.g->moved, CONNS);
	assert_true(w.g->done);
	assert_false(give_is_eager(w.g));
	assert_int_equal(w.g->state, GIVE_IDLE);	/* more may come free */
	w.conns[3] = HERE;
	w.f.now.us += 1000000;
	turns(5);
	assert_int_equal(count(GONE), CONNS);
}

static void
a_share_is_a_part(void **state)
{
	(void)state;
	begin(CONTROL_SHARE_ALL / 4);
	turns(60);
	assert_int_equal(w.g->moved, CONNS / 4);
	assert_int_equal(count(GONE), CONNS / 4);
	assert_true(w.g->done);
}

/* A session over polling has several, a parked one none. */
static void
descriptors_and_items_are_bounded(void **state)
{
	(void)state;
	w.nfds = 5;
	begin(CONTROL_SHARE_ALL);
	turns(5);
	assert_int_equal(w.items, 6);
	assert_int_equal(w.sockets, 30);
	w.nfds = w.sockets = 0;
	turns(5);
	assert_int_equal(w.items, WIRE_ITEMS_MAX);
	assert_int_equal(w.sockets, 0);
	turns(60);
	assert_int_equal(count(GONE), CONNS);
}

static void
who_cannot_go_now_is_tried_later(void **state)
{
	(void)state;
	w.blocked = 50;
	begin(CONTROL_SHARE_ALL);
	turns(60);
	assert_int_equal(count(GONE), CONNS - 50);
	assert_false(w.g->done);
	turns(400);
	assert_true(w.g->done);
	assert_int_equal(count(HERE), 50);
	assert_int_equal(w.settled, 0);
	w.blocked = 0;
	turns(300);
	assert_int_equal(count(GONE), CONNS);
	assert_true(w.settled > 0);	/* for those who wait for others */
}

static void
who_asks_without_a_pause_goes_too(void **state)
{
	(void)state;
	w.blocked = 1;
	w.settles = true;
	begin(CONTROL_SHARE_ALL);
	turns(60);
	assert_int_equal(count(GONE), CONNS);
	assert_int_equal(w.settled, 1);
	assert_int_equal(w.aborted, 0);
}

/* The heir is told at once, and asked again as often as in vain. */
static void
who_has_not_settled_in_time_stays(void **state)
{
	(void)state;
	w.blocked = 1;
	w.vain = 3;
	begin(CONTROL_SHARE_ALL);
	turns(60);
	assert_int_equal(count(GONE), CONNS - 1);
	assert_int_equal(w.aborted, 1);
	assert_false(w.g->done);
	turns(250);
	assert_int_equal(w.settled, 3);
	assert_int_equal(w.aborted, 3);
	assert_true(w.g->done);
	assert_int_equal(w.failed, 0);
	assert_counted(moves_broken, 0);
}

static void
what_is_not_loaded_stays(void **state)
{
	(void)state;
	w.takes = UINT64_C(0x5555555555555555);
	begin(CONTROL_SHARE_ALL);
	turns(3);
	assert_int_equal(w.batches, 1);
	assert_int_equal(count(GONE), 16);
	assert_int_equal(count(HERE), CONNS - 16);
	assert_counted(moves_refused, 16);
	assert_int_equal(w.failed, 1);
	assert_int_equal(w.refused, 1);
	w.takes = 0;
	turns(200);
	assert_int_equal(count(GONE), 16);
	assert_true(w.batches > 1 && w.batches < 4);	/* not at once again */
	w.takes = UINT64_MAX;
	turns(1000);
	assert_int_equal(count(GONE), CONNS);
}

static void
without_memory_nobody_goes(void **state)
{
	(void)state;
	w.no_memory = true;
	begin(CONTROL_SHARE_ALL);
	turns(30);
	assert_int_equal(count(HERE), CONNS);
	assert_true(w.aborted > 0);
	w.no_memory = false;
	turns(300);
	assert_int_equal(count(GONE), CONNS);
}

/* The memory of the batch cannot be had: a smaller one, later. */
static void
without_descriptors_nobody_goes(void **state)
{
	struct rlimit was, none;

	(void)state;
	begin(CONTROL_SHARE_ALL);
	turns(2);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	turns(300);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_true(count(GONE) <= 32);
	assert_int_equal(count(GONE) + count(HERE), CONNS);
	assert_true(w.aborted > 0);
	turns(300);
	assert_int_equal(count(GONE), CONNS);
}

static void
another_version_is_left_alone(void **state)
{
	(void)state;
	w.versions = UINT64_C(2) << 32 | 9;
	begin(CONTROL_SHARE_ALL);
	turns(10);
	assert_int_equal(w.g->state, GIVE_OVER);
	assert_true(w.g->done);
	assert_int_equal(count(HERE), CONNS);
	assert_counted(moves_refused, 1);
}

static void
an_heir_that_says_nothing_is_not_waited_for(void **state)
{
	(void)state;
	w.mode = HEIR_SILENT_PREPARE;
	begin(CONTROL_SHARE_ALL);
	turns(3);
	assert_int_equal(w.g->state, GIVE_ASKED);
	assert_int_equal(w.f.cuts, 0);		/* nothing stands still */
	turns(1100);
	heir_reads(NULL);
	assert_int_equal(w.aborted, 1);
	assert_int_equal(count(HERE), CONNS);
	w.mode = HEIR_TAKES;
	turns(2000);
	assert_int_equal(count(GONE), CONNS);
}

/* For a bounded time, in each of these; then all are where they were. */
static void
trouble_leaves_all_where_they_were(void **state)
{
	static const enum heir_mode modes[] = { HEIR_ABORTS_CUT,
		HEIR_SILENT_STATE, HEIR_ABORTS_STATE };
	struct mono since;
	unsigned i, aborted = 0;

	(void)state;
	begin(CONTROL_SHARE_ALL);
	for (i = 0; i < 6; i++) {
		w.mode = i < 3 ? modes[i] : HEIR_TAKES;
		w.f.no_relay = i == 3;
		w.f.relay_dies = i == 4;
		w.f.mark_after = i == 4 ? 1 : 0;
		w.f.mark = i == 5 ? STAND_REFUSED : STAND_MARKED;
		since = w.f.now;
		turns(3);
		assert_true(w.f.now.us - since.us <= 1000 * (STAND_MS + 3));
		assert_int_equal(count(HERE), CONNS);
		heir_reads(NULL);
		if (i != 0 && i != 2)
			assert_true(w.aborted > aborted);
		aborted = w.aborted;
		assert_counted(moves_broken, i == 0 ? 0 : i);
		assert_int_equal(w.g->state, GIVE_IDLE);
		w.f.now.us += 1000000;
	}
	w.f.mark = STAND_UNMARKED;
	since = w.f.now;
	turns(3);
	assert_in_range(w.f.now.us - since.us, 1000 * STAND_MARK_MS,
	    1000 * (STAND_MARK_MS + 3));
	assert_int_equal(count(HERE), CONNS);
	w.f.mark = STAND_MARKED;
	turns(300);
	assert_int_equal(count(GONE), CONNS);
}

/* The heir has stood still before GO was heard: it does not wait longer than its
 * own time, and would go on with what it has loaded. */
static void
the_time_of_both_runs_since_the_heir_stands_still(void **state)
{
	struct mono since;

	(void)state;
	begin(CONTROL_SHARE_ALL);
	w.mode = HEIR_SILENT_STATE;
	since = w.f.now;
	w.go_us = since.us - 90000;
	turns(3);
	assert_int_equal(w.g->state, GIVE_IDLE);
	assert_in_range(w.f.now.us - since.us, 1000 * (STAND_MS - 90 - 3),
	    1000 * (STAND_MS - 90 + 3));
	assert_int_equal(count(HERE), CONNS);
	heir_reads(NULL);
	assert_int_equal(w.aborted, 1);
	/* so late that it has given up */
	w.f.now.us += 1000000;
	since = w.f.now;
	w.go_us = since.us - 1000 * (STAND_MS + 1);
	turns(3);
	assert_in_range(w.f.now.us - since.us, 1000, 5000);
	assert_int_equal(count(HERE), CONNS);
	/* what cannot be is not believed */
	w.mode = HEIR_TAKES;
	w.go_us = UINT64_MAX;
	w.f.now.us += 1000000;
	turns(300);
	assert_int_equal(count(GONE), CONNS);
}

static void
a_dead_heir_has_nothing(void **state)
{
	static const enum heir_mode modes[] = { HEIR_DIES_STATE,
		HEIR_DIES_LOADED, HEIR_DIES_COMMIT };
	unsigned i;

	(void)state;
	for (i = 0; i < nitems(modes); i++) {
		w.mode = modes[i];
		begin(CONTROL_SHARE_ALL);
		turns(10);
		assert_int_equal(w.g->state, GIVE_OVER);
		assert_true(w.g->done);
		assert_int_equal(count(HERE), CONNS);
		give_free(&w.g);
	}
}

/* It hangs behind COMMIT: they are frozen until it says so, or dies. */
static void
what_may_be_the_heirs_is_nobodys(void **state)
{
	struct mono since;

	(void)state;
	w.mode = HEIR_SILENT_COMMIT;
	begin(CONTROL_SHARE_ALL);
	since = w.f.now;
	turns(3);
	assert_int_equal(w.g->state, GIVE_DOUBT);
	/* as long as the heir waits for it */
	assert_in_range(w.f.now.us - since.us, 1000 * (STAND_MS +
	    STAND_WORD_MS), 1000 * (STAND_MS + STAND_WORD_MS + 3));
	turns(200);
	assert_int_equal(w.g->state, GIVE_DOUBT);
	assert_int_equal(count(FROZEN), 32);
	assert_int_equal(w.batches, 1);
	assert_int_equal(w.f.ends, 1);		/* the others go on */
	heir_says(WIRE_TAKEN, w.takes);
	turn();
	assert_int_equal(count(GONE), 32);
	turns(200);
	assert_int_equal(w.g->state, GIVE_DOUBT);
	heir_dies();
	turn();
	assert_int_equal(count(GONE), 32);
	assert_int_equal(count(HERE), CONNS - 32);
	assert_int_equal(w.g->state, GIVE_OVER);
	/* who goes itself does not ask */
	give_free(&w.g);
	begin(CONTROL_SHARE_ALL);
	turns(400);
	assert_int_equal(count(FROZEN), 32);
	give_free(&w.g);
	assert_int_equal(count(GONE), 64);
}

/* Our end is open until it is said: what the heir finds closed without a word
 * is its own. */
static void
what_cannot_be_committed_is_taken_back(void **state)
{
	(void)state;
	w.mode = HEIR_FULL_COMMIT;
	begin(CONTROL_SHARE_ALL);
	turns(3);
	assert_int_equal(w.batches, 1);
	assert_int_equal(count(HERE), CONNS);
	assert_counted(moves_broken, 1);
	assert_int_equal(w.g->state, GIVE_IDLE);
	assert_true(w.g->owes_abort);
	turns(500);
	assert_int_equal(w.batches, 1);
	heir_empties();
	w.mode = HEIR_TAKES;
	turn();
	heir_reads(NULL);
	assert_int_equal(w.aborted, 1);
	w.f.now.us += 1000000;
	turns(60);
	assert_int_equal(count(GONE), CONNS);
}

static void
the_others_have_as_long_as_a_batch_took(void **state)
{
	(void)state;
	w.mode = HEIR_SILENT_STATE;
	begin(CONTROL_SHARE_ALL);
	turns(3);
	assert_counted(moves_broken, 1);
	w.mode = HEIR_TAKES;
	turns(200);
	assert_int_equal(w.batches, 1);
	turns(100);
	assert_true(w.batches > 1);
	assert_true(counter_get(COUNTER_moves_broken) > 0);
	assert_true(counters_column[CELL_HISTOGRAM + HISTOGRAM_move_us *
	    HISTOGRAM_CELLS + HISTOGRAM_CELLS - 1] > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(all_go_in_batches_of_32),
		T(a_share_is_a_part),
		T(descriptors_and_items_are_bounded),
		T(who_cannot_go_now_is_tried_later),
		T(who_asks_without_a_pause_goes_too),
		T(who_has_not_settled_in_time_stays),
		T(what_is_not_loaded_stays),
		T(without_memory_nobody_goes),
		T(without_descriptors_nobody_goes),
		T(another_version_is_left_alone),
		T(an_heir_that_says_nothing_is_not_waited_for),
		T(trouble_leaves_all_where_they_were),
		T(the_time_of_both_runs_since_the_heir_stands_still),
		T(a_dead_heir_has_nothing),
		T(what_may_be_the_heirs_is_nobodys),
		T(what_cannot_be_committed_is_taken_back),
		T(the_others_have_as_long_as_a_batch_took),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
