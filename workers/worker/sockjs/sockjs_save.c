/*
 * A session of SockJS as bytes, and from them; see sockjs_save.h.
 */
#include "worker/sockjs/sockjs_save.h"

#include <bsd/stdlib.h>
#include <stdlib.h>
#include <unistd.h>

#include "hub/client.h"
#include "hub/move.h"
#include "shm/count.h"
#include "shm/counters.h"
#include "worker/http/reply.h"
#include "worker/net/age.h"
#include "worker/net/conn.h"
#include "worker/net/conn_save.h"
#include "worker/net/conn_all.h"
#include "worker/net/names.h"
#include "worker/net/text_save.h"
#include "worker/sockjs/sockjs_int.h"
#include "worker/worker.h"

#define SOCKJS_TAG	0x534a		/* "SJ" */
#define SOCKJS_VERSION	1

/* Saved: all but places in lists, pointers of this process, `unwanted`, `alone`
 * and `frozen`. */
STATE_FIELDS(sockjs, 352);

/* Its connections, by number: what is written before each. */
enum { SAVE_RECV, SAVE_POST };

/* As at[] says from now on. */
static struct conn_all
save_conns(const struct sockjs *s, struct conn **at[SOCKJS_CONNS_MAX])
{
	at[SAVE_RECV] = (struct conn **)(uintptr_t)&s->recv;
	at[SAVE_POST] = (struct conn **)(uintptr_t)&s->post;
	return ((struct conn_all){ at, SOCKJS_CONNS_MAX });
}

struct sockjs *
sockjs_save_first(const struct sockjs_all *all)
{
	CHECK_MAGIC(all, SOCKJS_ALL_MAGIC);
	return (TAILQ_FIRST(&all->list));
}

struct sockjs *
sockjs_save_next(const struct sockjs *s)
{
	CHECK_MAGIC(s, SOCKJS_MAGIC);
	return (TAILQ_NEXT(s, link));
}

/* --- giver --------------------------------------------------------------- */

/* ... or, but for this connection, it might. */
static bool
save_may_move(const struct sockjs *s, const struct conn *except)
{
	struct conn **at[SOCKJS_CONNS_MAX];

	sockjs_check(s);
	return (!s->frozen && !s->parting && !s->outq.lossy &&
	    !s->outq.dirty &&
	    (s->client == NULL || client_may_move(s->client)) &&
	    conn_all_may_move(save_conns(s, at), except));
}

bool
sockjs_may_move(const struct sockjs *s)
{
	return (save_may_move(s, NULL));
}

bool
sockjs_waits(const struct sockjs *s)
{
	sockjs_check(s);
	return (s->client != NULL && client_waits(s->client));
}

bool
sockjs_may_release(const struct sockjs *s)
{
	return (s->state == SOCKJS_OPEN && s->recv != NULL &&
	    s->recv->secure && !s->recv->parting && s->outq.n == 0 &&
	    save_may_move(s, s->recv));
}

bool
sockjs_release(struct sockjs *s)
{
	if (!sockjs_may_release(s))
		return (false);
	if (s->transport == SOCKJS_XHR) {
		reply_held_last(s->recv);
		sockjs_say(s, SLICE("h"));
	} else
		sockjs_let_go(s);
	return (sockjs_may_move(s));
}

unsigned
sockjs_nconns(const struct sockjs *s)
{
	struct conn **at[SOCKJS_CONNS_MAX];

	sockjs_check(s);
	return (conn_all_count(save_conns(s, at)));
}

static void
save_put(struct buf *b, const struct sockjs *s)
{
	state_put_u32(b, s->state);
	state_put_u32(b, s->reason);
	state_put_u32(b, s->transport);
	state_put_bytes(b, s->key, SOCKJS_KEY);
	state_put_u64(b, s->sent);
	state_put_u64(b, s->old_at.us);
	state_put_u64(b, s->gone_at.us);
	state_put_u64(b, s->beat_at.us);
	state_put_u64(b, s->address_key);
	story_save(&s->story, b);
	text_save(b, s->lines);
	text_save(b, s->post_lines);
	state_put_bool(b, s->rest_bytes != NULL);
	if (s->rest_bytes != NULL) {
		state_put_slice(b, s->rest.rest.rest);
		state_put_bool(b, s->is_busy);
	}
}

