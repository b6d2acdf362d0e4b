/*
 * The relay as a process of its own, between a master and two workers that
 * the test plays: what it is told, what it can't understand, and streams that
 * break or can't be had.
 */
#include "relay/relay.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sysexits.h>
#include <unistd.h>

#include "conf/read/packet.h"
#include "proto/bus.h"
#include "relay/local/peer.h"
#include "shm/counters.h"
#include "shm/interest.h"
#include "shm/presence.h"
#include "shm/slots.h"
#include "shm/stats.h"
#include "sys/ipc.h"
#include "sys/log.h"
#include "sys/sealed.h"
#include "tests/lib/conf_text.h"
#include "tests/lib/refuse.h"

#define PATIENCE_MS	10000

static struct conf *conf;
static struct heritage h;
static pid_t pid;
static int control;
static int worker[3];		/* our ends, by slot */
static struct {
	const char	*name;
	unsigned	 nth, times;
	int		 error;
} want;				/* of refuse(), in the relay */

static int
set_up(void **state)
{
	struct segment_params p = { .max_workers = 2, .presence_max = 64,
		.interest_max = 64, .rate_ways = 8, .max_ns = 200 };
	struct stats_params sp = { .version = "1" };
	unsigned i;

	(void)state;
	log_init("relay", -1, LOG_LEVEL_ERROR);
	memset(&want, 0, sizeof want);
	refuse(NULL, 0, 0, 0);
	conf = conf_text("namespace \"/\" { auth = none }\n");
	memset(&h, 0, sizeof h);
	h.store_fd = -1;
	h.conf = conf;
	h.segment = segment_create(&p);
	assert_non_null(h.segment);
	sp.nslots = segment_nslots(h.segment);
	h.stats = stats_create(NULL, &sp);
	assert_non_null(h.stats);
	for (i = 0; i < ROLE_SLOTS_MAX; i++)
		h.bus_fds[i] = -1;
	for (i = 0; i <= 2; i++) {
		atomic_store(&segment_slot(h.segment, i)->state,
		    SLOT_ASSIGNED);
		slot_live(h.segment, i, 1);
		worker[i] = -1;
	}
	stats_slot_live(h.stats, 0, STATS_ROLE_RELAY, 1, 1, "relay");
	return (0);
}

static void
hang_up(int *fd)
{
	if (*fd != -1)
		(void)close(*fd);
	*fd = -1;
}

static int
tear_down(void **state)
{
	unsigned i;

	(void)state;
	hang_up(&worker[1]);
	hang_up(&worker[2]);
	/* it ends by itself then; who is killed leaves no counts of coverage */
	hang_up(&control);
	for (i = 0; pid > 0 && i < PATIENCE_MS &&
	    waitpid(pid, NULL, WNOHANG) == 0; i++)
		(void)poll(NULL, 0, 1);
	if (pid > 0 && i == PATIENCE_MS) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
	}
	pid = 0;
	stats_close(&h.stats);
	segment_free(&h.segment);
	conf_free(&conf);
	return (0);
}

static void
start(void)
{
	int fds[2];

	assert_int_equal(ipc_pair(fds), 0);
	pid = fork();
	if (pid == 0) {
		(void)close(fds[0]);
		hang_up(&worker[1]);
		hang_up(&worker[2]);
		h.control_fd = fds[1];
		counters_attach(stats_column(h.stats, 0));
		if (want.nth != 0)
			refuse(want.name, want.nth, want.times, want.error);
		exit(role_relay.run(&h));
	}
	assert_true(pid > 0);
	(void)close(fds[1]);
	control = fds[0];
}

static int
exit_code(void)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	pid = 0;
	assert_true(WIFEXITED(status));
	return (WEXITSTATUS(status));
}

/* The next message of this type. */
static void
hear(struct ipc_msg *m, unsigned type)
{
	struct pollfd p = { .fd = control, .events = POLLIN };

	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	assert_int_equal(ipc_recv(control, m), 1);
	assert_int_equal(m->type, type);
}

static void
hear_ready(void)
{
	struct ipc_msg m;

	hear(&m, CONTROL_READY);
	assert_true(ipc_end(&m));
}

static void
hear_lost(uint32_t slot, uint32_t generation)
{
	struct ipc_msg m;

	hear(&m, CONTROL_BUS_LOST);
	assert_int_equal(ipc_get_u32(&m), slot);
	assert_int_equal(ipc_get_u32(&m), generation);
	assert_true(ipc_end(&m));
}

