/*
 * Publications between daemons; see hosts.h.  What comes from there is
 * checked like what comes from anybody: a frame that cannot be, or whose JSON
 * is none, is dropped and counted.
 */
#include "relay/bridge/hosts.h"

#include <sys/random.h>

#include <stdlib.h>

#include "conf/conf.h"
#include "proto/bus.h"
#include "proto/json.h"
#include "proto/offset.h"
#include "relay/redis/redis.h"
#include "shm/counters.h"
#include "shm/interest.h"
#include "shm/table_relay.h"

#define HOSTS_HEADER	24
#define HOSTS_KNOWN	256	/* relays whose last number is remembered */
/* Longer keys are not whole in the table: their rooms are reached through
 * their namespace. */
#define HOSTS_KEY_MAX	128

static const uint8_t hosts_mark[8] = "ROOST1\0";

struct hosts {
	unsigned	 magic;
#define HOSTS_MAGIC	0x4057a11c
	struct hosts_params p;
	struct interest	*interest;
	uint64_t	 relay;		/* ours: random, one per process */
	uint64_t	 number;	/* of our last publication */
	struct offset_origin origin;
	uint64_t	 offsets;	/* given so far */
	struct {
		uint64_t relay, number;
	}		 known[HOSTS_KNOWN];
	size_t		 nknown, oldest;
	struct buf	 channel, message;
};

/* --- words and channels ---------------------------------------------------*/

static void
hosts_word_put(struct buf *b, uint64_t v)
{
	unsigned i;

	for (i = 0; i < 8; i++)
		buf_byte(b, (uint8_t)(v >> 8 * i));
}

