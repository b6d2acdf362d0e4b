/* What recovery costs when there is much of it at once. */
#include "recovery.h"

#include <time.h>

#include "hub/hub_int.h"
#include "shm/interest.h"
#include "shm/slots.h"

#define PARKED	200
#define WATCHES	900
#define SPACES	250
#define ASKERS	100

/* CPU time of this process; a test that shares its CPU is not slower by it. */
static uint64_t
cpu_us(void)
{
	struct timespec t;

	assert_int_equal(0, clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t));
	return ((uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000);
}

/* --- what is kept --------------------------------------------------------- */

static const char kept[] =
    "recovery { window = 2m packets = 10000 bytes = 1MB worker_bytes = 1GB }\n"
    "namespace \"/n\" { auth = optional presence = query\n"
    "  room \"{r}\" { join = open }\n"
    "  event \"m\" { to = room:room self = true meta = off } }\n";

/* "42/n,[\"presence:watch\",{\"users\":[\"0\",\"1\",...]}]" */
static void
watch(struct fake_host *f, struct fake_conn *c, unsigned n)
{
	struct buf b;
	unsigned i;

	buf_init(&b);
	buf_str(&b, "42/n,[\"presence:watch\",{\"users\":[");
	for (i = 0; i < n; i++)
		buf_printf(&b, "%s\"%u\"", i == 0 ? "" : ",", i);
	buf_str(&b, "]}]");
	buf_byte(&b, '\0');
	fake_text(f, c, (const char *)b.data);
	buf_fini(&b);
}

/* So many events, a turn each, to clients that are away and watch n users. */
static uint64_t
events_to_watchers_of(unsigned n)
{
	struct recovery x;
	struct fake_conn *c;
	uint64_t start;
	int i;

	memset(&x, 0, sizeof x);
	recovery_open(&x, fake_world_new(kept), 1, 2);
	for (i = 0; i < PARKED; i++) {
		c = fake_engine(x.f, NULL);
		fake_text(x.f, c, "40/n,");
		fake_text(x.f, c, "42/n,[\"room:join\",{\"room\":\"r\"}]");
		watch(x.f, c, n);
		fake_turn(x.w);
		buf_reset(&c->got);
		fake_gone(x.f, c);
	}
	fake_turn(x.w);
	assert_int_equal(PARKED, counter_get(COUNTER_recovery_parked));
	start = cpu_us();
	for (i = 0; i < 100; i++)
		publish(&x, i);
	start = cpu_us() - start;
	assert_int_equal(PARKED, counter_get(COUNTER_recovery_parked));
	recovery_close(&x);
	return (start);
}

static void
an_event_for_who_is_away_costs_no_walk_of_his_rooms(void **state)
{
	uint64_t few = events_to_watchers_of(1);
	uint64_t many = events_to_watchers_of(WATCHES);

	(void)state;
	assert_true(many < few * 8);
}

/* --- what is asked -------------------------------------------------------- */

/* A worker that does not answer: it is in its slot, and that is all. */
static struct interest *
stopped_worker(struct fake_world *w, unsigned slot)
{
	while (slot_state(w->segment, slot) == SLOT_FREE)
		assert_true(slot_assign(w->segment, SLOT_WORKER, slot) > 0);
	slot_live(w->segment, slot, 1);
	return (interest_open(w->segment, slot));
}

/* Clients ask for sessions that nobody has, in n namespaces each. */
static uint64_t
askings(unsigned n)
{
	struct fake_world *w;
	struct fake_host *f;
	struct fake_conn *c;
	struct interest *stopped;
	struct buf b;
	uint64_t start;
	char text[64];
	unsigned i, k;

	buf_init(&b);
	buf_str(&b, "recovery { window = 2m }\n"
	    "limits { namespaces_per_connection = 1000 }\n");
	for (i = 0; i < SPACES; i++)
		buf_printf(&b, "namespace \"/%u\" { auth = none }\n", i);
	buf_byte(&b, '\0');
	w = fake_world_of((const char *)b.data, 4);
	buf_fini(&b);
	f = fake_host_new(w, 1);
	(void)fake_host_new(w, 2);
	stopped = stopped_worker(w, 3);
	start = cpu_us();
	for (i = 0; i < ASKERS; i++) {
		c = fake_engine(f, NULL);
		for (k = 0; k < n; k++) {
			(void)snprintf(text, sizeof text,
			    "40/%u,{\"pid\":\"AAAAAAAAAAAAAAAAAAAA\"}", k);
			fake_text(f, c, text);
		}
	}
	fake_turn(w);
	start = cpu_us() - start;
	assert_int_equal(0, counter_get(COUNTER_sessions));
	interest_close(&stopped);
	fake_world_free(&w);
	return (start);
}

static void
many_that_wait_for_a_stopped_worker_are_not_walked(void **state)
{
	uint64_t few = askings(SPACES / 10), many = askings(SPACES);

	(void)state;
	assert_true(many < few * 40);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    an_event_for_who_is_away_costs_no_walk_of_his_rooms),
		cmocka_unit_test(
		    many_that_wait_for_a_stopped_worker_are_not_walked),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
