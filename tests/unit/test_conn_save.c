/* Connections from one worker to another: every field, every byte, once. */
#include "worker/net/conn_save.h"
#include "worker/net/counted.h"

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "shm/count.h"
#include "worker/net/age.h"
#include "worker/net/conn_int.h"

#include "tests/lib/check.h"
#include "tests/lib/conn_world.h"

static int
setup(void **state)
{
	(void)state;
	world_init();
	return (0);
}

static int
teardown(void **state)
{
	(void)state;
	world_fini();
	return (0);
}

/* Save it, and load what was saved. */
static struct conn *
carry(struct conn *c, struct buf *b)
{
	struct state_in in;
	struct conn *to;

	assert_true(conn_may_move(c));
	conn_freeze(c);
	assert_true(conn_save(c, NULL, b));
	in = state_in(buf_unread(b));
	to = conn_load(world.w[1], NULL, &in, world_copy(c->io.fd));
	if (to != NULL)
		assert_true(state_end(&in));
	return (to);
}

/* All of it: to the heir. */
static struct conn *
move(struct conn *c)
{
	struct conn *to;
	struct buf b;

	buf_init(&b);
	to = carry(c, &b);
	assert_non_null(to);
	conn_moved(c);
	conn_activate(to);
	buf_fini(&b);
	return (to);
}

static void
say(int peer, const char *words)
{
	assert_int_equal(write(peer, words, strlen(words)), strlen(words));
}

/* --- fields ---------------------------------------------------------------- */

/* What is another's in another worker, or made anew: these are not compared. */
#define NOT_SAVED(field) \
	{ offsetof(struct conn, field), sizeof(((struct conn *)0)->field) }
static const struct {
	size_t		 at, n;
} not_saved[] = {
	NOT_SAVED(outq), NOT_SAVED(io), NOT_SAVED(client),
	NOT_SAVED(ws), NOT_SAVED(tail), NOT_SAVED(body), NOT_SAVED(poller),
	NOT_SAVED(w), NOT_SAVED(link), NOT_SAVED(next), NOT_SAVED(later_link),
	NOT_SAVED(timer), NOT_SAVED(waiting), NOT_SAVED(address_node),
};

/* All bits but those that one that moves has not. */
static struct conn
conn_ones(void)
{
	struct conn c;

	memset(&c, 0xff, sizeof c);
	c.parting = c.abort = c.refused = c.secure = c.passage = c.guest =
	    c.last = c.vouched = 0;
	c.after = CONN_ENDS;
	c.tls = NULL;
	c.counted = 0;
	c.address_node = 0;
	c.proxy = 0;
	c.deflate = DEFLATE_512;
	return (c);
}

static void
compare(const struct conn *a, const struct conn *b)
{
	struct conn x = *a, y = *b;
	size_t i;

	x.later = y.later = 0;
	/* behind the last bit there are four more */
	((uint8_t *)&x)[7] &= 15;
	((uint8_t *)&y)[7] &= 15;
	for (i = 0; i < nitems(not_saved); i++) {
		memset((char *)&x + not_saved[i].at, 0, not_saved[i].n);
		memset((char *)&y + not_saved[i].at, 0, not_saved[i].n);
	}
	assert_slices(slice_of(&x, sizeof x), slice_of(&y, sizeof y));
}

