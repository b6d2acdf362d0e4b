/*
 * What is told of a connection: that its client came, and how it ended.  What
 * has no story is not told: requests that were answered, a connection that
 * asked for nothing, one that belongs to a session over polling, whose end is
 * told as a whole.
 */
#include "hub/client.h"
#include "hub/queue/out.h"
#include "sys/plat.h"
#include "worker/net/conn.h"
#include "worker/net/record.h"
#include "worker/worker.h"

static enum record_kind
conn_record_kind(const struct conn *c)
{
	return (c->state == CONN_TLS ? RECORD_TLS : conn_is_ws(c) ?
	    RECORD_WEBSOCKET : c->state == CONN_STREAM ? RECORD_SSE :
	    RECORD_HTTP);
}

/* RFC 6455, 7.1.5 and 7.4.1. */
static uint16_t
conn_record_code(const struct conn *c)
{
	uint16_t code;

	if (!conn_is_ws(c))
		return (0);
	if (c->peer_closed)
		return (c->close_code);
	code = reason_row((enum reason)c->reason)->code;
	return (c->abort || code == 0 ? 1006 : code);
}

static struct record
conn_record_of(struct conn *c, const struct client *client)
{
	return ((struct record){ .w = c->w, .client = client,
		.kind = conn_record_kind(c), .number = *conn_number(c),
		.opened = *conn_opened(c), .address = c->address,
		.port = c->port, .reason = (enum reason)c->reason,
		.code = conn_record_code(c), .queued = outq_bytes(&c->outq) });
}

void
conn_record_open(struct conn *c, const struct client *client)
{
	struct record r;

	if (*conn_number(c) != 0)
		return;
	*conn_number(c) = record_number(c->w);
	r = conn_record_of(c, client);
	record_open(&r);
}

/* It went without having asked for anything: who looks whether we are there
 * does so every other second. */
static bool
conn_asked_nothing(const struct conn *c)
{
	return (c->state <= CONN_HTTP && c->state != CONN_IDLE &&
	    c->tail == NULL && c->body == NULL &&
	    (c->reason == REASON_client_gone ||
	    c->reason == REASON_client_reset));
}

static bool
conn_has_no_story(const struct conn *c)
{
	return (c->state == CONN_IDLE || c->state == CONN_HELD ||
	    c->state == CONN_POLL || c->state == CONN_AWAITS ||
	    c->state == CONN_CHUNKED ||
	    c->state == CONN_TUNNEL ||
	    c->reason == REASON_http_done || c->reason == REASON_idle_timeout ||
	    (conn_is_http(c) && c->state != CONN_ASKING &&
	    c->state != CONN_HEARING && c->poller != NULL) || conn_asked_nothing(c));
}

void
conn_record_end(struct conn *c, const struct client *client)
{
	struct record_traffic t;
	struct plat_tcp tcp;
	struct record r;

	c->recorded = true;
	if (conn_has_no_story(c))
		return;
	r = conn_record_of(c, client);
	if (plat_tcp(c->io.fd, &tcp)) {
		t = (struct record_traffic){ .in = tcp.in, .out = tcp.out,
			.unacked = tcp.unacked, .in_ms = tcp.in_ms,
			.out_ms = tcp.out_ms, .rtt_us = tcp.rtt_us };
		r.traffic = &t;
	}
	record_end(&r);
}

/* --- for the trail alone --------------------------------------------------- */

void
conn_record_note(struct conn *c, const struct client_noted *n)
{
	static const enum trail_event events[] = {
		[CLIENT_JOINED] = TRAIL_JOINED,
		[CLIENT_REFUSED] = TRAIL_REFUSED,
		[CLIENT_RATE_LIMITED] = TRAIL_RATE_LIMITED,
	};
	struct record r;

	/* it opens in a moment, with all this */
	if (n->note == CLIENT_JOINED && *conn_number(c) == 0)
		return;
	r = conn_record_of(c, NULL);
	record_note(&r, events[n->note], n);
}

void
conn_record_refused(struct conn *c, const uint8_t address[16], uint16_t port,
    struct slice user, const char *code)
{
	const struct client_noted n = { .note = CLIENT_REFUSED, .user = user,
		.what = slice_str(code) };
	struct record r = conn_record_of(c, NULL);

	r.address = address;
	r.port = port;
	record_note(&r, TRAIL_REFUSED, &n);
}

static void
conn_record_event(struct conn *c, enum trail_event event)
{
	const struct client_noted n = { .note = CLIENT_JOINED };
	struct record r = conn_record_of(c, NULL);

	if (r.number != 0)
		record_note(&r, event, &n);
}

void
conn_record_slow(struct conn *c)
{
	conn_record_event(c, TRAIL_SLOW);
}

void
conn_record_moved(struct conn *c)
{
	conn_record_event(c, TRAIL_MOVED);
}
