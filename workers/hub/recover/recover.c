/*
 * Sessions that may come back to this worker; see recover.h.  Called by
 * engine.c and socketio.c as clients go and come, by hub.c for the
 * clock and for parked queues, by recover_ask.c and recover_move.c.
 */
#include "hub/recover/recover_int.h"

#include <stdlib.h>

#include "base/digest.h"
#include "hub/audience/room.h"
#include "hub/rule/join.h"
#include "hub/session/limit.h"
#include "hub/session/principal.h"
#include "hub/store/lag.h"
#include "proto/json.h"

/* --- by pid --------------------------------------------------------------- */

static struct recover *
recover_of(const struct hashtab_link *l)
{
	return (container_of((struct hashtab_link *)(uintptr_t)l,
	    struct recover, by_pid));
}

static uint64_t
recover_hash(const struct hub *h, const char pid[RECOVER_PID_LEN])
{
	return (hash_bytes(&h->key, slice_of(pid, RECOVER_PID_LEN)));
}

static uint64_t
recover_hash_of(const void *arg, const struct hashtab_link *l)
{
	return (recover_hash(arg, recover_of(l)->pid));
}

struct recover_table *
recover_table_new(const struct hub *h)
{
	struct recover_table *t = calloc(1, sizeof *t);

	if (t == NULL)
		return (NULL);
	hashtab_init(&t->pids, recover_hash_of, h);
	budget_init(&t->budget, h);
	TAILQ_INIT(&t->parked);
	TAILQ_INIT(&t->moving);
	waits_init(&t->asks, RECOVER_ASKS_MAX, h->generation);
	return (t);
}

struct recover *
recover_find_any(struct hub *h, struct slice pid)
{
	const struct hashtab_link *l;

	if (pid.n != RECOVER_PID_LEN)
		return (NULL);
	for (l = hashtab_chain(&h->recover->pids, recover_hash(h,
	    (const char *)pid.p)); l != NULL; l = l->next)
		if (memcmp(recover_of(l)->pid, pid.p, RECOVER_PID_LEN) == 0)
			return (recover_of(l));
	return (NULL);
}

struct recover *
recover_find(struct hub *h, struct slice pid)
{
	struct recover *r = recover_find_any(h, pid);

	return (r == NULL || r->made != NULL || r->frozen ? NULL : r);
}

struct recover *
recover_add(struct session *s, struct slice pid)
{
	struct hub *h = s->hub;
	struct recover *r = calloc(1, sizeof *r);

	if (r == NULL)
		return (NULL);
	memcpy(r->pid, pid.p, RECOVER_PID_LEN);
	r->session = s;
	r->wire = s->wire;
	s->recover = r;
	buf_init(&r->changes);
	hashtab_insert(&h->recover->pids, recover_hash(h, r->pid), &r->by_pid);
	return (r);
}

bool
recover_give(struct session *s)
{
	uint8_t rnd[15], pid[RECOVER_PID_LEN];
	struct recover *r;

	s->hub->ports.random(s->hub->ports.host, rnd, sizeof rnd);
	(void)digest_base64url_encode(slice_of(rnd, sizeof rnd), pid);
	r = recover_add(s, slice_of(pid, sizeof pid));
	if (r == NULL)
		return (false);
	r->start = outq_pos(s->out);
	tell_begun(r, false);
	return (true);
}

struct session *
recover_begin_at(struct session *s, uint64_t pos, uint64_t to)
{
	for (; s != NULL; s = s->next) {
		if (s->recover == NULL)
			continue;
		if (s->recover->start > pos)
			break;
		if (s->recover->start == pos)
			s->recover->start = to;
	}
	return (s);
}

/* moved_on: its client is here again, or on another worker. */
static void
recover_unpark(struct hub *h, struct recover *r, bool moved_on)
{
	if (!r->parked)
		return;
	budget_unpark(r, moved_on);
	r->parked = false;
	r->made = NULL;
	if (r->to != 0)
		TAILQ_REMOVE(&h->recover->moving, r, link);
	else
		TAILQ_REMOVE(&h->recover->parked, r, link);
	sentlog_unref(&r->log);
	outq_kill(&h->out, &r->out);
}

void
recover_session_freed(struct session *s)
{
	struct hub *h = s->hub;
	struct recover *r = s->recover;

	if (r == NULL)
		return;
	tell_ended(r);
	recover_ask_forget(h, r);
	recover_unpark(h, r, r->to != 0);
	hashtab_remove(&h->recover->pids, recover_hash(h, r->pid), &r->by_pid);
	s->recover = NULL;
	r->session = NULL;
	buf_fini(&r->changes);
	r->next = h->recover->dead;
	h->recover->dead = r;
}