/* A field that is new is not zero here, and is found missing. */
static void
every_field_is_saved(void **state)
{
	static const enum conn_state states[] = { CONN_IDLE, CONN_HTTP,
		CONN_HELD, CONN_CANDIDATE, CONN_WAITING, CONN_SESSION, CONN_WS,
		CONN_STREAM, CONN_CLOSING, CONN_LINGER };
	struct conn *c, *to, ones;
	struct outq q = { .n = 0 };
	struct buf b;
	size_t i;
	int peer;

	(void)state;
	buf_init(&b);
	for (i = 0; i < nitems(states); i++) {
		c = world_conn(states[i], &peer);
		ones = conn_ones();
		ones.magic = c->magic;
		ones.state = c->state;
		ones.later = 0;
		ones.frozen = 0;
		ones.outq = q;
		ones.io = c->io;
		ones.client = c->client;
		ones.ws.slow = NULL;
		ones.tail = NULL;
		ones.body = NULL;
		ones.poller = NULL;
		ones.w = c->w;
		ones.link = c->link;
		ones.next = NULL;
		ones.later_link = c->later_link;
		ones.timer = c->timer;
		ones.waiting = 0;
		/* of those with a client it is for when it is closed */
		ones.reason = conn_is_client(c) ? 0 : REASON_kicked;
		ones.deadline.us = UINT64_C(0x1122334455667788);
		ones.blocked_until.us = UINT64_C(0x99aabbccddeeff00);
		ones.since_us = 0x12345678;
		ones.close_code = 1009;
		*c = ones;
		*conn_opened(c) = 0x01020304;
		*conn_number(c) = 0x05060708;
		assert_true(conn_may_move(c));
		to = carry(c, &b);
		assert_non_null(to);
		compare(c, to);
		assert_int_equal(to->io.events, c->io.events);
		assert_int_equal(*conn_opened(to), 0x01020304);
		assert_int_equal(*conn_number(to), 0x05060708);
		assert_int_equal(conn_needs_session(to), states[i] == CONN_HELD
		    || states[i] == CONN_WAITING || states[i] == CONN_SESSION);
		conn_unload(to);
		conn_moved(c);
		buf_reset(&b);
		assert_int_equal(close(peer), 0);
	}
	buf_fini(&b);
}

/* Whose end it is, while the peer has not closed. */
static void
its_age_goes_on(void **state)
{
	struct conn *c, *to;
	int peer;

	(void)state;
	world.w[0]->age_unit_us = world.w[1]->age_unit_us = age_unit(3600000);
	c = world_conn(CONN_IDLE, &peer);
	c->old_at = age_draw(world.w[0]->age_unit_us, world.w[0]->now, 3);
	to = move(c);
	assert_int_equal(to->old_at, age_draw(world.w[0]->age_unit_us,
	    world.w[0]->now, 3));
	assert_int_equal(close(peer), 0);
}

/* --- bytes in -------------------------------------------------------------- */

static void
what_comes_is_read_once_and_in_order(void **state)
{
	struct conn *c, *to;
	struct buf b;
	int peer;

	(void)state;
	buf_init(&b);
	c = world_conn(CONN_WS, &peer);
	say(peer, "one\ntw");
	world_turn(world.w[0]);
	assert_non_null(c->tail);
	say(peer, "o\nthr");	/* neither sees it before it has moved */
	to = carry(c, &b);
	assert_non_null(to);
	world_turn(world.w[0]);
	world_turn(world.w[1]);
	say(peer, "ee\n");
	conn_moved(c);
	world_turn(world.w[0]);
	world_turn(world.w[1]);
	assert_int_equal(world.read[1].wpos, 0);
	conn_activate(to);
	world_turn(world.w[1]);
	assert_slice(buf_unread(&world.read[0]), "one\n");
	assert_slice(buf_unread(&world.read[1]), "two\nthree\n");
	say(peer, "four\n");
	world_turn(world.w[1]);
	assert_slice(buf_unread(&world.read[1]), "two\nthree\nfour\n");
	buf_fini(&b);
	assert_int_equal(close(peer), 0);
}

static void
what_stays_is_read_on(void **state)
{
	struct conn *c, *to;
	struct buf b;
	int peer;

	(void)state;
	buf_init(&b);
	c = world_conn(CONN_WS, &peer);
	say(peer, "one\ntw");
	world_turn(world.w[0]);
	to = carry(c, &b);
	say(peer, "o\n");
	world_turn(world.w[0]);
	conn_unload(to);
	conn_thaw(c);
	world_turn(world.w[0]);
	world_turn(world.w[1]);
	assert_slice(buf_unread(&world.read[0]), "one\ntwo\n");
	assert_int_equal(world.read[1].wpos, 0);
	buf_fini(&b);
	assert_int_equal(close(peer), 0);
}

