/*
 * What a rule lets through, on its way; see rule_int.h.  Called by rule.c; goes to
 * publish.c, or where it waits.
 */
#include "hub/rule/rule_int.h"

#include <stdio.h>

#include "hub/publish/pending.h"
#include "hub/publish/publish.h"
#include "hub/queue/args.h"
#include "hub/session/principal.h"
#include "hub/store/keep.h"
#include "hub/stream/forward.h"
#include "hub/stream/await.h"
#include "hub/stream/inbox.h"
#include "proto/json.h"

/* Once for what a client sends, whatever it causes. */
static void
rule_accepted(const struct passage *w)
{
	if (!w->besides)
		counter_add(COUNTER_events_accepted, 1);
}

/* An ack that names the publication. */
static bool
rule_ack_wants_id(const struct passage *w)
{
	return (w->in->ack.kind != ACK_NONE &&
	    (w->rule->ack == CONF_ACK_ACCEPTED ||
	    w->rule->ack == CONF_ACK_DELIVERED));
}

/* Behind as many arguments as the rule has, whatever came. */
static bool
rule_add_meta(struct passage *w, struct slice meta)
{
	unsigned want = conf_event_args(w->rule);

	if (w->nargs < want) {
		w->p.first = slice_of(NULL, 0);
		if (!args_fill(&w->s->hub->args, &w->p.args, w->nargs, want)) {
			counter_add(COUNTER_memory_failures, 1);
			return (false);
		}
	}
	w->p.meta = meta;
	return (true);
}

/* Its key, if the sender gave one that is no larger than it may be. */
static struct slice
rule_conflate(struct passage *w)
{
	const char *member = w->rule->conflate;
	struct slice key;

	if (member == NULL || member[0] == '\0')
		return (slice_of(NULL, 0));
	rule_look_first(w);
	if (json_type(w->out.first) != JSON_OBJECT ||
	    !json_get(w->out.first, slice_str(member), &key) ||
	    key.n > CONFLATE_KEY_MAX)
		return (slice_of(NULL, 0));
	return (key);
}

/* false: no memory.  What is not vouched for as its rule says goes nowhere. */
bool
rule_publication(struct passage *w)
{
	struct session *s = w->s;
	struct slice from = { NULL, 0 }, meta = { NULL, 0 };

	if (s->who != NULL)
		from = principal_user_json(s->who);
	if (w->rule->meta || rule_ack_wants_id(w) ||
	    conf_event_forwards(w->rule) ||
	    w->rule->offline != CONF_OFFLINE_DROP) {
		meta = publish_meta(s->hub, from, w->rule->meta_sid ?
		    session_sid(s) : slice_of(NULL, 0), w->rule->to ==
		    CONF_TO_USER ? slice_of(NULL, 0) : w->raw, &w->id);
		if (meta.n == 0)
			return (false);
	}
	w->p = (struct publication){
		.nsp = slice_of(s->ns->name, s->ns->name_len),
		.event = w->rule->as_json == NULL ? w->in->event :
		    slice_str(w->rule->as_json),
		.args = w->out.args, .first = w->out.first,
		.attachments = w->in->attachments,
		.nattach = w->out.nattach,
		.is_volatile = w->rule->is_volatile,
		.conflate = rule_conflate(w),
		.sent_us = s->hub->now.us,
	};
	return (!w->rule->meta || rule_add_meta(w, meta));
}

/* For whom the rule is; sid: the sender. */
static struct audience
rule_audience(const struct passage *w, const struct slice *sid)
{
	struct audience a = { .except = sid,
		.nexcept = w->rule->self ? 0 : 1 };

	switch (w->rule->to) {
	case CONF_TO_ROOM:
		a.rooms = &w->name;
		a.nrooms = 1;
		break;
	case CONF_TO_USER:
		a.users = &w->name;
		a.nusers = 1;
		break;
	case CONF_TO_JOINED:
		a.rooms = w->rooms;
		a.nrooms = w->nrooms;
		break;
	case CONF_TO_SENDER:
		a = (struct audience){ .sids = sid, .nsids = 1 };
		break;
	case CONF_TO_NAMESPACE:
	case CONF_TO_NOWHERE:
	case CONF_TO_BACKEND:
		break;
	}
	return (a);
}

/* An audience that names nobody would be everybody. */
static uint32_t
rule_send_joined(struct passage *w, struct publish_question *ask)
{
	const struct slice sid = session_sid(w->s);
	struct audience a = rule_audience(w, &sid);

	return (w->nrooms == 0 ? 0 :
	    publish_audience(w->s->hub, w->s->ns, &a, &w->p, ask));
}

