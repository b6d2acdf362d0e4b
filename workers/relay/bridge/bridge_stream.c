/*
 * Messages of back ends that wait in a stream; see bridge.h.  One question at
 * a time: first for our place, then for entries behind it, a share at a time,
 * until there are none; and again with the next poll.
 *
 * An entry that a relay had taken when it died, and whose place it had not
 * kept, is claimed already (shm/once), and passed by.
 */
#include "relay/bridge/bridge_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "relay/redis/redis.h"
#include "shm/counters.h"
#include "shm/once.h"

#define STREAM_COUNT	"100"	/* entries of a share, and up to 9 more */
#define STREAM_BEGIN	"0-0"	/* the place before the first */
/* Bytes of a message, and of a share: what a reply may have is 1 MiB. */
#define STREAM_BODY_MAX	(768u << 10)
#define STREAM_SHARE	"262144"
#define STREAM_PAUSE	25	/* polls left out after an error: 5 s */
#define STREAM_KEPT	"604800" /* seconds that our place is kept */

enum stream_body { STREAM_NO_BODY, STREAM_TOO_LARGE };	/* see the script */

/*
 * KEYS stream; ARGV place, entries, bytes of a message, bytes of all.  Answers
 * how many entries were ever added (0: there is no stream; -1: this Redis does
 * not know, before 7), the id of the last, and {id, body} each: body is 0 where
 * there is none, 1 for too large a one.  Who may not ask for that reads nothing:
 * what was removed would not be noticed.
 */
static const char stream_script[] =
    "local added,last=-1,'' "
    "local x=redis.pcall('XINFO','STREAM',KEYS[1]) "
    "if x.err and string.find(x.err,'no such key') then added=0 "
    "elseif x.err then return x "
    "else for i=1,#x,2 do "
    "if x[i]=='entries-added' then added=x[i+1] "
    "elseif x[i]=='last-generated-id' then last=x[i+1] end end end "
    "local out,at,n,more={added,last},ARGV[1],0,true "
    "while more and #out<ARGV[2]+2 do more=false "
    "local r=redis.call('XREAD','COUNT',10,'STREAMS',KEYS[1],at) "
    "for _,e in ipairs(r and r[1][2] or {}) do local body=0 "
    "for i=1,#e[2],2 do if e[2][i]=='body' then body=e[2][i+1] end end "
    "if body~=0 and #body>tonumber(ARGV[3]) then body=1 end "
    "n=n+(body~=0 and body~=1 and #body or 0) "
    "if n>tonumber(ARGV[4]) and #out>2 then return out end "
    "out[#out+1]={e[1],body} at=e[1] more=true end end "
    "return out";

static const char stream_keys[] = { '1', '\0' };	/* how many */

static void	bridge_stream_read(struct bridge *);

/* --- our place ------------------------------------------------------------*/

/* Said once, until it works again; the counter goes on. */
static void
bridge_stream_complain(struct bridge *b, const struct reply *o)
{
	char words[REPLY_WORDS];

	counter_add(COUNTER_stream_errors, 1);
	if (b->stream.failing)
		return;
	b->stream.failing = true;
	reply_words(o, words);
	home_say(b->p.home, HOME_STREAM, slice_str(words));
}

static void
bridge_stream_on_kept(void *arg, const struct reply *o)
{
	if (o != NULL && o->type == REPLY_ERROR)
		bridge_stream_complain(arg, o);
}

static void
bridge_stream_set(struct bridge *b, const struct slice *argv, size_t n)
{
	(void)redis_command(b->p.home->redis, argv[1], argv, n,
	    bridge_stream_on_kept, b);
}

static void
bridge_stream_keep(struct bridge *b)
{
	struct bridge_stream *s = &b->stream;
	char place[BRIDGE_ID_MAX + 32], length[16];
	struct slice own[] = { SLICE("SET"), slice_str(s->own),
		{ NULL, 0 }, SLICE("EX"), SLICE(STREAM_KEPT) };
	struct slice all[] = { SLICE("SET"), slice_str(s->all), { NULL, 0 } };
	struct slice trim[] = { SLICE("XTRIM"), slice_str(b->publish),
		SLICE("MAXLEN"), SLICE("~"), { NULL, 0 } };

	(void)snprintf(place, sizeof place, "%s %" PRIu64, s->at, s->number);
	own[2] = all[2] = slice_str(place);
	(void)snprintf(length, sizeof length, "%u",
	    b->p.home->conf->redis.stream);
	trim[4] = slice_str(length);
	bridge_stream_set(b, own, nitems(own));
	bridge_stream_set(b, all, nitems(all));
	bridge_stream_set(b, trim, nitems(trim));
}

static void
bridge_stream_rest(struct bridge *b, unsigned pause)
{
	b->stream.state = STREAM_RESTS;
	b->stream.pause = pause;
}