static void
tell(unsigned type, const uint32_t *v, size_t n, int fd)
{
	struct ipc_msg m;
	size_t i;

	ipc_init(&m, (uint16_t)type);
	for (i = 0; i < n; i++)
		ipc_put_u32(&m, v[i]);
	m.fd = fd;
	assert_int_equal(ipc_send(control, &m), 1);
}

/* A stream to that slot; what was before is kept by the test. */
static void
connect_slot(uint32_t slot, uint32_t generation)
{
	const uint32_t v[] = { slot, generation };
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    fds), 0);
	tell(CONTROL_BUS, v, 2, fds[0]);
	(void)close(fds[0]);
	worker[slot] = fds[1];
}

static uint64_t
counted(enum counter c)
{
	return (__atomic_load_n(stats_column(h.stats, 0) + c,
	    __ATOMIC_RELAXED));
}

static void
wait_counted(enum counter c, uint64_t n)
{
	unsigned i;

	for (i = 0; i < PATIENCE_MS && counted(c) != n; i++)
		(void)poll(NULL, 0, 1);
	assert_int_equal(counted(c), n);
}

/* A call of the relay that fails. */
static void
refuses(const char *name, unsigned nth, unsigned times, int error)
{
	want.name = name;
	want.nth = nth;
	want.times = times;
	want.error = error;
}

/* It runs, and has a worker in slot 1. */
static void
start_with_a_worker(void)
{
	start();
	hear_ready();
	connect_slot(1, 7);
}

/* From slot 1 to slot 2, through the relay. */
static void
assert_passes(void)
{
	struct pollfd p = { .fd = worker[2], .events = POLLIN };
	struct bus_envelope e = { .kind = BUS_PUBLISH, .from = 1,
		.publish.nsp = SLICE("/"), .publish.event = SLICE("\"x\""),
		.publish.args = SLICE("[1]"), .slots = { 2, 0 } };
	uint8_t got[1024];
	struct buf out;
	ssize_t n;

	buf_init(&out);
	assert_true(bus_encode(&out, &e));
	assert_int_equal(write(worker[1], out.data, out.wpos), out.wpos);
	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	n = read(worker[2], got, sizeof got);
	assert_slices(slice_of(got, n < 0 ? 0 : (size_t)n), buf_unread(&out));
	buf_fini(&out);
}

/* The same, larger, and nobody reads it. */
static void
pass_large(void)
{
	static const uint8_t zeros[16 << 10];
	struct bus_envelope e = { .kind = BUS_PUBLISH, .from = 1,
		.publish.nsp = SLICE("/"), .publish.event = SLICE("\"x\""),
		.publish.args = slice_of(zeros, sizeof zeros),
		.slots = { 2, 0 } };
	struct buf out;

	buf_init(&out);
	assert_true(bus_encode(&out, &e));
	assert_int_equal(write(worker[1], out.data, out.wpos), out.wpos);
	buf_fini(&out);
}

static void
assert_ended(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char c;

	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	assert_int_equal(read(fd, &c, 1), 0);
}

static void
told_to_stop_it_ends(void **state)
{
	const uint32_t v[] = { 0, 0, 0 };

	(void)state;
	start_with_a_worker();
	connect_slot(2, 8);
	assert_passes();
	tell(CONTROL_STOP, v, 3, -1);
	assert_int_equal(exit_code(), EX_OK);
	assert_ended(worker[2]);
}

static void
without_a_master_it_ends(void **state)
{
	(void)state;
	start();
	hear_ready();
	hang_up(&control);
	assert_int_equal(exit_code(), EX_OK);
}

static void
what_it_does_not_understand_is_counted(void **state)
{
	static const uint32_t slots[][2] = { { 0, 1 }, { ROLE_SLOTS_MAX, 1 },
		{ UINT32_MAX, 1 } };
	const uint32_t one[] = { 1 }, three[] = { 1, 1, 1 };
	int fds[2];
	size_t i;

	(void)state;
	start();
	hear_ready();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    fds), 0);
	tell(99, one, 1, fds[0]);		/* no such type */
	tell(CONTROL_BUS, one, 1, fds[0]);	/* a field too few, too many */
	tell(CONTROL_BUS, three, 3, fds[0]);
	tell(CONTROL_BUS, three, 2, -1);	/* no stream */
	for (i = 0; i < nitems(slots); i++)
		tell(CONTROL_BUS, slots[i], 2, fds[0]);
	tell(CONTROL_BUS_GONE, NULL, 0, -1);
	assert_int_equal(send(control, "x", 1, 0), 1);	/* no message at all */
	wait_counted(COUNTER_control_bad, 9);
	/* and closed what came along */
	(void)close(fds[0]);
	assert_ended(fds[1]);
	(void)close(fds[1]);
	connect_slot(1, 7);
	connect_slot(2, 8);
	assert_passes();
}

