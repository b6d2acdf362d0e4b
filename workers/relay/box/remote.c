/*
 * Notifications in Redis: what is asked there, and what comes of it; see
 * remote.h.  Called by boxes.c.
 */
#include "relay/box/remote.h"

#include <sys/queue.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/number.h"
#include "relay/box/remote_script.h"
#include "relay/redis/key.h"
#include "relay/redis/reply.h"
#include "shm/counters.h"

#define REMOTE_CHANNELS	64u
#define REMOTE_ASKED_MAX 16384u	/* questions on their way */
#define REMOTE_KEYS	4u
#define REMOTE_ARGS	(3 + REMOTE_KEYS + 9 + BOX_IDS_MAX)

struct remote_asked {
	TAILQ_ENTRY(remote_asked) link;
	struct box_remote *r;
	bool		 astray;	/* nobody waits for it any more */
	enum box_op	 op;
	struct box_asker asker;
};
TAILQ_HEAD(remote_list, remote_asked);

struct box_remote {
	unsigned	 magic;
#define BOX_REMOTE_MAGIC 0xb0c5f42e
	struct box_calls calls;
	void		(*stale)(void *arg);
	struct redis	*redis;		/* NULL: none */
	struct redis_watch watch;
	unsigned	 nlistened;	/* channels */
	struct buf	 prefix;
	struct remote_list asked, astray;
	unsigned	 n;		/* asked */
	/* scratch: of a command */
	struct buf	 channel, verb_channel, name, keys[REMOTE_KEYS];
	struct buf	 whose, muted, text;
};

/* --- news ------------------------------------------------------------------- */

/* Digits up to a byte, which is taken, too. */
static bool
remote_number(struct slice *s, char end, uint64_t *v)
{
	size_t i;

	for (*v = 0, i = 0; i < s->n && s->p[i] >= '0' && s->p[i] <= '9' &&
	    *v < UINT64_MAX / 20; i++)
		*v = *v * 10 + (uint64_t)(s->p[i] - '0');
	if (i == 0 || i == s->n || s->p[i] != (uint8_t)end)
		return (false);
	*s = slice_from(*s, i + 1);
	return (true);
}

static bool
remote_text(struct slice *s, struct slice *text)
{
	const uint8_t *nul = s->n == 0 ? NULL : memchr(s->p, 0, s->n);

	if (nul == NULL || nul == s->p)
		return (false);
	*text = slice_of(s->p, (size_t)(nul - s->p));
	*s = slice_from(*s, text->n + 1);
	return (true);
}

static bool
remote_kind(uint8_t c, enum box_news_kind *kind)
{
	static const enum box_news_kind kinds[] = { BOX_NEWS_COUNT,
		BOX_NEWS_NEW, BOX_NEWS_READ, BOX_NEWS_DELETED,
		BOX_NEWS_PREFS };
	size_t i;

	for (i = 0; i < nitems(kinds); i++)
		if ((uint8_t)kinds[i] == c) {
			*kind = kinds[i];
			return (true);
		}
	return (false);
}

bool
box_news_decode(struct slice s, struct box_news *n)
{
	if (!remote_text(&s, &n->nsp) || !remote_text(&s, &n->user) ||
	    s.n < 2 || !remote_kind(s.p[0], &n->kind) || s.p[1] != ' ')
		return (false);
	s = slice_from(s, 2);
	if (!remote_number(&s, ' ', &n->version) ||
	    !remote_number(&s, ' ', &n->count) ||
	    !remote_number(&s, '\n', &n->due_ms))
		return (false);
	n->text = s;
	return ((n->kind == BOX_NEWS_COUNT) == (s.n == 0));
}

static void
remote_on_news(void *arg, struct slice channel, struct slice payload)
{
	struct box_remote *r = arg;
	struct box_news n;

	(void)channel;
	if (box_news_decode(payload, &n))
		r->calls.news(r->calls.arg, &n);
	else
		counter_add(COUNTER_far_bad, 1);
}

/* --- names -------------------------------------------------------------------- */

static struct slice
remote_channel(struct box_remote *r, unsigned k)
{
	buf_reset(&r->channel);
	buf_slice(&r->channel, buf_unread(&r->prefix));
	buf_printf(&r->channel, "inbox:news:%u", k);
	return (buf_unread(&r->channel));
}

/* All hosts find the same. */
static unsigned
remote_place(struct slice user)
{
	uint32_t h = 2166136261u;	/* FNV-1a */
	size_t i;

	for (i = 0; i < user.n; i++)
		h = (h ^ user.p[i]) * 16777619u;
	return ((h ^ h >> 16) % REMOTE_CHANNELS);
}

