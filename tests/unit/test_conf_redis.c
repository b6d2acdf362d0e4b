/* The URL of Redis: every form, and what is wrong with the others. */
#include "conf/value/redis.h"

#include "conf/read/dump.h"

#include "tests/lib/conf_text.h"

static void
urls_are_taken_apart(void **state)
{
	static const struct {
		const char *text, *shown, *host, *path, *user, *password;
		unsigned port, database;
		bool tls;
	} rows[] = {
		{ "redis://h", "redis://h", "h", NULL, NULL, NULL, 6379, 0,
		    false },
		{ "valkey://10.0.0.1:7000/3", "valkey://10.0.0.1:7000/3",
		    "10.0.0.1", NULL, NULL, NULL, 7000, 3, false },
		{ "rediss://u:p%40w:%25@a.b-c:1/", "rediss://u:...@a.b-c:1/",
		    "a.b-c", NULL, "u", "p@w:%", 1, 0, true },
		{ "valkeys://:p@[::1]:6380", "valkeys://:...@[::1]:6380",
		    "::1", NULL, "", "p", 6380, 0, true },
		{ "redis://me@h/0", "redis://me@h/0", "h", NULL, "me", "",
		    6379, 0, false },
		{ "redis://u:a@b@h", "redis://u:...@h", "h", NULL, "u", "a@b",
		    6379, 0, false },
		{ "unix:/run/r.sock", "unix:/run/r.sock", NULL, "/run/r.sock",
		    NULL, NULL, 0, 0, false },
		{ "unix:///run/r.sock?db=2", "unix:///run/r.sock?db=2", NULL,
		    "/run/r.sock", NULL, NULL, 0, 2, false },
		{ "unix://u:p@/run/r.sock", "unix://u:...@/run/r.sock", NULL,
		    "/run/r.sock", "u", "p", 0, 0, false },
	};
	struct conf_redis_url url;

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct slice row = slice_str(rows[i].text);

		assert_row(conf_redis_url_parse(rows[i].text, &url) == NULL,
		    row);
		assert_text(slice_str(url.text), rows[i].text);
		assert_text(slice_str(url.shown), rows[i].shown);
		assert_row(url.tls == rows[i].tls && url.port == rows[i].port &&
		    url.database == rows[i].database, row);
		assert_text(slice_str(url.host), rows[i].host);
		assert_text(slice_str(url.path), rows[i].path);
		assert_text(slice_str(url.user), rows[i].user);
		assert_text(slice_str(url.password), rows[i].password);
		conf_redis_url_free(&url);
		assert_null(url.text);
	}
}

static void
bad_urls_are_refused(void **state)
{
	static const char *const rows[] = { "h:6379", "http://h", "redis:/h",
		"redis://", "redis://:1", "redis://h:0", "redis://h:65536",
		"redis://h:", "redis://h:1x", "redis://h/x", "redis://h/1/2",
		"redis://h/65536", "redis://a b", "redis://h?db=1",
		"redis://[::1", "redis://[]", "redis://[::1]6379",
		"redis://%zz@h", "redis://u:%0a@h", "redis://u:%00@h",
		"redis://u:%4@h", "unix:", "unix:run/x", "unix:/",
		"unix:/r?db=", "unix:/r?db=x", "REDIS://h", "" };
	struct conf_redis_url url;

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		assert_row(conf_redis_url_parse(rows[i], &url) != NULL,
		    slice_str(rows[i]));
		assert_null(url.text);
	}
}

