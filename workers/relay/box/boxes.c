/*
 * Between the workers and who keeps notifications; see boxes.h.
 */
#include "relay/box/boxes.h"

#include <stdlib.h>

#include "base/slotset.h"
#include "base/state.h"
#include "conf/conf.h"
#include "proto/bus.h"
#include "relay/box/memory.h"
#include "relay/box/remote.h"
#include "relay/local/exchange.h"
#include "shm/counters.h"
#include "shm/interest.h"
#include "sys/log.h"

struct boxes {
	unsigned	 magic;
#define BOXES_MAGIC	0xb0e5b0e5
	struct boxes_params p;
	struct interest	*interest;
	struct box_memory *memory;	/* NULL: not yet, or not any more */
	struct box_remote *remote;	/* NULL: not yet */
	bool		 far;		/* that one keeps them now */
	uint64_t	 stale[SLOTSET_WORDS];	/* workers that are to be told */
	bool		 busy;
	struct buf	 body, args, frame;	/* scratch */
};

/* --- to the workers --------------------------------------------------------- */

/* False: one did not get it. */
static bool
boxes_route(struct boxes *b, struct bus_envelope *e, uint32_t ref,
    const uint64_t slots[2])
{
	slotset_copy(e->slots, slots);
	e->from = e->generation = 0;
	e->ref = ref;
	buf_reset(&b->frame);
	if (bus_encode(&b->frame, e))
		return (exchange_route(b->p.exchange, buf_unread(&b->frame),
		    slots, e->flags));
	b->frame.oom = false;
	counter_add(COUNTER_memory_failures, 1);
	return (false);
}

static void
boxes_answer(void *arg, const struct box_asker *to, enum bus_store result,
    const struct box_reply *r)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct boxes *b = arg;
	uint64_t slots[2];

	if (result != BUS_STORE_OK)
		counter_add(COUNTER_notices_refused, 1);
	if (to->ref == 0 || exchange_peer(b->p.exchange, to->slot) == NULL ||
	    (uint16_t)b->p.exchange->generations[to->slot] != to->generation)
		return;
	buf_reset(&b->body);
	if (r != NULL)
		box_put_reply(&b->body, r);
	if (b->body.oom) {
		b->body.oom = false;
		buf_reset(&b->body);
		counter_add(COUNTER_memory_failures, 1);
		result = BUS_STORE_UNAVAILABLE;
	}
	bus_boxed(&e, result)->body = buf_unread(&b->body);
	slotset_only(slots, to->slot);
	(void)boxes_route(b, &e, to->ref, slots);	/* it does not wait for ever */
}

/* An event to a user; named: who sees no names of events has no use for it.
 * false: some did not get it. */
static bool
boxes_publish(struct boxes *b, const struct box_news *n, struct slice event,
    struct slice args, bool named, const uint64_t slots[2])
{
	static struct bus_envelope e;	/* large; one at a time */
	struct bus_publish *p = bus_publish(&e);

	if (named)
		e.flags |= BUS_NAMED;
	p->nsp = n->nsp;
	p->event = event;
	p->args = args;
	p->to.users[p->to.nusers++] = n->user;
	return (boxes_route(b, &e, 0, slots));
}

/* What this kind of news is beside the count; false: nothing. */
static bool
boxes_event(struct boxes *b, const struct box_news *n, struct slice *event,
    struct slice *args)
{
	*args = n->text;
	*event = slice_of(NULL, 0);
	switch (n->kind) {
	case BOX_NEWS_NEW:
		*event = SLICE("\"notification:new\"");
		return (true);
	case BOX_NEWS_PREFS:
		*event = SLICE("\"notification:preferences\"");
		return (true);
	case BOX_NEWS_READ:
		*event = SLICE("\"notification:read\"");
		break;
	case BOX_NEWS_DELETED:
		*event = SLICE("\"notification:deleted\"");
		break;
	case BOX_NEWS_COUNT:
		return (false);
	}
	buf_reset(&b->args);
	buf_str(&b->args, "{\"ids\":[");
	buf_slice(&b->args, n->text);
	buf_str(&b->args, "]}");
	*args = buf_unread(&b->args);
	return (true);
}

static bool
boxes_tell(struct boxes *b, const struct box_news *n, const uint64_t slots[2])
{
	struct slice event, args;
	bool all = true;

	if (boxes_event(b, n, &event, &args)) {
		all = !b->args.oom && boxes_publish(b, n, event, args,
		    n->kind != BOX_NEWS_NEW, slots);
		b->args.oom = false;
	}
	buf_reset(&b->args);
	buf_printf(&b->args, "{\"count\":%llu,\"version\":%llu}",
	    (unsigned long long)n->count, (unsigned long long)n->version);
	all = !b->args.oom && boxes_publish(b, n,
	    SLICE("\"notification:unread_count\""), buf_unread(&b->args),
	    true, slots) && all;
	b->args.oom = false;
	return (all);
}

