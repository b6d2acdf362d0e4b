/*
 * Other hosts' users in shared memory; see mirror.h.  Called by people.c.
 */
#include "relay/people/mirror_int.h"

#include <sys/random.h>

#include <stdio.h>
#include <stdlib.h>

#include "conf/conf.h"
#include "proto/json.h"
#include "relay/people/keys.h"
#include "relay/redis/redis.h"
#include "shm/counters.h"
#include "shm/presence.h"
#include "shm/table_relay.h"
#include "sys/log.h"

#define MIRROR_NODES	16384u	/* of the table, looked at in a turn */
#define MIRROR_AGAIN_MS	30000u	/* those that found no room */
#define MIRROR_LATE_MS	15000u	/* a part that does not come */

/* --- is it the truth? -----------------------------------------------------*/

/* A line when some of a node find no room, and when all of them have. */
static void
mirror_tell_partial(const struct mirror *m, struct node *n)
{
	char name[NODES_NAME];

	if (n->partial == n->told || (m->job != MIRROR_IDLE && m->node == n))
		return;
	n->told = n->partial;
	nodes_name(name, n->id);
	if (n->partial)
		log_warnx("presence_full node=%s", name);
	else
		log_info("presence_has_room node=%s", name);
}

static void
mirror_count(struct mirror *m)
{
	bool stale = !m->up || !nodes_listed(m->p.nodes) ||
	    nodes_crowded(m->p.nodes) || nodes_twin(m->p.nodes) ||
	    m->inherited;
	struct node *n;
	unsigned i;

	if (m->stopped)
		return;
	for (i = 0; i < nodes_used(m->p.nodes); i++) {
		n = nodes_at(m->p.nodes, i);
		if (n == NULL || n->gone)
			continue;
		mirror_tell_partial(m, n);
		if (n->wanted || n->partial || !n->loaded || !n->ready)
			stale = true;
	}
	counter_set(COUNTER_presence_stale, stale);
	if (m->table != NULL)
		counter_set(COUNTER_presence_mirrored,
		    table_mirrored(m->table));
}

/* --- a node, read from Redis ----------------------------------------------*/

/* Not this time; the next beat may try again. */
static void
mirror_give_up(struct mirror *m)
{
	if (m->job != MIRROR_IDLE && m->node != NULL && !m->node->gone)
		m->node->wanted = true;
	m->job = MIRROR_IDLE;
	m->node = NULL;
	m->hold = true;
	free(m->kept);
	m->kept = NULL;
}

static void
mirror_done(struct mirror *m)
{
	char name[NODES_NAME];

	if (m->node == NULL)
		m->inherited = false;
	else if (m->node->gone) {
		nodes_forget(m->node);
	} else {
		nodes_name(name, m->node->id);
		if (!m->node->loaded)
			log_info("node_mirrored node=%s", name);
		m->node->loaded = true;
		counter_add(COUNTER_presence_loads, 1);
	}
	m->job = MIRROR_IDLE;
	m->node = NULL;
	free(m->kept);
	m->kept = NULL;
	mirror_count(m);
}

static void
mirror_use_part(struct mirror *m, const struct reply *list)
{
	const struct conf_namespace *ns = &m->p.conf->namespaces[m->ns];
	struct news_entry e;
	size_t i;

	for (i = 0; i + 1 < list->n; i += 2)
		if (list->elements[i]->type == REPLY_STRING &&
		    list->elements[i + 1]->type == REPLY_STRING &&
		    field_get(list->elements[i]->text,
		    list->elements[i + 1]->text, &e))
			mirror_take(m, ns, &e);
}

/* { epoch, { cursor, { field, value, ... } } } */
static bool
mirror_take_part(struct mirror *m, const struct reply *o)
{
	const struct reply *scan;
	uint64_t epoch;

	if (o->type != REPLY_ARRAY || o->n != 2 ||
	    o->elements[0]->type != REPLY_STRING ||
	    m->ntouched > MIRROR_TOUCHED)
		return (false);
	scan = o->elements[1];
	if (scan->type != REPLY_ARRAY || scan->n != 2 ||
	    scan->elements[0]->type != REPLY_STRING ||
	    scan->elements[0]->text.n >= sizeof m->cursor ||
	    scan->elements[1]->type != REPLY_ARRAY)
		return (false);
	/* no epoch at all: it does not have this namespace, or MIRROR_CHECK
	 * will see */
	if (o->elements[0]->text.n != 0 && (!keys_epoch_get(
	    o->elements[0]->text, &epoch) || epoch != m->epoch))
		return (false);
	(void)snprintf(m->cursor, sizeof m->cursor, "%.*s",
	    (int)scan->elements[0]->text.n,
	    (const char *)scan->elements[0]->text.p);
	mirror_use_part(m, scan->elements[1]);
	return (true);
}

