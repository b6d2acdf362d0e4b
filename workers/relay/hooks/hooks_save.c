/*
 * What waits for hooks, and what they did not take, for the relay that takes
 * this one's place; see hooks.h.  Entries keep the numbers that they have, in
 * the epoch of the relay that gave them; what comes behind them begins another
 * one, as at every start of a relay.
 *
 *	of each namespace with entries: true, it, its hook, these; false; of each
 *	dead letter: true, hook, namespace, why, id, when, the entry; false; the
 *	last id
 */
#include "relay/hooks/hooks_int.h"

#include <string.h>

#include "relay/stream/entry_state.h"
#include "shm/counters.h"
#include "sys/log.h"

#define SAVE_TAG	0x5781
#define SAVE_VERSION	1

/* --- saved ------------------------------------------------------------------*/

/* true: some of the last are left out. */
static bool
save_courier(struct buf *b, const struct courier *c, size_t before)
{
	size_t used = b->wpos - before;

	state_put_bool(b, true);
	state_put_slice(b, slice_str(c->nsp));
	state_put_slice(b, slice_str(c->hook == NULL ? "" : c->hook));
	return (entry_state_put_all(b, STAILQ_FIRST(&c->queue.list),
	    used < ENTRY_STATE_MAX ? ENTRY_STATE_MAX - used : 0));
}

static void
save_letters(struct buf *b, const struct dead_box *box, size_t before)
{
	const struct dead_letter *l;

	TAILQ_FOREACH(l, &box->letters, next) {
		if (b->wpos - before + l->entry->n > ENTRY_STATE_MAX) {
			counter_add(COUNTER_hook_dead_displaced, 1);
			continue;
		}
		state_put_bool(b, true);
		state_put_slice(b, slice_str(box->hook));
		state_put_slice(b, slice_str(l->nsp));
		state_put_slice(b, slice_str(l->why));
		state_put_u64(b, l->id);
		state_put_u64(b, l->at_ms);
		entry_state_put(b, l->entry);
	}
}

void
hooks_save(struct hooks *k, struct buf *b)
{
	size_t before = b->wpos, at = state_open(b, SAVE_TAG, SAVE_VERSION);
	const struct dead_box *box;
	bool any = k->dead.id != 0, cut = false;
	unsigned i;

	CHECK_MAGIC(k, HOOKS_MAGIC);
	for (i = 0; i < k->ncouriers; i++) {
		const struct courier *c = &k->couriers[i];

		if (c->nsp == NULL || c->queue.n == 0)
			continue;
		any = true;
		cut |= save_courier(b, c, before);
	}
	state_put_bool(b, false);
	TAILQ_FOREACH(box, &k->dead.boxes, next)
		save_letters(b, box, before);
	state_put_bool(b, false);
	state_put_u64(b, k->dead.id);
	state_close(b, at);
	if (cut)
		log_warnx("hook_entries_cut why=\"more than can be left to "
		    "another relay waits\"");
	if (!any || b->oom)
		b->wpos = before;
	k->saved = any && !b->oom;
	if (b->oom)
		counter_add(COUNTER_memory_failures, 1);
	b->oom = false;
}

/* --- loaded -----------------------------------------------------------------*/

/* Where they go on: NULL: nobody is told of that namespace any more. */
static struct courier *
hooks_load_courier(struct hooks *k, struct slice nsp, const char *hook)
{
	const struct conf_namespace *ns = conf_namespace_find(k->conf, nsp);
	struct courier *c;

	if (ns == NULL || ns->gone)
		return (NULL);
	c = k->couriers[ns->index].nsp != NULL ? NULL :
	    hooks_courier_new(k, ns);
	return (c != NULL && courier_name(c, hook) ? c : NULL);
}

struct load {
	struct hooks	*k;
	struct courier	*c;
	const struct entry *last;	/* of it; NULL: none yet */
	const struct dead_what *what;
};

