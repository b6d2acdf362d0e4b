/*
 * Putting together what workers say of who is there; see survey.h.  Called by
 * api_survey.c and ask_answers.c.
 */
#include "hub/backend/survey.h"

#include <stdlib.h>

#include "hub/hub_int.h"
#include "proto/json.h"

struct survey {
	unsigned	 magic;
#define SURVEY_MAGIC	0x50277e11
	enum api_survey_what what;
	unsigned	 limit;
	const struct conf *conf;	/* of whom there is no hub without */
	const struct conf_api_key *key;	/* of all namespaces: NULL */
	size_t		 name_len;
	char		 name[];	/* the room, or user */
};

struct survey_item {
	struct slice	 key;		/* plain */
	struct slice	 json;		/* of the element; of rooms, the name */
	struct slice	 host;		/* as JSON */
	uint64_t	 sessions;
	bool		 hidden;	/* of a namespace that is not for the key */
};

struct survey_list {
	struct survey_item *v;
	size_t		 n;
	struct buf	 keys;
};

struct survey *
survey_new(const struct hub *h, const struct api_survey *q)
{
	struct survey *s = calloc(1, sizeof *s + q->name.n);

	if (s == NULL)
		return (NULL);
	s->magic = SURVEY_MAGIC;
	s->what = q->what;
	s->limit = q->limit;
	s->conf = h->conf;
	if (h->api_key != NULL && h->api_key->nnamespaces > 0)
		s->key = h->api_key;
	s->name_len = q->name.n;
	if (q->name.n != 0)
		memcpy(s->name, q->name.p, q->name.n);
	return (s);
}

void
survey_free(struct survey **sp)
{
	struct survey *s = *sp;

	if (s == NULL)
		return;
	CHECK_MAGIC(s, SURVEY_MAGIC);
	*sp = NULL;
	s->magic = 0;
	free(s);
}

/* --- reading -------------------------------------------------------------- */

/* The next of the elements; false: no more. */
static bool
survey_next(struct slice *elements, struct slice *v)
{
	ssize_t n;

	if (elements->n > 0 && elements->p[0] == ',')
		*elements = slice_from(*elements, 1);
	if (elements->n == 0 || (n = json_value(*elements, v)) <= 0)
		return (false);
	*elements = slice_from(*elements, (size_t)n);
	return (true);
}

/* The key may not know what is in other namespaces. */
static bool
survey_shows(const struct survey *s, struct slice element)
{
	const struct conf_namespace *ns;
	uint8_t name[ROOM_NAME_MAX];
	struct slice raw;
	ssize_t n;

	if (s->key == NULL || s->what != API_SURVEY_USER)
		return (true);
	n = json_text(element, SLICE("namespace"), name, sizeof name, &raw);
	ns = n <= 0 ? NULL : conf_namespace_find(s->conf, slice_of(name,
	    (size_t)n));
	return (ns != NULL && conf_api_key_covers(s->key, ns));
}

/* Other hosts' workers are not to be believed blindly. */
static bool
survey_take(const struct survey *s, struct survey_list *l, struct slice e)
{
	bool rooms = s->what == API_SURVEY_ROOMS;
	struct survey_item *i = &l->v[l->n];
	struct slice raw, count;
	int64_t sessions = 0;
	ssize_t n;

	if (!json_get(e, rooms ? SLICE("room") : SLICE("sid"), &raw) ||
	    json_type(raw) != JSON_STRING ||
	    (rooms && (!json_get(e, SLICE("sessions"), &count) ||
	    json_type(count) != JSON_NUMBER || !json_int(count, &sessions) ||
	    sessions < 0)))
		return (false);
	n = json_unescape(raw, l->keys.data + l->keys.wpos);
	if (n <= 0)
		return (false);
	*i = (struct survey_item){ .key = slice_of(l->keys.data +
	    l->keys.wpos, (size_t)n), .json = rooms ? raw : e,
	    .sessions = (uint64_t)sessions, .hidden = !survey_shows(s, e) };
	if (!json_get(e, SLICE("host"), &i->host))
		i->host = slice_of(NULL, 0);	/* of rooms */
	l->keys.wpos += (size_t)n;
	l->n++;
	return (true);
}

