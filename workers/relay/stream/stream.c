/*
 * Lanes, whose events go where, and Redis, tied to each other; see stream.h.
 * Called by relay.c.
 */
#include "relay/stream/stream_int.h"

#include <sys/random.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/slotset.h"
#include "conf/conf.h"
#include "proto/bus.h"
#include "relay/local/exchange.h"
#include "relay/stream/inbox.h"
#include "shm/counters.h"
#include "sys/log.h"

/* Beside what the configuration allows to wait, while Redis is there. */
#define STREAM_AHEAD	(4u << 20)

/* --- to the workers ---------------------------------------------------------*/

/* False: there is nobody, or no room. */
static bool
stream_answer_page(void *arg, const struct asker *to, unsigned result,
    struct slice frames, bool more)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct stream *s = arg;

	if (to->ref == 0 || exchange_peer(s->x, to->slot) == NULL ||
	    (uint16_t)s->x->generations[to->slot] != to->generation)
		return (false);
	bus_streamed(&e, (enum bus_store)result)->frames = frames;
	if (more)
		e.flags |= BUS_MORE;
	slotset_only(e.slots, to->slot);
	e.from = 0;
	e.generation = 0;
	e.ref = to->ref;
	buf_reset(&s->frame);
	if (bus_encode(&s->frame, &e))
		return (exchange_route(s->x, buf_unread(&s->frame), e.slots,
		    0));
	s->frame.oom = false;	/* it does not wait for ever */
	counter_add(COUNTER_memory_failures, 1);
	return (false);
}

void
stream_tell_more(struct stream *s, const struct asker *to,
    enum bus_store result, struct slice more)
{
	(void)stream_answer_page(s, to, result, more, false);
}

void
stream_tell(struct stream *s, const struct asker *to, enum bus_store result)
{
	(void)stream_answer_page(s, to, result, slice_of(NULL, 0), false);
}

void
stream_hooks(struct stream *s,
    bool (*take)(void *arg, const struct bus_envelope *), void *arg)
{
	CHECK_MAGIC(s, STREAM_MAGIC);
	s->hook = take;
	s->hook_arg = arg;
}

void
stream_source(const struct stream *s, const char **source, uint64_t *epoch)
{
	CHECK_MAGIC(s, STREAM_MAGIC);
	*source = s->way.source;
	*epoch = s->epoch;
}

static void
stream_on_done(void *arg, const struct asker *to, bool taken)
{
	stream_tell(arg, to, taken ? BUS_STORE_OK : BUS_STORE_UNAVAILABLE);
}

static void
stream_on_refused(void *arg, struct slice key, const char *words)
{
	(void)arg;
	if (words == NULL)
		log_info("events_taken stream=\"%.*s\"", (int)key.n,
		    (const char *)key.p);
	else
		log_warnx("events_refused stream=\"%.*s\" said=\"%s\"",
		    (int)key.n, (const char *)key.p, words);
}

/* --- lanes ------------------------------------------------------------------*/

static void
stream_count(struct stream *s)
{
	uint64_t n = 0, bytes = 0;
	unsigned i;

	for (i = 0; i < s->nlanes; i++) {
		n += s->lanes[i].n;
		bytes += s->lanes[i].bytes;
	}
	counter_set(COUNTER_backend_waiting, n);
	counter_set(COUNTER_backend_waiting_bytes, bytes);
}

static uint64_t
stream_bytes(const struct stream *s)
{
	uint64_t bytes = 0;
	unsigned i;

	for (i = 0; i < s->nlanes; i++)
		bytes += s->lanes[i].bytes;
	return (bytes);
}

void
stream_mark(struct stream *s, struct lane *l, struct slice type)
{
	struct entry *e;

	entry_begin(&s->parts, type, s->x->now_ms);
	e = entry_new(&s->parts);
	if (e != NULL) {
		lane_add(l, e);
		return;
	}
	counter_add(COUNTER_memory_failures, 1);
	lane_skip(l);
}

