/*
 * The grammar of roost.conf, from the words and marks of the lexer:
 *	NAME = WORD  NAME = { WORD, WORD }  NAME += ...  NAME [TITLE] { ... }
 * An unknown name is passed over with all that it holds, so that the rest
 * can be told as well; a text of another structure ends the reading.
 */
#include "conf/text/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/heap.h"
#include "conf/model.h"
#include "conf/text/lex.h"

#define SHOWN_MAX	60	/* bytes of the text in a message */

/* --- what is wrong -------------------------------------------------------- */

static struct conf_place
tree_place(const struct conf_lex *l, int line)
{
	return ((struct conf_place){ l->src->file, line });
}

/* The structure is broken: this alone is reported. */
#define TREE_SYNTAX(l, line, ...) \
	(conf_diags_clear((l)->diags), \
	    conf_diag((l)->diags, tree_place((l), (line)), __VA_ARGS__), false)

static bool
tree_unexpected(struct conf_lex *l, enum conf_lexeme found)
{
	struct slice text = found == CONF_LEX_WORD ? buf_unread(&l->text) :
	    l->mark;

	if (found == CONF_LEX_BAD)
		return (false);
	if (found == CONF_LEX_END)
		return (TREE_SYNTAX(l, l->line,
		    "syntax: premature end of file"));
	return (TREE_SYNTAX(l, l->at, "syntax: unexpected token '%.*s'",
	    text.n < SHOWN_MAX ? (int)text.n : SHOWN_MAX,
	    (const char *)text.p));
}

/* What stands behind a name is something else than found, as is shown. */
static bool
tree_no_value(struct conf_lex *l, enum conf_lexeme found, const char *name)
{
	if (found == CONF_LEX_BAD || found == CONF_LEX_END)
		return (tree_unexpected(l, found));
	return (TREE_SYNTAX(l, l->at, "syntax: missing equal sign after "
	    "directive '%s': %s = ...", name, name));
}

static bool
tree_no_section(struct conf_lex *l, enum conf_lexeme found, const char *what,
    const struct conf_section_row *row)
{
	const char *quote = row->title == NULL ? "" : "\"";

	if (found == CONF_LEX_BAD || found == CONF_LEX_END)
		return (tree_unexpected(l, found));
	return (TREE_SYNTAX(l, l->at, "syntax: missing %s for section '%s': "
	    "%s %s%s%s%s{ ... }", what, row->name, row->name, quote,
	    row->title == NULL ? "" : row->title, quote,
	    row->title == NULL ? "" : " "));
}

static void
tree_unknown(struct conf_lex *l, enum conf_section section, struct slice name)
{
	const char *nearest = conf_name_nearest(section, name);
	const char *in = conf_sections[section].name, *home;
	char hint[64] = "";

	home = conf_name_home(name);
	if (home != NULL && *home != '\0')
		(void)snprintf(hint, sizeof hint, ", it belongs in %s", home);
	else if (home != NULL)
		(void)snprintf(hint, sizeof hint, ", it belongs outside");
	else if (nearest != NULL)
		(void)snprintf(hint, sizeof hint, ", did you mean %s?",
		    nearest);
	conf_diag(l->diags, tree_place(l, l->at),
	    "unknown directive %.*s%s%s%s",
	    (int)(name.n < 64 ? name.n : 64), (const char *)name.p,
	    *in == '\0' ? "" : " in ", in, hint);
}

static void
tree_repeated(struct conf_lex *l, int line, const char *name, int first)
{
	conf_diag(l->diags, tree_place(l, line),
	    "%s is repeated (first in line %d)", name, first);
}

/* --- from the text -------------------------------------------------------- */

static bool
tree_is_mark(const struct conf_lex *l, enum conf_lexeme found, char mark)
{
	return (found == CONF_LEX_MARK && *l->mark.p == (uint8_t)mark);
}

/* Its value, or how its body begins, which found starts; false: this has
 * neither. */
static bool
tree_skip_one(struct conf_lex *l, enum conf_lexeme found, unsigned *depth)
{
	if (tree_is_mark(l, found, '=') || tree_is_mark(l, found, '+')) {
		found = conf_lex_next(l);
		if (!tree_is_mark(l, found, '{'))
			return (found == CONF_LEX_WORD);
		do
			found = conf_lex_next(l);
		while (found == CONF_LEX_WORD || tree_is_mark(l, found, ','));
		return (tree_is_mark(l, found, '}'));
	}
	if (found == CONF_LEX_WORD)
		found = conf_lex_next(l);
	++*depth;
	return (tree_is_mark(l, found, '{'));
}

