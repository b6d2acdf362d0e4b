/*
 * Sessions in Redis, against one that answers when the test wants: what is
 * written and when, who is given a session that another host had, and what is
 * refused.
 */
#include "relay/store/keep.h"

#include <inttypes.h>
#include <unistd.h>

#include "proto/bus.h"
#include "relay/local/feed.h"
#include "relay/redis/key.h"
#include "relay/redis/redis.h"
#include "relay/store/keep_sessions.h"
#include "relay/store/remote.h"
#include "relay/store/remote_script.h"
#include "shm/counters.h"
#include "shm/interest.h"
#include "shm/slots.h"
#include "sys/timer.h"
#include "tests/lib/conf_text.h"
#include "tests/lib/slot_peer.h"

#define LIMIT	(1u << 20)
#define PID	"KZGaJiYwfs_kqvmBAABx"
#define KEY	"p:session:n:" PID
#define NODE	"000000000000002a"
#define OTHER	"000000000000002b"
#define ASKS	64

static struct conf *conf;
static struct wheel wheel;
static struct loop *loop;
static struct exchange x;
static struct segment *segment;
static struct keep *k;
static struct buf said;
static struct interest *interest;	/* of slot 1 */
static struct peer *peers[3];
static int far_end[3];
static uint64_t counted[COUNTER__MAX];
static bool up;
static struct redis *const redis = (struct redis *)&up;

