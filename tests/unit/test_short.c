/*
 * Short of memory: one scenario of two workers, run again and again, in which
 * another allocation fails each time (once, or from then on).  Nothing may
 * crash, hang or leak; somebody counts it; and when there is memory again, who
 * comes then is served as ever.
 */
#include "check.h"
#include "fake_host.h"
#include "short_memory.h"
#include "hub/audience/room.h"
#include "hub/audience/sids.h"
#include "hub/backend/ask.h"
#include "hub/hub_int.h"
#include "hub/backend/members.h"
#include "hub/queue/wire.h"
#include "hub/recover/recover_int.h"
#include "shm/count.h"

#define CONF \
	"jwt { secret = \"" FAKE_SECRET "\" algorithms = {\"HS256\"} }\n" \
	"recovery { window = 2m packets = 50 bytes = 20KB }\n" \
	"limits { per_user = 20 rooms_per_session = 9 }\n" \
	"rate \"r\" { per = user allow = 500/1s }\n" \
	"namespace \"/n\" { auth = optional presence = rooms sessions = 50\n" \
	"  room \"{r}\" { join = open }\n" \
	"  event \"say\" { to = room:room ack = delivered rate = \"r\" }\n" \
	"  event \"tell\" { to = user:user ack = accepted as = \"told\" }\n" \
	"  event \"all\" { to = namespace self = true confirm = \"sure\" }\n" \
	"  event \"dots\" { to = room:room volatile = true }\n" \
	"  event \"q\" { to = sender meta = off ack = echo }\n" \
	"  event \"big\" { to = sender meta = off ack = delivered } }\n" \
	"namespace \"/\" { auth = optional }\n" \
	"route \"/bare\" { namespace = \"/n\" join = \"r\" format = bare }\n"

/* --- the host, which has memory -------------------------------------------- */

static struct hub_ports real;

static bool
bus_send(void *host, const struct bus_envelope *e)
{
	bool was = armed, ok;

	armed = false;
	ok = real.bus_send(host, e);
	armed = was;
	return (ok);
}

static void
flush(void *host, struct outq *q)
{
	bool was = armed;

	armed = false;
	real.flush(host, q);
	armed = was;
}

static void
answered(void *host, void *asker, int status, struct slice body)
{
	bool was = armed;

	armed = false;
	real.answered(host, asker, status, body);
	armed = was;
}

static struct fake_host *
host(struct fake_world *w, unsigned slot)
{
	struct fake_host *f = fake_host_new(w, slot);

	real = f->hub->ports;
	f->hub->ports.bus_send = bus_send;
	f->hub->ports.flush = flush;
	f->hub->ports.answered = answered;
	return (f);
}

/* Whoever is to go goes, as the worker sees to it at the end of a turn. */
static void
sweep(struct fake_host *f)
{
	struct fake_conn *c;
	size_t i;

	for (i = 0; i < f->nconns; i++) {
		c = &f->conns[i];
		if (c->client != NULL && (c->closed >= 0 || c->out.lossy))
			fake_gone(f, c);
	}
}

static void
turn(struct fake_world *w)
{
	fake_turn(w);
	sweep(w->hosts[0]);
	sweep(w->hosts[1]);
	fake_turn(w);
}

static void
say(struct fake_host *f, struct fake_conn *c, const char *text)
{
	static uint8_t copy[4096];
	size_t n = strlen(text);

	if (c->client != NULL && c->closed < 0) {
		memcpy(copy, text, n + 1);
		client_text(c->client, copy, n);
	}
	turn(f->world);
}

static void
send_binary(struct fake_host *f, struct fake_conn *c, const char *bytes)
{
	uint8_t copy[64];
	size_t n = strlen(bytes);

	if (c->client != NULL && c->closed < 0) {
		memcpy(copy, bytes, n);
		client_binary(c->client, copy, n);
	}
	turn(f->world);
}

enum kind { ENGINE, ENGINE_POLLING, ENGINE_UPGRADES, PLAIN, BARE };

