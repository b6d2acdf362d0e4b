/*
 * Sessions that come from other hosts, or go to these; see keep_sessions_far.h.
 */
#include "relay/store/keep_sessions_far_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/state.h"
#include "base/utf8.h"
#include "relay/redis/redis.h"
#include "relay/redis/reply.h"
#include "shm/counters.h"

#define NODE_HEX	16u

/* --- messages -------------------------------------------------------------*/

void
far_message(struct keep *k, struct buf *b, char kind, struct slice what)
{
	struct buf *body = &k->sessions->far->other;
	char node[NODE_HEX + 1];

	far_node(k, node);
	buf_reset(body);
	buf_byte(body, (uint8_t)kind);
	buf_str(body, node);
	buf_slice(body, what);
	buf_reset(b);
	if (!k->link.seal(k->link.arg, body)) {
		body->oom |= body->wpos == 0;
		return;		/* nobody would believe it */
	}
	buf_str(b, SESSIONS_MARK);
	buf_slice(b, buf_unread(body));
}

/* --- takes ----------------------------------------------------------------*/

static uint64_t
fetch_hash(const struct keep *k, const void *pid)
{
	return (hash_bytes(&k->sessions->key, slice_of(pid, STORED_PID)));
}

static struct far_take *
fetch_of(const struct hashtab_link *l)
{
	return (container_of((struct hashtab_link *)(uintptr_t)l,
	    struct far_take, link));
}

uint64_t
far_hash_of(const void *arg, const struct hashtab_link *l)
{
	return (fetch_hash(arg, fetch_of(l)->pid));
}

static void
fetch_free(struct far_take *t)
{
	struct sessions_far *f = t->k->sessions->far;

	hashtab_remove(&f->pids, fetch_hash(t->k, t->pid), &t->link);
	TAILQ_REMOVE(&f->takes, t, next);
	f->ntakes--;
	f->nasked -= t->asked;
	free(t);
}

static struct bus_session
fetch_session(const struct far_take *t)
{
	return ((struct bus_session){ .nsp = far_take_nsp(t),
		.pid = slice_of(t->pid, STORED_PID),
		.offset = slice_of(t->offset, t->offset_n),
		.has_user = t->has_user, .user = far_take_user(t) });
}

static void
fetch_refuse(struct far_take *t)
{
	sessions_refuse(t->k, &t->asker);
	fetch_free(t);
}

/* As if nobody else were there. */
static void
fetch_here(struct far_take *t)
{
	struct bus_session b = fetch_session(t);

	sessions_take_here(t->k, &t->asker, &b);
	fetch_free(t);
}

static struct stored *
fetch_find(const struct far_take *t)
{
	struct bus_session b = fetch_session(t);

	return (sessions_find(t->k->sessions, &b));
}

/* Its client, and others, are told of these names. */
static bool
fetch_is_clean(const struct stored *s)
{
	const struct stored_room *r;
	size_t i;
	char c;

	for (i = 0; i < STORED_SID; i++) {
		c = s->sid[i];
		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		    (c >= '0' && c <= '9') || c == '-' || c == '_'))
			return (false);
	}
	STAILQ_FOREACH(r, &s->rooms, next)
		if (!utf8_valid(slice_of(r->name, r->n)))
			return (false);
	return (true);
}

/* What Redis has is this session.  false: it is none, or there is no room. */
static bool
fetch_read(struct far_take *t, struct slice data)
{
	struct keep *k = t->k;
	struct stored *s = fetch_find(t);
	struct state_in in;
	uint8_t version;

	if (s != NULL)		/* it was another host's meanwhile */
		far_lose(k, s);
	if (!k->link.unseal(k->link.arg, &data)) {
		counter_add(COUNTER_sessions_refused, 1);
		return (false);
	}
	in = state_in(data);
	version = state_get_u8(&in);
	if (version != SESSIONS_VERSION ||
	    !sessions_get_one(k, &in, version) || !state_end(&in)) {
		counter_add(COUNTER_store_bad, 1);
		return (false);
	}
	s = fetch_find(t);
	if (s == NULL)
		return (false);
	if (!fetch_is_clean(s)) {
		counter_add(COUNTER_store_bad, 1);
		sessions_drop(k->sessions, s);
		return (false);
	}
	s->last = 0;		/* no worker of this host */
	sessions_far_due(k, s);
	return (true);
}

