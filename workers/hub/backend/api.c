/*
 * Errors and questions of back ends; see api.h.  Called by the worker with a
 * request whose key was checked.
 */
#include "hub/api.h"

#include "hub/backend/api_int.h"
#include "hub/service/presence.h"
#include "proto/error.h"

/* A last member of the object that the answer is. */
static void
api_put_stale(struct buf *out)
{
	if (out->oom || out->wpos == 0)
		return;
	MUST(out->data[out->wpos - 1] == '}');
	out->wpos--;
	buf_str(out, ",\"stale\":true}");
}

int
api_presence(struct hub *h, const struct api_presence *q, struct buf *out)
{
	const char *code, *why;
	const struct conf_namespace *ns = api_namespace(h, q->ns, &code,
	    &why);

	if (ns == NULL) {
		error_encode(out, code, why);
		return (strcmp(code, "forbidden") == 0 ? 403 : 404);
	}
	if (q->user.n != 0) {
		presence_user_json(h, ns, q->user, out);
		if (q->stale)
			api_put_stale(out);
		return (200);
	}
	if (!presence_list_json(h, ns, q->room, q->cursor, q->limit, out)) {
		error_encode(out, "bad_request",
		    "presence is not kept for rooms in this namespace");
		return (400);
	}
	if (q->stale)
		api_put_stale(out);
	return (200);
}