bool
sockjs_save(struct sockjs *s, struct hub_move *hm, struct buf *b, int fds[])
{
	size_t begin = state_open(b, SOCKJS_TAG, SOCKJS_VERSION);
	struct conn **at[SOCKJS_CONNS_MAX];

	sockjs_check(s);
	save_put(b, s);
	if (s->client != NULL ? !client_save(hm, s->client, b) :
	    !hub_move_queue_save(hm, &s->outq, b))
		return (false);
	if (!conn_all_save(save_conns(s, at), hm, b, fds))
		return (false);
	names_save(s->all->w->names, s->story.number, b);
	state_close(b, begin);
	return (!b->oom);
}

void
sockjs_freeze(struct sockjs *s)
{
	struct conn **at[SOCKJS_CONNS_MAX];

	sockjs_check(s);
	MUST(!s->frozen && !s->parting);
	s->frozen = true;
	timer_stop(s->all->w->wheel, &s->timer);
	conn_all_each(save_conns(s, at), conn_freeze);
}

/* What was to be done meanwhile, and waited. */
static void
save_wake(struct sockjs *s)
{
	s->frozen = false;
	if (s->is_busy && !s->queued) {
		s->is_busy = false;
		sockjs_resume(s);
	}
	if (s->parting)
		sockjs_list(s);
	else if (s->outq.lossy || (s->outq.n > 0 &&
	    !outq_touch(s->all->w->out, &s->outq)))
		sockjs_close(s, REASON_memory);
	sockjs_rearm(s);
}

void
sockjs_thaw(struct sockjs *s)
{
	struct conn **at[SOCKJS_CONNS_MAX];

	sockjs_check(s);
	MUST(s->frozen);
	conn_all_each(save_conns(s, at), conn_thaw);
	save_wake(s);
}

static void
save_conn_back(struct conn *c)
{
	c->sockjs = NULL;
}

/* Nothing is said or counted as an end. */
static void
save_forget(struct sockjs *s, void (*conn_f)(struct conn *),
    void (*client_f)(struct client **))
{
	struct conn **at[SOCKJS_CONNS_MAX];

	conn_all_forget(save_conns(s, at), save_conn_back, conn_f);
	if (s->client != NULL)
		client_f(&s->client);
	if (s->listed)
		sockjs_remove(s);
	sockjs_bury(s);
}

void
sockjs_moved(struct sockjs *s)
{
	sockjs_check(s);
	save_forget(s, conn_moved, client_moved);
}

/* --- heir ---------------------------------------------------------------- */

