/*
 * Names against the configuration: which room rule, which route, which event,
 * which namespace.  Asked for each message; nothing is allocated.
 */
#include "conf/conf_match.h"

#include <ctype.h>
#include <stdlib.h>

#include "conf/conf_diag.h"
#include "conf/conf_name.h"
#include "conf/conf_value.h"

/* --- text to pieces ------------------------------------------------------- */

static bool
is_param_name(struct slice s)
{
	if (s.n == 0 || isdigit(s.p[0]))
		return (false);
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum(s.p[i]) && s.p[i] != '_')
			return (false);
	return (true);
}

static struct slice
piece_text(const struct conf_piece *piece)
{
	return (slice_of(piece->text, piece->len));
}

void
conf_pieces_free(struct conf_piece *pieces, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(pieces[i].text);
	free(pieces);
}

static const char *
add_piece(struct slice *in, struct conf_piece *piece)
{
	const uint8_t *end;
	struct slice text = { in->p, 0 };

	piece->param = *in->p == '{';
	if (piece->param) {
		end = memchr(in->p, '}', in->n);
		if (end == NULL)
			return ("\"{\" without \"}\"");
		text = slice_of(in->p + 1, (size_t)(end - in->p) - 1);
		if (!is_param_name(text))
			return ("a parameter's name has letters, digits and _");
		*in = slice_from(*in, text.n + 2);
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

const char *
conf_template_parse(const char *text, struct conf_piece **pieces, size_t *n)
{
	struct slice in = slice_str(text);
	const char *wrong = NULL;
	size_t cap = 0;

	*pieces = NULL;
	*n = 0;
	while (in.n > 0 && wrong == NULL) {
		*pieces = conf_grow(*pieces, *n, &cap, sizeof(**pieces));
		wrong = add_piece(&in, &(*pieces)[*n]);
		if (wrong == NULL)
			(*n)++;
	}
	if (wrong == NULL)
		return (NULL);
	conf_pieces_free(*pieces, *n);
	*pieces = NULL;
	*n = 0;
	return (wrong);
}

static const char *
check_params(struct conf_pattern *pattern)
{
	const struct conf_piece *p = pattern->pieces;

	for (size_t i = 0; i < pattern->npieces; i++) {
		if (!p[i].param)
			continue;
		if (i > 0 && p[i - 1].param)
			return ("two parameters need a byte between them");
		for (size_t j = 0; j < i; j++)
			if (p[j].param &&
			    slice_eq(piece_text(&p[j]), piece_text(&p[i])))
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

	memset(pattern, 0, sizeof(*pattern));
	wrong = conf_template_parse(text, &pattern->pieces, &pattern->npieces);
	if (wrong == NULL)
		wrong = check_params(pattern);
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
	memset(pattern, 0, sizeof(*pattern));
}

bool
conf_pattern_same(const struct conf_pattern *a, const struct conf_pattern *b)
{
	if (a->npieces != b->npieces)
		return (false);
	for (size_t i = 0; i < a->npieces; i++)
		if (a->pieces[i].param != b->pieces[i].param ||
		    (!a->pieces[i].param &&
		    !slice_eq(piece_text(&a->pieces[i]),
		    piece_text(&b->pieces[i]))))
			return (false);
	return (true);
}

void
conf_pieces_print(const struct conf_piece *pieces, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		if (pieces[i].param)
			buf_byte(out, '{');
		buf_slice(out, piece_text(&pieces[i]));
		if (pieces[i].param)
			buf_byte(out, '}');
	}
}

/* --- matching ------------------------------------------------------------- */

/* The bytes that a parameter takes: up to ':', '/' or its own end. */
static struct slice
take_param(struct slice s, const struct conf_piece *next)
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

	for (size_t i = 0; i < pattern->npieces; i++) {
		if (!p[i].param) {
			if (!slice_starts(s, piece_text(&p[i])))
				return (false);
			s = slice_from(s, p[i].len);
			continue;
		}
		values[nvalues] = take_param(s,
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

	for (size_t i = 0; i < pattern->npieces; i++) {
		if (!pattern->pieces[i].param)
			continue;
		if (slice_eq(piece_text(&pattern->pieces[i]), name))
			return (index);
		index++;
	}
	return (-1);
}

const struct conf_room *
conf_room_find(const struct conf_namespace *ns, struct slice room,
    struct slice values[CONF_PARAMS_MAX])
{
	for (size_t i = 0; i < ns->nrooms; i++)
		if (conf_pattern_match(&ns->rooms[i].pattern, room, values))
			return (&ns->rooms[i]);
	return (NULL);
}

bool
conf_path_under(struct slice path, struct slice prefix)
{
	return (slice_starts(path, prefix) &&
	    (path.n == prefix.n || path.p[prefix.n] == '/'));
}

bool
conf_path_own(const struct conf *conf, struct slice path)
{
	static const char *const own[] = { "/health", "/healthz", "/livez",
		"/readyz", "/metrics", "/api/v1", "/api/health", "/console",
		"/demo", "/sse", "/poll" };

	if (conf_path_under(path, slice_str(conf->socketio_path)))
		return (true);
	for (size_t i = 0; i < nitems(own); i++)
		if (conf_path_under(path, slice_str(own[i])))
			return (true);
	return (false);
}

bool
conf_route_match(const struct conf_route *route, struct slice path,
    struct slice values[CONF_PARAMS_MAX])
{
	if (conf_pattern_match(&route->path, path, values))
		return (true);
	/* with or without a slash at its end */
	if (path.n == 0 || path.p[path.n - 1] != '/')
		return (false);
	path.n--;
	return (conf_pattern_match(&route->path, path, values));
}

bool
conf_api_key_covers(const struct conf_api_key *key,
    const struct conf_namespace *ns)
{
	for (size_t i = 0; i < key->nnamespaces; i++)
		if (strcmp(key->namespaces[i], ns->name) == 0)
			return (true);
	return (key->nnamespaces == 0);
}

const struct conf_route *
conf_route_find(const struct conf *conf, struct slice path,
    struct slice values[CONF_PARAMS_MAX])
{
	CHECK_MAGIC(conf, CONF_MAGIC);
	if (conf->nroutes == 0 || conf_path_own(conf, path))
		return (NULL);
	for (size_t i = 0; i < conf->nroutes; i++)
		if (conf_route_match(&conf->routes[i], path, values))
			return (&conf->routes[i]);
	return (NULL);
}

/* --- names by binary search ----------------------------------------------- */

/* By length first: most comparisons end there. */
static int
name_order(struct slice a, struct slice b)
{
	if (a.n != b.n)
		return (a.n < b.n ? -1 : 1);
	return (a.n == 0 ? 0 : memcmp(a.p, b.p, a.n));
}

static int
entry_order(const void *va, const void *vb)
{
	const struct conf_indexed *a = va, *b = vb;
	int order = name_order(a->name, b->name);

	return (order != 0 ? order : (a->line > b->line) - (a->line < b->line));
}

void
conf_index_sort(struct conf_index *index)
{
	if (index->n > 1)
		qsort(index->names, index->n, sizeof(*index->names),
		    entry_order);
}

const void *
conf_index_find(const struct conf_index *index, struct slice name)
{
	size_t low = 0, high = index == NULL ? 0 : index->n, middle;
	int order;

	while (low < high) {
		middle = low + (high - low) / 2;
		order = name_order(name, index->names[middle].name);
		if (order == 0)
			return (index->names[middle].what);
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return (NULL);
}

const struct conf_event *
conf_event_find(const struct conf_namespace *ns, struct slice name)
{
	const struct conf_event *event = conf_index_find(ns->event_index, name);

	if (event == NULL && ns->fallback != NULL &&
	    !conf_event_needs_rule(name))
		event = ns->fallback;
	return (event);
}

const struct conf_namespace *
conf_namespace_find(const struct conf *conf, struct slice name)
{
	CHECK_MAGIC(conf, CONF_MAGIC);
	return (conf_index_find(conf->ns_index, name));
}
