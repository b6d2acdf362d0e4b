/*
 * Patterns of names: from text to pieces, and names held against them.  Asked
 * for each message; nothing is allocated then.
 */
#include "conf/pattern.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "conf/heap.h"

/* --- text to pieces --------------------------------------------------- */

static bool
pattern_is_param_name(struct slice s)
{
	size_t i;

	if (s.n == 0 || isdigit(s.p[0]))
		return (false);
	for (i = 0; i < s.n; i++)
		if (!isalnum(s.p[i]) && s.p[i] != '_')
			return (false);
	return (true);
}

static struct slice
pattern_piece_text(const struct conf_piece *piece)
{
	return (slice_of(piece->text, piece->len));
}

void
conf_pieces_free(struct conf_piece *pieces, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		free(pieces[i].text);
	free(pieces);
}

static const char *
pattern_add_piece(struct slice *in, struct conf_piece *piece)
{
	const uint8_t *end;
	struct slice text = { in->p, 0 };

	piece->param = *in->p == '{';
	piece->rest = false;
	if (piece->param) {
		end = memchr(in->p, '}', in->n);
		if (end == NULL)
			return ("\"{\" without \"}\"");
		text = slice_of(in->p + 1, (size_t)(end - in->p) - 1);
		*in = slice_from(*in, text.n + 2);
		piece->rest = text.n > 0 && text.p[text.n - 1] == '*';
		text.n -= piece->rest;
		if (!pattern_is_param_name(text))
			return ("a parameter's name has letters, digits and _");
	} else {
		while (text.n < in->n && in->p[text.n] != '{')
			if (in->p[text.n++] == '}')
				return ("\"}\" without \"{\"");
		*in = slice_from(*in, text.n);
	}
	piece->text = conf_strndup(text.p, text.n);
	piece->len = text.n;
	return (NULL);
}

/* rest: the last parameter may take all that is left. */
static const char *
pattern_pieces(const char *text, struct conf_piece **pieces, size_t *n,
    bool rest)
{
	struct slice in = slice_str(text);
	const char *wrong = NULL;
	size_t cap = 0;

	*pieces = NULL;
	*n = 0;
	while (in.n > 0 && wrong == NULL) {
		*pieces = conf_grow(*pieces, *n, &cap, sizeof **pieces);
		wrong = pattern_add_piece(&in, &(*pieces)[*n]);
		if (wrong == NULL && (*pieces)[(*n)++].rest &&
		    (!rest || in.n > 0))
			wrong = "only the last parameter of a pattern takes "
			    "the rest";
	}
	if (wrong == NULL)
		return (NULL);
	conf_pieces_free(*pieces, *n);
	*pieces = NULL;
	*n = 0;
	return (wrong);
}

const char *
conf_template_parse(const char *text, struct conf_piece **pieces, size_t *n)
{
	return (pattern_pieces(text, pieces, n, false));
}

static const char *
pattern_check_params(struct conf_pattern *pattern)
{
	const struct conf_piece *p = pattern->pieces;
	size_t i, j;

	for (i = 0; i < pattern->npieces; i++) {
		if (!p[i].param)
			continue;
		if (i > 0 && p[i - 1].param)
			return ("two parameters need a byte between them");
		for (j = 0; j < i; j++)
			if (p[j].param &&
			    slice_eq(pattern_piece_text(&p[j]),
			    pattern_piece_text(&p[i])))
				return ("a parameter's name is used twice");
		if (++pattern->nparams > CONF_PARAMS_MAX)
			return ("more than 8 parameters");
	}
	return (NULL);
}

const char *
conf_pattern_parse(const char *text, struct conf_pattern *pattern)
{
	const char *wrong;

	memset(pattern, 0, sizeof *pattern);
	wrong = pattern_pieces(text, &pattern->pieces, &pattern->npieces, true);
	if (wrong == NULL)
		wrong = pattern_check_params(pattern);
	if (wrong == NULL)
		pattern->text = conf_strdup(text);
	else
		conf_pattern_fini(pattern);
	return (wrong);
}

void
conf_pattern_fini(struct conf_pattern *pattern)
{
	conf_pieces_free(pattern->pieces, pattern->npieces);
	free(pattern->text);
	memset(pattern, 0, sizeof *pattern);
}

bool
conf_pattern_same(const struct conf_pattern *a, const struct conf_pattern *b)
{
	size_t i;

	if (a->text == NULL || a->npieces != b->npieces)
		return (false);
	for (i = 0; i < a->npieces; i++)
		if (a->pieces[i].param != b->pieces[i].param ||
		    a->pieces[i].rest != b->pieces[i].rest ||
		    (!a->pieces[i].param &&
		    !slice_eq(pattern_piece_text(&a->pieces[i]),
		    pattern_piece_text(&b->pieces[i]))))
			return (false);
	return (true);
}

void
conf_pieces_print(const struct conf_piece *pieces, size_t n, struct buf *out)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (pieces[i].param)
			buf_byte(out, '{');
		buf_slice(out, pattern_piece_text(&pieces[i]));
		if (pieces[i].param)
			buf_str(out, pieces[i].rest ? "*}" : "}");
	}
}

/* --- matching --------------------------------------------------------- */

/* The bytes that a parameter takes: up to ':', '/' or its own end. */
static struct slice
pattern_take_param(struct slice s, const struct conf_piece *next)
{
	struct slice value = { s.p, 0 };
	uint8_t end = next == NULL ? ':' : (uint8_t)next->text[0];

	while (value.n < s.n && s.p[value.n] != ':' && s.p[value.n] != '/' &&
	    s.p[value.n] != end)
		value.n++;
	return (value);
}

bool
conf_pattern_match(const struct conf_pattern *pattern, struct slice s,
    struct slice values[CONF_PARAMS_MAX])
{
	const struct conf_piece *p = pattern->pieces;
	size_t nvalues = 0;
	size_t i;

	for (i = 0; i < pattern->npieces; i++) {
		if (!p[i].param) {
			if (!slice_starts(s, pattern_piece_text(&p[i])))
				return (false);
			s = slice_from(s, p[i].len);
			continue;
		}
		values[nvalues] = p[i].rest ? s : pattern_take_param(s,
		    i + 1 < pattern->npieces ? &p[i + 1] : NULL);
		if (values[nvalues].n == 0)
			return (false);
		s = slice_from(s, values[nvalues++].n);
	}
	return (s.n == 0);
}

int
conf_pattern_param(const struct conf_pattern *pattern, struct slice name)
{
	int index = 0;
	size_t i;

	for (i = 0; i < pattern->npieces; i++) {
		if (!pattern->pieces[i].param)
			continue;
		if (slice_eq(pattern_piece_text(&pattern->pieces[i]), name))
			return (index);
		index++;
	}
	return (-1);
}
