/*
 * A Redis for the relay's own parts: it notes each command, and answers when the
 * test wants.  In place of relay/redis/redis.h, in one program.
 */
#ifndef TESTS_LIB_REDIS_ASKED_H
#define TESTS_LIB_REDIS_ASKED_H

#include "relay/redis/redis.h"
#include "tests/lib/check.h"

#define REDIS_ASKED_MAX	64
#define REDIS_ARGS_MAX	256

struct redis_asked {
	struct buf	 bytes[REDIS_ARGS_MAX];
	size_t		 n;
	commands_cb	*cb;
	void		*arg;
};

static struct redis_asked redis_asked[REDIS_ASKED_MAX];
static unsigned redis_nasked, redis_nanswered, redis_npublished;
static unsigned redis_nlistened;
static bool redis_up = true, redis_refuses;

bool
redis_can_publish(const struct redis *r)
{
	return (r != NULL && redis_up);
}

bool
redis_command(struct redis *r, struct slice key, const struct slice *argv,
    size_t n, commands_cb *cb, void *arg)
{
	struct redis_asked *a = &redis_asked[redis_nasked];
	size_t i;

	assert_non_null(r);
	assert_true(slice_eq(key, argv[3]));
	if (redis_refuses)
		return (false);
	assert_true(redis_nasked < REDIS_ASKED_MAX && n <= REDIS_ARGS_MAX);
	redis_nasked++;
	for (i = 0; i < n; i++) {
		buf_reset(&a->bytes[i]);
		buf_slice(&a->bytes[i], argv[i]);
	}
	a->n = n;
	a->cb = cb;
	a->arg = arg;
	return (true);
}

bool
redis_publish(struct redis *r, struct slice channel, struct slice payload,
    commands_cb *cb, void *arg)
{
	(void)channel;
	(void)payload;
	(void)arg;
	assert_non_null(r);
	assert_null(cb);
	redis_npublished++;
	return (true);
}

bool
redis_subscribe(struct redis *r, struct slice channel, subscriptions_cb *cb,
    void *arg)
{
	(void)channel;
	(void)cb;
	(void)arg;
	assert_non_null(r);
	redis_nlistened++;
	return (true);
}

void
redis_unsubscribe(struct redis *r, struct slice channel)
{
	(void)channel;
	assert_non_null(r);
	redis_nlistened--;
}

/* An argument of a command, from 0 on: it follows the keys. */
static inline struct slice
redis_arg(unsigned ask, size_t i)
{
	struct redis_asked *a = &redis_asked[ask];
	size_t keys = (size_t)(a->bytes[2].data[0] - '0');

	assert_true(ask < redis_nasked && 3 + keys + i < a->n);
	return (buf_unread(&a->bytes[3 + keys + i]));
}

static inline struct slice
redis_key(unsigned ask, size_t i)
{
	assert_true(ask < redis_nasked);
	return (buf_unread(&redis_asked[ask].bytes[3 + i]));
}

/* To the next one; NULL: the link is lost. */
static inline void
redis_answer(const struct reply *o)
{
	struct redis_asked *a = &redis_asked[redis_nanswered++];

	assert_true(redis_nanswered <= redis_nasked);
	a->cb(a->arg, o);
}

static inline void
redis_answer_integer(int64_t n)
{
	struct reply o = { .type = REPLY_INTEGER, .integer = n };

	redis_answer(&o);
}

static inline void
redis_answer_error(const char *words)
{
	struct reply o = { .type = REPLY_ERROR, .text = slice_str(words) };

	redis_answer(&o);
}

static inline void
redis_begin(void)
{
	static bool made;
	size_t i, k;

	for (i = 0; !made && i < REDIS_ASKED_MAX; i++)
		for (k = 0; k < REDIS_ARGS_MAX; k++)
			buf_init(&redis_asked[i].bytes[k]);
	made = true;
	redis_nasked = redis_nanswered = redis_npublished = 0;
	redis_nlistened = 0;
	redis_up = true;
	redis_refuses = false;
}

static inline void
redis_end(void)
{
	size_t i, k;

	for (i = 0; i < REDIS_ASKED_MAX; i++)
		for (k = 0; k < REDIS_ARGS_MAX; k++)
			buf_fini(&redis_asked[i].bytes[k]);
}

#endif
