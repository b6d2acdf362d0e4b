/*
 * Events for users who are away, in Redis; see inbox.h.  Called by stream.c.
 */
#include "relay/stream/inbox.h"

#include <sys/random.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/slotset.h"
#include "conf/conf.h"
#include "proto/bus.h"
#include "relay/local/exchange.h"
#include "relay/stream/inbox_script.h"
#include "shm/counters.h"
#include "shm/interest.h"

/* A reply may have 1 MiB. */
#define INBOX_EVENT_MAX	(512u << 10)
#define INBOX_PAGE_BYTES "262144"
#define INBOX_PAGE_TEXT	"256"		/* INBOX_PAGE */
#define INBOX_HEAD	4u		/* numbers before the frames */
#define INBOX_TOKEN	40u
#define INBOX_ASKED_MAX	16384u		/* questions on their way */

struct inbox_asked {
	struct inbox	*inbox;		/* NULL: it went astray */
	struct inbox_asked *next, **prev;	/* of those on their way, or
						 * astray */
	struct asker	 asker;
	char		 token[INBOX_TOKEN];	/* of who takes */
	bool		 goes_on;	/* who takes asks for the rest */
	size_t		 nsp_len, user_len;
	uint8_t		 bytes[];	/* namespace, NUL, user */
};

struct inbox {
	unsigned	 magic;
#define INBOX_MAGIC	0x14b0c514
	struct inboxes_params p;
	struct interest	*interest;
	struct redis	*redis;		/* NULL: none */
	struct inbox_asked *asked, *astray;
	unsigned	 n;		/* asked */
	uint64_t	 id, serial;	/* of tokens: no two are the same */
	bool		 listens;
	struct buf	 channel;	/* that it listens to */
	struct buf	 key, frame, page;	/* scratch */
};

/* --- what is on its way -------------------------------------------------------*/

static void
inbox_link(struct inbox_asked **list, struct inbox_asked *a)
{
	a->next = *list;
	a->prev = list;
	if (a->next != NULL)
		a->next->prev = &a->next;
	*list = a;
}

static void
inbox_unlink(struct inbox_asked *a)
{
	*a->prev = a->next;
	if (a->next != NULL)
		a->next->prev = a->prev;
}

static void
inbox_free_all(struct inbox_asked **list)
{
	struct inbox_asked *a;

	while ((a = *list) != NULL) {
		inbox_unlink(a);
		free(a);
	}
}

/* NULL: no memory, or too many. */
static struct inbox_asked *
inbox_asked_new(struct inbox *b, const struct bus_envelope *e)
{
	struct slice nsp = e->publish.nsp, user = e->publish.to.users[0];
	struct inbox_asked *a = b->n >= INBOX_ASKED_MAX ? NULL :
	    calloc(1, sizeof *a + nsp.n + 1 + user.n);

	if (a == NULL)
		return (NULL);
	a->inbox = b;
	a->asker = (struct asker){ e->from, e->generation, e->ref };
	(void)snprintf(a->token, sizeof a->token, "%016" PRIx64 ".%" PRIu64,
	    b->id, ++b->serial);
	a->nsp_len = nsp.n;
	a->user_len = user.n;
	memcpy(a->bytes, nsp.p, nsp.n);
	memcpy(a->bytes + nsp.n + 1, user.p, user.n);
	inbox_link(&b->asked, a);
	b->n++;
	return (a);
}

/* Its inbox, or NULL. */
static struct inbox *
inbox_answered(struct inbox_asked *a)
{
	struct inbox *b = a->inbox;

	inbox_unlink(a);
	if (b != NULL)
		b->n--;
	return (b);
}

static struct slice
inbox_asked_user(const struct inbox_asked *a)
{
	return (slice_of(a->bytes + a->nsp_len + 1, a->user_len));
}

/* --- names --------------------------------------------------------------------*/

/* false: no memory. */
static bool
inbox_key(struct inbox *b, struct slice nsp, struct slice user)
{
	buf_reset(&b->key);
	buf_slice(&b->key, buf_unread(&b->channel));
	buf_byte(&b->key, ':');
	buf_slice(&b->key, slice_from(nsp, 1));
	buf_byte(&b->key, ':');
	buf_slice(&b->key, user);
	if (!b->key.oom)
		return (true);
	b->key.oom = false;
	counter_add(COUNTER_memory_failures, 1);
	return (false);
}

/* --- adding -------------------------------------------------------------------*/

