/*
 * Couriers, targets and events, tied to each other; see hooks.h.  Called by
 * relay.c.
 */
#include "relay/hooks/hooks_int.h"

#include <inttypes.h>

#include "proto/bus.h"
#include "relay/stream/stream.h"
#include "shm/counters.h"
#include "shm/presence.h"
#include "sys/log.h"

/* --- entries ----------------------------------------------------------------*/

static void
hooks_on_done(void *arg, const struct asker *to, bool taken)
{
	struct hooks *k = arg;

	stream_tell(k->stream, to, taken ? BUS_STORE_OK :
	    BUS_STORE_UNAVAILABLE);
}

void
hooks_on_dead(void *arg, const struct courier *c, struct entry *e,
    const char *why)
{
	struct hooks *k = arg;
	const char *hook = c->hook == NULL ? "" : c->hook;
	const struct dead_what what = { .hook = hook, .nsp = c->nsp,
		.why = why, .at_ms = k->x->now_ms };
	struct dead_bounds most = hooks_dead_bounds(k, slice_str(hook));

	dead_add(&k->dead, &what, &most, e);
}

void
hooks_mark(struct hooks *k, struct courier *c, struct slice type)
{
	struct entry *e;

	entry_begin(&k->parts, type, k->x->now_ms);
	e = entry_new(&k->parts);
	if (e != NULL) {
		courier_add(c, e, k->x->mono_ms);
		return;
	}
	counter_add(COUNTER_memory_failures, 1);
	hook_queue_skip(&c->queue);
}

struct courier *
hooks_courier_new(struct hooks *k, const struct conf_namespace *ns)
{
	struct courier *c = &k->couriers[ns->index];

	MUST(c->nsp == NULL);
	if (!courier_init(c, ns->name, &k->calls)) {
		courier_fini(c);
		counter_add(COUNTER_memory_failures, 1);
		return (NULL);
	}
	c->queue.epoch = k->epoch;
	return (c);
}

struct courier *
hooks_courier(struct hooks *k, const struct conf_namespace *ns)
{
	struct courier *c = &k->couriers[ns->index];

	if (c->nsp != NULL)
		return (c);
	c = hooks_courier_new(k, ns);
	if (c != NULL)
		hooks_mark(k, c, SLICE("begin"));
	return (c);
}

static void
hooks_refuse(struct hooks *k, struct courier *c, const struct asker *to)
{
	if (to->ref != 0) {
		counter_add(COUNTER_hook_refused, 1);
		stream_tell(k->stream, to, BUS_STORE_UNAVAILABLE);
		return;
	}
	counter_add(COUNTER_hook_dropped, 1);
	if (!k->full)
		log_warnx("hook_entries_dropped why=\"more than queue, or "
		    "queue_bytes, wait\"");
	k->full = true;
	if (c != NULL)
		hook_queue_skip(&c->queue);
}

/* Who waits is told at once if it would have to wait for the back end to come
 * back. */
static void
hooks_take(struct hooks *k, const struct conf_namespace *ns,
    const struct bus_envelope *b)
{
	struct hook_bounds most = { ns->hook->queue, ns->hook->queue_bytes };
	struct asker asker = { b->from, b->generation, b->ref };
	struct courier *c = hooks_courier(k, ns);
	struct entry *e = NULL;

	if (c != NULL && (asker.ref == 0 || courier_is_well(c))) {
		entry_begin(&k->parts, SLICE("event"), b->publish.sent_us);
		entry_put_forwarded(&k->parts, &b->publish, k->source);
		if (hook_queue_has_room(&c->queue, &most,
		    k->parts.bytes.wpos)) {
			e = entry_new(&k->parts);
			if (e == NULL)
				counter_add(COUNTER_memory_failures, 1);
		}
	}
	if (e == NULL) {
		hooks_refuse(k, c, &asker);
		return;
	}
	e->asker = asker;
	courier_add(c, e, k->x->mono_ms);
}

/* Of people: nobody waits. */
static void
hooks_on_tell(void *arg, const struct conf_namespace *ns,
    struct entry_parts *parts)
{
	struct hook_bounds most = { ns->hook->queue, ns->hook->queue_bytes };
	const struct asker nobody = { .ref = 0 };
	struct hooks *k = arg;
	struct courier *c = hooks_courier(k, ns);
	struct entry *e = c == NULL || !hook_queue_has_room(&c->queue, &most,
	    parts->bytes.wpos) ? NULL : entry_new(parts);

