/*
 * Files that the configuration names: read whole, or refused with their name
 * and the reason; nothing stays open where a call or memory fails.
 */
#include "master/read/load.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "sys/log.h"
#include "tests/lib/conf_text.h"
#include "tests/lib/refuse.h"
#include "tests/lib/signer.h"

static char dir[64];
static struct conf *conf;
static struct conf_errors errors;
static struct load *load;
static const char *const files[] = { "key", "cert", "other", "pub", "jwks",
	"page", "big", "empty", "fifo", "socket.io.js", "socket.io.min.js",
	"socket.io.js.map" };

static const char *
at(const char *name)
{
	static char path[4][128];
	static unsigned i;

	i = (i + 1) % nitems(path);
	(void)snprintf(path[i], sizeof path[i], "%s/%s", dir, name);
	return (path[i]);
}

static void
put(const char *name, struct slice text)
{
	FILE *f = fopen(at(name), "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text.p, 1, text.n, f), text.n);
	assert_int_equal(fclose(f), 0);
}

static int
set_up(void **state)
{
	EVP_PKEY *key = signer_ec("P-256"), *other = signer_ec("P-256");
	struct buf b;

	(void)state;
	(void)snprintf(dir, sizeof dir, "/tmp/roost-load-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return (-1);
	log_init("master", -1, LOG_LEVEL_ERROR);
	buf_init(&b);
	signer_private_pem(key, NULL, &b);
	put("key", buf_unread(&b));
	buf_reset(&b);
	signer_private_pem(other, NULL, &b);
	put("other", buf_unread(&b));
	buf_reset(&b);
	signer_cert(key, &b);
	put("cert", buf_unread(&b));
	buf_reset(&b);
	signer_pem(key, &b);
	put("pub", buf_unread(&b));
	buf_reset(&b);
	buf_slice(&b, SLICE("{\"keys\":["));
	signer_jwk(key, ",\"kid\":\"a\"", &b);
	buf_slice(&b, SLICE("]}"));
	put("jwks", buf_unread(&b));
	buf_fini(&b);
	put("page", SLICE("<p>page"));
	put("empty", SLICE(""));
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
	conf_errors_init(&errors);
	return (0);
}

static int
tear_down(void **state)
{
	size_t i;

	(void)state;
	(void)refuse_end();
	load_free(&load);
	conf_errors_fini(&errors);
	if (conf != NULL)
		conf_free(&conf);
	for (i = 0; i < nitems(files); i++)
		(void)remove(at(files[i]));
	return (rmdir(dir));
}

/* All of it, anew; true: there is no error. */
static bool
load_it(void)
{
	load_free(&load);
	conf_errors_fini(&errors);
	conf_errors_init(&errors);
	load = load_all(conf, "t", &errors);
	assert_true((load == NULL) == (errors.count > 0));
	return (load != NULL);
}

/* "@" is the folder. */
static bool
loads(const char *text)
{
	char whole[8192];
	size_t n = 0;

	for (; *text != '\0'; text++) {
		assert_true(n + sizeof dir < sizeof whole);
		if (*text == '@')
			n += (size_t)snprintf(whole + n, sizeof whole - n,
			    "%s", dir);
		else
			whole[n++] = *text;
	}
	whole[n] = '\0';
	load_free(&load);
	if (conf != NULL)
		conf_free(&conf);
	conf = conf_text(whole);
	return (load_it());
}

static void
assert_wrong(const char *words)
{
	char text[4096];

	(void)snprintf(text, sizeof text, "%.*s",
	    (int)buf_unread(&errors.text).n,
	    (const char *)buf_unread(&errors.text).p);
	if (strstr(text, words) == NULL)
		fail_msg("no \"%s\" in: %s", words, text);
}

#define END	"namespace \"/\" { auth = none }\n"
#define ALL	"listen \"127.0.0.1:0\" { tls = yes certificate = \"@/cert\"" \
	" key = \"@/key\" }\nlisten \"127.0.0.1:0\" {}\n"		\
	"jwt { key \"k\" { file = \"@/pub\" } jwks_file = \"@/jwks\" }\n" \
	"demo_page = \"@/page\"\nclient_bundle = \"@\"\n" END

static unsigned
open_files(void)
{
	unsigned n = 0;
	DIR *d = opendir("/proc/self/fd");

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return (n);
}

static void
all_is_read(void **state)
{
	(void)state;
	put("socket.io.js", SLICE("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
	put("socket.io.min.js", SLICE("a"));
	assert_true(loads(ALL));
	assert_slice(buf_unread(&load->demo_page), "<p>page");
	assert_non_null(load->keys);
	assert_true(load->tls[0].certificates[0].certificate.n > 0 &&
	    load->tls[0].certificates[0].key.n > 0);
	assert_int_equal(load->tls[1].ncertificates, 0);
	assert_int_equal(load->nbundle, 2);
	assert_string_equal(load->bundle[0].name, "socket.io.js");
	assert_in_range(load->bundle[0].gzip.n, 1, 80);
	/* what does not get smaller stays as it is */
	assert_slice(load->bundle[1].body, "a");
	assert_int_equal(load->bundle[1].gzip.n, 0);
	assert_int_equal(strlen(load->bundle[0].etag), 18);
	assert_string_not_equal(load->bundle[0].etag, load->bundle[1].etag);
}

static void
each_call_may_fail(void **state)
{
	unsigned before, n, failed = 0;
	bool ok;

	(void)state;
	put("socket.io.js", SLICE("x"));
	assert_true(loads(ALL));
	load_free(&load);
	before = open_files();
	for (n = 1; n < 1000; n++) {
		refuse(NULL, n, 1, EIO);
		ok = load_it();
		if (refuse_end() == 0)
			break;
		if (!ok) {
			assert_wrong(strerror(EIO));
			failed++;
		}
		load_free(&load);
		assert_int_equal(open_files(), before);
	}
	assert_true(ok);
	/* each of six files is opened, looked at and read */
	assert_in_range(failed, 18, 999);
	refuse("read", 2, 1, EINTR);
	assert_true(load_it());
	assert_int_equal(refuse_end(), 1);
}

static void
memory_may_lack(void **state)
{
	unsigned n, failed = 0;
	bool ok;

	(void)state;
	put("socket.io.js", SLICE("x"));
	assert_true(loads(ALL));
	for (n = 1; n < 1000; n++) {
		refuse("memory", n, 1, ENOMEM);
		ok = load_it();
		if (refuse_end() == 0)
			break;
		failed += !ok;
	}
	assert_true(ok);
	assert_in_range(failed, 8, 999);
}

static void
what_is_no_file_of_that_size(void **state)
{
	static uint8_t big[LOAD_FILE_MAX + 1];

	(void)state;
	put("big", slice_of(big, LOAD_FILE_MAX));
	assert_true(loads("demo_page = \"@/big\"\n" END));
	assert_int_equal(load->demo_page.wpos, LOAD_FILE_MAX);
	put("big", slice_of(big, LOAD_FILE_MAX + 1));
	assert_false(loads("demo_page = \"@/big\"\n" END));
	assert_wrong(strerror(EFBIG));
	assert_false(loads("demo_page = \"@\"\n" END));
	assert_wrong(strerror(EISDIR));
	assert_false(loads("demo_page = \"@/none\"\n" END));
	assert_wrong(strerror(ENOENT));
	/* nobody writes to it, and nobody waits for that */
	assert_int_equal(mkfifo(at("fifo"), 0600), 0);
	assert_true(loads("demo_page = \"@/fifo\"\n" END));
	assert_int_equal(load->demo_page.wpos, 0);
}

static void
certificates(void **state)
{
	(void)state;
	assert_false(loads("listen \"127.0.0.1:0\" { tls = yes"
	    " certificate = \"@/cert\" key = \"@/other\" }\n" END));
	assert_wrong("t:1: key \"");
	assert_false(loads("listen \"127.0.0.1:0\" { tls = yes"
	    " certificate = \"@/page\" key = \"@/key\" }\n" END));
	assert_wrong("t:1: certificate \"");
	assert_false(loads("listen \"127.0.0.1:0\" { tls = yes"
	    " certificate = \"@/empty\" key = \"@/key\" }\n" END));
	assert_wrong("empty\": empty");
	assert_false(loads("listen \"127.0.0.1:0\" { tls = yes"
	    " certificate = \"@/cert\" key = \"@/none\" }\n" END));
	assert_wrong(strerror(ENOENT));
	assert_int_equal(errors.count, 1);
}

static void
secrets(void **state)
{
	(void)state;
	/* 32 bytes, in either alphabet, with and without an end */
	assert_true(loads("jwt { secret_encoding = base64 secret ="
	    " \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd/v8=\" }\n" END));
	assert_true(loads("jwt { secret_encoding = base64 secret ="
	    " \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd_v8\" }\n" END));
	assert_true(loads("jwt { secret_encoding = base64 secret ="
	    " \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd-v8\" }\n" END));
	assert_non_null(load->keys);
	assert_false(loads("jwt { secret_encoding = base64 secret ="
	    " \"not base64 at all, however long it may well be !!!!\" }\n"
	    END));
	assert_wrong("t:1: jwt: secret: not base64");
	/* long enough as a text, too short in bytes */
	assert_false(loads("jwt { secret_encoding = base64 secret ="
	    " \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==\" }\n" END));
	assert_wrong("jwt: secret: ");
}

static void
keys_of_tokens(void **state)
{
	(void)state;
	assert_false(loads("jwt { key \"k\" { file = \"@/page\" } }\n" END));
	assert_wrong("page\": ");
	assert_false(loads("jwt { key \"k\" { file = \"@/none\" } }\n" END));
	assert_wrong(strerror(ENOENT));
	put("jwks", SLICE("{\"keys\":[{\"kty\":\"RSA\"}]}"));
	assert_false(loads("jwt { jwks_file = \"@/jwks\" }\n" END));
	assert_wrong("no usable key in it");
	put("jwks", SLICE("{\"keys\":"));
	assert_false(loads("jwt { jwks_file = \"@/jwks\" }\n" END));
	assert_wrong("jwks\": ");
	assert_false(loads("jwt { jwks_file = \"@/none\" }\n" END));
	assert_wrong(strerror(ENOENT));
}

/* The relay reads them; a check says what it would trip over. */
static void
files_for_redis(void **state)
{
	static const char *const names[] = { "ca", "password_file",
		"sentinel_password_file", "secret_file", "certificate" };
	char words[64];
	size_t i;

	(void)state;
	put("big", SLICE("0123456789abcdef\n"));
	assert_true(loads("redis { sentinels = a  master = m  "
	    "url = 'rediss://'  ca = '@/cert'  password_file = '@/page'  "
	    "sentinel_password_file = '@/page'  secret_file = '@/big'  "
	    "certificate = '@/cert'  key = '@/key' }\n" END));
	load_check_redis(conf, "t", &errors);
	assert_int_equal(errors.count, 0);
	assert_true(loads("redis { sentinels = a  master = m  "
	    "url = 'rediss://'  ca = '@/no'  password_file = '@/no'  "
	    "sentinel_password_file = '@/no'  secret_file = '@/no'  "
	    "certificate = '@/no'  key = '@/key' }\n" END));
	load_check_redis(conf, "t", &errors);
	assert_int_equal(errors.count, nitems(names));
	for (i = 0; i < nitems(names); i++) {
		(void)snprintf(words, sizeof words, "t:1: redis: %s \"",
		    names[i]);
		assert_wrong(words);
	}
	assert_wrong(strerror(ENOENT));
	assert_true(loads("redis { url = 'rediss://h'  "
	    "certificate = '@/cert'  key = '@/other' }\n" END));
	load_check_redis(conf, "t", &errors);
	assert_int_equal(errors.count, 1);
	assert_wrong("t:1: redis: key \"");
	assert_true(loads(END));
	load_check_redis(conf, "t", &errors);
	assert_int_equal(errors.count, 0);
}

static void
a_bundle_without_its_files(void **state)
{
	(void)state;
	assert_false(loads("client_bundle = \"@\"\n" END));
	assert_wrong("no socket.io.js in it");
	assert_wrong("t:1: client_bundle");
	assert_false(loads("client_bundle = \"@/none\"\n" END));
	assert_wrong("no socket.io.js in it");
	assert_wrong("t:1: client_bundle");
	assert_int_equal(mkdir(at("socket.io.js.map"), 0700), 0);
	put("socket.io.js", SLICE("x"));
	assert_false(loads("client_bundle = \"@\"\n" END));
	assert_wrong(strerror(EISDIR));
}

static void
listen_sections_have_a_bound(void **state)
{
	char text[8192];
	size_t n = 0;
	unsigned i;

	(void)state;
	for (i = 0; i < ROLE_LISTENERS_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof text - n,
		    "listen \"127.0.0.1:%u\" {}\n", 1000 + i);
	(void)snprintf(text + n, sizeof text - n, END);
	assert_true(loads(text));
	(void)snprintf(text + n, sizeof text - n,
	    "listen \"127.0.0.1:2000\" {}\n" END);
	assert_false(loads(text));
	assert_wrong("t:65: more than 64 listen sections");
}

/* For what the relay reads: not loaded, and looked at when it is asked for. */
static bool
checks(const char *redis)
{
	char text[1024];

	(void)snprintf(text, sizeof text, "redis { url = \"rediss://h\" %s }\n"
	    END, redis);
	assert_true(loads(text));
	load_check_redis(conf, "t", &errors);
	return (errors.count == 0);
}

static void
files_of_the_relay_are_checked(void **state)
{
	static const struct {
		const char	*redis, *words;
	} rows[] = {
		{ "password_file = \"@/none\"", "t:1: redis: password_file" },
		{ "password_file = \"@/empty\"", "it is empty" },
		{ "password_file = \"@/fifo\"", "it has more than 1023" },
		{ "secret_file = \"@/none\"", "t:1: redis: secret_file" },
		{ "secret_file = \"@/empty\"", "it is empty" },
		{ "secret_file = \"@/page\"", "has less than 16 bytes" },
		{ "secret_file = \"@/fifo\"", "it has more than 4 secrets" },
		{ "secret_file = \"@/big\"", "it has more than 4095 bytes" },
		{ "ca = \"@/none\"", "t:1: redis: ca" },
		{ "ca = \"@/empty\"", "empty" },
		{ "certificate = \"@/cert\" key = \"@/none\"",
		    "t:1: redis: key" },
		{ "certificate = \"@/cert\" key = \"@/other\"",
		    "t:1: redis: key" },
		{ "certificate = \"@/page\" key = \"@/key\"",
		    "t:1: redis: certificate" },
	};
	char large[5000];
	size_t i;

	(void)state;
	memset(large, 'x', sizeof large);
	put("big", slice_of(large, sizeof large));
	for (i = 0; i < 5; i++)
		large[(i + 1) * 300] = '\n';
	put("fifo", slice_of(large, 1502));
	assert_true(checks(""));
	for (i = 0; i < nitems(rows); i++) {
		assert_false(checks(rows[i].redis));
		assert_int_equal(errors.count, 1);
		assert_wrong(rows[i].words);
	}
	put("page", SLICE("0123456789abcdef\n\nfedcba9876543210\n"));
	assert_true(checks("password_file = \"@/page\" "
	    "secret_file = \"@/page\" ca = \"@/cert\" "
	    "certificate = \"@/cert\" key = \"@/key\""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(all_is_read),
		T(each_call_may_fail),
		T(memory_may_lack),
		T(what_is_no_file_of_that_size),
		T(certificates),
		T(secrets),
		T(keys_of_tokens),
		T(files_for_redis),
		T(a_bundle_without_its_files),
		T(listen_sections_have_a_bound),
		T(files_of_the_relay_are_checked),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
