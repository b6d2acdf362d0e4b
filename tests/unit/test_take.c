/* Taking connections over: from one who gives them, is silent, or dies at each
 * step.  They do nothing here until they are ours, and are closed when they are
 * not. */
#include "worker/handover/take.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <unistd.h>

#include "base/state.h"
#include "shm/counters.h"
#include "tests/lib/stand_fake.h"

#define ITEMS	20u

enum giver_mode {
	GIVER_GIVES, GIVER_ABORTS_GO, GIVER_DIES_GO, GIVER_SILENT_GO,
	GIVER_ABORTS_STATE, GIVER_DIES_STATE, GIVER_DIES_LOADED,
	GIVER_SILENT_LOADED
};

struct thing {
	int		 fd;
	bool		 active;
};

static struct world {
	struct stand_fake f;
	struct take	*t;
	int		 giver;		/* its end; -1: closed */
	enum giver_mode	 mode;
	uint64_t	 batch;
	uint64_t	 loaded;	/* bits it was told */
	unsigned	 gos, aborts, takens;
	struct thing	 things[ITEMS];
	unsigned	 loads, nactive, unloads;
	unsigned	 refuse;	/* every so many is not loaded */
	bool		 not_ready, cut_short, deaf;
	unsigned	 files;
	int		 spare;		/* what the sockets are copies of */
} w;

static uint64_t counted[COUNTER__MAX];

#define assert_counted(name, n) \
	assert_int_equal(counter_get(COUNTER_##name) - \
	    counted[COUNTER_##name], n)

static void
giver_says(enum wire_type type, uint64_t bits)
{
	struct wire_msg m;

	wire_init(&m, type, w.batch);
	m.bits = bits;
	assert_int_equal(wire_send(w.giver, &m), 1);
}

static void
giver_dies(void)
{
	(void)close(w.giver);
	w.giver = -1;
}

static void
giver_state(void)
{
	struct wire_msg m;
	struct buf b;
	size_t at;
	unsigned i;

	buf_init(&b);
	for (i = 0; i < ITEMS; i++) {
		at = state_open(&b, WIRE_ITEM, 1);
		state_put_u8(&b, 3);
		state_put_u8(&b, i == 5 ? 0 : 1);
		state_put_u32(&b, i);
		state_close(&b, at);
	}
	if (w.cut_short)
		b.wpos -= 3;
	wire_init(&m, WIRE_STATE, w.batch);
	m.items = ITEMS;
	m.bytes = (uint32_t)b.wpos;
	m.nfds = ITEMS;		/* the state, and one for all but one */
	m.fds[0] = wire_state_put(buf_unread(&b));
	assert_true(m.fds[0] != -1);
	for (i = 1; i < ITEMS; i++)
		m.fds[i] = w.spare;
	assert_int_equal(wire_send(w.giver, &m), 1);
	(void)close(m.fds[0]);
	buf_fini(&b);
}

static void
giver_goes(void)
{
	w.gos++;
	switch (w.mode) {
	case GIVER_ABORTS_GO:
		giver_says(WIRE_ABORT, 0);
		return;
	case GIVER_DIES_GO:
		giver_dies();
		return;
	case GIVER_SILENT_GO:
		return;
	case GIVER_GIVES:
	case GIVER_DIES_LOADED:
	case GIVER_SILENT_LOADED:
		giver_state();
		return;
	case GIVER_ABORTS_STATE:
		giver_state();
		giver_says(WIRE_ABORT, 0);
		return;
	case GIVER_DIES_STATE:
		giver_state();
		giver_dies();
		return;
	}
}

static void
giver_reads(void *arg)
{
	struct wire_msg m;

	(void)arg;
	while (w.giver != -1 && !w.deaf && wire_recv(w.giver, &m) == 1) {
		switch (m.type) {
		case WIRE_GO:
			giver_goes();
			break;
		case WIRE_LOADED:
			w.loaded = m.bits;
			if (w.mode == GIVER_DIES_LOADED)
				giver_dies();
			else if (w.mode == GIVER_GIVES && m.bits != 0)
				giver_says(WIRE_COMMIT, m.bits);
			break;
		case WIRE_TAKEN:
			assert_int_equal(w.nactive, 0);	/* said before */
			assert_int_equal(m.bits, w.loaded);
			w.takens++;
			break;
		case WIRE_ABORT:
			w.aborts++;
			break;
		case WIRE_HELLO:
		case WIRE_PREPARE:
		case WIRE_STATE:
		case WIRE_COMMIT:
			break;
		}
	}
}

/* --- what is loaded ------------------------------------------------------- */

static void *
fake_load(void *arg, unsigned kind, struct state_in *in, const int *fds,
    unsigned n)
{
	uint32_t i = state_get_u32(in);
	struct thing *x;

	(void)arg;
	assert_int_equal(kind, 3);
	assert_in_range(n, 0, 1);
	w.loads++;
	if (!state_end(in) || i >= ITEMS ||
	    (w.refuse != 0 && i % w.refuse == 0)) {
		if (n > 0)
			(void)close(fds[0]);
		return (NULL);
	}
	x = &w.things[i];
	x->fd = n > 0 ? fds[0] : -1;
	assert_true(n == 0 || fcntl(fds[0], F_GETFD) == FD_CLOEXEC);
	return (x);
}

static void
thing_close(struct thing *x)
{
	if (x->fd != -1)
		(void)close(x->fd);
	x->fd = -1;
}

static void
fake_activate(void *arg, const struct take_item *item, bool inherited)
{
	struct thing *x = item->what;

	(void)arg;
	giver_reads(NULL);	/* what it was told before */
	assert_false(x->active);
	assert_int_equal(inherited, w.giver == -1);
	x->active = true;
	w.nactive++;
}

static void
fake_unload(void *arg, const struct take_item *item)
{
	(void)arg;
	thing_close(item->what);
	w.unloads++;
}

static bool
fake_ready(void *arg)
{
	(void)arg;
	return (!w.not_ready);
}

static const struct take_calls calls = { .load = fake_load,
	.activate = fake_activate, .unload = fake_unload,
	.ready = fake_ready };

static void
begin(void)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK,
	    0, fds), 0);
	w.giver = fds[1];
	w.t = take_new(&calls, &w.f.stand, fds[0], 2, 1);
	assert_non_null(w.t);
	giver_says(WIRE_HELLO, UINT64_C(1) << 32 | 1);
}

