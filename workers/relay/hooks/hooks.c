/*
 * Couriers, targets and events, tied to each other; see hooks.h.  Called by
 * relay.c.
 */
#include "relay/hooks/hooks.h"

#include <inttypes.h>
#include <stdlib.h>

#include "conf/conf.h"
#include "proto/bus.h"
#include "relay/hooks/courier.h"
#include "relay/hooks/guests.h"
#include "relay/hooks/verdicts.h"
#include "relay/local/exchange.h"
#include "relay/stream/stream.h"
#include "shm/counters.h"
#include "shm/presence.h"
#include "sys/log.h"
#include "sys/loop.h"

struct hooks {
	unsigned	 magic;
#define HOOKS_MAGIC	0x400c5a11
	const struct conf *conf;
	struct exchange	*x;
	struct loop	*loop;
	struct stream	*stream;
	struct courier_calls calls;
	struct courier	*couriers;	/* by namespace */
	unsigned	 ncouriers;
	struct target	**targets;	/* by hook of conf; NULL: no memory yet */
	size_t		 ntargets;
	struct presence	*presence;
	struct guests	 guests;
	struct verdicts	 verdicts;
	bool		 more;		/* ... who are there are to be told */
	struct timer	 due;		/* the next courier is */
	struct entry_parts parts;	/* scratch */
	bool		 full;		/* a line says so */
};

/* --- entries ----------------------------------------------------------------*/

static void
hooks_on_done(void *arg, const struct asker *to, bool taken)
{
	struct hooks *k = arg;

	stream_tell(k->stream, to, taken ? BUS_STORE_OK :
	    BUS_STORE_UNAVAILABLE);
}

static void
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

/* NULL: no memory. */
static struct courier *
hooks_courier(struct hooks *k, const struct conf_namespace *ns)
{
	struct courier *c = &k->couriers[ns->index];

	if (c->nsp != NULL)
		return (c);
	if (!courier_init(c, ns->name, &k->calls)) {
		courier_fini(c);
		counter_add(COUNTER_memory_failures, 1);
		return (NULL);
	}
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
		entry_put_event(&k->parts, &b->publish);
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

static struct target *
hooks_target(struct hooks *k, const struct conf_hook *hook)
{
	struct target **t = &k->targets[hook - k->conf->hooks];

	if (*t == NULL)
		*t = target_new(k->loop, hook);
	if (*t == NULL)
		counter_add(COUNTER_memory_failures, 1);
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
	const struct conf_namespace *ns = conf_namespace_find(k->conf,
	    b->publish.nsp);

	if (ns == NULL || ns->hook == NULL)
		return (false);
	if (b->publish.kept == FORWARD_ASKS)
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

/* NULL: there is none, and nothing to be sent. */
static const struct conf_hook *
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

	stream_source(k->stream, &w.source, &w.epoch);
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

static void
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

/* --- configurations ---------------------------------------------------------*/

/* Who reads it knows from the beginning on that there is another epoch. */
static void
hooks_begin(struct hooks *k)
{
	const struct conf_namespace *ns;
	size_t i;

	for (i = 0; i < k->conf->nnamespaces; i++) {
		ns = &k->conf->namespaces[i];
		if (!ns->gone && ns->hook != NULL)
			(void)hooks_courier(k, ns);
		else if (k->couriers[i].nsp != NULL)
			courier_drop(&k->couriers[i]);
	}
}

/* The target of before that a hook still means, or NULL. */
static struct target *
hooks_same(struct hooks *k, const struct conf_hook *hook)
{
	struct target *t;
	size_t i;

	for (i = 0; i < k->ntargets; i++) {
		t = k->targets[i];
		if (t != NULL && target_is(t, hook)) {
			k->targets[i] = NULL;
			return (t);
		}
	}
	return (NULL);
}

/* What is under way to a target that goes is sent again. */
static void
hooks_leave(struct hooks *k, struct target **t)
{
	unsigned i;

	if (*t != NULL)
		verdicts_leave(&k->verdicts, *t);
	for (i = 0; *t != NULL && i < k->ncouriers; i++)
		if (k->couriers[i].nsp != NULL &&
		    k->couriers[i].post.target == *t)
			courier_stop(&k->couriers[i]);
	target_free(t);
}

static void
hooks_targets(struct hooks *k, const struct conf *conf)
{
	struct target **targets = calloc(conf->nhooks + 1, sizeof *targets);
	size_t i;

	MUST(targets != NULL || conf->nhooks == 0);
	for (i = 0; i < conf->nhooks; i++)
		targets[i] = hooks_same(k, &conf->hooks[i]);
	for (i = 0; i < k->ntargets; i++)
		hooks_leave(k, &k->targets[i]);
	free(k->targets);
	k->targets = targets;
	k->ntargets = conf->nhooks;
}

void
hooks_conf(struct hooks *k, const struct conf *conf)
{
	CHECK_MAGIC(k, HOOKS_MAGIC);
	hooks_targets(k, conf);
	k->conf = conf;
	hooks_begin(k);
	guests_conf(&k->guests, conf);
	hooks_count(k);
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
	k->calls = (struct courier_calls){ .arg = k, .done = hooks_on_done };
	buf_init(&k->parts.bytes);
	k->ncouriers = p->conf->ns_room;
	k->couriers = calloc(k->ncouriers, sizeof *k->couriers);
	k->verdicts.arg = k;
	k->verdicts.answer = hooks_on_verdict;
	k->presence = presence_open(p->segment, 0);
	if (!guests_init(&k->guests, p->conf, k->presence, &guests) ||
	    k->presence == NULL ||
	    !verdicts_init(&k->verdicts, k->ncouriers) ||
	    k->couriers == NULL) {
		hooks_free(&k);
		return (NULL);
	}
	stream_hooks(k->stream, hooks_on_event, k);
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
	if (n > 0)
		log_warnx("hook_entries_not_left number=%" PRIu64, n);
	verdicts_fini(&k->verdicts);
	for (t = 0; t < k->ntargets; t++)
		target_free(&k->targets[t]);
	timer_stop(loop_wheel(k->loop), &k->due);
	guests_fini(&k->guests);
	presence_close(&k->presence);
	free(k->targets);
	free(k->couriers);
	buf_fini(&k->parts.bytes);
	k->magic = 0;
	free(k);
}
