/*
 * A stream's queue; see lane.h.  Called by stream.c.
 */
#include "relay/stream/lane.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"
#include "shm/counters.h"

#define LANE_BATCH	128u		/* entries of one script */
#define LANE_BATCH_BYTES (512u << 10)	/* ... or one that is larger */
#define LANE_AGAIN_MS	1000u		/* what was refused */
#define LANE_HEAD	8u		/* arguments before the entries */

struct lane_flight {
	struct lane	*lane;		/* NULL: it went astray, */
	struct lane_flight *next;	/* ... as did this one */
};

/*
 * KEYS: the stream, taken.  ARGV: source, epoch, how many are kept; then of
 * each entry its number, how many parts, and these.  Each is noted by itself: a
 * script that ends in the middle has not done what it has noted.
 */
static const char lane_script[] =
"local f=ARGV[1]..':'..ARGV[2]\n"
"local now=redis.call('TIME')[1]\n"
"local at=redis.call('HGET',KEYS[2],f)\n"
"local last=at and tonumber(string.match(at,'^%d+')) or 0\n"
"if not at then\n"
" local all=redis.call('HGETALL',KEYS[2])\n"
" for i=1,#all,2 do\n"
"  local t=tonumber(string.match(all[i+1],' (%d+)$')) or 0\n"
"  if t+86400<tonumber(now) then redis.call('HDEL',KEYS[2],all[i]) end\n"
" end\n"
"end\n"
"local i=4\n"
"while i<#ARGV do\n"
" local n=tonumber(ARGV[i+1])\n"
" if tonumber(ARGV[i])>last then\n"
"  redis.call('XADD',KEYS[1],'MAXLEN','~',ARGV[3],'*','source',ARGV[1],\n"
"   'epoch',ARGV[2],'seq',ARGV[i],unpack(ARGV,i+2,i+1+n))\n"
"  redis.call('HSET',KEYS[2],f,ARGV[i]..' '..now)\n"
" end\n"
" i=i+2+n\n"
"end\n"
"redis.call('EXPIRE',KEYS[2],172800)\n"
"return 1\n";

/* --- the queue --------------------------------------------------------------*/

bool
lane_init(struct lane *l, const char *name, uint64_t epoch,
    const struct lane_calls *calls)
{
	memset(l, 0, sizeof *l);
	l->name = strdup(name);
	l->epoch = epoch;
	l->calls = calls;
	STAILQ_INIT(&l->queue);
	buf_init(&l->key);
	buf_init(&l->taken);
	return (l->name != NULL);
}

static void
lane_drop_first(struct lane *l)
{
	struct entry *e = STAILQ_FIRST(&l->queue);

	STAILQ_REMOVE_HEAD(&l->queue, next);
	l->bytes -= e->n;
	l->n--;
	free(e);
}

void
lane_fini(struct lane *l)
{
	while (!STAILQ_EMPTY(&l->queue))
		lane_drop_first(l);
	free(l->name);
	l->name = NULL;
	free(l->flight);
	l->flight = NULL;
	buf_fini(&l->key);
	buf_fini(&l->taken);
}

void
lane_restore(struct lane *l, struct entry *e)
{
	STAILQ_INSERT_TAIL(&l->queue, e, next);
	l->bytes += e->n;
	l->n++;
}

void
lane_add(struct lane *l, struct entry *e)
{
	e->epoch = l->epoch;
	e->number = ++l->number;
	lane_restore(l, e);
}

void
lane_skip(struct lane *l)
{
	l->number++;
}

void
lane_astray(struct lane *l, struct lane_flight **list)
{
	l->flying = 0;
	l->again_ms = 0;
	if (l->flight == NULL)
		return;
	l->flight->lane = NULL;
	l->flight->next = *list;
	*list = l->flight;
	l->flight = NULL;
}

void
lane_flights_free(struct lane_flight **list)
{
	struct lane_flight *f;

	while ((f = *list) != NULL) {
		*list = f->next;
		free(f);
	}
}

/* --- answers ----------------------------------------------------------------*/

static void
lane_taken(struct lane *l)
{
	counter_add(COUNTER_backend_events, l->flying);
	for (; l->flying > 0; l->flying--) {
		if (STAILQ_FIRST(&l->queue)->asker.ref != 0)
			l->calls->done(l->calls->arg,
			    &STAILQ_FIRST(&l->queue)->asker, true);
		lane_drop_first(l);
	}
	l->again_ms = 0;
	if (l->told)
		l->calls->refused(l->calls->arg, buf_unread(&l->key), NULL);
	l->told = false;
}

/* Those who wait are told; what nobody waits for is sent again. */
static void
lane_refused(struct lane *l, const struct reply *o)
{
	struct entry_queue rest = STAILQ_HEAD_INITIALIZER(rest);
	char words[REPLY_WORDS];
	struct entry *e;

	counter_add(COUNTER_backend_errors, 1);
	for (; l->flying > 0; l->flying--) {
		e = STAILQ_FIRST(&l->queue);
		if (e->asker.ref != 0) {
			l->calls->done(l->calls->arg, &e->asker, false);
			lane_drop_first(l);
			continue;
		}
		STAILQ_REMOVE_HEAD(&l->queue, next);
		STAILQ_INSERT_TAIL(&rest, e, next);
	}
	STAILQ_CONCAT(&rest, &l->queue);
	STAILQ_CONCAT(&l->queue, &rest);
	if (!l->told) {
		reply_words(o, words);
		l->calls->refused(l->calls->arg, buf_unread(&l->key), words);
	}
	l->told = true;
}

