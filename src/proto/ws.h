/*
 * WebSocket (RFC 6455), the server's side: opening handshake and frames.
 * Headers, control frames and whole data frames (unmasked in place) take a
 * short path of our own; fragments and long partial frames are wslay's work,
 * whose contexts come from a pool and are lent only while a connection is
 * inside such a message.  An idle connection costs struct ws and nothing
 * more.
 */
#ifndef PROTO_WS_H
#define PROTO_WS_H

#include "base/press_message.h"
#include "base/reason.h"
#include "proto/codec.h"
#include "proto/http.h"

/* --- opening handshake (section 4.2) ------------------------------------ */

/*
 * permessage-deflate (RFC 7692), as the first offer has it that can be
 * accepted: messages of ours fit this window.  NONE: there is no such offer.
 */
struct ws_deflate {
	enum deflate_window window;
	bool		 tell;		/* it asked how large that is */
};

struct ws_offer {
	uint8_t		 accept[28];	/* Sec-WebSocket-Accept */
	struct ws_deflate deflate;	/* cleared by the caller: declined */
	int		 status;	/* CODEC_BAD: 400, 405, 426 */
	const char	*why;
};

/* Sec-WebSocket-Extensions.  An offer that is not as RFC 7692 has it is
 * declined; false: the field is not as RFC 6455 has it. */
bool	ws_deflate_offered(const struct http_request *, struct ws_deflate *)
	    MUST_USE;
/* The line that accepts it. */
void	ws_deflate_encode(struct buf *, const struct ws_deflate *);

/* Check an upgrade request; 0, or CODEC_BAD with status and why. */
int	ws_check_request(const struct http_request *, struct ws_offer *)
	    MUST_USE;
/* The 101 response. protocol may be empty; extra lines as in http.h or NULL. */
void	ws_encode_accept(struct buf *, const struct ws_offer *,
	    struct slice protocol, const char *extra);

/* --- frames (section 5) ------------------------------------------------- */

enum ws_type {
	WS_NONE,	/* bytes were absorbed, nothing to report yet */
	WS_TEXT,	/* a whole message, UTF-8 checked */
	WS_BINARY,	/* a whole message */
	WS_PING,	/* answer with ws_encode_frame(WS_OP_PONG, data) */
	WS_PONG,
	WS_CLOSE	/* code 1005 when the frame had none; decode no more */
};

enum {
	WS_OP_CONTINUATION = 0, WS_OP_TEXT = 1, WS_OP_BINARY = 2,
	WS_OP_CLOSE = 8, WS_OP_PING = 9, WS_OP_PONG = 10
};

struct ws_limits {
	uint32_t	 message_bytes;	/* whole message; larger: ws_too_big */
	uint32_t	 fragments;	/* frames of one message; ws_flood */
	bool		 deflate;	/* messages may be compressed */
	bool		 dropped;	/* nobody looks at them: what came
					 * compressed is told without data */
};

struct ws_pool;			/* one per worker */
struct ws_pool *ws_pool_new(void) MUST_USE;
void	ws_pool_free(struct ws_pool **);
unsigned ws_pool_lent(const struct ws_pool *);	/* contexts out now */

struct ws_slow;
struct ws {			/* zeroed to start; 8 bytes per connection */
	struct ws_slow	*slow;		/* lent context, NULL at rest */
};
/* Give back what is lent; struct ws is as new afterwards. */
void	ws_fini(struct ws *, struct ws_pool *);

struct ws_event {
	enum ws_type	 type;
	uint8_t		*data;		/* in the caller's bytes (unmasked in
					 * place) or in the lent context; valid
					 * until the next ws_decode with that
					 * pool. A writable byte follows
					 * (scanners may use it), given that the
					 * caller has one behind in. CLOSE: what
					 * follows the code */
	size_t		 n;
	size_t		 packed;	/* bytes that came for it, compressed; 0:
					 * it was not.  Set, too, where it is
					 * bad, or too big, inflated */
	uint16_t	 code;		/* WS_CLOSE */
	enum reason	 reason;	/* CODEC_BAD: row of reason.def */
};

/*
 * Decode from in (writable; it is unmasked in place).
 * returns  > 0 bytes consumed (event may be WS_NONE); CODEC_MORE: keep all
 *          of in (at most WS_TAIL_MAX bytes: a short partial frame) and call
 *          again with more behind it; CODEC_BAD: close with event->reason
 * Longer partial frames are absorbed into the lent context, so the caller
 * never keeps more than WS_TAIL_MAX bytes.  After CODEC_BAD call ws_fini.
 * May allocate (bounded by message_bytes); no memory is CODEC_BAD with
 * REASON_memory.
 */
#define WS_TAIL_MAX	4096
ssize_t	ws_decode(struct ws *, struct ws_pool *, const struct ws_limits *,
	    uint8_t *in, size_t n, struct ws_event *) MUST_USE;

/*
 * Where a decoder stands in the middle of a message, for another process that
 * goes on with the bytes that follow (base/state.h).  What the caller keeps is
 * the caller's to pass along.  ws_load: into one that is new; false: that is no
 * such thing, or no memory, and it is as new.  Limits go on to count.
 */
struct state_in;
void	ws_save(const struct ws *, struct buf *);
bool	ws_load(struct ws *, struct ws_pool *, struct state_in *) MUST_USE;

/* Header of an unmasked, final server frame: bytes written (2, 4 or 10). */
#define WS_HEADER_MAX	10
size_t	ws_encode_header(uint8_t out[WS_HEADER_MAX], unsigned opcode,
	    uint64_t n);
size_t	ws_header_size(uint64_t n);
void	ws_encode_frame(struct buf *, unsigned opcode, struct slice payload);
/* Close frame; code 0: without status. words are cut at 123 bytes of UTF-8. */
void	ws_encode_close(struct buf *, uint16_t code, const char *words);

#endif
