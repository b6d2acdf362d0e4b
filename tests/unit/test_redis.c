/*
 * Connections to a server that says what the test wants: all of it, a byte at
 * a time, nonsense, errors, nothing.  The server is in the same loop.
 */
#include "relay/redis/redis.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <unistd.h>

#include "base/buf.h"
#include "conf/model.h"
#include "relay/redis/backoff.h"
#include "relay/redis/resolve.h"
#include "shm/counters.h"
#include "tests/lib/check.h"

#define GREETED	"+OK\r\n+PONG\r\n"	/* to CLIENT SETNAME and PING */
#define RESP2	"-ERR unknown command\r\n"	/* to HELLO 3 */
#define RESP3	"%2\r\n$5\r\nproto\r\n:3\r\n$7\r\nmodules\r\n*0\r\n"

static struct loop *loop;
static char path[64];
static struct conf_redis conf;
static char nothing[] = "", prefix[] = "p:";

/* --- the server -----------------------------------------------------------*/

static struct {
	struct loop_fd	 listener, io;	/* one connection at a time */
	const char	*greeting;	/* to the first bytes; NULL: nothing */
	bool		 slowly;	/* byte by byte */
	bool		 closes;	/* behind the greeting */
	struct buf	 in;
	unsigned	 connections;
	struct timer	 drip;
	const char	*dripping;
} server;

static void
server_drop(void)
{
	timer_stop(loop_wheel(loop), &server.drip);
	if (server.io.fd == -1)
		return;
	loop_del(loop, &server.io);
	(void)close(server.io.fd);
	server.io.fd = -1;
	buf_reset(&server.in);
}

static void
server_say(const char *text)
{
	assert_int_equal(send(server.io.fd, text, strlen(text), MSG_NOSIGNAL),
	    strlen(text));
}

static void
server_on_drip(struct timer *t, struct mono now)
{
	char one[2] = { *server.dripping, '\0' };

	server_say(one);
	if (*++server.dripping != '\0')
		timer_start(loop_wheel(loop), t, now, server_on_drip);
}

static void
server_on_bytes(struct loop_fd *f, unsigned events)
{
	bool first = buf_unread(&server.in).n == 0;
	char bytes[65536];
	ssize_t n;

	(void)events;
	n = read(f->fd, bytes, sizeof bytes);
	if (n <= 0) {
		server_drop();
		return;
	}
	buf_append(&server.in, bytes, (size_t)n);
	if (!first || server.greeting == NULL)
		return;
	if (server.slowly) {
		server.dripping = server.greeting;
		timer_start(loop_wheel(loop), &server.drip, loop_now(loop),
		    server_on_drip);
	} else if (server.greeting[0] != '\0')
		server_say(server.greeting);
	if (server.closes)
		server_drop();
}

static void
server_on_connection(struct loop_fd *f, unsigned events)
{
	int fd = accept(f->fd, NULL, NULL);

	(void)events;
	assert_true(fd != -1);
	server_drop();
	server.connections++;
	assert_int_equal(loop_add(loop, &server.io, fd, LOOP_IN,
	    server_on_bytes), 0);
}

/* What has come since the last look holds this. */
static bool
server_was_told(const char *text)
{
	struct slice s = buf_unread(&server.in);

	return (s.n > 0 && memmem(s.p, s.n, text, strlen(text)) != NULL);
}

static int
setup(void **state)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	loop = loop_new();
	memset(&server, 0, sizeof server);
	server.io.fd = -1;
	buf_init(&server.in);
	snprintf(path, sizeof path, "/tmp/test_redis.%d", (int)getpid());
	snprintf(sun.sun_path, sizeof sun.sun_path, "%s", path);
	(void)unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)(void *)&sun,
	    sizeof sun), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(loop_add(loop, &server.listener, fd, LOOP_IN,
	    server_on_connection), 0);
	memset(&conf, 0, sizeof conf);
	conf.url.text = conf.url.shown = conf.url.path = path;
	conf.password_file = conf.ca = conf.certificate = conf.key =
	    conf.server_name = nothing;
	conf.prefix = prefix;
	server.greeting = GREETED;
	return (0);
}