/* Redis is away, or says no. */
static bool
bridge_stream_failed(struct bridge *b, const struct reply *o)
{
	if (o == NULL) {
		b->stream.state = STREAM_AWAY;
		return (true);
	}
	if (o->type != REPLY_ERROR)
		return (false);
	bridge_stream_complain(b, o);
	bridge_stream_rest(b, STREAM_PAUSE);
	return (true);
}

/* What is asked is sent at once, or not at all. */
static void
bridge_stream_send(struct bridge *b, const struct slice *argv, size_t n,
    struct slice key, commands_cb *cb)
{
	b->stream.state = redis_can_publish(b->p.home->redis) &&
	    redis_command(b->p.home->redis, key, argv, n, cb, b) ?
	    STREAM_ASKS : STREAM_AWAY;
}

/* ID " " NUMBER, as it was kept. */
static void
bridge_stream_place(struct bridge_stream *s, struct slice place)
{
	const uint8_t *blank = place.n == 0 ? NULL :
	    memchr(place.p, ' ', place.n);
	char number[32];

	if (blank == NULL || blank - place.p >= BRIDGE_ID_MAX)
		return;
	(void)snprintf(s->at, sizeof s->at, "%.*s", (int)(blank - place.p),
	    (const char *)place.p);
	(void)snprintf(number, sizeof number, "%.*s",
	    (int)(place.n - (size_t)(blank - place.p)), (const char *)blank);
	s->number = strtoull(number, NULL, 10);
}

static void
bridge_stream_on_all(void *arg, const struct reply *o)
{
	struct bridge *b = arg;
	struct bridge_stream *s = &b->stream;

	if (bridge_stream_failed(b, o))
		return;
	/* nobody has ever read it: from its begin */
	(void)snprintf(s->at, sizeof s->at, STREAM_BEGIN);
	s->number = 0;
	if (o->type == REPLY_STRING)
		bridge_stream_place(s, o->text);
	s->known = true;
	bridge_stream_read(b);
}

static void
bridge_stream_ask(struct bridge *b, const char *key, commands_cb *cb)
{
	struct slice argv[] = { SLICE("GET"), slice_str(key) };

	bridge_stream_send(b, argv, nitems(argv), argv[1], cb);
}

static void
bridge_stream_on_own(void *arg, const struct reply *o)
{
	struct bridge *b = arg;

	if (bridge_stream_failed(b, o))
		return;
	if (o->type == REPLY_STRING)
		bridge_stream_on_all(b, o);
	else
		bridge_stream_ask(b, b->stream.all, bridge_stream_on_all);
}

/* --- entries --------------------------------------------------------------*/

/* Not by a predecessor. */
static bool
bridge_stream_is_first(struct bridge *b, const char *id)
{
	char name[BRIDGE_ID_MAX + 16];

	(void)snprintf(name, sizeof name, "stream %s", id);
	return (once_claim(b->p.home->segment, slice_str(name),
	    home_now(b->p.home)) == ONCE_FIRST);
}

static bool
bridge_stream_entry(struct bridge *b, const struct reply *e)
{
	struct bridge_stream *s = &b->stream;

	if (e->type != REPLY_ARRAY || e->n != 2 ||
	    e->elements[0]->type != REPLY_STRING ||
	    e->elements[0]->text.n >= sizeof s->at)
		return (false);
	(void)snprintf(s->at, sizeof s->at, "%.*s",
	    (int)e->elements[0]->text.n,
	    (const char *)e->elements[0]->text.p);
	if (s->number != 0)
		s->number++;
	if (!bridge_stream_is_first(b, s->at))
		return (true);
	counter_add(COUNTER_stream_entries, 1);
	if (e->elements[1]->type == REPLY_STRING)
		bridge_take(b, e->elements[1]->text);
	else
		bridge_refuse(b, e->elements[1]->integer == STREAM_TOO_LARGE ?
		    BRIDGE_TOO_LARGE : BRIDGE_NO_BODY);
	return (true);
}

/* "MILLISECONDS-NUMBER" */
static void
bridge_stream_id(const char *text, uint64_t id[2])
{
	char *end;

	id[0] = strtoull(text, &end, 10);
	id[1] = *end == '-' ? strtoull(end + 1, NULL, 10) : 0;
}

/* What was added behind our place is not all there; whose loss it was nobody
 * knows. */
static void
bridge_stream_gap(struct bridge *b)
{
	uint64_t id[2];

	bridge_stream_id(b->stream.at, id);
	counter_add(COUNTER_stream_gaps, 1);
	b->p.gap_since(b->p.arg, id[0]);
}

/* Is our place behind its end?  That was another stream, or a part of this one
 * that Redis has lost. */
static bool
bridge_stream_is_behind(const struct bridge_stream *s, const char *last)
{
	uint64_t a[2], b[2];

	bridge_stream_id(s->at, a);
	bridge_stream_id(last, b);
	return (a[0] > b[0] || (a[0] == b[0] && a[1] > b[1]));
}

