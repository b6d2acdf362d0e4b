/*
 * The log's line about a client that came, or a connection that ended, and the
 * records of the trail; see record.h.
 */
#include "worker/net/record.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "hub/client.h"
#include "sys/log.h"
#include "worker/net/names.h"
#include "worker/worker.h"

#define RECORD_LINE	1024	/* bytes of a line */
#define RECORD_AGAIN_US	UINT64_C(10000000)
#define RECORD_SHOWN	200	/* ... of a user's id, and of namespaces */

static const char *const record_kinds[] = {
	[RECORD_TLS] = "tls", [RECORD_HTTP] = "http",
	[RECORD_WEBSOCKET] = "websocket", [RECORD_POLLING] = "polling",
	[RECORD_SSE] = "sse", [RECORD_SOCKJS] = "sockjs",
};

uint32_t
record_time(const struct worker *w)
{
	return ((uint32_t)(w->now.us / RECORD_UNIT_US));
}

uint32_t
record_number(struct worker *w)
{
	return (trail_number(w->h->segment));
}

/* --- a line -------------------------------------------------------------- */

struct record_line {
	char		 text[RECORD_LINE];
	size_t		 n;
};

static void record_add(struct record_line *, const char *fmt, ...)
    PRINTF_LIKE(2, 3);
