/*
 * Log lines in JSON; see log_json.h.
 */
#include "sys/log_json.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/bug.h"
#include "base/utf8.h"

#define JSON_END	16u	/* ,"cut":true} */
#define JSON_DIGITS	15u	/* a number that all readers hold */

struct json_line {
	char		*out;
	size_t		 n, cap;
	bool		 cut;
};

/* All of it or nothing. */
static void json_add(struct json_line *, const char *fmt, ...)
    PRINTF_LIKE(2, 3);
static void
json_add(struct json_line *l, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(l->out + l->n, l->cap - l->n, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= l->cap - l->n)
		l->cut = true;
	else
		l->n += (size_t)n;
}

static void
json_byte(struct json_line *l, uint8_t c)
{
	if (l->cap - l->n <= 1)
		l->cut = true;
	else
		l->out[l->n++] = (char)c;
}

static void
json_string(struct json_line *l, struct slice s)
{
	bool text = utf8_valid(s);
	const uint8_t *p = s.p;
	size_t i;

	json_byte(l, '"');
	for (i = 0; i < s.n && !l->cut; i++) {
		if (p[i] == '"' || p[i] == '\\')
			json_add(l, "\\%c", p[i]);
		else if (p[i] < ' ' || p[i] == 0x7f || (p[i] > 0x7f && !text))
			json_add(l, "\\u%04x", p[i]);
		else
			json_byte(l, p[i]);
	}
	json_byte(l, '"');
}

static bool
json_is_number(struct slice s)
{
	const uint8_t *p = s.p;
	size_t i = s.n > 0 && p[0] == '-' ? 1 : 0, digits = s.n - i;

	if (digits == 0 || digits > JSON_DIGITS ||
	    (p[i] == '0' && (digits > 1 || i == 1)))
		return (false);
	for (; i < s.n; i++)
		if (p[i] < '0' || p[i] > '9')
			return (false);
	return (true);
}

/* One more, or, where that has no room, none. */
static void
json_member(struct json_line *l, struct slice key, struct slice value,
    bool quoted)
{
	size_t before = l->n;

	if (l->cut)
		return;
	if (l->n > 1)
		json_byte(l, ',');
	json_string(l, key);
	json_byte(l, ':');
	if (!quoted && json_is_number(value))
		json_add(l, "%.*s", (int)value.n, (const char *)value.p);
	else
		json_string(l, value);
	if (l->cut)
		l->n = before;
}

static bool
json_is_key(uint8_t c)
{
	return ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
	    c == '.');
}

/* The next "key=value", which is taken from s; false: there is none. */
static bool
json_pair(struct slice *s, struct slice *key, struct slice *value,
    bool *quoted)
{
	const uint8_t *p = s->p;
	size_t i = 0, from;

	while (i < s->n && json_is_key(p[i]))
		i++;
	if (i == 0 || i == s->n || p[i] != '=')
		return (false);
	*key = slice_of(p, i++);
	*quoted = i < s->n && p[i] == '"';
	from = i += *quoted;
	while (i < s->n && p[i] != (*quoted ? '"' : ' '))
		i++;
	if (*quoted && i == s->n)
		return (false);
	*value = slice_of(p + from, i - from);
	i += *quoted;
	if (i < s->n && p[i] != ' ')
		return (false);
	*s = slice_from(*s, i < s->n ? i + 1 : i);
	return (true);
}

static void
json_message(struct json_line *l, struct slice s)
{
	struct slice key, value;
	const uint8_t *p = s.p;
	bool quoted;
	size_t i = 0;

	while (i < s.n && json_is_key(p[i]))
		i++;
	if (i > 0 && (i == s.n || p[i] == ' ')) {
		json_member(l, SLICE("event"), slice_of(p, i), true);
		s = slice_from(s, i < s.n ? i + 1 : i);
	}
	while (json_pair(&s, &key, &value, &quoted))
		json_member(l, key, value, quoted);
	if (s.n > 0)
		json_member(l, SLICE("message"), s, true);
}

size_t
log_json(char *out, size_t cap, const struct log_json_head *h,
    struct slice message)
{
	struct json_line l = { .out = out, .cap = cap - JSON_END };
	bool cut;

	MUST(cap >= 512);
	json_add(&l, "{");
	if (h->time[0] != '\0')
		json_member(&l, SLICE("time"), slice_str(h->time), true);
	json_member(&l, SLICE("level"), slice_str(h->level), true);
	json_member(&l, SLICE("process"), slice_str(h->process), true);
	json_add(&l, ",\"process_id\":%d", h->pid);
	json_message(&l, message);
	cut = l.cut;
	l.cap = cap;
	l.cut = false;
	json_add(&l, "%s}", cut ? ",\"cut\":true" : "");
	return (l.n);
}
