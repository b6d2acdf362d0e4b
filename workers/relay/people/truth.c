/*
 * This host's users in Redis; see truth.h.  Called by people.c.
 */
#include "relay/people/truth_int.h"

#include <sys/random.h>

#include <stdio.h>
#include <stdlib.h>

#include "proto/status.h"
#include "relay/redis/redis.h"
#include "shm/counters.h"
#include "shm/presence.h"
#include "shm/table_relay.h"
#include "sys/log.h"

#define TRUTH_NODES	65536u	/* of the table, looked at in a turn */
#define TRUTH_FLIGHT	4u	/* batches without a reply yet */
#define TRUTH_RENEW_MS	5000u
#define TRUTH_AGAIN_MS	1000u	/* twice as long each time, */
#define TRUTH_MOST_MS	32000u	/* up to this */
#define TRUTH_SPARE	4u	/* batches kept for the next changes */

/* --- batches --------------------------------------------------------------*/

void
truth_spoiled(struct truth *t)
{
	CHECK_MAGIC(t, TRUTH_MAGIC);
	t->state = TRUTH_OFF;
	t->again = true;
}

bool
truth_failed(struct truth *t, const struct reply *o)
{
	char words[REPLY_WORDS];

	if (o != NULL && o->type != REPLY_ERROR)
		return (false);
	if (o != NULL && !t->told) {
		reply_words(o, words);
		log_warnx("presence_not_written said=\"%s\"", words);
		t->told = true;
	}
	truth_spoiled(t);
	return (true);
}

/* Refused, and so for the time being nothing of it is right? */
static bool
truth_refused(struct truth *t, const struct reply *o)
{
	if (truth_failed(t, o))
		return (true);
	if (o->type == REPLY_STRING && !slice_eq(o->text, SLICE("-")))
		return (false);
	truth_spoiled(t);
	return (true);
}

static void
truth_on_written(void *arg, const struct reply *o)
{
	struct truth *t = arg;

	t->flight--;
	(void)truth_refused(t, o);
}

/* The batch as one command; what cannot be sent is written again with all the
 * rest. */
static bool
truth_write(struct truth *t, const struct conf_namespace *ns,
    const struct batch *b, commands_cb *cb, void *arg)
{
	struct keys k = truth_keys(t, ns);

	if (!keys_write(&k, ++t->numbers[ns->index], b, cb, arg)) {
		truth_spoiled(t);
		return (false);
	}
	t->flight++;
	return (true);
}

static struct batch *
truth_batch(struct truth *t)
{
	struct batch *b = TAILQ_FIRST(&t->spare);

	if (b == NULL)
		return (batch_new());
	TAILQ_REMOVE(&t->spare, b, next);
	t->nspare--;
	return (b);
}

static void
truth_batch_done(struct truth *t, struct batch *b)
{
	if (t->nspare >= TRUTH_SPARE) {
		batch_free(&b);
		return;
	}
	batch_empty(b);
	TAILQ_INSERT_HEAD(&t->spare, b, next);
	t->nspare++;
}

/* --- changes --------------------------------------------------------------*/

/* Written, then told: who is told can read it, wherever it is kept. */
static void
truth_on_change(void *arg, const struct reply *o)
{
	struct batch *b = arg;
	struct truth *t = b->truth;
	const struct conf_namespace *ns = truth_namespace(t, b->ns);

	t->flight--;
	TAILQ_REMOVE(&t->flying, b, next);
	if (!truth_refused(t, o) && ns != NULL && !t->p.tells)
		nodes_tell(t->p.nodes, slice_of(ns->name, ns->name_len),
		    buf_unread(&b->news));
	truth_batch_done(t, b);
}

static void
truth_send_changes(struct truth *t, size_t ns)
{
	struct batch *b = t->changes[ns];

	if (b == NULL)
		return;
	t->changes[ns] = NULL;
	b->truth = t;
	b->ns = ns;
	if (truth_write(t, &t->p.conf->namespaces[ns], b, truth_on_change, b))
		TAILQ_INSERT_TAIL(&t->flying, b, next);
	else
		truth_batch_done(t, b);
}

