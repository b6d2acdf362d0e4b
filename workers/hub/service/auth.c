/*
 * A later token takes the place of the one before; see auth.h.  Called by
 * service.c.  Which rooms a token allows is join.c's.
 */
#include "hub/service/auth.h"

#include <inttypes.h>
#include <stdio.h>

#include "hub/hub_int.h"
#include "hub/audience/room.h"
#include "hub/recover/recover.h"
#include "hub/rule/join.h"
#include "hub/service/presence.h"
#include "hub/session/admit.h"
#include "hub/session/client.h"
#include "hub/session/limit.h"
#include "proto/json.h"

/* --- what it allows ------------------------------------------------------- */

/* May it stay?  NULL, or why not. */
static const char *
auth_refuses(const struct session *s, const struct principal *who)
{
	const struct client *c = s->client;
	const struct conf_route *r = c->route == 0 ? NULL :
	    &s->hub->conf->routes[c->route - 1];
	const char *code;

	return (admit_may(s->ns, r == NULL ? NULL : r->roles,
	    r == NULL ? 0 : r->nroles, who, &code));
}

/* --- what it does not ----------------------------------------------------- */

static void
auth_tell(struct session *s, const char *why)
{
	struct slice words = slice_str(why);
	size_t n = json_escape_size(words);
	uint8_t reason[128];

	MUST(n <= sizeof reason);	/* words of ours */
	(void)json_escape_to(reason, words);
	session_farewell(s, slice_of(reason, n));
	counter_add(COUNTER_rights_sessions, 1);
}

static void
auth_end(struct session *s, const char *why, enum reason reason)
{
	struct client *c = s->client;

	auth_tell(s, why);
	c->kind->kick(c, s, reason);
}

/* {"room":NAME,"reason":WORDS} */
void
auth_tell_left(struct session *s, struct slice room, const char *why)
{
	struct buf b;

	if (!wire_has_names(s->wire))
		return;
	buf_init(&b);
	buf_str(&b, "{\"room\":");
	json_escape(&b, room);
	buf_printf(&b, ",\"reason\":\"%s\"}", why);
	session_emit_buf(s, SLICE("\"room:left\""), &b);
	buf_fini(&b);
}

static void
auth_leave(struct session *s, struct membership *m, const char *why)
{
	const struct room *r = m->room;
	uint8_t name[ROOM_NAME_MAX];
	size_t n = r->len - 1u;

	memcpy(name, r->key + 1, n);
	room_leave(s->hub, s, m);
	counter_add(COUNTER_rights_rooms, 1);
	auth_tell_left(s, slice_of(name, n), why);
}

static void
auth_leave_rooms(struct session *s, const char *why)
{
	struct membership *m, *next;

	for (m = s->memberships; m != NULL; m = next) {
		next = m->next;
		if (!join_may_stay(s, m))
			auth_leave(s, m, why);
	}
	presence_see_again(s);
}

static void
auth_readmit(struct client *c, const struct principal *who)
{
	struct session *s, *next;
	const char *why;

	for (s = c->sessions; s != NULL; s = next) {
		next = s->next;
		if (s->who != who)
			continue;
		why = auth_refuses(s, who);
		if (why != NULL)
			auth_end(s, why, REASON_rights_lost);
		else
			auth_leave_rooms(s, "your token does not allow it");
	}
}

bool
auth_recheck(struct client *c)
{
	struct session *s, *next;
	const char *why;

	for (s = c->sessions; s != NULL; s = next) {
		next = s->next;
		why = auth_refuses(s, s->who);
		if (why == NULL && c->kind->number == CLIENT_IS_SSE &&
		    !s->ns->sse)
			why = "there are no event streams any more";
		if (why == NULL)
			auth_leave_rooms(s, "it is no longer allowed");
		else if (c->kind->number == CLIENT_IS_SOCKETIO)
			auth_end(s, why, REASON_rights_lost);
		else {
			auth_tell(s, why);
			return (false);
		}
	}
	return (true);
}

/* --- auth:refresh --------------------------------------------------------- */

/* false: he is somebody else, and stays. */
static bool
auth_replace(struct principal **is, const struct principal *old,
    struct principal *who)
{
	if (!principal_is(*is, old))
		return (false);
	principal_unref(is);
	*is = principal_ref(who);
	return (true);
}

/* Whoever comes in or back on this connection without a token of his own is
 * this one, too. */
static void
auth_take_over(struct client *c, const struct principal *old,
    struct principal *who)
{
	struct session *s;

	(void)auth_replace(&c->who, old, who);
	recover_identity(c, old, who);
	for (s = c->sessions; s != NULL; s = s->next)
		if (auth_replace(&s->who, old, who))
			s->warned = false;
}

/* Who the token says, when it is the same user; NULL: refused. */
static struct principal *
auth_verify(struct session *s, const struct inbound *in, struct slice token)
{
	struct principal *who;
	enum authfail f;

	f = admit_verify(s->hub, s->client->address, token, &who);
	if (f == AUTH_OK && !principal_is(s->who, who)) {
		f = AUTHFAIL_subject;
		admit_token_failed(s->hub, s->client->address, f);
	}
	if (f == AUTH_OK)
		return (who);
	principal_unref(&who);
	if (f == AUTHFAIL_rate_limited)
		refuse_rate(s, in, limit_retry_ms(s->hub));
	else
		refuse(s, in, REFUSED_UNAUTHORIZED, "%s",
		    authfail_words(f));
	return (NULL);
}

bool
auth_refresh(struct session *s, const struct inbound *in, struct slice token)
{
	struct client *c = s->client;
	struct principal *who = auth_verify(s, in, token), *old;
	const char *why;
	char text[48];
	int n;

	if (who == NULL)
		return (false);
	old = principal_ref(s->who);
	auth_take_over(c, old, who);
	principal_unref(&old);
	counter_add(COUNTER_tokens_refreshed, 1);
	why = auth_refuses(s, who);
	if (why == NULL) {
		n = snprintf(text, sizeof text, "{\"exp\":%" PRId64 "}",
		    who->exp);
		session_ack(s, &in->ack, slice_of(text, (size_t)n));
	} else
		refuse(s, in, REFUSED_FORBIDDEN, "%s", why);
	auth_readmit(c, who);
	principal_unref(&who);
	if (!c->closing)
		client_schedule(c);
	return (why == NULL);
}
