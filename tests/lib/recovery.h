/*
 * Recovery in tests: a client that is cut, one that speaks, and the ways to
 * come back.
 */
#ifndef TESTS_LIB_RECOVERY_H
#define TESTS_LIB_RECOVERY_H

#include "check.h"
#include "fake_host.h"
#include "shm/counters.h"

struct recovery {
	struct fake_world *w;
	struct fake_host *f, *g;
	struct fake_conn *a, *b;	/* a is cut, b speaks (on f) */
	uint64_t failed, recovered, sessions;	/* counters before */
	char	 sid[21], pid[21], offset[128];
};

/* CONNECT's reply: sid and pid; false: it is something else. */
static inline bool
connected(struct fake_conn *c, char sid[21], char pid[21])
{
	const char *got = fake_next(c);

	if (strncmp(got, "40/n,{\"sid\":\"", 13) != 0)
		return (false);
	memcpy(sid, got + 13, 20);
	sid[20] = '\0';
	assert_int_equal(0, strncmp(got + 33, "\",\"pid\":\"", 9));
	memcpy(pid, got + 42, 20);
	pid[20] = '\0';
	return (true);
}

/* Hosts with slots 1 and 2; a and b on the first, in /n and its room r. */
static inline void
recovery_open(struct recovery *x, struct fake_world *w, unsigned f,
    unsigned g)
{
	char sid[21], pid[21];

	x->w = w;
	x->f = fake_host_new(x->w, f);
	x->g = fake_host_new(x->w, g);
	x->a = fake_engine(x->f, NULL);
	x->b = fake_engine(x->f, NULL);
	fake_say(x->f, x->a, "40/n,");
	fake_say(x->f, x->b, "40/n,");
	(void)fake_next(x->a);
	(void)fake_next(x->b);
	assert_true(connected(x->a, x->sid, x->pid));
	assert_true(connected(x->b, sid, pid));
	fake_say(x->f, x->a, "42/n,0[\"room:join\",\"r\"]");
	fake_say(x->f, x->b, "42/n,0[\"room:join\",\"r\"]");
	(void)fake_next(x->a);
	(void)fake_next(x->b);
	x->failed = counter_get(COUNTER_recovery_failed);
	x->recovered = counter_get(COUNTER_recovered);
	x->sessions = counter_get(COUNTER_sessions);
}

static inline void
recovery_close(struct recovery *x)
{
	fake_world_free(&x->w);
}

/* A setup and a teardown. */
static inline int
recovery_setup(void **state, const char *conf)
{
	struct recovery *x = calloc(1, sizeof *x);

	assert_non_null(x);
	recovery_open(x, fake_world_new(conf), 1, 2);
	*state = x;
	return (0);
}

static inline int
recovery_teardown(void **state)
{
	recovery_close(*state);
	free(*state);
	return (0);
}

static inline void
publish(struct recovery *x, int i)
{
	char text[64];

	(void)snprintf(text, sizeof text,
	    "42/n,[\"m\",{\"room\":\"r\",\"i\":%d}]", i);
	fake_say(x->f, x->b, text);
}

/* The next event is number i; its offset is remembered. */
static inline void
hears(struct recovery *x, struct fake_conn *c, int i)
{
	char want[64];
	const char *got = fake_next(c), *o;

	(void)snprintf(want, sizeof want,
	    "42/n,[\"m\",{\"room\":\"r\",\"i\":%d},\"", i);
	if (strncmp(got, want, strlen(want)) != 0)
		assert_string_equal(want, got);
	o = got + strlen(want);
	(void)snprintf(x->offset, sizeof x->offset, "%.*s",
	    (int)strcspn(o, "\""), o);
	assert_string_equal("\"]", o + strlen(x->offset));
}

static inline void
cut(struct recovery *x)
{
	fake_gone(x->f, x->a);
	fake_turn(x->w);
}

/* A new connection on a worker asks with pid and, unless "", offset; no turn
 * passes. */
static inline struct fake_conn *
asks(struct recovery *x, struct fake_host *f, const char *offset)
{
	struct fake_conn *c = fake_engine(f, NULL);
	char text[256];
	int n;

	n = snprintf(text, sizeof text, "40/n,{\"pid\":\"%s\"", x->pid);
	if (offset[0] != '\0')
		n += snprintf(text + n, sizeof text - (size_t)n,
		    ",\"offset\":\"%s\"", offset);
	(void)snprintf(text + n, sizeof text - (size_t)n, "}");
	fake_text(f, c, text);
	return (c);
}

/* The same, answered; its open packet is read. */
static inline struct fake_conn *
back(struct recovery *x, struct fake_host *f, const char *offset)
{
	struct fake_conn *c = asks(x, f, offset);

	fake_turn(x->w);
	(void)fake_next(c);
	return (c);
}

static inline void
is_same(struct recovery *x, struct fake_conn *c)
{
	char sid[21], pid[21];

	assert_true(connected(c, sid, pid));
	assert_string_equal(x->sid, sid);
	assert_string_equal(x->pid, pid);
}

static inline void
is_new(struct recovery *x, struct fake_conn *c)
{
	char sid[21], pid[21];

	assert_true(connected(c, sid, pid));
	assert_string_not_equal(x->sid, sid);
	assert_string_not_equal(x->pid, pid);
}

#endif
