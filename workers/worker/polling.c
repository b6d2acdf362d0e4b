/*
 * One Engine.IO session over HTTP polling; see polling.h.  A GET is held until
 * the turn ends in which the session's queue has something, then all that is
 * queued goes out behind one response head, by reference.  Closing is put off
 * to the end of the turn as well: the hub must not be called back.
 */
#include "worker/polling.h"

#include <stdlib.h>

#include "base/hash.h"
#include "hub/client.h"
#include "proto/ws.h"
#include "shm/segment.h"
#include "sys/log.h"
#include "worker/conn.h"
#include "worker/upgrade.h"
#include "worker/worker.h"

#define POLLER_NOOP_MS	80	/* a GET is held so long during an upgrade */
#define POLLER_LAST_MS	30000	/* the last word waits so long for a GET */
#define POLLER_BLOCK_BYTES (64u << 10)	/* unpolled: no volatile messages */
#define POLLER_TEXT	"text/plain; charset=UTF-8"
#define NO_STORE	"Cache-Control: no-store\r\n"
#define SEPARATOR	"\x1e"

enum poller_state {
	POLLER_POLLING,
	POLLER_UPGRADED,	/* all there is to say: error 3 */
	POLLER_LAST		/* closed; its last word is queued */
};

struct poller {
	unsigned	 magic;
	uint8_t		 state;		/* enum poller_state */
	uint8_t		 reason;	/* enum reason, once parting is set */
	bool		 parting;	/* closes at the end of this turn */
	bool		 probed;	/* the candidate has been answered */
	struct outq	 outq;		/* packets, a separator behind each */
	struct polling	*all;
	struct client	*client;	/* POLLING */
	struct conn	*get;		/* held until there are packets */
	struct conn	*post;		/* its body is on its way */
	struct conn	*ws;		/* candidate; UPGRADED: its WebSocket */
	struct poller	*next_sid;	/* same bucket */
	struct poller	*next;		/* parting or doomed */
	char		*lines;		/* of get's response head; heap, NULL */
	struct timer	 timer;		/* the nearest of: */
	struct mono	 deadline;	/*   LAST: of the whole */
	struct mono	 noop_at;	/*   0: no noop is to release get */
	char		 sid[EIO_SID_LEN + 1];
};

static_assert(offsetof(struct poller, magic) == offsetof(struct host, magic) &&
    offsetof(struct poller, outq) == offsetof(struct host, outq), "a host");

struct polling {
	unsigned	 magic;
#define POLLING_MAGIC	0x9011e202
	struct worker	*w;
	struct hash_key	 key;
	struct poller	**buckets;
	size_t		 nbuckets;	/* a power of two */
	size_t		 n;
	size_t		 nupgraded;
	struct poller	*parting;
	struct poller	*doomed;
};

static timer_cb poller_timer;

static void
poller_check(const struct poller *p)
{
	CHECK_MAGIC(p, POLLER_MAGIC);
	MUST((p->state == POLLER_POLLING) == (p->client != NULL));
	MUST(p->get == NULL || p->get->poller == p);
	MUST(p->post == NULL || p->post->poller == p);
	MUST(p->ws == NULL || p->ws->poller == p);
}

/* --- by sid -------------------------------------------------------------- */

static struct poller **
polling_bucket(const struct polling *all, const char *sid)
{
	return (&all->buckets[hash_bytes(&all->key,
	    slice_of(sid, EIO_SID_LEN)) & (all->nbuckets - 1)]);
}

static struct poller *
polling_find(const struct polling *all, const char *sid)
{
	struct poller *p = *polling_bucket(all, sid);

	while (p != NULL && memcmp(p->sid, sid, EIO_SID_LEN) != 0)
		p = p->next_sid;
	return (p);
}

static void
polling_link(struct polling *all, struct poller *p)
{
	struct poller **b = polling_bucket(all, p->sid);

	p->next_sid = *b;
	*b = p;
}

static bool
polling_grow(struct polling *all)
{
	struct poller **old = all->buckets, *p, *next;
	size_t i, n = all->nbuckets;

	all->buckets = calloc(n * 2, sizeof *all->buckets);
	if (all->buckets == NULL) {
		all->buckets = old;	/* slower, but right */
		return (false);
	}
	all->nbuckets = n * 2;
	for (i = 0; i < n; i++)
		for (p = old[i]; p != NULL; p = next) {
			next = p->next_sid;
			polling_link(all, p);
		}
	free(old);
	return (true);
}

