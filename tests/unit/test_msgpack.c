/* MessagePack: the table of forms, both ways; what is no value; captures. */
#include "relay/bridge/msgpack.h"

#include "base/digest.h"
#include "proto/json.h"
#include "tests/lib/check.h"

static uint8_t bytes[1 << 16];

/* Hexadecimal digits, blanks between. */
static struct slice
hex(const char *text)
{
	size_t n = 0;
	unsigned b;
	int used;

	while (sscanf(text, " %2x%n", &b, &used) == 1) {
		bytes[n++] = (uint8_t)b;
		text += used;
	}
	return (slice_of(bytes, n));
}

/* in: memory of exactly its size. */
static enum msgpack_result
to_json(struct slice in, struct msgpack_text *t)
{
	uint8_t *copy = check_copy(in);
	enum msgpack_result res;
	struct msgpack_value v;

	assert_row(msgpack_value(slice_of(copy, in.n), &v) == (ssize_t)in.n,
	    in);
	res = msgpack_text(t, &v);
	free(copy);
	return (res);
}

static const struct {
	const char *packed, *json;
	bool	 back;		/* and it is the smallest form */
} forms[] = {
	/* clang-format off */
	{ "c0", "null", true },
	{ "c2", "false", true }, { "c3", "true", true },
	{ "00", "0", true }, { "7f", "127", true },
	{ "cc80", "128", true }, { "ccff", "255", true },
	{ "cd0100", "256", true }, { "cdffff", "65535", true },
	{ "ce00010000", "65536", true }, { "ceffffffff", "4294967295", true },
	{ "cf0000000100000000", "4294967296", true },
	{ "cf0000010000000000", "1099511627776", true },
	{ "cf0020000000000000", "9007199254740992", true },
	{ "cf0020000000000001", "9007199254740992", false },
	{ "cfffffffffffffffff", "18446744073709552000", false },
	{ "cc00", "0", false }, { "cd0001", "1", false },
	{ "cf0000000000000001", "1", false },
	{ "ff", "-1", true }, { "e0", "-32", true },
	{ "d0df", "-33", true }, { "d080", "-128", true },
	{ "d1ff7f", "-129", true }, { "d18000", "-32768", true },
	{ "d2ffff7fff", "-32769", true },
	{ "d280000000", "-2147483648", true },
	{ "d3ffffffff7fffffff", "-2147483649", true },
	{ "d3ffffff0000000000", "-1099511627776", true },
	{ "d38000000000000000", "-9223372036854776000", true },
	{ "d005", "5", false }, { "d17fff", "32767", false },
	{ "d30000000000000005", "5", false },
	{ "cb3ff8000000000000", "1.5", true },
	{ "cb3fb999999999999a", "0.1", true },
	{ "cb0660000000000000", "5.641232424577593e-278", true },
	{ "cbc0091eb851eb851f", "-3.14", true },
	{ "cb7fefffffffffffff", "1.7976931348623157e+308", true },
	{ "cb0000000000000001", "5e-324", true },
	{ "cb4008000000000000", "3", false },
	{ "cb8000000000000000", "0", false },
	{ "ca3fc00000", "1.5", false },
	{ "ca3dcccccd", "0.10000000149011612", false },
	{ "cb7ff8000000000000", "null", false },
	{ "cb7ff0000000000000", "null", false },
	{ "cafF800000", "null", false },
	{ "a0", "\"\"", true }, { "a161", "\"a\"", true },
	{ "a2c3a9", "\"\xc3\xa9\"", true },
	{ "a4f09f9880", "\"\xf0\x9f\x98\x80\"", true },
	{ "a422 5c 0a 00", "\"\\\"\\\\\\n\\u0000\"", true },
	{ "d90161", "\"a\"", false }, { "da000161", "\"a\"", false },
	{ "db0000000161", "\"a\"", false },
	{ "a161", "\"\\u0061\"", true },
	/* as browsers decode what is no UTF-8 */
	{ "a1ff", "\"\xef\xbf\xbd\"", false },
	{ "a361e280", "\"a\xef\xbf\xbd\"", false },
	{ "a4e2 80 41 42", "\"\xef\xbf\xbd" "AB\"", false },
	{ "a3eda080", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"", false },
	{ "a4f0 9f 98 c3", "\"\xef\xbf\xbd\xef\xbf\xbd\"", false },
	{ "90", "[]", true }, { "80", "{}", true },
	{ "9301 02 03", "[1,2,3]", true },
	{ "92 90 91 80", "[[],[{}]]", true },
	{ "dc0001 01", "[1]", false }, { "dd00000001 01", "[1]", false },
	{ "82 a161 01 a162 92c0c3", "{\"a\":1,\"b\":[null,true]}", true },
	{ "de0001 a161 01", "{\"a\":1}", false },
	{ "df00000001 a161 01", "{\"a\":1}", false },
	{ "85 01 c0 c0 c0 c3 c0 cb3ff8000000000000 c0 cb7ff8000000000000 c0",
	    "{\"1\":null,\"null\":null,\"true\":null,\"1.5\":null,"
	    "\"NaN\":null}", false },
	{ "83 ff 01 cbfff0000000000000 02 c4026869 03",
	    "{\"-1\":1,\"-Infinity\":2,\"hi\":3}", false },
	/* times */
	{ "d6ff00000000", "\"1970-01-01T00:00:00.000Z\"", false },
	{ "d6ffffffffff", "\"2106-02-07T06:28:15.000Z\"", false },
	{ "d7ff 003d090000000001", "\"1970-01-01T00:00:01.001Z\"", false },
	{ "d7ff 773593ffffffffff", "\"2514-05-30T01:53:03.500Z\"", false },
	{ "c70cff 00000000 ffffffffffffffff", "\"1969-12-31T23:59:59.000Z\"",
	    false },
	{ "c70cff 3b8b87c0 ffffffffffffffff", "\"1969-12-31T23:59:59.999Z\"",
	    false },
	{ "c70cff 00000000 0000003afff44180", "\"+010000-01-01T00:00:00.000Z\"",
	    false },
	{ "c70cff 00000000 fffffff184aa5080", "\"-000001-01-01T00:00:00.000Z\"",
	    false },
	{ "c70cff 00000000 7fffffffffffffff", "null", false },
	{ "d700 0000000000000001", "\"1970-01-01T00:00:00.001Z\"", false },
	{ "d700 7fffffffffffffff", "null", false },
	{ "d40000", "null", false },
	/* clang-format on */
};

