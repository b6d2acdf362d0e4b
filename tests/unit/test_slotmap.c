/* Where a Cluster has what: slots of names, its map, and its errors. */
#include "relay/redis/slotmap.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/codec.h"
#include "tests/lib/check.h"

static struct slotmap map;

/* What a server says, as the reader makes it; to be freed. */
static struct reply *
said(const char *bytes)
{
	static const struct reply_limits limits = { 8, 1000, 1u << 20 };
	struct reply_reader *r = reply_reader_new(&limits);
	struct reply *o = NULL;

	assert_non_null(r);
	assert_int_equal(reply_feed(r, slice_str(bytes)), 0);
	assert_int_equal(reply_next(r, &o), 1);
	reply_reader_free(&r);
	return (o);
}

static bool
reads(const char *bytes)
{
	struct reply *o = said(bytes);
	bool is = slotmap_read(&map, o, "asked");

	reply_free(&o);
	return (is);
}

static bool
redirects(const char *bytes, struct slotmap_redirect *to)
{
	struct reply *o = said(bytes);
	bool is = slotmap_redirect(o, to);

	reply_free(&o);
	return (is);
}

/* --- names ----------------------------------------------------------------*/

/* Redis Cluster specification: 0x31c3 of "123456789"; slots as CLUSTER KEYSLOT
 * of Redis 7 tells them. */
static void
slots_are_those_of_redis(void **state)
{
	(void)state;
	assert_int_equal(spread_slot(SLICE("123456789")), 0x31c3);
	assert_int_equal(spread_slot(SLICE("")), 0);
	assert_int_equal(spread_slot(SLICE("foo")), 12182);
	assert_int_equal(spread_slot(SLICE("{foo}bar")), 12182);
	assert_int_equal(spread_slot(SLICE("a{foo}{bar}")), 12182);
	assert_int_equal(spread_slot(SLICE("foo{}{bar}")),
	    spread_slot(SLICE("foo{}{bar}")));
	assert_int_not_equal(spread_slot(SLICE("foo{}{bar}")),
	    spread_slot(SLICE("bar")));
	assert_int_not_equal(spread_slot(SLICE("{foo")), 12182);
	assert_int_equal(spread_slot(SLICE("foo{{bar}}zap")),
	    spread_slot(SLICE("{bar")));
}

static void
each_partition_has_a_slot_in_its_share(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < SPREAD_PARTITIONS; i++)
		assert_int_equal(spread_partition_slot(i) /
		    (SPREAD_SLOTS / SPREAD_PARTITIONS), i);
}

/* The name tells the slot, and the name elsewhere is found in it. */
static void
a_tagged_channel_is_in_its_partition(void **state)
{
	struct buf b, c;
	struct slice tagged, plain, channel;
	char text[64];
	unsigned i, seen[SPREAD_PARTITIONS] = { 0 }, used = 0;

	(void)state;
	buf_init(&b);
	buf_init(&c);
	for (i = 0; i < 2000; i++) {
		(void)snprintf(text, sizeof text, "roost:to:5:/chat:r%u", i);
		channel = slice_str(text);
		tagged = spread_tagged(&b, channel, 6);
		assert_int_equal(spread_slot(tagged),
		    spread_partition_slot(spread_partition(channel, 6)));
		assert_true(spread_plain(&c, tagged, 6, &plain));
		assert_true(slice_eq(plain, channel));
		used += seen[spread_partition(channel, 6)]++ == 0;
	}
	assert_int_equal(used, SPREAD_PARTITIONS);
	/* braces of a room decide nothing */
	channel = SLICE("roost:to:5:/chat:r{a}");
	tagged = spread_tagged(&b, channel, 6);
	assert_int_equal(spread_slot(tagged),
	    spread_partition_slot(spread_partition(channel, 6)));
	assert_false(spread_plain(&c, SLICE("roost:to:5:/chat:r{1}"), 6,
	    &plain));
	assert_false(spread_plain(&c, SLICE("roost:{1"), 6, &plain));
	assert_false(spread_plain(&c, SLICE("roost:"), 6, &plain));
	buf_fini(&b);
	buf_fini(&c);
}

/* --- the map --------------------------------------------------------------*/

