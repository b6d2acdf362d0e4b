/*
 * The engine that keeps in Redis, against a Redis that answers when the test
 * wants: what is given to the workers and in which order, what goes to Redis and
 * how often, what waits, and what is refused.
 */
#include "relay/store/remote.h"

#include <inttypes.h>
#include <unistd.h>

#include "base/slotset.h"
#include "relay/redis/redis.h"
#include "relay/store/number.h"
#include "relay/store/remote_reply.h"
#include "relay/store/remote_script.h"
#include "shm/counters.h"
#include "sys/sealed.h"
#include "sys/timer.h"
#include "tests/lib/check.h"

#define ASKS	64

static struct wheel wheel;
static uint64_t now_ms;
static struct remote *m;
static struct store *store;
static struct store_bounds bounds = { .events = 1000, .bytes = 1u << 20 };
static bool up, hears, here, keeps;

/* --- a Redis ---------------------------------------------------------------*/

static struct {
	char		 argv[160][512];
	size_t		 argv_n[160];
	size_t		 n;
	commands_cb	*cb;
	void		*arg;
} asked[ASKS];
static unsigned nasked, nanswered;

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
	return (hears);
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
redis_command_at(struct redis *r, struct slice channel,
    const struct slice *argv, size_t n, commands_cb *cb, void *arg)
{
	size_t i;

	(void)r;
	assert_slice(channel, "to:/n:room");
	if (!up)
		return (false);
	assert_true(nasked < ASKS && n <= 80);
	for (i = 0; i < n; i++) {
		asked[nasked].argv_n[i] = argv[i].n;
		if (argv[i].n > 0)
			memcpy(asked[nasked].argv[i], argv[i].p,
			    argv[i].n < 512 ? argv[i].n : 511);
	}
	asked[nasked].n = n;
	asked[nasked].cb = cb;
	asked[nasked++].arg = arg;
	return (true);
}

static struct slice
arg_of(unsigned ask, size_t i)
{
	assert_true(i < asked[ask].n);
	return (slice_of(asked[ask].argv[i], asked[ask].argv_n[i]));
}

static void
answer(const struct reply *o)
{
	unsigned i = nanswered++;

	assert_true(i < nasked);
	asked[i].cb(asked[i].arg, o);
}

/* To the next, an append: "TOKEN EPOCH places". */
static void
answer_places_of(unsigned nkeys, const char *epoch, const char *places)
{
	struct reply o = { .type = REPLY_STRING };
	struct slice token = arg_of(nanswered, 3 + nkeys + 3);
	char text[512];

	(void)snprintf(text, sizeof text, "%.*s %s %s", (int)token.n,
	    (const char *)token.p, epoch, places);
	o.text = slice_str(text);
	answer(&o);
}

static void
answer_places(const char *epoch, const char *places)
{
	answer_places_of(5, epoch, places);
}

static void
answer_error(const char *words)
{
	struct reply o = { .type = REPLY_ERROR, .text = slice_str(words) };

	answer(&o);
}

/* An entry as hosts make them. */
static struct slice
entry(struct buf *b, const char *args, uint16_t flags)
{
	struct bus_envelope e;
	struct bus_publish *p = bus_publish(&e);
	size_t n;
	unsigned i;

	slotset_clear(e.slots);
	e.flags = flags;
	e.from = e.generation = 0;
	e.ref = 0;
	p->nsp = SLICE("/n");
	p->event = SLICE("\"m\"");
	p->args = slice_str(args);
	p->meta = SLICE("{\"id\":\"i\"}");
	p->edits = (flags & BUS_EDIT) != 0 ? 2 : 0;
	p->to.rooms[p->to.nrooms++] = SLICE("room");
	buf_reset(b);
	buf_append(b, "\0\0\0", 4);
	assert_true(bus_encode(b, &e));
	n = b->wpos - 4;
	for (i = 0; i < 4; i++)
		b->data[i] = (uint8_t)(n >> 8 * i);
	return (buf_unread(b));
}

/* To the next, a read: a page of n entries from start on. */
#define PAGE_HEAD	8

static void
answer_page_as(const char *epoch, uint64_t top, enum bus_store result,
    uint64_t start, size_t n, bool finished)
{
	static struct reply parts[PAGE_HEAD + 2 * 16];
	static struct reply *v[nitems(parts)];
	static struct buf entries[16];
	struct reply o = { .type = REPLY_ARRAY, .elements = v,
		.n = PAGE_HEAD + 2 * n };
	char args[32];
	size_t i;

	memset(parts, 0, sizeof parts);
	for (i = 0; i < nitems(parts); i++) {
		v[i] = &parts[i];
		parts[i].type = REPLY_INTEGER;
	}
	parts[0].type = REPLY_STRING;
	parts[0].text = slice_str(epoch);
	parts[1].integer = (int64_t)top;
	parts[2].integer = top > 0;
	parts[4].integer = result;
	parts[5].integer = n > 0 && start + n - 1 < top;
	parts[6].integer = (int64_t)start;
	parts[7].integer = finished;
	for (i = 0; i < n; i++) {
		(void)snprintf(args, sizeof args, "%u", (unsigned)(start + i));
		buf_init(&entries[i]);
		parts[PAGE_HEAD + 2 * i + 1].type = REPLY_STRING;
		parts[PAGE_HEAD + 2 * i + 1].text = entry(&entries[i], args,
		    finished && start + i == top ? BUS_FINISH : 0);
	}
	answer(&o);
	for (i = 0; i < n; i++)
		buf_fini(&entries[i]);
}

