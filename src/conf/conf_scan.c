/*
 * The scanner before libconfuse: words, quotes, comments, variables, and as
 * much of the structure as it takes to know a name from a value.
 */
#include "conf/conf_scan.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "conf/conf.h"
#include "conf/conf_table.h"

#define VARIABLE_MAX	128	/* bytes of a variable's name */

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
	const struct conf_source *src;
	struct conf_diags *diags;
	struct slice	 in;		/* what is left to read */
	int		 line;
	struct buf	 text;		/* of the token being read */
	bool		 unset;
	enum expect	 expect;
	struct level	 levels[CONF_SECTION_DEPTH];
	unsigned	 depth;		/* of the innermost level */
	int		 opening;	/* section named last, -1: a directive */
	int		 directive;	/* directive named last, -1 */
	bool		 skipping;	/* an unknown directive's value or body */
	unsigned	 skipped_braces;
	bool		 wrong;		/* structure broken: stop here */
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
	return ((struct conf_place){ s->src->file, line });
}

/* A text that can't be read on: this alone is reported. */
#define SYNTAX(s, line, ...) \
	(conf_diags_clear((s)->diags), \
	    conf_diag((s)->diags, here((s), (line)), __VA_ARGS__), false)

/* --- characters ---------------------------------------------------------- */

static bool
starts(const struct scanner *s, const char *text)
{
	return (slice_starts(s->in, slice_str(text)));
}

static void
advance(struct scanner *s, size_t n)
{
	s->in = slice_from(s->in, n);
}

static void
newline(struct scanner *s)
{
	s->line++;
	buf_byte(&s->out->clean, '\n');
}

static void
skip_to_newline(struct scanner *s)
{
	while (s->in.n > 0 && *s->in.p != '\n')
		advance(s, 1);
}

static bool
skip_block_comment(struct scanner *s)
{
	int line = s->line;

	advance(s, 2);
	while (!starts(s, "*/")) {
		if (s->in.n == 0)
			return (SYNTAX(s, line, "comment without end"));
		if (*s->in.p == '\n')
			newline(s);
		advance(s, 1);
	}
	advance(s, 2);
	return (true);
}

/* --- variables ------------------------------------------------------------ */

static bool
variable_name_ok(struct slice name)
{
	if (name.n == 0 || name.n >= VARIABLE_MAX || isdigit(name.p[0]))
		return (false);
	for (size_t i = 0; i < name.n; i++)
		if (!isalnum(name.p[i]) && name.p[i] != '_')
			return (false);
	return (true);
}

/* "${NAME}" or "${NAME:-default}" at the start of in. */
static bool
lex_variable(struct scanner *s)
{
	const uint8_t *end = memchr(s->in.p, '}', s->in.n), *colon;
	struct slice body, name, fallback = { NULL, 0 };
	char word[VARIABLE_MAX];
	const char *value;

	if (end == NULL)
		return (SYNTAX(s, s->line, "\"${\" without \"}\""));
	body = slice_of(s->in.p + 2, (size_t)(end - s->in.p) - 2);
	name = body;
	colon = body.n == 0 ? NULL : memchr(body.p, ':', body.n);
	if (colon != NULL && colon + 1 < end && colon[1] == '-') {
		name.n = (size_t)(colon - body.p);
		fallback = slice_from(body, name.n + 2);
	} else
		colon = NULL;
	if (!variable_name_ok(name))
		return (SYNTAX(s, s->line, "\"${%.*s}\" is not a variable",
		    (int)(body.n < 64 ? body.n : 64), (const char *)body.p));
	memcpy(word, name.p, name.n);
	word[name.n] = '\0';
	value = s->src->env == NULL ? NULL : s->src->env(word);
	if (value != NULL && (*value != '\0' || colon == NULL))
		buf_str(&s->text, value);
	else if (colon != NULL)
		buf_slice(&s->text, fallback);
	else {
		/* stays as it is, so that "is empty" is not said as well */
		buf_slice(&s->text, slice_of(s->in.p, body.n + 3));
		s->unset = true;
		if (!s->skipping)
			conf_diag(s->diags, here(s, s->line),
			    "the environment does not set %s "
			    "(${%s:-DEFAULT} has a default)", word, word);
	}
	advance(s, body.n + 3);
	return (true);
}

