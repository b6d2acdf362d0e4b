/*
 * X-Forwarded-For and Forwarded; see http_forwarded.h.
 */
#include "proto/http_forwarded.h"

#include <sys/socket.h>

#include "base/address.h"
#include "base/ascii.h"

/* A list over all lines of a field, from its end. */
struct forwarded_walk {
	const struct http_request *r;
	const char	*name;
	bool		 quotes;	/* commas may stand in quoted strings */
	size_t		 next;		/* lines before this one are left */
	size_t		 left;		/* bytes that may be looked at */
	struct slice	 rest;		/* of the line it is in */
};

static struct forwarded_walk
forwarded_walk(const struct http_request *r, const char *name, bool quotes)
{
	return ((struct forwarded_walk){ .r = r, .name = name,
	    .quotes = quotes, .next = r->nfields, .left = FORWARDED_MAX });
}

/* The quote that ends before p[i] does not end its string. */
static bool
forwarded_is_escaped(const uint8_t *p, size_t i)
{
	size_t n = 0;

	for (i--; i > 0 && p[i - 1] == '\\'; i--)
		n++;
	return (n % 2 == 1);
}

/*
 * Where the last element of a line begins.  From behind, what a stranger has
 * left open before it does not change what it is.
 */
static size_t
forwarded_last(struct slice line, bool quotes)
{
	bool quoted = false;
	size_t i;

	for (i = line.n; i > 0; i--) {
		if (quotes && line.p[i - 1] == '"' &&
		    !(quoted && forwarded_is_escaped(line.p, i)))
			quoted = !quoted;
		if (line.p[i - 1] == ',' && !quoted)
			break;
	}
	return (i);
}

static bool
forwarded_line(struct forwarded_walk *w)
{
	const struct http_field *f;

	while (w->next > 0) {
		f = &w->r->fields[--w->next];
		if (!slice_caseeq(f->name, slice_str(w->name)))
			continue;
		w->rest = f->value;
		return (true);
	}
	return (false);
}

/* The element before; empty ones are passed over. */
static bool
forwarded_previous(struct forwarded_walk *w, struct slice *element)
{
	size_t at;

	for (;;) {
		if (w->rest.n == 0 && !forwarded_line(w))
			return (false);
		at = forwarded_last(w->rest, w->quotes);
		if (w->rest.n - at >= w->left)
			return (false);
		w->left -= w->rest.n - at + 1;
		*element = ascii_trim(slice_from(w->rest, at));
		w->rest.n = at == 0 ? 0 : at - 1;
		if (element->n > 0)
			return (true);
	}
}

/* --- nodes (RFC 7239, section 6) ------------------------------------------ */

static bool
forwarded_port(struct slice s, uint16_t *port)
{
	uint64_t n = 0;
	bool hidden = s.n > 1 && s.p[0] == '_';

	if (!hidden && (s.n > 5 || !ascii_number(s, 65535, &n)))
		return (false);
	*port = (uint16_t)n;
	return (true);
}

/* An address without a port, or with the one that stands behind host. */
static bool
forwarded_with_port(struct slice host, struct slice rest, int family,
    uint8_t address[16], uint16_t *port)
{
	uint16_t n = 0;

	if (rest.n > 0 && (rest.p[0] != ':' ||
	    !forwarded_port(slice_from(rest, 1), &n)))
		return (false);
	if (!address_parse(host, family, address))
		return (false);
	*port = n;
	return (true);
}

bool
forwarded_node(struct slice s, uint8_t address[16], uint16_t *port)
{
	struct slice rest = s, host;

	if (s.n > 0 && s.p[0] == '[') {
		rest = slice_from(s, 1);
		host = ascii_take(&rest, ']');
		return (host.n + 1 < s.n && forwarded_with_port(host, rest,
		    AF_INET6, address, port));
	}
	host = ascii_take(&rest, ':');
	if (rest.n > 0 && memchr(rest.p, ':', rest.n) != NULL)
		/* without its brackets, as many write it */
		return (forwarded_with_port(s, slice_of(NULL, 0), AF_INET6,
		    address, port));
	return (forwarded_with_port(host, slice_from(s, host.n), AF_INET,
	    address, port));
}