static void
mirror_on_part(void *arg, const struct reply *o)
{
	struct mirror *m = arg;

	m->due--;
	if (m->job != MIRROR_PART)
		return;
	if (o == NULL || !mirror_take_part(m, o)) {
		mirror_give_up(m);
		return;
	}
	m->job = MIRROR_ASK;
	if (strcmp(m->cursor, "0") == 0) {
		m->ns++;
		m->cursor[0] = '\0';
	}
}

static void
mirror_ask(struct mirror *m, const struct conf_namespace *ns)
{
	struct keys k = { .conf = m->p.conf, .redis = m->p.redis, .ns = ns,
		.node = m->node->id };

	m->job = MIRROR_PART;
	m->ntouched = 0;
	m->asked = mono_now();
	m->due++;
	if (!keys_scan(&k, slice_str(m->cursor), mirror_on_part, m)) {
		m->due--;
		mirror_give_up(m);
	}
}

/* Is it ready, and the epoch what we have read? */
static bool
mirror_is_epoch(const struct mirror *m, const struct reply *o)
{
	struct slice object, epoch, ready;
	char name[NODES_NAME];

	nodes_name(name, m->epoch);
	return (o->type == REPLY_STRING &&
	    json_value(o->text, &object) > 0 &&
	    json_get(object, SLICE("epoch"), &epoch) &&
	    json_get(object, SLICE("ready"), &ready) &&
	    json_type(ready) == JSON_TRUE && epoch.n == NODES_NAME + 1 &&
	    memcmp(epoch.p + 1, name, NODES_NAME - 1) == 0);
}

static void
mirror_on_check(void *arg, const struct reply *o)
{
	struct mirror *m = arg;

	m->due--;
	if (m->job != MIRROR_CHECK)
		return;
	if (o == NULL || !mirror_is_epoch(m, o)) {
		mirror_give_up(m);
		return;
	}
	m->job = MIRROR_SWEEP;
	m->at = 0;
}

static void
mirror_check(struct mirror *m)
{
	struct slice argv[] = { SLICE("GET"), SLICE("") };

	argv[1] = nodes_key(&m->name, m->p.conf, m->node->id);
	m->job = MIRROR_CHECK;
	m->asked = mono_now();
	m->due++;
	if (m->name.oom || !redis_command(m->p.redis, argv[1], argv,
	    nitems(argv), mirror_on_check, m)) {
		m->due--;
		mirror_give_up(m);
	}
}

/* --- jobs -----------------------------------------------------------------*/

static void
mirror_load(struct mirror *m, struct node *n)
{
	m->kept = calloc(table_nodes(m->table) / 8 + 1, 1);
	if (m->kept == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		m->hold = true;
		return;
	}
	m->node = n;
	m->epoch = n->epoch;
	m->ns = 0;
	m->cursor[0] = '\0';
	m->job = MIRROR_ASK;
	n->wanted = n->partial = false;
}

/* Those who are gone first: their places are needed. */
static void
mirror_choose(struct mirror *m)
{
	bool wanting = false;
	struct node *n;
	unsigned i;

	for (i = 0; i < nodes_used(m->p.nodes); i++) {
		n = nodes_at(m->p.nodes, i);
		if (n != NULL && n->gone) {
			m->node = n;
			m->job = MIRROR_SWEEP;
			m->at = 0;
			return;
		}
	}
	if (!m->up || m->hold || m->due > 0)
		return;
	for (i = 0; i < nodes_used(m->p.nodes); i++) {
		n = nodes_at(m->p.nodes, i);
		if (n == NULL)
			continue;
		if (n->wanted && n->ready && n->epoch != 0) {
			mirror_load(m, n);
			return;
		}
		wanting |= n->wanted || !n->loaded;
	}
	if (m->inherited && !wanting && nodes_listed(m->p.nodes) &&
	    mono_now().us >= m->kept_until.us) {
		m->job = MIRROR_SWEEP;
		m->at = 0;
	}
}

static void
mirror_next_part(struct mirror *m)
{
	const struct conf *conf = m->p.conf;

	while (m->ns < conf->nnamespaces &&
	    conf->namespaces[m->ns].presence == CONF_PRESENCE_OFF)
		m->ns++;
	if (m->ns < conf->nnamespaces)
		mirror_ask(m, &conf->namespaces[m->ns]);
	else
		mirror_check(m);
}

static void
mirror_sweep(struct mirror *m)
{
	unsigned host = m->node == NULL ? TABLE_INHERITED : m->node->host;
	bool lapsed = m->node != NULL && m->node->lapsed;

	if (table_mirror_sweep(m->table, host, m->kept, lapsed, &m->at,
	    MIRROR_NODES))
		mirror_done(m);
}