static void
each_form_is_the_json_that_node_makes(void **state)
{
	struct msgpack_text t = { .max = 1000 };
	struct buf out, packed;
	struct slice in;
	size_t i;

	(void)state;
	buf_init(&out);
	buf_init(&packed);
	t.out = &out;
	for (i = 0; i < nitems(forms); i++) {
		const char *json = forms[i].json;

		in = hex(forms[i].packed);
		assert_row(to_json(in, &t) == MSGPACK_OK, in);
		if (strstr(json, "\\u0061") == NULL)
			assert_text(buf_unread(&out), json);
		buf_reset(&out);
		assert_row(json_valid(slice_str(json)), in);
		if (!forms[i].back)
			continue;
		assert_int_equal(msgpack_put_elements(&packed,
		    slice_str(json), NULL, 0), 1);
		assert_slices(buf_unread(&packed), in);
		buf_reset(&packed);
	}
	assert_int_equal(t.nattach, 0);
	assert_int_equal(t.strange, 0);
	buf_fini(&out);
	buf_fini(&packed);
}

static void
what_nobody_knows_is_null_and_counted(void **state)
{
	static const char *const rows[] = { "d40100", "d5000000",
		"d605 00000000", "d701 0000000000000000",
		"d8ff 00000000000000000000000000000000", "c700ff",
		"c70501 0102030405", "c801000f", "c90000000001" };
	struct msgpack_text t = { .max = 1000 };
	struct buf out;
	size_t i;

	(void)state;
	buf_init(&out);
	t.out = &out;
	for (i = 0; i < nitems(rows); i++) {
		struct slice in = hex(rows[i]);

		if (strncmp(rows[i], "c801", 4) == 0) {
			memset(bytes + in.n, 'x', 256);
			in.n += 256;
		}
		assert_row(to_json(in, &t) == MSGPACK_OK, in);
		assert_buf(&out, "null");
		assert_int_equal(t.strange, i + 1);
	}
	buf_fini(&out);
}