static void
answer_page(const char *epoch, uint64_t top, enum bus_store result,
    uint64_t start, size_t n)
{
	answer_page_as(epoch, top, result, start, n, false);
}

/* What another host has kept. */
static bool
hear_as(const char *epoch, uint64_t place, const char *args, uint16_t flags)
{
	struct buf b, e;
	bool good;

	buf_init(&b);
	buf_init(&e);
	buf_printf(&b, "%sother.1.1 %s %" PRIu64 "\n", REMOTE_MARK, epoch,
	    place);
	buf_slice(&b, entry(&e, args, flags));
	good = remote_hear(m, buf_unread(&b), NULL);
	buf_fini(&b);
	buf_fini(&e);
	return (good);
}

static bool
hear(const char *epoch, uint64_t place, const char *args)
{
	return (hear_as(epoch, place, args, 0));
}

/* --- the relay --------------------------------------------------------------*/

static char said[4096];		/* what the workers were given, and told */

static void
note(const char *format, ...)
{
	size_t n = strlen(said);
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(said + n, sizeof said - n, format, ap);
	va_end(ap);
}

#define assert_said(words) do {						\
	assert_string_equal(said, words);				\
	said[0] = '\0';							\
} while (0)

static void
note_frame(const struct buf *frame)
{
	static struct bus_envelope e;

	assert_int_equal(bus_decode(buf_unread(frame), &e), frame->wpos);
	assert_int_equal(e.flags & BUS_NUMBERED, BUS_NUMBERED);
	note("%.*s=%.*s:%u%s ", (int)e.publish.args.n,
	    (const char *)e.publish.args.p, (int)e.publish.epoch.n,
	    (const char *)e.publish.epoch.p, (unsigned)e.publish.kept,
	    e.flags & BUS_FINISH ? "." : "");
}

static void
on_place(void *arg, const struct store_key *k, const struct store_asker *from,
    struct buf *frame)
{
	(void)arg;
	assert_slice(k->room, "room");
	note(from == NULL ? "heard " : "late ");
	note_frame(frame);
}

static void
on_stands(void *arg, const struct store_key *k, struct slice epoch,
    uint64_t top)
{
	(void)arg;
	(void)k;
	note("stands %.*s:%u ", (int)epoch.n, (const char *)epoch.p,
	    (unsigned)top);
}

static void
on_kept(void *arg, const struct store_kept *k)
{
	(void)arg;
	if (k->result != BUS_STORE_OK)
		note("no:%d ", (int)k->result);
	else if (k->kept == 0)
		note("waits ");
	else if (k->frame != NULL)
		note_frame(k->frame);
	else
		note("%s:%u ", k->later ? "later" : "was",
		    (unsigned)k->kept);
}

static void
on_page(void *arg, const struct store_page *p)
{
	struct slice rest = p->page.frames;
	uint64_t slots[2];
	uint16_t flags;
	unsigned n = 0;
	ssize_t size;

	(void)arg;
	for (; rest.n > 0; n++) {
		size = bus_frame(rest, slots, &flags);
		assert_true(size > 0);
		rest = slice_from(rest, (size_t)size);
	}
	note("page%d %.*s:%u+%u%s ", (int)p->page.result,
	    (int)p->page.epoch.n,
	    p->page.epoch.n == 0 ? "" : (const char *)p->page.epoch.p,
	    (unsigned)p->page.top, n, p->more ? "..." :
	    p->page.finished ? "." : "");
}

static bool
judge(void *arg, const struct store_key *k, struct store_bounds *b)
{
	(void)arg;
	(void)k;
	*b = bounds;
	return (keeps);
}

static bool
any(void *arg, const struct store_key *k)
{
	(void)arg;
	(void)k;
	return (here);
}

static bool
takes(void *arg, unsigned slot)
{
	(void)arg;
	(void)slot;
	return (true);
}

static uint64_t
clock_ms(void *arg)
{
	(void)arg;
	return (now_ms);
}

static struct slice
channel(void *arg, struct buf *b, const struct store_key *k)
{
	(void)arg;
	buf_reset(b);
	buf_str(b, "to:");
	buf_slice(b, k->nsp);
	buf_byte(b, ':');
	buf_slice(b, k->room);
	return (buf_unread(b));
}

static bool
seal(void *arg, struct buf *b)
{
	(void)arg;
	(void)b;
	return (true);
}