/* Somebody comes; his client is NULL when that fails. */
static struct fake_conn *
come(struct fake_host *f, enum kind kind, const char *token)
{
	struct client_request q = { .token = slice_str(token) };
	struct fake_conn *c = &f->conns[f->nconns++];
	struct refusal refusal;
	struct admission a;
	bool ok = true;

	assert_true(f->nconns <= FAKE_CONNS);
	c->closed = -1;
	c->window = SIZE_MAX;
	buf_init(&c->got);
	if (kind == BARE) {
		q.route = conf_route_find(f->world->conf, SLICE("/bare"),
		    q.values);
		q.ns = q.route->ns;
	} else if (kind == PLAIN)
		q.ns = conf_namespace_find(f->world->conf, SLICE("/n"));
	if (q.ns == NULL)
		engine_admit(f->hub, &q, &a);
	else
		ok = plain_admit(f->hub, &q, &a, &refusal);
	if (ok && q.ns != NULL)
		c->client = plain_open(f->hub, &a, &c->out);
	else if (ok && (kind == ENGINE_POLLING || kind == ENGINE_UPGRADES))
		c->client = engine_open_polling(f->hub, &a,
		    kind == ENGINE_POLLING, &c->out);
	else if (ok)
		c->client = engine_open(f->hub, &a, false, &c->out);
	admission_fini(&a);
	if (c->client == NULL)
		outq_kill(hub_out(f->hub), &c->out);
	turn(f->world);
	return (c);
}

/* --- the scenario ---------------------------------------------------------- */

typedef int api(struct hub *, struct slice user, struct slice body,
    void *asker, struct buf *out, struct ask **later);

static int
publish_as(struct hub *h, struct slice user, struct slice body, void *asker,
    struct buf *out, struct ask **later)
{
	(void)user;
	return (api_publish(h, body, asker, out, later));
}

static int
batch_as(struct hub *h, struct slice user, struct slice body, void *asker,
    struct buf *out, struct ask **later)
{
	(void)user;
	(void)asker;
	(void)later;
	return (api_batch(h, body, out));
}

static void
post(struct fake_host *f, api *what, const char *user, const char *body)
{
	struct ask *later = NULL;
	struct buf out;
	int status;

	buf_init(&out);
	status = what(f->hub, slice_str(user), slice_str(body), f, &out,
	    &later);
	assert_true(later != NULL ? status == 0 : status >= 200);
	/* what is said to be published has an id */
	buf_byte(&out, '\0');
	if (status == 200 && !out.oom)
		assert_null(strstr((const char *)out.data, "\"id\":\"\""));
	turn(f->world);
	fake_advance(f->world, 6000);	/* nobody is waited for any longer */
	turn(f->world);
	buf_fini(&out);
}

static void
read_presence(struct fake_host *f)
{
	struct api_presence q = { .ns = SLICE("n"), .limit = 10 };
	struct buf out;

	buf_init(&out);
	assert_true(api_presence(f->hub, &q, &out) >= 200);
	q.user = SLICE("ann");
	assert_true(api_presence(f->hub, &q, &out) >= 200);
	buf_fini(&out);
}

static const char *const lines[] = {
	"42/n,1[\"room:join\",{\"room\":\"r\"}]",
	"42/n,2[\"room:join\",{\"room\":\"s\"}]",
	"42/n,3[\"presence:watch\",{\"users\":[\"ann\",\"bob\"]}]",
	"42/n,4[\"presence:set\",{\"status\":\"away\"}]",
	"42/n,5[\"presence:get\",{\"users\":[\"ann\",\"bob\",\"eve\"]}]",
	"42/n,6[\"presence:get\",{\"room\":\"r\"}]",
	"42/n,7[\"say\",{\"room\":\"r\",\"n\":1}]",
	"42/n,8[\"tell\",{\"user\":\"ann\",\"n\":2}]",
	"42/n,[\"all\",{\"n\":3}]",
	"42/n,[\"dots\",{\"room\":\"r\"}]",
	"42/n,9[\"q\",\"echo\"]",
	"42/n,10[\"nothing\"]",
	"42/n,11[\"roost:ping\"]",
	"42/n,12[\"room:leave\",{\"room\":\"s\"}]",
	"42/n,13[\"presence:unwatch\",{\"users\":[\"bob\"]}]",
	"2", "3",
};

static unsigned
times_sent(const struct fake_conn *c, const char *text)
{
	struct slice got = buf_unread(&c->got);
	size_t i, n = strlen(text);
	unsigned times = 0;

	for (i = 0; i + n <= got.n; i++)
		times += memcmp(got.p + i, text, n) == 0;
	return (times);
}

