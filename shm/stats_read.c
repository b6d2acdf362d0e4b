/*
 * The stats file, a reader's side; see stats.h.  A reader trusts nothing:
 * offsets, sizes and string ends are checked before they are used, and kinds
 * it does not know are passed over.
 */
#include "shm/stats_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define STALE_MS	5000u

static bool
stats_within(uint64_t off, uint64_t stride, uint64_t n, uint64_t size)
{
	return (off <= size && off % 8 == 0 &&
	    (n == 0 || stride <= (size - off) / n));
}

int
stats_verify(const struct stats *st)
{
	const struct stats_header *h = st->hdr;

	if (memcmp(h->magic, STATS_MAGIC, sizeof h->magic) != 0 ||
	    h->order != STATS_ORDER || h->major != STATS_MAJOR)
		return (EPROTO);
	if (atomic_load_explicit(&h->state, memory_order_acquire) ==
	    STATS_MAKING)
		return (EAGAIN);
	if (h->file_size > st->size)
		return (EFBIG);
	if (h->desc_stride < sizeof(struct stats_desc) || h->slot_stride <
	    sizeof(struct stats_slot) || h->desc_stride % 8 != 0 ||
	    h->slot_stride % 8 != 0 || h->col_stride % 8 != 0 || h->col_stride /
	    8 < h->ncells || h->nslots == 0 || h->master_col >= h->nslots ||
	    !stats_within(h->desc_off, h->desc_stride, h->max_desc,
	    h->file_size) || !stats_within(h->slot_off, h->slot_stride,
	    h->nslots, h->file_size) || !stats_within(h->col_off, h->col_stride,
	    h->nslots, h->file_size) || h->str_size == 0 || h->str_off >
	    h->file_size || h->str_size > h->file_size - h->str_off ||
	    st->base[h->str_off + h->str_size - 1] != '\0')
		return (EPROTO);
	return (0);
}

