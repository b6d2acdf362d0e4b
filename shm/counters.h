/*
 * Counters: each process adds to its own column with plain stores, a reader
 * sums the columns.  Before counters_attach(), and in programs without a stats
 * file, the column is a private scratch one, so counting always works.
 *
 * Only gauges go down.  One thread per process counts.
 */
#ifndef SHM_COUNTERS_H
#define SHM_COUNTERS_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bug.h"
#include "base/reason.h"

#define COUNTERS_NS_MAX	256	/* namespaces with a block of their own */
#define COUNTERS_NS_CELLS 24

#define COUNTERS_ROW_IS_COUNTER(name)	COUNTER_##name,
#define COUNTERS_ROW_IS_GAUGE(name)	COUNTER_##name,
#define COUNTERS_ROW_IS_HISTOGRAM(name)
#define COUNTER(name, type, unit, help) COUNTERS_ROW_IS_##type(name)
#define COUNTER_OF(name, type, family, labels, unit, help) \
	COUNTERS_ROW_IS_##type(name)
enum counter {			/* COUNTER_bytes_in */
#include "shm/counters.def"
	COUNTER__MAX
};
#undef COUNTERS_ROW_IS_COUNTER
#undef COUNTERS_ROW_IS_GAUGE
#undef COUNTERS_ROW_IS_HISTOGRAM

#define COUNTERS_ROW_IS_COUNTER(name)
#define COUNTERS_ROW_IS_GAUGE(name)
#define COUNTERS_ROW_IS_HISTOGRAM(name)	HISTOGRAM_##name,
enum histogram {		/* HISTOGRAM_rtt_us */
#include "shm/counters.def"
	HISTOGRAM__MAX
};
#undef COUNTERS_ROW_IS_COUNTER
#undef COUNTERS_ROW_IS_GAUGE
#undef COUNTERS_ROW_IS_HISTOGRAM
#undef COUNTER
#undef COUNTER_OF

enum ns_counter {		/* NS_sockets */
#define NS_COUNTER(name, type, family, labels, unit, help) NS_##name,
#define NS_MASTER(name, type, family, labels, unit, help) NS_##name,
#include "shm/counters.def"
#undef NS_COUNTER
#undef NS_MASTER
	NS__MAX
};

enum auth_failure {		/* AUTH_FAILED_expired; numbered as in proto/ */
	AUTH_FAILED__NONE,
#define AUTHFAIL(name, ...) AUTH_FAILED_##name,
#include "proto/authfail.def"
#undef AUTHFAIL
	AUTH_FAILED__MAX
};

/*
 * A histogram of u64 microseconds up to 2^27: exact below 16, then 8 cells
 * for each power of two; the last of its cells is the sum of the values.
 */
#define HISTOGRAM_SUB_BITS 3
#define HISTOGRAM_BUCKETS 200
#define HISTOGRAM_CELLS	(HISTOGRAM_BUCKETS + 1)

/* A column: cells of 8 bytes in this order. */
#define CELL_REASON	((unsigned)COUNTER__MAX)
#define CELL_AUTHFAIL	(CELL_REASON + (unsigned)REASON__MAX)
#define CELL_CLIENT	(CELL_AUTHFAIL + (unsigned)AUTH_FAILED__MAX)
#define CELL_HISTOGRAM	(CELL_CLIENT + (unsigned)REASON__MAX)
#define CELL_NS		(CELL_HISTOGRAM + \
			    (unsigned)HISTOGRAM__MAX * HISTOGRAM_CELLS)
#define COUNTERS_CELLS	(CELL_NS + (COUNTERS_NS_MAX + 1) * COUNTERS_NS_CELLS)

static_assert(NS__MAX <= COUNTERS_NS_CELLS, "rows of a namespace's block");

/* This process's column of COUNTERS_CELLS cells. */
extern uint64_t *counters_column;

/* After fork, once: from now on count here.  NULL: the scratch column. */
void	counters_attach(uint64_t *column);

static inline void
counters_cell_add(unsigned cell, uint64_t v)
{
	uint64_t *p = counters_column + cell;

	__atomic_store_n(p, __atomic_load_n(p, __ATOMIC_RELAXED) + v,
	    __ATOMIC_RELAXED);
}

static inline void
counter_add(enum counter c, uint64_t v)
{
	counters_cell_add((unsigned)c, v);
}

