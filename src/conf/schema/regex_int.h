/*
 * The inside of regex.h: regex_read.c (a pattern becomes a program), regex_set.c
 * (its characters and sets of them), regex.c (a text is followed through it).
 */
#ifndef CONF_SCHEMA_REGEX_INT_H
#define CONF_SCHEMA_REGEX_INT_H

#include "conf/schema/regex.h"

#define STEPS_MAX	1024	/* of a program */
#define RANGES_MAX	1024

enum regex_op { REGEX_CHAR, REGEX_ANY, REGEX_CLASS, REGEX_SPLIT, REGEX_JUMP,
	REGEX_BEGIN, REGEX_END, REGEX_MATCH };

struct regex_step {
	enum regex_op	 op;
	bool		 negated;	/* CLASS */
	uint32_t	 x, y;		/* CHAR: it; CLASS: from, number of ranges;
					 * SPLIT, JUMP: where to */
};

struct regex_range {
	uint32_t	 low, high;
};

struct conf_regex {
	struct regex_step *steps;
	uint32_t	 n;
	struct regex_range *ranges;
	uint32_t	 nranges;
};

/* What is read. */
struct regex_reader {
	struct conf_regex *r;
	struct slice	 in;
	unsigned	 depth;		/* of groups */
	unsigned	 others;	/* alternatives in hand */
	unsigned	 work;
	const char	*wrong;
};

/* The next character of valid UTF-8; taken. */
uint32_t regex_char(struct slice *);

/* What is wrong is the first that was; false. */
bool	regex_bad(struct regex_reader *, const char *wrong);
/* A step more; a range more. */
bool	regex_emit(struct regex_reader *, enum regex_op, uint32_t x, uint32_t y);
/* Is this sign next?  It is taken, too. */
bool	regex_at(const struct regex_reader *, char);
bool	regex_take(struct regex_reader *, char);

/* Behind the backslash: a character. */
bool	regex_escape(struct regex_reader *, uint32_t *);
/* A set like \d is next, behind a backslash; taken. */
bool	regex_takes_known(struct regex_reader *, int *);
/* That set, as a step; a set in brackets, behind the first. */
bool	regex_set(struct regex_reader *, int known);
bool	regex_class(struct regex_reader *);

#endif