/* --- X-Forwarded-* --------------------------------------------------------- */

/* The n-th value from the right, or the first: each proxy has appended its own,
 * or the last has written one for all. */
static struct slice
forwarded_nth(const struct http_request *r, const char *name, unsigned n)
{
	struct forwarded_walk w = forwarded_walk(r, name, false);
	struct slice value = { NULL, 0 }, element;
	unsigned i;

	for (i = 0; (i == 0 || i < n) && forwarded_previous(&w, &element); i++)
		value = element;
	return (value);
}

static struct slice
forwarded_host(struct slice host)
{
	return (http_valid_host(host) ? host : slice_of(NULL, 0));
}

void
forwarded_x(const struct http_request *r, forwarded_trusts *trusts,
    const void *arg, struct forwarded *f)
{
	struct forwarded_walk w = forwarded_walk(r, "X-Forwarded-For", false);
	struct slice element;
	unsigned n = 0;

	while (trusts(arg, f->address) && forwarded_previous(&w, &element)) {
		n++;
		if (!forwarded_node(element, f->address, &f->port))
			break;
	}
	f->proto = forwarded_nth(r, "X-Forwarded-Proto", n);
	f->host = forwarded_host(forwarded_nth(r, "X-Forwarded-Host", n));
}

/* --- Forwarded --------------------------------------------------------------- */

struct forwarded_element {
	struct slice	 node, proto, host;
};

/* A value, up to *rest behind it; what stands in quotes is left as it is. */
static bool
forwarded_value(struct slice *rest, struct slice *value)
{
	size_t i;

	if (rest->n == 0 || rest->p[0] != '"') {
		for (i = 0; i < rest->n && rest->p[i] != ';'; i++)
			if (rest->p[i] == '"')
				return (false);
		*value = ascii_trim(slice_of(rest->p, i));
		*rest = slice_from(*rest, i);
		return (value->n > 0);
	}
	for (i = 1; i < rest->n && rest->p[i] != '"'; i++)
		if (rest->p[i] == '\\')
			i++;
	if (i >= rest->n)
		return (false);
	*value = slice_of(rest->p + 1, i - 1);
	*rest = ascii_trim(slice_from(*rest, i + 1));
	return (rest->n == 0 || rest->p[0] == ';');
}

/* Which of ours it is; NULL: none. */
static struct slice *
forwarded_pair(struct forwarded_element *e, struct slice name)
{
	if (slice_caseeq(name, SLICE("for")))
		return (&e->node);
	if (slice_caseeq(name, SLICE("proto")))
		return (&e->proto);
	return (slice_caseeq(name, SLICE("host")) ? &e->host : NULL);
}

/* Its pairs; false: it is none, or says something twice.  Nothing of ours
 * needs a backslash. */
static bool
forwarded_pairs(struct slice rest, struct forwarded_element *e)
{
	struct slice name, value, *to;

	memset(e, 0, sizeof *e);
	while (rest.n > 0) {
		name = ascii_trim(ascii_take(&rest, '='));
		rest = ascii_trim(rest);
		if (name.n == 0 || !forwarded_value(&rest, &value))
			return (false);
		to = forwarded_pair(e, name);
		if (to != NULL && (to->p != NULL ||
		    memchr(value.p, '\\', value.n) != NULL))
			return (false);
		if (to != NULL)
			*to = value;
		if (rest.n > 0)		/* the semicolon */
			rest = ascii_trim(slice_from(rest, 1));
	}
	return (true);
}

void
forwarded_read(const struct http_request *r, forwarded_trusts *trusts,
    const void *arg, struct forwarded *f)
{
	struct forwarded_walk w = forwarded_walk(r, "Forwarded", true);
	struct forwarded_element e;
	struct slice element;

	f->proto = f->host = slice_of(NULL, 0);
	while (trusts(arg, f->address) && forwarded_previous(&w, &element)) {
		if (!forwarded_pairs(element, &e))
			break;
		if (e.proto.n > 0)
			f->proto = e.proto;
		if (e.host.n > 0)
			f->host = forwarded_host(e.host);
		if (!forwarded_node(e.node, f->address, &f->port))
			break;
	}
}