#define NODE(host, port) "*4\r\n$9\r\n" host "\r\n:" port "\r\n" \
	"$2\r\nid\r\n*0\r\n"

static void
slots_belong_to_the_first_node_of_a_range(void **state)
{
	(void)state;
	assert_true(reads("*3\r\n"
	    "*4\r\n:0\r\n:99\r\n" NODE("127.0.0.1", "7001")
		NODE("127.0.0.9", "7009")
	    "*3\r\n:100\r\n:100\r\n" NODE("127.0.0.2", "7001")
	    "*3\r\n:200\r\n:16383\r\n" NODE("127.0.0.1", "7001")));
	assert_int_equal(map.n, 2);
	assert_string_equal(map.nodes[map.owner[99]].host, "127.0.0.1");
	assert_string_equal(map.nodes[map.owner[100]].host, "127.0.0.2");
	assert_int_equal(map.owner[16383], map.owner[0]);
	assert_int_equal(map.owner[101], SLOTMAP_NOBODY);
}

/* Who does not know what it is called is where it was asked. */
static void
a_node_without_a_host_is_the_one_that_was_asked(void **state)
{
	(void)state;
	assert_true(reads("*1\r\n*3\r\n:0\r\n:1\r\n*3\r\n$-1\r\n:7\r\n"
	    "$0\r\n\r\n"));
	assert_string_equal(map.nodes[0].host, "asked");
	assert_true(reads("*1\r\n*3\r\n:0\r\n:1\r\n*3\r\n$0\r\n\r\n:7\r\n"
	    "$0\r\n\r\n"));
	assert_string_equal(map.nodes[0].host, "asked");
}

static void
what_is_no_map_changes_nothing(void **state)
{
	static const char *const bad[] = { "+OK\r\n", ":1\r\n", "$-1\r\n",
		"-ERR This instance has cluster support disabled\r\n",
		"*1\r\n:1\r\n", "*1\r\n*2\r\n:0\r\n:1\r\n",
		"*1\r\n*3\r\n:5\r\n:4\r\n" NODE("127.0.0.1", "1"),
		"*1\r\n*3\r\n:-1\r\n:4\r\n" NODE("127.0.0.1", "1"),
		"*1\r\n*3\r\n:0\r\n:16384\r\n" NODE("127.0.0.1", "1"),
		"*1\r\n*3\r\n$1\r\n0\r\n:4\r\n" NODE("127.0.0.1", "1") };
	size_t i;

	(void)state;
	assert_true(reads("*1\r\n*3\r\n:0\r\n:16383\r\n"
	    NODE("127.0.0.1", "7001")));
	for (i = 0; i < nitems(bad); i++) {
		assert_false(reads(bad[i]));
		assert_int_equal(map.owner[7], 0);
	}
	/* a range whose node makes no sense is nobody's */
	assert_true(reads("*1\r\n*3\r\n:0\r\n:9\r\n*2\r\n$1\r\nh\r\n:0\r\n"));
	assert_int_equal(map.owner[7], SLOTMAP_NOBODY);
	/* and one whose host would be a line in the log */
	assert_true(reads("*1\r\n*3\r\n:0\r\n:9\r\n"
	    NODE("127.0.0.\n", "1")));
	assert_int_equal(map.owner[7], SLOTMAP_NOBODY);
}

/* --- errors ---------------------------------------------------------------*/

static void
redirections_say_where(void **state)
{
	struct slotmap_redirect to;

	(void)state;
	assert_true(redirects("-MOVED 3999 127.0.0.1:6381\r\n", &to));
	assert_false(to.ask);
	assert_int_equal(to.slot, 3999);
	assert_string_equal(to.host, "127.0.0.1");
	assert_int_equal(to.port, 6381);
	assert_true(redirects("-ASK 16383 ::1:7000\r\n", &to));
	assert_true(to.ask);
	assert_string_equal(to.host, "::1");
	assert_true(redirects("-MOVED 0 :7000\r\n", &to));
	assert_string_equal(to.host, "");
	assert_true(redirects("-MOVED 0 ?:7000\r\n", &to));
	assert_string_equal(to.host, "");
	assert_int_equal(to.port, 7000);
}

