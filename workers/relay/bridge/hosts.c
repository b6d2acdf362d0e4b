/*
 * Publications between daemons; see hosts.h.  What comes from there is
 * checked like what comes from anybody: a frame that cannot be, or whose JSON
 * is none, is dropped and counted.
 */
#include "relay/bridge/hosts_int.h"

#include <stdlib.h>

#include "base/slotset.h"
#include "conf/conf.h"
#include "proto/bus.h"
#include "relay/bridge/home.h"
#include "relay/bridge/hosts_inquiries.h"
#include "relay/bridge/ledger.h"
#include "relay/bridge/message.h"
#include "relay/bridge/seal.h"
#include "relay/bridge/seen.h"
#include "relay/bridge/sent.h"
#include "relay/redis/redis.h"
#include "shm/counters.h"
#include "shm/interest.h"
#include "shm/once.h"
#include "shm/table_relay.h"

#define HOSTS_HEADER	32

const uint8_t hosts_mark[HOSTS_MARK] = "ROOST1\0";

static uint64_t
hosts_word(const uint8_t *p)
{
	uint64_t v = 0;
	unsigned i;

	for (i = 8; i > 0; i--)
		v = v << 8 | p[i - 1];
	return (v);
}

/* --- in -------------------------------------------------------------------*/

/* Whom it is for, and in which namespace: NULL in all of them. */
static const struct bus_audience *
hosts_check(const struct hosts *s, const struct bus_envelope *e,
    const struct conf_namespace **ns)
{
	const struct bus_audience *to;
	struct slice nsp;

	to = hosts_whom(e, &nsp);
	*ns = nsp.n == 0 ? NULL : conf_namespace_find(s->p.home->conf, nsp);
	return (*ns == NULL && (nsp.n != 0 || !hosts_may_be_for_all(e)) ?
	    NULL : to);
}

static void
hosts_who(struct hosts *s, uint16_t ns, enum interest_kind kind,
    struct slice name, uint64_t all[2])
{
	char key[INTEREST_KEY_MAX];
	uint64_t bits[2];

	if (name.n > INTEREST_NAME_MAX)
		return;
	interest_who(s->interest, ns, interest_key(key, kind, name), bits);
	all[0] |= bits[0];
	all[1] |= bits[1];
}

static void
hosts_receivers(struct hosts *s, uint16_t ns, const struct bus_audience *to,
    uint64_t all[2])
{
	size_t i;

	all[0] = all[1] = 0;
	for (i = 0; i < to->nrooms; i++)
		hosts_who(s, ns, INTEREST_ROOM, to->rooms[i], all);
	for (i = 0; i < to->nusers; i++)
		hosts_who(s, ns, INTEREST_USER, to->users[i], all);
	if (to->nsids > 0 || to->nrooms + to->nusers == 0)
		hosts_who(s, ns, INTEREST_NAMESPACE, slice_of(NULL, 0), all);
}

/* In one namespace, or in all. */
static void
hosts_all_receivers(struct hosts *s, const struct conf_namespace *ns,
    const struct bus_audience *to, uint64_t all[2])
{
	uint64_t bits[2];
	size_t i;

	if (ns != NULL) {
		hosts_receivers(s, (uint16_t)ns->index, to, all);
		return;
	}
	slotset_clear(all);
	for (i = 0; i < s->p.home->conf->nnamespaces; i++) {
		hosts_receivers(s, (uint16_t)i, to, bits);
		slotset_join(all, bits);
	}
}

/* A back end has given the same id to another host, or to this one. */
static bool
hosts_is_known(const struct hosts *s, const struct bus_envelope *e,
    const struct conf_namespace *ns)
{
	return (e->kind == BUS_PUBLISH && e->publish.once.n != 0 &&
	    once_claim_id(s->p.home->segment, ns->index, e->publish.once,
	    home_now(s->p.home)) == ONCE_AGAIN);
}

/* Whoever asks waits for an answer of each that hears it. */
static void
hosts_say_nothing(struct hosts *s, uint64_t node, uint32_t number, bool partly)
{
	if (number != 0)
		inquiries_nothing(s->p.inquiries, node, number, partly);
}

