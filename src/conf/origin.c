/*
 * Origins: scheme, host and port of a page, compared as RFC 6454 says; and the
 * hosts of requests.
 */
#include "conf/origin.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "conf/heap.h"

struct origin {
	struct slice	 scheme, host, port;	/* port empty: the scheme's */
};

static bool
origin_is_scheme(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (!isalnum(s.p[i]) && (s.p[i] == '\0' ||
		    strchr("+-.", s.p[i]) == NULL))
			return (false);
	return (s.n > 0 && isalpha(s.p[0]));
}

/* Letters, digits, "-._"; or anything of an IPv6 address in brackets. */
static bool
origin_is_host(struct slice s)
{
	bool v6 = s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']';
	size_t i;

	if (v6)
		s = slice_of(s.p + 1, s.n - 2);
	for (i = 0; i < s.n; i++)
		if (v6 ? !isxdigit(s.p[i]) && s.p[i] != ':' && s.p[i] != '.' :
		    !isalnum(s.p[i]) && (s.p[i] == '\0' ||
		    strchr("-._", s.p[i]) == NULL))
			return (false);
	return (s.n > 0);
}

/* A host may have none but on the web: "file://", and apps' own schemes. */
static bool
origin_is_web(struct slice scheme)
{
	return (slice_caseeq(scheme, SLICE("https")) ||
	    slice_caseeq(scheme, SLICE("http")));
}

static bool
origin_beyond_ascii(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] >= 0x80)
			return (true);
	return (false);
}

static bool
origin_is_port(struct slice s)
{
	unsigned value = 0;
	size_t i;

	if (s.n == 0 || s.n > 5 || s.p[0] == '0')
		return (false);
	for (i = 0; i < s.n; i++) {
		if (!isdigit(s.p[i]))
			return (false);
		value = value * 10 + (unsigned)(s.p[i] - '0');
	}
	return (value <= 65535);
}

/* "host", "host:port", "[::1]:port"; nothing is judged yet. */
static void
origin_split_port(struct slice in, struct slice *host, struct slice *port)
{
	size_t i = in.n;

	while (i > 0 && in.p[i - 1] != ':' && in.p[i - 1] != ']')
		i--;
	*host = in;
	*port = slice_of(NULL, 0);
	if (i == 0 || in.p[i - 1] != ':')
		return;
	*host = slice_of(in.p, i - 1);
	*port = slice_from(in, i);
}

/* A colon with nothing behind it is not a port. */
static bool
origin_ends_in_colon(struct slice in)
{
	return (in.n > 0 && in.p[in.n - 1] == ':');
}

static bool
origin_split(struct slice in, struct origin *o)
{
	const uint8_t *sep = in.n == 0 ? NULL : memmem(in.p, in.n, "://", 3);

	if (sep == NULL || origin_ends_in_colon(in))
		return (false);
	o->scheme = slice_of(in.p, (size_t)(sep - in.p));
	origin_split_port(slice_from(in, o->scheme.n + 3), &o->host, &o->port);
	return (origin_is_scheme(o->scheme));
}

/*
 * As split_origin(), and what has no host: "null", which browsers send for
 * sandboxed frames and the like, and "file://".  The host is not judged.
 */
static bool
origin_is_like(struct slice in, struct origin *o)
{
	if (slice_eq(in, SLICE("null"))) {
		*o = (struct origin){ .scheme = in };
		return (true);
	}
	return (origin_split(in, o) && !slice_caseeq(o->scheme,
	    SLICE("null")) &&
	    (in.p[in.n - 1] != '/' || o->host.n == 0) &&
	    (o->host.n > 0 || (o->port.n == 0 && !origin_is_web(o->scheme))));
}

static struct slice
origin_port(struct slice port, struct slice scheme)
{
	if (port.n > 0)
		return (port);
	if (slice_caseeq(scheme, SLICE("https")))
		return (SLICE("443"));
	if (slice_caseeq(scheme, SLICE("http")))
		return (SLICE("80"));
	return (port);
}

