/*
 * Both configurations as lists of names and values, sorted by name, and
 * merged; see diff.h.
 */
#include "conf/read/diff.h"

#include <stdlib.h>

#include "base/digest.h"
#include "conf/read/type.h"
#include "conf/read/walk.h"
#include "conf/value/string.h"

struct diff_line {
	const char	*name, *value;	/* value NULL: a section */
	uint8_t		 hidden[32];	/* digest of what value does not show */
	bool		 reload;
};

struct diff_side {
	struct diff_line *lines;
	size_t		 nlines, room;
	struct buf	 prefix;	/* 'namespace "/x": ' */
	size_t		 lengths[CONF_SECTION_DEPTH + 1]; /* of it, outside */
	struct buf	 before[CONF_SECTION_DEPTH + 1]; /* the section that
					 * stands before, at this depth */
	unsigned	 depth;
	bool		 oom;
};

/* --- one side -------------------------------------------------------------*/

static char *
diff_copy(struct diff_side *s, struct buf *b)
{
	char *copy;

	buf_byte(b, '\0');
	copy = b->oom ? NULL : strdup((const char *)b->data);
	s->oom |= copy == NULL;
	return (copy);
}

/* A line, zeroed but for its name: the prefix and this. */
static struct diff_line *
diff_line(struct diff_side *s, const char *name)
{
	size_t room = s->room == 0 ? 256 : 2 * s->room;
	struct diff_line *lines;
	struct buf b;

	if (s->nlines == s->room) {
		lines = reallocarray(s->lines, room, sizeof *lines);
		if (lines == NULL) {
			s->oom = true;
			return (NULL);
		}
		s->lines = lines;
		s->room = room;
	}
	lines = &s->lines[s->nlines++];
	memset(lines, 0, sizeof *lines);
	buf_init(&b);
	buf_slice(&b, buf_unread(&s->prefix));
	buf_str(&b, name);
	lines->name = diff_copy(s, &b);
	buf_fini(&b);
	return (lines);
}

static void
diff_on_directive(void *arg, const struct conf_directive *row,
    const void *object)
{
	struct diff_side *s = arg;
	struct diff_line *l = diff_line(s, row->name);
	struct buf b;

	if (l == NULL)
		return;
	l->reload = row->reload;
	buf_init(&b);
	conf_value_hidden(row, object, &b);
	s->oom |= b.oom;
	digest_sha256(buf_unread(&b), l->hidden);
	if (b.data != NULL)
		explicit_bzero(b.data, b.cap);
	buf_reset(&b);
	conf_value_dump(row, object, &b);
	l->value = diff_copy(s, &b);
	buf_fini(&b);
}

/* A section is as whole as its directives: one of them wants a restart, or
 * none. */
static bool
diff_reloads(enum conf_section section)
{
	size_t i;

	for (i = 0; i < CONF_NDIRECTIVES; i++)
		if (conf_directives[i].section == section &&
		    !conf_directives[i].reload)
			return (false);
	return (true);
}

/* Of rooms and routes the first that matches applies. */
static void
diff_position(struct diff_side *s, const struct buf *title)
{
	struct diff_line *l = diff_line(s, "position");
	struct buf *before = &s->before[s->depth], b;

	buf_init(&b);
	if (before->wpos == 0)
		buf_str(&b, "first");
	else {
		buf_str(&b, "behind ");
		buf_slice(&b, buf_unread(before));
	}
	if (l != NULL) {
		l->value = diff_copy(s, &b);
		l->reload = true;
	}
	buf_fini(&b);
	buf_reset(before);
	buf_slice(before, buf_unread(title));
	s->oom |= before->oom;
}

static void
diff_on_open(void *arg, enum conf_section section, const char *title)
{
	struct diff_side *s = arg;
	size_t outside = s->prefix.wpos;
	struct diff_line *l;
	struct buf b;

	MUST(s->depth < CONF_SECTION_DEPTH);
	buf_init(&b);
	if (title != NULL)
		conf_string_print(title, &b);
	buf_str(&s->prefix, conf_sections[section].name);
	if (title != NULL) {
		buf_byte(&s->prefix, ' ');
		buf_slice(&s->prefix, buf_unread(&b));
	}
	l = diff_line(s, "");
	if (l != NULL)
		l->reload = diff_reloads(section);
	buf_str(&s->prefix, ": ");
	if (section == CONF_SEC_ROOM || section == CONF_SEC_ROUTE ||
	    section == CONF_SEC_THEN || section == CONF_SEC_KEY)
		diff_position(s, &b);
	s->oom |= b.oom || s->prefix.oom;
	buf_fini(&b);
	s->lengths[s->depth++] = outside;
	buf_reset(&s->before[s->depth]);
}