#define assert_counted(name, n) \
	assert_int_equal(counter_get(COUNTER_##name) - \
	    counted[COUNTER_##name], n)

/* --- a Redis ---------------------------------------------------------------*/

static struct {
	struct buf	 argv[160];
	size_t		 n;
	commands_cb	*cb;
	void		*arg;
} asked[ASKS];
static unsigned nasked, nanswered, npublished;

bool
redis_can_publish(const struct redis *r)
{
	(void)r;
	return (up);
}

bool
redis_hears(struct redis *r, struct slice channel)
{
	(void)r;
	(void)channel;
	return (up);
}

struct slice
redis_verb(const struct redis *r)
{
	(void)r;
	return (SLICE("PUBLISH"));
}

struct slice
redis_name_at(struct redis *r, struct buf *b, struct slice channel,
    struct slice name)
{
	(void)r;
	(void)channel;
	buf_reset(b);
	buf_slice(b, name);
	return (buf_unread(b));
}

bool
redis_publish(struct redis *r, struct slice channel, struct slice payload,
    commands_cb *cb, void *arg)
{
	(void)r;
	(void)cb;
	(void)arg;
	assert_slice(channel, "p:journal:/n");
	assert_true(slice_starts(payload, SLICE("ROOSTS1 o" NODE)));
	npublished++;
	return (true);
}

bool
redis_command_at(struct redis *r, struct slice channel,
    const struct slice *argv, size_t n, commands_cb *cb, void *arg)
{
	size_t i;

	(void)r;
	assert_slice(channel, "p:journal:/n");
	if (!up)
		return (false);
	assert_true(nasked < ASKS && n <= nitems(asked[0].argv));
	for (i = 0; i < n; i++) {
		buf_init(&asked[nasked].argv[i]);
		buf_slice(&asked[nasked].argv[i], argv[i]);
	}
	asked[nasked].n = n;
	asked[nasked].cb = cb;
	asked[nasked++].arg = arg;
	return (true);
}

static struct slice
arg_of(unsigned ask, size_t i)
{
	assert_true(ask < nasked && i < asked[ask].n);
	return (buf_unread(&asked[ask].argv[i]));
}

static void
answer(const struct reply *o)
{
	unsigned i = nanswered++;

	assert_true(i < nasked);
	asked[i].cb(asked[i].arg, o);
}

static void
answer_text(enum reply_type type, const char *text)
{
	struct reply o = { .type = type, .text = slice_str(text) };

	answer(&o);
}

static void
answer_take(const char *what, struct slice data)
{
	struct reply a = { .type = REPLY_STRING, .text = slice_str(what) };
	struct reply b = { .type = REPLY_STRING, .text = data };
	struct reply *v[2] = { &a, &b };
	struct reply o = { .type = REPLY_ARRAY, .elements = v, .n = 2 };

	answer(&o);
}

/* Where the journal stands; entry: the newest, or nothing. */
static int64_t base;		/* behind which its epoch began */

static void
answer_journal_as(const char *epoch, int64_t top, struct slice entry,
    enum bus_store result)
{
	static struct reply parts[10];
	static struct reply *v[10];
	struct reply o = { .type = REPLY_ARRAY, .elements = v,
		.n = entry.n == 0 ? 8 : 10 };
	size_t i;

	memset(parts, 0, sizeof parts);
	for (i = 0; i < nitems(parts); i++) {
		v[i] = &parts[i];
		parts[i].type = REPLY_INTEGER;
	}
	parts[0].type = REPLY_STRING;
	parts[0].text = slice_str(epoch);
	parts[1].integer = top;
	parts[2].integer = entry.n == 0 ? 0 : top;
	parts[3].integer = base;
	parts[4].integer = result;
	parts[6].integer = entry.n == 0 ? 0 : top;
	parts[9].type = REPLY_STRING;
	parts[9].text = entry;
	assert_slice(arg_of(nanswered, 3), "p:journal-state:n");
	answer(&o);
}

static void
answer_journal(const char *epoch, int64_t top, struct slice entry)
{
	answer_journal_as(epoch, top, entry, BUS_STORE_OK);
}

/* --- the link --------------------------------------------------------------*/

static struct slice
channel(void *arg, struct buf *b, const struct store_key *key)
{
	(void)arg;
	buf_reset(b);
	buf_str(b, "p:journal:");
	buf_slice(b, key->nsp);
	return (buf_unread(b));
}

static bool
seal(void *arg, struct buf *b)
{
	(void)arg;
	buf_byte(b, '!');
	return (true);
}

static bool
unseal(void *arg, struct slice *frame)
{
	(void)arg;
	if (frame->n == 0 || frame->p[frame->n - 1] != '!')
		return (false);
	frame->n--;
	return (true);
}

static struct slice
offset(void *arg, struct slice nsp, uint8_t out[OFFSET_MAX])
{
	(void)arg;
	(void)nsp;
	(void)out;
	return (slice_of(NULL, 0));
}

static bool
fit(void *arg, const struct bus_envelope *e)
{
	(void)arg;
	(void)e;
	return (true);
}

/* --- set up ----------------------------------------------------------------*/

static void
connect_slot(unsigned slot)
{
	peers[slot] = slot_peer_new(loop, &x, slot, LIMIT, &far_end[slot]);
}

static void
serve(void)
{
	struct remote_link link = { .redis = redis, .prefix = "p:",
		.node_id = 0x2a, .channel = channel, .seal = seal,
		.unseal = unseal, .offset = offset, .fit = fit };

	keep_serve(k, &link);
}

static void
begin(void)
{
	struct keep_params p = { .exchange = &x, .wheel = &wheel,
		.conf = conf, .segment = segment };

	k = keep_new(&p);
	assert_non_null(k);
}

static int
set_up_with(const char *text)
{
	struct segment_params sp = { .max_workers = 2, .presence_max = 64,
		.interest_max = 64, .rate_ways = 8, .max_ns = 4 };
	unsigned i;

	conf = conf_text(text);
	assert_true(conf->namespaces[0].journals);
	buf_init(&said);
	loop = loop_new();
	wheel_init(&wheel, (struct mono){ 0 });
	exchange_init(&x, conf);
	x.mono_ms = 1000;
	segment = segment_create(&sp);
	assert_non_null(segment);
	for (i = 0; i <= 2; i++) {
		atomic_store(&segment_slot(segment, i)->state, SLOT_ASSIGNED);
		slot_live(segment, i, 1);
		if (i > 0)
			connect_slot(i);
	}
	interest = interest_open(segment, 1);
	assert_non_null(interest);
	begin();
	for (i = 0; i < COUNTER__MAX; i++)
		counted[i] = counter_get((enum counter)i);
	nasked = nanswered = npublished = 0;
	up = true;
	serve();
	answer_journal("e", 5, SLICE(""));
	return (0);
}

#define CONF(rooms) "redis { url = \"unix:/nowhere\" }\n"		\
	"namespace \"/n\" { auth = none recovery = store\n"		\
	" room \"plain\" { }\n" rooms "}\nrecovery { window = 10s }\n"

static int
set_up(void **state)
{
	(void)state;
	return (set_up_with(CONF("")));
}

static int
set_up_kept(void **state)
{
	(void)state;
	return (set_up_with(CONF(" room \"kept\" { history = 10 }\n")));
}

static void
forget(unsigned from)
{
	unsigned i, j;

	for (i = from; i < nasked; i++)
		for (j = 0; j < asked[i].n; j++)
			buf_fini(&asked[i].argv[j]);
	nasked = from;
	if (nanswered > from)
		nanswered = from;
}

static int
tear_down(void **state)
{
	unsigned i;

	(void)state;
	keep_forget(k, redis);
	keep_free(&k);
	buf_fini(&said);
	interest_close(&interest);
	for (i = 1; i <= 2; i++) {
		exchange_remove(&x, peers[i]);
		peer_free(&peers[i]);
		(void)close(far_end[i]);
	}
	forget(0);
	exchange_fini(&x);
	segment_free(&segment);
	loop_free(&loop);
	conf_free(&conf);
	return (0);
}

/* --- workers --------------------------------------------------------------*/

static void
say(struct bus_envelope *e, unsigned from)
{
	struct slice frame;

	e->slots[0] = e->slots[1] = 0;
	e->from = e->generation = (uint16_t)from;
	buf_reset(&said);
	assert_true(bus_encode(&said, e));
	frame = buf_unread(&said);
	assert_int_equal(exchange_feed(&x, frame), frame.n);
}

static void
tell(unsigned slot, enum bus_session_is is)
{
	struct bus_envelope e;
	struct bus_session *b = bus_session(&e, BUS_SESSION, is);

	b->nsp = SLICE("/n");
	b->pid = SLICE(PID);
	if (is == BUS_SESSION_BEGUN) {
		b->sid = SLICE("sidsidsidsidsidsidsi");
		b->has_user = true;
		b->user = SLICE("ann");
	}
	e.ref = 0;
	say(&e, slot);
}

static void
take(unsigned slot, const char *user, const char *seen)
{
	struct bus_envelope e;
	struct bus_session *b = bus_session(&e, BUS_SESSION_TAKE,
	    BUS_SESSION_HERE);

	b->nsp = SLICE("/n");
	b->pid = SLICE(PID);
	b->offset = slice_str(seen);
	b->has_user = true;
	b->user = slice_str(user);
	e.ref = 7;
	say(&e, slot);
}

/* What a worker was given last of that kind; false: nothing. */
static bool
given(unsigned slot, enum bus_kind kind, struct bus_envelope *e)
{
	static uint8_t bytes[1 << 16];
	uint64_t slots[2];
	uint16_t flags;
	struct slice in;
	bool any = false;
	ssize_t n;

	assert_int_equal(peer_flush(peers[slot]), PEER_OK);
	n = read(far_end[slot], bytes, sizeof bytes);
	in = slice_of(bytes, n < 0 ? 0 : (size_t)n);
	while ((n = bus_frame(in, slots, &flags)) > 0) {
		if (bus_frame_kind(slice_of(in.p, (size_t)n)) == kind) {
			assert_int_equal(bus_decode(slice_of(in.p, (size_t)n),
			    e), n);
			any = true;
		}
		in = slice_from(in, (size_t)n);
	}
	return (any);
}

static bool
is_refused(unsigned slot)
{
	struct bus_envelope e;

	assert_true(given(slot, BUS_SESSION_TAKEN, &e));
	assert_int_equal(e.ref, 7);
	return (e.session.is == BUS_SESSION_NOBODYS);
}

static void
turn(uint64_t ms)
{
	x.mono_ms += ms;
	keep_turn(k);
}

static bool
hear(const char *message)
{
	return (keep_hear_journal(k, SLICE("/n"), slice_str(message)));
}

/* The session that slot 1 has, as it was written; the answer is out. */
static struct slice
written(void)
{
	tell(1, BUS_SESSION_BEGUN);
	turn(1);
	answer_text(REPLY_STRING, "y");
	return (arg_of(nasked - 1, 4 + 3 + 3));
}

/* --- the journal -----------------------------------------------------------*/

static void
fill_event(struct bus_envelope *e, struct bus_publish *p)
{
	p->nsp = SLICE("/n");
	p->event = SLICE("\"e\"");
	p->args = SLICE("1");
	p->to.rooms[p->to.nrooms++] = SLICE("plain");
	p->to.users[p->to.nusers++] = SLICE("ann");
	e->ref = 0;
}

/* It, as it is kept, at the end of b. */
static void
put_entry(struct buf *b, const char *nsp)
{
	struct bus_envelope e;
	struct buf frame;
	int i;

	buf_init(&frame);
	fill_event(&e, bus_publish(&e));
	e.publish.nsp = slice_str(nsp);
	e.slots[0] = e.slots[1] = 0;
	e.from = e.generation = 0;
	assert_true(bus_encode(&frame, &e));
	buf_byte(&frame, '!');
	for (i = 0; i < 4; i++)
		buf_byte(b, (uint8_t)(frame.wpos >> 8 * i));
	buf_slice(b, buf_unread(&frame));
	buf_fini(&frame);
}

/* What another host has published at this place. */
static bool
hear_event_of(const char *epoch, unsigned place, const char *nsp)
{
	struct buf b;
	bool good;

	buf_init(&b);
	buf_str(&b, REMOTE_MARK "token ");
	buf_str(&b, epoch);
	buf_byte(&b, ' ');
	buf_u64(&b, place);
	buf_byte(&b, '\n');
	put_entry(&b, nsp);
	good = keep_hear_journal(k, SLICE("/n"), buf_unread(&b));
	buf_fini(&b);
	return (good);
}

static bool
hear_event(unsigned place, const char *nsp)
{
	return (hear_event_of("e", place, nsp));
}

static void
publish(unsigned from)
{
	struct bus_envelope e;

	fill_event(&e, bus_journal(&e));
	say(&e, from);
}

static void
join(const char *room)
{
	char key[INTEREST_KEY_MAX];

	interest_join(interest, 0, interest_key(key, INTEREST_ROOM,
	    slice_str(room)));
}

/* To the last that was asked, an append: it has this place. */
static void
answer_place(const char *place)
{
	struct slice token = arg_of(nanswered, 3 + 5 + 3);
	char text[128];

	(void)snprintf(text, sizeof text, "%.*s e %s", (int)token.n,
	    (const char *)token.p, place);
	answer_text(REPLY_STRING, text);
}

/* Of whichever audience; hosts have the same. */
static void
what_is_published_has_its_place_in_redis(void **state)
{
	struct bus_envelope e;

	(void)state;
	join("plain");
	publish(2);
	assert_slice(arg_of(1, 3), "p:journal-state:n");
	assert_slice(arg_of(1, 4), "p:journal:n");
	assert_false(given(1, BUS_PUBLISH, &e));
	/* another host was quicker */
	assert_true(hear_event(6, "/n"));
	assert_true(given(1, BUS_PUBLISH, &e));
	assert_true(slice_eq(e.publish.offset, SLICE("\"e:6\"")));
	assert_true((e.flags & BUS_NUMBERED) != 0);
	answer_place("7");
	assert_true(given(1, BUS_PUBLISH, &e));
	assert_true(slice_eq(e.publish.offset, SLICE("\"e:7\"")));
	assert_counted(journal_appends, 1);
	/* it is not of this namespace */
	assert_false(hear_event(8, "/m"));
	assert_false(given(1, BUS_PUBLISH, &e));
}

/* What comes before its time waits. */
static void
what_is_missing_comes_first(void **state)
{
	struct bus_envelope e;

	(void)state;
	join("plain");
	publish(2);
	answer_place("7");
	assert_false(given(1, BUS_PUBLISH, &e));
	assert_true(hear_event(6, "/n"));
	assert_true(given(1, BUS_PUBLISH, &e));
	assert_true(slice_eq(e.publish.offset, SLICE("\"e:7\"")));
}

static void
ask_page(unsigned slot, uint64_t since)
{
	struct bus_envelope e;
	struct bus_history *h = bus_history(&e, BUS_HISTORY_AFTER);

	h->nsp = SLICE("/n");
	h->room = JOURNAL_ROOM;
	h->epoch = SLICE("e");
	h->since = since;
	e.ref = 9;
	say(&e, slot);
}

/* Its client comes from a host that has heard more. */
static void
who_has_seen_more_is_waited_with(void **state)
{
	struct bus_envelope e;
	struct slice data = written();
	struct buf b;

	(void)state;
	buf_init(&b);
	put_entry(&b, "/n");
	join("plain");
	assert_true(hear("ROOSTS1 t" OTHER PID "!"));
	take(2, "ann", "\"e:6\"");
	answer_take("got", data);
	assert_true(given(2, BUS_SESSION_TAKEN, &e));
	assert_int_equal(e.session.is, BUS_SESSION_YOURS);
	assert_int_equal(e.session.since, 6);
	ask_page(2, 6);
	turn(1);
	assert_false(given(2, BUS_PAGE, &e));
	assert_slice(arg_of(3, 3), "p:journal-state:n");
	answer_journal("e", 6, buf_unread(&b));
	assert_true(given(1, BUS_PUBLISH, &e));
	turn(1);
	assert_true(given(2, BUS_PAGE, &e));
	assert_int_equal(e.page.result, BUS_STORE_OK);
	assert_int_equal(e.page.top, 6);
	assert_int_equal(e.flags & BUS_MORE, 0);
	/* no more than there is */
	ask_page(2, 8);
	turn(1);
	answer_text(REPLY_STRING, "y");		/* the session's */
	answer_journal("e", 6, SLICE(""));
	buf_fini(&b);
	turn(1);
	assert_true(given(2, BUS_PAGE, &e));
	assert_int_equal(e.page.result, BUS_STORE_EPOCH);
}

/* --- rooms that keep a history ----------------------------------------------*/

static void
fill_kept(struct bus_envelope *e, struct bus_publish *p)
{
	p->nsp = SLICE("/n");
	p->event = SLICE("\"e\"");
	p->args = SLICE("1");
	p->to.rooms[p->to.nrooms++] = SLICE("kept");
	e->ref = 8;
}

/* Another host's: at that place of the journal, and at that of the room. */
static bool
hear_kept(unsigned place, unsigned kept)
{
	struct bus_envelope e;
	struct buf b, frame;
	bool good;
	int i;

	buf_init(&b);
	buf_init(&frame);
	fill_kept(&e, bus_publish(&e));
	e.slots[0] = e.slots[1] = 0;
	e.from = e.generation = 0;
	e.ref = 0;
	assert_true(bus_encode(&frame, &e));
	buf_byte(&frame, '!');
	buf_str(&b, REMOTE_MARK "token e ");
	buf_u64(&b, place);
	buf_byte(&b, '\n');
	for (i = 0; i < 4; i++)
		buf_byte(&b, (uint8_t)(((uint32_t)frame.wpos | REMOTE_TWICE) >>
		    8 * i));
	buf_str(&b, "h ");
	buf_u64(&b, kept);
	buf_byte(&b, '\n');
	buf_slice(&b, buf_unread(&frame));
	good = keep_hear_journal(k, SLICE("/n"), buf_unread(&b));
	buf_fini(&b);
	buf_fini(&frame);
	return (good);
}

static bool
is_at(const struct bus_envelope *e, const char *offset, uint64_t kept)
{
	return (slice_eq(e->publish.offset, slice_str(offset)) &&
	    slice_eq(e->publish.epoch, SLICE("h")) &&
	    e->publish.kept == kept && (e->flags & BUS_NUMBERED) != 0);
}

/* A script gives both places, and all get it as the journal's. */
static void
what_a_room_keeps_has_two_places(void **state)
{
	struct bus_envelope e;

	(void)state;
	join("kept");
	fill_kept(&e, bus_journal(&e));
	e.flags |= BUS_FAR;
	say(&e, 2);
	assert_slice(arg_of(1, 2), "8");
	assert_slice(arg_of(1, 3), "p:journal-state:n");
	assert_slice(arg_of(1, 8), "p:history-state:n:kept");
	assert_slice(arg_of(1, 9), "p:history:n:kept");
	assert_slice(arg_of(1, 10), "p:history-edits:n:kept");
	answer_place("6,h,1");
	assert_true(given(1, BUS_PUBLISH, &e));
	assert_true(is_at(&e, "\"e:6\"", 1));
	assert_true(given(2, BUS_KEPT, &e));
	assert_slice(e.kept.epoch, "h");
	assert_int_equal(e.kept.kept, 1);
	assert_counted(journal_appends, 1);
	assert_counted(store_appends, 1);
	assert_true(hear_kept(7, 2));
	assert_true(given(1, BUS_PUBLISH, &e));
	assert_true(is_at(&e, "\"e:7\"", 2));
	/* what is none has no place */
	assert_false(hear_kept(8, 0));
}

/* The room stands there, as Redis says, and the journal there. */
static void
answer_room(int64_t top, const char *journal)
{
	static struct reply parts[9];
	static struct reply *v[9];
	struct reply o = { .type = REPLY_ARRAY, .elements = v, .n = 9 };
	size_t i;

	memset(parts, 0, sizeof parts);
	for (i = 0; i < nitems(parts); i++) {
		v[i] = &parts[i];
		parts[i].type = REPLY_INTEGER;
	}
	parts[0].type = parts[8].type = REPLY_STRING;
	parts[0].text = SLICE("h");
	parts[1].integer = top;
	parts[4].integer = BUS_STORE_OK;
	parts[8].text = slice_str(journal);
	assert_slice(arg_of(nanswered, 3), "p:history-state:n:kept");
	assert_slice(arg_of(nanswered, 6), "p:journal-state:n");
	answer(&o);
}

/* Who is about to be in it is told where it stands when all that is before that was
 * given to the workers. */
static void
a_page_of_a_room_waits_for_the_journal(void **state)
{
	struct bus_envelope e;
	struct bus_history *h = bus_history(&e, BUS_HISTORY_TOP);

	(void)state;
	join("kept");
	h->nsp = SLICE("/n");
	h->room = SLICE("kept");
	e.ref = 9;
	say(&e, 1);
	answer_room(2, "e:7");
	turn(1);
	assert_false(given(1, BUS_PAGE, &e));
	assert_true(hear_kept(6, 1));
	turn(60);
	wheel_advance(&wheel, (struct mono){ x.mono_ms * 1000 });
	turn(1);
	assert_false(given(1, BUS_PAGE, &e));
	assert_true(hear_kept(7, 2));
	turn(60);
	wheel_advance(&wheel, (struct mono){ x.mono_ms * 1000 });
	turn(1);
	assert_true(given(1, BUS_PAGE, &e));
	assert_int_equal(e.page.result, BUS_STORE_OK);
	assert_int_equal(e.page.top, 2);
	/* it follows the journal from there */
	assert_true(hear_kept(8, 3));
	h = bus_history(&e, BUS_HISTORY_TOP);
	h->nsp = SLICE("/n");
	h->room = SLICE("kept");
	e.ref = 9;
	say(&e, 1);
	turn(1);
	assert_true(given(1, BUS_PAGE, &e));
	assert_int_equal(e.page.top, 3);
}

/* --- holes -----------------------------------------------------------------*/

/* It comes back as the other host's that it was. */
static bool
comes_from_elsewhere(struct slice data, const char *seen)
{
	struct bus_envelope e;

	assert_true(hear("ROOSTS1 t" OTHER PID "!"));
	take(2, "ann", seen);
	while (slice_eq(arg_of(nanswered, 5), SLICE("PUBLISH")))
		answer_text(REPLY_STRING, "y");
	answer_take("got", data);
	assert_true(given(2, BUS_SESSION_TAKEN, &e));
	return (e.session.is == BUS_SESSION_YOURS);
}

static bool
is_told_of_a_gap(unsigned slot)
{
	struct bus_envelope e;

	exchange_tell_gaps(&x);
	return (given(slot, BUS_PUBLISH, &e) &&
	    slice_eq(e.publish.event, SLICE("\"roost:gap\"")));
}

static const char *
at(unsigned place)
{
	static char text[32];

	(void)snprintf(text, sizeof text, "\"e:%u\"", place);
	return (text);
}

/* From this place on, as many as the queue of worker 1 takes and one that it does
 * not: the place of that. */
static unsigned
overflow(unsigned place)
{
	uint64_t dropped = counter_get(COUNTER_bus_dropped);

	while (counter_get(COUNTER_bus_dropped) == dropped)
		assert_true(hear_event(place++, "/n"));
	return (place - 1);
}

/* It has read all that there was. */
static void
drain(unsigned slot)
{
	static uint8_t bytes[1 << 16];

	do {
		peers[slot]->stuck = false;	/* as the loop says */
		assert_int_equal(peer_flush(peers[slot]), PEER_OK);
	} while (read(far_end[slot], bytes, sizeof bytes) > 0 ||
	    exchange_queued(&x, slot) > 0);
	peers[slot]->stuck = false;
}

/* Its record in Redis, as its worker has let go of it. */
static struct slice
let_go(void)
{
	static uint8_t bytes[512];
	struct slice data;

	tell(1, BUS_SESSION_AWAY);
	turn(1);
	data = arg_of(nasked - 1, 4 + 3 + 3);
	assert_true(data.n <= sizeof bytes);
	memcpy(bytes, data.p, data.n);
	return (slice_of(bytes, data.n));
}

/* What its queue does not take, of another host's as of its own; and the session
 * takes that along, but no more than that. */
static void
what_a_worker_was_not_given_is_known_elsewhere(void **state)
{
	struct slice data;
	unsigned first, last;

	(void)state;
	(void)written();
	join("plain");
	first = overflow(6);
	drain(1);
	assert_true(is_told_of_a_gap(1));
	last = overflow(first + 1);
	data = let_go();
	assert_true(comes_from_elsewhere(data, at(first - 1)));
	assert_false(comes_from_elsewhere(data, at(first)));
	assert_true(comes_from_elsewhere(data, at(first + 1)));
	assert_true(comes_from_elsewhere(data, at(last - 1)));
	assert_false(comes_from_elsewhere(data, at(last)));
}

/* Those who are here are told; who has something from behind it, but not that it
 * was told, comes back as another. */
static void
what_has_gone_before_it_came_is_told_of(void **state)
{
	struct bus_envelope e;
	struct slice data;
	struct buf b;

	(void)state;
	(void)written();
	join("plain");
	assert_true(hear_event(6, "/n"));
	buf_init(&b);
	put_entry(&b, "/n");
	ask_page(2, 8);
	assert_false(is_told_of_a_gap(2));
	answer_journal_as("e", 20, buf_unread(&b), BUS_STORE_GAP);
	buf_fini(&b);
	assert_true(is_told_of_a_gap(1));
	assert_true(hear_event(21, "/n"));
	assert_true(given(1, BUS_PUBLISH, &e));
	assert_true(slice_eq(e.publish.offset, SLICE("\"e:21\"")));
	data = let_go();
	assert_false(comes_from_elsewhere(data, "\"e:20\""));
	assert_true(comes_from_elsewhere(data, "\"e:21\""));
	assert_true(comes_from_elsewhere(data, "\"e:6\""));
}

/* An epoch that began in the midst is read from there; what was heard of it first is
 * given then, and not before as well. */
static void
what_is_first_heard_of_an_epoch_comes_once(void **state)
{
	struct bus_envelope e;
	struct buf b;
	unsigned n = 0;

	(void)state;
	join("plain");
	assert_true(hear_event(6, "/n"));
	assert_true(given(1, BUS_PUBLISH, &e));
	assert_true(hear_event_of("f", 7, "/n"));
	n += given(1, BUS_PUBLISH, &e);
	turn(100);
	wheel_advance(&wheel, (struct mono){ x.mono_ms * 1000 });
	buf_init(&b);
	put_entry(&b, "/n");
	base = 6;
	answer_journal("f", 7, buf_unread(&b));
	answer_journal("f", 7, buf_unread(&b));	/* from where it began */
	n += given(1, BUS_PUBLISH, &e);
	assert_true(slice_eq(e.publish.offset, SLICE("\"f:7\"")));
	assert_int_equal(n, 1);
	base = 0;
	buf_fini(&b);
}

/* What comes late of one that is over leaves the journal where it is. */
static void
an_epoch_that_is_over_begins_nothing(void **state)
{
	struct bus_envelope e;

	(void)state;
	join("plain");
	assert_true(hear_event(6, "/n"));
	assert_true(given(1, BUS_PUBLISH, &e));
	assert_true(hear_event_of("d", 1, "/n"));
	assert_false(given(1, BUS_PUBLISH, &e));
	turn(100);
	wheel_advance(&wheel, (struct mono){ x.mono_ms * 1000 });
	answer_journal("e", 6, SLICE(""));
	assert_true(hear_event(7, "/n"));
	assert_true(given(1, BUS_PUBLISH, &e));
	assert_true(slice_eq(e.publish.offset, SLICE("\"e:7\"")));
	assert_false(is_told_of_a_gap(1));
}

static void
look_again(const char *epoch, int64_t top, struct slice entry)
{
	keep_missed(k, slice_of(NULL, 0), slice_of(NULL, 0));
	turn(100);
	wheel_advance(&wheel, (struct mono){ x.mono_ms * 1000 });
	answer_journal(epoch, top, entry);
}

/* A server that was the master has it still. */
static void
an_epoch_that_is_back_is_not_told_again(void **state)
{
	struct bus_envelope e;
	struct buf b;

	(void)state;
	join("plain");
	assert_true(hear_event(6, "/n"));
	assert_true(given(1, BUS_PUBLISH, &e));
	buf_init(&b);
	put_entry(&b, "/n");
	look_again("f", 1, buf_unread(&b));
	answer_journal("f", 1, buf_unread(&b));	/* from where it began */
	assert_true(given(1, BUS_PUBLISH, &e));
	look_again("e", 6, buf_unread(&b));
	(void)given(1, BUS_PUBLISH, &e);
	assert_true(hear_event(7, "/n"));
	assert_true(given(1, BUS_PUBLISH, &e));
	assert_true(slice_eq(e.publish.offset, SLICE("\"e:7\"")));
	buf_fini(&b);
}

/* Nobody can say what there was behind what was heard of it. */
static void
the_end_of_an_epoch_that_was_not_heard_is_told_of(void **state)
{
	struct bus_envelope e;

	(void)state;
	join("plain");
	assert_true(hear_event(6, "/n"));
	assert_true(given(1, BUS_PUBLISH, &e));
	assert_false(is_told_of_a_gap(1));
	keep_missed(k, slice_of(NULL, 0), slice_of(NULL, 0));
	turn(100);
	wheel_advance(&wheel, (struct mono){ x.mono_ms * 1000 });
	base = 8;
	answer_journal("f", 8, SLICE(""));
	base = 0;
	assert_true(is_told_of_a_gap(1));
}

/* A host that is lost has told before what one of its workers was not given. */
static void
what_a_worker_was_not_given_is_written_at_once(void **state)
{
	struct slice data;
	unsigned lost;

	(void)state;
	(void)written();
	join("plain");
	lost = overflow(6);
	turn(1);
	assert_int_equal(nasked, 3);
	data = arg_of(2, 4 + 3 + 3);
	assert_slice(arg_of(2, 7), "h");
	assert_non_null(memmem(data.p, data.n, &(uint64_t){ lost }, 2));
	assert_false(comes_from_elsewhere(data, at(lost)));
}

/* What a room has kept of a hole it tells later: from which offset on nobody knows. */
static void
who_may_have_been_told_later_is_another_one(void **state)
{
	struct slice data;
	unsigned first;

	(void)state;
	(void)written();
	join("plain");
	first = overflow(6);
	drain(1);
	assert_true(is_told_of_a_gap(1));
	assert_true(hear_event(first + 1, "/n"));
	data = let_go();
	assert_false(comes_from_elsewhere(data, at(first - 1)));
	assert_false(comes_from_elsewhere(data, at(first)));
	assert_true(comes_from_elsewhere(data, at(first + 1)));
}

/* Nothing was published in the journal's new epoch: it is looked at. */
static void
a_page_of_a_room_waits_for_no_epoch(void **state)
{
	struct bus_envelope e;
	struct bus_history *h = bus_history(&e, BUS_HISTORY_TOP);

	(void)state;
	join("kept");
	h->nsp = SLICE("/n");
	h->room = SLICE("kept");
	e.ref = 9;
	say(&e, 1);
	answer_room(2, "f:0");
	turn(60);
	wheel_advance(&wheel, (struct mono){ x.mono_ms * 1000 });
	answer_journal("f", 0, SLICE(""));
	answer_room(2, "f:0");		/* of before that */
	turn(60);
	wheel_advance(&wheel, (struct mono){ x.mono_ms * 1000 });
	answer_room(2, "f:0");
	turn(1);
	assert_true(given(1, BUS_PAGE, &e));
	assert_int_equal(e.page.top, 2);
	assert_false(is_told_of_a_gap(1));
}

/* A colon of the namespace is not the one behind it. */
static void
keys_say_where_the_namespace_ends(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b);
	redis_put_nsp(&b, SLICE("/a:b%"));
	assert_slice(buf_unread(&b), "a%3ab%25");
	buf_fini(&b);
}

/* --- writing ---------------------------------------------------------------*/

static void
what_changes_is_written_as_the_turn_ends(void **state)
{
	(void)state;
	tell(1, BUS_SESSION_BEGUN);
	assert_int_equal(nasked, 1);		/* the journal's */
	turn(1);
	assert_int_equal(nasked, 2);
	assert_slice(arg_of(1, 0), "EVALSHA");
	assert_slice(arg_of(1, 3), KEY);
	assert_slice(arg_of(1, 4), NODE);
	assert_slice(arg_of(1, 5), "PUBLISH");
	assert_slice(arg_of(1, 7), "h");
	assert_slice(arg_of(1, 8), "70000");
	assert_slice(arg_of(1, 9), "=ann");
	assert_slice(arg_of(1, 11), "");
	turn(1);
	assert_int_equal(nasked, 2);
	tell(1, BUS_SESSION_AWAY);
	turn(1);
	assert_slice(arg_of(2, 7), "a");
	assert_slice(arg_of(2, 8), "9999");
	tell(1, BUS_SESSION_ENDED);		/* it is not there any more */
	turn(1);
	assert_int_equal(nasked, 3);
	assert_counted(sessions_written, 2);
}

static void
who_has_left_is_written_too(void **state)
{
	(void)state;
	(void)written();
	tell(1, BUS_SESSION_ENDED);
	turn(1);
	assert_slice(arg_of(2, 3), KEY);
	assert_slice(arg_of(2, 7), "e");
}

static void
what_redis_refuses_is_written_later(void **state)
{
	(void)state;
	tell(1, BUS_SESSION_BEGUN);
	turn(1);
	answer_text(REPLY_ERROR, "OOM command not allowed");
	assert_counted(sessions_unwritten, 1);
	turn(100);
	assert_int_equal(nasked, 2);
	turn(500);
	assert_int_equal(nasked, 3);
	/* a script that is not there goes along */
	answer_text(REPLY_ERROR, "NOSCRIPT No matching script");
	assert_slice(arg_of(3, 0), "EVAL");
	assert_slice(arg_of(3, 3), KEY);
	answer_text(REPLY_STRING, "y");
	turn(1000);
	assert_int_equal(nasked, 4);
}

static void
it_is_said_again_that_its_client_is_here(void **state)
{
	(void)state;
	(void)written();
	turn(29000);
	assert_int_equal(nasked, 2);
	turn(2000);
	assert_slice(arg_of(2, 7), "t");
	assert_slice(arg_of(2, 10), "");
	/* Redis has lost it */
	answer_text(REPLY_STRING, "n");
	turn(1);
	assert_slice(arg_of(3, 7), "h");
	assert_true(arg_of(3, 10).n > 0);
	answer_text(REPLY_STRING, "y");
	/* and when it was away */
	turn(10);
	assert_int_equal(nasked, 4);
	keep_missed(k, SLICE(""), SLICE(""));
	turn(1);
	assert_slice(arg_of(nasked - 1, 7), "t");
}

/* ... and again when it is known where the journal stands. */
static void
what_is_written_before_the_journal_is_known(void **state)
{
	(void)state;
	keep_forget(k, redis);
	keep_free(&k);
	forget(0);
	begin();
	serve();
	tell(1, BUS_SESSION_BEGUN);
	turn(1);
	assert_slice(arg_of(1, 7), "h");
	turn(1);
	assert_int_equal(nasked, 2);
	answer_journal("e", 5, SLICE(""));
	turn(1);
	assert_slice(arg_of(2, 7), "h");
	assert_non_null(memmem(arg_of(2, 10).p, arg_of(2, 10).n, "\1\0\0\0e", 5));
	turn(1);
	assert_int_equal(nasked, 3);
}

static void
one_that_another_host_has_ends_here(void **state)
{
	struct bus_envelope e;

	(void)state;
	tell(1, BUS_SESSION_BEGUN);
	turn(1);
	answer_text(REPLY_STRING, "o");
	assert_true(given(1, BUS_SESSION_OVER, &e));
	assert_int_equal(counter_get(COUNTER_sessions_stored), 0);
	/* ... or this host hears it */
	tell(1, BUS_SESSION_BEGUN);
	assert_true(hear("ROOSTS1 t" OTHER PID "!"));
	assert_true(given(1, BUS_SESSION_OVER, &e));
	assert_int_equal(counter_get(COUNTER_sessions_stored), 0);
	turn(1);
	assert_int_equal(nasked, 2);
}

static void
a_link_that_goes_leaves_nothing_behind(void **state)
{
	(void)state;
	tell(1, BUS_SESSION_BEGUN);
	take(2, "ann", "");
	turn(1);
	assert_int_equal(nasked, 3);
	keep_forget(k, redis);
	assert_true(is_refused(2));
	up = false;
	turn(1000);
	assert_int_equal(nasked, 3);
	/* at once, as long as there is none */
	take(2, "ann", "");
	assert_true(is_refused(2));
	up = true;
	serve();
	turn(1000);
	assert_slice(arg_of(nasked - 1, 3), KEY);
	nanswered = 3;
}

/* --- taking ----------------------------------------------------------------*/

static void
one_of_another_host_is_given(void **state)
{
	struct bus_envelope e;
	struct slice data = written();

	(void)state;
	/* this host has lost it, as if it had been another one's */
	assert_true(hear("ROOSTS1 t" OTHER PID "!"));
	take(2, "ann", "\"e:5\"");
	assert_slice(arg_of(2, 3), KEY);
	assert_slice(arg_of(2, 5), "=ann");
	assert_slice(arg_of(2, 6), "n");
	assert_slice(arg_of(2, 9), "ROOSTS1 w" NODE PID "!");
	assert_slice(arg_of(2, 10), "ROOSTS1 t" NODE PID "!");
	answer_take("got", data);
	assert_true(given(2, BUS_SESSION_TAKEN, &e));
	assert_int_equal(e.session.is, BUS_SESSION_YOURS);
	assert_true(slice_eq(e.session.sid, SLICE("sidsidsidsidsidsidsi")));
	assert_int_equal(e.session.since, 5);
	assert_counted(sessions_fetched, 1);
	assert_counted(sessions_forced, 0);
	turn(1);
	assert_slice(arg_of(3, 7), "h");
}

/* Who has it is asked, and after a while taken for dead. */
static void
who_has_it_is_waited_for(void **state)
{
	struct bus_envelope e;
	struct slice data = written();

	(void)state;
	assert_true(hear("ROOSTS1 t" OTHER PID "!"));
	take(2, "ann", "\"e:5\"");
	answer_take("wait", SLICE(""));
	turn(60);
	assert_int_equal(nasked, 3);
	assert_true(hear("ROOSTS1 a" OTHER PID "!"));
	assert_slice(arg_of(3, 6), "n");
	answer_take("wait", SLICE(""));		/* others were quicker */
	turn(300);
	assert_int_equal(nasked, 4);
	turn(60);
	assert_slice(arg_of(4, 6), "y");
	answer_take("got", data);
	assert_true(given(2, BUS_SESSION_TAKEN, &e));
	assert_int_equal(e.session.is, BUS_SESSION_YOURS);
	assert_counted(sessions_forced, 1);
}

static void
what_another_host_wants_is_let_go(void **state)
{
	struct bus_envelope e;

	(void)state;
	(void)written();
	assert_true(hear("ROOSTS1 w" OTHER PID "!"));
	assert_true(given(1, BUS_SESSION_OVER, &e));
	/* once is enough */
	assert_true(hear("ROOSTS1 w" OTHER PID "!"));
	assert_false(given(1, BUS_SESSION_OVER, &e));
	tell(1, BUS_SESSION_AWAY);
	turn(1);
	assert_slice(arg_of(2, 7), "a");
	assert_slice(arg_of(2, 11), "ROOSTS1 a" NODE PID "!");
}

static void
one_that_is_here_is_given_without_asking_its_host(void **state)
{
	struct bus_envelope e;

	(void)state;
	(void)written();
	tell(1, BUS_SESSION_AWAY);
	take(2, "ann", "");
	answer_take("own", SLICE("nonsense"));
	assert_true(given(2, BUS_SESSION_TAKEN, &e));
	assert_int_equal(e.session.is, BUS_SESSION_YOURS);
	assert_counted(sessions_fetched, 0);
}

static void
nobody_else_gets_it(void **state)
{
	(void)state;
	(void)written();
	take(2, "bob", "");
	answer_take("not", SLICE(""));
	assert_true(is_refused(2));
	take(2, "bob", "");
	answer_take("own", SLICE(""));		/* and if Redis said so */
	assert_true(is_refused(2));
	take(2, "ann", "");
	answer_take("over", SLICE(""));
	assert_true(is_refused(2));
	take(2, "ann", "");
	answer_text(REPLY_ERROR, "ERR");
	assert_true(is_refused(2));
	take(2, "ann", "");
	answer_take("none", SLICE(""));
	assert_true(is_refused(2));
}

/* Cut anywhere, or with any byte another one: it is refused, or makes sense. */
static void
anything_may_be_in_redis(void **state)
{
	struct bus_envelope e;
	struct slice data = written();	/* of the second ask */
	uint8_t bytes[512];
	size_t i;

	(void)state;
	assert_true(data.n < sizeof bytes);
	for (i = 0; i < data.n; i++) {
		memcpy(bytes, data.p, data.n);
		bytes[i] ^= 0x24;
		assert_true(hear("ROOSTS1 t" OTHER PID "!"));
		take(2, "ann", "\"e:5\"");
		answer_take("got", slice_of(bytes, i % 2 ? i : data.n));
		assert_true(given(2, BUS_SESSION_TAKEN, &e));
		if (e.session.is == BUS_SESSION_YOURS)
			assert_true(e.session.sid.n == 20);
		forget(2);
	}
	assert_true(counter_get(COUNTER_store_bad) >
	    counted[COUNTER_store_bad]);
	assert_false(hear("ROOSTS1 "));
	assert_false(hear("ROOSTS1 t!"));
	assert_false(hear("ROOSTS1 t" OTHER PID));
	assert_false(hear("ROOSTS1 t" OTHER "short!"));
	assert_false(hear("ROOSTS1 q" OTHER PID "!"));
	assert_false(hear("ROOSTS1 o" OTHER "no frame!"));
	assert_true(hear("ROOSTS1 t" NODE PID "!"));
}

static void
orders_of_back_ends_are_told_to_all_hosts(void **state)
{
	struct bus_envelope e;
	struct bus_disconnect *d = bus_disconnect(&e);
	char message[4096] = "ROOSTS1 o" OTHER;
	size_t n = strlen(message);

	(void)state;
	(void)written();
	tell(1, BUS_SESSION_AWAY);
	d->nsp = SLICE("/n");
	d->to.users[d->to.nusers++] = SLICE("bob");
	e.ref = 0;
	say(&e, 2);
	assert_int_equal(npublished, 1);
	assert_int_equal(counter_get(COUNTER_sessions_stored), 1);
	d->to.users[0] = SLICE("ann");
	buf_reset(&said);
	assert_true(bus_encode(&said, &e));
	memcpy(message + n, buf_unread(&said).p, said.wpos);
	message[n + said.wpos] = '!';
	assert_true(keep_hear_journal(k, SLICE("/n"), slice_of(message,
	    n + said.wpos + 1)));
	assert_int_equal(counter_get(COUNTER_sessions_stored), 0);
	turn(1);
	assert_slice(arg_of(nasked - 1, 7), "e");
	assert_int_equal(npublished, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define K(name) cmocka_unit_test_setup_teardown(name, set_up_kept, tear_down)
		T(what_is_published_has_its_place_in_redis),
		T(what_is_missing_comes_first),
		T(who_has_seen_more_is_waited_with),
		T(what_a_worker_was_not_given_is_known_elsewhere),
		T(what_has_gone_before_it_came_is_told_of),
		K(what_a_room_keeps_has_two_places),
		K(a_page_of_a_room_waits_for_the_journal),
		K(a_page_of_a_room_waits_for_no_epoch),
		K(who_may_have_been_told_later_is_another_one),
		T(what_is_first_heard_of_an_epoch_comes_once),
		T(an_epoch_that_is_over_begins_nothing),
		T(an_epoch_that_is_back_is_not_told_again),
		T(the_end_of_an_epoch_that_was_not_heard_is_told_of),
		T(what_a_worker_was_not_given_is_written_at_once),
		T(keys_say_where_the_namespace_ends),
		T(what_changes_is_written_as_the_turn_ends),
		T(who_has_left_is_written_too),
		T(what_redis_refuses_is_written_later),
		T(it_is_said_again_that_its_client_is_here),
		T(what_is_written_before_the_journal_is_known),
		T(one_that_another_host_has_ends_here),
		T(a_link_that_goes_leaves_nothing_behind),
		T(one_of_another_host_is_given),
		T(who_has_it_is_waited_for),
		T(what_another_host_wants_is_let_go),
		T(one_that_is_here_is_given_without_asking_its_host),
		T(nobody_else_gets_it),
		T(anything_may_be_in_redis),
		T(orders_of_back_ends_are_told_to_all_hosts),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
