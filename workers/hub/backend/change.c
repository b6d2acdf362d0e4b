/*
 * Looking for what is kept, and changing it; see change.h.
 */
#include "hub/backend/change.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/reserved.h"
#include "conf/name.h"
#include "hub/backend/ask.h"
#include "hub/hub_int.h"
#include "hub/publish/publish.h"
#include "hub/rule/check.h"
#include "hub/store/history.h"
#include "hub/store/keep.h"
#include "proto/error.h"
#include "proto/json.h"

#define CHANGE_PAGE	1000u	/* events of one, for an id */
#define CHANGE_PAGES	256u	/* that are looked through for it */

enum change_step {
	CHANGE_TOP,		/* in which epoch is it? */
	CHANGE_ONE,		/* that one, by its place */
	CHANGE_LAST,		/* it is among the newest? */
	CHANGE_ALL		/* ... or before these, from the oldest on? */
};

struct change {
	struct history_ask ask;
	const struct conf_namespace *ns;
	const struct conf_api_key *key;	/* NULL: everything is allowed */
	uint32_t	 ref;		/* of the request */
	enum change_step	 step;
	unsigned	 pages;
	struct since	 at;		/* its place; offset 0: not known yet */
	struct since	 seen;		/* ALL: it is none up to there */
	bool		 redact;
	bool		 again;		/* it was looked for once more */
	uint8_t		 id_len, told_len;
	char		 id[ASK_ID_BYTES];	/* by which it is looked for */
	char		 told[ASK_ID_BYTES];	/* of what tells of it */
	size_t		 room_len, args_len;
	uint8_t		 text[];	/* room, args */
};

static struct slice
change_room(const struct change *o)
{
	return (slice_of(o->text, o->room_len));
}

static struct slice
change_args(const struct change *o)
{
	return (slice_of(o->text + o->room_len, o->args_len));
}

/* --- the answer ------------------------------------------------------------- */

static void
change_answer(struct hub *h, struct change *o, int status, struct buf *b)
{
	ask_stored(h, o->ref, status, b);
	free(o);
}

static void
change_refuse(struct hub *h, struct change *o, int status, const char *code,
    const char *why)
{
	struct buf b;

	buf_init(&b);
	error_encode(&b, code, why);
	change_answer(h, o, status, &b);
	buf_fini(&b);
}

static void
change_unavailable(struct hub *h, struct change *o)
{
	change_refuse(h, o, 503, "unavailable",
	    "it could not be changed, or whether it was is not known");
}

static void
change_missed(struct hub *h, struct change *o)
{
	change_refuse(h, o, 404, "not_found", "no such event is kept of this "
	    "room, or it is not any more");
}

static void
change_done(struct hub *h, struct change *o, const struct keep_told *t)
{
	struct buf b;

	counter_add(COUNTER_api_edits, 1);
	buf_init(&b);
	buf_printf(&b, "{\"id\":\"%.*s\"", o->told_len, o->told);
	if (t->kept != 0)	/* 0: Redis has not said where yet */
		buf_printf(&b, ",\"epoch\":\"%.*s\",\"offset\":%llu",
		    (int)t->epoch.n, (const char *)t->epoch.p,
		    (unsigned long long)t->kept);
	buf_printf(&b, ",\"%s\":%llu}", o->redact ? "redacted" : "edited",
	    (unsigned long long)o->at.offset);
	change_answer(h, o, 200, &b);
	buf_fini(&b);
}

static void change_look(struct hub *, struct change *);

static void
change_told(struct hub *h, void *arg, const struct keep_told *t)
{
	struct change *o = arg;

	switch (t->result) {
	case BUS_STORE_OK:
		change_done(h, o, t);
		return;
	case BUS_STORE_GAP:
	case BUS_STORE_EPOCH:
		change_missed(h, o);
		return;
	case BUS_STORE_TOO_LARGE:
		change_refuse(h, o, 413, "too_large", keep_why(t->result));
		return;
	case BUS_STORE_FINISHED:
		if (o->again)
			break;
		/* it was finished in between, and is read as that now */
		o->again = true;
		change_look(h, o);
		return;
	case BUS_STORE_CONFLICT:	/* of keys: there are none */
	case BUS_STORE_FULL:
	case BUS_STORE_UNAVAILABLE:
		break;
	}
	change_unavailable(h, o);
}

