/*
 * Requests of SockJS by their paths; see sockjs.h.
 */
#include "worker/sockjs/sockjs.h"

#include "hub/client.h"
#include "worker/http/admit.h"
#include "worker/http/cors.h"
#include "worker/http/origin.h"
#include "worker/http/reply.h"
#include "worker/net/conn.h"
#include "worker/sockjs/sockjs_int.h"
#include "worker/websocket/upgrade.h"
#include "worker/worker.h"

#define NOT_CACHED "Cache-Control: no-store, no-cache, no-transform, "	\
	"must-revalidate, max-age=0\r\n"
#define COOKIE		"JSESSIONID"

#define GET_ALLOW	"OPTIONS, GET"
#define POST_ALLOW	"OPTIONS, POST"

/* What is there below an endpoint, and what it is good for. */
struct sockjs_place {
	const char	*name;
	bool		 post;		/* its method; else GET */
	bool		 session;	/* behind /SERVER/SESSION */
	bool		 cached;	/* it says so itself */
	void		(*serve)(struct request *,
			    const uint8_t key[SOCKJS_KEY]);
};

/* --- what each does -------------------------------------------------------- */

static void
sockjs_serve_info(struct request *rq, const uint8_t key[SOCKJS_KEY])
{
	(void)key;
	if (origin_asks(rq))
		sockjs_page_info(rq);
}

static void
sockjs_serve_iframe(struct request *rq, const uint8_t key[SOCKJS_KEY])
{
	(void)key;
	if (rq->w->conf->sockjs.client_url[0] == '\0')
		reply_error(rq, 404, "not_found", "sockjs { client_url } is "
		    "not set");
	else
		sockjs_page_iframe(rq);
}

static bool
sockjs_serve_may_upgrade(struct request *rq)
{
	if (!rq->w->conf->sockjs.websocket) {
		reply_error(rq, 404, "not_found", "WebSocket is off here");
		return (false);
	}
	if (rq->head.upgrade_websocket)
		return (true);
	sockjs_page_words(rq, 400, "Not a valid websocket request");
	return (false);
}

static void
sockjs_serve_raw(struct request *rq, const uint8_t key[SOCKJS_KEY])
{
	(void)key;
	if (sockjs_serve_may_upgrade(rq))
		upgrade_plain(rq);
}

static void
sockjs_serve_websocket(struct request *rq, const uint8_t key[SOCKJS_KEY])
{
	(void)key;
	if (sockjs_serve_may_upgrade(rq))
		upgrade_client(rq, sockjs_open);
}

static void
sockjs_serve_xhr(struct request *rq, const uint8_t key[SOCKJS_KEY])
{
	sockjs_receive(rq, SOCKJS_XHR, key, slice_of(NULL, 0));
}

static void
sockjs_serve_streaming(struct request *rq, const uint8_t key[SOCKJS_KEY])
{
	sockjs_receive(rq, SOCKJS_STREAMING, key, slice_of(NULL, 0));
}

static void
sockjs_serve_eventsource(struct request *rq, const uint8_t key[SOCKJS_KEY])
{
	sockjs_receive(rq, SOCKJS_EVENTSOURCE, key, slice_of(NULL, 0));
}

static void
sockjs_serve_htmlfile(struct request *rq, const uint8_t key[SOCKJS_KEY])
{
	uint8_t name[SOCKJS_CALLBACK_MAX], *text = rq->w->decoded;
	ssize_t n = http_query_get(rq->head.query, "c", text);

	if (n == -1)
		n = http_query_get(rq->head.query, "callback", text);
	if (n == -1 || n == 0) {
		sockjs_page_words(rq, 500, "\"callback\" parameter required");
		return;
	}
	if (n < 0 || !sockjs_callback_is_good(slice_of(text, (size_t)n))) {
		sockjs_page_words(rq, 500, "invalid \"callback\" parameter");
		return;
	}
	memcpy(name, text, (size_t)n);
	sockjs_receive(rq, SOCKJS_HTMLFILE, key, slice_of(name, (size_t)n));
}

/* No jsonp: scripts of other origins would be let in. */
static const struct sockjs_place sockjs_places[] = {
	{ "info",	   .serve = sockjs_serve_info },
	{ "iframe.html",   .cached = true, .serve = sockjs_serve_iframe },
	{ "websocket",	   .serve = sockjs_serve_raw },
	{ "websocket",	   .session = true, .serve = sockjs_serve_websocket },
	{ "xhr",	   .session = true, .post = true,
		.serve = sockjs_serve_xhr },
	{ "xhr_streaming", .session = true, .post = true,
		.serve = sockjs_serve_streaming },
	{ "xhr_send",	   .session = true, .post = true,
		.serve = sockjs_send },
	{ "eventsource",   .session = true, .serve = sockjs_serve_eventsource },
	{ "htmlfile",	   .session = true, .serve = sockjs_serve_htmlfile },
};

/* --- paths ----------------------------------------------------------------- */

/* iframe.html, and the same for a version of the client: iframe-1.6.1.html. */
static bool
sockjs_place_is_iframe(struct slice name)
{
	size_t n = sizeof ".html" - 1;

	return (slice_starts(name, SLICE("iframe-")) && name.n >= 7 + n &&
	    slice_eq(slice_from(name, name.n - n), SLICE(".html")));
}