static void fetch_ask(struct far_take *);

static void
fetch_got(struct far_take *t, struct slice data)
{
	if (!fetch_read(t, data)) {
		fetch_refuse(t);
		return;
	}
	counter_add(COUNTER_sessions_fetched, 1);
	counter_add(COUNTER_sessions_forced, t->force);
	fetch_here(t);
}

static void
fetch_answered(struct far_take *t, struct slice what, struct slice data)
{
	struct stored *s = fetch_find(t);

	if (slice_eq(what, SLICE("none")) ||
	    (slice_eq(what, SLICE("own")) && s != NULL)) {
		fetch_here(t);
	} else if (slice_eq(what, SLICE("own")) ||
	    slice_eq(what, SLICE("got"))) {
		fetch_got(t, data);
	} else if (slice_eq(what, SLICE("wait"))) {
		if (t->waits_ms == 0)
			t->waits_ms = t->k->x->mono_ms;
	} else {
		if (s != NULL && slice_eq(what, SLICE("over")))
			far_lose(t->k, s);
		fetch_refuse(t);
	}
}

static void
fetch_on_reply(void *arg, const struct reply *o)
{
	struct far_take *t = arg;
	struct sessions_far *f = t->k->sessions->far;

	t->asked = false;
	f->nasked--;
	if (o != NULL && !t->whole && reply_is_error(o, SLICE("NOSCRIPT"))) {
		t->whole = true;
		fetch_ask(t);
	} else if (o == NULL || o->type != REPLY_ARRAY || o->n != 2 ||
	    o->elements[0]->type != REPLY_STRING ||
	    o->elements[1]->type != REPLY_STRING)
		fetch_refuse(t);
	else
		fetch_answered(t, o->elements[0]->text, o->elements[1]->text);
}

/* To Redis; refused if it cannot be. */
static void
fetch_ask(struct far_take *t)
{
	struct keep *k = t->k;
	struct sessions_far *f = k->sessions->far;
	struct slice pid = slice_of(t->pid, STORED_PID), v[12];
	char node[NODE_HEX + 1], ms[24];

	if (!far_is_up(k) || !far_at(k, far_take_nsp(t))) {
		fetch_refuse(t);
		return;
	}
	far_node(k, node);
	(void)snprintf(ms, sizeof ms, "%" PRIu64,
	    k->conf->recovery_window_ms + FAR_LEASE_MS);
	buf_reset(&f->data);
	far_put_user(&f->data, t->has_user, far_take_user(t));
	far_message(k, &f->message, 'w', pid);
	far_message(k, &f->record, 't', pid);
	v[0] = t->whole ? SLICE("EVAL") : SLICE("EVALSHA");
	v[1] = t->whole ? far_script_text(FAR_TAKE) :
	    slice_of(f->sha[FAR_TAKE], sizeof f->sha[FAR_TAKE]);
	v[2] = SLICE("1");
	v[3] = far_key(k, &f->keys[0], far_take_nsp(t), t->pid);
	v[4] = slice_str(node);
	v[5] = buf_unread(&f->data);
	v[6] = t->force ? SLICE("y") : SLICE("n");
	v[7] = redis_verb(k->link.redis);
	v[8] = redis_name_at(k->link.redis, &f->verb, buf_unread(&f->channel),
	    buf_unread(&f->channel));
	v[9] = buf_unread(&f->message);
	v[10] = buf_unread(&f->record);
	v[11] = slice_str(ms);
	t->redis = k->link.redis;
	if (far_oom(f) || !redis_command_at(k->link.redis,
	    buf_unread(&f->channel), v, nitems(v), fetch_on_reply, t)) {
		fetch_refuse(t);
		return;
	}
	t->asked = true;
	f->nasked++;
}

