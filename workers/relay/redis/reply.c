/*
 * hiredis' reader with objects of ours; see reply.h.  The only file that
 * knows hiredis, 0.13 and later: 1.0 has made tasks longer and added types,
 * which resp3.c makes those of before.
 */
#include "relay/redis/reply.h"

#include <hiredis/read.h>

#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/buf.h"
#include "proto/codec.h"
#include "relay/redis/reply_int.h"
#include "relay/redis/resp3.h"

#ifdef REDIS_REPLY_DOUBLE
#define REPLY_HIREDIS_1
typedef size_t reply_count;
#else
typedef int reply_count;
#endif

#define REPLY_LINE_MAX	(64u << 10)	/* bytes of a status or an error */
#define REPLY_BLOCK	1000		/* bytes; a small message needs no more */
/* hiredis moves what it has not parsed yet with nearly each reply: it gets no
 * more than this at once. */
#define REPLY_PIECE	4096u
#define REPLY_TAIL	16384u		/* bytes kept until the rest comes */

/* A reply and all that is in it are in blocks, which go together. */
struct reply_block {
	struct reply_block *next;	/* an older one */
	size_t		 used, cap;
	max_align_t	 bytes[];
};

struct reply_reader {
	unsigned	 magic;
#define REPLY_READER_MAGIC	0x4e91e4ad
	redisReader	*reader;
	struct resp3	 resp3;
	struct reply_limits limits;
	struct reply_block *newest;	/* of the reply that is being read */
	size_t		 elements;	/* likewise */
	size_t		 bytes;
	const char	*why;
	struct slice	 in;		/* fed and not read yet; not ours */
	struct buf	 tail;		/* before it: what is not whole */
	bool		 tail_told;	/* the reply lies there */
	bool		 flat_told;	/* and has not been freed */
	bool		 orphan;	/* to go with it */
	struct reply	 flat, flat_text[FLAT_TEXTS];	/* the reply */
	struct reply	*flat_elements[FLAT_TEXTS];
};

/* --- objects --------------------------------------------------------------*/

static struct reply_reader *
reply_reader_of(const redisReadTask *t)
{
	return (t->privdata);
}

static struct reply *
reply_parent(const redisReadTask *t)
{
	return (t->parent == NULL ? NULL : t->parent->obj);
}

/* NULL to hiredis is a lack of memory: it lets go and gives up. */
static struct reply *
reply_refuse(const redisReadTask *t, const char *why)
{
	reply_reader_of(t)->why = why;
	return (NULL);
}

/* Of the reply that is being read; NULL: no memory. */
static struct reply *
reply_room(struct reply_reader *r, size_t bytes)
{
	struct reply_block *b = r->newest;
	size_t cap = REPLY_BLOCK;
	struct reply *o;

	bytes = (bytes + alignof(max_align_t) - 1) &
	    ~(alignof(max_align_t) - 1);
	if (b == NULL || bytes > b->cap - b->used) {
		cap = bytes > cap ? bytes : cap;
		b = malloc(sizeof *b + cap);
		if (b == NULL)
			return (NULL);
		b->next = r->newest;
		b->used = 0;
		b->cap = cap;
		r->newest = b;
	}
	o = (struct reply *)(void *)((uint8_t *)b->bytes + b->used);
	b->used += bytes;
	memset(o, 0, sizeof *o);
	return (o);
}

/* By value: the reply that knows them is in one. */
static void
reply_free_blocks(struct reply_block *b)
{
	struct reply_block *next;

	for (; b != NULL; b = next) {
		next = b->next;
		free(b);
	}
}