/* In the order of numbers and epochs; else it is given up. */
static void
hooks_load_put(void *arg, struct entry *e)
{
	struct load *l = arg;
	const struct dead_bounds most = hooks_dead_bounds(l->k,
	    slice_str(l->what->hook));

	if (l->c != NULL && (l->last == NULL ||
	    l->last->epoch != e->epoch || l->last->number < e->number)) {
		hook_queue_restore(&l->c->queue, e);
		l->last = e;
		return;
	}
	counter_add(COUNTER_hook_dead, 1);
	dead_add(&l->k->dead, l->what, &most, e);
}

/* false: they make no sense. */
static bool
hooks_load_entries(struct hooks *k, struct state_in *in, struct courier *c,
    const struct dead_what *what)
{
	struct load l = { k, c, NULL, what };
	bool cut, good = entry_state_get_all(in, hooks_load_put, &l, &cut);

	if (c != NULL && cut) {		/* some of the last of before */
		hooks_mark(k, c, SLICE("begin"));
		hooks_mark(k, c, SLICE("lost"));
	}
	return (good);
}

/* A copy that ends with NUL; NULL: no memory. */
static char *
hooks_load_text(struct slice s)
{
	return (s.n == 0 ? strdup("") : strndup((const char *)s.p, s.n));
}

/* Of one namespace. */
static bool
hooks_load_queue(struct hooks *k, struct state_in *in)
{
	struct slice nsp = state_get_slice(in);
	char *hook = hooks_load_text(state_get_slice(in)), *name = hooks_load_text(nsp);
	bool good = hook != NULL && name != NULL;
	const struct dead_what what = { .hook = hook, .nsp = name,
		.at_ms = k->x->now_ms, .why = "there is no hook any more" };

	good = good && !in->bad && hooks_load_entries(k, in, hooks_load_courier(k, nsp,
	    hook), &what);
	free(hook);
	free(name);
	return (good);
}

static bool
hooks_load_letter(struct hooks *k, struct state_in *in)
{
	char *hook = hooks_load_text(state_get_slice(in)),
	    *nsp = hooks_load_text(state_get_slice(in)),
	    *why = hooks_load_text(state_get_slice(in));
	uint64_t id = state_get_u64(in), at_ms = state_get_u64(in);
	const struct dead_what what = { .hook = hook, .nsp = nsp, .why = why,
		.at_ms = at_ms };
	bool bad = false;
	struct entry *e = entry_state_get(in, &bad);

	if (bad || e == NULL || hook == NULL || nsp == NULL || why == NULL)
		free(e);
	else {
		k->dead.id = id > k->dead.id ? id : k->dead.id;
		if (!dead_restore(&k->dead, &what, id, e))
			counter_add(COUNTER_hook_dead_displaced, 1);
	}
	free(hook);
	free(nsp);
	free(why);
	return (!bad);
}

static bool
hooks_load_all(struct hooks *k, struct state_in *in)
{
	bool good = true;
	uint64_t last;

	while (good && state_get_bool(in))
		good = hooks_load_queue(k, in);
	while (good && state_get_bool(in))
		good = hooks_load_letter(k, in);
	last = state_get_u64(in);
	k->dead.id = last > k->dead.id ? last : k->dead.id;
	return (good && state_end(in));
}

size_t
hooks_saved(struct slice saved)
{
	return (state_behind(saved, SAVE_TAG));
}

void
hooks_load(struct hooks *k, struct slice saved)
{
	struct state_in in = state_in(saved), body;
	uint16_t version;
	unsigned i;

	if (saved.n == 0)
		return;
	if (!state_section(&in, SAVE_TAG, &version, &body) ||
	    version != SAVE_VERSION || !hooks_load_all(k, &body))
		log_warnx("hook_entries_not_read why=\"they are not "
		    "understood\"");
	for (i = 0; i < k->ncouriers; i++)
		if (k->couriers[i].nsp != NULL &&
		    k->couriers[i].queue.number == 0)
			hooks_mark(k, &k->couriers[i], SLICE("begin"));
}
