/*
 * A connection as bytes, and out of them; see conn_save.h.
 */
#include "worker/net/conn_save.h"

#include <bsd/stdlib.h>
#include <stdlib.h>
#include <unistd.h>

#include "hub/client.h"
#include "hub/move.h"
#include "worker/net/age.h"
#include "worker/net/conn.h"
#include "worker/net/conn_int.h"
#include "worker/net/counted.h"
#include "worker/net/names.h"

#define CONN_SAVE_TAG		0x4e43
#define CONN_SAVE_VERSION	5
#define CONN_SAVE_UNNAMED	4	/* ... and before that, without names */

STATE_FIELDS(conn, 256);
STATE_FIELDS(conn_tail, 8);
static_assert(CONN__MAX == 19, "a new state: a new number");

/*
 * States as they are written: numbers that were there before keep their meaning,
 * and who does not know a new one refuses the connections that have it.
 */
static const uint8_t conn_numbers[CONN__MAX] = {
	[CONN_PREAMBLE] = 0, [CONN_TLS] = 1, [CONN_IDLE] = 2, [CONN_HTTP] = 3,
	[CONN_HELD] = 4, [CONN_ASKING] = 5, [CONN_CANDIDATE] = 6,
	[CONN_WAITING] = 7, [CONN_SESSION] = 8, [CONN_WS] = 9,
	[CONN_TUNNEL] = 10, [CONN_CLOSING] = 11, [CONN_LINGER] = 12,
	[CONN_DEAD] = 13, [CONN_STREAM] = 14, [CONN_POLL] = 15,
	[CONN_AWAITS] = 16, [CONN_CHUNKED] = 17,
	/* its request is there, and is read anew */
	[CONN_HEARING] = 3,
};

/* CONN__MAX: there is no such state. */
static unsigned
conn_load_number(unsigned number)
{
	unsigned state;

	for (state = 0; state < CONN__MAX; state++)
		if (conn_numbers[state] == number)
			break;
	return (state);
}

/*
 * A bit that was not there has its field's old meaning where it is not set, and
 * needs no new version: who does not know it refuses the connections that have
 * it, which stay where they are, and takes all others.
 */
enum {
	CONN_SAVED_PEER_CLOSED = 1, CONN_SAVED_HALF = 2, CONN_SAVED_SHUT = 4,
	CONN_SAVED_STALLED = 8, CONN_SAVED_FIN = 16, CONN_SAVED_COUNTED = 32,
	CONN_SAVED_NO_STATUS = 64, CONN_SAVED_BODY = 128,
	CONN_SAVED_IN = 256, CONN_SAVED_OUT = 512,	/* waited for */
	CONN_SAVED_RECORDED = 1024, CONN_SAVED_NO_CLIENTS = 2048,
	CONN_SAVED_NO_API = 4096, CONN_SAVED_FAR_TLS = 8192,
	CONN_SAVED_DEFLATE = 16384,	/* two bits: conn.deflate */
	CONN_SAVED_ALL = 65535
};

/* --- which --------------------------------------------------------------- */

/* States that move: those that have a client; */
static bool
conn_save_has_client(unsigned state)
{
	return (state == CONN_WAITING || state == CONN_SESSION ||
	    state == CONN_WS || state == CONN_STREAM);
}

/* ... those that are nothing without their session over HTTP; */
static bool
conn_save_is_bound(unsigned state)
{
	return (state == CONN_HELD || state == CONN_WAITING ||
	    state == CONN_SESSION || state == CONN_AWAITS ||
	    state == CONN_CHUNKED);
}

/* ... and all. */
static bool
conn_save_is_state(unsigned state)
{
	return (state > CONN_TLS && state != CONN_ASKING && state != CONN_POLL &&
	    state != CONN_TUNNEL && state < CONN_DEAD);
}