/* An object in its place in its parent, with so many bytes behind it. */
static struct reply *
reply_make(const redisReadTask *t, enum reply_type type, size_t bytes)
{
	struct reply_reader *r = reply_reader_of(t);
	struct reply *o, *parent = reply_parent(t);

	if (bytes > r->limits.bytes - r->bytes)
		return (reply_refuse(t, "a reply is too large"));
	o = reply_room(r, sizeof *o + bytes);
	if (o == NULL)
		return (reply_refuse(t, "out of memory"));
	r->bytes += bytes;
	o->type = type;
	o->depth = parent == NULL ? 0 : parent->depth + 1;
	if (parent != NULL) {
		MUST(parent->type == REPLY_ARRAY && t->idx >= 0 &&
		    (size_t)t->idx < parent->n);
		parent->elements[t->idx] = o;
	}
	return (o);
}

static void *
reply_make_text(const redisReadTask *t, char *p, size_t n)
{
	enum reply_type type = t->type == REDIS_REPLY_ERROR ? REPLY_ERROR :
	    t->type == REDIS_REPLY_STATUS ? REPLY_STATUS : REPLY_STRING;
	struct reply *o = reply_make(t, type, n);

	if (o == NULL)
		return (NULL);
	if (n > 0)
		memcpy(o + 1, p, n);
	o->text = slice_of(o + 1, n);
	return (o);
}

static void *
reply_make_array(const redisReadTask *t, reply_count given)
{
	struct reply_reader *r = reply_reader_of(t);
	struct reply *o, *parent = reply_parent(t);
	size_t n = (size_t)given;

	if (parent != NULL && parent->depth + 1 >= r->limits.depth)
		return (reply_refuse(t, "a reply is too deep"));
	if (n > r->limits.elements - r->elements)
		return (reply_refuse(t, "a reply has too many elements"));
	o = reply_make(t, REPLY_ARRAY, n * sizeof *o->elements);
	if (o == NULL)
		return (NULL);
	r->elements += n;
	o->elements = (struct reply **)(void *)(o + 1);
	memset(o->elements, 0, n * sizeof *o->elements);
	o->n = n;
	return (o);
}

static void *
reply_make_integer(const redisReadTask *t, long long value)
{
	struct reply *o = reply_make(t, REPLY_INTEGER, 0);

	if (o != NULL)
		o->integer = value;
	return (o);
}

static void *
reply_make_nil(const redisReadTask *t)
{
	return (reply_make(t, REPLY_NIL, 0));
}

/* hiredis gives up a reply that is not whole: the reader's blocks. */
static void
reply_let_go(void *object)
{
	(void)object;
}

#ifdef REPLY_HIREDIS_1
/* Of RESP3: they do not come here. */
static void *
reply_make_double(const redisReadTask *t, double value, char *p, size_t n)
{
	(void)value;
	return (reply_make_text(t, p, n));
}

static void *
reply_make_bool(const redisReadTask *t, int value)
{
	return (reply_make_integer(t, value));
}
#endif

static redisReplyObjectFunctions reply_functions = {
	.createString = reply_make_text,
	.createArray = reply_make_array,
	.createInteger = reply_make_integer,
	.createNil = reply_make_nil,
	.freeObject = reply_let_go,
#ifdef REPLY_HIREDIS_1
	.createDouble = reply_make_double,
	.createBool = reply_make_bool,
#endif
};

void
reply_free(struct reply **op)
{
	struct reply *o = *op;
	struct reply_reader *r;

	*op = NULL;
	if (o == NULL)
		return;
	MUST(o->depth == 0);
	if (o->blocks != NULL) {
		reply_free_blocks(o->blocks);
		return;
	}
	r = container_of(o, struct reply_reader, flat);
	CHECK_MAGIC(r, REPLY_READER_MAGIC);
	r->flat_told = false;
	if (r->orphan)
		reply_reader_free(&r);
}

bool
reply_is_error(const struct reply *o, struct slice word)
{
	return (o->type == REPLY_ERROR && slice_starts(o->text, word) &&
	    (o->text.n == word.n || o->text.p[word.n] == ' '));
}

void
reply_words(const struct reply *o, char out[REPLY_WORDS])
{
	size_t i;
	uint8_t c;

	for (i = 0; i < o->text.n && i < REPLY_WORDS - 1; i++) {
		c = o->text.p[i];
		out[i] = c < ' ' || c > '~' || c == '"' || c == '\\' ? '?' :
		    (char)c;
	}
	out[i] = '\0';
}

