/*
 * What other daemons are told: publications and orders, each to the channels of
 * those whom it is for, inquiries, and the gaps that were left; see hosts.h.
 */
#include "relay/bridge/hosts_int.h"

#include "base/slotset.h"
#include "conf/conf.h"
#include "proto/bus.h"
#include "relay/bridge/home.h"
#include "relay/bridge/hosts_inquiries.h"
#include "relay/bridge/ledger.h"
#include "relay/bridge/seal.h"
#include "relay/bridge/sent.h"
#include "relay/redis/redis.h"
#include "shm/counters.h"
#include "shm/interest.h"

#define HOSTS_REFUSED	64	/* gaps that cannot be told, each time: where
				 * they go one Redis of several is away */

static void
hosts_word_put(struct buf *b, uint64_t v)
{
	unsigned i;

	for (i = 0; i < 8; i++)
		buf_byte(b, (uint8_t)(v >> 8 * i));
}

struct slice
hosts_channel(struct buf *b, struct slice prefix, struct slice nsp,
    struct slice key)
{
	buf_reset(b);
	buf_slice(b, prefix);
	buf_str(b, "to:");
	buf_u64(b, nsp.n);
	buf_byte(b, ':');
	buf_slice(b, nsp);
	buf_byte(b, ':');
	buf_slice(b, key);
	return (buf_unread(b));
}

static bool
hosts_encode(struct hosts *s, const struct bus_envelope *e, bool several)
{
	struct ledger *l = s->p.home->ledger;

	if (sent_left_some(s->sent))
		l->epoch++;
	buf_reset(&s->message);
	buf_append(&s->message, hosts_mark, sizeof hosts_mark);
	hosts_word_put(&s->message, s->p.home->node_id);
	hosts_word_put(&s->message, l->epoch);
	hosts_word_put(&s->message, ledger_number(l, several ||
	    seal_is_asked_for(s->p.seal)));
	if (!s->message.oom && bus_encode(&s->message, e) &&
	    seal_put(s->p.seal, slice_str(s->p.home->conf->redis.prefix),
	    &s->message))
		return (true);
	if (s->message.oom)
		counter_add(COUNTER_memory_failures, 1);
	s->message.oom = false;
	return (false);
}

static void
hosts_send(struct hosts *s, const struct bus_envelope *e, struct slice nsp,
    enum interest_kind kind, struct slice name)
{
	const struct bus_audience *to = &e->publish.to;
	struct sent_message m = { .nsp = nsp, .name = name,
		.is_volatile = (e->flags & BUS_VOLATILE) != 0,
		.is_order = e->kind != BUS_PUBLISH, .from_ms = s->gap_ms };
	char key[INTEREST_KEY_MAX];

	m.kind = kind == INTEREST_ROOM ? GAP_ROOM :
	    kind == INTEREST_USER ? GAP_USER : GAP_NAMESPACE;
	/* for one session alone, others have missed nothing */
	if (kind == INTEREST_NAMESPACE && e->kind == BUS_PUBLISH &&
	    to->nsids == 1 && to->nrooms + to->nusers == 0) {
		m.kind = GAP_SID;
		m.name = to->sids[0];
	}
	m.channel = hosts_channel(&s->channel,
	    slice_str(s->p.home->conf->redis.prefix), nsp,
	    interest_key(key, kind, name));
	m.payload = buf_unread(&s->message);
	if (s->channel.oom) {
		s->channel.oom = false;
		counter_add(COUNTER_memory_failures, 1);
		sent_lost(s->sent, &m);
		s->refused = true;
		return;
	}
	if (!sent_send(s->sent, &m))
		s->refused = true;
}

/* Those of a list whose keys have channels. */
static void
hosts_send_list(struct hosts *s, const struct bus_envelope *e,
    struct slice nsp, enum interest_kind kind, const struct slice *names,
    size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (names[i].n < HOSTS_KEY_MAX)
			hosts_send(s, e, nsp, kind, names[i]);
}

static void
hosts_send_in(struct hosts *s, const struct bus_envelope *e,
    const struct bus_audience *to, struct slice nsp)
{
	hosts_send_list(s, e, nsp, INTEREST_ROOM, to->rooms, to->nrooms);
	hosts_send_list(s, e, nsp, INTEREST_USER, to->users, to->nusers);
	if (hosts_has_rest(to))
		hosts_send(s, e, nsp, INTEREST_NAMESPACE, slice_of(NULL, 0));
}

static void
hosts_send_all(struct hosts *s, const struct bus_envelope *e)
{
	const struct conf_namespace *ns = s->p.home->conf->namespaces;
	struct sent_message all = { .kind = GAP_NAMESPACE,
		.from_ms = s->gap_ms,
		.is_volatile = (e->flags & BUS_VOLATILE) != 0,
		.is_order = e->kind != BUS_PUBLISH };
	const struct bus_audience *to;
	struct slice nsp;
	size_t i;

	to = hosts_whom(e, &nsp);
	if (!hosts_encode(s, e, nsp.n == 0 || hosts_is_for_several(to))) {
		all.nsp = nsp;
		sent_lost(s->sent, &all);
		s->refused = true;
		return;
	}
	if (nsp.n != 0)
		hosts_send_in(s, e, to, nsp);
	/* an order for all namespaces */
	for (i = 0; nsp.n == 0 && i < s->p.home->conf->nnamespaces; i++)
		if (!ns[i].gone)
			hosts_send_in(s, e, to, slice_of(ns[i].name,
			    ns[i].name_len));
}

