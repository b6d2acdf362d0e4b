/*
 * Users' notifications, for back ends; see api.h.  Called by the worker with a
 * request whose key was checked, and for what came through Redis.
 */
#include "hub/backend/api_int.h"

#include <stdlib.h>

#include "hub/backend/ask.h"
#include "hub/queue/wire.h"
#include "hub/service/notice_text.h"
#include "hub/stream/box.h"
#include "hub/stream/inbox.h"
#include "proto/error.h"
#include "proto/json.h"

struct inbox_order;

struct inbox_one {		/* what is asked of one user */
	struct inbox_order *order;
	enum bus_store	 result;
	uint64_t	 count, version;
	bool		 made;
	uint16_t	 user_n;
	uint8_t		 user[ROOM_NAME_MAX];
};

struct inbox_order {
	uint32_t	 ref;		/* of the ask; 0: nobody asks */
	const struct conf_namespace *ns;
	enum box_op	 op;
	bool		 many;		/* the answer is a list */
	uint32_t	 open;		/* have not answered, and one while they
					 * are asked */
	uint8_t		 id_n;		/* CREATE */
	uint8_t		 id[BOX_NAME_MAX];
	uint32_t	 n;
	struct inbox_one v[];
};

static struct notice_names inbox_names;	/* large; one at a time */

/* --- the answer --------------------------------------------------------------- */

static const char *
inbox_code(enum bus_store result)
{
	return (result == BUS_STORE_TOO_LARGE ? "too_large" : "unavailable");
}

static void
inbox_put_numbers(struct buf *b, uint64_t count, uint64_t version)
{
	buf_printf(b, "\"count\":%llu,\"version\":%llu",
	    (unsigned long long)count, (unsigned long long)version);
}

static void
inbox_put_created(struct buf *b, const struct inbox_order *o,
    const struct inbox_one *i)
{
	buf_str(b, "\"id\":");
	json_escape(b, slice_of(o->id, o->id_n));
	buf_printf(b, ",\"created\":%s,", i->made ? "true" : "false");
	inbox_put_numbers(b, i->count, i->version);
	buf_byte(b, '}');
}

static void
inbox_put_one(struct buf *b, const struct inbox_order *o,
    const struct inbox_one *i)
{
	buf_str(b, "{\"user\":");
	json_escape(b, slice_of(i->user, i->user_n));
	buf_byte(b, ',');
	if (i->result == BUS_STORE_OK)
		inbox_put_created(b, o, i);
	else
		buf_printf(b, "\"error\":{\"code\":\"%s\",\"message\":"
		    "\"%s\"}}", inbox_code(i->result), box_why(i->result));
}

/* What was asked of one user. */
static int
inbox_render(struct buf *b, const struct inbox_order *o,
    const struct box_reply *r)
{
	const struct inbox_one *i = &o->v[0];

	if (i->result != BUS_STORE_OK) {
		error_encode(b, inbox_code(i->result), box_why(i->result));
		return (i->result == BUS_STORE_TOO_LARGE ? 413 : 503);
	}
	if (o->op == BOX_PREFS) {
		buf_slice(b, r->text.n != 0 ? r->text : notice_prefs_none());
		return (200);
	}
	buf_byte(b, '{');
	if (o->op == BOX_CREATE) {
		inbox_put_created(b, o, i);
		return (200);
	}
	inbox_put_numbers(b, r->count, r->version);
	buf_str(b, o->op == BOX_LIST ? ",\"notifications\":[" : ",\"ids\":[");
	buf_slice(b, r->text);
	buf_byte(b, ']');
	if (r->next != 0)
		buf_printf(b, ",\"next\":%llu", (unsigned long long)r->next);
	buf_byte(b, '}');
	return (200);
}

/* If it is known of nobody, it is an error. */
static int
inbox_render_many(struct buf *b, const struct inbox_order *o)
{
	uint32_t k, known = 0;

	for (k = 0; k < o->n; k++)
		known += o->v[k].result == BUS_STORE_OK;
	if (known == 0)
		return (inbox_render(b, o, NULL));
	buf_str(b, "{\"results\":[");
	for (k = 0; k < o->n; k++) {
		if (k != 0)
			buf_byte(b, ',');
		inbox_put_one(b, o, &o->v[k]);
	}
	buf_str(b, "]}");
	return (200);
}

