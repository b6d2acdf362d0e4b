/*
 * Values from outside of the file, made into tokens like those of the file.
 */
#include "conf/text/substitute.h"

#include <stdlib.h>
#include <string.h>

#include "conf/heap.h"

/* The next item of "a, b"; false behind the last, and for "". */
static bool
substitute_next_item(const char **text, struct slice *item)
{
	if (*text == NULL || **text == '\0')
		return (false);
	*text += strspn(*text, " ");
	*item = slice_of(*text, strcspn(*text, ","));
	*text += item->n;
	*text = **text == ',' ? *text + 1 : NULL;
	return (true);
}

/* As a page's address is often copied: "https://a.example/". */
static struct slice
substitute_origin(struct slice s)
{
	if (s.n > 1 && s.p[s.n - 1] == '/' && s.p[s.n - 2] != '/')
		s.n--;
	return (s);
}

/* "a,b" for lists, the text itself for everything else. */
static void
substitute(struct conf_tree *s, size_t row, const char *file,
    const char *text)
{
	bool list = conf_type_is_list(conf_directives[row].type);
	struct conf_given *given = conf_tree_give(s, row, 0);
	struct slice item = slice_str(text);

	conf_given_clear(given);
	while (!list || substitute_next_item(&text, &item)) {
		if (conf_directives[row].type == CONF_TYPE_ORIGINS)
			item = substitute_origin(item);
		conf_given_add(given, (struct conf_token){
			.at = { file, 0 },
			.text = conf_strndup(item.p, item.n),
		});
		if (!list)
			break;
	}
}

static int
substitute_row(struct slice name)
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
conf_substitute_overrides(struct conf_tree *s,
    const struct conf_source *src, struct conf_diags *diags)
{
	struct conf_place at = { "-o", 0 };
	const char *text, *equals;
	int row;
	size_t i;

	for (i = 0; i < src->noverrides; i++) {
		text = src->overrides[i];
		equals = strchr(text, '=');
		if (equals == NULL) {
			conf_diag(diags, at, "%.60s: must be NAME=VALUE", text);
			continue;
		}
		row = substitute_row(slice_of(text, (size_t)(equals - text)));
		if (row < 0)
			conf_diag(diags, at, "%.60s: no such directive "
			    "outside sections with a title", text);
		else
			substitute(s, (size_t)row, at.file, equals + 1);
	}
}

/* The variable's value, NULL when it is not set or empty. */
static const char *
substitute_variable(const struct conf_source *src, const char *name)
{
	const char *value = src->env == NULL ? NULL : src->env(name);

	return (value == NULL || *value == '\0' ? NULL : value);
}

/* Nobody has spoken for the directive. */
static bool
substitute_is_silent(const struct conf_tree *s, const struct conf_tree *section,
    size_t row)
{
	return (conf_tree_given(section, row) == NULL &&
	    conf_tree_given(s, row) == NULL);
}

void
conf_substitute_environment(struct conf_tree *s,
    const struct conf_source *src, const struct conf_tree *file)
{
	size_t secret = (size_t)conf_directive_find(CONF_SEC_JWT,
	    SLICE("secret"));
	size_t jwks = (size_t)conf_directive_find(CONF_SEC_JWT,
	    SLICE("jwks_file"));
	size_t redis = (size_t)conf_directive_find(CONF_SEC_REDIS,
	    SLICE("url"));
	size_t origins = (size_t)conf_directive_find(CONF_SEC_TOP,
	    SLICE("allowed_origins"));
	size_t shards = (size_t)conf_directive_find(CONF_SEC_REDIS,
	    SLICE("shards"));
	const struct conf_tree *jwt = conf_tree_plain(file, CONF_SEC_JWT);
	const struct conf_tree *its = conf_tree_plain(file, CONF_SEC_REDIS);
	const char *value = substitute_variable(src, "JWT_SECRET");

	if (value != NULL && substitute_is_silent(s, jwt, secret) &&
	    substitute_is_silent(s, jwt, jwks) &&
	    conf_tree_count(jwt, CONF_SEC_JWT_KEY) == 0)
		substitute(s, secret, "JWT_SECRET", value);
	value = substitute_variable(src, "REDIS_URL");
	if (value != NULL && substitute_is_silent(s, its, redis) &&
	    substitute_is_silent(s, its, shards))
		substitute(s, redis, "REDIS_URL", value);
	value = substitute_variable(src, "ALLOWED_ORIGIN");
	if (value != NULL && substitute_is_silent(s, file, origins))
		substitute(s, origins, "ALLOWED_ORIGIN", value);
}
