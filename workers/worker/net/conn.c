/*
 * One socket of a client, from accept to close: its states, deadlines and
 * turns.  Input is conn_in.c's, output conn_out.c's; what is done with either
 * is the hands', whom worker.c names.
 */
#include "worker/net/conn.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <bsd/stdlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "hub/client.h"
#include "shm/slots.h"
#include "sys/log.h"
#include "worker/net/age.h"
#include "worker/net/conn_int.h"
#include "worker/net/counted.h"
#include "worker/net/names.h"
#include "worker/net/tls.h"
#include "worker/worker.h"

#define CONN_LINGER_MS	2000	/* wait for the peer's FIN */

static timer_cb conn_timer;

void
conn_check(const struct conn *c)
{
	CHECK_MAGIC(c, CONN_MAGIC);
	MUST(!conn_is_http(c) || c->client == NULL);
	MUST(c->body == NULL || c->state == CONN_HTTP);
}

const char *
conn_name(const struct conn *c, char out[CONN_NAME_MAX])
{
	return (address_text(c->address, c->port, out));
}

/* --- open ---------------------------------------------------------------- */

uint16_t
conn_address(const struct sockaddr_storage *ss, uint8_t address[16])
{
	const struct sockaddr_in *in4;
	const struct sockaddr_in6 *in6;

	memset(address, 0, 16);
	if (ss->ss_family == AF_INET) {
		in4 = (const struct sockaddr_in *)(const void *)ss;
		address[10] = address[11] = 0xff;
		memcpy(address + 12, &in4->sin_addr, 4);
		return (ntohs(in4->sin_port));
	}
	if (ss->ss_family != AF_INET6)
		return (0);
	in6 = (const struct sockaddr_in6 *)(const void *)ss;
	memcpy(address, &in6->sin6_addr, 16);
	return (ntohs(in6->sin6_port));
}

struct conn *
conn_new(struct worker *w, int fd, struct tls_ctx *tls,
    const struct sockaddr_storage *addr)
{
	struct conn *c;

	c = slab_get(&w->conn_slab);
	if (c == NULL)
		goto out;
	c->magic = CONN_MAGIC;
	c->w = w;
	c->state = tls != NULL ? CONN_TLS : CONN_HTTP;
	if (tls != NULL && (c->tls = tls_new(tls, fd)) == NULL)
		goto out;
	if (loop_add(w->loop, &c->io, fd, LOOP_IN | CONN_TRIGGER,
	    conn_event) == -1)
		goto out;
	c->port = conn_address(addr, c->address);
	c->since_us = (uint32_t)w->now.us;
	*conn_opened(c) = record_time(w);
	if (w->age_unit_us != 0)
		c->old_at = age_draw(w->age_unit_us, w->now, arc4random());
	c->deadline = mono_add_ms(w->now, w->conf->handshake_timeout_ms);
	timer_start(w->wheel, &c->timer, c->deadline, conn_timer);
	TAILQ_INSERT_HEAD(&w->conns, c, link);
	w->nconns++;
	w->moves++;
	counter_add(COUNTER_connections_open, 1);
	return (c);
out:
	counter_add(COUNTER_memory_failures, 1);
	(void)close(fd);
	if (c != NULL) {
		tls_free(&c->tls);
		c->magic = 0;
		slab_put(&w->conn_slab, c);
	}
	return (NULL);
}

void
conn_is_passage(struct conn *c)
{
	c->passage = true;
	counter_sub(COUNTER_connections_open, 1);
}

/* --- close --------------------------------------------------------------- */

/* On the list of those who part, unless it is frozen. */
void
conn_list(struct conn *c)
{
	if (c->frozen)
		return;
	c->next = c->w->parting;
	c->w->parting = c;
}

void
conn_close(struct conn *c, enum reason r)
{
	CHECK_MAGIC(c, CONN_MAGIC);
	if (c->parting || c->state >= CONN_CLOSING)
		return;
	c->parting = true;
	c->reason = (uint8_t)r;
	conn_list(c);
	c->w->npartings++;
}

void
conn_abort(struct conn *c, enum reason r)
{
	CHECK_MAGIC(c, CONN_MAGIC);
	if (c->state == CONN_DEAD)
		return;
	c->abort = true;
	if (!c->parting && c->state >= CONN_CLOSING) {
		/* on no list: its first reason stays, unless that was that
		 * all is said */
		if (c->reason == REASON_http_done && c->outq.n > 0)
			c->reason = (uint8_t)r;
		c->parting = true;
		conn_list(c);
	}
	conn_close(c, r);
}

