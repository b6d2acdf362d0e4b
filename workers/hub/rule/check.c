/*
 * Checks of a rule; see check.h.  Called by rule.c.
 */
#include "hub/rule/check.h"

#include "proto/json.h"

static bool
check_has_type(enum conf_check_type want, struct slice v)
{
	enum json_type t = json_type(v);
	int64_t i;

	switch (want) {
	case CONF_CHECK_ANY:
		return (true);
	case CONF_CHECK_STRING:
		return (t == JSON_STRING);
	case CONF_CHECK_NUMBER:
		return (t == JSON_NUMBER);
	case CONF_CHECK_INTEGER:
		return (t == JSON_NUMBER && json_int(v, &i));
	case CONF_CHECK_BOOLEAN:
		return (t == JSON_TRUE || t == JSON_FALSE);
	case CONF_CHECK_OBJECT:
		return (t == JSON_OBJECT);
	case CONF_CHECK_ARRAY:
		return (t == JSON_ARRAY);
	}
	return (false);
}

/* What min and max speak of: length, number of elements, or value. */
static double
check_magnitude(struct slice v)
{
	struct slice key, element;
	struct json_iter it;
	double d = 0;

	switch (json_type(v)) {
	case JSON_STRING:
		return ((double)json_string_chars(v));
	case JSON_NUMBER:
		return (json_double(v, &d) ? d : 0);
	case JSON_ARRAY:
		if (json_enter(v, &it))
			while (json_next(&it, &key, &element))
				d++;
		return (d);
	case JSON_NONE:
	case JSON_OBJECT:
	case JSON_TRUE:
	case JSON_FALSE:
	case JSON_NULL:
		break;
	}
	return (0);
}

static bool
check_one(const struct conf_check *c, struct slice first)
{
	struct slice v;
	double m;

	if (!json_get(first, slice_str(c->field), &v))
		return (c->optional);
	/* null is a value: what may be missing need not be null */
	if (json_type(v) == JSON_NULL)
		return (c->null || c->type == CONF_CHECK_ANY);
	if (!check_has_type(c->type, v))
		return (false);
	if (!c->has_min && !c->has_max)
		return (true);
	m = check_magnitude(v);
	return ((!c->has_min || m >= c->min) && (!c->has_max || m <= c->max));
}

const struct conf_check *
check_failed(const struct conf_event *r, struct slice first)
{
	size_t i;

	for (i = 0; i < r->nchecks; i++)
		if (!check_one(&r->checks[i], first))
			return (&r->checks[i]);
	return (NULL);
}
