/*
 * Answers and batches; see remote_reply.h.
 */
#include "relay/store/remote_reply.h"

#include "base/ascii.h"
#include "relay/redis/reply.h"
#include "relay/store/remote_script.h"
#include "relay/store/store.h"

#define PAGE_HEAD	8u	/* elements before the entries */
#define TWIN_MAX	(STORE_EPOCH_MAX + PLACE_DIGITS + 2)
#define PLACE_DIGITS	15u	/* more do not fit into a number of Lua's */
#define VERSION_DIGITS	16u	/* up to 2^53, as a back end says it */

/* Up to the next `end', which goes as well; the last one may have none. */
static bool
reply_word(struct slice *s, char end, bool last, struct slice *word)
{
	const uint8_t *p = s->n == 0 ? NULL : memchr(s->p, end, s->n);

	if (p == NULL && (!last || s->n == 0))
		return (false);
	*word = slice_of(s->p, p == NULL ? s->n : (size_t)(p - s->p));
	*s = slice_from(*s, p == NULL ? s->n : word->n + 1);
	return (word->n != 0);
}

/* As it goes out in JSON. */
static bool
reply_is_epoch(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (!ascii_digit(s.p[i]) && !(s.p[i] >= 'a' && s.p[i] <= 'z'))
			return (false);
	return (s.n > 0 && s.n < STORE_EPOCH_MAX);
}

static bool
reply_digits(struct slice s, size_t most, uint64_t *v)
{
	size_t i;

	*v = 0;
	if (s.n == 0 || s.n > most)
		return (false);
	for (i = 0; i < s.n; i++) {
		if (!ascii_digit(s.p[i]))
			return (false);
		*v = *v * 10 + (uint64_t)(s.p[i] - '0');
	}
	return (true);
}

static bool
reply_number(struct slice s, uint64_t *v)
{
	return (reply_digits(s, PLACE_DIGITS, v));
}

bool
remote_placed(struct slice text, struct remote_placed *p)
{
	if (!reply_word(&text, ' ', false, &p->token) ||
	    !reply_word(&text, ' ', true, &p->epoch) ||
	    !reply_is_epoch(p->epoch))
		return (false);
	p->rest = text;
	p->refused = 0;
	return (true);
}

/* "~2", "~3" */
static bool
reply_refused(struct slice word, uint64_t *refused)
{
	return (reply_number(slice_from(word, 1), refused) &&
	    (*refused == BUS_STORE_GAP || *refused == BUS_STORE_EPOCH));
}

bool
remote_placed_next(struct remote_placed *p, uint64_t *place,
    struct remote_twin *twin, bool *was)
{
	struct slice word, number;

	memset(twin, 0, sizeof *twin);
	if (!reply_word(&p->rest, ' ', true, &word))
		return (false);
	*was = word.p[0] == '-';
	*place = 0;
	if (word.p[0] == '~')
		return (reply_refused(word, &p->refused));
	p->refused = BUS_STORE_FINISHED;
	word = slice_from(word, *was);
	if (!reply_word(&word, ',', true, &number) ||
	    !reply_number(number, place) || (*place == 0 && *was))
		return (false);
	if (word.n == 0)
		return (true);
	return (*place > 0 && reply_word(&word, ',', false, &twin->epoch) &&
	    reply_is_epoch(twin->epoch) && reply_number(word, &twin->place) &&
	    twin->place > 0);
}

/* Redis has numbers as integers, and what a script got from a hash as text. */
static bool
reply_element(const struct reply *o, uint64_t *v)
{
	if (o->type == REPLY_STRING)
		return (reply_number(o->text, v));
	*v = (uint64_t)o->integer;
	return (o->type == REPLY_INTEGER && o->integer >= 0);
}

/* "EPOCH:PLACE", or ":0" */
static bool
reply_journal(const struct reply *o, struct remote_twin *j)
{
	struct slice text = o->text;

	if (o->type != REPLY_STRING)
		return (false);
	if (slice_eq(text, SLICE(":0")))
		return (true);
	return (reply_word(&text, ':', false, &j->epoch) &&
	    reply_is_epoch(j->epoch) && reply_number(text, &j->place));
}

bool
remote_placed_refused(struct remote_placed *p, uint64_t *place,
    uint64_t *version, bool *full)
{
	struct slice rest = p->rest, word, number;

	*place = *version = 0;
	if (!reply_word(&rest, ' ', true, &word) ||
	    (word.p[0] != '!' && word.p[0] != '?'))
		return (false);
	p->rest = rest;
	/* what makes no sense is no room either */
	*full = word.p[0] == '?' || word.n == 1;
	word = slice_from(word, 1);
	if (!*full && (!reply_word(&word, ',', false, &number) ||
	    !reply_number(number, place) || !reply_digits(word, VERSION_DIGITS, version)))
		*full = true;
	return (true);
}