static void
diff_on_close(void *arg)
{
	struct diff_side *s = arg;

	s->prefix.wpos = s->lengths[--s->depth];
}

static int
diff_line_order(const void *a, const void *b)
{
	const struct diff_line *x = a, *y = b;

	return (strcmp(x->name, y->name));
}

/* All lines, in the order of their names. */
static void
diff_side_init(struct diff_side *s, const struct conf *conf)
{
	const struct conf_visitor v = { s, diff_on_open, diff_on_close,
		diff_on_directive };
	unsigned i;

	memset(s, 0, sizeof *s);
	buf_init(&s->prefix);
	for (i = 0; i <= CONF_SECTION_DEPTH; i++)
		buf_init(&s->before[i]);
	conf_walk(conf, &v);
	if (!s->oom && s->nlines > 0)
		qsort(s->lines, s->nlines, sizeof *s->lines, diff_line_order);
}

static void
diff_side_fini(struct diff_side *s)
{
	size_t i;

	for (i = 0; i < s->nlines; i++) {
		free((void *)(uintptr_t)s->lines[i].name);
		free((void *)(uintptr_t)s->lines[i].value);
	}
	free(s->lines);
	buf_fini(&s->prefix);
	for (i = 0; i <= CONF_SECTION_DEPTH; i++)
		buf_fini(&s->before[i]);
}

/* --- both -----------------------------------------------------------------*/

struct diff_merge {
	conf_diff_cb	*cb;
	void		*arg;
	const char	*whole;	/* the section of which all is told; or NULL */
	int		 n;
};

static void
diff_tell(struct diff_merge *m, const struct conf_difference *d)
{
	m->n++;
	m->cb(m->arg, d);
}

/* A line of one side only: of a section that the other has not. */
static void
diff_alone(struct diff_merge *m, const struct diff_line *l,
    enum conf_change change)
{
	size_t n = m->whole == NULL ? 0 : strlen(m->whole);
	struct conf_difference d = { change, l->name, NULL, NULL, l->reload };

	if (m->whole != NULL && strncmp(l->name, m->whole, n) == 0 &&
	    l->name[n] == ':')
		return;
	m->whole = l->name;
	diff_tell(m, &d);
}

static void
diff_both(struct diff_merge *m, const struct diff_line *x,
    const struct diff_line *y)
{
	struct conf_difference d = { CONF_CHANGED, x->name, x->value, y->value,
		x->reload };

	if (x->value != NULL && (strcmp(x->value, y->value) != 0 ||
	    memcmp(x->hidden, y->hidden, sizeof x->hidden) != 0))
		diff_tell(m, &d);
}

static void
diff_sides(struct diff_merge *m, const struct diff_side *x,
    const struct diff_side *y)
{
	size_t i = 0, j = 0;
	int order;

	while (i < x->nlines || j < y->nlines) {
		order = i == x->nlines ? 1 : j == y->nlines ? -1 :
		    strcmp(x->lines[i].name, y->lines[j].name);
		if (order < 0)
			diff_alone(m, &x->lines[i++], CONF_REMOVED);
		else if (order > 0)
			diff_alone(m, &y->lines[j++], CONF_ADDED);
		else
			diff_both(m, &x->lines[i++], &y->lines[j++]);
	}
}

int
conf_diff(const struct conf *before, const struct conf *after,
    conf_diff_cb *cb, void *arg)
{
	struct diff_merge m = { cb, arg, NULL, 0 };
	struct diff_side x, y;

	diff_side_init(&x, before);
	diff_side_init(&y, after);
	if (x.oom || y.oom)
		m.n = -1;
	else
		diff_sides(&m, &x, &y);
	diff_side_fini(&x);
	diff_side_fini(&y);
	return (m.n);
}
