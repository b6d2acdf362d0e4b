/* Clients that go on at another worker: what they are, what they get and what
 * they say is as if they had stayed, and nobody hears of it. */
#include "moving.h"
#include "pair.h"

#include "hub/dialect/engine.h"
#include "hub/hub_int.h"
#include "hub/queue/sentlog.h"
#include "hub/session/principal.h"
#include "shm/count.h"
#include "shm/counters.h"
#include "shm/interest.h"
#include "shm/presence.h"

#define CONF \
	"jwt { secret = \"" FAKE_SECRET "\" algorithms = {\"HS256\"} }\n" \
	"limits { per_user = 2 }\n" \
	"rate \"r\" { allow = 2/1h per = user strikes = 9 }\n" \
	"recovery { window = 2m }\n" \
	"namespace \"/n\" { auth = optional presence = rooms idle_after = 1m\n" \
	"  sessions = 50\n" \
	"  room \"{r}\" { join = open }\n" \
	"  event \"m\" { to = room:room meta = off }\n" \
	"  event \"limited\" { to = sender meta = off rate = \"r\" }\n" \
	"  event \"message\" { to = namespace meta = off self = true }\n" \
	"  event \"e\" { to = sender meta = off ack = echo } }\n" \
	"namespace \"/o\" { auth = optional room \"{r}\" { join = open }\n" \
	"  event \"m\" { to = room:room meta = off } }\n" \
	"namespace \"/d\" { auth = none room \"{r}\" { join = open }\n" \
	"  event \"m\" { to = room:room meta = off ack = delivered } }\n" \
	"route \"/ws/{r}\" { namespace = \"/n\" join = \"{r}\" }\n" \
	"route \"/bare/{r}\" { namespace = \"/n\" join = \"{r}\"\n" \
	"  format = bare }\n" \
	"route \"/eio/{r}\" { namespace = \"/n\" join = \"{r}\"\n" \
	"  format = engine }\n"

struct fixture {
	PAIR;
	uint64_t	 column[COUNTERS_CELLS];	/* before */
};

static int
setup(void **state)
{
	*state = pair_new(sizeof(struct fixture), CONF);
	return (0);
}

static int
teardown(void **state)
{
	int r = pair_free(state);

	assert_int_equal(0, counter_get(COUNTER_sessions));
	assert_int_equal(0, counter_get(COUNTER_rooms));
	assert_int_equal(0, counter_get(COUNTER_memberships));
	assert_int_equal(0, counter_get(COUNTER_eio_sessions));
	assert_int_equal(0, counter_get(COUNTER_eio_polling));
	return (r);
}

/* f to g; nothing counts as news, and what is there is there once. */
static struct fake_conn *
goes_on(struct fixture *x, struct fake_conn *c)
{
	struct fake_conn *d;
	unsigned i;

	fake_turn(x->w);
	memcpy(x->column, counters_column, sizeof x->column);
	d = moved_same(x->f, x->g, c);
	for (i = 0; i < COUNTERS_CELLS; i++)
		/* rooms are counted by worker */
		if (i != COUNTER_rooms && x->column[i] != counters_column[i])
			fail_msg("cell %u of the counters has moved", i);
	fake_turn(x->w);
	return (d);
}

/* What both have got and not read, which is something. */
static void
the_same_bytes(struct fake_conn *a, struct fake_conn *b)
{
	assert_true(buf_unread(&a->got).n > 0);
	assert_int_equal(buf_unread(&a->got).n, buf_unread(&b->got).n);
	assert_memory_equal(buf_unread(&a->got).p, buf_unread(&b->got).p,
	    buf_unread(&a->got).n);
	buf_reset(&a->got);
	buf_reset(&b->got);
}

/* --- plain ---------------------------------------------------------------- */

