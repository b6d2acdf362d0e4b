/*
 * The record as bytes; see record.h.  Called by the master before it becomes
 * another program, by that program, and by the trial of one.
 */
#include "master/upgrade/record.h"

#include <string.h>

#include "base/state.h"

#define RECORD_MAGIC	0x6d4f5230u
#define RECORD_FD_MAX	(1 << 24)
/* beside the permission bits: who does not know it opens a socket of its own,
 * which fails, and goes back */
#define RECORD_GIVEN	0x80000000u

/* Sections, in this order. */
enum record_tag { RECORD_SELF = 1, RECORD_MEMORY, RECORD_SOCKETS,
	RECORD_CHILDREN, RECORD_CONF };

/* --- descriptors -----------------------------------------------------------*/

static void
record_each_fd(struct record *r, void (*each)(int *fd, void *arg), void *arg)
{
	uint32_t i, n;

	each(&r->exe_fd, arg);
	each(&r->pidfile_fd, arg);
	each(&r->segment_fd, arg);
	each(&r->relay_fd, arg);
	each(&r->master_fd, arg);
	each(&r->passed_fd, arg);
	each(&r->stats.memory_fd, arg);
	each(&r->stats.file_fd, arg);
	for (i = 1; i < r->nslots; i++) {
		each(&r->handover_in[i], arg);
		each(&r->handover_out[i], arg);
	}
	for (i = 0; i < r->nlistens; i++)
		for (n = 0; n < r->listens[i].nfds; n++)
			each(&r->listens[i].fds[n], arg);
	for (i = 0; i < r->nchildren; i++) {
		each(&r->children[i].control_fd, arg);
		each(&r->children[i].says_fd, arg);
	}
}

struct record_list {
	int		*fds;
	size_t		 n;
};

static void
record_list_one(int *fd, void *arg)
{
	struct record_list *list = arg;

	if (*fd == -1)
		return;
	MUST(list->n < RECORD_FDS_MAX);
	list->fds[list->n++] = *fd;
}

size_t
record_fds(const struct record *r, int fds[RECORD_FDS_MAX])
{
	struct record_list list = { fds, 0 };

	/* the list is written, not the record */
	record_each_fd((struct record *)(uintptr_t)r, record_list_one, &list);
	return (list.n);
}

struct record_change {
	int		(*change)(int fd, void *arg);
	void		*arg;
};

static void
record_change_one(int *fd, void *arg)
{
	const struct record_change *c = arg;

	if (*fd != -1)
		*fd = c->change(*fd, c->arg);
}

void
record_change_fds(struct record *r, int (*change)(int fd, void *arg),
    void *arg)
{
	struct record_change c = { change, arg };

	record_each_fd(r, record_change_one, &c);
}

/* --- writing ---------------------------------------------------------------*/

static void
record_put_fd(struct buf *b, int fd)
{
	state_put_u32(b, fd == -1 ? UINT32_MAX : (uint32_t)fd);
}

static void
record_save_self(const struct record *r, struct buf *b)
{
	size_t at = state_open(b, RECORD_SELF, 1);

	state_put_u32(b, r->pid);
	state_put_u64(b, r->node_id);
	state_put_u64(b, r->started_us);
	state_put_u32(b, r->generation);
	state_put_u32(b, r->issue);
	state_put_u32(b, r->nworkers);
	state_put_u32(b, (uint32_t)r->resize_due);
	state_put_bool(b, r->reload_due);
	state_put_bool(b, r->even_due);
	state_put_bool(b, r->upgrade_due);
	state_put_u64(b, r->timeout_ms);
	state_put_bytes(b, r->ticket_key, sizeof r->ticket_key);
	record_put_fd(b, r->exe_fd);
	record_put_fd(b, r->pidfile_fd);
	state_put_slice(b, r->version);
	state_put_slice(b, r->binary);
	state_close(b, at);
}

/* Of the power of two from n on; 0: of none. */
static uint32_t
record_log2(uint32_t n)
{
	uint32_t log2 = 0;

	while (n > 1 && UINT32_C(1) << log2 < n)
		log2++;
	return (log2);
}

static void
record_save_memory(const struct record *r, struct buf *b)
{
	const struct segment_params *p = &r->segment;
	size_t at = state_open(b, RECORD_MEMORY, 1);

	state_put_u64(b, r->layout);
	state_put_u32(b, p->max_workers);
	state_put_u32(b, p->presence_max);
	state_put_u32(b, p->interest_max);
	state_put_u32(b, p->rate_ways);
	state_put_u32(b, p->once_ways);
	/* beside it, as a record of this version has no other room for it */
	state_put_u32(b, p->max_ns | record_log2(p->revoked_max) << 24);
	state_put_u32(b, p->presence_key_max);
	state_put_u32(b, p->interest_key_max);
	state_put_bool(b, p->status_text);
	state_put_u32(b, p->count_max);
	state_put_u32(b, p->page);
	state_put_u64(b, r->rows.rows);
	state_put_u64(b, r->rows.heirs);
	state_put_u64(b, r->rows.overflow);
	state_put_u32(b, r->rows.row_bytes);
	state_put_u32(b, r->rows.nslots);
	record_put_fd(b, r->segment_fd);
	record_put_fd(b, r->relay_fd);
	record_put_fd(b, r->master_fd);
	record_put_fd(b, r->passed_fd);
	record_put_fd(b, r->stats.memory_fd);
	record_put_fd(b, r->stats.file_fd);
	state_put_u64(b, r->stats.rows);
	state_put_u64(b, r->stats.bus_unread);
	state_close(b, at);
}

