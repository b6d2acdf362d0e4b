/*
 * One Engine.IO session over HTTP polling; see polling.h: what it is, how it
 * opens, its deadlines, and which of its parts a request is for.  The GET is
 * polling_out.c's, the POST polling_in.c's, the WebSocket polling_ws.c's, the
 * end polling_end.c's.
 */
#include "worker/engineio/polling.h"

#include <bsd/stdlib.h>
#include <stdlib.h>

#include "hub/client.h"
#include "shm/count.h"
#include "shm/counters.h"
#include "shm/segment.h"
#include "shm/slots.h"
#include "worker/engineio/open.h"
#include "worker/engineio/polling_int.h"
#include "worker/http/admit.h"
#include "worker/http/cookie.h"
#include "worker/http/reply.h"
#include "worker/net/age.h"
#include "worker/net/conn.h"
#include "worker/worker.h"

static timer_cb polling_timer;

void
poller_check(const struct poller *p)
{
	CHECK_MAGIC(p, POLLER_MAGIC);
	MUST((p->state == POLLER_POLLING) == (p->client != NULL));
	MUST(p->get == NULL || p->get->poller == p);
	MUST(p->post == NULL || p->post->poller == p);
	MUST(p->ws == NULL || p->ws->poller == p);
	MUST(p->told == NULL || p->told->poller == p);
	MUST(p->oked == NULL || p->oked->poller == p);
}

void
poller_let_go(struct poller *p, struct conn **cp)
{
	MUST(*cp != NULL && (*cp)->poller == p);
	(*cp)->poller = NULL;
	*cp = NULL;
}

void
poller_answers(struct poller *p, struct conn **cp, struct conn *c)
{
	if (*cp != NULL)
		poller_let_go(p, cp);
	MUST(c->poller == NULL);
	*cp = c;
	c->poller = p;
}

bool
poller_writes(struct conn *const *cp)
{
	if (*cp != NULL)
		conn_push(*cp);
	return (*cp != NULL);
}

void
polling_http_drained(struct conn *c)
{
	struct poller *p = c->poller;

	if (p == NULL)
		return;
	poller_check(p);
	if (p->told == c) {
		poller_let_go(p, &p->told);
		repeat_forget(&p->repeat);
	} else if (p->oked == c) {
		poller_let_go(p, &p->oked);
		p->repeat.post.head = 0;
	}
}