static void
record_add(struct record_line *l, const char *fmt, ...)
{
	size_t room = sizeof l->text - l->n;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(l->text + l->n, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		l->n += (size_t)n < room ? (size_t)n : room - 1;
}

/* Its namespaces, as many as there is room for. */
static void
record_add_spaces(struct record_line *l, const struct client *c)
{
	char name[RECORD_SHOWN];
	const char *ns;
	size_t end = l->n + RECORD_SHOWN;
	unsigned i;

	for (i = 0; (ns = client_namespace(c, i)) != NULL; i++) {
		if (l->n > end) {
			record_add(l, ",...");
			break;
		}
		record_add(l, "%s%s", i == 0 ? " ns=\"" : ",", log_safe(name,
		    sizeof name, ns, strlen(ns)));
	}
	if (i > 0)
		record_add(l, "\"");
}

/* Who it is: in quotes, as it is a name even where it looks like a number. */
static void
record_add_who(struct record_line *l, const struct record *r)
{
	char shown[RECORD_SHOWN], where[ADDRESS_TEXT_MAX];
	struct slice user;

	if (r->client != NULL) {
		record_add_spaces(l, r->client);
		user = client_user(r->client);
		if (user.n > 0)
			record_add(l, " user=\"%s\"", log_safe(shown,
			    sizeof shown, user.p, user.n));
	}
	record_add(l, " address=%s", address_text(r->address, r->port,
	    where));
	if (r->number != 0)
		record_add(l, " client=\"%08" PRIx32 "\"", r->number);
}

static void
record_add_traffic(struct record_line *l, const struct record *r)
{
	const struct record_traffic *t = r->traffic;

	if (t != NULL) {
		record_add(l, " bytes_in=%" PRIu64 " bytes_out=%" PRIu64
		    " last_in_ms=%" PRIu32 " last_out_ms=%" PRIu32, t->in,
		    t->out, t->in_ms, t->out_ms);
		if (t->rtt_us != 0)
			record_add(l, " rtt_us=%" PRIu32 " unacked=%" PRIu64,
			    t->rtt_us, t->unacked);
	}
	record_add(l, " queued=%" PRIu64, r->queued);
}

/* --- the trail ------------------------------------------------------------ */

static struct trail_record *
record_trail(const struct record *r, enum trail_event event)
{
	struct trail_record *t = trail_begin(&r->w->trail, event,
	    r->w->wall.ms);

	t->client = r->number;
	t->port = r->port;
	t->flags = r->kind == RECORD_POLLING ? TRAIL_POLLING :
	    r->kind == RECORD_SSE ? TRAIL_SSE :
	    r->kind == RECORD_SOCKJS ? TRAIL_SOCKJS : 0;
	t->queued = r->queued > UINT32_MAX ? UINT32_MAX : (uint32_t)r->queued;
	memcpy(t->address, r->address, sizeof t->address);
	return (t);
}

/* Who it is, and that is all. */
static void
record_trail_end_as(const struct record *r, struct trail_record *t)
{
	struct trail *own = &r->w->trail;
	const char *ns = client_namespace(r->client, 0);

	trail_user(own, t, client_user(r->client));
	trail_sid(own, t, client_sid(r->client));
	if (ns != NULL)
		trail_ns(t, slice_str(ns));
	trail_end(own, t);
}

static void
record_trail_open(const struct record *r)
{
	record_trail_end_as(r, record_trail(r, TRAIL_OPENED));
}

static void
record_trail_closed(const struct record *r)
{
	struct trail_record *t = record_trail(r, TRAIL_CLOSED);
	const struct record_traffic *f = r->traffic;

	t->reason = (uint8_t)r->reason;
	t->code = r->code;
	t->age = record_time(r->w) - r->opened;
	if (f != NULL) {
		t->flags |= TRAIL_HAS_TRAFFIC;
		t->in = f->in;
		t->out = f->out;
		t->in_ms = f->in_ms;
		t->out_ms = f->out_ms;
		t->rtt_us = f->rtt_us;
	}
	record_trail_end_as(r, t);
}

/* Was it written a moment ago? */
static bool
record_again(const struct record *r, enum trail_event event, struct slice what)
{
	struct {
		uint8_t		 address[16];
		uint32_t	 client, event;
		char		 what[16];
	} key = { .client = r->number, .event = event };
	const uint64_t now = r->w->now.us;
	struct record_lately *l;
	uint64_t hash;

	if (r->number == 0)
		memcpy(key.address, r->address, sizeof key.address);
	if (what.n > 0)
		memcpy(key.what, what.p, what.n < sizeof key.what ? what.n :
		    sizeof key.what);
	hash = hash_bytes(&r->w->trail.key, slice_of(&key, sizeof key));
	l = &r->w->lately[hash % RECORD_LATELY];
	if (l->key == hash && now < l->again_us)
		return (true);
	l->key = hash;
	l->again_us = now + RECORD_AGAIN_US;
	return (false);
}

void
record_note(const struct record *r, enum trail_event event,
    const struct client_noted *n)
{
	struct trail *own = &r->w->trail;
	struct trail_record *t;

	if (event != TRAIL_JOINED && event != TRAIL_MOVED &&
	    record_again(r, event, n->what))
		return;
	t = record_trail(r, event);
	trail_user(own, t, n->user);
	trail_sid(own, t, n->sid);
	trail_ns(t, n->ns);
	trail_what(t, n->what);
	trail_end(own, t);
}

/* --- both ----------------------------------------------------------------- */

/* By which request it came; NULL: none, or it is not known any more. */
static void
record_add_request(struct record_line *l, const char *id)
{
	if (id != NULL)
		record_add(l, " request=\"%s\"", id);
}

static void
record_log_open(const struct record *r)
{
	struct record_line l = { .n = 0 };

	record_add(&l, "conn_open kind=%s", record_kinds[r->kind]);
	record_add_who(&l, r);
	record_add_request(&l, r->w->request_id);
	log_record(l.text);
}

void
record_open(const struct record *r)
{
	record_trail_open(r);
	if (r->w->conf->log_connections != CONF_LOG_CONNECTIONS_OFF &&
	    r->w->request_id != NULL)
		names_put(&r->w->names, r->number, r->w->request_id);
	if (r->w->conf->log_connections == CONF_LOG_CONNECTIONS_BOTH)
		record_log_open(r);
}

static void
record_log_end(const struct record *r)
{
	struct record_line l = { .n = 0 };

	record_add(&l, "conn_end kind=%s by=%s reason=%s",
	    record_kinds[r->kind], reason_by(r->reason),
	    reason_row(r->reason)->name);
	if (r->code != 0)
		record_add(&l, " code=%u", (unsigned)r->code);
	record_add(&l, " age_ms=%" PRIu64,
	    (uint64_t)(record_time(r->w) - r->opened) * RECORD_UNIT_US / 1000);
	record_add_traffic(&l, r);
	record_add_who(&l, r);
	record_add_request(&l, names_find(r->w->names, r->number));
	log_record(l.text);
}

/* Where most are as old, something on the way counts the time. */
static void
record_lost(const struct record *r)
{
	if ((r->kind == RECORD_WEBSOCKET || r->kind == RECORD_SSE) && (r->reason == REASON_client_gone ||
	    r->reason == REASON_client_reset))
		histogram_add(HISTOGRAM_lost_age_ms, (uint64_t)
		    (record_time(r->w) - r->opened) * RECORD_UNIT_US / 1000);
}

void
record_end(const struct record *r)
{
	if (r->client != NULL) {
		record_lost(r);
		record_trail_closed(r);
	}
	if (r->w->conf->log_connections != CONF_LOG_CONNECTIONS_OFF)
		record_log_end(r);
}
