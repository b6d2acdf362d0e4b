/*
 * Engine.IO packets, payloads, session ids and errors; see eio.h.  Called by
 * the transports; what a packet means in which state is the engine's concern.
 */
#include "proto/eio.h"

#include "base/digest.h"
#include "base/slotset.h"
#include "proto/json.h"

/* clang-format off */
static const struct {
	int		 status;
	const char	*message;
} errors[] = {
	[EIO_TRANSPORT_UNKNOWN]    = { 400, "Transport unknown" },
	[EIO_SID_UNKNOWN]          = { 400, "Session ID unknown" },
	[EIO_BAD_HANDSHAKE_METHOD] = { 400, "Bad handshake method" },
	[EIO_BAD_REQUEST]          = { 400, "Bad request" },
	[EIO_FORBIDDEN]            = { 403, "Forbidden" },
	[EIO_UNSUPPORTED_VERSION]  = { 400, "Unsupported protocol version" }
};
/* clang-format on */

const char *
eio_error_message(enum eio_error e)
{
	MUST((unsigned)e < nitems(errors));
	return (errors[e].message);
}

int
eio_error_status(enum eio_error e)
{
	MUST((unsigned)e < nitems(errors));
	return (errors[e].status);
}

void
eio_encode_error(struct buf *b, enum eio_error e, const char *words)
{
	buf_str(b, "{\"code\":");
	buf_u64(b, (uint64_t)e);
	buf_str(b, ",\"message\":");
	json_escape(b, slice_str(words));
	buf_byte(b, '}');
}

ssize_t
eio_decode(struct slice in, struct eio_packet *pkt)
{
	uint8_t c;

	pkt->data = slice_of(NULL, 0);
	if (in.n == 0)
		return (CODEC_BAD);
	c = in.p[0];
	if ((c < EIO_OPEN || c > EIO_NOOP) && c != EIO_BINARY)
		return (CODEC_BAD);
	pkt->type = (enum eio_type)c;
	pkt->data = slice_from(in, 1);
	return ((ssize_t)in.n);
}

#define EIO_SEPARATOR_TEXT	"\x1e"

const struct slice eio_probed_frame = SLICE("\x81\x06" "3probe");
const struct slice eio_polled_close = SLICE("1" EIO_SEPARATOR_TEXT);
const struct slice eio_polled_noop = SLICE("6" EIO_SEPARATOR_TEXT);

bool
eio_is_probe(struct slice packet)
{
	return (slice_eq(packet, SLICE("2probe")));
}

bool
eio_is_upgrade(struct slice packet)
{
	return (packet.n == 1 && packet.p[0] == EIO_UPGRADE);
}

bool
eio_payload_next(struct eio_payload *pl, struct slice *packet)
{
	const uint8_t *sep = NULL;

	*packet = slice_of(NULL, 0);
	if (pl->done)
		return (false);
	if (pl->rest.n != 0)
		sep = memchr(pl->rest.p, EIO_SEPARATOR, pl->rest.n);
	if (sep == NULL) {
		*packet = pl->rest;
		pl->rest = slice_of(NULL, 0);
		pl->done = true;
		return (true);
	}
	*packet = slice_of(pl->rest.p, (size_t)(sep - pl->rest.p));
	pl->rest = slice_from(pl->rest, packet->n + 1);
	return (true);
}

void
eio_sid_encode(struct eio_owner owner, const uint8_t random[EIO_SID_RANDOM],
    char sid[EIO_SID_LEN + 1])
{
	uint8_t raw[2 + EIO_SID_RANDOM], text[EIO_SID_LEN];

	MUST(slotset_fits(owner.slot));
	raw[0] = (uint8_t)((owner.websocket ? 0x80 : 0) | (owner.slot - 1));
	raw[1] = owner.generation;
	memcpy(raw + 2, random, EIO_SID_RANDOM);
	MUST(digest_base64url_encode(slice_of(raw, sizeof raw), text) ==
	    sizeof text);
	memcpy(sid, text, sizeof text);
	sid[EIO_SID_LEN] = '\0';
}

bool
eio_sid_owner(struct slice sid, struct eio_owner *owner)
{
	uint8_t raw[2 + EIO_SID_RANDOM + 2];

	memset(owner, 0, sizeof *owner);
	if (sid.n != EIO_SID_LEN || digest_base64url_decode(sid, raw) !=
	    2 + EIO_SID_RANDOM)
		return (false);
	owner->slot = (uint8_t)((raw[0] & 0x7f) + 1);
	owner->generation = raw[1];
	owner->websocket = (raw[0] & 0x80) != 0;
	return (true);
}

void
eio_encode_open(struct buf *b, const struct eio_open *o)
{
	buf_str(b, "0{\"sid\":\"");
	buf_str(b, o->sid);
	buf_str(b, o->upgrades ? "\",\"upgrades\":[\"websocket\"]" :
	    "\",\"upgrades\":[]");
	buf_str(b, ",\"pingInterval\":");
	buf_u64(b, o->ping_interval_ms);
	buf_str(b, ",\"pingTimeout\":");
	buf_u64(b, o->ping_timeout_ms);
	buf_str(b, ",\"maxPayload\":");
	buf_u64(b, o->max_payload);
	buf_byte(b, '}');
}