/* --- strings and words ---------------------------------------------------- */

static int
hex_value(const uint8_t *p, size_t n)
{
	int value = 0;

	for (size_t i = 0; i < n; i++) {
		if (ascii_hex(p[i]) < 0)
			return (-1);
		value = value * 16 + ascii_hex(p[i]);
	}
	return (value);
}

/* \x41 (a byte) and \u00e9 (a code point); in starts behind the letter. */
static bool
lex_hex_escape(struct scanner *s, bool unicode)
{
	size_t want = unicode ? 4 : 2;
	int value = s->in.n < want ? -1 : hex_value(s->in.p, want);
	uint8_t utf8[4];

	if (value <= 0 || (unicode && value >= 0xd800 && value <= 0xdfff))
		return (SYNTAX(s, s->line, "\\%c needs %zu hexadecimal digits"
		    " of a character other than NUL", unicode ? 'u' : 'x',
		    want));
	advance(s, want);
	if (unicode)
		buf_append(&s->text, utf8, utf8_put(utf8, (uint32_t)value));
	else
		buf_byte(&s->text, (uint8_t)value);
	return (true);
}

/* A backslash within double quotes. */
static bool
lex_escape(struct scanner *s)
{
	static const char from[] = "\"\\$/'nrtbf", to[] = "\"\\$/'\n\r\t\b\f";
	const char *p;
	uint8_t c;

	if (s->in.n < 2)
		return (SYNTAX(s, s->line, "string without end"));
	c = s->in.p[1];
	advance(s, 2);
	if (c == '\n') {
		newline(s);
		return (true);
	}
	if (c == 'x' || c == 'u')
		return (lex_hex_escape(s, c == 'u'));
	p = c == '\0' ? NULL : strchr(from, c);
	if (p == NULL)
		return (SYNTAX(s, s->line, "unknown escape \"\\%c\"", c));
	buf_byte(&s->text, (uint8_t)to[p - from]);
	return (true);
}

/* Within single quotes only \' and \\ are special. */
static void
lex_single(struct scanner *s)
{
	if (s->in.n > 1 && *s->in.p == '\\' &&
	    (s->in.p[1] == '\'' || s->in.p[1] == '\\'))
		advance(s, 1);
	buf_byte(&s->text, *s->in.p);
	if (*s->in.p == '\n')
		newline(s);
	advance(s, 1);
}

static bool
lex_quoted(struct scanner *s)
{
	uint8_t quote = *s->in.p;
	int line = s->line;
	bool ok = true;

	advance(s, 1);
	while (ok && (s->in.n == 0 || *s->in.p != quote)) {
		if (s->in.n == 0)
			return (SYNTAX(s, line, "string without end"));
		if (quote == '\'')
			lex_single(s);
		else if (starts(s, "${"))
			ok = lex_variable(s);
		else if (*s->in.p == '\\')
			ok = lex_escape(s);
		else {
			buf_byte(&s->text, *s->in.p);
			if (*s->in.p == '\n')
				newline(s);
			advance(s, 1);
		}
	}
	if (ok)
		advance(s, 1);
	return (ok);
}

/* A byte of a word without quotes, as libconfuse has it. */
static bool
is_word_byte(const struct scanner *s)
{
	if (s->in.n == 0 || *s->in.p <= ' ' || *s->in.p == 0x7f ||
	    strchr("#\"'={}()+,*", *s->in.p) != NULL)
		return (false);
	return (!starts(s, "//") && !starts(s, "/*"));
}