static void
polling_insert(struct polling *all, struct poller *p)
{
	if (all->n >= all->nbuckets)
		(void)polling_grow(all);
	all->n++;
	polling_link(all, p);
}

static void
polling_remove(struct polling *all, struct poller *p)
{
	struct poller **pp = polling_bucket(all, p->sid);

	while (*pp != p)
		pp = &(*pp)->next_sid;
	*pp = p->next_sid;
	all->n--;
}

struct polling *
polling_new(struct worker *w)
{
	struct polling *all;

	all = calloc(1, sizeof *all);
	if (all == NULL)
		return (NULL);
	all->magic = POLLING_MAGIC;
	all->w = w;
	all->key = segment_key(w->h->segment);
	all->nbuckets = 64;
	all->buckets = calloc(all->nbuckets, sizeof *all->buckets);
	if (all->buckets == NULL) {
		free(all);
		return (NULL);
	}
	return (all);
}

void
polling_free(struct polling **allp)
{
	struct polling *all = *allp;

	if (all == NULL)
		return;
	*allp = NULL;
	CHECK_MAGIC(all, POLLING_MAGIC);
	MUST(all->n == 0 && all->doomed == NULL);
	free(all->buckets);
	all->magic = 0;
	free(all);
}

size_t
polling_waiting(const struct polling *all)
{
	return (all->n - all->nupgraded);
}

/* --- deadlines ----------------------------------------------------------- */

static struct mono
poller_next_deadline(const struct poller *p)
{
	struct mono t = { UINT64_MAX };

	if (p->client != NULL)
		t = client_due(p->client);
	else if (p->state == POLLER_LAST)
		t = p->deadline;
	if (p->noop_at.us != 0 && p->noop_at.us < t.us)
		t = p->noop_at;
	return (t);
}

void
polling_rearm(struct poller *p)
{
	struct mono t = poller_next_deadline(p);

	/* a timer that is too early looks again when it fires */
	if (t.us == UINT64_MAX ||
	    (p->timer.running && timer_at(&p->timer).us <= t.us))
		return;
	timer_start(p->all->w->wheel, &p->timer, t, poller_timer);
}

/* Nothing to say, but get shall not wait any longer. */
static void
poller_noop(struct poller *p)
{
	p->noop_at.us = 0;
	if (p->get != NULL && p->outq.n == 0 &&
	    !out_bytes(p->all->w->out, &p->outq, SLICE("6" SEPARATOR)))
		polling_close(p, REASON_memory);
}

static void
poller_timer(struct timer *t, struct mono now)
{
	struct poller *p = container_of(t, struct poller, timer);

	poller_check(p);
	counter_add(COUNTER_timers_fired, 1);
	if (p->noop_at.us != 0 && p->noop_at.us <= now.us)
		poller_noop(p);
	if (p->state == POLLER_LAST && p->deadline.us <= now.us)
		polling_close(p, REASON_close_timeout);
	else if (p->client != NULL && !p->parting &&
	    client_due(p->client).us <= now.us)
		client_tick(p->client);
	if (!p->parting)
		polling_rearm(p);
}

/* --- GET ----------------------------------------------------------------- */

static void
poller_let_go(struct poller *p, struct conn **cp)
{
	MUST(*cp != NULL && (*cp)->poller == p);
	(*cp)->poller = NULL;
	*cp = NULL;
}

/* All that is queued, which is something, to the GET that waits. */
static void
poller_answer(struct poller *p)
{
	struct out *o = p->all->w->out;
	struct conn *c = p->get;
	size_t n;

	n = (size_t)outq_bytes(&p->outq);
	MUST(n > 1);
	p->noop_at.us = 0;
	poller_let_go(p, &p->get);
	request_answer(c, 200, POLLER_TEXT,
	    p->lines != NULL ? p->lines : NO_STORE, &p->outq, n - 1);
	free(p->lines);
	p->lines = NULL;
	if (c->abort)		/* it did not go out */
		polling_close(p, REASON_memory);
	else
		outq_sent(o, &p->outq, 1);	/* the last separator */
	outq_unblock(o, &p->outq);
}