struct slice
recover_pid(const struct session *s)
{
	return (s->recover == NULL ? slice_of(NULL, 0) :
	    slice_of(s->recover->pid, RECOVER_PID_LEN));
}

/* All that nobody has a hand on. */
static void
recover_bury(struct hub *h)
{
	struct recover *r, *next, *keep = NULL;

	for (r = h->recover->dead; r != NULL; r = next) {
		next = r->next;
		if (r->frozen) {
			r->next = keep;
			keep = r;
		} else
			free(r);
	}
	h->recover->dead = keep;
}

void
recover_turn_end(struct hub *h)
{
	const struct recover_table *t = h->recover;

	if (likely(t->budget.changed == NULL && t->budget.look == NULL &&
	    t->dead == NULL && t->changed == NULL))
		return;
	tell_turn_end(h);
	budget_turn_end(h);
	recover_bury(h);
}

void
recover_say(struct hub *h)
{
	tell_turn_end(h);
}

void
recover_discard(struct recover *r)
{
	struct session *s = r->session;

	session_free(&s);
}

void
recover_table_free(struct hub *h)
{
	struct recover_table *t = h->recover;
	struct recover *r;

	if (t == NULL)
		return;
	recover_ask_fini(h);
	while ((r = TAILQ_FIRST(&t->moving)) != NULL ||
	    (r = TAILQ_FIRST(&t->parked)) != NULL)
		recover_discard(r);
	budget_fini(h);
	for (r = t->dead; r != NULL; r = r->next)
		r->frozen = false;	/* nobody has a hand on any more */
	recover_bury(h);
	hashtab_fini(&t->pids);
	waits_fini(&t->asks);
	free(t->proven);
	free(t);
	h->recover = NULL;
}

/* --- parking -------------------------------------------------------------- */

bool
recover_park_one(struct recover *r, struct sentlog *log, uint32_t family)
{
	struct session *s = r->session;
	struct hub *h = s->hub;

	if (!budget_park(r, family)) {
		counter_add(COUNTER_memory_failures, 1);
		session_free(&s);
		return (false);
	}
	r->parked = true;
	r->wire = s->wire;
	r->log = log == NULL ? NULL : sentlog_ref(log);
	r->until_us = h->now.us + h->conf->recovery_window_ms * 1000;
	r->out.dead = r->out.lossy = false;
	r->out.parked = true;
	outq_block(&h->out, &r->out);	/* no volatile events for later */
	TAILQ_INSERT_TAIL(&h->recover->parked, r, link);
	MUST(room_move(h, s, &r->out, s->wire));	/* in place */
	return (true);
}

void
recover_park(struct client *c, enum reason reason)
{
	struct comeback *back = recover_comeback(c);
	struct session *s, *next;

	recover_cancel(c);	/* what comes now would not be in the log */
	if (c->out->lossy)	/* nor what could not be queued */
		return;
	if (c->out->log != NULL)
		outq_log_rest(&c->hub->out, c->out);
	for (s = c->sessions; s != NULL; s = next) {
		next = s->next;
		if (s->recover == NULL || lag_any(s))
			continue;	/* it would come back with a hole */
		client_unlink(c, s);
		if (s->ns->journals) {	/* the store has it */
			tell_away(s->recover);
			session_over(&s, reason);
			continue;
		}
		session_park(s, reason);
		(void)recover_park_one(s->recover, back->log, c->serial);
	}
}

struct recover *
recover_make(struct hub *h, struct asking *a, const struct conf_namespace *ns,
    struct principal *who, enum wire wire, struct slice sid,
    struct slice pid)
{
	/* its queue is the recover's own, which comes a moment later */
	static struct outq nowhere = { .dead = true };
	struct session *s;
	struct recover *r;

	if (recover_find_any(h, pid) != NULL)
		return (NULL);
	s = session_made(h, &nowhere, wire, ns, who, sid);
	if (s == NULL)
		return (NULL);
	r = recover_add(s, pid);
	if (r == NULL) {
		session_free(&s);
		return (NULL);
	}
	if (!recover_park_one(r, NULL, 0))
		return (NULL);
	r->made = a;
	return (r);
}

void
recover_queued(struct hub *h, struct outq *q)
{
	struct recover *r = container_of(q, struct recover, out);

	if (r->session == NULL)
		return;
	budget_changed(r);
	if (r->to != 0)
		recover_forward(r);
	else if (q->lossy || q->n > h->conf->recovery_packets ||
	    outq_bytes(q) > h->conf->recovery_bytes)
		recover_discard(r);
}

