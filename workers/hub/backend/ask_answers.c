/*
 * What clients answer to a question: who has not, what they said, and the
 * JSON that a back end is told; see ask.h.  Called by ask.c for each
 * receiver, by inbound.c with acknowledgements, by hub.c when a session ends.
 */
#include "hub/backend/ask_int.h"

#include <stdlib.h>

#include "base/digest.h"
#include "hub/backend/survey.h"
#include "hub/session/client.h"
#include "hub/session/principal.h"
#include "proto/error.h"
#include "proto/json.h"
#include "shm/table_revoked.h"

/* --- who has not answered -------------------------------------------------- */

bool
ask_wait_for(struct ask *a, struct session *s, uint32_t id)
{
	struct ask_table *t = a->hub->asks;
	struct asked *w = NULL;

	CHECK_MAGIC(a, ASK_MAGIC);
	if (t->clients < ASK_CLIENTS_MAX)
		w = malloc(sizeof *w);
	if (w == NULL)
		return (false);
	t->clients++;
	w->ask = a;
	w->session = s;
	w->id = id;
	w->next = s->client->asked;
	s->client->asked = w;
	LIST_INSERT_HEAD(&a->open, w, link);
	return (true);
}

void
ask_expect(struct ask *a, struct session *s)
{
	a->asked++;
	if (ask_wait_for(a, s, a->wait.ref))
		return;
	/* its answer will not be known */
	counter_add(COUNTER_ask_answers_dropped, 1);
	a->truncated = true;
}

void
ask_forget_one(struct asked *w)
{
	struct asked **pp = &w->session->client->asked;

	while (*pp != w)
		pp = &(*pp)->next;
	*pp = w->next;
	LIST_REMOVE(w, link);
	w->ask->hub->asks->clients--;
	free(w);
}

unsigned
ask_forget_clients(struct ask *a)
{
	struct asked *w;
	unsigned n;

	for (n = 0; (w = LIST_FIRST(&a->open)) != NULL; n++)
		ask_forget_one(w);
	return (n);
}

/* --- answers --------------------------------------------------------------- */

/* Room for n more bytes of answers? */
static bool
answers_may_keep(struct ask *a, size_t n)
{
	if (a->bytes + n <= ASK_BYTES_MAX &&
	    a->hub->asks->bytes + n <= ASK_BYTES_ALL &&
	    buf_reserve(&a->answers, n + 1))
		return (true);
	a->answers.oom = false;
	a->truncated = true;
	counter_add(COUNTER_ask_answers_dropped, 1);
	return (false);
}

void
ask_keep(struct ask *a, struct slice elements)
{
	size_t before = a->answers.wpos;

	if (elements.n == 0 || !answers_may_keep(a, elements.n))
		return;
	if (before != 0)
		buf_byte(&a->answers, ',');
	buf_slice(&a->answers, elements);
	a->bytes += a->answers.wpos - before;
	a->hub->asks->bytes += a->answers.wpos - before;
}

static void
answers_put_attachments(struct buf *b, const struct slice *attachments,
    unsigned n)
{
	unsigned i;

	buf_str(b, ",\"attachments\":[");
	for (i = 0; i < n; i++) {
		buf_str(b, i == 0 ? "\"" : ",\"");
		if (buf_reserve(b, (attachments[i].n + 2) / 3 * 4))
			b->wpos += digest_base64_encode(attachments[i],
			    b->data + b->wpos);
		buf_byte(b, '"');
	}
	buf_byte(b, ']');
}

/* {"sid","user","args":[...][,"attachments":["base64",...]]} */
static void
answers_put(struct buf *b, const struct session *s, struct slice args,
    const struct slice *attachments, unsigned n)
{
	buf_str(b, "{\"sid\":\"");
	buf_slice(b, session_sid(s));
	buf_str(b, "\",\"user\":");
	buf_slice(b, s->who == NULL ? SLICE("null") :
	    principal_user_json(s->who));
	buf_str(b, ",\"args\":[");
	buf_slice(b, args);
	buf_byte(b, ']');
	if (n > 0)
		answers_put_attachments(b, attachments, n);
	buf_byte(b, '}');
}

/* What is nested as deep as a client's message may be is too deep with what
 * stands around it: nobody could read all that is in one answer with it. */
static bool
answers_can_be_read(struct slice element)
{
	struct slice v;

	return (json_value(element, &v) == (ssize_t)element.n);
}