bool
conn_may_move(const struct conn *c)
{
	conn_check(c);
	if (!conn_save_is_state(c->state) || c->parting || c->abort)
		return (false);
	/* TLS is its process's; the others are told and closed in a moment */
	if (c->tls != NULL || c->secure || c->passage || c->refused || c->guest)
		return (false);
	if (c->outq.dirty || c->outq.dead || c->outq.lossy)
		return (false);
	return (c->client == NULL || client_may_move(c->client));
}

bool
conn_is_alone(const struct conn *c)
{
	return (c->poller == NULL || c->state == CONN_HEARING);
}

bool
conn_needs_session(const struct conn *c)
{
	return (conn_save_is_bound(c->state) && c->poller == NULL);
}

/* --- frozen -------------------------------------------------------------- */

void
conn_freeze(struct conn *c)
{
	unsigned events = c->io.events;

	CHECK_MAGIC(c, CONN_MAGIC);
	MUST(c->state != CONN_DEAD && !c->parting && !c->frozen);
	loop_del(c->w->loop, &c->io);
	c->io.events = events;
	timer_stop(c->w->wheel, &c->timer);
	c->frozen = true;
}

/* It goes on as if events had come. */
void
conn_thaw(struct conn *c)
{
	conn_check(c);
	MUST(c->frozen);
	c->frozen = false;
	if (c->parting)		/* since a while */
		conn_list(c);
	if (loop_add(c->w->loop, &c->io, c->io.fd, c->io.events,
	    conn_event) == -1)
		conn_abort(c, REASON_memory);
	if (c->parting)
		return;
	conn_rearm(c);
	/* whose response waits is not read: only what is here goes on */
	if ((c->io.events & LOOP_IN) || c->tail != NULL)
		conn_later(c, CONN_LATER_READ);
	if (c->outq.n > 0)
		conn_later(c, CONN_LATER_WRITE);
}

/* Another has its socket. */
static void
conn_save_forget(struct conn *c)
{
	int fd = c->io.fd;

	if (conn_is_ws(c))
		counter_sub(COUNTER_ws_open, 1);
	if (c->body != NULL)
		c->w->bodies->free(&c->body);
	conn_forget(c);
	(void)close(fd);	/* after it was forgotten by epoll */
	c->io.fd = -1;
}

/* --- save ---------------------------------------------------------------- */

static unsigned
conn_save_flags(const struct conn *c)
{
	return ((c->peer_closed ? CONN_SAVED_PEER_CLOSED : 0u) |
	    (c->half ? CONN_SAVED_HALF : 0u) |
	    (c->shut ? CONN_SAVED_SHUT : 0u) |
	    (c->stalled && c->state != CONN_HEARING ? CONN_SAVED_STALLED :
	    0u) |
	    (c->fin ? CONN_SAVED_FIN : 0u) |
	    (c->counted ? CONN_SAVED_COUNTED : 0u) |
	    (c->no_status ? CONN_SAVED_NO_STATUS : 0u) |
	    (c->no_clients ? CONN_SAVED_NO_CLIENTS : 0u) |
	    (c->no_api ? CONN_SAVED_NO_API : 0u) |
	    (c->far_tls ? CONN_SAVED_FAR_TLS : 0u) |
	    c->deflate * CONN_SAVED_DEFLATE |
	    (c->recorded ? CONN_SAVED_RECORDED : 0u) |
	    (c->io.events & LOOP_IN ? CONN_SAVED_IN : 0u) |
	    (c->io.events & LOOP_OUT ? CONN_SAVED_OUT : 0u) |
	    (c->body != NULL ? CONN_SAVED_BODY : 0u));
}