/* One less is awaited; r: of the one that has answered just now, or NULL. */
static void
inbox_answered(struct hub *h, struct inbox_order *o,
    const struct box_reply *r)
{
	struct buf b;
	int status;

	if (--o->open != 0)
		return;
	if (o->ref != 0) {
		buf_init(&b);
		status = o->many ? inbox_render_many(&b, o) :
		    inbox_render(&b, o, r);
		ask_stored(h, o->ref, status, &b);
		buf_fini(&b);
	}
	free(o);
}

/* The user is nowhere, and has a telephone, perhaps. */
static void
inbox_push(struct hub *h, const struct inbox_one *i, const struct box_reply *r)
{
	const struct inbox_order *o = i->order;
	struct slice user = slice_of(i->user, i->user_n);
	struct publication p = { .nsp = slice_of(o->ns->name,
	    o->ns->name_len), .event = SLICE("\"notification:new\""),
	    .args = r->text, .first = r->text };
	bool elsewhere;

	if (!o->ns->inbox_push || r->text.n == 0 ||
	    (r->did & (BOX_MADE | BOX_COUNTED | BOX_SILENT)) !=
	    (BOX_MADE | BOX_COUNTED) ||
	    inbox_is_here(h, o->ns, user, &elsewhere) || elsewhere)
		return;
	if (inbox_send(h, o->ns, user, &p, slice_of(o->id, o->id_n),
	    INBOX_PUSH))
		counter_add(COUNTER_notices_pushed, 1);
}

static void
inbox_heard(struct hub *h, void *arg, enum bus_store result,
    const struct box_reply *r)
{
	struct inbox_one *i = arg;

	i->result = result;
	if (r != NULL) {
		i->count = r->count;
		i->version = r->version;
		i->made = (r->did & BOX_MADE) != 0;
		if (i->order->op == BOX_CREATE)
			inbox_push(h, i, r);
	}
	inbox_answered(h, i->order, r);
}

/* --- asking ------------------------------------------------------------------- */

struct inbox_ask {
	const struct conf_namespace *ns;
	const struct slice *users;
	size_t		 nusers;
	bool		 many;
	enum box_op	 op;
	struct slice	 id;		/* CREATE */
	struct slice	 body;
};

static struct inbox_order *
inbox_order_new(const struct inbox_ask *q, struct ask *a)
{
	struct inbox_order *o = calloc(1, sizeof *o + q->nusers *
	    sizeof o->v[0]);
	size_t k;

	if (o == NULL)
		return (NULL);
	o->ref = a == NULL ? 0 : ask_ref(a);
	o->ns = q->ns;
	o->op = q->op;
	o->many = q->many;
	o->open = 1;
	o->id_n = (uint8_t)q->id.n;
	if (q->id.n != 0)
		memcpy(o->id, q->id.p, q->id.n);
	for (k = 0; k < q->nusers; k++) {
		o->v[k].order = o;
		o->v[k].user_n = (uint16_t)q->users[k].n;
		memcpy(o->v[k].user, q->users[k].p, q->users[k].n);
		o->v[k].result = BUS_STORE_UNAVAILABLE;
		o->n++;
	}
	return (o);
}

static int
inbox_error(struct buf *out, int status, const char *code, const char *why)
{
	error_encode(out, code, why);
	return (status);
}

static int
inbox_do(struct hub *h, const struct inbox_ask *q, void *asker,
    struct buf *out, struct ask **later)
{
	struct ask *a = asker == NULL ? NULL : ask_store(h, asker);
	struct inbox_order *o = NULL;
	uint32_t sent = 0;
	size_t k;

	if (a != NULL || asker == NULL)
		o = inbox_order_new(q, a);
	for (k = 0; o != NULL && k < q->nusers; k++) {
		o->open++;
		if (box_ask(h, q->ns, q->users[k], q->op, q->body, inbox_heard,
		    &o->v[k]))
			sent++;
		else
			o->open--;
	}
	if (sent == 0) {
		free(o);
		ask_forget(&a);
		return (inbox_error(out, 503, "unavailable",
		    box_why(BUS_STORE_UNAVAILABLE)));
	}
	if (later != NULL)
		*later = a;
	inbox_answered(h, o, NULL);
	return (asker == NULL ? 200 : 0);
}

