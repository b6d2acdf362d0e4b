/*
 * Two workers of connections; see conn_world.h.  Here are what they ask of the
 * hub, hands, and a turn.
 */
#include "tests/lib/conn_world.h"

#include <sys/socket.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "shm/count.h"
#include "shm/slots.h"

struct conn_world world;

/* --- a hub that has nothing but queues ------------------------------------ */

static struct client *
client_new(struct out *out, struct outq *q)
{
	struct client *cl = calloc(1, sizeof *cl);

	MUST(cl != NULL);
	cl->out = out;
	cl->q = q;
	cl->due.us = UINT64_MAX;
	world.nclients++;
	return (cl);
}

uint64_t
limit_address(const uint8_t address[16])
{
	uint64_t key;

	memcpy(&key, address + 8, sizeof key);
	return (key);
}

bool
client_has_documents(const struct client *c)
{
	(void)c;
	return (false);
}

struct mono
client_due(const struct client *cl)
{
	return (cl->due);
}

struct slice
client_user(const struct client *cl)
{
	(void)cl;
	return (SLICE("somebody"));
}

const char *
client_namespace(const struct client *cl, unsigned i)
{
	(void)cl;
	return (i == 0 ? "/somewhere" : NULL);
}

struct slice
client_sid(const struct client *cl)
{
	(void)cl;
	return (SLICE("0123456789abcdefghij"));
}

bool
client_may_move(const struct client *cl)
{
	return (!cl->busy && !cl->waits);
}

bool
client_waits(const struct client *cl)
{
	return (cl->waits);
}

bool
hub_move_queue_save(struct hub_move *mv, const struct outq *q, struct buf *b)
{
	struct slice s;
	struct buf all;
	uint32_t i;

	(void)mv;
	buf_init(&all);
	for (i = 0; outq_run(q, i, &s); i++)
		buf_slice(&all, s);
	state_put_bool(b, q->blocked);
	state_put_slice(b, buf_unread(&all));
	buf_fini(&all);
	return (!b->oom);
}

bool
hub_move_queue_load(struct hub_move *mv, struct state_in *in, struct outq *q)
{
	bool blocked = state_get_bool(in);
	struct slice s = state_get_slice(in);

	(void)mv;
	if (in->bad || (s.n > 0 && !out_bytes(world.w[1]->out, q, s)))
		return (false);
	if (blocked)
		outq_block(world.w[1]->out, q);
	return (true);
}

bool
client_save(struct hub_move *mv, struct client *cl, struct buf *b)
{
	state_put_u64(b, cl->due.us);
	return (hub_move_queue_save(mv, cl->q, b));
}

struct client *
client_load(struct hub_move *mv, struct state_in *in, struct outq *q,
    enum reason *why)
{
	struct mono due = { state_get_u64(in) };
	struct client *cl;

	if (!hub_move_queue_load(mv, in, q))
		return (NULL);
	cl = client_new(world.w[1]->out, q);
	cl->due = due;
	*why = world.why;
	return (cl);
}

void
client_moved(struct client **clp)
{
	outq_kill((*clp)->out, (*clp)->q);
	free(*clp);
	*clp = NULL;
	world.nclients--;
}

void
client_unload(struct client **clp)
{
	client_moved(clp);
}

/* --- bodies ---------------------------------------------------------------- */

static bool
fake_body_save(const struct http_body *b, struct buf *to)
{
	state_put_u64(to, b->left);
	return (!to->oom);
}

static struct http_body *
fake_body_load(const struct worker *w, struct state_in *in)
{
	struct http_body *b = calloc(1, sizeof *b);

	(void)w;
	MUST(b != NULL);
	world.nbodies++;
	b->left = state_get_u64(in);
	return (b);
}

static void
fake_body_free(struct http_body **bp)
{
	world.nbodies--;
	free(*bp);
	*bp = NULL;
}

static const struct conn_bodies bodies = { fake_body_save, fake_body_load,
	fake_body_free };

/* --- workers --------------------------------------------------------------- */

/* Lines; half a line is kept. */
static size_t
take_lines(struct conn *c, uint8_t *p, size_t n, size_t old)
{
	const uint8_t *end = memrchr(p, '\n', n);
	size_t used = end == NULL ? 0 : (size_t)(end - p) + 1;

	(void)old;
	buf_append(&world.read[c->w == world.w[1]], p, used);
	return (used);
}

static void
came_due(struct conn *c)
{
	world.due[c->w == world.w[1]]++;
	c->deadline.us = UINT64_MAX;
}

static void
part(struct conn *c)
{
	if (conn_is_ws(c))
		counter_sub(COUNTER_ws_open, 1);
	if (c->client != NULL)
		client_moved(&c->client);
	if (c->body != NULL)
		fake_body_free(&c->body);
	conn_end(c);
}

static const struct conn_hand hands[CONN__MAX] = {
	[CONN_IDLE] = { .input = take_lines, .due = came_due },
	[CONN_HTTP] = { .input = take_lines, .due = came_due,
		.parting = part },
	[CONN_WS] = { .input = take_lines, .due = came_due, .parting = part },
	[CONN_CANDIDATE] = { .parting = part },
	[CONN_WAITING] = { .parting = part },
	[CONN_SESSION] = { .parting = part },
	[CONN_STREAM] = { .parting = part },
	[CONN_CLOSING] = { .input = take_lines },
};

static void
after_wait(void *arg)
{
	struct worker *w = arg;

	w->now = loop_now(w->loop);
	work_turn(w->work);
	conn_turn_start(w);
}