static void
a_plain_client_goes_on(void **state)
{
	static const char *const paths[] = { "/ws/r", "/bare/r" };
	struct fixture *x = *state;
	struct fake_conn *a, *b, *t;
	struct refusal no;
	size_t i;

	b = fake_plain(x->f, "/ws/r", NULL, &no);	/* who speaks */
	for (i = 0; i < nitems(paths); i++) {
		a = fake_plain(x->f, paths[i], NULL, &no);
		t = fake_plain(x->g, paths[i], NULL, &no);	/* a twin */
		a = goes_on(x, a);
		fake_say(x->f, b,
		    "{\"event\":\"m\",\"data\":{\"room\":\"r\",\"i\":1}}");
		the_same_bytes(a, t);
		fake_say(x->g, a, i == 0 ?
		    "{\"event\":\"e\",\"data\":7,\"id\":1}" : "7");
		fake_say(x->g, t, i == 0 ?
		    "{\"event\":\"e\",\"data\":7,\"id\":1}" : "7");
		buf_reset(&b->got);
		if (i == 0)
			the_same_bytes(a, t);
		fake_gone(x->g, a);
		fake_gone(x->g, t);
	}
}

static void
what_was_not_sent_goes_out_there(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a, *b, *t;
	struct refusal no;
	int i;

	a = fake_plain(x->f, "/ws/r", NULL, &no);
	t = fake_plain(x->g, "/ws/r", NULL, &no);
	b = fake_plain(x->f, "/ws/r", NULL, &no);
	fake_turn(x->w);
	a->window = 10;		/* in the middle of a frame */
	for (i = 0; i < 5; i++) {
		fake_say(x->f, b,
		    "{\"event\":\"m\",\"data\":{\"room\":\"r\",\"i\":1}}");
		fake_text(x->f, a, "{\"event\":\"e\",\"data\":7,\"id\":1}");
		fake_text(x->g, t, "{\"event\":\"e\",\"data\":7,\"id\":1}");
		fake_turn(x->w);
	}
	assert_true(a->out.n > 5);
	assert_true(a->out.blocked);
	a = goes_on(x, a);
	assert_true(a->out.blocked);
	assert_int_equal(10, buf_unread(&a->got).n);
	fake_say(x->f, b,
	    "{\"event\":\"m\",\"data\":{\"room\":\"r\",\"i\":2}}");
	a->window = SIZE_MAX;
	assert_true(outq_touch(hub_out(x->g->hub), &a->out));
	fake_turn(x->w);
	the_same_bytes(a, t);
	assert_false(a->out.blocked);
}

/* --- Socket.IO ------------------------------------------------------------ */

static void
connects(struct fake_host *f, struct fake_conn *c, const char *nsp)
{
	char text[64];

	(void)snprintf(text, sizeof text, "40%s,", nsp);
	fake_say(f, c, text);
}

static const struct engine *
engine_in(const struct fake_conn *c)
{
	return ((const struct engine *)(const void *)c->client);
}

static void
a_client_with_everything_is_the_same(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a, *b;
	char token[512];

	(void)snprintf(token, sizeof token, "%s", fake_token(
	    "{\"sub\":\"ann\",\"roles\":[\"a\",\"b\"],\"exp\":1800000100}"));
	a = fake_engine(x->f, token);
	b = fake_engine(x->f, NULL);
	connects(x->f, b, "/n");
	fake_say(x->f, b, "42/n,0[\"room:join\",\"r\"]");
	connects(x->f, a, "/n");
	connects(x->f, a, "/o");
	connects(x->f, a, "/none");		/* refused */
	fake_say(x->f, a, "42/n,0[\"room:join\",\"r\"]");
	fake_say(x->f, a, "42/n,0[\"room:join\",\"q\"]");
	fake_say(x->f, a, "42/o,0[\"room:join\",\"q\"]");
	fake_say(x->f, a, "42/n,1[\"presence:watch\",{\"users\":[\"u\"]}]");
	fake_advance(x->w, 25000);		/* a ping is out */
	fake_say(x->f, a, "42/n,[\"limited\",1]");	/* extends it */
	fake_say(x->f, a, "42/n,[\"limited\",1]");
	fake_say(x->f, a, "42/n,[\"limited\",1]");	/* a strike */
	a->window = 7;
	fake_say(x->f, b, "42/n,[\"m\",{\"room\":\"r\",\"i\":1}]");
	fake_say(x->f, a, "452-/n,[\"e\",{\"_placeholder\":true,\"num\":0},"
	    "{\"_placeholder\":true,\"num\":1}]");
	client_binary(a->client, (uint8_t *)(uintptr_t)"abc", 3);
	fake_turn(x->w);
	assert_non_null(engine_in(a)->assembly);
	assert_int_equal(1, engine_in(a)->failed);
	assert_true(a->client->extended && a->client->pong != 0);
	assert_int_equal(2, a->client->nsessions);
	a = goes_on(x, a);
	assert_int_equal(2, a->client->nsessions);
	assert_int_equal(1, engine_in(a)->failed);
	assert_ptr_equal(a->client->who, a->client->sessions->who);
	assert_ptr_equal(a->client->who, a->client->sessions->next->who);
	assert_int_equal(2, a->client->sessions->nrooms);
	assert_int_equal(1, a->client->sessions->nwatches);
	assert_int_equal(7, engine_in(a)->back.log->partial);
}

