/*
 * A configuration that another process reads again: the same text, options and
 * places of namespaces; and bytes that are no configuration.
 */
#include "conf/read/packet.h"

#include "conf/read/dump.h"
#include "tests/lib/conf_text.h"

static const char text[] = "limits { message_bytes = 2KB }\n"
    "jwt { secret = \"${SECRET}\" }\n"
    "namespace '/b' { auth = none event 'e' { to = sender } }\n"
    "namespace '/a' { auth = required }\n";
static const char *const options[] = { "limits.rooms_per_session=7",
    "heartbeat.interval=3s" };
static const struct conf_source source = { .file = "t",
	.text = { (const uint8_t *)text, sizeof text - 1 },
	.overrides = options, .noverrides = 2, .env = conf_text_env };

static struct conf *
parse(const struct conf_source *src)
{
	struct conf_errors errors;
	struct conf *conf;

	conf_errors_init(&errors);
	conf = conf_parse(src, &errors);
	assert_text(buf_unread(&errors.text), "");
	conf_errors_fini(&errors);
	return (conf);
}

static struct conf *
unpack(struct slice bytes, bool good)
{
	struct conf_errors errors;
	struct conf *conf;

	conf_errors_init(&errors);
	conf = conf_unpack(bytes, conf_text_env, &errors);
	assert_int_equal(conf != NULL, good);
	assert_int_equal(errors.count == 0, good);
	conf_errors_fini(&errors);
	return (conf);
}

static void
assert_same(const struct conf *a, const struct conf *b)
{
	struct buf ta, tb;
	size_t i;

	buf_init(&ta);
	buf_init(&tb);
	conf_dump(a, &ta);
	conf_dump(b, &tb);
	assert_slices(buf_unread(&ta), buf_unread(&tb));
	assert_int_equal(a->ns_room, b->ns_room);
	assert_int_equal(a->nnamespaces, b->nnamespaces);
	for (i = 0; i < a->nnamespaces; i++) {
		assert_string_equal(a->namespaces[i].name,
		    b->namespaces[i].name);
		assert_int_equal(a->namespaces[i].gone, b->namespaces[i].gone);
	}
	assert_string_equal(a->jwt.secret, b->jwt.secret);
	buf_fini(&ta);
	buf_fini(&tb);
}

static void
it_is_the_same_there(void **state)
{
	struct conf *conf = parse(&source), *there;
	struct buf b;

	(void)state;
	buf_init(&b);
	conf_pack(&b, &source, conf);
	there = unpack(buf_unread(&b), true);
	assert_int_equal(there->message_bytes, 2000);
	assert_int_equal(there->rooms_per_session, 7);
	assert_int_equal(there->ping_interval_ms, 3000);
	assert_same(conf, there);
	conf_free(&there);
	conf_free(&conf);
	buf_fini(&b);
}

/* Of several before it, some gone. */
static void
namespaces_have_their_places(void **state)
{
	struct conf *first = conf_text("namespace '/z' { auth = none }"
	    "namespace '/a' { auth = none }");
	struct conf_source src = source;
	struct conf *conf, *there;
	struct buf b;

	(void)state;
	src.before = first;
	conf = parse(&src);
	assert_int_equal(conf_namespace_find(conf, SLICE("/a"))->index, 1);
	assert_int_equal(conf_namespace_find(conf, SLICE("/b"))->index, 2);
	buf_init(&b);
	conf_pack(&b, &src, conf);
	there = unpack(buf_unread(&b), true);
	assert_same(conf, there);
	assert_null(conf_namespace_at(there, 0));
	conf_free(&there);
	conf_free(&conf);
	conf_free(&first);
	buf_fini(&b);
}

static void
other_bytes_are_none(void **state)
{
	struct conf *conf = parse(&source);
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b);
	conf_pack(&b, &source, conf);
	for (i = 0; i < b.wpos; i++)
		(void)unpack(slice_of(b.data, i), false);
	b.data[2]++;		/* a version to come */
	(void)unpack(buf_unread(&b), false);
	b.data[2]--;
	buf_byte(&b, 0);
	(void)unpack(buf_unread(&b), false);
	conf_free(&conf);
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_the_same_there),
		cmocka_unit_test(namespaces_have_their_places),
		cmocka_unit_test(other_bytes_are_none),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
