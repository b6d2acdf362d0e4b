/*
 * Values from outside of the file, made into tokens like those of the file.
 */
#include "conf/conf_substitute.h"

#include <stdlib.h>
#include <string.h>

static void
row_free(struct conf_substitutes *s, size_t row)
{
	for (size_t i = 0; i < s->rows[row].n; i++)
		free(s->rows[row].tokens[i].text);
	free(s->rows[row].tokens);
	s->rows[row].tokens = NULL;
	s->rows[row].n = 0;
}

void
conf_substitutes_init(struct conf_substitutes *s)
{
	memset(s, 0, sizeof(*s));
}

void
conf_substitutes_fini(struct conf_substitutes *s)
{
	for (size_t i = 0; i < CONF_NDIRECTIVES; i++)
		row_free(s, i);
}

/* The next item of "a, b"; false behind the last, and for "". */
static bool
next_item(const char **text, struct slice *item)
{
	if (*text == NULL || **text == '\0')
		return (false);
	*text += strspn(*text, " ");
	*item = slice_of(*text, strcspn(*text, ","));
	*text += item->n;
	*text = **text == ',' ? *text + 1 : NULL;
	return (true);
}

/* "a,b" for lists, the text itself for everything else. */
static void
substitute(struct conf_substitutes *s, size_t row, const char *file,
    const char *text)
{
	bool list = conf_type_is_list(conf_directives[row].type);
	struct slice item = slice_str(text);
	size_t cap = 0;

	row_free(s, row);
	s->rows[row].given = true;
	while (text != NULL && (!list || next_item(&text, &item))) {
		s->rows[row].tokens = conf_grow(s->rows[row].tokens,
		    s->rows[row].n, &cap, sizeof(*s->rows[row].tokens));
		s->rows[row].tokens[s->rows[row].n++] = (struct conf_token){
			.at = { file, 0 },
			.text = conf_strndup(item.p, item.n),
		};
		if (!list)
			return;
	}
}

static int
override_row(struct slice name)
{
	const uint8_t *dot = name.n == 0 ? NULL : memchr(name.p, '.', name.n);
	int section = CONF_SEC_TOP;

	if (dot != NULL) {
		section = conf_section_find(CONF_SEC_TOP,
		    slice_of(name.p, (size_t)(dot - name.p)));
		if (section < 0 || conf_sections[section].title != NULL)
			return (-1);
		name = slice_from(name, (size_t)(dot - name.p) + 1);
	}
	return (conf_directive_find((enum conf_section)section, name));
}

void
conf_substitutes_overrides(struct conf_substitutes *s,
    const struct conf_source *src, struct conf_diags *diags)
{
	struct conf_place at = { "-o", 0 };
	const char *text, *equals;
	int row;

	for (size_t i = 0; i < src->noverrides; i++) {
		text = src->overrides[i];
		equals = strchr(text, '=');
		if (equals == NULL) {
			conf_diag(diags, at, "%.60s: must be NAME=VALUE", text);
			continue;
		}
		row = override_row(slice_of(text, (size_t)(equals - text)));
		if (row < 0)
			conf_diag(diags, at, "%.60s: no such directive "
			    "outside sections with a title", text);
		else
			substitute(s, (size_t)row, at.file, equals + 1);
	}
}

/* The variable's value, NULL when it is not set or empty. */
static const char *
variable(const struct conf_source *src, const char *name)
{
	const char *value = src->env == NULL ? NULL : src->env(name);

	return (value == NULL || *value == '\0' ? NULL : value);
}

/* Row of a directive that somebody has spoken for already: -1. */
static int
silent_row(const struct conf_substitutes *s, const struct conf_scan *scan,
    enum conf_section section, const char *name)
{
	int row = conf_directive_find(section, slice_str(name));

	MUST(row >= 0);
	return (scan->given[row] != 0 || s->rows[row].given ? -1 :
	    row);
}

void
conf_substitutes_environment(struct conf_substitutes *s,
    const struct conf_source *src, const struct conf_scan *scan,
    bool has_keys)
{
	int secret = silent_row(s, scan, CONF_SEC_JWT, "secret");
	int jwks = silent_row(s, scan, CONF_SEC_JWT, "jwks_file");
	int origins = silent_row(s, scan, CONF_SEC_TOP, "allowed_origins");
	const char *value = variable(src, "JWT_SECRET");

	if (value != NULL && secret >= 0 && jwks >= 0 && !has_keys)
		substitute(s, (size_t)secret, "JWT_SECRET", value);
	value = variable(src, "ALLOWED_ORIGIN");
	if (value != NULL && origins >= 0)
		substitute(s, (size_t)origins, "ALLOWED_ORIGIN", value);
}