/* All that an unknown or repeated name holds; false: one can't tell where it
 * ends. */
static bool
tree_skip(struct conf_lex *l, enum conf_lexeme found)
{
	unsigned depth = 0;

	l->quiet = true;
	while (tree_skip_one(l, found, &depth)) {
		while (depth > 0 && tree_is_mark(l,
		    found = conf_lex_next(l), '}'))
			depth--;
		if (depth == 0) {
			l->quiet = false;
			return (true);
		}
		if (found != CONF_LEX_WORD)
			return (false);
		found = conf_lex_next(l);
	}
	return (false);
}

static struct conf_token
tree_token(const struct conf_lex *l)
{
	struct slice text = buf_unread(&l->text);

	return ((struct conf_token){ .at = tree_place(l, l->at),
		.text = conf_strndup(text.p, text.n), .unset = l->unset });
}

/* WORD, or { WORD, WORD }, also with a comma behind the last. */
static bool
tree_values(struct conf_lex *l, struct conf_given *g, bool list)
{
	enum conf_lexeme found = conf_lex_next(l);

	if (found == CONF_LEX_WORD) {
		conf_given_add(g, tree_token(l));
		return (true);
	}
	if (!list || !tree_is_mark(l, found, '{'))
		return (tree_unexpected(l, found));
	do {
		found = conf_lex_next(l);
		if (found == CONF_LEX_WORD) {
			conf_given_add(g, tree_token(l));
			found = conf_lex_next(l);
		} else if (!tree_is_mark(l, found, '}'))
			return (tree_unexpected(l, found));
	} while (tree_is_mark(l, found, ','));
	return (tree_is_mark(l, found, '}') || tree_unexpected(l, found));
}

/* Behind its name; a directive comes once, but lists may grow. */
static bool
tree_directive(struct conf_lex *l, struct conf_tree *tree, size_t row)
{
	const struct conf_given *g = conf_tree_given(tree, row);
	const char *name = conf_directives[row].name;
	bool list = conf_type_is_list(conf_directives[row].type), appends;
	int line = l->at;
	enum conf_lexeme found;

	l->quiet = g != NULL;
	found = conf_lex_next(l);
	l->quiet = false;
	if (found == CONF_LEX_BAD)
		return (false);
	appends = tree_is_mark(l, found, '+');
	if (g != NULL && !appends) {
		tree_repeated(l, line, name, g->line);
		return (tree_skip(l, found));
	}
	if (!appends && !tree_is_mark(l, found, '='))
		return (tree_no_value(l, found, name));
	if (appends && !list)
		return (TREE_SYNTAX(l, l->at, "syntax: attempt to append to "
		    "non-list directive '%s'", name));
	return (tree_values(l, conf_tree_give(tree, row, line), list));
}

static bool tree_body(struct conf_lex *, struct conf_tree *, int brace);

/* Behind its name. */
static bool
tree_section(struct conf_lex *l, struct conf_tree *parent,
    enum conf_section id)
{
	const struct conf_section_row *row = &conf_sections[id];
	struct conf_tree *tree;
	enum conf_lexeme found;

	parent->parts = conf_grow(parent->parts, parent->nparts,
	    &parent->parts_cap, sizeof *parent->parts);
	tree = &parent->parts[parent->nparts++];
	*tree = (struct conf_tree){ .section = id, .line = l->at };
	found = conf_lex_next(l);
	if (row->title != NULL) {
		if (found != CONF_LEX_WORD)
			return (tree_no_section(l, found, "title", row));
		tree->title = tree_token(l);
		found = conf_lex_next(l);
	}
	if (!tree_is_mark(l, found, '{'))
		return (tree_no_section(l, found, "opening brace", row));
	return (tree_body(l, tree, l->at));
}