static int
teardown(void **state)
{
	(void)state;
	server_drop();
	loop_del(loop, &server.listener);
	(void)close(server.listener.fd);
	buf_fini(&server.in);
	(void)unlink(path);
	loop_free(&loop);
	return (0);
}

/* --- turning the loop -----------------------------------------------------*/

static bool	(*awaited)(void);
static struct mono give_up;
static struct commands *commands;
static struct subscriptions *subs;
static struct redis *redis;

static void
before_wait(void *arg)
{
	(void)arg;
	if (commands != NULL)
		commands_flush(commands);
	if (subs != NULL)
		subscriptions_flush(subs);
	if (redis != NULL)
		redis_flush(redis);
	if (awaited() || loop_now(loop).us > give_up.us)
		loop_stop(loop);
}

static void
check_await(bool (*what)(void), const char *words, const char *file, int line)
{
	struct loop_hooks hooks = { .before_wait = before_wait };

	loop_hooks(loop, &hooks);
	awaited = what;
	give_up = mono_add_ms(mono_now(), 20000);
	loop_run(loop);
	check_row(what(), words, slice_str(""), file, line);
}
#define await(what)	check_await(what, #what, __FILE__, __LINE__)

/* --- commands -------------------------------------------------------------*/

static struct {
	unsigned	 ups, downs;
	enum redis_state why;
	char		 words[128];
} told;

static void
on_up(void *arg)
{
	(void)arg;
	told.ups++;
}

static void
on_down(void *arg, bool was_up, enum redis_state why, const char *words)
{
	(void)arg;
	(void)was_up;
	told.downs++;
	told.why = why;
	snprintf(told.words, sizeof told.words, "%s", words);
}

static bool
is_up(void)
{
	return (told.ups > 0);
}

static bool
is_down(void)
{
	return (told.downs > 0);
}

static bool asks_mode;

static void
open_commands(void)
{
	struct commands_params p = { .conf = &conf, .loop = loop,
		.asks_mode = asks_mode,
		.queue_bytes = 64u << 10, .up = on_up, .down = on_down };

	memset(&told, 0, sizeof told);
	commands = commands_new(&p);
	assert_non_null(commands);
}

static void
close_commands(void)
{
	commands_free(&commands);
	assert_null(commands);
	server_drop();
}

static void
greeting_may_come_byte_by_byte(void **state)
{
	uint64_t connects, in, out, said;

	(void)state;
	server.slowly = true;
	open_commands();
	connects = counter_get(COUNTER_redis_connects);
	in = counter_get(COUNTER_redis_bytes_in);
	out = counter_get(COUNTER_redis_bytes_out);
	said = counter_get(COUNTER_redis_commands);
	await(is_up);
	assert_true(commands_up(commands));
	assert_int_equal(told.downs, 0);
	assert_int_equal(counter_get(COUNTER_redis_connects), connects + 1);
	assert_int_equal(counter_get(COUNTER_redis_bytes_in), in +
	    strlen(GREETED));
	assert_int_equal(counter_get(COUNTER_redis_bytes_out), out +
	    buf_unread(&server.in).n);
	assert_int_equal(counter_get(COUNTER_redis_commands), said + 2);
	assert_true(server_was_told("SETNAME\r\n$15\r\nroostd-commands\r\n"));
	close_commands();
}

static void
user_and_database_are_told(void **state)
{
	(void)state;
	conf.url.user = (char[]){ "me" };
	conf.url.password = (char[]){ "pw" };
	conf.url.database = 12;
	server.greeting = "+OK\r\n+OK\r\n-ERR unknown command\r\n+PONG\r\n";
	open_commands();
	await(is_up); /* the name is for people: it may be denied */
	assert_true(server_was_told("*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n"
	    "$2\r\npw\r\n*2\r\n$6\r\nSELECT\r\n$2\r\n12\r\n"));
	close_commands();
}

/* Such a server is left, and another that comes in its place is found. */
static void
refused(const char *greeting, bool closes, enum redis_state why,
    const char *words)
{
	server.greeting = greeting;
	server.closes = closes;
	open_commands();
	await(is_down);
	check_row(told.why == why && strstr(told.words, words) != NULL,
	    told.words, slice_str(greeting), __FILE__, __LINE__);
	assert_int_equal(told.ups, 0);
	server.greeting = GREETED;
	server.closes = false;
	await(is_up);
	close_commands();
}