/* What its client says is kept until Redis has answered. */
static struct far_take *
fetch_new(struct keep *k, const struct bus_envelope *e)
{
	const struct bus_session *b = &e->session;
	struct sessions_far *f = k->sessions->far;
	struct far_take *t;

	if (f->ntakes >= FAR_TAKES || b->pid.n != STORED_PID ||
	    b->offset.n > sizeof t->offset || b->nsp.n > UINT16_MAX ||
	    b->user.n > UINT16_MAX)
		return (NULL);
	t = calloc(1, sizeof *t + b->nsp.n + b->user.n);
	if (t == NULL)
		return (NULL);
	t->k = k;
	t->asker = (struct store_asker){ .slot = e->from,
		.generation = e->generation, .ref = e->ref };
	t->at_ms = k->x->mono_ms;
	t->has_user = b->has_user;
	memcpy(t->pid, b->pid.p, STORED_PID);
	t->offset_n = (uint8_t)b->offset.n;
	if (b->offset.n != 0)
		memcpy(t->offset, b->offset.p, b->offset.n);
	t->nsp_n = (uint16_t)b->nsp.n;
	t->user_n = (uint16_t)b->user.n;
	if (b->nsp.n != 0)
		memcpy(t->text, b->nsp.p, b->nsp.n);
	if (b->user.n != 0)
		memcpy(t->text + b->nsp.n, b->user.p, b->user.n);
	hashtab_insert(&f->pids, fetch_hash(k, t->pid), &t->link);
	TAILQ_INSERT_TAIL(&f->takes, t, next);
	f->ntakes++;
	return (t);
}

/* Redis is there, and where the journal stands there is known. */
static bool
fetch_is_ready(struct keep *k, struct slice nsp)
{
	const struct conf_namespace *ns = conf_namespace_find(k->conf, nsp);
	const struct journal *j = ns == NULL || !far_is_up(k) ? NULL :
	    journal_find(k, ns);

	return (j != NULL && j->epoch_n != 0);
}

bool
sessions_far_take(struct keep *k, const struct bus_envelope *e)
{
	struct sessions_far *f = k->sessions->far;
	struct store_asker asker = { .slot = e->from,
		.generation = e->generation, .ref = e->ref };
	bool ready;
	struct far_take *t;

	if (k->remote == NULL)
		return (false);
	ready = fetch_is_ready(k, e->session.nsp);
	/* when Redis is away nobody waits for it, but behind an upgrade it is
	 * there in a moment */
	t = !ready && f->was_ready ? NULL : fetch_new(k, e);
	if (t == NULL)
		sessions_refuse(k, &asker);
	else if (ready)
		fetch_ask(t);
	else
		t->early = true;
	f->was_ready |= ready;
	return (true);
}

static void
fetch_look(struct far_take *t)
{
	uint64_t now_ms = t->k->x->mono_ms;

	if (t->asked)
		return;		/* links have times of their own */
	if (now_ms - t->at_ms > FAR_TAKE_MS) {
		fetch_refuse(t);
	} else if (t->early) {
		t->early = !fetch_is_ready(t->k, far_take_nsp(t));
		if (!t->early)
			fetch_ask(t);
	} else if (now_ms - t->waits_ms > FAR_WANT_MS) {
		t->force = true;
		fetch_ask(t);
	}
}

void
far_takes_turn(struct keep *k)
{
	struct sessions_far *f = k->sessions->far;
	struct far_take *t, *next;

	if (f->ntakes == 0 || k->x->mono_ms - f->looked_ms < FAR_TICK_MS)
		return;
	f->looked_ms = k->x->mono_ms;
	for (t = TAILQ_FIRST(&f->takes); t != NULL; t = next) {
		next = TAILQ_NEXT(t, next);
		fetch_look(t);
	}
}

