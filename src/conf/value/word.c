/*
 * Words that a directive's range lists.
 */
#include "conf/value/word.h"

#include <string.h>

/* The next word of "a | b | c"; false at the end. */
static bool
word_next(struct slice *range, struct slice *word)
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
	int i;

	for (i = 0; word_next(&rest, &w); i++)
		if (slice_eq(w, word))
			return (i);
	return (-1);
}

struct slice
conf_word_at(const char *range, unsigned index)
{
	struct slice rest = slice_str(range), w = { NULL, 0 };

	while (word_next(&rest, &w) && index > 0)
		index--;
	return (w);
}
