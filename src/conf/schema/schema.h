/*
 * What a JSON value must be: the one form that check lines and files of JSON
 * Schema are compiled to.  Constant once it is made.
 */
#ifndef CONF_SCHEMA_SCHEMA_H
#define CONF_SCHEMA_SCHEMA_H

#include <stdint.h>

#include "base/slice.h"
#include "conf/schema/format.h"

struct conf_regex;

#define CONF_SCHEMA_DEPTH	16	/* schemas in each other */
#define CONF_SCHEMA_MEMBERS	64	/* of one object */
#define CONF_SCHEMA_VALUES	256	/* of one enum */
#define CONF_SCHEMA_ANY		16	/* of one anyOf */
/* What a question may cost: places in patterns looked at, values compared. */
#define CONF_SCHEMA_WORK	(UINT64_C(1) << 23)

enum {
	CONF_IS_NULL = 1, CONF_IS_BOOLEAN = 2, CONF_IS_INTEGER = 4,
	CONF_IS_NUMBER = 8, CONF_IS_STRING = 16, CONF_IS_ARRAY = 32,
	CONF_IS_OBJECT = 64, CONF_IS_ANY = 127
};

struct conf_schema_member {
	char		*name;
	bool		 required;
	bool		 declared;	/* not only required */
	struct conf_schema *schema;
};

/* Each part speaks of values of its type alone, as in JSON Schema. */
struct conf_schema {
	unsigned	 types;		/* CONF_IS_ bits */
	bool		 said;		/* while it is made: a line was for it */
	/* numbers */
	bool		 has_min, has_max;
	bool		 above, below;	/* min, max themselves are not */
	double		 min, max;
	int64_t		 multiple;	/* of this; 0: any */
	/* strings: characters; arrays: elements */
	size_t		 min_chars, max_chars, min_items, max_items;
	struct conf_regex *pattern;	/* or NULL */
	char		*pattern_text;
	enum conf_format_of format;
	struct conf_schema *items;	/* each of them; NULL: anything */
	/* objects */
	struct conf_schema_member *members;	/* or NULL */
	size_t		 nmembers;
	bool		 closed;	/* no others */
	char		**values;	/* JSON, none of it an object or array;
					 * one of these */
	size_t		 nvalues;
	struct conf_schema **any;	/* one of these at least */
	size_t		 nany;
};

/* Anything. */
struct conf_schema *conf_schema_new(void) MUST_USE;
void	conf_schema_free(struct conf_schema **);	/* NULL is fine */
/* A member of an object, made when it is not there; NULL: there are too many. */
struct conf_schema_member *conf_schema_member(struct conf_schema *,
	    struct slice name);
void	conf_schema_add_value(struct conf_schema *, struct slice json);

/* Where and why a value is not what it must be. */
struct conf_fault {
	char		 path[256];	/* "/tags/3", cut at its beginning */
	size_t		 at;		/* it begins there */
	char		 why[96];
	uint64_t	 work;		/* done until then */
};

/* value: valid JSON, or empty: none is there.  What would cost more than
 * CONF_SCHEMA_WORK is at fault. */
bool	conf_schema_holds(const struct conf_schema *, struct slice value,
	    struct conf_fault *) MUST_USE;

/*
 * Of a file's text.  NULL: *wrong says why, in words that are good until the
 * next call; *line where.
 */
struct conf_schema *conf_schema_read(struct slice text, const char **wrong,
	    int *line) MUST_USE;

#endif