/* No GET waits: how much may wait for one? */
static void
poller_unpolled(struct poller *p)
{
	struct worker *w = p->all->w;
	uint64_t n = outq_bytes(&p->outq);

	if (p->outq.n > 1 && n > w->conf->send_queue_bytes)
		polling_close(p, REASON_slow_consumer);
	else if (n > POLLER_BLOCK_BYTES)
		outq_block(w->out, &p->outq);
}

void
polling_flush(struct outq *q)
{
	struct poller *p = container_of(q, struct poller, outq);

	poller_check(p);
	if (p->parting)
		return;		/* the last word comes behind it */
	if (q->lossy)		/* something could not be queued */
		polling_close(p, REASON_slow_consumer);
	else if (p->get == NULL)
		poller_unpolled(p);
	else if (q->n > 0) {
		poller_answer(p);
		if (p->state == POLLER_LAST)
			polling_close(p, REASON_server_close);
	}
}

/* The head lines of a response that comes later. */
static char *
poller_lines(const char *cors)
{
	struct buf b;

	if (cors == NULL)
		return (NULL);
	buf_init(&b);
	buf_str(&b, NO_STORE);
	buf_str(&b, cors);
	buf_byte(&b, '\0');
	if (b.oom) {
		buf_fini(&b);
		return (NULL);
	}
	return ((char *)b.data);
}

static void
poller_hold(struct poller *p, struct request *rq)
{
	struct worker *w = p->all->w;

	p->get = rq->c;
	rq->c->poller = p;
	p->lines = poller_lines(rq->lines);
	request_hold(rq);
	if (p->outq.n > 0) {
		if (!outq_touch(w->out, &p->outq))
			polling_close(p, REASON_memory);
	} else if (p->probed && p->state == POLLER_POLLING) {
		p->noop_at = mono_add_ms(w->now, POLLER_NOOP_MS);
		polling_rearm(p);
	}
}

/* An empty response that ends the connection. */
static void
poller_refuse(struct request *rq, int status)
{
	rq->keep_alive = false;
	request_reply(rq, status, NULL, slice_of(NULL, 0), NULL);
}

static void
poller_get(struct poller *p, struct request *rq)
{
	if (p->get == NULL) {
		poller_hold(p, rq);
		return;
	}
	poller_refuse(rq, 400);	/* one at a time */
	polling_close(p, REASON_http_bad);
}

/* --- POST ---------------------------------------------------------------- */

static void
poller_post(struct poller *p, struct request *rq)
{
	struct slice type;

	if (p->post != NULL) {	/* one at a time */
		conn_abort(p->post, REASON_http_bad);
		poller_let_go(p, &p->post);
		poller_refuse(rq, 400);
		polling_close(p, REASON_http_bad);
		return;
	}
	if (http_field(&rq->head, "Content-Type", &type) &&
	    slice_caseeq(type, SLICE("application/octet-stream"))) {
		poller_refuse(rq, 400);
		polling_close(p, REASON_unsupported_data);
		return;
	}
	p->post = rq->c;
	rq->c->poller = p;
	request_want_body(rq);
}

void
polling_body(struct request *rq, struct slice body)
{
	struct poller *p = rq->c->poller;
	struct client *client;

	poller_check(p);
	MUST(p->post == rq->c);
	poller_let_go(p, &p->post);
	/* it may have been upgraded since the head came */
	client = p->state == POLLER_UPGRADED ? p->ws->client : p->client;
	if (client != NULL && !p->parting) /* the buffer is ours to write */
		engine_payload(client, (uint8_t *)(uintptr_t)body.p, body.n);
	request_reply(rq, 200, "text/html", SLICE("ok"), NO_STORE);
}

void
polling_too_large(struct request *rq)
{
	struct poller *p = rq->c->poller;

	poller_check(p);
	poller_let_go(p, &p->post);
}

/* --- WebSocket ----------------------------------------------------------- */

static void
poller_candidate(struct poller *p, struct request *rq)
{
	struct worker *w = rq->w;
	bool wanted = p->state == POLLER_POLLING && p->ws == NULL;

	if (!upgrade_candidate(rq))
		return;
	conn_candidate(rq->c, w->conf->upgrade_timeout_ms);
	if (!wanted) {
		conn_close(rq->c, REASON_upgrade_failed);
		return;
	}
	p->ws = rq->c;
	rq->c->poller = p;
}

