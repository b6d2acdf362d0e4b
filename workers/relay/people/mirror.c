/*
 * Other hosts' users in shared memory; see mirror.h.  Called by people.c.
 */
#include "relay/people/mirror.h"

#include <sys/random.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "conf/conf.h"
#include "proto/json.h"
#include "proto/status.h"
#include "relay/people/truth.h"
#include "relay/redis/redis.h"
#include "shm/counters.h"
#include "shm/presence.h"
#include "shm/table_relay.h"
#include "sys/log.h"

#define MIRROR_NODES	16384u	/* of the table, looked at in a turn */
#define MIRROR_TOUCHED	1024u	/* changes while a part is awaited */
#define MIRROR_SEEN_MS	1000u	/* how exactly workers tell who is silent */
#define MIRROR_AGAIN_MS	30000u	/* those that found no room */
#define MIRROR_LATE_MS	15000u	/* a part that does not come */

static const char mirror_lua[] =
"return {redis.call('HGET',KEYS[1],'=') or '',"
"redis.call('HSCAN',KEYS[1],ARGV[1],'COUNT','256')}";

enum mirror_job {
	MIRROR_IDLE,
	MIRROR_ASK,		/* the next part, or the end */
	MIRROR_PART,		/* awaited: the part, and the fence */
	MIRROR_CHECK,		/* awaited: is it the same epoch still? */
	MIRROR_SWEEP,		/* what was not confirmed goes */
};

struct mirror {
	unsigned	 magic;
#define MIRROR_MAGIC	0x3144a0e5
	struct mirror_params p;
	struct table_relay *table;
	struct presence	*presence;
	bool		 up;
	bool		 inherited;	/* of a predecessor's there may be some */
	bool		 hold;		/* no new job before the next beat */
	unsigned	 due;		/* replies that will come */
	/* the job */
	enum mirror_job	 job;
	struct node	*node;		/* NULL: what was inherited */
	uint64_t	 epoch;
	size_t		 ns;
	char		 cursor[24];
	uint8_t		*kept;		/* a bit per node of the table */
	uint32_t	 at;
	struct mono	 asked;
	struct mono	 tried;		/* those that found no room */
	uint64_t	 fence;		/* number of the last one */
	bool		 fenced, answered;
	struct buf	 part;		/* entries, as in messages */
	struct hash_key	 key;
	uint64_t	 touched[MIRROR_TOUCHED];
	unsigned	 ntouched;
	char		 channel[CONF_REDIS_PREFIX_MAX + 32]; /* of fences */
	struct buf	 name;
};

/* --- is it the truth? -----------------------------------------------------*/

static void
mirror_count(struct mirror *m)
{
	bool stale = !m->up || !nodes_listed(m->p.nodes) ||
	    nodes_crowded(m->p.nodes) || m->inherited;
	const struct node *n;
	unsigned i;

	for (i = 0; i < NODES_MAX; i++) {
		n = nodes_at(m->p.nodes, i);
		if (n != NULL && !n->gone && (n->wanted || n->partial ||
		    !n->loaded))
			stale = true;
	}
	counter_set(COUNTER_presence_stale, stale);
	if (m->table != NULL)
		counter_set(COUNTER_presence_mirrored,
		    table_mirrored(m->table));
}

/* --- entries --------------------------------------------------------------*/

/*
 * Each host finds by itself who is silent there.  Who is not silent here is not
 * away: that is said again.
 */
static bool
mirror_not_idle(struct mirror *m, const struct conf_namespace *ns,
    uint32_t node, const struct news_entry *e)
{
	struct presence_info info;

	if (e->code != STATUS_IDLE || ns->idle_after_ms == 0 ||
	    !presence_get(m->presence, ns->index, e->key, &info) ||
	    !info.local || info.status == STATUS_IDLE ||
	    info.last_seen_ms + ns->idle_after_ms <= wall_now().ms +
	    MIRROR_SEEN_MS)
		return (false);
	(void)presence_take_status(m->presence, node,
	    info.status == STATUS_NONE ? STATUS_ONLINE : info.status,
	    e->set_ms + 1);
	return (true);
}

static void
mirror_present(struct mirror *m, const struct conf_namespace *ns,
    struct node *from, const struct news_entry *e)
{
	size_t index = ns->index + (e->room ? m->p.conf->nnamespaces : 0);
	uint32_t n = 0;