struct lane *
stream_lane_new(struct stream *s, struct lane *l, const char *name)
{
	if (lane_init(l, name, s->epoch, &s->calls))
		return (l);
	counter_add(COUNTER_memory_failures, 1);
	return (NULL);
}

/* NULL: no memory. */
static struct lane *
stream_lane(struct stream *s, const struct conf_namespace *ns)
{
	struct lane *l = &s->lanes[ns->index];
	char name[300];

	if (l->name != NULL)
		return (l);
	(void)snprintf(name, sizeof name, STREAM_LANE "%s", ns->name + 1);
	l = stream_lane_new(s, l, name);
	if (l != NULL)
		stream_mark(s, l, SLICE("begin"));
	return (l);
}

static bool
stream_forwards(const struct conf_namespace *ns)
{
	size_t i;

	for (i = 0; !ns->gone && ns->hook == NULL && i < ns->nevents; i++)
		if (conf_event_forwards(&ns->events[i]))
			return (true);
	return (false);
}

/* Who reads it knows from the beginning on that there is another epoch. */
static void
stream_begin(struct stream *s)
{
	size_t i;

	for (i = 0; i < s->conf->nnamespaces; i++)
		if (stream_forwards(&s->conf->namespaces[i]))
			(void)stream_lane(s, &s->conf->namespaces[i]);
}

void
stream_lost(struct stream *s)
{
	unsigned i;

	CHECK_MAGIC(s, STREAM_MAGIC);
	for (i = 0; i < s->nlanes; i++)
		if (s->lanes[i].name != NULL)
			stream_mark(s, &s->lanes[i], SLICE("lost"));
}

void
stream_worker_gone(struct stream *s, unsigned slot)
{
	CHECK_MAGIC(s, STREAM_MAGIC);
	inboxes_worker_gone(s->inbox, slot);
}

/* --- from the workers -------------------------------------------------------*/

static bool
stream_has_room(const struct stream *s, size_t n)
{
	return (stream_bytes(s) + n <= s->conf->redis.events_buffer +
	    (s->up ? STREAM_AHEAD : 0));
}

/* Redis could never be given it. */
static bool
stream_is_too_large(const struct stream *s, size_t n)
{
	return (n + LANE_AROUND > s->conf->bus_queue_bytes);
}

static void
stream_say_full(struct stream *s)
{
	if (!s->full)
		log_warnx("events_dropped why=\"%s\"", s->up ?
		    "Redis takes them too slowly, or they are too large" :
		    "Redis is away");
	s->full = true;
}

/* Who waits is told at once if it would have to wait for Redis to come back. */
static bool
stream_may_wait(const struct stream *s, const struct lane *l, uint32_t ref)
{
	return (ref == 0 || (s->up && !l->told));
}

static void
stream_refuse(struct stream *s, struct lane *l, const struct asker *to,
    enum bus_store result)
{
	if (to->ref != 0) {
		counter_add(COUNTER_backend_refused, 1);
		stream_tell(s, to, result);
		return;
	}
	counter_add(COUNTER_backend_dropped, 1);
	stream_say_full(s);
	if (l != NULL)
		lane_skip(l);
}

static void
stream_take(struct stream *s, const struct bus_envelope *b)
{
	const struct bus_publish *p = &b->publish;
	const struct conf_namespace *ns = conf_namespace_find(s->conf, p->nsp);
	struct asker asker = { b->from, b->generation, b->ref };
	struct lane *l = ns == NULL ? NULL : stream_lane(s, ns);
	struct entry *e;

	if (l == NULL || !stream_may_wait(s, l, asker.ref)) {
		stream_refuse(s, l, &asker, BUS_STORE_UNAVAILABLE);
		return;
	}
	entry_begin(&s->parts, SLICE("event"), p->sent_us);
	entry_put_forwarded(&s->parts, p, s->way.source);
	if (stream_is_too_large(s, s->parts.bytes.wpos) ||
	    !stream_has_room(s, s->parts.bytes.wpos)) {
		stream_refuse(s, l, &asker, stream_is_too_large(s,
		    s->parts.bytes.wpos) ? BUS_STORE_TOO_LARGE :
		    BUS_STORE_UNAVAILABLE);
		return;
	}
	e = entry_new(&s->parts);
	if (e == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		stream_refuse(s, l, &asker, BUS_STORE_UNAVAILABLE);
		return;
	}
	e->asker = asker;
	lane_add(l, e);
}