/* Its share of the turn was had: no event will tell of it. */
static void
what_was_read_and_not_used_is_used_there(void **state)
{
	struct conn *c, *to;
	struct buf b;
	int peer, keep;

	(void)state;
	for (keep = 0; keep < 2; keep++) {
		buf_init(&b);
		c = world_conn(CONN_WS, &peer);
		world_turn(world.w[0]);
		assert_true(conn_tail_keep(c, (const uint8_t *)"one\n", 4));
		conn_later(c, CONN_LATER_READ);
		to = carry(c, &b);
		assert_non_null(to);
		if (keep) {
			conn_unload(to);
			conn_thaw(c);
		} else {
			conn_moved(c);
			conn_activate(to);
		}
		world_turn(world.w[0]);
		world_turn(world.w[1]);
		assert_buf(&world.read[!keep], "one\n");
		assert_int_equal(world.read[keep].wpos, 0);
		assert_int_equal(close(peer), 0);
		buf_fini(&b);
	}
}

/* Its peer has gone while it was nobody's. */
static void
an_end_that_came_meanwhile_is_seen(void **state)
{
	struct conn *c, *to;
	struct buf b;
	int peer;

	(void)state;
	buf_init(&b);
	c = world_conn(CONN_WS, &peer);
	world_turn(world.w[0]);
	to = carry(c, &b);
	say(peer, "last\n");
	assert_int_equal(close(peer), 0);
	conn_moved(c);
	conn_activate(to);
	assert_int_equal(world.w[1]->nconns, 1);
	world_turn(world.w[1]);
	world_turn(world.w[1]);
	assert_slice(buf_unread(&world.read[1]), "last\n");
	assert_int_equal(world.w[1]->nconns, 0);
	buf_fini(&b);
}

static void
a_body_goes_along(void **state)
{
	struct conn *c, *to;
	int peer;

	(void)state;
	c = world_conn(CONN_HTTP, &peer);
	c->body = world_body(4711);
	to = move(c);
	assert_non_null(to->body);
	assert_int_equal(to->body->left, 4711);
	assert_int_equal(world.nbodies, 1);
	world_turn(world.w[0]);
	assert_int_equal(close(peer), 0);
}

/* --- bytes out ------------------------------------------------------------- */

static void
drain(int peer, struct buf *got)
{
	uint8_t bytes[65536];
	ssize_t n;

	while ((n = read(peer, bytes, sizeof bytes)) > 0)
		buf_append(got, bytes, (size_t)n);
	assert_int_equal(errno, EAGAIN);
}

static void
what_was_not_written_is_written_on(void **state)
{
	struct buf sent, got;
	struct conn *c, *to;
	int peer, i;

	(void)state;
	buf_init(&sent);
	buf_init(&got);
	for (i = 0; i < 100000; i++)
		buf_printf(&sent, "line %d\n", i);
	c = world_conn(CONN_WS, &peer);
	assert_true(out_bytes(world.w[0]->out, &c->outq, buf_unread(&sent)));
	assert_false(conn_may_move(c));	/* it was not even tried */
	world_turn(world.w[0]);
	assert_true(c->outq.blocked);
	assert_true(c->waiting > 0);
	to = move(c);
	assert_true(to->outq.blocked);
	assert_true(to->waiting > 0);
	assert_int_equal(world.w[0]->out->nblocked, 0);
	assert_int_equal(world.w[1]->out->nblocked, 1);
	for (i = 0; i < 100 && got.wpos < sent.wpos; i++) {
		drain(peer, &got);
		world_turn(world.w[0]);
		world_turn(world.w[1]);
	}
	assert_slices(buf_unread(&got), buf_unread(&sent));
	world_turn(world.w[1]);
	assert_false(to->outq.blocked);
	assert_int_equal(to->waiting, 0);
	buf_fini(&sent);
	buf_fini(&got);
	assert_int_equal(close(peer), 0);
}