/* --- reading ------------------------------------------------------------------ */

static const struct conf_namespace *
inbox_namespace(struct hub *h, struct slice name, struct buf *out,
    int *status)
{
	const char *code, *why;
	const struct conf_namespace *ns = api_namespace(h, name, &code, &why);

	if (ns != NULL && ns->inbox)
		return (ns);
	if (ns != NULL) {
		code = "not_found";
		why = "inbox is off in this namespace";
	}
	*status = inbox_error(out, strcmp(code, "forbidden") == 0 ? 403 : 404,
	    code, why);
	return (NULL);
}

int
api_inbox_list(struct hub *h, const struct api_inbox *q,
    const struct box_look *look, void *asker, struct buf *out,
    struct ask **later)
{
	struct inbox_ask a = { .users = &q->user, .nusers = 1,
		.op = look == NULL ? BOX_PREFS : BOX_LIST };
	struct buf body;
	int status;

	*later = NULL;
	a.ns = inbox_namespace(h, q->ns, out, &status);
	if (a.ns == NULL)
		return (status);
	buf_init(&body);
	if (look != NULL)
		box_put_look(&body, look);
	a.body = buf_unread(&body);
	status = body.oom ? inbox_error(out, 503, "internal",
	    "out of memory") : inbox_do(h, &a, asker, out, later);
	buf_fini(&body);
	return (status);
}

/* --- orders ------------------------------------------------------------------- */

static const struct slice inbox_item_members[] = {
	SLICE("id"), SLICE("title"), SLICE("message"), SLICE("type"),
	SLICE("category"), SLICE("priority"), SLICE("data"),
	SLICE("expires"), SLICE("collapse"), SLICE("user"), SLICE("users"),
	SLICE("namespace"),
};
static const struct slice inbox_pick_members[] = {
	SLICE("ids"), SLICE("id"), SLICE("notificationId"), SLICE("all"),
	SLICE("category"),
};
static const struct slice inbox_prefs_members[] = {
	SLICE("muted"), SLICE("least_priority"), SLICE("quiet_hours"),
};

/* A new id, in to. */
static struct slice
inbox_id(struct hub *h, uint8_t to[OFFSET_MAX])
{
	return (slice_of(to, (size_t)(offset_id_put(to, &h->origin,
	    ++h->seq) - to)));
}

/* Of the path's user, or those of the body. */
static bool
inbox_read_users(struct api_order *o, const struct api_inbox *q,
    struct slice v, struct inbox_ask *a)
{
	if (q->user.n != 0)
		o->users[o->to.nusers++] = q->user;
	else if (!api_order_names(o, v, SLICE("user"), o->users,
	    &o->to.nusers) || !api_order_names(o, v, SLICE("users"), o->users,
	    &o->to.nusers))
		return (false);
	if (o->to.nusers == 0)
		return (api_order_bad(o, "bad_request",
		    "user or users must say whose"));
	a->users = o->users;
	a->nusers = o->to.nusers;
	a->many = q->user.n == 0;
	return (true);
}

static bool
inbox_read_item(struct hub *h, struct api_order *o, struct slice v,
    struct buf *body, struct inbox_ask *a)
{
	static uint8_t made[OFFSET_MAX];
	struct box_item item;
	struct buf json;
	const char *wrong;

	buf_init(&json);
	wrong = notice_item(v, &inbox_names, inbox_id(h, made), h->wall.ms,
	    &json, &item);
	if (wrong == NULL)
		box_put_item(body, &item);
	body->oom |= json.oom;
	buf_fini(&json);
	a->id = item.id;
	return (wrong == NULL || api_order_bad(o, "bad_request", wrong));
}

static bool
inbox_read_pick(struct api_order *o, struct slice v, struct buf *body)
{
	static struct box_pick pick;	/* its list is large */
	const char *wrong = notice_pick(v, &inbox_names, &pick);

	if (wrong != NULL)
		return (api_order_bad(o, "bad_request", wrong));
	box_put_pick(body, &pick);
	return (true);
}

