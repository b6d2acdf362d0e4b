/*
 * Long polls on a connection; see longpoll.h.
 */
#include "worker/longpoll/longpoll.h"

#include <stdlib.h>

#include "hub/client.h"
#include "worker/http/admit.h"
#include "worker/http/origin.h"
#include "worker/http/reply.h"
#include "worker/http/request.h"
#include "worker/net/conn.h"
#include "worker/worker.h"

#define LONGPOLL_WAIT_MAX	60u	/* seconds */
#define LONGPOLL_LIMIT		100u	/* events, where none is named */
#define LONGPOLL_LIMIT_MAX	1000u

/* What of a request is needed for its response. */
struct conn_poll {
	struct conn	*c;
	struct longpoll	*poll;
	bool		 head;		/* it was a HEAD */
	char		 lines[];	/* of its response, each with CRLF */
};

/* --- the query ------------------------------------------------------------- */

struct longpoll_words {
	struct longpoll_ask ask;
	uint8_t		 room[HTTP_LINE_MAX], since[HTTP_LINE_MAX];
};

/* A number within its bounds, of at most 4 digits; *v as it is where none is. */
static bool
longpoll_number(struct request *rq, const char *name, uint64_t max, uint64_t *v)
{
	uint8_t *text = rq->w->decoded;
	ssize_t i, n = http_query_get(rq->head.query, name, text);

	if (n == -1)
		return (true);
	if (n <= 0 || n > 4)
		return (false);
	for (*v = 0, i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return (false);
		*v = *v * 10 + (text[i] - '0' + 0u);
	}
	return (*v <= max);
}

/* What stands in If-None-Match, if that is one tag of ours. */
static struct slice
longpoll_seen(const struct request *rq)
{
	struct slice tag;

	if (http_field(&rq->head, "If-None-Match", &tag) != 1)
		return (slice_of(NULL, 0));
	if (slice_starts(tag, SLICE("W/")))
		tag = slice_from(tag, 2);
	if (tag.n < 2 || tag.p[0] != '"' || tag.p[tag.n - 1] != '"')
		return (slice_of(NULL, 0));
	return (slice_of(tag.p + 1, tag.n - 2));
}

static bool
longpoll_words(struct request *rq, const struct conf_namespace *ns,
    struct longpoll_words *words)
{
	struct longpoll_ask *a = &words->ask;
	struct slice query = rq->head.query;
	uint64_t wait = 0, limit = LONGPOLL_LIMIT;
	ssize_t n = http_query_next(&query, "room", words->room), m;

	if (n == -1)
		a->room = slice_str(ns->poll_room);
	else
		a->room = slice_of(words->room, n < 0 ? 0 : (size_t)n);
	m = http_query_get(rq->head.query, "since", words->since);
	a->since = slice_of(words->since, m < 0 ? 0 : (size_t)m);
	a->seen = longpoll_seen(rq);
	if (n == -2 || m == -2 || http_query_next(&query, "room",
	    rq->w->decoded) != -1 ||
	    !longpoll_number(rq, "wait", LONGPOLL_WAIT_MAX, &wait) ||
	    !longpoll_number(rq, "limit", LONGPOLL_LIMIT_MAX, &limit) ||
	    limit == 0)
		return (false);
	a->wait_ms = wait * 1000;
	a->limit = (unsigned)limit;
	return (true);
}

/* --- the request ----------------------------------------------------------- */

static struct conn_poll *
longpoll_remember(struct request *rq)
{
	char name[TRACE_LINE_MAX];
	const char *cors = rq->lines == NULL ? "" : rq->lines;
	const char *trace = trace_line(&rq->trace, name);
	size_t n = strlen(cors), m = strlen(trace);
	struct conn_poll *cp = malloc(sizeof *cp + n + m + 1);

	if (cp == NULL)
		return (NULL);
	cp->c = rq->c;
	cp->poll = NULL;
	cp->head = rq->head.method == HTTP_HEAD;
	memcpy(cp->lines, cors, n);
	memcpy(cp->lines + n, trace, m + 1);
	return (cp);
}

static void
longpoll_begin(struct request *rq, const struct longpoll_ask *ask,
    struct admission *adm)
{
	struct conn_poll *cp = longpoll_remember(rq);

	if (cp == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		reply_no_memory(rq);
		return;
	}
	cp->poll = longpoll_open(rq->w->hub, adm, ask, cp);
	if (cp->poll == NULL) {
		free(cp);
		reply_error(rq, 503, "unavailable",
		    "what was kept cannot be read now");
		return;
	}
	rq->c->polled = cp;
	reply_hold(rq, CONN_POLL);
}

static bool
longpoll_target(struct request *rq, struct client_request *cr,
    struct longpoll_words *words)
{
	if (!admit_target(rq, cr) || !cr->ns->poll) {
		admit_refuse(rq, COUNTER_refused_handshake, "not_found");
		reply_error(rq, 404, "not_found", cr->ns == NULL ?
		    "no such namespace" : "this namespace has no long polls");
		return (false);
	}
	if (longpoll_words(rq, cr->ns, words))
		return (true);
	admit_refuse(rq, COUNTER_refused_handshake, "bad_request");
	reply_error(rq, 400, "bad_request", "the query is no good: "
	    "room=ROOM[&since=EPOCH:OFFSET&wait=0..60&limit=1..1000]");
	return (false);
}

void
longpoll_serve(struct request *rq)
{
	static struct longpoll_words words;	/* large; one at a time */
	struct client_request cr = { .polls = true, .once = true };
	struct admission adm = { .who = NULL };
	bool keep_alive = rq->keep_alive;
	struct refusal refusal;

	if (origin_lines(rq))
		return;
	if (rq->head.method == HTTP_OPTIONS) {
		reply_send(rq, 204, NULL, slice_of(NULL, 0), rq->row->allow);
		return;
	}
	if (!longpoll_target(rq, &cr, &words))
		return;
	if (!origin_asks(rq) || !admit_asks(rq, &cr))
		return;
	rq->keep_alive = keep_alive;
	if (longpoll_admit(rq->w->hub, &cr, &words.ask, &adm, &refusal))
		longpoll_begin(rq, &words.ask, &adm);
	else
		admit_refused(rq, &refusal, admission_user(&adm));
	admission_fini(&adm);
}

/* --- the response ---------------------------------------------------------- */

void
longpoll_answered(void *worker, void *asker, const struct longpoll_answer *a)
{
	struct worker *w = worker;
	struct conn_poll *cp = asker;
	struct conn *c = cp->c;
	struct buf *b = &w->lines;

	MUST(c->w == w && c->state == CONN_POLL && c->polled == cp);
	c->polled = NULL;
	if (w->mode != WORKER_SERVING)
		reply_held_last(c);
	buf_reset(b);
	buf_str(b, "Cache-Control: private, no-cache\r\n");
	if (a->place.n != 0) {
		buf_str(b, "ETag: \"");
		buf_slice(b, a->place);
		buf_str(b, "\"\r\n");
	} else if (a->status == 503)
		buf_str(b, "Retry-After: 1\r\n");
	buf_str(b, cp->lines);
	buf_byte(b, '\0');
	if (b->oom)
		conn_abort(c, REASON_memory);
	else
		reply_held_bytes(c, a->status, a->status == 304 ? NULL :
		    "application/json", (const char *)b->data, a->body,
		    cp->head);
	free(cp);
}

void
longpoll_parting(struct conn *c)
{
	struct conn_poll *cp = c->polled;

	if (cp != NULL)
		longpoll_forget(&cp->poll);
	free(cp);
	c->polled = NULL;
	request_parting(c);
}