void
conn_tail_free(struct conn *c)
{
	free(c->tail);
	c->tail = NULL;
}

void
conn_forget(struct conn *c)
{
	struct worker *w = c->w;

	counted_out(c);
	conn_waiting(c, 0);
	c->state = CONN_DEAD;
	timer_stop(w->wheel, &c->timer);
	loop_del(w->loop, &c->io);
	outq_kill(w->out, &c->outq);
	ws_fini(&c->ws, w->ws_pool);
	conn_tail_free(c);
	MUST(c->body == NULL);
	TAILQ_REMOVE(&w->conns, c, link);
	w->nconns--;
	w->moves++;
	c->next = w->doomed;
	w->doomed = c;
}

int
conn_release(struct conn *c)
{
	int fd = c->io.fd;

	conn_check(c);
	MUST(c->state == CONN_HTTP && !c->parting && c->tls == NULL &&
	    c->outq.n == 0 && c->poller == NULL);
	conn_forget(c);
	c->io.fd = -1;
	return (fd);
}

void
conn_end(struct conn *c)
{
	const struct conn_hand *hand = &c->w->hands[c->state];
	static const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	char name[CONN_NAME_MAX];

	if (hand->gone != NULL)
		hand->gone(c);
	MUST(c->client == NULL && c->poller == NULL && c->state != CONN_DEAD);
	log_debug("conn_gone peer=%s reason=%s", conn_name(c, name),
	    reason_row((enum reason)c->reason)->name);
	if (!c->passage)
		counter_reason((enum reason)c->reason);
	loop_del(c->w->loop, &c->io);
	if (c->outq.n > 0) /* the kernel need not keep it for him either */
		(void)setsockopt(c->io.fd, SOL_SOCKET, SO_LINGER, &reset,
		    sizeof reset);
	if (c->tls != NULL && c->outq.n == 0 &&
	    c->reason != REASON_tls_failed && c->reason != REASON_client_gone &&
	    c->reason != REASON_client_reset)
		tls_shutdown(c->tls);
	tls_free(&c->tls);
	(void)close(c->io.fd);
	c->io.fd = -1;
	conn_forget(c);
}

void
conn_wait(struct conn *c, enum conn_state state, uint64_t ms)
{
	struct worker *w = c->w;

	c->state = (uint8_t)state;
	c->deadline = mono_add_ms(w->now, ms);
	if (w->mode == WORKER_STOPPING && w->stop_at.us < c->deadline.us)
		c->deadline = w->stop_at;
	conn_rearm(c);
	if (CONN_TRIGGER != 0)	/* the FIN may have been told already */
		conn_later(c, CONN_LATER_READ);
}

/* LINGER: nothing is queued any more. */
void
conn_flushed(struct conn *c)
{
	if (!c->half) {
		conn_end(c);
		return;
	}
	if (c->shut)
		return;
	c->shut = true;
	if (c->tls != NULL)
		tls_shutdown(c->tls);
	if (shutdown(c->io.fd, SHUT_WR) == -1)
		conn_end(c);
	else
		conn_wait(c, CONN_LINGER, CONN_LINGER_MS);
}

void
conn_finish(struct conn *c)
{
	conn_tail_free(c);
	if (c->abort || c->outq.n == 0)
		conn_end(c);
	else
		conn_wait(c, CONN_LINGER,
		    c->w->conf->slow_consumer_timeout_ms);
}

/* One step towards the end. */
static void
conn_part(struct conn *c)
{
	const struct conn_hand *hand = &c->w->hands[c->state];

	if (!c->recorded && c->state != CONN_DEAD)
		conn_record_end(c, c->client);
	if (hand->parting != NULL)
		hand->parting(c);
	else if (c->state != CONN_DEAD)
		conn_end(c);
	c->parting = false; /* not before: what happens here asks again */
}

/* --- timers -------------------------------------------------------------- */

/* Old, it is ended: what is under way is not cut short, and a connection
 * behind a tunnel has no age but that of its session. */
static bool
conn_ages(const struct conn *c)
{
	return (c->w->age_unit_us != 0 && !c->parting && !c->peer_closed &&
	    (c->state == CONN_IDLE || c->state == CONN_SESSION ||
	    c->state == CONN_WS || c->state == CONN_STREAM));
}

bool
conn_is_old(const struct conn *c)
{
	const struct worker *w = c->w;

	return (w->age_unit_us != 0 && !c->peer_closed && age_due(
	    w->age_unit_us, c->old_at, w->now).us <= w->now.us);
}

