/*
 * Event streams on a connection; see sse.h.
 */
#include "worker/sse/sse.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <bsd/stdlib.h>
#include <stdio.h>

#include "hub/client.h"
#include "worker/http/admit.h"
#include "worker/http/origin.h"
#include "worker/http/reply.h"
#include "worker/http/request.h"
#include "worker/net/conn.h"
#include "worker/worker.h"

/* A browser comes back after a time between these, not all in the same moment. */
#define SSE_RETRY_MIN_MS	1000u
#define SSE_RETRY_MAX_MS	3000u

#define SSE_LINES	"Cache-Control: no-cache, no-transform\r\n"	\
			"X-Accel-Buffering: no\r\n"

/* --- the request ----------------------------------------------------------- */

/* Names and id, decoded: they come from a request line, or a field. */
struct sse_words {
	struct sse_ask	 ask;
	size_t		 n;
	uint8_t		 bytes[2 * HTTP_LINE_MAX];
};

static bool
sse_rooms(struct sse_words *words, struct slice query)
{
	struct sse_ask *a = &words->ask;
	ssize_t n;

	while ((n = http_query_next(&query, "room", words->bytes + words->n))
	    != -1) {
		if (n < 0 || a->nrooms == SSE_ROOMS_MAX)
			return (false);
		a->rooms[a->nrooms++] = slice_of(words->bytes + words->n,
		    (size_t)n);
		words->n += (size_t)n;
	}
	return (true);
}

/* The header is newer than the query, which an event source keeps as it was.  A
 * page never hears why its event source was refused: for that it is a gap. */
static bool
sse_last(struct sse_words *words, const struct request *rq)
{
	struct sse_ask *a = &words->ask;
	ssize_t n;

	if (http_field(&rq->head, "Last-Event-ID", &a->last) != 0 &&
	    a->last.n != 0)
		return (true);
	n = http_query_filled(rq->head.query, "last_event_id",
	    words->bytes + words->n);
	a->last = slice_of(words->bytes + words->n, n < 0 ? 0 : (size_t)n);
	a->strict = n > 0 && !rq->again;
	return (n != -2);
}

static bool
sse_ask(struct request *rq, struct sse_words *words)
{
	words->ask = (struct sse_ask){ .nrooms = 0 };
	words->n = 0;
	if (sse_rooms(words, rq->head.query) && sse_last(words, rq))
		return (true);
	admit_refuse(rq, COUNTER_refused_handshake, "bad_request");
	reply_error(rq, 400, "bad_request", words->ask.nrooms ==
	    SSE_ROOMS_MAX ? "too many rooms" : "the query cannot be read");
	return (false);
}

/* --- open ------------------------------------------------------------------ */

/* Nobody answers a comment: as long without a sign of life as for a pong. */
static void
sse_watch(const struct conn *c)
{
	const struct conf *conf = c->w->conf;
	uint64_t ms = conf->ping_interval_ms + conf->ping_timeout_ms;
	unsigned timeout = ms > INT32_MAX ? INT32_MAX : (unsigned)ms;

	/* a unix socket has none */
	(void)setsockopt(c->io.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout,
	    sizeof timeout);
}

static void
sse_begin(struct request *rq, const struct sse_ask *ask,
    struct admission *adm)
{
	struct conn *c = rq->c;
	char first[32];
	int n;

	reply_stream(rq, "text/event-stream", SSE_LINES);
	if (rq->head.method == HTTP_HEAD || c->parting)
		return;
	n = snprintf(first, sizeof first, "retry: %u\n\n", SSE_RETRY_MIN_MS +
	    arc4random_uniform(SSE_RETRY_MAX_MS - SSE_RETRY_MIN_MS));
	conn_say(c, slice_of(first, (size_t)n));
	c->state = CONN_STREAM;
	sse_watch(c);
	c->client = sse_open(rq->w->hub, adm, ask, &c->outq);
	if (c->client == NULL) {
		conn_close(c, REASON_memory);
		return;
	}
	conn_record_open(c, c->client);
	conn_rearm(c);
}

static bool
sse_target(struct request *rq, struct client_request *cr)
{
	if (admit_target(rq, cr) && cr->ns->sse)
		return (true);
	admit_refuse(rq, COUNTER_refused_handshake, "not_found");
	reply_error(rq, 404, "not_found", cr->ns == NULL ?
	    "no such namespace" : "this namespace has no event streams");
	return (false);
}

void
sse_serve(struct request *rq)
{
	static struct sse_words words;	/* large; one at a time */
	struct client_request cr = { .ns = NULL };
	struct admission adm = { .who = NULL };
	struct refusal refusal;

	if (origin_lines(rq))
		return;
	if (rq->head.method == HTTP_OPTIONS) {
		reply_send(rq, 204, NULL, slice_of(NULL, 0), rq->row->allow);
		return;
	}
	if (!sse_target(rq, &cr) || !sse_ask(rq, &words))
		return;
	if (!origin_asks(rq) || !admit_asks(rq, &cr))
		return;
	if (sse_admit(rq->w->hub, &cr, &words.ask, &adm, &refusal))
		sse_begin(rq, &words.ask, &adm);
	else
		admit_refused(rq, &refusal, admission_user(&adm));
	admission_fini(&adm);
}

/* --- hands ----------------------------------------------------------------- */

/* Nothing is expected behind the request, and there is nobody for it. */
size_t
sse_input(struct conn *c, uint8_t *p, size_t n, size_t old)
{
	(void)p;
	(void)old;
	work_add(c->w->work, 1);
	if (n > HTTP_HEAD_MAX)
		conn_abort(c, REASON_http_bad);
	return (n);
}

void
sse_due(struct conn *c)
{
	client_tick(c->client);
}

/* As a Close frame would say it. */
static void
sse_say_end(struct conn *c)
{
	const struct reason_row *row = reason_row((enum reason)c->reason);
	struct buf *b = &c->w->text;

	if (c->abort || row->code == 0)
		return;
	buf_reset(b);
	buf_str(b, "event: roost:close\ndata: {\"code\":");
	buf_u64(b, row->code);
	buf_str(b, ",\"reason\":\"");
	buf_str(b, row->words);
	buf_str(b, "\"}\n\n");
	if (b->oom || !out_bytes(c->w->out, &c->outq, buf_unread(b)))
		counter_add(COUNTER_memory_failures, 1);
}

void
sse_parting(struct conn *c)
{
	sse_say_end(c);
	if (c->client != NULL)
		client_gone(&c->client, (enum reason)c->reason);
	conn_finish(c);
}
