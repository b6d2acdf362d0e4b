/*
 * The forms in which one publication goes out.  Each is encoded once, framing
 * included, whatever the number of receivers.
 */
#ifndef HUB_QUEUE_WIRE_H
#define HUB_QUEUE_WIRE_H

#include "base/bug.h"
#include "base/press_message.h"
#include "base/slice.h"

enum wire {
	WIRE_SIO,	/* Socket.IO over WebSocket; attachments as binary
			 * frames behind the text */
	WIRE_SIO_B64,	/* the same for who cannot take binary (b64=1) */
	WIRE_POLL,	/* Socket.IO over HTTP polling: packets, each with the
			 * separator behind it */
	WIRE_ENVELOPE,	/* plain WebSocket, {"event","data","meta"} */
	WIRE_BARE,	/* plain WebSocket, data alone */
	WIRE_EIO,	/* Engine.IO messages over WebSocket: the first
			 * argument alone, as text, or as binary if it is an
			 * attachment */
	WIRE_EIO_B64,	/* the same for who cannot take binary */
	WIRE_EIO_POLL,	/* the same over HTTP polling */
	WIRE_SSE,	/* Server-Sent Events, {"event","data","meta"} */
	WIRE_RAW,	/* plain WebSocket: the same as WIRE_EIO, without
			 * Engine.IO */
	WIRE_SOCKJS,	/* SockJS over WebSocket: a["..."], of an envelope */
	WIRE_SOCKJS_BARE, /* ... of data alone */
	WIRE_SOCKJS_POLL, /* SockJS over HTTP: "...", with the comma behind it,
			 * of an envelope; a[ ] is put around many of them */
	WIRE_SOCKJS_POLL_BARE, /* ... of data alone */
	WIRE_YJS,	/* y-websocket: the first attachment of those publications
			 * that are messages of its own, and nothing else */
	WIRE__MAX
};

/*
 * Beside the form it may say that messages may be compressed, for this window.
 * A value with a window is as good a wire form as one without: an audience
 * keeps who has it together, and what goes there is made once (pack.h).
 */
#define WIRE_WINDOW_SHIFT	4

static inline enum wire
wire_form(enum wire w)
{
	return ((enum wire)((unsigned)w & ((1u << WIRE_WINDOW_SHIFT) - 1)));
}

static inline enum deflate_window
wire_window(enum wire w)
{
	return ((enum deflate_window)((unsigned)w >> WIRE_WINDOW_SHIFT));
}

/* No frames: packets that wait for a GET. */
static inline bool
wire_is_polling(enum wire w)
{
	/* which are never compressed */
	return (w == WIRE_POLL || w == WIRE_EIO_POLL);
}

/* Messages of SockJS, which are strings; */
static inline bool
wire_is_sockjs(enum wire w)
{
	w = wire_form(w);
	return (w >= WIRE_SOCKJS && w <= WIRE_SOCKJS_POLL_BARE);
}

/* ... that wait for a request. */
static inline bool
wire_is_sockjs_polling(enum wire w)
{
	return (w == WIRE_SOCKJS_POLL || w == WIRE_SOCKJS_POLL_BARE);
}

/* Frames of WebSocket. */
static inline bool
wire_is_framed(enum wire w)
{
	return (!wire_is_polling(w) && w != WIRE_SSE &&
	    !wire_is_sockjs_polling(w));
}

/* {"event","data","meta"}, to who sends the same; */
static inline bool
wire_is_envelope(enum wire w)
{
	w = wire_form(w);
	return (w == WIRE_ENVELOPE || w == WIRE_SOCKJS ||
	    w == WIRE_SOCKJS_POLL);
}

/* ... data alone. */
static inline bool
wire_is_bare(enum wire w)
{
	w = wire_form(w);
	return (w == WIRE_BARE || w == WIRE_SOCKJS_BARE ||
	    w == WIRE_SOCKJS_POLL_BARE);
}

/* Namespaces, event names, acknowledgements. */
static inline bool
wire_is_socketio(enum wire w)
{
	w = wire_form(w);
	return (w == WIRE_SIO || w == WIRE_SIO_B64 || w == WIRE_POLL);
}

static inline bool
wire_is_engineio(enum wire w)
{
	w = wire_form(w);
	return (w == WIRE_EIO || w == WIRE_EIO_B64 || w == WIRE_EIO_POLL);
}

/* Messages of strangers, without a name: one for an event, text or binary. */
static inline bool
wire_is_opaque(enum wire w)
{
	return (wire_is_engineio(w) || wire_form(w) == WIRE_RAW);
}

