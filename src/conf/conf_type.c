/*
 * One value of each type, both ways.
 */
#include "conf/conf_type.h"

#include <assert.h>
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "conf/conf_http.h"
#include "conf/conf_list.h"
#include "conf/conf_origin.h"
#include "conf/conf_rate.h"
#include "conf/conf_rule.h"
#include "conf/conf_text.h"
#include "conf/conf_unit.h"

static void
replace(char **field, char *with)
{
	free(*field);
	*field = with;
}

static void
set_string(struct conf_parser *p, const struct conf_value *v, void *object)
{
	(void)p;
	replace(conf_field_of(v->row, object), conf_strdup(v->tokens[0].text));
}

static void
dump_string(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	conf_string_print(*(char *const *)conf_field_in(row, object), out);
}

static void
free_string(const struct conf_directive *row, void *object)
{
	replace(conf_field_of(row, object), NULL);
}

/* NAME, PATH: a string that says something. */
static void
set_filled(struct conf_parser *p, const struct conf_value *v, void *object)
{
	if (v->tokens[0].text[0] == '\0')
		conf_value_bad(p, v, &v->tokens[0], "must not be empty");
	else
		set_string(p, v, object);
}

/* So short a secret is refused; "..." is what -n shows in its place, and
 * whoever loads the keys finds it too short. */
#define SECRET_MIN	32	/* bytes */
#define SECRET_HIDDEN	"..."

static void
set_secret(struct conf_parser *p, const struct conf_value *v, void *object)
{
	const struct conf_token *t = &v->tokens[0];
	size_t n = strlen(t->text);

	if (n > 0 && n < SECRET_MIN && !t->unset &&
	    strcmp(t->text, SECRET_HIDDEN) != 0)
		conf_value_bad(p, v, t, "has %zu bytes, needs %d or more", n,
		    SECRET_MIN);
	set_string(p, v, object);
}

static void
dump_secret(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	const char *secret = *(char *const *)conf_field_in(row, object);

	buf_str(out, *secret == '\0' ? "\"\"" : "\"" SECRET_HIDDEN "\"");
}

static void
set_urlpath(struct conf_parser *p, const struct conf_value *v, void *object)
{
	const struct conf_token *t = &v->tokens[0];
	size_t n = strlen(t->text);

	if (n > 1 && t->text[n - 1] == '/')
		n--;
	for (size_t i = 0; i < n; i++)
		if (!isgraph((unsigned char)t->text[i]) ||
		    strchr("?#%{}\"", t->text[i]) != NULL) {
			conf_value_bad(p, v, t, "not a plain path");
			return;
		}
	if (n < 2 || t->text[0] != '/')
		conf_value_bad(p, v, t, "not a path like \"/socket.io\"");
	else
		replace(conf_field_of(v->row, object),
		    conf_strndup(t->text, n));
}

/* --- words ---------------------------------------------------------------- */

static int
word_of(struct conf_parser *p, const struct conf_value *v,
    const struct conf_token *t)
{
	int index = conf_word_index(v->row->range, slice_str(t->text));

	if (index < 0)
		conf_value_bad(p, v, t, "must be one of %s", v->row->range);
	return (index);
}

static void
set_word(struct conf_parser *p, const struct conf_value *v, void *object)
{
	if (word_of(p, v, &v->tokens[0]) >= 0)
		set_string(p, v, object);
}

static_assert(sizeof(enum conf_auth) == sizeof(unsigned) &&
    sizeof(enum conf_ack) == sizeof(unsigned) &&
    sizeof(enum conf_presence) == sizeof(unsigned) &&
    sizeof(enum conf_per) == sizeof(unsigned) &&
    sizeof(enum conf_format) == sizeof(unsigned), "enums are set as unsigned");

static void
set_enum(struct conf_parser *p, const struct conf_value *v, void *object)
{
	int index = word_of(p, v, &v->tokens[0]);
	unsigned value = (unsigned)index;

	if (index >= 0)
		memcpy(conf_field_of(v->row, object), &value, sizeof(value));
}

static void
dump_enum(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	unsigned value;

	memcpy(&value, conf_field_in(row, object), sizeof(value));
	buf_slice(out, conf_word_at(row->range, value));
}

static void
set_bool(struct conf_parser *p, const struct conf_value *v, void *object)
{
	static const char *const words[] = { "false", "true", "no", "yes",
		"off", "on" };
	bool *field = conf_field_of(v->row, object);

	for (unsigned i = 0; i < nitems(words); i++)
		if (strcasecmp(words[i], v->tokens[0].text) == 0) {
			*field = i % 2 == 1;
			return;
		}
	conf_value_bad(p, v, &v->tokens[0], "must be true or false");
}

