/*
 * SockJS's text; see json_sockjs.h.
 */
#include "proto/json_sockjs.h"

/* --- in -------------------------------------------------------------------- */

static bool
sockjs_are_strings(struct slice array)
{
	struct slice key, value;
	struct json_iter it;

	if (!json_enter(array, &it))
		return (false);
	while (json_next(&it, &key, &value))
		if (json_type(value) != JSON_STRING)
			return (false);
	return (true);
}

static bool
sockjs_is_blank(struct slice text)
{
	size_t i;

	for (i = 0; i < text.n; i++)
		if (text.p[i] != ' ' && text.p[i] != '\t' &&
		    text.p[i] != '\n' && text.p[i] != '\r')
			return (false);
	return (true);
}

bool
sockjs_decode(struct slice text, struct sockjs_messages *m)
{
	struct slice value;

	*m = (struct sockjs_messages){ .one = { NULL, 0 } };
	if (sockjs_is_blank(text))
		return (true);
	if (json_value(text, &value) != (ssize_t)text.n)
		return (false);
	if (json_type(value) == JSON_STRING) {
		m->one = value;
		return (true);
	}
	return (json_type(value) == JSON_ARRAY && sockjs_are_strings(value) &&
	    json_enter(value, &m->rest));
}

bool
sockjs_next(struct sockjs_messages *m, struct slice *raw)
{
	struct slice key;

	if (m->one.n > 0) {
		*raw = m->one;
		m->one = slice_of(NULL, 0);
		return (true);
	}
	return (json_next(&m->rest, &key, raw));
}

/* --- out ------------------------------------------------------------------- */

/*
 * The character at p, n bytes of which are left, as it has to be written: the
 * letter behind the backslash, 'u' for the number in *cp; 0: as it is.  *len:
 * its bytes, 1 for what is written as it is.
 */
static inline uint8_t
sockjs_letter(const uint8_t *p, size_t n, size_t *len, unsigned *cp)
{
	static const uint8_t letters[0x20] = {
		['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
		['\r'] = 'r'
	};

	*len = 1;
	*cp = p[0];
	if (likely(p[0] >= 0x20 && p[0] < 0xe2))
		return (p[0] == '"' || p[0] == '\\' ? p[0] : 0);
	if (p[0] < 0x20)
		return (letters[p[0]] != 0 ? letters[p[0]] : 'u');
	if (n < 3 || (p[0] != 0xe2 && p[0] != 0xef))
		return (0);
	*cp = (p[0] & 0xfu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
	if ((*cp >= 0x200c && *cp <= 0x200f) ||
	    (*cp >= 0x2028 && *cp <= 0x202f) ||
	    (*cp >= 0x2060 && *cp <= 0x206f) ||
	    (*cp >= 0xfff0 && *cp <= 0xffff)) {
		*len = 3;
		return ('u');
	}
	return (0);
}

size_t
sockjs_escape_more(struct slice text)
{
	size_t i, len, more = 0;
	unsigned cp;
	uint8_t l;

	for (i = 0; i < text.n; i += len) {
		l = sockjs_letter(text.p + i, text.n - i, &len, &cp);
		if (unlikely(l != 0))
			more += (l == 'u' ? 6 : 2) - len;
	}
	return (more);
}

uint8_t *
sockjs_escape_to(uint8_t *out, struct slice text)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = text.p, *end = slice_end(text);
	unsigned cp, shift;
	size_t len;
	uint8_t l;

	for (; p < end; p += len) {
		l = sockjs_letter(p, (size_t)(end - p), &len, &cp);
		if (likely(l == 0)) {
			*out++ = *p;
			continue;
		}
		*out++ = '\\';
		*out++ = l;
		if (l != 'u')
			continue;
		for (shift = 16; shift > 0; shift -= 4)
			*out++ = (uint8_t)digits[cp >> (shift - 4) & 0xf];
	}
	return (out);
}

void
sockjs_encode_close(struct buf *b, unsigned code, const char *words)
{
	buf_str(b, "c[");
	buf_u64(b, code);
	buf_str(b, ",\"");
	buf_str(b, words);
	buf_str(b, "\"]");
}

/* Frames have no line breaks.  "<" begins what could end the script. */
void
sockjs_encode_script(struct buf *b, struct slice frame)
{
	size_t i;

	for (i = 0; i < frame.n; i++)
		switch (frame.p[i]) {
		case '"':
		case '\\':
			buf_byte(b, '\\');
			buf_byte(b, frame.p[i]);
			break;
		case '<':
			buf_str(b, "\\u003c");
			break;
		default:
			buf_byte(b, frame.p[i]);
			break;
		}
}

/* --- names ----------------------------------------------------------------- */

bool
sockjs_name_is_good(struct slice s)
{
	return (s.n > 0 && s.n <= SOCKJS_SESSION_MAX &&
	    memchr(s.p, '.', s.n) == NULL && memchr(s.p, '/', s.n) == NULL);
}

bool
sockjs_callback_is_good(struct slice s)
{
	size_t i;
	uint8_t c;

	for (i = 0; i < s.n; i++) {
		c = s.p[i];
		if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
		    (c >= 'a' && c <= 'z') || c == '-' || c == '_' || c == '.'))
			return (false);
	}
	return (s.n > 0 && s.n <= SOCKJS_CALLBACK_MAX);
}