static void
inbox_refuse(struct inbox *b, const struct asker *to, enum bus_store result)
{
	counter_add(COUNTER_inbox_refused, 1);
	(void)b->p.answer(b->p.arg, to, result, slice_of(NULL, 0), false);
}

/* Whoever has the user by now is to look. */
static void
inbox_tell_all(struct inbox *b, const struct inbox_asked *a)
{
	(void)redis_publish(b->redis, buf_unread(&b->channel),
	    slice_of(a->bytes, a->nsp_len + 1 + a->user_len), NULL, NULL);
}

static void
inbox_on_added(void *arg, const struct reply *o)
{
	struct inbox_asked *a = arg;
	struct inbox *b = inbox_answered(a);

	if (b == NULL)
		;		/* who has asked has waited long enough */
	else if (o == NULL || o->type != REPLY_INTEGER)
		inbox_refuse(b, &a->asker, BUS_STORE_UNAVAILABLE);
	else {
		counter_add(COUNTER_inbox_queued, 1);
		counter_add(COUNTER_inbox_displaced, (uint64_t)o->integer);
		(void)b->p.answer(b->p.arg, &a->asker, BUS_STORE_OK,
		    slice_of(NULL, 0), false);
		inbox_tell_all(b, a);
	}
	free(a);
}

static bool
inbox_send_add(struct inbox *b, const struct conf_namespace *ns,
    struct inbox_asked *a, struct slice frame, bool front)
{
	char most[16], bytes[24], ms[24];
	struct slice argv[] = { SLICE("EVAL"), slice_str(inbox_script_add),
		SLICE("1"), SLICE(""), frame, SLICE(""), SLICE(""), SLICE(""),
		front ? SLICE("1") : SLICE("0") };

	if (!inbox_key(b, slice_of(a->bytes, a->nsp_len),
	    inbox_asked_user(a)))
		return (false);
	(void)snprintf(most, sizeof most, "%u", ns->offline_events);
	(void)snprintf(bytes, sizeof bytes, "%" PRIu64, ns->offline_bytes);
	(void)snprintf(ms, sizeof ms, "%" PRIu64, ns->offline_keep_ms);
	argv[3] = buf_unread(&b->key);
	argv[5] = slice_str(most);
	argv[6] = slice_str(bytes);
	argv[7] = slice_str(ms);
	return (redis_command(b->redis, argv[3], argv, nitems(argv),
	    inbox_on_added, a));
}

/* As a worker is to have it later. */
static bool
inbox_encode(struct inbox *b, struct bus_envelope *e)
{
	e->kind = BUS_PUBLISH;
	e->flags = 0;
	slotset_clear(e->slots);
	e->from = e->generation = 0;
	e->ref = 0;
	e->publish.kept = e->publish.sent_us = 0;
	buf_reset(&b->frame);
	if (bus_encode(&b->frame, e))
		return (true);
	b->frame.oom = false;
	counter_add(COUNTER_memory_failures, 1);
	return (false);
}

void
inboxes_queue(struct inbox *b, struct bus_envelope *e)
{
	const struct conf_namespace *ns = conf_namespace_find(b->p.conf,
	    e->publish.nsp);
	struct asker asker = { e->from, e->generation, e->ref };
	bool front = (e->publish.kept & INBOX_FRONT) != 0;
	struct inbox_asked *a;

	CHECK_MAGIC(b, INBOX_MAGIC);
	if (ns == NULL || b->redis == NULL || !redis_can_publish(b->redis) ||
	    (a = inbox_asked_new(b, e)) == NULL) {
		inbox_refuse(b, &asker, BUS_STORE_UNAVAILABLE);
		return;
	}
	if (inbox_encode(b, e) && b->frame.wpos <= INBOX_EVENT_MAX &&
	    b->frame.wpos <= ns->offline_bytes &&
	    inbox_send_add(b, ns, a, buf_unread(&b->frame), front))
		return;
	inbox_refuse(b, &asker, b->frame.wpos > INBOX_EVENT_MAX ||
	    b->frame.wpos > ns->offline_bytes ? BUS_STORE_TOO_LARGE :
	    BUS_STORE_UNAVAILABLE);
	(void)inbox_answered(a);
	free(a);
}

/* --- taking -------------------------------------------------------------------*/

/* What has come while nobody else got any is to be looked for. */
static void
inbox_on_done(void *arg, const struct reply *o)
{
	struct inbox_asked *a = arg;
	struct inbox *b = inbox_answered(a);

	if (b != NULL && o != NULL && o->type == REPLY_INTEGER &&
	    o->integer > 0 && !a->goes_on)
		inbox_tell_all(b, a);
	free(a);
}

