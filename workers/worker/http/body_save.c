/*
 * A body that is on its way, as bytes; see body.h.  What it is for is said by
 * its route's number, and by the digest of the key that it came with.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/state.h"
#include "worker/http/body_int.h"
#include "worker/worker.h"

#define BODY_SAVE_TAG		0x4442
#define BODY_SAVE_VERSION	1

STATE_FIELDS(http_body, 144);
static_assert(ROUTE__MAX == 36, "another route: is its number the same?");

bool
body_save(const struct http_body *b, struct buf *to)
{
	size_t at = state_open(to, BODY_SAVE_TAG, BODY_SAVE_VERSION);

	CHECK_MAGIC(b, HTTP_BODY_MAGIC);
	state_put_u8(to, (uint8_t)b->route);
	state_put_bool(to, b->key != NULL);
	if (b->key != NULL)
		state_put_bytes(to, b->key->sha256, sizeof b->key->sha256);
	state_put_bool(to, b->lines != NULL);
	state_put_slice(to, slice_str(b->lines));
	state_put_slice(to, buf_unread(&b->name));
	state_put_bool(to, b->keep_alive);
	state_put_u8(to, (uint8_t)b->minor);
	state_put_bool(to, b->chunked);
	state_put_u64(to, b->left);
	http_chunked_save(&b->pieces, to);
	state_put_slice(to, buf_unread(&b->data));
	state_close(to, at);
	return (!to->oom && !b->data.oom);
}

static const struct conf_api_key *
body_load_key(const struct conf *conf, struct state_in *in)
{
	uint8_t sha256[32];
	size_t i;

	state_get_bytes(in, sha256, sizeof sha256);
	for (i = 0; i < conf->napi_keys && !in->bad; i++)
		if (memcmp(conf->api_keys[i].sha256, sha256,
		    sizeof sha256) == 0)
			return (&conf->api_keys[i]);
	state_bad(in);
	return (NULL);
}

/* false: bad, or no memory. */
static bool
body_load_lines(struct http_body *b, struct state_in *in)
{
	bool lines = state_get_bool(in);
	struct slice s = state_get_slice(in);

	if (in->bad || (s.n > 0 && (!lines || memchr(s.p, 0, s.n) != NULL)))
		return (false);
	if (lines)
		b->lines = strndup((const char *)s.p, s.n);
	return (!lines || b->lines != NULL);
}

static bool
body_load_fields(struct http_body *b, const struct worker *w,
    struct state_in *in)
{
	b->route = (enum route)state_get_u8(in);
	if (b->route >= ROUTE__MAX)
		return (false);
	b->row = &w->routes[b->route];
	if (state_get_bool(in))
		b->key = body_load_key(w->conf, in);
	if (!body_load_lines(b, in))
		return (false);
	buf_slice(&b->name, state_get_slice(in));
	b->keep_alive = state_get_bool(in);
	b->minor = state_get_u8(in);
	b->chunked = state_get_bool(in);
	b->left = state_get_u64(in);
	if (!http_chunked_load(&b->pieces, in))
		return (false);
	buf_slice(&b->data, state_get_slice(in));
	return (state_end(in) && b->row->body != NULL && !b->name.oom &&
	    !b->data.oom && (b->chunked || b->left > 0));
}

struct http_body *
body_load(const struct worker *w, struct state_in *in)
{
	struct http_body *b;
	struct state_in body;
	uint16_t version;

	if (!state_section(in, BODY_SAVE_TAG, &version, &body) ||
	    version != BODY_SAVE_VERSION)
		return (NULL);
	b = calloc(1, sizeof *b);
	if (b == NULL)
		return (NULL);
	b->magic = HTTP_BODY_MAGIC;
	buf_init(&b->data);
	buf_init(&b->name);
	if (!body_load_fields(b, w, &body))
		body_free(&b);
	return (b);
}