static int
set_up(void **state)
{
	unsigned i;

	(void)state;
	memset(&w, 0, sizeof w);
	w.spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	stand_fake_init(&w.f);
	w.f.other = giver_reads;
	for (i = 0; i < ITEMS; i++)
		w.things[i].fd = -1;
	for (i = 0; i < COUNTER__MAX; i++)
		counted[i] = counter_get((enum counter)i);
	w.files = open_files();
	begin();
	return (0);
}

static int
tear_down(void **state)
{
	unsigned i;

	(void)state;
	take_free(&w.t);
	if (w.giver != -1)
		(void)close(w.giver);
	for (i = 0; i < ITEMS; i++)
		thing_close(&w.things[i]);
	assert_int_equal(open_files(), w.files);
	assert_int_equal(w.f.ends, w.f.cuts);	/* it went on */
	(void)close(w.spare);
	return (0);
}

static void
turn(void)
{
	giver_reads(NULL);
	if (w.t->state != TAKE_OVER)
		take_read(w.t);
	(void)take_turn_end(w.t);
	giver_reads(NULL);
	w.f.now.us += 1000;
}

/* What was taken before is of no interest. */
static void
prepare(void)
{
	unsigned i;

	for (i = 0; i < ITEMS; i++) {
		thing_close(&w.things[i]);
		w.things[i].active = false;
	}
	w.batch++;
	giver_says(WIRE_PREPARE, 0);
	turn();
}

/* --- tests ---------------------------------------------------------------- */

static void
a_batch_is_loaded_and_goes_on(void **state)
{
	(void)state;
	turn();
	assert_int_equal(w.f.cuts, 0);
	prepare();
	assert_int_equal(w.gos, 1);
	assert_int_equal(w.loads, ITEMS);
	assert_int_equal(w.loaded, (UINT64_C(1) << ITEMS) - 1);
	assert_int_equal(w.takens, 1);
	assert_int_equal(w.nactive, ITEMS);
	assert_int_equal(w.t->taken, ITEMS);
	assert_int_equal(w.t->state, TAKE_IDLE);
	assert_true(w.things[5].fd == -1 && w.things[6].fd != -1);
}

