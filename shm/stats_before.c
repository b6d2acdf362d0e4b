/*
 * What is still counted in the memory of a predecessor, which counts other
 * things or in another order: its children know no other place.  The master
 * adds what they count to its own column, by name; when they have gone, that
 * is all that is left of them.
 */
#include "shm/stats_int.h"

#include <stdlib.h>
#include <unistd.h>

#define BEFORE_NOWHERE	UINT32_MAX

struct stats_before {
	struct stats	*old;		/* owned */
	struct stats_snapshot now;	/* the metrics, and their sums */
	uint64_t	*carried;	/* as values of now */
	uint32_t	*to;		/* cell of each metric in our columns */
	uint32_t	 ndesc;		/* of ours that `to` was made of */
};

/* --- which is which ------------------------------------------------------- */

struct before_name {
	const struct stats_metric *metric;
	uint32_t	 index;
};

static int
before_compare(const void *a, const void *b)
{
	const struct stats_metric *x = ((const struct before_name *)a)->metric;
	const struct stats_metric *y = ((const struct before_name *)b)->metric;
	int r = strcmp(x->name, y->name);

	return (r != 0 ? r : strcmp(x->labels, y->labels));
}

/* What only the master counts is its successor's to count. */
static bool
before_goes_on(const struct stats_metric *a, const struct stats_metric *b)
{
	return (a->type == b->type && a->ncells == b->ncells &&
	    a->sub_bits == b->sub_bits && a->agg == STATS_SUM &&
	    b->agg == STATS_SUM);
}

static void
before_match_sorted(struct stats_before *b, const struct stats_snapshot *ours,
    struct before_name *names)
{
	const struct before_name *hit;
	struct before_name key;
	uint32_t i;

	for (i = 0; i < ours->nmetrics; i++)
		names[i] = (struct before_name){ &ours->metric[i], i };
	qsort(names, ours->nmetrics, sizeof *names, before_compare);
	for (i = 0; i < b->now.nmetrics; i++) {
		key.metric = &b->now.metric[i];
		hit = bsearch(&key, names, ours->nmetrics, sizeof *names,
		    before_compare);
		b->to[i] = hit != NULL && before_goes_on(key.metric,
		    hit->metric) ? hit->metric->cell : BEFORE_NOWHERE;
	}
}

static bool
before_match(struct stats_before *b, const struct stats *st)
{
	struct stats_snapshot ours;
	struct before_name *names;

	if (!stats_snapshot(st, false, &ours))
		return (false);
	names = calloc(ours.nmetrics + 1, sizeof *names);
	if (names != NULL)
		before_match_sorted(b, &ours, names);
	stats_snapshot_free(&ours);
	free(names);
	return (names != NULL);
}

/* Namespaces are named after it was made. */
static bool
before_is_matched(struct stats_before *b, const struct stats *st)
{
	uint32_t n = atomic_load(&st->hdr->ndesc);

	if (b->ndesc != n) {
		if (!before_match(b, st))
			return (false);
		b->ndesc = n;
	}
	return (true);
}

/* --- birth and death ------------------------------------------------------ */

/* The gauges of a master are its successor's by now. */
static void
before_end_master(struct stats *old)
{
	uint64_t *column = column_at(old, old->hdr->master_col);
	uint32_t i, n = atomic_load(&old->hdr->ndesc);

	for (i = 0; i < n; i++)
		if (desc_at(old, i)->type == STATS_GAUGE)
			__atomic_store_n(column + desc_at(old, i)->cell, 0,
			    __ATOMIC_RELAXED);
	atomic_store(&slot_at(old, old->hdr->master_col)->state,
	    STATS_SLOT_FREE);
}

