/*
 * UTF-8 validation with an eight-byte skip over ASCII, which is what most
 * JSON is.  The state holds the number of continuation bytes due (low 2
 * bits) and the range that the next one must be in.
 */
#include "base/utf8.h"

#define STATE(due, lo, hi) ((uint32_t)(due) | (uint32_t)(lo) << 8 | \
	(uint32_t)(hi) << 16)

static uint32_t
utf8_lead(uint8_t c)
{
	if (c < 0x80)
		return (UTF8_OK);
	if (c < 0xc2 || c > 0xf4)
		return (UTF8_BAD);
	if (c < 0xe0)
		return (STATE(1, 0x80, 0xbf));
	if (c < 0xf0)
		return (STATE(2, c == 0xe0 ? 0xa0 : 0x80,
		    c == 0xed ? 0x9f : 0xbf));
	return (STATE(3, c == 0xf0 ? 0x90 : 0x80, c == 0xf4 ? 0x8f : 0xbf));
}

uint32_t
utf8_feed(uint32_t state, struct slice in)
{
	const uint8_t *p = in.p, *end = slice_end(in);
	uint64_t w;

	if (state == UTF8_BAD)
		return (UTF8_BAD);
	while (p < end) {
		if (state == UTF8_OK) {
			while (end - p >= 8) {
				memcpy(&w, p, 8);
				if (w & 0x8080808080808080)
					break;
				p += 8;
			}
			if (p == end)
				break;
			state = utf8_lead(*p++);
			if (state == UTF8_BAD)
				return (UTF8_BAD);
			continue;
		}
		if (*p < (state >> 8 & 0xff) || *p > (state >> 16 & 0xff))
			return (UTF8_BAD);
		p++;
		state = (state & 3) == 1 ? UTF8_OK :
		    STATE((state & 3) - 1, 0x80, 0xbf);
	}
	return (state);
}

bool
utf8_valid(struct slice in)
{
	return (utf8_feed(UTF8_OK, in) == UTF8_OK);
}

bool
utf8_lossy(struct slice s)
{
	return (s.n != 0 && memmem(s.p, s.n, "\xef\xbf\xbd", 3) != NULL);
}

bool
utf8_name(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] < 0x20 || s.p[i] == 0x7f)
			return (false);
	return (utf8_valid(s) && !utf8_lossy(s));
}

/* Of a character that is cut off or goes wrong, what was right so far is one
 * U+FFFD, and what comes then is looked at anew. */
void
utf8_mend(struct buf *out, struct slice s)
{
	uint32_t state = UTF8_OK, next;
	size_t i = 0, start = 0;

	while (i < s.n) {
		next = utf8_feed(state, slice_of(s.p + i, 1));
		if (next != UTF8_BAD || state == UTF8_OK)
			i++;
		state = next == UTF8_BAD ? UTF8_OK : next;
		if (next == UTF8_BAD)
			buf_str(out, "\xef\xbf\xbd");
		else if (next == UTF8_OK)
			buf_append(out, s.p + start, i - start);
		if (state == UTF8_OK)
			start = i;
	}
	if (state != UTF8_OK)
		buf_str(out, "\xef\xbf\xbd");
}

size_t
utf8_cut(struct slice s)
{
	size_t i = s.n, want;

	while (i > 0 && s.n - i < 3 && (s.p[i - 1] & 0xc0) == 0x80)
		i--;
	if (i == 0 || s.p[i - 1] < 0xc0)
		return (s.n);
	want = s.p[i - 1] >= 0xf0 ? 4 : s.p[i - 1] >= 0xe0 ? 3 : 2;
	return (s.n - (i - 1) < want ? i - 1 : s.n);
}

size_t
utf8_put(uint8_t out[4], uint32_t cp)
{
	if (cp < 0x80) {
		out[0] = (uint8_t)cp;
		return (1);
	}
	if (cp < 0x800) {
		out[0] = (uint8_t)(0xc0 | cp >> 6);
		out[1] = (uint8_t)(0x80 | (cp & 0x3f));
		return (2);
	}
	if (cp < 0x10000) {
		out[0] = (uint8_t)(0xe0 | cp >> 12);
		out[1] = (uint8_t)(0x80 | (cp >> 6 & 0x3f));
		out[2] = (uint8_t)(0x80 | (cp & 0x3f));
		return (3);
	}
	out[0] = (uint8_t)(0xf0 | cp >> 18);
	out[1] = (uint8_t)(0x80 | (cp >> 12 & 0x3f));
	out[2] = (uint8_t)(0x80 | (cp >> 6 & 0x3f));
	out[3] = (uint8_t)(0x80 | (cp & 0x3f));
	return (4);
}