bool
conn_is_last(const struct conn *c)
{
	return (c->last || (c->secure && c->w->succeeded) ||
	    c->vouched || conn_is_old(c));
}

static struct mono
conn_next_deadline(const struct conn *c)
{
	const struct worker *w = c->w;
	struct mono old, t = c->deadline;

	if (c->client != NULL)
		t = client_due(c->client);
	if (c->outq.blocked && c->blocked_until.us < t.us)
		t = c->blocked_until;
	if (conn_ages(c)) {
		old = age_due(w->age_unit_us, c->old_at, w->now);
		if (old.us < t.us)
			t = old;
	}
	return (t);
}

void
conn_rearm(struct conn *c)
{
	struct mono t = conn_next_deadline(c);

	CHECK_MAGIC(c, CONN_MAGIC);
	/* a timer that is too early looks again when it fires */
	if (c->timer.running && timer_at(&c->timer).us <= t.us)
		return;
	if (t.us != UINT64_MAX && c->state != CONN_DEAD && !c->frozen)
		timer_start(c->w->wheel, &c->timer, t, conn_timer);
}

/* Nobody above waits for this deadline. */
static void
conn_late(struct conn *c)
{
	if (c->state <= CONN_TLS) {
		if (c->state == CONN_TLS)
			conn_tls_lost(COUNTER_tls_failed_late);
		conn_abort(c, REASON_handshake_timeout);
	} else if (c->state == CONN_IDLE)
		conn_abort(c, REASON_idle_timeout);
	else	/* a close that is not answered keeps its reason */
		conn_abort(c, (enum reason)c->reason);
}

static void
conn_timer(struct timer *t, struct mono now)
{
	struct conn *c = container_of(t, struct conn, timer);
	const struct conn_hand *hand = &c->w->hands[c->state];

	conn_check(c);
	slot_does(c->w->row, SLOT_TIMER);
	counter_add(COUNTER_timers_fired, 1);
	if (c->outq.blocked && c->blocked_until.us <= now.us) {
		if (!conn_is_read(c))
			conn_abort(c, REASON_slow_consumer);
		else
			conn_record_slow(c);
	} else if (conn_ages(c) && conn_is_old(c)) {
		conn_close(c, REASON_aged);
	} else if (!c->parting && conn_next_deadline(c).us <= now.us) {
		if (hand->due != NULL)
			hand->due(c);
		else
			conn_late(c);
	}
	if (!c->parting)
		conn_rearm(c);
}

/* --- turns --------------------------------------------------------------- */

void
conn_later(struct conn *c, unsigned bits)
{
	if (c->later == 0)
		later_add(c->w->later, &c->later_link);
	c->later |= bits & 3;
	if (bits & CONN_LATER_WRITE)
		c->w->later_writes = true;
}

static void
conn_go_on(struct later *l)
{
	struct conn *c = container_of(l, struct conn, later_link);

	c->later = 0;
	/* dead, it is freed at the end of this turn */
	if (c->state != CONN_DEAD && !c->frozen)
		conn_resume(c);
}

void
conn_turn_start(struct worker *w)
{
	w->handshake_us = 0;
	w->npartings = 0;
	later_walk(w->later, w->work, conn_go_on);
}

void
conn_part_all(struct worker *w)
{
	struct conn *c;

	while ((c = w->parting) != NULL) {
		w->parting = c->next;
		conn_part(c);
	}
}

static void
conn_write_one(struct later *l)
{
	struct conn *c = container_of(l, struct conn, later_link);

	if ((c->later & CONN_LATER_WRITE) && c->state != CONN_DEAD &&
	    !c->abort && !c->frozen)
		conn_out(c);
	c->later &= CONN_LATER_READ;
	if (c->later != 0)
		later_add(c->w->later, l);
}

void
conn_write_later(struct worker *w)
{
	if (!w->later_writes)
		return;
	w->later_writes = false;
	later_walk(w->later, NULL, conn_write_one);
}

void
conn_free_doomed(struct worker *w)
{
	struct conn *c, *next, *keep = NULL;

	if (w->doomed == NULL)
		return;
	for (c = w->doomed; c != NULL; c = next) {
		next = c->next;
		if (c->later != 0) {	/* still on that list */
			c->next = keep;
			keep = c;
			continue;
		}
		names_drop(w->names, *conn_number(c));
		c->magic = 0;
		slab_put(&w->conn_slab, c);
	}
	w->doomed = keep;
}