	if (e == NULL)
		hooks_refuse(k, c, &nobody);
	else
		courier_add(c, e, k->x->mono_ms);
}

static void
hooks_on_begin(void *arg, const struct conf_namespace *ns)
{
	struct hooks *k = arg;
	struct courier *c = hooks_courier(k, ns);

	if (c != NULL && c->queue.number > 1)	/* its epoch is older */
		hooks_mark(k, c, SLICE("begin"));
}

static bool
hooks_is_crowded(void *arg, const struct conf_namespace *ns)
{
	const struct hooks *k = arg;
	const struct hook_queue *q = &k->couriers[ns->index].queue;

	return (q->n > ns->hook->queue / 2 ||
	    q->bytes > ns->hook->queue_bytes / 2);
}

void
hooks_presence(struct hooks *k, const struct table_event *e)
{
	CHECK_MAGIC(k, HOOKS_MAGIC);
	guests_event(&k->guests, e);
}

struct target *
hooks_target(struct hooks *k, const struct conf_hook *hook)
{
	struct target **t = &k->targets[hook - k->conf->hooks];

	if (*t == NULL) {
		*t = target_new(k->loop, hook);
		if (*t == NULL)
			counter_add(COUNTER_memory_failures, 1);
		else
			target_limit(*t, hooks_share(k->conf));
	}
	return (*t);
}

static void
hooks_on_verdict(void *arg, const struct asker *to, bool ok, struct slice body)
{
	struct hooks *k = arg;

	stream_tell_more(k->stream, to, ok ? BUS_STORE_OK :
	    BUS_STORE_UNAVAILABLE, body);
}

static void
hooks_ask(struct hooks *k, const struct conf_namespace *ns,
    const struct bus_envelope *b)
{
	const struct asker to = { b->from, b->generation, b->ref };
	struct target *t = hooks_target(k, ns->hook);

	if (t == NULL || !verdicts_ask(&k->verdicts, ns, t, b, k->x->now_ms))
		stream_tell(k->stream, &to, BUS_STORE_UNAVAILABLE);
}

static bool
hooks_on_event(void *arg, const struct bus_envelope *b)
{
	struct hooks *k = arg;
	const struct conf_namespace *ns = b->kind == BUS_HOOKS ? NULL :
	    conf_namespace_find(k->conf, b->publish.nsp);

	if (b->kind == BUS_HOOKS) {
		hooks_operate(k, b);
		return (true);
	}
	if (ns == NULL || ns->hook == NULL)
		return (false);
	if (bus_forward_asks(&b->publish))
		hooks_ask(k, ns, b);
	else
		hooks_take(k, ns, b);
	return (true);
}

void
hooks_lost(struct hooks *k)
{
	unsigned i;

	CHECK_MAGIC(k, HOOKS_MAGIC);
	for (i = 0; i < k->ncouriers; i++)
		if (k->couriers[i].nsp != NULL)
			hooks_mark(k, &k->couriers[i], SLICE("lost"));
}

/* --- turns ------------------------------------------------------------------*/

const struct conf_hook *
hooks_of(const struct hooks *k, unsigned i)
{
	const struct conf_namespace *ns = i < k->conf->nnamespaces ?
	    &k->conf->namespaces[i] : NULL;

	return (ns == NULL || ns->gone || k->couriers[i].nsp == NULL ? NULL :
	    ns->hook);
}

static void
hooks_send(struct hooks *k)
{
	struct courier_way w = { .now_ms = k->x->mono_ms,
		.wall_ms = k->x->now_ms };
	unsigned i;

	w.source = k->source;
	for (i = 0; i < k->ncouriers; i++) {
		w.hook = hooks_of(k, i);
		if (w.hook == NULL ||
		    courier_due(&k->couriers[i], w.hook) > w.now_ms)
			continue;
		w.target = hooks_target(k, w.hook);
		if (w.target != NULL)
			courier_turn(&k->couriers[i], &w);
	}
}

void
hooks_count(struct hooks *k)
{
	uint64_t n = 0, bytes = 0;
	unsigned i;

	for (i = 0; i < k->ncouriers; i++) {
		n += k->couriers[i].queue.n;
		bytes += k->couriers[i].queue.bytes;
	}
	counter_set(COUNTER_hook_waiting, n);
	counter_set(COUNTER_hook_waiting_bytes, bytes);
	counter_set(COUNTER_hook_dead_kept, dead_count(&k->dead));
	if (n == 0)
		k->full = false;
}