/* --- the reader -----------------------------------------------------------*/

struct reply_reader *
reply_reader_new(const struct reply_limits *limits)
{
	struct reply_reader *r = calloc(1, sizeof *r);

	if (r == NULL)
		return (NULL);
	r->magic = REPLY_READER_MAGIC;
	r->limits = *limits;
	buf_init(&r->tail);
	r->reader = redisReaderCreateWithFunctions(&reply_functions);
	if (r->reader == NULL) {
		free(r);
		return (NULL);
	}
	r->reader->privdata = r;
	return (r);
}

void
reply_reader_free(struct reply_reader **rp)
{
	struct reply_reader *r = *rp;

	if (r == NULL)
		return;
	*rp = NULL;
	CHECK_MAGIC(r, REPLY_READER_MAGIC);
	r->orphan = r->flat_told;
	if (r->orphan)
		return;
	redisReaderFree(r->reader);
	reply_free_blocks(r->newest);
	buf_fini(&r->tail);
	r->magic = 0;
	free(r);
}

void
reply_reader_limit(struct reply_reader *r, const struct reply_limits *limits)
{
	CHECK_MAGIC(r, REPLY_READER_MAGIC);
	r->limits = *limits;
}

const char *
reply_why(const struct reply_reader *r)
{
	return (r->why == NULL ? "nonsense" : r->why);
}

/*
 * What is not whole yet is in no object: it is bounded here.  A line has no
 * length before it, and the reader looks for its end from the start each time.
 */
static bool
reply_may_wait(struct reply_reader *r)
{
	const redisReader *hi = r->reader;
	size_t n = hi->len - hi->pos;

	if (n > r->limits.bytes)
		r->why = "a reply is too large";
	else if (n > REPLY_LINE_MAX &&
	    memchr(hi->buf + hi->pos, '\n', REPLY_LINE_MAX) == NULL)
		r->why = "a line without end";
	return (r->why == NULL);
}

/* --- what lies there whole ------------------------------------------------*/

/* Nothing of a reply is in hiredis or on the way there. */
static bool
reply_at_rest(const struct reply_reader *r)
{
	return (r->resp3.state == RESP3_TYPE &&
	    r->reader->pos == r->reader->len && r->reader->ridx == -1);
}

/* As hiredis would make it; false: let that refuse it. */
static bool
reply_make_flat(struct reply_reader *r, const struct flat *f)
{
	size_t bytes = f->n * sizeof(struct reply *);
	unsigned i;

	for (i = 0; i < f->n; i++)
		bytes += f->text[i].n;
	if (bytes > r->limits.bytes || f->n > r->limits.elements)
		return (false);
	for (i = 0; i < f->n; i++) {
		r->flat_text[i] = (struct reply){ .type = REPLY_STRING,
			.depth = 1, .text = f->text[i] };
		r->flat_elements[i] = &r->flat_text[i];
	}
	r->flat = (struct reply){ .type = REPLY_ARRAY,
		.elements = r->flat_elements, .n = f->n };
	r->flat_told = true;
	return (true);
}

enum reply_flat {
	REPLY_IS_FLAT,		/* and in r->flat */
	REPLY_WAITS,		/* for more bytes */
	REPLY_IS_OTHER,		/* hiredis is to look */
	REPLY_SHORT		/* of memory */
};

/* What began before, and how it goes on. */
static enum reply_flat
reply_next_tail(struct reply_reader *r)
{
	size_t had = r->tail.wpos, more = REPLY_TAIL + 1 - had;
	struct flat f;
	ssize_t n;

	more = more < r->in.n ? more : r->in.n;
	buf_append(&r->tail, r->in.p, more);
	if (r->tail.oom)
		return (REPLY_SHORT);
	n = flat_take(buf_unread(&r->tail), &f);
	if (n > 0 && reply_make_flat(r, &f)) {
		MUST((size_t)n > had);
		r->in = slice_from(r->in, (size_t)n - had);
		r->tail_told = true;
		return (REPLY_IS_FLAT);
	}
	r->in = slice_from(r->in, more);
	return (n == CODEC_MORE && r->in.n == 0 &&
	    r->tail.wpos <= REPLY_TAIL ? REPLY_WAITS : REPLY_IS_OTHER);
}