static void
servers_that_are_none_are_left(void **state)
{
	char deep[4 * 20 + 1] = "";
	unsigned i;

	(void)state;
	for (i = 0; i < 20; i++)
		memcpy(deep + 4 * i, "*1\r\n", 5);
	refused("HTTP/1.1 400 Bad Request\r\n\r\n", false, REDIS_NONSENSE, "");
	refused(deep, false, REDIS_NONSENSE, "");
	refused("*1000000000\r\n", false, REDIS_NONSENSE, "too many elements");
	refused("", true, REDIS_LOST, "ended");
	refused("+O", true, REDIS_LOST, "ended");
}

static void
errors_in_the_greeting_say_why(void **state)
{
	uint64_t errors = counter_get(COUNTER_redis_errors);
	uint64_t failures = counter_get(COUNTER_redis_failures);

	(void)state;
	refused("-NOAUTH Authentication required.\r\n"
	    "-NOAUTH Authentication required.\r\n", false, REDIS_REFUSED,
	    "NOAUTH");
	refused("+OK\r\n-LOADING Redis is loading\r\n", false, REDIS_ERRORS,
	    "LOADING");
	refused("+OK\r\n-NOPERM no\r\n", false, REDIS_DENIED, "NOPERM");
	refused("-ERR max number of clients reached\r\n", true, REDIS_ERRORS,
	    "max number");
	conf.url.password = (char[]){ "pw" };
	server.greeting = "-WRONGPASS bad\r\n";
	open_commands();
	await(is_down);
	assert_int_equal(told.why, REDIS_REFUSED);
	assert_true(counter_get(COUNTER_redis_errors) >= errors + 6);
	assert_true(counter_get(COUNTER_redis_failures) >= failures + 5);
	close_commands();
}

/* RESP2 has no maps; old servers, and what stands in front of some, no HELLO. */
static void
a_server_says_what_it_is(void **state)
{
	static const struct {
		const char	*hello;
		enum link_mode	 mode;
	} rows[] = {
		{ "*4\r\n$5\r\nproto\r\n:2\r\n$4\r\nmode\r\n"
		    "$7\r\ncluster\r\n", LINK_MODE_CLUSTER },
		{ "*4\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n"
		    "$7\r\nmodules\r\n*0\r\n", LINK_MODE_ALONE },
		{ "*2\r\n$4\r\nrole\r\n$4\r\nmode\r\n",
		    LINK_MODE_UNKNOWN },
		{ "*1\r\n$4\r\nmode\r\n", LINK_MODE_UNKNOWN },
		{ "+OK\r\n", LINK_MODE_UNKNOWN },
		{ RESP2, LINK_MODE_UNKNOWN },
	};
	char greeting[256];
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		(void)snprintf(greeting, sizeof greeting, "%s" GREETED,
		    rows[i].hello);
		server.greeting = greeting;
		asks_mode = true;
		open_commands();
		asks_mode = false;
		assert_int_equal(commands_mode(commands), LINK_MODE_UNKNOWN);
		await(is_up);
		assert_int_equal(commands_mode(commands), rows[i].mode);
		assert_true(server_was_told("HELLO\r\n$1\r\n2\r\n"));
		close_commands();
	}
}

static unsigned answers, lost;

static void
on_reply(void *arg, const struct reply *o)
{
	const unsigned *i = arg;

	if (o == NULL) {
		lost++;
		return;
	}
	assert_int_equal(o->type, REPLY_INTEGER);
	assert_int_equal(o->integer, answers);
	assert_int_equal(*i, answers);
	answers++;
}

static bool
is_told_the_last(void)
{
	return (server_was_told("\r\n$4\r\n0099\r\n"));
}

static bool
is_answered(void)
{
	return (answers == 100);
}

static bool
is_lost(void)
{
	return (lost > 0);
}

