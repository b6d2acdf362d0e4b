/*
 * Event rules; see rule.h.  Called by inbound.c with each event that is no
 * service's, by whoever makes a session when it begins; what a rule lets
 * through goes to rule_send.c.
 */
#include "hub/rule/rule.h"

#include "hub/audience/fanout.h"
#include "hub/audience/room.h"
#include "hub/rule/check.h"
#include "hub/rule/rule_int.h"
#include "hub/session/limit.h"
#include "hub/session/principal.h"
#include "proto/json.h"

/* --- where to ------------------------------------------------------------- */

/* The member of the first argument that names the target. */
static bool
rule_find_target(struct passage *w)
{
	ssize_t n;

	n = json_text(w->out.first, slice_str(w->rule->field), w->name_bytes,
	    sizeof w->name_bytes, &w->raw);
	if (json_type(w->raw) != JSON_STRING) {
		refuse(w->s, w->in, REFUSED_INVALID,
		    "\"%s\" must be a string that names the %s",
		    w->rule->field,
		    w->rule->to == CONF_TO_ROOM ? "room" : "user");
		return (false);
	}
	if (n <= 0) {
		refuse(w->s, w->in, REFUSED_INVALID, "\"%s\" is no name",
		    w->rule->field);
		return (false);
	}
	w->name = slice_of(w->name_bytes, (size_t)n);
	return (true);
}

/* No more arguments than the rule says: what follows them is the server's. */
static bool
rule_takes_args(struct passage *w)
{
	unsigned max = conf_event_args(w->rule);
	struct slice first;

	if (max == 0)
		return (true);
	w->nargs = args_count(w->in->args, max, &first);
	if (w->out.first.n == 0)
		w->out.first = first;
	if (w->nargs <= max)
		return (true);
	refuse(w->s, w->in, REFUSED_INVALID, "more than %u argument%s",
	    max, max == 1 ? "" : "s");
	return (false);
}

/* Whoever it names. */
static bool
rule_may_reach(struct passage *w)
{
	const struct conf_event *r = w->rule;

	if (r->to != CONF_TO_ROOM && r->to != CONF_TO_USER)
		return (true);
	if (!rule_find_target(w))
		return (false);
	if (r->to == CONF_TO_ROOM && r->member &&
	    room_membership(w->s, ROOM_NAMED, w->name) == NULL) {
		refuse(w->s, w->in, REFUSED_NOT_MEMBER,
		    "you are not in this room");
		return (false);
	}
	return (true);
}

/* The sender names who gets it, unless the rule writes that as well. */
static bool
rule_writes(struct passage *w)
{
	const struct conf_event *r = w->rule;

	if (!r->writes_field && !rule_may_reach(w))
		return (false);
	if (!written_args(w->s, w->in, r, &w->out))
		return (false);
	if (r->ndata != 0)
		w->nargs = (unsigned)r->ndata;
	return (!r->writes_field || rule_may_reach(w));
}

static bool
rule_may_pass(struct passage *w)
{
	const struct conf_event *r = w->rule;
	const struct conf_check *c;

	if (!principal_has_role(w->s->who, r->roles, r->nroles)) {
		refuse(w->s, w->in, REFUSED_FORBIDDEN,
		    "your role may not send this event");
		return (false);
	}
	if (r->rate != NULL && !limit_event(w->s, w->in, r->rate))
		return (false);
	if (r->max_bytes != 0 && inbound_bytes(w->in) > r->max_bytes) {
		refuse(w->s, w->in, REFUSED_TOO_LARGE,
		    "more than %llu bytes", (unsigned long long)r->max_bytes);
		return (false);
	}
	if (r->to == CONF_TO_NOWHERE && r->error != NULL &&
	    r->error[0] != '\0') {
		refuse(w->s, w->in, REFUSED_UNKNOWN_EVENT, "%s",
		    r->error);
		return (false);
	}
	if (!rule_takes_args(w))
		return (false);
	if ((r->nchecks != 0 || r->field != NULL || r->conflate[0] != '\0') &&
	    w->out.first.n == 0 && w->in->args.n != 0)
		MUST(json_value(w->in->args, &w->out.first) > 0);
	c = check_failed(r, w->out.first);
	if (c != NULL) {
		refuse(w->s, w->in, REFUSED_INVALID,
		    "\"%s\" is missing, or not what it must be", c->field);
		return (false);
	}
	if (unlikely(r->writes))
		return (rule_writes(w));
	return (rule_may_reach(w));
}

/* --- the whole ------------------------------------------------------------ */

void
rule_event(struct session *s, const struct inbound *in, struct slice name)
{
	struct passage w;

	w.rule = name.n == 0 ? NULL : conf_event_find(s->ns, name);
	if (w.rule == NULL) {
		refuse(s, in, REFUSED_UNKNOWN_EVENT, "unknown event");
		return;
	}
	w.s = s;
	w.in = in;
	w.nargs = 0;
	w.out = (struct written){ in->args, in->first, in->nattach };
	w.raw = w.name = w.id = slice_of(NULL, 0);
	if (rule_may_pass(&w))
		rule_pass(&w);
}

void
rule_connect(struct session *s, struct slice auth)
{
	struct inbound in = { .event = SLICE("\"connect\""),
		.args = auth.n != 0 ? auth : SLICE("{}") };
	struct passage w = { .s = s, .in = &in, .rule = s->ns->on_connect,
		.nargs = 1, .out.args = in.args };

	if (w.rule == NULL || w.rule->to != CONF_TO_SENDER)
		return;
	if ((!w.rule->writes || rule_writes(&w)) && rule_publication(&w))
		(void)fanout_session(s->hub, s, &w.p);
}