void
polling_http_gone(struct conn *c)
{
	struct poller *p = c->poller;

	if (p == NULL)
		return;
	poller_check(p);
	if (p->told == c) {
		poller_let_go(p, &p->told);
		p->repeat.get.lost = true;
	} else if (p->oked == c) {
		poller_let_go(p, &p->oked);
		p->repeat.post.lost = true;
	}
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
	slab_init(&all->slab, sizeof(struct poller), sizeof(void *));
	sids_init(&all->sids, segment_key(w->h->segment));
	TAILQ_INIT(&all->list);
	all->busy = later_new();
	if (all->busy == NULL) {
		sids_fini(&all->sids);
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
	MUST(all->doomed == NULL);
	sids_fini(&all->sids);
	slab_fini(&all->slab);
	later_free(&all->busy);
	all->magic = 0;
	free(all);
}

size_t
polling_waiting(const struct polling *all)
{
	return (all->sids.table.count - all->nupgraded);
}

/* --- deadlines ----------------------------------------------------------- */

static struct mono
polling_next_deadline(const struct poller *p)
{
	struct mono t = { UINT64_MAX };

	if (p->client != NULL)
		t = client_due(p->client);
	if (p->state != POLLER_UPGRADED && p->deadline.us < t.us)
		t = p->deadline;
	if (p->noop_at.us != 0 && p->noop_at.us < t.us)
		t = p->noop_at;
	return (t);
}

void
polling_rearm(struct poller *p)
{
	struct mono t = polling_next_deadline(p);

	/* a timer that is too early looks again when it fires */
	if (t.us == UINT64_MAX || p->frozen ||
	    (p->timer.running && timer_at(&p->timer).us <= t.us))
		return;
	timer_start(p->all->w->wheel, &p->timer, t, polling_timer);
}

static void
polling_timer(struct timer *t, struct mono now)
{
	struct poller *p = container_of(t, struct poller, timer);

	poller_check(p);
	slot_does(p->all->w->row, SLOT_TIMER);
	counter_add(COUNTER_timers_fired, 1);
	if (p->noop_at.us != 0 && p->noop_at.us <= now.us)
		poller_noop(p);
	if (p->state == POLLER_LAST && p->deadline.us <= now.us)
		poller_over(p);
	else if (p->client != NULL && p->deadline.us <= now.us)
		polling_close(p, REASON_aged);
	else if (p->client != NULL && !p->parting &&
	    client_due(p->client).us <= now.us)
		client_tick(p->client);
	if (!p->parting)
		polling_rearm(p);
}

/* --- requests ------------------------------------------------------------ */

struct poller *
poller_new(struct polling *all)
{
	struct poller *p;

	p = slab_get(&all->slab);
	if (p == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (NULL);
	}
	p->magic = POLLER_MAGIC;
	p->all = all;
	return (p);
}

void
poller_insert(struct poller *p)
{
	sids_insert(&p->all->sids, p);
	TAILQ_INSERT_HEAD(&p->all->list, p, link);
	p->listed = true;
}

void
poller_remove(struct poller *p)
{
	MUST(p->listed);
	sids_remove(&p->all->sids, p);
	TAILQ_REMOVE(&p->all->list, p, link);
	p->listed = false;
}

void
poller_uncount(struct poller *p)
{
	count_leave_key(p->all->w->count, p->address_node);
	p->address_node = 0;
}

/* The line of its cookie, beside those of CORS, in the first response; false:
 * no memory. */
static bool
polling_cookie(struct poller *p, struct request *rq)
{
	struct buf *b = &rq->w->lines;	/* poller_hold() has its own copy */

	/* one name, one path: two endpoints would overwrite each other's */
	if (rq->w->conf->cookie.name[0] == '\0' || p->route != NULL)
		return (true);
	buf_reset(b);
	if (rq->lines != NULL)
		buf_str(b, rq->lines);
	cookie_line(b, &rq->w->conf->cookie, p->sid, rq->from.secure);
	buf_byte(b, '\0');
	if (!b->oom)
		rq->lines = (const char *)b->data;
	return (!b->oom);
}

void
polling_open(struct request *rq, const struct engineio *e)
{
	struct worker *w = rq->w;
	struct polling *all = w->polling;
	struct admission adm = { .who = NULL };
	struct poller *p;
	uint32_t node;

	/* it may bring its session elsewhere, when this is answered */
	if (w->mode != WORKER_SERVING)
		rq->keep_alive = false;
	/* before a token is looked at */
	if (!admit_session(rq, polling_waiting(all), &node))
		return;
	if (!open_admit(rq, &adm)) {
		count_leave_key(w->count, node);
		return;
	}
	p = poller_new(all);
	if (p == NULL)
		count_leave_key(w->count, node);
	else {
		p->address_key = from_key(rq);
		p->address_node = node;
		p->client = engine_open_polling(w->hub, &adm, e->b64,
		    &p->outq);
	}
	admission_fini(&adm);
	if (p == NULL || p->client == NULL) {
		counter_add(COUNTER_refused_memory, 1);
		if (p != NULL)
			poller_bury(p);
		reply_no_memory(rq);
		return;
	}
	p->route = rq->match.conf;
	p->deadline = age_due(w->age_unit_us, age_draw(w->age_unit_us, w->now,
	    arc4random()), w->now);
	repeat_init(&p->repeat, &all->sids.key, &e->t);
	memcpy(p->sid, engine_sid(p->client), sizeof p->sid);
	poller_insert(p);
	poller_story_begin(p, &rq->from);
	polling_rearm(p);
	if (polling_cookie(p, rq))
		poller_hold(p, rq);
	else
		poller_no_memory(p, rq);
}

/*
 * It has been closed, and knows nothing of this request.  But a GET is welcome
 * that came in the same turn, to be told why; or with the POST of a client that
 * closed it itself, as long as that is held.
 */
static bool
polling_deaf(const struct poller *p, const struct request *rq)
{
	bool held = poller_post_held(p) &&
	    (p->state == POLLER_LAST || (p->parting &&
	    p->reason == REASON_client_close));
	bool get = rq->head.method == HTTP_GET && !rq->head.upgrade_websocket;

	if (!p->parting)
		return (held && rq->head.method != HTTP_GET);
	if (held)
		return (!get || p->get != NULL);
	return (poller_tells(p) == 0 || rq->head.upgrade_websocket ||
	    (get && p->get != NULL));
}

bool
polling_session(struct request *rq, const struct engineio *e,
    bool origin_allowed)
{
	struct poller *p = sids_find(&rq->w->polling->sids, e->sid);

	if (p == NULL)
		return (false);
	poller_check(p);
	if (p->frozen) {	/* until it is known whose it is */
		rq->later = true;
		return (true);
	}
	if (p->client != NULL && !p->parting &&
	    client_due(p->client).us <= rq->w->now.us)
		client_tick(p->client);	/* before the timer, which is coarse */
	if (p->route != rq->match.conf || polling_deaf(p, rq))
		open_error(rq, EIO_SID_UNKNOWN);
	else if (!e->version || e->polling == rq->head.upgrade_websocket ||
	    (e->polling && p->state == POLLER_UPGRADED))
		open_error(rq, EIO_BAD_REQUEST);
	else if (!origin_allowed)
		open_error(rq, EIO_FORBIDDEN);
	else if (!e->polling)
		poller_candidate(p, rq);
	else if (rq->head.method == HTTP_GET)
		poller_get(p, rq, e);
	else if (rq->head.method == HTTP_POST)
		poller_post(p, rq, e);
	else
		reply_send(rq, 500, NULL, slice_of(NULL, 0), NULL);
	return (true);
}