static void
a_stream_that_ends_or_is_nonsense_is_asked_for(void **state)
{
	static const char nonsense[64] = "GET / HTTP/1.1\r\n\r\n";

	(void)state;
	start_with_a_worker();
	hang_up(&worker[1]);
	hear_lost(1, 7);
	connect_slot(1, 7);
	connect_slot(2, 8);
	assert_int_equal(write(worker[1], nonsense, sizeof nonsense),
	    sizeof nonsense);
	hear_lost(1, 7);
	assert_ended(worker[1]);
	hang_up(&worker[1]);
	assert_int_equal(counted(COUNTER_bus_bad), 1);
	connect_slot(1, 9);
	assert_passes();
}

static void
a_new_stream_takes_the_place_of_the_old(void **state)
{
	int old;

	(void)state;
	start_with_a_worker();
	connect_slot(2, 8);
	assert_passes();
	old = worker[2];
	connect_slot(2, 9);
	assert_ended(old);
	(void)close(old);
	assert_passes();
	assert_int_equal(counted(COUNTER_bus_reconnects), 1);
	assert_int_equal(counted(COUNTER_relay_peers), 2);
}

static void
a_worker_that_is_gone_is_let_go(void **state)
{
	const uint32_t one[] = { 1, 0 }, none[] = { 100, 0 };

	(void)state;
	start_with_a_worker();
	tell(CONTROL_BUS_GONE, none, 2, -1);	/* it never came */
	tell(CONTROL_BUS_GONE, one, 2, -1);
	assert_ended(worker[1]);
	wait_counted(COUNTER_relay_peers, 0);
	assert_int_equal(counted(COUNTER_control_bad), 0);
}

/* The third it watches, behind control and the ring. */
static void
a_stream_that_is_not_watched_is_asked_for(void **state)
{
	(void)state;
	refuses("epoll_ctl", 3, 1, ENOSPC);
	start_with_a_worker();
	hear_lost(1, 7);
	assert_ended(worker[1]);
	hang_up(&worker[1]);
	connect_slot(1, 7);
	connect_slot(2, 8);
	assert_passes();
}

static void
what_the_master_does_not_take_is_said_again(void **state)
{
	(void)state;
	refuses("sendmsg", 2, 2, EAGAIN);		/* behind READY */
	start_with_a_worker();
	hang_up(&worker[1]);
	hear_lost(1, 7);
	assert_int_equal(refuse_end(), 2);
}

static void
messages_that_are_not_taken_are_counted(void **state)
{
	(void)state;
	refuses("recvmsg", 1, 1, ENOMEM);
	start_with_a_worker();
	connect_slot(2, 8);
	assert_passes();
	assert_int_equal(counted(COUNTER_control_bad), 1);
}

/* Readiness that nobody heard of would be waited for. */
static void
a_start_that_fails_is_an_end(void **state)
{
	static const char *const calls[] = { "memory", "epoll_ctl", "sendmsg",
		"epoll_create1" };
	unsigned i;

	(void)state;
	for (i = 0; i < nitems(calls); i++) {
		refuses(calls[i], 1, 1, ENOMEM);
		start();
		assert_int_not_equal(exit_code(), EX_OK);
		assert_int_equal(refuse_end(), 1);
		hang_up(&control);
	}
}

/* --- killed with words in its mouth --------------------------------------- */

#define USERS	60u

static bool heard[USERS];

/* "u07..." at the length of a long name. */
static struct slice
user_name(unsigned user, char out[128])
{
	int n = snprintf(out, 128, "u%02u%0100u", user, 0u);

	return (slice_of(out, (size_t)n));
}

/* Whole frames of a stream, as far as there are any for a while or to its
 * end: of whom they tell.  Returns how many were told of by now. */