bool
ask_answer(struct session *s, uint64_t id, struct slice args,
    const struct slice *attachments, unsigned n)
{
	struct buf *b = &s->hub->answer;
	struct asked *w;
	struct ask *a;

	for (w = s->client->asked; w != NULL; w = w->next)
		if (w->id == id && w->session == s)
			break;
	if (w == NULL)
		return (false);
	a = w->ask;
	ask_forget_one(w);
	a->answered++;
	buf_reset(b);
	answers_put(b, s, args, attachments, n);
	if (b->oom || !answers_can_be_read(buf_unread(b))) {
		b->oom = false;
		a->truncated = true;
		counter_add(COUNTER_ask_answers_dropped, 1);
	} else
		ask_keep(a, buf_unread(b));
	ask_settle(a);
	return (true);
}

void
ask_left(struct session *s)
{
	struct asked *w, *next;
	struct ask *a;

	for (w = s->client->asked; w != NULL; w = next) {
		next = w->next;
		if (w->session != s)
			continue;
		a = w->ask;
		ask_forget_one(w);
		ask_settle(a);
	}
}

/* --- what the back end is told --------------------------------------------- */

static bool
answers_are_complete(const struct ask *a)
{
	return (!a->lost && !a->far && !a->here && slotset_empty(a->wait.slots));
}

/* {"id","answers":[...],"asked","answered","complete"[,"truncated"]
 * [,"epoch","offset"]} */
static void
answers_render(const struct ask *a, struct buf *b)
{
	buf_str(b, "{\"id\":\"");
	buf_slice(b, slice_of(a->name, a->name_len));
	buf_str(b, "\",\"answers\":[");
	buf_slice(b, buf_unread(&a->answers));
	buf_str(b, "],\"asked\":");
	buf_u64(b, a->asked);
	buf_str(b, ",\"answered\":");
	buf_u64(b, a->answered);
	buf_str(b, a->answered == a->asked && answers_are_complete(a) ?
	    ",\"complete\":true" : ",\"complete\":false");
	if (a->truncated)
		buf_str(b, ",\"truncated\":true");
	if (a->kept != 0)
		buf_printf(b, ",\"epoch\":\"%.*s\",\"offset\":%llu",
		    a->epoch_len, a->epoch, (unsigned long long)a->kept);
	buf_byte(b, '}');
}

void
ask_render_count(struct buf *b, const char *count, uint32_t n, bool complete)
{
	buf_str(b, "{\"");
	buf_str(b, count);
	buf_str(b, "\":");
	buf_u64(b, n);
	buf_str(b, complete ? ",\"complete\":true}" :
	    ",\"complete\":false}");
}

void
ask_render_revoked(struct buf *b, const char *count, uint32_t n,
    uint32_t hosts, uint64_t until_s, bool complete)
{
	buf_printf(b, "{\"%s\":", count);
	buf_u64(b, n);
	buf_str(b, ",\"hosts\":");
	buf_u64(b, hosts);
	buf_str(b, ",\"until\":");
	buf_u64(b, until_s);
	buf_str(b, complete ? ",\"complete\":true}" :
	    ",\"complete\":false}");
}

/* Who has not reported may not have heard. */
static void
answers_render_revoked(const struct ask *a, struct buf *b)
{
	bool complete = answers_are_complete(a) && !a->truncated;

	if (!complete)
		revoked_ask_look(a->hub->segment);
	ask_render_revoked(b, a->count, a->asked, 1 + a->answered, a->until_s, complete);
}

int
ask_render_one(struct buf *b, uint32_t n, bool complete)
{
	if (n > 0) {
		buf_str(b, "{\"answered\":true}");
		return (200);
	}
	counter_add(COUNTER_awaited_late, 1);
	if (!complete) {
		error_encode(b, "unavailable",
		    "not all could be asked, or have answered");
		return (503);
	}
	error_encode(b, "gone",
	    "nobody waits for this answer, or not any more");
	return (410);
}

int
ask_render(const struct ask *a, struct buf *b)
{
	if (!answers_are_complete(a))
		counter_add(COUNTER_asks_incomplete, 1);
	if (a->one)
		return (ask_render_one(b, a->asked, answers_are_complete(a) &&
		    !a->truncated));
	if (a->survey != NULL)
		survey_render(a->survey, buf_unread(&a->answers),
		    answers_are_complete(a) && !a->truncated, b);
	else if (a->count == NULL)
		answers_render(a, b);
	else if (a->until_s != 0)
		answers_render_revoked(a, b);
	else
		ask_render_count(b, a->count, a->asked,
		    answers_are_complete(a) && !a->truncated);
	return (200);
}