/* So that somebody asks then. */
static bool
boxes_tell_due(struct boxes *b, const struct box_news *n,
    const uint64_t slots[2])
{
	static struct bus_envelope e;	/* large; one at a time */
	struct bus_box *q = bus_box(&e, BOX_DUE);

	if (n->due_ms == 0 ||
	    n->due_ms > b->p.exchange->now_ms + BOX_DUE_MS)
		return (true);
	buf_reset(&b->body);
	box_put_due(&b->body, n->due_ms);
	if (b->body.oom) {
		b->body.oom = false;
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	q->nsp = n->nsp;
	q->user = n->user;
	q->body = buf_unread(&b->body);
	return (boxes_route(b, &e, 0, slots));
}

static void
boxes_news(void *arg, const struct box_news *n)
{
	struct boxes *b = arg;
	const struct conf_namespace *ns = conf_namespace_find(b->p.conf,
	    n->nsp);
	char key[INTEREST_KEY_MAX];
	uint64_t slots[2];

	if (ns == NULL || !ns->inbox || n->user.n > INTEREST_NAME_MAX)
		return;
	slotset_clear(slots);
	interest_who(b->interest, ns->index, interest_key(key, INTEREST_USER,
	    n->user), slots);
	if (slotset_empty(slots))
		return;
	if (!boxes_tell(b, n, slots) || !boxes_tell_due(b, n, slots))
		slotset_join(b->stale, slots);
}

static uint64_t
boxes_now_ms(void *arg)
{
	const struct boxes *b = arg;

	return (b->p.exchange->now_ms);
}

/* --- what may not have come --------------------------------------------------- */

static void
boxes_stale(void *arg)
{
	struct boxes *b = arg;
	unsigned slot;

	for (slot = 1; slot < ROLE_SLOTS_MAX; slot++)
		if (exchange_peer(b->p.exchange, slot) != NULL)
			slotset_add(b->stale, slot);
}

/* Those who can take it. */
static void
boxes_tell_stale(struct boxes *b)
{
	static struct bus_envelope e;	/* large; one at a time */
	uint64_t left[2] = { b->stale[0], b->stale[1] }, slots[2];
	unsigned slot;

	while ((slot = slotset_take(left)) != 0) {
		if (exchange_crowded(b->p.exchange, slot))
			continue;
		(void)bus_box(&e, BOX_STALE);
		slotset_only(slots, slot);
		if (exchange_peer(b->p.exchange, slot) != NULL &&
		    !boxes_route(b, &e, 0, slots))
			continue;
		counter_add(COUNTER_notices_stale, 1);
		slotset_drop(b->stale, slot);
	}
}

/* --- from the workers --------------------------------------------------------- */

static bool
boxes_read(const struct bus_box *f, struct box_question *q)
{
	struct box_prefs p;

	switch (q->op) {
	case BOX_CREATE:
		return (box_get_item(f->body, &q->item));
	case BOX_LIST:
		return (box_get_look(f->body, &q->look));
	case BOX_READ:
	case BOX_DELETE:
		return (box_get_pick(f->body, &q->pick));
	case BOX_PREFS:
		q->prefs = f->body;
		return (f->body.n == 0 || box_get_prefs(f->body, &p));
	case BOX_COUNT:
		return (f->body.n == 0);
	case BOX_STALE:
	case BOX_DUE:
		break;
	}
	return (false);
}

static void
boxes_do(struct boxes *b, const struct box_question *q)
{
	if (b->far && b->remote != NULL)
		box_remote_engine.ask(b->remote, q);
	else if (!b->far && b->memory != NULL)
		box_memory_engine.ask(b->memory, q);
	else
		boxes_answer(b, &q->asker, BUS_STORE_UNAVAILABLE, NULL);
}

static void
boxes_on_frame(void *arg, struct slice frame)
{
	static struct bus_envelope e;	/* large; one at a time */
	static struct box_question q;	/* so are its lists */
	struct boxes *b = arg;
	const struct conf_namespace *ns;

	if (!bus_whole(frame, &e) || e.kind != BUS_BOX) {
		counter_add(COUNTER_bus_bad, 1);
		return;
	}
	q.asker = (struct box_asker){ e.from, e.generation, e.ref };
	q.nsp = e.box.nsp;
	q.user = e.box.user;
	q.op = (enum box_op)e.box.what;
	q.prefs = slice_of(NULL, 0);
	ns = conf_namespace_find(b->p.conf, q.nsp);
	if (ns == NULL || !ns->inbox || q.user.n == 0 ||
	    q.user.n > INTEREST_NAME_MAX) {
		boxes_answer(b, &q.asker, BUS_STORE_UNAVAILABLE, NULL);
		return;
	}
	if (!boxes_read(&e.box, &q)) {
		counter_add(COUNTER_bus_bad, 1);
		boxes_answer(b, &q.asker, BUS_STORE_UNAVAILABLE, NULL);
		return;
	}
	q.bounds = (struct box_bounds){ ns->inbox_items, ns->inbox_bytes,
		ns->inbox_keep_ms };
	if (q.op == BOX_CREATE && q.item.json.n > ns->inbox_bytes / 2)
		boxes_answer(b, &q.asker, BUS_STORE_TOO_LARGE, NULL);
	else
		boxes_do(b, &q);
}

/* --- who keeps them ------------------------------------------------------------ */

static bool
boxes_are_wanted(const struct conf *conf)
{
	size_t i;

	for (i = 0; i < conf->nnamespaces; i++)
		if (!conf->namespaces[i].gone && conf->namespaces[i].inbox)
			return (true);
	return (false);
}

/* As this configuration wants it; what was kept by another one is not seen any
 * more. */
static void
boxes_choose(struct boxes *b)
{
	const struct box_calls calls = { .arg = b, .answer = boxes_answer,
		.news = boxes_news, .now_ms = boxes_now_ms };
	bool far = conf_redis_on(&b->p.conf->redis);

	if (b->far != far)
		boxes_stale(b);
	b->far = far;
	/* (of the other one answers may be on their way: it stays) */
	if (far)
		box_memory_free(&b->memory);
	if (b->memory != NULL)
		box_memory_bound(b->memory, b->p.conf->store_inbox_bytes);
	if (!boxes_are_wanted(b->p.conf))
		return;
	if (far && b->remote == NULL)
		b->remote = box_remote_new(&calls, boxes_stale);
	else if (!far && b->memory == NULL)
		b->memory = box_memory_new(&calls,
		    b->p.conf->store_inbox_bytes);
	if (far ? b->remote == NULL : b->memory == NULL)
		counter_add(COUNTER_memory_failures, 1);
}

void
boxes_conf(struct boxes *b, const struct conf *conf)
{
	CHECK_MAGIC(b, BOXES_MAGIC);
	b->p.conf = conf;
	boxes_choose(b);
}

void
boxes_redis(struct boxes *b, struct redis *redis, const char *prefix,
    bool changed, bool alone)
{
	CHECK_MAGIC(b, BOXES_MAGIC);
	if (b->remote != NULL)
		box_remote_serve(b->remote, redis, prefix, changed, alone);
	b->busy = b->memory != NULL && box_memory_turn(b->memory);
	if (!slotset_empty(b->stale))
		boxes_tell_stale(b);
}

bool
boxes_busy(const struct boxes *b)
{
	CHECK_MAGIC(b, BOXES_MAGIC);
	return (b->busy);
}

bool
boxes_is_settled(const struct boxes *b)
{
	CHECK_MAGIC(b, BOXES_MAGIC);
	return (b->remote == NULL || box_remote_is_settled(b->remote));
}

/* --- another relay -------------------------------------------------------------- */

void
boxes_save(void *arg, struct buf *out)
{
	const struct boxes *b = arg;

	CHECK_MAGIC(b, BOXES_MAGIC);
	if (b->memory != NULL)
		box_memory_save(b->memory, out);
}

bool
boxes_load(void *arg, struct slice saved, struct slice *rest)
{
	struct state_in in = state_in(saved);
	struct boxes *b = arg;
	bool good = true;

	CHECK_MAGIC(b, BOXES_MAGIC);
	*rest = saved;
	if (!box_memory_is_saved(saved))
		return (true);
	if (b->memory != NULL)
		good = box_memory_load(b->memory, &in);
	else
		good = box_memory_skip(&in);
	*rest = slice_of(in.p, (size_t)(in.end - in.p));
	return (good);
}

/* --- birth and death ------------------------------------------------------------- */

struct boxes *
boxes_new(const struct boxes_params *p)
{
	struct boxes *b = calloc(1, sizeof *b);

	if (b == NULL)
		return (NULL);
	b->magic = BOXES_MAGIC;
	b->p = *p;
	buf_init(&b->body);
	buf_init(&b->args);
	buf_init(&b->frame);
	b->interest = interest_open(p->segment, 0);
	if (b->interest == NULL) {
		boxes_free(&b);
		return (NULL);
	}
	p->exchange->box = boxes_on_frame;
	p->exchange->box_arg = b;
	boxes_choose(b);
	return (b);
}

void
boxes_free(struct boxes **bp)
{
	struct boxes *b = *bp;

	if (b == NULL)
		return;
	*bp = NULL;
	CHECK_MAGIC(b, BOXES_MAGIC);
	b->p.exchange->box = NULL;
	box_memory_free(&b->memory);
	box_remote_free(&b->remote);
	if (b->interest != NULL)
		interest_close(&b->interest);
	buf_fini(&b->body);
	buf_fini(&b->args);
	buf_fini(&b->frame);
	b->magic = 0;
	free(b);
}
