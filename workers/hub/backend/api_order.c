/*
 * Reading what the bodies of the HTTP API have in common; see api_int.h.
 */
#include "hub/backend/api_int.h"

#include <stdio.h>

#include "proto/error.h"
#include "proto/json.h"

bool
api_order_bad(struct api_order *o, const char *code, const char *why)
{
	o->code = code;
	o->why = why;
	return (false);
}

bool
api_order_init(struct api_order *o, struct slice body)
{
	buf_init(&o->arena);
	return (buf_reserve(&o->arena, body.n + 1));
}

int
api_order_end(struct api_order *o, bool ok, struct buf *out)
{
	buf_fini(&o->arena);
	if (ok)
		return (200);
	if (o->code == NULL) {
		error_encode(out, "internal", "out of memory");
		return (503);
	}
	error_encode(out, o->code, o->why);
	return (strcmp(o->code, "not_found") == 0 ? 404 :
	    strcmp(o->code, "forbidden") == 0 ? 403 :
	    strcmp(o->code, "conflict") == 0 ? 409 :
	    strcmp(o->code, "gone") == 0 ? 410 :
	    strcmp(o->code, "too_large") == 0 ? 413 :
	    strcmp(o->code, "unavailable") == 0 ? 503 : 400);
}

/* --- members -------------------------------------------------------------- */

static const char *
order_unknown_words(const struct slice *members, size_t n)
{
	static char words[256];		/* one at a time */
	size_t i, at;
	int more;

	at = (size_t)snprintf(words, sizeof words, "a member is not known:");
	for (i = 0; i < n; i++) {
		more = snprintf(words + at, sizeof words - at, "%s %.*s%s",
		    i == 0 ? "" : ",", (int)members[i].n,
		    (const char *)members[i].p, i + 1 == n ? " are" : "");
		at += (size_t)more;
		MUST(at < sizeof words);
	}
	return (words);
}

bool
api_order_known(struct api_order *o, struct slice body,
    const struct slice *members, size_t n)
{
	struct slice key, value;
	struct json_iter it;
	size_t i;

	if (!json_enter(body, &it) || json_type(body) != JSON_OBJECT)
		return (api_order_bad(o, "bad_request",
		    "the body must be an object"));
	while (json_next(&it, &key, &value)) {
		for (i = 0; i < n; i++)
			if (json_string_eq(key, members[i]))
				break;
		if (i == n)
			return (api_order_bad(o, "bad_request",
			    order_unknown_words(members, n)));
	}
	return (true);
}

/* --- namespace ------------------------------------------------------------ */

static const struct conf_namespace *
order_namespace_named(struct hub *h, struct slice name)
{
	uint8_t full[ROOM_NAME_MAX + 1];

	if (name.n != 0 && name.p[0] == '/')
		return (conf_namespace_find(h->conf, name));
	if (name.n > ROOM_NAME_MAX)
		return (NULL);
	full[0] = '/';
	if (name.n != 0)
		memcpy(full + 1, name.p, name.n);
	return (conf_namespace_find(h->conf, slice_of(full, name.n + 1)));
}

void
api_asks(struct hub *h, const struct conf_api_key *key)
{
	h->api_key = key;
}

bool
api_is_limited(const struct hub *h)
{
	return (h->api_key != NULL && h->api_key->nnamespaces > 0);
}

const struct conf_namespace *
api_namespace(struct hub *h, struct slice name, const char **code,
    const char **why)
{
	const struct conf_namespace *ns = order_namespace_named(h, name);

	if (api_is_limited(h) &&
	    (ns == NULL || !conf_api_key_covers(h->api_key, ns))) {
		*code = "forbidden";
		*why = "this key is for other namespaces";
		return (NULL);
	}
	*code = "not_found";
	*why = "no such namespace";
	return (ns);
}

bool
api_order_namespace(struct api_order *o, struct hub *h, struct slice body)
{
	const char *code, *why;
	uint8_t name[ROOM_NAME_MAX];
	struct slice raw;
	ssize_t n;

	n = json_text(body, SLICE("namespace"), name, sizeof name, &raw);
	if (n < 0)
		return (api_order_bad(o, "bad_request",
		    "namespace must be a string"));
	o->ns = api_namespace(h, slice_of(name, (size_t)n), &code, &why);
	return (o->ns != NULL || api_order_bad(o, code, why));
}

/* --- audience ------------------------------------------------------------- */

/* A name (room, user, sid) unescaped into the arena, which never moves: it
 * was made as large as the body. */
static bool
order_add_name(struct api_order *o, struct slice raw, struct slice *list,
    size_t *n)
{
	uint8_t *to = o->arena.data + o->arena.wpos;
	size_t room = o->arena.cap - o->arena.wpos;
	ssize_t len;

	len = json_name(raw, to, room < ROOM_NAME_MAX ? room : ROOM_NAME_MAX);
	if (len <= 0)
		return (api_order_bad(o, "bad_request",
		    "rooms, users and sids are strings of 1..256 bytes "
		    "without control characters"));
	if (*n == BUS_LIST_MAX)
		return (api_order_bad(o, "bad_request", "more than 64 names"));
	list[(*n)++] = slice_of(to, (size_t)len);
	o->arena.wpos += (size_t)len;
	return (true);
}

bool
api_order_list(struct api_order *o, struct slice body, struct slice member,
    struct slice *list, size_t *n)
{
	struct slice v, key, element;
	struct json_iter it;

	/* null is no absence: a variable that was never set must not make
	 * "everybody" of an audience */
	if (!json_get(body, member, &v))
		return (true);
	if (json_type(v) != JSON_ARRAY)
		return (order_add_name(o, v, list, n));
	if (!json_enter(v, &it))
		return (false);
	while (json_next(&it, &key, &element))
		if (!order_add_name(o, element, list, n))
			return (false);
	return (true);
}

bool
api_order_names(struct api_order *o, struct slice body, struct slice member,
    struct slice *list, size_t *n)
{
	struct slice v;

	if (!api_order_list(o, body, member, list, n))
		return (false);
	/* an empty list must not become "everybody" */
	if (*n == 0 && json_get(body, member, &v) &&
	    json_type(v) == JSON_ARRAY)
		return (api_order_bad(o, "bad_request",
		    "an empty list of receivers"));
	return (true);
}

bool
api_order_audience(struct api_order *o, struct slice body)
{
	struct audience *a = &o->to;
	struct slice v;

	a->rooms = o->rooms;
	a->users = o->users;
	a->sids = o->sids;
	a->except = o->except;
	if (!api_order_names(o, body, SLICE("room"), o->rooms, &a->nrooms) ||
	    !api_order_names(o, body, SLICE("rooms"), o->rooms, &a->nrooms) ||
	    !api_order_names(o, body, SLICE("user"), o->users, &a->nusers) ||
	    !api_order_names(o, body, SLICE("users"), o->users, &a->nusers) ||
	    !api_order_names(o, body, SLICE("sid"), o->sids, &a->nsids))
		return (false);
	if (json_get(body, SLICE("except"), &v) &&
	    json_type(v) == JSON_ARRAY && v.n == 2)
		return (true);
	return (api_order_names(o, body, SLICE("except"), o->except,
	    &a->nexcept));
}
