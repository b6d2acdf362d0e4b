/*
 * What other hosts hold, mirrored by the relay: a bit in remote for each host,
 * so that who is on several of them is gone with the last.  Called through
 * relay/bridge, which knows the hosts; see table_relay.h.
 */
#include "shm/table_relay_int.h"

uint32_t
table_mirror(struct table_relay *r, uint16_t ns, struct slice key,
    uint64_t hosts)
{
	struct table *t = r->t;
	uint32_t n;
	bool held;

	CHECK_MAGIC(r, TABLE_RELAY_MAGIC);
	if (hosts == 0) {
		n = table_find(t, ns, key);
		if (n != 0 && table_holds(t, n))
			table_release(t, n);
		return (0);
	}
	/* other hosts than before and the same level: nothing to reconcile */
	return (table_enter(t, ns, key, hosts, &held));
}

static uint64_t
relay_hosts(const struct table *t, uint32_t n)
{
	return (table_holds(t, n) ? atomic_load_explicit(
	    &table_node(t, n)->remote, memory_order_relaxed) : 0);
}

uint32_t
table_mirror_add(struct table_relay *r, uint16_t ns, struct slice key,
    unsigned host)
{
	uint64_t bit = (uint64_t)1 << host, hosts = 0;
	uint32_t n;

	CHECK_MAGIC(r, TABLE_RELAY_MAGIC);
	MUST(host <= TABLE_INHERITED);
	n = table_find(r->t, ns, key);
	if (n != 0)
		hosts = relay_hosts(r->t, n);
	if ((hosts & bit) != 0)
		return (n);
	n = table_mirror(r, ns, key, hosts | bit);
	if (n == 0)
		return (0);
	relay_bit_set(r->lapsed, n, false);
	if (hosts == 0)
		r->mirrored++;
	return (n);
}

/* The last of them gives up the node. */
static void
relay_host_gone(struct table_relay *r, uint32_t n, unsigned host, bool lapsed)
{
	struct table *t = r->t;
	uint64_t bit = (uint64_t)1 << host, hosts = relay_hosts(t, n);

	if ((hosts & bit) == 0)
		return;
	hosts &= ~bit;
	if (hosts != 0) {
		/* the level is the same: nothing to reconcile */
		atomic_store_explicit(&table_node(t, n)->remote, hosts,
		    memory_order_seq_cst);
		/* but what the others say of the user may be another thing */
		if (atomic_load_explicit(&table_node(t, n)->status,
		    memory_order_relaxed) != 0)
			table_touch(t, n);
		return;
	}
	relay_bit_set(r->lapsed, n, lapsed);
	r->mirrored--;
	HOOK();
	table_release(t, n);
}

bool
table_mirrors(const struct table_relay *r, uint16_t ns, struct slice key,
    unsigned host)
{
	uint32_t n;

	CHECK_MAGIC(r, TABLE_RELAY_MAGIC);
	n = table_find(r->t, ns, key);
	return (n != 0 && (relay_hosts(r->t, n) & (uint64_t)1 << host) != 0);
}

void
table_mirror_touch(struct table_relay *r, uint32_t n)
{
	CHECK_MAGIC(r, TABLE_RELAY_MAGIC);
	if (table_holds(r->t, n))
		table_touch(r->t, n);
}

void
table_mirror_drop(struct table_relay *r, uint16_t ns, struct slice key,
    unsigned host, bool lapsed)
{
	uint32_t n;

	CHECK_MAGIC(r, TABLE_RELAY_MAGIC);
	n = table_find(r->t, ns, key);
	if (n != 0)
		relay_host_gone(r, n, host, lapsed);
}

bool
table_mirror_sweep(struct table_relay *r, unsigned host, const uint8_t *kept,
    bool lapsed, uint32_t *at, uint32_t nodes)
{
	const struct table *t = r->t;
	uint32_t n = *at == 0 ? 1 : *at;

	CHECK_MAGIC(r, TABLE_RELAY_MAGIC);
	for (; n < t->cap && nodes > 0; n++, nodes--)
		if (table_holds(t, n) && (kept == NULL ||
		    !relay_bit_get(kept, n)))
			relay_host_gone(r, n, host, lapsed);
	*at = n;
	return (n >= t->cap);
}

uint32_t
table_mirrored(const struct table_relay *r)
{
	return (r->mirrored);
}

uint32_t
table_nodes(const struct table_relay *r)
{
	return (r->t->cap);
}

/* Which host each bit was nobody knows any more. */
void
table_inherit_begin(struct table_relay *r)
{
	struct table *t = r->t;
	uint32_t n;

	CHECK_MAGIC(r, TABLE_RELAY_MAGIC);
	for (n = 1; n < t->cap; n++) {
		if (!table_holds(t, n))
			continue;
		if (relay_hosts(t, n) != 0) {
			atomic_store_explicit(&table_node(t, n)->remote,
			    (uint64_t)1 << TABLE_INHERITED,
			    memory_order_seq_cst);
			r->mirrored++;
			HOOK();
			(void)table_reconcile(t, n);
		} else
			table_release(t, n);	/* it died in between */
		HOOK();
		table_mark(t, n);
	}
}

void
table_inherit_again(struct table_relay *r)
{
	const struct table *t = r->t;
	uint32_t n;

	CHECK_MAGIC(r, TABLE_RELAY_MAGIC);
	for (n = 1; n < t->cap; n++)
		if (table_holds(t, n))
			/* the level is the same: nothing to reconcile */
			atomic_store_explicit(&table_node(t, n)->remote,
			    (uint64_t)1 << TABLE_INHERITED,
			    memory_order_seq_cst);
}

bool
table_inherits(const struct table_relay *r)
{
	uint32_t n;

	CHECK_MAGIC(r, TABLE_RELAY_MAGIC);
	for (n = 1; n < r->t->cap; n++)
		if (table_holds(r->t, n) && relay_hosts(r->t, n) ==
		    (uint64_t)1 << TABLE_INHERITED)
			return (true);
	return (false);
}

void
table_inherit_end(struct table_relay *r)
{
	uint32_t at = 0;

	(void)table_mirror_sweep(r, TABLE_INHERITED, NULL, false, &at,
	    r->t->cap);
}