/* Room came meanwhile: no event tells of it any more. */
static void
room_that_came_meanwhile_is_used(void **state)
{
	struct buf sent, got, b;
	struct conn *c, *to;
	int peer, i, keep;

	(void)state;
	for (keep = 0; keep < 2; keep++) {
		buf_init(&sent);
		buf_init(&got);
		buf_init(&b);
		for (i = 0; i < 100000; i++)
			buf_printf(&sent, "line %d\n", i);
		c = world_conn(CONN_WS, &peer);
		assert_true(out_bytes(world.w[0]->out, &c->outq,
		    buf_unread(&sent)));
		world_turn(world.w[0]);
		to = carry(c, &b);
		drain(peer, &got);
		if (keep) {
			conn_unload(to);
			conn_thaw(c);
		} else {
			conn_moved(c);
			conn_activate(to);
		}
		for (i = 0; i < 100 && got.wpos < sent.wpos; i++) {
			world_turn(world.w[0]);
			world_turn(world.w[1]);
			drain(peer, &got);
		}
		assert_slices(buf_unread(&got), buf_unread(&sent));
		buf_fini(&sent);
		buf_fini(&got);
		buf_fini(&b);
		assert_int_equal(close(peer), 0);
		world_turn(world.w[0]);
		world_turn(world.w[1]);
	}
}

/* --- time ------------------------------------------------------------------ */

static void
no_deadline_comes_meanwhile(void **state)
{
	struct conn *c, *to;
	struct buf b;
	int peer;

	(void)state;
	buf_init(&b);
	c = world_conn(CONN_HTTP, &peer);
	c->deadline = (struct mono){ world.w[0]->now.us + 1000 };
	timer_stop(world.w[0]->wheel, &c->timer);
	conn_rearm(c);
	to = carry(c, &b);
	(void)poll(NULL, 0, 50);
	world_turn(world.w[0]);
	world_turn(world.w[1]);
	assert_int_equal(world.due[0] + world.due[1], 0);
	conn_moved(c);
	conn_activate(to);
	world_turn(world.w[1]);
	(void)poll(NULL, 0, 50);
	world_turn(world.w[1]);
	assert_int_equal(world.due[0], 0);
	assert_int_equal(world.due[1], 1);
	buf_fini(&b);
	assert_int_equal(close(peer), 0);
}

/* --- in doubt -------------------------------------------------------------- */

/* Neither knows whose it is; what is for it is given to both. */
static void
do_for(struct conn *c, struct worker *w, const char *words)
{
	assert_true(out_bytes(w->out, &c->outq, slice_str(words)));
	conn_later(c, CONN_LATER_READ | CONN_LATER_WRITE);
	c->client->due = w->now;
	conn_rearm(c);
	world_turn(w);
	(void)poll(NULL, 0, 20);
	world_turn(w);
	assert_int_equal(world.due[w == world.w[1]], 0);
}

static void
nothing_is_done_while_it_is_in_doubt(void **state)
{
	struct conn *c, *to;
	struct buf b, got;
	int peer, keep;

	(void)state;
	for (keep = 0; keep < 2; keep++) {
		buf_init(&b);
		buf_init(&got);
		c = world_conn(CONN_WS, &peer);
		world_turn(world.w[0]);
		to = carry(c, &b);
		assert_non_null(to);
		say(peer, "in\n");
		do_for(c, world.w[0], "out");
		do_for(to, world.w[1], "out");
		drain(peer, &got);
		assert_int_equal(got.wpos, 0);
		assert_int_equal(world.read[0].wpos + world.read[1].wpos, 0);
		if (keep) {
			conn_unload(to);
			conn_thaw(c);
		} else {
			conn_moved(c);
			conn_activate(to);
		}
		world_turn(world.w[0]);
		world_turn(world.w[1]);
		drain(peer, &got);
		assert_buf(&got, "out");
		assert_buf(&world.read[!keep], "in\n");
		assert_int_equal(world.read[keep].wpos, 0);
		(void)poll(NULL, 0, 20);
		world_turn(world.w[!keep]);
		assert_true(world.due[!keep] > 0);
		assert_int_equal(close(peer), 0);
		world_turn(world.w[!keep]);
		world.due[!keep] = 0;
		buf_fini(&b);
		buf_fini(&got);
	}
}

