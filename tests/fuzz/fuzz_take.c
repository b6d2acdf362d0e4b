/* Any bytes as what a giver says: a packet is taken or refused, a batch is
 * loaded as far as it makes sense; no descriptor stays behind. */
#include <sys/socket.h>

#include <fcntl.h>
#include <unistd.h>

#include "worker/handover/take.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct mono now;
static unsigned nloaded;

static struct mono
fake_now(void *arg)
{
	(void)arg;
	return (now);
}

static bool
fake_cut(void *arg, unsigned giver, unsigned heir, uint64_t batch)
{
	(void)arg;
	(void)batch;
	return (giver == 1 && heir == 2);
}

static enum stand_mark
fake_marked(void *arg)
{
	(void)arg;
	return (STAND_MARKED);
}

static enum stand_pump
fake_pump(void *arg, bool bus, int sock, struct mono until)
{
	(void)arg;
	(void)bus;
	(void)sock;
	now = until;
	return (PUMP_ON);
}

static void
fake_nothing(void *arg)
{
	(void)arg;
}

static void *
fake_load(void *arg, unsigned kind, struct state_in *in, const int *fds,
    unsigned n)
{
	MUST(n <= WIRE_FDS_MAX);
	while (n > 0)
		(void)close(fds[--n]);
	if (state_get_u16(in) == kind)
		return (NULL);
	nloaded++;
	return (arg);
}

static void
fake_activate(void *arg, const struct take_item *item, bool inherited)
{
	MUST(item->what == arg && inherited);
	nloaded--;
}

static void
fake_unload(void *arg, const struct take_item *item)
{
	MUST(item->what == arg);
	nloaded--;
}

static bool
fake_ready(void *arg)
{
	(void)arg;
	return (true);
}

static void
say(int sock, struct wire_msg *m)
{
	MUST(wire_send(sock, m) == 1);
}

/* A batch whose state the bytes are, with a few sockets. */
static void
batch(int sock, struct slice s)
{
	struct wire_msg m;
	unsigned i;

	wire_init(&m, WIRE_PREPARE, 7);
	say(sock, &m);
	wire_init(&m, WIRE_STATE, 7);
	m.items = s.n == 0 ? 0 : s.p[0] % (WIRE_ITEMS_MAX + 1);
	m.nfds = s.n == 0 ? 1 : 1 + s.p[s.n - 1] % 4;
	m.bytes = (uint32_t)s.n;
	m.fds[0] = wire_state_put(s);
	MUST(m.fds[0] != -1);
	for (i = 1; i < m.nfds; i++)
		m.fds[i] = m.fds[0];
	say(sock, &m);
	(void)close(m.fds[0]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct stand_calls stand_up = { .now = fake_now,
		.cut = fake_cut, .marked = fake_marked, .pump = fake_pump,
		.turn_end = fake_nothing, .release = fake_nothing };
	static int that;
	const struct take_calls up = { .arg = &that, .load = fake_load,
		.activate = fake_activate, .unload = fake_unload,
		.ready = fake_ready };
	struct stand stand;
	struct take *t;
	int fds[2], first, last;

	first = dup(0);
	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds) == 0);
	stand_init(&stand, &stand_up);
	t = take_new(&up, &stand, fds[0], 2, 1);
	MUST(t != NULL);
	if (n > 0 && n < 4096)	/* as a packet */
		MUST(send(fds[1], data, n, 0) == (ssize_t)n);
	take_read(t);
	if (t->state != TAKE_OVER) {
		batch(fds[1], slice_of(data, n));
		take_read(t);
		(void)take_turn_end(t);
	}
	(void)close(fds[1]);
	if (t->state != TAKE_OVER)
		take_read(t);
	take_free(&t);
	MUST(nloaded == 0);
	(void)close(first);
	last = dup(0);
	MUST(last == first);	/* the lowest that is free is so again */
	(void)close(last);
	return (0);
}