/* What is said to be delivered is; so much of a turn needs memory. */
static void
deliver(struct fake_host *f, struct fake_conn *c)
{
	char text[4000];
	unsigned i;

	for (i = 0; i < 20 && c->client != NULL && c->closed < 0; i++) {
		(void)snprintf(text, sizeof text,
		    "42/n,14[\"big\",\"%03900d\"]", 0);
		client_text(c->client, (uint8_t *)text, strlen(text));
	}
	turn(f->world);
	/* the answer itself may be missing */
	assert_true(times_sent(c, "\"delivered\":1") <=
	    times_sent(c, "42/n,[\"big\""));
}

/* pid of the reply to CONNECT, which is what c was sent second; or "". */
static void
pid_of(struct fake_conn *c, char pid[21])
{
	struct slice got = buf_unread(&c->got);
	size_t i;

	pid[0] = '\0';
	for (i = 0; i + 27 < got.n; i++)
		if (memcmp(got.p + i, "\"pid\":\"", 7) == 0) {
			memcpy(pid, got.p + i + 7, 20);
			pid[20] = '\0';
		}
}

static void
cut_and_back(struct fake_host *from, struct fake_host *to,
    struct fake_conn *c, const char *pid, const char *token)
{
	char text[128];

	if (c->client != NULL)
		fake_gone(from, c);
	turn(from->world);
	post(to, publish_as, "", "{\"namespace\":\"n\",\"event\":\"missed\","
	    "\"room\":\"r\",\"args\":[1,2]}");
	c = come(to, ENGINE, token);
	(void)snprintf(text, sizeof text, "40/n,{\"pid\":\"%s\"}", pid);
	say(to, c, text);
	say(to, c, "42/n,9[\"q\",\"here\"]");
}

static void
scenario(struct fake_world *w, const char *ann, const char *bob)
{
	struct fake_host *f = w->hosts[0], *g = w->hosts[1];
	struct fake_conn *a, *b, *p, *plain, *bare;
	char pid_a[21], pid_b[21], pid_p[21];
	unsigned i;

	a = come(f, ENGINE, ann);
	b = come(g, ENGINE, bob);
	p = come(f, ENGINE_POLLING, "");
	plain = come(f, PLAIN, ann);
	bare = come(g, BARE, "");
	say(f, a, "40/n,");
	say(f, a, "40/,");
	say(g, b, "40/n,");
	say(f, p, "40/n,");
	pid_of(a, pid_a);
	pid_of(b, pid_b);
	pid_of(p, pid_p);
	deliver(f, a);
	for (i = 0; i < nitems(lines); i++) {
		say(f, a, lines[i]);
		say(g, b, lines[i]);
		say(f, p, lines[i]);
	}
	say(f, plain, "{\"event\":\"room:join\",\"data\":{\"room\":\"r\"},"
	    "\"id\":1}");
	say(f, plain, "{\"event\":\"say\",\"data\":{\"room\":\"r\"},\"id\":2}");
	say(g, bare, "{\"n\":1}");
	/* an attachment, as binary and as text */
	say(f, a, "452-/n,[\"q\",{\"_placeholder\":true,\"num\":0},"
	    "{\"_placeholder\":true,\"num\":1}]");
	send_binary(f, a, "one");
	send_binary(f, a, "two");
	post(f, publish_as, "", "{\"namespace\":\"n\",\"event\":\"e\","
	    "\"room\":\"r\",\"data\":{\"x\":1},\"id\":\"once\"}");
	post(g, publish_as, "", "{\"namespace\":\"n\",\"event\":\"e\","
	    "\"rooms\":[\"r\",\"s\"],\"user\":\"ann\",\"except\":\"s\"}");
	post(f, publish_as, "", "{\"namespace\":\"n\",\"event\":\"ask\","
	    "\"data\":1,\"ack\":true}");
	post(f, batch_as, "", "[{\"namespace\":\"n\",\"event\":\"e\"},"
	    "{\"namespace\":\"n\",\"event\":\"f\",\"room\":\"r\"}]");
	post(f, api_rooms, "ann", "{\"namespace\":\"n\",\"join\":[\"x\"],"
	    "\"leave\":[\"r\"]}");
	read_presence(f);
	cut_and_back(f, f, a, pid_a, ann);
	cut_and_back(g, f, b, pid_b, bob);
	cut_and_back(f, f, p, pid_p, "");	/* in another form */
	post(g, api_disconnect, "bob", "{\"namespace\":\"n\"}");
	fake_advance(w, 30000);
	turn(w);
}