static void
conn_save_fields(const struct conn *c, struct buf *b)
{
	const struct worker *w = c->w;

	state_put_u8(b, conn_numbers[c->state]);
	state_put_u8(b, c->reason);
	state_put_u16(b, (uint16_t)conn_save_flags(c));
	state_put_u8(b, c->after);
	state_put_u16(b, c->peer_closed ? c->close_code : 0);
	state_put_u64(b, c->peer_closed ? UINT64_MAX :
	    age_due(w->age_unit_us, c->old_at, w->now).us);
	state_put_bytes(b, c->address, sizeof c->address);
	state_put_u16(b, c->port);
	state_put_u64(b, c->counted ? counted_key(c) : 0);
	state_put_u64(b, c->deadline.us);
	state_put_u64(b, c->blocked_until.us);
	state_put_u32(b, c->since_us);
	state_put_u32(b, c->timer.own);
	state_put_u32(b, c->io.own);
	state_put_slice(b, c->tail == NULL ? slice_of(NULL, 0) :
	    slice_of(c->tail->data, c->tail->n));
}

bool
conn_save(struct conn *c, struct hub_move *mv, struct buf *b)
{
	size_t at = state_open(b, CONN_SAVE_TAG, CONN_SAVE_VERSION);

	MUST(conn_may_move(c));
	conn_save_fields(c, b);
	ws_save(&c->ws, b);
	if (c->body != NULL && !c->w->bodies->save(c->body, b))
		return (false);
	if (!(c->client != NULL ? client_save(mv, c->client, b) :
	    hub_move_queue_save(mv, &c->outq, b)))
		return (false);
	names_save(c->w->names, c->io.own, b);
	state_close(b, at);
	return (!b->oom);
}

void
conn_moved(struct conn *c)
{
	conn_check(c);
	if (!c->w->succeeded && c->client != NULL)
		conn_record_moved(c);
	if (c->client != NULL)
		client_moved(&c->client);
	if (c->state == CONN_HEARING)
		hearing_forget(&c->hearing);
	MUST(c->poller == NULL);
	conn_save_forget(c);
}

/* --- load ---------------------------------------------------------------- */

static void
conn_load_flags(struct conn *c, unsigned flags)
{
	c->peer_closed = (flags & CONN_SAVED_PEER_CLOSED) != 0;
	c->half = (flags & CONN_SAVED_HALF) != 0;
	c->shut = (flags & CONN_SAVED_SHUT) != 0;
	c->stalled = (flags & CONN_SAVED_STALLED) != 0;
	c->fin = (flags & CONN_SAVED_FIN) != 0;
	c->no_status = (flags & CONN_SAVED_NO_STATUS) != 0;
	c->no_clients = (flags & CONN_SAVED_NO_CLIENTS) != 0;
	c->no_api = (flags & CONN_SAVED_NO_API) != 0;
	c->far_tls = (flags & CONN_SAVED_FAR_TLS) != 0;
	c->recorded = (flags & CONN_SAVED_RECORDED) != 0;
	c->deflate = flags / CONN_SAVED_DEFLATE & 3;
	c->io.events = CONN_TRIGGER |
	    (flags & CONN_SAVED_IN ? LOOP_IN : 0u) |
	    (flags & CONN_SAVED_OUT ? LOOP_OUT : 0u);
}

static bool
conn_load_tail(struct conn *c, struct slice s)
{
	return (s.n == 0 ||
	    (s.n <= WORKER_RBUF && conn_tail_keep(c, s.p, s.n)));
}

/* Its state comes last: with it, it is counted. */
static bool
conn_load_fields(struct conn *c, struct state_in *in, unsigned *flags,
    uint64_t *key)
{
	struct worker *w = c->w;
	unsigned state = conn_load_number(state_get_u8(in)), after;
	struct mono old;
	uint16_t code;
	bool ok;

	c->reason = state_get_u8(in);
	*flags = state_get_u16(in);
	after = state_get_u8(in);
	code = state_get_u16(in);
	old.us = state_get_u64(in);
	state_get_bytes(in, c->address, sizeof c->address);
	c->port = state_get_u16(in);
	*key = state_get_u64(in);
	c->deadline.us = state_get_u64(in);
	c->blocked_until.us = state_get_u64(in);
	c->since_us = state_get_u32(in);
	*conn_opened(c) = state_get_u32(in);
	*conn_number(c) = state_get_u32(in);
	ok = conn_load_tail(c, state_get_slice(in));
	if (!ok || in->bad || !conn_save_is_state(state) ||
	    *flags > CONN_SAVED_ALL || c->reason >= REASON__MAX ||
	    after > CONN_UNFRAMED || (conn_is_ws(&(struct conn){ .state =
	    (uint8_t)state }) && *flags / CONN_SAVED_DEFLATE ==
	    CONN_NO_DEFLATE) ||
	    ((*flags & CONN_SAVED_BODY) && state != CONN_HTTP))
		return (false);
	conn_load_flags(c, *flags);
	c->after = after & 3u;
	if (c->peer_closed)
		c->close_code = code;
	else
		c->old_at = age_keep(w->age_unit_us, old, w->now,
		    arc4random());
	c->state = (uint8_t)state;
	if (conn_is_ws(c))
		counter_add(COUNTER_ws_open, 1);
	return (true);
}

