/*
 * The counters' memory, its writer's side: made by the master, written by each
 * process in its own column; see stats.h.
 */
#include "shm/stats_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#define PAGE		4096u
#define NS_NAME_MAX	64u	/* bytes of a namespace's name in a label */
#define LABEL_MAX	192u
#define STRINGS_FIXED	65536u	/* names, helps and labels of all rows */
#define ROWS_MAX	4096u	/* rows without a namespace */

static uint64_t
stats_round_up(uint64_t n, uint64_t to)
{
	return ((n + to - 1) / to * to);
}

static unsigned
stats_row_count(bool (*row)(unsigned, struct counters_row *))
{
	struct counters_row r;
	unsigned n = 0;

	while (row(n, &r))
		n++;
	return (n);
}

void
stats_plan(struct stats_header *h, const struct stats_params *p)
{
	unsigned rows = stats_row_count(counters_row);
	unsigned ns_rows = stats_row_count(counters_ns_row);

	*h = (struct stats_header){ .order = STATS_ORDER,
		.major = STATS_MAJOR, .minor = STATS_MINOR,
		.header_size = sizeof *h,
		.desc_stride = sizeof(struct stats_desc),
		.slot_stride = sizeof(struct stats_slot) };
	memcpy(h->magic, STATS_MAGIC, sizeof h->magic);
	MUST(rows <= ROWS_MAX && ns_rows <= NS__MAX);
	MUST(p->nslots < STATS_SLOTS_MAX);
	h->nslots = p->nslots + 1;
	h->master_col = p->nslots;
	h->ncells = COUNTERS_CELLS;
	h->max_desc = rows + STATS_NS_BLOCKS * ns_rows;
	h->desc_off = sizeof *h;
	h->str_off = h->desc_off + (uint64_t)h->max_desc * h->desc_stride;
	h->str_size = STRINGS_FIXED + STATS_NS_BLOCKS * 10 * LABEL_MAX;
	h->slot_off = stats_round_up(h->str_off + h->str_size, PAGE);
	h->col_off = stats_round_up(h->slot_off +
	    (uint64_t)h->nslots * h->slot_stride, PAGE);
	h->col_stride = stats_round_up((uint64_t)h->ncells * 8, 128);
	h->file_size = stats_round_up(h->col_off + h->nslots * h->col_stride,
	    PAGE);
	(void)snprintf(h->version, sizeof h->version, "%s",
	    p->version == NULL ? "" : p->version);
}

/* Offset of a copy of s; 0, the empty string, when there is no room. */
uint32_t
stats_intern(struct stats *st, const char *s)
{
	size_t n = strlen(s) + 1;
	uint64_t off = st->str_used;

	if (n == 1 || off + n > st->hdr->str_size)
		return (0);
	memcpy(st->base + st->hdr->str_off + off, s, n);
	st->str_used += n;
	return ((uint32_t)off);
}

static enum stats_unit
stats_unit_of(const char *unit)
{
	static const struct {
		const char	*name;
		enum stats_unit	 unit;
	} units[] = {
		{ "bytes", STATS_BYTES },
		{ "us", STATS_US },
		{ "ms", STATS_MS },
		{ "s", STATS_S },
	};
	unsigned i;

	for (i = 0; i < nitems(units); i++)
		if (strcmp(units[i].name, unit) == 0)
			return (units[i].unit);
	return (STATS_NONE);
}

static void
stats_describe(struct stats *st, const struct counters_row *r, uint32_t name,
    uint32_t help, uint32_t labels, uint32_t cell_no)
{
	uint32_t n = atomic_load(&st->hdr->ndesc);

	MUST(n < st->hdr->max_desc);
	*desc_at(st, n) = (struct stats_desc){ .name = name, .help = help,
		.labels = labels, .type = r->type,
		.agg = r->master ? STATS_MASTER : STATS_SUM,
		.unit = (uint8_t)stats_unit_of(r->unit),
		.sub_bits = r->type == COUNTERS_HISTOGRAM ?
		    HISTOGRAM_SUB_BITS : 0,
		.cell = cell_no, .ncells = r->ncells };
	atomic_store_explicit(&st->hdr->ndesc, n + 1, memory_order_release);
}