	if (e->key.n <= presence_key_max(m->presence))
		n = table_mirror_add(m->table, (uint16_t)index, e->key,
		    from->host);
	if (n == 0) {
		from->partial = true;
		counter_add(COUNTER_presence_not_mirrored, 1);
		return;
	}
	if (m->kept != NULL && from == m->node)
		m->kept[n / 8] |= (uint8_t)(1u << n % 8);
	if (e->room)
		return;
	presence_seen_there(m->presence, n, (struct wall){ e->seen_ms });
	if (e->set_ms != 0 && !mirror_not_idle(m, ns, n, e))
		(void)presence_take_status(m->presence, n, e->code,
		    e->set_ms);
}

static void
mirror_absent(struct mirror *m, const struct conf_namespace *ns,
    const struct node *from, const struct news_entry *e)
{
	size_t index = ns->index + (e->room ? m->p.conf->nnamespaces : 0);

	if (!e->room)
		presence_seen_there(m->presence, presence_find(m->presence,
		    ns->index, e->key), (struct wall){ e->seen_ms });
	table_mirror_drop(m->table, (uint16_t)index, e->key, from->host,
	    true);
}

static uint64_t
mirror_hash(const struct mirror *m, size_t ns, const struct news_entry *e)
{
	struct hash_key k = { m->key.k0 ^ ns ^ (e->room ? 1u << 31 : 0),
		m->key.k1 };

	return (hash_bytes(&k, e->key));
}

static bool
mirror_is_touched(const struct mirror *m, size_t ns,
    const struct news_entry *e)
{
	uint64_t h = mirror_hash(m, ns, e);
	unsigned i;

	for (i = 0; i < m->ntouched; i++)
		if (m->touched[i] == h)
			return (true);
	return (false);
}

static void
mirror_touch(struct mirror *m, size_t ns, const struct news_entry *e)
{
	if (m->ntouched < MIRROR_TOUCHED)
		m->touched[m->ntouched] = mirror_hash(m, ns, e);
	m->ntouched++;		/* more than fit: the part is asked again */
}

