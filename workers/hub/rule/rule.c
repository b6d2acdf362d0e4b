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
#include "hub/stream/consult.h"
#include "proto/json.h"

/* --- where to ------------------------------------------------------------- */

/* The member of the first argument that names the target. */
static bool
rule_find_target(struct passage *w)
{
	ssize_t n;

	rule_look_first(w);
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

/* All rooms that the sender is in. */
static bool
rule_find_joined(struct passage *w)
{
	struct buf *b = &w->s->hub->text;
	const struct membership *m;

	if (w->s->nrooms > nitems(w->rooms)) {
		refuse(w->s, w->in, REFUSED_LIMIT,
		    "you are in more than %zu rooms", nitems(w->rooms));
		return (false);
	}
	for (m = w->s->memberships; m != NULL; m = m->next)
		if (room_kind(m->room) == ROOM_NAMED)
			w->rooms[w->nrooms++] = room_name(m->room);
	if (w->nrooms == 0 && w->rule->member) {
		refuse(w->s, w->in, REFUSED_NOT_MEMBER, "you are in no room");
		return (false);
	}
	if (w->nrooms != 1)
		return (true);
	w->name = w->rooms[0];
	buf_reset(b);
	json_escape(b, w->name);
	w->raw = buf_unread(b);
	if (!b->oom)
		return (true);
	b->oom = false;
	refuse_memory(w->s, w->in);
	return (false);
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

	if (unlikely(r->to == CONF_TO_JOINED))
		return (rule_find_joined(w));
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
rule_reaches(struct passage *w)
{
	const struct conf_event *r = w->rule;

	if (likely(!r->writes))
		return (rule_may_reach(w));
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
	struct conf_fault f;

	if (!principal_has_role(w->s->who, r->roles, r->nroles)) {
		refuse(w->s, w->in, REFUSED_FORBIDDEN,
		    "your role may not send this event");
		return (false);
	}
	if (r->rate != NULL && !w->asked && !limit_event(w->s, w->in, r->rate))
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
	if (likely(r->checked == NULL && r->schema == NULL) ||
	    check_holds(r, w->out.args, &w->out.first, &f))
		return (true);
	refuse(w->s, w->in, REFUSED_INVALID, "%s%s%s", f.path + f.at,
	    f.path[f.at] == '\0' ? "the first argument " : ": ", f.why);
	return (false);
}

/* --- the whole ------------------------------------------------------------ */

static void
rule_begin(struct passage *w, struct session *s, const struct inbound *in,
    const struct conf_event *rule)
{
	w->s = s;
	w->in = in;
	w->rule = rule;
	w->nargs = 0;
	w->nrooms = 0;
	w->besides = false;
	w->out = (struct written){ in->args, in->first, in->nattach };
	w->raw = w->name = w->id = w->answer = slice_of(NULL, 0);
	w->asked = false;
}

/* What the event causes besides would go out as well; else none of it does, and
 * the sender was told. */
static bool
rule_thens_may(struct session *s, const struct inbound *in,
    const struct conf_event *rule)
{
	struct passage w;
	size_t i;

	for (i = 0; i < rule->nthen; i++) {
		rule_begin(&w, s, in, &rule->then[i]);
		if (!rule_reaches(&w))
			return (false);
	}
	return (true);
}

/* To who has just come, before anything else that it gets. */
static void
rule_greet(struct passage *w)
{
	if (rule_publication(w))
		(void)fanout_session(w->s->hub, w->s, &w->p);
}

/* A session that begins is in no room yet but that of its route. */
static bool
rule_greets_nobody(const struct session *s, const struct conf_event *rule)
{
	return (rule->to == CONF_TO_NOWHERE ||
	    (rule->to == CONF_TO_JOINED && s->nrooms == 0));
}

/* Nobody waits for an answer to these. */
static void
rule_thens(struct session *s, const struct inbound *in,
    const struct conf_event *rule, bool greets)
{
	struct inbound quiet = *in;
	struct passage w;
	size_t i;

	quiet.ack = (struct ack){ .kind = ACK_NONE };
	for (i = 0; i < rule->nthen; i++) {
		if (greets && rule_greets_nobody(s, &rule->then[i]))
			continue;
		rule_begin(&w, s, &quiet, &rule->then[i]);
		w.besides = true;
		if (!rule_takes_args(&w) || !rule_reaches(&w))
			continue;
		if (greets && w.rule->to == CONF_TO_SENDER)
			rule_greet(&w);
		else
			rule_pass(&w);
	}
}

static void	rule_run(struct session *, const struct inbound *,
		    struct slice name, bool asked, struct slice answer);

static void
rule_go(struct session *s, const struct inbound *in, struct slice name,
    struct slice answer)
{
	rule_run(s, in, name, true, answer);
}

/* It passes when the hook says so: then it comes back. */
static void
rule_ask(struct passage *w, struct slice name)
{
	const struct forward f = { .room = w->rule->to == CONF_TO_ROOM ?
		w->name : slice_of(NULL, 0), .event = w->in->event,
		.args = w->in->args, .attachments = w->in->attachments,
		.nattach = w->in->nattach, .kind = FORWARD_ASKS };

	consult_ask(w->s, w->in, name, &f, rule_go);
}

/* With the rule as it is now: it may have waited. */
static void
rule_run(struct session *s, const struct inbound *in, struct slice name,
    bool asked, struct slice answer)
{
	const struct conf_event *rule = name.n == 0 ? NULL :
	    conf_event_find(s->ns, name);
	struct passage w;

	if (rule == NULL) {
		refuse(s, in, REFUSED_UNKNOWN_EVENT, "unknown event");
		return;
	}
	rule_begin(&w, s, in, rule);
	w.asked = asked;
	w.answer = answer;
	if (!rule_may_pass(&w) || (unlikely(rule->nthen != 0) &&
	    !rule_thens_may(s, in, rule)) || !rule_reaches(&w))
		return;
	if (unlikely(rule->asks) && !asked) {
		rule_ask(&w, name);
		return;
	}
	rule_pass(&w);
	if (unlikely(rule->nthen != 0))
		rule_thens(s, in, rule, false);
}

void
rule_event(struct session *s, const struct inbound *in, struct slice name)
{
	rule_run(s, in, name, false, slice_of(NULL, 0));
}

void
rule_connect(struct session *s, struct slice auth)
{
	struct inbound in = { .event = SLICE("\"connect\""),
		.args = auth.n != 0 ? auth : SLICE("{}") };
	const struct conf_event *rule = s->ns->on_connect;
	struct passage w;

	if (rule == NULL)
		return;
	rule_begin(&w, s, &in, rule);
	w.nargs = 1;
	if (!rule_greets_nobody(s, rule) && rule_reaches(&w)) {
		if (rule->to == CONF_TO_SENDER)
			rule_greet(&w);
		else
			rule_pass(&w);
	}
	rule_thens(s, &in, rule, true);
}
