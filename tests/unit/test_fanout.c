/*
 * Fan-out and rooms: who gets what when members come, go, move and are
 * blocked in the turn of a publication; many rooms, many sids; which workers
 * are told; each delivery counted once.
 */
#include "pair.h"
#include "hub/audience/sids.h"
#include "hub/hub_int.h"
#include "hub/session/client.h"
#include "proto/bus.h"

#define CONF \
	"jwt { secret = \"" FAKE_SECRET "\" algorithms = {\"HS256\"} }\n" \
	"limits { rooms_per_session = 1000 }\n" \
	"namespace \"/n\" { auth = optional presence = query\n" \
	"  room \"{r}\" { join = open }\n" \
	"  event \"m\" { to = room:room self = true meta = off member = false }\n" \
	"  event \"o\" { to = room:room meta = off }\n" \
	"  event \"v\" { to = room:room self = true meta = off volatile = true }\n" \
	"  event \"w\" { to = sender meta = off volatile = true } }\n" \
	"namespace \"/\" { auth = none }\n" \
	"route \"/bare\" { namespace = \"/n\" join = \"r\" format = bare }\n"

#define NCLIENTS 24

struct fixture {
	PAIR;
	struct fake_conn *c[NCLIENTS];
	uint64_t counted[COUNTER__MAX];
};

static struct fake_conn *
come(struct fixture *x, struct fake_host *f, const char *token)
{
	(void)x;
	return (fake_enter(f, "/n", token));
}

static int
setup(void **state)
{
	*state = pair_new(sizeof(struct fixture), CONF);
	return (0);
}

static int
teardown(void **state)
{
	(void)pair_free(state);
	assert_int_equal(counter_get(COUNTER_rooms), 0);
	assert_int_equal(counter_get(COUNTER_memberships), 0);
	return (0);
}

static void
begin_counting(struct fixture *x)
{
	unsigned i;

	for (i = 0; i < COUNTER__MAX; i++)
		x->counted[i] = counter_get((enum counter)i);
}