/* With memory: somebody comes to each worker and is heard by the other. */
static void
all_is_well(struct fake_world *w)
{
	struct fake_host *f = w->hosts[0], *g = w->hosts[1];
	struct fake_conn *a = come(f, ENGINE, ""), *b = come(g, ENGINE, "");

	say(f, a, "40/n,");
	say(g, b, "40/n,");
	say(f, a, "42/n,[\"room:join\",{\"room\":\"late\"}]");
	say(g, b, "42/n,[\"room:join\",{\"room\":\"late\"}]");
	buf_reset(&a->got);
	buf_reset(&b->got);
	say(f, a, "42/n,7[\"say\",{\"room\":\"late\"}]");
	assert_non_null(strstr(fake_next(b), "42/n,[\"say\",{\"room\""));
	assert_non_null(strstr(fake_next(a), "\"delivered\":1"));
}

/* When all have gone, and nobody may come back, nothing is counted or kept. */
static void
nothing_is_left(struct fake_world *w)
{
	static const struct { enum count_kind kind; struct slice key; } of[] = {
		{ COUNT_NAMESPACE, SLICE("/n") }, { COUNT_USER, SLICE("ann") },
		{ COUNT_USER, SLICE("bob") }, { COUNT_PARKED, SLICE("ann") },
		{ COUNT_PARKED, SLICE("bob") },
	};
	struct fake_conn *c;
	size_t i, j;

	for (i = 0; i < w->nhosts; i++)
		for (j = 0; j < w->hosts[i]->nconns; j++) {
			c = &w->hosts[i]->conns[j];
			if (c->client != NULL)
				fake_gone(w->hosts[i], c);
		}
	fake_turn(w);
	fake_advance(w, 121000);
	for (i = 0; i < nitems(of); i++)
		assert_int_equal(0, count_of(w->hosts[0]->count, of[i].kind,
		    of[i].key));
	assert_int_equal(0, counter_get(COUNTER_recovery_parked));
	assert_int_equal(0, counter_get(COUNTER_recovery_held_bytes));
}

/* How often an allocation failed; what was counted for it. */
static unsigned
run(long at, bool on, uint64_t *counted)
{
	static char ann[512], bob[512];
	const enum counter of[] = { COUNTER_memory_failures,
		COUNTER_dropped_memory, COUNTER_ask_answers_dropped };
	struct fake_world *w = fake_world_new(CONF);
	uint64_t before = 0, after = 0;
	unsigned i;

	(void)host(w, 1);
	(void)host(w, 2);
	if (ann[0] == '\0') {
		(void)snprintf(ann, sizeof ann, "%s",
		    fake_token("{\"sub\":\"ann\"}"));
		(void)snprintf(bob, sizeof bob, "%s",
		    fake_token("{\"sub\":\"bob\"}"));
	}
	for (i = 0; i < nitems(of); i++)
		before += counter_get(of[i]);
	arm(at, on);
	scenario(w, ann, bob);
	armed = false;
	for (i = 0; i < nitems(of); i++)
		after += counter_get(of[i]);
	*counted += after - before;
	if (!on)	/* one loss is counted once */
		assert_true(after - before <= 1);
	all_is_well(w);
	nothing_is_left(w);
	fake_world_free(&w);
	assert_int_equal(counter_get(COUNTER_sessions), 0);
	assert_int_equal(counter_get(COUNTER_memberships), 0);
	assert_int_equal(counter_get(COUNTER_rooms), 0);
	assert_int_equal(counter_get(COUNTER_asks_open), 0);
	return (nfailed);
}

static void
any_one_allocation_may_fail(void **state)
{
	uint64_t counted = 0;
	long at;

	(void)state;
	for (at = 0; run(at, false, &counted) > 0; at++)
		continue;
	assert_true(at > 200);
	assert_true(counted > (uint64_t)at / 2);
}

static void
there_may_be_no_memory_from_any_point_on(void **state)
{
	uint64_t counted = 0;
	long at;

	(void)state;
	for (at = 0; run(at, true, &counted) > 0; at += 3)
		continue;
	assert_true(counted > (uint64_t)at / 3);
	assert_true(counter_get(COUNTER_dropped_memory) > 0);
	assert_true(counter_get(COUNTER_memory_failures) > 0);
	/* and some clients had to go for it */
	assert_true(counters_column[CELL_CLIENT + REASON_memory] > 0);
}

