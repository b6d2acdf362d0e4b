/*
 * The table of counters.def as data, for the stats file's descriptors and for
 * the manual, and where a process counts while it has no column.
 */
#include "shm/counters.h"

#include <stddef.h>

static uint64_t scratch[COUNTERS_CELLS];
uint64_t *counters_column = scratch;

void
counters_attach(uint64_t *column)
{
	counters_column = column != NULL ? column : scratch;
}

#define CELL_OF_COUNTER(name)	(uint32_t)COUNTER_##name, 1
#define CELL_OF_GAUGE(name)	(uint32_t)COUNTER_##name, 1
#define CELL_OF_HISTOGRAM(name) \
	CELL_HISTOGRAM + (uint32_t)HISTOGRAM_##name * HISTOGRAM_CELLS, \
	HISTOGRAM_CELLS

static const struct counters_row rows[] = {
#define COUNTER(name, type, unit, help) \
	{ #name, "", unit, help, COUNTERS_##type, false, CELL_OF_##type(name) },
#define COUNTER_OF(name, type, family, labels, unit, help) \
	{ #family, labels, unit, help, COUNTERS_##type, false, \
	    CELL_OF_##type(name) },
#include "shm/counters.def"
#undef COUNTER
#undef COUNTER_OF
#define REASON(name, code, by, words) \
	{ "connections_closed", "reason=\"" #name "\"", "connections", \
	    "Connections closed, by reason.", COUNTERS_COUNTER, false, \
	    CELL_REASON + (uint32_t)REASON_##name, 1 },
#include "base/reason.def"
#undef REASON
#define AUTHFAIL(name, ...) \
	{ "auth_failed", "reason=\"" #name "\"", "tokens", \
	    "Clients not authenticated, by reason.", COUNTERS_COUNTER, \
	    false, CELL_AUTHFAIL + (uint32_t)AUTH_FAILED_##name, 1 },
#include "proto/authfail.def"
#undef AUTHFAIL
#define REASON(name, code, by, words) \
	{ "clients_closed", "reason=\"" #name "\"", "clients", \
	    "Clients that ended, over polling too, by reason.", \
	    COUNTERS_COUNTER, false, CELL_CLIENT + (uint32_t)REASON_##name, 1 },
#include "base/reason.def"
#undef REASON
};

static const struct counters_row ns_rows[] = {
#define NS_COUNTER(name, type, family, labels, unit, help) \
	{ #family, labels, unit, help, COUNTERS_##type, false, \
	    (uint32_t)NS_##name, 1 },
#define NS_MASTER(name, type, family, labels, unit, help) \
	{ #family, labels, unit, help, COUNTERS_##type, true, \
	    (uint32_t)NS_##name, 1 },
#include "shm/counters.def"
#undef NS_COUNTER
#undef NS_MASTER
};

bool
counters_row(unsigned i, struct counters_row *row)
{
	if (i >= nitems(rows))
		return (false);
	*row = rows[i];
	return (true);
}

bool
counters_ns_row(unsigned i, struct counters_row *row)
{
	if (i >= nitems(ns_rows))
		return (false);
	*row = ns_rows[i];
	return (true);
}
