/*
 * The scanner before libconfuse: as much of the structure as it takes to know a
 * name from a value.
 */
#include "conf/conf_scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf_lex.h"
#include "conf/conf_table.h"

enum expect { EXPECT_NAME, EXPECT_AFTER_NAME, EXPECT_BRACE, EXPECT_VALUE,
	EXPECT_LIST };

/* One open section. */
struct level {
	enum conf_section section;
	int		 line;		/* of its opening brace */
	int		 directives[CONF_NDIRECTIVES];	/* lines, 0: not seen */
	int		 sections[CONF_SEC__MAX];
};

struct scanner {
	struct conf_scan *out;
	struct conf_lex	 lex;
	enum expect	 expect;
	struct level	 levels[CONF_SECTION_DEPTH];
	unsigned	 depth;		/* of the innermost level */
	int		 opening;	/* section named last, -1: a directive */
	int		 directive;	/* directive named last, -1 */
	bool		 skipping;	/* an unknown directive's value or body */
	unsigned	 skipped_braces;
	bool		 wrong;		/* structure broken: stop here */
	bool		 bad;		/* no text, and reported */
};

void
conf_scan_init(struct conf_scan *scan)
{
	memset(scan, 0, sizeof(*scan));
	buf_init(&scan->clean);
}

void
conf_scan_fini(struct conf_scan *scan)
{
	for (size_t i = 0; i < scan->n; i++)
		free(scan->tokens[i].text);
	free(scan->tokens);
	buf_fini(&scan->clean);
	memset(scan, 0, sizeof(*scan));
}

static struct conf_place
here(const struct scanner *s, int line)
{
	return ((struct conf_place){ s->lex.src->file, line });
}

/* --- structure ------------------------------------------------------------ */

/* Put a title's or value's number into the clean text. */
static void
emit_token(struct scanner *s, struct slice text, int line)
{
	struct conf_scan *out = s->out;

	if (s->skipping)
		return;
	buf_byte(&out->clean, ' ');
	buf_u64(&out->clean, out->n);
	buf_byte(&out->clean, ' ');
	out->tokens = conf_grow(out->tokens, out->n, &out->cap,
	    sizeof(*out->tokens));
	out->tokens[out->n++] = (struct conf_token){
		.at = here(s, line),
		.text = conf_strndup(text.p, text.n),
		.unset = s->lex.unset,
	};
}

static void
report_unknown(struct scanner *s, struct slice name, int line)
{
	enum conf_section section = s->levels[s->depth].section;
	const char *nearest = conf_name_nearest(section, name);
	const char *in = conf_sections[section].name, *home;
	char hint[64] = "";

	home = conf_name_home(name);
	if (home != NULL && *home != '\0')
		(void)snprintf(hint, sizeof(hint), ", it belongs in %s", home);
	else if (home != NULL)
		(void)snprintf(hint, sizeof(hint), ", it belongs outside");
	else if (nearest != NULL)
		(void)snprintf(hint, sizeof(hint), ", did you mean %s?",
		    nearest);
	conf_diag(s->lex.diags, here(s, line), "unknown directive %.*s%s%s%s",
	    (int)(name.n < 64 ? name.n : 64), (const char *)name.p,
	    *in == '\0' ? "" : " in ", in, hint);
}

static void
begin_skip(struct scanner *s)
{
	s->skipping = true;
	s->skipped_braces = 0;
	s->opening = s->directive = -1;
}

/* Sections without a title, and directives, come once; lists may grow. */
static void
note_seen(struct scanner *s, int *seen, const char *name, int line)
{
	if (*seen != 0 && !conf_lex_appends(&s->lex)) {
		conf_diag(s->lex.diags, here(s, line),
		    "%s is repeated (first in line %d)", name, *seen);
		begin_skip(s);
		return;
	}
	*seen = line;
	buf_byte(&s->out->clean, ' ');
	buf_str(&s->out->clean, name);
}

static void
on_name(struct scanner *s, struct slice name, int line)
{
	struct level *level = &s->levels[s->depth];

	s->expect = EXPECT_AFTER_NAME;
	if (s->skipping)
		return;
	s->opening = conf_section_find(level->section, name);
	s->directive = conf_directive_find(level->section, name);
	if (s->directive >= 0) {
		if (s->out->given[s->directive] == 0)
			s->out->given[s->directive] = line;
		note_seen(s, &level->directives[s->directive],
		    conf_directives[s->directive].name, line);
	} else if (s->opening < 0) {
		report_unknown(s, name, line);
		begin_skip(s);
	} else if (conf_sections[s->opening].title == NULL)
		note_seen(s, &level->sections[s->opening],
		    conf_sections[s->opening].name, line);
	else {
		buf_byte(&s->out->clean, ' ');
		buf_str(&s->out->clean, conf_sections[s->opening].name);
	}
}