static void
dump_bool(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	const bool *field = conf_field_in(row, object);

	buf_str(out, *field ? "true" : "false");
}

/* --- quantities ----------------------------------------------------------- */

static enum conf_unit
unit_of(enum conf_type type)
{
	if (type == CONF_TYPE_DURATION)
		return (CONF_UNIT_DURATION);
	if (type == CONF_TYPE_SIZE)
		return (CONF_UNIT_SIZE);
	return (type == CONF_TYPE_MODE ? CONF_UNIT_OCTAL : CONF_UNIT_COUNT);
}

/* Our own table: both ends must read. */
static bool
in_range(const struct conf_directive *row, uint64_t value)
{
	struct slice low = slice_str(row->range), high;
	const uint8_t *dots = memmem(low.p, low.n, "..", 2);
	uint64_t min, max;

	MUST(dots != NULL);
	high = slice_from(low, (size_t)(dots - low.p) + 2);
	low.n = (size_t)(dots - low.p);
	MUST(conf_unit_parse(unit_of(row->type), low, &min));
	MUST(conf_unit_parse(unit_of(row->type), high, &max));
	return (value >= min && value <= max);
}

static bool
quantity(struct conf_parser *p, const struct conf_value *v, uint64_t *value)
{
	const struct conf_token *t = &v->tokens[0];
	enum conf_unit unit = unit_of(v->row->type);

	if (!conf_unit_parse(unit, slice_str(t->text), value)) {
		conf_value_bad(p, v, t, "not %s", conf_unit_help(unit));
		return (false);
	}
	if (!in_range(v->row, *value)) {
		conf_value_bad(p, v, t, "out of range %s", v->row->range);
		return (false);
	}
	return (true);
}

static void
set_u64(struct conf_parser *p, const struct conf_value *v, void *object)
{
	uint64_t value;

	if (quantity(p, v, &value))
		*(uint64_t *)conf_field_of(v->row, object) = value;
}

static void
dump_u64(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	conf_unit_print(unit_of(row->type),
	    *(const uint64_t *)conf_field_in(row, object), out);
}

static void
set_unsigned(struct conf_parser *p, const struct conf_value *v, void *object)
{
	uint64_t value;

	if (!quantity(p, v, &value))
		return;
	MUST(value <= UINT_MAX);
	*(unsigned *)conf_field_of(v->row, object) = (unsigned)value;
}

static void
dump_unsigned(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	conf_unit_print(unit_of(row->type),
	    *(const unsigned *)conf_field_in(row, object), out);
}

static void
set_autocount(struct conf_parser *p, const struct conf_value *v, void *object)
{
	if (strcmp(v->tokens[0].text, "auto") == 0)
		*(unsigned *)conf_field_of(v->row, object) = 0;
	else
		set_unsigned(p, v, object);
}

static void
dump_autocount(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	if (*(const unsigned *)conf_field_in(row, object) == 0)
		buf_str(out, "auto");
	else
		dump_unsigned(row, object, out);
}

/* --- digests -------------------------------------------------------------- */

static void
set_sha256(struct conf_parser *p, const struct conf_value *v, void *object)
{
	const char *text = v->tokens[0].text;
	uint8_t digest[32];
	int high, low;

	for (size_t i = 0; i < sizeof(digest); i++) {
		high = ascii_hex((uint8_t)text[2 * i]);
		low = high < 0 ? -1 : ascii_hex((uint8_t)text[2 * i + 1]);
		if (low < 0) {
			text = NULL;
			break;
		}
		digest[i] = (uint8_t)(high * 16 + low);
	}
	if (text == NULL || text[2 * sizeof(digest)] != '\0')
		conf_value_bad(p, v, &v->tokens[0],
		    "must have 64 hexadecimal digits, as sha256sum prints");
	else
		memcpy(conf_field_of(v->row, object), digest, sizeof(digest));
}

static void
dump_sha256(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	const uint8_t *digest = conf_field_in(row, object);

	buf_byte(out, '"');
	for (size_t i = 0; i < 32; i++)
		buf_printf(out, "%02x", digest[i]);
	buf_byte(out, '"');
}

/* --- the table ------------------------------------------------------------ */