static void
it_gets_and_says_what_its_twin_does(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a, *b, *t, *c[2];
	size_t i;

	a = fake_enter(x->f, "/n", NULL);
	b = fake_enter(x->f, "/n", NULL);
	fake_say(x->f, b, "42/n,0[\"room:join\",\"r\"]");
	t = fake_enter(x->g, "/n", NULL);
	fake_say(x->f, a, "42/n,0[\"room:join\",\"r\"]");
	fake_say(x->g, t, "42/n,0[\"room:join\",\"r\"]");
	the_same_bytes(a, t);
	a = goes_on(x, a);
	c[0] = a;
	c[1] = t;
	fake_say(x->f, b, "42/n,[\"m\",{\"room\":\"r\",\"i\":1}]");
	the_same_bytes(a, t);
	fake_say(x->g, t, "42/n,[\"m\",{\"room\":\"r\",\"i\":2}]");
	fake_starts(a, "42/n,[\"m\",{\"room\":\"r\",\"i\":2}");
	for (i = 0; i < 2; i++)
		fake_say(x->g, c[i], "42/n,3[\"room:leave\",\"r\"]");
	the_same_bytes(a, t);
	fake_say(x->f, b, "42/n,[\"m\",{\"room\":\"r\",\"i\":3}]");
	assert_string_equal("", fake_next(a));
	/* what is left of it on f is nothing */
	fake_gone(x->g, a);
	fake_gone(x->g, t);
	fake_gone(x->f, b);
}

static void
attachments_go_on_coming(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = fake_enter(x->f, "/n", NULL);

	fake_say(x->f, a, "452-/n,5[\"e\",{\"_placeholder\":true,\"num\":0},"
	    "{\"_placeholder\":true,\"num\":1}]");
	client_binary(a->client, (uint8_t *)(uintptr_t)"abc", 3);
	a = goes_on(x, a);
	client_binary(a->client, (uint8_t *)(uintptr_t)"de", 2);
	fake_turn(x->w);
	assert_null(engine_in(a)->assembly);
	assert_non_null(memmem(buf_unread(&a->got).p, buf_unread(&a->got).n,
	    "\x82\x03" "abc\x82\x02" "de", 9));
	/* one that is not finished in time ends there as it would have here */
	fake_say(x->g, a, "451-/n,[\"e\",{\"_placeholder\":true,\"num\":0}]");
	a = moved_same(x->g, x->f, a);
	fake_advance(x->w, 20001);
	assert_int_equal(REASON_sio_parse, a->closed);
}