/* Gauges only. */
static inline void
counter_sub(enum counter c, uint64_t v)
{
	counters_cell_add((unsigned)c, 0 - v);
}

/* Gauges only. */
static inline void
counter_set(enum counter c, uint64_t v)
{
	__atomic_store_n(counters_column + c, v, __ATOMIC_RELAXED);
}

/* Of this process's column. */
static inline uint64_t
counter_get(enum counter c)
{
	return (__atomic_load_n(counters_column + c, __ATOMIC_RELAXED));
}

/* clients_closed{reason="..."} */
static inline void
counter_client(enum reason r)
{
	counters_cell_add(CELL_CLIENT + (unsigned)r, 1);
}

/* connections_closed{reason="..."} */
static inline void
counter_reason(enum reason r)
{
	counters_cell_add(CELL_REASON + (unsigned)r, 1);
}

/* auth_failed{reason="..."}: a value of enum authfail or auth_failure, not 0 */
static inline void
counter_auth_failed(unsigned f)
{
	if (f != AUTH_FAILED__NONE && f < AUTH_FAILED__MAX)
		counters_cell_add(CELL_AUTHFAIL + f, 1);
}

/* Index of a value's bucket, and the least value of a bucket. */
static inline unsigned
histogram_bucket(uint64_t v)
{
	unsigned m, i;

	if (v < 16)
		return ((unsigned)v);
	m = 63 - (unsigned)__builtin_clzll(v);
	i = (m - 3) * 8 + (unsigned)((v >> (m - 3)) & 7) + 8;
	return (i < HISTOGRAM_BUCKETS ? i : HISTOGRAM_BUCKETS - 1);
}

static inline uint64_t
histogram_lower(unsigned i)
{
	if (i < 16)
		return (i);
	return ((uint64_t)(8 + (i - 8) % 8) << ((i - 8) / 8));
}

/* The same n times. */
static inline void
histogram_add_n(enum histogram h, uint64_t us, uint32_t n)
{
	unsigned cell = CELL_HISTOGRAM + (unsigned)h * HISTOGRAM_CELLS;

	counters_cell_add(cell + histogram_bucket(us), n);
	counters_cell_add(cell + HISTOGRAM_CELLS - 1, us * n);
}

static inline void
histogram_add(enum histogram h, uint64_t us)
{
	histogram_add_n(h, us, 1);
}

/* Block 0 is "_other", for namespaces beyond COUNTERS_NS_MAX. */
static inline unsigned
counters_ns_cell(unsigned ns, enum ns_counter c)
{
	unsigned block = ns < COUNTERS_NS_MAX ? ns + 1 : 0;

	return (CELL_NS + block * COUNTERS_NS_CELLS + (unsigned)c);
}

static inline void
counter_ns_add(unsigned ns, enum ns_counter c, uint64_t v)
{
	counters_cell_add(counters_ns_cell(ns, c), v);
}

/* Gauges only. */
static inline void
counter_ns_sub(unsigned ns, enum ns_counter c, uint64_t v)
{
	counters_cell_add(counters_ns_cell(ns, c), 0 - v);
}

/* Gauges only. */
static inline void
counter_ns_set(unsigned ns, enum ns_counter c, uint64_t v)
{
	__atomic_store_n(counters_column + counters_ns_cell(ns, c), v,
	    __ATOMIC_RELAXED);
}

static inline uint64_t
counter_ns_get(unsigned ns, enum ns_counter c)
{
	return (__atomic_load_n(counters_column + counters_ns_cell(ns, c),
	    __ATOMIC_RELAXED));
}

/* One described metric; the table behind descriptors, man pages and tests. */
struct counters_row {
	const char	*name;		/* of the family, without roost_ */
	const char	*labels;	/* "" or k="v",k="v" */
	const char	*unit;
	const char	*help;
	uint8_t		 type;		/* enum counters_type */
	bool		 master;	/* only the master's column counts */
	uint32_t	 cell;
	uint32_t	 ncells;
};

enum counters_type { COUNTERS_COUNTER = 1, COUNTERS_GAUGE, COUNTERS_HISTOGRAM };

/* Row i of all metrics without a namespace; NULL behind the last. */
bool	counters_row(unsigned i, struct counters_row *);
/* Row i of a namespace's block; cell is within the block. */
bool	counters_ns_row(unsigned i, struct counters_row *);

#endif
