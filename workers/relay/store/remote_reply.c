/*
 * Answers and batches; see remote_reply.h.
 */
#include "relay/store/remote_reply.h"

#include "base/ascii.h"
#include "relay/redis/reply.h"
#include "relay/store/remote_script.h"
#include "relay/store/store.h"

#define PAGE_HEAD	8u	/* elements before the entries */
#define PLACE_DIGITS	15u	/* more do not fit into a number of Lua's */

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
reply_number(struct slice s, uint64_t *v)
{
	size_t i;

	*v = 0;
	if (s.n == 0 || s.n > PLACE_DIGITS)
		return (false);
	for (i = 0; i < s.n; i++) {
		if (!ascii_digit(s.p[i]))
			return (false);
		*v = *v * 10 + (uint64_t)(s.p[i] - '0');
	}
	return (true);
}

bool
remote_placed(struct slice text, struct remote_placed *p)
{
	if (!reply_word(&text, ' ', false, &p->token) ||
	    !reply_word(&text, ' ', true, &p->epoch) ||
	    !reply_is_epoch(p->epoch))
		return (false);
	p->rest = text;
	return (true);
}

bool
remote_placed_next(struct remote_placed *p, uint64_t *place, bool *was)
{
	struct slice word;

	if (!reply_word(&p->rest, ' ', true, &word))
		return (false);
	*was = word.p[0] == '-';
	return (reply_number(slice_from(word, *was), place) &&
	    (*place > 0 || !*was));
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

bool
remote_page(const struct reply *o, struct remote_page *p)
{
	uint64_t more, finished, age;
	size_t i;

	if (o->type != REPLY_ARRAY || o->n < PAGE_HEAD ||
	    (o->n - PAGE_HEAD) % 2 != 0 ||
	    o->elements[0]->type != REPLY_STRING)
		return (false);
	p->o = o;
	p->epoch = o->elements[0]->text;
	p->n = (o->n - PAGE_HEAD) / 2;
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
		if (!reply_element(o->elements[PAGE_HEAD + 2 * i], &age) ||
		    o->elements[PAGE_HEAD + 2 * i + 1]->type != REPLY_STRING)
			return (false);
	return (p->result >= BUS_STORE_OK && p->result <= BUS_STORE_EPOCH &&
	    p->first <= p->top && (p->n == 0 || (p->start > 0 &&
	    p->start + p->n - 1 <= p->top)) && (p->more ? p->n > 0 :
	    p->n == 0 || p->start + p->n - 1 == p->top));
}

struct slice
remote_page_entry(const struct remote_page *p, size_t i, uint64_t *age_ms)
{
	MUST(i < p->n && reply_element(p->o->elements[PAGE_HEAD + 2 * i],
	    age_ms));
	return (p->o->elements[PAGE_HEAD + 2 * i + 1]->text);
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

bool
remote_batch_next(struct remote_batch *b, struct slice *entry, bool *bad)
{
	uint32_t n;

	*bad = false;
	if (b->rest.n == 0)
		return (false);
	n = b->rest.n < 4 ? 0 : reply_entry_length(b->rest);
	if (n == 0 || n > b->rest.n - 4) {
		*bad = true;
		return (false);
	}
	*entry = slice_of(b->rest.p, n + 4);
	b->rest = slice_from(b->rest, n + 4);
	return (true);
}

bool
remote_entry(struct slice entry, struct slice *inside)
{
	if (entry.n < 4 || reply_entry_length(entry) != entry.n - 4)
		return (false);
	*inside = slice_from(entry, 4);
	return (true);
}
