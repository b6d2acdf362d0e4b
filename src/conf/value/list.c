/*
 * Lists of texts and of bits; see list.h.
 */
#include "conf/value/list.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#include "conf/heap.h"
#include "conf/value/http.h"
#include "conf/value/string.h"
#include "conf/value/word.h"

#define LIST_IS(st, x, nx) \
	(offsetof(struct st, nx) - offsetof(struct st, x) == sizeof(void *))
static_assert(LIST_IS(conf_namespace, roles, nroles) &&
    LIST_IS(conf_event, roles, nroles) && LIST_IS(conf_route, roles, nroles) &&
    LIST_IS(conf_event, data, ndata) &&
    LIST_IS(conf_event, checks, nchecks) &&
    LIST_IS(conf_namespace, keep_query, nkeep_query) &&
    LIST_IS(conf_namespace, keep_headers, nkeep_headers) &&
    LIST_IS(conf, origins, norigins) && LIST_IS(conf, hosts, nhosts) &&
    LIST_IS(conf, proxies, nproxies) &&
    LIST_IS(conf_cors, origins, norigins) &&
    LIST_IS(conf_cors, methods, nmethods) &&
    LIST_IS(conf_cors, headers, nheaders) &&
    LIST_IS(conf_cors, exposed, nexposed) &&
    LIST_IS(conf_api_key, namespaces, nnamespaces) &&
    LIST_IS(conf_redis, sentinels, nsentinels) &&
    LIST_IS(conf_redis, shards, nshards),
    "a list is a pointer and its count");

size_t
conf_list_get(const struct conf_directive *row, const void *object, void *v)
{
	const char *field = conf_field_in(row, object);
	size_t n;

	memcpy(v, field, sizeof(void *));
	memcpy(&n, field + sizeof(void *), sizeof n);
	return (n);
}

void
conf_list_put(const struct conf_directive *row, void *object, const void *v,
    size_t n)
{
	char *field = conf_field_of(row, object);

	memcpy(field, &v, sizeof v);
	memcpy(field + sizeof v, &n, sizeof n);
}

void
conf_free_strings(const struct conf_directive *row, void *object)
{
	char **s;
	size_t n = conf_list_get(row, object, &s);
	size_t i;

	for (i = 0; i < n; i++)
		free(s[i]);
	free(s);
	conf_list_put(row, object, NULL, 0);
}

void
conf_set_strings(struct conf_parser *p, const struct conf_value *v,
    void *object)
{
	char **s = NULL;
	size_t i;

	for (i = 0; i < v->n; i++)
		if (v->tokens[i].text[0] == '\0') {
			conf_value_bad(p, v, &v->tokens[i], "is empty");
			return;
		}
	conf_free_strings(v->row, object);
	if (v->n > 0)
		s = conf_calloc(v->n, sizeof *s);
	for (i = 0; i < v->n; i++)
		s[i] = conf_strdup(v->tokens[i].text);
	conf_list_put(v->row, object, s, v->n);
}

void
conf_set_tokens(struct conf_parser *p, const struct conf_value *v, void *object)
{
	size_t i;

	for (i = 0; i < v->n; i++)
		if (v->tokens[i].text[0] != '\0' &&
		    !conf_http_is_token(v->tokens[i].text)) {
			conf_value_bad(p, v, &v->tokens[i], "has a character "
			    "that names in HTTP do not have");
			return;
		}
	conf_set_strings(p, v, object);
}

/* What lets one in, and nobody else should see. */
static bool
list_is_secret(const char *name)
{
	static const char *const secret[] = { "authorization", "cookie",
		"proxy-authorization", "sec-websocket-protocol" };
	size_t i;

	for (i = 0; i < nitems(secret); i++)
		if (strcasecmp(name, secret[i]) == 0)
			return (true);
	return (false);
}

void
conf_set_headers(struct conf_parser *p, const struct conf_value *v,
    void *object)
{
	char **s, *c;
	size_t n, i;

	for (i = 0; i < v->n; i++)
		if (list_is_secret(v->tokens[i].text)) {
			conf_value_bad(p, v, &v->tokens[i], "holds secrets "
			    "that are for nobody else");
			return;
		}
	conf_set_tokens(p, v, object);
	n = conf_list_get(v->row, object, &s);
	for (i = 0; i < n; i++)
		for (c = s[i]; *c != '\0'; c++)
			*c = (char)tolower((unsigned char)*c);
}

void
conf_dump_strings(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	char **s;
	size_t n = conf_list_get(row, object, &s);
	size_t i;

	buf_byte(out, '{');
	for (i = 0; i < n; i++) {
		buf_str(out, i == 0 ? "" : ", ");
		conf_string_print(s[i], out);
	}
	buf_byte(out, '}');
}

void
conf_set_bits(struct conf_parser *p, const struct conf_value *v, void *object)
{
	const char *range = v->row->type == CONF_TYPE_ALGORITHMS ?
	    CONF_ALGORITHMS : v->row->range;
	uint32_t bits = 0;
	bool ok = true;
	int bit;
	size_t i;

	for (i = 0; i < v->n; i++) {
		bit = conf_word_index(range, slice_str(v->tokens[i].text));
		if (bit < 0) {
			conf_value_bad(p, v, &v->tokens[i],
			    "must be one of %s", range);
			ok = false;
		} else
			bits |= (uint32_t)1 << bit;
	}
	if (ok)
		*(uint32_t *)conf_field_of(v->row, object) = bits;
}

void
conf_dump_bits(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	const char *range = row->type == CONF_TYPE_ALGORITHMS ?
	    CONF_ALGORITHMS : row->range;
	uint32_t bits = *(const uint32_t *)conf_field_in(row, object);
	const char *comma = "";
	unsigned i;

	buf_byte(out, '{');
	for (i = 0; i < 32; i++) {
		if ((bits & (uint32_t)1 << i) == 0)
			continue;
		buf_printf(out, "%s\"", comma);
		buf_slice(out, conf_word_at(range, i));
		buf_byte(out, '"');
		comma = ", ";
	}
	buf_byte(out, '}');
}