static unsigned
hear_users(int fd, unsigned enough)
{
	static uint8_t bytes[1 << 17];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct bus_envelope e;
	const char *name;
	size_t have = 0, at = 0;
	unsigned i, n = 0;
	ssize_t r;

	do {
		while ((r = bus_decode(slice_of(bytes + at, have - at),
		    &e)) > 0) {
			at += (size_t)r;
			name = memmem(e.publish.args.p, e.publish.args.n,
			    "\"u", 2);
			while (name != NULL && name[2] > '9')
				name = memmem(name + 2, 100, "\"u", 2);
			assert_non_null(name);
			heard[(name[2] - '0') * 10 + name[3] - '0'] = true;
		}
		for (i = n = 0; i < USERS; i++)
			n += heard[i];
		if (n >= enough || poll(&p, 1, PATIENCE_MS) != 1)
			return (n);
		r = read(fd, bytes + have, sizeof bytes - have);
		have += r > 0 ? (size_t)r : 0;
	} while (r > 0);
	return (n);
}

/* As if its worker did not read: what the stream takes is soon too much. */
static void
connect_narrow(uint32_t slot, uint32_t generation)
{
	const uint32_t v[] = { slot, generation };
	int fds[2], least = 1;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    fds), 0);
	assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &least,
	    sizeof least), 0);
	tell(CONTROL_BUS, v, 2, fds[0]);
	(void)close(fds[0]);
	worker[slot] = fds[1];
}

static void
kill_relay(void)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	hang_up(&control);
}

/* What it had queued, and marked as told, its successor tells. */
static void
what_a_killed_relay_had_not_sent_is_told(void **state)
{
	struct presence *p;
	struct interest *i;
	char name[128], key[INTEREST_KEY_MAX];
	uint64_t turns, sent;
	unsigned user, n;

	(void)state;
	conf_free(&conf);
	conf = conf_text("namespace \"/\" { auth = none"
	    " presence = namespace }\n");
	h.conf = conf;
	memset(heard, 0, sizeof heard);
	p = presence_open(h.segment, 1);
	i = interest_open(h.segment, 2);
	assert_true(p != NULL && i != NULL);
	assert_int_not_equal(interest_join(i, 0, interest_key(key,
	    INTEREST_NAMESPACE, slice_of(NULL, 0))), 0);
	start();
	hear_ready();
	connect_narrow(2, 8);
	wait_counted(COUNTER_relay_peers, 1);
	for (user = 0; user < USERS; user++)
		assert_int_not_equal(presence_join(p, 0,
		    user_name(user, name)), 0);
	wait_counted(COUNTER_bus_envelopes_out, USERS);
	assert_true(counted(COUNTER_bus_queue_bytes) > 0);
	kill_relay();
	n = hear_users(worker[2], USERS);
	assert_true(n > 0 && n < USERS);
	hang_up(&worker[2]);
	start();
	hear_ready();
	connect_slot(2, 8);
	assert_int_equal(hear_users(worker[2], USERS), USERS);
	/* once that is sent, nobody repeats it */
	turns = slot_turns(h.segment, 0);
	for (n = 0; n < PATIENCE_MS && slot_turns(h.segment, 0) < turns + 2;
	    n++)
		(void)poll(NULL, 0, 1);
	sent = counted(COUNTER_bus_envelopes_out);
	kill_relay();
	hang_up(&worker[2]);
	start();
	hear_ready();
	connect_slot(2, 8);
	wait_counted(COUNTER_relay_peers, 1);
	assert_int_equal(counted(COUNTER_bus_envelopes_out), sent);
	presence_close(&p);
	interest_close(&i);
}

/* --- another configuration ------------------------------------------------*/

static void
tell_conf(const char *text)
{
	const struct conf_source source = { .file = "t",
		.text = slice_str(text) };
	struct conf *other = conf_text(text);
	struct buf b;
	int fd;

	buf_init(&b);
	conf_pack(&b, &source, other);
	fd = sealed_new("test", buf_unread(&b));
	assert_true(fd != -1);
	tell(CONTROL_CONF, NULL, 0, fd);
	(void)close(fd);
	buf_fini(&b);
	conf_free(&other);
}

static void
wait_turns(unsigned more)
{
	uint64_t turns = slot_turns(h.segment, 0) + more;
	unsigned i;

	for (i = 0; i < PATIENCE_MS && slot_turns(h.segment, 0) < turns; i++)
		(void)poll(NULL, 0, 1);
	assert_true(slot_turns(h.segment, 0) >= turns);
}

