/*
 * This host's users in Redis; see truth.h.  Called by people.c.
 */
#include "relay/people/truth_int.h"

#include <sys/random.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/conf.h"
#include "proto/json.h"
#include "proto/status.h"
#include "relay/redis/redis.h"
#include "shm/counters.h"
#include "shm/presence.h"
#include "shm/table_relay.h"
#include "sys/log.h"

#define TRUTH_BATCH	128u	/* entries of a command */
#define TRUTH_NODES	65536u	/* of the table, looked at in a turn */
#define TRUTH_FLIGHT	4u	/* batches without a reply yet */
#define TRUTH_RENEW_MS	5000u
#define TRUTH_AGAIN_MS	1000u	/* twice as long each time, */
#define TRUTH_MOST_MS	32000u	/* up to this */
#define TRUTH_NODE_TTL	"86400000"	/* remains that nobody clears away */

struct truth_part {
	uint32_t	 at, n;		/* in bytes */
};

struct truth_batch {
	struct buf	 bytes;
	struct truth_part part[3 * TRUTH_BATCH]; /* field, value, json */
	unsigned	 n;		/* entries */
	struct buf	 news;		/* the same, for the other nodes */
};

enum truth_state {
	TRUTH_OFF,
	TRUTH_WRITING,		/* what the table has */
	TRUTH_SWEEPING,		/* what only Redis has */
	TRUTH_READY,
};

struct truth {
	unsigned	 magic;
#define TRUTH_MAGIC	0x74a7ba5e
	struct truth_params p;
	const struct table_relay *table;
	struct presence	*presence;
	bool		 up;
	bool		 again;		/* to be begun as soon as may be */
	bool		 told;		/* a line says that it goes wrong */
	enum truth_state state;
	uint64_t	 epoch;
	unsigned	 flight;	/* replies that will come */
	struct mono	 renewed;
	struct mono	 begun;
	uint64_t	 patience_ms;	/* between one attempt and the next */
	/* all of it, by namespace, users and then rooms */
	size_t		 ns;
	uint32_t	 at;
	struct truth_batch *whole;
	char		 cursor[24];
	bool		 sweeping;	/* a reply is awaited */
	/* changes, by namespace */
	struct truth_batch **changes;
	bool		 changed;
	struct buf	 all, own;	/* keys */
};

static const struct conf_namespace *
truth_namespace(const struct truth *t, size_t ns)
{
	const struct conf_namespace *n =
	    &t->p.conf->namespaces[ns % t->p.conf->nnamespaces];

	return (n->presence == CONF_PRESENCE_OFF ? NULL : n);
}

/* --- batches --------------------------------------------------------------*/

static struct truth_batch *
truth_batch_new(void)
{
	struct truth_batch *b = calloc(1, sizeof *b);

	if (b == NULL)
		return (NULL);
	buf_init(&b->bytes);
	buf_init(&b->news);
	return (b);
}

static void
truth_batch_free(struct truth_batch *b)
{
	if (b == NULL)
		return;
	buf_fini(&b->bytes);
	buf_fini(&b->news);
	free(b);
}

static void
truth_batch_empty(struct truth_batch *b)
{
	buf_reset(&b->bytes);
	buf_reset(&b->news);
	b->bytes.oom = b->news.oom = false;
	b->n = 0;
}

/* The part that begins at from. */
static struct truth_part
truth_part(const struct truth_batch *b, size_t from)
{
	return ((struct truth_part){ (uint32_t)from,
	    (uint32_t)(b->bytes.wpos - from) });
}

static void
truth_batch_add(struct truth *t, struct truth_batch *b,
    const struct news_entry *e)
{
	struct truth_part *part = &b->part[3 * b->n++];
	size_t at = b->bytes.wpos;

	buf_byte(&b->bytes, e->room ? 'r' : 'u');
	buf_slice(&b->bytes, e->key);
	part[0] = truth_part(b, at);
	at = b->bytes.wpos;
	if (e->present)
		truth_value_put(&b->bytes, t->epoch, e);
	part[1] = truth_part(b, at);
	at = b->bytes.wpos;
	if (e->present && !e->room) {
		buf_str(&b->bytes, "{\"user\":");
		json_escape(&b->bytes, e->key);
		buf_printf(&b->bytes, ",\"status\":\"%s\",\"last_seen\":%"
		    PRIu64, status_name(true, e->code), e->seen_ms);
	}
	part[2] = truth_part(b, at);
}

void
truth_spoiled(struct truth *t)
{
	CHECK_MAGIC(t, TRUTH_MAGIC);
	t->state = TRUTH_OFF;
	t->again = true;
}

static bool
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

static void
truth_on_written(void *arg, const struct reply *o)
{
	struct truth *t = arg;

	t->flight--;
	if (!truth_failed(t, o) && o->type == REPLY_STRING &&
	    slice_eq(o->text, SLICE("-")))
		truth_spoiled(t);
}

/* The batch as one command; what cannot be sent is written again with all the
 * rest. */