/* What both kinds begin with. */
static bool
reply_page(const struct reply *o, struct remote_page *p)
{
	uint64_t more, finished, age;
	size_t i;

	if (o->type != REPLY_ARRAY || o->n < PAGE_HEAD ||
	    o->elements[0]->type != REPLY_STRING)
		return (false);
	p->o = o;
	p->epoch = o->elements[0]->text;
	p->head = PAGE_HEAD + (o->n - PAGE_HEAD) % 2;
	p->n = (o->n - p->head) / 2;
	memset(&p->journal, 0, sizeof p->journal);
	if (p->head > PAGE_HEAD &&
	    !reply_journal(o->elements[PAGE_HEAD], &p->journal))
		return (false);
	if (!reply_is_epoch(p->epoch) ||
	    !reply_element(o->elements[1], &p->top) ||
	    !reply_element(o->elements[2], &p->first) ||
	    !reply_element(o->elements[3], &p->base) ||
	    !reply_element(o->elements[4], &p->result) ||
	    !reply_element(o->elements[5], &more) ||
	    !reply_element(o->elements[6], &p->start) ||
	    !reply_element(o->elements[7], &finished))
		return (false);
	p->more = more == 1;
	p->finished = finished == 1;
	for (i = 0; i < p->n; i++)
		if (!reply_element(o->elements[p->head + 2 * i], &age) ||
		    o->elements[p->head + 2 * i + 1]->type != REPLY_STRING)
			return (false);
	return (p->result >= BUS_STORE_OK && p->result <= BUS_STORE_EPOCH &&
	    p->first <= p->top);
}

bool
remote_page(const struct reply *o, struct remote_page *p)
{
	return (reply_page(o, p) && (p->n == 0 || (p->start > 0 &&
	    p->start + p->n - 1 <= p->top)) && (p->more ? p->n > 0 :
	    p->n == 0 || p->start + p->n - 1 == p->top));
}

bool
remote_page_keyed(const struct reply *o, struct remote_page *p)
{
	uint64_t place, before = 0;
	size_t i;

	if (!reply_page(o, p) || (p->more && p->n == 0))
		return (false);
	for (i = 0; i < p->n; i++) {
		(void)remote_page_entry(p, i, &place);
		if (place <= before || place > p->top)
			return (false);
		before = place;
	}
	return (true);
}

struct slice
remote_page_entry(const struct remote_page *p, size_t i, uint64_t *age_ms)
{
	MUST(i < p->n && reply_element(p->o->elements[p->head + 2 * i],
	    age_ms));
	return (p->o->elements[p->head + 2 * i + 1]->text);
}

bool
remote_batch(struct slice payload, struct remote_batch *b)
{
	struct slice mark, place;

	return (reply_word(&payload, ' ', false, &mark) &&
	    reply_word(&payload, ' ', false, &b->token) &&
	    reply_word(&payload, ' ', false, &b->epoch) &&
	    reply_is_epoch(b->epoch) &&
	    reply_word(&payload, '\n', false, &place) &&
	    reply_number(place, &b->place) && b->place > 0 &&
	    (b->rest = payload).n > 0);
}

static uint32_t
reply_entry_length(struct slice s)
{
	return ((uint32_t)s.p[0] | (uint32_t)s.p[1] << 8 |
	    (uint32_t)s.p[2] << 16 | (uint32_t)s.p[3] << 24);
}

/* What comes first in s; the place, and its bytes there, if it has one.  0: there is
 * none. */
static uint32_t
reply_entry(struct slice s, struct remote_twin *twin, size_t *at)
{
	struct slice rest, number;
	uint32_t n = s.n < 4 ? 0 : reply_entry_length(s);

	memset(twin, 0, sizeof *twin);
	*at = 4;
	if ((n & REMOTE_TWICE) != 0) {
		n &= ~REMOTE_TWICE;
		rest = slice_from(s, 4);
		if (rest.n > TWIN_MAX)
			rest.n = TWIN_MAX;
		if (!reply_word(&rest, ' ', false, &twin->epoch) ||
		    !reply_is_epoch(twin->epoch) ||
		    !reply_word(&rest, '\n', false, &number) ||
		    !reply_number(number, &twin->place) || twin->place == 0)
			return (0);
		*at += twin->epoch.n + number.n + 2;
	}
	return (n <= s.n - *at ? n : 0);
}

bool
remote_batch_next(struct remote_batch *b, struct slice *entry, bool *bad)
{
	struct remote_twin twin;
	size_t at;
	uint32_t n;

	*bad = false;
	if (b->rest.n == 0)
		return (false);
	n = reply_entry(b->rest, &twin, &at);
	if (n == 0) {
		*bad = true;
		return (false);
	}
	*entry = slice_of(b->rest.p, n + at);
	b->rest = slice_from(b->rest, n + at);
	return (true);
}

bool
remote_entry(struct slice entry, struct slice *inside,
    struct remote_twin *twin)
{
	size_t at;
	uint32_t n = reply_entry(entry, twin, &at);

	if (n == 0 || n + at != entry.n)
		return (false);
	*inside = slice_from(entry, at);
	return (true);
}