static void
section_is_checked_as_a_whole(void **state)
{
	(void)state;
	assert_conf_errors("redis { password_file = /p }",
	    "t: redis: there is no url\n");
	assert_conf_errors("redis { secret_file = /p }",
	    "t: redis: there is no url\n");
	assert_conf_errors("redis { stream = 1 }",
	    "t: redis: there is no url\n");
	assert_conf_errors("redis {\nurl = 'redis://u:p@h'\n"
	    "password_file = /p }",
	    "t:2: redis: a password in url, and a password_file\n");
	assert_conf_errors("redis { url = 'redis://u@h' }",
	    "t:1: redis: a user in url, but no password and no "
	    "password_file\n");
	assert_conf_errors("redis { url = 'redis://h' ca = /c }",
	    "t:1: redis: ca, certificate, key and server_name are for TLS: "
	    "rediss:// or valkeys://\n");
	assert_conf_errors("redis { url = 'rediss://h' key = /c }",
	    "t:1: redis: certificate and key need each other\n");
	assert_conf_errors("redis { url = 'redis://h' prefix = 'a b' }",
	    "t:1: redis: prefix has a blank or a control character\n");
	assert_conf_errors("redis { url = 'redis://u:p@' }",
	    "t:1: redis: url needs a host: redis://HOST[:PORT]\n");
	assert_conf_errors("redis { url = 'redis://h' prefix = 'a{b}' }",
	    "t:1: redis: prefix has a brace: what is between two decides "
	    "where a Cluster keeps a key\n");
	assert_conf_errors("redis { url = 'redis://h' shards = {'redis://a'} }",
	    "t:1: redis: url and shards: one of them\n");
	assert_conf_errors("redis { shards = {'redis://a', 'redis://A:6379'} }",
	    "t:1: redis: one of shards is there twice\n");
	assert_conf_errors("redis { shards = {'unix:/a', 'unix:/a'} }",
	    "t:1: redis: one of shards is there twice\n");
	assert_conf_errors("redis { shards = {'redis://a', 'http://b'} }",
	    "t:1: redis: shards: must start with redis://, rediss://, valkey://, "
	    "valkeys:// or unix:\n");
	assert_conf_errors("redis { shards = {'redis://a', 'redis://'} }",
	    "t:1: redis: shards: needs a host: redis://HOST[:PORT]\n");
	assert_conf_errors("redis { shards = {'redis://a'} sentinels = {'b'} "
	    "master = m }",
	    "t:1: redis: sentinels and shards: one of them\n");
	assert_conf_errors("redis { shards = {'redis://1', 'redis://2', "
	    "'redis://3', 'redis://4', 'redis://5', 'redis://6', 'redis://7', "
	    "'redis://8', 'redis://9'} }",
	    "t:1: redis: more than 8 shards\n");
	assert_conf_errors("redis { shards = {'redis://a', 'redis://u:p@b'} "
	    "password_file = /p }",
	    "t:1: redis: a password in url, and a password_file\n");
	/* what is wrong is said without the password */
	assert_conf_errors("redis { url = 'redis://u:secret@h:0' }",
	    "t:1: redis: url: the port is not 1..65535\n");
}

static void
sentinels_have_ports_of_their_own(void **state)
{
	static const struct {
		const char *host;
		unsigned port;
		bool tls;
		const char *user, *password;
	} rows[] = {
		{ "a", 26379, false, NULL, NULL },
		{ "10.0.0.1", 5000, false, NULL, NULL },
		{ "::1", 26379, false, NULL, NULL },
		{ "b", 26379, true, "u", "p" },
		{ "c", 6379, false, NULL, NULL },
	};
	struct conf *conf = conf_text("redis { master = m sentinels = {a, "
	    "'10.0.0.1:5000', '[::1]', 'rediss://u:p@b', 'redis://c:6379'} }");
	const struct conf_redis *r = &conf->redis;

	(void)state;
	assert_true(conf_redis_on(r));
	assert_null(r->url.text);
	assert_string_equal(r->master, "m");
	assert_int_equal(r->nsentinels, nitems(rows));
	for (size_t i = 0; i < nitems(rows); i++) {
		const struct conf_redis_url *s = &r->sentinels[i];

		assert_text(slice_str(s->host), rows[i].host);
		assert_true(s->port == rows[i].port && s->tls == rows[i].tls);
		assert_text(slice_str(s->user), rows[i].user);
		assert_text(slice_str(s->password), rows[i].password);
	}
	conf_free(&conf);
}

/* The url says as whom and how, the Sentinels where. */
static void
sentinels_take_a_url_without_a_host(void **state)
{
	struct conf *conf = conf_text("redis { master = m sentinels = {a} "
	    "url = 'rediss://u:p@/3' }");
	const struct conf_redis_url *url = &conf->redis.url;

	(void)state;
	assert_text(slice_str(url->host), "");
	assert_text(slice_str(url->user), "u");
	assert_text(slice_str(url->password), "p");
	assert_true(url->tls && url->database == 3);
	assert_string_equal(url->shown, "rediss://u:...@/3");
	conf_free(&conf);
	assert_conf_errors("redis { master = m sentinels = {'redis://u:p@'} }",
	    "t:1: redis: sentinels: needs a host: redis://HOST[:PORT]\n");
}