static bool
inbox_read_prefs(struct api_order *o, struct slice v, struct buf *body)
{
	struct box_prefs p;
	const char *wrong;
	struct buf text;

	buf_init(&text);
	wrong = notice_prefs(v, &inbox_names, &text, &p);
	if (wrong == NULL)
		box_put_prefs(body, &p);
	body->oom |= text.oom;
	buf_fini(&text);
	return (wrong == NULL || api_order_bad(o, "bad_request", wrong));
}

static bool
inbox_read(struct hub *h, struct api_order *o, const struct api_inbox *q,
    struct slice v, struct buf *body, struct inbox_ask *a)
{
	a->op = q->op;
	switch (q->op) {
	case BOX_CREATE:
		return (api_order_known(o, v, inbox_item_members,
		    nitems(inbox_item_members)) &&
		    inbox_read_users(o, q, v, a) &&
		    inbox_read_item(h, o, v, body, a));
	case BOX_READ:
	case BOX_DELETE:
		return (api_order_known(o, v, inbox_pick_members,
		    nitems(inbox_pick_members)) &&
		    inbox_read_users(o, q, v, a) &&
		    inbox_read_pick(o, v, body));
	case BOX_PREFS:
		return (api_order_known(o, v, inbox_prefs_members,
		    nitems(inbox_prefs_members)) &&
		    inbox_read_users(o, q, v, a) &&
		    inbox_read_prefs(o, v, body));
	case BOX_COUNT:
	case BOX_LIST:
	case BOX_STALE:
	case BOX_DUE:
		break;
	}
	return (false);
}

/* v is valid JSON. */
static int
inbox_order(struct hub *h, const struct api_inbox *q, struct slice v,
    void *asker, struct buf *out, struct ask **later)
{
	static struct api_order o;	/* lists of names; one at a time */
	struct inbox_ask a = { .ns = NULL };
	struct buf body;
	int status;
	bool ok;

	a.ns = inbox_namespace(h, q->ns, out, &status);
	if (a.ns == NULL)
		return (status);
	memset(&o, 0, sizeof o);
	buf_init(&body);
	ok = api_order_init(&o, v) && inbox_read(h, &o, q, v, &body, &a) &&
	    !body.oom;
	if (ok) {
		a.body = buf_unread(&body);
		status = inbox_do(h, &a, asker, out, later);
		buf_fini(&o.arena);
	} else
		status = api_order_end(&o, false, out);
	buf_fini(&body);
	return (status);
}

int
api_inbox_order(struct hub *h, const struct api_inbox *q, struct slice body,
    void *asker, struct buf *out, struct ask **later)
{
	struct slice v;

	*later = NULL;
	if (body.n == 0 || json_value(body, &v) != (ssize_t)body.n)
		return (inbox_error(out, 400, "bad_request",
		    "the body is not valid JSON"));
	return (inbox_order(h, q, v, asker, out, later));
}

int
api_inbox_drop(struct hub *h, const struct api_inbox *q, struct slice id,
    void *asker, struct buf *out, struct ask **later)
{
	static struct box_pick pick;	/* its list is large */
	struct inbox_ask a = { .users = &q->user, .nusers = 1,
		.op = BOX_DELETE };
	struct buf body;
	int status;

	*later = NULL;
	a.ns = inbox_namespace(h, q->ns, out, &status);
	if (a.ns == NULL)
		return (status);
	pick = (struct box_pick){ .n = 1 };
	pick.ids[0] = id;
	buf_init(&body);
	box_put_pick(&body, &pick);
	a.body = buf_unread(&body);
	status = body.oom ? inbox_error(out, 503, "internal",
	    "out of memory") : inbox_do(h, &a, asker, out, later);
	buf_fini(&body);
	return (status);
}

/* Every host that hears of it does it: by its id it is made once. */
int
api_inbox_bus(struct hub *h, struct slice v, struct buf *out)
{
	struct api_inbox q = { .op = BOX_CREATE };
	uint8_t name[ROOM_NAME_MAX];
	struct slice raw;
	ssize_t n = json_text(v, SLICE("namespace"), name, sizeof name, &raw);

	if (n < 0 || !json_get(v, SLICE("id"), &raw))
		return (inbox_error(out, 400, "bad_request", "an inbox order "
		    "is an object with namespace and id"));
	q.ns = slice_of(name, (size_t)n);
	return (inbox_order(h, &q, v, NULL, out, NULL));
}