/* --- what is kept, and what tells of it ------------------------------------- */

/* {"edited":TS,...}: when it was changed last. */
static struct slice
change_meta(const struct hub *h, const struct change *o, struct slice meta,
    struct buf *b)
{
	static const struct slice was = SLICE("{\"edited\":");
	struct slice rest = meta;

	if (meta.n < 2)
		return (slice_of(NULL, 0));
	if (slice_starts(meta, was))
		for (rest = slice_from(meta, was.n); rest.n > 1 &&
		    rest.p[0] != ','; rest = slice_from(rest, 1))
			;
	rest = slice_from(rest, 1);	/* '{' or ',' */
	buf_printf(b, "{\"%s\":%llu%s", o->redact ? "redacted" : "edited",
	    (unsigned long long)h->wall.ms, rest.n > 1 ? "," : "");
	buf_slice(b, rest);
	return (buf_unread(b));
}

/* {"room","epoch","offset","event","id"?: which it is, */
static void
change_put_which(struct buf *b, const struct change *o,
    const struct bus_publish *p)
{
	struct slice id;

	buf_str(b, "{\"room\":");
	json_escape(b, change_room(o));
	buf_printf(b, ",\"epoch\":\"%.*s\",\"offset\":%llu,\"event\":",
	    (int)p->epoch.n, (const char *)p->epoch.p,
	    (unsigned long long)p->kept);
	buf_slice(b, p->event);
	if (p->meta.n != 0 && json_get(p->meta, SLICE("id"), &id)) {
		buf_str(b, ",\"id\":");
		buf_slice(b, id);
	}
}

/* ... and what it is now: "data","args"?,"meta"?} */
static void
change_put_now(struct buf *b, const struct change *o, struct slice meta)
{
	struct slice args = change_args(o), first;
	ssize_t n = args.n == 0 ? 0 : json_value(args, &first);

	if (n > 0) {
		buf_str(b, ",\"data\":");
		buf_slice(b, first);
	}
	if (n > 0 && (size_t)n < args.n) {
		buf_str(b, ",\"args\":[");
		buf_slice(b, args);
		buf_byte(b, ']');
	}
	if (meta.n != 0) {
		buf_str(b, ",\"meta\":");
		buf_slice(b, meta);
	}
}

struct change_texts {
	struct buf	 meta;		/* of what is kept from now on */
	struct buf	 args;		/* of what tells of it */
	struct buf	 frame;		/* what is kept from now on */
};

static void
change_texts_init(struct change_texts *x)
{
	buf_init(&x->meta);
	buf_init(&x->args);
	buf_init(&x->frame);
}

static void
change_texts_fini(struct change_texts *x)
{
	buf_fini(&x->meta);
	buf_fini(&x->args);
	buf_fini(&x->frame);
}

/* e: as it is kept now, and from now on.  false: no memory. */
static bool
change_write(const struct hub *h, const struct change *o,
    struct bus_envelope *e, struct change_texts *x)
{
	struct bus_publish *p = &e->publish;
	struct slice meta = change_meta(h, o, p->meta, &x->meta);

	change_put_which(&x->args, o, p);
	if (!o->redact)
		change_put_now(&x->args, o, meta);
	buf_byte(&x->args, '}');
	p->meta = meta;
	p->args = o->redact ? buf_unread(&x->args) : change_args(o);
	if (o->redact) {
		p->event = SLICE("\"history:redacted\"");
		e->flags |= BUS_NAMED;
	}
	p->nattach = 0;
	p->once = slice_of(NULL, 0);	/* it is known by now */
	e->slots[0] = e->slots[1] = 0;
	e->generation = 0;
	e->ref = 0;
	return (!x->meta.oom && !x->args.oom && bus_encode(&x->frame, e));
}