static void
hooks_on_due(struct timer *t, struct mono now)
{
	(void)t;
	(void)now;		/* the turn that ends now looks */
}

static void
hooks_wait(struct hooks *k)
{
	uint64_t at = UINT64_MAX, due;
	unsigned i;

	for (i = 0; i < k->ncouriers; i++) {
		const struct conf_hook *hook = hooks_of(k, i);

		due = hook == NULL ? UINT64_MAX :
		    courier_due(&k->couriers[i], hook);
		at = due < at ? due : at;
	}
	if (at == UINT64_MAX)
		timer_stop(loop_wheel(k->loop), &k->due);
	else
		timer_start(loop_wheel(k->loop), &k->due,
		    (struct mono){ at * 1000 }, hooks_on_due);
}

void
hooks_turn(struct hooks *k, const struct table_relay *users)
{
	size_t i;

	CHECK_MAGIC(k, HOOKS_MAGIC);
	if (k->conf->nhooks == 0)
		return;
	k->more = guests_turn(&k->guests, users, k->x->now_ms);
	hooks_send(k);
	for (i = 0; i < k->ntargets; i++)
		if (k->targets[i] != NULL)
			target_turn(k->targets[i]);
	hooks_count(k);
	hooks_wait(k);
}

bool
hooks_busy(const struct hooks *k)
{
	bool busy = k->more;
	size_t i;

	for (i = 0; i < k->ntargets; i++)
		busy |= k->targets[i] != NULL && target_busy(k->targets[i]);
	return (busy);
}

bool
hooks_is_settled(const struct hooks *k)
{
	unsigned i;

	CHECK_MAGIC(k, HOOKS_MAGIC);
	for (i = 0; i < k->ncouriers; i++)
		if (k->couriers[i].queue.n > 0 &&
		    courier_is_well(&k->couriers[i]))
			return (false);
	return (true);
}

/* --- birth and death --------------------------------------------------------*/

struct hooks *
hooks_new(const struct hooks_params *p)
{
	struct hooks *k = calloc(1, sizeof *k);
	const struct guests_calls guests = { .arg = k, .tell = hooks_on_tell,
		.begin = hooks_on_begin, .crowded = hooks_is_crowded };

	if (k == NULL)
		return (NULL);
	k->magic = HOOKS_MAGIC;
	k->conf = p->conf;
	k->x = p->exchange;
	k->loop = p->loop;
	k->stream = p->stream;
	k->calls = (struct courier_calls){ .arg = k, .done = hooks_on_done,
		.dead = hooks_on_dead };
	buf_init(&k->parts.bytes);
	dead_init(&k->dead);
	stream_source(k->stream, &k->source, &k->epoch);
	k->ncouriers = p->conf->ns_room;
	k->couriers = calloc(k->ncouriers, sizeof *k->couriers);
	k->verdicts.arg = k;
	k->verdicts.answer = hooks_on_verdict;
	k->presence = presence_open(p->segment, 0);
	if (!guests_init(&k->guests, p->conf, k->presence, &guests) ||
	    k->presence == NULL ||
	    !verdicts_init(&k->verdicts, k->ncouriers, p->segment) ||
	    k->couriers == NULL) {
		hooks_free(&k);
		return (NULL);
	}
	stream_hooks(k->stream, hooks_on_event, k);
	hooks_load(k, p->saved);
	hooks_conf(k, p->conf);
	return (k);
}

void
hooks_free(struct hooks **kp)
{
	struct hooks *k = *kp;
	uint64_t n = 0;
	unsigned i;
	size_t t;

	if (k == NULL)
		return;
	*kp = NULL;
	CHECK_MAGIC(k, HOOKS_MAGIC);
	stream_hooks(k->stream, NULL, NULL);
	for (i = 0; k->couriers != NULL && i < k->ncouriers; i++)
		if (k->couriers[i].nsp != NULL) {
			n += k->couriers[i].queue.n;
			courier_fini(&k->couriers[i]);
		}
	if (n > 0 && !k->saved)
		log_warnx("hook_entries_not_left number=%" PRIu64, n);
	verdicts_fini(&k->verdicts);
	for (t = 0; t < k->ntargets; t++)
		target_free(&k->targets[t]);
	timer_stop(loop_wheel(k->loop), &k->due);
	guests_fini(&k->guests);
	dead_fini(&k->dead);
	presence_close(&k->presence);
	free(k->targets);
	free(k->couriers);
	buf_fini(&k->parts.bytes);
	k->magic = 0;
	free(k);
}