static bool
save_get_rest(struct state_in *in, struct sockjs *s)
{
	struct slice rest;

	if (!state_get_bool(in))
		return (!in->bad);
	rest = state_get_slice(in);
	s->is_busy = state_get_bool(in);
	/* as it was checked when it came: [ stands before it no more; nothing,
	 * if all is done and that is to be seen yet */
	if (in->bad || (rest.n > 0 && slice_end(rest)[-1] == ']'))
		return (false);
	s->rest_bytes = malloc(rest.n + 1);
	if (s->rest_bytes == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	if (rest.n > 0)
		memcpy(s->rest_bytes, rest.p, rest.n);
	s->rest = (struct sockjs_messages){
		.rest.rest = slice_of(s->rest_bytes, rest.n) };
	return (true);
}

static bool
save_get(struct state_in *in, struct sockjs *s)
{
	s->state = (uint8_t)state_get_below(in, SOCKJS_CLOSED + 1);
	s->reason = (uint8_t)state_get_below(in, REASON__MAX);
	s->transport = (uint8_t)state_get_below(in, SOCKJS_HTMLFILE + 1);
	state_get_bytes(in, s->key, SOCKJS_KEY);
	if (in->bad || sockjs_find(s->all, s->key) != NULL)
		return (false);
	s->sent = state_get_u64(in);
	s->old_at.us = state_get_u64(in);
	s->gone_at.us = state_get_u64(in);
	s->beat_at.us = state_get_u64(in);
	s->address_key = state_get_u64(in);
	story_load(&s->story, in);
	return (text_load(in, &s->lines) && text_load(in, &s->post_lines) &&
	    save_get_rest(in, s) && !in->bad);
}

/* One that is what it stands for. */
static bool
save_conn_fits(void *arg, unsigned i, struct conn *c)
{
	struct sockjs *s = arg;

	if (i == SAVE_POST ? c->state != CONN_AWAITS || s->rest_bytes == NULL :
	    s->client == NULL || c->state != (s->transport == SOCKJS_XHR ?
	    CONN_AWAITS : CONN_CHUNKED))
		return (false);
	c->sockjs = s;
	return (true);
}

/* Strings, each with its comma. */
static bool
save_is_whole(const struct sockjs *s)
{
	struct slice run;
	uint32_t i;

	for (i = 0; outq_run(&s->outq, i, &run); i++)
		if (run.n < 3 || run.p[0] != '"' ||
		    slice_end(run)[-1] != ',' || slice_end(run)[-2] != '"')
			return (false);
	return (true);
}

static bool
save_get_client(struct state_in *in, struct hub_move *hm, struct sockjs *s)
{
	enum reason why;

	if (s->state == SOCKJS_CLOSED)
		return (hub_move_queue_load(hm, in, &s->outq) &&
		    save_is_whole(s));
	s->client = client_load(hm, in, &s->outq, &why);
	if (s->client == NULL)
		return (false);
	if (why != REASON__MAX) {
		s->unwanted = true;
		s->reason = (uint8_t)why;
	}
	return (!client_is_engine(s->client) && save_is_whole(s));
}

/* What depends on this worker, and that it is here; false: that nobody would
 * find it. */
static bool
save_settle(struct sockjs *s)
{
	struct worker *w = s->all->w;

	if (s->state == SOCKJS_OPEN && (w->age_unit_us == 0 ||
	    s->old_at.us == UINT64_MAX))
		s->old_at = age_due(w->age_unit_us, age_draw(w->age_unit_us,
		    w->now, arc4random()), w->now);
	if (s->address_key != 0 && w->conf->limit_per_address != 0 &&
	    !count_enter_key(w->count, COUNT_POLLING,
	    slice_of(&s->address_key, sizeof s->address_key), COUNT_KEY_MAX,
	    &s->address_node))
		s->address_node = 0;
	return (count_enter_key(w->count, COUNT_SOCKJS, slice_of(s->key,
	    SOCKJS_KEY), COUNT_KEY_MAX, &s->key_node) && s->key_node != 0);
}

/* fds: those that are a connection now are -1 there. */
static struct sockjs *
save_load(struct sockjs_all *all, struct hub_move *hm, struct state_in *from,
    int fds[], unsigned n)
{
	struct conn **at[SOCKJS_CONNS_MAX];
	struct state_in in;
	struct sockjs *s;
	uint16_t version;

	if (!state_section(from, SOCKJS_TAG, &version, &in) ||
	    version != SOCKJS_VERSION)
		return (NULL);
	s = sockjs_session_new(all);
	if (s == NULL)
		return (NULL);
	s->frozen = true;
	if (save_get(&in, s) && save_get_client(&in, hm, s) &&
	    conn_all_load(save_conns(s, at), all->w, hm, &in, fds, n,
	    save_conn_fits, s) &&
	    names_load(&all->w->names, s->story.number, &in) &&
	    state_end(&in) && save_settle(s))
		return (s);
	sockjs_unload(s);
	return (NULL);
}

struct sockjs *
sockjs_load(struct sockjs_all *all, struct hub_move *hm, struct state_in *in,
    const int fds[], unsigned n)
{
	int left[SOCKJS_CONNS_MAX];
	struct sockjs *s;
	unsigned i;

	CHECK_MAGIC(all, SOCKJS_ALL_MAGIC);
	MUST(n <= SOCKJS_CONNS_MAX);
	for (i = 0; i < n; i++)
		left[i] = fds[i];
	s = save_load(all, hm, in, left, n);
	for (i = 0; i < n; i++)
		if (left[i] != -1)
			(void)close(left[i]);
	if (s != NULL)
		sockjs_insert(s);
	return (s);
}

void
sockjs_activate(struct sockjs *s)
{
	struct conn **at[SOCKJS_CONNS_MAX];

	sockjs_check(s);
	MUST(s->frozen);
	conn_all_each(save_conns(s, at), conn_activate);
	if (s->client != NULL && s->unwanted && !s->parting)
		sockjs_close(s, (enum reason)s->reason);
	save_wake(s);
}

void
sockjs_unload(struct sockjs *s)
{
	CHECK_MAGIC(s, SOCKJS_MAGIC);
	save_forget(s, conn_unload, client_unload);
}