static void
the_heartbeat_is_the_one_it_was_told(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = fake_enter(x->f, "/n", NULL);
	struct fake_host *k;

	x->w->other = fake_conf("heartbeat { interval = 2m timeout = 1m }\n" CONF);
	k = fake_host_of(x->w, 3, x->w->other);
	a = moved_same(x->f, k, a);
	assert_int_equal(1, a->client->beat);
	buf_reset(&a->got);
	fake_advance(x->w, 25000);
	fake_hears(a, "2");
	fake_say(k, a, "3");
	fake_advance(x->w, 25000);
	fake_hears(a, "2");
	a = moved_same(k, x->g, a);
	assert_int_equal(0, a->client->beat);
	fake_advance(x->w, 20001);
	assert_int_equal(REASON_ping_timeout, a->closed);
}

static void
who_has_not_connected_yet_may_there(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = fake_engine(x->f, NULL), *b;

	b = goes_on(x, fake_engine(x->f, NULL));
	a = goes_on(x, a);
	connects(x->g, a, "/n");
	fake_starts(a, "0{\"sid\"");
	fake_starts(a, "40/n,{\"sid\":");
	fake_advance(x->w, 45000);
	assert_int_equal(REASON_connect_timeout, b->closed);
	assert_int_equal(-1, a->closed);
}

/* --- engine routes, polling ----------------------------------------------- */

static void
raw_engines_go_on(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a, *t;
	int form;

	for (form = 0; form < 4; form++) {
		a = fake_engine_route(x->f, "/eio/r", form & 1, form & 2);
		t = fake_engine_route(x->g, "/eio/r", form & 1, form & 2);
		fake_turn(x->w);
		buf_reset(&a->got);
		buf_reset(&t->got);
		if (form & 2) {		/* no GET waits */
			a->window = t->window = 0;
			fake_say(x->f, a, "4one");
		}
		a = goes_on(x, a);
		a->window = t->window = SIZE_MAX;
		fake_say(x->g, a, "4hello");
		client_binary(a->client, (uint8_t *)(uintptr_t)"\x01\x02", 2);
		assert_true(outq_touch(hub_out(x->g->hub), &t->out));
		fake_turn(x->w);
		the_same_bytes(a, t);
		fake_gone(x->g, a);
		fake_gone(x->g, t);
	}
}

static void
a_polling_session_upgrades_there(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a, *w;

	a = fake_engine_route(x->f, "/eio/r", false, true);
	fake_turn(x->w);
	a->window = 0;
	fake_say(x->f, a, "4one");
	client_binary(a->client, (uint8_t *)(uintptr_t)"\x01\x02", 2);
	a = goes_on(x, a);
	w = fake_conn_new(x->g);
	assert_true(engine_upgrade(a->client, &w->out,
	    DEFLATE_NONE));
	w->client = a->client;
	a->client = NULL;
	fake_turn(x->w);
	fake_hears(w, "4one");
	assert_int_equal(4, buf_unread(&w->got).n);
	assert_memory_equal("\x82\x02\x01\x02", buf_unread(&w->got).p, 4);
	fake_gone(x->g, w);
}

/* --- messages that many have ---------------------------------------------- */

static void
a_message_of_many_crosses_once(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a[3], *b;
	struct moving m;
	size_t size[3];
	char text[3000];
	int i;

	for (i = 0; i < 3; i++) {
		a[i] = fake_enter(x->f, "/n", NULL);
		fake_say(x->f, a[i], "42/n,0[\"room:join\",\"r\"]");
	}
	b = fake_enter(x->f, "/n", NULL);
	fake_say(x->f, b, "42/n,0[\"room:join\",\"r\"]");
	a[2]->window = 0;
	memset(text, 'x', sizeof text);
	memcpy(text, "42/n,[\"m\",{\"room\":\"r\",\"x\":\"", 27);
	memcpy(text + sizeof text - 4, "\"}]", 4);
	fake_say(x->f, b, text);
	moving_open(&m, x->f, x->g);
	for (i = 0; i < 3; i++) {
		a[i] = moving(&m, a[i]);
		size[i] = m.state.wpos;
	}
	moving_close(&m);
	assert_in_range(size[0], 3000, 4500);
	assert_in_range(size[1], 100, 1000);
	assert_in_range(size[2], 100, 1000);
	assert_int_equal(1, a[2]->out.n);
	/* one again: in two logs and a queue */
	assert_int_equal(3, outq_msg(&a[2]->out, 0)->refs);
}

