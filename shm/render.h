/*
 * A snapshot of the stats file as text: the Prometheus exposition format
 * (0.0.4) and JSON.  Pure: memory in, memory out.
 *
 * Names: "roost_" + name; counters get "_total"; a name ending in _us or _ms
 * becomes _seconds and its value is scaled.  Histograms show their buckets at
 * powers of two.
 */
#ifndef SHM_RENDER_H
#define SHM_RENDER_H

#include "base/buf.h"
#include "shm/stats.h"

void	render_prometheus(const struct stats_snapshot *, struct buf *out);
void	render_json(const struct stats_snapshot *, struct buf *out);
/* The name as exported, without labels; out is NUL-terminated. */
void	render_name(const struct stats_metric *, char *out, size_t size);

#endif