static void
binary_becomes_placeholders_and_back(void **state)
{
	static const struct slice blobs[] = { SLICE("\1\2\3"), SLICE(""),
		SLICE("x") };
	/* [bin, {k: [ArrayBuffer of old]}, bin] */
	const char *packed = "93 c403010203 81a16b91c400 c40178";
	struct slice json = SLICE("[{\"_placeholder\":true,\"num\":0},{\"k\":"
	    "[{\"_placeholder\":true,\"num\":1}]},"
	    "{\"_placeholder\":true,\"num\":2}]");
	struct msgpack_text t = { .max = 1000 };
	struct msgpack_value v;
	struct slice in;
	struct buf out;
	size_t i;

	(void)state;
	buf_init(&out);
	t.out = &out;
	in = hex(packed);
	assert_int_equal(msgpack_value(in, &v), in.n);
	assert_int_equal(msgpack_text(&t, &v), MSGPACK_OK);
	assert_slices(buf_unread(&out), json);
	assert_int_equal(t.nattach, 3);
	for (i = 0; i < 3; i++)
		assert_slices(t.attachments[i], blobs[i]);
	buf_reset(&out);
	assert_int_equal(msgpack_put_elements(&out, json, blobs, 3), 1);
	assert_slices(buf_unread(&out), in);
	/* notepack's ArrayBuffer; the numbers go on */
	buf_reset(&out);
	in = hex("c702000708");
	assert_int_equal(msgpack_value(in, &v), in.n);
	assert_int_equal(msgpack_text(&t, &v), MSGPACK_OK);
	assert_buf(&out, "{\"_placeholder\":true,\"num\":3}");
	assert_slice(t.attachments[3], "\7\10");
	buf_fini(&out);
}

static void
placeholders_are_those_that_clients_see(void **state)
{
	static const struct slice blob[] = { SLICE("b") };
	static const struct {
		const char *json, *packed;
	} rows[] = {
		{ "{\"num\":0,\"_placeholder\":true}", "c40162" },
		{ "{\"_placeholder\":true,\"num\":0,\"x\":[{}, [1]]},[2]",
		    "c40162 9102" },
		{ "{\"_placeholder\":false,\"_placeholder\":true,\"num\":0}",
		    "c40162" },
		{ "{\"\\u005fplaceholder\":true,\"num\":0e0}", "c40162" },
		{ "{\"_placeholder\":1,\"num\":0}", "82 "
		    "ac5f706c616365686f6c646572 01 a36e756d 00" },
		{ "{\"_placeholder\":[true],\"num\":0}", "82 "
		    "ac5f706c616365686f6c646572 91c3 a36e756d 00" },
		{ "{\"_placeholder\":true,\"num\":1}", "82 "
		    "ac5f706c616365686f6c646572 c3 a36e756d 01" },
		{ "{\"num\":{\"_placeholder\":true,\"num\":0}}", "81 a36e756d "
		    "c40162" },
		{ " [ {\"_placeholder\" : true , \"num\" : 0 } , 1 ] ",
		    "92 c40162 01" },
	};
	struct buf out;
	size_t i;

	(void)state;
	buf_init(&out);
	for (i = 0; i < nitems(rows); i++) {
		size_t n = msgpack_put_elements(&out, slice_str(rows[i].json),
		    blob, 1);

		assert_int_equal(n,
		    msgpack_count_elements(slice_str(rows[i].json)));
		assert_slices(buf_unread(&out), hex(rows[i].packed));
		buf_reset(&out);
	}
	/* without attachments there are none */
	assert_int_equal(msgpack_put_elements(&out,
	    SLICE("{\"num\":0,\"_placeholder\":true}"), NULL, 0), 1);
	assert_slices(buf_unread(&out), hex("82 a36e756d 00 "
	    "ac5f706c616365686f6c646572 c3"));
	buf_reset(&out);
	assert_int_equal(msgpack_put_elements(&out, SLICE(""), NULL, 0), 0);
	assert_int_equal(buf_unread(&out).n, 0);
	assert_int_equal(msgpack_count_elements(SLICE("")), 0);
	assert_int_equal(msgpack_count_elements(SLICE(" 1 , [2,3] ,{}")), 3);
	buf_fini(&out);
}

