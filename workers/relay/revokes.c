/*
 * See revokes.h.
 */
#include "relay/revokes.h"

#include <sys/queue.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "conf/conf.h"
#include "proto/bus.h"
#include "proto/json.h"
#include "relay/bridge/home.h"
#include "relay/bridge/seal.h"
#include "relay/redis/redis.h"
#include "relay/redis/reply.h"
#include "shm/counters.h"
#include "shm/table_revoked.h"
#include "sys/log.h"

#define REVOKES_PAGE	500u	/* members that are asked for at once */
#define REVOKES_OPEN	4096u	/* on their way */
#define REVOKES_BEAT	256u	/* told again, at most, in a beat */
#define REVOKES_PLACES	65536u	/* of the table that a beat looks at */
#define REVOKES_READ	60u	/* beats from one reading to the next: Redis may
				 * have lost what it had */
#define REVOKES_PAUSE	30u	/* beats, when Redis does not take them */

/* One on its way to other hosts. */
struct revokes_sent {
	LIST_ENTRY(revokes_sent) link;
	struct revokes	*all;
	unsigned	 slot;		/* who has asked; 0: nobody */
	uint32_t	 ref;
	unsigned	 waits;		/* for replies */
	bool		 failed;
	uint32_t	 hosts;		/* others that have heard */
	struct revocation r;
	uint8_t		 name[REVOKED_NAME_MAX];
};

struct revokes {
	unsigned	 magic;
#define REVOKES_MAGIC	0x4e70ce51
	struct revokes_params p;
	LIST_HEAD(, revokes_sent) open;
	unsigned	 nopen;
	struct buf	 key, channel, member, message;
	bool		 reads;		/* a page is on its way */
	uint64_t	 from_s;	/* what is in force from then on */
	uint32_t	 read;		/* members so far */
	uint32_t	 at;		/* where telling has got to */
	unsigned	 beats;		/* since it was read */
	unsigned	 pause;		/* beats */
	bool		 full;		/* it was said */
};

static uint64_t
revokes_now_s(void)
{
	return (wall_now().ms / 1000);
}

/* --- members ---------------------------------------------------------------*/

/* Sealed; empty: there is no memory, or no secret. */
static struct slice
revokes_write(struct revokes *s, struct buf *b, const struct revocation *r,
    uint32_t grace, struct slice reason)
{
	buf_reset(b);
	buf_printf(b, "%c %" PRIu32 " %" PRIu32 " ", grace != 0 ? 'g' :
	    r->kind == REVOKED_USER ? 'u' : 't', r->moment, r->until);
	if (grace != 0)
		buf_printf(b, "%" PRIu32 " ", grace);
	buf_slice(b, r->name);
	if (reason.n != 0) {
		buf_byte(b, '\n');
		buf_slice(b, reason);
	}
	if (!b->oom && seal_put(s->p.seal, buf_unread(&s->key), b))
		return (buf_unread(b));
	b->oom = false;
	return (slice_of(NULL, 0));
}

/* A number of seconds and the blank behind it. */
static bool
revokes_take_number(struct slice *m, uint32_t *n)
{
	uint64_t v = 0;
	size_t i;

	for (i = 0; i < m->n && m->p[i] >= '0' && m->p[i] <= '9'; i++) {
		v = v * 10 + (m->p[i] - '0');
		if (v > UINT32_MAX)
			return (false);
	}
	if (i == 0 || i == m->n || m->p[i] != ' ')
		return (false);
	*n = (uint32_t)v;
	*m = slice_from(*m, i + 1);
	return (true);
}

/* What stands behind the name; false: it is no text. */
static bool
revokes_take_reason(struct slice *m, struct slice *reason)
{
	const uint8_t *end = m->n == 0 ? NULL : memchr(m->p, '\n', m->n);
	struct slice v;

	*reason = slice_of(NULL, 0);
	if (end == NULL)
		return (true);
	*reason = slice_from(*m, (size_t)(end - m->p) + 1);
	m->n = (size_t)(end - m->p);
	return (json_value(*reason, &v) == (ssize_t)reason->n &&
	    json_type(v) == JSON_STRING);
}

