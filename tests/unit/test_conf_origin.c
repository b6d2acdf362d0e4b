/* Which pages may connect. */
#include "conf/origin.h"

#include "conf/read/dump.h"
#include "tests/lib/conf_text.h"

static const char listed[] =
    "allowed_origins = { 'https://App.example.com', 'http://localhost:*',"
    " 'https://*.wild.example', 'https://port.example:8443',"
    " 'http://[::1]:3000', 'capacitor://localhost' }";

static void
check_rows(const struct conf *conf, const char *const *rows, size_t n,
    bool want, const char *host)
{
	for (size_t i = 0; i < n; i++)
		assert_row(conf_origin_allowed(conf, slice_str(rows[i]),
		    slice_str(host), false) == want, slice_str(rows[i]));
}

static void
listed_origins_are_allowed(void **state)
{
	static const char *const rows[] = { "https://app.example.com",
		"HTTPS://APP.EXAMPLE.COM", "https://app.example.com:443",
		"http://localhost", "http://localhost:3000",
		"https://a.wild.example", "https://a.b.wild.example",
		"https://port.example:8443", "http://[::1]:3000",
		"capacitor://localhost" };
	struct conf *conf = conf_text(listed);

	(void)state;
	check_rows(conf, rows, nitems(rows), true, "other");
	conf_free(&conf);
}

static void
look_alikes_are_not(void **state)
{
	static const char *const rows[] = { "", "null", "*", "https://",
		"https://app.example.com.evil.example",
		"https://evil-app.example.com", "https://xapp.example.com",
		"http://app.example.com", "https://app.example.com:444",
		"https://app.example.com/", "https://app.example.com:",
		"https://u@app.example.com", "https://app.example.com#",
		" https://app.example.com", "https://app.example.com ",
		"https://localhost", "http://localhost:", "http://localhost:0",
		"http://localhost:99999", "http://localhost:80a",
		"https://wild.example", "https://.wild.example",
		"https://evilwild.example", "https://a.wild.example.",
		"https://evil.example?.wild.example",
		"https://port.example", "http://[::1]", "capacitor://x",
		"https://app.example.com, https://evil.example",
		"app.example.com" };
	struct conf *conf = conf_text(listed);

	(void)state;
	check_rows(conf, rows, nitems(rows), false, "app.example.com");
	assert_false(conf_origin_allowed(conf,
	    SLICE("https://app.example.com\0"), SLICE("x"), false));
	conf_free(&conf);
}

static void
without_a_list_the_page_must_be_of_the_same_host(void **state)
{
	static const char *const same[] = { "https://a.example",
		"https://A.example:443" };
	static const char *const other[] = { "https://b.example", "null", "",
		"http://a.example:443x", "https://a.example:8443",
		"https://a.example.b" };
	struct conf *conf = conf_text("");

	(void)state;
	check_rows(conf, same, nitems(same), true, "a.example");
	check_rows(conf, same, nitems(same), true, "a.example:443");
	check_rows(conf, other, nitems(other), false, "a.example");
	assert_true(conf_origin_allowed(conf, SLICE("http://[::1]:8080"),
	    SLICE("[::1]:8080"), false));
	assert_false(conf_origin_allowed(conf, SLICE("http://a.example"),
	    SLICE(""), false));
	assert_false(conf_origin_allowed(conf, SLICE("http://a.example"),
	    SLICE("a.example:"), false));
	conf_free(&conf);
}

/* A proxy may have ended the TLS: then https comes to a plain listener. */
static void
without_a_list_the_scheme_counts_over_tls(void **state)
{
	static const struct {
		const char	*origin, *host;
		bool		 plain, tls;
	} rows[] = {
		{ "http://a.example", "a.example", true, false },
		{ "http://a.example:8443", "a.example:8443", true, false },
		{ "https://a.example", "a.example", true, true },
		{ "HTTPS://a.example:8443", "a.example:8443", true, true },
		{ "https://a.example", "a.example:443", true, true },
		{ "http://a.example:443", "a.example:443", true, false },
		{ "capacitor://a.example", "a.example", false, false },
		{ "file://", "", false, false },
		{ "null", "null", false, false },
	};
	struct conf *conf = conf_text("");

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		assert_row(conf_origin_allowed(conf, slice_str(rows[i].origin),
		    slice_str(rows[i].host), false) == rows[i].plain,
		    slice_str(rows[i].origin));
		assert_row(conf_origin_allowed(conf, slice_str(rows[i].origin),
		    slice_str(rows[i].host), true) == rows[i].tls,
		    slice_str(rows[i].origin));
	}
	conf_free(&conf);
}