/* Text, a head of `head` bytes for it when it has n. */
static void
check_length(size_t n, const char *head, uint8_t first, bool string)
{
	struct slice h = hex(head);
	char *json = malloc(n * 2 + 3);
	struct buf out;
	size_t i;

	assert_non_null(json);
	buf_init(&out);
	if (string) {
		json[0] = '"';
		memset(json + 1, 'a', n);
		json[n + 1] = '"';
		json[n + 2] = '\0';
	} else {
		for (i = 0; i < n; i++)
			memcpy(json + 2 * i, i == 0 ? "[1" : ",1", 2);
		memcpy(json + 2 * n, "]", 2);
	}
	assert_int_equal(msgpack_put_elements(&out, slice_str(json), NULL, 0),
	    1);
	assert_int_equal(buf_unread(&out).n, h.n + n);
	assert_memory_equal(out.data, h.p, h.n);
	assert_int_equal(out.data[0], first);
	buf_fini(&out);
	free(json);
}

static void
lengths_take_their_smallest_form(void **state)
{
	struct buf out;

	(void)state;
	check_length(31, "bf", 0xbf, true);
	check_length(32, "d920", 0xd9, true);
	check_length(255, "d9ff", 0xd9, true);
	check_length(300, "da012c", 0xda, true);
	check_length(65536, "db00010000", 0xdb, true);
	check_length(15, "9f", 0x9f, false);
	check_length(20, "dc0014", 0xdc, false);
	check_length(65536, "dd00010000", 0xdd, false);
	buf_init(&out);
	msgpack_put_map(&out, 15);
	msgpack_put_map(&out, 16);
	msgpack_put_map(&out, 65536);
	assert_slices(buf_unread(&out), hex("8f de0010 df00010000"));
	buf_reset(&out);
	memset(bytes, 'x', 256);
	msgpack_put_bin(&out, slice_of(bytes, 256));
	assert_memory_equal(out.data, "\xc5\x01\x00x", 4);
	buf_fini(&out);
}

static void
what_is_cut_or_absurd_is_no_value(void **state)
{
	static const char *const rows[] = { "", "c1", "cc", "cd01", "ce010203",
		"cf00", "d0", "d3ff", "ca000000", "cb00000000000000", "a1",
		"d9", "d901", "dbffffffff61", "c401", "c6ffffffff", "91",
		"9201", "ddffffffff", "dc0002 01", "81a161", "80c1", "81",
		"dfffffffff", "df80000000 c0c0", "c7", "c705", "c70501 00",
		"c9ffffffff00", "d4", "d400", "d8ff00", "92 01 c1" };
	struct msgpack_value v;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		struct slice in = hex(rows[i]);
		uint8_t *copy = check_copy(in);
		ssize_t n = msgpack_value(slice_of(copy, in.n), &v);

		if (strcmp(rows[i], "80c1") == 0)
			assert_int_equal(n, 1);	/* the rest is not ours */
		else
			assert_row(n == CODEC_BAD, in);
		free(copy);
	}
}