/* The giver has read its mark, and we have not: not before. */
static void
nothing_is_loaded_before_the_mark(void **state)
{
	(void)state;
	w.f.mark_after = 5;
	prepare();
	assert_int_equal(w.nactive, ITEMS);
	assert_int_equal(w.f.turns, 1);
	w.nactive = 0;
	w.f.mark = STAND_REFUSED;
	w.loads = 0;
	prepare();
	assert_int_equal(w.loads, 0);
	assert_int_equal(w.aborts, 1);
	assert_counted(moves_broken, 1);
}

static void
what_cannot_be_loaded_is_the_givers(void **state)
{
	(void)state;
	w.refuse = 2;
	prepare();
	assert_int_equal(w.loaded, 0xaaaaa);
	assert_int_equal(w.nactive, ITEMS / 2);
	w.refuse = 1;
	w.nactive = w.takens = 0;
	w.f.now.us += 1000000;
	prepare();
	assert_int_equal(w.loaded, 0);
	assert_int_equal(w.nactive, 0);
	assert_int_equal(w.takens, 0);
	assert_int_equal(w.t->state, TAKE_IDLE);
	/* the end of the bytes is missing: what came before it is good */
	w.refuse = 0;
	w.cut_short = true;
	w.f.now.us += 1000000;
	prepare();
	assert_int_equal(w.loaded, (UINT64_C(1) << (ITEMS - 1)) - 1);
}

/* The table is full: those who would have what did not come stay. */
static void
without_descriptors_some_stay(void **state)
{
	struct rlimit was, few;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	few = was;
	few.rlim_cur = w.files + 9;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	prepare();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_true(w.nactive > 3 && w.nactive < 12);
	assert_int_equal(w.nactive, __builtin_popcountll(w.loaded));
	assert_true(counter_get(COUNTER_files_lost) >
	    counted[COUNTER_files_lost]);
}

static void
an_abort_takes_it_back(void **state)
{
	static const enum giver_mode modes[] = { GIVER_ABORTS_GO,
		GIVER_ABORTS_STATE };
	unsigned i;

	(void)state;
	for (i = 0; i < nitems(modes); i++) {
		w.mode = modes[i];
		w.f.now.us += 1000000;
		prepare();
		assert_int_equal(w.nactive, 0);
		assert_int_equal(w.unloads, i * ITEMS);
		assert_int_equal(w.t->state, TAKE_IDLE);
	}
	w.mode = GIVER_GIVES;
	w.f.now.us += 1000000;
	prepare();
	assert_int_equal(w.nactive, ITEMS);
}

/* What has not come is lost with the giver; what has is ours, whenever. */
static void
a_dead_givers_batch_goes_on(void **state)
{
	static const enum giver_mode modes[] = { GIVER_DIES_GO,
		GIVER_DIES_STATE, GIVER_DIES_LOADED };
	unsigned i;

	(void)state;
	for (i = 0; i < nitems(modes); i++) {
		if (i > 0) {
			take_free(&w.t);
			begin();
		}
		w.mode = modes[i];
		w.nactive = w.unloads = 0;
		w.f.now.us += 1000000;
		prepare();
		assert_int_equal(w.nactive, i == 0 ? 0 : ITEMS);
		assert_int_equal(w.unloads, 0);
		turn();
		assert_int_equal(w.t->state, TAKE_OVER);
	}
}

static void
who_is_silent_is_waited_for_a_bounded_time(void **state)
{
	struct mono since = w.f.now;

	(void)state;
	w.mode = GIVER_SILENT_GO;
	prepare();
	assert_in_range(w.f.now.us - since.us, 1000 * (STAND_MS - 1),
	    1000 * (STAND_MS + 3));
	assert_int_equal(w.aborts, 1);
	assert_int_equal(w.t->state, TAKE_IDLE);
	/* behind LOADED nobody but the giver knows: the others go on */
	w.mode = GIVER_SILENT_LOADED;
	w.f.now.us += 1000000;
	since = w.f.now;
	prepare();
	assert_true(w.f.now.us - since.us <= 1000 * (STAND_MS +
	    STAND_WORD_MS + 3));
	assert_int_equal(w.t->state, TAKE_DOUBT);
	assert_int_equal(w.nactive, 0);
	giver_says(WIRE_COMMIT, w.loaded);
	turn();
	assert_int_equal(w.nactive, ITEMS);
	assert_int_equal(w.takens, 1);
}

