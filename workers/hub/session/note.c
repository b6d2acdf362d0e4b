/*
 * Notes of clients; see note.h.
 */
#include "hub/session/note.h"

#include "base/ascii.h"
#include "hub/hub_int.h"
#include "hub/session/principal.h"

static void
note_put(struct client *c, const struct client_noted *n)
{
	const struct hub_ports *p = &c->hub->ports;

	if (p->noted != NULL)
		p->noted(p->host, c, n);
}

static void
note_session(struct client_noted *n, const struct session *s)
{
	n->ns = slice_of(s->ns->name, s->ns->name_len);
	n->sid = session_sid(s);
	if (s->who != NULL)
		n->user = principal_user(s->who);
}

void
note_joined(struct session *s)
{
	struct client_noted n = { .note = CLIENT_JOINED };

	note_session(&n, s);
	note_put(s->client, &n);
}

void
note_refused(struct client *c, struct slice ns, const char *what)
{
	struct client_noted n = { .note = CLIENT_REFUSED,
		.what = slice_str(what) };

	/* clients put tokens behind it, which no record may have */
	n.ns = ascii_take(&ns, '?');
	note_put(c, &n);
}

void
note_rate_limited(struct client *c, const struct session *s)
{
	struct client_noted n = { .note = CLIENT_RATE_LIMITED };

	if (s != NULL)
		note_session(&n, s);
	note_put(c, &n);
}
