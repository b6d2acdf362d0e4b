/* Which pages may connect. */
#include "conf/conf_origin.h"

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
		    slice_str(host)) == want, slice_str(rows[i]));
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
	    SLICE("https://app.example.com\0"), SLICE("x")));
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
	    SLICE("[::1]:8080")));
	assert_false(conf_origin_allowed(conf, SLICE("http://a.example"),
	    SLICE("")));
	assert_false(conf_origin_allowed(conf, SLICE("http://a.example"),
	    SLICE("a.example:")));
	conf_free(&conf);
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
	static const char *const rows[] = { "", "example.com", "null",
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listed_origins_are_allowed),
		cmocka_unit_test(look_alikes_are_not),
		cmocka_unit_test(
		    without_a_list_the_page_must_be_of_the_same_host),
		cmocka_unit_test(a_star_allows_anything),
		cmocka_unit_test(entries_that_are_no_origins_are_refused),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
