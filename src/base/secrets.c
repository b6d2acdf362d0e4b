/*
 * Lines of a file; see secrets.h.
 */
#include "base/secrets.h"

#include "base/bug.h"

/* Takes a line off, without its end. */
static struct slice
secrets_line(struct slice *text)
{
	struct slice line = *text;
	const uint8_t *end = memchr(text->p, '\n', text->n);

	if (end != NULL)
		line.n = (size_t)(end - text->p);
	*text = slice_from(*text, end != NULL ? line.n + 1 : line.n);
	while (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	return (line);
}

const char *
secrets_split(struct secrets *s, struct slice text)
{
	struct slice line;

	s->n = 0;
	if (text.n > SECRETS_FILE_MAX)
		return ("it has more than 4095 bytes");
	while (text.n > 0) {
		line = secrets_line(&text);
		if (line.n == 0)
			continue;
		if (line.n < SECRETS_BYTES_MIN)
			return ("a secret has less than 16 bytes");
		if (s->n == SECRETS_MAX)
			return ("it has more than 4 secrets");
		s->each[s->n++] = line;
	}
	return (s->n == 0 ? "it is empty" : NULL);
}
