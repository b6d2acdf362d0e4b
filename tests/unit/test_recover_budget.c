/* How much may wait for clients that were cut off, and who goes first. */
#include "recovery.h"

#include "hub/hub_int.h"
#include "shm/count.h"

#define USER_BYTES	20480
#define WORKER_BYTES	65536
#define CONF \
	"jwt { secret = \"" FAKE_SECRET "\" algorithms = {\"HS256\"} }\n" \
	"recovery { window = 2m packets = 1000 bytes = 64KB\n" \
	"  user_bytes = 20KB worker_bytes = 64KB }\n" \
	"limits { per_user = 3 }\n" \
	"namespace \"/n\" { auth = optional room \"{r}\" { join = open }\n" \
	"  event \"m\" { to = room:room self = true meta = off }\n" \
	"  event \"q\" { to = sender meta = off } }\n" \
	"namespace \"/\" { auth = optional }\n"

struct guest {
	struct fake_host *f;
	struct fake_conn *c;
	char	 sid[21], pid[21];
};

static int
setup(void **state)
{
	struct recovery *x = calloc(1, sizeof *x);

	recovery_open(x, fake_world_new(CONF), 1, 2);
	*state = x;
	return (0);
}

static int
teardown(void **state)
{
	struct recovery *x = *state;

	/* all that waits is over */
	fake_advance(x->w, 121000);
	assert_int_equal(0, counter_get(COUNTER_recovery_parked));
	assert_int_equal(0, counter_get(COUNTER_recovery_held_bytes));
	assert_int_equal(0, count_of(x->f->count, COUNT_PARKED,
	    SLICE("ann")));
	recovery_close(x);
	assert_int_equal(0, counter_get(COUNTER_sessions));
	free(x);
	return (0);
}

/* In /n; sub: "" is nobody. */
static void
come(struct guest *g, struct fake_host *f, const char *sub)
{
	char claims[64];

	(void)snprintf(claims, sizeof claims, "{\"sub\":\"%s\"}", sub);
	g->f = f;
	g->c = fake_engine(f, sub[0] == '\0' ? NULL : fake_token(claims));
	fake_say(f, g->c, "40/n,");
	(void)fake_next(g->c);
	assert_true(connected(g->c, g->sid, g->pid));
}

static void
go(struct guest *g)
{
	fake_gone(g->f, g->c);
	fake_turn(g->f->world);
}

/* Back on f in namespace ns; true: as the same session. */
static bool
same_in(struct guest *g, struct fake_host *f, const char *sub,
    const char *ns, const char *pid, const char *sid)
{
	char claims[64], text[128];
	const char *got;

	(void)snprintf(claims, sizeof claims, "{\"sub\":\"%s\"}", sub);
	(void)snprintf(text, sizeof text, "40%s{\"pid\":\"%s\"}", ns, pid);
	if (g->c->client == NULL) {
		g->f = f;
		g->c = fake_engine(f, sub[0] == '\0' ? NULL :
		    fake_token(claims));
	}
	fake_say(f, g->c, text);
	while ((got = fake_next(g->c))[0] != '\0')
		if (strncmp(got, "40", 2) == 0)
			return (strstr(got, sid) != NULL);
	fail_msg("no reply");
	return (false);
}

static bool
same(struct guest *g, struct fake_host *f, const char *sub)
{
	return (same_in(g, f, sub, "/n,", g->pid, g->sid));
}

/* An event of so many bytes to the session with this sid. */
static void
sends(struct fake_host *f, const char *sid, size_t n)
{
	char *body = malloc(n + 200);
	struct ask *later;
	struct buf out;
	int k;

	k = snprintf(body, 200, "{\"namespace\":\"/n\",\"sid\":\"%s\","
	    "\"event\":\"e\",\"data\":\"", sid);
	memset(body + k, 'x', n);
	(void)snprintf(body + k + n, 8, "\"}");
	buf_init(&out);
	assert_int_equal(200, api_publish(f->hub, slice_str(body), NULL, &out,
	    &later));
	buf_fini(&out);
	free(body);
	fake_turn(f->world);
}

static uint64_t
held(void)
{
	return (counter_get(COUNTER_recovery_held_bytes));
}

/* --- bytes ---------------------------------------------------------------- */

