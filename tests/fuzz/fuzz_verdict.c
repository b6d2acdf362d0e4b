/*
 * What a hook answers: what is found lies within it, and is JSON.
 */
#include "proto/json_verdict.h"
#include "proto/json.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
inside(struct slice in, struct slice part)
{
	MUST(part.n == 0 || (part.p >= in.p && slice_end(part) <=
	    slice_end(in)));
}

/* Elements, without brackets. */
static void
elements(struct slice args)
{
	struct slice value;
	ssize_t n;

	while (args.n > 0) {
		n = json_value(args, &value);
		if (n < 0 || value.n == 0)
			break;
		args = slice_from(args, (size_t)n);
		MUST(args.n == 0 || (args.p[0] == ',' && args.n > 1));
		args = slice_from(args, args.n == 0 ? 0 : 1);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice in = slice_of(data, n);
	char words[VERDICT_WORDS_MAX + 1];
	struct verdict v;

	if (!verdict_decode(in, &v))
		return (0);
	MUST(n == 0 || json_valid(in));
	inside(in, v.ack);
	inside(in, v.message);
	inside(in, v.code);
	inside(in, v.data);
	inside(in, v.user);
	inside(in, v.roles);
	inside(in, v.rooms);
	inside(in, v.event);
	elements(v.ack);
	MUST(v.data.n == 0 || json_valid(v.data));
	MUST(v.code.n <= VERDICT_CODE_MAX);
	verdict_words(&v, words);
	MUST(strlen(words) <= VERDICT_WORDS_MAX);
	MUST(v.message.n == 0 || (json_type(v.message) == JSON_STRING &&
	    json_plain_size(v.message, 0) <= v.message.n));
	return (0);
}
