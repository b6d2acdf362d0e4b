/*
 * The words of roost.conf, their quotes, escapes and variables; and what
 * stands between them.  See lex.h.
 */
#include "conf/text/lex.h"

#include <ctype.h>
#include <string.h>

#include "base/ascii.h"
#include "base/utf8.h"

#define VARIABLE_MAX	128	/* bytes of a variable's name */

static struct conf_place
lex_place(const struct conf_lex *l, int line)
{
	return ((struct conf_place){ l->src->file, line });
}

/* A text that can't be read on: this alone is reported. */
#define LEX_SYNTAX(l, line, ...) \
	(conf_diags_clear((l)->diags), \
	    conf_diag((l)->diags, lex_place((l), (line)), __VA_ARGS__), false)

/* --- characters ---------------------------------------------------------- */

static bool
lex_starts(const struct conf_lex *l, const char *text)
{
	return (slice_starts(l->in, slice_str(text)));
}

static void
lex_advance(struct conf_lex *l, size_t n)
{
	l->in = slice_from(l->in, n);
}

static void
lex_skip_line(struct conf_lex *l)
{
	while (l->in.n > 0 && *l->in.p != '\n')
		lex_advance(l, 1);
}

static bool
lex_skip_comment(struct conf_lex *l)
{
	int line = l->line;

	lex_advance(l, 2);
	while (!lex_starts(l, "*/")) {
		if (l->in.n == 0)
			return (LEX_SYNTAX(l, line, "comment without end"));
		if (*l->in.p == '\n')
			l->line++;
		lex_advance(l, 1);
	}
	lex_advance(l, 2);
	return (true);
}

/* --- variables ------------------------------------------------------------ */

static bool
lex_is_variable(struct slice name)
{
	size_t i;

	if (name.n == 0 || name.n >= VARIABLE_MAX || isdigit(name.p[0]))
		return (false);
	for (i = 0; i < name.n; i++)
		if (!isalnum(name.p[i]) && name.p[i] != '_')
			return (false);
	return (true);
}

/* "${NAME}" or "${NAME:-default}" at the start of in. */
static bool
lex_variable(struct conf_lex *l)
{
	const uint8_t *end = memchr(l->in.p, '}', l->in.n), *colon;
	struct slice body, name, fallback = { NULL, 0 };
	char word[VARIABLE_MAX];
	const char *value;

	if (end == NULL)
		return (LEX_SYNTAX(l, l->line, "\"${\" without \"}\""));
	body = slice_of(l->in.p + 2, (size_t)(end - l->in.p) - 2);
	name = body;
	colon = body.n == 0 ? NULL : memchr(body.p, ':', body.n);
	if (colon != NULL && colon + 1 < end && colon[1] == '-') {
		name.n = (size_t)(colon - body.p);
		fallback = slice_from(body, name.n + 2);
	} else
		colon = NULL;
	if (!lex_is_variable(name))
		return (LEX_SYNTAX(l, l->line, "\"${%.*s}\" is not a variable",
		    (int)(body.n < 64 ? body.n : 64), (const char *)body.p));
	memcpy(word, name.p, name.n);
	word[name.n] = '\0';
	value = l->src->env == NULL ? NULL : l->src->env(word);
	if (value != NULL && (*value != '\0' || colon == NULL))
		buf_str(&l->text, value);
	else if (colon != NULL)
		buf_slice(&l->text, fallback);
	else {
		/* stays as it is, so that "is empty" is not said as well */
		buf_slice(&l->text, slice_of(l->in.p, body.n + 3));
		l->unset = true;
		if (!l->quiet)
			conf_diag(l->diags, lex_place(l, l->line),
			    "the environment does not set %s "
			    "(${%s:-DEFAULT} has a default)", word, word);
	}
	lex_advance(l, body.n + 3);
	return (true);
}

/* --- strings and words ---------------------------------------------------- */

static int
lex_hex_value(const uint8_t *p, size_t n)
{
	int value = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if (ascii_hex(p[i]) < 0)
			return (-1);
		value = value * 16 + ascii_hex(p[i]);
	}
	return (value);
}

/* \x41 (a byte) and \u00e9 (a code point); in starts behind the letter. */
static bool
lex_hex_escape(struct conf_lex *l, bool unicode)
{
	size_t want = unicode ? 4 : 2;
	int value = l->in.n < want ? -1 : lex_hex_value(l->in.p, want);
	uint8_t utf8[4];

	if (value <= 0 || (unicode && value >= 0xd800 && value <= 0xdfff))
		return (LEX_SYNTAX(l, l->line,
		    "\\%c needs %zu hexadecimal digits"
		    " of a character other than NUL", unicode ? 'u' : 'x',
		    want));
	lex_advance(l, want);
	if (unicode)
		buf_append(&l->text, utf8, utf8_put(utf8, (uint32_t)value));
	else
		buf_byte(&l->text, (uint8_t)value);
	return (true);
}

/* A backslash within double quotes. */
static bool
lex_escape(struct conf_lex *l)
{
	static const char from[] = "\"\\$/'nrtbf", to[] = "\"\\$/'\n\r\t\b\f";
	const char *p;
	uint8_t c;

	if (l->in.n < 2)
		return (LEX_SYNTAX(l, l->line, "string without end"));
	c = l->in.p[1];
	lex_advance(l, 2);
	if (c == '\n') {
		l->line++;
		return (true);
	}
	if (c == 'x' || c == 'u')
		return (lex_hex_escape(l, c == 'u'));
	p = c == '\0' ? NULL : strchr(from, c);
	if (p == NULL)
		return (LEX_SYNTAX(l, l->line, "unknown escape \"\\%c\"", c));
	buf_byte(&l->text, (uint8_t)to[p - from]);
	return (true);
}