/* What an inquiry leaves behind, if it is lost: whom it was for, as far as one
 * gap can say that. */
static void
hosts_missed(const struct bus_envelope *e, struct sent_message *m)
{
	const struct bus_audience *to = hosts_whom(e, &m->nsp);

	m->kind = GAP_NAMESPACE;
	if (hosts_is_for_several(to))
		return;
	if (to->nrooms == 1) {
		m->kind = GAP_ROOM;
		m->name = to->rooms[0];
	} else if (to->nusers == 1) {
		m->kind = GAP_USER;
		m->name = to->users[0];
	} else if (to->nsids == 1) {
		m->kind = GAP_SID;
		m->name = to->sids[0];
	}
}

static void
hosts_inquire(struct hosts *s, const struct bus_envelope *e)
{
	struct sent_message m = { .inquiry = e->ref,
		.channel = buf_unread(&s->asks),
		.is_volatile = (e->flags & BUS_VOLATILE) != 0,
		.is_order = e->kind != BUS_PUBLISH };

	hosts_missed(e, &m);
	if (!hosts_encode(s, e, false)) {
		sent_lost(s->sent, &m);
		return;
	}
	m.payload = buf_unread(&s->message);
	(void)sent_send(s->sent, &m);
}

/* What it says goes to others. */
static void
hosts_bare(struct bus_envelope *e, uint32_t number)
{
	e->flags &= BUS_VOLATILE | BUS_NAMED | BUS_CLOSE | BUS_RECONNECT |
	    (number == 0 ? 0 : BUS_WANT_COUNT | BUS_WANT_ANSWERS);
	e->from = 0;
	e->ref = number;
	slotset_clear(e->slots);
	if (e->kind == BUS_PUBLISH) {
		e->publish.sent_us = 0;
		if (number == 0)
			e->publish.timeout_ms = 0;
		e->publish.offset = slice_of(NULL, 0);
	}
}

void
hosts_publish(struct hosts *s, struct bus_envelope *e)
{
	uint32_t number = 0;
	struct slice nsp;

	CHECK_MAGIC(s, HOSTS_MAGIC);
	if (hosts_whom(e, &nsp) == NULL)
		return;
	if (inquiries_is_one(e))
		number = inquiries_open(s->p.inquiries, e);
	hosts_bare(e, number);
	if (number != 0)
		hosts_inquire(s, e);
	else if (e->kind != BUS_MEMBERS)
		hosts_send_all(s, e);
}

/* --- gaps -----------------------------------------------------------------*/

bool
hosts_is_settled(const struct hosts *s)
{
	CHECK_MAGIC(s, HOSTS_MAGIC);
	return (sent_is_settled(s->sent));
}

void
hosts_gap_all(struct hosts *s, uint64_t from_ms)
{
	CHECK_MAGIC(s, HOSTS_MAGIC);
	sent_gap_all(s->sent, from_ms);
}

/* LENGTH ":" NAMESPACE ":" KEY, as we have written it ourselves. */
static bool
hosts_parse(struct slice s, struct slice *nsp, struct slice *key)
{
	size_t n = 0;

	for (; s.n > 0 && s.p[0] >= '0' && s.p[0] <= '9' && n < s.n;
	    s = slice_from(s, 1))
		n = n * 10 + (size_t)(s.p[0] - '0');
	if (s.n < n + 3 || s.p[0] != ':' || s.p[n + 1] != ':')
		return (false);
	*nsp = slice_of(s.p + 1, n);
	*key = slice_from(s, n + 2);
	return (true);
}

bool
hosts_concerns(const struct hosts *s, struct slice channel, struct slice *nsp,
    struct bus_audience *to)
{
	struct slice prefix = slice_str(s->p.home->conf->redis.prefix), key;

	CHECK_MAGIC(s, HOSTS_MAGIC);
	*nsp = slice_of(NULL, 0);
	if (channel.n == 0)
		return (true);
	if (!slice_starts(channel, prefix))
		return (false);
	channel = slice_from(channel, prefix.n);
	if (slice_eq(channel, SLICE("publish")) ||
	    slice_eq(channel, SLICE("asks")))
		return (true);
	if (!slice_starts(channel, SLICE("to:")) ||
	    !hosts_parse(slice_from(channel, 3), nsp, &key))
		return (false);
	if (key.p[0] == INTEREST_ROOM)
		to->rooms[to->nrooms++] = slice_from(key, 1);
	else if (key.p[0] == INTEREST_USER)
		to->users[to->nusers++] = slice_from(key, 1);
	return (true);
}

void
hosts_tell_gaps(struct hosts *s)
{
	static struct bus_envelope e;	/* large; one at a time */
	const struct gap *g, *first = NULL;	/* that was refused */
	unsigned refused = 0;

	CHECK_MAGIC(s, HOSTS_MAGIC);
	if (sent_pauses(s->sent))
		return;
	while (refused < HOSTS_REFUSED && redis_can_publish(s->p.home->redis) &&
	    (g = sent_gap(s->sent)) != NULL && g != first) {
		s->refused = false;
		if (!gaps_publication(g, &s->words, &e))
			return;
		e.from = e.generation = 0;
		e.ref = 0;
		slotset_clear(e.slots);
		s->gap_ms = g->from_ms;
		hosts_send_all(s, &e);
		s->gap_ms = 0;
		if (!s->refused) {
			sent_drop_gap(s->sent);
			continue;
		}
		if (refused++ == 0)
			first = g;
		sent_put_off_gap(s->sent);
	}
}