static void
flush(void *arg, struct outq *q)
{
	(void)arg;
	conn_flush(q);
}

static void
before_wait(void *arg)
{
	struct worker *w = arg;

	do {
		conn_part_all(w);
		out_turn_end(w->out, flush, NULL);
		conn_write_later(w);
	} while (w->parting != NULL);
	conn_free_doomed(w);
}

static bool
busy(void *arg)
{
	struct worker *w = arg;

	loop_stop(w->loop);
	return (true);
}

void
world_turn(struct worker *w)
{
	loop_run(w->loop);
	before_wait(w);
}

static struct worker *
worker_new(void)
{
	struct worker *w = calloc(1, sizeof *w);
	const struct loop_hooks hooks = { .before_wait = before_wait,
		.after_wait = after_wait, .busy = busy, .arg = w };
	int slot = slot_assign(world.segment, SLOT_WORKER, 1);

	MUST(w != NULL);
	MUST(slot > 0);
	slot_live(world.segment, (unsigned)slot, 1);
	w->magic = WORKER_MAGIC;
	w->conf = &world.conf;
	w->hands = hands;
	w->bodies = &bodies;
	w->loop = loop_new();
	w->wheel = loop_wheel(w->loop);
	w->now = loop_now(w->loop);
	w->row = segment_slot(world.segment, (unsigned)slot);
	w->count = count_open(world.segment, (unsigned)slot);
	trail_open(&w->trail, world.segment, (unsigned)slot, 1);
	w->out = calloc(1, sizeof *w->out);
	w->work = calloc(1, sizeof *w->work);
	w->rbuf = malloc(WORKER_RBUF + 1);
	w->later = later_new();
	w->ws_pool = ws_pool_new();
	w->fd_passed = 1 << 20;
	MUST(w->count != NULL);
	MUST(w->out != NULL && w->work != NULL && w->rbuf != NULL &&
	    w->later != NULL && w->ws_pool != NULL);
	out_init(w->out);
	work_init(w->work, WORK_BYTES);
	slab_init(&w->conn_slab, sizeof(struct conn), SLAB_LINE);
	TAILQ_INIT(&w->conns);
	loop_hooks(w->loop, &hooks);
	return (w);
}

void
world_end_all(struct worker *w)
{
	struct conn *c;

	TAILQ_FOREACH(c, &w->conns, link)
		conn_abort(c, REASON_shutdown);
	world_turn(w);
	world_turn(w);
	MUST(w->nconns == 0 && w->doomed == NULL);
}

static void
worker_free(struct worker *w)
{
	world_end_all(w);
	slab_fini(&w->conn_slab);
	ws_pool_free(&w->ws_pool);
	out_fini(w->out);
	later_free(&w->later);
	count_close(&w->count);
	loop_free(&w->loop);
	free(w->out);
	free(w->work);
	free(w->rbuf);
	free(w);
}

void
world_init(void)
{
	const struct segment_params p = { .max_workers = 2,
		.presence_max = 8, .interest_max = 8, .rate_ways = 8,
		.max_ns = 1, .count_max = 8 };
	unsigned i;

	memset(&world, 0, sizeof world);
	world.conf.handshake_timeout_ms = 10000;
	world.conf.slow_consumer_timeout_ms = 10000;
	world.conf.send_queue_bytes = 4u << 20;
	world.conf.limit_per_address = 10;
	world.segment = segment_create(&p);
	MUST(world.segment != NULL);
	for (i = 0; i < 2; i++) {
		world.w[i] = worker_new();
		buf_init(&world.read[i]);
	}
	world.why = REASON__MAX;
	world.open = counter_get(COUNTER_connections_open);
	world.ws_open = counter_get(COUNTER_ws_open);
	world.queued = counter_get(COUNTER_send_queue_bytes);
}

void
world_fini(void)
{
	unsigned i;

	for (i = 0; i < 2; i++) {
		worker_free(world.w[i]);
		buf_fini(&world.read[i]);
	}
	/* all gauges are where they were */
	MUST(counter_get(COUNTER_connections_open) == world.open);
	MUST(counter_get(COUNTER_ws_open) == world.ws_open);
	MUST(counter_get(COUNTER_send_queue_bytes) == world.queued);
	MUST(count_total(world.segment) == 0);
	MUST(world.nclients == 0);
	MUST(world.nbodies == 0);
	segment_free(&world.segment);
}

const uint8_t world_address[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff,
	0xff, 192, 0, 2, 1 };

struct conn *
world_conn(enum conn_state state, int *peer)
{
	static const struct sockaddr_storage none = { .ss_family = AF_UNSPEC };
	struct worker *w = world.w[0];
	struct conn *c;
	int fds[2];

	MUST(socketpair(AF_UNIX,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	c = conn_new(w, fds[0], NULL, &none);
	MUST(c != NULL);
	memcpy(c->address, world_address, sizeof c->address);
	c->port = 4711;
	c->state = (uint8_t)state;
	if (conn_is_ws(c))
		counter_add(COUNTER_ws_open, 1);
	if (conn_is_client(c) && state != CONN_CANDIDATE)
		c->client = client_new(w->out, &c->outq);
	*peer = fds[1];
	return (c);
}

int
world_copy(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	MUST(copy != -1);
	return (copy);
}


struct http_body *
world_body(uint64_t left)
{
	struct http_body *b = calloc(1, sizeof *b);

	MUST(b != NULL);
	world.nbodies++;
	b->left = left;
	return (b);
}