static bool
unseal(void *arg, struct slice *s)
{
	(void)arg;
	(void)s;
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

static const struct store_key key = { { (const uint8_t *)"/n", 2 },
	{ (const uint8_t *)"room", 4 } };

static struct remote_link
link_of(void)
{
	return ((struct remote_link){ .redis = (struct redis *)(void *)&wheel,
		.prefix = "p:", .node_id = 0xabc, .channel = channel,
		.seal = seal, .unseal = unseal, .offset = offset, .fit = fit });
}

static void
open_remote(void)
{
	struct remote_params p = { .wheel = &wheel, .now_ms = clock_ms,
		.bounds = { 1u << 20, 1u << 20, 10, false }, .judge = judge,
		.place = on_place, .stands = on_stands, .any = any,
		.takes = takes };
	struct remote_link link = link_of();

	m = remote_new(&p);
	assert_non_null(m);
	store = remote_store(m);
	remote_serve(m, &link);
}

static int
set_up(void **state)
{
	(void)state;
	now_ms = 64000;
	up = hears = here = keeps = true;
	nasked = nanswered = 0;
	said[0] = '\0';
	bounds.keys = 0;
	wheel_init(&wheel, (struct mono){ now_ms * 1000 });
	open_remote();
	return (0);
}

static int
tear_down(void **state)
{
	(void)state;
	store->does->free(store->engine);
	assert_int_equal(wheel.count, 0);
	return (0);
}

static void
pass_ms(uint64_t ms)
{
	for (; ms > 0; ms -= ms < 10 ? ms : 10) {
		now_ms += 10;
		wheel_advance(&wheel, (struct mono){ now_ms * 1000 });
	}
}

static void
append_id(const char *args, const char *id, uint16_t flags)
{
	struct bus_envelope e;
	struct bus_publish *p = bus_keep(&e);
	struct store_append a = { .key = key, .bounds = bounds, .e = &e,
		.done = on_kept };

	a.asker.slot = 1;
	a.asker.ref = 1;
	a.asker.flags = flags;
	p->nsp = key.nsp;
	p->event = SLICE("\"m\"");
	p->args = slice_str(args);
	p->once = slice_str(id);
	p->to.rooms[p->to.nrooms++] = key.room;
	store->does->append(store->engine, &a);
}

static void
append(const char *args)
{
	append_id(args, "", BUS_FAR);
}

static void
read_after(const char *epoch, uint64_t since)
{
	struct store_read q = { .key = key, .bounds = bounds,
		.from = BUS_HISTORY_AFTER, .epoch = slice_str(epoch),
		.since = since, .limit = 100, .bytes = 1u << 20,
		.done = on_page };

	q.asker.slot = 1;
	store->does->read(store->engine, &q);
}

/* Members are here, and it stands there. */
static void
be_live(const char *epoch, uint64_t top)
{
	remote_interest(m, &key, true);
	answer_page(epoch, top, BUS_STORE_OK, top > 0 ? 1 : 0, top);
	said[0] = '\0';
}

/* --- appends ----------------------------------------------------------------*/

static void
what_is_appended_has_its_place_by_the_answer(void **state)
{
	(void)state;
	be_live("e", 2);
	append("a");
	assert_said("");
	answer_places("e", "3");
	assert_said("a=e:3 ");
	/* by the channel it comes again */
	assert_true(hear("e", 3, "a"));
	assert_said("");
	assert_slice(arg_of(1, 0), "EVALSHA");
	assert_slice(arg_of(1, 3), "p:history-state:n:room");
	assert_slice(arg_of(1, 4), "p:history:n:room");
	assert_slice(arg_of(1, 14), "e");
	assert_slice(arg_of(1, 15), "2");
}

/* What is at this place of that epoch becomes "new". */
static void
edit(const char *epoch, uint64_t place, uint16_t flags)
{
	static struct bus_envelope old;
	struct bus_envelope e;
	struct bus_publish *p = bus_keep(&e);
	struct store_append a = { .key = key, .bounds = bounds, .e = &e,
		.done = on_kept };
	struct buf b, meta, frame, made;
	struct store_append was = { .key = key, .e = &old };
	struct number_place at = { slice_str(epoch), place };

	buf_init(&b);
	buf_init(&meta);
	buf_init(&frame);
	buf_init(&made);
	buf_slice(&made, slice_from(entry(&b, "new", flags & BUS_FINISH), 4));
	assert_true(bus_whole(buf_unread(&made), &old));
	was.asker.flags = flags & BUS_FINISH;
	assert_true(number_frame(&was, &at, NULL, &meta, &frame));
	a.asker.slot = 1;
	a.asker.ref = 1;
	a.asker.flags = BUS_FAR | BUS_EDIT | flags;
	p->nsp = key.nsp;
	p->event = SLICE("\"history:edited\"");
	p->args = SLICE("edit");
	p->instead = buf_unread(&frame);
	p->to.rooms[p->to.nrooms++] = key.room;
	store->does->append(store->engine, &a);
	buf_fini(&b);
	buf_fini(&meta);
	buf_fini(&frame);
	buf_fini(&made);
}

/* Behind the keys, and 14 of the room. */
#define EDIT_ARG	(3 + 5 + 14)

static void
a_change_goes_alone_with_what_is_kept_instead(void **state)
{
	struct buf b;
	struct slice instead;

	(void)state;
	be_live("e", 3);
	append("a");
	edit("e", 2, 0);
	append("b");
	answer_places("e", "4");
	assert_slice(arg_of(1, EDIT_ARG), "0");
	assert_slice(arg_of(2, 7), "p:history-edits:n:room");
	assert_slice(arg_of(2, EDIT_ARG), "2");
	assert_slice(arg_of(2, EDIT_ARG + 1), "e");
	/* as it would have been published */
	buf_init(&b);
	instead = arg_of(2, EDIT_ARG + 2);
	assert_true(slice_eq(instead, entry(&b, "new", 0)));
	buf_fini(&b);
	assert_int_equal(asked[2].n, EDIT_ARG + 3 + 3);
	read_after("e", 0);		/* all of it is at hand */
	answer_places("e", "5");
	answer_places("e", "6");
	assert_said("a=e:4 page1 e:4+4 edit=e:5 b=e:6 ");
	/* what it was is not any more */
	read_after("e", 2);
	read_after("e", 1);
	assert_said("page1 e:6+4 ");
	assert_int_equal(nasked, 5);
	answer_page("e", 6, BUS_STORE_OK, 2, 5);
	assert_said("page1 e:6+5 ");
}

static void
a_change_of_what_is_not_there_is_refused(void **state)
{
	(void)state;
	be_live("e", 3);
	edit("e", 2, 0);
	edit("e", 1, 0);
	edit("e", 1, 0);
	answer_places("e", "~2");
	answer_places("e", "~3");
	answer_places("e", "0");
	assert_said("no:2 no:3 no:5 ");
	/* by another host: it is read again as well */
	read_after("e", 0);
	assert_said("page1 e:3+3 ");
	assert_true(hear_as("e", 4, "x", BUS_EDIT));
	assert_said("heard x=e:4 ");
	read_after("e", 0);
	assert_said("");
	answer_page("e", 4, BUS_STORE_OK, 1, 4);
	assert_said("page1 e:4+4 ");
	/* and while Redis is away */
	up = false;
	edit("e", 1, 0);
	assert_said("no:6 ");
}

static void
a_change_that_waits_for_its_answer_goes_to_the_next_one(void **state)
{
	struct slice saved;
	bool bad;
	int fd;

	(void)state;
	be_live("e", 3);
	edit("e", 2, 0);
	fd = store->does->save(store->engine, slice_of(NULL, 0), &bad);
	assert_true(fd >= 0 && !bad);
	store->does->free(store->engine);
	nasked = nanswered = 0;
	said[0] = '\0';
	open_remote();
	assert_int_equal(sealed_map(fd, 1u << 20, &saved), 0);
	assert_true(store->does->load(store->engine, saved));
	sealed_unmap(saved);
	(void)close(fd);
	pass_ms(100);
	assert_int_equal(nasked, 1);
	assert_slice(arg_of(0, EDIT_ARG), "2");
	assert_slice(arg_of(0, EDIT_ARG + 1), "e");
	assert_true(arg_of(0, EDIT_ARG + 2).n > 32);
	assert_slice(arg_of(0, 12), "y");	/* it may be done */
	answer_places("e", "4");
}

static void
one_batch_at_a_time_in_order(void **state)
{
	(void)state;
	be_live("e", 0);
	append("a");
	append("b");
	append("c");
	assert_int_equal(nasked, 2);
	answer_places("e", "1");
	assert_int_equal(nasked, 3);
	answer_places("e", "2 3");
	assert_said("a=e:1 b=e:2 c=e:3 ");
}

static void
what_was_there_is_given_to_nobody(void **state)
{
	(void)state;
	be_live("e", 5);
	append_id("a", "id", BUS_FAR);
	answer_places("e", "-4");
	assert_said("was:4 ");
}

static void
what_every_host_brings_goes_alone_and_by_its_name(void **state)
{
	(void)state;
	be_live("e", 0);
	append("x");
	append_id("a", "", 0);
	append_id("b", "", 0);
	answer_places("e", "1");
	assert_slice(arg_of(2, 2), "6");
	assert_slice(slice_of(arg_of(2, 8).p, 15), "p:history-near:");
	answer_error("ERR of no matter");
	assert_said("x=e:1 no:6 no:6 ");
}

/* One that finishes the room is the last of its batch, and says so. */
static void
behind_the_end_of_a_room_nothing_is_kept(void **state)
{
	uint64_t refused = counter_get(COUNTER_store_refused_finished);
	uint64_t lost = counter_get(COUNTER_store_lost);

	(void)state;
	be_live("e", 0);
	append("a");
	append("b");
	append_id("c", "", BUS_FAR | BUS_FINISH);
	append("d");
	assert_slice(arg_of(1, 20), "n");
	answer_places("e", "1");
	assert_slice(arg_of(2, 20), "y");
	assert_int_equal(asked[2].n, 25 + 3 * 2);
	read_after("e", 1);
	answer_places("e", "2 3");
	assert_slice(arg_of(3, 20), "n");
	answer_places("e", "0");
	assert_said("a=e:1 page1 e:1+0 b=e:2 c=e:3. no:5 ");
	read_after("e", 1);
	assert_said("page1 e:3+2. ");
	assert_true(hear("e", 3, "c"));
	/* nobody waits for what is known here */
	up = false;
	append("f");
	assert_said("no:5 ");
	/* one that was told that it waits is lost */
	remote_interest(m, &key, false);
	append("f");
	assert_said("waits ");
	up = true;
	pass_ms(100);
	answer_places("e", "0");
	assert_said("");
	assert_int_equal(counter_get(COUNTER_store_refused_finished) - refused,
	    1);	/* keep.c counts those that are told */
	assert_int_equal(counter_get(COUNTER_store_lost) - lost, 1);
}

static void
the_end_of_a_room_comes_from_others(void **state)
{
	(void)state;
	be_live("e", 2);
	assert_true(hear_as("e", 3, "c", BUS_FINISH));
	read_after("e", 2);
	assert_said("heard c=e:3. page1 e:3+1. ");
	/* a new one begins: nothing is said of it */
	assert_true(hear("f", 1, "a"));
	read_after("f", 0);
	assert_said("heard a=f:1 page1 f:1+1 ");
	/* or is read */
	remote_interest(m, &key, false);
	remote_interest(m, &key, true);
	answer_page_as("g", 4, BUS_STORE_OK, 1, 4, true);
	said[0] = '\0';
	read_after("g", 4);
	read_after("g", 2);
	assert_said("page1 g:4+0. page1 g:4+2. ");
	remote_interest(m, &key, false);
	read_after("g", 2);
	answer_page_as("g", 4, BUS_STORE_OK, 3, 2, true);
	assert_said("page1 g:4+2. ");
	/* of a page that is cut the end is not yet, of one behind it is */
	remote_interest(m, &key, true);
	answer_page("h", 5, BUS_STORE_OK, 4, 2);
	said[0] = '\0';
	read_after("h", 0);
	answer_page_as("h", 6, BUS_STORE_OK, 1, 6, true);
	assert_said("page1 h:5+5 ");
	read_after("h", 0);
	assert_true(hear_as("h", 6, "f", BUS_FINISH));
	answer_page("h", 5, BUS_STORE_OK, 4, 2);
	assert_said("heard f=h:6. page1 h:6+2... ");
	read_after("h", 5);
	assert_said("page1 h:6+1. ");
}

static void
a_script_that_is_not_there_goes_along(void **state)
{
	(void)state;
	be_live("e", 0);
	append("a");
	answer_error("NOSCRIPT No matching script");
	assert_slice(arg_of(2, 0), "EVAL");
	assert_true(slice_eq(arg_of(1, 11), arg_of(2, 11)));
	answer_places("e", "1");
	assert_said("a=e:1 ");
}

static void
a_lost_answer_is_asked_for_again(void **state)
{
	(void)state;
	be_live("e", 0);
	append("a");
	append("b");
	assert_slice(arg_of(1, 12), "n");
	up = false;
	answer(NULL);
	assert_said("waits waits ");
	pass_ms(200);
	up = true;
	pass_ms(100);
	assert_slice(arg_of(2, 12), "y");
	assert_true(slice_eq(arg_of(1, 11), arg_of(2, 11)));
	answer_places("e", "1");
	assert_said("late a=e:1 ");
	answer_places("e", "2");
	assert_said("late b=e:2 ");
}

static void
an_error_refuses_and_who_waits_waits_on(void **state)
{
	(void)state;
	be_live("e", 0);
	append("a");
	answer_error("OOM command not allowed");
	assert_said("no:6 ");
	append("b");
	assert_said("no:6 ");	/* not so soon */
	up = false;
	pass_ms(600);
	append("c");
	assert_said("waits ");
	up = true;
	pass_ms(100);
	answer_error("OOM command not allowed");
	assert_said("");
	append("d");
	assert_said("no:6 ");
	pass_ms(600);
	answer_places("e", "1");
	assert_said("late c=e:1 ");
}

static void
what_waits_is_bounded(void **state)
{
	unsigned i;

	(void)state;
	be_live("e", 0);
	up = false;
	for (i = 0; i < 11; i++)
		append("a");
	assert_said("waits waits waits waits waits waits waits waits waits "
	    "waits no:6 ");
}

static void
nothing_waits_where_it_is_refused(void **state)
{
	struct remote_bounds b = { 1u << 20, 1u << 20, 10, true };

	(void)state;
	remote_bound(m, &b);
	be_live("e", 0);
	append("a");
	up = false;
	answer(NULL);
	append("b");
	assert_said("no:6 ");
	pass_ms(2000);
	assert_said("no:6 ");
	up = true;
	pass_ms(200);
	assert_int_equal(nasked, 2);
}

static void
a_slow_answer_is_not_waited_for(void **state)
{
	(void)state;
	be_live("e", 0);
	append("a");
	pass_ms(1700);
	assert_said("waits ");
	answer_places("e", "1");
	assert_said("late a=e:1 ");
}

static void
what_waits_goes_to_the_next_one(void **state)
{
	struct slice saved;
	bool bad;
	int fd;

	(void)state;
	be_live("e", 0);
	append("a");
	up = false;
	answer(NULL);
	append("b");
	append_id("c", "", BUS_FAR | BUS_FINISH);
	append("d");		/* it comes too late */
	fd = store->does->save(store->engine, slice_of(NULL, 0), &bad);
	assert_true(fd != -1 && !bad);
	store->does->free(store->engine);
	open_remote();
	assert_int_equal(sealed_map(fd, 1u << 20, &saved), 0);
	assert_true(store->does->load(store->engine, saved));
	sealed_unmap(saved);
	(void)close(fd);
	said[0] = '\0';
	up = true;
	pass_ms(100);
	assert_slice(arg_of(2, 12), "y");
	assert_true(slice_eq(arg_of(1, 11), arg_of(2, 11)));
	answer_places("e", "1");
	assert_slice(arg_of(3, 20), "y");
	assert_int_equal(asked[3].n, 25 + 3 * 2);
	answer_places("e", "2 3");
	assert_said("late a=e:1 late b=e:2 late c=e:3. ");
}

/* --- what comes -------------------------------------------------------------*/

static void
others_are_heard_in_order_and_a_hole_is_read(void **state)
{
	(void)state;
	be_live("e", 2);
	assert_true(hear("e", 3, "a"));
	assert_true(hear("e", 3, "a"));
	assert_true(hear("e", 5, "c"));
	assert_said("heard a=e:3 ");
	assert_true(hear("e", 4, "b"));
	assert_said("heard b=e:4 heard c=e:5 ");
	assert_true(hear("e", 8, "f"));
	pass_ms(300);
	answer_page("e", 8, BUS_STORE_OK, 6, 3);
	assert_said("heard 6=e:6 heard 7=e:7 heard 8=e:8 ");
}

static void
ours_waits_for_those_before_it(void **state)
{
	(void)state;
	be_live("e", 0);
	append("a");
	answer_places("e", "2");
	assert_said("later:2 ");
	assert_true(hear("e", 1, "other"));
	assert_said("heard other=e:1 late a=e:2 ");
}

static void
another_epoch_is_looked_for(void **state)
{
	(void)state;
	be_live("e", 5);
	/* from its first on */
	assert_true(hear("f", 1, "a"));
	assert_said("heard a=f:1 ");
	/* in the middle of one */
	assert_true(hear("g", 7, "b"));
	assert_said("heard b=g:7 ");
	pass_ms(100);
	answer_page("g", 7, BUS_STORE_EPOCH, 0, 0);
	answer_page("g", 7, BUS_STORE_OK, 1, 7);
	assert_non_null(strstr(said, "stands g:7"));
	said[0] = '\0';
	assert_true(hear("g", 8, "c"));
	assert_said("heard c=g:8 ");
}

static void
a_look_that_cannot_be_sent_is_sent_later(void **state)
{
	(void)state;
	be_live("e", 2);
	remote_missed(m, NULL);
	pass_ms(100);
	assert_int_equal(nasked, 2);
	up = false;		/* its queue is full */
	answer_page("e", 6, BUS_STORE_OK, 3, 2);
	assert_said("heard 3=e:3 heard 4=e:4 ");
	up = true;
	pass_ms(100);
	assert_int_equal(nasked, 3);
	answer_page("e", 6, BUS_STORE_OK, 5, 2);
	assert_said("heard 5=e:5 heard 6=e:6 ");
	assert_true(hear("e", 7, "a"));
	assert_said("heard a=e:7 ");
}

static void
what_is_no_batch_is_not_heard(void **state)
{
	(void)state;
	be_live("e", 0);
	assert_false(remote_hear(m, SLICE(REMOTE_MARK), NULL));
	assert_false(remote_hear(m, SLICE(REMOTE_MARK "t e 1\nabc"), NULL));
	assert_false(remote_hear(m, SLICE(REMOTE_MARK "t E 1\nabcdef"), NULL));
	assert_false(remote_hear(m, SLICE(REMOTE_MARK "t e 0\nabcdef"), NULL));
	assert_said("");
}

static void
a_room_without_members_is_not_followed(void **state)
{
	(void)state;
	here = false;
	assert_true(hear("e", 3, "a"));
	assert_said("");
	assert_int_equal(nasked, 0);
	here = true;
	assert_true(hear("e", 4, "b"));
	answer_page("e", 4, BUS_STORE_OK, 1, 4);
	/* who stood somewhere looks; who did not has it as it came */
	assert_said("stands e:4 heard b=e:4 ");
}

/* --- questions --------------------------------------------------------------*/

static void
what_is_at_hand_is_not_asked_for(void **state)
{
	(void)state;
	be_live("e", 5);
	read_after("e", 3);
	read_after("e", 0);
	read_after("old", 3);
	read_after("e", 9);
	assert_said("page1 e:5+2 page1 e:5+5 page3 e:5+0 page3 e:5+0 ");
	assert_int_equal(nasked, 1);
}

static void
the_same_question_is_asked_once(void **state)
{
	(void)state;
	here = false;
	read_after("e", 3);
	read_after("e", 3);
	read_after("e", 3);
	assert_int_equal(nasked, 1);
	answer_page("e", 5, BUS_STORE_OK, 4, 2);
	assert_said("page1 e:5+2 ");
	pass_ms(100);
	answer_page("e", 5, BUS_STORE_OK, 1, 5);	/* the newest, for all */
	assert_said("page1 e:5+2 page1 e:5+2 ");
	assert_int_equal(nasked, 2);
}

/* The bound of all: the oldest go, one by one. */
static void
what_is_at_hand_is_bounded(void **state)
{
	struct remote_bounds few = { 700, 1u << 20, 10, false };
	char args[16];
	unsigned i;

	(void)state;
	be_live("e", 0);
	remote_bound(m, &few);
	for (i = 1; i <= 40; i++) {
		(void)snprintf(args, sizeof args, "%u", i);
		assert_true(hear("e", i, args));
		assert_true(counter_get(COUNTER_store_bytes) <= 700);
		if (i > 2)
			read_after("e", i - 2);
	}
	assert_non_null(strstr(said, "page1 e:40+2 "));
	assert_int_equal(nasked, 1);
}

/* Subscriptions are faster than questions, or slower. */
static void
a_page_ends_where_the_workers_are(void **state)
{
	(void)state;
	remote_interest(m, &key, true);
	answer_page("e", 5, BUS_STORE_OK, 4, 2);
	said[0] = '\0';
	read_after("e", 0);		/* 1..3 are not at hand */
	assert_int_equal(nasked, 2);
	assert_true(hear("e", 6, "f"));
	assert_said("heard f=e:6 ");
	answer_page("e", 5, BUS_STORE_OK, 1, 5);
	assert_said("page1 e:6+5... ");
	read_after("e", 5);
	assert_said("page1 e:6+1 ");
	/* two were kept meanwhile, and are not heard yet */
	read_after("e", 0);
	answer_page("e", 8, BUS_STORE_OK, 1, 8);
	assert_said("page1 e:6+6 ");
	/* nothing of it is there any more: as it stands, or not at all */
	read_after("e", 0);
	assert_true(hear("e", 7, "g"));
	answer_page("e", 6, BUS_STORE_GAP, 0, 0);
	assert_said("heard g=e:7 ");
	pass_ms(100);
	answer_page("e", 7, BUS_STORE_GAP, 7, 1);
	assert_said("page2 e:7+1 ");
}

static void
while_redis_is_away_there_is_what_is_at_hand(void **state)
{
	(void)state;
	be_live("e", 5);
	remote_missed(m, NULL);
	up = false;
	read_after("e", 4);
	assert_said("page1 e:5+1 ");
	remote_interest(m, &key, false);
	read_after("e", 4);
	assert_said("page6 :0+0 ");
}

static void
a_link_that_goes_makes_no_calls(void **state)
{
	struct remote_link link = link_of();

	(void)state;
	be_live("e", 0);
	append("a");
	remote_forget(m, link.redis);
	append("b");
	assert_said("no:6 ");		/* there is none */
	remote_serve(m, &link);
	pass_ms(100);
	/* the look, and the same batch */
	assert_true(nasked >= 3);
	assert_true(slice_eq(arg_of(1, 11), arg_of(2, 11)) ||
	    slice_eq(arg_of(1, 11), arg_of(3, 11)));
}

/* A reload: nothing of it is kept any more. */
static void
judge_anew(void)
{
	store->does->conf(store->engine, 1u << 20);
	while (store->does->busy(store->engine))
		store->does->turn(store->engine);
}

static void
who_waits_is_answered_before_a_room_goes(void **state)
{
	(void)state;
	be_live("e", 2);
	append("a");
	append("b");
	keeps = false;
	judge_anew();
	assert_said("");
	answer_places("e", "3");
	assert_said("a=e:3 ");
	pass_ms(50);
	answer_places("e", "4");
	assert_said("b=e:4 ");
	pass_ms(50);
	assert_int_equal(counter_get(COUNTER_store_rooms), 0);
	append("c");		/* Redis goes meanwhile */
	assert_said("");
	judge_anew();
	up = false;
	pass_ms(50);
	assert_said("no:6 ");
	assert_int_equal(counter_get(COUNTER_store_rooms), 0);
}

/* --- trimming ------------------------------------------------------------------*/

static void
trim(const char *epoch, uint64_t place)
{
	struct store_trim t = { .key = key, .bounds = bounds,
		.epoch = slice_str(epoch), .place = place };

	store->does->trim(store->engine, &t);
}

static void
answer_left(int64_t left)
{
	struct reply o = { .type = REPLY_INTEGER, .integer = left };

	answer(&o);
}

static void
what_is_trimmed_is_at_hand_no_more(void **state)
{
	uint64_t failed = counter_get(COUNTER_store_trims_failed);

	(void)state;
	be_live("e", 9);
	trim("e", 5);
	assert_slice(arg_of(1, 0), "EVALSHA");
	assert_slice(arg_of(1, 2), "3");
	assert_slice(arg_of(1, 3), "p:history-state:n:room");
	assert_slice(arg_of(1, 4), "p:history:n:room");
	assert_slice(arg_of(1, 5), "p:history-edits:n:room");
	assert_slice(arg_of(1, 6), "e");
	assert_slice(arg_of(1, 7), "5");
	answer_error("NOSCRIPT no such script");
	assert_slice(arg_of(2, 0), "EVAL");
	answer_left(3);		/* some at a time */
	assert_slice(arg_of(3, 0), "EVALSHA");
	answer_left(0);
	assert_int_equal(nasked, 4);
	read_after("e", 2);
	assert_said("page2 e:9+4 ");
	read_after("e", 7);
	assert_said("page1 e:9+2 ");
	/* of another epoch nothing is known here; without Redis it is left */
	trim("f", 8);
	answer_left(0);
	read_after("e", 5);
	assert_said("page1 e:9+4 ");
	trim("e", 7);
	answer_error("ERR of no matter");
	assert_int_equal(counter_get(COUNTER_store_trims_failed) - failed, 1);
	up = false;
	trim("e", 7);
	assert_int_equal(counter_get(COUNTER_store_trims_failed) - failed, 2);
	read_after("e", 5);
	assert_said("page1 e:9+4 ");
}

/* --- keys ------------------------------------------------------------------*/

static void
append_key(const char *args, uint64_t keyed, uint64_t base)
{
	struct bus_envelope e;
	struct bus_publish *p = bus_keep(&e);
	struct store_append a = { .asker = { .slot = 1, .ref = 1,
		.flags = BUS_FAR }, .key = { SLICE("/n"), SLICE("room") },
		.bounds = bounds, .e = &e, .done = on_kept };

	p->nsp = a.key.nsp;
	p->event = SLICE("\"m\"");
	p->args = slice_str(args);
	p->key = SLICE("k");
	p->keyed = keyed;
	p->base = base;
	p->based = keyed & KEYED_BASE ? SLICE("e1") : slice_of(NULL, 0);
	p->to.rooms[p->to.nrooms++] = a.key.room;
	store->does->append(store->engine, &a);
}

static void
read_state(enum bus_history_from from)
{
	struct store_read q = { .asker = { .slot = 1, .ref = 1 },
		.key = { SLICE("/n"), SLICE("room") }, .bounds = bounds,
		.from = from, .of = SLICE("k"), .limit = 10, .bytes = 1 << 20,
		.done = on_page };

	store->does->read(store->engine, &q);
}

/* To the next: the places of those that are there, instead of ages. */
static void
answer_state(const char *epoch, uint64_t top, uint64_t place)
{
	struct reply parts[PAGE_HEAD + 2], *v[PAGE_HEAD + 2];
	struct reply o = { .type = REPLY_ARRAY, .elements = v,
		.n = PAGE_HEAD + 2 };
	struct buf b;
	size_t i;

	memset(parts, 0, sizeof parts);
	for (i = 0; i < nitems(parts); i++) {
		v[i] = &parts[i];
		parts[i].type = REPLY_INTEGER;
	}
	parts[0].type = REPLY_STRING;
	parts[0].text = slice_str(epoch);
	parts[1].integer = (int64_t)top;
	parts[2].integer = 1;
	parts[4].integer = BUS_STORE_OK;
	parts[PAGE_HEAD].integer = (int64_t)place;
	buf_init(&b);
	parts[PAGE_HEAD + 1].type = REPLY_STRING;
	parts[PAGE_HEAD + 1].text = entry(&b, "x", 0);
	answer(&o);
	buf_fini(&b);
}

static void
have_keys(void)
{
	bounds.keys = 10;
	bounds.keys_bytes = 1000;
}

static void
what_is_asked_of_a_key_goes_along_and_a_conflict_comes_back(void **state)
{
	(void)state;
	have_keys();
	append_key("a", KEYED_BASE | KEYED_GONE, 3);
	append_key("b", KEYED_VERSION, 9);
	append_key("c", 0, 0);
	append_key("d", 0, 0);
	assert_slice(arg_of(nanswered, 2), "8");
	assert_slice(arg_of(nanswered, 8), "p:history-keys:n:room");
	assert_slice(arg_of(nanswered, 3 + 8 + 13), "10");
	assert_slice(arg_of(nanswered, 3 + 8 + 15 + 2), "k");
	assert_slice(arg_of(nanswered, 3 + 8 + 15 + 3), "b");
	assert_slice(arg_of(nanswered, 3 + 8 + 15 + 4), "3");
	assert_slice(arg_of(nanswered, 3 + 8 + 15 + 5), "y");
	assert_slice(arg_of(nanswered, 3 + 8 + 15 + 6), "e1");
	answer_places_of(8, "e1", "!7,2");
	assert_said("no:7 ");
	answer_places_of(8, "e1", "!8,9 4 ?");
	assert_said("no:7 c=e1:4 no:8 ");
}

static void
what_is_asked_of_a_key_does_not_wait_for_redis(void **state)
{
	(void)state;
	have_keys();
	up = false;
	append_key("a", KEYED_BASE, 3);
	assert_said("no:6 ");
	append_key("b", 0, 0);
	assert_said("waits ");
	up = true;
}

static void
a_page_of_keys_that_is_ahead_waits_for_the_workers(void **state)
{
	(void)state;
	have_keys();
	be_live("e1", 3);
	read_state(BUS_HISTORY_STATE);
	assert_slice(arg_of(nanswered, 2), "6");
	answer_state("e1", 5, 5);
	assert_said("");
	/* of one key it is said as it is */
	read_state(BUS_HISTORY_KEY);
	answer_state("e1", 5, 5);
	assert_said("page1 e1:5+1 ");
	assert_true(hear("e1", 4, "4"));
	pass_ms(60);
	assert_said("heard 4=e1:4 ");
	assert_true(hear("e1", 5, "5"));
	pass_ms(60);
	assert_said("heard 5=e1:5 page1 e1:5+1 ");
	/* one that was made before is followed by what came since */
	read_state(BUS_HISTORY_STATE);
	assert_true(hear("e1", 6, "6"));
	answer_state("e1", 5, 5);
	assert_said("heard 6=e1:6 page1 e1:5+1... ");
	/* ... which is at hand */
	read_after("e1", 5);
	assert_said("page1 e1:6+1 ");
	/* and not told at all for ever */
	read_state(BUS_HISTORY_STATE);
	answer_state("e1", 9, 9);
	pass_ms(3000);
	assert_said("page6 :0+0 ");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
#define REMOTE_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		REMOTE_TEST(what_is_appended_has_its_place_by_the_answer),
		REMOTE_TEST(one_batch_at_a_time_in_order),
		REMOTE_TEST(a_change_goes_alone_with_what_is_kept_instead),
		REMOTE_TEST(a_change_of_what_is_not_there_is_refused),
		REMOTE_TEST(
		    a_change_that_waits_for_its_answer_goes_to_the_next_one),
		REMOTE_TEST(what_was_there_is_given_to_nobody),
		REMOTE_TEST(what_every_host_brings_goes_alone_and_by_its_name),
		REMOTE_TEST(behind_the_end_of_a_room_nothing_is_kept),
		REMOTE_TEST(the_end_of_a_room_comes_from_others),
		REMOTE_TEST(a_script_that_is_not_there_goes_along),
		REMOTE_TEST(a_lost_answer_is_asked_for_again),
		REMOTE_TEST(an_error_refuses_and_who_waits_waits_on),
		REMOTE_TEST(what_is_trimmed_is_at_hand_no_more),
		REMOTE_TEST(what_waits_is_bounded),
		REMOTE_TEST(nothing_waits_where_it_is_refused),
		REMOTE_TEST(a_slow_answer_is_not_waited_for),
		REMOTE_TEST(what_waits_goes_to_the_next_one),
		REMOTE_TEST(others_are_heard_in_order_and_a_hole_is_read),
		REMOTE_TEST(ours_waits_for_those_before_it),
		REMOTE_TEST(another_epoch_is_looked_for),
		REMOTE_TEST(a_look_that_cannot_be_sent_is_sent_later),
		REMOTE_TEST(what_is_no_batch_is_not_heard),
		REMOTE_TEST(a_room_without_members_is_not_followed),
		REMOTE_TEST(what_is_at_hand_is_not_asked_for),
		REMOTE_TEST(the_same_question_is_asked_once),
		REMOTE_TEST(what_is_at_hand_is_bounded),
		REMOTE_TEST(a_page_ends_where_the_workers_are),
		REMOTE_TEST(while_redis_is_away_there_is_what_is_at_hand),
		REMOTE_TEST(a_link_that_goes_makes_no_calls),
		REMOTE_TEST(who_waits_is_answered_before_a_room_goes),
		REMOTE_TEST(what_is_asked_of_a_key_goes_along_and_a_conflict_comes_back),
		REMOTE_TEST(what_is_asked_of_a_key_does_not_wait_for_redis),
		REMOTE_TEST(a_page_of_keys_that_is_ahead_waits_for_the_workers),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
