/*
 * Sessions that may come back to this worker; see recover.h.  Called by
 * engine.c and socketio.c as clients go and come, by hub.c for the
 * clock and for parked queues, by recover_ask.c and recover_move.c.
 */
#include "hub/recover.h"

#include <stdlib.h>

#include "base/digest.h"
#include "hub/hub_int.h"
#include "hub/rule/join.h"
#include "proto/json.h"
#include "proto/sio.h"

/* --- by pid --------------------------------------------------------------- */

void
recover_init(struct hub *h)
{
	struct recover_table *t = &h->recover;

	memset(t, 0, sizeof *t);
	t->ref = (uint32_t)h->generation << 16;
	TAILQ_INIT(&t->parked);
	TAILQ_INIT(&t->moving);
	TAILQ_INIT(&t->asking);
}

static struct recover **
bucket(struct hub *h, struct slice pid)
{
	return (&h->recover.buckets[hash_bytes(&h->key, pid) &
	    (h->recover.nbuckets - 1)]);
}

static struct slice
pid_of(const struct recover *r)
{
	return (slice_of(r->pid, RECOVER_PID_LEN));
}

static bool
grow(struct hub *h)
{
	struct recover_table *t = &h->recover;
	struct recover **old = t->buckets, *r, *next, **b;
	size_t i, n = t->nbuckets;

	t->buckets = calloc(n == 0 ? 64 : n * 2, sizeof(struct recover *));
	if (t->buckets == NULL) {
		t->buckets = old;
		return (n != 0);
	}
	t->nbuckets = n == 0 ? 64 : n * 2;
	for (i = 0; i < n; i++) {
		for (r = old[i]; r != NULL; r = next) {
			next = r->next;
			b = bucket(h, pid_of(r));
			r->next = *b;
			*b = r;
		}
	}
	free(old);
	return (true);
}

static struct recover *
with_pid(struct hub *h, struct slice pid)
{
	struct recover *r;

	if (h->recover.nbuckets == 0 || pid.n != RECOVER_PID_LEN)
		return (NULL);
	for (r = *bucket(h, pid); r != NULL; r = r->next)
		if (slice_eq(pid_of(r), pid))
			return (r);
	return (NULL);
}

struct recover *
recover_find(struct hub *h, struct slice pid)
{
	struct recover *r = with_pid(h, pid);

	return (r == NULL || r->made != NULL ? NULL : r);
}

static struct recover *
add(struct session *s, struct slice pid)
{
	struct hub *h = s->hub;
	struct recover *r, **b;

	if (h->recover.count >= h->recover.nbuckets && !grow(h))
		return (NULL);
	r = calloc(1, sizeof *r);
	if (r == NULL)
		return (NULL);
	memcpy(r->pid, pid.p, RECOVER_PID_LEN);
	r->session = s;
	r->wire = s->wire;
	s->recover = r;
	b = bucket(h, pid);
	r->next = *b;
	*b = r;
	h->recover.count++;
	return (r);
}

bool
recover_give(struct session *s)
{
	uint8_t rnd[15], pid[RECOVER_PID_LEN];
	struct recover *r;

	s->hub->ports.random(s->hub->ports.host, rnd, sizeof rnd);
	(void)digest_base64url_encode(slice_of(rnd, sizeof rnd), pid);
	r = add(s, slice_of(pid, sizeof pid));
	if (r != NULL)
		r->start = outq_pos(s->out);
	return (r != NULL);
}

/* moved_on: its client is here again, or on another worker. */
static void
unpark(struct hub *h, struct recover *r, bool moved_on)
{
	if (!r->parked)
		return;
	budget_unpark(r, moved_on);
	r->parked = false;
	r->made = NULL;
	if (r->to != 0)
		TAILQ_REMOVE(&h->recover.moving, r, link);
	else
		TAILQ_REMOVE(&h->recover.parked, r, link);
	sentlog_unref(&r->log);
	outq_kill(&h->out, &r->out);
}