static void
depth_and_size_have_bounds(void **state)
{
	struct msgpack_text t = { .max = 100 };
	struct msgpack_value v;
	struct buf out;
	size_t i;

	(void)state;
	buf_init(&out);
	t.out = &out;
	memset(bytes, 0x91, sizeof bytes);
	assert_int_equal(msgpack_value(slice_of(bytes, sizeof bytes), &v),
	    CODEC_BAD);
	bytes[MSGPACK_DEPTH_MAX] = 0;
	assert_int_equal(msgpack_value(slice_of(bytes, sizeof bytes), &v),
	    MSGPACK_DEPTH_MAX + 1);
	/* deeper than JSON may be */
	t.max = 1000;
	assert_int_equal(msgpack_text(&t, &v), MSGPACK_NO_JSON);
	buf_reset(&out);
	bytes[JSON_DEPTH_MAX] = 0x90;
	bytes[JSON_DEPTH_MAX - 1] = 0x90;
	assert_true(msgpack_value(slice_of(bytes, sizeof bytes), &v) > 0);
	assert_int_equal(msgpack_text(&t, &v), MSGPACK_OK);
	assert_true(json_valid(buf_unread(&out)));
	buf_reset(&out);
	/* an attachment is an object: one deeper than it looks */
	bytes[JSON_DEPTH_MAX - 1] = 0x91;
	bytes[JSON_DEPTH_MAX] = 0xc4;
	bytes[JSON_DEPTH_MAX + 1] = 0;
	assert_true(msgpack_value(slice_of(bytes, sizeof bytes), &v) > 0);
	assert_int_equal(msgpack_text(&t, &v), MSGPACK_NO_JSON);
	buf_reset(&out);
	t.nattach = 0;
	bytes[JSON_DEPTH_MAX - 2] = 0xc4;
	bytes[JSON_DEPTH_MAX - 1] = 0;
	assert_true(msgpack_value(slice_of(bytes, sizeof bytes), &v) > 0);
	assert_int_equal(msgpack_text(&t, &v), MSGPACK_OK);
	assert_true(json_valid(buf_unread(&out)));
	buf_reset(&out);
	t.nattach = 0;
	/* a key that is none */
	assert_int_equal(to_json(hex("8190c0"), &t), MSGPACK_NO_JSON);
	buf_reset(&out);
	/* text that grows: zeros that are nil, and control characters */
	t.max = 100;
	bytes[0] = 0xdc;
	bytes[1] = 0;
	bytes[2] = 60;
	memset(bytes + 3, 0xc0, 60);
	assert_int_equal(to_json(slice_of(bytes, 63), &t), MSGPACK_LARGE);
	buf_reset(&out);
	assert_int_equal(to_json(hex("b4 0000000000 0000000000 0000000000 "
	    "0000000000"), &t), MSGPACK_LARGE);
	assert_true(buf_unread(&out).n < 200);
	buf_reset(&out);
	t.max = 1000;
	bytes[0] = 0x9b;
	for (i = 0; i < 11; i++)
		memcpy(bytes + 1 + 2 * i, "\xc4\0", 2);
	assert_int_equal(to_json(slice_of(bytes, 23), &t), MSGPACK_MANY);
	assert_int_equal(t.nattach, MSGPACK_ATTACHMENTS_MAX);
	buf_fini(&out);
}

static void
maps_and_names_are_looked_into(void **state)
{
	char digits[MSGPACK_NAME_MAX];
	struct msgpack_value map, v;
	struct slice name;

	(void)state;
	assert_true(msgpack_value(hex("85 a161 01 a162 92 a163 02 a161 03 "
	    "c0 a161 a3eda080 05"), &map) > 0);
	assert_true(msgpack_get(&map, SLICE("a"), &v));
	assert_int_equal(v.uint, 3);
	assert_true(msgpack_get(&map, SLICE("b"), &v));
	assert_false(msgpack_get(&map, SLICE("c"), &v));
	assert_int_equal(v.type, MSGPACK_ARRAY);
	assert_false(msgpack_get(&v, SLICE("c"), &v));
	assert_false(msgpack_name(&v, digits, &name));
	assert_true(msgpack_value(hex("a26869"), &v) > 0);
	assert_true(msgpack_name(&v, digits, &name));
	assert_slice(name, "hi");
	assert_true(msgpack_value(hex("d0d6"), &v) > 0);
	assert_true(msgpack_name(&v, digits, &name));
	assert_slice(name, "-42");
	assert_true(msgpack_value(hex("cb3ff8000000000000"), &v) > 0);
	assert_true(msgpack_name(&v, digits, &name));
	assert_slice(name, "1.5");
	assert_true(msgpack_value(hex("a3eda080"), &v) > 0);
	assert_false(msgpack_name(&v, digits, &name));
	assert_true(msgpack_value(hex("c3"), &v) > 0);
	assert_false(msgpack_name(&v, digits, &name));
}

