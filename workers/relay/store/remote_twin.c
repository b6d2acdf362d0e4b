/*
 * Rooms beside a journal: what they keep they hear by it; see remote.h.
 */
#include "relay/store/remote_int.h"

#include "shm/counters.h"

/* Its own line is of before: it goes where its keys were. */
void
remote_pair(struct remote_room *r)
{
	struct remote *m = r->m;
	bool twin = !r->journal && m->p.journals != NULL &&
	    m->p.journals(m->p.arg, remote_nsp(r));

	if (twin == r->twin || !STAILQ_EMPTY(&r->out))
		return;
	r->twin = twin;
	r->told_odd = true;	/* something may have come by the other way */
	remote_in_deaf(r);
}

bool
remote_is_twin_over(struct remote_room *journal, struct slice room)
{
	struct store_key k = { remote_nsp(journal), room };
	const struct remote_append *p;
	struct remote_room *r;

	if (journal->nlast > 0)
		STAILQ_FOREACH(p, &journal->out, next)
			if ((p->asker.flags & BUS_FINISH) &&
			    slice_eq(remote_append_room(p), room))
				return (true);
	r = remote_find(journal->m, &k);
	return (r != NULL && remote_is_over(r));
}

/* As the room has it: its offset is the journal's.  Empty: no memory. */
static struct slice
twin_frame(struct remote *m, struct bus_envelope *e)
{
	e->publish.offset = slice_of(NULL, 0);
	buf_reset(&m->twin);
	if (bus_encode(&m->twin, e))
		return (buf_unread(&m->twin));
	m->twin.oom = false;
	counter_add(COUNTER_memory_failures, 1);
	return (slice_of(NULL, 0));
}

void
remote_follow(struct remote_room *journal)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct remote *m = journal->m;
	struct remote_room *r;
	struct store_key k;
	struct slice frame;

	if (!journal->journal || !m->twice ||
	    !bus_whole(buf_unread(&m->frame), &e))
		return;
	k = (struct store_key){ e.publish.nsp, e.publish.to.rooms[0] };
	r = remote_find(m, &k);
	if (r == NULL || !r->twin || r->state == REMOTE_IDLE)
		return;
	frame = twin_frame(m, &e);
	if (frame.n == 0) {
		remote_in_deaf(r);
		return;
	}
	(void)remote_in_accept(r, frame, e.publish.epoch, e.publish.kept, NULL,
	    true);
	remote_in_drain(r);
}

bool
remote_is_level(const struct remote_room *r)
{
	struct store_key k = remote_journal_key(r);
	const struct remote_room *j = remote_find(r->m, &k);

	return (j != NULL && j->state == REMOTE_LIVE && (r->level_epoch_n == 0 ||
	    (slice_eq(remote_epoch(j), slice_of(r->level_epoch,
	    r->level_epoch_n)) && j->top >= r->level)));
}

bool
remote_look_odd(const struct remote_room *r)
{
	struct store_key k = remote_journal_key(r);
	struct remote_room *j = remote_find(r->m, &k);

	if (j == NULL || j->state != REMOTE_LIVE || r->level_epoch_n == 0 ||
	    slice_eq(remote_epoch(j), slice_of(r->level_epoch,
	    r->level_epoch_n)))
		return (false);
	remote_in_behind(j);
	return (true);
}

void
remote_note_level(struct remote_room *r, const struct remote_page *p)
{
	r->levels = true;
	r->level_epoch_n = (uint8_t)p->journal.epoch.n;
	if (r->level_epoch_n != 0)
		memcpy(r->level_epoch, p->journal.epoch.p, r->level_epoch_n);
	r->level = p->journal.place;
}

void
remote_miss_twins(struct remote_room *journal)
{
	struct remote_room *r;

	TAILQ_FOREACH(r, &journal->m->used, used)
		if (r->twin && slice_eq(remote_nsp(r), remote_nsp(journal)))
			remote_in_deaf(r);
}