/* Within single quotes only \' and \\ are special. */
static void
lex_single(struct conf_lex *l)
{
	if (l->in.n > 1 && *l->in.p == '\\' &&
	    (l->in.p[1] == '\'' || l->in.p[1] == '\\'))
		lex_advance(l, 1);
	buf_byte(&l->text, *l->in.p);
	if (*l->in.p == '\n')
		l->line++;
	lex_advance(l, 1);
}

static bool
lex_quoted(struct conf_lex *l)
{
	uint8_t quote = *l->in.p;
	int line = l->line;
	bool ok = true;

	lex_advance(l, 1);
	while (ok && (l->in.n == 0 || *l->in.p != quote)) {
		if (l->in.n == 0)
			return (LEX_SYNTAX(l, line, "string without end"));
		if (quote == '\'')
			lex_single(l);
		else if (lex_starts(l, "${"))
			ok = lex_variable(l);
		else if (*l->in.p == '\\')
			ok = lex_escape(l);
		else {
			buf_byte(&l->text, *l->in.p);
			if (*l->in.p == '\n')
				l->line++;
			lex_advance(l, 1);
		}
	}
	if (ok)
		lex_advance(l, 1);
	return (ok);
}

/* A byte of a word without quotes. */
static bool
lex_is_word_byte(const struct conf_lex *l)
{
	if (l->in.n == 0 || *l->in.p <= ' ' || *l->in.p == 0x7f ||
	    strchr("#\"'={}()+,*", *l->in.p) != NULL)
		return (false);
	return (!lex_starts(l, "//") && !lex_starts(l, "/*"));
}

static bool
lex_word(struct conf_lex *l)
{
	while (lex_is_word_byte(l)) {
		if (lex_starts(l, "${")) {
			if (!lex_variable(l))
				return (false);
			continue;
		}
		buf_byte(&l->text, *l->in.p);
		lex_advance(l, 1);
	}
	return (true);
}

/* --- one after the other -------------------------------------------------- */

static bool
lex_any_word(struct conf_lex *l)
{
	bool quoted = *l->in.p == '"' || *l->in.p == '\'';

	l->at = l->line;
	l->unset = false;
	buf_reset(&l->text);
	if (!(quoted ? lex_quoted(l) : lex_word(l)))
		return (false);
	MUST(!l->text.oom);
	/* as in other programs' files; it would become part of the value */
	if (!quoted && l->text.wpos > 0 &&
	    l->text.data[l->text.wpos - 1] == ';')
		return (LEX_SYNTAX(l, l->at, "a semicolon ends nothing here: "
		    "leave it out, or put it into quotes"));
	if (!utf8_valid(buf_unread(&l->text)) ||
	    (l->text.wpos > 0 && memchr(l->text.data, '\0', l->text.wpos)))
		return (LEX_SYNTAX(l, l->at, "string is not UTF-8 text"));
	return (true);
}

/* White space and comments; false: one has no end. */
static bool
lex_skip_blanks(struct conf_lex *l)
{
	while (l->in.n > 0) {
		if (*l->in.p == '\n') {
			l->line++;
			lex_advance(l, 1);
		} else if (ascii_blank(*l->in.p) || *l->in.p == '\r')
			lex_advance(l, 1);
		else if (*l->in.p == '#' || lex_starts(l, "//"))
			lex_skip_line(l);
		else if (!lex_starts(l, "/*"))
			break;
		else if (!lex_skip_comment(l))
			return (false);
	}
	return (true);
}

void
conf_lex_init(struct conf_lex *l, const struct conf_source *src,
    struct conf_diags *diags)
{
	*l = (struct conf_lex){ .src = src, .diags = diags,
		.in = src->text, .line = 1 };
	buf_init(&l->text);
	if (lex_starts(l, "\xef\xbb\xbf"))
		lex_advance(l, 3);	/* an editor's byte order mark */
}

void
conf_lex_fini(struct conf_lex *l)
{
	buf_fini(&l->text);
}

enum conf_lexeme
conf_lex_next(struct conf_lex *l)
{
	uint8_t c;

	if (!lex_skip_blanks(l))
		return (CONF_LEX_BAD);
	if (l->in.n == 0)
		return (CONF_LEX_END);
	c = *l->in.p;
	if (c != '\0' && (strchr("{}(),=", c) != NULL || lex_starts(l, "+="))) {
		l->at = l->line;
		l->mark = slice_of(l->in.p, c == '+' ? 2 : 1);
		lex_advance(l, l->mark.n);
		return (CONF_LEX_MARK);
	}
	if (c == '"' || c == '\'' || lex_is_word_byte(l))
		return (lex_any_word(l) ? CONF_LEX_WORD : CONF_LEX_BAD);
	if (c > ' ' && c < 0x7f)
		(void)LEX_SYNTAX(l, l->line, "'%c' must be in quotes here", c);
	else
		(void)LEX_SYNTAX(l, l->line, "byte 0x%02x in the text", c);
	return (CONF_LEX_BAD);
}