struct stats_before *
stats_before_new(struct stats *old, struct stats *st)
{
	struct stats_before *b = calloc(1, sizeof *b);

	if (b == NULL)
		return (NULL);
	before_end_master(old);
	if (stats_snapshot(old, false, &b->now)) {
		b->carried = calloc(b->now.nvalues + 1, sizeof *b->carried);
		b->to = calloc(b->now.nmetrics + 1, sizeof *b->to);
	}
	if (b->to == NULL || b->carried == NULL || !before_match(b, st)) {
		stats_before_free(&b);	/* old is not ours yet */
		return (NULL);
	}
	b->old = old;
	return (b);
}

void
stats_before_free(struct stats_before **bp)
{
	struct stats_before *b = *bp;

	*bp = NULL;
	if (b == NULL)
		return;
	stats_snapshot_free(&b->now);
	stats_close(&b->old);
	free(b->carried);
	free(b->to);
	free(b);
}

/* --- every now and then --------------------------------------------------- */

static uint64_t
before_sum(const struct stats *old, uint32_t at)
{
	uint64_t sum = 0;
	unsigned s;

	for (s = 0; s < old->hdr->nslots; s++)
		sum += cell(old, s, at);
	return (sum);
}

/* Up, and a gauge down as well: in the sum of the columns it is right. */
static void
before_carry_metric(struct stats *st, const struct stats_metric *m, uint32_t to)
{
	uint64_t *column = column_at(st, st->hdr->master_col), sum, more;
	struct stats_before *b = st->before;
	uint32_t i;

	for (i = 0; i < m->ncells; i++) {
		sum = before_sum(b->old, m->cell + i);
		more = sum - b->carried[m->first + i];
		b->carried[m->first + i] = sum;
		__atomic_store_n(column + to + i, column[to + i] + more,
		    __ATOMIC_RELAXED);
		/* none of it waits for a relay of ours */
		if (to == (uint32_t)COUNTER_bus_bytes_out)
			st->bus_unread += more;
	}
}

/* Rows of its children, as a reader should see them; are there any? */
static bool
before_carry_rows(struct stats *st)
{
	struct stats *old = st->before->old;
	struct stats_slot *row, *ours;
	bool any = false;
	unsigned i;

	for (i = 0; i < old->hdr->nslots && i < st->hdr->nslots; i++) {
		if (i == old->hdr->master_col || i == st->hdr->master_col)
			continue;
		row = slot_at(old, i);
		ours = slot_at(st, i);
		if (atomic_load(&row->state) == STATS_SLOT_FREE)
			continue;
		any = true;
		atomic_store(&ours->pid, atomic_load(&row->pid));
		atomic_store(&ours->role, atomic_load(&row->role));
		atomic_store(&ours->generation, atomic_load(&row->generation));
		atomic_store(&ours->started_ms, atomic_load(&row->started_ms));
		atomic_store(&ours->heartbeat_ms,
		    atomic_load(&row->heartbeat_ms));
		memcpy(ours->name, row->name, sizeof ours->name);
		atomic_store_explicit(&ours->state, atomic_load(&row->state),
		    memory_order_release);
	}
	return (any);
}

void
stats_before_carry(struct stats *st)
{
	struct stats_before *b = st->before;
	bool any;
	uint32_t i;

	if (!before_is_matched(b, st))
		return;		/* later: memory is short */
	any = before_carry_rows(st);
	for (i = 0; i < b->now.nmetrics; i++)
		if (b->to[i] != BEFORE_NOWHERE)
			before_carry_metric(st, &b->now.metric[i], b->to[i]);
	if (!any)
		stats_before_free(&st->before);
}

/* --- a slot of one of its children ---------------------------------------- */

bool
stats_before_has(const struct stats *st, unsigned slot)
{
	const struct stats *old;

	if (st->before == NULL)
		return (false);
	old = st->before->old;
	return (slot < old->hdr->nslots && slot != old->hdr->master_col &&
	    atomic_load(&slot_at(old, slot)->state) != STATS_SLOT_FREE);
}

