/*
 * Any bytes as JSON: what is found valid can be walked to its leaves, its
 * strings and numbers answer every question, and skipping agrees with
 * checking.
 */
#include <stdlib.h>

#include "base/utf8.h"
#include "proto/json.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
visit_string(struct slice raw)
{
	uint8_t *plain = malloc(raw.n);
	ssize_t n, name;
	struct buf b;

	MUST(plain != NULL);
	name = json_name(raw, plain, raw.n);
	n = json_unescape(raw, plain);
	MUST(name == n || name == -1);
	MUST(json_string_chars(raw) <= raw.n - 2);
	if (n >= 0) {
		struct slice s = slice_of(plain, (size_t)n);

		MUST(utf8_valid(s) && json_string_eq(raw, s));
		buf_init(&b);
		json_escape(&b, s);
		MUST(b.wpos == json_escape_size(s));
		MUST(json_valid(buf_unread(&b)));
		MUST(json_string_eq(buf_unread(&b), s));
		buf_fini(&b);
	}
	free(plain);
}

/* Whatever it says is text, of the size foretold. */
static void
visit_text(struct slice raw, uint8_t without)
{
	size_t n = json_plain_size(raw, without);
	uint8_t *text = malloc(n + 1);

	MUST(text != NULL && n <= raw.n - 2);
	MUST(json_plain_to(text, raw, without) == text + n);
	MUST(utf8_valid(slice_of(text, n)));
	MUST(without == 0 || memchr(text, without, n) == NULL);
	free(text);
}

static void
visit_scalar(struct slice v)
{
	int64_t i;
	double d;

	if (json_type(v) == JSON_STRING) {
		visit_string(v);
		visit_text(v, 0);
		visit_text(v, 0x1e);
	}
	if (json_type(v) != JSON_NUMBER) {
		MUST(!json_int(v, &i) && !json_double(v, &d));
		return;
	}
	MUST(json_double(v, &d));
	if (json_int(v, &i))
		MUST((double)i == d);
}

static void
visit(struct slice v, int depth)
{
	struct json_iter it;
	struct slice key, value, found;

	MUST(depth <= JSON_DEPTH_MAX);
	MUST(json_valid(v));
	if (!json_enter(v, &it)) {
		visit_scalar(v);
		return;
	}
	while (json_next(&it, &key, &value)) {
		MUST((key.n > 0) == (json_type(v) == JSON_OBJECT));
		if (key.n > 0)
			visit_string(key);
		visit(value, depth + 1);
	}
	if (json_get(v, SLICE("num"), &found))
		MUST(json_type(v) == JSON_OBJECT && json_valid(found));
}

/* Nothing but halves of pairs changes, and once is enough. */
static void
mend(struct slice in, bool valid)
{
	uint8_t *p = malloc(2 * in.n + 1), *again = p + in.n;

	MUST(p != NULL);
	if (in.n > 0)
		memcpy(p, in.p, in.n);
	json_mend(p, in.n);
	MUST(json_valid(slice_of(p, in.n)) == valid);
	memcpy(again, p, in.n);
	json_mend(again, in.n);
	MUST(memcmp(p, again, in.n) == 0);
	free(p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice in = slice_of(data, n), v;
	ssize_t used = json_value(in, &v);

	mend(in, json_valid(in));

	MUST(used == CODEC_BAD || (used > 0 && (size_t)used <= n));
	if (used > 0)
		visit(v, 0);
	return (0);
}