/* The part at the front of *rest, which is behind it then. */
static struct slice
sockjs_place_part(struct slice *rest)
{
	struct slice s = slice_from(*rest, 1);
	const uint8_t *slash = s.n == 0 ? NULL : memchr(s.p, '/', s.n);

	if (slash != NULL)
		s.n = (size_t)(slash - s.p);
	*rest = slice_from(*rest, 1 + s.n);
	return (s);
}

/* NULL: there is nothing.  *id: of the session, or empty. */
static const struct sockjs_place *
sockjs_place_find(struct slice below, struct slice *id)
{
	struct slice name = sockjs_place_part(&below), server = name;
	size_t i;

	*id = slice_of(NULL, 0);
	if (below.n > 0) {
		*id = sockjs_place_part(&below);
		name = sockjs_place_part(&below);
		if (!sockjs_name_is_good(server) || !sockjs_name_is_good(*id))
			return (NULL);
	} else if (sockjs_place_is_iframe(name))
		name = SLICE("iframe.html");
	for (i = 0; i < nitems(sockjs_places); i++)
		if (sockjs_places[i].session == (id->n > 0) &&
		    slice_eq(slice_str(sockjs_places[i].name), name))
			return (&sockjs_places[i]);
	return (NULL);
}

/* --- lines ----------------------------------------------------------------- */

/* A page that may connect may read what it is answered. */
static void
sockjs_lines_cors(struct request *rq, struct buf *b)
{
	const struct conf_cors *cors = &rq->w->conf->cors;
	struct slice origin;

	if (http_field(&rq->head, "Origin", &origin) != 1)
		origin = slice_of(NULL, 0);
	if (origin.n == 0 || !admit_origin(rq)) {
		cors_lines(b, cors, origin, NULL);
		return;
	}
	buf_str(b, "Access-Control-Allow-Origin: ");
	buf_slice(b, origin);
	buf_str(b, "\r\nAccess-Control-Allow-Credentials: true\r\n"
	    "Vary: Origin\r\n");
}

/* The client's own value, if it has one. */
static void
sockjs_lines_cookie(struct request *rq, struct buf *b)
{
	struct slice value;

	if (!http_cookie(&rq->head, SLICE(COOKIE), &value))
		value = SLICE("dummy");
	buf_str(b, "Set-Cookie: " COOKIE "=");
	buf_slice(b, value);
	buf_str(b, "; Path=/");
	if (rq->from.secure)
		buf_str(b, "; Secure; SameSite=None");
	buf_str(b, "\r\n");
}

/* false: no memory, answered. */
static bool
sockjs_put_lines(struct request *rq, const struct sockjs_place *at)
{
	struct buf *b = &rq->w->cors;

	buf_reset(b);
	sockjs_lines_cors(rq, b);
	if (at != NULL && at->session && rq->w->conf->sockjs.cookie &&
	    rq->head.method != HTTP_OPTIONS)
		sockjs_lines_cookie(rq, b);
	if (at != NULL && !at->cached && rq->head.method != HTTP_OPTIONS)
		buf_str(b, NOT_CACHED);
	buf_byte(b, '\0');
	if (b->oom) {
		counter_add(COUNTER_memory_failures, 1);
		reply_no_memory(rq);
		return (false);
	}
	rq->lines = (const char *)b->data;
	return (true);
}

/* --- requests -------------------------------------------------------------- */

/* The endpoint itself: plain WebSocket, or a few words for who looks. */
static void
sockjs_serve_base(struct request *rq)
{
	if (rq->head.method != HTTP_GET && rq->head.method != HTTP_HEAD)
		reply_method(rq);
	else if (rq->head.upgrade_websocket)
		upgrade_plain(rq);
	else
		sockjs_page_greeting(rq);
}

static void
sockjs_serve_at(struct request *rq, const struct sockjs_place *at,
    struct slice id)
{
	enum http_method method = rq->head.method;
	uint8_t key[SOCKJS_KEY];

	if (method == HTTP_OPTIONS) {
		if (origin_asks(rq))
			sockjs_page_options(rq, at->post ? POST_ALLOW :
			    GET_ALLOW);
		return;
	}
	if (at->post ? method != HTTP_POST : method != HTTP_GET) {
		reply_send(rq, 405, NULL, slice_of(NULL, 0), at->post ?
		    "Allow: " POST_ALLOW "\r\n" : "Allow: " GET_ALLOW "\r\n");
		return;
	}
	rq->head.path = rq->match.base;
	if (at->session)
		sockjs_owner_key(rq, rq->match.base, id, key);
	at->serve(rq, key);
}

void
sockjs_serve(struct request *rq)
{
	const struct sockjs_place *at;
	struct slice id;

	if (rq->match.below.n == 0) {
		sockjs_serve_base(rq);
		return;
	}
	at = sockjs_place_find(rq->match.below, &id);
	if (!sockjs_put_lines(rq, at))
		return;
	if (at == NULL)
		reply_error(rq, 404, "not_found", "there is nothing here");
	else
		sockjs_serve_at(rq, at, id);
}