static void
what_did_not_arrive_is_sent_again(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a[3], *b;
	enum reason why;
	struct moving m;
	int i;

	for (i = 0; i < 3; i++) {
		a[i] = fake_enter(x->f, "/n", NULL);
		fake_say(x->f, a[i], "42/n,0[\"room:join\",\"r\"]");
	}
	b = fake_enter(x->f, "/n", NULL);
	fake_say(x->f, b, "42/n,0[\"room:join\",\"r\"]");
	fake_say(x->f, b, "42/n,[\"m\",{\"room\":\"r\",\"i\":1}]");
	moving_open(&m, x->f, x->g);
	moving_save(&m, a[0]);		/* is lost on the way, */
	moving_save(&m, a[1]);		/* and so nothing to rely on */
	assert_null(moving_load(&m, &why));
	hub_move_failed(m.out);
	for (i = 0; i < 3; i++) {
		buf_reset(&a[i]->got);
		a[i] = moving(&m, a[i]);
	}
	moving_close(&m);
	fake_say(x->f, b, "42/n,[\"m\",{\"room\":\"r\",\"i\":2}]");
	for (i = 0; i < 3; i++)
		fake_starts(a[i], "42/n,[\"m\",{\"room\":\"r\",\"i\":2}");
}

/* --- nobody hears of it --------------------------------------------------- */

static void
it_is_present_and_counted_once(void **state)
{
	struct fixture *x = *state;
	struct presence_info is, was;
	struct fake_conn *a, *b;
	struct refusal no;
	char token[512];

	(void)snprintf(token, sizeof token, "%s",
	    fake_token("{\"sub\":\"ann\"}"));
	a = fake_enter(x->f, "/n", token);
	fake_say(x->f, a, "42/n,0[\"room:join\",\"r\"]");
	fake_advance(x->w, 25000);
	fake_say(x->f, a, "3");
	fake_advance(x->w, 25000);
	fake_say(x->f, a, "3");
	fake_advance(x->w, 11000);	/* she is idle */
	assert_true(a->client->sessions->idle);
	assert_true(presence_get(x->f->presence, 0, slice_str("ann"), &was));
	x->w->wall.ms += 5000;
	a = goes_on(x, a);
	assert_true(a->client->sessions->idle);
	assert_true(presence_get(x->f->presence, 0, slice_str("ann"), &is));
	assert_true(is.online && is.connections == 1);
	assert_int_equal(was.status, is.status);
	assert_true(was.last_seen_ms == is.last_seen_ms);
	assert_true(was.version == is.version);
	assert_int_equal(1, count_of(x->f->count, COUNT_USER,
	    slice_str("ann")));
	assert_int_equal(1, count_of(x->f->count, COUNT_NAMESPACE,
	    slice_str("/n")));
	/* two may be there, and a third may not */
	b = fake_plain(x->f, "/ws/r", token, &no);
	assert_non_null(b);
	assert_null(fake_plain(x->f, "/ws/r", token, &no));
	b = goes_on(x, b);
	assert_null(fake_plain(x->f, "/ws/r", token, &no));
	/* an event of hers, and she is there again */
	fake_say(x->g, a, "42/n,[\"e\",1]");
	assert_false(a->client->sessions->idle);
	fake_gone(x->g, a);
	fake_gone(x->g, b);
	assert_int_equal(0, count_of(x->f->count, COUNT_USER,
	    slice_str("ann")));
	assert_true(presence_get(x->f->presence, 0, slice_str("ann"), &is));
	assert_false(is.online);
}

