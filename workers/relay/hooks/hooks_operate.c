/*
 * What operators ask of this host's hooks, and order: how each stands, what was
 * given up, that it is sent again, or forgotten; as JSON.  See hooks_int.h.
 */
#include "relay/hooks/hooks_int.h"

#include <inttypes.h>

#include "proto/bus.h"
#include "proto/json.h"
#include "relay/hooks/body.h"
#include "relay/stream/stream.h"
#include "shm/counters.h"

#define OPERATE_PAGE	(256u << 10)	/* bytes of a page, or one letter */
#define OPERATE_SHOWN	(16u << 10)	/* of an entry that is shown whole */
#define OPERATE_MOST	1000u		/* letters that one order is about */

/* {"host":"...", of the relay, as entries have it, and what follows. */
static void
operate_begin(const struct hooks *k, struct buf *b)
{
	buf_printf(b, "{\"host\":\"%s\"", k->source);
}

/* --- how they stand ---------------------------------------------------------*/

/* Of a namespace, or of all of a hook. */
struct operate_sum {
	unsigned	 waiting;
	uint64_t	 bytes;
	bool		 failing;
	uint64_t	 good_ms, bad_ms;
	const char	*why;
};

static void
operate_add(struct operate_sum *s, const struct courier *c)
{
	s->waiting += c->queue.n;
	s->bytes += c->queue.bytes;
	s->failing |= !courier_is_well(c);
	s->good_ms = c->good_ms > s->good_ms ? c->good_ms : s->good_ms;
	if (c->bad_ms > s->bad_ms) {
		s->bad_ms = c->bad_ms;
		s->why = c->why;
	}
}

static void
operate_put_sum(struct buf *b, const struct operate_sum *s)
{
	buf_printf(b, ",\"state\":\"%s\",\"waiting\":%u,\"waiting_bytes\":%"
	    PRIu64, s->failing ? "failing" : s->waiting > 0 ? "sending" :
	    "idle", s->waiting, s->bytes);
	if (s->good_ms != 0)
		buf_printf(b, ",\"last_success\":%" PRIu64, s->good_ms);
	if (s->bad_ms == 0)
		return;
	buf_printf(b, ",\"last_error\":{\"ts\":%" PRIu64 ",\"why\":",
	    s->bad_ms);
	json_escape(b, slice_str(s->why));
	buf_byte(b, '}');
}

static void
operate_put_namespaces(const struct hooks *k, const struct conf_hook *hook,
    struct buf *b)
{
	const struct courier *c;
	bool any = false;
	unsigned i;

	buf_str(b, ",\"namespaces\":[");
	for (i = 0; i < k->ncouriers; i++) {
		struct operate_sum s = { .waiting = 0 };

		if (hooks_of(k, i) != hook)
			continue;
		c = &k->couriers[i];
		operate_add(&s, c);
		buf_str(b, any ? ",{\"namespace\":" : "{\"namespace\":");
		any = true;
		json_escape(b, slice_str(c->nsp));
		buf_printf(b, ",\"seq\":%" PRIu64, c->queue.number);
		operate_put_sum(b, &s);
		buf_byte(b, '}');
	}
	buf_byte(b, ']');
}

static void
operate_put_hook(const struct hooks *k, const struct conf_hook *hook,
    struct buf *b)
{
	const struct dead_box *box = dead_find(&k->dead,
	    slice_str(hook->name));
	struct operate_sum s = { .waiting = 0 };
	unsigned i;

	for (i = 0; i < k->ncouriers; i++)
		if (hooks_of(k, i) == hook)
			operate_add(&s, &k->couriers[i]);
	buf_str(b, "{\"hook\":");
	json_escape(b, slice_str(hook->name));
	operate_put_sum(b, &s);
	buf_printf(b, ",\"dead\":%u", box == NULL ? 0 : box->n);
	operate_put_namespaces(k, hook, b);
	buf_byte(b, '}');
}

/* One of which letters alone are left. */
static void
operate_put_gone(const struct dead_box *box, struct buf *b)
{
	buf_str(b, "{\"hook\":");
	json_escape(b, slice_str(box->hook));
	buf_printf(b, ",\"state\":\"gone\",\"waiting\":0,\"waiting_bytes\":0,"
	    "\"dead\":%u,\"namespaces\":[]}", box->n);
}

static void
operate_list(const struct hooks *k, struct buf *b)
{
	const struct dead_box *box;
	bool any = false;
	size_t i;

	operate_begin(k, b);
	buf_str(b, ",\"hooks\":[");
	for (i = 0; i < k->conf->nhooks; i++, any = true) {
		buf_str(b, any ? "," : "");
		operate_put_hook(k, &k->conf->hooks[i], b);
	}
	TAILQ_FOREACH(box, &k->dead.boxes, next) {
		if (box->n == 0 || hooks_named(k, slice_str(box->hook)) != NULL)
			continue;
		buf_str(b, any ? "," : "");
		any = true;
		operate_put_gone(box, b);
	}
	buf_str(b, "]}");
}

/* --- letters ----------------------------------------------------------------*/

static void
operate_put_letter(const struct dead_letter *l, struct buf *b)
{
	bool whole = l->entry->n <= OPERATE_SHOWN;
	char epoch[ENTRY_EPOCH];

	entry_epoch(epoch, l->entry->epoch);
	buf_printf(b, "{\"id\":%" PRIu64 ",\"namespace\":", l->id);
	json_escape(b, slice_str(l->nsp));
	buf_printf(b, ",\"epoch\":\"%s\",\"at\":%" PRIu64 ",\"why\":", epoch,
	    l->at_ms);
	json_escape(b, slice_str(l->why));
	buf_printf(b, ",\"size\":%zu", l->entry->n);
	if (!whole)
		buf_str(b, ",\"truncated\":true");
	buf_str(b, ",\"entry\":");
	body_put_entry(b, l->entry, whole);
	buf_byte(b, '}');
}

