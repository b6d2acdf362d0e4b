/*
 * A JSON Schema, and behind its first NUL a value; the same bytes are a pattern
 * and a text.  What is refused has words, a fault stays in its place.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"
#include "base/utf8.h"
#include "conf/schema/regex.h"
#include "conf/schema/schema.h"
#include "proto/json.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
schema(struct slice text, struct slice json)
{
	struct conf_schema *s;
	struct conf_fault f;
	const char *wrong = NULL;
	struct slice v;
	int line = 0;

	s = conf_schema_read(text, &wrong, &line);
	MUST(s != NULL || (wrong[0] != '\0' && line > 0));
	if (s != NULL && json_value(json, &v) == (ssize_t)json.n &&
	    !conf_schema_holds(s, v, &f))
		MUST(f.at < sizeof f.path && f.why[0] != '\0' &&
		    (f.path[f.at] == '\0' || f.path[f.at] == '/'));
	conf_schema_free(&s);
}

static void
pattern(const char *text, struct slice in)
{
	const char *wrong = NULL;
	struct conf_regex *r = conf_regex_new(text, &wrong);
	uint64_t work = 0;

	MUST((r == NULL) == (wrong != NULL));
	if (r != NULL && conf_regex_match(r, in, &work))
		MUST(in.n <= CONF_REGEX_BYTES);
	conf_regex_free(&r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char *copy = malloc(n + 1);
	struct slice all, rest;
	size_t first;

	if (copy == NULL)
		return (0);
	if (n > 0)
		memcpy(copy, p, n);
	copy[n] = '\0';
	first = strlen(copy);
	all = slice_of(copy, n);
	rest = first < n ? slice_from(all, first + 1) : slice_of(copy + n, 0);
	schema(slice_of(copy, first), rest);
	/* what a configuration and JSON can hold is UTF-8 */
	if (utf8_valid(all))
		pattern(copy, rest);
	free(copy);
	return (0);
}
