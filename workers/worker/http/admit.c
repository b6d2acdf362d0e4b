/*
 * Who may be a client, as far as HTTP tells; see admit.h.
 */
#include "worker/http/admit.h"

#include "hub/client.h"
#include "hub/session/limit.h"
#include "proto/error.h"
#include "shm/count.h"
#include "worker/http/handshakes.h"
#include "worker/http/kept.h"
#include "worker/http/refusal.h"
#include "worker/http/reply.h"
#include "worker/http/request.h"
#include "worker/net/conn.h"
#include "worker/net/tls.h"
#include "worker/worker.h"

void
admit_end(struct request *rq)
{
	rq->keep_alive = false;
	rq->head.keep_alive = true;	/* linger */
}

void
admit_refuse(struct request *rq, enum counter why, const char *code)
{
	refusal_told(rq, slice_of(NULL, 0), code);
	counter_add(why, 1);
	admit_end(rq);
}

bool
admit_origin(const struct request *rq)
{
	struct slice origin;

	switch (http_field(&rq->head, "Origin", &origin)) {
	case 0:
		return (true);	/* not a browser */
	case 1:
		return (conf_origin_allowed(rq->w->conf, origin,
		    rq->head.host, rq->from.secure));
	default:
		return (false);
	}
}

static bool
admit_too_fast(struct request *rq)
{
	admit_refuse(rq, COUNTER_refused_rate, "rate_limited");
	reply_too_many(rq, "rate_limited", "too many connects of your address",
	    limit_retry_ms(rq->w->hub));
	return (true);
}

/*
 * One more handshake, of this address and of the host; true: too many, and it
 * is told so.  An address that is too fast has no part in what is the host's,
 * and who is refused for the host's sake is not charged for it.
 */
static bool
admit_too_many(struct request *rq)
{
	uint64_t address = from_key(rq);
	unsigned seconds;

	from_watch(rq);
	if (!limit_connect_asks(rq->w->hub, address))
		return (admit_too_fast(rq));
	seconds = handshakes_wait(rq->c, address);
	if (seconds != 0) {
		admit_refuse(rq, COUNTER_refused_storm, "busy");
		reply_busy(rq, "too many handshakes", seconds);
		return (true);
	}
	/* another worker's may have come in between */
	return (!limit_connect(rq->w->hub, address) && admit_too_fast(rq));
}

static bool
admit_leaving(struct request *rq)
{
	if (rq->w->mode < WORKER_DRAINING)
		return (false);
	admit_refuse(rq, COUNTER_refused_draining, "unavailable");
	reply_error(rq, 503, "unavailable", "this server is going away");
	return (true);
}

bool
admit_session(struct request *rq, size_t n, uint32_t *node)
{
	struct worker *w = rq->w;
	uint64_t key = from_key(rq);

	*node = 0;
	if (n >= w->conf->limit_connections) {
		counter_add(COUNTER_refused_limit, 1);
		refusal_told(rq, slice_of(NULL, 0), "limit");
		reply_error(rq, 503, "unavailable", "too many sessions");
		return (false);
	}
	if (w->conf->limit_per_address == 0 || key == 0 ||
	    count_enter_key(w->count, COUNT_POLLING,
	    slice_of(&key, sizeof key), w->conf->limit_per_address, node))
		return (true);
	counter_add(COUNTER_refused_address, 1);
	refusal_told(rq, slice_of(NULL, 0), "limit");
	reply_too_many(rq, "limit", "too many sessions of your address", 0);
	return (false);
}

/* --- tokens ------------------------------------------------------------ */

static bool
admit_token_query(struct request *rq, struct slice *token)
{
	const char *name = rq->w->conf->jwt.query;
	ssize_t n;

	if (name[0] == '\0')
		return (false);
	n = http_query_filled(rq->head.query, name, rq->w->decoded);
	if (n <= 0)
		return (false);
	*token = slice_of(rq->w->decoded, (size_t)n);
	return (true);
}

struct http_list
admit_protocols(const struct request *rq)
{
	return (http_list(&rq->head, "Sec-WebSocket-Protocol"));
}

static bool
admit_token_protocol(const struct request *rq, struct slice *token)
{
	struct http_list l = admit_protocols(rq);
	struct slice name;

	while (http_list_next(&l, &name)) {
		*token = slice_from(name, sizeof ADMIT_BEARER - 1);
		if (slice_starts(name, SLICE(ADMIT_BEARER)) && token->n > 0)
			return (true);
	}
	return (false);
}