#define assert_counted(name, n) \
	assert_int_equal(counter_get(COUNTER_##name) - \
	    x->counted[COUNTER_##name], n)

static void
join(struct fake_host *f, struct fake_conn *c, const char *room)
{
	char text[400];

	(void)snprintf(text, sizeof text,
	    "42/n,[\"room:join\",{\"room\":\"%s\"}]", room);
	fake_text(f, c, text);
}

static void
leave(struct fake_host *f, struct fake_conn *c, const char *room)
{
	char text[400];

	(void)snprintf(text, sizeof text,
	    "42/n,[\"room:leave\",{\"room\":\"%s\"}]", room);
	fake_text(f, c, text);
}

/* No turn ends: what is said is in this turn. */
static void
say(struct fake_host *f, struct fake_conn *c, const char *event, int n)
{
	char text[128];

	(void)snprintf(text, sizeof text,
	    "42/n,[\"%s\",{\"room\":\"r\",\"n\":%d}]", event, n);
	fake_text(f, c, text);
}

static void
hears(struct fake_conn *c, const char *event, int n)
{
	char text[128];

	(void)snprintf(text, sizeof text,
	    "42/n,[\"%s\",{\"room\":\"r\",\"n\":%d}]", event, n);
	fake_hears(c, text);
}

/* The socket takes what it can again, and tells so. */
static void
unblock(struct fake_host *f, struct fake_conn *c)
{
	c->window = SIZE_MAX;
	f->hub->ports.flush(f, &c->out);
}

/* --- one turn -------------------------------------------------------------- */

/* They are one piece of each queue, and of memory. */
static void
messages_of_one_turn_to_one_room_are_kept_together(void **state)
{
	struct fixture *x = *state;
	unsigned i, k;

	for (i = 0; i < 2; i++) {
		x->c[i] = come(x, x->f, NULL);
		join(x->f, x->c[i], "r");
	}
	fake_turn(x->w);
	for (k = 0; k < 2; k++) {	/* the batch of a turn ends with it */
		for (i = 0; i < 5; i++)
			say(x->f, x->c[0], "m", (int)i);
		assert_int_equal(x->c[0]->out.n, 1);
		assert_int_equal(x->c[1]->out.n, 1);
		fake_turn(x->w);
		for (i = 0; i < 5; i++) {
			hears(x->c[0], "m", (int)i);
			hears(x->c[1], "m", (int)i);
		}
	}
}

static void
volatile_events_pass_by_who_is_blocked_each_of_them(void **state)
{
	struct fixture *x = *state;
	unsigned i;

	for (i = 0; i < 3; i++)
		join(x->f, x->c[i] = come(x, x->f, NULL), "r");
	x->c[1]->window = 3;
	say(x->f, x->c[0], "m", 1);
	fake_turn(x->w);
	assert_true(x->c[1]->out.blocked);
	begin_counting(x);
	say(x->f, x->c[0], "v", 2);
	say(x->f, x->c[0], "v", 3);
	say(x->f, x->c[0], "m", 4);
	say(x->f, x->c[0], "v", 5);
	fake_turn(x->w);
	assert_counted(dropped_volatile, 3);
	assert_counted(deliveries, 9);
	unblock(x->f, x->c[1]);
	hears(x->c[1], "m", 1);
	hears(x->c[1], "m", 4);
	fake_hears(x->c[1], "");
	for (i = 0; i < 3; i += 2) {
		hears(x->c[i], "m", 1);
		hears(x->c[i], "v", 2);
		hears(x->c[i], "v", 3);
		hears(x->c[i], "m", 4);
		hears(x->c[i], "v", 5);
		fake_hears(x->c[i], "");
	}
	/* it has gone on: nothing passes it by any more */
	say(x->f, x->c[0], "v", 6);
	fake_turn(x->w);
	hears(x->c[1], "v", 6);
}

/* To one session the same. */
static void
a_volatile_answer_passes_by_its_sender_when_blocked(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c = come(x, x->f, NULL);

	c->window = 3;
	join(x->f, c, "r");
	say(x->f, c, "m", 1);
	fake_turn(x->w);
	begin_counting(x);
	say(x->f, c, "w", 2);
	fake_turn(x->w);
	assert_counted(dropped_volatile, 1);
	assert_counted(deliveries, 0);
	unblock(x->f, c);
	hears(c, "m", 1);
	fake_hears(c, "");
	begin_counting(x);
	say(x->f, c, "w", 3);
	fake_turn(x->w);
	assert_counted(deliveries, 1);
	assert_counted(encodings, 1);
	assert_counted(ws_frames_out, 1);
	hears(c, "w", 3);
}

/* More was queued in this turn than a client may have: no volatile ones. */
static void
after_much_in_one_turn_volatile_events_are_dropped(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = come(x, x->f, NULL), *b = come(x, x->f, NULL);
	uint64_t most = x->f->hub->volatile_bytes;
	static const char head[] = "42/n,[\"m\",{\"room\":\"r\",\"x\":\"";
	static char text[40000];
	uint64_t n;

	join(x->f, a, "r");
	join(x->f, b, "r");
	fake_turn(x->w);
	begin_counting(x);
	say(x->f, a, "v", 1);
	memset(text, 'x', 30030);
	memcpy(text, head, strlen(head));
	memcpy(text + 30030, "\"}]", 4);
	for (n = 0; n <= most; n += 30000)
		fake_text(x->f, a, text);
	assert_counted(dropped_volatile, 0);
	say(x->f, a, "v", 2);
	assert_counted(dropped_volatile, 2);
	fake_turn(x->w);
	hears(b, "v", 1);
	for (n = 0; n <= most; n += 30000)
		assert_true(strlen(fake_next(b)) > 30000);
	fake_hears(b, "");
	say(x->f, a, "v", 3);	/* another turn */
	fake_turn(x->w);
	hears(b, "v", 3);
}

static void
who_comes_and_goes_within_a_turn_gets_what_was_sent_meanwhile(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = come(x, x->f, NULL), *b = come(x, x->f, NULL);
	struct fake_conn *c = come(x, x->f, NULL);
	uint64_t joins, leaves;

	begin_counting(x);
	joins = counter_ns_get(0, NS_joins);
	leaves = counter_ns_get(0, NS_leaves);
	join(x->f, a, "r");
	join(x->f, c, "r");
	say(x->f, a, "m", 1);
	join(x->f, b, "r");
	say(x->f, a, "m", 2);
	leave(x->f, b, "r");
	leave(x->f, c, "r");
	say(x->f, a, "m", 3);
	join(x->f, c, "r");
	say(x->f, c, "o", 4);	/* not to itself */
	say(x->f, a, "m", 5);
	fake_turn(x->w);
	assert_counted(joins, 4);
	assert_counted(leaves, 2);
	assert_counted(rooms, 1);
	assert_int_equal(counter_ns_get(0, NS_joins), joins + 4);
	assert_int_equal(counter_ns_get(0, NS_leaves), leaves + 2);
	hears(b, "m", 2);
	fake_hears(b, "");
	hears(c, "m", 1);
	hears(c, "m", 2);
	hears(c, "m", 5);
	fake_hears(c, "");
	hears(a, "m", 1);
	hears(a, "m", 2);
	hears(a, "m", 3);
	hears(a, "o", 4);
	hears(a, "m", 5);
	fake_hears(a, "");
}

/* Without a header: what a session over polling is sent. */
static void
has_polled(struct fake_conn *c, const char *want)
{
	buf_byte(&c->got, '\0');
	assert_string_equal((const char *)buf_unread(&c->got).p, want);
	buf_reset(&c->got);
}

#define M(n) "42/n,[\"m\",{\"room\":\"r\",\"n\":" #n "}]\x1e"

/* From polling to its WebSocket, between two publications of one turn. */
static void
who_moves_within_a_turn_gets_each_once_and_in_order(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = come(x, x->f, NULL), p = { .closed = -1 };
	struct fake_conn *ws = &x->f->conns[x->f->nconns++];
	struct client_request q = { .address = 0 };
	struct admission adm;

	p.window = SIZE_MAX;
	buf_init(&p.got);
	ws->closed = -1;
	ws->window = SIZE_MAX;
	buf_init(&ws->got);
	engine_admit(x->f->hub, &q, &adm);
	p.client = engine_open_polling(x->f->hub, &adm, false, &p.out);
	admission_fini(&adm);
	fake_text(x->f, &p, "40/n,");
	fake_text(x->f, &p, "42/n,[\"room:join\",{\"room\":\"r\"}]");
	join(x->f, a, "r");
	fake_turn(x->w);
	buf_reset(&p.got);
	say(x->f, a, "m", 1);
	fake_turn(x->w);
	has_polled(&p, M(1));
	say(x->f, a, "m", 2);
	assert_true(engine_upgrade(p.client, &ws->out,
	    DEFLATE_NONE));
	ws->client = p.client;
	say(x->f, a, "m", 3);
	say(x->f, ws, "m", 4);
	fake_turn(x->w);
	/* what was queued goes where it goes on */
	hears(ws, "m", 2);
	hears(ws, "m", 3);
	hears(ws, "m", 4);
	fake_hears(ws, "");
	has_polled(&p, "");
	say(x->f, ws, "o", 5);
	say(x->f, a, "m", 6);
	fake_turn(x->w);
	hears(ws, "m", 6);
	fake_hears(ws, "");
	hears(a, "m", 1);
	hears(a, "m", 2);
	hears(a, "m", 3);
	hears(a, "m", 4);
	hears(a, "o", 5);
	hears(a, "m", 6);
	outq_kill(hub_out(x->f->hub), &p.out);
	buf_fini(&p.got);
}

/* --- a model --------------------------------------------------------------- */

static unsigned dice = 1;

static unsigned
roll(unsigned n)
{
	dice = dice * 1103515245 + 12345;
	return (dice / 65536 % n);
}

/* What each client must have heard of room r, in order. */
struct model {
	bool	 in[NCLIENTS];
	int	 heard[NCLIENTS][4000];
	int	 n[NCLIENTS];
	uint64_t deliveries;
};

static void
compare(struct fixture *x, struct model *m)
{
	int k;
	unsigned i;

	for (i = 0; i < NCLIENTS; i++) {
		x->c[i]->window = SIZE_MAX;
		x->f->hub->ports.flush(x->f, &x->c[i]->out);
		for (k = 0; k < m->n[i]; k++)
			hears(x->c[i], m->heard[i][k] % 2 ? "o" : "m",
			    m->heard[i][k]);
		fake_hears(x->c[i], "");
		m->n[i] = 0;
	}
}

static void
one_step(struct fixture *x, struct model *m, int step)
{
	unsigned i = roll(NCLIENTS), k;

	switch (roll(6)) {
	case 0:
		join(x->f, x->c[i], "r");
		m->in[i] = true;
		break;
	case 1:
		if (!m->in[i])
			break;
		leave(x->f, x->c[i], "r");
		m->in[i] = false;
		break;
	case 2:
		x->c[i]->window = roll(100);	/* it takes little */
		break;
	case 3:
		fake_turn(x->w);
		break;
	default:
		if (step % 2 && !m->in[i])
			break;	/* o is for members, and not to themselves */
		say(x->f, x->c[i], step % 2 ? "o" : "m", step);
		for (k = 0; k < NCLIENTS; k++)
			if (m->in[k] && (step % 2 == 0 || k != i))
				m->heard[k][m->n[k]++] = step,
				    m->deliveries++;
		break;
	}
}

static void
random_turns_agree_with_a_plain_model(void **state)
{
	struct fixture *x = *state;
	static struct model m;
	unsigned i;
	int step;

	for (i = 0; i < NCLIENTS; i++)
		x->c[i] = come(x, x->f, NULL);
	memset(&m, 0, sizeof m);
	begin_counting(x);
	for (step = 0; step < 20000; step++) {
		one_step(x, &m, step);
		if (step % 500 == 499) {
			fake_turn(x->w);
			compare(x, &m);
		}
	}
	assert_counted(deliveries, m.deliveries);
	assert_counted(ws_frames_out, m.deliveries);
}

/* --- many ------------------------------------------------------------------ */

#define MANY 500

static void
post(struct fake_host *f, const char *body)
{
	struct ask *later;
	struct buf out;

	buf_init(&out);
	assert_int_equal(200, api_publish(f->hub, slice_str(body), NULL, &out,
	    &later));
	fake_turn(f->world);
	buf_fini(&out);
}

static void
to_room(struct fake_host *f, unsigned i)
{
	char body[128];

	(void)snprintf(body, sizeof body, "{\"namespace\":\"n\",\"event\":"
	    "\"e\",\"meta\":false,\"room\":\"r%u\",\"data\":%u}", i, i);
	post(f, body);
}

static void
hears_number(struct fake_conn *c, unsigned i)
{
	char text[64];

	(void)snprintf(text, sizeof text, "42/n,[\"e\",%u]", i);
	fake_hears(c, text);
}

static void
many_rooms_of_one_session_are_all_found(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = come(x, x->f, NULL), *b = come(x, x->g, NULL);
	char room[16];
	unsigned i;

	for (i = 0; i < MANY; i++) {
		(void)snprintf(room, sizeof room, "r%u", i);
		join(x->f, a, room);
		if (i % 3 == 0)
			join(x->g, b, room);
		fake_turn(x->w);
	}
	assert_int_equal(counter_get(COUNTER_rooms), MANY + (MANY + 2) / 3);
	assert_int_equal(counter_get(COUNTER_memberships),
	    MANY + (MANY + 2) / 3);
	for (i = 0; i < MANY; i++) {
		to_room(x->f, i);
		hears_number(a, i);
		fake_hears(a, "");
		if (i % 3 == 0)
			hears_number(b, i);
		fake_hears(b, "");
	}
	for (i = 0; i < MANY; i += 2) {
		(void)snprintf(room, sizeof room, "r%u", i);
		leave(x->f, a, room);
	}
	fake_turn(x->w);
	for (i = 0; i < MANY; i++) {
		to_room(x->g, i);
		if (i % 2 == 1)
			hears_number(a, i);
		fake_hears(a, "");
		if (i % 3 == 0)
			hears_number(b, i);
	}
}

/* Sessions of two namespaces on each connection: 120 sids on one worker. */
static void
many_sids_are_all_found(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c[60];
	char sid[2][60][21], body[160];
	const char *nsp[2] = { "n", "" }, *t;
	unsigned i, k;

	for (i = 0; i < nitems(c); i++) {
		c[i] = fake_engine(x->f, NULL);
		fake_say(x->f, c[i], "40/n,");
		fake_say(x->f, c[i], "40");
		assert_int_equal(sid_count(x->f->hub), 2 * i + 2);
		(void)fake_next(c[i]);
		for (k = 0; k < 2; k++) {
			t = strstr(fake_next(c[i]), "\"sid\":\"");
			assert_non_null(t);
			memcpy(sid[k][i], t + 7, 20);
			sid[k][i][20] = '\0';
		}
	}
	for (i = 0; i < nitems(c); i++)
		for (k = 0; k < 2; k++) {
			(void)snprintf(body, sizeof body, "{\"namespace\":"
			    "\"%s\",\"event\":\"e\",\"meta\":false,"
			    "\"sid\":\"%.20s\",\"data\":%u}", nsp[k], sid[k][i],
			    i);
			post(x->g, body);
			post(x->f, body);
			/* of another namespace, it is nobody */
			(void)snprintf(body, sizeof body, "{\"namespace\":"
			    "\"%s\",\"event\":\"e\",\"sid\":\"%.20s\"}",
			    nsp[!k], sid[k][i]);
			post(x->f, body);
		}
	for (i = 0; i < nitems(c); i++) {
		hears_number(c[i], i);
		hears_number(c[i], i);
		(void)snprintf(body, sizeof body, "42[\"e\",%u]", i);
		fake_hears(c[i], body);
		fake_hears(c[i], body);
		fake_hears(c[i], "");
	}
}

/* --- who else is told ------------------------------------------------------ */

/* How many deliveries from f, written by now, had their time taken. */
static uint64_t
times_taken(struct fake_host *f)
{
	uint64_t sum = 0;
	unsigned i;

	latency_written(&f->hub->latency, f->world->now);
	for (i = 0; i < HISTOGRAM_BUCKETS; i++)
		sum += counters_column[CELL_HISTOGRAM +
		    HISTOGRAM_delivery_us * HISTOGRAM_CELLS + i];
	return (sum);
}

/* Each part of an audience alone, from a worker that has nobody. */
static void
workers_of_any_slot_hear_of_any_audience(void **state)
{
	static const char *const to[] = { "\"rooms\":[\"r1\",\"r9\"]",
		"\"user\":\"ann\",\"room\":\"r9\"", "\"except\":\"r9\"",
		"\"room\":\"r1\"" };
	static const unsigned slots[] = { 64, 65, 128 };
	struct fake_world *w = fake_world_of(CONF, 64);
	struct fake_host *f = fake_host_new(w, 1), *g[3];
	struct fake_conn *c[3];
	uint64_t taken;
	char body[160];
	unsigned i, k;

	(void)state;
	for (i = 0; i < 3; i++) {
		g[i] = fake_host_new(w, slots[i]);
		c[i] = come(NULL, g[i], fake_token("{\"sub\":\"ann\"}"));
		join(g[i], c[i], "r1");
		fake_turn(w);
	}
	for (k = 0; k < nitems(to); k++) {
		(void)snprintf(body, sizeof body, "{\"namespace\":\"n\","
		    "\"event\":\"e\",\"meta\":false,\"data\":%u,%s}", k,
		    to[k]);
		post(f, body);
		(void)snprintf(body, sizeof body, "42/n,[\"e\",%u]", k);
		for (i = 0; i < 3; i++)
			fake_hears(c[i], body);
	}
	/* one delivery, on its own worker, has its time taken */
	join(g[1], c[1], "own");
	fake_turn(w);
	taken = times_taken(g[1]);
	post(g[1], "{\"namespace\":\"n\",\"event\":\"e\",\"meta\":false,"
	    "\"data\":1,\"rooms\":[\"own\",\"r9\"]}");
	assert_int_equal(times_taken(g[1]), taken + 1);
	fake_hears(c[1], "42/n,[\"e\",1]");
	fake_world_free(&w);
}

static void
only_workers_with_members_are_told(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a, *b;
	char sid[21], body[160];
	unsigned n;

	a = come(x, x->f, fake_token("{\"sub\":\"ann\"}"));
	join(x->f, a, "r1");
	fake_turn(x->w);
	n = x->f->bus_sent;
	to_room(x->f, 1);			/* a room of this one only */
	to_room(x->f, 2);			/* nobody's */
	post(x->f, "{\"namespace\":\"n\",\"event\":\"e\",\"user\":\"ann\"}");
	post(x->f, "{\"namespace\":\"n\",\"event\":\"e\",\"user\":\"bob\"}");
	post(x->f, "{\"namespace\":\"n\",\"event\":\"e\"}");
	post(x->f, "{\"namespace\":\"n\",\"event\":\"e\",\"room\":\"r1\","
	    "\"user\":\"bob\",\"except\":\"r9\"}");
	assert_int_equal(x->f->bus_sent, n);

	b = fake_engine(x->g, fake_token("{\"sub\":\"bob\"}"));
	fake_say(x->g, b, "40/n,");
	(void)fake_next(b);
	memcpy(sid, strstr(fake_next(b), "\"sid\":\"") + 7, 20);
	sid[20] = '\0';
	to_room(x->f, 1);
	post(x->f, "{\"namespace\":\"n\",\"event\":\"e\",\"user\":\"ann\"}");
	assert_int_equal(x->f->bus_sent, n);
	post(x->f, "{\"namespace\":\"n\",\"event\":\"e\",\"user\":\"bob\"}");
	assert_int_equal(x->f->bus_sent, n + 1);
	/* one room here, one user there: once */
	post(x->f, "{\"namespace\":\"n\",\"event\":\"e\",\"room\":\"r1\","
	    "\"user\":\"bob\"}");
	assert_int_equal(x->f->bus_sent, n + 2);
	/* of a sid nobody knows where it is: all of its namespace */
	(void)snprintf(body, sizeof body, "{\"namespace\":\"n\",\"event\":"
	    "\"e\",\"sid\":\"%s\",\"room\":\"r1\"}", sid);
	post(x->f, body);
	assert_int_equal(x->f->bus_sent, n + 3);
	post(x->f, "{\"namespace\":\"\",\"event\":\"e\",\"sid\":"
	    "\"01234567890123456789\"}");
	assert_int_equal(x->f->bus_sent, n + 3);
	post(x->f, "{\"namespace\":\"n\",\"event\":\"e\"}");
	assert_int_equal(x->f->bus_sent, n + 4);
	assert_non_null(strstr(fake_next(b), "[\"e\""));
	assert_non_null(strstr(fake_next(b), "[\"e\""));
	assert_non_null(strstr(fake_next(b), "[\"e\""));
	assert_non_null(strstr(fake_next(b), "[\"e\""));
	fake_hears(b, "");
	fake_gone(x->g, b);
	fake_turn(x->w);
	post(x->f, "{\"namespace\":\"n\",\"event\":\"e\",\"user\":\"bob\"}");
	assert_int_equal(x->f->bus_sent, n + 4);
}

/* --- what the relay says --------------------------------------------------- */

/* Hear an envelope on f, spoilt by one byte more when it is to be bad. */
static void
relay_says(struct fixture *x, const struct bus_envelope *e, bool bad)
{
	struct buf b;
	struct slice in;

	buf_init(&b);
	assert_true(bus_encode(&b, e));
	in = buf_unread(&b);
	if (bad)
		in.n--;
	hub_bus_frame(x->f->hub, in);
	fake_turn(x->w);
	buf_fini(&b);
}

static void
events_of_users_go_to_those_who_watch_them(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a, *b;
	struct bus_envelope e = { .kind = BUS_PUBLISH, .flags = BUS_WATCHERS,
		.from = 0, .publish.nsp = SLICE("/n"),
		.publish.event = SLICE("\"here\""),
		.publish.args = SLICE("1"), .publish.to.nusers = 2 };

	a = come(x, x->f, fake_token("{\"sub\":\"ann\"}"));
	b = come(x, x->f, fake_token("{\"sub\":\"bob\"}"));
	fake_say(x->f, a,
	    "42/n,[\"presence:watch\",{\"users\":[\"bob\",\"eve\"]}]");
	fake_say(x->f, b, "42/n,[\"presence:watch\",{\"users\":[\"eve\"]}]");
	buf_reset(&a->got);
	buf_reset(&b->got);
	e.publish.to.users[0] = SLICE("nobody");
	e.publish.to.users[1] = SLICE("bob");
	relay_says(x, &e, false);
	fake_hears(a, "42/n,[\"here\",1]");
	fake_hears(a, "");
	fake_hears(b, "");	/* nor is it for bob himself */
	e.publish.to.users[0] = SLICE("eve");
	e.publish.to.nusers = 1;
	e.publish.nsp = SLICE("/nowhere");
	relay_says(x, &e, false);
	e.publish.nsp = SLICE("/n");
	relay_says(x, &e, false);
	fake_hears(a, "42/n,[\"here\",1]");
	fake_hears(b, "42/n,[\"here\",1]");
	fake_say(x->f, a, "42/n,[\"presence:unwatch\",{\"users\":[\"eve\"]}]");
	assert_int_equal(a->client->sessions->nwatches, 1);
	relay_says(x, &e, false);
	fake_hears(a, "");
	fake_hears(b, "42/n,[\"here\",1]");
}

static struct bus_envelope last_sent;
static unsigned nsent;

static bool
remember(void *host, const struct bus_envelope *e)
{
	(void)host;
	last_sent = *e;
	nsent++;
	return (true);
}

static void
who_asks_for_a_count_gets_it_if_he_can_be(void **state)
{
	struct fixture *x = *state;
	struct bus_envelope e = { .kind = BUS_PUBLISH, .flags = BUS_WANT_COUNT,
		.ref = 77, .publish.nsp = SLICE("/n"),
		.publish.event = SLICE("\"e\""), .publish.to.nrooms = 1 };
	unsigned i;
	static const struct { uint16_t from; uint64_t bits[2]; } slots[] = {
		{ 1, { 1, 0 } }, { 64, { UINT64_C(1) << 63, 0 } },
		{ 65, { 0, 1 } }, { 128, { 0, UINT64_C(1) << 63 } },
		{ 0, { 0, 0 } },	/* the relay */
	};

	e.publish.to.rooms[0] = SLICE("r");
	join(x->f, come(x, x->f, NULL), "r");
	join(x->f, come(x, x->f, NULL), "r");
	fake_turn(x->w);
	x->f->hub->ports.bus_send = remember;
	for (i = 0; i < nitems(slots); i++) {
		e.from = slots[i].from;
		nsent = 0;
		relay_says(x, &e, false);
		assert_int_equal(nsent, 1);
		assert_int_equal(last_sent.kind, BUS_COUNT);
		assert_int_equal(last_sent.count.receivers, 2);
		assert_int_equal(last_sent.ref, 77);
		assert_true(last_sent.slots[0] == slots[i].bits[0]);
		assert_true(last_sent.slots[1] == slots[i].bits[1]);
		assert_int_equal(last_sent.flags, e.from == 0 ? BUS_RELAY : 0);
	}
	nsent = 0;
	e.from = 129;
	relay_says(x, &e, false);
	assert_int_equal(nsent, 0);
}

static void
what_cannot_be_read_is_counted(void **state)
{
	struct fixture *x = *state;
	struct bus_envelope e = { .kind = BUS_PUBLISH, .from = 2,
		.publish.nsp = SLICE("/n"),
		.publish.event = SLICE("\"e\"") };

	begin_counting(x);
	relay_says(x, &e, true);
	assert_counted(bus_bad, 1);
	relay_says(x, &e, false);
	assert_counted(bus_bad, 1);
	e.kind = (enum bus_kind)99;	/* of a later version */
	relay_says(x, &e, false);
	assert_counted(bus_bad, 2);
}

/* --- counts ---------------------------------------------------------------- */

static void
a_message_is_encoded_once_for_each_form_and_counted_for_each_receiver(
    void **state)
{
	struct fixture *x = *state;
	struct refusal refusal;
	uint64_t out, bytes;
	unsigned i, round;
	const uint16_t ns = conf_namespace_find(x->w->conf, SLICE("/n"))->index;
	static const char *const bodies[] = {
		"{\"namespace\":\"n\",\"event\":\"e\",\"room\":\"r\","
		    "\"data\":123456}",
		"{\"namespace\":\"n\",\"event\":\"e\",\"rooms\":[\"r\",\"s\"],"
		    "\"data\":123456}",
		"{\"namespace\":\"n\",\"event\":\"e\",\"data\":123456}",
	};

	for (i = 0; i < 3; i++) {
		join(x->f, x->c[i] = come(x, x->f, NULL), "r");
		join(x->f, x->c[i], "s");
	}
	for (; i < 5; i++)
		assert_non_null(fake_plain(x->f, "/bare", NULL, &refusal));
	assert_non_null(fake_plain(x->f, "/n", NULL, &refusal));
	fake_turn(x->w);
	for (round = 0; round < nitems(bodies); round++) {
		begin_counting(x);
		out = counter_ns_get(ns, NS_events_out);
		bytes = counter_ns_get(ns, NS_bytes_out);
		post(x->f, bodies[round]);
		i = round == 2 ? 6 : 5;	/* the last is in no room */
		assert_counted(publications, 1);
		assert_counted(deliveries, i);
		assert_counted(ws_frames_out, i);
		assert_counted(encodings, round == 2 ? 3 : 2);
		assert_int_equal(counter_ns_get(ns, NS_events_out) - out, i);
		assert_int_equal(counter_ns_get(ns, NS_bytes_out) - bytes,
		    6 * i);
	}
	/* each once, though some are in both rooms */
	for (i = 0; i < 3; i++) {
		assert_non_null(strstr(fake_next(x->c[i]), "123456"));
		assert_non_null(strstr(fake_next(x->c[i]), "123456"));
		assert_non_null(strstr(fake_next(x->c[i]), "123456"));
		fake_hears(x->c[i], "");
	}
}

static void
comings_and_goings_are_counted(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a, *b;
	uint64_t connects = counter_ns_get(0, NS_connects);
	uint64_t ends = counter_ns_get(0, NS_disconnects);
	uint64_t sockets = counter_ns_get(0, NS_sockets);

	begin_counting(x);
	a = come(x, x->f, NULL);
	b = come(x, x->f, NULL);
	assert_counted(ns_connects, 2);
	assert_counted(sessions, 2);
	assert_int_equal(counter_ns_get(0, NS_connects), connects + 2);
	assert_int_equal(counter_ns_get(0, NS_sockets), sockets + 2);
	assert_counted(acks_out, 0);
	fake_say(x->f, a, "42/n,5[\"room:join\",{\"room\":\"r\"}]");
	fake_say(x->f, a, "42/n,6[\"room:join\",{\"room\":\"r\"}]");
	assert_counted(acks_out, 2);
	assert_counted(joins, 1);	/* the second was in it */
	assert_counted(memberships, 1);
	fake_say(x->f, b, "41/n,");
	fake_gone(x->f, a);
	assert_counted(sessions, 0);
	assert_counted(memberships, 0);
	assert_counted(leaves, 1);
	assert_int_equal(counter_ns_get(0, NS_disconnects), ends + 2);
	assert_int_equal(counter_ns_get(0, NS_sockets), sockets);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(messages_of_one_turn_to_one_room_are_kept_together),
		T(volatile_events_pass_by_who_is_blocked_each_of_them),
		T(a_volatile_answer_passes_by_its_sender_when_blocked),
		T(after_much_in_one_turn_volatile_events_are_dropped),
		T(who_comes_and_goes_within_a_turn_gets_what_was_sent_meanwhile),
		T(who_moves_within_a_turn_gets_each_once_and_in_order),
		T(random_turns_agree_with_a_plain_model),
		T(many_rooms_of_one_session_are_all_found),
		T(many_sids_are_all_found),
		T(only_workers_with_members_are_told),
		cmocka_unit_test(workers_of_any_slot_hear_of_any_audience),
		T(events_of_users_go_to_those_who_watch_them),
		T(who_asks_for_a_count_gets_it_if_he_can_be),
		T(what_cannot_be_read_is_counted),
		T(comings_and_goings_are_counted),
		T(a_message_is_encoded_once_for_each_form_and_counted_for_each_receiver),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