/* Nor by those who do not wait for the turn's end. */
static void
nothing_is_pushed_while_it_is_in_doubt(void **state)
{
	struct conn *c;
	int peer;
	char byte;

	(void)state;
	c = world_conn(CONN_HTTP, &peer);
	world_turn(world.w[0]);
	conn_freeze(c);
	assert_true(out_bytes(world.w[0]->out, &c->outq, SLICE("x")));
	conn_push(c);
	assert_int_equal(read(peer, &byte, 1), -1);
	conn_thaw(c);
	world_turn(world.w[0]);
	assert_int_equal(read(peer, &byte, 1), 1);
	assert_int_equal(close(peer), 0);
}

/* Told to end meanwhile: by the one that has it. */
static void
an_end_waits_until_it_is_decided(void **state)
{
	struct conn *c, *to;
	struct buf b;
	int peer, how;
	char byte;

	(void)state;
	for (how = 0; how < 4; how++) {
		buf_init(&b);
		c = world_conn(CONN_WS, &peer);
		world_turn(world.w[0]);
		to = carry(c, &b);
		assert_non_null(to);
		if (how & 1) {
			conn_close(c, REASON_kicked);
			conn_close(to, REASON_kicked);
		} else {
			conn_abort(c, REASON_kicked);
			conn_abort(to, REASON_kicked);
		}
		world_turn(world.w[0]);
		world_turn(world.w[1]);
		assert_int_equal(read(peer, &byte, 1), -1);
		assert_int_equal(world.w[0]->nconns, 1);
		assert_int_equal(world.w[1]->nconns, 1);
		if (how & 2) {
			conn_unload(to);
			conn_thaw(c);
		} else {
			conn_moved(c);
			conn_activate(to);
		}
		world_turn(world.w[0]);
		world_turn(world.w[1]);
		assert_int_equal(read(peer, &byte, 1), 0);
		assert_int_equal(world.w[0]->nconns, 0);
		assert_int_equal(world.w[1]->nconns, 0);
		assert_int_equal(close(peer), 0);
		buf_fini(&b);
	}
}

/* --- who, and where it counts ----------------------------------------------- */

static void
it_is_counted_there_before_it_is_not_here(void **state)
{
	uint64_t key = limit_address(world_address);
	struct slice name = slice_of(&key, sizeof key);
	struct conn *c, *to;
	struct buf b;
	int peer;

	(void)state;
	buf_init(&b);
	c = world_conn(CONN_WS, &peer);
	c->counted = count_enter(world.w[0]->count, 5);
	assert_true(count_enter_key(world.w[0]->count, COUNT_ADDRESS, name, 5,
	    &c->address_node));
	assert_int_equal(count_of(world.w[0]->count, COUNT_ADDRESS, name), 1);
	to = carry(c, &b);
	assert_int_equal(count_of(world.w[0]->count, COUNT_ADDRESS, name), 2);
	assert_int_equal(count_total(world.segment), 2);
	conn_moved(c);
	assert_int_equal(count_of(world.w[0]->count, COUNT_ADDRESS, name), 1);
	assert_int_equal(count_total(world.segment), 1);
	assert_int_equal(counter_get(COUNTER_connections_open), world.open + 1);
	assert_int_equal(counter_get(COUNTER_ws_open), world.ws_open + 1);
	conn_activate(to);
	buf_fini(&b);
	assert_int_equal(close(peer), 0);
}