/* Receivers on this worker; ask says who else was asked. */
static uint32_t
rule_send(struct passage *w, struct publish_question *ask)
{
	static const enum room_kind kinds[] = {
		[CONF_TO_ROOM] = ROOM_NAMED, [CONF_TO_USER] = ROOM_USER,
		[CONF_TO_NAMESPACE] = ROOM_NAMESPACE,
		[CONF_TO_JOINED] = ROOM_NAMED,
	};
	struct session *s = w->s;

	switch (w->rule->to) {
	case CONF_TO_NOWHERE:
	case CONF_TO_BACKEND:
		return (0);
	case CONF_TO_SENDER:
		if (!fanout_session(s->hub, s, &w->p))
			return (0);
		latency_queued(&s->hub->latency, s->hub->now);
		return (1);
	case CONF_TO_JOINED:
		if (w->nrooms != 1)
			return (rule_send_joined(w, ask));
		/* FALLTHROUGH */
	case CONF_TO_ROOM:
	case CONF_TO_USER:
	case CONF_TO_NAMESPACE:
		return (publish_room(s->hub, s->ns, kinds[w->rule->to],
		    w->name, &w->p, w->rule->self ? NULL : s, ask));
	}
	return (0);
}

static void
rule_confirm(struct passage *w)
{
	struct publication p = w->p;

	if (w->rule->confirm_json == NULL)
		return;
	p.event = slice_str(w->rule->confirm_json);
	p.is_volatile = false;
	p.conflate = slice_of(NULL, 0);
	(void)fanout_session(w->s->hub, w->s, &p);
}

/* What needs to know nothing of what becomes of it. */
static void
rule_ack_now(struct passage *w)
{
	if (w->rule->ack == CONF_ACK_ECHO)
		session_ack_binary(w->s, &w->in->ack, w->out.args,
		    w->in->attachments, w->out.nattach);
	else if (w->rule->ack == CONF_ACK_BACKEND && w->rule->asks)
		session_ack_binary(w->s, &w->in->ack, w->answer, NULL, 0);
}

static void
rule_acknowledge(struct passage *w, uint32_t got,
    const struct publish_question *ask)
{
	struct session *s = w->s;
	char text[128];
	int n;

	switch (w->rule->ack) {
	case CONF_ACK_NONE:
		break;
	case CONF_ACK_ACCEPTED:
		n = snprintf(text, sizeof text, "{\"id\":\"%.*s\",\"ts\":%llu}",
		    (int)w->id.n, (const char *)w->id.p,
		    (unsigned long long)s->hub->wall.ms);
		session_ack(s, &w->in->ack, slice_of(text, (size_t)n));
		break;
	case CONF_ACK_DELIVERED:
		pending_wait(s->hub, ask->ref, s, &w->in->ack, w->id, got,
		    ask->bits);
		break;
	case CONF_ACK_ECHO:
	case CONF_ACK_BACKEND:
		rule_ack_now(w);
		break;
	}
}

/* The room keeps it, or the journal does: who gets it, and the answer, come from
 * there. */
static bool
rule_is_kept(const struct passage *w)
{
	if (w->rule->to == CONF_TO_JOINED && w->nrooms == 0)
		return (false);
	if (w->s->ns->journals)
		return (!w->p.is_volatile && w->rule->to != CONF_TO_NOWHERE &&
		    w->rule->to != CONF_TO_BACKEND);
	return (w->rule->keeps && conf_room_keeps(w->s->ns, w->name));
}

/* What else the sender is told. */
static void
rule_keep_confirm(struct passage *w, const struct slice *sid)
{
	struct publication p = w->p;
	struct audience a = { .sids = sid, .nsids = 1 };
	struct keep k = { .ns = w->s->ns, .to = &a, .p = &p };

	if (w->rule->confirm_json == NULL)
		return;
	p.event = slice_str(w->rule->confirm_json);
	if (!w->s->ns->journals)
		rule_confirm(w);
	else if (!keep_send(w->s->hub, &k))
		counter_add(COUNTER_memory_failures, 1);
}