static bool
lex_word(struct scanner *s)
{
	while (is_word_byte(s)) {
		if (starts(s, "${")) {
			if (!lex_variable(s))
				return (false);
			continue;
		}
		buf_byte(&s->text, *s->in.p);
		advance(s, 1);
	}
	return (true);
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
		.unset = s->unset,
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
	conf_diag(s->diags, here(s, line), "unknown directive %.*s%s%s%s",
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

static bool
appends(const struct scanner *s)
{
	struct slice rest = s->in;

	while (rest.n > 0 && strchr(" \t\r\n", *rest.p) != NULL &&
	    *rest.p != '\0')
		rest = slice_from(rest, 1);
	return (slice_starts(rest, SLICE("+=")));
}

/* Sections without a title, and directives, come once; lists may grow. */
static void
note_seen(struct scanner *s, int *seen, const char *name, int line)
{
	if (*seen != 0 && !appends(s)) {
		conf_diag(s->diags, here(s, line),
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
	level->line = s->line;
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

/* One of "{ } = += ( ) ,". */
static void
on_punctuation(struct scanner *s)
{
	size_t n = starts(s, "+=") ? 2 : 1;
	bool was_skipping = s->skipping;

	switch (*s->in.p) {
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
		buf_append(&s->out->clean, s->in.p, n);
	}
	advance(s, n);
}

/* --- the whole ------------------------------------------------------------ */

static bool
scan_word(struct scanner *s)
{
	int line = s->line;
	bool quoted = *s->in.p == '"' || *s->in.p == '\'';

	buf_reset(&s->text);
	s->unset = false;
	if (!(quoted ? lex_quoted(s) : lex_word(s)))
		return (false);
	MUST(!s->text.oom);
	if (!utf8_valid(buf_unread(&s->text)) ||
	    (s->text.wpos > 0 && memchr(s->text.data, '\0', s->text.wpos)))
		return (SYNTAX(s, line, "string is not UTF-8 text"));
	on_word(s, buf_unread(&s->text), line);
	return (true);
}

/* One step: white space, a comment, punctuation, or a word. */
static bool
scan_step(struct scanner *s)
{
	uint8_t c = *s->in.p;

	if (c == '\n') {
		newline(s);
		advance(s, 1);
	} else if (c == ' ' || c == '\t' || c == '\r')
		advance(s, 1);
	else if (c == '#' || starts(s, "//"))
		skip_to_newline(s);
	else if (starts(s, "/*"))
		return (skip_block_comment(s));
	else if (c != '\0' && (strchr("{}(),=", c) != NULL || starts(s, "+=")))
		on_punctuation(s);
	else if (c == '"' || c == '\'' || is_word_byte(s))
		return (scan_word(s));
	else if (c > ' ' && c < 0x7f)
		return (SYNTAX(s, s->line, "'%c' must be in quotes here", c));
	else
		return (SYNTAX(s, s->line, "byte 0x%02x in the text", c));
	return (true);
}

/* What libconfuse would let pass. */
static bool
scan_end(struct scanner *s)
{
	const struct level *level = &s->levels[s->depth];

	if (s->skipping)
		return (false);	/* the unknown name is what is wrong */
	if (!s->wrong && s->expect == EXPECT_NAME && s->depth > 0)
		return (SYNTAX(s, level->line, "%s { has no closing brace",
		    conf_sections[level->section].name));
	buf_append(&s->out->clean, " ", 2);	/* with its NUL */
	MUST(!s->out->clean.oom);
	return (true);
}

bool
conf_scan(struct conf_scan *out, const struct conf_source *src,
    struct conf_diags *diags)
{
	struct scanner s = {
		.out = out, .src = src, .diags = diags, .in = src->text,
		.line = 1, .expect = EXPECT_NAME, .opening = -1,
		.directive = -1,
	};
	bool ok = true;

	buf_init(&s.text);
	if (slice_starts(s.in, SLICE("\xef\xbb\xbf")))
		advance(&s, 3);		/* an editor's byte order mark */
	while (ok && !s.wrong && s.in.n > 0)
		ok = scan_step(&s);
	ok = ok && scan_end(&s);
	buf_fini(&s.text);
	return (ok);
}