/* A proxy's connection is counted for the client whose request it has. */
static void
whom_it_is_counted_for_goes_along(void **state)
{
	uint64_t own = limit_address(world_address), key = own ^ 1;
	struct slice client = slice_of(&key, sizeof key);
	struct slice proxy = slice_of(&own, sizeof own);
	struct conn *c, *to;
	struct buf b;
	int peer;

	(void)state;
	buf_init(&b);
	c = world_conn(CONN_HTTP, &peer);
	c->counted = count_enter(world.w[0]->count, 5);
	assert_true(counted_asks(c, own));
	assert_true(counted_asks(c, key));
	assert_int_equal(counted_key(c), key);
	to = carry(c, &b);
	assert_int_equal(count_of(world.w[0]->count, COUNT_ADDRESS, client), 2);
	conn_moved(c);
	assert_int_equal(count_of(world.w[0]->count, COUNT_ADDRESS, client), 1);
	assert_int_equal(count_of(world.w[0]->count, COUNT_ADDRESS, proxy), 0);
	conn_activate(to);
	buf_fini(&b);
	assert_int_equal(close(peer), 0);
}

static void
who_may_not_move(void **state)
{
	static const enum conn_state never[] = { CONN_PREAMBLE, CONN_TLS, CONN_ASKING,
		CONN_TUNNEL };
	struct conn *c;
	size_t i;
	int peer;

	(void)state;
	c = world_conn(CONN_HTTP, &peer);
	assert_true(conn_may_move(c));
	c->secure = true;
	assert_false(conn_may_move(c));
	c->secure = false;
	c->refused = true;
	assert_false(conn_may_move(c));
	c->refused = false;
	c->guest = true;
	assert_false(conn_may_move(c));
	c->guest = false;
	for (i = 0; i < nitems(never); i++) {
		c->state = (uint8_t)never[i];
		assert_false(conn_may_move(c));
	}
	c->state = CONN_HTTP;
	conn_close(c, REASON_kicked);
	assert_false(conn_may_move(c));
	world_turn(world.w[0]);
	assert_int_equal(close(peer), 0);
	c = world_conn(CONN_WS, &peer);
	c->client->busy = true;
	assert_false(conn_may_move(c));
	c->client->busy = false;
	assert_true(conn_may_move(c));
	assert_int_equal(close(peer), 0);
}

/* The heir's are in the order of their age. */
static void
they_come_behind_those_that_the_heir_has(void **state)
{
	struct conn *c, *next, *to;
	int peers[3], i;

	(void)state;
	for (i = 0; i < 3; i++) {
		c = world_conn(CONN_IDLE, &peers[i]);
		c->port = (uint16_t)i;
	}
	for (c = TAILQ_FIRST(&world.w[0]->conns); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		to = move(c);
		assert_null(TAILQ_NEXT(to, link));
	}
	i = 2;
	TAILQ_FOREACH(c, &world.w[1]->conns, link)
		assert_int_equal(c->port, i--);
	assert_int_equal(world.w[0]->nconns, 0);
	for (i = 0; i < 3; i++)
		assert_int_equal(close(peers[i]), 0);
}

static void
who_may_not_stay_there_is_told_so_when_it_is_there(void **state)
{
	struct conn *c, *to;
	struct buf b;
	int peer;

	(void)state;
	buf_init(&b);
	world.why = REASON_kicked;
	c = world_conn(CONN_WS, &peer);
	to = carry(c, &b);
	assert_non_null(to);
	world_turn(world.w[1]);
	assert_int_equal(world.w[1]->nconns, 1);
	conn_moved(c);
	conn_activate(to);
	assert_true(to->parting);
	assert_int_equal(to->reason, REASON_kicked);
	world_turn(world.w[1]);
	assert_int_equal(world.w[1]->nconns, 0);
	buf_fini(&b);
	assert_int_equal(close(peer), 0);
}

/* --- what is no connection --------------------------------------------------- */

static bool
loads(struct slice s, int fd)
{
	struct state_in in = state_in(s);
	struct conn *c;

	c = conn_load(world.w[1], NULL, &in, fd);
	if (c != NULL)
		conn_unload(c);
	assert_int_equal(fcntl(fd, F_GETFD), -1);	/* closed */
	world_turn(world.w[1]);
	assert_int_equal(world.w[1]->nconns, 0);
	return (c != NULL);
}

