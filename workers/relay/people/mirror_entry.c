/*
 * One user of another host, come or gone; see mirror.h.  Called by people.c with
 * changes, and by mirror.c with what it has read.
 */
#include "relay/people/mirror_int.h"

#include "conf/conf.h"
#include "proto/status.h"
#include "shm/counters.h"
#include "shm/presence.h"
#include "shm/table_relay.h"

/*
 * What the host says of its user, beside what others say: its bit in that mark,
 * and in no other one (shm/presence.h).
 */
static void
mirror_mark(struct mirror *m, const struct conf_namespace *ns,
    struct node *from, const struct news_entry *e, unsigned mark, bool *changed)
{
	uint16_t index = conf_mark_index(m->p.conf, ns, mark);
	bool is = e->present && status_mark(e->code) == mark;
	uint32_t n = 0;

	if (table_mirrors(m->table, index, e->key, from->host) != is)
		*changed = true;
	if (is) {
		n = table_mirror_add(m->table, index, e->key, from->host);
		if (n == 0)
			counter_add(COUNTER_presence_not_mirrored, 1);
		else if (m->kept != NULL && from == m->node)
			m->kept[n / 8] |= (uint8_t)(1u << n % 8);
	} else
		table_mirror_drop(m->table, index, e->key, from->host, true);
}

static bool
mirror_marks(struct mirror *m, const struct conf_namespace *ns,
    struct node *from, const struct news_entry *e)
{
	bool changed = false;
	unsigned mark;

	for (mark = 0; mark < PRESENCE_MARKS; mark++)
		mirror_mark(m, ns, from, e, mark, &changed);
	return (changed);
}

/* By its clock, which may be before ours: nobody was seen in the future. */
static void
mirror_seen(struct mirror *m, uint32_t node, const struct news_entry *e)
{
	struct wall now = wall_now(), seen = { e->seen_ms };

	presence_seen_there(m->presence, node, seen.ms > now.ms ? now : seen);
}

static void
mirror_present(struct mirror *m, const struct conf_namespace *ns,
    struct node *from, const struct news_entry *e)
{
	uint16_t index = e->room ? conf_rooms_index(m->p.conf, ns) : ns->index;
	uint32_t n = 0;

	if (e->key.n <= presence_key_max(m->presence))
		n = table_mirror_add(m->table, index, e->key,
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
	mirror_seen(m, n, e);
	/* as long as nothing was ever said of him there is nothing to compare */
	if (e->set_ms == 0)
		return;
	(void)presence_take_status(m->presence, n, e->code, e->set_ms);
	if (mirror_marks(m, ns, from, e))
		table_mirror_touch(m->table, n);
}

static void
mirror_absent(struct mirror *m, const struct conf_namespace *ns,
    struct node *from, const struct news_entry *e)
{
	uint16_t index = e->room ? conf_rooms_index(m->p.conf, ns) : ns->index;

	if (!e->room) {
		mirror_seen(m, presence_find(m->presence, ns->index, e->key),
		    e);
		(void)mirror_marks(m, ns, from, e);
	}
	table_mirror_drop(m->table, index, e->key, from->host,
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

void
mirror_take(struct mirror *m, const struct conf_namespace *ns,
    const struct news_entry *e)
{
	if (!mirror_is_touched(m, ns->index, e))
		mirror_present(m, ns, m->node, e);
}