static void
hosts_deliver(struct hosts *s, uint64_t node, struct bus_envelope *e,
    const struct conf_namespace *ns, const struct bus_audience *to)
{
	uint64_t slots[2];

	if (hosts_is_known(s, e, ns)) {
		counter_add(COUNTER_far_copies, 1);
		hosts_say_nothing(s, node, e->ref, false);
		return;
	}
	if (e->kind != BUS_MEMBERS)
		counter_add(COUNTER_far_received, 1);
	hosts_all_receivers(s, ns, to, slots);
	if (slotset_empty(slots))
		hosts_say_nothing(s, node, e->ref, false);
	else if (e->ref != 0)
		inquiries_take(s->p.inquiries, node, e, slots);
	else
		home_deliver(s->p.home, slots, e);
}

/* Its sender has it among the lost, unless it had several connections; or
 * nobody knows if it is a copy.  Told of here, so that nobody misses it
 * unawares. */
static void
hosts_pass_by(struct hosts *s, const struct bus_envelope *e,
    const struct bus_audience *to)
{
	counter_add(COUNTER_far_stale, 1);
	if (gaps_are_told_of(e))
		s->p.gap(s->p.arg, e->publish.nsp, to);
}

/* A stranger's, or of a version that is not ours. */
static void
hosts_refuse(const struct hosts *s, struct slice channel)
{
	counter_add(COUNTER_far_bad, 1);
	home_say(s->p.home, HOME_BAD, channel);
}

static void
hosts_take(struct hosts *s, struct slice channel, struct slice frame,
    uint64_t node, enum seen_result seen)
{
	static struct bus_envelope e;	/* large; one at a time */
	const struct conf_namespace *ns = NULL;
	const struct bus_audience *to;
	ssize_t n = bus_decode(frame, &e);
	struct slice nsp;

	if (n <= 0 || n != (ssize_t)frame.n || e.from != 0 ||
	    hosts_whom(&e, &nsp) == NULL || !hosts_is_fit(&e)) {
		hosts_refuse(s, channel);
		return;
	}
	to = hosts_check(s, &e, &ns);
	if (to == NULL && e.ref != 0) {	/* all hosts are asked */
		hosts_say_nothing(s, node, e.ref, false);
		return;
	}
	if (to == NULL) {
		hosts_refuse(s, channel);
		return;
	}
	if (message_is_for_servers(&e) && (s->p.home->near ||
	    home_now(s->p.home).us < s->p.home->near_until.us)) {
		hosts_say_nothing(s, node, e.ref, true);
		return;
	}
	if (seen == SEEN_LATE && s->whole)
		seen = SEEN_AGAIN;
	switch (seen) {
	case SEEN_NEW:
		hosts_deliver(s, node, &e, ns, to);
		break;
	case SEEN_STALE:
	case SEEN_LATE:
		hosts_pass_by(s, &e, to);
		hosts_say_nothing(s, node, e.ref, true);
		break;
	case SEEN_AGAIN:
		counter_add(COUNTER_far_copies, 1);
		hosts_say_nothing(s, node, e.ref, false);
		break;
	}
}

/* Another link of this host takes it, or has. */
static void
hosts_leave(struct hosts *s, struct slice payload)
{
	uint32_t number;

	if (payload.n < HOSTS_HEADER + BUS_HEADER ||
	    memcmp(payload.p, hosts_mark, sizeof hosts_mark) != 0)
		return;
	number = bus_frame_ref(slice_from(payload, HOSTS_HEADER));
	hosts_say_nothing(s, hosts_word(payload.p + 8), number, false);
}

bool
hosts_head(struct slice payload, struct hosts_head *h)
{
	if (payload.n < HOSTS_HEADER ||
	    memcmp(payload.p, hosts_mark, sizeof hosts_mark) != 0)
		return (false);
	*h = (struct hosts_head){ hosts_word(payload.p + 8),
		hosts_word(payload.p + 16), hosts_word(payload.p + 24),
		slice_from(payload, HOSTS_HEADER) };
	return (true);
}

void
hosts_see(struct hosts *s, struct slice channel, struct slice payload)
{
	struct hosts_head h;
	enum seen_result seen;

	if (!hosts_head(payload, &h)) {
		hosts_refuse(s, channel);
	} else if (h.node == s->p.home->node_id) {
		/* the echo of what this host has served; also of a relay that
		 * died */
		if (h.frame.n >= BUS_HEADER && bus_frame_ref(h.frame) != 0)
			inquiries_echo(s->p.inquiries, bus_frame_ref(h.frame));
	} else if (hosts_waits(s, &h)) {
		/* or it would be out of order */
		if (!hosts_hold(s, channel, payload))
			hosts_take(s, channel, h.frame, h.node, SEEN_STALE);
	} else {
		seen = seen_look(s->p.home->ledger->seen, h.node, h.epoch,
		    h.number);
		hosts_take(s, channel, h.frame, h.node, seen);
	}
}

