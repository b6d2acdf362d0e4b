/*
 * Who is there, for back ends: rooms of a namespace, members of a room, sessions
 * of a user, on all hosts; see api.h.  Called by the worker with a request whose
 * key was checked.
 */
#include "hub/backend/api_int.h"

#include "hub/backend/ask.h"
#include "hub/backend/census.h"
#include "hub/backend/survey.h"
#include "hub/publish/post.h"
#include "hub/publish/publish.h"
#include "proto/error.h"

static const enum bus_members_what survey_kinds[] = {
	[API_SURVEY_ROOMS] = BUS_MEMBERS_PAGE_ROOMS,
	[API_SURVEY_ROOM] = BUS_MEMBERS_PAGE_ROOM,
	[API_SURVEY_USER] = BUS_MEMBERS_PAGE_USER,
};

/* The other workers that may have some; ns: NULL for all. */
static void
survey_workers(struct hub *h, const struct conf_namespace *ns,
    const struct audience *to, uint64_t slots[2])
{
	uint64_t bits[2];
	size_t i;

	slotset_clear(slots);
	if (ns != NULL)
		publish_workers(h, ns, to, slots);
	for (i = 0; ns == NULL && i < h->conf->nnamespaces; i++) {
		publish_workers(h, &h->conf->namespaces[i], to, bits);
		slotset_join(slots, bits);
	}
}

static void
survey_ask_others(struct hub *h, struct ask *a, struct bus_envelope *e,
    uint64_t slots[2])
{
	bool far = conf_redis_on(&h->conf->redis);

	if (slotset_empty(slots) && !far)
		return;
	e->flags = far ? BUS_FAR : 0;
	if (!post_send(h, slots, ask_ref(a), e)) {
		slotset_clear(slots);
		ask_unheard(a);
	} else if (far)
		ask_far(a);
}

static void
survey_begin(struct hub *h, const struct api_survey *q,
    const struct conf_namespace *ns, struct ask **ap, struct buf *out)
{
	struct bus_envelope e;
	struct bus_members *m = bus_members(&e, survey_kinds[q->what]);
	struct audience to = { .nrooms = 0 };
	uint64_t slots[2];

	if (ns != NULL)
		m->nsp = slice_of(ns->name, ns->name_len);
	m->after = q->cursor;
	m->limit = q->limit + 1;
	if (q->what == API_SURVEY_ROOM) {
		to.rooms = &q->name;
		to.nrooms = 1;
	} else if (q->what == API_SURVEY_USER) {
		to.users = &q->name;
		to.nusers = 1;
	}
	post_audience(&m->to, &to);
	survey_workers(h, ns, &to, slots);
	survey_ask_others(h, *ap, &e, slots);
	e.flags = 0;
	e.from = h->slot;
	e.ref = ask_ref(*ap);
	census_bus(h, &e);
	ask_put(ap, slots, out);
}

int
api_survey(struct hub *h, const struct api_survey *q, void *asker,
    struct buf *out, struct ask **later)
{
	const struct conf_namespace *ns = NULL;
	struct survey *s = NULL;
	const char *code, *why;

	*later = NULL;
	if (q->what != API_SURVEY_USER &&
	    (ns = api_namespace(h, q->ns, &code, &why)) == NULL) {
		error_encode(out, code, why);
		return (strcmp(code, "forbidden") == 0 ? 403 : 404);
	}
	if ((s = survey_new(h, q)) == NULL ||
	    (*later = ask_survey(h, asker, s)) == NULL) {
		survey_free(&s);
		error_encode(out, "unavailable", "too many are being asked");
		return (503);
	}
	survey_begin(h, q, ns, later, out);
	return (*later != NULL ? 0 : 200);
}