static void
who_was_warned_is_not_warned_again(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a;
	char token[512];

	(void)snprintf(token, sizeof token, "%s",
	    fake_token("{\"sub\":\"ann\",\"exp\":1800000040}"));
	a = fake_enter(x->f, "/n", token);
	fake_advance(x->w, 15000);
	fake_starts(a, "42/n,[\"auth:expiring\",{\"in\":25}");
	a = goes_on(x, a);
	fake_advance(x->w, 5000);
	assert_string_equal("", fake_next(a));
	fake_advance(x->w, 5000);
	fake_hears(a, "2");
	fake_say(x->g, a, "3");
	fake_advance(x->w, 20000);
	fake_hears(a, "41/n,");
	assert_int_equal(REASON_auth_expired, a->closed);
}

/* --- not now, not so ------------------------------------------------------ */

static void
who_waits_for_others_stays(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a, *b;

	a = fake_enter(x->f, "/d", NULL);
	b = fake_enter(x->g, "/d", NULL);
	fake_say(x->f, a, "42/d,0[\"room:join\",\"r\"]");
	fake_say(x->g, b, "42/d,0[\"room:join\",\"r\"]");
	assert_true(client_may_move(a->client));
	assert_false(hub_pending_acks(x->f->hub));
	fake_text(x->f, a, "42/d,1[\"m\",{\"room\":\"r\"}]");
	assert_true(hub_pending_acks(x->f->hub));
	assert_false(client_may_move(a->client));
	assert_true(client_waits(a->client));
	assert_false(client_waits(b->client));
	fake_turn(x->w);
	assert_true(client_may_move(a->client));
	assert_false(client_waits(a->client));
	assert_false(hub_pending_acks(x->f->hub));
	/* a CONNECT that others are asked about */
	b = fake_engine(x->f, NULL);
	fake_text(x->f, b, "40/n,{\"pid\":\"abcdefghijklmnopqrst\"}");
	hub_turn_end(x->f->hub);
	assert_false(client_may_move(b->client));
	fake_turn(x->w);
	assert_true(client_may_move(b->client));
	fake_text(x->f, b, "9");
	assert_int_equal(REASON_eio_parse, b->closed);
	assert_false(client_may_move(b->client));
	fake_turn(x->w);
	a->out.lossy = true;
	assert_false(client_may_move(a->client));
}

static void
an_heir_that_must_not_keep_it_leaves_no_trace(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a, *b, *d;
	struct presence_info is;
	enum reason why;
	struct moving m;
	char token[512];

	(void)snprintf(token, sizeof token, "%s",
	    fake_token("{\"sub\":\"ann\"}"));
	a = fake_enter(x->f, "/n", token);
	b = fake_enter(x->g, "/n", NULL);
	fake_say(x->f, a, "42/n,0[\"room:join\",\"r\"]");
	fake_say(x->g, b, "42/n,0[\"room:join\",\"r\"]");
	buf_reset(&a->got);
	memcpy(x->column, counters_column, sizeof x->column);
	moving_open(&m, x->f, x->g);
	moving_save(&m, a);
	d = moving_load(&m, &why);
	assert_non_null(d);
	assert_int_equal(2, count_of(x->f->count, COUNT_USER,
	    slice_str("ann")));
	client_unload(&d->client);
	moving_close(&m);
	fake_turn(x->w);
	assert_memory_equal(x->column, counters_column, sizeof x->column);
	assert_int_equal(1, count_of(x->f->count, COUNT_USER,
	    slice_str("ann")));
	assert_true(presence_get(x->f->presence, 0, slice_str("ann"), &is));
	assert_true(is.online && is.connections == 1);
	assert_int_equal(0, buf_unread(&d->got).n);
	fake_say(x->g, b, "42/n,[\"m\",{\"room\":\"r\",\"i\":1}]");
	fake_starts(a, "42/n,[\"m\",{\"room\":\"r\",\"i\":1}");
	assert_int_equal(0, buf_unread(&a->got).n);
}

/* --- what is no state ----------------------------------------------------- */