/* Its column at a metric; NULL: it does not count that. */
static uint64_t *
before_cell(const struct stats_before *b, unsigned slot, const char *name,
    const char *labels)
{
	const struct stats_metric *m = stats_find(&b->now, name, labels);

	return (m == NULL ? NULL : column_at(b->old, slot) + m->cell);
}

uint64_t
stats_before_value(const struct stats *st, unsigned slot, const char *name)
{
	const uint64_t *p = before_cell(st->before, slot, name, "");

	return (p == NULL ? 0 : __atomic_load_n(p, __ATOMIC_RELAXED));
}

void
stats_before_dead(struct stats *st, unsigned slot)
{
	stats_slot_dead(st->before->old, slot);
}

static uint64_t
before_family(const struct stats_before *b, unsigned slot, const char *name)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < b->now.nmetrics; i++)
		if (strcmp(b->now.metric[i].name, name) == 0)
			sum += cell(b->old, slot, b->now.metric[i].cell);
	return (sum);
}

/* Of so many that came, those that did not go went with their process. */
static uint64_t
before_close(const struct stats_before *b, unsigned slot, uint64_t came,
    const char *closed)
{
	uint64_t *died = before_cell(b, slot, closed, "reason=\"worker_died\"");
	uint64_t open = came - before_family(b, slot, closed);

	if ((int64_t)open <= 0 || died == NULL)
		return (0);
	__atomic_store_n(died, *died + open, __ATOMIC_RELAXED);
	return (open);
}

/* What workers had sent and their relay had not read: those of its time, who
 * count there, and those who came since and count here.  None of it is the next
 * relay's to read. */
static void
before_lose_unread(struct stats *st, unsigned relay)
{
	const struct stats_before *b = st->before;
	uint64_t *lost = column_at(st, st->hdr->master_col) +
	    COUNTER_bus_lost_bytes;
	uint64_t unread;
	unsigned s;

	unread = 0 - before_family(b, relay, "bus_bytes_in") -
	    b->old->bus_unread;
	for (s = 0; s < b->old->hdr->nslots; s++)
		if (s != relay)
			unread += before_family(b, s, "bus_bytes_out");
	st->bus_unread = 0 - cell(st, relay, COUNTER_bus_bytes_in);
	for (s = 0; s < st->hdr->nslots; s++) {
		if (s == relay)
			continue;
		if (s != st->hdr->master_col)	/* there is what it carried */
			unread += cell(st, s, COUNTER_bus_bytes_out);
		st->bus_unread += cell(st, s, COUNTER_bus_bytes_out);
	}
	if ((int64_t)unread <= 0)
		return;
	b->old->bus_unread += unread;
	__atomic_store_n(lost, *lost + unread, __ATOMIC_RELAXED);
}

uint64_t
stats_before_slot_free(struct stats *st, unsigned slot)
{
	const struct stats_before *b = st->before;
	uint64_t *column = column_at(b->old, slot), closed;
	uint32_t i;

	closed = before_close(b, slot,
	    stats_before_value(st, slot, "connections_accepted") +
	    stats_before_value(st, slot, "connections_handed_in") -
	    stats_before_value(st, slot, "connections_handed_out"),
	    "connections_closed");
	(void)before_close(b, slot,
	    stats_before_value(st, slot, "clients_opened"), "clients_closed");
	if (atomic_load(&slot_at(b->old, slot)->role) == STATS_ROLE_RELAY)
		before_lose_unread(st, slot);
	for (i = 0; i < b->now.nmetrics; i++)
		if (b->now.metric[i].type == STATS_GAUGE)
			__atomic_store_n(column + b->now.metric[i].cell, 0,
			    __ATOMIC_RELAXED);
	atomic_store_explicit(&slot_at(st, slot)->state, STATS_SLOT_FREE,
	    memory_order_release);
	atomic_store_explicit(&slot_at(b->old, slot)->state, STATS_SLOT_FREE,
	    memory_order_release);
	return (closed);
}
