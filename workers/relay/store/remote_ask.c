/*
 * Scripts on their way to Redis, and back; see remote_int.h.  One that Redis does
 * not have yet goes along once as a whole.  A link that is gone makes no calls:
 * what was asked by it is forgotten here.
 */
#include "relay/store/remote_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/digest.h"
#include "relay/redis/key.h"
#include "relay/redis/redis.h"
#include "shm/counters.h"

#define ASK_ROOM_ARGS	8	/* of one that keeps some as well: three keys */
#define ASK_ARGS	(3 + 9 + 17 + ASK_ROOM_ARGS * REMOTE_BATCH_ROOMS + \
			    3 * REMOTE_BATCH)
#define ASK_NUMBERS	(9 + 4 * REMOTE_BATCH_ROOMS + REMOTE_BATCH)

/* --- names ----------------------------------------------------------------*/

/* The channel on which it is heard, as it is called everywhere. */
static struct slice
ask_channel(struct remote_room *r)
{
	struct remote *m = r->m;
	struct store_key k = r->twin ? remote_journal_key(r) : remote_key(r);

	return (m->link.channel(m->link.arg, &m->channel, &k));
}

bool
remote_up(const struct remote *m)
{
	return (m->link.redis != NULL && redis_can_publish(m->link.redis));
}

bool
remote_hears(struct remote_room *r)
{
	struct slice channel;

	if (!remote_up(r->m))
		return (false);
	channel = ask_channel(r);
	return (channel.n != 0 && redis_hears(r->m->link.redis, channel));
}

/* PREFIX "history" WHAT MORE ":" NS ":" ROOM, where the channel is; of a journal
 * PREFIX "journal" WHAT MORE ":" NS. */
static struct slice
ask_key_of(struct remote *m, struct buf *b, const struct store_key *k,
    const char *what, struct slice more)
{
	bool journal = slice_eq(k->room, JOURNAL_ROOM);
	struct slice channel;

	buf_reset(&m->offer);
	buf_str(&m->offer, m->link.prefix);
	buf_str(&m->offer, journal ? "journal" : "history");
	buf_str(&m->offer, what);
	buf_byte(&m->offer, ':');
	if (more.n != 0) {
		buf_slice(&m->offer, more);
		buf_byte(&m->offer, ':');
	}
	redis_put_nsp(&m->offer, k->nsp);
	if (!journal) {
		buf_byte(&m->offer, ':');
		buf_slice(&m->offer, k->room);
	}
	channel = buf_unread(&m->channel);
	return (redis_name_at(m->link.redis, b, channel,
	    buf_unread(&m->offer)));
}

static struct slice
ask_key(struct remote_room *r, struct buf *b, const char *what,
    struct slice more)
{
	struct store_key k = remote_key(r);

	return (ask_key_of(r->m, b, &k, what, more));
}

/* --- asks -----------------------------------------------------------------*/

struct remote_ask *
remote_ask_new(struct remote_room *r, enum remote_script script)
{
	struct remote_ask *a = calloc(1, sizeof *a);

	if (a == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (NULL);
	}
	a->m = r->m;
	a->room = r;
	a->redis = r->m->link.redis;
	a->script = script;
	TAILQ_INSERT_TAIL(&r->m->asks, a, next);
	r->m->nasks++;
	return (a);
}

void
remote_ask_free(struct remote_ask *a)
{
	TAILQ_REMOVE(&a->m->asks, a, next);
	a->m->nasks--;
	free(a);
}

void
remote_ask_orphan(struct remote *m)
{
	struct remote_ask *a;

	TAILQ_FOREACH(a, &m->asks, next)
		a->room = NULL;
}

static void
ask_on_reply(void *arg, const struct reply *o)
{
	struct remote_ask *a = arg;
	struct remote *m = a->m;

	CHECK_MAGIC(m, REMOTE_MAGIC);
	if (o == NULL)
		m->links++;	/* who answers next may be another one */
	if (a->room == NULL)
		remote_ask_free(a);
	else if (a->script == REMOTE_APPEND ||
	    a->script == REMOTE_KEYED_APPEND)
		remote_out_answer(a, o);
	else if (a->script == REMOTE_TRIM)
		remote_trim_answer(a, o);
	else
		remote_read_answer(a, o);
}

/* --- commands -------------------------------------------------------------*/

