/*
 * All channels of rooms, for a while; see wide.h.
 */
#include "relay/wide.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/slotset.h"
#include "relay/bridge/hosts.h"
#include "relay/local/exchange.h"
#include "relay/redis/redis.h"
#include "shm/counters.h"
#include "shm/interest.h"
#include "sys/log.h"

#define WIDE_CALM	5	/* beats without such rooms: their channels are
				 * listened to one by one, by then */

struct wide {
	unsigned	 magic;
#define WIDE_MAGIC	0x51def00d
	struct wide_params p;
	struct buf	 pattern;
	struct buf	 to;		/* what channels of rooms start with */
	bool		 full;		/* the table, now or a moment ago */
	bool		 listens;
	unsigned	 calm;
	struct mono	 since;		/* full */
};

/* The pattern has other channels too: heartbeats, presence. */
static void
wide_on_message(void *arg, struct slice channel, struct slice payload)
{
	struct wide *w = arg;

	if (slice_starts(channel, buf_unread(&w->to)))
		hosts_hear(w->p.hosts, channel, payload);
}

static uint64_t
wide_ago_ms(const struct wide *w)
{
	return ((mono_now().us - w->since.us) / 1000);
}

/* All may have missed something since then: whose rooms they are nobody
 * knows. */
static void
wide_gap(struct wide *w)
{
	exchange_gap_all(w->p.exchange, w->p.exchange->now_ms -
	    wide_ago_ms(w));
}

static void
wide_listen(struct wide *w)
{
	w->listens = redis_subscribe_all(w->p.redis, buf_unread(&w->pattern),
	    wide_on_message, w);
	counter_set(COUNTER_redis_wide, w->listens);
}

static void
wide_begin(struct wide *w)
{
	w->full = true;
	w->since = mono_now();
	wide_listen(w);
	if (w->listens) {
		log_info("redis_wide_begin why=\"the table of rooms is full\" "
		    "hint=\"raise shm rooms\"");
		return;
	}
	counter_add(COUNTER_redis_unheard, 1);
	log_warnx("redis_rooms_unheard why=\"the table of rooms is full, and "
	    "this Redis has no pattern for them\" hint=\"raise shm rooms\"");
}

static void
wide_end(struct wide *w)
{
	w->full = false;
	if (w->listens)
		redis_unsubscribe_all(w->p.redis, buf_unread(&w->pattern));
	else
		wide_gap(w);
	w->listens = false;
	counter_set(COUNTER_redis_wide, 0);
	log_info("redis_wide_end after_ms=%" PRIu64, wide_ago_ms(w));
}

/* One that has become a Cluster, or is none any more. */
static void
wide_check(struct wide *w)
{
	if (w->listens && !redis_has_patterns(w->p.redis)) {
		redis_unsubscribe_all(w->p.redis, buf_unread(&w->pattern));
		wide_begin(w);
	} else if (!w->listens) {
		wide_listen(w);
		if (w->listens)
			wide_gap(w);
	}
}

void
wide_beat(struct wide *w)
{
	uint64_t slots[2];

	CHECK_MAGIC(w, WIDE_MAGIC);
	interest_overflow(w->p.segment, slots);
	if (!slotset_empty(slots)) {
		w->calm = 0;
		if (!w->full)
			wide_begin(w);
		else
			wide_check(w);
	} else if (w->full && ++w->calm >= WIDE_CALM)
		wide_end(w);
}

bool
wide_is(const struct wide *w, struct slice channel)
{
	return (slice_eq(channel, buf_unread(&w->pattern)));
}

/* --- birth and death ------------------------------------------------------*/

/* What means something in a pattern stands for itself. */
static void
wide_escape(struct buf *b, const char *s)
{
	for (; *s != '\0'; s++) {
		if (strchr("*?[]\\", *s) != NULL)
			buf_byte(b, '\\');
		buf_byte(b, (uint8_t)*s);
	}
}

struct wide *
wide_new(const struct wide_params *p)
{
	struct wide *w = calloc(1, sizeof *w);

	if (w == NULL)
		return (NULL);
	w->magic = WIDE_MAGIC;
	w->p = *p;
	buf_init(&w->pattern);
	buf_init(&w->to);
	/* as in the list of an ACL, which has it for the exact channels */
	wide_escape(&w->pattern, p->prefix);
	buf_byte(&w->pattern, '*');
	buf_str(&w->to, p->prefix);
	buf_str(&w->to, "to:");
	counter_set(COUNTER_redis_wide, 0);
	if (w->pattern.oom || w->to.oom)
		wide_free(&w);
	return (w);
}

void
wide_free(struct wide **wp)
{
	struct wide *w = *wp;

	if (w == NULL)
		return;
	*wp = NULL;
	CHECK_MAGIC(w, WIDE_MAGIC);
	if (w->listens)
		redis_unsubscribe_all(w->p.redis, buf_unread(&w->pattern));
	buf_fini(&w->pattern);
	buf_fini(&w->to);
	w->magic = 0;
	free(w);
}