static bool
change_send(struct hub *h, struct change *o, const struct change_texts *x,
    bool finished, bool *too_large)
{
	struct slice room = change_room(o), id = slice_of(NULL, 0);
	struct publication p = {
		.nsp = slice_of(o->ns->name, o->ns->name_len),
		.event = o->redact ? SLICE("\"history:redacted\"") :
		    SLICE("\"history:edited\""),
		.args = buf_unread(&x->args), .named = true,
		.finish = finished, .sent_us = h->now.us };
	const struct audience to = { .rooms = &room, .nrooms = 1 };
	struct keep k = { .ns = o->ns, .to = &to, .p = &p,
		.instead = buf_unread(&x->frame) };

	p.meta = publish_meta_api(h, room, &id);
	if (id.n == 0 || id.n > sizeof o->told)
		return (false);
	o->told_len = (uint8_t)id.n;
	memcpy(o->told, id.p, id.n);
	*too_large = keep_is_too_large(h, o->ns, &p, true) ||
	    k.instead.n > h->conf->store_room_bytes;
	return (!*too_large && keep_ask(h, &k, change_told, o));
}

/* --- may it be -------------------------------------------------------------- */

/* As if it were published now.  false: refused. */
static bool
change_may(struct hub *h, struct change *o, const struct bus_publish *p)
{
	const struct conf_event *r = NULL;
	struct slice first = { NULL, 0 };
	uint8_t name[CONF_EVENT_MAX];
	struct conf_fault f;
	char words[512];
	ssize_t n = json_name(p->event, name, sizeof name);
	struct slice event = slice_of(name, n < 0 ? 0 : (size_t)n);

	if (reserved_by_server(event)) {
		change_refuse(h, o, 409, "conflict", "what tells of a change, or "
		    "has no data any more, is not changed");
		return (false);
	}
	if (o->key != NULL && !conf_api_key_sends(o->key, event)) {
		change_refuse(h, o, 403, "forbidden",
		    "this key may not publish this event");
		return (false);
	}
	if (!o->redact && o->ns->check_publishes && event.n != 0)
		r = conf_event_find(o->ns, event);
	if (r == NULL || check_holds(r, change_args(o), &first, &f))
		return (true);
	(void)snprintf(words, sizeof words, "%s%s%s", f.path + f.at,
	    f.path[f.at] == '\0' ? "the first argument " : ": ", f.why);
	change_refuse(h, o, 400, "invalid", words);
	return (false);
}

/* It is found: e, which is written to. */
static void
change_do(struct hub *h, struct change *o, struct bus_envelope *e,
    bool finished)
{
	struct change_texts x;
	bool too_large = false, ok;

	if (!change_may(h, o, &e->publish))
		return;
	since_set(&o->at, e->publish.epoch, e->publish.kept);
	o->step = CHANGE_ONE;
	change_texts_init(&x);
	ok = change_write(h, o, e, &x) && change_send(h, o, &x, finished,
	    &too_large);
	change_texts_fini(&x);
	if (too_large)
		change_refuse(h, o, 413, "too_large",
		    keep_why(BUS_STORE_TOO_LARGE));
	else if (!ok)
		change_unavailable(h, o);
}

/* --- looking for it --------------------------------------------------------- */

static bool
change_is_it(const struct change *o, const struct bus_publish *p)
{
	struct slice id;

	if (o->at.offset != 0)
		return (p->kept == o->at.offset);
	return (p->meta.n != 0 && json_get(p->meta, SLICE("id"), &id) &&
	    json_type(id) == JSON_STRING &&
	    json_string_eq(id, slice_of(o->id, o->id_len)) &&
	    (o->at.epoch_len == 0 || slice_eq(p->epoch, since_epoch(&o->at))));
}

