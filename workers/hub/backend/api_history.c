/*
 * What was kept of a room, for back ends; see api.h.  Called by the worker with
 * a request whose key was checked.
 */
#include "hub/backend/api_int.h"

#include <stdlib.h>

#include "hub/backend/ask.h"
#include "hub/store/page.h"
#include "proto/error.h"
#include "proto/json.h"

struct history_reader {
	struct history_ask ask;
	uint32_t	 ref;		/* of the request */
	struct since	 since;
	size_t		 room_len;
	char		 room[];
};

static void
history_answer(struct hub *h, struct history_ask *a,
    const struct bus_envelope *e)
{
	struct history_reader *r = container_of(a, struct history_reader, ask);
	struct buf b, raw;

	buf_init(&b);
	buf_init(&raw);
	json_escape(&raw, slice_of(r->room, r->room_len));
	if (e == NULL)
		error_encode(&b, "unavailable",
		    "what was kept cannot be read now");
	else
		page_put(&b, buf_unread(&raw), &r->since, e, false);
	b.oom |= raw.oom;
	ask_stored(h, r->ref, e == NULL ? 503 : 200, &b);
	buf_fini(&b);
	buf_fini(&raw);
	free(r);
}

static int
history_refuse(struct buf *out, int status, const char *code, const char *why)
{
	error_encode(out, code, why);
	return (status);
}

static int
history_begin(struct hub *h, const struct conf_namespace *ns,
    const struct api_history *q, const struct since *since, void *asker,
    struct buf *out, struct ask **later)
{
	struct history_part part = page_part(since, q->limit);
	struct history_reader *r = calloc(1, sizeof *r + q->room.n);
	struct ask *a = ask_store(h, asker);

	if (r != NULL && a != NULL) {
		r->ask.page = history_answer;
		r->ref = ask_ref(a);
		r->since = *since;
		r->room_len = q->room.n;
		memcpy(r->room, q->room.p, q->room.n);
		if (history_ask(h, &r->ask, ns, q->room, &part)) {
			*later = a;
			return (0);
		}
	}
	free(r);
	ask_forget(&a);
	return (history_refuse(out, 503, "unavailable",
	    "what was kept cannot be read now"));
}

int
api_history(struct hub *h, const struct api_history *q, void *asker,
    struct buf *out, struct ask **later)
{
	const char *code, *why;
	const struct conf_namespace *ns = api_namespace(h, q->ns, &code,
	    &why);
	struct since since = { .given = false };

	*later = NULL;
	if (ns == NULL)
		return (history_refuse(out, strcmp(code, "forbidden") == 0 ?
		    403 : 404, code, why));
	if (!conf_room_keeps(ns, q->room))
		return (history_refuse(out, 404, "not_found",
		    "this room keeps no history"));
	if (q->since.n != 0 && !since_parse(&since, q->since))
		return (history_refuse(out, 400, "bad_request",
		    "since is EPOCH:OFFSET"));
	return (history_begin(h, ns, q, &since, asker, out, later));
}