static void
the_same_gauges(const struct fixture *x)
{
	struct counters_row row;
	unsigned i;

	for (i = 0; counters_row(i, &row); i++)
		if (row.type == COUNTERS_GAUGE && row.cell < COUNTERS_CELLS)
			assert_int_equal(x->column[row.cell],
			    counters_column[row.cell]);
}

/* The heir is as it was, or has a client that it can let go. */
static void
tries(struct fixture *x, struct moving *m, size_t n)
{
	struct fake_conn *d = &x->g->conns[FAKE_CONNS - 1];
	size_t whole = m->state.wpos;
	struct state_in in;
	enum reason why;
	uint8_t *copy = malloc(n + 1);

	assert_non_null(copy);
	memcpy(copy, m->state.data, n);
	memset(d, 0, sizeof *d);
	in = state_in(slice_of(copy, n));
	d->client = client_load(m->in, &in, &d->out, &why);
	assert_true(d->client != NULL || n < whole || d->out.n == 0);
	if (d->client != NULL) {
		(void)client_due(d->client);
		client_unload(&d->client);
	}
	free(copy);
	hub_turn_end(x->g->hub);
	the_same_gauges(x);
}

static void
each_byte_may_be_another(struct fixture *x, struct fake_conn *c)
{
	static const uint8_t flips[] = { 1, 0x80, 0xff };
	struct moving m;
	size_t i, j;

	moving_open(&m, x->f, x->g);
	moving_save(&m, c);
	memcpy(x->column, counters_column, sizeof x->column);
	for (i = 0; i < m.state.wpos; i++) {
		tries(x, &m, i);
		for (j = 0; j < nitems(flips); j++) {
			m.state.data[i] ^= flips[j];
			hub_move_free(&m.in);
			m.in = hub_move_new(x->g->hub, false, 1);
			tries(x, &m, m.state.wpos);
			m.state.data[i] ^= flips[j];
		}
	}
	moving_close(&m);
}

static void
what_is_no_state_is_refused(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a, *b;
	struct refusal no;

	b = fake_plain(x->f, "/ws/r", fake_token(
	    "{\"sub\":\"ann\",\"roles\":[\"a\",\"b\"],\"exp\":1800000100}"),
	    &no);
	each_byte_may_be_another(x, b);
	a = fake_enter(x->f, "/n", NULL);
	fake_say(x->f, a, "42/n,0[\"room:join\",\"r\"]");
	fake_say(x->f, a, "42/n,1[\"presence:watch\",{\"users\":[\"u\"]}]");
	fake_say(x->f, a, "451-/n,[\"e\",{\"_placeholder\":true,\"num\":0}]");
	a->window = 7;
	fake_say(x->f, b, "{\"event\":\"m\",\"data\":{\"room\":\"r\"}}");
	fake_say(x->f, b, "{\"event\":\"m\",\"data\":{\"room\":\"r\"}}");
	assert_true(a->out.n > 0);
	each_byte_may_be_another(x, a);
	a = fake_engine_route(x->f, "/eio/r", true, true);
	a->window = 0;
	client_binary(a->client, (uint8_t *)(uintptr_t)"\x01\x02", 2);
	fake_turn(x->w);
	each_byte_may_be_another(x, a);
}

int
main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(a_plain_client_goes_on),
		TEST(what_was_not_sent_goes_out_there),
		TEST(a_client_with_everything_is_the_same),
		TEST(it_gets_and_says_what_its_twin_does),
		TEST(attachments_go_on_coming),
		TEST(the_heartbeat_is_the_one_it_was_told),
		TEST(who_has_not_connected_yet_may_there),
		TEST(raw_engines_go_on),
		TEST(a_polling_session_upgrades_there),
		TEST(a_message_of_many_crosses_once),
		TEST(what_did_not_arrive_is_sent_again),
		TEST(it_is_present_and_counted_once),
		TEST(who_was_warned_is_not_warned_again),
		TEST(who_waits_for_others_stays),
		TEST(what_is_no_state_is_refused),
		TEST(an_heir_that_must_not_keep_it_leaves_no_trace),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