static int
survey_compare(const void *va, const void *vb)
{
	const struct survey_item *a = va, *b = vb;
	size_t n = a->key.n < b->key.n ? a->key.n : b->key.n;
	int d = memcmp(a->key.p, b->key.p, n);

	return (d != 0 ? d : a->key.n < b->key.n ? -1 : a->key.n > b->key.n);
}

/* Each name once: rooms with the sessions of all. */
static void
survey_merge(struct survey_list *l)
{
	size_t i, n = 0;

	if (l->n == 0)
		return;
	qsort(l->v, l->n, sizeof l->v[0], survey_compare);
	for (i = 1; i < l->n; i++)
		if (slice_eq(l->v[i].key, l->v[n].key))
			l->v[n].sessions += l->v[i].sessions;
		else
			l->v[++n] = l->v[i];
	l->n = n + 1;
}

/* false: no memory, or some of it makes no sense. */
static bool
survey_read(const struct survey *s, struct survey_list *l,
    struct slice elements)
{
	struct slice rest, e;
	bool ok = true;
	size_t n = 0;

	for (rest = elements; survey_next(&rest, &e);)
		n++;
	l->v = calloc(n + 1, sizeof l->v[0]);
	if (l->v == NULL || !buf_reserve(&l->keys, elements.n + 1))
		return (false);
	for (rest = elements; survey_next(&rest, &e);)
		ok &= survey_take(s, l, e);
	survey_merge(l);
	return (ok && rest.n == 0);
}

/* --- writing -------------------------------------------------------------- */

static void
survey_put_item(const struct survey *s, const struct survey_item *i,
    struct buf *b)
{
	if (s->what != API_SURVEY_ROOMS) {
		buf_slice(b, i->json);
		return;
	}
	buf_str(b, "{\"room\":");
	buf_slice(b, i->json);
	buf_str(b, ",\"sessions\":");
	buf_u64(b, i->sessions);
	buf_byte(b, '}');
}

/* The hosts of those on the page, each once: there are few. */
static void
survey_put_hosts(const struct survey_list *l, size_t n, struct buf *b)
{
	size_t i, k;

	buf_str(b, ",\"hosts\":[");
	for (i = 0; i < n; i++) {
		for (k = 0; k < i; k++)
			if (!l->v[k].hidden &&
			    slice_eq(l->v[k].host, l->v[i].host))
				break;
		if (k < i || l->v[i].hidden || l->v[i].host.n == 0)
			continue;
		if (b->data[b->wpos - 1] != '[')
			buf_byte(b, ',');
		buf_slice(b, l->v[i].host);
	}
	buf_byte(b, ']');
}

static void
survey_put_head(const struct survey *s, const struct survey_list *l, size_t n,
    struct buf *b)
{
	struct slice name = slice_of(s->name, s->name_len);

	switch (s->what) {
	case API_SURVEY_ROOMS:
		buf_str(b, "{\"rooms\":[");
		return;
	case API_SURVEY_ROOM:
		buf_str(b, "{\"room\":");
		json_escape(b, name);
		break;
	case API_SURVEY_USER:
		buf_str(b, "{\"user\":");
		json_escape(b, name);
		if (!b->oom)
			survey_put_hosts(l, n, b);
		break;
	}
	buf_str(b, ",\"sessions\":[");
}

void
survey_render(const struct survey *s, struct slice elements, bool complete,
    struct buf *b)
{
	struct survey_list l = { .n = 0 };
	size_t i, n;
	bool first = true;

	CHECK_MAGIC(s, SURVEY_MAGIC);
	buf_init(&l.keys);
	complete &= survey_read(s, &l, elements);
	n = l.n < s->limit ? l.n : s->limit;
	survey_put_head(s, &l, n, b);
	for (i = 0; i < n; i++) {
		if (l.v[i].hidden)
			continue;
		if (!first)
			buf_byte(b, ',');
		first = false;
		survey_put_item(s, &l.v[i], b);
	}
	buf_byte(b, ']');
	if (l.n > n) {
		buf_str(b, ",\"next\":");
		json_escape(b, l.v[n - 1].key);
	}
	buf_str(b, complete ? ",\"complete\":true}" : ",\"complete\":false}");
	buf_fini(&l.keys);
	free(l.v);
}