/* An empty one is none. */
struct slice
admit_token(struct request *rq)
{
	const char *cookie = rq->w->conf->jwt.cookie;
	struct slice token;

	if (http_bearer(&rq->head, &token) > 0 ||
	    (cookie[0] != '\0' &&
	    http_cookie(&rq->head, slice_str(cookie), &token)) ||
	    admit_token_query(rq, &token) ||
	    admit_token_protocol(rq, &token))
		return (token);
	return (slice_of(NULL, 0));
}

/* What the certificate of its connection says; empty: there is none. */
static struct slice
admit_certificate(struct request *rq)
{
	struct buf *b = &rq->w->vouched;

	buf_reset(b);
	if (rq->c->tls == NULL || !tls_client(rq->c->tls, b) || b->oom)
		return (slice_of(NULL, 0));
	return (buf_unread(b));
}

bool
admit_asks(struct request *rq, struct client_request *cr)
{
	/* one whose hook was asked was charged then */
	if (rq->hearing == NULL && (admit_leaving(rq) || admit_too_many(rq)))
		return (false);
	cr->hearing = &rq->hearing;
	cr->asker = rq->c;
	cr->address = from_key(rq);
	cr->token = admit_token(rq);
	cr->vouched = admit_certificate(rq);
	cr->handshake = kept_of(rq);
	return (true);
}

/* What cannot be decoded is no place, of which it will hear. */
struct slice
admit_since(const struct request *rq)
{
	static uint8_t since[HTTP_LINE_MAX];
	ssize_t n;

	n = http_query_filled(rq->head.query, "since", since);
	if (n == -2)
		return (SLICE("?"));
	return (slice_of(since, n < 0 ? 0 : (size_t)n));
}

/* --- endpoints ----------------------------------------------------------- */

bool
admit_target(struct request *rq, struct client_request *cr)
{
	uint8_t *p = rq->w->decoded + HTTP_LINE_MAX; /* behind the token */
	struct slice name = rq->match.ns_name;
	ssize_t n;

	cr->route = rq->match.conf;
	if (cr->route == NULL) {
		n = http_path_decode(name, p);
		if (n == 0) {
			p[0] = '/';
			n = 1;
		}
		cr->ns = n < 0 ? NULL : conf_namespace_find(rq->w->conf,
		    slice_of(p, (size_t)n));
		if (cr->ns == NULL && n > 1 && slice_end(name)[-1] == '/')
			cr->ns = conf_namespace_find(rq->w->conf,
			    slice_of(p, (size_t)n - 1));
		return (cr->ns != NULL);
	}
	cr->ns = cr->route->ns;
	return (route_values(cr->route, rq->head.path, p, cr->values));
}

/* A page may have asked by fetch(): the words are as those of other errors. */
static void
admit_to_poll(struct request *rq, const struct refusal *r)
{
	struct buf *b = &rq->w->body;

	buf_reset(b);
	error_begin(b, r->code, r->message);
	buf_str(b, ",\"poll\":");
	refusal_poll_path(b, r->poll);
	error_end(b);
	reply_body(rq, r->status, "application/json", NULL);
}

/* As a hook says. */
static void
admit_with_data(struct request *rq, const struct refusal *r)
{
	struct buf *b = &rq->w->body;

	buf_reset(b);
	error_begin(b, r->code, r->message);
	buf_str(b, ",\"data\":");
	buf_slice(b, r->data);
	error_end(b);
	reply_body(rq, r->status, "application/json", NULL);
}

void
admit_refused(struct request *rq, const struct refusal *r, struct slice user)
{
	if (r->status == 0) {		/* it is not known yet */
		rq->hears = true;
		return;
	}
	refusal_told(rq, user, r->code);
	if (r->status != 429 || r->data.n != 0) {
		counter_add(COUNTER_refused_handshake, 1);
		admit_end(rq);
		if (r->poll != NULL)
			admit_to_poll(rq, r);
		else if (r->data.n != 0)
			admit_with_data(rq, r);
		else
			reply_error(rq, r->status, r->code, r->message);
		return;
	}
	admit_end(rq);
	/* a user with too many connections is counted by the hub */
	if (r->retry_ms != 0)
		counter_add(COUNTER_refused_rate, 1);
	reply_too_many(rq, r->code, r->message, r->retry_ms);
}