#define ONE	"namespace '/' { auth = none }\n"
#define TOLD	"namespace '/n' { auth = none presence = namespace }\n"

/* One that it does not know yet, whose users are there when it does; then it
 * goes, and comes again. */
static void
namespaces_come_and_go(void **state)
{
	struct presence *p = presence_open(h.segment, 1);
	struct interest *i = interest_open(h.segment, 2);
	char name[128], key[INTEREST_KEY_MAX];
	uint64_t sent;

	(void)state;
	memset(heard, 0, sizeof heard);
	assert_true(p != NULL && i != NULL);
	start_with_a_worker();
	connect_slot(2, 8);
	assert_passes();
	assert_int_not_equal(interest_join(i, 1, interest_key(key,
	    INTEREST_NAMESPACE, slice_of(NULL, 0))), 0);
	assert_int_not_equal(presence_join(p, 1, user_name(0, name)), 0);
	wait_turns(2);
	tell_conf(ONE TOLD);
	assert_int_equal(hear_users(worker[2], 1), 1);
	assert_passes();
	tell_conf(ONE);
	wait_turns(1);
	sent = counted(COUNTER_bus_envelopes_out);
	assert_int_not_equal(presence_join(p, 1, user_name(1, name)), 0);
	wait_turns(2);
	assert_int_equal(counted(COUNTER_bus_envelopes_out), sent);
	assert_passes();
	tell_conf(ONE TOLD);
	assert_int_equal(hear_users(worker[2], 2), 2);
	assert_passes();
	presence_close(&p);
	interest_close(&i);
}

/* What waits in the queue of a worker is bounded by the new number. */
static void
bounds_change(void **state)
{
	unsigned i;

	(void)state;
	start_with_a_worker();
	connect_slot(2, 8);
	assert_passes();
	tell_conf(ONE "limits { bus_queue_bytes = 64KB }");
	wait_turns(1);
	for (i = 0; i < 3000 && counted(COUNTER_bus_dropped) == 0; i++) {
		pass_large();
		wait_turns(1);
	}
	assert_true(counted(COUNTER_bus_dropped) > 0);
	assert_true(counted(COUNTER_bus_queue_bytes) <= 64 << 10);
}

static void
a_configuration_that_got_lost_is_asked_for(void **state)
{
	const struct rlimit none = { 3, 1024 }, some = { 1024, 1024 };
	struct ipc_msg m;

	(void)state;
	start_with_a_worker();
	connect_slot(2, 8);
	assert_passes();
	assert_int_equal(prlimit(pid, RLIMIT_NOFILE, &none, NULL), 0);
	tell_conf(ONE TOLD);
	hear(&m, CONTROL_CONF_LOST);
	assert_int_equal(prlimit(pid, RLIMIT_NOFILE, &some, NULL), 0);
	tell_conf(ONE TOLD);
	wait_turns(1);
	assert_passes();
	assert_int_equal(counted(COUNTER_files_lost), 1);
	assert_int_equal(counted(COUNTER_control_bad), 0);
}

/* The master has found it valid: who cannot read it is not what it should be. */
static void
without_the_configuration_it_ends(void **state)
{
	int fd;

	(void)state;
	start_with_a_worker();
	tell(CONTROL_CONF, NULL, 0, -1);
	wait_counted(COUNTER_control_bad, 1);
	fd = sealed_new("test", SLICE("nonsense"));
	assert_true(fd != -1);
	tell(CONTROL_CONF, NULL, 0, fd);
	(void)close(fd);
	assert_int_equal(exit_code(), EX_SOFTWARE);
}

/* --- histories ------------------------------------------------------------*/

/* A worker says it, and is answered. */
static void
ask_relay(const struct bus_envelope *q, struct bus_envelope *a)
{
	struct pollfd p = { .fd = worker[1], .events = POLLIN };
	static uint8_t got[4096];
	struct buf out;
	ssize_t n;

	buf_init(&out);
	assert_true(bus_encode(&out, q));
	assert_int_equal(write(worker[1], out.data, out.wpos), out.wpos);
	buf_fini(&out);
	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	n = read(worker[1], got, sizeof got);
	assert_true(n > 0);
	assert_int_equal(bus_decode(slice_of(got, (size_t)n), a), n);
}

