/*
 * Reads what the configuration names; see load.h.  At start, before rights
 * are dropped; `roostd -t` does no more than this.
 */
#include "master/read/load_int.h"

#include <sys/random.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/key/certificate.h"
#include "base/digest.h"
#include "base/press.h"
#include "base/secrets.h"
#include "conf/conf.h"
#include "conf/read/line.h"
#include "proto/token.h"
#include "sys/log.h"

/* The line that names what could not be used. */
static int
load_line(const struct load_context *c, const char *what)
{
	return (conf_line(c->conf, what));
}

static int
load_fd(int fd, struct buf *out)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) == -1)
		return (-1);
	if (S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		return (-1);
	}
	for (;;) {
		if (!buf_reserve(out, 16384)) {
			errno = ENOMEM;
			return (-1);
		}
		n = read(fd, out->data + out->wpos, 16384);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return ((int)n);
		out->wpos += (size_t)n;
		if (out->wpos > LOAD_FILE_MAX) {
			errno = EFBIG;
			return (-1);
		}
	}
}

int
load_text(const char *path, struct buf *out)
{
	int error, fd, r;

	/* a FIFO must not hang the start */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1)
		return (-1);
	r = load_fd(fd, out);
	error = errno;
	(void)close(fd);
	errno = error;
	return (r);
}

bool
load_named(const struct load_context *c, int line, const char *what,
    const char *path, struct buf *out)
{
	if (load_text(path, out) == 0)
		return (true);
	conf_error(c->errors, c->file, line, "%s \"%s\": %s", what, path,
	    strerror(errno));
	return (false);
}

struct slice
load_pem(const struct load_context *c, int line, const char *what,
    const char *path, struct buf *text)
{
	if (!load_named(c, line, what, path, text))
		return (slice_of(NULL, 0));
	if (text->wpos == 0)
		conf_error(c->errors, c->file, line, "%s \"%s\": empty", what,
		    path);
	return (buf_unread(text));
}

/* --- tokens --------------------------------------------------------------*/

static void
load_key_file(const struct load_context *c, const struct conf_jwt_key *key,
    struct token_keys *keys)
{
	struct buf text;
	const char *why;

	buf_init(&text);
	if (load_named(c, key->line, "file", key->file, &text) &&
	    token_keys_pem(keys, slice_str(key->kid), buf_unread(&text),
	    &why) == -1)
		conf_error(c->errors, c->file, key->line, "file \"%s\": %s",
		    key->file, why);
	buf_fini(&text);
}

/* One bad key must not lock out those whom the others would let in. */
static void
load_bad_jwk(void *path, unsigned at, const char *why)
{
	log_warnx("jwks_file file=%s key=%u skipped=\"%s\"",
	    (const char *)path, at + 1, why);
}

/* Base64 of either alphabet; as it is without one.  false: it is none. */
static bool
load_secret_bytes(const struct conf_jwt *jwt, struct buf *out)
{
	struct slice text = slice_str(jwt->secret);
	ssize_t n;
	size_t i;

	buf_slice(out, text);
	if (jwt->secret_encoding == CONF_SECRET_TEXT || out->oom)
		return (!out->oom);
	for (i = 0; i < out->wpos; i++)
		if (out->data[i] == '-' || out->data[i] == '_')
			out->data[i] = out->data[i] == '-' ? '+' : '/';
	n = digest_base64_decode_loose(buf_unread(out), out->data);
	out->wpos = n < 0 ? 0 : (size_t)n;
	return (n >= 0);
}

static void
load_secret(const struct load_context *c, const struct conf_jwt *jwt,
    struct token_keys *keys)
{
	const char *why = "not base64";
	struct buf bytes;

	buf_init(&bytes);
	if (!load_secret_bytes(jwt, &bytes) || token_keys_secret(keys,
	    slice_str(""), buf_unread(&bytes), &why) == -1)
		conf_error(c->errors, c->file, load_line(c, "jwt: secret"),
		    "jwt: secret: %s", why);
	if (bytes.data != NULL)
		explicit_bzero(bytes.data, bytes.cap);
	buf_fini(&bytes);
}

static void
load_jwks(const struct load_context *c, const char *path,
    struct token_keys *keys)
{
	int line = load_line(c, "jwt: jwks_file"), n;
	struct buf text;
	const char *why;

	buf_init(&text);
	if (load_named(c, line, "jwt: jwks_file", path, &text)) {
		n = token_keys_jwks(keys, buf_unread(&text), load_bad_jwk,
		    (void *)(uintptr_t)path, &why);
		if (n == 0)
			why = "no usable key in it";
		if (n <= 0)
			conf_error(c->errors, c->file, line,
			    "jwt: jwks_file \"%s\": %s", path, why);
	}
	if (text.data != NULL)
		explicit_bzero(text.data, text.cap);
	buf_fini(&text);
}

