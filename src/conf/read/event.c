/*
 * Rules of events, with what each causes besides; see event.h.
 */
#include "conf/read/event.h"

#include <string.h>

#include "conf/heap.h"
#include "conf/name.h"
#include "conf/rule/written.h"
#include "conf/value/string.h"

/* What the server writes into it. */
static void
event_check_written(struct conf_reading *parse, const struct conf_tree *s,
    struct conf_event *event, const struct conf_namespace *ns)
{
	const char *wrong = conf_not_kept(event, ns);

	if (wrong != NULL)
		conf_titled_bad(parse, s, wrong);
	if (conf_data_takes_none(event))
		conf_titled_bad(parse, s, "set writes members, and the first "
		    "of data is no object");
	if (event->meta_sid && !event->meta)
		conf_titled_bad(parse, s, "meta_sid needs meta");
	event->writes = event->ndata != 0 || event->nmembers != 0;
	event->writes_field = conf_writes_field(event);
}

/* Who gets it, of a rule or of what follows from one. */
static void
event_check_to(struct conf_reading *parse, const struct conf_tree *s,
    const struct conf_event *event, const struct conf_namespace *ns)
{
	if (event->self && event->to == CONF_TO_NOWHERE)
		conf_titled_bad(parse, s, "self needs a receiver: to = ...");
	if (event->to == CONF_TO_BACKEND && (event->self || event->forward))
		conf_titled_bad(parse, s, "to = backend takes neither self nor "
		    "forward: it is for back ends alone");
	if (conf_event_forwards(event) && ns->hook == NULL &&
	    !conf_redis_on(&parse->p.conf->redis))
		conf_titled_bad(parse, s, event->forward ? "forward = true "
		    "needs a hook in the namespace, or a redis section: back "
		    "ends get it there" :
		    "to = backend needs a hook in the namespace, or a redis "
		    "section: back ends get it there");
}

/* What the directives of a rule mean together. */
static void
event_check_event(struct conf_reading *parse, const struct conf_tree *s,
    const struct conf_event *event, const struct conf_namespace *ns)
{
	if (event->error[0] != '\0' && event->to != CONF_TO_NOWHERE)
		conf_titled_bad(parse, s, "error needs to = nowhere");
	event_check_to(parse, s, event, ns);
	if (event->conflate[0] != '\0' && !event->is_volatile)
		conf_titled_bad(parse, s, "conflate needs volatile = true: "
		    "what it replaces is not told");
	if (event->asks && ns->hook == NULL)
		conf_titled_bad(parse, s, "ask needs a hook in the namespace");
	if (event->ack == CONF_ACK_BACKEND && !event->asks &&
	    event->to != CONF_TO_BACKEND)
		conf_titled_bad(parse, s, "ack = backend needs ask, or to = "
		    "backend: the answer has it");
	if (event->confirm_json != NULL && event->error[0] != '\0')
		conf_titled_bad(parse, s, "confirm and error contradict");
	if (event->nthen != 0 && event->error[0] != '\0')
		conf_titled_bad(parse, s, "then and error contradict");
}

/* What is sent on when a session begins is the auth object of a CONNECT, which
 * may hold a token, unless the rule has other arguments. */
static void
event_check_greeting(struct conf_reading *parse,
    const struct conf_tree *s, const struct conf_event *event)
{
	if (event->ndata == 0 && event->to != CONF_TO_SENDER &&
	    event->to != CONF_TO_NOWHERE)
		conf_titled_bad(parse, s, "without data only to = sender: "
		    "an auth object, with tokens in it, is for nobody else");
}

/* The rule for the moment of joining. */
static void
event_check_connect(struct conf_reading *parse, const struct conf_tree *s,
    const struct conf_event *event, const struct conf_namespace *ns)
{
	const bool given[] = { event->nroles > 0, event->self, event->forward,
		event->asks, event->offline != CONF_OFFLINE_DROP,
		event->is_volatile, event->conflate[0] != '\0',
		!event->member,
		event->confirm_json != NULL, event->ack != CONF_ACK_NONE,
		event->args != 0, event->max_bytes != 0, event->rate != NULL,
		event->nchecks > 0, event->schema_file[0] != '\0',
		event->error[0] != '\0' };
	size_t i;

	event_check_greeting(parse, s, event);
	event_check_to(parse, s, event, ns);
	if (event->to != CONF_TO_NOWHERE && event->to != CONF_TO_BACKEND &&
	    event->as_json == NULL)
		conf_titled_bad(parse, s, "it needs as: "
		    "clients may not be sent an event of this name");
	for (i = 0; i < nitems(given); i++)
		if (given[i]) {
			conf_titled_bad(parse, s, "nobody sends it: it takes "
			    "to, as, meta, meta_sid, data, set and then, and "
			    "nothing else");
			break;
		}
}