static struct slice
remote_box_key(struct box_remote *r, unsigned i, const struct box_question *q)
{
	static const char *const names[REMOTE_KEYS] = { "inbox:meta:",
		"inbox:items:", "inbox:order:", "inbox:read:" };

	buf_reset(&r->name);
	buf_slice(&r->name, buf_unread(&r->prefix));
	buf_str(&r->name, names[i]);
	redis_put_nsp(&r->name, q->nsp);
	buf_byte(&r->name, ':');
	buf_slice(&r->name, q->user);
	return (redis_name_at(r->redis, &r->keys[i], buf_unread(&r->channel),
	    buf_unread(&r->name)));
}

/* --- answers -------------------------------------------------------------------- */

static void
remote_leave(struct remote_asked *a)
{
	struct box_remote *r = a->r;

	if (a->astray)
		TAILQ_REMOVE(&r->astray, a, link);
	else {
		TAILQ_REMOVE(&r->asked, a, link);
		r->n--;
	}
}

static bool
remote_header(struct slice s, uint64_t v[8])
{
	size_t i;

	for (i = 0; i < 8; i++)
		if (!remote_number(&s, ' ', &v[i]))
			return (false);
	return (s.n == 0);
}

static void
remote_count(enum box_op op, const uint64_t v[8])
{
	counter_add(COUNTER_notices_expired, v[5]);
	counter_add(COUNTER_notices_displaced, v[6]);
	counter_add(COUNTER_notices_collapsed, v[7]);
	if (op == BOX_CREATE)
		counter_add(v[4] != 0 ? COUNTER_notices_created :
		    COUNTER_notices_duplicates, 1);
	if (op == BOX_READ)
		counter_add(COUNTER_notices_read, v[4]);
	if (op == BOX_DELETE)
		counter_add(COUNTER_notices_deleted, v[4]);
}

/* Texts become one, with commas between. */
static bool
remote_reply(struct box_remote *r, const struct reply *o, enum box_op op,
    struct box_reply *a)
{
	uint64_t v[8];
	size_t i;

	if (o == NULL || o->type != REPLY_ARRAY || o->n == 0 ||
	    o->elements[0]->type != REPLY_STRING ||
	    !remote_header(o->elements[0]->text, v))
		return (false);
	buf_reset(&r->text);
	for (i = 1; i < o->n; i++) {
		if (o->elements[i]->type != REPLY_STRING)
			return (false);
		if (i > 1)
			buf_byte(&r->text, ',');
		buf_slice(&r->text, o->elements[i]->text);
	}
	if (r->text.oom) {
		r->text.oom = false;
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	remote_count(op, v);
	*a = (struct box_reply){ .count = v[0], .version = v[1],
		.due_ms = v[2], .next = v[3],
		.did = op == BOX_CREATE ? (uint8_t)v[4] : 0,
		.text = buf_unread(&r->text) };
	return (true);
}

static void
remote_on_reply(void *arg, const struct reply *o)
{
	struct remote_asked *a = arg;
	struct box_remote *r = a->r;
	struct box_reply reply;

	CHECK_MAGIC(r, BOX_REMOTE_MAGIC);
	remote_leave(a);
	if (a->astray)
		;		/* who has asked has waited long enough */
	else if (remote_reply(r, o, a->op, &reply))
		r->calls.answer(r->calls.arg, &a->asker, BUS_STORE_OK,
		    &reply);
	else
		r->calls.answer(r->calls.arg, &a->asker,
		    BUS_STORE_UNAVAILABLE, NULL);
	free(a);
}

/* --- questions --------------------------------------------------------------------- */

struct remote_command {
	struct slice	 v[REMOTE_ARGS];
	size_t		 n;
	char		 numbers[8][24];
	unsigned	 nnumbers;
};

static void
remote_put(struct remote_command *c, struct slice s)
{
	MUST(c->n < nitems(c->v));
	c->v[c->n++] = s;
}

static void
remote_put_number(struct remote_command *c, uint64_t v)
{
	char *to = c->numbers[c->nnumbers++];

	MUST(c->nnumbers <= nitems(c->numbers));
	(void)snprintf(to, sizeof c->numbers[0], "%" PRIu64, v);
	remote_put(c, slice_str(to));
}

static void
remote_put_bool(struct remote_command *c, bool v)
{
	remote_put(c, v ? SLICE("y") : SLICE("n"));
}

static void
remote_put_prefs(struct box_remote *r, struct remote_command *c,
    struct slice raw)
{
	struct box_prefs p;
	uint32_t i;