/* Anybody may have said it. */
static bool
revokes_parse(const struct revokes *s, struct slice m, struct revocation *r,
    uint32_t *grace, struct slice *reason)
{
	char kind;

	*grace = 0;
	if (!seal_take(s->p.seal, buf_unread(&s->key), &m))
		return (false);
	kind = m.n < 2 ? '\0' : (char)m.p[0];
	if ((kind != 'u' && kind != 't' && kind != 'g') || m.p[1] != ' ')
		return (false);
	r->kind = kind == 't' ? REVOKED_TOKEN : REVOKED_USER;
	m = slice_from(m, 2);
	if (!revokes_take_number(&m, &r->moment) ||
	    !revokes_take_number(&m, &r->until) ||
	    (kind == 'g' && !revokes_take_number(&m, grace)) ||
	    !revokes_take_reason(&m, reason))
		return (false);
	r->name = m;
	return (r->until != 0 && m.n != 0 && m.n <= REVOKED_NAME_MAX &&
	    (r->kind == REVOKED_USER || r->moment == 0));
}

/* --- from other hosts ------------------------------------------------------*/

static void
revokes_say_full(struct revokes *s, bool full)
{
	if (full && !s->full)
		log_warnx("revocations_full hint=\"raise shm revocations\"");
	s->full = full;
}

static void
revokes_tell_workers(struct revokes *s, const struct revocation *r,
    uint32_t grace, struct slice reason)
{
	struct bus_envelope e;

	*bus_revoke(&e) = (struct bus_revoke){ .what = r->kind,
		.name = r->name, .moment = r->moment, .until = r->until,
		.grace = grace, .reason = reason };
	s->p.to_workers(s->p.arg, &e);
}

/* False: there was no room. */
static bool
revokes_take(struct revokes *s, struct slice member)
{
	struct revocation r, is;
	enum revoked_put put;
	struct slice reason;
	uint32_t grace;

	if (!revokes_parse(s, member, &r, &grace, &reason)) {
		counter_add(COUNTER_far_bad, 1);
		return (true);
	}
	if (r.until < revokes_now_s())
		return (true);
	is = r;
	put = revoked_put(s->p.segment, 0, &is, revokes_now_s());
	if (put == REVOKED_FULL) {
		revokes_say_full(s, true);
		return (false);
	}
	if (put == REVOKED_NEW) {
		counter_add(COUNTER_revocations_heard, 1);
		revokes_tell_workers(s, &is, grace, reason);
	}
	/* unless ours was later, which they have to know */
	if (is.moment == r.moment && is.until == r.until)
		revoked_tell(s->p.segment, &r);
	return (true);
}

static void
revokes_on_message(void *arg, struct slice channel, struct slice payload)
{
	struct revokes *s = arg;

	(void)channel;
	CHECK_MAGIC(s, REVOKES_MAGIC);
	(void)revokes_take(s, payload);
}

/* --- reading ---------------------------------------------------------------*/

static void revokes_on_page(void *arg, const struct reply *);

/* Those that are in force longest first: what is over meanwhile was behind. */
static void
revokes_read_on(struct revokes *s)
{
	char from[24], offset[24], n[24];
	struct slice argv[] = { SLICE("ZREVRANGEBYSCORE"),
		buf_unread(&s->key), SLICE("+inf"), { NULL, 0 },
		SLICE("LIMIT"), { NULL, 0 }, { NULL, 0 } };

	(void)snprintf(from, sizeof from, "%" PRIu64, s->from_s);
	(void)snprintf(offset, sizeof offset, "%" PRIu32, s->read);
	(void)snprintf(n, sizeof n, "%u", REVOKES_PAGE);
	argv[3] = slice_str(from);
	argv[5] = slice_str(offset);
	argv[6] = slice_str(n);
	s->reads = redis_command(s->p.redis, argv[1], argv, nitems(argv),
	    revokes_on_page, s);
}

/* Hosts add one each, and orders about the same are several. */
static bool
revokes_is_too_much(const struct revokes *s)
{
	return (s->read > 8 * revoked_room(s->p.segment) + REVOKES_PAGE);
}