static void
commands_of_a_turn_leave_by_one_write(void **state)
{
	static unsigned numbers[100];
	struct slice argv[] = { SLICE("X"), { NULL, 0 } };
	uint64_t writes;
	char text[16];
	unsigned i;

	(void)state;
	answers = lost = 0;
	open_commands();
	assert_false(commands_send(commands, argv, 1, on_reply, numbers));
	await(is_up);
	writes = counter_get(COUNTER_redis_writes);
	for (i = 0; i < 100; i++) {
		numbers[i] = i;
		snprintf(text, sizeof text, "%04u", i);
		argv[1] = slice_str(text);
		assert_true(commands_send(commands, argv, 2, on_reply,
		    &numbers[i]));
	}
	await(is_told_the_last);
	assert_int_equal(counter_get(COUNTER_redis_writes), writes + 1);
	for (i = 0; i < 100; i++) {
		snprintf(text, sizeof text, ":%u\r\n", i);
		server_say(text);
	}
	await(is_answered);
	/* what waits when the link is lost is told so */
	for (i = 0; i < 3; i++)
		assert_true(commands_send(commands, argv, 2, on_reply,
		    &numbers[i]));
	assert_int_equal(lost, 0);
	server_drop();
	await(is_lost);
	assert_int_equal(lost, 3);
	assert_int_equal(answers, 100);
	close_commands();
}

static void
queue_is_bounded(void **state)
{
	static uint8_t big[40u << 10];
	struct slice argv[] = { slice_of(big, sizeof big) };
	uint64_t dropped = counter_get(COUNTER_redis_dropped);

	(void)state;
	lost = 0;
	open_commands();
	await(is_up);
	assert_true(commands_send(commands, argv, 1, on_reply, NULL));
	assert_false(commands_send(commands, argv, 1, on_reply, NULL));
	assert_int_equal(counter_get(COUNTER_redis_dropped), dropped + 1);
	close_commands();
	assert_int_equal(counter_get(COUNTER_redis_queue_bytes), 0);
	assert_int_equal(lost, 0);	/* freed: without any call */
}

static void
reply_to_nothing_ends_the_link(void **state)
{
	(void)state;
	server.greeting = GREETED ":1\r\n";
	open_commands();
	await(is_down);
	assert_int_equal(told.why, REDIS_NONSENSE);
	close_commands();
}

static void
silent_server_is_given_up(void **state)
{
	(void)state;
	server.greeting = NULL;
	open_commands();
	await(is_down);
	assert_int_equal(told.why, REDIS_SILENT);
	close_commands();
}

/* --- subscriptions --------------------------------------------------------*/

static unsigned messages;
static char denied[32];

static void
on_message(void *arg, struct slice channel, struct slice payload)
{
	(void)arg;
	assert_slice(channel, "a");
	assert_slice(payload, "hi");
	messages++;
}

static void
on_denied(void *arg, enum subscription_kind kind, struct slice channel,
    const char *words)
{
	(void)arg;
	assert_int_equal(kind, SUB_EXACT);
	assert_non_null(strstr(words, "NOPERM"));
	snprintf(denied, sizeof denied, "%.*s", (int)channel.n,
	    (const char *)channel.p);
}

static bool
is_asked_for_both(void)
{
	return (server_was_told("SUBSCRIBE\r\n$1\r\na\r\n") &&
	    server_was_told("SUBSCRIBE\r\n$1\r\nb\r\n"));
}

static bool
has_message(void)
{
	return (messages == 1);
}

static bool
is_asked_again(void)
{
	return (server.connections == 2 && is_asked_for_both());
}