void
recover_session_freed(struct session *s)
{
	struct hub *h = s->hub;
	struct recover *r = s->recover, **pp;

	if (r == NULL)
		return;
	recover_ask_forget(h, r);
	unpark(h, r, r->to != 0);
	for (pp = bucket(h, pid_of(r)); *pp != r;)
		pp = &(*pp)->next;
	*pp = r->next;
	h->recover.count--;
	s->recover = NULL;
	r->session = NULL;
	r->next = h->recover.dead;
	h->recover.dead = r;
}

void
recover_bury(struct hub *h)
{
	struct recover *r;

	while ((r = h->recover.dead) != NULL) {
		h->recover.dead = r->next;
		free(r);
	}
}

static void
discard(struct recover *r)
{
	struct session *s = r->session;

	session_free(&s);
}

void
recover_fini(struct hub *h)
{
	struct recover *r;

	recover_ask_fini(h);
	while ((r = TAILQ_FIRST(&h->recover.moving)) != NULL ||
	    (r = TAILQ_FIRST(&h->recover.parked)) != NULL)
		discard(r);
	budget_fini(h);
	recover_bury(h);
	MUST(h->recover.count == 0);
	free(h->recover.buckets);
}

/* --- parking -------------------------------------------------------------- */

/* false: no memory, it is gone. */
static bool
park(struct recover *r, struct sentlog *log, uint32_t family)
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
	TAILQ_INSERT_TAIL(&h->recover.parked, r, link);
	MUST(room_move(h, s, &r->out, s->wire));	/* in place */
	return (true);
}