static void
truth_send_all_changes(struct truth *t)
{
	size_t i;

	if (!t->changed)
		return;
	t->changed = false;
	for (i = 0; i < t->p.conf->nnamespaces; i++)
		truth_send_changes(t, i);
}

static uint8_t
truth_status(const struct truth *t, const struct conf_namespace *ns,
    struct slice user, bool here)
{
	struct presence_user u = { .ns = ns->index, .user = user,
		.stride = (uint16_t)t->p.conf->ns_room };

	return ((uint8_t)status_of_mark((enum status_mark)presence_mark(
	    t->presence, u, here)));
}

static void
truth_fill(struct truth *t, const struct conf_namespace *ns,
    const struct table_event *e, struct news_entry *out)
{
	struct presence_info info;
	struct slice room, user = e->key;

	*out = (struct news_entry){ .room = e->ns != ns->index,
		.present = (e->is & ANN_L) != 0, .key = e->key };
	if (out->room && !status_room_split(e->key, &room, &user))
		return;		/* the key is nobody's: not good */
	if (!out->present)
		out->why = presence_ended(t->presence, e->node);
	if (out->room || !presence_get(t->presence, ns->index, user, &info))
		return;
	if (info.set_ms != 0) {
		out->code = truth_status(t, ns, user, true);
		out->all = truth_status(t, ns, user, false);
	}
	out->set_ms = info.set_ms;
	out->seen_ms = info.last_seen_ms;
}

static void
truth_change(struct truth *t, const struct conf_namespace *ns,
    const struct news_entry *e)
{
	struct batch **b = &t->changes[ns->index];

	if (*b == NULL)
		*b = truth_batch(t);
	if (*b == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		truth_spoiled(t);
		return;
	}
	batch_add(*b, t->epoch, e);
	t->changed = true;
	if ((*b)->n == BATCH_MAX)
		truth_send_changes(t, ns->index);
}

void
truth_event(struct truth *t, const struct table_event *e)
{
	const struct conf_namespace *ns;
	struct news_entry entry;

	CHECK_MAGIC(t, TRUTH_MAGIC);
	if (t->state == TRUTH_OFF || !e->whole)
		return;
	ns = truth_namespace(t, e->ns);
	if (ns == NULL || (((e->was ^ e->is) & ANN_L) == 0 &&
	    (t->p.tells || (e->is & ANN_L) == 0 || e->ns != ns->index)))
		return;
	truth_fill(t, ns, e, &entry);
	if (news_entry_good(&entry))
		truth_change(t, ns, &entry);
}

void
truth_drop_changes(struct truth *t)
{
	size_t i;

	t->changed = false;
	for (i = 0; i < t->p.conf->ns_room; i++)
		if (t->changes[i] != NULL) {
			truth_batch_done(t, t->changes[i]);
			t->changes[i] = NULL;
		}
}

/* --- all of it ------------------------------------------------------------*/

static void
truth_on_begun(void *arg, const struct reply *o)
{
	struct truth *t = arg;

	t->flight--;
	(void)truth_failed(t, o);
}

static void
truth_begin(struct truth *t)
{
	const struct conf_namespace *ns;
	struct keys k;
	size_t i;

	t->again = false;
	truth_drop_changes(t);
	do {
		if (getrandom(&t->epoch, sizeof t->epoch, 0) !=
		    (ssize_t)sizeof t->epoch)
			t->epoch = wall_now().ms;
	} while (t->epoch == 0);
	t->state = TRUTH_WRITING;
	t->ns = 0;
	t->at = 0;
	t->begun = mono_now();
	t->renewed = t->begun;
	if (!t->p.tells) {
		counter_add(COUNTER_presence_rewrites, 1);
		nodes_epoch(t->p.nodes, t->epoch, false);
	}
	for (i = 0; i < t->p.conf->ns_room; i++) {
		ns = truth_sweeps(t, i);
		if (ns == NULL)
			continue;
		k = truth_keys(t, ns);
		t->numbers[i] = 0;
		if (!keys_begin(&k, truth_on_begun, t)) {
			truth_spoiled(t);
			return;
		}
		t->flight++;
	}
}