static void
revokes_on_page(void *arg, const struct reply *o)
{
	struct revokes *s = arg;
	bool room = true;
	size_t i;

	CHECK_MAGIC(s, REVOKES_MAGIC);
	s->reads = false;
	if (o == NULL || o->type != REPLY_ARRAY) {
		s->pause = o == NULL ? 0 : REVOKES_PAUSE;
		s->beats = REVOKES_READ;
		return;
	}
	for (i = 0; i < o->n; i++)
		if (o->elements[i]->type == REPLY_STRING)
			room &= revokes_take(s, o->elements[i]->text);
	s->read += (uint32_t)o->n;
	if (o->n == REVOKES_PAGE && room && !revokes_is_too_much(s)) {
		revokes_read_on(s);
		return;
	}
	if (o->n == REVOKES_PAGE)
		log_warnx("revocations_unread read=%" PRIu32 " hint=\"raise shm "
		    "revocations\"", s->read);
	else if (room)
		revokes_say_full(s, false);
}

/* Where nobody says who he is, nobody can be revoked; Redis' user need not have
 * the rights. */
static bool
revokes_matter(const struct revokes *s)
{
	const struct conf *conf = s->p.home->conf;
	size_t i;

	for (i = 0; i < conf->nlistens; i++)
		if (conf->listens[i].client_verify != CONF_CLIENT_OFF)
			return (true);
	return (conf->jwt.enabled);
}

static void
revokes_read(struct revokes *s)
{
	s->beats = 0;
	if (!revokes_matter(s))
		return;
	/* what Redis has, it says */
	revoked_untell(s->p.segment);
	s->from_s = revokes_now_s();
	s->read = 0;
	revokes_read_on(s);
}

void
revokes_ready(struct revokes *s)
{
	CHECK_MAGIC(s, REVOKES_MAGIC);
	s->pause = 0;
	if (!s->reads)
		revokes_read(s);
}

/* --- to other hosts --------------------------------------------------------*/

static void
revokes_end(struct revokes_sent *o)
{
	struct revokes *s = o->all;

	if (o->failed)
		s->pause = REVOKES_PAUSE;
	else {
		counter_add(COUNTER_revocations_told, 1);
		revoked_tell(s->p.segment, &o->r);
	}
	if (o->slot != 0)
		s->p.ordered(s->p.arg, o->slot, o->ref, o->hosts, o->failed);
	LIST_REMOVE(o, link);
	s->nopen--;
	free(o);
}

static void
revokes_replied(struct revokes_sent *o, bool ok)
{
	o->failed |= !ok;
	if (--o->waits == 0)
		revokes_end(o);
}

static void
revokes_on_kept(void *arg, const struct reply *o)
{
	revokes_replied(arg, o != NULL && o->type == REPLY_INTEGER);
}

/* This host is one of those that listen. */
static void
revokes_on_published(void *arg, const struct reply *o)
{
	struct revokes_sent *sent = arg;
	bool ok = o != NULL && o->type == REPLY_INTEGER;

	if (ok && o->integer > 1)
		sent->hosts = (uint32_t)(o->integer - 1);
	revokes_replied(sent, ok);
}

static struct revokes_sent *
revokes_sent_new(struct revokes *s, const struct revocation *r)
{
	struct revokes_sent *o;

	if (s->nopen >= REVOKES_OPEN || (o = calloc(1, sizeof *o)) == NULL)
		return (NULL);
	o->all = s;
	memcpy(o->name, r->name.p, r->name.n);
	o->r = *r;
	o->r.name = slice_of(o->name, r->name.n);
	LIST_INSERT_HEAD(&s->open, o, link);
	s->nopen++;
	return (o);
}

/* It is kept first: whoever comes later reads it.  false: it is not on its way,
 * and nobody is told. */
static bool
revokes_send(struct revokes *s, const struct revocation *r, uint32_t grace,
    struct slice reason, unsigned slot, uint32_t ref)
{
	struct slice m = revokes_write(s, &s->member, r, 0,
	    slice_of(NULL, 0)), argv[4];
	struct slice told = revokes_write(s, &s->message, r, grace, reason);
	struct revokes_sent *o;
	char until[16];

	if (m.n == 0 || told.n == 0 || !redis_can_publish(s->p.redis) ||
	    (o = revokes_sent_new(s, r)) == NULL)
		return (false);
	o->slot = slot;
	o->ref = ref;
	o->waits = 3;
	(void)snprintf(until, sizeof until, "%" PRIu32, r->until);
	argv[0] = SLICE("ZADD");
	argv[1] = buf_unread(&s->key);
	argv[2] = slice_str(until);
	argv[3] = m;
	if (!redis_command(s->p.redis, argv[1], argv, nitems(argv),
	    revokes_on_kept, o))
		revokes_replied(o, false);
	if (!redis_publish(s->p.redis, buf_unread(&s->channel), told,
	    revokes_on_published, o))
		revokes_replied(o, false);
	revokes_replied(o, true);
	return (true);
}