static void
truth_write(struct truth *t, const struct conf_namespace *ns,
    const struct truth_batch *b)
{
	struct slice argv[7 + 3 * TRUTH_BATCH] = { SLICE("EVAL"),
		slice_str(truth_script), SLICE("2") };
	char name[NODES_NAME], epoch[NODES_NAME];
	size_t i;

	argv[3] = truth_key_of_all(&t->all, t->p.conf, ns);
	argv[4] = truth_key_of_node(&t->own, t->p.conf, ns, t->p.node_id);
	nodes_name(name, t->p.node_id);
	nodes_name(epoch, t->epoch);
	argv[5] = slice_str(name);
	argv[6] = slice_str(epoch);
	for (i = 0; i < 3 * (size_t)b->n; i++)
		argv[7 + i] = slice_of(b->bytes.data + b->part[i].at,
		    b->part[i].n);
	t->flight++;
	if (b->bytes.oom || t->all.oom || t->own.oom ||
	    !redis_command(t->p.redis, argv[4], argv, 7 + i,
	    truth_on_written, t)) {
		t->flight--;
		truth_spoiled(t);
	}
}

/* --- changes --------------------------------------------------------------*/

/* Written first, then told: who is told can read it. */
static void
truth_send_changes(struct truth *t, size_t ns)
{
	struct truth_batch *b = t->changes[ns];

	if (b == NULL || b->n == 0)
		return;
	truth_write(t, &t->p.conf->namespaces[ns], b);
	if (!nodes_publish(t->p.nodes, &b->news))
		t->again = true;	/* and the number tells them */
	truth_batch_empty(b);
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
	if (out->room || !presence_get(t->presence, ns->index, user, &info))
		return;
	out->code = info.status < STATUS__MAX ? info.status : STATUS_NONE;
	out->set_ms = info.set_ms;
	out->seen_ms = info.last_seen_ms;
}

static void
truth_change(struct truth *t, const struct conf_namespace *ns,
    const struct news_entry *e)
{
	struct truth_batch **b = &t->changes[ns->index];
	struct news head = { .kind = NEWS_CHANGES, .node = t->p.node_id,
		.epoch = t->epoch, .ready = t->state == TRUTH_READY,
		.ns = slice_of(ns->name, ns->name_len) };

	if (*b == NULL)
		*b = truth_batch_new();
	if (*b == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		truth_spoiled(t);
		return;
	}
	if ((*b)->n == 0) {
		head.number = nodes_number(t->p.nodes);
		news_put(&(*b)->news, &head);
	}
	truth_batch_add(t, *b, e);
	news_entry_put(&(*b)->news, e);
	t->changed = true;
	if ((*b)->n == TRUTH_BATCH)
		truth_send_changes(t, ns->index);
}

void
truth_event(struct truth *t, const struct table_event *e)
{
	size_t n = t->p.conf->nnamespaces;
	const struct conf_namespace *ns;
	struct news_entry entry;

	CHECK_MAGIC(t, TRUTH_MAGIC);
	if (t->state == TRUTH_OFF || !e->whole || e->ns >= 2 * n)
		return;
	ns = truth_namespace(t, e->ns);
	if (ns == NULL || (((e->was ^ e->is) & ANN_L) == 0 &&
	    ((e->is & ANN_L) == 0 || e->ns >= n)))
		return;
	truth_fill(t, ns, e, &entry);
	if (news_entry_good(&entry))
		truth_change(t, ns, &entry);
}

/* --- all of it ------------------------------------------------------------*/

static void
truth_on_begun(void *arg, const struct reply *o)
{
	struct truth *t = arg;

	t->flight--;
	(void)truth_failed(t, o);
}

static bool
truth_begin_namespace(struct truth *t, const struct conf_namespace *ns)
{
	char epoch[NODES_NAME];
	struct slice key = truth_key_of_node(&t->own, t->p.conf, ns,
	    t->p.node_id);
	struct slice hset[] = { SLICE("HSET"), key, SLICE("="), SLICE("") };
	struct slice expire[] = { SLICE("PEXPIRE"), key,
		SLICE(TRUTH_NODE_TTL) };

	nodes_name(epoch, t->epoch);
	hset[3] = slice_str(epoch);
	if (t->own.oom || !redis_command(t->p.redis, key, hset, nitems(hset),
	    truth_on_begun, t))
		return (false);
	t->flight++;
	(void)redis_command(t->p.redis, key, expire, nitems(expire), NULL,
	    NULL);
	return (true);
}

static void
truth_begin(struct truth *t)
{
	const struct conf_namespace *ns;
	size_t i;

	t->again = t->changed = false;
	for (i = 0; i < t->p.conf->nnamespaces; i++)
		if (t->changes[i] != NULL)
			truth_batch_empty(t->changes[i]);
	do {
		if (getrandom(&t->epoch, sizeof t->epoch, 0) !=
		    (ssize_t)sizeof t->epoch)
			t->epoch = wall_now().ms;
	} while (t->epoch == 0);
	t->state = TRUTH_WRITING;
	t->ns = 0;
	t->at = 0;
	t->begun = mono_now();
	counter_add(COUNTER_presence_rewrites, 1);
	nodes_epoch(t->p.nodes, t->epoch, false);
	for (i = 0; i < t->p.conf->nnamespaces; i++) {
		ns = truth_namespace(t, i);
		if (ns != NULL && !truth_begin_namespace(t, ns)) {
			truth_spoiled(t);
			return;
		}
	}
	t->renewed = mono_now();
}

