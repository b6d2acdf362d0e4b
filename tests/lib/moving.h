/*
 * Clients from one worker of a test to another, as the host does it.
 */
#ifndef TESTS_LIB_MOVING_H
#define TESTS_LIB_MOVING_H

#include "check.h"
#include "fake_host.h"
#include "hub/move.h"

struct moving {
	struct fake_world *w;
	struct fake_host *from, *to;
	struct hub_move	*out, *in;
	struct buf	 state;
};

static inline void
moving_open(struct moving *m, struct fake_host *from, struct fake_host *to)
{
	*m = (struct moving){ .w = from->world, .from = from, .to = to,
		.out = hub_move_new(from->hub, true, (uint16_t)to->slot),
		.in = hub_move_new(to->hub, false, (uint16_t)from->slot) };
	assert_non_null(m->out);
	assert_non_null(m->in);
	buf_init(&m->state);
}

static inline void
moving_close(struct moving *m)
{
	hub_move_free(&m->out);
	hub_move_free(&m->in);
	buf_fini(&m->state);
}

/* What it is, in m->state. */
static inline void
moving_save(struct moving *m, struct fake_conn *c)
{
	buf_reset(&m->state);
	assert_true(client_may_move(c->client));
	assert_true(client_save(m->out, c->client, &m->state));
}

/* What stands in m->state, at the heir; NULL: refused.  The bytes lie where a
 * sanitizer sees what is read beyond them. */
static inline struct fake_conn *
moving_load(struct moving *m, enum reason *why)
{
	struct fake_conn *c = fake_conn_new(m->to);
	struct slice s = buf_unread(&m->state);
	uint8_t *copy = malloc(s.n + 1);
	struct state_in in;

	assert_non_null(copy);
	if (s.n != 0)
		memcpy(copy, s.p, s.n);
	in = state_in(slice_of(copy, s.n));
	c->client = client_load(m->in, &in, &c->out, why);
	if (c->client != NULL)
		assert_true(state_end(&in));
	free(copy);
	return (c->client == NULL ? NULL : c);
}

/* The giver has let go: what the client has got and not read is the heir's to
 * show. */
static inline void
moving_done(struct fake_conn *c, struct fake_conn *d)
{
	client_moved(&c->client);
	buf_slice(&d->got, buf_unread(&c->got));
	buf_reset(&c->got);
	d->window = c->window;
}

/* All of it, and why the heir may not keep it. */
static inline struct fake_conn *
moving_why(struct moving *m, struct fake_conn *c, enum reason *why)
{
	struct fake_conn *d;

	moving_save(m, c);
	d = moving_load(m, why);
	assert_non_null(d);
	moving_done(c, d);
	return (d);
}

static inline struct fake_conn *
moving(struct moving *m, struct fake_conn *c)
{
	enum reason why;
	struct fake_conn *d = moving_why(m, c, &why);

	assert_int_equal(REASON__MAX, why);
	return (d);
}

/* From one host to the other, by itself. */
static inline struct fake_conn *
moved(struct fake_host *from, struct fake_host *to, struct fake_conn *c)
{
	struct fake_conn *d;
	struct moving m;

	moving_open(&m, from, to);
	d = moving(&m, c);
	moving_close(&m);
	return (d);
}

/*
 * What was saved of c is what is saved of it once it is over there, by books
 * that begin anew; returned as moved().
 */
static inline struct fake_conn *
moved_same(struct fake_host *from, struct fake_host *to, struct fake_conn *c)
{
	struct moving m, back;
	struct fake_conn *d;

	moving_open(&m, from, to);
	d = moving(&m, c);
	moving_open(&back, to, from);
	moving_save(&back, d);
	assert_int_equal(m.state.wpos, back.state.wpos);
	assert_memory_equal(m.state.data, back.state.data, m.state.wpos);
	moving_close(&back);
	moving_close(&m);
	return (d);
}

#endif
