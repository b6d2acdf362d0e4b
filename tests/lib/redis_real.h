/*
 * A real redis-server for the relay's own parts, in place of relay/redis/redis.h, in
 * one program: what is asked is answered before the call returns, and what was
 * published by then has come.  Without a redis-server in the path there is none.
 */
#ifndef TESTS_LIB_REDIS_REAL_H
#define TESTS_LIB_REDIS_REAL_H

#include <sys/wait.h>

#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "relay/redis/redis.h"
#include "relay/redis/reply.h"
#include "tests/lib/check.h"

static pid_t real_pid = -1;
static char real_dir[] = "/tmp/roost-redis-XXXXXX";
static char real_path[64];
static redisContext *real_asks, *real_hears;
static subscriptions_cb *real_cb;
static void *real_arg;
static unsigned real_serial;
static char real_place;
#define REDIS_REAL	((struct redis *)&real_place)

/* --- replies ---------------------------------------------------------------- */

static struct reply *
real_reply(const redisReply *r)
{
	struct reply *o = calloc(1, sizeof *o);
	size_t i;

	assert_non_null(o);
	switch (r->type) {
	case REDIS_REPLY_STRING:
		o->type = REPLY_STRING;
		break;
	case REDIS_REPLY_STATUS:
		o->type = REPLY_STATUS;
		break;
	case REDIS_REPLY_ERROR:
		o->type = REPLY_ERROR;
		print_message("%s\n", r->str);
		break;
	case REDIS_REPLY_INTEGER:
		o->type = REPLY_INTEGER;
		o->integer = r->integer;
		return (o);
	case REDIS_REPLY_ARRAY:
		o->type = REPLY_ARRAY;
		o->n = r->elements;
		o->elements = calloc(o->n + 1, sizeof *o->elements);
		assert_non_null(o->elements);
		for (i = 0; i < o->n; i++)
			o->elements[i] = real_reply(r->element[i]);
		return (o);
	default:
		o->type = REPLY_NIL;
		return (o);
	}
	o->text = slice_of(r->str, r->len);
	return (o);
}

static void
real_reply_free(struct reply *o)
{
	size_t i;

	for (i = 0; i < o->n; i++)
		real_reply_free(o->elements[i]);
	free(o->elements);
	free(o);
}

/* What was published until now. */
static void
real_hear(void)
{
	char mark[24];
	redisReply *r;
	bool last = false;

	(void)snprintf(mark, sizeof mark, "%u", ++real_serial);
	r = redisCommand(real_asks, "PUBLISH mark %s", mark);
	assert_non_null(r);
	freeReplyObject(r);
	while (!last) {
		assert_int_equal(redisGetReply(real_hears, (void **)&r),
		    REDIS_OK);
		if (r->type == REDIS_REPLY_ARRAY && r->elements == 4 &&
		    real_cb != NULL)
			real_cb(real_arg, slice_of(r->element[2]->str,
			    r->element[2]->len), slice_of(r->element[3]->str,
			    r->element[3]->len));
		last = r->type == REDIS_REPLY_ARRAY && r->elements == 3 &&
		    r->element[2]->str != NULL &&
		    strcmp(r->element[2]->str, mark) == 0;
		freeReplyObject(r);
	}
}

/* --- redis.h ----------------------------------------------------------------- */

bool
redis_can_publish(const struct redis *r)
{
	return (r != NULL && real_asks != NULL);
}

struct slice
redis_verb(const struct redis *r)
{
	(void)r;
	return (SLICE("PUBLISH"));
}

struct slice
redis_name_at(struct redis *r, struct buf *b, struct slice channel,
    struct slice name)
{
	(void)r;
	(void)channel;
	buf_reset(b);
	buf_slice(b, name);
	return (buf_unread(b));
}

bool
redis_command_at(struct redis *r, struct slice channel,
    const struct slice *argv, size_t n, commands_cb *cb, void *arg)
{
	const char *v[256];
	size_t len[256], i;
	redisReply *o;
	struct reply *reply;

	(void)r;
	(void)channel;
	assert_true(n <= 256);
	for (i = 0; i < n; i++) {
		v[i] = argv[i].n == 0 ? "" : (const char *)argv[i].p;
		len[i] = argv[i].n;
	}
	o = redisCommandArgv(real_asks, (int)n, v, len);
	assert_non_null(o);
	reply = real_reply(o);
	real_hear();
	cb(arg, reply);
	real_reply_free(reply);
	freeReplyObject(o);
	return (true);
}

bool
redis_subscribe(struct redis *r, struct slice channel, subscriptions_cb *cb,
    void *arg)
{
	(void)r;
	(void)channel;
	real_cb = cb;
	real_arg = arg;
	return (true);
}

void
redis_unsubscribe(struct redis *r, struct slice channel)
{
	(void)r;
	(void)channel;
	real_cb = NULL;
}

void
redis_watch(struct redis *r, struct redis_watch *w)
{
	(void)r;
	w->ready(w->arg);
}

void
redis_unwatch(struct redis *r, struct redis_watch *w)
{
	(void)r;
	(void)w;
}

/* --- the server ----------------------------------------------------------------- */

static redisContext *
real_connect(void)
{
	redisContext *c = NULL;
	unsigned i;

	for (i = 0; i < 500; i++) {
		c = redisConnectUnix(real_path);
		if (c != NULL && c->err == 0)
			return (c);
		if (c != NULL)
			redisFree(c);
		if (waitpid(real_pid, NULL, WNOHANG) != 0) {
			real_pid = -1;	/* it cannot be run */
			break;
		}
		(void)usleep(20000);
	}
	return (NULL);
}

static void
real_run(void)
{
	if (freopen("/dev/null", "w", stdout) == NULL)
		_exit(127);
	(void)execlp("redis-server", "redis-server", "--port", "0",
	    "--unixsocket", real_path, "--save", "", "--appendonly", "no",
	    "--dir", real_dir, (char *)NULL);
	_exit(127);
}

/* false: there is none on this machine. */
static bool
real_begin(void)
{
	redisReply *r;

	assert_non_null(mkdtemp(real_dir));
	(void)snprintf(real_path, sizeof real_path, "%s/s", real_dir);
	real_pid = fork();
	assert_true(real_pid >= 0);
	if (real_pid == 0)
		real_run();
	real_asks = real_connect();
	if (real_asks == NULL) {
		(void)rmdir(real_dir);
		return (false);
	}
	real_hears = real_connect();
	assert_non_null(real_hears);
	r = redisCommand(real_hears, "PSUBSCRIBE p:inbox:news:*");
	assert_non_null(r);
	freeReplyObject(r);
	r = redisCommand(real_hears, "SUBSCRIBE mark");
	assert_non_null(r);
	freeReplyObject(r);
	return (true);
}

static void
real_end(void)
{
	int status;

	if (real_pid <= 0)
		return;
	redisFree(real_asks);
	redisFree(real_hears);
	(void)kill(real_pid, SIGKILL);
	(void)waitpid(real_pid, &status, 0);
	(void)unlink(real_path);
	(void)rmdir(real_dir);
}

#endif
