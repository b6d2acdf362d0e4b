/*
 * What a relay leaves to the one that takes its place, through the master: what
 * waits for hooks and in streams, then what is kept; see relay_int.h.
 */
#include "relay/relay_int.h"

#include <unistd.h>

#include "sys/log.h"
#include "sys/sealed.h"

#define RELAY_LEFT_MAX	(UINT64_C(5) << 30)	/* bytes */

void
relay_leave_store(struct relay *r)
{
	struct buf waiting;
	struct ipc_msg m;

	if (r->store_left)
		return;
	r->store_left = true;
	ipc_init(&m, CONTROL_STORE);
	buf_init(&waiting);
	hooks_save(r->hooks, &waiting);
	stream_save(r->stream, &waiting);
	m.fd = keep_save(r->keep, buf_unread(&waiting));
	buf_fini(&waiting);
	if (m.fd == -1)
		return;
	if (ipc_send(r->control.fd, &m) != 1)
		log_warn("histories_not_left");
	(void)close(m.fd);
}

/* What the relay before has left, or nothing. */
static struct slice
relay_left(const struct relay *r)
{
	struct slice left;

	if (r->h->store_fd == -1 || sealed_map(r->h->store_fd, RELAY_LEFT_MAX,
	    &left) == -1)
		return (slice_of(NULL, 0));
	return (left);
}

/* Hooks first in the file, then the streams, then what is kept. */
void
relay_open_left(struct relay *r, struct stream_params *p)
{
	struct hooks_params h = { .conf = r->conf, .exchange = &r->exchange,
		.segment = r->h->segment, .loop = r->loop };
	struct slice left = relay_left(r), rest = left;

	h.saved = slice_of(rest.p, hooks_saved(rest));
	rest = slice_from(rest, h.saved.n);
	p->saved = slice_of(rest.p, stream_saved(rest));
	if (r->keep != NULL && r->h->store_fd != -1)
		keep_load(r->keep, r->h->store_fd, h.saved.n + p->saved.n);
	h.stream = r->stream = stream_new(p);
	if (r->stream != NULL)
		r->hooks = hooks_new(&h);
	if (left.n != 0)
		sealed_unmap(left);
}
