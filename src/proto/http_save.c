/*
 * A chunked body that is on its way, as bytes; see http.h.
 */
#include <assert.h>

#include "base/state.h"
#include "proto/http_int.h"

#define HTTP_SAVE_TAG		0x4843
#define HTTP_SAVE_VERSION	1

STATE_FIELDS(http_chunked, 16);
static_assert(CHUNK_END == 17, "another state: a new version");

void
http_chunked_save(const struct http_chunked *c, struct buf *b)
{
	size_t at = state_open(b, HTTP_SAVE_TAG, HTTP_SAVE_VERSION);

	state_put_u8(b, c->state);
	state_put_u8(b, c->digits);
	state_put_u32(b, c->overhead);
	state_put_u64(b, c->left);
	state_close(b, at);
}

bool
http_chunked_load(struct http_chunked *c, struct state_in *in)
{
	struct state_in body;
	uint16_t version;

	if (!state_section(in, HTTP_SAVE_TAG, &version, &body) ||
	    version != HTTP_SAVE_VERSION)
		return (false);
	c->state = state_get_u8(&body);
	c->digits = state_get_u8(&body);
	c->overhead = state_get_u32(&body);
	c->left = state_get_u64(&body);
	return (state_end(&body) && c->state < CHUNK_END &&
	    c->digits <= CHUNK_DIGITS_MAX &&
	    c->overhead <= CHUNK_OVERHEAD_MAX &&
	    c->left < UINT64_C(1) << (4 * CHUNK_DIGITS_MAX));
}
