/*
 * Checks of a rule; see check.h.  Called by rule.c, and for what back ends
 * publish.
 */
#include "hub/rule/check.h"

#include "proto/json.h"

/* Lines of check speak of members, and what is no object has none. */
static bool
check_lines(const struct conf_schema *s, struct slice first,
    struct conf_fault *f)
{
	if (json_type(first) != JSON_OBJECT)
		first = SLICE("{}");
	return (conf_schema_holds(s, first, f));
}

bool
check_holds(const struct conf_event *r, struct slice args,
    struct slice *first, struct conf_fault *f)
{
	if (r->checked == NULL && r->schema == NULL)
		return (true);
	if (first->n == 0 && args.n != 0)
		MUST(json_value(args, first) > 0);
	return ((r->checked == NULL || check_lines(r->checked, *first, f)) &&
	    (r->schema == NULL || conf_schema_holds(r->schema, *first, f)));
}