static char *
origin_lower(struct slice s)
{
	char *copy = conf_strndup(s.p, s.n);
	char *p;

	for (p = copy; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	return (copy);
}

const char *
conf_origin_parse(const char *text, struct conf_origin *out)
{
	struct slice in = slice_str(text), host;
	struct origin o;

	memset(out, 0, sizeof *out);
	if (slice_eq(in, SLICE("*")))
		return (NULL);
	if (!origin_is_like(in, &o))
		return (in.n > 0 && in.p[in.n - 1] == '/' ?
		    "an origin has no path, not even \"/\"" :
		    "not an origin: SCHEME://HOST or SCHEME://HOST:PORT, "
		    "file://, or null");
	host = o.host;
	if (slice_starts(host, SLICE("*.")))
		host = slice_from(host, 2);
	if (origin_beyond_ascii(host))
		return ("has letters beyond ASCII: write the host as browsers "
		    "send it, its xn-- form");
	if (o.host.n > 0 && !origin_is_host(host))
		return ("not a host name "
		    "(a \"*\" may only be its first label)");
	if (o.port.n > 0 && !slice_eq(o.port, SLICE("*")) &&
	    !origin_is_port(o.port))
		return ("not a port: 1 to 65535, or \"*\"");
	out->scheme = origin_lower(o.scheme);
	out->host = origin_lower(o.host);
	out->port = conf_strndup(o.port.p, o.port.n);
	return (NULL);
}

void
conf_origin_fini(struct conf_origin *origin)
{
	free(origin->scheme);
	free(origin->host);
	free(origin->port);
	memset(origin, 0, sizeof *origin);
}

/* "*.example.com" has at least one label in the star's place. */
static bool
origin_host_matches(const char *pattern, struct slice host)
{
	struct slice tail;

	if (pattern[0] != '*')
		return (slice_caseeq(slice_str(pattern), host));
	tail = slice_str(pattern + 1);
	return (host.n > tail.n && host.p[0] != '.' &&
	    slice_caseeq(slice_from(host, host.n - tail.n), tail));
}

static bool
origin_matches(const struct conf_origin *entry, const struct origin *o)
{
	if (!slice_caseeq(slice_str(entry->scheme), o->scheme) ||
	    !origin_host_matches(entry->host, o->host))
		return (false);
	return (strcmp(entry->port, "*") == 0 || slice_eq(
	    origin_port(slice_str(entry->port), o->scheme),
	    origin_port(o->port, o->scheme)));
}

/*
 * The page came from the host and port that the request is for.  Over TLS it
 * did so over TLS: whoever can forge http://host would act as https://host.
 */
static bool
origin_same_host(const struct origin *o, struct slice header, bool tls)
{
	struct slice host, port;

	if (origin_ends_in_colon(header) || !origin_is_web(o->scheme) ||
	    (tls && !slice_caseeq(o->scheme, SLICE("https"))))
		return (false);
	origin_split_port(header, &host, &port);
	return (host.n > 0 && slice_caseeq(o->host, host) &&
	    slice_eq(origin_port(o->port, o->scheme),
	    origin_port(port, o->scheme)));
}

static bool
origin_is_exact(struct slice header, struct origin *o)
{
	return (origin_is_like(header, o) &&
	    (o->host.n == 0 || origin_is_host(o->host)) &&
	    (o->port.n == 0 || origin_is_port(o->port)));
}

/* o: NULL when the header is no origin; "*" takes even that. */
static bool
origin_is_listed(const struct conf_origin *v, size_t n, const struct origin *o)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (v[i].scheme == NULL ||
		    (o != NULL && origin_matches(&v[i], o)))
			return (true);
	return (false);
}

bool
conf_origin_allowed(const struct conf *conf, struct slice origin,
    struct slice host, bool tls)
{
	struct origin o;
	bool ok;

	CHECK_MAGIC(conf, CONF_MAGIC);
	ok = origin_is_exact(origin, &o);
	if (conf->norigins == 0)
		return (ok && origin_same_host(&o, host, tls));
	return (origin_is_listed(conf->origins, conf->norigins,
	    ok ? &o : NULL));
}

bool
conf_cors_listed(const struct conf_cors *cors, struct slice origin)
{
	struct origin o;
	bool ok = origin_is_exact(origin, &o);

	return (origin_is_listed(cors->origins, cors->norigins,
	    ok ? &o : NULL));
}

/* --- hosts ------------------------------------------------------------ */

static const char *
origin_host_bad(struct slice host)
{
	if (slice_starts(host, SLICE("*.")))
		host = slice_from(host, 2);
	if (origin_beyond_ascii(host))
		return ("has letters beyond ASCII: write it as browsers send "
		    "it, its xn-- form");
	if (memchr(host.p, ':', host.n) != NULL)
		return ("is a name alone, without a port");
	return (origin_is_host(host) ? NULL :
	    "not a host name (a \"*\" may only be its first label)");
}

/* The dot of the root at the end says nothing. */
static struct slice
origin_without_root(struct slice host)
{
	if (host.n > 0 && host.p[host.n - 1] == '.')
		host.n--;
	return (host);
}

const char *
conf_host_parse(const char *text, char **out)
{
	struct slice host = origin_without_root(slice_str(text));
	const char *wrong = origin_host_bad(host);

	*out = wrong == NULL ? origin_lower(host) : NULL;
	return (wrong);
}

/* Four numbers, or something in brackets. */
static bool
origin_is_address(struct slice host)
{
	size_t dots = 0;
	size_t i;

	if (host.n > 0 && host.p[0] == '[')
		return (true);
	for (i = 0; i < host.n; i++) {
		if (host.p[i] != '.' && !isdigit(host.p[i]))
			return (false);
		dots += host.p[i] == '.';
	}
	return (dots == 3);
}

bool
conf_host_allowed(const struct conf *conf, struct slice header)
{
	struct slice host, port;
	size_t i;

	CHECK_MAGIC(conf, CONF_MAGIC);
	if (conf->nhosts == 0)
		return (true);
	origin_split_port(header, &host, &port);
	host = origin_without_root(host);
	if (host.n == 0 || origin_is_address(host))
		return (true);
	for (i = 0; i < conf->nhosts; i++)
		if (origin_host_matches(conf->hosts[i], host))
			return (true);
	return (false);
}
