/*
 * What is said to one Sentinel, and what it says; see sentinel.h.  Two
 * connections: on one that listens, nothing can be asked in RESP2.
 */
#include "relay/redis/sentinel.h"

#include <stdio.h>

#include "base/ascii.h"
#include "relay/redis/resolve.h"
#include "sys/log.h"

#define SENTINEL_POLL_MS	2000
#define SENTINEL_AGAIN_MS	200	/* not more often, whatever it tells */
#define SENTINEL_SILENT_MS	6000	/* it listens to no PING: dead */
#define SENTINEL_QUEUE		(64u << 10)	/* bytes */
#define SENTINEL_REPLY		(256u << 10)

/* --- the question ---------------------------------------------------------*/

/* The value of this field, in a list of both; or of nothing. */
static struct slice
sentinel_field(const struct reply *o, struct slice name)
{
	size_t i;

	for (i = 0; i + 1 < o->n; i += 2)
		if (slice_eq(o->elements[i]->text, name))
			return (o->elements[i + 1]->text);
	return (slice_of(NULL, 0));
}

static bool
sentinel_read(const struct reply *o, struct sentinel_answer *a)
{
	struct slice host = sentinel_field(o, SLICE("ip"));
	uint64_t port;

	if (!resolve_is_host(host) || host.n >= sizeof a->host ||
	    !ascii_number(sentinel_field(o, SLICE("port")), 65535, &port) ||
	    port == 0 ||
	    !ascii_number(sentinel_field(o, SLICE("config-epoch")),
	    UINT64_MAX, &a->epoch))
		return (false);
	(void)snprintf(a->host, sizeof a->host, "%.*s", (int)host.n,
	    (const char *)host.p);
	a->port = (unsigned)port;
	return (true);
}

static void
sentinel_on_answer(void *arg, const struct reply *o)
{
	struct sentinel *s = arg;
	char words[REPLY_WORDS];

	s->asking = false;
	if (o == NULL)
		return;		/* and the end of the connection is told */
	if (o->type == REPLY_ERROR) {
		/* it is there, but of no use: what it said before neither */
		s->answer.known = false;
		reply_words(o, words);
		s->calls.failed(s->calls.arg, s, words);
	} else if (!sentinel_read(o, &s->answer)) {
		s->answer.known = false;
		s->calls.failed(s->calls.arg, s,
		    "its answer is no master's address");
	} else {
		s->answer.known = true;
		s->answer.at = loop_now(s->loop);
		s->calls.changed(s->calls.arg, s);
	}
	if (s->again)
		sentinel_ask(s);
}

/* If not now, when the answer is here, or with the next beat. */
void
sentinel_ask(struct sentinel *s)
{
	struct slice argv[] = { SLICE("SENTINEL"), SLICE("MASTER"),
		slice_str(s->master) };
	struct mono now = loop_now(s->loop);

	s->again = s->asking ||
	    now.us - s->asked.us < SENTINEL_AGAIN_MS * 1000;
	if (s->again || !commands_up(s->commands))
		return;
	s->asked = now;
	s->asking = commands_send(s->commands, argv, nitems(argv),
	    sentinel_on_answer, s);
}

static void
sentinel_on_up(void *arg)
{
	sentinel_ask(arg);
}

static void
sentinel_on_down(void *arg, bool was_up, enum redis_state why,
    const char *words)
{
	struct sentinel *s = arg;
	char said[SENTINEL_WORDS];

	(void)was_up;
	s->again = false;
	(void)snprintf(said, sizeof said, "%s: %s", redis_state_trouble(why),
	    words);
	s->calls.failed(s->calls.arg, s, said);
}

/* --- what it tells unasked ------------------------------------------------*/

static void
sentinel_on_watch(void *arg)
{
	static const struct slice argv[] = { SLICE("SUBSCRIBE"),
		SLICE("+switch-master") };
	struct sentinel *s = arg;

	s->pinged = loop_now(s->loop);
	(void)link_command(s->watch, argv, nitems(argv));
	/* what was told before nobody has heard */
	sentinel_ask(s);
}

/* NAME OLD-HOST OLD-PORT HOST PORT: which is newer, the answer tells. */
static void
sentinel_on_message(void *arg, const struct reply *o)
{
	struct sentinel *s = arg;
	struct slice name = slice_str(s->master), said;
	char words[REPLY_WORDS];

	if (o->type == REPLY_ERROR && !s->unwatched) {
		/* what it would tell, the next question finds */
		s->unwatched = true;
		reply_words(o, words);
		log_warnx("sentinel_not_watched url=%s said=\"%s\"",
		    s->conf.url.shown, words);
	}
	if (o->type != REPLY_ARRAY || o->n != 3)
		return;
	if (slice_eq(o->elements[0]->text, SLICE("subscribe")))
		s->unwatched = false;
	if (!slice_eq(o->elements[0]->text, SLICE("message")))
		return;
	said = o->elements[2]->text;
	if (said.n > name.n && said.p[name.n] == ' ' &&
	    slice_starts(said, name))
		sentinel_ask(s);
}

/* Nothing is known by it but what the other connection tells as well. */
static void
sentinel_on_unwatched(void *arg, bool was_up, enum redis_state why,
    const char *words)
{
	(void)arg;
	(void)was_up;
	(void)why;
	(void)words;
}

/* --- time -----------------------------------------------------------------*/

void
sentinel_beat(struct sentinel *s)
{
	static const struct slice ping[] = { SLICE("PING") };
	struct mono now = loop_now(s->loop);

	commands_beat(s->commands);
	if (!s->asking && (s->again ||
	    now.us - s->asked.us >= SENTINEL_POLL_MS * 1000))
		sentinel_ask(s);
	if (!link_up(s->watch))
		return;
	if (now.us - link_heard(s->watch).us > SENTINEL_SILENT_MS * 1000)
		link_fail(s->watch, REDIS_SILENT, "nothing comes in");
	else if (now.us - s->pinged.us >= SENTINEL_POLL_MS * 1000) {
		s->pinged = now;
		(void)link_command(s->watch, ping, nitems(ping));
	}
}

/* --- birth and death ------------------------------------------------------*/

/* The section as it would be written for this one alone. */
static void
sentinel_configure(struct sentinel *s, const struct conf_redis *conf,
    size_t which)
{
	static char none[] = "";

	s->conf = *conf;
	s->conf.url = conf->sentinels[which];
	s->conf.password_file = conf->sentinel_password_file;
	s->conf.server_name = none;
	s->conf.sentinels = NULL;
	s->conf.nsentinels = 0;
}

bool
sentinel_open(struct sentinel *s, const struct conf_redis *conf, size_t which,
    struct loop *loop, const struct sentinel_calls *calls)
{
	struct commands_params c = { .conf = &s->conf, .loop = loop,
		.queue_bytes = SENTINEL_QUEUE, .arg = s,
		.up = sentinel_on_up, .down = sentinel_on_down };
	struct link_params l = { .conf = &s->conf, .loop = loop,
		.name = "sentinel", .limits = { 4, 64, SENTINEL_REPLY },
		.queue_bytes = SENTINEL_QUEUE, .listens = true,
		.calls = { s, sentinel_on_watch, sentinel_on_message,
		    sentinel_on_unwatched } };

	sentinel_configure(s, conf, which);
	s->calls = *calls;
	s->loop = loop;
	s->master = conf->master;
	s->commands = commands_new(&c);
	s->watch = link_new(&l);
	return (s->commands != NULL && s->watch != NULL);
}

void
sentinel_close(struct sentinel *s)
{
	commands_free(&s->commands);
	link_free(&s->watch);
}