static bool
truth_collect(void *arg, const struct table_event *e)
{
	struct truth *t = arg;
	struct news_entry entry;

	if (!e->whole)
		return (true);
	truth_fill(t, truth_namespace(t, e->ns), e, &entry);
	if (news_entry_good(&entry))
		truth_batch_add(t, t->whole, &entry);
	return (t->whole->n < TRUTH_BATCH);
}

/* Some of the table; true: there is more to do at once. */
static bool
truth_write_some(struct truth *t)
{
	size_t n = t->p.conf->nnamespaces;
	const struct conf_namespace *ns;
	bool all;

	if (t->flight >= TRUTH_FLIGHT + n)
		return (false);
	if (t->ns == 2 * n) {
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
	all = table_tell_some(t->table, (uint16_t)t->ns, &t->at, TRUTH_NODES,
	    truth_collect, t);
	if (t->whole->n > 0)
		truth_write(t, ns, t->whole);
	truth_batch_empty(t->whole);
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
	if (truth_failed(t, o) || t->state != TRUTH_SWEEPING)
		return;
	if (o->type != REPLY_STRING || slice_eq(o->text, SLICE("-"))) {
		truth_spoiled(t);
		return;
	}
	(void)snprintf(t->cursor, sizeof t->cursor, "%.*s", (int)o->text.n,
	    (const char *)o->text.p);
	if (strcmp(t->cursor, "0") == 0) {
		t->ns++;
		t->cursor[0] = '\0';
	}
}

static bool
truth_sweep_some(struct truth *t)
{
	struct truth_sweep s = { .conf = t->p.conf, .redis = t->p.redis,
		.id = t->p.node_id, .epoch = t->epoch, .stale = true,
		.cursor = slice_str(t->cursor) };

	if (t->sweeping)
		return (false);
	if (t->ns == t->p.conf->nnamespaces) {
		t->state = TRUTH_READY;
		t->told = false;
		t->patience_ms = TRUTH_AGAIN_MS;
		nodes_epoch(t->p.nodes, t->epoch, true);
		return (false);
	}
	s.ns = truth_namespace(t, t->ns);
	if (s.ns == NULL) {
		t->ns++;
		return (true);
	}
	t->flight++;
	t->sweeping = true;
	if (!truth_sweep(&s, truth_on_swept, t)) {
		t->flight--;
		t->sweeping = false;
		truth_spoiled(t);
	}
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

static void
truth_on_renewed(void *arg, const struct reply *o)
{
	struct truth *t = arg;

	t->flight--;
	if (o != NULL && o->type == REPLY_INTEGER && o->integer == 0 &&
	    t->state == TRUTH_READY)
		truth_spoiled(t);	/* it was thrown out */
}

static void
truth_renew(struct truth *t)
{
	struct slice argv[] = { SLICE("PEXPIRE"), SLICE(""), SLICE("") };
	const struct conf_namespace *ns;
	size_t i;

	for (i = 0; i < t->p.conf->nnamespaces; i++) {
		ns = truth_namespace(t, i);
		if (ns == NULL)
			continue;
		argv[1] = truth_key_of_all(&t->all, t->p.conf, ns);
		argv[2] = SLICE(TRUTH_ALL_TTL);
		(void)redis_command(t->p.redis, argv[1], argv, nitems(argv),
		    NULL, NULL);
		argv[1] = truth_key_of_node(&t->own, t->p.conf, ns,
		    t->p.node_id);
		argv[2] = SLICE(TRUTH_NODE_TTL);
		if (redis_command(t->p.redis, argv[1], argv, nitems(argv),
		    truth_on_renewed, t))
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
	buf_init(&t->all);
	buf_init(&t->own);
	t->changes = calloc(p->conf->nnamespaces + 1, sizeof(void *));
	t->whole = truth_batch_new();
	t->presence = presence_open(p->segment, 0);
	if (t->changes == NULL || t->whole == NULL || t->presence == NULL)
		truth_free(&t);
	return (t);
}

void
truth_free(struct truth **tp)
{
	struct truth *t = *tp;
	size_t i;

	if (t == NULL)
		return;
	*tp = NULL;
	CHECK_MAGIC(t, TRUTH_MAGIC);
	for (i = 0; t->changes != NULL && i < t->p.conf->nnamespaces; i++)
		truth_batch_free(t->changes[i]);
	free(t->changes);
	truth_batch_free(t->whole);
	if (t->presence != NULL)
		presence_close(&t->presence);
	buf_fini(&t->all);
	buf_fini(&t->own);
	t->magic = 0;
	free(t);
}