/* conf/ and proto/ do not know each other: one bit must mean one algorithm. */
static void
load_check_algorithms(void)
{
	const char *name = CONF_ALGORITHMS;
	size_t n;
	int i;

	for (i = 0; i < TOKEN_ALG__MAX; i++) {
		n = strcspn(name, " ");
		MUST(token_alg_from(slice_of(name, n)) == i);
		name += n + strspn(name + n, " |");
	}
	MUST(*name == '\0');
}

static void
load_tokens(const struct load_context *c, const struct conf_jwt *jwt,
    struct load *load)
{
	size_t i;

	load_check_algorithms();
	if (!jwt->enabled)
		return;
	load->keys = token_keys_new(jwt->algorithms);
	if (load->keys == NULL) {
		conf_error(c->errors, c->file, 0, "jwt: %s", strerror(errno));
		return;
	}
	if (jwt->secret[0] != '\0')
		load_secret(c, jwt, load->keys);
	for (i = 0; i < jwt->nkeys; i++)
		load_key_file(c, &jwt->keys[i], load->keys);
	if (jwt->jwks_file[0] != '\0')
		load_jwks(c, jwt->jwks_file, load->keys);
}

/* --- what the relay reads itself ------------------------------------------ */

#define LOAD_PASSWORD_MAX	1023	/* bytes, without line feeds */

static const char *
load_password_bad(struct slice text)
{
	while (text.n > 0 && (text.p[text.n - 1] == '\n' ||
	    text.p[text.n - 1] == '\r'))
		text.n--;
	return (text.n == 0 ? "it is empty" : text.n > LOAD_PASSWORD_MAX ?
	    "it has more than 1023 bytes" : NULL);
}

static const char *
load_secrets_bad(struct slice text)
{
	struct secrets s;

	return (secrets_split(&s, text));
}

/* "": none is named. */
static void
load_check_file(const struct load_context *c, const char *what,
    const char *path, const char *(*bad)(struct slice))
{
	int line = load_line(c, what);
	const char *why;
	struct buf text;

	if (path[0] == '\0')
		return;
	buf_init(&text);
	if (load_named(c, line, what, path, &text)) {
		why = bad(buf_unread(&text));
		if (why != NULL)
			conf_error(c->errors, c->file, line, "%s \"%s\": %s",
			    what, path, why);
	}
	if (text.cap > 0)
		explicit_bzero(text.data, text.cap);
	buf_fini(&text);
}

static void
load_check_pair(const struct load_context *c, const struct conf_redis *r)
{
	const int lines[2] = { load_line(c, "redis: certificate"),
		load_line(c, "redis: key") };
	struct certificate_view v;
	struct slice certificate, key;
	struct buf texts[2];

	if (r->certificate[0] == '\0' || r->key[0] == '\0')
		return;
	buf_init(&texts[0]);
	buf_init(&texts[1]);
	certificate = load_pem(c, lines[0], "redis: certificate",
	    r->certificate, &texts[0]);
	key = load_pem(c, lines[1], "redis: key", r->key, &texts[1]);
	if (certificate.n != 0 && key.n != 0) {
		certificate_look(certificate, key, &v);
		if (v.why_certificate != NULL)
			conf_error(c->errors, c->file, lines[0],
			    "redis: certificate \"%s\": %s", r->certificate,
			    v.why_certificate);
		if (v.why_key != NULL)
			conf_error(c->errors, c->file, lines[1],
			    "redis: key \"%s\": %s", r->key, v.why_key);
	}
	if (texts[1].cap > 0)
		explicit_bzero(texts[1].data, texts[1].cap);
	buf_fini(&texts[0]);
	buf_fini(&texts[1]);
}

void
load_check_redis(const struct conf *conf, const char *file,
    struct conf_errors *errors)
{
	const struct load_context c = { conf, file, errors };
	const struct conf_redis *r = &conf->redis;
	struct buf ca;

	load_check_file(&c, "redis: password_file", r->password_file,
	    load_password_bad);
	load_check_file(&c, "redis: sentinel_password_file",
	    r->sentinel_password_file, load_password_bad);
	load_check_file(&c, "redis: secret_file", r->secret_file,
	    load_secrets_bad);
	load_check_pair(&c, r);
	if (r->ca[0] == '\0')
		return;
	buf_init(&ca);
	(void)load_pem(&c, load_line(&c, "redis: ca"), "redis: ca", r->ca,
	    &ca);
	buf_fini(&ca);
}

/* --- the browser's client ------------------------------------------------*/

#define LOAD_JS		"application/javascript; charset=utf-8"
#define LOAD_MAP	"application/json; charset=utf-8"

static const struct {
	const char	*name;
	const char	*type;
} load_bundle_names[] = {
	{ "socket.io.js", LOAD_JS },
	{ "socket.io.js.map", LOAD_MAP },
	{ "socket.io.min.js", LOAD_JS },
	{ "socket.io.min.js.map", LOAD_MAP },
	{ "socket.io.esm.min.js", LOAD_JS },
	{ "socket.io.esm.min.js.map", LOAD_MAP },
	{ "socket.io.msgpack.min.js", LOAD_JS },
	{ "socket.io.msgpack.min.js.map", LOAD_MAP },
};

