/*
 * The bodies of requests: one that has come with its head is used where it was
 * read, another is collected, within the message limit.  See body.h.
 */
#include "worker/http/body_int.h"

#include <stdlib.h>

#include "worker/http/reply.h"
#include "worker/http/request.h"
#include "worker/net/conn.h"
#include "worker/worker.h"

struct slice
body_part(const struct conn *c)
{
	return (c->body == NULL ? slice_of(NULL, 0) :
	    buf_unread(&c->body->data));
}

void
body_free(struct http_body **bp)
{
	struct http_body *b;

	b = *bp;
	if (b == NULL)
		return;
	*bp = NULL;
	CHECK_MAGIC(b, HTTP_BODY_MAGIC);
	buf_fini(&b->data);
	buf_fini(&b->name);
	free(b->lines);
	b->magic = 0;
	free(b);
}

/* It is not taken. */
static void
body_refuse(struct request *rq, int status, const char *code,
    const char *why)
{
	/* RFC 9110, 15.5.16: what would have been taken */
	static const char plain[] = "Accept-Encoding: identity\r\n";

	rq->keep_alive = false;
	if (rq->row->refused != NULL) {
		rq->row->refused(rq, status, status == 415 ? plain : NULL);
		return;
	}
	if (status == 415)
		rq->lines = plain;
	reply_error(rq, status, code, why);
}

/* What it brought is lost: with its connection ends a session over polling. */
static void
body_no_memory(struct request *rq)
{
	rq->keep_alive = false;
	reply_no_memory(rq);
}

/* All of it is there: a request again, with what is left of its head. */
static void
body_done(struct conn *c, struct slice rest)
{
	struct http_body *b = c->body;
	struct request rq = { .w = c->w, .c = c, .rest = rest };

	c->body = NULL;
	rq.head.method = HTTP_POST;
	rq.head.minor = b->minor;
	rq.head.keep_alive = b->keep_alive;
	rq.keep_alive = b->keep_alive;
	rq.match.route = b->route;
	rq.key = b->key;
	rq.match.ns_name = buf_unread(&b->name);
	rq.lines = b->lines;
	rq.row = b->row;
	if (b->data.oom)
		body_no_memory(&rq);
	else
		b->row->body(&rq, buf_unread(&b->data));
	body_free(&b);
}

static void
body_too_large(struct request *rq)
{
	body_refuse(rq, 413, "too_large", "body too large");
}

static void
body_is_too_large(struct conn *c)
{
	struct http_body *b = c->body;
	struct request rq = { .w = c->w, .c = c, .lines = b->lines,
		.row = b->row };

	c->body = NULL;
	rq.head.keep_alive = true;	/* linger: it goes on sending */
	body_too_large(&rq);
	body_free(&b);
}

/* So much may still come.  Before, the limit may have been another. */
static uint64_t
body_room(const struct worker *w, const struct http_body *b)
{
	uint64_t limit = w->conf->message_bytes;

	return (b->data.wpos < limit ? limit - b->data.wpos : 0);
}

static size_t
body_chunks(struct conn *c, const uint8_t *p, size_t n)
{
	struct http_body *b = c->body;
	struct slice data;
	size_t used = 0;
	bool end = false;
	ssize_t r;

	while (!end && used < n) {
		r = http_decode_chunked(&b->pieces,
		    slice_of(p + used, n - used), &data, &end);
		/* also what its head announces, and be it beyond numbers:
		 * the answer must not depend on where the head was cut */
		if (data.n + b->pieces.left > body_room(c->w, b)) {
			body_is_too_large(c);
			return (n);
		}
		if (r == CODEC_BAD) {
			body_free(&c->body);
			reply_bad(c, 400, "bad chunked body");
			return (n);
		}
		if (r == CODEC_MORE)
			return (used);
		used += (size_t)r;
		buf_slice(&b->data, data);
	}
	if (end)
		body_done(c, slice_of(p + used, n - used));
	return (used);
}

size_t
body_input(struct conn *c, const uint8_t *p, size_t n)
{
	struct http_body *b = c->body;
	size_t take;

	CHECK_MAGIC(b, HTTP_BODY_MAGIC);
	if (b->chunked)
		return (body_chunks(c, p, n));
	take = n < b->left ? n : (size_t)b->left;
	buf_append(&b->data, p, take);
	b->left -= take;
	if (b->left == 0)
		body_done(c, slice_of(p + take, n - take));
	return (take);
}

/* Of the response, whose request is forgotten by then; false: no memory. */
static bool
body_lines(const struct request *rq, char **lines)
{
	char name[TRACE_LINE_MAX];
	struct buf b;

	buf_init(&b);
	if (rq->lines != NULL)
		buf_str(&b, rq->lines);
	buf_str(&b, trace_line(&rq->trace, name));
	buf_byte(&b, '\0');
	if (b.oom)
		buf_fini(&b);
	*lines = (char *)b.data;
	return (*lines != NULL);
}

/* What the rest of its head must not be asked for again; NULL: no memory. */
static struct http_body *
body_new(const struct request *rq)
{
	struct http_body *b;

	b = calloc(1, sizeof *b);
	if (b == NULL)
		return (NULL);
	b->magic = HTTP_BODY_MAGIC;
	b->route = rq->match.route;
	b->row = rq->row;
	b->key = rq->key;
	b->chunked = rq->head.chunked;
	b->keep_alive = rq->head.keep_alive;
	b->minor = rq->head.minor;
	b->left = (uint64_t)rq->head.content_length;
	buf_init(&b->data);
	buf_init(&b->name);
	buf_slice(&b->name, rq->match.ns_name);
	if (b->name.oom || !body_lines(rq, &b->lines))
		body_free(&b);
	return (b);
}

/* The rest of the body has yet to come: collect it. */
static void
body_collect(struct request *rq)
{
	struct worker *w = rq->w;
	struct http_body *b;

	b = body_new(rq);
	if (b == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		body_no_memory(rq);
		return;
	}
	rq->c->body = b;
	rq->c->deadline = mono_add_ms(w->now, rq->row->body_ms != NULL ?
	    rq->row->body_ms(w->conf) : w->conf->handshake_timeout_ms);
	conn_rearm(rq->c);
	if (rq->head.expect_continue && rq->rest.n == 0) {
		reply_count(100);
		conn_say(rq->c, SLICE("HTTP/1.1 100 Continue\r\n\r\n"));
	}
}

void
body_want(struct request *rq)
{
	uint64_t limit = rq->w->conf->message_bytes;
	size_t n;

	rq->keep_alive = rq->head.keep_alive;
	if (coding_of_body(&rq->head)) {
		/* no client of ours sends such, and it may be a bomb */
		body_refuse(rq, 415, "unsupported_media_type",
		    "the body must not be compressed");
		return;
	}
	if (rq->head.chunked) {
		body_collect(rq);
		return;
	}
	if (rq->head.content_length > 0 &&
	    (uint64_t)rq->head.content_length > limit) {
		body_too_large(rq);
		return;
	}
	n = rq->head.content_length > 0 ? (size_t)rq->head.content_length : 0;
	if (n > rq->rest.n) {
		body_collect(rq);
		return;
	}
	rq->body_used = n;
	rq->row->body(rq, slice_of(rq->rest.p, n));
}
