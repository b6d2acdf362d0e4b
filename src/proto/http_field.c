/*
 * Looking at the fields of a request; see http.h.  A list may stand on several
 * lines (RFC 9110, 5.3); a credential that is empty is none.
 */
#include "proto/http.h"

#include "base/ascii.h"

unsigned
http_field(const struct http_request *r, const char *name, struct slice *value)
{
	struct slice wanted = slice_str(name);
	unsigned n = 0;
	size_t i;

	*value = slice_of(NULL, 0);
	for (i = 0; i < r->nfields; i++)
		if (slice_caseeq(r->fields[i].name, wanted) && n++ == 0)
			*value = r->fields[i].value;
	return (n);
}

unsigned
http_field_count(const struct http_request *r, const char *name)
{
	struct slice value;

	return (http_field(r, name, &value));
}

struct http_list
http_list(const struct http_request *r, const char *name)
{
	return ((struct http_list){ .r = r, .name = name });
}

bool
http_list_next(struct http_list *l, struct slice *element)
{
	for (;;) {
		while (l->rest.n > 0) {
			*element = ascii_trim(ascii_take(&l->rest, ','));
			if (element->n > 0)
				return (true);
		}
		while (l->next < l->r->nfields && !slice_caseeq(
		    l->r->fields[l->next].name, slice_str(l->name)))
			l->next++;
		if (l->next == l->r->nfields)
			return (false);
		l->rest = l->r->fields[l->next++].value;
	}
}

bool
http_field_has(const struct http_request *r, const char *name,
    const char *token)
{
	struct http_list l = http_list(r, name);
	struct slice element;

	while (http_list_next(&l, &element))
		if (slice_caseeq(element, slice_str(token)))
			return (true);
	return (false);
}

unsigned
http_bearer(const struct http_request *r, struct slice *token)
{
	static const struct slice scheme = SLICE("Bearer");
	struct slice value;
	unsigned n = 0;
	size_t i;

	*token = slice_of(NULL, 0);
	for (i = 0; i < r->nfields; i++) {
		value = r->fields[i].value;
		if (!slice_caseeq(r->fields[i].name, SLICE("authorization")) ||
		    value.n <= scheme.n || !ascii_blank(value.p[scheme.n]) ||
		    !slice_caseeq(slice_of(value.p, scheme.n), scheme))
			continue;
		value = ascii_trim(slice_from(value, scheme.n));
		if (value.n > 0 && n++ == 0)
			*token = value;
	}
	return (n);
}

static struct slice
field_unquote(struct slice s)
{
	if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
		return (slice_of(s.p + 1, s.n - 2));
	return (s);
}

/* RFC 6265 section 4.2.1; the first of that name that says something. */
bool
http_cookie(const struct http_request *r, struct slice name,
    struct slice *value)
{
	struct slice rest, pair, key;
	size_t i;

	*value = slice_of(NULL, 0);
	for (i = 0; i < r->nfields; i++) {
		if (!slice_caseeq(r->fields[i].name, SLICE("cookie")))
			continue;
		rest = r->fields[i].value;
		while (rest.n > 0) {
			pair = ascii_trim(ascii_take(&rest, ';'));
			key = ascii_take(&pair, '=');
			if (!slice_eq(ascii_trim(key), name))
				continue;
			pair = field_unquote(ascii_trim(pair));
			if (pair.n == 0)
				continue;
			*value = pair;
			return (true);
		}
	}
	return (false);
}
