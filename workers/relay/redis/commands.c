/*
 * Commands and their replies, first in, first out; see commands.h.
 */
#include "relay/redis/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "relay/redis/refusal.h"
#include "shm/counters.h"
#include "sys/log.h"

#define COMMANDS_ROLE_MS	2000	/* where there are Sentinels */
/* Nothing that we ask says more: the slots of a Cluster in many pieces. */
#define COMMANDS_REPLY_BYTES	(16u << 20)
#define COMMANDS_REPLY_ELEMENTS	(1u << 19)

#define COMMANDS_NAME		12	/* what is longer is cut */
#define COMMANDS_DENIED		16	/* that a line tells of, by connection */

struct commands_call {
	commands_cb	*on_reply;	/* NULL: nobody listens */
	void		*arg;
	struct mono	 sent;
	char		 name[COMMANDS_NAME];
};

struct commands {
	unsigned	 magic;
#define COMMANDS_MAGIC	0xc0a4a4d5
	struct commands_params p;
	struct link	*link;
	struct commands_call *ring;	/* those that wait, a power of two */
	size_t		 cap, head, n;
	struct mono	 role_asked;
	bool		 demoted;	/* its ROLE is not "master" any more */
	char		 denied[COMMANDS_DENIED][COMMANDS_NAME];
	unsigned	 ndenied;
};

static struct commands_call *
commands_at(struct commands *c, size_t i)
{
	return (&c->ring[(c->head + i) & (c->cap - 1)]);
}

static bool
commands_room(struct commands *c)
{
	size_t cap = c->cap == 0 ? 64 : c->cap * 2, i;
	struct commands_call *ring;

	if (c->n < c->cap)
		return (true);
	if (c->n >= COMMANDS_MAX)
		return (false);
	ring = calloc(cap, sizeof *ring);
	if (ring == NULL)
		return (false);
	for (i = 0; i < c->n; i++)
		ring[i] = *commands_at(c, i);
	free(c->ring);
	c->ring = ring;
	c->cap = cap;
	c->head = 0;
	return (true);
}

static struct commands_call
commands_take(struct commands *c)
{
	struct commands_call call = *commands_at(c, 0);

	c->head = (c->head + 1) & (c->cap - 1);
	c->n--;
	return (call);
}

bool
commands_send(struct commands *c, const struct slice *argv, size_t n,
    commands_cb *on_reply, void *arg)
{
	struct commands_call call = { on_reply, arg, loop_now(c->p.loop), "" };

	CHECK_MAGIC(c, COMMANDS_MAGIC);
	if (!link_up(c->link) || !commands_room(c) ||
	    !link_command(c->link, argv, n)) {
		counter_add(COUNTER_redis_dropped, 1);
		return (false);
	}
	(void)snprintf(call.name, sizeof call.name, "%.*s", (int)argv[0].n,
	    (const char *)argv[0].p);
	*commands_at(c, c->n++) = call;
	return (true);
}

/* --- the link's calls -----------------------------------------------------*/

static void
commands_on_up(void *arg)
{
	struct commands *c = arg;

	c->demoted = false;
	c->ndenied = 0;
	c->role_asked = loop_now(c->p.loop);
	c->p.up(c->p.arg);
}

/* What nobody else may tell of: each command once, until it connects again. */
static void
commands_say_denied(struct commands *c, const char *name,
    const struct reply *o)
{
	char words[REPLY_WORDS];
	unsigned i;

	for (i = 0; i < c->ndenied; i++)
		if (strcmp(c->denied[i], name) == 0)
			return;
	if (c->ndenied == COMMANDS_DENIED)
		return;
	memcpy(c->denied[c->ndenied++], name, COMMANDS_NAME);
	reply_words(o, words);
	log_warnx("redis_denied command=%s said=\"%s\"", name, words);
}

