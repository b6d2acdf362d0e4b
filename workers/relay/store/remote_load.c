/*
 * What another relay had of appends that wait for Redis; see remote_int.h.  It may
 * be of another version: what makes sense is taken, and goes on in its order.
 */
#include "relay/store/remote_int.h"

#include "base/state.h"
#include "shm/interest.h"

static bool
remote_load_next(struct state_in *in, enum remote_save_tag *tag,
    uint16_t *version, struct state_in *body)
{
	struct state_in look = *in;

	*tag = (enum remote_save_tag)state_get_u16(&look);
	return (state_section(in, (uint16_t)*tag, version, body) &&
	    *version >= 1 && *version <= REMOTE_SAVE_VERSION);
}

static bool
remote_load_head(struct remote *m, struct state_in *in)
{
	struct slice origin = state_get_slice(in);
	uint64_t begun = state_get_u64(in);
	size_t i;

	for (i = 0; i < origin.n; i++)
		if (!(origin.p[i] >= '0' && origin.p[i] <= '9') &&
		    !(origin.p[i] >= 'a' && origin.p[i] <= 'f'))
			return (false);
	if (!state_end(in) || origin.n == 0 || origin.n >= sizeof m->origin)
		return (false);
	memcpy(m->origin, origin.p, origin.n);
	m->origin[origin.n] = '\0';
	m->begun = begun;
	return (true);
}

/* NULL: nothing is kept of it now, or there is no memory; or, with *bad, it makes
 * no sense. */
static struct remote_room *
remote_load_room(struct remote *m, struct state_in *in, bool *bad)
{
	struct store_key k;
	struct store_bounds bounds;
	struct remote_room *r;
	uint64_t seq;
	uint32_t n;

	k.nsp = state_get_slice(in);
	k.room = state_get_slice(in);
	seq = state_get_u64(in);
	n = state_get_u32(in);
	*bad = !state_end(in) || k.nsp.n == 0 || k.nsp.n > UINT16_MAX ||
	    k.nsp.p[0] != '/' || k.room.n == 0 ||
	    k.room.n > INTEREST_NAME_MAX || n > REMOTE_BATCH ||
	    seq > m->begun || remote_find(m, &k) != NULL;
	if (*bad || !m->p.judge(m->p.arg, &k, &bounds))
		return (NULL);
	r = remote_get(m, &k, &bounds);
	if (r == NULL)
		return (NULL);
	r->seq = seq;
	r->nsent = n;
	r->again = n > 0;
	return (r);
}

/* What it changes; false: it makes no sense. */
static bool
remote_load_edit(uint16_t version, struct state_in *in,
    struct remote_edit *edit)
{
	struct remote_twin twin;
	struct slice inside;

	*edit = (struct remote_edit){ .place = 0 };
	if (version < 3)
		return (true);
	edit->place = state_get_u64(in);
	edit->epoch = state_get_slice(in);
	edit->entry = state_get_slice(in);
	if (edit->place == 0)
		return (edit->epoch.n + edit->entry.n == 0);
	return (edit->epoch.n > 0 && edit->epoch.n < STORE_EPOCH_MAX &&
	    edit->entry.n <= STORE_FRAME_MAX &&
	    remote_entry(edit->entry, &inside, &twin) && twin.epoch.n == 0);
}

static bool
remote_load_append(struct remote *m, struct remote_room *r, uint16_t version,
    struct state_in *in)
{
	struct store_asker asker = { .flags = state_get_u16(in) };
	bool near = state_get_bool(in);
	struct slice id = state_get_slice(in);
	struct slice entry = state_get_slice(in), inside;
	struct store_key k = { .room = { NULL, 0 } };
	struct store_bounds bounds = { .events = 0 };
	struct remote_append *p;
	struct remote_twin twin;
	struct remote_edit edit;

	if (version > 1)
		k.room = state_get_slice(in);
	if (!remote_load_edit(version, in, &edit) || !state_end(in) || id.n > UINT8_MAX || entry.n > STORE_FRAME_MAX ||
	    (near && id.n != 32) || !remote_entry(entry, &inside, &twin) ||
	    twin.epoch.n != 0 || k.room.n > INTEREST_NAME_MAX)
		return (false);
	asker.flags &= BUS_NAMED | BUS_FAR | BUS_FINISH | BUS_EDIT;
	if (k.room.n != 0 && r != NULL) {
		k.nsp = remote_nsp(r);
		if (!r->journal || slice_eq(k.room, JOURNAL_ROOM))
			return (false);
		if (!m->p.judge(m->p.arg, &k, &bounds))
			k.room.n = 0;	/* it keeps nothing any more */
	}
	if (k.room.n == 0 && r != NULL && r->journal)
		asker.flags &= (uint16_t)~BUS_FINISH;	/* it goes on */
	/* the room of what it changes keeps nothing any more */
	if (edit.place != 0 && r != NULL && r->journal && k.room.n == 0)
		r = NULL;
	p = r == NULL ? NULL : remote_out_add(r, &asker, id, entry, k.room,
	    &bounds, &edit);
	if (p == NULL) {
		m->lost++;
		return (true);
	}
	p->near = near;
	p->told = true;		/* who has asked was another one's */
	return (true);
}

/* Not more than there are can be on their way. */
static void
remote_load_settle(struct remote_room *r)
{
	const struct remote_append *p;
	uint32_t n = 0;

	if (r == NULL)
		return;
	STAILQ_FOREACH(p, &r->out, next)
		n++;
	if (r->nsent > n)
		r->nsent = n;
	r->again = r->nsent > 0;
	if (n > 0)
		remote_work(r);
}

bool
remote_load(void *engine, struct slice saved)
{
	struct remote *m = engine;
	struct state_in in = state_in(saved), body;
	struct remote_room *r = NULL;
	enum remote_save_tag tag;
	uint16_t version;
	bool good, bad = false;

	CHECK_MAGIC(m, REMOTE_MAGIC);
	good = remote_load_next(&in, &tag, &version, &body) && tag == REMOTE_SAVE_HEAD &&
	    remote_load_head(m, &body);
	while (good && (good = remote_load_next(&in, &tag, &version,
	    &body))) {
		if (tag == REMOTE_SAVE_APPEND)
			good = remote_load_append(m, r, version, &body);
		else
			remote_load_settle(r);
		if (tag == REMOTE_SAVE_ROOM) {
			r = remote_load_room(m, &body, &bad);
			good = !bad;
		} else if (tag != REMOTE_SAVE_APPEND)
			break;
	}
	if (!good)
		remote_load_settle(r);
	remote_show(m);
	return (good && tag == REMOTE_SAVE_END && state_end(&in));
}
