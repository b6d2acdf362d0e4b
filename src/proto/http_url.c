/*
 * Paths and query strings: percent encoding (RFC 3986 section 2.1); see
 * http.h.
 */
#include "proto/http.h"

#include "base/ascii.h"

/* The next decoded byte, 1-255; -1: bad encoding or NUL. */
static int
url_take_decoded(struct slice *in, bool plus)
{
	int hi, lo;
	uint8_t c = in->p[0];

	if (c == '%') {
		if (in->n < 3 || (hi = ascii_hex(in->p[1])) < 0 ||
		    (lo = ascii_hex(in->p[2])) < 0)
			return (-1);
		*in = slice_from(*in, 3);
		return (hi * 16 + lo == 0 ? -1 : hi * 16 + lo);
	}
	*in = slice_from(*in, 1);
	if (c == '\0')
		return (-1);
	return (plus && c == '+' ? ' ' : c);
}

static ssize_t
url_decode_percent(struct slice in, uint8_t *out, bool plus)
{
	uint8_t *o = out;
	int c;

	while (in.n > 0) {
		c = url_take_decoded(&in, plus);
		if (c < 0)
			return (-1);
		*o++ = (uint8_t)c;
	}
	return (o - out);
}

ssize_t
http_path_decode(struct slice path, uint8_t *out)
{
	return (url_decode_percent(path, out, false));
}

/* An encoded key against a plain name. */
static bool
url_query_key_eq(struct slice key, const char *name)
{
	while (key.n > 0)
		if (*name == '\0' ||
		    url_take_decoded(&key, true) != (uint8_t)*name++)
			return (false);
	return (*name == '\0');
}

static ssize_t
url_query_last(struct slice query, const char *name, bool filled, uint8_t *out)
{
	struct slice rest = query, pair, key, value = { NULL, 0 };
	bool found = false;
	ssize_t n;

	while (rest.n > 0) {
		pair = ascii_take(&rest, '&');
		key = ascii_take(&pair, '=');
		if ((pair.n > 0 || !filled) && url_query_key_eq(key, name)) {
			value = pair;
			found = true;
		}
	}
	if (!found)
		return (-1);
	n = url_decode_percent(value, out, true);
	return (n < 0 ? -2 : n);
}

ssize_t
http_query_get(struct slice query, const char *name, uint8_t *out)
{
	return (url_query_last(query, name, false, out));
}

ssize_t
http_query_filled(struct slice query, const char *name, uint8_t *out)
{
	return (url_query_last(query, name, true, out));
}

ssize_t
http_query_next(struct slice *query, const char *name, uint8_t *out)
{
	struct slice pair, key;
	ssize_t n;

	while (query->n > 0) {
		pair = ascii_take(query, '&');
		key = ascii_take(&pair, '=');
		if (!url_query_key_eq(key, name))
			continue;
		n = url_decode_percent(pair, out, true);
		return (n < 0 ? -2 : n);
	}
	return (-1);
}
