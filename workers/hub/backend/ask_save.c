/*
 * Clients that owe an answer go to another worker.  The giver keeps the
 * question, and waits for the heir as for any other worker that has a part of
 * it; the heir has a branch of that question, whose clients answer by the
 * number that they were asked by.
 *
 *	home, or branch ──asked, id──► client		giver
 *	    ▲					  ╎ moves
 *	    └──── BUS_ANSWERS ◄── branch ◄──id── client	heir
 */
#include "hub/backend/ask_int.h"

#include "base/state.h"
#include "hub/publish/pending.h"
#include "hub/session/client.h"

STATE_FIELDS(asked, 48);

#define ASKED_TAG	0x4b41		/* "AK" */
#define ASKED_VERSION	1

/* --- giver ---------------------------------------------------------------- */

/* Its place in its client's list. */
static uint32_t
ask_session_index(const struct asked *w)
{
	const struct session *s;
	uint32_t i = 0;

	for (s = w->session->client->sessions; s != w->session; s = s->next)
		i++;
	return (i);
}

void
ask_save(const struct client *c, struct buf *b)
{
	size_t at = state_open(b, ASKED_TAG, ASKED_VERSION);
	const struct asked *w;
	uint32_t n = 0;

	for (w = c->asked; w != NULL; w = w->next)
		n++;
	state_put_u32(b, n);
	for (w = c->asked; w != NULL; w = w->next) {
		state_put_u32(b, ask_session_index(w));
		state_put_u32(b, w->ask->wait.ref);
		state_put_u32(b, w->id);
		state_put_u64(b, w->ask->deadline_us);
		state_put_bool(b, w->ask->prompt);
	}
	state_close(b, at);
}

void
ask_give(struct client *c, uint16_t heir)
{
	uint64_t slots[2], reseated[2];
	struct asked *w;
	struct ask *a;

	slotset_only(slots, heir);
	pending_asked(c->hub, slots, reseated);
	while ((w = c->asked) != NULL) {
		a = w->ask;
		ask_forget_one(w);
		waits_join(&a->wait, slots, reseated);
	}
}

/* --- heir ----------------------------------------------------------------- */

static struct session *
ask_session_at(const struct client *c, uint32_t i)
{
	struct session *s = c->sessions;

	for (; s != NULL && i > 0; i--)
		s = s->next;
	return (s);
}

static bool
ask_load_one(struct client *c, uint16_t giver, struct state_in *in)
{
	uint32_t index = state_get_u32(in), ref = state_get_u32(in);
	uint32_t id = state_get_u32(in);
	uint64_t deadline_us = state_get_u64(in);
	bool prompt = state_get_bool(in);
	struct session *s = ask_session_at(c, index);
	struct hub *h = c->hub;
	struct ask *a;

	if (in->bad || ref == 0 || id == 0)
		return (false);
	if (s == NULL)
		return (true);		/* it is not here */
	a = ask_part(h, giver, ref, deadline_us);
	if (a == NULL)
		return (false);
	a->prompt = prompt;
	/* no question of ours to this client has the same number */
	waits_pass(&h->asks->waits, id);
	return (ask_wait_for(a, s, id));
}

bool
ask_load(struct client *c, uint16_t giver, struct state_in *in)
{
	struct state_in body;
	uint16_t version;
	uint32_t n;

	if (!state_section(in, ASKED_TAG, &version, &body) ||
	    version != ASKED_VERSION)
		return (false);
	for (n = state_get_u32(&body); n > 0; n--)
		if (!ask_load_one(c, giver, &body))
			return (false);
	return (state_end(&body));
}

/* The giver has them, and does not wait for us. */
void
ask_unload(struct client *c)
{
	struct asked *w;
	struct ask *a;

	while ((w = c->asked) != NULL) {
		a = w->ask;
		ask_forget_one(w);
		ask_drop_unused(a);
	}
}