bool
mirror_turn(struct mirror *m)
{
	CHECK_MAGIC(m, MIRROR_MAGIC);
	if (m->table == NULL)
		return (false);
	if (m->job == MIRROR_IDLE)
		mirror_choose(m);
	switch (m->job) {
	case MIRROR_IDLE:
	case MIRROR_PART:
	case MIRROR_CHECK:
		break;
	case MIRROR_ASK:
		mirror_next_part(m);
		break;
	case MIRROR_SWEEP:
		mirror_sweep(m);
		return (true);
	}
	return (false);
}

void
mirror_gone(struct mirror *m, struct node *n, enum nodes_end how)
{
	CHECK_MAGIC(m, MIRROR_MAGIC);
	/* who was silent for so long does not come back in a moment */
	n->lapsed = how == NODES_SILENT;
	if (m->job != MIRROR_IDLE && m->node == n)
		mirror_give_up(m);
	mirror_count(m);
}

/* There may be room now. */
static void
mirror_try_again(struct mirror *m)
{
	struct node *n;
	unsigned i;

	for (i = 0; i < nodes_used(m->p.nodes); i++) {
		n = nodes_at(m->p.nodes, i);
		if (n != NULL && n->partial)
			n->wanted = true;
	}
}

void
mirror_beat(struct mirror *m, struct mono now)
{
	CHECK_MAGIC(m, MIRROR_MAGIC);
	m->hold = false;
	if (m->inherited && m->table != NULL && m->up &&
	    now.us < m->kept_until.us && !table_inherits(m->table))
		m->kept_until = now;
	if (now.us > m->tried.us + MIRROR_AGAIN_MS * 1000) {
		m->tried = now;
		mirror_try_again(m);
	}
	if ((m->job == MIRROR_PART || m->job == MIRROR_CHECK) &&
	    now.us > m->asked.us + MIRROR_LATE_MS * 1000)
		mirror_give_up(m);
	mirror_count(m);
}

void
mirror_conf(struct mirror *m, const struct conf *conf, bool changed)
{
	struct node *n;
	unsigned i;

	CHECK_MAGIC(m, MIRROR_MAGIC);
	m->p.conf = conf;
	if (!changed)
		return;
	if (m->job == MIRROR_ASK || m->job == MIRROR_PART ||
	    m->job == MIRROR_CHECK)
		mirror_give_up(m);
	for (i = 0; i < nodes_used(m->p.nodes); i++) {
		n = nodes_at(m->p.nodes, i);
		if (n != NULL && !n->gone)
			n->wanted = true;
	}
	m->hold = false;
	mirror_count(m);
}

void
mirror_ready(struct mirror *m)
{
	CHECK_MAGIC(m, MIRROR_MAGIC);
	m->up = true;
	m->hold = false;
	mirror_count(m);
}

void
mirror_lost(struct mirror *m)
{
	CHECK_MAGIC(m, MIRROR_MAGIC);
	m->up = false;
	if (m->job == MIRROR_ASK || m->job == MIRROR_PART ||
	    m->job == MIRROR_CHECK)
		mirror_give_up(m);
	mirror_count(m);
}

/* --- birth and death ------------------------------------------------------*/

void
mirror_table(struct mirror *m, struct table_relay *table)
{
	CHECK_MAGIC(m, MIRROR_MAGIC);
	m->table = table;
	m->inherited = true;
	m->kept_until = mono_add_ms(mono_now(), m->p.keep_ms);
	mirror_count(m);
}

void
mirror_stop(struct mirror *m)
{
	CHECK_MAGIC(m, MIRROR_MAGIC);
	mirror_give_up(m);
	m->stopped = true;
	m->table = NULL;
}

struct mirror *
mirror_new(const struct mirror_params *p)
{
	struct mirror *m = calloc(1, sizeof *m);

	if (m == NULL)
		return (NULL);
	m->magic = MIRROR_MAGIC;
	m->p = *p;
	buf_init(&m->name);
	m->presence = presence_open(p->segment, 0);
	if (m->presence == NULL || getrandom(&m->key, sizeof m->key, 0) !=
	    (ssize_t)sizeof m->key)
		mirror_free(&m);
	return (m);
}

void
mirror_free(struct mirror **mp)
{
	struct mirror *m = *mp;

	if (m == NULL)
		return;
	*mp = NULL;
	CHECK_MAGIC(m, MIRROR_MAGIC);
	if (m->presence != NULL)
		presence_close(&m->presence);
	buf_fini(&m->name);
	free(m->kept);
	m->magic = 0;
	free(m);
}