/* --- one answer ------------------------------------------------------------ */

/* What a client is told is whole, or it is not told, which is counted; who is
 * owed an answer goes then. */
static unsigned
told_whole(long at, const char *line, const char *want, bool owed)
{
	struct fake_world *w = fake_world_new(CONF);
	struct fake_host *f = host(w, 1), *g = host(w, 2);
	struct fake_conn *a = come(f, ENGINE, "");
	uint8_t copy[64];
	uint64_t before;
	bool gone;

	(void)g;
	memcpy(copy, line, strlen(line) + 1);
	say(f, a, "40/n,");
	buf_reset(&a->got);
	before = counter_get(COUNTER_memory_failures) +
	    counter_get(COUNTER_dropped_memory);
	arm(at, false);
	client_text(a->client, copy, strlen(line));
	armed = false;
	gone = a->out.lossy || a->closed >= 0;
	fake_turn(w);
	if (times_sent(a, want) == 0) {
		assert_true(gone || !owed);
		assert_int_equal(counter_get(COUNTER_memory_failures) +
		    counter_get(COUNTER_dropped_memory) - before, 1);
		assert_int_equal(a->got.wpos, 0);
	}
	sweep(f);
	fake_turn(w);
	fake_world_free(&w);
	return (nfailed);
}

static void
an_answer_is_whole_or_its_client_goes(void **state)
{
	static const struct {
		const char *line, *want;
		bool owed;
	} t[] = {
		{ "42/n,10[\"nothing\"]", "43/n,10[{\"error\":"
		    "{\"code\":\"unknown_event\",\"message\":"
		    "\"unknown event\"}}]", true },
		{ "42/n,[\"nothing\"]", "42/n,[\"error\","
		    "{\"code\":\"unknown_event\",\"message\":"
		    "\"unknown event\",\"event\":\"nothing\"}", false },
		{ "40{\"token\":\"x\"}", "\"data\":{\"code\":"
		    "\"unauthorized\",\"reason\":\"malformed\"}}", true },
	};
	size_t i;
	long at;

	(void)state;
	for (i = 0; i < nitems(t); i++) {
		for (at = 0; told_whole(at, t[i].line, t[i].want,
		    t[i].owed) > 0; at++)
			continue;
		assert_true(at > 0);
	}
}

/* --- on the way to another worker ------------------------------------------ */

/* It is told to join a room: it is in it, or that is counted. */
static unsigned
joins_on_the_way(long at)
{
	struct fake_world *w = fake_world_new(CONF);
	struct fake_host *f = host(w, 1), *g = host(w, 2);
	struct fake_conn *a = come(f, ENGINE, ""), *c;
	uint64_t before = counter_get(COUNTER_memory_failures), counted;
	char pid[21], sid[21], text[96];
	const struct slice join = SLICE("late");
	struct session *s;

	say(f, a, "40/n,");
	pid_of(a, pid);
	(void)fake_next(a);
	memcpy(sid, fake_next(a) + 13, 20);
	sid[20] = '\0';
	fake_gone(f, a);
	turn(w);
	c = come(g, ENGINE, "");
	(void)snprintf(text, sizeof text, "40/n,{\"pid\":\"%s\"}", pid);
	client_text(c->client, (uint8_t *)text, strlen(text));
	assert_true(fake_carry(g));
	assert_true(fake_carry(f));	/* made on g */
	recover_forward_rooms(sid_find(f->hub, slice_str(sid)), &join, 1, NULL,
	    0);
	arm(at, false);
	assert_true(fake_carry(f));	/* the room */
	armed = false;
	counted = counter_get(COUNTER_memory_failures) - before;
	s = sid_find(g->hub, slice_str(sid));
	if (s != NULL)	/* or it begins anew */
		assert_int_equal(counted, room_membership(s, ROOM_NAMED,
		    SLICE("late")) == NULL);
	turn(w);
	fake_world_free(&w);
	return ((unsigned)counted);
}

static void
a_room_that_cannot_be_joined_on_the_way_is_counted(void **state)
{
	unsigned n = 0;
	long at;

	(void)state;
	for (at = 0; at < 12; at++)
		n += joins_on_the_way(at);
	assert_true(n > 0);
	assert_int_equal(joins_on_the_way(1000), 0);
}

/* --- orders of back ends ---------------------------------------------------- */

