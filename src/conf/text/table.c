/*
 * The rows of directives.def, and the questions one asks of them.
 */
#include "conf/text/table.h"

#include <string.h>

#include "conf/model.h"

enum { RESTART, RELOAD };

const struct conf_section_row conf_sections[CONF_SEC__MAX] = {
#define SECTION(id, name, parent, title, st, doc) \
	[CONF_SEC_##id] = { name, CONF_SEC_##parent, title, doc },
#include "conf/directives.def"
};

/* Each section's struct under a name that DIRECTIVE can put together. */
#define SECTION(id, name, parent, title, st, doc) \
	typedef struct st section_##id;
#include "conf/directives.def"

const struct conf_directive conf_directives[CONF_NDIRECTIVES] = {
#define DIRECTIVE(section, name, field, type, def, range, reload, doc) \
	{ CONF_SEC_##section, name, CONF_TYPE_##type, \
	    offsetof(section_##section, field), def, range, reload == RELOAD, \
	    doc },
#include "conf/directives.def"
};

int
conf_directive_find(enum conf_section section, struct slice name)
{
	size_t i;

	for (i = 0; i < CONF_NDIRECTIVES; i++)
		if (conf_directives[i].section == section &&
		    slice_eq(slice_str(conf_directives[i].name), name))
			return ((int)i);
	return (-1);
}

int
conf_section_find(enum conf_section parent, struct slice name)
{
	int i;

	for (i = CONF_SEC_TOP + 1; i < CONF_SEC__MAX; i++)
		if (conf_sections[i].parent == parent &&
		    slice_eq(slice_str(conf_sections[i].name), name))
			return (i);
	return (-1);
}

#define NAME_MAX_LEN	31	/* longest name that is compared */

/* Levenshtein's distance, one row at a time. */
static size_t
table_distance(struct slice a, struct slice b)
{
	size_t row[NAME_MAX_LEN + 1], diagonal, above, best;
	size_t j, i;

	for (j = 0; j <= b.n; j++)
		row[j] = j;
	for (i = 0; i < a.n; i++) {
		diagonal = row[0];
		row[0] = i + 1;
		for (j = 0; j < b.n; j++) {
			above = row[j + 1];
			best = diagonal + (a.p[i] != b.p[j]);
			if (above + 1 < best)
				best = above + 1;
			if (row[j] + 1 < best)
				best = row[j] + 1;
			diagonal = above;
			row[j + 1] = best;
		}
	}
	return (row[b.n]);
}

static void
table_nearer(const char *candidate, struct slice name, size_t *best,
    const char **nearest)
{
	struct slice c = slice_str(candidate);
	size_t d;

	if (c.n > NAME_MAX_LEN)
		return;
	d = table_distance(name, c);
	if (d < *best) {
		*best = d;
		*nearest = candidate;
	}
}

const char *
conf_name_nearest(enum conf_section section, struct slice name)
{
	const char *nearest = NULL;
	size_t best = name.n / 3 + 2;	/* must be less than this */
	size_t i;

	if (name.n > NAME_MAX_LEN)
		return (NULL);
	for (i = 0; i < CONF_NDIRECTIVES; i++)
		if (conf_directives[i].section == section)
			table_nearer(conf_directives[i].name, name, &best,
			    &nearest);
	for (i = CONF_SEC_TOP + 1; i < CONF_SEC__MAX; i++)
		if (conf_sections[i].parent == section)
			table_nearer(conf_sections[i].name, name, &best,
			    &nearest);
	return (nearest);
}

const char *
conf_name_home(struct slice name)
{
	const char *home = NULL;
	unsigned found = 0;
	unsigned i;

	for (i = 0; i < CONF_SEC__MAX; i++)
		if (conf_directive_find((enum conf_section)i, name) >= 0 ||
		    conf_section_find((enum conf_section)i, name) >= 0) {
			home = conf_sections[i].name;
			found++;
		}
	return (found == 1 ? home : NULL);
}

static const struct {
	const char	*name;
	bool		 list;
} types[CONF_TYPE__MAX] = {
	/* clang-format off */
	[CONF_TYPE_BOOL]	= { "boolean", false },
	[CONF_TYPE_AUTOCOUNT]	= { "auto or count", false },
	[CONF_TYPE_COUNT]	= { "count", false },
	[CONF_TYPE_COUNT64]	= { "count", false },
	[CONF_TYPE_DURATION]	= { "duration", false },
	[CONF_TYPE_SIZE]	= { "size", false },
	[CONF_TYPE_MODE]	= { "octal number", false },
	[CONF_TYPE_STRING]	= { "string", false },
	[CONF_TYPE_NAME]	= { "name", false },
	[CONF_TYPE_PATH]	= { "file", false },
	[CONF_TYPE_SECRET]	= { "string", false },
	[CONF_TYPE_URLPATH]	= { "path", false },
	[CONF_TYPE_WORD]	= { "word", false },
	[CONF_TYPE_ENUM]	= { "word", false },
	[CONF_TYPE_EVENTNAME]	= { "event name", false },
	[CONF_TYPE_STRINGS]	= { "list", true },
	[CONF_TYPE_TOKENS]	= { "list", true },
	[CONF_TYPE_HEADERS]	= { "list", true },
	[CONF_TYPE_TOKEN]	= { "name", false },
	[CONF_TYPE_COOKIEPATH]	= { "path", false },
	[CONF_TYPE_ORIGINS]	= { "list", true },
	[CONF_TYPE_HOSTS]	= { "list", true },
	[CONF_TYPE_NETWORKS]	= { "list", true },
	[CONF_TYPE_EVENTNAMES]	= { "list", true },
	[CONF_TYPE_NSNAMES]	= { "list", true },
	[CONF_TYPE_ALGORITHMS]	= { "list", true },
	[CONF_TYPE_SHA256]	= { "digest", false },
	[CONF_TYPE_ALLOW]	= { "list", true },
	[CONF_TYPE_JOINS]	= { "list", true },
	[CONF_TYPE_JOIN]	= { "join rule", false },
	[CONF_TYPE_TO]		= { "receiver", false },
	[CONF_TYPE_DATA]	= { "list", true },
	[CONF_TYPE_MEMBERS]	= { "list", true },
	[CONF_TYPE_CHECKS]	= { "list", true },
	[CONF_TYPE_SCHEMA]	= { "file", false },
	[CONF_TYPE_NSREF]	= { "namespace", false },
	[CONF_TYPE_RATE]	= { "count/duration", false },
	[CONF_TYPE_RATEREF]	= { "rate", false },
	[CONF_TYPE_HOOKURL]	= { "url", false },
	[CONF_TYPE_HOOKREF]	= { "hook", false },
	[CONF_TYPE_TEMPLATE]	= { "room template", false },
	[CONF_TYPE_REDISURL]	= { "URL", false },
	[CONF_TYPE_REDISURLS]	= { "list", true },
	[CONF_TYPE_SENTINELS]	= { "list", true },
	/* clang-format on */
};

bool
conf_type_is_list(enum conf_type type)
{
	return (types[type].list);
}

const char *
conf_type_name(enum conf_type type)
{
	return (types[type].name);
}