static const struct {
	void (*set)(struct conf_parser *, const struct conf_value *, void *);
	void (*dump)(const struct conf_directive *, const void *,
	    struct buf *);
	void (*free)(const struct conf_directive *, void *); /* or NULL */
} ops[CONF_TYPE__MAX] = {
	/* clang-format off */
	[CONF_TYPE_BOOL]       = { set_bool, dump_bool, NULL },
	[CONF_TYPE_AUTOCOUNT]  = { set_autocount, dump_autocount, NULL },
	[CONF_TYPE_COUNT]      = { set_unsigned, dump_unsigned, NULL },
	[CONF_TYPE_COUNT64]    = { set_u64, dump_u64, NULL },
	[CONF_TYPE_DURATION]   = { set_u64, dump_u64, NULL },
	[CONF_TYPE_SIZE]       = { set_u64, dump_u64, NULL },
	[CONF_TYPE_MODE]       = { set_unsigned, dump_unsigned, NULL },
	[CONF_TYPE_STRING]     = { set_string, dump_string, free_string },
	[CONF_TYPE_NAME]       = { set_filled, dump_string, free_string },
	[CONF_TYPE_PATH]       = { set_filled, dump_string, free_string },
	[CONF_TYPE_SECRET]     = { set_secret, dump_secret, free_string },
	[CONF_TYPE_URLPATH]    = { set_urlpath, dump_string, free_string },
	[CONF_TYPE_WORD]       = { set_word, dump_string, free_string },
	[CONF_TYPE_ENUM]       = { set_enum, dump_enum, NULL },
	[CONF_TYPE_STRINGS]    = { conf_set_strings, conf_dump_strings,
				   conf_free_strings },
	[CONF_TYPE_TOKENS]     = { conf_set_tokens, conf_dump_strings,
				   conf_free_strings },
	[CONF_TYPE_TOKEN]      = { conf_set_token, dump_string, free_string },
	[CONF_TYPE_COOKIEPATH] = { conf_set_cookie_path, dump_string,
				   free_string },
	[CONF_TYPE_ORIGINS]    = { conf_set_origins, conf_dump_origins,
				   conf_free_origins },
	[CONF_TYPE_HOSTS]      = { conf_set_hosts, conf_dump_strings,
				   conf_free_strings },
	[CONF_TYPE_NSNAMES]    = { conf_set_nsnames, conf_dump_strings,
				   conf_free_strings },
	[CONF_TYPE_ALGORITHMS] = { conf_set_bits, conf_dump_bits, NULL },
	[CONF_TYPE_SHA256]     = { set_sha256, dump_sha256, NULL },
	[CONF_TYPE_ALLOW]      = { conf_set_bits, conf_dump_bits, NULL },
	[CONF_TYPE_EVENTNAME]  = { conf_set_eventname, conf_dump_eventname,
				   free_string },
	[CONF_TYPE_JOIN]       = { conf_set_join, conf_dump_join,
				   conf_free_join },
	[CONF_TYPE_TO]         = { conf_set_to, conf_dump_to, conf_free_to },
	[CONF_TYPE_CHECKS]     = { conf_set_checks, conf_dump_checks,
				   conf_free_checks },
	[CONF_TYPE_NSREF]      = { conf_set_nsref, conf_dump_nsref, NULL },
	[CONF_TYPE_RATE]       = { conf_set_rate, conf_dump_rate, NULL },
	[CONF_TYPE_RATEREF]    = { conf_set_rateref, conf_dump_rateref, NULL },
	[CONF_TYPE_TEMPLATE]   = { conf_set_template, conf_dump_template,
				   conf_free_template },
	/* clang-format on */
};

static bool
is_text(enum conf_type type)
{
	return (type == CONF_TYPE_STRING || type == CONF_TYPE_NAME ||
	    type == CONF_TYPE_PATH || type == CONF_TYPE_SECRET ||
	    type == CONF_TYPE_TOKEN);
}

void
conf_value_set(struct conf_parser *p, const struct conf_value *v, void *object)
{
	if (!conf_value_unset(v) || is_text(v->row->type))
		ops[v->row->type].set(p, v, object);
}

void
conf_value_dump(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	ops[row->type].dump(row, object, out);
}

void
conf_value_free(const struct conf_directive *row, void *object)
{
	if (ops[row->type].free != NULL)
		ops[row->type].free(row, object);
}

void
conf_object_free(enum conf_section section, void *object)
{
	for (size_t i = 0; i < CONF_NDIRECTIVES; i++)
		if (conf_directives[i].section == section)
			conf_value_free(&conf_directives[i], object);
}
