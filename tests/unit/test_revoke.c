/* Users and tokens that a back end revokes, whoever has their clients. */
#include "moving.h"

#include "base/state.h"
#include "hub/backend/ask.h"
#include "hub/hub_int.h"
#include "hub/session/principal_save.h"
#include "proto/bus.h"
#include "shm/counters.h"
#include "shm/table_revoked.h"

#define CONF \
	"jwt { secret = \"" FAKE_SECRET "\" algorithms = {\"HS256\"} }\n" \
	"recovery { window = 2m packets = 50 bytes = 20KB }\n" \
	"namespace \"/n\" { auth = required\n" \
	"  event \"q\" { to = sender meta = off } }\n" \
	"namespace \"/o\" { auth = required }\n"
#define NOW	1800000000u	/* the world's */
#define OLD(name, more) "{\"sub\":\"" name "\",\"iat\":1799999999" more "}"
#define NEW(name) "{\"sub\":\"" name "\",\"iat\":1800000001}"
#define BYE	"[\"roost:disconnect\",{\"reason\":\"token revoked\"}"

struct fixture {
	struct fake_world *w;
	struct fake_host *f, *g;
	struct buf out;
	struct ask *later;
	uint64_t sessions;		/* revoked_sessions, before */
};

static int
setup(void **state)
{
	struct fixture *x = calloc(1, sizeof *x);

	assert_non_null(x);
	x->w = fake_world_new(CONF);
	x->f = fake_host_new(x->w, 1);
	x->g = fake_host_new(x->w, 2);
	buf_init(&x->out);
	x->sessions = counter_get(COUNTER_revoked_sessions);
	*state = x;
	return (0);
}

static int
teardown(void **state)
{
	struct fixture *x = *state;

	buf_fini(&x->out);
	fake_world_free(&x->w);
	free(x);
	assert_int_equal(0, counter_get(COUNTER_asks_open));
	assert_int_equal(0, counter_get(COUNTER_sessions));
	return (0);
}

/* At f; what is answered, at once or in the end. */
static void
revokes(struct fixture *x, const char *body, const char *answer)
{
	struct buf *b = &x->out;

	buf_reset(b);
	buf_reset(&x->f->answers);
	assert_int_not_equal(400, api_revoke(x->f->hub, slice_str(body), x, b,
	    &x->later));
	fake_turn(x->w);
	if (x->later != NULL)
		b = &x->f->answers;
	buf_byte(b, '\0');
	assert_non_null(strstr((const char *)b->data, answer));
}

static void
ended(const struct fixture *x, unsigned n)
{
	assert_int_equal(x->sessions + n,
	    counter_get(COUNTER_revoked_sessions));
}

/* In the table, and nobody is told. */
static void
written(struct fixture *x, enum revoked_kind kind, const char *name)
{
	struct revocation r = { kind, slice_str(name), kind == REVOKED_USER ?
		NOW : 0, NOW + 60 };

	assert_int_equal(REVOKED_NEW, revoked_put(x->w->segment, 3, &r, NOW));
}

static void
is_out(struct fake_conn *c)
{
	fake_starts(c, "42/n," BYE);
	fake_hears(c, "41/n,");
	assert_int_equal(REASON_revoked, c->closed);
}

static void
is_in(struct fake_host *host, struct fake_conn *c)
{
	fake_say(host, c, "42/n,[\"q\",1]");
	fake_starts(c, "42/n,[\"q\",1");
	assert_int_equal(-1, c->closed);
}

/* --- orders ---------------------------------------------------------------- */

static void
all_workers_end_and_report(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = fake_enter(x->f, "/n",
	    fake_token(OLD("ann", "")));
	struct fake_conn *b = fake_enter(x->g, "/n",
	    fake_token(OLD("ann", "")));
	struct fake_conn *c = fake_enter(x->g, "/n",
	    fake_token(OLD("bob", "")));
	struct fake_conn *d = fake_enter(x->g, "/n", fake_token(NEW("ann")));
	char text[512];

	revokes(x, "{\"user\":\"ann\",\"for\":60}", "{\"disconnected\":2,"
	    "\"hosts\":1,\"until\":1800000065,\"complete\":true}");
	is_out(a);
	is_out(b);
	is_in(x->g, c);
	is_in(x->g, d);
	ended(x, 2);
	a = fake_engine(x->g, NULL);
	(void)snprintf(text, sizeof text, "40/n,{\"token\":\"%s\"}",
	    fake_token("{\"sub\":\"ann\"}"));
	fake_say(x->g, a, text);
	(void)fake_next(a);
	fake_starts(a, "44/n,{\"message\":\"the token, or its user, was "
	    "revoked\",\"data\":{\"code\":\"unauthorized\",\"reason\":"
	    "\"revoked\"}}");
}