struct ask_command {
	struct slice	 v[ASK_ARGS];
	size_t		 n;
	char		 numbers[ASK_NUMBERS][24];
	unsigned	 nnumbers;
	char		 epoch[STORE_EPOCH_MAX];
};

static void
ask_put(struct ask_command *c, struct slice s)
{
	MUST(c->n < ASK_ARGS);
	c->v[c->n++] = s;
}

static void
ask_put_number(struct ask_command *c, uint64_t v)
{
	char *to = c->numbers[c->nnumbers++];

	MUST(c->nnumbers <= ASK_NUMBERS);
	(void)snprintf(to, sizeof c->numbers[0], "%" PRIu64, v);
	ask_put(c, slice_str(to));
}

static void
ask_put_bool(struct ask_command *c, bool v)
{
	ask_put(c, v ? SLICE("y") : SLICE("n"));
}

/* One that nobody had before. */
static void
ask_put_epoch(struct remote *m, struct ask_command *c)
{
	(void)snprintf(c->epoch, sizeof c->epoch, "%sh%" PRIx64, m->origin,
	    ++m->begun);
	ask_put(c, slice_str(c->epoch));
}

static void
ask_begin(struct remote_ask *a, struct ask_command *c, size_t nkeys)
{
	const struct remote *m = a->m;

	c->n = 0;
	c->nnumbers = 0;
	ask_put(c, a->whole ? SLICE("EVAL") : SLICE("EVALSHA"));
	ask_put(c, a->whole ? remote_script_text(a->script) :
	    slice_of(m->scripts.sha[a->script], REMOTE_SHA));
	ask_put_number(c, nkeys);
}

static bool
ask_oom(struct remote *m)
{
	bool oom = m->channel.oom || m->offer.oom;
	size_t i;	/* those of no use in it are empty */

	for (i = 0; i < nitems(m->keys); i++) {
		oom |= m->keys[i].oom;
		m->keys[i].oom = false;
	}
	m->channel.oom = m->offer.oom = false;
	if (oom)
		counter_add(COUNTER_memory_failures, 1);
	return (oom);
}

static bool
ask_send(struct remote_ask *a, const struct ask_command *c)
{
	struct remote *m = a->m;

	if (ask_oom(m) || !redis_command_at(m->link.redis,
	    buf_unread(&m->channel), c->v, c->n, ask_on_reply, a)) {
		remote_ask_free(a);
		return (false);
	}
	return (true);
}

/* --- append ---------------------------------------------------------------*/

/* Of what every host brings: what is the same in all. */
static struct slice
ask_near(const struct remote_append *p, char hex[40])
{
	(void)snprintf(hex, 40, "%.*s", p->id_n, (const char *)p->text);
	return (slice_str(hex));
}

/* The rooms that keep some of a batch as well. */
struct ask_rooms {
	const struct remote_append *v[REMOTE_BATCH_ROOMS];	/* the last of each */
	size_t		 n;
	uint8_t		 of[REMOTE_BATCH];	/* which, from 1 on; 0: none */
};

static uint8_t
ask_room(struct ask_rooms *v, const struct remote_append *p)
{
	size_t i;

	if (p->room_n == 0)
		return (0);
	for (i = 0; i < v->n; i++)
		if (slice_eq(remote_append_room(v->v[i]),
		    remote_append_room(p)))
			break;
	if (i == v->n)
		v->n++;
	v->v[i] = p;
	return ((uint8_t)(i + 1));
}

static void
ask_find_rooms(const struct remote_room *r, struct ask_rooms *v)
{
	const struct remote_append *p = STAILQ_FIRST(&r->out);
	uint32_t i;

	_Static_assert(REMOTE_BATCH_ROOMS >= REMOTE_BATCH, "each its own");
	v->n = 0;
	for (i = 0; i < r->nsent; i++, p = STAILQ_NEXT(p, next))
		v->of[i] = ask_room(v, p);
}

static void
ask_put_room_keys(struct remote_room *r, struct ask_command *c,
    const struct ask_rooms *v)
{
	struct remote *m = r->m;
	struct store_key k = { .nsp = remote_nsp(r) };
	size_t i;

	for (i = 0; i < v->n; i++) {
		k.room = remote_append_room(v->v[i]);
		ask_put(c, ask_key_of(m, &m->keys[6 + 3 * i], &k, "-state",
		    slice_of(NULL, 0)));
		ask_put(c, ask_key_of(m, &m->keys[7 + 3 * i], &k, "",
		    slice_of(NULL, 0)));
		ask_put(c, ask_key_of(m, &m->keys[8 + 3 * i], &k, "-edits",
		    slice_of(NULL, 0)));
	}
}