static void
lane_on_reply(void *arg, const struct reply *o)
{
	struct lane_flight *f = arg;
	struct lane *l = f->lane;

	if (l == NULL)
		return;		/* it is freed with the others that went astray */
	l->flight = NULL;
	free(f);
	if (o == NULL)
		l->flying = 0;
	else if (o->type == REPLY_ERROR)
		lane_refused(l, o);
	else
		lane_taken(l);
}

/* --- sending ----------------------------------------------------------------*/

static size_t
lane_put_number(struct buf *b, uint64_t v)
{
	size_t at = b->wpos;

	buf_printf(b, "%" PRIu64, v);
	return (b->wpos - at);
}

/* Their numbers as text stand in b, which does not move while it has room. */
#define LANE_DIGITS	24u

static size_t
lane_put_entry(const struct entry *e, struct buf *b, struct slice *argv)
{
	size_t at = b->wpos, n = lane_put_number(b, e->number), i;

	argv[0] = slice_of(b->data + at, n);
	at = b->wpos;
	n = lane_put_number(b, e->nparts);
	argv[1] = slice_of(b->data + at, n);
	for (i = 0, at = 0; i < e->nparts; i++)
		argv[2 + i] = entry_part(e, &at);
	return (2 + e->nparts);
}

/* How many go at once: they are of one epoch. */
static unsigned
lane_share(const struct lane *l, uint64_t room)
{
	const struct entry *first = STAILQ_FIRST(&l->queue);
	uint64_t most = room / 4 < LANE_BATCH_BYTES ? room / 4 :
	    LANE_BATCH_BYTES, bytes = 0;
	const struct entry *e;
	unsigned n = 0;

	STAILQ_FOREACH(e, &l->queue, next) {
		if (n == LANE_BATCH || e->epoch != first->epoch ||
		    (n > 0 && bytes + e->n > most))
			break;
		bytes += e->n;
		n++;
	}
	return (n);
}

static bool
lane_send(struct lane *l, const struct lane_way *w, unsigned share,
    struct buf *b)
{
	static struct slice argv[LANE_HEAD + LANE_BATCH * (2 +
	    ENTRY_PARTS_MAX)];	/* large; one at a time */
	const struct entry *e = STAILQ_FIRST(&l->queue);
	size_t n = LANE_HEAD, at;
	char epoch[ENTRY_EPOCH];
	unsigned i;

	entry_epoch(epoch, e->epoch);
	if (!buf_reserve(b, (2 * (size_t)share + 1) * LANE_DIGITS))
		return (false);
	at = lane_put_number(b, w->most);
	argv[0] = SLICE("EVAL");
	argv[1] = slice_str(lane_script);
	argv[2] = SLICE("2");
	argv[3] = buf_unread(&l->key);
	argv[4] = buf_unread(&l->taken);
	argv[5] = slice_str(w->source);
	argv[6] = slice_str(epoch);
	argv[7] = slice_of(b->data, at);
	for (i = 0; i < share; i++, e = STAILQ_NEXT(e, next))
		n += lane_put_entry(e, b, argv + n);
	return (redis_command(w->redis, argv[3], argv, n, lane_on_reply,
	    l->flight));
}

static bool
lane_names(struct lane *l, const char *prefix)
{
	buf_reset(&l->key);
	buf_reset(&l->taken);
	buf_printf(&l->key, "%s%s", prefix, l->name);
	buf_printf(&l->taken, "%staken:{%s%s}", prefix, prefix, l->name);
	if (!l->key.oom && !l->taken.oom)
		return (true);
	l->key.oom = l->taken.oom = false;
	counter_add(COUNTER_memory_failures, 1);
	return (false);
}

/* There was room for it when it came, but there is another configuration. */
static void
lane_drop_large(struct lane *l, uint64_t room)
{
	const struct entry *e;

	while ((e = STAILQ_FIRST(&l->queue)) != NULL &&
	    e->n + LANE_AROUND > room) {
		counter_add(COUNTER_backend_dropped, 1);
		if (e->asker.ref != 0)
			l->calls->done(l->calls->arg, &e->asker, false);
		lane_drop_first(l);
	}
}

void
lane_turn(struct lane *l, const struct lane_way *w)
{
	unsigned share;
	struct buf b;

	if (l->flight == NULL)
		lane_drop_large(l, w->room);
	if (l->flight != NULL || l->n == 0 || w->now_ms < l->again_ms ||
	    !lane_names(l, w->prefix))
		return;
	l->flight = calloc(1, sizeof *l->flight);
	if (l->flight == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return;
	}
	l->flight->lane = l;
	if (l->told)
		l->again_ms = w->now_ms + LANE_AGAIN_MS;
	share = lane_share(l, w->room);
	buf_init(&b);
	if (lane_send(l, w, share, &b))
		l->flying = share;
	else {
		free(l->flight);
		l->flight = NULL;
	}
	buf_fini(&b);
}