static void
rule_keep(struct passage *w)
{
	const struct slice sid = session_sid(w->s);
	struct audience a = rule_audience(w, &sid);
	struct keep k = { .ns = w->s->ns, .to = &a, .p = &w->p };
	bool ok;

	if (keep_is_too_large(w->s->hub, w->s->ns, &w->p, w->rule->keeps &&
	    conf_room_keeps(w->s->ns, w->name))) {
		refuse(w->s, w->in, REFUSED_TOO_LARGE, "%s",
		    keep_why(BUS_STORE_TOO_LARGE));
		return;
	}
	if (rule_ack_wants_id(w))
		ok = keep_for(w->s, &w->in->ack, &k, w->id,
		    w->rule->ack == CONF_ACK_DELIVERED);
	else
		ok = keep_send(w->s->hub, &k);
	if (!ok) {
		refuse(w->s, w->in, REFUSED_UNAVAILABLE, "%s",
		    keep_why(BUS_STORE_UNAVAILABLE));
		return;
	}
	rule_accepted(w);
	rule_keep_confirm(w, &sid);
	rule_ack_now(w);
}

static struct forward
rule_forwarded(const struct passage *w)
{
	return ((struct forward){ .room = w->rule->to == CONF_TO_USER ?
	    slice_of(NULL, 0) : w->name, .id = w->id, .event = w->p.event,
	    .args = w->out.args, .attachments = w->in->attachments,
	    .nattach = w->out.nattach });
}

/* The ack is what a back end says later, when it has read it. */
static bool
rule_awaits(const struct passage *w)
{
	return (w->rule->ack == CONF_ACK_BACKEND && !w->rule->asks &&
	    w->in->ack.kind != ACK_NONE);
}

/* For back ends alone: the answer says that they can read it, or is theirs. */
static void
rule_to_backend(struct passage *w)
{
	struct forward f = rule_forwarded(w);

	if (!(rule_awaits(w) ? await_for(w->s, &w->in->ack, &f) :
	    rule_ack_wants_id(w) ? forward_for(w->s, &w->in->ack, &f) :
	    forward_send(w->s, &f))) {
		refuse(w->s, w->in, REFUSED_UNAVAILABLE, "%s",
		    forward_why(BUS_STORE_UNAVAILABLE));
		return;
	}
	rule_accepted(w);
	rule_confirm(w);
	rule_ack_now(w);
}

/* The user is on no host, or at most on another one, which gets it from where
 * it waits: false: it did not get as far. */
static bool
rule_queue(struct passage *w, bool push)
{
	unsigned what = INBOX_QUEUE | (push ? INBOX_PUSH : 0);

	if (rule_ack_wants_id(w))
		return (inbox_send_for(w->s, &w->in->ack, w->name, &w->p,
		    w->id, what));
	return (inbox_send(w->s->hub, w->s->ns, w->name, &w->p, w->id, what));
}

/* True: it waits for the user, or the sender was told that it cannot. */
static bool
rule_offline(struct passage *w)
{
	struct session *s = w->s;
	bool elsewhere, push;

	if (inbox_is_here(s->hub, s->ns, w->name, &elsewhere))
		return (false);
	push = (w->rule->offline & CONF_OFFLINE_PUSH) != 0 && !elsewhere;
	if ((w->rule->offline & CONF_OFFLINE_QUEUE) == 0) {
		if (push)
			(void)inbox_send(s->hub, s->ns, w->name, &w->p, w->id,
			    INBOX_PUSH);
		return (false);
	}
	if (!rule_queue(w, push)) {
		refuse(s, w->in, REFUSED_UNAVAILABLE, "%s", inbox_why());
		return (true);
	}
	rule_accepted(w);
	rule_confirm(w);
	rule_ack_now(w);
	return (true);
}

void
rule_pass(struct passage *w)
{
	struct publish_question ask = { .ref = 0 };
	struct forward f;
	uint32_t got;

	if (!rule_publication(w)) {
		refuse(w->s, w->in, REFUSED_INTERNAL, "out of memory");
		return;
	}
	if (w->rule->to == CONF_TO_BACKEND) {
		rule_to_backend(w);
		return;
	}
	if (w->rule->forward) {
		/* what was lost on its way its numbers say */
		f = rule_forwarded(w);
		(void)forward_send(w->s, &f);
	}
	if (unlikely(w->rule->offline != CONF_OFFLINE_DROP) &&
	    rule_offline(w))
		return;
	if (unlikely(rule_is_kept(w))) {
		rule_keep(w);
		return;
	}
	rule_accepted(w);
	if (w->rule->ack == CONF_ACK_DELIVERED &&
	    w->in->ack.kind != ACK_NONE)
		ask.ref = pending_ref(w->s->hub);
	got = rule_send(w, &ask);
	rule_confirm(w);
	if (w->in->ack.kind != ACK_NONE)
		rule_acknowledge(w, got, &ask);
}