static void
what_is_no_connection_is_not_loaded(void **state)
{
	struct conn *c;
	struct buf b;
	uint8_t *p;
	size_t n;
	int peer;

	(void)state;
	buf_init(&b);
	c = world_conn(CONN_WS, &peer);
	say(peer, "half a line");
	world_turn(world.w[0]);
	assert_true(conn_save(c, NULL, &b));
	assert_true(loads(buf_unread(&b), world_copy(c->io.fd)));
	for (n = 0; n < b.wpos; n++) {
		p = check_copy(slice_of(b.data, n));
		assert_false(loads(slice_of(p, n), world_copy(c->io.fd)));
		free(p);
	}
	b.data[2]++;		/* another version */
	assert_false(loads(buf_unread(&b), world_copy(c->io.fd)));
	b.data[2]--;
	b.data[11] |= 0xc0;	/* no WebSocket has agreed on that window */
	assert_false(loads(buf_unread(&b), world_copy(c->io.fd)));
	b.data[11] &= 0x3f;
	assert_true(loads(buf_unread(&b), world_copy(c->io.fd)));
	b.data[8] = 10;		/* as CONN_TUNNEL would be written */
	assert_false(loads(buf_unread(&b), world_copy(c->io.fd)));
	b.data[8] = 13;		/* ... and CONN_DEAD */
	assert_false(loads(buf_unread(&b), world_copy(c->io.fd)));
	b.data[8] = CONN_WS;
	b.data[9] = REASON__MAX;
	assert_false(loads(buf_unread(&b), world_copy(c->io.fd)));
	b.data[9] = 0;
	world.w[1]->fd_passed = 0;	/* descriptors are short */
	assert_false(loads(buf_unread(&b), world_copy(c->io.fd)));
	assert_int_equal(counter_get(COUNTER_connections_open), world.open + 1);
	assert_int_equal(counter_get(COUNTER_ws_open), world.ws_open + 1);
	assert_int_equal(world.nclients, 1);
	buf_fini(&b);
	assert_int_equal(close(peer), 0);
}

/* Whatever the bytes are. */
static void
a_changed_byte_does_no_harm(void **state)
{
	struct conn *c;
	struct buf b;
	size_t i;
	int peer;

	(void)state;
	buf_init(&b);
	c = world_conn(CONN_WS, &peer);
	say(peer, "half a line");
	world_turn(world.w[0]);
	assert_true(conn_save(c, NULL, &b));
	for (i = 0; i < b.wpos * 8; i++) {
		b.data[i / 8] ^= (uint8_t)(1u << i % 8);
		(void)loads(buf_unread(&b), world_copy(c->io.fd));
		b.data[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	assert_int_equal(world.nclients, 1);
	buf_fini(&b);
	assert_int_equal(close(peer), 0);
}

#define connection_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		connection_test(every_field_is_saved),
		connection_test(its_age_goes_on),
		connection_test(what_comes_is_read_once_and_in_order),
		connection_test(what_stays_is_read_on),
		connection_test(what_was_read_and_not_used_is_used_there),
		connection_test(an_end_that_came_meanwhile_is_seen),
		connection_test(a_body_goes_along),
		connection_test(what_was_not_written_is_written_on),
		connection_test(room_that_came_meanwhile_is_used),
		connection_test(no_deadline_comes_meanwhile),
		connection_test(nothing_is_done_while_it_is_in_doubt),
		connection_test(nothing_is_pushed_while_it_is_in_doubt),
		connection_test(an_end_waits_until_it_is_decided),
		connection_test(it_is_counted_there_before_it_is_not_here),
		connection_test(whom_it_is_counted_for_goes_along),
		connection_test(who_may_not_move),
		connection_test(they_come_behind_those_that_the_heir_has),
		connection_test(
		    who_may_not_stay_there_is_told_so_when_it_is_there),
		connection_test(what_is_no_connection_is_not_loaded),
		connection_test(a_changed_byte_does_no_harm),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
