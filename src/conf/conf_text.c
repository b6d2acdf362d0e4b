/*
 * Texts of roost.conf: strings as they are written, words of a range.
 */
#include "conf/conf_text.h"

#include <stdlib.h>
#include <string.h>

#include "conf/conf_diag.h"

char *
conf_json_string(const char *text)
{
	struct buf out;
	char *json;

	buf_init(&out);
	buf_byte(&out, '"');
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			buf_byte(&out, '\\');
		if ((unsigned char)*text < 0x20)
			buf_printf(&out, "\\u%04x", (unsigned)*text);
		else
			buf_byte(&out, (uint8_t)*text);
	}
	buf_byte(&out, '"');
	MUST(!out.oom);
	json = conf_strndup(out.data, out.wpos);
	buf_fini(&out);
	return (json);
}

/* The escapes of JSON are also ours; only ${ is special besides. */
void
conf_json_print(const char *json, struct buf *out)
{
	for (; *json != '\0'; json++) {
		if (*json == '$')
			buf_byte(out, '\\');
		buf_byte(out, (uint8_t)*json);
	}
}

void
conf_string_print(const char *text, struct buf *out)
{
	char *json = conf_json_string(text);

	conf_json_print(json, out);
	free(json);
}

/* The next word of "a | b | c"; false at the end. */
static bool
next_word(struct slice *range, struct slice *word)
{
	const uint8_t *bar;

	if (range->n == 0)
		return (false);
	bar = memmem(range->p, range->n, " | ", 3);
	*word = *range;
	if (bar != NULL)
		word->n = (size_t)(bar - range->p);
	*range = slice_from(*range, word->n + (bar == NULL ? 0 : 3));
	return (true);
}

int
conf_word_index(const char *range, struct slice word)
{
	struct slice rest = slice_str(range), w;

	for (int i = 0; next_word(&rest, &w); i++)
		if (slice_eq(w, word))
			return (i);
	return (-1);
}

struct slice
conf_word_at(const char *range, unsigned index)
{
	struct slice rest = slice_str(range), w = { NULL, 0 };

	while (next_word(&rest, &w) && index > 0)
		index--;
	return (w);
}