	if (raw.n == 0 || !box_get_prefs(raw, &p))
		return;
	remote_put(c, p.json);
	buf_reset(&r->muted);
	for (i = 0; i < p.nmuted; i++) {
		buf_byte(&r->muted, '\n');
		buf_slice(&r->muted, p.muted[i]);
	}
	buf_byte(&r->muted, '\n');
	remote_put(c, buf_unread(&r->muted));
	remote_put_number(c, p.least);
	buf_reset(&r->text);
	if (p.quiet)
		buf_printf(&r->text, "%u %u %d %d", p.from, p.to, p.offset,
		    p.count_only);
	remote_put(c, buf_unread(&r->text));
}

static void
remote_put_pick(struct remote_command *c, const struct box_question *q)
{
	uint32_t i;

	remote_put_bool(c, q->op == BOX_DELETE);
	remote_put_bool(c, q->pick.all);
	remote_put(c, q->pick.category);
	for (i = 0; i < q->pick.n; i++)
		remote_put(c, q->pick.ids[i]);
}

/* What is of this question. */
static const char *
remote_put_rest(struct box_remote *r, struct remote_command *c,
    const struct box_question *q)
{
	switch (q->op) {
	case BOX_CREATE:
		remote_put(c, q->item.id);
		remote_put(c, q->item.category);
		remote_put(c, q->item.collapse);
		remote_put_number(c, q->item.rank);
		remote_put_number(c, q->item.expires_ms);
		remote_put(c, q->item.json);
		return (box_script_create);
	case BOX_LIST:
		remote_put_number(c, q->look.cursor);
		remote_put_number(c, q->look.limit);
		remote_put_bool(c, q->look.unread);
		remote_put(c, q->look.category);
		return (box_script_list);
	case BOX_READ:
	case BOX_DELETE:
		remote_put_pick(c, q);
		return (box_script_pick);
	case BOX_PREFS:
		remote_put_prefs(r, c, q->prefs);
		return (box_script_prefs);
	case BOX_COUNT:
	case BOX_STALE:
	case BOX_DUE:
		break;
	}
	return (box_script_count);
}

static bool
remote_oom(struct box_remote *r)
{
	struct buf *all[] = { &r->channel, &r->verb_channel, &r->name,
		&r->keys[0], &r->keys[1], &r->keys[2], &r->keys[3], &r->whose,
		&r->muted, &r->text };
	bool oom = false;
	size_t i;

	for (i = 0; i < nitems(all); i++) {
		oom |= all[i]->oom;
		all[i]->oom = false;
	}
	if (oom)
		counter_add(COUNTER_memory_failures, 1);
	return (oom);
}

static bool
remote_send(struct box_remote *r, const struct box_question *q,
    struct remote_asked *a)
{
	struct remote_command c = { .n = 0 };
	struct slice channel = remote_channel(r, remote_place(q->user));
	unsigned i;