/* What was heard of it, and its bounds. */
static void
ask_put_bounds(struct ask_command *c, const struct remote_room *r,
    const struct store_bounds *b)
{
	bool known = r != NULL && r->known;

	ask_put(c, known ? remote_epoch(r) : slice_of(NULL, 0));
	ask_put_number(c, known ? r->top : 0);
	ask_put_number(c, b->events);
	ask_put_number(c, b->bytes);
	ask_put_number(c, b->keep_ms);
}

/* A change is a batch of its own. */
static void
ask_put_edit(struct ask_command *c, const struct remote_append *p)
{
	ask_put_number(c, p->edits);
	ask_put(c, remote_append_edit_epoch(p));
	ask_put(c, remote_append_instead(p));
}

static void
ask_put_rooms(const struct remote_room *r, struct ask_command *c,
    const struct ask_rooms *v)
{
	struct store_key k = { .nsp = remote_nsp(r) };
	size_t i;

	for (i = 0; i < v->n; i++) {
		k.room = remote_append_room(v->v[i]);
		ask_put_bounds(c, remote_find(r->m, &k), &v->v[i]->bounds);
	}
}

/* Beside the room's: of those that have keys; or of none. */
static void
ask_put_keyed_keys(struct remote_room *r, struct ask_command *c, unsigned at)
{
	static const char *const what[] = { "-keys", "-order", "-gone" };
	unsigned i;

	for (i = 0; i < nitems(what); i++)
		ask_put(c, ask_key(r, &r->m->keys[at + i], what[i],
		    slice_of(NULL, 0)));
}

/* What is in the entry says it; one that nobody can read has no key. */
static void
ask_put_keyed(struct remote *m, struct ask_command *c,
    const struct remote_append *p)
{
	static struct bus_envelope e;	/* large; one at a time */
	const struct bus_publish *b = &e.publish;
	struct remote_twin twin;
	struct slice frame;

	if (!remote_entry(remote_append_entry(p), &frame, &twin) ||
	    !m->link.unseal(m->link.arg, &frame) || !bus_whole(frame, &e) ||
	    e.kind != BUS_PUBLISH)
		(void)bus_publish(&e);
	ask_put(c, b->key);
	ask_put(c, b->keyed & KEYED_BASE ? SLICE("b") :
	    b->keyed & KEYED_VERSION ? SLICE("v") : slice_of(NULL, 0));
	ask_put_number(c, b->base);
	ask_put_bool(c, (b->keyed & KEYED_GONE) != 0);
	ask_put(c, b->based);
}

static void
ask_put_entries(const struct remote_room *r, struct ask_command *c,
    const struct ask_rooms *rooms)
{
	const struct remote_append *p = STAILQ_FIRST(&r->out);
	uint32_t i;

	for (i = 0; i < r->nsent; i++, p = STAILQ_NEXT(p, next)) {
		ask_put(c, p->near ? slice_of(NULL, 0) :
		    remote_append_id(p));
		ask_put(c, remote_append_entry(p));
		if (remote_is_keyed(r))
			ask_put_keyed(r->m, c, p);
		else
			ask_put_number(c, rooms->of[i]);
	}
}

