/*
 * Sessions to Redis: those of one namespace that are due, and those that have ended,
 * in one script.  See keep_sessions_far.h.
 */
#include "relay/store/keep_sessions_far_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "relay/redis/redis.h"
#include "relay/redis/reply.h"
#include "relay/store/remote.h"
#include "shm/counters.h"

#define FAR_ARGS	(3 + FAR_BATCH + 3 + 5 * FAR_BATCH)

struct far_command {
	struct slice	 v[FAR_ARGS];
	size_t		 n;
	/* where in sessions_far.data */
	struct { size_t user, data, message, end; } at[FAR_BATCH];
	const char	*state[FAR_BATCH];
	char		 ms[FAR_BATCH][24];
};

void
far_free_batch(struct far_batch *b)
{
	struct sessions_far *f = b->k->sessions->far;

	TAILQ_REMOVE(&f->batches, b, next);
	f->nbatches--;
	free(b);
}

static struct stored *
write_find(struct keep *k, const struct far_batch *b, unsigned i)
{
	struct bus_session key = { .nsp = slice_of(b->nsp, b->nsp_n),
		.pid = slice_of(b->v[i].pid, STORED_PID) };

	return (sessions_find(k->sessions, &key));
}

void
far_again(struct far_batch *b)
{
	struct keep *k = b->k;
	struct stored *s;
	unsigned i;

	for (i = 0; i < b->n; i++) {
		s = write_find(k, b, i);
		if (b->v[i].ended)
			far_add_end(k->sessions->far, slice_of(b->nsp,
			    b->nsp_n), b->v[i].pid);
		else if (s != NULL)
			sessions_far_due(k, s);
	}
}

static uint64_t
write_lease_ms(const struct keep *k)
{
	return (k->conf->recovery_window_ms + FAR_LEASE_MS);
}

static uint64_t
write_left_ms(const struct keep *k, const struct stored *s)
{
	if (s->slot != 0)
		return (write_lease_ms(k));
	return (s->until_ms > k->x->mono_ms ? s->until_ms - k->x->mono_ms : 1);
}

static void
write_put_record(struct keep *k, const struct stored *s)
{
	struct sessions_far *f = k->sessions->far;

	state_put_u8(&f->record, SESSIONS_VERSION);
	sessions_put_one(k, s, &f->other, &f->record);
}

/* What one is, at the end of what is said. */
static void
write_say_one(struct keep *k, struct far_command *c, unsigned i,
    struct stored *s)
{
	struct sessions_far *f = k->sessions->far;
	uint64_t ms = s == NULL ? write_lease_ms(k) : write_left_ms(k, s);
	const struct journal *j = s == NULL ? NULL : sessions_journal(k, s);

	if (j != NULL && s->epoch_n == 0)
		sessions_rebase(k, j, s);
	(void)snprintf(c->ms[i], sizeof c->ms[i], "%" PRIu64, ms);
	c->state[i] = s == NULL ? "e" : s->touch ? "t" : s->slot != 0 ? "h" :
	    "a";
	c->at[i].user = f->data.wpos;
	if (s != NULL && !s->touch)
		far_put_user(&f->data, s->has_user, stored_user(s));
	c->at[i].data = f->data.wpos;
	if (s != NULL && !s->touch) {
		buf_reset(&f->record);
		write_put_record(k, s);
		if (!f->record.oom && (f->record.wpos > FAR_RECORD_MAX ||
		    !k->link.seal(k->link.arg, &f->record)))
			c->state[i] = "e";	/* as it was it is not */
		else
			buf_slice(&f->data, buf_unread(&f->record));
		counter_add(c->state[i][0] == 'e' ?
		    COUNTER_sessions_unwritten : COUNTER_sessions_written, 1);
	}
	c->at[i].message = f->data.wpos;
	if (s != NULL && s->slot == 0 && s->wanted) {
		far_message(k, &f->message, 'a', slice_of(s->pid,
		    STORED_PID));
		buf_slice(&f->data, buf_unread(&f->message));
	}
	c->at[i].end = f->data.wpos;
}

static void
write_put(struct far_command *c, struct slice s)
{
	MUST(c->n < FAR_ARGS);
	c->v[c->n++] = s;
}

static void
write_put_all(struct far_command *c, const struct sessions_far *f, unsigned n)
{
	const uint8_t *p = buf_unread(&f->data).p;
	unsigned i;

	for (i = 0; i < n; i++) {
		write_put(c, slice_str(c->state[i]));
		write_put(c, slice_str(c->ms[i]));
		write_put(c, slice_of(p + c->at[i].user,
		    c->at[i].data - c->at[i].user));
		write_put(c, slice_of(p + c->at[i].data,
		    c->at[i].message - c->at[i].data));
		write_put(c, slice_of(p + c->at[i].message,
		    c->at[i].end - c->at[i].message));
	}
}

static void write_on_written(void *, const struct reply *);