/* A tag that changes with the bytes, and only with them. */
static void
load_etag(struct slice body, char etag[20])
{
	uint8_t digest[32];
	unsigned i;

	digest_sha256(body, digest);
	etag[0] = '"';
	for (i = 0; i < 8; i++)
		(void)snprintf(etag + 1 + 2 * i, 3, "%02x", digest[i]);
	etag[17] = '"';
	etag[18] = '\0';
}

/* Once, so that it may take its time.  Without memory, or if it does not get
 * smaller, there is no such form. */
static void
load_gzip(struct slice body, struct buf *out)
{
	struct press *press = press_new(9);
	ssize_t n = -1;

	if (press != NULL && buf_reserve(out, body.n)) {
		press_start(press, PRESS_GZIP, out->data, body.n);
		(void)press_add(press, body);
		n = press_end(press);
	}
	out->wpos = n > 0 ? (size_t)n : 0;
	press_free(&press);
}

/* One file, which need not be there. */
static void
load_bundle_file(const struct load_context *c, const char *path, size_t row,
    struct load *load)
{
	struct buf *text = &load->bundle_texts[2 * load->nbundle];
	struct buf *gzip = text + 1;
	struct heritage_file *f = &load->bundle[load->nbundle];

	buf_init(text);
	if (load_text(path, text) == -1) {
		if (errno != ENOENT)
			conf_error(c->errors, c->file,
			    load_line(c, "client_bundle"),
			    "client_bundle \"%s\": %s", path,
			    strerror(errno));
		buf_fini(text);
		return;
	}
	f->name = load_bundle_names[row].name;
	f->type = load_bundle_names[row].type;
	f->body = buf_unread(text);
	buf_init(gzip);
	load_gzip(f->body, gzip);
	f->gzip = buf_unread(gzip);
	load_etag(f->body, f->etag);
	load->nbundle++;
}

static void
load_bundle(const struct load_context *c, const char *dir, struct load *load)
{
	char path[PATH_MAX];
	size_t i, n = nitems(load_bundle_names);

	load->bundle = calloc(n, sizeof *load->bundle);
	load->bundle_texts = calloc(2 * n, sizeof *load->bundle_texts);
	if (load->bundle == NULL || load->bundle_texts == NULL) {
		conf_error(c->errors, c->file, 0, "%s", strerror(errno));
		return;
	}
	for (i = 0; i < n; i++) {
		if (snprintf(path, sizeof path, "%s/%s", dir,
		    load_bundle_names[i].name) < (int)sizeof path)
			load_bundle_file(c, path, i, load);
	}
	if (load->nbundle == 0)
		conf_error(c->errors, c->file, load_line(c, "client_bundle"),
		    "client_bundle \"%s\": no socket.io.js in it", dir);
}

static void
load_bundle_free(struct load *load)
{
	size_t i;

	for (i = 0; i < 2 * load->nbundle; i++)
		buf_fini(&load->bundle_texts[i]);
	free(load->bundle_texts);
	free(load->bundle);
}

/* --- all -----------------------------------------------------------------*/

static struct load *
load_new(const struct conf *conf)
{
	struct load *load;

	load = calloc(1, sizeof *load);
	if (load == NULL)
		return (NULL);
	load->magic = LOAD_MAGIC;
	buf_init(&load->demo_page);
	if (!load_tls_room(load, conf)) {
		load_tls_free(load);
		free(load);
		return (NULL);
	}
	return (load);
}

struct load *
load_all(const struct conf *conf, const char *file, struct conf_errors *errors)
{
	const struct load_context c = { conf, file, errors };
	struct load *load;
	unsigned before;

	before = errors->count;
	load = load_new(conf);
	if (load == NULL) {
		conf_error(errors, file, 0, "%s", strerror(errno));
		return (NULL);
	}
	if (conf->nlistens > ROLE_LISTENERS_MAX)
		conf_error(errors, file, conf->listens[ROLE_LISTENERS_MAX].line,
		    "more than %d listen sections", ROLE_LISTENERS_MAX);
	load_tokens(&c, &conf->jwt, load);
	load_tls(&c, conf, load);
	if (conf->demo_page[0] != '\0')
		(void)load_named(&c, load_line(&c, "demo_page"), "demo_page",
		    conf->demo_page, &load->demo_page);
	if (conf->client_bundle[0] != '\0')
		load_bundle(&c, conf->client_bundle, load);
	if (getrandom(load->ticket_key, sizeof load->ticket_key, 0) !=
	    (ssize_t)sizeof load->ticket_key)
		conf_error(errors, file, 0, "getrandom: %s", strerror(errno));
	if (errors->count != before)
		load_free(&load);
	return (load);
}

void
load_free(struct load **loadp)
{
	struct load *load;

	load = *loadp;
	if (load == NULL)
		return;
	*loadp = NULL;
	CHECK_MAGIC(load, LOAD_MAGIC);
	if (load->keys != NULL)
		token_keys_free(&load->keys);
	load_tls_free(load);
	buf_fini(&load->demo_page);
	load_bundle_free(load);
	explicit_bzero(load, sizeof *load);
	free(load);
}