static void
operate_page(const struct hooks *k, const struct bus_hooks *q,
    const struct dead_box *box, struct buf *b)
{
	const struct dead_letter *l = box == NULL ? NULL : dead_from(box,
	    q->since + 1);
	uint64_t last = 0;
	unsigned n;

	operate_begin(k, b);
	buf_str(b, ",\"hook\":");
	json_escape(b, q->hook);
	buf_str(b, ",\"letters\":[");
	for (n = 0; l != NULL && n < q->limit && n < OPERATE_MOST &&
	    b->wpos < OPERATE_PAGE; n++, l = TAILQ_NEXT(l, next)) {
		buf_str(b, n > 0 ? "," : "");
		operate_put_letter(l, b);
		last = l->id;
	}
	buf_byte(b, ']');
	if (l != NULL)
		buf_printf(b, ",\"next\":%" PRIu64, last);
	buf_byte(b, '}');
}

/* Its namespace's hook of now gets it, behind what waits.  What tells who comes
 * and goes would be out of order, and marks are of their epoch. */
static bool
operate_retry_one(struct hooks *k, struct dead_box *box, struct dead_letter *l)
{
	const struct conf_namespace *ns = conf_namespace_find(k->conf,
	    slice_str(l->nsp));
	struct hook_bounds most;
	struct courier *c;

	if (ns == NULL || ns->gone || ns->hook == NULL ||
	    !slice_eq(entry_field(l->entry, "type"), SLICE("event")))
		return (false);
	most = (struct hook_bounds){ ns->hook->queue, ns->hook->queue_bytes };
	c = hooks_courier(k, ns);
	if (c == NULL || !hook_queue_has_room(&c->queue, &most, l->entry->n))
		return (false);
	courier_add(c, dead_take(box, l), k->x->mono_ms);
	counter_add(COUNTER_hook_retried, 1);
	return (true);
}

static bool
operate_order_one(struct hooks *k, enum bus_hooks_what what,
    struct dead_box *box, struct dead_letter *l)
{
	if (what == BUS_HOOKS_RETRY)
		return (operate_retry_one(k, box, l));
	free(dead_take(box, l));
	return (true);
}

static int
operate_compare(const void *a, const void *b)
{
	const uint64_t *one = a, *other = b;

	return (*one < *other ? -1 : *one > *other);
}

/* In ids, in order; returns how many. */
static size_t
operate_ids(const struct bus_hooks *q, uint64_t ids[OPERATE_MOST])
{
	size_t n = q->ids.n / sizeof *ids;

	n = n < OPERATE_MOST ? n : OPERATE_MOST;
	if (n > 0)
		memcpy(ids, q->ids.p, n * sizeof *ids);
	qsort(ids, n, sizeof *ids, operate_compare);
	return (n);
}

/* Those that are named, or the first ones; how many it was done to. */
static unsigned
operate_order_some(struct hooks *k, const struct bus_hooks *q,
    struct dead_box *box)
{
	static uint64_t ids[OPERATE_MOST];	/* large; one at a time */
	size_t n = operate_ids(q, ids);
	struct dead_letter *l, *next;
	unsigned done = 0;

	for (l = TAILQ_FIRST(&box->letters); l != NULL && done < OPERATE_MOST;
	    l = next) {
		next = TAILQ_NEXT(l, next);
		if (n == 0 || bsearch(&l->id, ids, n, sizeof *ids,
		    operate_compare) != NULL)
			done += operate_order_one(k,
			    (enum bus_hooks_what)q->what, box, l);
	}
	return (done);
}

static void
operate_order(struct hooks *k, const struct bus_hooks *q, struct dead_box *box,
    struct buf *b)
{
	unsigned done = box == NULL ? 0 : operate_order_some(k, q, box);

	operate_begin(k, b);
	buf_str(b, ",\"hook\":");
	json_escape(b, q->hook);
	buf_printf(b, ",\"%s\":%u,\"left\":%u}", q->what == BUS_HOOKS_RETRY ?
	    "retried" : "forgotten", done, box == NULL ? 0 : box->n);
}

/* --- the answer -------------------------------------------------------------*/

static void
operate_put(struct hooks *k, const struct bus_hooks *q, struct buf *b)
{
	struct dead_box *box = dead_find(&k->dead, q->hook);

	if (q->what == BUS_HOOKS_LIST) {
		operate_list(k, b);
		return;
	}
	if (hooks_named(k, q->hook) == NULL && (box == NULL || box->n == 0))
		return;		/* nobody knows it: no words */
	switch ((enum bus_hooks_what)q->what) {
	case BUS_HOOKS_LIST:
		break;
	case BUS_HOOKS_PAGE:
		operate_page(k, q, box, b);
		break;
	case BUS_HOOKS_RETRY:
	case BUS_HOOKS_FORGET:
		operate_order(k, q, box, b);
		break;
	}
}

void
hooks_operate(struct hooks *k, const struct bus_envelope *e)
{
	const struct asker to = { e->from, e->generation, e->ref };
	struct buf b;

	buf_init(&b);
	operate_put(k, &e->hooks, &b);
	if (b.oom)
		counter_add(COUNTER_memory_failures, 1);
	stream_tell_more(k->stream, &to, b.oom ? BUS_STORE_UNAVAILABLE :
	    BUS_STORE_OK, buf_unread(&b));
	hooks_count(k);
	buf_fini(&b);
}