static struct history_part
change_part(const struct change *o)
{
	struct history_part p = { .from = BUS_HISTORY_TOP };

	switch (o->step) {
	case CHANGE_TOP:
		break;
	case CHANGE_ONE:
		p.from = BUS_HISTORY_AFTER;
		p.epoch = since_epoch(&o->at);
		p.since = o->at.offset - 1;
		p.limit = 1;
		break;
	case CHANGE_LAST:
		p.from = BUS_HISTORY_LAST;
		p.limit = CHANGE_PAGE;
		break;
	case CHANGE_ALL:
		p.from = o->seen.given ? BUS_HISTORY_AFTER :
		    BUS_HISTORY_FIRST;
		p.epoch = since_epoch(&o->seen);
		p.since = o->seen.offset;
		p.limit = CHANGE_PAGE;
		break;
	}
	return (p);
}

static void
change_look(struct hub *h, struct change *o)
{
	struct history_part part = change_part(o);

	if (++o->pages > CHANGE_PAGES)
		change_refuse(h, o, 503, "unavailable", "too much is kept of this "
		    "room to look for an id: name the offset");
	else if (!history_ask(h, &o->ask, o->ns, change_room(o), &part))
		change_unavailable(h, o);
}

/* It is not on this page.  false: nor anywhere else. */
static bool
change_goes_on(struct change *o, const struct bus_envelope *page,
    uint64_t first, const struct since *last)
{
	switch (o->step) {
	case CHANGE_TOP:
		since_set(&o->at, page->page.epoch, o->at.offset);
		o->step = CHANGE_ONE;
		return (page->page.epoch.n != 0 &&
		    o->at.offset <= page->page.top);
	case CHANGE_ONE:
		break;
	case CHANGE_LAST:
		o->step = CHANGE_ALL;
		return (first != 0 && first > page->page.first);
	case CHANGE_ALL:
		o->seen = *last;
		return ((page->flags & BUS_MORE) != 0 && last->given);
	}
	return (false);
}

static void
change_page(struct hub *h, struct history_ask *a, const struct bus_envelope *page)
{
	static struct bus_envelope one;	/* large; one at a time */
	struct change *o = container_of(a, struct change, ask);
	struct since last = { .given = false };
	struct slice frames;
	uint64_t first = 0;

	if (page == NULL) {
		change_unavailable(h, o);
		return;
	}
	frames = page->page.frames;
	while (history_next(&frames, &one)) {
		if (change_is_it(o, &one.publish)) {
			change_do(h, o, &one, page->page.finished);
			return;
		}
		if (first == 0)
			first = one.publish.kept;
		since_set(&last, one.publish.epoch, one.publish.kept);
	}
	if (change_goes_on(o, page, first, &last))
		change_look(h, o);
	else
		change_missed(h, o);
}

/* --- beginning -------------------------------------------------------------- */

static struct change *
change_new(const struct change_order *q, uint32_t ref)
{
	struct change *o = calloc(1, sizeof *o + q->room.n + q->args.n);

	if (o == NULL)
		return (NULL);
	o->ask.page = change_page;
	o->ns = q->ns;
	o->key = q->key;
	o->ref = ref;
	o->at = q->at;
	o->redact = q->redact;
	o->step = o->at.offset == 0 ? CHANGE_LAST :
	    o->at.epoch_len == 0 ? CHANGE_TOP : CHANGE_ONE;
	o->id_len = (uint8_t)q->id.n;
	if (q->id.n != 0)
		memcpy(o->id, q->id.p, q->id.n);
	o->room_len = q->room.n;
	memcpy(o->text, q->room.p, q->room.n);
	o->args_len = q->args.n;
	if (q->args.n != 0)
		memcpy(o->text + q->room.n, q->args.p, q->args.n);
	return (o);
}

bool
change_begin(struct hub *h, const struct change_order *q, uint32_t ref)
{
	struct change *o = change_new(q, ref);
	struct history_part part;

	if (o == NULL)
		return (false);
	part = change_part(o);
	o->pages = 1;
	if (history_ask(h, &o->ask, o->ns, change_room(o), &part))
		return (true);
	free(o);
	return (false);
}