static enum reply_flat
reply_next_flat(struct reply_reader *r)
{
	struct flat f;
	ssize_t n;

	if (r->tail_told) {
		buf_reset(&r->tail);
		r->tail_told = false;
	}
	if (r->in.n == 0)
		return (REPLY_WAITS);
	if (r->tail.wpos > 0)
		return (reply_next_tail(r));
	n = flat_take(r->in, &f);
	if (n > 0 && reply_make_flat(r, &f)) {
		r->in = slice_from(r->in, (size_t)n);
		return (REPLY_IS_FLAT);
	}
	if (n != CODEC_MORE || r->in.n > REPLY_TAIL)
		return (REPLY_IS_OTHER);
	buf_slice(&r->tail, r->in);
	r->in.n = 0;
	return (r->tail.oom ? REPLY_SHORT : REPLY_WAITS);
}

/* --- what hiredis reads ---------------------------------------------------*/

static bool
reply_take(void *reader, struct slice in)
{
	return (redisReaderFeed(reader, (const char *)in.p, in.n) == REDIS_OK);
}

static bool
reply_give(struct reply_reader *r, struct slice in)
{
	if (!reply_may_wait(r))
		return (false);
	if (!resp3_feed(&r->resp3, in, reply_take, r->reader)) {
		r->why = "out of memory";
		return (false);
	}
	return (true);
}

/* The next piece for hiredis; a line alone, where that is the whole reply. */
static bool
reply_give_piece(struct reply_reader *r)
{
	size_t n = r->in.n < REPLY_PIECE ? r->in.n : REPLY_PIECE;
	const uint8_t *end = NULL;
	struct slice piece;

	if (r->tail.wpos > 0) {
		if (!reply_give(r, buf_unread(&r->tail)))
			return (false);
		buf_reset(&r->tail);
		return (true);
	}
	if (reply_at_rest(r) && strchr("+-:", r->in.p[0]) != NULL)
		end = memchr(r->in.p, '\n', n);
	if (end != NULL)
		n = (size_t)(end + 1 - r->in.p);
	piece = slice_of(r->in.p, n);
	r->in = slice_from(r->in, n);
	return (reply_give(r, piece));
}

int
reply_feed(struct reply_reader *r, struct slice in)
{
	CHECK_MAGIC(r, REPLY_READER_MAGIC);
	MUST(r->in.n == 0);
	r->in = in;
	return (reply_may_wait(r) ? 0 : CODEC_BAD);
}

int
reply_next(struct reply_reader *r, struct reply **op)
{
	void *got = NULL;

	CHECK_MAGIC(r, REPLY_READER_MAGIC);
	*op = NULL;
	for (;;) {
		switch (reply_at_rest(r) ? reply_next_flat(r) :
		    REPLY_IS_OTHER) {
		case REPLY_IS_FLAT:
			*op = &r->flat;
			return (1);
		case REPLY_WAITS:
			return (CODEC_MORE);
		case REPLY_SHORT:
			r->why = "out of memory";
			return (CODEC_BAD);
		case REPLY_IS_OTHER:
			break;
		}
		if (redisReaderGetReply(r->reader, &got) != REDIS_OK)
			return (CODEC_BAD);
		if (got != NULL)
			break;
		if (r->in.n == 0 && r->tail.wpos == 0)
			return (CODEC_MORE);
		if (!reply_give_piece(r))
			return (CODEC_BAD);
	}
	r->elements = r->bytes = 0;
	*op = got;
	(*op)->blocks = r->newest;
	r->newest = NULL;
	return (1);
}