static void
a_users_oldest_goes_first(void **state)
{
	struct recovery *x = *state;
	struct guest ann[3], bob;
	uint64_t before = counter_get(COUNTER_recovery_evicted);
	size_t i;

	for (i = 0; i < 3; i++)
		come(&ann[i], x->f, "ann");
	come(&bob, x->f, "bob");
	go(&bob);
	for (i = 0; i < 3; i++)
		go(&ann[i]);
	sends(x->f, bob.sid, 8000);
	for (i = 0; i < 2; i++)
		sends(x->f, ann[i].sid, 8000);
	assert_int_equal(before, counter_get(COUNTER_recovery_evicted));
	sends(x->f, ann[2].sid, 8000);
	assert_int_equal(before + 1, counter_get(COUNTER_recovery_evicted));
	assert_true(same(&ann[2], x->f, "ann"));
	assert_true(same(&ann[1], x->f, "ann"));
	assert_true(same(&bob, x->f, "bob"));
	assert_false(same(&ann[0], x->f, "ann"));
	assert_int_equal(0, counter_get(COUNTER_recovery_parked));
	assert_int_equal(0, held());
}

/* What was sent and may not have arrived counts as well. */
static void
what_was_sent_already_is_charged(void **state)
{
	struct recovery *x = *state;
	struct guest ann[2];
	uint64_t before = counter_get(COUNTER_recovery_evicted);
	size_t i;

	for (i = 0; i < 2; i++) {
		come(&ann[i], x->f, "ann");
		sends(x->f, ann[i].sid, 12000);
		(void)fake_next(ann[i].c);
	}
	go(&ann[0]);
	assert_true(held() > 12000 && held() < 15000);
	go(&ann[1]);
	assert_int_equal(before + 1, counter_get(COUNTER_recovery_evicted));
	assert_false(same(&ann[0], x->f, "ann"));
	assert_true(same(&ann[1], x->f, "ann"));
}

static void
the_workers_oldest_goes_first(void **state)
{
	struct recovery *x = *state;
	struct guest g[8];
	uint64_t before = counter_get(COUNTER_recovery_evicted);
	size_t i;

	for (i = 0; i < 8; i++) {
		come(&g[i], x->f, "");
		go(&g[i]);
		sends(x->f, g[i].sid, 14000);
		assert_true(held() <= WORKER_BYTES);
	}
	assert_int_equal(before + 4, counter_get(COUNTER_recovery_evicted));
	assert_int_equal(4, counter_get(COUNTER_recovery_parked));
	for (i = 8; i-- > 0;)
		assert_int_equal(i >= 4, same(&g[i], x->f, ""));
}

static void
without_any_message_there_is_an_end_too(void **state)
{
	struct recovery *x = *state;
	struct guest g;
	size_t i;

	for (i = 0; i < 20; i++) {
		come(&g, x->f, "");
		go(&g);
	}
	/* so much for a session: the rest of the budget is soon known */
	assert_true(held() / 20 > 400 && held() / 20 < 1200);
}

static void
a_message_that_many_wait_for_is_held_once(void **state)
{
	struct recovery *x = *state;
	struct guest g[20];
	uint64_t before;
	size_t i;

	for (i = 0; i < 20; i++) {
		come(&g[i], x->f, "");
		fake_say(x->f, g[i].c, "42/n,[\"room:join\",\"r\"]");
	}
	for (i = 0; i < 20; i++)
		go(&g[i]);
	before = held();
	for (i = 0; i < 20; i++)
		publish(x, (int)i);
	assert_int_equal(20, counter_get(COUNTER_recovery_parked));
	/* a reference each, and twenty small messages */
	assert_true(held() - before < 20 * 20 * 16 + 20 * 200);
	for (i = 0; i < 20; i++) {
		assert_true(same(&g[i], i % 2 == 0 ? x->f : x->g, ""));
	}
	assert_int_equal(0, held());
}

/* ... and with no more than it needs, however it was sent. */
static void
small_messages_hold_little(void **state)
{
	struct recovery *x = *state;
	struct guest g;
	uint64_t before;
	size_t i;

	come(&g, x->f, "");
	go(&g);
	before = held();
	for (i = 0; i < 50; i++)
		sends(x->f, g.sid, 10);
	assert_true(held() - before < 50 * 250);
	assert_true(same(&g, x->g, ""));
}

/* --- limits.per_user ------------------------------------------------------ */

static uint32_t
places(const struct recovery *x)
{
	return (count_of(x->f->count, COUNT_PARKED, SLICE("ann")));
}