/* Does such a client see the name of an event? */
static inline bool
wire_has_names(enum wire w)
{
	return (wire_is_socketio(w) || wire_is_envelope(w) || w == WIRE_SSE);
}

/* Can such a client acknowledge an event? */
static inline bool
wire_answers(enum wire w)
{
	return (wire_is_socketio(w) || wire_is_envelope(w));
}

/* A form, or a framed one and a window: what another process may say. */
static inline bool
wire_is_one(unsigned w)
{
	enum wire wire = (enum wire)w;

	return (wire_form(wire) < WIRE__MAX &&
	    wire_window(wire) < DEFLATE__MAX && (wire_form(wire) == wire ||
	    wire_is_framed(wire_form(wire))));
}

/* The form as it is for those that may get it compressed; not of polling and
 * event streams, which have no frames. */
static inline enum wire
wire_packed(enum wire form, enum deflate_window window)
{
	MUST(form < WIRE__MAX);
	return ((enum wire)((unsigned)form | (wire_is_framed(form) ?
	    (unsigned)window << WIRE_WINDOW_SHIFT : 0)));
}

#define CONFLATE_KEY_MAX 130u	/* bytes of raw JSON */

struct publication {
	struct slice	 nsp;		/* with its slash */
	struct slice	 event;		/* raw JSON string */
	struct slice	 args;		/* JSON elements without brackets */
	struct slice	 first;		/* the first of them, or empty: not
					 * looked for yet */
	struct slice	 meta;		/* raw JSON object, or empty */
	struct slice	 offset;	/* raw JSON string: its place in what a
					 * Socket.IO client has seen, when that
					 * can be recovered; or empty */
	struct slice	 room;		/* the one room that keeps it, */
	struct slice	 epoch;		/* ... and its place there; empty: none */
	uint64_t	 kept;
	struct slice	 once;		/* id of a back end: other hosts deliver
					 * it once; or empty */
	struct slice	 key;		/* plain: the room keeps the newest of each;
					 * or empty */
	uint64_t	 keyed, base;	/* proto/bus.h: KEYED_ */
	struct slice	 based;
	const struct slice *attachments; /* binary, as the placeholders in
					 * args count them */
	unsigned	 nattach;
	struct slice	 conflate;	/* volatile: of those with the same key in
					 * the same room, one who is behind gets
					 * the newest; or empty */
	bool		 is_volatile;	/* not for those who are behind */
	bool		 near;		/* not for other hosts */
	bool		 finish;	/* the last of its room, which is kept */
	bool		 named;		/* not for those who see no names of
					 * events */
	bool		 asks;		/* receivers acknowledge it */
	uint64_t	 ask_id;	/* ... by this id; see ask.h */
	uint64_t	 sent_us;	/* CLOCK_MONOTONIC, 0: unknown */
};

struct wire_plan {
	size_t		 text;		/* the event's packet or message */
	size_t		 total;		/* with framing and attachments */
	const uint8_t	*packed;	/* pack.h: all of it; NULL: to be put */
};
/* Without a window: pack.h has those that have one. */
struct wire_plan wire_plan(enum wire, const struct publication *);
/* Writes plan.total bytes. */
void	wire_put(enum wire, const struct publication *,
	    const struct wire_plan *, uint8_t *out);

/* The event of a message of y-websocket. */
#define WIRE_YJS_EVENT	"\"yjs\""

/* Such a client gets nothing of this publication. */
static inline bool
wire_shuns(enum wire w, const struct publication *p)
{
	return ((p->named && !wire_has_names(w)) ||
	    (unlikely(wire_form(w) == WIRE_YJS) && (p->nattach == 0 ||
	    !slice_eq(p->event, SLICE(WIRE_YJS_EVENT)))));
}

/* So many frames. */
unsigned wire_frames(enum wire, const struct publication *);

/* Binary stands in texts, as base64. */
static inline bool
wire_is_base64(enum wire w)
{
	w = wire_form(w);
	return (wire_is_polling(w) || w == WIRE_SIO_B64 || w == WIRE_EIO_B64);
}

/* Any text for one client in its form: how large, and written. */
size_t	wire_text_size(enum wire, struct slice text);
void	wire_text_put(enum wire, struct slice text, uint8_t *out);
/* The same for a binary message. */
size_t	wire_binary_size(enum wire, size_t n);
void	wire_binary_put(enum wire, struct slice, uint8_t *out);

#endif