void
mirror_changes(struct mirror *m, struct node *from, const struct news *news)
{
	const struct conf_namespace *ns = conf_namespace_find(m->p.conf,
	    news->ns);
	bool loading = m->job != MIRROR_IDLE && m->node == from;
	struct slice rest = news->entries;
	struct news_entry e;

	CHECK_MAGIC(m, MIRROR_MAGIC);
	if (ns == NULL || ns->presence == CONF_PRESENCE_OFF ||
	    m->table == NULL || from->gone || (!loading && !from->loaded))
		return;
	while (news_entry_next(&rest, &e)) {
		if (loading && m->job == MIRROR_PART)
			mirror_touch(m, ns->index, &e);
		if (e.present)
			mirror_present(m, ns, from, &e);
		else
			mirror_absent(m, ns, from, &e);
	}
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

/* An entry of the answer, kept until the fence is heard. */
static bool
mirror_keep_part(struct mirror *m, const struct reply *list)
{
	struct news_entry e;
	size_t i;

	for (i = 0; i + 1 < list->n; i += 2)
		if (list->elements[i]->type == REPLY_STRING &&
		    list->elements[i + 1]->type == REPLY_STRING &&
		    truth_field_get(list->elements[i]->text,
		    list->elements[i + 1]->text, &e))
			news_entry_put(&m->part, &e);
	return (!m->part.oom);
}

/* { epoch, { cursor, { field, value, ... } } } */
static bool
mirror_take_part(struct mirror *m, const struct reply *o)
{
	const struct reply *scan;
	char epoch[NODES_NAME];

	if (o->type != REPLY_ARRAY || o->n != 2 ||
	    o->elements[0]->type != REPLY_STRING)
		return (false);
	scan = o->elements[1];
	if (scan->type != REPLY_ARRAY || scan->n != 2 ||
	    scan->elements[0]->type != REPLY_STRING ||
	    scan->elements[0]->text.n >= sizeof m->cursor ||
	    scan->elements[1]->type != REPLY_ARRAY)
		return (false);
	nodes_name(epoch, m->epoch);
	/* no epoch at all: it does not have this namespace, or MIRROR_CHECK
	 * will see */
	if (o->elements[0]->text.n != 0 &&
	    !slice_eq(o->elements[0]->text, slice_str(epoch)))
		return (false);
	(void)snprintf(m->cursor, sizeof m->cursor, "%.*s",
	    (int)scan->elements[0]->text.n,
	    (const char *)scan->elements[0]->text.p);
	return (mirror_keep_part(m, scan->elements[1]));
}

static void
mirror_use_part(struct mirror *m)
{
	const struct conf_namespace *ns = &m->p.conf->namespaces[m->ns];
	struct slice rest = buf_unread(&m->part);
	struct news_entry e;

	m->job = MIRROR_ASK;
	if (m->ntouched > MIRROR_TOUCHED) {
		mirror_give_up(m);
		return;
	}
	while (news_entry_next(&rest, &e))
		if (!mirror_is_touched(m, m->ns, &e))
			mirror_present(m, ns, m->node, &e);
	if (strcmp(m->cursor, "0") == 0) {
		m->ns++;
		m->cursor[0] = '\0';
	}
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
	m->answered = true;
	if (m->fenced)
		mirror_use_part(m);
}

static void
mirror_on_fence(void *arg, struct slice channel, struct slice payload)
{
	struct mirror *m = arg;

	(void)channel;
	if (m->job != MIRROR_PART || payload.n != 8 ||
	    news_word(payload.p) != m->fence)
		return;
	m->fenced = true;
	if (m->answered)
		mirror_use_part(m);
}

static bool
mirror_send_fence(struct mirror *m)
{
	m->fence++;
	buf_reset(&m->name);
	news_word_put(&m->name, m->fence);
	return (!m->name.oom && redis_publish(m->p.redis,
	    slice_str(m->channel), buf_unread(&m->name), NULL, NULL));
}

static void
mirror_ask(struct mirror *m, const struct conf_namespace *ns)
{
	struct slice argv[] = { SLICE("EVAL"), slice_str(mirror_lua),
		SLICE("1"), SLICE(""), m->cursor[0] == '\0' ? SLICE("0") :
		slice_str(m->cursor) };

	m->job = MIRROR_PART;
	m->answered = m->fenced = false;
	m->ntouched = 0;
	m->asked = mono_now();
	buf_reset(&m->part);
	argv[3] = truth_key_of_node(&m->name, m->p.conf, ns, m->node->id);
	m->due++;
	if (m->name.oom || !redis_command(m->p.redis, argv[3], argv,
	    nitems(argv), mirror_on_part, m)) {
		m->due--;
		mirror_give_up(m);
	} else if (!mirror_send_fence(m))
		mirror_give_up(m);
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

	for (i = 0; i < NODES_MAX; i++) {
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
	for (i = 0; i < NODES_MAX; i++) {
		n = nodes_at(m->p.nodes, i);
		if (n == NULL)
			continue;
		if (n->wanted && n->ready && n->epoch != 0) {
			mirror_load(m, n);
			return;
		}
		wanting |= n->wanted || !n->loaded;
	}
	if (m->inherited && !wanting && nodes_listed(m->p.nodes)) {
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

	for (i = 0; i < NODES_MAX; i++) {
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
	mirror_count(m);
}

struct mirror *
mirror_new(const struct mirror_params *p)
{
	struct mirror *m = calloc(1, sizeof *m);

	if (m == NULL)
		return (NULL);
	m->magic = MIRROR_MAGIC;
	m->p = *p;
	buf_init(&m->part);
	buf_init(&m->name);
	(void)snprintf(m->channel, sizeof m->channel, "%snode:%016" PRIx64,
	    p->conf->redis.prefix, p->node_id);
	m->presence = presence_open(p->segment, 0);
	if (m->presence == NULL || getrandom(&m->key, sizeof m->key, 0) !=
	    (ssize_t)sizeof m->key || !redis_subscribe(p->redis,
	    slice_str(m->channel), mirror_on_fence, m))
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
	redis_unsubscribe(m->p.redis, slice_str(m->channel));
	if (m->presence != NULL)
		presence_close(&m->presence);
	buf_fini(&m->part);
	buf_fini(&m->name);
	free(m->kept);
	m->magic = 0;
	free(m);
}