/* The last lane's. */
static struct lane *
stream_lane_away(struct stream *s)
{
	struct lane *l = &s->lanes[s->nlanes - 1];

	if (l->name != NULL)
		return (l);
	l = stream_lane_new(s, l, STREAM_AWAY);
	if (l != NULL)
		stream_mark(s, l, SLICE("begin"));
	return (l);
}

/* A user is away, and has a telephone, perhaps. */
static void
stream_push(struct stream *s, const struct bus_envelope *b)
{
	static const struct asker nobody = { .ref = 0 };
	const struct bus_publish *p = &b->publish;
	struct lane *l = stream_lane_away(s);
	struct entry *e;

	if (l == NULL)
		return;
	entry_begin(&s->parts, SLICE("push"), p->sent_us);
	entry_put(&s->parts, "namespace", slice_from(p->nsp, 1));
	entry_put_event(&s->parts, p);
	if (p->meta.n != 0)
		entry_put(&s->parts, "meta", p->meta);
	e = !stream_is_too_large(s, s->parts.bytes.wpos) &&
	    stream_has_room(s, s->parts.bytes.wpos) ? entry_new(&s->parts) :
	    NULL;
	if (e == NULL)
		stream_refuse(s, l, &nobody, BUS_STORE_UNAVAILABLE);
	else
		lane_add(l, e);
}

/* To the hook, or into Redis, where nobody can be asked. */
static void
stream_forward(struct stream *s, const struct bus_envelope *e)
{
	const struct asker to = { e->from, e->generation, e->ref };

	if (s->hook != NULL && s->hook(s->hook_arg, e))
		return;
	if (bus_forward_asks(&e->publish))
		stream_tell(s, &to, BUS_STORE_UNAVAILABLE);
	else
		stream_take(s, e);
}

static void
stream_operate(struct stream *s, const struct bus_envelope *e)
{
	const struct asker to = { e->from, e->generation, e->ref };

	if (s->hook == NULL || !s->hook(s->hook_arg, e))
		stream_tell(s, &to, BUS_STORE_UNAVAILABLE);
}

static void
stream_on_frame(void *arg, struct slice frame)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct stream *s = arg;

	if (!bus_whole(frame, &e)) {
		counter_add(COUNTER_bus_bad, 1);
		return;
	}
	if (e.kind == BUS_FORWARD)
		stream_forward(s, &e);
	else if (e.kind == BUS_HOOKS)
		stream_operate(s, &e);
	else if (e.kind == BUS_INBOX)
		inboxes_take(s->inbox, &e);
	else {
		if ((e.publish.kept & INBOX_PUSH) != 0)
			stream_push(s, &e);
		if ((e.publish.kept & INBOX_QUEUE) != 0)
			inboxes_queue(s->inbox, &e);
	}
}

/* --- Redis ------------------------------------------------------------------*/

static void
stream_change(struct stream *s, const struct stream_link *link)
{
	unsigned i;

	for (i = 0; i < s->nlanes; i++)
		if (s->lanes[i].name != NULL)
			lane_astray(&s->lanes[i], &s->astray);
	s->serial = link->serial;
	s->way.redis = link->redis;
}