static void
record_save_listen(const struct record_listen *l, struct buf *b)
{
	uint32_t i;

	state_put_slice(b, l->text);
	state_put_u32(b, l->index);
	state_put_u32(b, l->mode | (l->given ? RECORD_GIVEN : 0));
	state_put_bool(b, l->tls);
	state_put_u32(b, l->steered);
	state_put_bytes(b, &l->asked, sizeof l->asked);
	state_put_bytes(b, &l->addr, sizeof l->addr);
	state_put_u32(b, l->addrlen);
	state_put_u64(b, l->dev);
	state_put_u64(b, l->ino);
	state_put_u32(b, l->nfds);
	for (i = 0; i < l->nfds; i++)
		record_put_fd(b, l->fds[i]);
}

static void
record_save_sockets(const struct record *r, struct buf *b)
{
	size_t at = state_open(b, RECORD_SOCKETS, 1);
	uint32_t i;

	state_put_u32(b, r->nslots);
	for (i = 1; i < r->nslots; i++) {
		record_put_fd(b, r->handover_in[i]);
		record_put_fd(b, r->handover_out[i]);
	}
	state_put_u32(b, r->nlistens);
	for (i = 0; i < r->nlistens; i++)
		record_save_listen(&r->listens[i], b);
	state_close(b, at);
}

static void
record_save_children(const struct record *r, struct buf *b)
{
	size_t at = state_open(b, RECORD_CHILDREN, 1);
	const struct record_child *c;

	state_put_u32(b, r->nchildren);
	for (c = r->children; c < r->children + r->nchildren; c++) {
		state_put_bool(b, c->relay);
		state_put_bool(b, c->ready);
		state_put_bool(b, c->bus_due);
		state_put_bool(b, c->log_due);
		state_put_u32(b, c->worker);
		state_put_u32(b, c->slot);
		state_put_u32(b, c->generation);
		state_put_u32(b, c->pid);
		state_put_u64(b, c->started_us);
		record_put_fd(b, c->control_fd);
		record_put_fd(b, c->says_fd);
	}
	state_close(b, at);
}

static void
record_save_conf(const struct record *r, struct buf *b)
{
	size_t at = state_open(b, RECORD_CONF, 1);

	state_put_slice(b, r->conf);
	state_close(b, at);
}

void
record_save(const struct record *r, struct buf *b)
{
	state_put_u32(b, RECORD_MAGIC);
	state_put_u16(b, RECORD_VERSION);
	record_save_self(r, b);
	record_save_memory(r, b);
	record_save_sockets(r, b);
	record_save_children(r, b);
	record_save_conf(r, b);
}

/* --- reading ---------------------------------------------------------------*/

/* None of the first three, which everybody has. */
static int
record_get_fd(struct state_in *in)
{
	uint32_t v = state_get_u32(in);

	if (v == UINT32_MAX)
		return (-1);
	if (v <= 2 || v >= RECORD_FD_MAX)
		state_bad(in);
	return (in->bad ? -1 : (int)v);
}

/* Up to and with max. */
static uint32_t
record_get_up_to(struct state_in *in, uint32_t max)
{
	return (state_get_below(in, max + 1));
}

static void
record_load_self(struct record *r, struct state_in *in)
{
	r->pid = state_get_u32(in);
	r->node_id = state_get_u64(in);
	r->started_us = state_get_u64(in);
	r->generation = state_get_u32(in);
	r->issue = state_get_u32(in);
	r->nworkers = record_get_up_to(in, SLOTSET_MAX / 2);
	r->resize_due = (int32_t)state_get_u32(in);
	r->reload_due = state_get_bool(in);
	r->even_due = state_get_bool(in);
	r->upgrade_due = state_get_bool(in);
	r->timeout_ms = state_get_u64(in);
	state_get_bytes(in, r->ticket_key, sizeof r->ticket_key);
	r->exe_fd = record_get_fd(in);
	r->pidfile_fd = record_get_fd(in);
	r->version = state_get_slice(in);
	r->binary = state_get_slice(in);
}