static void
a_token_is_found_by_its_id_alone(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a[4], *b;
	unsigned i;

	for (i = 0; i < nitems(a); i++)
		a[i] = fake_enter(i % 2 ? x->f : x->g, "/n",
		    fake_token(OLD("ann", ",\"jti\":\"one\"")));
	b = fake_enter(x->f, "/n", fake_token(OLD("ann",
	    ",\"jti\":\"two\"")));
	fake_say(x->f, a[1], "40/o,");		/* by the same token */
	(void)fake_next(a[1]);
	revokes(x, "{\"jti\":\"one\"}", "{\"disconnected\":5,");
	ended(x, 5);
	for (i = 0; i < nitems(a); i++)
		assert_int_equal(REASON_revoked, a[i]->closed);
	is_in(x->f, b);
	revokes(x, "{\"jti\":\"none\"}", "{\"disconnected\":0,");
}

/* Turns, until nobody has anything to look at. */
static unsigned
looked(struct fixture *x)
{
	unsigned n = 0;

	for (; hub_busy(x->f->hub) || hub_busy(x->g->hub); n++) {
		assert_true(n < 10000);
		fake_turn(x->w);
	}
	fake_turn(x->w);
	return (n);
}

/* Nobody is told, but the table says it. */
static void
without_the_bus_it_takes_a_moment(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = fake_enter(x->f, "/n",
	    fake_token(OLD("ann", "")));
	struct fake_conn *b = fake_enter(x->g, "/n",
	    fake_token(OLD("ann", "")));

	x->f->bus_down = true;
	revokes(x, "{\"user\":\"ann\",\"for\":60}", "{\"disconnected\":1,"
	    "\"hosts\":1,\"until\":1800000065,\"complete\":false}");
	is_out(a);
	is_in(x->g, b);
	fake_advance(x->w, 2000);
	(void)looked(x);
	is_out(b);
}

static void
who_does_not_report_may_not_have_heard(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *b = fake_enter(x->g, "/n",
	    fake_token(OLD("ann", "")));
	int status;

	buf_reset(&x->f->answers);
	status = api_revoke(x->f->hub, SLICE("{\"user\":\"ann\"}"), x,
	    &x->out, &x->later);
	assert_int_equal(0, status);
	buf_reset(&x->f->bus);		/* the relay drops it */
	fake_advance(x->w, 2100);
	assert_non_null(strstr((const char *)x->f->answers.data,
	    "\"complete\":false"));
	fake_advance(x->w, 2000);
	(void)looked(x);
	is_out(b);
}

static void
with_the_bus_back_all_is_looked_for(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *b = fake_enter(x->g, "/n",
	    fake_token(OLD("ann", "")));
	struct fake_conn *c = fake_enter(x->g, "/n",
	    fake_token(OLD("bob", ",\"jti\":\"b\"")));

	written(x, REVOKED_USER, "ann");
	written(x, REVOKED_TOKEN, "b");
	is_in(x->g, b);
	is_in(x->g, c);
	hub_bus_back(x->g->hub);
	(void)looked(x);
	is_out(b);
	is_out(c);
}

/* Others are served meanwhile, and who asks again waits no longer. */
static void
many_are_looked_for_a_few_at_a_time(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *all[40];
	char name[16], claims[80];
	unsigned i, n, out;

	for (i = 0; i < nitems(all); i++) {
		(void)snprintf(claims, sizeof claims, OLD("user-%u", ""),
		    i * 100);
		all[i] = fake_enter(x->g, "/n", fake_token(claims));
	}
	for (i = 0; i < nitems(all) * 100; i++) {
		(void)snprintf(name, sizeof name, "user-%u", i);
		written(x, REVOKED_USER, name);
	}
	hub_bus_back(x->g->hub);
	fake_turn(x->w);
	for (i = out = 0; i < nitems(all); i++)
		out += all[i]->closed == REASON_revoked;
	assert_true(out < 10 && hub_busy(x->g->hub));
	for (n = 0; n < 20; n++)
		fake_turn(x->w);
	hub_bus_back(x->g->hub);
	n = looked(x);
	assert_true(n > 40 && n < 200);
	for (i = 0; i < nitems(all); i++)
		is_out(all[i]);
	assert_int_equal(0, looked(x));
}