static void
other_errors_are_no_redirections(void **state)
{
	static const char *const bad[] = { "-MOVED\r\n", "-MOVED \r\n",
		"-MOVED 1\r\n", "-MOVED 1 \r\n", "-MOVED 16384 h:1\r\n",
		"-MOVED x h:1\r\n", "-MOVED 1 h\r\n", "-MOVED 1 h:\r\n",
		"-MOVED 1 h:0\r\n", "-MOVED 1 h\"x=:1\r\n", "-MOVED 1 h:65536\r\n",
		"-MOVED 1 h:1x\r\n", "-MOVEDX 1 h:1\r\n",
		"-ERR MOVED 1 h:1\r\n", "+MOVED 1 h:1\r\n",
		"-CROSSSLOT Keys in request don't hash to the same slot\r\n" };
	struct slotmap_redirect to;
	char longer[LINK_HOST + 32];
	size_t i;

	(void)state;
	for (i = 0; i < nitems(bad); i++)
		assert_false(redirects(bad[i], &to));
	(void)snprintf(longer, sizeof longer, "-MOVED 1 %0*d:1\r\n", LINK_HOST,
	    1);
	assert_false(redirects(longer, &to));
}

static void
some_errors_pass(void **state)
{
	static const struct {
		const char	*bytes;
		bool		 passes;
	} cases[] = {
		{ "-TRYAGAIN Multiple keys request\r\n", true },
		{ "-CLUSTERDOWN The cluster is down\r\n", true },
		{ "-LOADING Redis is loading\r\n", true },
		{ "-MASTERDOWN Link with MASTER is down\r\n", true },
		{ "-NOPERM no permissions\r\n", false },
		{ "+LOADING\r\n", false },
	};
	struct reply *o;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(cases); i++) {
		o = said(cases[i].bytes);
		assert_int_equal(slotmap_is_passing(o), cases[i].passes);
		reply_free(&o);
	}
}

/* --- shards ---------------------------------------------------------------*/

/* One more takes its part of each, and nothing else moves. */
static void
a_shard_more_moves_only_what_it_gets(void **state)
{
	const uint64_t names[] = { spread_name(SLICE("a:1/0")),
		spread_name(SLICE("b:1/0")), spread_name(SLICE("c:1/0")),
		spread_name(SLICE("d:1/0")) };
	unsigned got[4] = { 0 };
	char text[32];
	size_t before, now;
	unsigned i;

	(void)state;
	for (i = 0; i < 4000; i++) {
		(void)snprintf(text, sizeof text, "roost:to:5:/chat:r%u", i);
		before = spread_shard(names, 3, slice_str(text));
		now = spread_shard(names, 4, slice_str(text));
		assert_true(now == before || now == 3);
		got[now]++;
	}
	for (i = 0; i < 4; i++)
		assert_in_range(got[i], 800, 1200);
}

/* Keys with one tag are together, whatever the order of the list. */
static void
a_shard_is_chosen_by_tag_not_by_place(void **state)
{
	const uint64_t names[] = { 1, 2, 3 }, other[] = { 3, 1, 2 };
	char text[32];
	unsigned i;

	(void)state;
	for (i = 0; i < 100; i++) {
		(void)snprintf(text, sizeof text, "x{%u}", i);
		assert_int_equal(names[spread_shard(names, 3,
		    slice_str(text))], other[spread_shard(other, 3,
		    slice_str(text))]);
		text[0] = 'y';
		assert_int_equal(spread_shard(names, 3, slice_str(text)),
		    spread_shard(names, 3, slice_str(text)));
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_are_those_of_redis),
		cmocka_unit_test(each_partition_has_a_slot_in_its_share),
		cmocka_unit_test(a_tagged_channel_is_in_its_partition),
		cmocka_unit_test(slots_belong_to_the_first_node_of_a_range),
		cmocka_unit_test(a_node_without_a_host_is_the_one_that_was_asked),
		cmocka_unit_test(what_is_no_map_changes_nothing),
		cmocka_unit_test(redirections_say_where),
		cmocka_unit_test(other_errors_are_no_redirections),
		cmocka_unit_test(some_errors_pass),
		cmocka_unit_test(a_shard_more_moves_only_what_it_gets),
		cmocka_unit_test(a_shard_is_chosen_by_tag_not_by_place),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