static bool
truth_collect(void *arg, const struct table_event *e)
{
	struct truth *t = arg;
	struct news_entry entry;

	if (!e->whole)
		return (true);
	truth_fill(t, truth_namespace(t, e->ns), e, &entry);
	/* who was here a while ago may be there in Redis, which was away when
	 * he left: then that is told, and why, before all others go */
	if (news_entry_good(&entry) && (entry.present || entry.why != 0))
		batch_add(t->whole, t->epoch, &entry);
	return (t->whole->n < BATCH_MAX);
}

/* Some of the table; true: there is more to do at once. */
static bool
truth_write_some(struct truth *t)
{
	const struct conf_namespace *ns;
	bool all;

	if (t->flight >= TRUTH_FLIGHT + t->p.conf->nnamespaces)
		return (false);
	if (t->ns == 2 * (size_t)t->p.conf->ns_room) {
		if (t->flight > 0)
			return (false);
		t->state = TRUTH_SWEEPING;
		t->ns = 0;
		t->cursor[0] = '\0';
		return (true);
	}
	ns = truth_namespace(t, t->ns);
	if (ns == NULL) {
		t->ns++;
		return (true);
	}
	all = table_tell_some(t->table, (uint16_t)t->ns, t->p.tells, &t->at,
	    TRUTH_NODES, truth_collect, t);
	if (t->whole->n > 0)
		(void)truth_write(t, ns, t->whole, truth_on_written, t);
	batch_empty(t->whole);
	if (all) {
		t->ns++;
		t->at = 0;
	}
	return (t->state == TRUTH_WRITING);
}

static void
truth_on_swept(void *arg, const struct reply *o)
{
	struct truth *t = arg;

	t->flight--;
	t->sweeping = false;
	if (truth_refused(t, o) || t->state != TRUTH_SWEEPING)
		return;
	(void)snprintf(t->cursor, sizeof t->cursor, "%.*s", (int)o->text.n,
	    (const char *)o->text.p);
	if (strcmp(t->cursor, "0") == 0) {
		truth_left(t, t->ns);
		t->ns++;
		t->cursor[0] = '\0';
	}
}

static bool
truth_sweep_some(struct truth *t)
{
	const struct conf_namespace *ns;
	struct keys k;

	if (t->sweeping)
		return (false);
	if (t->ns == t->p.conf->ns_room) {
		t->state = TRUTH_READY;
		t->told = false;
		t->patience_ms = TRUTH_AGAIN_MS;
		if (!t->p.tells)
			nodes_epoch(t->p.nodes, t->epoch, true);
		return (false);
	}
	ns = truth_sweeps(t, t->ns);
	if (ns == NULL) {
		t->ns++;
		return (true);
	}
	k = truth_keys(t, ns);
	t->sweeping = keys_sweep(&k, true, slice_str(t->cursor),
	    truth_on_swept, t);
	if (t->sweeping)
		t->flight++;
	else
		truth_spoiled(t);
	return (false);
}

bool
truth_turn(struct truth *t)
{
	bool more = false;

	CHECK_MAGIC(t, TRUTH_MAGIC);
	truth_send_all_changes(t);
	switch (t->state) {
	case TRUTH_OFF:
	case TRUTH_READY:
		break;
	case TRUTH_WRITING:
		more = truth_write_some(t);
		break;
	case TRUTH_SWEEPING:
		more = truth_sweep_some(t);
		break;
	}
	return (more);
}

/* --- time -----------------------------------------------------------------*/

