/*
 * The text of SockJS (sockjs-protocol 0.3.3).  Clients send JSON: a string, or
 * an array of strings, each a message.  Servers send frames: "o" opened, "h"
 * heartbeat, a["...","..."] messages, c[code,"reason"] closed.  A message is
 * whatever text those who talk over it have agreed on.  Pure.
 */
#ifndef PROTO_JSON_SOCKJS_H
#define PROTO_JSON_SOCKJS_H

#include "proto/codec.h"
#include "proto/json.h"

#define SOCKJS_SESSION_MAX	128	/* bytes of a session's id, as sent */
#define SOCKJS_CALLBACK_MAX	64	/* ... of the name of a page's function */

/* --- in -------------------------------------------------------------------- */

/* The messages in a text that a client sent; they point into it. */
struct sockjs_messages {
	struct json_iter rest;		/* behind those that were taken */
	struct slice	 one;		/* the only one, or empty */
};
/* false: it is neither a string nor an array of strings.  Nothing but white
 * space is no message. */
bool	sockjs_decode(struct slice text, struct sockjs_messages *) MUST_USE;
/* The next one, a raw JSON string, which json_plain_to() unpacks; false: that
 * were all. */
bool	sockjs_next(struct sockjs_messages *, struct slice *raw) MUST_USE;

/* --- out ------------------------------------------------------------------- */

/*
 * Plain text inside a JSON string: what has to be escaped in one, and the
 * characters that browsers change on their way (U+200C..F, U+2028..F,
 * U+2060..F, U+FFF0..F).  So many bytes more than the text has, and written;
 * text may stand at the end of the room for both, as long as out is at its
 * beginning.
 */
size_t	sockjs_escape_more(struct slice text);
uint8_t *sockjs_escape_to(uint8_t *out, struct slice text);	/* end */

/* c[code,"words"], appended; words have nothing to escape. */
void	sockjs_encode_close(struct buf *, unsigned code, const char *words);
/* A frame inside a string of JavaScript that stands in a page of HTML, without
 * the quotes. */
void	sockjs_encode_script(struct buf *, struct slice frame);

/* --- names ----------------------------------------------------------------- */

/* A server's or session's name in a path: not empty, no dots, not too long. */
bool	sockjs_name_is_good(struct slice) MUST_USE;
/* A page's function may have this name: letters, digits, "-", "_", ".". */
bool	sockjs_callback_is_good(struct slice) MUST_USE;

#endif
