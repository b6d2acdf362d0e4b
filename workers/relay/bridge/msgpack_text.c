/*
 * MessagePack as JSON text; see msgpack.h.  One walk over the heads, with a
 * stack of what is open.
 */
#include "relay/bridge/msgpack_int.h"

#include <math.h>
#include <time.h>

#include "base/number_js.h"
#include "base/utf8.h"
#include "proto/json.h"

#define TEXT_EXT_OWN	0	/* notepack's: undefined, dates, ArrayBuffer */
#define TEXT_EXT_TIME	(-1)	/* the specification's timestamps */
#define TEXT_TIME_MAX	8.64e15	/* milliseconds: a Date holds no more */

/* --- scalars --------------------------------------------------------------*/

static void
text_number(struct buf *b, double v)
{
	char text[NUMBER_JS_MAX];

	buf_append(b, text, number_js(v, text));
}

/* Beyond 2^53 as JavaScript reads it. */
static void
text_uint(struct buf *b, uint64_t v)
{
	if (v <= UINT64_C(1) << 53)
		buf_u64(b, v);
	else
		text_number(b, (double)v);
}

static void
text_real(struct buf *b, double v)
{
	if (isfinite(v))
		text_number(b, v);
	else
		buf_str(b, "null");
}

static void
text_str(struct buf *b, struct slice s)
{
	struct buf mended;

	if (utf8_valid(s)) {
		json_escape(b, s);
		return;
	}
	buf_init(&mended);
	utf8_mend(&mended, s);
	json_escape(b, buf_unread(&mended));
	b->oom |= mended.oom;
	buf_fini(&mended);
}

/* Seconds since 1970 and milliseconds in them, as Date.toISOString() does. */
static void
text_iso(struct buf *b, int64_t s, unsigned ms)
{
	time_t t = (time_t)s;
	struct tm tm;
	int year;

	if (gmtime_r(&t, &tm) == NULL) {
		buf_str(b, "null");
		return;
	}
	year = tm.tm_year + 1900;
	buf_printf(b, year < 0 || year > 9999 ? "\"%+07d" : "\"%04d", year);
	buf_printf(b, "-%02d-%02dT%02d:%02d:%02d.%03uZ\"", tm.tm_mon + 1,
	    tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, ms);
}

static void
text_time(struct buf *b, double ms)
{
	int64_t at, s;

	if (!(ms >= -TEXT_TIME_MAX && ms <= TEXT_TIME_MAX)) {
		buf_str(b, "null");
		return;
	}
	at = (int64_t)ms;
	s = at / 1000 - (at % 1000 < 0);
	text_iso(b, s, (unsigned)(at - s * 1000));
}

/* --- extensions -----------------------------------------------------------*/

static uint64_t
text_word(struct slice s)
{
	uint64_t v = 0;
	size_t i;

	for (i = 0; i < s.n; i++)
		v = v << 8 | s.p[i];
	return (v);
}

/* Of the specification: 32, 64 or 96 bits.  false: of another size. */
static bool
text_stamp(struct buf *b, struct slice s)
{
	uint64_t w;

	switch (s.n) {
	case 4:
		text_time(b, (double)text_word(s) * 1e3);
		return (true);
	case 8:
		w = text_word(s);
		text_time(b, (double)(w & ((UINT64_C(1) << 34) - 1)) * 1e3 +
		    (double)(w >> 34) / 1e6);
		return (true);
	case 12:
		w = text_word(slice_from(s, 4));
		text_time(b, (double)(int64_t)w * 1e3 +
		    (double)text_word(slice_of(s.p, 4)) / 1e6);
		return (true);
	}
	return (false);
}

/* What older versions of notepack write; false: it is bytes. */
static bool
text_own(struct buf *b, const struct msgpack_value *v, bool fixed)
{
	if (!fixed)
		return (false);
	if (v->bytes.n == 8)
		text_time(b, (double)(int64_t)text_word(v->bytes));
	else
		buf_str(b, "null");
	return (true);
}

static enum msgpack_result
text_bin(struct msgpack_text *t, struct slice bytes)
{
	if (t->nattach == nitems(t->attachments))
		return (MSGPACK_MANY);
	buf_printf(t->out, "{\"_placeholder\":true,\"num\":%u}", t->nattach);
	t->attachments[t->nattach++] = bytes;
	return (MSGPACK_OK);
}

static enum msgpack_result
text_ext(struct msgpack_text *t, const struct msgpack_value *v, uint8_t first)
{
	bool fixed = first >= 0xd4;

	if (v->ext == TEXT_EXT_TIME && text_stamp(t->out, v->bytes))
		return (MSGPACK_OK);
	if (v->ext == TEXT_EXT_OWN && (!fixed || v->bytes.n == 1 ||
	    v->bytes.n == 8))
		return (text_own(t->out, v, fixed) ? MSGPACK_OK :
		    text_bin(t, v->bytes));
	t->strange++;
	buf_str(t->out, "null");
	return (MSGPACK_OK);
}