static uint64_t
hosts_word(const uint8_t *p)
{
	uint64_t v = 0;
	unsigned i;

	for (i = 8; i > 0; i--)
		v = v << 8 | p[i - 1];
	return (v);
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

/* --- out ------------------------------------------------------------------*/

static void
hosts_send(struct hosts *s, struct slice nsp, enum interest_kind kind,
    struct slice name)
{
	char key[INTEREST_KEY_MAX];
	struct slice channel;

	channel = hosts_channel(&s->channel,
	    slice_str(s->p.conf->redis.prefix), nsp,
	    interest_key(key, kind, name));
	if (s->channel.oom || s->message.oom) {
		counter_add(COUNTER_memory_failures, 1);
		return;
	}
	if (redis_publish(s->p.redis, channel, buf_unread(&s->message), NULL,
	    NULL))
		counter_add(COUNTER_far_sent, 1);
}

/* Those of a list whose keys have channels; true: some have none. */
static bool
hosts_send_list(struct hosts *s, struct slice nsp, enum interest_kind kind,
    const struct slice *names, size_t n)
{
	bool rest = false;
	size_t i;

	for (i = 0; i < n; i++)
		if (names[i].n < HOSTS_KEY_MAX)
			hosts_send(s, nsp, kind, names[i]);
		else
			rest = true;
	return (rest);
}

void
hosts_publish(struct hosts *s, struct slice frame)
{
	static struct bus_envelope e;	/* large; one at a time */
	const struct bus_audience *to = &e.publish.to;
	struct slice nsp;
	bool rest;

	CHECK_MAGIC(s, HOSTS_MAGIC);
	if (bus_decode(frame, &e) != (ssize_t)frame.n ||
	    e.kind != BUS_PUBLISH)
		return;		/* the hub's own test is as strict */
	e.flags &= BUS_VOLATILE;
	e.from = 0;
	e.publish.sent_us = e.publish.timeout_ms = 0;
	e.publish.offset = slice_of(NULL, 0);
	buf_reset(&s->message);
	buf_append(&s->message, hosts_mark, sizeof hosts_mark);
	hosts_word_put(&s->message, s->relay);
	hosts_word_put(&s->message, ++s->number);
	if (!bus_encode(&s->message, &e)) {
		counter_add(COUNTER_memory_failures, 1);
		return;
	}
	nsp = e.publish.nsp;
	rest = hosts_send_list(s, nsp, INTEREST_ROOM, to->rooms, to->nrooms);
	rest |= hosts_send_list(s, nsp, INTEREST_USER, to->users, to->nusers);
	/* whose host a sid is on nobody knows */
	if (rest || to->nsids > 0 || to->nrooms + to->nusers == 0)
		hosts_send(s, nsp, INTEREST_NAMESPACE, slice_of(NULL, 0));
}

/* --- in -------------------------------------------------------------------*/

/* It has not come before, by another of its channels. */
static bool
hosts_is_new(struct hosts *s, uint64_t relay, uint64_t number)
{
	size_t i;

	for (i = 0; i < s->nknown; i++)
		if (s->known[i].relay == relay)
			break;
	if (i == s->nknown && s->nknown < HOSTS_KNOWN)
		s->nknown++;
	else if (i == s->nknown) {
		i = s->oldest;
		s->oldest = (s->oldest + 1) % HOSTS_KNOWN;
	}
	if (s->known[i].relay == relay && number <= s->known[i].number)
		return (false);
	s->known[i].relay = relay;
	s->known[i].number = number;
	return (true);
}

static bool
hosts_is_json(struct slice s, enum json_type type)
{
	struct slice v;

	return (json_value(s, &v) == (ssize_t)s.n && json_type(v) == type);
}

/* Elements without brackets. */
static bool
hosts_are_values(struct slice s)
{
	struct slice v;
	ssize_t n;

	while (s.n > 0) {
		n = json_value(s, &v);
		if (n <= 0)
			return (false);
		s = slice_from(s, (size_t)n);
		if (s.n == 0)
			return (true);
		if (s.p[0] != ',' || s.n == 1)
			return (false);
		s = slice_from(s, 1);
	}
	return (true);
}

static const struct conf_namespace *
hosts_check(const struct hosts *s, const struct bus_envelope *e)
{
	const struct bus_publish *p = &e->publish;

	if (e->kind != BUS_PUBLISH || (e->flags & ~BUS_VOLATILE) != 0 ||
	    !hosts_is_json(p->event, JSON_STRING) ||
	    !hosts_are_values(p->args) || p->offset.n != 0 ||
	    (p->meta.n != 0 && !hosts_is_json(p->meta, JSON_OBJECT)))
		return (NULL);
	return (conf_namespace_find(s->p.conf, p->nsp));
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

static void
hosts_take(struct hosts *s, struct slice frame)
{
	static struct bus_envelope e;	/* large; one at a time */
	const struct conf_namespace *ns = NULL;
	uint8_t offset[OFFSET_MAX];
	uint64_t slots[2];
	ssize_t n = bus_decode(frame, &e);

	if (n > 0 && n == (ssize_t)frame.n && e.from == 0)
		ns = hosts_check(s, &e);
	if (ns == NULL) {
		counter_add(COUNTER_far_bad, 1);
		return;
	}
	counter_add(COUNTER_far_received, 1);
	hosts_receivers(s, (uint16_t)ns->index, &e.publish.to, slots);
	if ((slots[0] | slots[1]) == 0)
		return;
	/* an offset of this daemon, by which clients can be recovered here */
	if (s->p.conf->recovery_window_ms != 0)
		e.publish.offset = offset_make(offset, &s->origin,
		    UINT64_C(1) << 62 | ++s->offsets);
	s->p.to_workers(s->p.arg, slots, &e);
}

static void
hosts_on_message(void *arg, struct slice channel, struct slice payload)
{
	struct hosts *s = arg;
	uint64_t relay;

	(void)channel;
	if (payload.n < HOSTS_HEADER ||
	    memcmp(payload.p, hosts_mark, sizeof hosts_mark) != 0) {
		counter_add(COUNTER_far_bad, 1);
		return;
	}
	relay = hosts_word(payload.p + 8);
	if (relay != s->relay &&
	    hosts_is_new(s, relay, hosts_word(payload.p + 16)))
		hosts_take(s, slice_from(payload, HOSTS_HEADER));
}

/* --- what this host listens to --------------------------------------------*/

void
hosts_interest(struct hosts *s, const struct table_event *e)
{
	const struct conf_namespace *ns;
	struct slice channel;

	CHECK_MAGIC(s, HOSTS_MAGIC);
	if (!e->whole || e->key.n == 0 || e->key.p[0] == INTEREST_WATCH ||
	    e->ns >= s->p.conf->nnamespaces || (e->was & ANN_L) ==
	    (e->is & ANN_L))
		return;
	ns = &s->p.conf->namespaces[e->ns];
	channel = hosts_channel(&s->channel,
	    slice_str(s->p.conf->redis.prefix),
	    slice_of(ns->name, ns->name_len), e->key);
	if ((e->is & ANN_L) == 0)
		redis_unsubscribe(s->p.redis, channel);
	else if (s->channel.oom || !redis_subscribe(s->p.redis, channel,
	    hosts_on_message, s))
		counter_add(COUNTER_memory_failures, 1);
	s->channel.oom = false;
}

/* --- birth and death ------------------------------------------------------*/

struct hosts *
hosts_new(const struct hosts_params *p)
{
	struct hosts *s = calloc(1, sizeof *s);

	if (s == NULL)
		return (NULL);
	s->magic = HOSTS_MAGIC;
	s->p = *p;
	buf_init(&s->channel);
	buf_init(&s->message);
	offset_origin(&s->origin, p->node_id, 0, p->generation);
	s->interest = interest_open(p->segment, 0);
	if (s->interest == NULL || getrandom(&s->relay, sizeof s->relay, 0) !=
	    (ssize_t)sizeof s->relay)
		hosts_free(&s);
	return (s);
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
	s->magic = 0;
	free(s);
}