static void
stats_describe_rows(struct stats *st)
{
	struct counters_row r, last = { .name = "" };
	uint32_t name = 0, help = 0;
	unsigned i;

	for (i = 0; counters_row(i, &r); i++, last = r) {
		if (strcmp(r.name, last.name) != 0) {
			name = stats_intern(st, r.name);
			help = stats_intern(st, r.help);
		}
		stats_describe(st, &r, name, help, stats_intern(st, r.labels),
		    r.cell);
	}
	for (i = 0, last.name = ""; counters_ns_row(i, &r); i++, last = r) {
		if (strcmp(r.name, last.name) != 0) {
			name = stats_intern(st, r.name);
			help = stats_intern(st, r.help);
		}
		st->ns_name[i] = name;
		st->ns_help[i] = help;
	}
	MUST(st->str_used < STRINGS_FIXED);
}

int
stats_map_memory(struct stats *st, uint64_t bytes)
{
	void *p;

	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
	    st->memory_fd, 0);
	if (p == MAP_FAILED)
		return (-1);
	st->base = p;
	st->size = bytes;
	st->hdr = p;
	return (0);
}

/*
 * Memory of our own, in full now (a short machine fails here and not later)
 * and sealed: nobody outside can make it smaller.
 */
static int
stats_map(struct stats *st, uint64_t bytes)
{
	st->memory_fd = memfd_create("roostd-stats",
	    MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (st->memory_fd == -1 || ftruncate(st->memory_fd, (off_t)bytes) ==
	    -1 || fallocate(st->memory_fd, 0, 0, (off_t)bytes) == -1 ||
	    fcntl(st->memory_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW |
	    F_SEAL_SEAL) == -1)
		return (-1);
	return (stats_map_memory(st, bytes));
}

static int
stats_fill(struct stats *st, const struct stats_header *h)
{
	memcpy(st->base, h, sizeof *h);
	if (getrandom(st->hdr->start_id, sizeof st->hdr->start_id, 0) !=
	    (ssize_t)sizeof st->hdr->start_id)
		return (-1);
	st->str_used = 1; /* offset 0 is "" */
	st->hdr->started_ms = wall_now().ms;
	st->hdr->master_pid = (uint32_t)getpid();
	stats_describe_rows(st);
	stats_slot_live(st, h->master_col, STATS_ROLE_MASTER,
	    (uint32_t)getpid(), 0, "master");
	stats_heartbeat(st, h->master_col, wall_now());
	atomic_store_explicit(&st->hdr->state, STATS_LIVE,
	    memory_order_release);
	return (0);
}

struct stats *
stats_handle_new(bool writer)
{
	struct stats *st;

	st = calloc(1, sizeof *st);
	if (st == NULL)
		return (NULL);
	st->magic = STATS_HANDLE;
	st->writer = writer;
	st->fd = st->memory_fd = -1;
	return (st);
}

struct stats *
stats_create(const char *path, const struct stats_params *p)
{
	struct stats_header h;
	struct stats *st;
	int error;

	stats_plan(&h, p);
	st = stats_handle_new(true);
	if (st == NULL)
		return (NULL);
	if (stats_map(st, h.file_size) == -1 || stats_fill(st, &h) == -1 ||
	    (path != NULL && ((st->path = strdup(path)) == NULL ||
	    stats_file_make(st) == -1))) {
		error = errno;
		stats_close(&st);
		errno = error;
		return (NULL);
	}
	return (st);
}

void
stats_end(struct stats *st)
{
	CHECK_MAGIC(st, STATS_HANDLE);
	MUST(st->writer);
	atomic_store_explicit(&st->hdr->state, STATS_ENDED,
	    memory_order_release);
	(void)stats_publish(st, st->look);
}

void
stats_close(struct stats **stp)
{
	struct stats *st = *stp;

	*stp = NULL;
	if (st == NULL)
		return;
	CHECK_MAGIC(st, STATS_HANDLE);
	stats_before_free(&st->before);
	if (st->base != NULL)
		(void)munmap(st->base, st->size);
	if (st->memory_fd != -1)
		(void)close(st->memory_fd);
	stats_file_close(st);
	free(st->path);
	st->magic = 0;
	free(st);
}

uint64_t *
stats_column(struct stats *st, unsigned slot)
{
	CHECK_MAGIC(st, STATS_HANDLE);
	MUST(st->writer && slot < st->hdr->nslots);
	return (column_at(st, slot));
}

unsigned
stats_master(const struct stats *st)
{
	return (st->hdr->master_col);
}

uint64_t
stats_value(struct stats *st, unsigned slot, enum counter c)
{
	struct counters_row r;
	unsigned i;

	if (!stats_before_has(st, slot))
		return (cell(st, slot, (uint32_t)c));
	for (i = 0; counters_row(i, &r); i++)
		if (r.cell == (uint32_t)c)
			return (stats_before_value(st, slot, r.name));
	return (0);
}

void
stats_slot_live(struct stats *st, unsigned slot, enum stats_role role,
    uint32_t pid, uint32_t generation, const char *name)
{
	struct stats_slot *row = slot_at(st, slot);
	uint64_t now = wall_now().ms;

	MUST(st->writer);
	atomic_store(&row->state, STATS_SLOT_FREE);
	atomic_store(&row->pid, pid);
	atomic_store(&row->role, (uint32_t)role);
	atomic_store(&row->generation, generation);
	atomic_store(&row->started_ms, now);
	atomic_store(&row->heartbeat_ms, now);
	(void)snprintf(row->name, sizeof row->name, "%s", name);
	atomic_store_explicit(&row->state, STATS_SLOT_LIVE,
	    memory_order_release);
}

void
stats_slot_dead(struct stats *st, unsigned slot)
{
	if (stats_before_has(st, slot))
		stats_before_dead(st, slot);
	atomic_store_explicit(&slot_at(st, slot)->state, STATS_SLOT_DEAD,
	    memory_order_release);
}

/*
 * Connections that ended with their process: what came and did not go.  Not
 * what the gauge says, which may be one off in a process killed between two
 * counters.
 */
static uint64_t
stats_dead_close(uint64_t *column)
{
	uint64_t open;
	unsigned r;

	open = column[COUNTER_connections_accepted] +
	    column[COUNTER_connections_handed_in] +
	    column[COUNTER_connections_moved_in] -
	    column[COUNTER_connections_handed_out] -
	    column[COUNTER_connections_moved_out];
	for (r = 0; r < REASON__MAX; r++)
		open -= column[CELL_REASON + r];
	if ((int64_t)open <= 0)
		return (0);
	__atomic_store_n(column + CELL_REASON + REASON_worker_died,
	    column[CELL_REASON + REASON_worker_died] + open,
	    __ATOMIC_RELAXED);
	return (open);
}

/* The same for its clients, which are sessions on polling too. */
static void
stats_dead_part(uint64_t *column)
{
	uint64_t open = column[COUNTER_clients_opened] +
	    column[COUNTER_clients_moved_in] -
	    column[COUNTER_clients_moved_out];
	unsigned r;

	for (r = 0; r < REASON__MAX; r++)
		open -= column[CELL_CLIENT + r];
	if ((int64_t)open > 0)
		__atomic_store_n(column + CELL_CLIENT + REASON_worker_died,
		    column[CELL_CLIENT + REASON_worker_died] + open,
		    __ATOMIC_RELAXED);
}

/* What stood in its memory for the bus, accepted and not sent. */
static void
stats_dead_lose(uint64_t *column)
{
	__atomic_store_n(column + COUNTER_bus_lost_bytes,
	    column[COUNTER_bus_lost_bytes] + column[COUNTER_bus_queue_bytes],
	    __ATOMIC_RELAXED);
}

/* What the workers had sent and their relay had not read: it stood in the
 * kernel, and went with the relay's ends of the streams. */
static void
stats_dead_unread(struct stats *st, unsigned relay)
{
	uint64_t *lost = column_at(st, relay) + COUNTER_bus_lost_bytes;
	int64_t unread;
	unsigned s;

	unread = -(int64_t)(cell(st, relay, COUNTER_bus_bytes_in) +
	    st->bus_unread);
	for (s = 0; s < st->hdr->nslots; s++)
		if (s != relay)
			unread += (int64_t)cell(st, s, COUNTER_bus_bytes_out);
	if (unread <= 0)
		return;
	st->bus_unread += (uint64_t)unread;
	__atomic_store_n(lost, *lost + (uint64_t)unread, __ATOMIC_RELAXED);
}

/* Counters stay: the slot's next owner goes on from them. */
uint64_t
stats_slot_free(struct stats *st, unsigned slot)
{
	const struct stats_desc *d;
	uint32_t i, n = atomic_load(&st->hdr->ndesc);
	uint64_t *column = column_at(st, slot), closed;
	struct counters_row r;
	unsigned b;

	MUST(st->writer && slot < st->hdr->nslots);
	if (stats_before_has(st, slot))
		return (stats_before_slot_free(st, slot));
	closed = stats_dead_close(column);
	stats_dead_part(column);
	stats_dead_lose(column);
	if (atomic_load(&slot_at(st, slot)->role) == STATS_ROLE_RELAY)
		stats_dead_unread(st, slot);
	for (i = 0; i < n; i++) {
		d = desc_at(st, i);
		if (d->type == STATS_GAUGE)
			__atomic_store_n(column + d->cell, 0,
			    __ATOMIC_RELAXED);
	}
	/* blocks without a name have no descriptor and may count as well */
	for (i = 0; counters_ns_row(i, &r); i++)
		for (b = 0; r.type == COUNTERS_GAUGE && b < STATS_NS_BLOCKS;
		    b++)
			__atomic_store_n(column + CELL_NS +
			    b * COUNTERS_NS_CELLS + r.cell, 0,
			    __ATOMIC_RELAXED);
	atomic_store_explicit(&slot_at(st, slot)->state, STATS_SLOT_FREE,
	    memory_order_release);
	return (closed);
}

void
stats_heartbeat(struct stats *st, unsigned slot, struct wall now)
{
	atomic_store_explicit(&slot_at(st, slot)->heartbeat_ms, now.ms,
	    memory_order_relaxed);
	if (slot == st->hdr->master_col)
		atomic_store_explicit(&st->hdr->heartbeat_ms, now.ms,
		    memory_order_release);
}

/* ns="name", escaped so that it suits Prometheus and JSON, and cut. */
static void
stats_ns_label(const char *name, const char *more, char out[LABEL_MAX])
{
	char quoted[NS_NAME_MAX + 3];
	size_t n = 0;

	for (; *name != '\0' && n < NS_NAME_MAX; name++) {
		if (*name == '"' || *name == '\\')
			quoted[n++] = '\\';
		quoted[n++] = (unsigned char)*name < ' ' || *name == 0x7f ?
		    '?' : *name;
	}
	/* not half a character: it would not be UTF-8 any more */
	while (*name != '\0' && n > 0 && (*name & 0xc0) == 0x80)
		name--, n--;
	quoted[n] = '\0';
	(void)snprintf(out, LABEL_MAX, "ns=\"%s\"%s%s", quoted,
	    more[0] != '\0' ? "," : "", more);
}

static void
stats_name_block(struct stats *st, unsigned block, const char *name)
{
	char label[LABEL_MAX];
	struct counters_row r;
	uint32_t plain, labels;
	unsigned i;

	stats_ns_label(name, "", label);
	plain = stats_intern(st, label);
	for (i = 0; counters_ns_row(i, &r); i++) {
		labels = plain;
		if (r.labels[0] != '\0') {
			stats_ns_label(name, r.labels, label);
			labels = stats_intern(st, label);
		}
		if (labels != 0)
			stats_describe(st, &r, st->ns_name[i], st->ns_help[i],
			    labels, CELL_NS + block * COUNTERS_NS_CELLS +
			    r.cell);
	}
	st->named[block / 64] |= (uint64_t)1 << (block % 64);
}

bool
stats_ns(struct stats *st, unsigned ns, const char *name)
{
	unsigned block = ns < COUNTERS_NS_MAX ? ns + 1 : 0;

	CHECK_MAGIC(st, STATS_HANDLE);
	MUST(st->writer);
	if ((st->named[block / 64] >> (block % 64) & 1) == 0)
		stats_name_block(st, block, block == 0 ? "_other" : name);
	if (block == 0)
		counter_add(COUNTER_stats_ns_overflow, 1);
	return (block != 0);
}