void
revokes_order(struct revokes *s, const struct bus_envelope *e)
{
	const struct bus_revoke *b = &e->revoke;
	struct revocation r = { .kind = (enum revoked_kind)b->what,
		.name = b->name, .moment = (uint32_t)b->moment,
		.until = (uint32_t)b->until };
	unsigned slot = (e->flags & BUS_WANT_COUNT) != 0 ? e->from : 0;
	uint32_t grace = (uint32_t)b->grace;

	CHECK_MAGIC(s, REVOKES_MAGIC);
	if (r.name.n == 0 || r.name.n > REVOKED_NAME_MAX)
		return;
	if (b->grace > UINT32_MAX || r.kind != REVOKED_USER)
		grace = 0;
	if (!revokes_send(s, &r, grace, b->reason, slot, e->ref) && slot != 0)
		s->p.ordered(s->p.arg, slot, e->ref, 0, true);
}

/* --- the clock -------------------------------------------------------------*/

static void
revokes_sweep(struct revokes *s)
{
	char until[24];
	struct slice argv[] = { SLICE("ZREMRANGEBYSCORE"),
		buf_unread(&s->key), SLICE("-inf"), { NULL, 0 } };

	/* other hosts' clocks may be late */
	(void)snprintf(until, sizeof until, "%" PRIu64,
	    revokes_now_s() - 3600);
	argv[3] = slice_str(until);
	(void)redis_command(s->p.redis, argv[1], argv, nitems(argv), NULL,
	    NULL);
}

/* Those that nobody has told, or not as they are now. */
static void
revokes_tell(struct revokes *s)
{
	uint32_t places = revoked_places(s->p.segment);
	struct revoked_entry e;
	unsigned n = 0;

	if (places > REVOKES_PLACES)
		places = REVOKES_PLACES;
	while (n < REVOKES_BEAT && revoked_next_in(s->p.segment, &s->at,
	    &places, revokes_now_s(), &e))
		if (!e.told) {
			if (!revokes_send(s, &e.r, 0, slice_of(NULL, 0), 0,
			    0))
				return;
			n++;
		}
}

void
revokes_beat(struct revokes *s)
{
	CHECK_MAGIC(s, REVOKES_MAGIC);
	if (s->reads || !redis_can_publish(s->p.redis) || s->nopen != 0)
		return;
	if (s->pause > 0) {
		s->pause--;
		return;
	}
	if (++s->beats > REVOKES_READ) {
		revokes_read(s);
		if (s->reads)
			revokes_sweep(s);
	} else if (revoked_any(s->p.segment))
		revokes_tell(s);
}

/* --- birth and death -------------------------------------------------------*/

struct revokes *
revokes_new(const struct revokes_params *p)
{
	struct revokes *s = calloc(1, sizeof *s);

	if (s == NULL)
		return (NULL);
	s->magic = REVOKES_MAGIC;
	s->p = *p;
	LIST_INIT(&s->open);
	buf_init(&s->key);
	buf_init(&s->channel);
	buf_init(&s->member);
	buf_init(&s->message);
	buf_str(&s->key, p->prefix);
	buf_str(&s->key, "revoked");
	buf_str(&s->channel, p->prefix);
	buf_str(&s->channel, "revocations");
	if (s->key.oom || s->channel.oom || !redis_subscribe(p->redis,
	    buf_unread(&s->channel), revokes_on_message, s))
		revokes_free(&s);
	return (s);
}

void
revokes_free(struct revokes **sp)
{
	struct revokes *s = *sp;
	struct revokes_sent *o;

	if (s == NULL)
		return;
	*sp = NULL;
	CHECK_MAGIC(s, REVOKES_MAGIC);
	redis_unsubscribe(s->p.redis, buf_unread(&s->channel));
	while ((o = LIST_FIRST(&s->open)) != NULL) {
		LIST_REMOVE(o, link);
		free(o);
	}
	buf_fini(&s->key);
	buf_fini(&s->channel);
	buf_fini(&s->member);
	buf_fini(&s->message);
	s->magic = 0;
	free(s);
}