void
hosts_hear(void *arg, struct slice channel, struct slice payload)
{
	struct hosts *s = arg;

	if (slice_starts(payload, SLICE(HOSTS_KEPT))) {
		if (!s->p.home->comes && !s->p.home->deaf &&
		    !s->p.kept(s->p.arg, payload))
			hosts_refuse(s, channel);
		return;
	}
	if (!home_takes(s->p.home, channel, payload)) {
		hosts_note(s, payload);
		hosts_leave(s, payload);
		return;
	}
	if (!seal_take(s->p.seal, slice_str(s->p.home->conf->redis.prefix),
	    &payload)) {
		home_say(s->p.home, HOME_UNSEALED, channel);
		return;
	}
	hosts_see(s, channel, payload);
}

/* --- what this host listens to --------------------------------------------*/

void
hosts_interest(struct hosts *s, const struct table_event *e)
{
	const struct conf_namespace *ns;
	struct slice channel;

	CHECK_MAGIC(s, HOSTS_MAGIC);
	if (!e->whole || e->key.n == 0 || e->key.p[0] == INTEREST_WATCH ||
	    (e->was & ANN_L) == (e->is & ANN_L))
		return;
	ns = conf_namespace_at(s->p.home->conf, e->ns);
	if (ns == NULL)
		return;
	channel = hosts_channel(&s->channel,
	    slice_str(s->p.home->conf->redis.prefix),
	    slice_of(ns->name, ns->name_len), e->key);
	if ((e->is & ANN_L) == 0)
		redis_unsubscribe(s->p.home->redis, channel);
	else if (s->channel.oom || !redis_subscribe(s->p.home->redis, channel,
	    hosts_hear, s))
		counter_add(COUNTER_memory_failures, 1);
	s->channel.oom = false;
}

/* --- birth and death ------------------------------------------------------*/

static uint64_t
hosts_now_ms(void *arg)
{
	const struct hosts *s = arg;

	return (s->p.now_ms(s->p.arg));
}

static void
hosts_on_refused(void *arg, struct slice nsp, struct slice name,
    const struct reply *o)
{
	const struct hosts *s = arg;

	s->p.refused(s->p.arg, nsp, name, o);
}

static void
hosts_on_inquired(void *arg, uint32_t number, uint64_t hearers, bool partly)
{
	struct hosts *s = arg;

	inquiries_heard(s->p.inquiries, number, hearers, partly);
}

struct hosts *
hosts_new(const struct hosts_params *p)
{
	struct hosts *s = calloc(1, sizeof *s);
	struct sent_params out = { .conf = p->home->conf,
		.redis = p->home->redis, .now_ms = hosts_now_ms,
		.refused = hosts_on_refused, .inquired = hosts_on_inquired };

	if (s == NULL)
		return (NULL);
	s->magic = HOSTS_MAGIC;
	s->p = *p;
	buf_init(&s->channel);
	buf_init(&s->message);
	buf_init(&s->words);
	buf_init(&s->asks);
	buf_init(&s->held);
	buf_str(&s->asks, p->home->conf->redis.prefix);
	buf_str(&s->asks, "asks");
	out.arg = s;
	s->interest = interest_open(p->home->segment, 0);
	s->sent = sent_new(&out);
	if (s->interest == NULL || s->sent == NULL || s->asks.oom ||
	    !redis_subscribe_for_all(p->home->redis, buf_unread(&s->asks),
	    hosts_hear, s))
		hosts_free(&s);
	return (s);
}

void
hosts_conf(struct hosts *s)
{
	CHECK_MAGIC(s, HOSTS_MAGIC);
	sent_conf(s->sent, s->p.home->conf);
}

void
hosts_free(struct hosts **sp)
{
	struct hosts *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	CHECK_MAGIC(s, HOSTS_MAGIC);
	if (s->interest != NULL)
		interest_close(&s->interest);
	buf_fini(&s->channel);
	buf_fini(&s->message);
	buf_fini(&s->words);
	buf_fini(&s->asks);
	buf_fini(&s->held);
	sent_free(&s->sent);
	s->magic = 0;
	free(s);
}
