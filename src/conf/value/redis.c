/*
 * The URL of Redis; see redis.h.
 */
#include "conf/value/redis.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/un.h>

#include "base/ascii.h"
#include "conf/heap.h"
#include "conf/value/string.h"

#define CONF_REDIS_PORT		6379
#define CONF_REDIS_HIDDEN	"..."	/* what is shown of a password */

static const struct conf_redis_scheme {
	const char	*prefix;
	bool		 tls, is_unix;
} schemes[] = {
	{ "redis://", false, false }, { "rediss://", true, false },
	{ "valkey://", false, false }, { "valkeys://", true, false },
	{ "unix://", false, true }, { "unix:", false, true },
};

void
conf_redis_url_free(struct conf_redis_url *url)
{
	free(url->text);
	free(url->shown);
	free(url->host);
	free(url->path);
	free(url->user);
	free(url->password);
	memset(url, 0, sizeof *url);
}

/* Percent-decoded; NULL: a bad escape, or a NUL or control character. */
static char *
redis_decode(struct slice s)
{
	char *out = conf_calloc(1, s.n + 1);
	size_t n = 0, i;
	int c;

	for (i = 0; i < s.n; i++) {
		c = s.p[i];
		if (c == '%') {
			c = i + 2 < s.n && ascii_hex(s.p[i + 1]) >= 0 &&
			    ascii_hex(s.p[i + 2]) >= 0 ?
			    ascii_hex(s.p[i + 1]) * 16 + ascii_hex(s.p[i + 2]) :
			    0;
			i += 2;
		}
		if (c < 0x20 || c == 0x7f) {
			free(out);
			return (NULL);
		}
		out[n++] = (char)c;
	}
	return (out);
}

static bool
redis_number(struct slice s, unsigned max, unsigned *value)
{
	uint64_t v;

	if (!ascii_number(s, max, &v))
		return (false);
	*value = (unsigned)v;
	return (true);
}

/* What is before the last "@"; rest is what follows. */
static const char *
redis_userinfo(struct slice *rest, struct conf_redis_url *url)
{
	const uint8_t *at = rest->n == 0 ? NULL :
	    memrchr(rest->p, '@', rest->n), *colon;
	struct slice user, password = { NULL, 0 };

	if (at == NULL)
		return (NULL);
	user = slice_of(rest->p, (size_t)(at - rest->p));
	*rest = slice_from(*rest, user.n + 1);
	colon = user.n == 0 ? NULL : memchr(user.p, ':', user.n);
	if (colon != NULL) {
		password = slice_from(user, (size_t)(colon - user.p) + 1);
		user.n = (size_t)(colon - user.p);
	}
	url->user = redis_decode(user);
	url->password = redis_decode(password);
	if (url->user == NULL || url->password == NULL)
		return ("a \"%\" in user or password is not followed by two "
		    "hexadecimal digits, or means a control character");
	return (NULL);
}

static const char *
redis_host(struct slice s, struct conf_redis_url *url)
{
	struct slice port = { NULL, 0 };
	const uint8_t *end;
	const char *c;

	if (s.n > 0 && s.p[0] == '[') {
		end = memchr(s.p, ']', s.n);
		if (end == NULL)
			return ("\"[\" without \"]\"");
		url->host = conf_strndup(s.p + 1, (size_t)(end - s.p) - 1);
		s = slice_from(s, (size_t)(end - s.p) + 1);
	} else {
		end = s.n == 0 ? NULL : memchr(s.p, ':', s.n);
		url->host = conf_strndup(s.n == 0 ? (const void *)"" : s.p,
		    end == NULL ? s.n : (size_t)(end - s.p));
		s = end == NULL ? slice_of(NULL, 0) :
		    slice_from(s, (size_t)(end - s.p));
	}
	for (c = url->host; *c != '\0'; c++)
		if (!isalnum((unsigned char)*c) && strchr(".-_:", *c) == NULL)
			return ("not a host name or address");
	url->port = CONF_REDIS_PORT;
	if (s.n == 0)
		return (NULL);
	port = slice_from(s, 1);
	url->port_given = true;
	if (s.p[0] != ':' || !redis_number(port, 65535, &url->port) ||
	    url->port == 0)
		return ("the port is not 1..65535");
	return (NULL);
}

