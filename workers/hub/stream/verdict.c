/*
 * Answers of hooks; see verdict.h.  Called by consult.c.
 */
#include "hub/stream/verdict.h"

#include "proto/json.h"

bool
verdict_decode(struct slice text, struct verdict *v)
{
	struct slice object, allow, part;
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
	if (json_get(object, SLICE("message"), &part)) {
		if (json_type(part) != JSON_STRING)
			return (false);
		v->message = part;
	}
	if (json_get(object, SLICE("ack"), &part)) {
		if (json_type(part) != JSON_ARRAY)
			return (false);
		v->ack = json_trim(slice_of(part.p + 1, part.n - 2));
	}
	return (true);
}