/* --- keys -----------------------------------------------------------------*/

/* As JavaScript makes a property's name of it. */
static enum msgpack_result
text_key(struct buf *b, const struct msgpack_value *v)
{
	char digits[MSGPACK_NAME_MAX];
	struct slice name;

	switch (v->type) {
	case MSGPACK_STR:
	case MSGPACK_BIN:
		text_str(b, v->bytes);
		return (MSGPACK_OK);
	case MSGPACK_NIL:
		buf_str(b, "\"null\"");
		return (MSGPACK_OK);
	case MSGPACK_BOOL:
		buf_str(b, v->yes ? "\"true\"" : "\"false\"");
		return (MSGPACK_OK);
	case MSGPACK_UINT:
	case MSGPACK_INT:
		if (msgpack_name(v, digits, &name))
			json_escape(b, name);
		return (MSGPACK_OK);
	case MSGPACK_FLOAT:
		if (!msgpack_name(v, digits, &name))
			name = isnan(v->real) ? SLICE("NaN") : v->real < 0 ?
			    SLICE("-Infinity") : SLICE("Infinity");
		json_escape(b, name);
		return (MSGPACK_OK);
	case MSGPACK_EXT:
	case MSGPACK_ARRAY:
	case MSGPACK_MAP:
		break;
	}
	return (MSGPACK_NO_JSON);
}

/* --- the walk -------------------------------------------------------------*/

struct text_level {
	uint64_t	 left;		/* values; of a map keys as well */
	bool		 map, first;
};

/* Of an array or a map its bracket alone. */
static enum msgpack_result
text_one(struct msgpack_text *t, const struct msgpack_value *v, uint8_t first)
{
	switch (v->type) {
	case MSGPACK_NIL:
		buf_str(t->out, "null");
		break;
	case MSGPACK_BOOL:
		buf_str(t->out, v->yes ? "true" : "false");
		break;
	case MSGPACK_UINT:
		text_uint(t->out, v->uint);
		break;
	case MSGPACK_INT:
		text_number(t->out, (double)v->sint);
		break;
	case MSGPACK_FLOAT:
		text_real(t->out, v->real);
		break;
	case MSGPACK_STR:
		text_str(t->out, v->bytes);
		break;
	case MSGPACK_BIN:
		return (text_bin(t, v->bytes));
	case MSGPACK_EXT:
		return (text_ext(t, v, first));
	case MSGPACK_ARRAY:
		buf_byte(t->out, '[');
		break;
	case MSGPACK_MAP:
		buf_byte(t->out, '{');
		break;
	}
	return (MSGPACK_OK);
}

/* One value, and what stands before it. */
static enum msgpack_result
text_put(struct msgpack_text *t, struct text_level *l,
    const struct msgpack_value *v, uint8_t first)
{
	bool is_key = l->map && l->left % 2 == 0;

	l->left--;
	if (l->map && !is_key)
		buf_byte(t->out, ':');
	else if (!l->first)
		buf_byte(t->out, ',');
	l->first = false;
	/* text is not shorter than what it is made of */
	if (v->type == MSGPACK_STR && v->bytes.n > t->max)
		return (MSGPACK_LARGE);
	return (is_key ? text_key(t->out, v) : text_one(t, v, first));
}

enum msgpack_result
msgpack_text(struct msgpack_text *t, const struct msgpack_value *value)
{
	struct text_level levels[JSON_DEPTH_MAX + 1] = { { 1, false, true } };
	struct slice in = value->raw;
	enum msgpack_result res;
	struct msgpack_value v;
	size_t depth = 0, n;
	unsigned had;

	for (;;) {
		for (; levels[depth].left == 0; depth--) {
			if (depth == 0)
				return (MSGPACK_OK);
			buf_byte(t->out, levels[depth].map ? '}' : ']');
		}
		n = msgpack_head(in, &v);
		MUST(n > 0);	/* it was checked */
		had = t->nattach;
		res = text_put(t, &levels[depth], &v, in.p[0]);
		/* what stands for an attachment is an object */
		if (res == MSGPACK_OK && t->nattach != had &&
		    depth + 1 == nitems(levels))
			res = MSGPACK_NO_JSON;
		if (res == MSGPACK_OK && buf_unread(t->out).n > t->max)
			res = MSGPACK_LARGE;
		if (res != MSGPACK_OK)
			return (res);
		in = slice_from(in, n);
		if (v.type != MSGPACK_ARRAY && v.type != MSGPACK_MAP)
			continue;
		if (++depth == nitems(levels))
			return (MSGPACK_NO_JSON);
		levels[depth] = (struct text_level){ msgpack_inside(&v),
			v.type == MSGPACK_MAP, true };
	}
}
