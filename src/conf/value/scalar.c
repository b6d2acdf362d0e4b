/*
 * Texts, words, switches and digests; see scalar.h.
 */
#include "conf/value/scalar.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "conf/heap.h"
#include "conf/value/string.h"
#include "conf/value/word.h"

static void
scalar_replace(char **field, char *with)
{
	free(*field);
	*field = with;
}

void
conf_set_string(struct conf_parser *p, const struct conf_value *v, void *object)
{
	(void)p;
	scalar_replace(conf_field_of(v->row, object),
	    conf_strdup(v->tokens[0].text));
}

void
conf_dump_string(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	conf_string_print(*(char *const *)conf_field_in(row, object), out);
}

void
conf_free_string(const struct conf_directive *row, void *object)
{
	scalar_replace(conf_field_of(row, object), NULL);
}

/* NAME, PATH: a string that says something. */
void
conf_set_filled(struct conf_parser *p, const struct conf_value *v, void *object)
{
	if (v->tokens[0].text[0] == '\0')
		conf_value_bad(p, v, &v->tokens[0], "must not be empty");
	else
		conf_set_string(p, v, object);
}

/* So short a secret is refused; "..." is what -n shows in its place, and
 * whoever loads the keys finds it too short. */
#define SECRET_MIN	32	/* bytes */
#define SECRET_HIDDEN	"..."

void
conf_set_secret(struct conf_parser *p, const struct conf_value *v, void *object)
{
	const struct conf_token *t = &v->tokens[0];
	size_t n = strlen(t->text);

	if (n > 0 && n < SECRET_MIN && !t->unset &&
	    strcmp(t->text, SECRET_HIDDEN) != 0)
		conf_value_bad(p, v, t, "has %zu bytes, needs %d or more", n,
		    SECRET_MIN);
	conf_set_string(p, v, object);
}

void
conf_dump_secret(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	const char *secret = *(char *const *)conf_field_in(row, object);

	buf_str(out, *secret == '\0' ? "\"\"" : "\"" SECRET_HIDDEN "\"");
}

void
conf_hidden_secret(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	buf_str(out, *(char *const *)conf_field_in(row, object));
}

void
conf_set_urlpath(struct conf_parser *p, const struct conf_value *v,
    void *object)
{
	const struct conf_token *t = &v->tokens[0];
	size_t n = strlen(t->text);
	size_t i;

	if (n > 1 && t->text[n - 1] == '/')
		n--;
	for (i = 0; i < n; i++)
		if (!isgraph((unsigned char)t->text[i]) ||
		    strchr("?#%{}\"", t->text[i]) != NULL) {
			conf_value_bad(p, v, t, "not a plain path");
			return;
		}
	if (n < 2 || t->text[0] != '/')
		conf_value_bad(p, v, t, "not a path like \"/socket.io\"");
	else
		scalar_replace(conf_field_of(v->row, object),
		    conf_strndup(t->text, n));
}

/* --- words ------------------------------------------------------------ */

static int
scalar_word(struct conf_parser *p, const struct conf_value *v,
    const struct conf_token *t)
{
	int index = conf_word_index(v->row->range, slice_str(t->text));

	if (index < 0)
		conf_value_bad(p, v, t, "must be one of %s", v->row->range);
	return (index);
}

void
conf_set_word(struct conf_parser *p, const struct conf_value *v, void *object)
{
	if (scalar_word(p, v, &v->tokens[0]) >= 0)
		conf_set_string(p, v, object);
}

#define SCALAR_ENUM(e)	(sizeof(enum e) == sizeof(unsigned))
static_assert(SCALAR_ENUM(conf_auth) && SCALAR_ENUM(conf_ack) &&
    SCALAR_ENUM(conf_presence) && SCALAR_ENUM(conf_sees) &&
    SCALAR_ENUM(conf_per) &&
    SCALAR_ENUM(conf_recovery) && SCALAR_ENUM(conf_write) &&
    SCALAR_ENUM(conf_format) && SCALAR_ENUM(conf_same_site) &&
    SCALAR_ENUM(conf_secure) && SCALAR_ENUM(conf_secret_encoding) &&
    SCALAR_ENUM(conf_log_connections) && SCALAR_ENUM(conf_log_format) &&
    SCALAR_ENUM(conf_seccomp) && SCALAR_ENUM(conf_core_dumps),
    "enums are set as unsigned");

void
conf_set_enum(struct conf_parser *p, const struct conf_value *v, void *object)
{
	int index = scalar_word(p, v, &v->tokens[0]);
	unsigned value = (unsigned)index;

	if (index >= 0)
		memcpy(conf_field_of(v->row, object), &value, sizeof value);
}

void
conf_dump_enum(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	unsigned value;

	memcpy(&value, conf_field_in(row, object), sizeof value);
	buf_slice(out, conf_word_at(row->range, value));
}

void
conf_set_bool(struct conf_parser *p, const struct conf_value *v, void *object)
{
	static const char *const words[] = { "false", "true", "no", "yes",
		"off", "on" };
	bool *field = conf_field_of(v->row, object);
	unsigned i;

	for (i = 0; i < nitems(words); i++)
		if (strcasecmp(words[i], v->tokens[0].text) == 0) {
			*field = i % 2 == 1;
			return;
		}
	conf_value_bad(p, v, &v->tokens[0], "must be true or false");
}

void
conf_dump_bool(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	const bool *field = conf_field_in(row, object);

	buf_str(out, *field ? "true" : "false");
}

/* --- digests ---------------------------------------------------------- */

void
conf_set_sha256(struct conf_parser *p, const struct conf_value *v, void *object)
{
	const char *text = v->tokens[0].text;
	uint8_t digest[32];
	int high, low;
	size_t i;

	for (i = 0; i < sizeof digest; i++) {
		high = ascii_hex((uint8_t)text[2 * i]);
		low = high < 0 ? -1 : ascii_hex((uint8_t)text[2 * i + 1]);
		if (low < 0) {
			text = NULL;
			break;
		}
		digest[i] = (uint8_t)(high * 16 + low);
	}
	if (text == NULL || text[2 * sizeof digest] != '\0')
		conf_value_bad(p, v, &v->tokens[0],
		    "must have 64 hexadecimal digits, as sha256sum prints");
	else
		memcpy(conf_field_of(v->row, object), digest, sizeof digest);
}

void
conf_dump_sha256(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	const uint8_t *digest = conf_field_in(row, object);
	size_t i;

	buf_byte(out, '"');
	for (i = 0; i < 32; i++)
		buf_printf(out, "%02x", digest[i]);
	buf_byte(out, '"');
}