static void
record_load_memory(struct record *r, struct state_in *in)
{
	struct segment_params *p = &r->segment;

	r->layout = state_get_u64(in);
	p->max_workers = state_get_u32(in);
	p->presence_max = state_get_u32(in);
	p->interest_max = state_get_u32(in);
	p->rate_ways = state_get_u32(in);
	p->once_ways = state_get_u32(in);
	p->max_ns = state_get_u32(in);
	if (p->max_ns >> 24 != 0)
		p->revoked_max = 1u << (p->max_ns >> 24 & 31);
	p->max_ns &= 0xffffff;
	p->presence_key_max = state_get_u32(in);
	p->interest_key_max = state_get_u32(in);
	p->status_text = state_get_bool(in);
	p->count_max = state_get_u32(in);
	p->page = state_get_u32(in);
	r->rows.rows = state_get_u64(in);
	r->rows.heirs = state_get_u64(in);
	r->rows.overflow = state_get_u64(in);
	r->rows.row_bytes = state_get_u32(in);
	r->rows.nslots = state_get_u32(in);
	r->segment_fd = record_get_fd(in);
	r->relay_fd = record_get_fd(in);
	r->master_fd = record_get_fd(in);
	r->passed_fd = record_get_fd(in);
	r->stats.memory_fd = record_get_fd(in);
	r->stats.file_fd = record_get_fd(in);
	r->stats.rows = state_get_u64(in);
	r->stats.bus_unread = state_get_u64(in);
}

static void
record_load_listen(struct record_listen *l, struct state_in *in)
{
	uint32_t i;

	l->text = state_get_slice(in);
	l->index = state_get_below(in, ROLE_LISTENERS_MAX);
	l->mode = state_get_u32(in);
	l->given = (l->mode & RECORD_GIVEN) != 0;
	l->mode &= ~RECORD_GIVEN;
	l->tls = state_get_bool(in);
	l->steered = record_get_up_to(in, nitems(l->fds));
	state_get_bytes(in, &l->asked, sizeof l->asked);
	state_get_bytes(in, &l->addr, sizeof l->addr);
	l->addrlen = record_get_up_to(in, sizeof l->addr);
	l->dev = state_get_u64(in);
	l->ino = state_get_u64(in);
	l->nfds = record_get_up_to(in, nitems(l->fds));
	for (i = 0; i < l->nfds; i++) {
		l->fds[i] = record_get_fd(in);
		if (l->fds[i] == -1)
			state_bad(in);
	}
}

static void
record_load_sockets(struct record *r, struct state_in *in)
{
	uint32_t i;

	r->nslots = record_get_up_to(in, ROLE_SLOTS_MAX);
	for (i = 1; i < r->nslots; i++) {
		r->handover_in[i] = record_get_fd(in);
		r->handover_out[i] = record_get_fd(in);
	}
	r->nlistens = record_get_up_to(in, nitems(r->listens));
	for (i = 0; i < r->nlistens; i++)
		record_load_listen(&r->listens[i], in);
}

static void
record_load_child(struct record_child *c, struct state_in *in)
{
	c->relay = state_get_bool(in);
	c->ready = state_get_bool(in);
	c->bus_due = state_get_bool(in);
	c->log_due = state_get_bool(in);
	c->worker = state_get_below(in, SLOTSET_MAX / 2);
	c->slot = state_get_below(in, ROLE_SLOTS_MAX);
	c->generation = state_get_u32(in);
	c->pid = state_get_u32(in);
	c->started_us = state_get_u64(in);
	c->control_fd = record_get_fd(in);
	c->says_fd = record_get_fd(in);
	/* kill(2) means others by 0 and below */
	if (c->pid <= 1 || c->pid > INT32_MAX || c->relay != (c->slot == 0))
		state_bad(in);
}

static void
record_load_children(struct record *r, struct state_in *in)
{
	uint64_t taken[3] = { 0, 0, 0 };
	struct record_child *c;
	uint32_t i;

	r->nchildren = record_get_up_to(in, nitems(r->children));
	for (i = 0; i < r->nchildren; i++) {
		c = &r->children[i];
		record_load_child(c, in);
		if (c->slot >= r->nslots ||
		    (taken[c->slot / 64] >> (c->slot % 64) & 1) != 0)
			state_bad(in);
		taken[c->slot / 64] |= (uint64_t)1 << (c->slot % 64);
	}
}

static void
record_load_conf(struct record *r, struct state_in *in)
{
	r->conf = state_get_slice(in);
}

static bool
record_section(struct record *r, struct state_in *in, enum record_tag tag,
    void (*load)(struct record *, struct state_in *))
{
	struct state_in body;
	uint16_t version;

	if (!state_section(in, (uint16_t)tag, &version, &body) || version != 1)
		return (false);
	load(r, &body);
	return (state_end(&body));
}

bool
record_load(struct slice bytes, struct record *r, unsigned *version)
{
	struct state_in in = state_in(bytes);

	memset(r, 0, sizeof *r);
	*version = 0;
	if (state_get_u32(&in) != RECORD_MAGIC)
		return (false);
	*version = state_get_u16(&in);
	return (*version == RECORD_VERSION &&
	    record_section(r, &in, RECORD_SELF, record_load_self) &&
	    record_section(r, &in, RECORD_MEMORY, record_load_memory) &&
	    record_section(r, &in, RECORD_SOCKETS, record_load_sockets) &&
	    record_section(r, &in, RECORD_CHILDREN, record_load_children) &&
	    record_section(r, &in, RECORD_CONF, record_load_conf) &&
	    state_end(&in));
}