/* What a user who is away is spared, or waits for. */
static void
event_check_offline(struct conf_reading *parse, const struct conf_tree *s,
    const struct conf_event *event, const struct conf_namespace *ns)
{
	uint32_t what = event->offline & ~(uint32_t)CONF_OFFLINE_DROP;

	if (what == 0)
		return;
	if (what != event->offline)
		conf_titled_bad(parse, s, "offline = drop stands alone");
	if (event->to != CONF_TO_USER || event->is_volatile)
		conf_titled_bad(parse, s, "offline is for what goes to = "
		    "user:FIELD and is not volatile");
	if (!conf_redis_on(&parse->p.conf->redis))
		conf_titled_bad(parse, s, "offline = queue, or push, needs a "
		    "redis section: it waits there");
	if ((what & CONF_OFFLINE_PUSH) != 0 &&
	    ns->presence == CONF_PRESENCE_OFF)
		conf_titled_bad(parse, s, "offline = push needs presence in the "
		    "namespace: else nobody knows who is on another host");
}

/* --- what an event causes besides ----------------------------------------- */

#define THEN_MAX	8	/* of one event */

static void
event_name(struct conf_event *event, const struct conf_tree *s)
{
	event->name = conf_strdup(s->title.text);
	event->name_len = strlen(event->name);
	event->name_json = conf_json_string(event->name);
	event->line = s->title.at.line;
}

static void
event_then(struct conf_reading *parse, const struct conf_tree *in,
    const struct conf_tree *s, struct conf_event *event,
    const struct conf_namespace *ns)
{
	struct conf_event *then = &event->then[event->nthen++];
	const char *wrong = NULL;

	event_name(then, s);
	then->offline = CONF_OFFLINE_DROP;
	conf_titled_fill(parse, s, then);
	if (then->as_json == NULL) {
		then->as_json = then->name_json;
		wrong = strcmp(then->name, "*") == 0 ? "\"*\" is not a name" :
		    conf_event_name_bad(then->name);
	}
	if (wrong != NULL)
		conf_titled_bad(parse, s, wrong);
	conf_titled_repeats(parse, in, s, event->then, sizeof *event->then,
	    NULL);
	event_check_to(parse, s, then, ns);
	event_check_written(parse, s, then, ns);
}

static void
event_thens(struct conf_reading *parse, const struct conf_tree *s,
    struct conf_event *event, const struct conf_namespace *ns)
{
	const struct conf_tree *sub = NULL;
	size_t n = conf_tree_count(s, CONF_SEC_THEN);

	if (n == 0)
		return;
	event->then = conf_calloc(n, sizeof *event->then);
	while ((sub = conf_tree_next(s, CONF_SEC_THEN, sub)) != NULL)
		if (event->nthen < THEN_MAX)
			event_then(parse, s, sub, event, ns);
		else
			conf_titled_bad(parse, sub, "an event causes 8 more "
			    "at most");
}

/* Its sender's arguments go to somebody, with what the server writes behind. */
static bool
event_sends_meta(const struct conf_event *event)
{
	return (event->meta && event->ndata == 0 &&
	    ((event->to != CONF_TO_NOWHERE && event->to != CONF_TO_BACKEND) ||
	    event->confirm_json != NULL));
}

/* See conf_event_args(). */
static void
event_note_args(struct conf_event *event)
{
	bool sends = event_sends_meta(event);
	size_t i;

	for (i = 0; i < event->nthen; i++)
		sends |= event_sends_meta(&event->then[i]);
	event->takes = event->args != 0 ? event->args : sends ? 1 : 0;
	for (i = 0; i < event->nthen; i++)
		event->then[i].takes = event->then[i].ndata != 0 ? 0 :
		    event->takes;
}

static void
event_connect(struct conf_reading *parse, const struct conf_tree *s,
    struct conf_namespace *ns, struct conf_event *event)
{
	const struct conf_tree *sub = NULL;
	size_t i;

	event_check_connect(parse, s, event, ns);
	for (i = 0; i < event->nthen; i++) {
		sub = conf_tree_next(s, CONF_SEC_THEN, sub);
		event_check_greeting(parse, sub, &event->then[i]);
	}
	if (ns->on_connect != NULL)
		conf_section_again(parse, CONF_SEC_EVENT, event->name,
		    event->line, ns->on_connect->line);
	ns->on_connect = event;
}

void
conf_event_read(struct conf_reading *parse, const struct conf_tree *s,
    struct conf_namespace *ns)
{
	struct conf_event *event = &ns->events[ns->nevents++];
	bool connect = strcmp(s->title.text, "connect") == 0;
	const char *wrong = connect ? NULL :
	    conf_event_name_bad(s->title.text);

	event_name(event, s);
	if (wrong != NULL)
		conf_titled_bad(parse, s, wrong);
	conf_titled_fill(parse, s, event);
	event_check_written(parse, s, event, ns);
	event_thens(parse, s, event, ns);
	event_note_args(event);
	if (connect) {
		event_connect(parse, s, ns, event);
		return;
	}
	event_check_event(parse, s, event, ns);
	event_check_offline(parse, s, event, ns);
	if (strcmp(event->name, "*") == 0)
		ns->fallback = event;
	else if (event->as_json == NULL)
		event->as_json = event->name_json;
}