static void
poller_probe(struct poller *p, struct conn *c)
{
	static const uint8_t answer[] = "\x81\x06" "3probe";

	p->probed = true;
	conn_say(c, slice_of(answer, sizeof answer - 1));
	counter_add(COUNTER_ws_frames_out, 1);
	poller_noop(p);
}

static void
poller_upgrade(struct poller *p, struct conn *c)
{
	if (p->get != NULL) {	/* left open: what is queued, or a noop */
		poller_noop(p);
		if (p->parting)
			return;
		poller_answer(p);
	}
	p->state = POLLER_UPGRADED;
	p->all->nupgraded++;
	timer_stop(p->all->w->wheel, &p->timer);
	p->noop_at.us = 0;
	outq_unblock(p->all->w->out, &p->outq);
	c->client = p->client;
	p->client = NULL;
	if (!engine_upgrade(c->client, &c->outq, c))
		conn_close(c, REASON_memory);
	conn_rearm(c);
}

void
polling_candidate_text(struct conn *c, struct slice s)
{
	struct poller *p = c->poller;

	if (p == NULL)
		return;		/* it is being closed */
	poller_check(p);
	if (p->parting)
		conn_close(c, REASON_upgrade_failed);
	else if (!p->probed && slice_eq(s, SLICE("2probe")))
		poller_probe(p, c);
	else if (p->probed && slice_eq(s, SLICE("5")))
		poller_upgrade(p, c);
	else
		conn_close(c, REASON_upgrade_failed);
}

/* --- requests ------------------------------------------------------------ */

static struct poller *
poller_new(struct polling *all)
{
	struct poller *p;

	p = calloc(1, sizeof *p);
	if (p == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (NULL);
	}
	p->magic = POLLER_MAGIC;
	p->all = all;
	return (p);
}

void
polling_open(struct request *rq, const struct engineio *e)
{
	struct worker *w = rq->w;
	struct polling *all = w->polling;
	const struct ws_offer none = { .why = NULL };
	struct admission adm = { .who = NULL };
	struct poller *p = NULL;

	if (!upgrade_admit(rq, &none, &adm))
		return;
	/* unlike connections, sessions cost those who open them nothing */
	if (all->n < w->conf->limit_connections)
		p = poller_new(all);
	if (p != NULL)
		p->client = engine_open_polling(w->hub, &adm, e->b64, &p->outq,
		    p);
	admission_fini(&adm);
	if (p == NULL || p->client == NULL) {
		counter_add(p == NULL ? COUNTER_refused_limit :
		    COUNTER_refused_memory, 1);
		free(p);
		request_error(rq, 503, "unavailable", "too many sessions");
		return;
	}
	memcpy(p->sid, engine_sid(p->client), sizeof p->sid);
	polling_insert(all, p);
	polling_rearm(p);
	poller_hold(p, rq);
}

void
polling_session(struct request *rq, const struct engineio *e,
    bool origin_allowed)
{
	struct poller *p = polling_find(rq->w->polling, e->sid);

	if (p == NULL || p->parting) {
		upgrade_engine_error(rq, EIO_SID_UNKNOWN);
		return;
	}
	poller_check(p);
	if (!e->version || e->polling == rq->head.upgrade_websocket ||
	    (e->polling && p->state == POLLER_UPGRADED))
		upgrade_engine_error(rq, EIO_BAD_REQUEST);
	else if (!origin_allowed)
		upgrade_engine_error(rq, EIO_FORBIDDEN);
	else if (!e->polling)
		poller_candidate(p, rq);
	else if (rq->head.method == HTTP_GET)
		poller_get(p, rq);
	else if (rq->head.method == HTTP_POST)
		poller_post(p, rq);
	else
		request_reply(rq, 500, NULL, slice_of(NULL, 0), NULL);
}

/* --- end ----------------------------------------------------------------- */

void
polling_close(struct poller *p, enum reason r)
{
	CHECK_MAGIC(p, POLLER_MAGIC);
	if (p->parting || p->state == POLLER_UPGRADED)
		return;
	p->parting = true;
	p->reason = (uint8_t)r;
	p->next = p->all->parting;
	p->all->parting = p;
}