/* What is given goes, or (given is false) others may have it.  Takes a. */
static void
inbox_done(struct inbox *b, struct inbox_asked *a, const struct reply *page,
    bool given)
{
	char first[24], last[24];
	struct slice argv[] = { SLICE("EVAL"), slice_str(inbox_script_done),
		SLICE("1"), SLICE(""), slice_str(a->token), SLICE(""),
		SLICE("") };
	int64_t from = page->elements[2]->integer;

	(void)snprintf(first, sizeof first, "%" PRId64, from);
	(void)snprintf(last, sizeof last, "%" PRId64, given ?
	    page->elements[3]->integer : from - 1);
	argv[5] = slice_str(first);
	argv[6] = slice_str(last);
	a->goes_on = given && page->elements[1]->integer > 0;
	inbox_link(&b->asked, a);
	b->n++;
	if (inbox_key(b, slice_of(a->bytes, a->nsp_len),
	    inbox_asked_user(a))) {
		argv[3] = buf_unread(&b->key);
		if (redis_command(b->redis, argv[3], argv, nitems(argv),
		    inbox_on_done, a))
			return;
	}
	(void)inbox_answered(a);
	free(a);
}

static bool
inbox_is_page(const struct reply *o)
{
	size_t i;

	if (o == NULL || o->type != REPLY_ARRAY || o->n < INBOX_HEAD)
		return (false);
	for (i = 0; i < o->n; i++)
		if (o->elements[i]->type != (i < INBOX_HEAD ? REPLY_INTEGER :
		    REPLY_STRING))
			return (false);
	return (true);
}

/* Takes a. */
static void
inbox_give(struct inbox *b, struct inbox_asked *a, const struct reply *o)
{
	bool given;
	size_t i;

	counter_add(COUNTER_inbox_expired, (uint64_t)o->elements[0]->integer);
	buf_reset(&b->page);
	for (i = INBOX_HEAD; i < o->n; i++)
		buf_slice(&b->page, o->elements[i]->text);
	if (b->page.oom)
		counter_add(COUNTER_memory_failures, 1);
	given = !b->page.oom && b->p.answer(b->p.arg, &a->asker, BUS_STORE_OK,
	    buf_unread(&b->page), o->elements[1]->integer > 0);
	b->page.oom = false;
	if (o->n > INBOX_HEAD)
		inbox_done(b, a, o, given);
	else
		free(a);
}

static void
inbox_on_taken(void *arg, const struct reply *o)
{
	struct inbox_asked *a = arg;
	struct inbox *b = inbox_answered(a);

	if (b != NULL && inbox_is_page(o)) {
		inbox_give(b, a, o);
		return;
	}
	if (b != NULL)
		(void)b->p.answer(b->p.arg, &a->asker, BUS_STORE_UNAVAILABLE,
		    slice_of(NULL, 0), false);
	free(a);
}

void
inboxes_take(struct inbox *b, const struct bus_envelope *e)
{
	const struct conf_namespace *ns = conf_namespace_find(b->p.conf,
	    e->publish.nsp);
	struct asker asker = { e->from, e->generation, e->ref };
	struct slice argv[] = { SLICE("EVAL"), slice_str(inbox_script_take),
		SLICE("1"), SLICE(""), SLICE(INBOX_PAGE_TEXT),
		SLICE(INBOX_PAGE_BYTES), SLICE(""), SLICE("") };
	struct inbox_asked *a = NULL;
	char ms[24];

	CHECK_MAGIC(b, INBOX_MAGIC);
	if (ns != NULL && b->redis != NULL && redis_can_publish(b->redis) &&
	    inbox_key(b, e->publish.nsp, e->publish.to.users[0]))
		a = inbox_asked_new(b, e);
	if (a != NULL) {
		(void)snprintf(ms, sizeof ms, "%" PRIu64, ns->offline_keep_ms);
		argv[3] = buf_unread(&b->key);
		argv[6] = slice_str(ms);
		argv[7] = slice_str(a->token);
		if (redis_command(b->redis, argv[3], argv, nitems(argv),
		    inbox_on_taken, a))
			return;
		(void)inbox_answered(a);
		free(a);
	}
	(void)b->p.answer(b->p.arg, &asker, BUS_STORE_UNAVAILABLE,
	    slice_of(NULL, 0), false);
}