void
stream_turn(struct stream *s, const struct stream_link *link)
{
	unsigned i;

	CHECK_MAGIC(s, STREAM_MAGIC);
	inboxes_redis(s->inbox, link->redis, link->section == NULL ? "" :
	    link->section->redis.prefix, link->serial != s->serial,
	    link->alone);
	if (link->serial != s->serial)
		stream_change(s, link);
	if (link->alone)
		lane_flights_free(&s->astray);
	s->up = link->redis != NULL && redis_can_publish(link->redis);
	if (s->up) {
		s->way.prefix = link->section->redis.prefix;
		s->way.most = link->section->redis.events;
		s->way.room = link->section->bus_queue_bytes;
	}
	s->way.now_ms = s->x->mono_ms;
	for (i = 0; s->up && i < s->nlanes; i++)
		if (s->lanes[i].name != NULL)
			lane_turn(&s->lanes[i], &s->way);
	if (s->full && stream_bytes(s) == 0)
		s->full = false;
	stream_count(s);
}

bool
stream_is_settled(const struct stream *s)
{
	unsigned i;

	CHECK_MAGIC(s, STREAM_MAGIC);
	for (i = 0; s->up && i < s->nlanes; i++)
		if (s->lanes[i].n != 0)
			return (false);
	return (inboxes_is_settled(s->inbox));
}

/* --- birth and death --------------------------------------------------------*/

void
stream_conf(struct stream *s, const struct conf *conf)
{
	CHECK_MAGIC(s, STREAM_MAGIC);
	s->conf = conf;
	inboxes_conf(s->inbox, conf);
	stream_begin(s);
}

/* Later ones are greater, and no two are the same. */
static void
stream_epoch(struct stream *s)
{
	uint32_t some = 0;

	if (getrandom(&some, sizeof some, 0) != (ssize_t)sizeof some)
		some = (uint32_t)mono_now().us;
	s->epoch = (uint64_t)wall_now().ms << 20 | (some & 0xfffff);
}

struct stream *
stream_new(const struct stream_params *p)
{
	struct stream *s = calloc(1, sizeof *s);
	struct inboxes_params i;

	if (s == NULL)
		return (NULL);
	s->magic = STREAM_MAGIC;
	s->conf = p->conf;
	s->x = p->exchange;
	s->calls = (struct lane_calls){ .arg = s, .done = stream_on_done,
		.refused = stream_on_refused };
	(void)snprintf(s->way.source, sizeof s->way.source, "%016" PRIx64,
	    p->node_id);
	stream_epoch(s);
	buf_init(&s->parts.bytes);
	buf_init(&s->frame);
	s->nlanes = p->conf->ns_room + 1;
	s->lanes = calloc(s->nlanes, sizeof *s->lanes);
	s->x->stream = stream_on_frame;
	s->x->stream_arg = s;
	i = (struct inboxes_params){ .conf = p->conf, .exchange = p->exchange,
		.segment = p->segment, .node_id = p->node_id, .arg = s,
		.answer = stream_answer_page };
	s->inbox = inboxes_new(&i);
	if (s->lanes == NULL || s->inbox == NULL)
		stream_free(&s);
	else {
		stream_load(s, p->saved);
		stream_begin(s);
	}
	return (s);
}

void
stream_free(struct stream **sp)
{
	struct stream *s = *sp;
	uint64_t n = 0;
	unsigned i;

	if (s == NULL)
		return;
	*sp = NULL;
	CHECK_MAGIC(s, STREAM_MAGIC);
	for (i = 0; s->lanes != NULL && i < s->nlanes; i++)
		n += s->lanes[i].n;
	if (n > 0 && !s->saved)
		log_warnx("events_not_left number=%" PRIu64, n);
	s->x->stream = NULL;
	for (i = 0; s->lanes != NULL && i < s->nlanes; i++)
		if (s->lanes[i].name != NULL)
			lane_fini(&s->lanes[i]);
	free(s->lanes);
	lane_flights_free(&s->astray);
	inboxes_free(&s->inbox);
	buf_fini(&s->parts.bytes);
	buf_fini(&s->frame);
	s->magic = 0;
	free(s);
}