/* false: all of it was done. */
static bool
is_cut_short(api *what, const char *body, const char *done, long at)
{
	struct fake_world *w = fake_world_new(CONF);
	struct fake_host *f = host(w, 1);
	struct ask *later = NULL;
	struct buf out;
	int status;
	bool cut;

	(void)host(w, 2);
	(void)come(f, PLAIN, "");
	turn(w);
	buf_init(&out);
	assert_true(buf_reserve(&out, 4096));
	arm(at, true);
	status = what(f->hub, SLICE(""), slice_str(body), f, &out, &later);
	armed = false;
	for_good = false;
	assert_null(later);
	assert_true(status == 200 || status == 503);
	buf_byte(&out, '\0');
	cut = strstr((const char *)out.data, done) == NULL;
	if (cut)
		assert_null(strstr((const char *)out.data,
		    "\"complete\":true"));
	buf_fini(&out);
	turn(w);
	fake_world_free(&w);
	return (cut);
}

static void
an_order_that_memory_cuts_short_is_not_complete(void **state)
{
	long at;

	(void)state;
	for (at = 0; is_cut_short(api_disconnect,
	    "{\"namespace\":\"n\",\"all\":true}",
	    "{\"disconnected\":1,\"complete\":true}", at); at++)
		continue;
	assert_true(at > 1);
	for (at = 0; is_cut_short(api_rooms,
	    "{\"namespace\":\"n\",\"all\":true,\"join\":\"x\"}",
	    "{\"sessions\":1,\"complete\":true}", at); at++)
		continue;
	assert_true(at > 2);
}

/* --- what was missed ------------------------------------------------------- */

/* Back here with the pid, an allocation fails: all that was missed is told, or
 * the session is a new one, or the client goes. */
static unsigned
back_with_all(long at)
{
	struct fake_world *w = fake_world_new(CONF);
	struct fake_host *f = host(w, 1), *g = host(w, 2);
	struct fake_conn *a = come(f, ENGINE, ""), *c;
	char pid[21], again[21], text[96], event[5200];
	unsigned i;

	(void)g;
	say(f, a, "40/n,");
	pid_of(a, pid);
	fake_gone(f, a);
	turn(w);
	(void)snprintf(event, sizeof event, "{\"namespace\":\"n\","
	    "\"event\":\"missed\",\"data\":\"%05000d\"}", 0);
	for (i = 0; i < 3; i++)
		post(f, publish_as, "", event);
	c = come(f, ENGINE, "");
	(void)snprintf(text, sizeof text, "40/n,{\"pid\":\"%s\"}", pid);
	arm(at, false);
	client_text(c->client, (uint8_t *)text, strlen(text));
	armed = false;
	i = c->out.lossy || c->closed >= 0;
	turn(w);
	pid_of(c, again);
	if (i == 0 && strcmp(pid, again) == 0)
		assert_int_equal(times_sent(c, "\"missed\""), 3);
	else if (nfailed == 0)
		fail();
	fake_world_free(&w);
	return (nfailed);
}

static void
what_was_missed_is_told_whole_or_the_session_is_new(void **state)
{
	long at;

	(void)state;
	for (at = 0; back_with_all(at) > 0; at++)
		continue;
	assert_true(at > 2);
}

/* --- what was lost --------------------------------------------------------- */

/* Without a turn between. */
static void
text_to(struct fake_conn *c, const char *text)
{
	static uint8_t copy[1024];
	size_t n = strlen(text);

	assert_true(n < sizeof copy);
	memcpy(copy, text, n + 1);
	if (c->closed < 0)
		client_text(c->client, copy, n);
}

/* Two rooms hear of something by turns while memory is short, so that it is
 * many references. */
static void
much_at_once(struct fake_conn *c, long at)
{
	unsigned i;

	arm(at, false);
	for (i = 0; i < 12; i++) {
		text_to(c, "42/n,[\"all\",{\"n\":3}]");
		text_to(c, "42/n,[\"say\",{\"room\":\"r\"}]");
	}
	armed = false;
}

static void
enter(struct fake_host *f, struct fake_conn *c)
{
	say(f, c, "40/n,");
	say(f, c, "42/n,[\"room:join\",{\"room\":\"r\"}]");
}

/* Something cannot be queued for a: it goes, and comes back for it; or it had
 * gone before, and comes back in the same turn. */
