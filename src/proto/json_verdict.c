/*
 * Answers of hooks; see json_verdict.h.  Called by whoever has asked, and by the
 * relay, which keeps those that say so.
 */
#include "proto/json_verdict.h"

#include <string.h>

#include "proto/json.h"

/* A member of this type, or none; false: it is something else. */
static bool
verdict_part(struct slice object, const char *name, enum json_type type,
    struct slice *part)
{
	if (!json_get(object, slice_str(name), part)) {
		*part = slice_of(NULL, 0);
		return (true);
	}
	return (json_type(*part) == type);
}

/* A string that can be a name. */
static bool
verdict_is_name(struct slice raw)
{
	uint8_t name[VERDICT_USER_MAX];

	return (json_type(raw) == JSON_STRING &&
	    json_name(raw, name, sizeof name) > 0);
}

/* So many names at most, or nothing. */
static bool
verdict_names(struct slice object, const char *name, unsigned max,
    struct slice *part)
{
	struct slice key, element;
	struct json_iter it;
	unsigned n = 0;

	if (!verdict_part(object, name, JSON_ARRAY, part))
		return (false);
	if (part->n == 0 || !json_enter(*part, &it))
		return (true);
	while (json_next(&it, &key, &element))
		if (n++ == max || !verdict_is_name(element))
			return (false);
	return (true);
}

/* Letters, digits and "_.:-", which need no escapes. */
static bool
verdict_code(struct slice object, struct slice *code)
{
	size_t i;

	if (!verdict_part(object, "code", JSON_STRING, code))
		return (false);
	if (code->n == 0)
		return (true);
	*code = slice_of(code->p + 1, code->n - 2);
	for (i = 0; i < code->n; i++)
		if (memchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		    "0123456789_.:-", code->p[i], 66) == NULL)
			return (false);
	return (code->n > 0 && code->n <= VERDICT_CODE_MAX);
}

/* One within its bounds, 0 where there is none. */
static bool
verdict_number(struct slice object, const char *name, int64_t min, int64_t max,
    int64_t *n)
{
	struct slice part;

	*n = 0;
	if (!verdict_part(object, name, JSON_NUMBER, &part))
		return (false);
	return (part.n == 0 || (json_int(part, n) && *n >= min && *n <= max));
}

static bool
verdict_rest(struct slice object, struct verdict *v)
{
	int64_t status, cache;

	if (!verdict_number(object, "status", 400, 499, &status) ||
	    !verdict_number(object, "cache", 0, INT32_MAX, &cache))
		return (false);
	v->status = (unsigned)status;
	v->cache_s = (uint64_t)cache;
	if (!json_get(object, SLICE("data"), &v->data))
		v->data = slice_of(NULL, 0);
	return (verdict_code(object, &v->code) &&
	    verdict_part(object, "message", JSON_STRING, &v->message) &&
	    verdict_part(object, "event", JSON_STRING, &v->event) &&
	    verdict_part(object, "user", JSON_STRING, &v->user) &&
	    (v->user.n == 0 || verdict_is_name(v->user)) &&
	    (v->event.n == 0 || verdict_is_name(v->event)) &&
	    verdict_names(object, "roles", VERDICT_ROLES_MAX, &v->roles) &&
	    verdict_names(object, "rooms", VERDICT_ROOMS_MAX, &v->rooms));
}

bool
verdict_decode(struct slice text, struct verdict *v)
{
	struct slice object, allow;
	ssize_t n;

	*v = (struct verdict){ .allow = true };
	if (text.n == 0)
		return (true);
	n = json_value(text, &object);
	if (n < 0 || (size_t)n != text.n || json_type(object) != JSON_OBJECT ||
	    !json_get(object, SLICE("allow"), &allow))
		return (false);
	v->allow = json_type(allow) == JSON_TRUE;
	if (!v->allow && json_type(allow) != JSON_FALSE)
		return (false);
	if (!verdict_part(object, "ack", JSON_ARRAY, &v->ack))
		return (false);
	if (v->ack.n != 0)
		v->ack = json_trim(slice_of(v->ack.p + 1, v->ack.n - 2));
	return (verdict_rest(object, v));
}

void
verdict_words(const struct verdict *v, char out[VERDICT_WORDS_MAX + 1])
{
	static const char some[] = "the back end refuses it";
	size_t n = v->message.n == 0 ? 0 : json_plain_size(v->message, 0);

	if (n == 0 || n > VERDICT_WORDS_MAX) {
		memcpy(out, some, sizeof some);
		return;
	}
	*json_plain_to((uint8_t *)out, v->message, 0) = '\0';
}
