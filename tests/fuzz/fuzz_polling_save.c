/*
 * A session over polling that another worker is said to have given away, with
 * as many connections as the first byte says: it is refused, or goes on, and
 * leaves nothing behind when it ends.
 */
#include "tests/lib/small_worker.h"

#include "hub/move.h"

#define CONF \
	"limits { per_address = 50 }\n" \
	"namespace \"/\" { auth = none room \"{r}\" { join = open }\n" \
	"  event \"q\" { to = sender meta = off ack = echo } }\n" \
	"route \"/r\" { namespace = \"/\" format = engine }\n"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct small_world world;
static struct small_worker *heir;

static void
start(void)
{
	static const char conf[] = CONF;

	if (heir != NULL)
		return;
	small_world_init(&world, conf);
	heir = small_worker_new(&world, NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct state_in in;
	struct hub_move *hm;
	struct poller *p;
	struct conn *c;
	int fds[POLLER_CONNS_MAX], peers[POLLER_CONNS_MAX], pair[2];
	unsigned i, nfds;

	if (n == 0)
		return (0);
	start();
	nfds = (data[0] & 0x7f) % (POLLER_CONNS_MAX + 1);
	for (i = 0; i < nfds; i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
		    pair) == -1)
			abort();
		fds[i] = pair[0];
		peers[i] = pair[1];
	}
	in = state_in(slice_of(data + 1, n - 1));
	hm = hub_move_new(heir->w->hub, false, 2);
	MUST(hm != NULL);
	p = poller_load(heir->w->polling, hm, &in, fds, nfds);
	hub_move_free(&hm);
	if (p != NULL && (data[0] & 0x80))
		poller_unload(p);
	else if (p != NULL)
		poller_activate(p);
	small_turns(heir);
	polling_close_all(heir->w->polling, REASON_client_gone);
	TAILQ_FOREACH(c, &heir->w->conns, link)
		conn_abort(c, REASON_client_gone);
	small_turns(heir);
	for (i = 0; i < nfds; i++)
		(void)close(peers[i]);
	MUST(polling_first(heir->w->polling) == NULL);
	MUST(TAILQ_EMPTY(&heir->w->conns));
	return (0);
}