static bool
tree_name(struct conf_lex *l, struct conf_tree *tree)
{
	struct slice name = buf_unread(&l->text);
	int row = conf_directive_find(tree->section, name);
	int id = conf_section_find(tree->section, name);
	const struct conf_tree *first;

	if (row >= 0)
		return (tree_directive(l, tree, (size_t)row));
	if (id < 0)
		tree_unknown(l, tree->section, name);
	else {
		first = conf_sections[id].title != NULL ? NULL :
		    conf_tree_next(tree, (enum conf_section)id, NULL);
		if (first == NULL)
			return (tree_section(l, tree, (enum conf_section)id));
		tree_repeated(l, l->at, conf_sections[id].name, first->line);
	}
	l->quiet = true;
	return (tree_skip(l, conf_lex_next(l)));
}

/* Names, up to the brace that closes; brace is the line of the one that
 * opened, 0 for the file itself. */
static bool
tree_body(struct conf_lex *l, struct conf_tree *tree, int brace)
{
	enum conf_lexeme found;

	while ((found = conf_lex_next(l)) == CONF_LEX_WORD)
		if (!tree_name(l, tree))
			return (false);
	if (found == CONF_LEX_END && brace > 0)
		return (TREE_SYNTAX(l, brace, "%s { has no closing brace",
		    conf_sections[tree->section].name));
	if (found == CONF_LEX_END)
		return (true);
	if (!tree_is_mark(l, found, '}'))
		return (tree_unexpected(l, found));
	return (brace > 0 ||
	    TREE_SYNTAX(l, l->at, "syntax: unexpected closing brace"));
}

bool
conf_tree_read(struct conf_tree *tree, const struct conf_source *src,
    struct conf_diags *diags)
{
	struct conf_lex lex;
	bool ok;

	*tree = (struct conf_tree){ .section = CONF_SEC_TOP };
	conf_lex_init(&lex, src, diags);
	ok = tree_body(&lex, tree, 0);
	conf_lex_fini(&lex);
	return (ok);
}

/* --- what is said --------------------------------------------------------- */

struct conf_given *
conf_tree_give(struct conf_tree *tree, size_t row, int line)
{
	size_t i;

	for (i = 0; i < tree->ngiven; i++)
		if (tree->given[i].row == row)
			return (&tree->given[i]);
	tree->given = conf_grow(tree->given, tree->ngiven, &tree->given_cap,
	    sizeof *tree->given);
	tree->given[tree->ngiven] =
	    (struct conf_given){ .row = row, .line = line };
	return (&tree->given[tree->ngiven++]);
}

void
conf_given_add(struct conf_given *g, struct conf_token token)
{
	g->tokens = conf_grow(g->tokens, g->n, &g->cap, sizeof *g->tokens);
	g->tokens[g->n++] = token;
}

void
conf_given_clear(struct conf_given *g)
{
	size_t i;

	for (i = 0; i < g->n; i++)
		free(g->tokens[i].text);
	g->n = 0;
}

void
conf_tree_fini(struct conf_tree *tree)
{
	size_t i;

	for (i = 0; i < tree->nparts; i++)
		conf_tree_fini(&tree->parts[i]);
	for (i = 0; i < tree->ngiven; i++) {
		conf_given_clear(&tree->given[i]);
		free(tree->given[i].tokens);
	}
	free(tree->parts);
	free(tree->given);
	free(tree->title.text);
	memset(tree, 0, sizeof *tree);
}

const struct conf_given *
conf_tree_given(const struct conf_tree *tree, size_t row)
{
	size_t i;

	for (i = 0; tree != NULL && i < tree->ngiven; i++)
		if (tree->given[i].row == row)
			return (&tree->given[i]);
	return (NULL);
}

const struct conf_tree *
conf_tree_next(const struct conf_tree *tree, enum conf_section id,
    const struct conf_tree *behind)
{
	size_t i = behind == NULL ? 0 : (size_t)(behind - tree->parts) + 1;

	for (; tree != NULL && i < tree->nparts; i++)
		if (tree->parts[i].section == id)
			return (&tree->parts[i]);
	return (NULL);
}

const struct conf_tree *
conf_tree_plain(const struct conf_tree *whole, enum conf_section id)
{
	return (id == CONF_SEC_TOP ? whole : conf_tree_next(whole, id, NULL));
}

size_t
conf_tree_count(const struct conf_tree *tree, enum conf_section id)
{
	const struct conf_tree *part = NULL;
	size_t n = 0;

	while ((part = conf_tree_next(tree, id, part)) != NULL)
		n++;
	return (n);
}