static void
who_died_may_have_told_nobody(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = fake_enter(x->f, "/n",
	    fake_token(OLD("ann", "")));

	written(x, REVOKED_USER, "ann");
	fake_advance(x->w, 2000);
	is_in(x->f, a);
	revoked_reclaim(x->w->segment, 4);
	fake_advance(x->w, 2000);
	(void)looked(x);
	is_out(a);
}

/* As another relay would say it. */
static void
hears(struct fake_host *host, const struct bus_revoke *r)
{
	struct bus_envelope e;
	struct buf b;

	*bus_revoke(&e) = *r;
	e.from = e.generation = 0;
	e.ref = 0;
	slotset_only(e.slots, host->slot);
	buf_init(&b);
	assert_true(bus_encode(&b, &e));
	hub_bus_frame(host->hub, buf_unread(&b));
	buf_fini(&b);
}

static void
what_comes_from_elsewhere_is_checked(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = fake_enter(x->f, "/n",
	    fake_token(OLD("ann", "")));
	char name[257];
	const struct bus_revoke good = { .what = REVOKED_USER,
		.name = SLICE("ann"), .moment = NOW, .until = NOW + 9 };
	struct bus_revoke bad[] = { good, good, good, good, good, good };
	uint64_t before = counter_get(COUNTER_bus_bad);
	unsigned i;

	memset(name, 'x', sizeof name);
	bad[0].what = 0;
	bad[1].what = 3;
	bad[2].name = slice_of(name, 256);
	bad[3].name.n = 0;
	bad[4].until = 0;
	bad[5].moment = UINT64_C(1) << 32;
	for (i = 0; i < nitems(bad); i++)
		hears(x->f, &bad[i]);
	assert_int_equal(before + nitems(bad), counter_get(COUNTER_bus_bad));
	is_in(x->f, a);
	hears(x->f, &good);
	fake_turn(x->w);
	is_out(a);
}

/* --- from worker to worker ------------------------------------------------- */

static void
who_comes_over_is_looked_at(void **state)
{
	struct fixture *x = *state;
	struct refusal no;
	struct fake_conn *a = fake_enter(x->f, "/n",
	    fake_token(OLD("ann", "")));
	struct fake_conn *b = fake_plain(x->f, "/n",
	    fake_token(OLD("bob", ",\"jti\":\"b\"")), &no);
	struct fake_conn *c = fake_enter(x->f, "/n", fake_token(NEW("ann")));
	enum reason why;
	struct moving m;

	assert_non_null(b);
	moving_open(&m, x->f, x->g);
	written(x, REVOKED_USER, "ann");
	written(x, REVOKED_TOKEN, "b");
	a = moving_why(&m, a, &why);
	assert_int_equal(REASON_revoked, why);
	b = moving_why(&m, b, &why);
	assert_int_equal(REASON_revoked, why);
	c = moving(&m, c);
	moving_close(&m);
	fake_turn(x->w);
	fake_starts(a, "42/n," BYE);
	fake_hears(a, "41/n,");
	fake_starts(b, "{\"event\":\"roost:disconnect\"");
	ended(x, 2);
	is_in(x->g, c);
}

static void
one_of_two_on_a_connection(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = fake_enter(x->f, "/n",
	    fake_token(OLD("ann", "")));
	char text[512];

	(void)snprintf(text, sizeof text, "40/o,{\"token\":\"%s\"}",
	    fake_token(OLD("bob", "")));
	fake_say(x->f, a, text);
	fake_starts(a, "40/o,");
	written(x, REVOKED_USER, "bob");
	a = moved(x->f, x->g, a);
	fake_turn(x->w);
	fake_starts(a, "42/o," BYE);
	fake_hears(a, "41/o,");
	is_in(x->g, a);
	/* and when it is told */
	revokes(x, "{\"user\":\"ann\"}", "{\"disconnected\":1,");
	is_out(a);
}

