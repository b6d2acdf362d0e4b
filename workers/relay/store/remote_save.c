/*
 * Appends that wait for Redis, for the relay that takes this one's place: under
 * the same names, so that none is kept twice.  What is at hand it finds in Redis.
 */
#include "relay/store/remote_int.h"

#include <unistd.h>

#include "base/state.h"
#include "sys/sealed.h"

static void
remote_save_head(struct buf *b, const struct remote *m)
{
	size_t at = state_open(b, REMOTE_SAVE_HEAD, REMOTE_SAVE_VERSION);

	state_put_slice(b, slice_str(m->origin));
	state_put_u64(b, m->begun);
	state_close(b, at);
}

static void
remote_save_room(struct buf *b, const struct remote_room *r)
{
	const struct remote_append *p;
	size_t at = state_open(b, REMOTE_SAVE_ROOM, REMOTE_SAVE_VERSION);

	state_put_slice(b, remote_nsp(r));
	state_put_slice(b, remote_name(r));
	state_put_u64(b, r->seq);
	/* what is with Redis now may be done */
	state_put_u32(b, r->again || r->sending ? r->nsent : 0);
	state_close(b, at);
	STAILQ_FOREACH(p, &r->out, next) {
		at = state_open(b, REMOTE_SAVE_APPEND, REMOTE_SAVE_VERSION);
		state_put_u16(b, p->asker.flags);
		state_put_bool(b, p->near);
		state_put_slice(b, remote_append_id(p));
		state_put_slice(b, remote_append_entry(p));
		state_put_slice(b, remote_append_room(p));
		state_put_u64(b, p->edits);
		state_put_slice(b, remote_append_edit_epoch(p));
		state_put_slice(b, remote_append_instead(p));
		state_close(b, at);
	}
}

static int
remote_save_write(const struct buf *b, struct slice begin)
{
	int fd = sealed_begin("roostd-store");

	if (fd == -1)
		return (-1);
	if (b->oom || sealed_add(fd, begin) == -1 ||
	    sealed_add(fd, buf_unread(b)) == -1) {
		(void)close(fd);
		return (-1);
	}
	return (sealed_end(fd) == -1 ? -1 : fd);
}

int
remote_save(void *engine, struct slice begin, bool *bad)
{
	struct remote *m = engine;
	const struct remote_room *r;
	struct buf b;
	int fd;

	CHECK_MAGIC(m, REMOTE_MAGIC);
	*bad = false;
	if (m->out_events == 0 && begin.n == 0)
		return (-1);
	buf_init(&b);
	remote_save_head(&b, m);
	TAILQ_FOREACH(r, &m->used, used)
		if (!STAILQ_EMPTY(&r->out))
			remote_save_room(&b, r);
	state_close(&b, state_open(&b, REMOTE_SAVE_END, REMOTE_SAVE_VERSION));
	fd = remote_save_write(&b, begin);
	*bad = fd == -1;
	m->saved = !*bad;
	buf_fini(&b);
	return (fd);
}