/* Something was thrown out? */
static void
truth_on_renewed(void *arg, const struct reply *o)
{
	struct truth_walk *w = arg;
	struct truth *t = w->truth;

	t->flight--;
	if (t->state != TRUTH_READY || truth_refused(t, o))
		return;
	(void)snprintf(w->at, sizeof w->at, "%.*s", (int)o->text.n,
	    (const char *)o->text.p);
}

static void
truth_renew(struct truth *t)
{
	const struct conf_namespace *ns;
	struct keys k;
	size_t i;

	for (i = 0; i < t->p.conf->nnamespaces; i++) {
		ns = truth_namespace(t, i);
		if (ns == NULL)
			continue;
		k = truth_keys(t, ns);
		t->walks[i].truth = t;
		if (keys_renew(&k, t->numbers[i], slice_str(t->walks[i].at),
		    truth_on_renewed, &t->walks[i]))
			t->flight++;
	}
}

void
truth_beat(struct truth *t, struct mono now)
{
	CHECK_MAGIC(t, TRUTH_MAGIC);
	if (!t->up)
		return;
	if (t->again) {
		if (t->flight > 0 || now.us < t->begun.us + t->patience_ms *
		    1000)
			return;
		if (t->patience_ms < TRUTH_MOST_MS)
			t->patience_ms *= 2;
		truth_begin(t);
	} else if (t->state != TRUTH_OFF && now.us >= t->renewed.us +
	    TRUTH_RENEW_MS * 1000) {
		t->renewed = now;
		truth_renew(t);
	}
}

void
truth_ready(struct truth *t)
{
	CHECK_MAGIC(t, TRUTH_MAGIC);
	t->up = true;
	t->patience_ms = TRUTH_AGAIN_MS;
	truth_spoiled(t);
	if (t->flight == 0)
		truth_begin(t);
}

void
truth_lost(struct truth *t)
{
	CHECK_MAGIC(t, TRUTH_MAGIC);
	t->up = false;
	truth_spoiled(t);
}

/* --- birth and death ------------------------------------------------------*/

void
truth_table(struct truth *t, const struct table_relay *table)
{
	CHECK_MAGIC(t, TRUTH_MAGIC);
	t->table = table;
}

struct truth *
truth_new(const struct truth_params *p)
{
	struct truth *t = calloc(1, sizeof *t);

	if (t == NULL)
		return (NULL);
	t->magic = TRUTH_MAGIC;
	t->p = *p;
	TAILQ_INIT(&t->flying);
	TAILQ_INIT(&t->spare);
	t->changes = calloc(p->conf->ns_room, sizeof(void *));
	t->numbers = calloc(p->conf->ns_room, sizeof(uint64_t));
	t->walks = calloc(p->conf->ns_room, sizeof *t->walks);
	t->leaving = calloc(p->conf->ns_room, sizeof *t->leaving);
	t->whole = batch_new();
	t->presence = presence_open(p->segment, 0);
	if (t->changes == NULL || t->numbers == NULL || t->walks == NULL ||
	    t->leaving == NULL || t->whole == NULL || t->presence == NULL)
		truth_free(&t);
	return (t);
}

static void
truth_free_list(struct batch_list *list)
{
	struct batch *b;

	while ((b = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, b, next);
		batch_free(&b);
	}
}

void
truth_free(struct truth **tp)
{
	struct truth *t = *tp;

	if (t == NULL)
		return;
	*tp = NULL;
	CHECK_MAGIC(t, TRUTH_MAGIC);
	if (t->changes != NULL)
		truth_drop_changes(t);
	truth_free_list(&t->flying);
	truth_free_list(&t->spare);
	free(t->changes);
	free(t->numbers);
	free(t->walks);
	truth_stay(t);
	batch_free(&t->whole);
	if (t->presence != NULL)
		presence_close(&t->presence);
	t->magic = 0;
	free(t);
}