static unsigned
back_after_a_loss(long at, bool parked, unsigned *lost)
{
	struct fake_world *w = fake_world_new(CONF);
	struct fake_host *f = host(w, 1), *g = host(w, 2);
	struct fake_conn *a = come(f, ENGINE, ""), *b = come(f, ENGINE, "");
	struct fake_conn *c = come(f, ENGINE, "");
	char pid[21], again[21], text[96];
	bool lossy;

	(void)g;
	enter(f, a);
	enter(f, b);
	pid_of(a, pid);
	if (parked)
		fake_gone(f, a);
	turn(w);
	much_at_once(b, at);
	if (parked) {
		lossy = recover_find(f->hub, slice_str(pid))->out.lossy;
	} else {
		lossy = a->out.lossy;
		a->closed = REASON_slow_consumer;
		fake_gone(f, a);
		turn(w);
	}
	(void)snprintf(text, sizeof text, "40/n,{\"pid\":\"%s\"}", pid);
	say(f, c, text);
	pid_of(c, again);
	if (lossy) {
		++*lost;
		assert_string_not_equal(pid, again);
	} else if (nfailed == 0)
		assert_string_equal(pid, again);
	fake_world_free(&w);
	return (nfailed);
}

static void
who_has_lost_something_is_not_recovered(void **state)
{
	unsigned lost;
	int parked;
	long at;

	(void)state;
	for (parked = 0; parked < 2; parked++) {
		lost = 0;
		for (at = 0; back_after_a_loss(at, parked, &lost) > 0; at++)
			continue;
		assert_true(lost > 0);
	}
}

/* A session moves to its WebSocket in the turn in which memory was short, or
 * while it is: it has all that was queued, or that WebSocket ends. */
static unsigned
upgraded_whole(long at, bool before, unsigned *lost)
{
	struct fake_world *w = fake_world_new(CONF);
	struct fake_host *f = host(w, 1), *g = host(w, 2);
	struct fake_conn *p = come(f, ENGINE_UPGRADES, ""), *ws;
	struct fake_conn *b = come(f, ENGINE, "");
	char bytes[802];
	bool moved, lossy;

	(void)g;
	memset(bytes, 'Z', sizeof bytes);
	bytes[0] = 'b';
	bytes[801] = '\0';
	enter(f, p);
	enter(f, b);
	ws = &f->conns[f->nconns++];
	ws->closed = -1;
	ws->window = SIZE_MAX;
	buf_init(&ws->got);
	text_to(p, "451-/n,[\"q\",{\"_placeholder\":true,\"num\":0}]");
	text_to(p, bytes);
	much_at_once(b, before ? at : 10000);
	lossy = p->out.lossy;
	if (!before) {
		left = at;
		nfailed = 0;
		armed = true;
	}
	moved = engine_upgrade(p->client, &ws->out, DEFLATE_NONE);
	armed = false;
	ws->client = p->client;
	p->client = NULL;
	outq_kill(hub_out(f->hub), &p->out);
	if (lossy)
		assert_true(ws->out.lossy);
	lossy = !moved || ws->out.lossy;
	fake_turn(w);
	if (lossy) {
		++*lost;
	} else if (!before) {
		assert_int_equal(times_sent(ws, "[\"all\""), 12);
		assert_int_equal(times_sent(ws, "[\"say\""), 12);
		assert_int_equal(times_sent(ws, "\x65\x96\x59"), 200);
	}
	fake_gone(f, ws);
	fake_world_free(&w);
	return (nfailed);
}

static void
a_websocket_takes_over_all_or_ends(void **state)
{
	unsigned lost;
	int before;
	long at;

	(void)state;
	for (before = 0; before < 2; before++) {
		lost = 0;
		for (at = 0; upgraded_whole(at, before, &lost) > 0; at++)
			continue;
		assert_true(lost > 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_room_that_cannot_be_joined_on_the_way_is_counted),
		cmocka_unit_test(
		    what_was_missed_is_told_whole_or_the_session_is_new),
		cmocka_unit_test(who_has_lost_something_is_not_recovered),
		cmocka_unit_test(a_websocket_takes_over_all_or_ends),
		cmocka_unit_test(an_answer_is_whole_or_its_client_goes),
		cmocka_unit_test(
		    an_order_that_memory_cuts_short_is_not_complete),
		cmocka_unit_test(any_one_allocation_may_fail),
		cmocka_unit_test(there_may_be_no_memory_from_any_point_on),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