/* All but the word that they are ours. */
static void
taken_is_not_said(void)
{
	w.mode = GIVER_SILENT_LOADED;
	w.nactive = w.unloads = w.takens = 0;
	w.f.now.us += 1000000;
	prepare();
	while (send(w.t->sock, "", 1, MSG_DONTWAIT) == 1)
		continue;
	w.deaf = true;
	giver_says(WIRE_COMMIT, w.loaded);
	turn();
	turn();
	assert_int_equal(w.nactive, 0);
	assert_int_equal(w.t->state, TAKE_DOUBT);
}

/* The giver keeps them until it has heard it. */
static void
nothing_is_done_before_it_is_said(void **state)
{
	uint8_t byte;

	(void)state;
	taken_is_not_said();
	while (recv(w.giver, &byte, 1, MSG_DONTWAIT) > 0)
		continue;
	w.deaf = false;
	turn();
	assert_int_equal(w.takens, 1);
	assert_int_equal(w.nactive, ITEMS);
	assert_int_equal(w.t->state, TAKE_IDLE);
	/* it dies: they were ours */
	taken_is_not_said();
	giver_dies();
	turn();
	assert_int_equal(w.nactive, ITEMS);
	turn();
	assert_int_equal(w.t->state, TAKE_OVER);
	take_free(&w.t);
	begin();
	w.deaf = false;
	/* we go: they are its own */
	taken_is_not_said();
	take_free(&w.t);
	assert_int_equal(w.unloads, ITEMS);
	assert_int_equal(w.nactive, 0);
}

static void
a_doubt_ends_by_the_next_word(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 4; i++) {
		w.mode = GIVER_SILENT_LOADED;
		w.nactive = w.unloads = 0;
		w.f.now.us += 1000000;
		prepare();
		assert_int_equal(w.t->state, TAKE_DOUBT);
		if (i == 0) {
			giver_says(WIRE_ABORT, 0);
			turn();
		} else if (i == 1) {
			w.mode = GIVER_ABORTS_GO;
			w.f.now.us += 1000000;
			prepare();	/* the ABORT was not said */
		} else if (i == 2) {
			take_free(&w.t);	/* we go */
			giver_dies();
			begin();
		} else {
			giver_dies();
			turn();
			assert_int_equal(w.nactive, ITEMS);
			break;
		}
		assert_int_equal(w.nactive, 0);
		assert_int_equal(w.unloads, ITEMS);
	}
}

/* What comes too late, or is nonsense, leaves no descriptor behind. */
static void
stale_words_are_nothing(void **state)
{
	(void)state;
	prepare();
	assert_int_equal(w.nactive, ITEMS);
	giver_says(WIRE_COMMIT, 1);
	giver_says(WIRE_ABORT, 0);
	giver_state();
	w.batch = 99;
	giver_state();
	giver_says(WIRE_COMMIT, 1);
	giver_says(77, 1);
	turn();
	assert_int_equal(w.nactive, ITEMS);
	assert_int_equal(w.unloads, 0);
	assert_int_equal(w.t->state, TAKE_IDLE);
	assert_int_equal(write(w.giver, "nonsense", 8), 8);
	turn();
	assert_int_equal(w.t->state, TAKE_OVER);
}

static void
who_is_not_ready_lets_wait(void **state)
{
	(void)state;
	w.not_ready = true;
	prepare();
	turn();
	assert_int_equal(w.f.cuts, 0);
	giver_says(WIRE_ABORT, 0);	/* it has given up */
	turn();
	w.not_ready = false;
	turn();
	assert_int_equal(w.f.cuts, 0);
	prepare();
	assert_int_equal(w.nactive, ITEMS);
	w.f.no_relay = true;
	w.nactive = 0;
	w.f.now.us += 1000000;
	prepare();
	assert_int_equal(w.aborts, 1);
	assert_int_equal(w.nactive, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(a_batch_is_loaded_and_goes_on),
		T(nothing_is_loaded_before_the_mark),
		T(what_cannot_be_loaded_is_the_givers),
		T(without_descriptors_some_stay),
		T(an_abort_takes_it_back),
		T(a_dead_givers_batch_goes_on),
		T(who_is_silent_is_waited_for_a_bounded_time),
		T(nothing_is_done_before_it_is_said),
		T(a_doubt_ends_by_the_next_word),
		T(stale_words_are_nothing),
		T(who_is_not_ready_lets_wait),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
