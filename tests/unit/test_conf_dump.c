/* What is printed parses to the same; secrets are not printed. */
#include "conf/value/value.h"

#include "conf/read/dump.h"
#include "tests/lib/conf_text.h"

#define HEX16	"0123456789abcdef"
#define HEX64	HEX16 HEX16 HEX16 HEX16

static void
dump(const char *text, struct buf *out)
{
	struct conf *conf = conf_text(text);

	conf_dump(conf, out);
	buf_byte(out, '\0');
	assert_false(out->oom);
	conf_free(&conf);
}

static void
assert_round_trip(const char *text)
{
	struct buf first, second;

	buf_init(&first);
	buf_init(&second);
	dump(text, &first);
	dump((const char *)first.data, &second);
	assert_slices(buf_unread(&second), buf_unread(&first));
	buf_fini(&first);
	buf_fini(&second);
}

static void
the_dump_parses_to_the_same(void **state)
{
	(void)state;
	assert_round_trip("");
	assert_round_trip("workers = 3 user = 'a\"b\\\\c${d}\n' log_level = warn"
	    " allowed_origins = {'*', 'https://*.x.example:*'}"
	    " listen '*:1' {} listen 'unix:/s' { mode = 0600 }"
	    " jwt { secret = '" HEX64 "' key \"k\\u0001\" { file = f } }"
	    " api { key k { sha256 = '" HEX64 "' allow = {presence} } }"
	    " limits { connections = 3k handshake_timeout = 1m1ms }");
	assert_round_trip("rate connects { allow = 30/10s }"
	    "rate 'a\"b' { per = connection allow = 1001/1m30s burst = 7"
	    " strikes = 2 } limits { per_address = 3 per_user = 60k }"
	    "presence { leave_grace = 1ms } namespace '/n' { auth = none"
	    " presence = query join = {a, 'b:c'} idle_after = 1d"
	    " event e { rate = 'a\"b' } }");
	assert_round_trip("jwt { secret = \"${SECRET}\" }"
	    "namespace '/n' { roles = {'a b', c}"
	    " room 'x{a}:{b}' { join = 'self:b' } room '${y}' { join ="
	    " 'claim:a b' } event 'a\"$' { to = 'room:a\"b' as = '\xc3\xa9\\\\'"
	    " check = {'x\"?: number -1.5..1e100', 'y: string ..3'} }"
	    " event 'w' { data = {'{\"$\": 1}', null} set = {'a\"b: user',"
	    " 'c: claim:x.y', 'd: sid', 'e: text:f\"g', 'h: [1, {}]'} }"
	    " event 'v' { to = joined meta_sid = on then a { to = sender data ="
	    " 1 } then 'b\"' { to = room:x as = a set = 'x: user' } }"
	    " event '*' { error = no } }"
	    "route '/a/{b}' { namespace = '/n' join = 'x{b}{b}' roles = r }"
	    );
	assert_round_trip("hook h { url = 'https://[::1]:8/a?b' timeout = 1s"
	    " secret = \"${SECRET}\" ca = '/x' allow_private = on }"
	    "namespace '/n' { auth = none hook = h ask = on"
	    " room r { join = ask } event e { to = backend } }");
	assert_round_trip("cors { origins = {'http://a', '*'} methods = PUT"
	    " headers = {X-A, 'x~'} exposed = a credentials = on max_age = 1h }"
	    " client_bundle = '/x y' socketio { upgrade_timeout = 1s }");
}

static void
every_directive_is_in_the_dump(void **state)
{
	struct buf b;
	char want[64];

	(void)state;
	buf_init(&b);
	dump("listen 'unix:/s' { tls = on certificate = c key = k"
	    " host h { certificate = c key = k } } jwt { key k { file = f } }"
	    "rate r { allow = 1/1s }"
	    "api { key k { sha256 = '" HEX64 "' allow = publish } }"
	    "hook h { url = 'https://a/' secret = '" HEX64 "' }"
	    "namespace '/n' { room r { documents = on key k {} }"
	    " event e {} }"
	    "route '/r' { namespace = '/n' }", &b);
	for (size_t i = 0; i < CONF_NDIRECTIVES; i++) {
		snprintf(want, sizeof want, " %s = ", conf_directives[i].name);
		if (conf_directives[i].section == CONF_SEC_TOP)
			want[0] = '\n';
		assert_row(conf_directives[i].section == CONF_SEC_TOP && i == 0
		    ? strncmp((const char *)b.data, want + 1,
		    strlen(want + 1)) == 0 :
		    strstr((const char *)b.data, want) != NULL,
		    slice_str(want));
	}
	buf_fini(&b);
}

static void
secrets_are_not_printed_and_the_mask_is_no_key(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b);
	dump("jwt { secret = '" HEX64 "' }", &b);
	assert_null(strstr((const char *)b.data, HEX16));
	assert_non_null(strstr((const char *)b.data, "secret = \"...\"\n"));
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_dump_parses_to_the_same),
		cmocka_unit_test(every_directive_is_in_the_dump),
		cmocka_unit_test(
		    secrets_are_not_printed_and_the_mask_is_no_key),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