static bool
conn_load_queue(struct conn *c, struct hub_move *mv, struct state_in *in)
{
	enum reason why = REASON__MAX;

	if (!conn_save_has_client(c->state))
		return (hub_move_queue_load(mv, in, &c->outq));
	c->client = client_load(mv, in, &c->outq, &why);
	if (c->client == NULL)
		return (false);
	c->documents = client_has_documents(c->client);
	if (why != REASON__MAX)
		conn_close(c, why);	/* as soon as it is active */
	return (true);
}

static bool
conn_load_all(struct conn *c, struct hub_move *mv, struct state_in *in,
    uint16_t version)
{
	struct worker *w = c->w;
	unsigned flags = 0;
	uint64_t key = 0;	/* what it is counted for */

	if (!conn_load_fields(c, in, &flags, &key) ||
	    !ws_load(&c->ws, w->ws_pool, in))
		return (false);
	if ((flags & CONN_SAVED_BODY) &&
	    (c->body = w->bodies->load(w, in)) == NULL)
		return (false);
	if (!conn_load_queue(c, mv, in) || (version != CONN_SAVE_UNNAMED &&
	    !names_load(&w->names, *conn_number(c), in)) || !state_end(in))
		return (false);
	if (c->outq.blocked)
		conn_waiting(c, outq_bytes(&c->outq));
	if (flags & CONN_SAVED_COUNTED)
		counted_passed(c, key);
	return (true);
}

/* The giver has those first that came last; all came before our own. */
static struct conn *
conn_load_new(struct worker *w, int fd)
{
	struct conn *c;

	/* too few are left for ourselves: they are not told, but stay */
	if (fd >= w->fd_passed || (c = slab_get(&w->conn_slab)) == NULL) {
		(void)close(fd);
		return (NULL);
	}
	c->magic = CONN_MAGIC;
	c->w = w;
	c->state = CONN_HTTP;
	c->io.fd = fd;
	c->frozen = true;
	c->deadline.us = UINT64_MAX;
	TAILQ_INSERT_TAIL(&w->conns, c, link);
	w->nconns++;
	w->moves++;
	counter_add(COUNTER_connections_open, 1);
	return (c);
}

struct conn *
conn_load(struct worker *w, struct hub_move *mv, struct state_in *in, int fd)
{
	struct state_in body;
	uint16_t version;
	struct conn *c;

	c = conn_load_new(w, fd);
	if (c == NULL)
		return (NULL);
	if (state_section(in, CONN_SAVE_TAG, &version, &body) &&
	    (version == CONN_SAVE_VERSION || version == CONN_SAVE_UNNAMED) &&
	    conn_load_all(c, mv, &body, version))
		return (c);
	conn_unload(c);
	return (NULL);
}

void
conn_unload(struct conn *c)
{
	CHECK_MAGIC(c, CONN_MAGIC);
	if (c->client != NULL)
		client_unload(&c->client);
	MUST(c->poller == NULL);
	conn_save_forget(c);
}

void
conn_activate(struct conn *c)
{
	MUST(!conn_needs_session(c));
	conn_thaw(c);
}