/* --- captures -------------------------------------------------------------*/

static char *
read_file(const char *name, size_t *n)
{
	static char text[1 << 16];
	const char *top = getenv("srcdir");
	char path[4096];
	FILE *f;

	snprintf(path, sizeof path, "%s/tests/fixtures/socketio/%s.json",
	    top == NULL ? "." : top, name);
	f = fopen(path, "r");
	assert_row(f != NULL, slice_str(path));
	*n = fread(text, 1, sizeof text, f);
	assert_int_equal(fclose(f), 0);
	return (text);
}

/* Bytes of a message; what the capture says they mean; false: not packed. */
static bool
take_event(struct slice event, struct slice *packed, struct slice *meaning)
{
	static uint8_t raw[8192];
	struct slice format, body;
	ssize_t n;

	if (!json_get(event, SLICE("body_format"), &format) ||
	    !json_string_eq(format, SLICE("msgpack")))
		return (false);
	assert_true(json_get(event, SLICE("body_base64"), &body));
	assert_true(json_get(event, SLICE("decoded"), meaning));
	n = json_unescape(body, raw);
	assert_true(n > 0);
	n = digest_base64_decode_loose(slice_of(raw, (size_t)n), raw);
	assert_true(n > 0);
	*packed = slice_of(raw, (size_t)n);
	return (true);
}

/* There and back is the same bytes; and so is what the capture says of them,
 * where JSON can say it. */
static void
check_event(struct slice packed, struct slice meaning)
{
	struct msgpack_text t = { .max = 8192 };
	struct buf out, back;
	struct msgpack_value v;

	buf_init(&out);
	buf_init(&back);
	t.out = &out;
	assert_int_equal(msgpack_value(packed, &v), packed.n);
	assert_int_equal(msgpack_text(&t, &v), MSGPACK_OK);
	assert_int_equal(msgpack_put_elements(&back, buf_unread(&out),
	    t.attachments, t.nattach), 1);
	if (memmem(packed.p, packed.n, "\xd6\xff", 2) == NULL) {
		assert_slices(buf_unread(&back), packed);
		buf_reset(&back);
		assert_int_equal(msgpack_put_elements(&back, meaning, NULL,
		    0), 1);
		if (t.nattach == 0)
			assert_slices(buf_unread(&back), packed);
	} else
		assert_non_null(memmem(out.data, out.wpos,
		    "null,\"1970-01-01T00:00:00.000Z\"", 31));
	buf_fini(&out);
	buf_fini(&back);
}

static void
captured_messages_go_there_and_back(void **state)
{
	static const struct {
		const char *name;
		unsigned n;
	} files[] = { { "redis-emitter", 0 }, { "redis-adapter-broadcast", 0 },
		{ "redis-adapter-requests", 0 }, { "redis-mixed-cluster", 0 },
		{ "redis-sharded-adapter", 0 } };
	struct slice text, events, event, key, packed, meaning;
	struct json_iter it;
	size_t i, n, seen;

	(void)state;
	for (i = 0; i < nitems(files); i++) {
		char *file = read_file(files[i].name, &n);

		text = slice_of(file, n);
		assert_true(json_value(text, &text) > 0);
		assert_true(json_get(text, SLICE("events"), &events));
		assert_true(json_enter(events, &it));
		for (seen = 0; json_next(&it, &key, &event);)
			if (take_event(event, &packed, &meaning)) {
				check_event(packed, meaning);
				seen++;
			}
		assert_row(seen > 0, slice_str(files[i].name));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_form_is_the_json_that_node_makes),
		cmocka_unit_test(what_nobody_knows_is_null_and_counted),
		cmocka_unit_test(binary_becomes_placeholders_and_back),
		cmocka_unit_test(placeholders_are_those_that_clients_see),
		cmocka_unit_test(lengths_take_their_smallest_form),
		cmocka_unit_test(what_is_cut_or_absurd_is_no_value),
		cmocka_unit_test(depth_and_size_have_bounds),
		cmocka_unit_test(maps_and_names_are_looked_into),
		cmocka_unit_test(captured_messages_go_there_and_back),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