/* A value is complete, or a body is: names come next. */
static void
end_value(struct scanner *s)
{
	s->expect = EXPECT_NAME;
	if (s->skipped_braces == 0)
		s->skipping = false;
}

static void
on_word(struct scanner *s, struct slice text, int line)
{
	switch (s->expect) {
	case EXPECT_NAME:
		on_name(s, text, line);
		return;
	case EXPECT_AFTER_NAME:
		emit_token(s, text, line);
		s->expect = EXPECT_BRACE;
		return;
	case EXPECT_VALUE:
		emit_token(s, text, line);
		end_value(s);
		return;
	case EXPECT_LIST:
		emit_token(s, text, line);
		return;
	case EXPECT_BRACE:
		emit_token(s, text, line);
		s->wrong = true;
		return;
	}
}

static void
on_open(struct scanner *s)
{
	struct level *level;

	if (s->expect == EXPECT_VALUE) {
		s->expect = EXPECT_LIST;
		return;
	}
	if (s->expect == EXPECT_NAME || s->expect == EXPECT_LIST) {
		s->wrong = true;
		return;
	}
	s->expect = EXPECT_NAME;
	if (s->skipping) {
		s->skipped_braces++;
		return;
	}
	if (s->opening < 0) {
		s->wrong = true;
		return;
	}
	MUST(s->depth + 1 < CONF_SECTION_DEPTH);
	level = &s->levels[++s->depth];
	memset(level, 0, sizeof(*level));
	level->section = (enum conf_section)s->opening;
	level->line = s->lex.at;
}

static void
on_close(struct scanner *s)
{
	if (s->expect == EXPECT_LIST)
		end_value(s);
	else if (s->expect != EXPECT_NAME)
		s->wrong = true;
	else if (s->skipping) {
		s->skipped_braces--;
		end_value(s);
	} else if (s->depth == 0)
		s->wrong = true;
	else
		s->depth--;
}

static void
on_mark(struct scanner *s)
{
	bool was_skipping = s->skipping;

	switch (*s->lex.mark.p) {
	case '{':
		on_open(s);
		break;
	case '}':
		on_close(s);
		break;
	case '=':
	case '+':
		if (s->expect != EXPECT_AFTER_NAME)
			s->wrong = true;
		s->expect = EXPECT_VALUE;
		break;
	case ',':
		if (s->expect != EXPECT_LIST)
			s->wrong = true;
		break;
	default:
		s->wrong = true;
	}
	if (!was_skipping) {
		buf_byte(&s->out->clean, ' ');
		buf_slice(&s->out->clean, s->lex.mark);
	}
}

/* --- the whole ------------------------------------------------------------ */

/* One step: a word or a mark; false at the end and at what is no text. */
static bool
scan_step(struct scanner *s)
{
	s->lex.quiet = s->skipping;
	switch (conf_lex_next(&s->lex)) {
	case CONF_LEX_WORD:
		on_word(s, buf_unread(&s->lex.text), s->lex.at);
		return (true);
	case CONF_LEX_MARK:
		on_mark(s);
		return (true);
	case CONF_LEX_BAD:
		s->bad = true;
		return (false);
	case CONF_LEX_END:
		break;
	}
	return (false);
}

/* What libconfuse would let pass. */
static bool
scan_end(struct scanner *s)
{
	const struct level *level = &s->levels[s->depth];

	if (s->skipping)
		return (false);	/* the unknown name is what is wrong */
	if (!s->wrong && s->expect == EXPECT_NAME && s->depth > 0) {
		conf_diags_clear(s->lex.diags);
		conf_diag(s->lex.diags, here(s, level->line),
		    "%s { has no closing brace",
		    conf_sections[level->section].name);
		return (false);
	}
	buf_append(&s->out->clean, " ", 2);	/* with its NUL */
	MUST(!s->out->clean.oom);
	return (true);
}

bool
conf_scan(struct conf_scan *out, const struct conf_source *src,
    struct conf_diags *diags)
{
	struct scanner s = {
		.out = out, .expect = EXPECT_NAME, .opening = -1,
		.directive = -1,
	};
	bool ok;

	conf_lex_init(&s.lex, src, diags, &out->clean);
	while (!s.wrong && scan_step(&s))
		;
	ok = !s.bad && scan_end(&s);
	conf_lex_fini(&s.lex);
	return (ok);
}