static void
keep_one(struct bus_envelope *a)
{
	struct bus_envelope q;
	struct bus_publish *p = bus_keep(&q);

	slotset_clear(q.slots);
	q.from = q.generation = 1;
	q.ref = 4;
	p->nsp = SLICE("/");
	p->event = SLICE("\"m\"");
	p->args = SLICE("1");
	p->to.rooms[p->to.nrooms++] = SLICE("r");
	ask_relay(&q, a);
	assert_int_equal(a->kind, BUS_KEPT);
	assert_int_equal(a->kept.result, BUS_STORE_OK);
}

static void
a_relay_leaves_its_histories_to_the_next(void **state)
{
	static const uint32_t ms[] = { 5000, 0 };
	struct bus_envelope a;
	struct ipc_msg m;
	char epoch[64];
	size_t n;

	(void)state;
	conf_free(&conf);
	conf = conf_text("namespace \"/\" { auth = none\n"
	    " room \"r\" { history = 10 }\n}\n");
	h.conf = conf;
	start_with_a_worker();
	keep_one(&a);
	keep_one(&a);
	assert_int_equal(a.kept.kept, 2);
	n = a.kept.epoch.n;
	assert_true(n < sizeof epoch);
	memcpy(epoch, a.kept.epoch.p, n);
	tell(CONTROL_BUS_END, ms, 2, -1);
	hear(&m, CONTROL_BUS_END);
	assert_int_equal(shutdown(worker[1], SHUT_WR), 0);
	hear(&m, CONTROL_STORE);
	assert_true(ipc_end(&m));
	assert_int_not_equal(m.fd, -1);
	assert_int_equal(exit_code(), EX_OK);
	hang_up(&worker[1]);
	hang_up(&control);
	h.store_fd = m.fd;
	start_with_a_worker();
	(void)close(m.fd);
	keep_one(&a);
	assert_int_equal(a.kept.kept, 3);
	assert_slices(a.kept.epoch, slice_of(epoch, n));
	/* one that is killed leaves none */
	h.store_fd = -1;
	assert_int_equal(kill(pid, SIGKILL), 0);
	(void)waitpid(pid, NULL, 0);
	hang_up(&worker[1]);
	hang_up(&control);
	start_with_a_worker();
	keep_one(&a);
	assert_int_equal(a.kept.kept, 1);
	assert_false(slice_eq(a.kept.epoch, slice_of(epoch, n)));
}

/* What makes no sense is no reason not to serve. */
static void
histories_that_are_not_understood_are_none(void **state)
{
	struct bus_envelope a;

	(void)state;
	conf_free(&conf);
	conf = conf_text("namespace \"/\" { auth = none\n"
	    " room \"r\" { history = 10 }\n}\n");
	h.conf = conf;
	h.store_fd = sealed_new("test", SLICE("nonsense, and much of it"));
	assert_int_not_equal(h.store_fd, -1);
	start_with_a_worker();
	keep_one(&a);
	assert_int_equal(a.kept.kept, 1);
	(void)close(h.store_fd);
}

static void
without_histories_none_are_left(void **state)
{
	static const uint32_t ms[] = { 5000, 0 };
	struct ipc_msg m;

	(void)state;
	start_with_a_worker();
	tell(CONTROL_BUS_END, ms, 2, -1);
	hear(&m, CONTROL_BUS_END);
	assert_int_equal(shutdown(worker[1], SHUT_WR), 0);
	assert_int_equal(exit_code(), EX_OK);
	assert_int_equal(ipc_recv(control, &m), -2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(told_to_stop_it_ends),
		T(without_a_master_it_ends),
		T(what_it_does_not_understand_is_counted),
		T(a_stream_that_ends_or_is_nonsense_is_asked_for),
		T(a_new_stream_takes_the_place_of_the_old),
		T(a_worker_that_is_gone_is_let_go),
		T(a_stream_that_is_not_watched_is_asked_for),
		T(what_the_master_does_not_take_is_said_again),
		T(messages_that_are_not_taken_are_counted),
		T(a_start_that_fails_is_an_end),
		T(what_a_killed_relay_had_not_sent_is_told),
		T(namespaces_come_and_go),
		T(bounds_change),
		T(a_configuration_that_got_lost_is_asked_for),
		T(without_the_configuration_it_ends),
		T(a_relay_leaves_its_histories_to_the_next),
		T(histories_that_are_not_understood_are_none),
		T(without_histories_none_are_left),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
