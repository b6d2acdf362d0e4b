/*
 * The newest of each key, in memory: what is asked of it, pages while it changes, its
 * bounds, markers of what is deleted, over a save; and by chance against a model that
 * is an array.
 */
#include "relay/store/memory_keyed.h"

#include <bsd/string.h>
#include <unistd.h>

#include "shm/counters.h"
#include "sys/sealed.h"
#include "sys/timer.h"
#include "tests/lib/check.h"

#define ALL	(4u << 20)

static struct wheel wheel;
static uint64_t now_ms;
static struct store *store;
static struct store_bounds bounds;

static uint64_t
clock_ms(void *arg)
{
	(void)arg;
	return (now_ms);
}

static bool
judge(void *arg, const struct store_key *key, struct store_bounds *b)
{
	(void)arg;
	(void)key;
	*b = bounds;
	return (true);
}

static struct store *
open_store(void)
{
	struct memory_params p = { .wheel = &wheel, .now_ms = clock_ms,
		.bytes = ALL, .judge = judge };
	struct store *s = memory_new(&p);

	assert_non_null(s);
	return (s);
}

static int
set_up(void **state)
{
	(void)state;
	now_ms = 64000;
	bounds = (struct store_bounds){ .events = 5, .bytes = 1 << 20,
		.keys = 100, .keys_bytes = 1 << 20 };
	wheel_init(&wheel, (struct mono){ now_ms * 1000 });
	store = open_store();
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

/* --- asking ---------------------------------------------------------------*/

struct answer {
	enum bus_store	 result;
	uint64_t	 kept, version;
};

static const struct store_key room = { SLICE("/n"), SLICE("doc") };

static void
on_kept(void *arg, const struct store_kept *k)
{
	*(struct answer *)arg = (struct answer){ k->result, k->kept,
		k->version };
}

static struct answer
put(const char *key, uint64_t keyed, uint64_t base, const char *value)
{
	struct bus_envelope e;
	struct bus_publish *p = bus_keep(&e);
	struct answer got;
	struct store_append a = { .key = room, .bounds = bounds, .e = &e,
		.done = on_kept, .arg = &got };
	char args[256];

	(void)snprintf(args, sizeof args, "{\"value\":\"%s\"}", value);
	p->nsp = room.nsp;
	p->event = SLICE("\"doc:change\"");
	p->args = slice_str(args);
	p->meta = SLICE("{\"id\":\"1\"}");
	p->key = slice_str(key);
	p->keyed = keyed | KEYED_REV;
	p->base = base;
	p->to.rooms[p->to.nrooms++] = room.room;
	store->does->append(store->engine, &a);
	return (got);
}

#define assert_put(want, place, ...) do {				\
	struct answer put_ = put(__VA_ARGS__);				\
	assert_int_equal(put_.result, BUS_STORE_##want);		\
	assert_int_equal(put_.kept, place);				\
} while (0)

/* What a page has: "key=value@place ..."; of one that is gone "key!@place". */
struct told {
	char		 text[4096];
	uint64_t	 result, top, last;
	unsigned	 n;
	bool		 more;
	char		 epoch[STORE_EPOCH_MAX + 1];
};

static void
tell(struct told *t, const struct bus_publish *p)
{
	size_t at = strlen(t->text);
	struct slice v = p->args;

	assert_int_equal(p->keyed & (uint64_t)~(KEYED_GONE | KEYED_VERSION), 0);
	t->n++;
	t->last = p->kept;
	(void)snprintf(t->text + at, sizeof t->text - at, "%s%.*s%s@%llu%.*s",
	    at == 0 ? "" : " ", (int)p->key.n, (const char *)p->key.p,
	    p->keyed & KEYED_GONE ? "!" : "", (unsigned long long)p->kept,
	    (int)v.n, (const char *)v.p);
}

static void
on_page(void *arg, const struct store_page *page)
{
	static struct bus_envelope e;
	struct told *t = arg;
	struct slice frames = page->page.frames;
	ssize_t n;

	t->result = page->page.result;
	t->top = page->page.top;
	t->more = page->more;
	(void)snprintf(t->epoch, sizeof t->epoch, "%.*s",
	    (int)page->page.epoch.n, page->page.epoch.n == 0 ? "" :
	    (const char *)page->page.epoch.p);
	while (frames.n > 0) {
		n = bus_decode(frames, &e);
		assert_true(n > 0);
		tell(t, &e.publish);
		frames = slice_from(frames, (size_t)n);
	}
}

static struct told
look(enum bus_history_from from, const char *epoch, uint64_t since,
    uint64_t limit, const char *of)
{
	struct told t = { .text = "" };
	struct store_read q = { .key = room, .bounds = bounds, .from = from,
		.epoch = slice_str(epoch), .since = since, .limit = limit,
		.bytes = 1 << 20, .of = slice_str(of), .done = on_page,
		.arg = &t };

	store->does->read(store->engine, &q);
	return (t);
}

static const char *
state(void)
{
	static struct told t;

	t = look(BUS_HISTORY_STATE, "", 0, 1000, "");
	assert_int_equal(t.result, BUS_STORE_OK);
	assert_false(t.more);
	return (t.text);
}

/* --- what is asked of a key -----------------------------------------------*/

static void
the_newest_is_there_with_its_place(void **state_)
{
	(void)state_;
	assert_put(OK, 1, "a", 0, 0, "1");
	assert_put(OK, 2, "b", 0, 0, "2");
	assert_put(OK, 3, "a", 0, 0, "3");
	assert_string_equal(state(), "b@2{\"rev\":2,\"value\":\"2\"} "
	    "a@3{\"rev\":3,\"value\":\"3\"}");
	assert_string_equal(look(BUS_HISTORY_KEY, "", 0, 1, "b").text,
	    "b@2{\"rev\":2,\"value\":\"2\"}");
	assert_string_equal(look(BUS_HISTORY_KEY, "", 0, 1, "c").text, "");
	/* the history has all of it */
	assert_int_equal(look(BUS_HISTORY_FIRST, "", 0, 9, "").n, 3);
}

static void
a_stale_base_conflicts_and_nothing_is_kept(void **state_)
{
	struct answer got;

	(void)state_;
	assert_put(CONFLICT, 0, "a", KEYED_BASE, 1, "x");
	assert_put(OK, 1, "a", KEYED_BASE, 0, "1");
	assert_put(CONFLICT, 1, "a", KEYED_BASE, 0, "x");
	assert_put(OK, 2, "a", KEYED_BASE, 1, "2");
	assert_put(CONFLICT, 2, "a", KEYED_BASE | KEYED_GONE, 1, "x");
	assert_put(OK, 3, "a", KEYED_BASE | KEYED_GONE, 2, "");
	/* it is remembered where it was deleted */
	assert_put(CONFLICT, 3, "a", KEYED_BASE, 0, "x");
	assert_put(CONFLICT, 3, "a", KEYED_BASE, 2, "x");
	assert_put(OK, 4, "a", KEYED_BASE, 3, "4");
	got = put("a", KEYED_BASE, 9, "x");
	assert_int_equal(got.result, BUS_STORE_CONFLICT);
	assert_string_equal(state(), "a@4{\"rev\":4,\"value\":\"4\"}");
	assert_int_equal(look(BUS_HISTORY_TOP, "", 0, 1, "").top, 4);
}

static void
an_older_version_does_not_take_the_place_of_a_newer_one(void **state_)
{
	struct answer got;

	(void)state_;
	assert_put(OK, 1, "a", KEYED_VERSION, 5, "five");
	assert_put(CONFLICT, 1, "a", KEYED_VERSION, 5, "x");
	got = put("a", KEYED_VERSION, 4, "x");
	assert_int_equal(got.version, 5);
	assert_put(OK, 2, "a", KEYED_VERSION, 7, "seven");
	/* without one it is the newest */
	assert_put(OK, 3, "a", 0, 0, "none");
	assert_put(OK, 4, "a", KEYED_VERSION, 1, "one");
	assert_string_equal(state(), "a@4{\"rev\":4,\"value\":\"one\"}");
}

/* --- pages ----------------------------------------------------------------*/

static void
pages_while_it_changes_have_each_key_as_it_is_at_the_end(void **state_)
{
	struct told t;
	char key[8];
	unsigned i, n = 0;

	(void)state_;
	for (i = 0; i < 30; i++) {
		(void)snprintf(key, sizeof key, "k%u", i);
		(void)put(key, 0, 0, "x");
	}
	t = look(BUS_HISTORY_STATE, "", 0, 7, "");
	while (t.more) {
		assert_int_equal(t.result, BUS_STORE_OK);
		assert_true(t.n <= 7);
		/* one that was read, and one that was not, change */
		if (n++ < 3) {
			(void)put("k0", 0, 0, "y");
			(void)put("k29", KEYED_GONE, 0, "");
		}
		t = look(BUS_HISTORY_AFTER, t.epoch, t.last, 7, "");
	}
	assert_int_equal(t.top, 36);
	assert_int_equal(t.last, 36);
	assert_non_null(strstr(t.text, "k0@35"));
	assert_non_null(strstr(t.text, "k29!@36"));
}

static void
what_the_history_has_no_more_is_told_by_the_keys(void **state_)
{
	struct told t;
	unsigned i;

	(void)state_;
	for (i = 0; i < 20; i++)
		(void)put(i % 2 ? "a" : "b", 0, 0, "x");
	t = look(BUS_HISTORY_STATE, "", 0, 9, "");
	/* the last five are there one by one */
	assert_int_equal(look(BUS_HISTORY_AFTER, t.epoch, 15, 9, "").n, 5);
	t = look(BUS_HISTORY_AFTER, t.epoch, 3, 9, "");
	assert_int_equal(t.result, BUS_STORE_OK);
	assert_int_equal(t.n, 2);
	assert_int_equal(t.top, 20);
	t = look(BUS_HISTORY_AFTER, "other", 3, 9, "");
	assert_int_equal(t.result, BUS_STORE_EPOCH);
	assert_int_equal(t.n, 2);
	t = look(BUS_HISTORY_AFTER, t.epoch, 21, 9, "");
	assert_int_equal(t.result, BUS_STORE_EPOCH);
}

static void
who_was_away_when_a_marker_went_is_told_that_something_is_missing(void **state_)
{
	struct told t;
	unsigned i;

	(void)state_;
	(void)put("a", 0, 0, "1");
	(void)put("a", KEYED_GONE, 0, "");	/* 2 */
	for (i = 0; i < 6; i++)
		(void)put("b", 0, 0, "x");	/* ... 8 */
	t = look(BUS_HISTORY_STATE, "", 0, 9, "");
	assert_non_null(strstr(t.text, "a!@2"));
	assert_int_equal(look(BUS_HISTORY_AFTER, t.epoch, 1, 9, "").result,
	    BUS_STORE_OK);
	now_ms += KEYED_MARKER_MS + 1;
	(void)put("b", 0, 0, "x");		/* 9 */
	assert_null(strstr(state(), "a!"));
	t = look(BUS_HISTORY_AFTER, t.epoch, 1, 9, "");
	assert_int_equal(t.result, BUS_STORE_GAP);
	assert_int_equal(t.n, 1);
	/* who has heard of it, and who had nothing, miss nothing */
	assert_int_equal(look(BUS_HISTORY_AFTER, t.epoch, 2, 9, "").result,
	    BUS_STORE_OK);
	assert_int_equal(look(BUS_HISTORY_AFTER, t.epoch, 0, 9, "").result,
	    BUS_STORE_OK);
	/* it is not known any more: it never was there */
	assert_put(OK, 10, "a", KEYED_BASE, 0, "anew");
}

/* --- bounds ---------------------------------------------------------------*/

static void
keys_have_bounds_and_markers_go_first(void **state_)
{
	(void)state_;
	bounds.keys = 3;
	assert_put(OK, 1, "a", 0, 0, "1");
	assert_put(OK, 2, "b", 0, 0, "1");
	assert_put(OK, 3, "c", 0, 0, "1");
	assert_int_equal(put("d", 0, 0, "1").result, BUS_STORE_FULL);
	/* one that is there may change */
	assert_put(OK, 4, "a", 0, 0, "2");
	assert_put(OK, 5, "b", KEYED_GONE, 0, "");
	assert_put(OK, 6, "d", 0, 0, "1");
	assert_int_equal(put("e", 0, 0, "1").result, BUS_STORE_FULL);
	assert_int_equal(put("c", KEYED_GONE, 0, "").result, BUS_STORE_OK);
	/* its own marker is not what goes for it */
	assert_put(OK, 8, "c", 0, 0, "3");
	assert_int_equal(counter_get(COUNTER_store_keys), 3);
}

static void
their_bytes_have_a_bound(void **state_)
{
	char large[200];

	(void)state_;
	memset(large, 'x', sizeof large);
	large[sizeof large - 1] = '\0';
	bounds.keys_bytes = 1000;
	assert_put(OK, 1, "a", 0, 0, large);
	assert_put(OK, 2, "b", 0, 0, "small");
	assert_int_equal(put("c", 0, 0, large).result, BUS_STORE_FULL);
	assert_put(OK, 3, "a", 0, 0, "small");
	assert_put(OK, 4, "c", 0, 0, "small");
}

static void
a_room_is_kept_as_long_as_its_newest_and_then_begins_anew(void **state_)
{
	struct told t;

	(void)state_;
	bounds.keep_ms = 10000;
	assert_put(OK, 1, "a", 0, 0, "1");
	now_ms += 9000;
	wheel_advance(&wheel, (struct mono){ now_ms * 1000 });
	assert_put(OK, 2, "b", 0, 0, "1");
	now_ms += 9000;
	wheel_advance(&wheel, (struct mono){ now_ms * 1000 });
	store->does->turn(store->engine);
	t = look(BUS_HISTORY_STATE, "", 0, 9, "");
	assert_int_equal(t.n, 2);
	now_ms += 2000;
	assert_put(OK, 1, "c", 0, 0, "1");
	assert_int_equal(look(BUS_HISTORY_STATE, "", 0, 9, "").n, 1);
	assert_int_equal(look(BUS_HISTORY_AFTER, t.epoch, 2, 9, "").result,
	    BUS_STORE_EPOCH);
	now_ms += 20000;
	wheel_advance(&wheel, (struct mono){ now_ms * 1000 });
	store->does->turn(store->engine);
	store->does->turn(store->engine);
	assert_int_equal(counter_get(COUNTER_store_keys), 0);
	assert_int_equal(counter_get(COUNTER_store_bytes), 0);
}

/* --- over a save ----------------------------------------------------------*/

static void
save_and_load(void)
{
	struct slice saved;
	bool bad;
	int fd = store->does->save(store->engine, slice_of(NULL, 0), &bad);

	assert_false(bad);
	assert_int_not_equal(fd, -1);
	store->does->free(store->engine);
	store = open_store();
	assert_int_equal(sealed_map(fd, UINT64_C(1) << 30, &saved), 0);
	assert_true(store->does->load(store->engine, saved));
	sealed_unmap(saved);
	(void)close(fd);
}

static void
keys_go_over_a_save(void **state_)
{
	struct told before, t;
	unsigned i;

	(void)state_;
	for (i = 0; i < 9; i++)
		(void)put(i % 2 ? "a" : "b", KEYED_VERSION, i + 1, "x");
	(void)put("c", 0, 0, "1");
	(void)put("c", KEYED_GONE, 0, "");
	before = look(BUS_HISTORY_STATE, "", 0, 9, "");
	save_and_load();
	t = look(BUS_HISTORY_STATE, "", 0, 9, "");
	assert_string_equal(t.text, before.text);
	assert_string_equal(t.epoch, before.epoch);
	assert_int_equal(t.top, 11);
	assert_int_equal(counter_get(COUNTER_store_keys), 3);
	assert_int_equal(put("a", KEYED_VERSION, 8, "x").result,
	    BUS_STORE_CONFLICT);
	assert_put(CONFLICT, 11, "c", KEYED_BASE, 0, "x");
	assert_put(OK, 12, "c", KEYED_BASE, 11, "x");
	/* another configuration: it is another room */
	bounds.keys = 0;
	store->does->conf(store->engine, ALL);
	while (store->does->busy(store->engine))
		store->does->turn(store->engine);
	assert_int_equal(look(BUS_HISTORY_TOP, "", 0, 1, "").top, 0);
	assert_int_equal(counter_get(COUNTER_store_keys), 0);
}

/* --- by chance ------------------------------------------------------------*/

#define MODEL	12u

static void
by_chance_it_is_what_an_array_says(void **state_)
{
	struct { uint64_t place, version; bool gone; } model[MODEL] = { 0 };
	uint64_t place = 0, base, keyed;
	unsigned i, k, x = 1;
	struct answer got;
	struct told t;
	char key[8], find[32];
	bool good;

	(void)state_;
	for (i = 0; i < 20000; i++) {
		x = x * 1103515245 + 12345;
		k = (x >> 16) % MODEL;
		(void)snprintf(key, sizeof key, "<%u>", k);
		keyed = (x >> 8) % 3 == 0 ? KEYED_BASE : (x >> 8) % 3 == 1 ?
		    KEYED_VERSION : 0;
		base = keyed == KEYED_VERSION ? (x >> 4) % 50 + i / 400 :
		    (x >> 5) % 2 ? model[k].place : (x >> 3) % 100;
		good = keyed == KEYED_BASE ? base == model[k].place :
		    keyed == 0 || model[k].place == 0 ||
		    base > model[k].version;
		if ((x >> 20) % 5 == 0)
			keyed |= KEYED_GONE;
		got = put(key, keyed, base, "x");
		assert_int_equal(got.result, good ? BUS_STORE_OK :
		    BUS_STORE_CONFLICT);
		assert_int_equal(got.kept, good ? place + 1 : model[k].place);
		if (!good)
			continue;
		model[k].place = ++place;
		model[k].version = keyed & KEYED_VERSION ? base : 0;
		model[k].gone = (keyed & KEYED_GONE) != 0;
		if (i % 100 != 0)
			continue;
		if (i % 1000 == 0)
			save_and_load();
		t = look(BUS_HISTORY_STATE, "", 0, 100, "");
		for (k = 0; k < MODEL; k++) {
			(void)snprintf(find, sizeof find, "<%u>%s@%llu{", k,
			    model[k].gone ? "!" : "",
			    (unsigned long long)model[k].place);
			assert_true(model[k].place == 0 ||
			    strstr(t.text, find) != NULL);
		}
	}
	assert_true(place > 5000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f)	cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		TEST(the_newest_is_there_with_its_place),
		TEST(a_stale_base_conflicts_and_nothing_is_kept),
		TEST(an_older_version_does_not_take_the_place_of_a_newer_one),
		TEST(pages_while_it_changes_have_each_key_as_it_is_at_the_end),
		TEST(what_the_history_has_no_more_is_told_by_the_keys),
		TEST(who_was_away_when_a_marker_went_is_told_that_something_is_missing),
		TEST(keys_have_bounds_and_markers_go_first),
		TEST(their_bytes_have_a_bound),
		TEST(a_room_is_kept_as_long_as_its_newest_and_then_begins_anew),
		TEST(keys_go_over_a_save),
		TEST(by_chance_it_is_what_an_array_says),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
