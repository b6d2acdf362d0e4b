/*
 * Engine.IO protocol 4 packets, and the words of its handshake.  Pure.
 * Source: the Engine.IO protocol, revision 4, "Packet encoding".
 */
#ifndef PROTO_EIO_H
#define PROTO_EIO_H

#include "proto/codec.h"

enum eio_type {
	EIO_OPEN = '0', EIO_CLOSE = '1', EIO_PING = '2', EIO_PONG = '3',
	EIO_MESSAGE = '4', EIO_UPGRADE = '5', EIO_NOOP = '6',
	EIO_BINARY = 'b'	/* binary message as base64 text */
};

/* Errors of the handshake: {"code":N,"message":"..."} */
enum eio_error {
	EIO_TRANSPORT_UNKNOWN = 0, EIO_SID_UNKNOWN = 1,
	EIO_BAD_HANDSHAKE_METHOD = 2, EIO_BAD_REQUEST = 3, EIO_FORBIDDEN = 4,
	EIO_UNSUPPORTED_VERSION = 5
};
const char *eio_error_message(enum eio_error);
int	eio_error_status(enum eio_error);	/* 400, or 403 for FORBIDDEN */
/* words: its message, or others in place of it */
void	eio_encode_error(struct buf *, enum eio_error, const char *words);

struct eio_packet {
	enum eio_type	 type;
	struct slice	 data;		/* behind the type; points into in */
};

/* One text packet that is the whole of in: > 0 or CODEC_BAD. */
ssize_t	eio_decode(struct slice in, struct eio_packet *) MUST_USE;

/* What a WebSocket says that is to take a session over: "are you there?", and,
 * once that was answered, "now". */
bool	eio_is_probe(struct slice packet);
bool	eio_is_upgrade(struct slice packet);
/* The answer to the former, as a frame. */
extern const struct slice eio_probed_frame;

#define EIO_SEPARATOR	0x1e	/* between packets of a polling payload */
/* Packets that wait for a GET, the separator behind them. */
extern const struct slice eio_polled_close, eio_polled_noop;

/* Split a polling payload: the next packet's bytes, not yet decoded; false when *rest is used up. rest starts as the body. An
 * empty body is one empty packet (bad by eio_decode). */
struct eio_payload {
	struct slice	 rest;
	bool		 done;
};
bool	eio_payload_next(struct eio_payload *, struct slice *packet) MUST_USE;

#define EIO_SID_LEN	24
#define EIO_SID_RANDOM	16	/* bytes of it that nobody can guess */
/* What a session id tells besides its random part. */
struct eio_owner {
	uint8_t		 slot;		/* of the worker, 1..128 */
	uint8_t		 generation;	/* its low byte */
	bool		 websocket;	/* it was opened on one, and so has
					 * never been polled for */
};
/*
 * A session id: 18 bytes as base64url; the first two name the owner, the others
 * are random bytes given by the caller.
 */
void	eio_sid_encode(struct eio_owner, const uint8_t random[EIO_SID_RANDOM],
	    char sid[EIO_SID_LEN + 1]);
/* false: not EIO_SID_LEN characters of the alphabet */
bool	eio_sid_owner(struct slice sid, struct eio_owner *) MUST_USE;

struct eio_open {
	const char	*sid;
	bool		 upgrades;	/* offer "websocket" */
	uint64_t	 ping_interval_ms, ping_timeout_ms;
	uint64_t	 max_payload;
};
/* The open packet, type digit included. */
void	eio_encode_open(struct buf *, const struct eio_open *);

#endif