bool
remote_ask_append(struct remote_ask *a)
{
	static struct ask_command c;	/* large; one at a time */
	static struct ask_rooms rooms;
	struct remote_room *r = a->room;
	struct remote *m = r->m;
	const struct remote_append *p = STAILQ_FIRST(&r->out), *last = p;
	char token[64], node[17], hex[40], name[40];
	uint32_t i;

	if (!remote_up(m) || ask_channel(r).n == 0) {
		remote_ask_free(a);
		return (false);
	}
	(void)snprintf(node, sizeof node, "%016" PRIx64, m->link.node_id);
	(void)snprintf(token, sizeof token, "%s.%s.%" PRIu64, node, m->origin,
	    r->seq);
	(void)snprintf(name, sizeof name, "%s.%s", node, m->origin);
	ask_find_rooms(r, &rooms);
	a->script = remote_is_keyed(r) ? REMOTE_KEYED_APPEND : REMOTE_APPEND;
	ask_begin(a, &c, (p->near ? 6 : 5) + (remote_is_keyed(r) ? 3 :
	    3 * rooms.n));
	ask_put(&c, ask_key(r, &m->keys[0], "-state",
	    slice_of(NULL, 0)));
	ask_put(&c, ask_key(r, &m->keys[1], "", slice_of(NULL, 0)));
	ask_put(&c, ask_key(r, &m->keys[2], "-sent", slice_str(node)));
	ask_put(&c, ask_key(r, &m->keys[3], "-ids",
	    slice_of(NULL, 0)));
	ask_put(&c, ask_key(r, &m->keys[5], "-edits",
	    slice_of(NULL, 0)));
	if (remote_is_keyed(r))
		ask_put_keyed_keys(r, &c, 6);
	else
		ask_put_room_keys(r, &c, &rooms);
	if (p->near)
		ask_put(&c, ask_key(r, &m->keys[4], "-near",
		    ask_near(p, hex)));
	ask_put_epoch(m, &c);
	ask_put(&c, redis_verb(m->link.redis));
	ask_put(&c, redis_name_at(m->link.redis, &m->entry,
	    buf_unread(&m->channel), buf_unread(&m->channel)));
	ask_put(&c, slice_str(token));
	ask_put_bool(&c, r->again);
	ask_put_bool(&c, r->checked != m->links);
	ask_put_bounds(&c, r, &r->bounds);
	ask_put(&c, slice_str(name));
	for (i = 1; i < r->nsent; i++)
		last = STAILQ_NEXT(last, next);
	ask_put_bool(&c, (last->asker.flags & BUS_FINISH) != 0);
	if (remote_is_keyed(r)) {
		ask_put_number(&c, r->bounds.keys);
		ask_put_number(&c, r->bounds.keys_bytes);
	} else {
		ask_put_number(&c, rooms.n);
		ask_put_edit(&c, p);
		ask_put_rooms(r, &c, &rooms);
	}
	ask_put_entries(r, &c, &rooms);
	return (ask_send(a, &c));
}

/* --- read -----------------------------------------------------------------*/

bool
remote_ask_read(struct remote_ask *a, const struct store_read *q)
{
	static struct ask_command c;	/* large; one at a time */
	struct remote_room *r = a->room;
	struct store_key journal = remote_journal_key(r);
	struct remote *m = r->m;

	if (!remote_up(m) || ask_channel(r).n == 0) {
		remote_ask_free(a);
		return (false);
	}
	ask_begin(a, &c, a->script == REMOTE_KEYED_READ ? 6 :
	    r->twin ? 4 : 3);
	ask_put(&c, ask_key(r, &m->keys[0], "-state",
	    slice_of(NULL, 0)));
	ask_put(&c, ask_key(r, &m->keys[1], "", slice_of(NULL, 0)));
	ask_put(&c, ask_key(r, &m->keys[2], "-edits", slice_of(NULL, 0)));
	if (a->script == REMOTE_KEYED_READ)
		ask_put_keyed_keys(r, &c, 3);
	else if (r->twin)
		ask_put(&c, ask_key_of(m, &m->keys[3], &journal, "-state",
		    slice_of(NULL, 0)));
	ask_put_epoch(m, &c);
	ask_put_number(&c, q->from);
	ask_put(&c, q->epoch);
	ask_put_number(&c, q->since);
	ask_put_number(&c, q->limit);
	ask_put_number(&c, q->bytes);
	ask_put_number(&c, r->bounds.events);
	ask_put_number(&c, r->bounds.keep_ms);
	ask_put_bool(&c, a->verify && r->known);
	ask_put_bool(&c, r->checked != m->links);
	if (a->script == REMOTE_KEYED_READ)
		ask_put(&c, q->of);
	return (ask_send(a, &c));
}

/* --- trim -----------------------------------------------------------------*/

bool
remote_ask_trim(struct remote_ask *a)
{
	static struct ask_command c;	/* large; one at a time */
	struct remote_room *r = a->room;
	struct remote *m = r->m;

	if (!remote_up(m) || ask_channel(r).n == 0) {
		remote_ask_free(a);
		return (false);
	}
	ask_begin(a, &c, 3);
	ask_put(&c, ask_key(r, &m->keys[0], "-state", slice_of(NULL, 0)));
	ask_put(&c, ask_key(r, &m->keys[1], "", slice_of(NULL, 0)));
	ask_put(&c, ask_key(r, &m->keys[2], "-edits", slice_of(NULL, 0)));
	ask_put(&c, slice_of(a->epoch, a->epoch_n));
	ask_put_number(&c, a->place);
	return (ask_send(a, &c));
}
