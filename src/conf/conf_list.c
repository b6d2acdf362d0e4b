/*
 * Lists of texts and of bits; see conf_list.h.
 */
#include "conf/conf_list.h"

#include <assert.h>
#include <stdlib.h>

#include "conf/conf_http.h"
#include "conf/conf_rule.h"
#include "conf/conf_type.h"

struct strings {
	char		**v;
	size_t		 n;
};
static_assert(offsetof(struct conf_namespace, nroles) -
    offsetof(struct conf_namespace, roles) == offsetof(struct strings, n) &&
    offsetof(struct conf_event, nroles) -
    offsetof(struct conf_event, roles) == offsetof(struct strings, n) &&
    offsetof(struct conf_route, nroles) -
    offsetof(struct conf_route, roles) == offsetof(struct strings, n),
    "a list is a pointer and its count");

static struct strings
strings_get(const struct conf_directive *row, const void *object)
{
	const char *field = conf_field_in(row, object);
	struct strings s;

	memcpy(&s.v, field, sizeof(s.v));
	memcpy(&s.n, field + offsetof(struct strings, n), sizeof(s.n));
	return (s);
}

static void
strings_put(const struct conf_directive *row, void *object, struct strings s)
{
	char *field = conf_field_of(row, object);

	memcpy(field, &s.v, sizeof(s.v));
	memcpy(field + offsetof(struct strings, n), &s.n, sizeof(s.n));
}

void
conf_free_strings(const struct conf_directive *row, void *object)
{
	struct strings s = strings_get(row, object);

	for (size_t i = 0; i < s.n; i++)
		free(s.v[i]);
	free(s.v);
	strings_put(row, object, (struct strings){ NULL, 0 });
}

void
conf_set_strings(struct conf_parser *p, const struct conf_value *v,
    void *object)
{
	struct strings s = { NULL, v->n };

	for (size_t i = 0; i < v->n; i++)
		if (v->tokens[i]->text[0] == '\0') {
			conf_value_bad(p, v, v->tokens[i], "is empty");
			return;
		}
	conf_free_strings(v->row, object);
	if (v->n > 0)
		s.v = conf_calloc(v->n, sizeof(*s.v));
	for (size_t i = 0; i < v->n; i++)
		s.v[i] = conf_strdup(v->tokens[i]->text);
	strings_put(v->row, object, s);
}

void
conf_set_tokens(struct conf_parser *p, const struct conf_value *v, void *object)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->tokens[i]->text[0] != '\0' &&
		    !conf_http_is_token(v->tokens[i]->text)) {
			conf_value_bad(p, v, v->tokens[i], "has a character "
			    "that names in HTTP do not have");
			return;
		}
	conf_set_strings(p, v, object);
}

void
conf_dump_strings(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	struct strings s = strings_get(row, object);

	buf_byte(out, '{');
	for (size_t i = 0; i < s.n; i++) {
		buf_str(out, i == 0 ? "" : ", ");
		conf_string_print(s.v[i], out);
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

	for (size_t i = 0; i < v->n; i++) {
		bit = conf_word_index(range, slice_str(v->tokens[i]->text));
		if (bit < 0) {
			conf_value_bad(p, v, v->tokens[i],
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

	buf_byte(out, '{');
	for (unsigned i = 0; i < 32; i++) {
		if ((bits & (uint32_t)1 << i) == 0)
			continue;
		buf_printf(out, "%s\"", comma);
		buf_slice(out, conf_word_at(range, i));
		buf_byte(out, '"');
		comma = ", ";
	}
	buf_byte(out, '}');
}
