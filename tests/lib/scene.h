/*
 * A daemon as its statistics file shows it: a relay, two workers and a master
 * at fixed times, two namespaces; two snapshots, and the model made of them.
 */
#ifndef TESTS_LIB_SCENE_H
#define TESTS_LIB_SCENE_H

#include "tests/lib/check.h"
#include "shm/stats.h"
#include "tools/rooststat/model.h"

#define SCENE_START	1700000000000u		/* unix, ms */
#define SCENE_UP_MS	100000u			/* at the second snapshot */

struct scene {
	struct stats	*stats;
	struct stats_snapshot snap[2];
	struct model_source source;
	struct model	 model;
};

static inline void
scene_open(struct scene *s)
{
	const struct stats_params p = { 3, "1.2.3" };

	memset(s, 0, sizeof *s);
	s->source.process = 'S';
	s->stats = stats_create(NULL, &p);
	assert_non_null(s->stats);
	assert_int_equal(stats_master(s->stats), 3);
	assert_true(stats_ns(s->stats, 0, "/"));
	assert_true(stats_ns(s->stats, 1, "/gr\xc3\xb6\xc3\x9f" "e"));
	stats_slot_live(s->stats, 0, STATS_ROLE_RELAY, 101, 1, "relay");
	stats_slot_live(s->stats, 1, STATS_ROLE_WORKER, 102, 2, "worker 1");
	stats_slot_live(s->stats, 2, STATS_ROLE_WORKER, 103, 3, "worker 2");
	stats_slot_live(s->stats, 3, STATS_ROLE_MASTER, 100, 0, "master");
	model_init(&s->model);
}

/* From now on counters count in this slot. */
static inline void
scene_in(struct scene *s, unsigned slot)
{
	counters_attach(stats_column(s->stats, slot));
}

/* Snapshot i, as of ms after the start; all processes have just beaten. */
static inline void
scene_take(struct scene *s, unsigned i, uint64_t ms)
{
	struct stats_snapshot *p = &s->snap[i];
	unsigned r;

	if (p->metric != NULL)
		stats_snapshot_free(p);
	assert_true(stats_snapshot(s->stats, true, p));
	p->started_ms = SCENE_START;
	p->heartbeat_ms = SCENE_START + ms;
	p->master_pid = 100;
	for (r = 0; r < p->nrows; r++) {
		p->row[r].started_ms = SCENE_START;
		p->row[r].heartbeat_ms = SCENE_START + ms;
	}
}

static inline void
scene_first(struct scene *s)
{
	assert_true(model_update(&s->model, NULL, &s->snap[0], 0,
	    (struct wall){ SCENE_START + SCENE_UP_MS - 2000 }, &s->source));
}

/* The second snapshot, two seconds after the first. */
static inline void
scene_second(struct scene *s)
{
	assert_true(model_update(&s->model, &s->snap[0], &s->snap[1], 2000000,
	    (struct wall){ SCENE_START + SCENE_UP_MS }, &s->source));
}

/* Some traffic: before the first snapshot, then between the two. */
static inline void
scene_traffic(struct scene *s)
{
	unsigned i;

	scene_in(s, 1);
	counter_set(COUNTER_connections_open, 7);
	counter_set(COUNTER_sessions, 9);
	counter_add(COUNTER_deliveries, 1000);
	counter_add(COUNTER_messages_in, 50);
	counter_add(COUNTER_rejected_invalid, 3);
	counter_ns_set(0, NS_sockets, 9);
	counter_ns_add(0, NS_events_out, 1000);
	histogram_add(HISTOGRAM_handshake_us, 900);
	scene_in(s, 3);
	counter_ns_set(0, NS_users, 5);
	scene_take(s, 0, SCENE_UP_MS - 2000);
	scene_first(s);
	scene_in(s, 1);
	counter_add(COUNTER_deliveries, 24000);
	counter_add(COUNTER_messages_in, 10);
	counter_add(COUNTER_bytes_out, 3000000);
	counter_ns_add(0, NS_events_out, 20000);
	counter_ns_add(1, NS_events_out, 4000);
	counter_ns_add(1, NS_error_invalid, 6);
	counter_ns_add(1, NS_error_connect, 2);
	for (i = 0; i < 99; i++)
		histogram_add(HISTOGRAM_delivery_us, 100);
	histogram_add(HISTOGRAM_delivery_us, 5000);
	histogram_add(HISTOGRAM_loop_turn_us, 500000);
	scene_in(s, 2);
	counter_add(COUNTER_deliveries, 2000);
	scene_take(s, 1, SCENE_UP_MS);
	scene_second(s);
}

static inline void
scene_close(struct scene *s)
{
	counters_attach(NULL);
	model_fini(&s->model);
	if (s->snap[0].metric != NULL)
		stats_snapshot_free(&s->snap[0]);
	if (s->snap[1].metric != NULL)
		stats_snapshot_free(&s->snap[1]);
	stats_close(&s->stats);
}

#endif