/* --- what is added elsewhere ----------------------------------------------------*/

static void
inbox_on_message(void *arg, struct slice channel, struct slice payload)
{
	static struct bus_envelope e;	/* large; one at a time */
	const struct conf_namespace *ns;
	char key[INTEREST_KEY_MAX];
	struct inbox *b = arg;
	struct slice user;
	const uint8_t *nul;

	(void)channel;
	nul = payload.n == 0 ? NULL : memchr(payload.p, 0, payload.n);
	if (nul == NULL) {
		counter_add(COUNTER_far_bad, 1);
		return;
	}
	ns = conf_namespace_find(b->p.conf, slice_of(payload.p,
	    (size_t)(nul - payload.p)));
	user = slice_from(payload, (size_t)(nul - payload.p) + 1);
	if (ns == NULL || user.n == 0 || user.n > INTEREST_NAME_MAX)
		return;
	slotset_clear(e.slots);
	interest_who(b->interest, ns->index, interest_key(key, INTEREST_USER,
	    user), e.slots);
	if (slotset_empty(e.slots))
		return;
	bus_inbox(&e)->nsp = slice_of(ns->name, ns->name_len);
	e.publish.to.users[e.publish.to.nusers++] = user;
	e.from = e.generation = 0;
	e.ref = 0;
	buf_reset(&b->frame);
	if (bus_encode(&b->frame, &e))
		(void)exchange_route(b->p.exchange, buf_unread(&b->frame),
		    e.slots, 0);
	b->frame.oom = false;
}

static bool
inbox_is_wanted(const struct inbox *b)
{
	size_t i;

	for (i = 0; i < b->p.conf->nnamespaces; i++)
		if (!b->p.conf->namespaces[i].gone &&
		    b->p.conf->namespaces[i].queues)
			return (true);
	return (false);
}

/* The Redis of before is there yet. */
static void
inbox_leave(struct inbox *b)
{
	struct inbox_asked *a;

	if (b->listens)
		redis_unsubscribe(b->redis, buf_unread(&b->channel));
	b->listens = false;
	while ((a = b->asked) != NULL) {
		(void)inbox_answered(a);
		a->inbox = NULL;
		inbox_link(&b->astray, a);
	}
}

void
inboxes_redis(struct inbox *b, struct redis *redis, const char *prefix,
    bool changed, bool alone)
{
	CHECK_MAGIC(b, INBOX_MAGIC);
	if (changed)
		inbox_leave(b);
	if (alone)
		inbox_free_all(&b->astray);
	b->redis = redis;
	if (redis == NULL || b->listens)
		return;
	buf_reset(&b->channel);
	buf_printf(&b->channel, "%sinbox", prefix);
	if (!b->channel.oom && !inbox_is_wanted(b))
		return;
	b->listens = !b->channel.oom && redis_subscribe(redis,
	    buf_unread(&b->channel), inbox_on_message, b);
	if (!b->listens)
		counter_add(COUNTER_memory_failures, 1);
	b->channel.oom = false;
}

/* --- birth and death --------------------------------------------------------*/

void
inboxes_conf(struct inbox *b, const struct conf *conf)
{
	CHECK_MAGIC(b, INBOX_MAGIC);
	b->p.conf = conf;
}

struct inbox *
inboxes_new(const struct inboxes_params *p)
{
	struct inbox *b = calloc(1, sizeof *b);

	if (b == NULL)
		return (NULL);
	b->magic = INBOX_MAGIC;
	b->p = *p;
	buf_init(&b->channel);
	buf_init(&b->key);
	buf_init(&b->frame);
	buf_init(&b->page);
	if (getrandom(&b->id, sizeof b->id, 0) != (ssize_t)sizeof b->id)
		b->id = mono_now().us;
	b->interest = interest_open(p->segment, 0);
	if (b->interest == NULL)
		inboxes_free(&b);
	return (b);
}

void
inboxes_free(struct inbox **bp)
{
	struct inbox *b = *bp;

	if (b == NULL)
		return;
	*bp = NULL;
	CHECK_MAGIC(b, INBOX_MAGIC);
	if (b->interest != NULL)
		interest_close(&b->interest);
	inbox_free_all(&b->asked);
	inbox_free_all(&b->astray);
	buf_fini(&b->channel);
	buf_fini(&b->key);
	buf_fini(&b->frame);
	buf_fini(&b->page);
	b->magic = 0;
	free(b);
}