/* Nothing is to be read twice: what is there stays unread. */
static void
bridge_stream_restart(struct bridge *b, const char *last, uint64_t number)
{
	struct bridge_stream *s = &b->stream;

	bridge_stream_gap(b);
	(void)snprintf(s->at, sizeof s->at, "%s", last);
	s->number = number;
	bridge_stream_keep(b);
}

/* All that is there has been read: is it all that ever was? */
static void
bridge_stream_look(struct bridge *b, int64_t added, const char *last)
{
	struct bridge_stream *s = &b->stream;
	uint64_t n = added > 0 ? (uint64_t)added : 0;

	if (added == 0)
		last = STREAM_BEGIN;
	if (last[0] != '\0' && bridge_stream_is_behind(s, last))
		bridge_stream_restart(b, last, n);
	else if (n != 0 && s->number != n) {
		if (s->number != 0)
			bridge_stream_gap(b);
		s->number = n;
		bridge_stream_keep(b);
	}
}

/* {added, last, entry ...} */
static bool
bridge_stream_is_answer(const struct reply *o)
{
	return (o->type == REPLY_ARRAY && o->n >= 2 &&
	    o->elements[0]->type == REPLY_INTEGER &&
	    o->elements[1]->type == REPLY_STRING &&
	    o->elements[1]->text.n < BRIDGE_ID_MAX);
}

static void
bridge_stream_take(struct bridge *b, const struct reply *o)
{
	char last[BRIDGE_ID_MAX];
	size_t i;

	for (i = 2; i < o->n; i++)
		if (!bridge_stream_entry(b, o->elements[i]))
			break;
	if (i > 2)
		bridge_stream_keep(b);
	if (o->n == 2) {
		(void)snprintf(last, sizeof last, "%.*s",
		    (int)o->elements[1]->text.n,
		    (const char *)o->elements[1]->text.p);
		bridge_stream_look(b, o->elements[0]->integer, last);
	}
	if (o->n > 2 && i == o->n)
		bridge_stream_read(b);	/* there may be more */
	else
		bridge_stream_rest(b, i == o->n ? 0 : STREAM_PAUSE);
}

/* What there is no room for stays where it is. */
static void
bridge_stream_on_entries(void *arg, const struct reply *o)
{
	struct bridge *b = arg;

	CHECK_MAGIC(b, BRIDGE_MAGIC);
	if (bridge_stream_failed(b, o))
		return;
	if (!bridge_stream_is_answer(o)) {
		counter_add(COUNTER_stream_errors, 1);
		bridge_stream_rest(b, STREAM_PAUSE);
	} else if (o->n > 2 && !b->p.has_room(b->p.arg))
		bridge_stream_rest(b, 0);
	else {
		b->stream.failing = false;
		bridge_stream_take(b, o);
	}
}

static void
bridge_stream_read(struct bridge *b)
{
	char body_max[16];
	struct slice argv[] = { SLICE("EVAL"), slice_str(stream_script),
		slice_str(stream_keys), slice_str(b->publish),
		slice_str(b->stream.at),
		SLICE(STREAM_COUNT), { NULL, 0 }, SLICE(STREAM_SHARE) };
	size_t most = b->p.home->conf->message_bytes;

	/* with its seal */
	most = most < STREAM_BODY_MAX - 128 ? most + 128 : STREAM_BODY_MAX;
	(void)snprintf(body_max, sizeof body_max, "%zu", most);
	argv[6] = slice_str(body_max);
	bridge_stream_send(b, argv, nitems(argv), argv[3],
	    bridge_stream_on_entries);
}

/* --- time -----------------------------------------------------------------*/

void
bridge_stream_init(struct bridge *b)
{
	struct bridge_stream *s = &b->stream;

	s->state = b->p.home->conf->redis.stream == 0 ? STREAM_OFF : STREAM_AWAY;
	(void)snprintf(s->all, sizeof s->all, "%s:at", b->publish);
	(void)snprintf(s->own, sizeof s->own, "%s:at:%016" PRIx64, b->publish,
	    b->p.home->node_id);
}

void
bridge_ready(struct bridge *b)
{
	CHECK_MAGIC(b, BRIDGE_MAGIC);
	if (b->stream.state == STREAM_AWAY)
		bridge_poll(b);	/* at once: others may be quick */
}

void
bridge_poll(struct bridge *b)
{
	struct bridge_stream *s = &b->stream;

	CHECK_MAGIC(b, BRIDGE_MAGIC);
	if (s->state == STREAM_AWAY && redis_can_publish(b->p.home->redis))
		bridge_stream_rest(b, 0);
	if (s->state != STREAM_RESTS)
		return;
	if (s->pause > 0)
		s->pause--;
	else if (!b->p.has_room(b->p.arg))
		return;		/* they keep, there */
	else if (s->known)
		bridge_stream_read(b);
	else
		bridge_stream_ask(b, s->own, bridge_stream_on_own);
}
