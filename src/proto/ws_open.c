/*
 * The opening handshake of WebSocket (RFC 6455 section 4.2); see ws.h.
 */
#include "proto/ws.h"

#include "base/digest.h"

static int
ws_refuse(struct ws_offer *o, int status, const char *why)
{
	o->status = status;
	o->why = why;
	return (CODEC_BAD);
}

/* Section 4.2.2, item 5: SHA-1 over the key and a fixed text, as base64. */
static void
ws_make_accept(struct slice key, uint8_t accept[28])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	uint8_t text[24 + sizeof guid - 1], sum[20];

	MUST(key.n == 24);
	memcpy(text, key.p, 24);
	memcpy(text + 24, guid, sizeof guid - 1);
	digest_sha1(slice_of(text, sizeof text), sum);
	MUST(digest_base64_encode(slice_of(sum, sizeof sum), accept) == 28);
}

/*
 * Base64 of 16 bytes, given once.  It is taken as a text: the four bits that
 * the last digit has too many may be anything, as clients that make 22 digits
 * by chance have them.
 */
static bool
ws_valid_key(const struct http_request *r, struct slice *key)
{
	uint8_t raw[20], text[24];

	if (http_field(r, "sec-websocket-key", key) != 1 ||
	    key->n != sizeof text)
		return (false);
	memcpy(text, key->p, sizeof text);
	if (digest_base64_decode(slice_of(text, 20), raw) != 15)
		return (false);
	/* "xyAA": both of these digits are some */
	text[23] = text[22] = 'A';
	return (digest_base64_decode(slice_of(text + 20, 4), raw) == 3 &&
	    slice_eq(slice_of(key->p + 22, 2), SLICE("==")));
}

int
ws_check_request(const struct http_request *r, struct ws_offer *o)
{
	struct slice version, key;

	memset(o, 0, sizeof *o);
	if (r->method != HTTP_GET)
		return (ws_refuse(o, 405, "WebSocket needs GET"));
	if (r->minor != 1)
		return (ws_refuse(o, 400, "WebSocket needs HTTP/1.1"));
	if (!r->upgrade_websocket)
		return (ws_refuse(o, 426, "WebSocket upgrade required"));
	if (r->chunked || r->content_length > 0)
		return (ws_refuse(o, 400, "upgrade request with a body"));
	if (http_field(r, "sec-websocket-version", &version) != 1)
		return (ws_refuse(o, 400, "Sec-WebSocket-Version needed once"));
	if (!slice_eq(version, SLICE("13")))
		return (ws_refuse(o, 426, "WebSocket version 13 required"));
	if (!ws_valid_key(r, &key))
		return (ws_refuse(o, 400, "bad Sec-WebSocket-Key"));
	if (!ws_deflate_offered(r, &o->deflate))
		return (ws_refuse(o, 400, "bad Sec-WebSocket-Extensions"));
	ws_make_accept(key, o->accept);
	return (0);
}

void
ws_encode_accept(struct buf *b, const struct ws_offer *o,
    struct slice protocol, const char *extra)
{
	buf_str(b, "HTTP/1.1 101 Switching Protocols\r\n"
	    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Accept: ");
	buf_append(b, o->accept, sizeof o->accept);
	buf_str(b, "\r\n");
	if (protocol.n > 0) {
		buf_str(b, "Sec-WebSocket-Protocol: ");
		buf_slice(b, protocol);
		buf_str(b, "\r\n");
	}
	if (o->deflate.window != DEFLATE_NONE)
		ws_deflate_encode(b, &o->deflate);
	if (extra != NULL)
		buf_str(b, extra);
	buf_str(b, "\r\n");
}