	remote_put(&c, SLICE("EVAL"));
	remote_put(&c, SLICE(""));
	remote_put(&c, SLICE("4"));
	for (i = 0; i < REMOTE_KEYS; i++)
		remote_put(&c, remote_box_key(r, i, q));
	remote_put(&c, redis_verb(r->redis));
	remote_put(&c, redis_name_at(r->redis, &r->verb_channel, channel,
	    channel));
	buf_reset(&r->whose);
	buf_slice(&r->whose, q->nsp);
	buf_byte(&r->whose, 0);
	buf_slice(&r->whose, q->user);
	buf_byte(&r->whose, 0);
	remote_put(&c, buf_unread(&r->whose));
	remote_put_number(&c, q->bounds.items);
	remote_put_number(&c, q->bounds.bytes);
	remote_put_number(&c, q->bounds.keep_ms);
	c.v[1] = slice_str(remote_put_rest(r, &c, q));
	return (!remote_oom(r) && redis_command_at(r->redis, channel, c.v,
	    c.n, remote_on_reply, a));
}

static void
remote_ask(void *engine, const struct box_question *q)
{
	struct box_remote *r = engine;
	struct remote_asked *a = NULL;

	CHECK_MAGIC(r, BOX_REMOTE_MAGIC);
	if (r->redis != NULL && redis_can_publish(r->redis) &&
	    r->n < REMOTE_ASKED_MAX)
		a = calloc(1, sizeof *a);
	if (a != NULL) {
		a->r = r;
		a->op = q->op;
		a->asker = q->asker;
		TAILQ_INSERT_TAIL(&r->asked, a, link);
		r->n++;
		if (remote_send(r, q, a))
			return;
		remote_leave(a);
		free(a);
	}
	r->calls.answer(r->calls.arg, &q->asker, BUS_STORE_UNAVAILABLE, NULL);
}

const struct box_engine box_remote_engine = { remote_ask };

bool
box_remote_is_settled(const struct box_remote *r)
{
	CHECK_MAGIC(r, BOX_REMOTE_MAGIC);
	return (r->n == 0 || r->redis == NULL ||
	    !redis_can_publish(r->redis));
}

/* --- the link ---------------------------------------------------------------------- */

static void
remote_on_ready(void *arg)
{
	struct box_remote *r = arg;

	r->stale(r->calls.arg);
}

static void
remote_on_lost(void *arg)
{
	(void)arg;
}

static void
remote_on_gap(void *arg, struct slice channel, struct mono since)
{
	struct box_remote *r = arg;

	(void)since;
	buf_reset(&r->name);
	buf_slice(&r->name, buf_unread(&r->prefix));
	buf_str(&r->name, "inbox:news:");
	if (channel.n == 0 || r->name.oom ||
	    slice_starts(channel, buf_unread(&r->name)))
		r->stale(r->calls.arg);
	r->name.oom = false;
}

static void
remote_on_astray(void *arg, struct mono since)
{
	(void)since;
	remote_on_ready(arg);
}

/* The Redis of before is there yet, and answers to nobody. */
static void
remote_forget(struct box_remote *r)
{
	struct remote_asked *a;

	if (r->redis != NULL)
		redis_unwatch(r->redis, &r->watch);
	while (r->nlistened > 0) {
		r->nlistened--;
		if (r->redis != NULL)
			redis_unsubscribe(r->redis, remote_channel(r,
			    r->nlistened));
	}
	while ((a = TAILQ_FIRST(&r->asked)) != NULL) {
		remote_leave(a);
		a->astray = true;
		TAILQ_INSERT_TAIL(&r->astray, a, link);
	}
	r->redis = NULL;
}

static void
remote_free_all(struct remote_list *list)
{
	struct remote_asked *a;

	while ((a = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, a, link);
		free(a);
	}
}

static void
remote_listen(struct box_remote *r)
{
	while (r->nlistened < REMOTE_CHANNELS) {
		if (!redis_subscribe(r->redis, remote_channel(r,
		    r->nlistened), remote_on_news, r)) {
			counter_add(COUNTER_memory_failures, 1);
			return;		/* again in the next turn */
		}
		r->nlistened++;
	}
}

void
box_remote_serve(struct box_remote *r, struct redis *redis,
    const char *prefix, bool changed, bool alone)
{
	CHECK_MAGIC(r, BOX_REMOTE_MAGIC);
	if (changed)
		remote_forget(r);
	if (alone)
		remote_free_all(&r->astray);
	if (redis == NULL) {
		r->redis = NULL;
		return;
	}
	if (r->redis == NULL) {
		buf_reset(&r->prefix);
		buf_str(&r->prefix, prefix);
		r->redis = redis;
		redis_watch(redis, &r->watch);
	}
	if (r->nlistened < REMOTE_CHANNELS)
		remote_listen(r);
}

/* --- birth and death ------------------------------------------------------------------ */

struct box_remote *
box_remote_new(const struct box_calls *calls, void (*stale)(void *arg))
{
	struct box_remote *r = calloc(1, sizeof *r);
	unsigned i;

	if (r == NULL)
		return (NULL);
	r->magic = BOX_REMOTE_MAGIC;
	r->calls = *calls;
	r->stale = stale;
	r->watch = (struct redis_watch){ .arg = r, .ready = remote_on_ready,
		.lost = remote_on_lost, .gap = remote_on_gap,
		.astray = remote_on_astray };
	TAILQ_INIT(&r->asked);
	TAILQ_INIT(&r->astray);
	buf_init(&r->prefix);
	buf_init(&r->channel);
	buf_init(&r->verb_channel);
	buf_init(&r->name);
	for (i = 0; i < REMOTE_KEYS; i++)
		buf_init(&r->keys[i]);
	buf_init(&r->whose);
	buf_init(&r->muted);
	buf_init(&r->text);
	return (r);
}

void
box_remote_free(struct box_remote **rp)
{
	struct box_remote *r = *rp;
	unsigned i;

	if (r == NULL)
		return;
	*rp = NULL;
	CHECK_MAGIC(r, BOX_REMOTE_MAGIC);
	remote_free_all(&r->asked);
	remote_free_all(&r->astray);
	buf_fini(&r->prefix);
	buf_fini(&r->channel);
	buf_fini(&r->verb_channel);
	buf_fini(&r->name);
	for (i = 0; i < REMOTE_KEYS; i++)
		buf_fini(&r->keys[i]);
	buf_fini(&r->whose);
	buf_fini(&r->muted);
	buf_fini(&r->text);
	r->magic = 0;
	free(r);
}