static void
poller_drop(struct poller *p)
{
	struct polling *all = p->all;

	MUST(p->get == NULL && p->ws == NULL && p->client == NULL);
	if (p->post != NULL) {
		conn_abort(p->post, REASON_http_bad);
		poller_let_go(p, &p->post);
	}
	if (p->state == POLLER_UPGRADED)
		all->nupgraded--;
	polling_remove(all, p);
	timer_stop(all->w->wheel, &p->timer);
	outq_kill(all->w->out, &p->outq);
	free(p->lines);
	p->lines = NULL;
	p->next = all->doomed;
	all->doomed = p;
}

void
polling_conn_gone(struct conn *c)
{
	struct poller *p = c->poller;

	if (p == NULL)
		return;
	poller_check(p);
	if (p->get == c) {
		poller_let_go(p, &p->get);
		polling_close(p, REASON_client_gone);
	} else if (p->post == c) {
		poller_let_go(p, &p->post);
		polling_close(p, REASON_client_gone);
	} else {
		MUST(p->ws == c);
		poller_let_go(p, &p->ws);
		p->probed = false;
		if (p->state == POLLER_UPGRADED)
			poller_drop(p);
	}
}

void
polling_conn_close(struct conn *c, enum reason r)
{
	MUST(c->held && c->poller != NULL);
	polling_close(c->poller, r);
}

/* The client learns of it with its next GET; else error 1 has to do. */
static bool
poller_tells(const struct poller *p)
{
	static const bool abrupt[REASON__MAX] = {
		[REASON_client_close] = true, [REASON_client_gone] = true,
		[REASON_ping_timeout] = true, [REASON_http_bad] = true,
		[REASON_eio_parse] = true, [REASON_unsupported_data] = true,
		[REASON_slow_consumer] = true, [REASON_memory] = true,
	};

	return (!abrupt[p->reason] && p->all->w->mode == WORKER_SERVING);
}

/* The last packet of the session. */
static bool
poller_last_word(struct poller *p)
{
	struct slice word = SLICE("1" SEPARATOR);

	if (p->reason == REASON_client_close) {
		word = SLICE("6" SEPARATOR);
		if (p->outq.n > 0)
			return (true);	/* that will do */
	}
	return (out_bytes(p->all->w->out, &p->outq, word));
}

static void
poller_part(struct poller *p)
{
	struct worker *w = p->all->w;
	bool told;

	poller_check(p);
	log_debug("session_end reason=%s",
	    reason_row((enum reason)p->reason)->name);
	if (p->ws != NULL) {
		conn_close(p->ws, REASON_upgrade_failed);
		poller_let_go(p, &p->ws);
	}
	if (p->state == POLLER_POLLING) {
		client_gone(&p->client, (enum reason)p->reason);
		p->state = POLLER_LAST;
		told = poller_last_word(p);
	} else
		told = p->outq.n > 0;
	if (p->get != NULL && told)
		poller_answer(p);
	else if (p->get != NULL) {
		conn_abort(p->get, REASON_memory);
		poller_let_go(p, &p->get);
	} else if (told && p->reason != REASON_close_timeout &&
	    p->reason != REASON_server_close && poller_tells(p)) {
		p->parting = false;
		p->deadline = mono_add_ms(w->now, POLLER_LAST_MS);
		polling_rearm(p);
		return;
	}
	poller_drop(p);
}

void
polling_close_all(struct polling *all, enum reason r)
{
	struct poller *p;
	size_t i;

	for (i = 0; i < all->nbuckets; i++)
		for (p = all->buckets[i]; p != NULL; p = p->next_sid)
			polling_close(p, r);
}

bool
polling_turn_end(struct polling *all)
{
	struct poller *p;

	if (all->parting == NULL)
		return (false);
	while ((p = all->parting) != NULL) {
		all->parting = p->next;
		poller_part(p);
	}
	return (true);
}

void
polling_free_doomed(struct polling *all)
{
	struct poller *p;

	while ((p = all->doomed) != NULL) {
		all->doomed = p->next;
		p->magic = 0;
		free(p);
	}
}