static void
a_session_that_waits_does_not_come_over(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = fake_enter(x->f, "/n",
	    fake_token(OLD("ann", "")));
	struct recover *r, *d;
	struct state_in in;
	struct moving m;
	bool none;

	fake_gone(x->f, a);
	fake_turn(x->w);
	assert_int_equal(1, hub_parked(x->f->hub));
	moving_open(&m, x->f, x->g);
	r = parked_first(x->f->hub);
	assert_non_null(r);
	assert_true(parked_save(m.out, r, &m.state));
	written(x, REVOKED_USER, "ann");
	in = state_in(buf_unread(&m.state));
	d = parked_load(m.in, &in, &none);
	assert_null(d);
	assert_true(none);
	parked_moved(&r);
	moving_close(&m);
	fake_turn(x->w);
	assert_int_equal(0, hub_parked(x->g->hub));
}

/* A client asks another worker for its session, and is revoked meanwhile. */
static void
a_session_on_its_way_does_not_arrive(void **state)
{
	struct fixture *x = *state;
	char token[400], text[600], pid[21], offset[64];
	struct fake_conn *a, *b;
	const char *got;

	(void)snprintf(token, sizeof token, "%s",
	    fake_token(OLD("ann", ",\"jti\":\"j\"")));
	a = fake_engine(x->f, token);
	fake_say(x->f, a, "40/n,");
	(void)fake_next(a);
	got = strstr(fake_next(a), "\"pid\":\"");
	assert_non_null(got);
	(void)snprintf(pid, sizeof pid, "%.20s", got + 7);
	fake_say(x->f, a, "42/n,[\"q\",1]");
	got = strstr(fake_next(a), "1,\"");
	assert_non_null(got);
	(void)snprintf(offset, sizeof offset, "%.*s", (int)strcspn(got + 3,
	    "\""), got + 3);
	fake_gone(x->f, a);
	fake_turn(x->w);
	b = fake_engine(x->g, token);
	(void)snprintf(text, sizeof text, "40/n,{\"pid\":\"%s\","
	    "\"offset\":\"%s\"}", pid, offset);
	fake_text(x->g, b, text);
	hub_turn_end(x->g->hub);
	written(x, REVOKED_TOKEN, "j");
	fake_turn(x->w);
	fake_advance(x->w, 10000);
	(void)fake_next(b);
	fake_starts(b, "44/n,{\"message\":\"the token, or its user, was "
	    "revoked\"");
	assert_int_equal(0, counter_get(COUNTER_sessions));
}

/* A token of a worker of another version. */
static void
what_a_former_version_did_not_say_is_not_known(void **state)
{
	struct principals all;
	struct state_in in;
	struct buf b;
	size_t at;

	(void)state;
	buf_init(&b);
	at = state_open(&b, 0x4f57, 1);
	state_put_u32(&b, 1);
	state_put_u64(&b, 0);
	state_put_slice(&b, SLICE("ann"));
	state_put_slice(&b, slice_of(NULL, 0));
	state_put_slice(&b, slice_of(NULL, 0));
	state_close(&b, at);
	principals_init(&all);
	in = state_in(buf_unread(&b));
	assert_true(principals_load(&all, &in));
	assert_int_equal(1, all.n);
	assert_true(all.v[0]->iat == REVOKED_NO_IAT);
	assert_null(all.v[0]->token);
	principals_fini(&all);
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(all_workers_end_and_report),
		T(a_token_is_found_by_its_id_alone),
		T(without_the_bus_it_takes_a_moment),
		T(who_does_not_report_may_not_have_heard),
		T(with_the_bus_back_all_is_looked_for),
		T(many_are_looked_for_a_few_at_a_time),
		T(who_died_may_have_told_nobody),
		T(what_comes_from_elsewhere_is_checked),
		T(who_comes_over_is_looked_at),
		T(one_of_two_on_a_connection),
		T(a_session_that_waits_does_not_come_over),
		T(a_session_on_its_way_does_not_arrive),
		T(what_a_former_version_did_not_say_is_not_known),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