static void
sentinels_are_checked_with_the_rest(void **state)
{
	static const struct {
		const char *text, *said;
	} rows[] = {
		{ "sentinels = {h}",
		    "sentinels need the name of the master: master = NAME" },
		{ "master = m", "master and sentinel_password_file need "
		    "sentinels" },
		{ "master = m sentinels = {a, 'A:26379'}",
		    "one of sentinels is there twice" },
		{ "master = m sentinels = {a} url = 'unix:/r'",
		    "url is a unix socket, and there are sentinels" },
		{ "master = m sentinels = {'redis://:p@a'} "
		    "sentinel_password_file = /p",
		    "a password in sentinels, and a sentinel_password_file" },
		{ "master = m sentinels = {'redis://u@a'}", "a user in "
		    "sentinels, but no password and no sentinel_password_file" },
		{ "master = m sentinels = {a} ca = /c",
		    "ca, certificate, key and server_name are for TLS: "
		    "rediss:// or valkeys://" },
		{ "master = m sentinels = {a, b, c, d, e, f, g, h, i, j, k, l,"
		    " m, n, o, p, q}", "more than 16 sentinels" },
	};
	char text[256], said[256];

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		(void)snprintf(text, sizeof text, "redis { %s }", rows[i].text);
		(void)snprintf(said, sizeof said, "t:%s redis: %s\n",
		    strstr(text, "sentinels = ") != NULL ? "1:" : "",
		    rows[i].said);
		assert_conf_errors(text, said);
	}
	/* of each what is wrong with it, without the password */
	assert_conf_errors("redis { master = m sentinels = {\n'unix:/s',\n"
	    "'redis://:secret@h/1', 'h:0'} }",
	    "t:2: redis: sentinels: a Sentinel has a host and a port, and no "
	    "database\n"
	    "t:3: redis: sentinels: a Sentinel has a host and a port, and no "
	    "database\n"
	    "t:3: redis: sentinels: the port is not 1..65535\n");
	/* TLS with one of them is enough for the directives of TLS */
	conf_free(&(struct conf *){ conf_text("redis { master = m ca = /c "
	    "sentinels = {'rediss://a'} }") });
}

static void
password_is_not_in_the_dump(void **state)
{
	struct conf *conf = conf_text("redis { url = 'redis://u:secret@h:1' "
	    "master = m sentinels = {a, 'redis://s:secret@b:1'} }");
	struct buf b;

	(void)state;
	assert_true(conf_redis_on(&conf->redis));
	assert_string_equal(conf->redis.prefix, "roost:");
	buf_init(&b);
	conf_dump(conf, &b);
	buf_byte(&b, '\0');
	assert_false(b.oom);
	assert_null(strstr((const char *)b.data, "secret@"));
	assert_non_null(strstr((const char *)b.data,
	    "url = \"redis://u:...@h:1\"\n"));
	assert_non_null(strstr((const char *)b.data,
	    "sentinels = {\"redis://a\", \"redis://s:...@b:1\"}\n"));
	conf_free(&conf);
	/* and what is dumped parses again */
	conf = conf_text((const char *)b.data);
	conf_free(&conf);
	buf_fini(&b);
	conf = conf_text("");
	assert_false(conf_redis_on(&conf->redis));
	conf_free(&conf);
}

static const char *
environment(const char *name)
{
	return (strcmp(name, "REDIS_URL") == 0 ? "redis://env" : NULL);
}

static void
environment_speaks_where_the_file_is_silent(void **state)
{
	struct conf_source src = { .file = "t", .env = environment };
	struct conf_errors errors;
	struct conf *conf;

	(void)state;
	conf_errors_init(&errors);
	conf = conf_parse(&src, &errors);
	assert_non_null(conf);
	assert_string_equal(conf->redis.url.host, "env");
	conf_free(&conf);
	src.text = SLICE("redis { url = '' }");
	conf = conf_parse(&src, &errors);
	assert_non_null(conf);
	assert_false(conf_redis_on(&conf->redis));
	conf_free(&conf);
	conf_errors_fini(&errors);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_are_taken_apart),
		cmocka_unit_test(bad_urls_are_refused),
		cmocka_unit_test(section_is_checked_as_a_whole),
		cmocka_unit_test(sentinels_have_ports_of_their_own),
		cmocka_unit_test(sentinels_take_a_url_without_a_host),
		cmocka_unit_test(sentinels_are_checked_with_the_rest),
		cmocka_unit_test(password_is_not_in_the_dump),
		cmocka_unit_test(environment_speaks_where_the_file_is_silent),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
