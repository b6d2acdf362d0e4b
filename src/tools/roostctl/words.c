/*
 * What log lines say; see words.h.  Called by wait.c.
 */
#include "tools/roostctl/words.h"

#include <string.h>

/* Each is: words, with {key} for what the line has. */
static const struct words_row {
	const char	*event;
	const char	*words;
} words_rows[] = {
	{ "config_bad", "{what}" },
	{ "config_refused", "{at}: {what}: {why}" },
	{ "config_added", "added {what}" },
	{ "config_removed", "removed {what}" },
	{ "config_changed", "changed {what}: {before} -> {after}" },
	{ "turned_back", "the new workers do not serve: {why}" },
	{ "not_listening", "{why}" },
	{ "resize_refused", "{why}" },
	{ "turn_refused", "it lets its clients go, and ends then" },
	{ "log_not_reopened", "{file}: {error}" },
	{ "child_says", "{text}" },
	{ "reload_failed", "" },
	{ "upgrade_failed", "{binary}: {why}" },
	{ "upgrade_rolled_back", "" },
	{ "upgraded", "version {version}, {before} before" },
};

bool
words_value(struct slice line, const char *key, struct slice *value)
{
	size_t n = strlen(key), i, end;

	for (i = 0; i + n + 1 < line.n; i++) {
		if (line.p[i] == '"') {		/* a value: behind it */
			for (i++; i < line.n && line.p[i] != '"'; i++)
				continue;
			continue;
		}
		if ((i > 0 && line.p[i - 1] != ' ') || line.p[i + n] != '=' ||
		    memcmp(line.p + i, key, n) != 0)
			continue;
		i += n + 1;
		if (i < line.n && line.p[i] == '"') {
			for (end = ++i; end < line.n && line.p[end] != '"';
			    end++)
				continue;
		} else
			for (end = i; end < line.n && line.p[end] != ' ';
			    end++)
				continue;
		*value = slice_of(line.p + i, end - i);
		return (true);
	}
	*value = slice_of(NULL, 0);
	return (false);
}

static const struct words_row *
words_find(struct slice line)
{
	size_t i, n;

	for (i = 0; i < nitems(words_rows); i++) {
		n = strlen(words_rows[i].event);
		if (line.n >= n && memcmp(line.p, words_rows[i].event, n) == 0 &&
		    (line.n == n || line.p[n] == ' '))
			return (&words_rows[i]);
	}
	return (NULL);
}

/* {key} at w; returns what is behind it. */
static const char *
words_key(struct buf *b, const char *w, struct slice line)
{
	char key[32];
	struct slice value;
	size_t n = 0;

	for (w++; *w != '}'; w++)
		if (n + 1 < sizeof key)
			key[n++] = *w;
	key[n] = '\0';
	if (words_value(line, key, &value))
		buf_slice(b, value);
	else
		buf_byte(b, '?');
	return (w + 1);
}

/* Without values (a whole section): only what is before the colon. */
static bool
words_has_values(const char *words, struct slice line)
{
	struct slice value;

	return (strstr(words, "{before}") == NULL ||
	    words_value(line, "before", &value));
}

void
words_put(struct buf *b, char level, struct slice line)
{
	const struct words_row *row = words_find(line);
	const char *w;

	if (row == NULL) {
		if (level == 'i')
			return;
		buf_slice(b, line);
		buf_byte(b, '\n');
		return;
	}
	if (row->words[0] == '\0')
		return;
	for (w = row->words; *w != '\0'; ) {
		if (*w == ':' && !words_has_values(row->words, line))
			break;
		if (*w == '{')
			w = words_key(b, w, line);
		else
			buf_byte(b, (uint8_t)*w++);
	}
	buf_byte(b, '\n');
}