void
recover_tick(struct hub *h)
{
	struct recover *r;

	recover_move_tick(h);
	recover_ask_tick(h);
	tell_tick(h);
	while ((r = TAILQ_FIRST(&h->recover->parked)) != NULL &&
	    r->until_us <= h->now.us)
		recover_discard(r);
}

/* --- coming back ---------------------------------------------------------- */

bool
recover_is_of(const struct session *s, const struct slice *user)
{
	if (s->who == NULL || user == NULL)
		return (s->who == NULL && user == NULL);
	return (slice_eq(principal_user(s->who), *user));
}

bool
recover_ready(struct recover *r, struct slice offset, uint32_t *skip)
{
	struct client *old = r->session->client;

	if (r->to != 0)
		return (false);
	if (!r->parked) {	/* half open, or a thief was quicker */
		recover_park(old, REASON_taken_over);
		client_close(old, REASON_taken_over);
		if (!r->parked)
			return (false);		/* no memory */
	}
	return (!r->out.lossy && recover_knows(r, offset, skip));
}

bool
recover_attach(struct client *c, struct recover *r, struct principal *who)
{
	struct session *s = r->session;
	struct hub *h = s->hub;

	recover_unpark(h, r, true);
	principal_unref(&s->who);
	if (who != NULL)
		s->who = principal_ref(who);
	if (!room_move(h, s, c->out, (enum wire)c->wire)) {
		counter_add(COUNTER_memory_failures, 1);
		limit_give_back(h->count, &s->counted);
		session_free(&s);
		client_close(c, REASON_memory);
		return (false);
	}
	session_resume(s, c);
	client_link(c, s);
	c->kind->back(c, s);
	counter_add(COUNTER_recovered, 1);
	counter_ns_add(s->ns->index, NS_recovered, 1);
	counter_ns_add(s->ns->index, NS_reconnections, 1);
	client_schedule(c);
	return (true);
}

/* --- CONNECT -------------------------------------------------------------- */

/* A session of this worker. */
static enum recover_result
recover_here(struct client *c, struct recover *r, struct slice offset,
    struct principal *who)
{
	struct buf records;
	uint64_t start;
	struct limit_nodes nodes;
	const char *why;
	uint32_t skip;

	/* what came from a room that he may not be in could not be told apart */
	if (r->session->client == c ||
	    !recover_ready(r, offset, &skip) ||
	    !join_keeps(r->session, who)) {
		if (r->parked && r->to == 0)
			recover_discard(r);
		return (RECOVER_NOT);
	}
	if (!limit_session(c->hub, c, r->session->ns, who,
	    &nodes, &why))
		return (RECOVER_NOT);	/* which will be refused, too */
	buf_init(&records);
	recover_drain(r, skip, &records);
	if (records.oom) {	/* some are lost */
		counter_add(COUNTER_memory_failures, 1);
		buf_fini(&records);
		limit_give_back(c->hub->count, &nodes);
		recover_discard(r);
		return (RECOVER_NOT);
	}
	start = outq_pos(c->out);
	recover_replay(c, &records, NULL);
	buf_fini(&records);
	r->start = start;
	r->session->counted = nodes;
	(void)recover_attach(c, r, who);
	return (RECOVER_DONE);
}

/* A string member, quotes included; false: it is there and no string. */
static bool
recover_member(struct slice auth, struct slice name, struct slice *raw)
{
	*raw = slice_of(NULL, 0);
	if (auth.n == 0 || !json_get(auth, name, raw))
		return (true);
	return (json_type(*raw) == JSON_STRING);
}

enum recover_result
recover_connect(struct client *c, const struct conf_namespace *ns,
    struct slice auth, struct principal *who)
{
	enum recover_result result = RECOVER_NOT;
	struct slice pid, offset, user = { NULL, 0 };
	struct comeback *back = recover_comeback(c);
	struct recover *r;

	if (back == NULL || back->log == NULL ||
	    !recover_member(auth, SLICE("pid"), &pid) ||
	    pid.n == 0)
		return (RECOVER_NOT);
	if (pid.n == RECOVER_PID_LEN + 2 &&
	    recover_member(auth, SLICE("offset"), &offset)) {
		pid = slice_of(pid.p + 1, RECOVER_PID_LEN);
		if (who != NULL)
			user = principal_user(who);
		r = recover_find(c->hub, pid);
		if (ns->journals)
			result = recover_store_ask(c, ns, pid, offset, who,
			    auth);
		else if (r == NULL)
			result = recover_ask(c, ns, pid, offset, who, auth);
		else if (r->session->ns == ns &&
		    recover_is_of(r->session, who == NULL ? NULL : &user))
			result = recover_here(c, r, offset, who);
	}
	if (result == RECOVER_NOT)
		counter_add(COUNTER_recovery_failed, 1);
	return (result);
}
