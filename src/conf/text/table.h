/*
 * The rows of directives.def as data: sections, directives, and how to find
 * and describe them.  Asked by the tree, by those who fill in and print
 * sections, and by the tool that prints the manual's table.  Constant; any
 * process.
 */
#ifndef CONF_TEXT_TABLE_H
#define CONF_TEXT_TABLE_H

#include "base/bug.h"
#include "base/slice.h"

enum conf_section {
#define SECTION(id, name, parent, title, st, doc) CONF_SEC_##id,
#include "conf/directives.def"
	CONF_SEC__MAX
};

enum {
	CONF_NDIRECTIVES = 0
#define DIRECTIVE(section, name, field, type, def, range, reload, doc) + 1
#include "conf/directives.def"
};

/* What a value looks like and what field it fills in; see read/type.c. */
enum conf_type {
	CONF_TYPE_BOOL,		/* bool */
	CONF_TYPE_AUTOCOUNT,	/* unsigned; auto = 0 */
	CONF_TYPE_COUNT,	/* unsigned */
	CONF_TYPE_COUNT64,	/* uint64_t */
	CONF_TYPE_DURATION,	/* uint64_t, ms */
	CONF_TYPE_SIZE,		/* uint64_t, bytes */
	CONF_TYPE_MODE,		/* unsigned, octal */
	CONF_TYPE_STRING,	/* char *, may be empty */
	CONF_TYPE_NAME,		/* char *, not empty */
	CONF_TYPE_PATH,		/* char *, not empty */
	CONF_TYPE_SECRET,	/* char *, never shown */
	CONF_TYPE_URLPATH,	/* char *, "/a/b" */
	CONF_TYPE_WORD,		/* char *, one of the range's words */
	CONF_TYPE_ENUM,		/* unsigned: index of the range's word */
	CONF_TYPE_EVENTNAME,	/* char *, raw JSON string or NULL */
	CONF_TYPE_STRINGS,	/* char ** and the size_t behind it */
	CONF_TYPE_TOKENS,	/* the same; each an HTTP token */
	CONF_TYPE_HEADERS,	/* the same, in lower case, none of them secret */
	CONF_TYPE_TOKEN,	/* char *, an HTTP token or empty */
	CONF_TYPE_COOKIEPATH,	/* char *, the Path of a cookie */
	CONF_TYPE_ORIGINS,	/* struct conf_origin * and a size_t */
	CONF_TYPE_HOSTS,	/* char ** and a size_t, "host", "*.host" */
	CONF_TYPE_NETWORKS,	/* struct conf_network * and a size_t */
	CONF_TYPE_EVENTNAMES,	/* char ** and a size_t; each a name, or its
				 * beginning and a * */
	CONF_TYPE_NSNAMES,	/* char ** and a size_t; each is there; none:
				 * "*", all */
	CONF_TYPE_ALGORITHMS,	/* uint32_t, bits */
	CONF_TYPE_SHA256,	/* uint8_t[32] */
	CONF_TYPE_ALLOW,	/* uint32_t, bits */
	CONF_TYPE_JOINS,	/* struct conf_pattern * and a size_t */
	CONF_TYPE_JOIN,		/* three fields of struct conf_room */
	CONF_TYPE_TO,		/* two fields of struct conf_event */
	CONF_TYPE_DATA,		/* char ** and a size_t; each JSON; and
					 * data_args of struct conf_event */
	CONF_TYPE_MEMBERS,	/* struct conf_member * and a size_t */
	CONF_TYPE_CHECKS,	/* char ** and a size_t; and checked of struct
				 * conf_event */
	CONF_TYPE_SCHEMA,	/* char *, a file; and schema of the same */
	CONF_TYPE_NSREF,	/* const struct conf_namespace * */
	CONF_TYPE_RATE,		/* three fields of struct conf_rate */
	CONF_TYPE_RATEREF,	/* const struct conf_rate *, or NULL */
	CONF_TYPE_HOOKURL,	/* four fields of struct conf_hook */
	CONF_TYPE_HOOKREF,	/* const struct conf_hook *, or NULL */
	CONF_TYPE_TEMPLATE,	/* struct conf_piece * and a size_t */
	CONF_TYPE_REDISURL,	/* struct conf_redis_url */
	CONF_TYPE_REDISURLS,	/* struct conf_redis_url * and a size_t */
	CONF_TYPE_SENTINELS,	/* struct conf_redis_url * and a size_t */
	CONF_TYPE__MAX
};

struct conf_section_row {
	const char	*name;		/* "limits"; "" for the file itself */
	enum conf_section parent;	/* TOP is its own */
	const char	*title;		/* "ADDRESS"; NULL: has no title */
	const char	*doc;		/* one sentence */
};

struct conf_directive {
	enum conf_section section;
	const char	*name;
	enum conf_type	 type;
	size_t		 offset;	/* of the field in the section's struct */
	const char	*def;		/* NULL: must be given */
	const char	*range;		/* "" when the type says it all */
	bool		 reload;	/* SIGHUP is enough */
	const char	*doc;		/* one sentence */
};

#define CONF_SECTION_DEPTH	3	/* namespace "/x" { event "y" {
					 * then "z" { */

extern const struct conf_section_row conf_sections[CONF_SEC__MAX];
extern const struct conf_directive conf_directives[CONF_NDIRECTIVES];

/* Row numbers; -1 when the section has no such name. */
int	conf_directive_find(enum conf_section, struct slice name);
int	conf_section_find(enum conf_section parent, struct slice name);
/* The name in the section that is nearest to a misspelt one, or NULL. */
const char *conf_name_nearest(enum conf_section, struct slice name);
/* The section that has a directive or section of just that name: its own
 * name, "" for the file itself; NULL when none or more than one has. */
const char *conf_name_home(struct slice name);
/* The value is a list: { a, b }. */
bool	conf_type_is_list(enum conf_type);
/* "duration", "list", ...: for the manual. */
const char *conf_type_name(enum conf_type);

#endif