/* Behind the scheme: [user@]host[:port][/database]. */
static const char *
redis_network(struct slice s, struct conf_redis_url *url)
{
	const uint8_t *slash;
	struct slice database = { NULL, 0 };
	const char *wrong = redis_userinfo(&s, url);

	if (wrong != NULL)
		return (wrong);
	slash = s.n == 0 ? NULL : memchr(s.p, '/', s.n);
	if (slash != NULL) {
		database = slice_from(s, (size_t)(slash - s.p) + 1);
		s.n = (size_t)(slash - s.p);
	}
	if (database.n != 0 && !redis_number(database, 65535, &url->database))
		return ("the database is not a number: "
		    "redis://HOST:PORT/NUMBER");
	return (redis_host(s, url));
}

static const char *
redis_unix(struct slice s, struct conf_redis_url *url)
{
	struct slice query = SLICE("?db=");
	const struct sockaddr_un sun;
	const uint8_t *at = s.n == 0 ? NULL :
	    memmem(s.p, s.n, query.p, query.n);
	const char *wrong;

	if (at != NULL) {
		if (!redis_number(slice_from(s, (size_t)(at - s.p) + query.n),
		    65535, &url->database))
			return ("the database is not a number: ?db=NUMBER");
		s.n = (size_t)(at - s.p);
	}
	if (s.n > 0 && s.p[0] != '/') {
		wrong = redis_userinfo(&s, url);
		if (wrong != NULL)
			return (wrong);
	}
	if (s.n < 2 || s.p[0] != '/')
		return ("unix: needs an absolute path");
	if (s.n >= sizeof sun.sun_path)
		return ("the path is too long for a unix socket (107 bytes)");
	url->path = conf_strndup(s.p, s.n);
	return (NULL);
}

/* The text as it may be seen: without its password. */
static char *
redis_shown(const char *text, const char *rest)
{
	const char *at = strrchr(rest, '@');
	const char *colon = at == NULL ? NULL :
	    memchr(rest, ':', (size_t)(at - rest));
	struct buf b;
	char *shown;

	if (colon == NULL || colon + 1 == at)
		return (conf_strdup(text));
	buf_init(&b);
	buf_append(&b, text, (size_t)(colon - text) + 1);
	buf_str(&b, CONF_REDIS_HIDDEN);
	buf_str(&b, at);
	MUST(!b.oom);
	shown = conf_strndup(b.data, b.wpos);
	buf_fini(&b);
	return (shown);
}

/* Where Sentinels name the host, there need be none: the host is empty. */
static const char *
redis_parse(const char *text, struct conf_redis_url *url)
{
	const struct conf_redis_scheme *s = schemes;
	const char *wrong, *rest;

	memset(url, 0, sizeof *url);
	while (s < schemes + nitems(schemes) &&
	    strncmp(text, s->prefix, strlen(s->prefix)) != 0)
		s++;
	if (s == schemes + nitems(schemes))
		return ("must start with redis://, rediss://, valkey://, "
		    "valkeys:// or unix:");
	rest = text + strlen(s->prefix);
	wrong = s->is_unix ? redis_unix(slice_str(rest), url) :
	    redis_network(slice_str(rest), url);
	if (wrong != NULL) {
		conf_redis_url_free(url);
		return (wrong);
	}
	url->tls = s->tls;
	url->text = conf_strdup(text);
	url->shown = redis_shown(text, rest);
	return (NULL);
}

const char *
conf_redis_url_parse(const char *text, struct conf_redis_url *url)
{
	const char *wrong = redis_parse(text, url);

	if (wrong != NULL || url->path != NULL || url->host[0] != '\0')
		return (wrong);
	conf_redis_url_free(url);
	return ("needs a host: redis://HOST[:PORT]");
}

/* --- the directive --------------------------------------------------------*/

void
conf_set_redis_url(struct conf_parser *p, const struct conf_value *v,
    void *object)
{
	struct conf_redis_url *url = conf_field_of(v->row, object), new;
	const struct conf_token *t = &v->tokens[0];
	const char *wrong;

	if (t->text[0] == '\0') {
		conf_redis_url_free(url);
		return;
	}
	wrong = redis_parse(t->text, &new);
	if (wrong != NULL) {
		/* without the text: it may hold a password */
		conf_diag(&p->diags, t->at, "%s: %s: %s", v->where,
		    v->row->name, wrong);
		return;
	}
	conf_redis_url_free(url);
	*url = new;
}

void
conf_dump_redis_url(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	const struct conf_redis_url *url = conf_field_in(row, object);

	conf_string_print(url->shown == NULL ? "" : url->shown, out);
}

void
conf_hidden_redis_url(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	const struct conf_redis_url *url = conf_field_in(row, object);

	buf_str(out, url->text == NULL ? "" : url->text);
}

void
conf_free_redis_url(const struct conf_directive *row, void *object)
{
	conf_redis_url_free(conf_field_of(row, object));
}