/* false: it could not be sent. */
static bool
write_send(struct far_batch *b)
{
	static struct far_command c;	/* large; one at a time */
	struct keep *k = b->k;
	struct sessions_far *f = k->sessions->far;
	struct slice nsp = slice_of(b->nsp, b->nsp_n);
	struct stored *s;
	char number[12], node[17];
	unsigned i;

	if (!far_is_up(k) || !far_at(k, nsp))
		return (false);
	c.n = 0;
	buf_reset(&f->data);
	(void)snprintf(number, sizeof number, "%u", b->n);
	far_node(k, node);
	write_put(&c, b->whole ? SLICE("EVAL") : SLICE("EVALSHA"));
	write_put(&c, b->whole ? far_script_text(FAR_WRITE) :
	    slice_of(f->sha[FAR_WRITE], sizeof f->sha[FAR_WRITE]));
	write_put(&c, slice_str(number));
	for (i = 0; i < b->n; i++) {
		write_put(&c, far_key(k, &f->keys[i], nsp, b->v[i].pid));
		s = b->v[i].ended ? NULL : write_find(k, b, i);
		b->v[i].ended = s == NULL;
		write_say_one(k, &c, i, s);
	}
	write_put(&c, slice_str(node));
	write_put(&c, redis_verb(k->link.redis));
	write_put(&c, redis_name_at(k->link.redis, &f->verb,
	    buf_unread(&f->channel), buf_unread(&f->channel)));
	write_put_all(&c, f, b->n);
	b->redis = k->link.redis;
	return (!far_oom(f) && redis_command_at(k->link.redis,
	    buf_unread(&f->channel), c.v, c.n, write_on_written, b));
}

static void
write_said(struct far_batch *b, struct slice said)
{
	struct keep *k = b->k;
	struct stored *s;
	unsigned i;

	for (i = 0; i < b->n && i < said.n; i++) {
		s = b->v[i].ended ? NULL : write_find(k, b, i);
		if (s != NULL && said.p[i] == 'o')
			far_lose(k, s);
		else if (s != NULL && said.p[i] == 'n')
			sessions_far_due(k, s);
	}
}

static void
write_on_written(void *arg, const struct reply *o)
{
	struct far_batch *b = arg;
	struct sessions_far *f = b->k->sessions->far;

	if (o != NULL && !b->whole && reply_is_error(o, SLICE("NOSCRIPT"))) {
		b->whole = true;
		if (write_send(b))
			return;
		o = NULL;
	}
	if (o == NULL || o->type != REPLY_STRING) {
		counter_add(COUNTER_sessions_unwritten, b->n);
		f->pause_ms = b->k->x->mono_ms + FAR_PAUSE_MS;
		far_again(b);
	} else
		write_said(b, o->text);
	far_free_batch(b);
}

static struct far_batch *
write_new_batch(struct keep *k, struct slice nsp)
{
	struct sessions_far *f = k->sessions->far;
	struct far_batch *b = calloc(1, sizeof *b + nsp.n);

	if (b == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (NULL);
	}
	b->k = k;
	b->nsp_n = (uint16_t)nsp.n;
	memcpy(b->nsp, nsp.p, nsp.n);
	TAILQ_INSERT_TAIL(&f->batches, b, next);
	f->nbatches++;
	return (b);
}

/* Those of the batch's namespace that come first. */
static void
write_fill(struct far_batch *b)
{
	struct sessions_far *f = b->k->sessions->far;
	struct slice nsp = slice_of(b->nsp, b->nsp_n);
	struct stored *s;
	struct far_end *e;
	uint64_t bytes = 0;

	while (b->n < FAR_BATCH && (e = STAILQ_FIRST(&f->ended)) != NULL &&
	    slice_eq(slice_of(e->nsp, e->nsp_n), nsp)) {
		memcpy(b->v[b->n].pid, e->pid, STORED_PID);
		b->v[b->n++].ended = true;
		STAILQ_REMOVE_HEAD(&f->ended, next);
		f->nended--;
		free(e);
	}
	while (b->n < FAR_BATCH && bytes < FAR_BATCH_BYTES &&
	    (s = TAILQ_FIRST(&f->due)) != NULL && slice_eq(stored_nsp(s),
	    nsp)) {
		memcpy(b->v[b->n++].pid, s->pid, STORED_PID);
		bytes += stored_bytes(s);
		TAILQ_REMOVE(&f->due, s, far);
		s->written = STORED_WRITTEN;
	}
}

/* They are on their way: what becomes of them now is written behind. */
static void
write_note_sent(const struct far_batch *b)
{
	struct sessions_far *f = b->k->sessions->far;
	struct stored *s;
	unsigned i;

	for (i = 0; i < b->n; i++)
		if (!b->v[i].ended && (s = write_find(b->k, b, i)) != NULL)
			far_set_written(f, s);
}

bool
far_write_some(struct keep *k)
{
	struct sessions_far *f = k->sessions->far;
	const struct stored *s = TAILQ_FIRST(&f->due);
	const struct far_end *e = STAILQ_FIRST(&f->ended);
	struct far_batch *b;

	if (s == NULL && e == NULL)
		return (false);
	b = write_new_batch(k, e != NULL ? slice_of(e->nsp, e->nsp_n) :
	    stored_nsp(s));
	if (b == NULL)
		return (false);
	write_fill(b);
	if (write_send(b)) {
		write_note_sent(b);
		return (true);
	}
	far_again(b);
	far_free_batch(b);
	f->pause_ms = k->x->mono_ms + FAR_PAUSE_MS;
	return (false);
}