static void
those_who_wait_count_for_per_user(void **state)
{
	struct recovery *x = *state;
	struct guest g[6];
	size_t i;

	for (i = 0; i < 6; i++) {
		come(&g[i], i % 2 == 0 ? x->f : x->g, "ann");
		go(&g[i]);
		assert_int_equal(i < 3 ? i + 1 : 3, places(x));
	}
	assert_int_equal(3, counter_get(COUNTER_recovery_parked));
	/* each worker gives up the oldest that it has itself */
	for (i = 6; i-- > 0;) {
		assert_int_equal(i == 2 || i >= 4,
		    same(&g[i], g[i].f, "ann"));
		fake_say(g[i].f, g[i].c, "41/n,");
	}
}

static void
who_is_connected_goes_before_those_who_wait(void **state)
{
	struct recovery *x = *state;
	struct guest old[3], new[3];
	size_t i;

	for (i = 0; i < 3; i++)
		come(&old[i], x->f, "ann");
	for (i = 0; i < 3; i++)
		go(&old[i]);
	for (i = 0; i < 3; i++) {
		come(&new[i], x->f, "ann");	/* is never refused */
		assert_int_equal(2 - i, places(x));
	}
	go(&new[0]);
	assert_int_equal(1, places(x));
	assert_true(same(&new[0], x->f, "ann"));
	assert_int_equal(0, places(x));
}

/* With both namespaces: whichever it asks for first, wherever. */
static void
a_client_has_one_place_for_all_its_sessions(void **state)
{
	struct recovery *x = *state;
	struct fake_host *at[2] = { x->f, x->g };
	char pid[21], sid[21];
	struct guest g, others[2];
	const char *got;
	size_t i;

	for (i = 0; i < 2; i++)
		come(&others[i], x->g, "ann");
	for (i = 0; i < 4; i++) {
		come(&g, x->f, "ann");
		fake_say(x->f, g.c, "40");
		got = fake_next(g.c);
		memcpy(sid, got + strlen("40{\"sid\":\""), 20);
		memcpy(pid, strstr(got, "\"pid\":\"") + 7, 20);
		sid[20] = pid[20] = '\0';
		go(&g);
		assert_int_equal(1, places(x));
		if (i < 2) {
			assert_true(same(&g, at[i], "ann"));
			assert_int_equal(0, places(x));
			assert_true(same_in(&g, at[i], "ann", "", pid, sid));
		} else {
			assert_true(same_in(&g, at[i % 2], "ann", "", pid,
			    sid));
			assert_int_equal(0, places(x));
			assert_true(same(&g, at[i % 2], "ann"));
		}
		assert_int_equal(3, count_of(x->f->count, COUNT_USER,
		    SLICE("ann")));
		fake_say(g.f, g.c, "41");
		fake_say(g.f, g.c, "41/n,");
		go(&g);
		assert_int_equal(0, places(x));
	}
}

/* The last of its sessions gives the place back. */
static void
the_place_is_given_back_at_the_end(void **state)
{
	struct recovery *x = *state;
	struct guest g;
	struct ask *later;
	struct buf out;
	char body[80];

	come(&g, x->f, "ann");
	fake_say(x->f, g.c, "40");
	go(&g);
	assert_int_equal(1, places(x));
	(void)snprintf(body, sizeof body, "{\"namespace\":\"/n\","
	    "\"sid\":\"%s\"}", g.sid);
	buf_init(&out);
	assert_int_equal(200, api_disconnect(x->f->hub, slice_of(NULL, 0),
	    slice_str(body), NULL, &out, &later));
	buf_fini(&out);
	fake_turn(x->w);
	assert_int_equal(1, counter_get(COUNTER_recovery_parked));
	assert_int_equal(1, places(x));
	fake_advance(x->w, 120000);
	assert_int_equal(0, places(x));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_users_oldest_goes_first),
		T(what_was_sent_already_is_charged),
		T(the_workers_oldest_goes_first),
		T(without_any_message_there_is_an_end_too),
		T(a_message_that_many_wait_for_is_held_once),
		T(small_messages_hold_little),
		T(those_who_wait_count_for_per_user),
		T(who_is_connected_goes_before_those_who_wait),
		T(a_client_has_one_place_for_all_its_sessions),
		T(the_place_is_given_back_at_the_end),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
