/*
 * JSON text (RFC 8259) without a tree: what a client sent is checked once and
 * then travels verbatim.  Legal but odd input passes: NUL as \u0000, 1e999,
 * duplicate keys (the last one wins, as in JavaScript), and, where json_mend()
 * was not asked, lone surrogates as escapes.  Raw bytes must be UTF-8.  No
 * allocation, no recursion.
 */
#ifndef PROTO_JSON_H
#define PROTO_JSON_H

#include "proto/codec.h"

#define JSON_DEPTH_MAX	64	/* arrays and objects inside each other */

enum json_type {
	JSON_NONE = 0,		/* empty slice */
	JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_NUMBER,
	JSON_TRUE, JSON_FALSE, JSON_NULL
};

/*
 * One value at the start of in, white space around it skipped.
 * value    out: exactly the value's bytes, inside in
 * returns  bytes consumed, trailing white space included; CODEC_BAD; never
 *          CODEC_MORE (text that ends early is bad)
 * The value is checked completely (grammar, UTF-8, depth <= JSON_DEPTH_MAX).
 */
ssize_t	json_value(struct slice in, struct slice *value) MUST_USE;
/* in is one valid value and nothing else but white space. */
bool	json_valid(struct slice in) MUST_USE;

/*
 * Half of a surrogate pair (\ud800 without its partner), which UTF-8 cannot
 * hold and other parsers fail at, becomes \ufffd, in place.  For a text that
 * has just come in, not checked yet.
 */
void	json_mend(uint8_t *p, size_t n);

/* The functions below take slices that json_value has found valid. */

enum json_type json_type(struct slice value);

/* Without the white space around it. */
struct slice json_trim(struct slice);

/* Walk the elements of an array or the members of an object. */
struct json_iter {
	struct slice	 rest;
};
/* false: value is not an array or object */
bool	json_enter(struct slice value, struct json_iter *) MUST_USE;
/* Array: key is empty. Object: key is the raw string, quotes included.
 * false: no more. */
bool	json_next(struct json_iter *, struct slice *key, struct slice *value)
	    MUST_USE;
/* Member of an object by its plain name; false when absent or no object. */
bool	json_get(struct slice object, struct slice name, struct slice *value)
	    MUST_USE;

/* The same; else, where the name has dots, the way they show: the member b of
 * a for "a.b". */
bool	json_get_path(struct slice object, struct slice name,
	    struct slice *value) MUST_USE;

/* Raw string (quotes included) against plain bytes, escapes understood. */
bool	json_string_eq(struct slice raw, struct slice plain) MUST_USE;
/*
 * Raw string to plain UTF-8.  out has room for raw.n bytes.  Returns bytes
 * written, or -1: a lone surrogate or \u0000 (names must be sane).
 */
ssize_t	json_unescape(struct slice raw, uint8_t *out) MUST_USE;
/*
 * A string as a name, whatever its spelling: plain UTF-8 of at most max bytes
 * in out, none of them a control character.  Returns bytes written, 0 for "";
 * -1: no string, or no name: longer than that when unescaped, with a control
 * character (also as an escape), with a lone surrogate or with U+FFFD, which
 * stands for text that was lost.
 */
ssize_t	json_name(struct slice value, uint8_t *out, size_t max) MUST_USE;
/*
 * A member of an object as a name.  *raw: as it stands there, or empty: it is
 * absent.  Returns as json_name() does; -1 also when there is none.
 */
ssize_t	json_text(struct slice object, struct slice member, uint8_t *out,
	    size_t max, struct slice *raw) MUST_USE;
/*
 * The same for text that may be anything: \u0000 is a zero byte, a lone
 * surrogate U+FFFD.  So is the control character `without`, where it may not
 * occur (0: all may).
 */
size_t	json_plain_size(struct slice raw, uint8_t without);
uint8_t *json_plain_to(uint8_t *out, struct slice raw, uint8_t without);
/* Unicode code points in a raw string (a lone surrogate counts as one). */
size_t	json_string_chars(struct slice raw);
/* Plain UTF-8 to a raw string with quotes, appended. U+001E is escaped, as
 * every control character is. */
void	json_escape(struct buf *, struct slice plain);
/* The same when the size must be known first. */
size_t	json_escape_size(struct slice plain);
uint8_t *json_escape_to(uint8_t *out, struct slice plain); /* end of output */

/* A number that is an integer within +-(2^53 - 1), also as 1e3 or 10.0. */
bool	json_int(struct slice value, int64_t *) MUST_USE;
bool	json_double(struct slice value, double *) MUST_USE;

#endif
