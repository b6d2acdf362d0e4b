/*
 * Socket.IO protocol 5 packets: <type>[<n>-][<namespace>,][<id>][<JSON>].
 * Knows packets, not sessions: whether a namespace was joined or an ack id is
 * known is the engine's business.  Pure.
 */
#ifndef PROTO_SIO_H
#define PROTO_SIO_H

#include "proto/codec.h"

enum sio_type {
	SIO_CONNECT, SIO_DISCONNECT, SIO_EVENT, SIO_ACK, SIO_CONNECT_ERROR,
	SIO_BINARY_EVENT, SIO_BINARY_ACK
};

#define SIO_ATTACHMENTS_MAX	10
#define SIO_NAMESPACE_MAX	256	/* bytes, slash included */

struct sio_packet {
	enum sio_type	 type;
	struct slice	 nsp;		/* with its slash; "/" when omitted */
	bool		 has_id;
	uint64_t	 id;		/* ack id */
	unsigned	 nattach;	/* BINARY_*: announced attachments */
	struct slice	 data;		/* JSON text, checked; empty: none */
	struct slice	 event;		/* EVENT: first element, raw JSON: a
					 * string with quotes, or a number */
	struct slice	 args;		/* EVENT: the elements behind event,
					 * as they stand between the first
					 * comma and the closing bracket;
					 * ACK: the elements; empty: none */
	bool		 empty;		/* EVENT or ACK without JSON: ignore */
	const char	*why;		/* CODEC_BAD: for the log */
};

/*
 * Decode one packet that is the whole of in (text behind EIO's '4').
 * All of the specification's validity rules that need no session are applied
 * (types, JSON grammar, EVENT's first element, reserved event names, CONNECT's
 * object, DISCONNECT without data, attachment counts, CONNECT_ERROR from a
 * client); for BINARY packets placeholders are checked: each num in range.
 * Namespaces are UTF-8 without control bytes.
 */
ssize_t	sio_decode(struct slice in, struct sio_packet *) MUST_USE;

/* Every placeholder anywhere in this JSON text, which is known to be valid
 * (one value, or elements with commas), has a number below nattach. */
bool	sio_placeholders(struct slice json, unsigned nattach);

/*
 * Packets to clients, with the EIO type '4' in front, appended as text.  The
 * root namespace is omitted.
 */
void	sio_encode_connect(struct buf *, struct slice nsp, struct slice sid,
	    struct slice pid);		/* pid may be empty */
/* data: raw JSON or empty */
void	sio_encode_connect_error(struct buf *, struct slice nsp,
	    struct slice message, struct slice data);
void	sio_encode_disconnect(struct buf *, struct slice nsp);
/* args: elements as JSON text without the brackets, may be empty */
void	sio_encode_ack(struct buf *, struct slice nsp, uint64_t id,
	    struct slice args, unsigned nattach);	/* > 0: BINARY_ACK */

/* An event in parts, so that a fan-out writes it straight into its batch. */
struct sio_event {
	struct slice	 nsp;
	bool		 has_id;
	uint64_t	 id;
	struct slice	 event;		/* raw JSON string (or number) */
	struct slice	 args;		/* elements, no brackets, or empty */
	struct slice	 meta;		/* one more element behind, or empty */
	struct slice	 offset;	/* and one more, for recovery; or empty */
	unsigned	 nattach;	/* > 0: BINARY_EVENT; the attachments
					 * are the caller's to send behind */
};
size_t	sio_event_size(const struct sio_event *);
uint8_t *sio_event_put(uint8_t *out, const struct sio_event *); /* end */

/*
 * A look at a packet that was written here: is it an event of this namespace?
 * (It is not decoded: its JSON is as it was written.)
 */
struct sio_head {
	unsigned	 nattach;	/* binary packets that follow it */
	bool		 has_id;	/* it asks for an ack */
};
bool	sio_peek(struct slice packet, struct slice nsp, struct sio_head *)
	    MUST_USE;
/* The event's last element is this raw JSON string (empty: it has none). */
bool	sio_has_offset(struct slice event, struct slice offset);

#endif