static void
what_has_no_host_can_be_listed(void **state)
{
	static const char *const listed_ones[] = { "null", "file://",
		"app://" };
	static const char *const others[] = { "NULL", "null://", "file:///",
		"file://x", "file:", "https://", "app://x", "app", "" };
	struct conf *conf = conf_text(
	    "allowed_origins = { null, 'file://', 'app://' }");
	struct buf out;

	(void)state;
	check_rows(conf, listed_ones, nitems(listed_ones), true, "a.example");
	check_rows(conf, others, nitems(others), false, "a.example");
	buf_init(&out);
	conf_dump(conf, &out);
	buf_byte(&out, '\0');
	assert_non_null(strstr((const char *)out.data,
	    "allowed_origins = {\"null\", \"file://\", \"app://\"}"));
	buf_fini(&out);
	conf_free(&conf);
	conf = conf_text("cors { origins = null }");
	assert_true(conf_cors_listed(&conf->cors, SLICE("null")));
	assert_false(conf_cors_listed(&conf->cors, SLICE("file://")));
	conf_free(&conf);
}

static void
letters_beyond_ascii_get_a_hint(void **state)
{
	struct conf_origin origin;

	(void)state;
	assert_non_null(strstr(conf_origin_parse("https://b\xc3\xbc.example",
	    &origin), "xn--"));
	assert_null(conf_origin_parse("https://xn--b-yga.example", &origin));
	conf_origin_fini(&origin);
}

static void
a_star_allows_anything(void **state)
{
	static const char *const rows[] = { "null", "", "https://x" };
	struct conf *conf = conf_text("allowed_origins = '*'");

	(void)state;
	check_rows(conf, rows, nitems(rows), true, "a.example");
	conf_free(&conf);
}

static void
entries_that_are_no_origins_are_refused(void **state)
{
	static const char *const rows[] = { "", "example.com", "null:",
		"null://", "NULL", "file:///", "http://", "file://:1",
		"https://a.example/", "https://a.example/x", "https://",
		"https://*", "https://*.", "https://a.*.example",
		"https://a.example:0", "https://a.example:65536",
		"https://a.example:", "https://a b", "1s://a", "**" };
	struct conf_origin origin;

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		assert_row(conf_origin_parse(rows[i], &origin) != NULL,
		    slice_str(rows[i]));
}

static void
names_that_are_answered(void **state)
{
	static const char *const good[] = { "app.example", "APP.EXAMPLE:80",
		"app.example.", "a.sub.example", "", "192.0.2.1:80", "[::1]",
		"[::1]:8080" };
	static const char *const bad[] = { "evil.example", "sub.example",
		"xsub.example", "app.example.evil", "app.example..", "1.2.3",
		"1.2.3.4.example", "app" };
	struct conf *conf = conf_text("hosts = { App.example, '*.sub.example' }");

	(void)state;
	for (size_t i = 0; i < nitems(good); i++)
		assert_row(conf_host_allowed(conf, slice_str(good[i])),
		    slice_str(good[i]));
	for (size_t i = 0; i < nitems(bad); i++)
		assert_row(!conf_host_allowed(conf, slice_str(bad[i])),
		    slice_str(bad[i]));
	conf_free(&conf);
	/* a name as it stands in a zone file is the same name */
	conf = conf_text("hosts = { app.example., '*.sub.example.' }");
	for (size_t i = 0; i < nitems(good); i++)
		assert_row(conf_host_allowed(conf, slice_str(good[i])),
		    slice_str(good[i]));
	for (size_t i = 0; i < nitems(bad); i++)
		assert_row(!conf_host_allowed(conf, slice_str(bad[i])),
		    slice_str(bad[i]));
	conf_free(&conf);
	conf = conf_text("");
	assert_true(conf_host_allowed(conf, SLICE("evil.example")));
	conf_free(&conf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listed_origins_are_allowed),
		cmocka_unit_test(look_alikes_are_not),
		cmocka_unit_test(
		    without_a_list_the_page_must_be_of_the_same_host),
		cmocka_unit_test(without_a_list_the_scheme_counts_over_tls),
		cmocka_unit_test(what_has_no_host_can_be_listed),
		cmocka_unit_test(letters_beyond_ascii_get_a_hint),
		cmocka_unit_test(a_star_allows_anything),
		cmocka_unit_test(names_that_are_answered),
		cmocka_unit_test(entries_that_are_no_origins_are_refused),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