static void
channels_are_subscribed_again(void **state)
{
	struct subscriptions_params p = { .conf = &conf, .loop = loop,
		.queue_bytes = 64u << 10, .ready = on_up, .down = on_down,
		.denied = on_denied };
	const char *first;

	(void)state;
	memset(&told, 0, sizeof told);
	messages = 0;
	server.greeting = RESP2 GREETED;
	subs = subscriptions_new(&p);
	assert_non_null(subs);
	assert_true(subscriptions_add(subs, SUB_EXACT, SLICE("a"),
	    on_message, NULL));
	assert_true(subscriptions_add(subs, SUB_EXACT, SLICE("b"),
	    on_message, NULL));
	await(is_asked_for_both);
	assert_int_equal(told.ups, 0);
	/* the answers come in the order of the questions */
	first = memmem(buf_unread(&server.in).p, buf_unread(&server.in).n,
	    "$1\r\na", 5) < memmem(buf_unread(&server.in).p,
	    buf_unread(&server.in).n, "$1\r\nb", 5) ? "a" : "b";
	if (*first == 'a')
		server_say("*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
		    "-NOPERM no\r\n");
	else
		server_say("-NOPERM no\r\n"
		    "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
	server_say("*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n"
	    "*3\r\n$7\r\nmessage\r\n$1\r\nz\r\n$2\r\nho\r\n"
	    "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
	await(has_message);
	assert_int_equal(told.ups, 1);
	assert_string_equal(denied, "b");
	assert_int_equal(subscriptions_denied(subs), 1);
	assert_int_equal(counter_get(COUNTER_redis_channels), 1);
	assert_false(subscriptions_ready(subs));
	/* without the denied one, all is well */
	subscriptions_remove(subs, SUB_EXACT, SLICE("b"));
	assert_true(subscriptions_ready(subs));
	assert_true(subscriptions_add(subs, SUB_EXACT, SLICE("b"),
	    on_message, NULL));
	server_drop();
	await(is_asked_again);
	assert_int_equal(told.downs, 1);
	server_say("*2\r\n:1\r\n:2\r\n");	/* no message has numbers */
	told.downs = 0;
	await(is_down);
	assert_int_equal(told.why, REDIS_NONSENSE);
	subscriptions_free(&subs);
	assert_null(subs);
}

static bool
is_asked_for_kinds(void)
{
	return (server_was_told("$10\r\nPSUBSCRIBE\r\n$2\r\na*\r\n") &&
	    server_was_told("$10\r\nSSUBSCRIBE\r\n$2\r\na*\r\n"));
}

static char last[64];

static void
on_any(void *arg, struct slice channel, struct slice payload)
{
	snprintf(last, sizeof last, "%s %.*s %.*s", (const char *)arg,
	    (int)channel.n, (const char *)channel.p, (int)payload.n,
	    (const char *)payload.p);
	messages++;
}

static char by_pattern[] = "pattern", by_shard[] = "sharded";

/* Patterns and sharded channels of one name are different things. */
static void
kinds_of_channels_are_told_apart(void **state)
{
	struct subscriptions_params p = { .conf = &conf, .loop = loop,
		.queue_bytes = 64u << 10, .ready = on_up, .down = on_down,
		.denied = on_denied };

	(void)state;
	memset(&told, 0, sizeof told);
	server.greeting = RESP3 GREETED;
	subs = subscriptions_new(&p);
	assert_non_null(subs);
	assert_true(subscriptions_add(subs, SUB_PATTERN, SLICE("a*"), on_any,
	    by_pattern));
	assert_true(subscriptions_add(subs, SUB_SHARDED, SLICE("a*"), on_any,
	    by_shard));
	await(is_asked_for_kinds);
	server_say("*3\r\n$10\r\npsubscribe\r\n$2\r\na*\r\n:1\r\n"
	    "*3\r\n$10\r\nssubscribe\r\n$2\r\na*\r\n:1\r\n");
	messages = 0;
	server_say("*4\r\n$8\r\npmessage\r\n$2\r\na*\r\n$2\r\nab\r\n"
	    "$2\r\nhi\r\n");
	await(has_message);
	assert_string_equal(last, "pattern ab hi");
	assert_true(subscriptions_ready(subs));
	messages = 0;
	server_say("*3\r\n$8\r\nsmessage\r\n$2\r\na*\r\n$2\r\nho\r\n");
	await(has_message);
	assert_string_equal(last, "sharded a* ho");
	subscriptions_remove(subs, SUB_PATTERN, SLICE("a*"));
	assert_int_equal(counter_get(COUNTER_redis_channels), 1);
	subscriptions_free(&subs);
}

static unsigned lates;

static void
on_late(void *arg, struct slice channel, struct mono since)
{
	(void)arg;
	assert_true(slice_eq(channel, SLICE("p:*")));
	assert_true(since.us > 0);
	lates++;
}

static bool
is_asked_for_all(void)
{
	return (server_was_told("$10\r\nPSUBSCRIBE\r\n$3\r\np:*\r\n"));
}

static bool
is_over(void)
{
	return (strstr(last, "over") != NULL);
}

/* What Redis has confirmed comes by its channel, all else by the pattern, and
 * nothing by both. */
static void
pattern_over_ours_gives_what_has_no_channel(void **state)
{
	static char by_one[] = "one", by_all[] = "all";
	struct subscriptions_params p = { .conf = &conf, .loop = loop,
		.queue_bytes = 64u << 10, .ready = on_up, .down = on_down,
		.denied = on_denied, .late = on_late };

	(void)state;
	memset(&told, 0, sizeof told);
	lates = 0;
	server.greeting = RESP3 GREETED;
	subs = subscriptions_new(&p);
	assert_non_null(subs);
	assert_true(subscriptions_add(subs, SUB_OURS, SLICE("p:a"), on_any,
	    by_one));
	assert_true(subscriptions_add(subs, SUB_ALL_OURS, SLICE("p:*"), on_any,
	    by_all));
	await(is_asked_for_all);
	messages = 0;
	server_say("*3\r\n$10\r\npsubscribe\r\n$3\r\np:*\r\n:1\r\n"
	    /* of a subscription before this one, and once more */
	    "*3\r\n$7\r\nmessage\r\n$3\r\np:a\r\n$1\r\n1\r\n"
	    "*4\r\n$8\r\npmessage\r\n$3\r\np:*\r\n$3\r\np:a\r\n"
	    "$1\r\n1\r\n");
	await(has_message);
	assert_string_equal(last, "all p:a 1");
	assert_int_equal(lates, 1);
	server_say("*3\r\n$9\r\nsubscribe\r\n$3\r\np:a\r\n:1\r\n"
	    "*3\r\n$7\r\nmessage\r\n$3\r\np:a\r\n$1\r\n2\r\n"
	    "*4\r\n$8\r\npmessage\r\n$3\r\np:*\r\n$3\r\np:a\r\n"
	    "$1\r\n2\r\n"
	    "*4\r\n$8\r\npmessage\r\n$3\r\np:*\r\n$3\r\np:b\r\n"
	    "$4\r\nover\r\n");
	await(is_over);
	assert_string_equal(last, "all p:b over");
	assert_int_equal(messages, 3);
	subscriptions_remove(subs, SUB_ALL_OURS, SLICE("p:*"));
	server_say("*4\r\n$8\r\npmessage\r\n$3\r\np:*\r\n$3\r\np:b\r\n"
	    "$1\r\n4\r\n"
	    "*3\r\n$7\r\nmessage\r\n$3\r\np:a\r\n$4\r\nover\r\n");
	last[0] = '\0';
	await(is_over);
	assert_string_equal(last, "one p:a over");
	assert_int_equal(messages, 4);
	assert_int_equal(lates, 1);
	subscriptions_free(&subs);
}

/* --- another password -----------------------------------------------------*/

static char password_file[80];

static void
password_is(const char *text)
{
	FILE *f = fopen(password_file, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static bool
is_told_two(void)
{
	return (server_was_told("AUTH\r\n$3\r\ntwo\r\n"));
}

static bool
is_told_three(void)
{
	return (server_was_told("AUTH\r\n$5\r\nthree\r\n"));
}

static uint64_t renewals, renewals_failed;

static bool
is_renewed(void)
{
	return (counter_get(COUNTER_redis_renewals) == renewals + 1);
}

static bool
is_not_renewed(void)
{
	return (counter_get(COUNTER_redis_renewals_failed) ==
	    renewals_failed + 1);
}

static void
have_password(void)
{
	snprintf(password_file, sizeof password_file, "%s.password", path);
	conf.password_file = password_file;
	password_is("one\n");
	renewals = counter_get(COUNTER_redis_renewals);
	renewals_failed = counter_get(COUNTER_redis_renewals_failed);
	answers = lost = 0;
}

/* Its answer is told from those before and behind it by its place. */
static void
password_is_told_again_among_commands(void **state)
{
	static unsigned numbers[] = { 0, 1 };
	struct slice argv[] = { SLICE("X") };

	(void)state;
	have_password();
	server.greeting = "+OK\r\n" GREETED;
	open_commands();
	await(is_up);
	password_is("two");
	assert_true(commands_send(commands, argv, 1, on_reply, &numbers[0]));
	commands_renew(commands);
	assert_true(commands_send(commands, argv, 1, on_reply, &numbers[1]));
	await(is_told_two);
	/* another one while that has no answer: told behind it */
	password_is("three\r\n");
	commands_renew(commands);
	assert_false(server_was_told("three"));
	server_say(":0\r\n-WRONGPASS no\r\n:1\r\n");
	await(is_not_renewed);
	await(is_told_three);
	server_say("+OK\r\n");
	await(is_renewed);
	assert_int_equal(answers, 2);
	/* none to be read: as it was */
	(void)unlink(password_file);
	renewals_failed++;
	commands_renew(commands);
	assert_true(is_not_renewed());
	assert_int_equal(told.downs, 0);
	assert_int_equal(lost, 0);
	close_commands();
}

static bool
is_asked_for_a(void)
{
	return (server_was_told("SUBSCRIBE\r\n$1\r\na\r\n"));
}

static bool
is_told_two_again(void)
{
	struct slice s = buf_unread(&server.in);
	static const char auth[] = "AUTH\r\n$3\r\ntwo\r\n";
	const uint8_t *at = s.n == 0 ? NULL :
	    memmem(s.p, s.n, auth, sizeof auth - 1);

	return (at != NULL && memmem(at + 1, (size_t)(slice_end(s) - at) - 1,
	    auth, sizeof auth - 1) != NULL);
}

/* A server that loses answers where messages come. */
static void
password_without_an_answer_is_told_again(void **state)
{
	struct subscriptions_params p = { .conf = &conf, .loop = loop,
		.queue_bytes = 64u << 10, .ready = on_up, .down = on_down,
		.denied = on_denied };

	(void)state;
	have_password();
	memset(&told, 0, sizeof told);
	messages = 0;
	denied[0] = '\0';
	server.greeting = "+OK\r\n" RESP3 GREETED;
	subs = subscriptions_new(&p);
	await(is_up);
	password_is("two");
	subscriptions_renew(subs);
	await(is_told_two_again);
	assert_int_equal(counter_get(COUNTER_redis_renewals), renewals);
	server_say("+OK\r\n");
	await(is_renewed);
	/* that of the first was late, not lost: nobody else's */
	server_say("-WRONGPASS no\r\n");
	/* never an answer: said, and the next one is asked as ever */
	password_is("three");
	subscriptions_renew(subs);
	await(is_told_three);
	await(is_not_renewed);
	renewals++;
	buf_reset(&server.in);
	server.greeting = NULL;
	password_is("two");
	subscriptions_renew(subs);
	await(is_told_two);
	server_say("+OK\r\n");
	await(is_renewed);
	assert_string_equal(denied, "");
	assert_int_equal(told.downs, 0);
	subscriptions_free(&subs);
	server_drop();
	(void)unlink(password_file);
}

static void
password_is_told_again_among_messages(void **state)
{
	struct subscriptions_params p = { .conf = &conf, .loop = loop,
		.queue_bytes = 64u << 10, .ready = on_up, .down = on_down,
		.denied = on_denied };

	(void)state;
	have_password();
	memset(&told, 0, sizeof told);
	messages = 0;
	denied[0] = '\0';
	server.greeting = "+OK\r\n" RESP3 GREETED;
	subs = subscriptions_new(&p);
	assert_true(subscriptions_add(subs, SUB_EXACT, SLICE("a"),
	    on_message, NULL));
	await(is_asked_for_a);
	password_is("two");
	subscriptions_renew(subs);
	await(is_told_two);
	server_say(">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n+PONG\r\n"
	    ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n+OK\r\n");
	await(is_renewed);
	assert_int_equal(messages, 1);
	/* refused: and a channel's refusal beside it is the channel's */
	assert_true(subscriptions_add(subs, SUB_EXACT, SLICE("b"),
	    on_message, NULL));
	password_is("three");
	subscriptions_renew(subs);
	await(is_told_three);
	server_say("-NOPERM no\r\n-WRONGPASS no\r\n");
	await(is_not_renewed);
	assert_string_equal(denied, "b");
	assert_int_equal(told.downs, 0);
	subscriptions_free(&subs);
	/* RESP2 has no way to say it */
	server.greeting = "+OK\r\n" RESP2 GREETED;
	subs = subscriptions_new(&p);
	told.ups = 0;
	await(is_up);
	subscriptions_renew(subs);
	assert_int_equal(told.why, REDIS_RENEWED);
	told.ups = 0;
	await(is_up);
	subscriptions_free(&subs);
	(void)unlink(password_file);
}

/* --- time, names ----------------------------------------------------------*/

static void
attempts_come_later_and_later(void **state)
{
	uint64_t most = 50;
	unsigned i;

	(void)state;
	for (i = 1; i < 100; i++) {
		assert_int_equal(backoff_ms(i, 0), most);
		assert_int_equal(backoff_ms(i, UINT32_MAX), most - most / 2);
		assert_in_range(backoff_ms(i, UINT32_MAX / 3), most - most / 2,
		    most);
		most = most * 2 > 5000 ? 5000 : most * 2;
	}
	assert_int_equal(backoff_ms(UINT32_MAX, 0), 5000);
}

static struct resolved found;
static bool is_found;

static void
on_resolved(struct resolve *v, const struct resolved *r)
{
	(void)v;
	found = *r;
	is_found = true;
}

static bool
has_found(void)
{
	return (is_found);
}

static void
names_are_resolved_beside_the_loop(void **state)
{
	struct resolve v;

	(void)state;
	resolve_init(&v, loop, on_resolved);
	is_found = false;
	resolve_start(&v, "127.0.0.1", 6379);
	assert_true(is_found);		/* a number: at once */
	assert_int_equal(found.n, 1);
	assert_int_equal(found.addrs[0].sa.ss_family, AF_INET);
	is_found = false;
	resolve_start(&v, "::1", 1);
	assert_true(is_found && found.n == 1);
	is_found = false;
	resolve_start(&v, "localhost", 6379);
	assert_false(is_found);
	await(has_found);
	assert_true(found.n >= 1);
	is_found = false;
	/* a label too long for any server to be asked, or to be silent */
	resolve_start(&v, "x12345678901234567890123456789012345678901234567890"
	    "12345678901234567890", 6379);
	await(has_found);
	assert_int_equal(found.n, 0);
	assert_non_null(found.why);
	/* whoever stops hears nothing */
	is_found = false;
	resolve_start(&v, "localhost", 6379);
	resolve_stop(&v);
	resolve_stop(&v);
	assert_false(is_found);
}

/* More at once than there are threads. */
static unsigned nfound;

static void
on_one_of_many(struct resolve *v, const struct resolved *r)
{
	(void)v;
	assert_null(r->why);
	assert_true(r->n >= 1);
	nfound++;
}

static bool
have_most_found(void)
{
	return (nfound == 38);
}

static void
names_wait_for_their_turn(void **state)
{
	static struct resolve many[40];
	size_t i;

	(void)state;
	nfound = 0;
	for (i = 0; i < nitems(many); i++) {
		resolve_init(&many[i], loop, on_one_of_many);
		resolve_start(&many[i], "localhost", 6379);
	}
	/* one that is asked and one that waits are given up */
	resolve_stop(&many[0]);
	resolve_stop(&many[39]);
	await(have_most_found);
	for (i = 0; i < nitems(many); i++)
		resolve_stop(&many[i]);
}

#define with_server(t)	cmocka_unit_test_setup_teardown(t, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_server(greeting_may_come_byte_by_byte),
		with_server(user_and_database_are_told),
		with_server(servers_that_are_none_are_left),
		with_server(errors_in_the_greeting_say_why),
		with_server(a_server_says_what_it_is),
		with_server(commands_of_a_turn_leave_by_one_write),
		with_server(queue_is_bounded),
		with_server(reply_to_nothing_ends_the_link),
		with_server(silent_server_is_given_up),
		with_server(channels_are_subscribed_again),
		with_server(kinds_of_channels_are_told_apart),
		with_server(pattern_over_ours_gives_what_has_no_channel),
		with_server(password_is_told_again_among_commands),
		with_server(password_is_told_again_among_messages),
		with_server(password_without_an_answer_is_told_again),
		cmocka_unit_test(attempts_come_later_and_later),
		with_server(names_are_resolved_beside_the_loop),
		with_server(names_wait_for_their_turn),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