/* redis is NULL: all of them, and nobody is told. */
void
far_takes_end(struct sessions_far *f, const struct redis *redis)
{
	struct far_take *t, *next;

	for (t = TAILQ_FIRST(&f->takes); t != NULL; t = next) {
		next = TAILQ_NEXT(t, next);
		if (redis == NULL)
			fetch_free(t);
		else if (t->asked && t->redis == redis)
			fetch_refuse(t);
	}
}

/* --- what other hosts say -------------------------------------------------*/

/* One wants it: its worker lets go of it, unless it was told already: it says
 * once for each time that it is away. */
static void
fetch_hear_want(struct keep *k, struct stored *s)
{
	if (s->slot == 0)
		sessions_far_due(k, s);
	else if (!s->wanted && s->taker.slot == 0)
		sessions_say_over(k, s, s->slot);
	s->wanted = true;
}

/* Those who wait for it ask again. */
static void
fetch_hear_away(struct keep *k, struct slice nsp, struct slice pid)
{
	struct sessions_far *f = k->sessions->far;
	struct hashtab_link *l, *next;
	struct far_take *t;

	for (l = hashtab_chain(&f->pids, fetch_hash(k, pid.p)); l != NULL;
	    l = next) {
		next = l->next;
		t = fetch_of(l);
		if (t->waits_ms != 0 && !t->asked &&
		    memcmp(t->pid, pid.p, STORED_PID) == 0 &&
		    slice_eq(far_take_nsp(t), nsp))
			fetch_ask(t);
	}
}

/* What a back end has ordered at another host. */
static bool
fetch_hear_order(struct keep *k, struct slice nsp, struct slice frame)
{
	static struct bus_envelope e;	/* large; one at a time */
	ssize_t n = bus_decode(frame, &e);

	if (n <= 0 || n != (ssize_t)frame.n || (e.kind != BUS_DISCONNECT &&
	    e.kind != BUS_ROOMS))
		return (false);
	sessions_obey(k, nsp, &e);
	return (true);
}

bool
sessions_far_hear(struct keep *k, struct slice nsp, struct slice payload)
{
	struct slice body = slice_from(payload, sizeof SESSIONS_MARK - 1);
	struct bus_session key = { .nsp = nsp };
	char node[NODE_HEX + 1];
	struct stored *s;
	uint8_t kind;

	if (k->remote == NULL || k->link.redis == NULL)
		return (true);
	if (!k->link.unseal(k->link.arg, &body) || body.n <= 1 + NODE_HEX)
		return (false);
	far_node(k, node);
	kind = body.p[0];
	if (memcmp(body.p + 1, node, NODE_HEX) == 0)
		return (true);
	key.pid = slice_from(body, 1 + NODE_HEX);
	if (kind == 'o')
		return (fetch_hear_order(k, nsp, key.pid));
	if (key.pid.n != STORED_PID)
		return (false);
	s = sessions_find(k->sessions, &key);
	if (kind == 'a')
		fetch_hear_away(k, nsp, key.pid);
	else if (kind == 't' && s != NULL)
		far_lose(k, s);
	else if (kind == 'w' && s != NULL)
		fetch_hear_want(k, s);
	return (kind == 'a' || kind == 't' || kind == 'w');
}

void
sessions_far_order(struct keep *k, struct slice nsp,
    const struct bus_envelope *e)
{
	struct sessions_far *f = k->sessions->far;

	if (!far_is_up(k) || !far_at(k, nsp))
		return;
	buf_reset(&f->data);
	if (!bus_encode(&f->data, e)) {
		f->data.oom = true;
	} else {
		far_message(k, &f->message, 'o', buf_unread(&f->data));
		if (!f->message.oom && f->message.wpos != 0)
			(void)redis_publish(k->link.redis,
			    buf_unread(&f->channel), buf_unread(&f->message),
			    NULL, NULL);
	}
	(void)far_oom(f);
}
