/*
 * Quantities as people write them, both ways.
 */
#include "conf/value/unit.h"

#include <inttypes.h>

struct suffix {
	const char	*text;
	uint64_t	 factor;
	bool		 prints;	/* also used on the way out */
};

/* Largest first. */
static const struct suffix counts[] = {
	{ "M", 1000000, false },
	{ "k", 1000, false },
	{ "", 1, true },
	{ NULL, 0, false },
};

static const struct suffix sizes[] = {
	{ "GiB", 1ULL << 30, true },
	{ "GB", 1000000000, true },
	{ "MiB", 1ULL << 20, true },
	{ "MB", 1000000, true },
	{ "KiB", 1ULL << 10, true },
	{ "KB", 1000, true },
	{ "kB", 1000, false },
	{ "B", 1, true },
	{ "", 1, false },
	{ NULL, 0, false },
};

static const struct suffix durations[] = {
	{ "d", 86400000, true },
	{ "h", 3600000, true },
	{ "m", 60000, true },
	{ "s", 1000, true },
	{ "ms", 1, true },
	{ NULL, 0, false },
};

static const struct {
	const struct suffix *suffixes;
	const char	*help;
} units[] = {
	[CONF_UNIT_COUNT] = { counts, "a count (digits, with k or M behind)" },
	[CONF_UNIT_SIZE] = { sizes,
	    "a size (digits, with B, KB, MB, GB, KiB, MiB or GiB behind)" },
	[CONF_UNIT_DURATION] = { durations,
	    "a duration (digits and ms, s, m, h or d; 1m30s)" },
	[CONF_UNIT_OCTAL] = { NULL, "an octal number" },
};

/* Digits at *p; moves it.  False: none, or too many. */
static bool
unit_digits(struct slice *in, unsigned base, uint64_t *value)
{
	const uint8_t *start = in->p;

	*value = 0;
	while (in->n > 0 && *in->p >= '0' && *in->p < '0' + base) {
		if (__builtin_mul_overflow(*value, base, value) ||
		    __builtin_add_overflow(*value, (uint64_t)(*in->p - '0'),
		    value))
			return (false);
		*in = slice_from(*in, 1);
	}
	return (in->p != start);
}

static const struct suffix *
unit_suffix(const struct suffix *s, struct slice text)
{
	for (; s->text != NULL; s++)
		if (slice_eq(slice_str(s->text), text))
			return (s);
	return (NULL);
}

/* The letters up to the next digit. */
static struct slice
unit_letters(struct slice *in)
{
	struct slice word = { in->p, 0 };

	while (word.n < in->n && (in->p[word.n] < '0' || in->p[word.n] > '9'))
		word.n++;
	*in = slice_from(*in, word.n);
	return (word);
}

bool
conf_unit_parse(enum conf_unit unit, struct slice text, uint64_t *result)
{
	const struct suffix *s;
	uint64_t part;

	*result = 0;
	if (unit == CONF_UNIT_OCTAL)
		return (unit_digits(&text, 8, result) && text.n == 0);
	if (unit == CONF_UNIT_DURATION && slice_eq(text, SLICE("0")))
		return (true);
	do {
		if (!unit_digits(&text, 10, &part))
			return (false);
		s = unit_suffix(units[unit].suffixes, unit_letters(&text));
		if (s == NULL || __builtin_mul_overflow(part, s->factor, &part)
		    || __builtin_add_overflow(*result, part, result))
			return (false);
	} while (unit == CONF_UNIT_DURATION && text.n > 0);
	return (text.n == 0);
}

static void
unit_print_duration(uint64_t ms, struct buf *out)
{
	const struct suffix *s;

	if (ms == 0)
		buf_str(out, "0s");
	for (s = durations; s->text != NULL; s++) {
		if (ms < s->factor)
			continue;
		buf_u64(out, ms / s->factor);
		buf_str(out, s->text);
		ms %= s->factor;
	}
}

void
conf_unit_print(enum conf_unit unit, uint64_t value, struct buf *out)
{
	const struct suffix *s;

	switch (unit) {
	case CONF_UNIT_DURATION:
		unit_print_duration(value, out);
		return;
	case CONF_UNIT_OCTAL:
		buf_printf(out, "%04" PRIo64, value);
		return;
	case CONF_UNIT_COUNT:
	case CONF_UNIT_SIZE:
		break;
	}
	for (s = units[unit].suffixes; s->text != NULL; s++)
		if (s->prints && (s->factor == 1 ||
		    (value != 0 && value % s->factor == 0)))
			break;
	buf_u64(out, value / s->factor);
	buf_str(out, s->text);
}

const char *
conf_unit_help(enum conf_unit unit)
{
	return (units[unit].help);
}