static void
commands_on_reply(void *arg, const struct reply *o)
{
	struct commands *c = arg;
	struct commands_call call;
	char words[REPLY_WORDS];

	if (c->n == 0) {
		link_fail(c->link, REDIS_NONSENSE, "a reply to nothing");
		return;
	}
	call = commands_take(c);
	if (reply_is_error(o, SLICE("NOPERM")))
		commands_say_denied(c, call.name, o);
	if (c->p.refused != NULL && refusal_is(o))
		c->p.refused(c->p.arg, o);
	if (call.on_reply != NULL)
		call.on_reply(call.arg, o);
	/* the master is elsewhere by now */
	if (reply_is_error(o, SLICE("READONLY")) ||
	    reply_is_error(o, SLICE("MASTERDOWN"))) {
		reply_words(o, words);
		link_fail(c->link, REDIS_READONLY, words);
	} else if (c->demoted)
		link_fail(c->link, REDIS_READONLY, "its ROLE is another one");
}

static void
commands_on_down(void *arg, bool was_up, enum redis_state why,
    const char *words)
{
	struct commands *c = arg;
	struct commands_call call;
	size_t n;

	/* what these calls send, the next link has to take */
	for (n = c->n; n > 0; n--) {
		call = commands_take(c);
		if (call.on_reply != NULL)
			call.on_reply(call.arg, NULL);
	}
	c->p.down(c->p.arg, was_up, why, words);
}

/* --- time -----------------------------------------------------------------*/

/* Publications are taken by a replica as well, and reach nobody. */
static void
commands_on_role(void *arg, const struct reply *o)
{
	struct commands *c = arg;

	if (o == NULL || o->type != REPLY_ARRAY)
		return;		/* who may not ask trusts the Sentinels */
	if (o->n == 0 || !slice_eq(o->elements[0]->text, SLICE("master")))
		c->demoted = true;
}

static void
commands_ask_role(struct commands *c)
{
	static const struct slice role[] = { SLICE("ROLE") };
	struct mono now = loop_now(c->p.loop);

	if (c->p.conf->nsentinels == 0 ||
	    now.us - c->role_asked.us < COMMANDS_ROLE_MS * 1000)
		return;
	c->role_asked = now;
	(void)commands_send(c, role, nitems(role), commands_on_role, c);
}

void
commands_beat(struct commands *c)
{
	static const struct slice ping[] = { SLICE("PING") };
	uint64_t now = loop_now(c->p.loop).us;

	CHECK_MAGIC(c, COMMANDS_MAGIC);
	if (!link_up(c->link))
		return;
	if (c->n > 0 && now - commands_at(c, 0)->sent.us >
	    COMMANDS_TIMEOUT_MS * 1000) {
		link_fail(c->link, REDIS_SILENT, "no reply in time");
		return;
	}
	commands_ask_role(c);
	if (c->n == 0)
		(void)commands_send(c, ping, nitems(ping), NULL, NULL);
}

void
commands_flush(struct commands *c)
{
	link_flush(c->link);
}

bool
commands_up(const struct commands *c)
{
	return (link_up(c->link));
}

enum link_mode
commands_mode(const struct commands *c)
{
	return (link_mode(c->link));
}

size_t
commands_waiting(const struct commands *c)
{
	return (c->n);
}

void
commands_fail(struct commands *c, enum redis_state why, const char *words)
{
	link_fail(c->link, why, words);
}

void
commands_aim(struct commands *c, const char *host, unsigned port)
{
	link_aim(c->link, host, port);
}

void
commands_renew(struct commands *c)
{
	link_renew(c->link);
}

/* --- birth and death ------------------------------------------------------*/

struct commands *
commands_new(const struct commands_params *p)
{
	struct commands *c = calloc(1, sizeof *c);
	struct link_params link = { .conf = p->conf, .loop = p->loop,
		.aimed = p->aimed, .asks_mode = p->asks_mode,
		.name = "commands", .queue_bytes = p->queue_bytes,
		.limits = { 8, COMMANDS_REPLY_ELEMENTS, COMMANDS_REPLY_BYTES },
		.calls = { c, commands_on_up, commands_on_reply,
		    commands_on_down } };

	if (c == NULL)
		return (NULL);
	c->magic = COMMANDS_MAGIC;
	c->p = *p;
	c->link = link_new(&link);
	if (c->link == NULL)
		commands_free(&c);
	return (c);
}

void
commands_free(struct commands **cp)
{
	struct commands *c = *cp;

	if (c == NULL)
		return;
	*cp = NULL;
	CHECK_MAGIC(c, COMMANDS_MAGIC);
	link_free(&c->link);
	free(c->ring);
	c->magic = 0;
	free(c);
}