void
recover_park(struct engine *e)
{
	struct client *c = &e->client;
	struct session *s, *next;

	recover_cancel(e);	/* what comes now would not be in the log */
	if (c->out->log != NULL)
		outq_log_rest(&c->hub->out, c->out);
	for (s = c->sessions; s != NULL; s = next) {
		next = s->next;
		if (s->recover == NULL)
			continue;
		client_unlink(c, s);
		session_park(s);
		(void)park(s->recover, e->log, c->serial);
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

	if (with_pid(h, pid) != NULL)
		return (NULL);
	s = session_made(h, &nowhere, wire, ns, who, sid);
	if (s == NULL)
		return (NULL);
	r = add(s, pid);
	if (r == NULL) {
		session_free(&s);
		return (NULL);
	}
	if (!park(r, NULL, 0))
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
		discard(r);
}

void
recover_tick(struct hub *h)
{
	struct recover *r;

	recover_move_tick(h);
	recover_ask_tick(h);
	while ((r = TAILQ_FIRST(&h->recover.parked)) != NULL &&
	    r->until_us <= h->now.us)
		discard(r);
}

/* --- what was missed ------------------------------------------------------ */

/* A walk over packets: the events of one namespace, from some position on. */
struct missed {
	const struct recover *r;
	struct slice	 offset;	/* raw JSON string, or empty */
	uint32_t	 seen;		/* events met so far */
	uint32_t	 found;		/* the one with the offset, 0: none */
	uint32_t	 skip;		/* events not to record */
	struct buf	*to;		/* records; NULL: only looking */
	unsigned	 binary;	/* attachments of the last event to come */
	bool		 take;		/* ... which is recorded */
};

/* Behind "42" or "45N-", is it this namespace's event?  *n: attachments. */
static bool
is_event(struct slice text, const struct conf_namespace *ns, unsigned *n)
{
	size_t i = 2, len = ns->name_len;

	*n = 0;
	if (text.n < 4 || text.p[0] != '4' || (text.p[1] != '2' &&
	    text.p[1] != '5'))
		return (false);
	if (text.p[1] == '5') {
		for (; i < text.n && text.p[i] != '-'; i++)
			*n = *n * 10 + (unsigned)(text.p[i] - '0');
		i++;
	}
	if (len == 1)	/* the root namespace is not written */
		return (i < text.n && text.p[i] != '/');
	return (text.n > i + len && text.p[i + len] == ',' &&
	    memcmp(text.p + i, ns->name, len) == 0);
}

/* It asked for an answer, which nobody waits for any more: not again. */
static bool
asks(struct slice text, const struct conf_namespace *ns)
{
	const uint8_t *p = memchr(text.p, '-', text.p[1] == '5' ? text.n : 0);
	size_t i = p == NULL ? 2 : (size_t)(p - text.p) + 1;

	if (ns->name_len > 1)
		i += ns->name_len + 1;
	return (i < text.n && text.p[i] != '[');
}

/* Its last element is that string. */
static bool
has_offset(struct slice text, struct slice offset)
{
	return (offset.n != 0 && text.n > offset.n + 2 &&
	    text.p[text.n - 1] == ']' &&
	    text.p[text.n - offset.n - 2] == ',' &&
	    memcmp(text.p + text.n - offset.n - 1, offset.p, offset.n) == 0);
}

static void
missed_text(struct missed *m, struct slice text)
{
	unsigned n;

	m->binary = 0;
	if (!is_event(text, m->r->session->ns, &n))
		return;
	m->binary = n;
	m->seen++;
	if (has_offset(text, m->offset))
		m->found = m->seen;
	m->take = m->to != NULL && m->seen > m->skip &&
	    !asks(text, m->r->session->ns);
	if (m->take)
		recover_record(m->to, 't', text);
}

static void
missed_packet(void *arg, const struct sent_packet *p)
{
	struct missed *m = arg;
	ssize_t n;

	if (p->pos < m->r->start)
		return;
	if (!p->binary) {
		missed_text(m, p->data);
		return;
	}
	if (m->binary == 0)
		return;
	m->binary--;
	if (!m->take)
		return;
	if (!p->base64) {
		recover_record(m->to, 'b', p->data);
	} else if (buf_reserve(m->to, p->data.n + 8)) {
		/* decoded where the record will stand */
		n = digest_base64_decode(p->data, m->to->data + m->to->wpos +
		    5);
		MUST(n >= 0);
		recover_record(m->to, 'b', slice_of(m->to->data +
		    m->to->wpos + 5, (size_t)n));
	}
}

void
recover_record(struct buf *b, char type, struct slice s)
{
	uint32_t n = (uint32_t)s.n;

	if (!buf_reserve(b, 5 + s.n))
		return;
	b->data[b->wpos] = (uint8_t)type;
	memcpy(b->data + b->wpos + 1, &n, 4);
	if (s.n != 0)
		memmove(b->data + b->wpos + 5, s.p, s.n);
	b->wpos += 5 + s.n;
}

bool
recover_next(struct slice *rest, char *type, struct slice *data)
{
	uint32_t n;

	if (rest->n < 5)
		return (false);
	memcpy(&n, rest->p + 1, 4);
	if (n > rest->n - 5)
		return (false);
	*type = (char)rest->p[0];
	*data = slice_of(rest->p + 5, n);
	*rest = slice_from(*rest, 5 + n);
	return (true);
}

bool
recover_is_user(const struct session *s, const struct principal *who)
{
	if (s->who == NULL || who == NULL)
		return (s->who == NULL && who == NULL);
	return (slice_eq(principal_user(s->who), principal_user(who)));
}

bool
recover_ready(struct recover *r, struct slice offset, uint32_t *skip)
{
	struct missed m = { .r = r, .offset = offset };
	struct client *old = r->session->client;

	if (r->to != 0)
		return (false);
	if (!r->parked) {	/* half open, or a thief was quicker */
		recover_park(engine_of(old));
		client_close(old, REASON_taken_over);
		if (!r->parked)
			return (false);		/* no memory */
	}
	if (r->log != NULL)
		sentlog_walk(r->log, r->wire, missed_packet, &m);
	*skip = m.found;
	if (m.found != 0)
		return (true);
	/* all before the log is known to have arrived, and the offset's event
	 * was one of those (it is one of ours); or there was none yet */
	return ((r->log == NULL || sentlog_complete(r->log)) &&
	    (offset.n == 0 ||
	    offset_is_ours(offset, &r->session->hub->origin)));
}

void
recover_drain(struct recover *r, uint32_t skip, struct buf *to)
{
	struct missed m = { .r = r, .skip = skip, .to = to };
	struct hub *h = r->session->hub;

	budget_taken(r);
	if (r->log != NULL)
		sentlog_walk(r->log, r->wire, missed_packet, &m);
	sentlog_unref(&r->log);
	m.skip = 0;
	r->start = 0;
	outq_settle(&r->out);
	outq_walk(&r->out, r->wire, missed_packet, &m);
	outq_sent(&h->out, &r->out, outq_bytes(&r->out));
}

/* --- coming back ---------------------------------------------------------- */

static bool
has_text(const struct buf *b, struct slice text)
{
	struct slice rest, data;
	char type;

	if (b == NULL)
		return (false);
	for (rest = buf_unread(b); recover_next(&rest, &type, &data);)
		if (type == 't' && slice_eq(data, text))
			return (true);
	return (false);
}

void
recover_replay(struct engine *e, const struct buf *records,
    const struct buf *but)
{
	struct buf *text = &e->client.hub->text;
	struct slice rest = buf_unread(records), data;
	bool take = false;
	char type;

	while (recover_next(&rest, &type, &data)) {
		if (type == 't') {
			take = !has_text(but, data);
			buf_reset(text);
			buf_slice(text, data);
			if (take)
				client_send(&e->client, text);
		} else if (type == 'b' && take)
			client_send_binary(&e->client, data);
	}
}

bool
recover_attach(struct engine *e, struct recover *r, struct principal *who)
{
	struct client *c = &e->client;
	struct session *s = r->session;
	struct hub *h = s->hub;

	unpark(h, r, true);
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
	e->connect_us = 0;
	buf_reset(&h->text);
	sio_encode_connect(&h->text, slice_of(s->ns->name, s->ns->name_len),
	    session_sid(s), slice_of(r->pid, RECOVER_PID_LEN));
	client_send(c, &h->text);
	counter_add(COUNTER_recovered, 1);
	counter_ns_add(s->ns->index, NS_recovered, 1);
	counter_ns_add(s->ns->index, NS_reconnections, 1);
	client_schedule(c);
	return (true);
}

/* A session of this worker. */
static enum recover_result
come_back(struct engine *e, struct recover *r, struct slice offset,
    struct principal *who)
{
	struct buf records;
	uint64_t start;
	struct limit_nodes nodes;
	const char *why;
	uint32_t skip;

	/* what came from a room that he may not be in could not be told apart */
	if (r->session->client == &e->client ||
	    !recover_ready(r, offset, &skip) ||
	    !join_keeps(r->session, who)) {
		if (r->parked && r->to == 0)
			discard(r);
		return (RECOVER_NOT);
	}
	if (!limit_session(e->client.hub, &e->client, r->session->ns, who,
	    &nodes, &why))
		return (RECOVER_NOT);	/* which will be refused, too */
	buf_init(&records);
	recover_drain(r, skip, &records);
	start = outq_pos(e->client.out);
	recover_replay(e, &records, NULL);
	buf_fini(&records);
	r->start = start;
	r->session->counted = nodes;
	(void)recover_attach(e, r, who);
	return (RECOVER_DONE);
}

/* A string member, quotes included; false: it is there and no string. */
static bool
string_member(struct slice auth, struct slice name, struct slice *raw)
{
	*raw = slice_of(NULL, 0);
	if (auth.n == 0 || !json_get(auth, name, raw))
		return (true);
	return (json_type(*raw) == JSON_STRING);
}

enum recover_result
recover_connect(struct engine *e, const struct conf_namespace *ns,
    struct slice auth, struct principal *who)
{
	enum recover_result result = RECOVER_NOT;
	struct slice pid, offset;
	struct recover *r;

	if (e->log == NULL || !string_member(auth, SLICE("pid"), &pid) ||
	    pid.n == 0)
		return (RECOVER_NOT);
	if (pid.n == RECOVER_PID_LEN + 2 &&
	    string_member(auth, SLICE("offset"), &offset)) {
		pid = slice_of(pid.p + 1, RECOVER_PID_LEN);
		r = recover_find(e->client.hub, pid);
		if (r == NULL)
			result = recover_ask(e, ns, pid, offset, who, auth);
		else if (r->session->ns == ns &&
		    recover_is_user(r->session, who))
			result = come_back(e, r, offset, who);
	}
	if (result == RECOVER_NOT)
		counter_add(COUNTER_recovery_failed, 1);
	return (result);
}
