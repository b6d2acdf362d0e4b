/*
 * Arrays of a few texts; see reply_int.h.
 */
#include "relay/redis/reply_int.h"

#include "base/ascii.h"
#include "proto/codec.h"

#define FLAT_DIGITS	8	/* of a length: less than 100 MB */

/*
 * A type and its number, "$12": the bytes of the line, and the value;
 * CODEC_MORE, CODEC_BAD: as flat_take().
 */
static ssize_t
flat_number(const uint8_t *p, const uint8_t *end, size_t *value)
{
	const uint8_t *start = p++;

	*value = 0;
	for (; p < end && ascii_digit(*p); p++) {
		/* hiredis takes no zero in front, either */
		if (p - start > FLAT_DIGITS || (*value == 0 && p > start + 1))
			return (CODEC_BAD);
		*value = *value * 10 + (unsigned)(*p - '0');
	}
	if (p < end && (*p != '\r' || p == start + 1))
		return (CODEC_BAD);
	if (end - p < 2)
		return (CODEC_MORE);
	return (p[1] == '\n' ? p + 2 - start : CODEC_BAD);
}

static ssize_t
flat_text(const uint8_t *p, const uint8_t *end, struct slice *text)
{
	const uint8_t *start = p;
	ssize_t n;
	size_t bytes;

	if (p == end)
		return (CODEC_MORE);
	if (*p != '$')
		return (CODEC_BAD);
	n = flat_number(p, end, &bytes);
	if (n <= 0)
		return (n);
	p += n;
	if ((size_t)(end - p) < bytes + 2)
		return (CODEC_MORE);
	*text = slice_of(p, bytes);
	p += bytes;
	return (p[0] == '\r' && p[1] == '\n' ? p + 2 - start : CODEC_BAD);
}

ssize_t
flat_take(struct slice in, struct flat *f)
{
	const uint8_t *p = in.p, *end = in.p + in.n;
	size_t count;
	ssize_t n;

	if (in.n == 0)
		return (CODEC_MORE);
	if (*p != '*' && *p != '>')
		return (CODEC_BAD);
	n = flat_number(p, end, &count);
	if (n <= 0)
		return (n);
	if (count == 0 || count > FLAT_TEXTS)
		return (CODEC_BAD);
	p += n;
	for (f->n = 0; f->n < count; f->n++) {
		n = flat_text(p, end, &f->text[f->n]);
		if (n <= 0)
			return (n);
		p += n;
	}
	return (p - in.p);
}