static int
stats_map_read(struct stats *st, int fd)
{
	struct stat sb;
	void *p;

	if (fstat(fd, &sb) == -1)
		return (errno);
	if (!S_ISREG(sb.st_mode) ||
	    sb.st_size < (off_t)sizeof(struct stats_header))
		return (EPROTO);
	p = mmap(NULL, (size_t)sb.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return (errno);
	st->base = p;
	st->size = (uint64_t)sb.st_size;
	st->hdr = p;
	st->dev = sb.st_dev;
	st->ino = sb.st_ino;
	return (stats_verify(st));
}

struct stats *
stats_open(const char *path)
{
	struct stats *st;
	int fd, error;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return (NULL);
	st = stats_handle_new(false);
	error = st == NULL ? ENOMEM : stats_map_read(st, fd);
	(void)close(fd);
	if (error == 0 && (st->path = strdup(path)) == NULL)
		error = ENOMEM;
	if (error != 0) {
		stats_close(&st);
		errno = error;
		return (NULL);
	}
	return (st);
}

bool
stats_stale(const struct stats *st, struct wall now)
{
	struct stat sb;
	uint64_t beat;

	CHECK_MAGIC(st, STATS_HANDLE);
	beat = atomic_load_explicit(&st->hdr->heartbeat_ms,
	    memory_order_acquire);
	if (atomic_load_explicit(&st->hdr->state, memory_order_acquire) !=
	    STATS_LIVE || beat + STALE_MS < now.ms)
		return (true);
	return (st->path != NULL && (stat(st->path, &sb) == -1 ||
	    sb.st_dev != st->dev || sb.st_ino != st->ino));
}

static uint64_t
stats_sum_of(const struct stats *st, uint32_t i, enum stats_agg agg)
{
	uint64_t sum = 0, v;
	unsigned s;

	if (agg == STATS_MASTER)
		return (cell(st, st->hdr->master_col, i));
	for (s = 0; s < st->hdr->nslots; s++) {
		v = cell(st, s, i);
		if (agg == STATS_MAX)
			sum = v > sum ? v : sum;
		else
			sum += v;
	}
	return (sum);
}

uint64_t
stats_total(const struct stats *st, enum counter c)
{
	CHECK_MAGIC(st, STATS_HANDLE);
	MUST(st->writer);
	return (stats_sum_of(st, (uint32_t)c, STATS_SUM));
}

uint64_t
stats_ns_total(const struct stats *st, unsigned ns, enum ns_counter c)
{
	CHECK_MAGIC(st, STATS_HANDLE);
	MUST(st->writer);
	return (stats_sum_of(st, counters_ns_cell(ns, c), STATS_SUM));
}

static const char *
stats_string_at(const struct stats *st, uint32_t off)
{
	if (off >= st->hdr->str_size)
		return ("");
	return ((const char *)(st->base + st->hdr->str_off + off));
}

static bool
stats_usable(const struct stats *st, const struct stats_desc *d)
{
	return (d->type >= STATS_COUNTER && d->type <= STATS_HISTOGRAM &&
	    d->ncells >= 1 && d->cell < st->hdr->ncells &&
	    d->ncells <= st->hdr->ncells - d->cell &&
	    (d->type != STATS_HISTOGRAM || (d->ncells > 1 &&
	    d->sub_bits >= 1 && d->sub_bits <= 8)));
}

/* Join metrics of one name into lists; a hash table of indices + 1. */
static bool
stats_link_families(struct stats_snapshot *s)
{
	uint32_t size = 64, i, h, *last;
	const char *p;

	while (size < 2 * s->nmetrics)
		size *= 2;
	last = calloc(size, sizeof *last);
	if (last == NULL)
		return (false);
	for (i = 0; i < s->nmetrics; i++) {
		for (h = 5381, p = s->metric[i].name; *p != '\0'; p++)
			h = h * 33 ^ (uint8_t)*p;
		for (h &= size - 1; last[h] != 0 &&
		    strcmp(s->metric[last[h] - 1].name, s->metric[i].name) !=
		    0; h = (h + 1) & (size - 1))
			continue;
		s->metric[i].leads = last[h] == 0;
		if (last[h] != 0)
			s->metric[last[h] - 1].next = i;
		last[h] = i + 1;
	}
	free(last);
	return (true);
}

static bool
stats_snap_metrics(const struct stats *st, struct stats_snapshot *s)
{
	const struct stats_desc *d;
	uint32_t n, i;

	n = atomic_load_explicit(&st->hdr->ndesc, memory_order_acquire);
	if (n > st->hdr->max_desc) {
		errno = EPROTO;
		return (false);
	}
	s->metric = calloc(n + 1, sizeof *s->metric);
	if (s->metric == NULL)
		return (false);
	for (i = 0; i < n; i++) {
		d = desc_at(st, i);
		if (!stats_usable(st, d))
			continue;
		/* no cell is described twice: what is summed is bounded */
		if (d->ncells > st->hdr->ncells - s->nvalues) {
			errno = EPROTO;
			return (false);
		}
		s->metric[s->nmetrics++] = (struct stats_metric){
			.name = stats_string_at(st, d->name),
			.help = stats_string_at(st, d->help),
			.labels = stats_string_at(st, d->labels),
			.type = d->type, .agg = d->agg, .unit = d->unit,
			.sub_bits = d->sub_bits, .ncells = d->ncells,
			.first = s->nvalues, .cell = d->cell };
		s->nvalues += d->ncells;
	}
	return (stats_link_families(s));
}

static void
stats_snap_rows(const struct stats *st, struct stats_snapshot *s)
{
	const struct stats_slot *row;
	struct stats_row *out;
	unsigned i;

	for (i = 0; i < s->nrows; i++) {
		row = slot_at(st, i);
		out = &s->row[i];
		out->state = atomic_load_explicit(&row->state,
		    memory_order_acquire);
		out->pid = atomic_load(&row->pid);
		out->role = atomic_load(&row->role);
		out->generation = atomic_load(&row->generation);
		out->started_ms = atomic_load(&row->started_ms);
		out->heartbeat_ms = atomic_load(&row->heartbeat_ms);
		memcpy(out->name, row->name, sizeof row->name);
	}
}

static void
stats_snap_values(const struct stats *st, struct stats_snapshot *s)
{
	const struct stats_metric *m;
	uint32_t c;
	unsigned i, r;

	for (i = 0; i < s->nmetrics; i++) {
		m = &s->metric[i];
		for (c = 0; c < m->ncells; c++)
			s->total[m->first + c] = stats_sum_of(st, m->cell + c,
			    (enum stats_agg)m->agg);
		if (s->each == NULL)
			continue;
		for (r = 0; r < s->nrows; r++)
			for (c = 0; c < m->ncells; c++)
				s->each[(size_t)r * s->nvalues + m->first +
				    c] = cell(st, r, m->cell + c);
	}
}

bool
stats_snapshot(const struct stats *st, bool each, struct stats_snapshot *s)
{
	const struct stats_header *h = st->hdr;

	CHECK_MAGIC(st, STATS_HANDLE);
	*s = (struct stats_snapshot){ .started_ms = h->started_ms,
		.heartbeat_ms = atomic_load(&h->heartbeat_ms),
		.state = atomic_load(&h->state), .master_pid = h->master_pid,
		.nrows = h->nslots };
	memcpy(s->start_id, h->start_id, sizeof s->start_id);
	memcpy(s->version, h->version, sizeof h->version);
	s->row = calloc(s->nrows, sizeof *s->row);
	if (s->row == NULL || !stats_snap_metrics(st, s))
		goto fail;
	s->total = calloc(s->nvalues + 1, sizeof *s->total);
	if (each)
		s->each = calloc((size_t)s->nrows * s->nvalues + 1,
		    sizeof *s->each);
	if (s->total == NULL || (each && s->each == NULL))
		goto fail;
	stats_snap_rows(st, s);
	stats_snap_values(st, s);
	return (true);
fail:
	stats_snapshot_free(s);
	return (false);
}

void
stats_snapshot_free(struct stats_snapshot *s)
{
	free(s->metric);
	free(s->row);
	free(s->total);
	free(s->each);
	*s = (struct stats_snapshot){ 0 };
}

const struct stats_metric *
stats_find(const struct stats_snapshot *s, const char *name,
    const char *labels)
{
	unsigned i;

	for (i = 0; i < s->nmetrics; i++)
		if (strcmp(s->metric[i].name, name) == 0 &&
		    strcmp(s->metric[i].labels, labels) == 0)
			return (&s->metric[i]);
	return (NULL);
}

uint64_t
stats_lower(const struct stats_metric *m, uint32_t i)
{
	uint32_t sub = 1u << m->sub_bits, shift;

	if (i < 2 * sub)
		return (i);
	shift = (i - sub) / sub;
	return (shift > 55 ? UINT64_MAX :
	    (uint64_t)(sub + (i - sub) % sub) << shift);
}

uint64_t
stats_count(const struct stats_metric *m, const uint64_t *values)
{
	uint64_t n = 0;
	uint32_t i;

	for (i = 0; i + 1 < m->ncells; i++)
		n += values[m->first + i];
	return (n);
}

uint64_t
stats_quantile(const struct stats_metric *m, const uint64_t *values, double q)
{
	uint64_t want, n = 0;
	uint32_t i;

	want = (uint64_t)((double)stats_count(m, values) * q);
	for (i = 0; i + 1 < m->ncells; i++) {
		n += values[m->first + i];
		if (n > want)
			return (stats_lower(m, i + 1));
	}
	return (0);
}
