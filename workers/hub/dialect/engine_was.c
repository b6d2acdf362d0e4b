/*
 * Who a client was whose sessions have ended before its connection does: one
 * that says goodbye to its namespace does so a moment before.
 */
#include <stdlib.h>

#include "base/state.h"
#include "hub/dialect/engine.h"
#include "hub/session/principal.h"

#define WAS_MAX	1024u	/* bytes: more is none of ours */

static void
was_set(struct engine *e, struct slice user, struct slice ns)
{
	struct engine_was *w = malloc(sizeof *w + user.n + ns.n + 1);

	free(e->was);
	e->was = w;
	if (w == NULL)
		return;		/* its end is told without it */
	*w = (struct engine_was){ .user_n = (uint32_t)user.n,
		.ns_n = (uint32_t)ns.n };
	if (user.n > 0)
		memcpy(w->text, user.p, user.n);
	if (ns.n > 0)
		memcpy(w->text + user.n, ns.p, ns.n);
	w->text[user.n + ns.n] = '\0';
}

void
engine_remember(struct engine *e, const struct session *s)
{
	was_set(e, s->who == NULL ? slice_of(NULL, 0) :
	    principal_user(s->who), slice_of(s->ns->name, s->ns->name_len));
}

bool
engine_was(const struct client *c, const char **ns, struct slice *user)
{
	const struct engine_was *w =
	    ((const struct engine *)(const void *)c)->was;

	if (w == NULL)
		return (false);
	*user = slice_of(w->text, w->user_n);
	*ns = w->text + w->user_n;
	return (true);
}

struct slice
engine_own_sid(const struct client *c)
{
	return (slice_of(((const struct engine *)(const void *)c)->sid,
	    EIO_SID_LEN));
}

void
engine_was_save(const struct engine *e, struct buf *b)
{
	const struct engine_was *w = e->was;

	state_put_bool(b, w != NULL);
	if (w == NULL)
		return;
	state_put_slice(b, slice_of(w->text, w->user_n));
	state_put_slice(b, slice_of(w->text + w->user_n, w->ns_n));
}

bool
engine_was_load(struct engine *e, struct state_in *in)
{
	struct slice user, ns;

	if (!state_get_bool(in))
		return (!in->bad);
	user = state_get_slice(in);
	ns = state_get_slice(in);
	if (in->bad || user.n > WAS_MAX || ns.n > WAS_MAX ||
	    (ns.n > 0 && memchr(ns.p, '\0', ns.n) != NULL))
		return (false);
	was_set(e, user, ns);
	return (true);
}
