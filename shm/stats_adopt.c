/*
 * Counters that go on in a successor of the master: the same memory where it
 * counts the same, else new memory that takes over what stands in the old (see
 * stats_before.c).  See stats.h.
 */
#include "shm/stats_int.h"

#include <sys/stat.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/hash.h"

static uint64_t
adopt_hash_row(uint64_t so_far, const struct counters_row *r)
{
	const struct hash_key k = { so_far, r->cell };

	return (hash_bytes(&k, slice_str(r->name)) +
	    hash_bytes(&k, slice_str(r->labels)) * 3 + r->type * 5u +
	    r->ncells * 7u + r->master);
}

/* Two programs with the same sum find each counter at the same place. */
static uint64_t
adopt_rows(void)
{
	uint64_t sum = (uint64_t)COUNTERS_CELLS << 32 | COUNTERS_NS_MAX;
	struct counters_row r;
	unsigned i;

	for (i = 0; counters_row(i, &r); i++)
		sum = adopt_hash_row(sum, &r);
	for (i = 0; counters_ns_row(i, &r); i++)
		sum = adopt_hash_row(sum, &r);
	return (sum);
}

void
stats_keep(const struct stats *st, struct stats_kept *kept)
{
	CHECK_MAGIC(st, STATS_HANDLE);
	MUST(st->writer);
	*kept = (struct stats_kept){ .memory_fd = st->memory_fd,
		.file_fd = st->fd, .rows = adopt_rows(),
		.bus_unread = st->bus_unread };
}

/* --- what a handle knows beside the memory -------------------------------- */

static const char *
adopt_string(const struct stats *st, uint32_t off)
{
	return ((const char *)st->base + st->hdr->str_off + off);
}

static uint64_t
adopt_string_end(const struct stats *st, uint32_t off)
{
	return (off == 0 ? 1 : off + strlen(adopt_string(st, off)) + 1);
}

/* Offset of a text that some descriptor has, else of a copy. */
static uint32_t
adopt_find(struct stats *st, const char *text)
{
	uint32_t i, n = atomic_load(&st->hdr->ndesc);

	for (i = 0; i < n; i++) {
		if (strcmp(adopt_string(st, desc_at(st, i)->name), text) == 0)
			return (desc_at(st, i)->name);
		if (strcmp(adopt_string(st, desc_at(st, i)->help), text) == 0)
			return (desc_at(st, i)->help);
	}
	return (stats_intern(st, text));
}

static void
adopt_ns_rows(struct stats *st)
{
	struct counters_row r, last = { .name = "" };
	uint32_t name = 0, help = 0;
	unsigned i;

	for (i = 0; counters_ns_row(i, &r); i++, last = r) {
		if (strcmp(r.name, last.name) != 0) {
			name = adopt_find(st, r.name);
			help = adopt_find(st, r.help);
		}
		st->ns_name[i] = name;
		st->ns_help[i] = help;
	}
}

static void
adopt_handle(struct stats *st)
{
	uint32_t i, block, n = atomic_load(&st->hdr->ndesc);
	uint64_t end;

	st->str_used = 1;
	for (i = 0; i < n; i++) {
		const struct stats_desc *d = desc_at(st, i);
		const uint32_t off[3] = { d->name, d->help, d->labels };
		unsigned t;

		for (t = 0; t < nitems(off); t++) {
			end = adopt_string_end(st, off[t]);
			if (end > st->str_used)
				st->str_used = end;
		}
		if (d->cell < CELL_NS)
			continue;
		block = (d->cell - CELL_NS) / COUNTERS_NS_CELLS;
		st->named[block / 64] |= (uint64_t)1 << (block % 64);
	}
	adopt_ns_rows(st);
}

/* --- the memory ----------------------------------------------------------- */

/* Is all of it what the header says?  A reader's checks, and texts that end. */
static bool
adopt_verify(const struct stats *st)
{
	const struct stats_desc *d;
	uint32_t i, n;

	if (stats_verify(st) != 0 || st->hdr->nslots > STATS_SLOTS_MAX)
		return (false);
	n = atomic_load(&st->hdr->ndesc);
	if (n > st->hdr->max_desc)
		return (false);
	for (i = 0; i < n; i++) {
		d = desc_at(st, i);
		if (d->name >= st->hdr->str_size ||
		    d->help >= st->hdr->str_size ||
		    d->labels >= st->hdr->str_size ||
		    d->cell >= st->hdr->ncells ||
		    d->ncells > st->hdr->ncells - d->cell)
			return (false);
	}
	return (true);
}

static struct stats *
adopt_map(const struct stats_kept *kept)
{
	struct stats *st = stats_handle_new(true);
	off_t bytes = lseek(kept->memory_fd, 0, SEEK_END);
	int error = EPROTO;

	if (st == NULL) {
		(void)close(kept->memory_fd);
		return (NULL);
	}
	st->memory_fd = kept->memory_fd; /* closed with it */
	if (bytes >= (off_t)sizeof(struct stats_header)) {
		if (stats_map_memory(st, (uint64_t)bytes) == -1)
			error = errno;
		else if (adopt_verify(st))
			return (st);
	}
	stats_close(&st);
	errno = error;
	return (NULL);
}

static void
adopt_file(struct stats *st, int fd)
{
	struct stat sb;

	if (fd == -1 || fstat(fd, &sb) == -1)
		return;
	st->fd = fd;
	st->dev = sb.st_dev;
	st->ino = sb.st_ino;
}

static bool
adopt_same(const struct stats *st, const struct stats_kept *kept,
    const struct stats_params *p)
{
	struct stats_header h;

	stats_plan(&h, p);
	return (kept->rows == adopt_rows() &&
	    st->hdr->file_size == h.file_size && st->size == h.file_size &&
	    st->hdr->col_off == h.col_off && st->hdr->nslots == h.nslots &&
	    st->hdr->slot_off == h.slot_off && st->hdr->str_off == h.str_off &&
	    st->hdr->ncells == h.ncells && st->hdr->desc_off == h.desc_off);
}

static struct stats *
adopt_go_on(struct stats *st, const struct stats_kept *kept, const char *path,
    const struct stats_params *p)
{
	adopt_file(st, kept->file_fd);
	if (path != NULL && (st->path = strdup(path)) == NULL) {
		stats_close(&st);
		errno = ENOMEM;
		return (NULL);
	}
	adopt_handle(st);
	st->bus_unread = kept->bus_unread;
	(void)snprintf(st->hdr->version, sizeof st->hdr->version, "%s",
	    p->version == NULL ? "" : p->version);
	return (st);
}

/* Readers see one life of the daemon. */
static int
adopt_take_over(struct stats *st, struct stats **old,
    const struct stats_kept *kept, const char *path)
{
	memcpy(st->hdr->start_id, (*old)->hdr->start_id,
	    sizeof st->hdr->start_id);
	st->hdr->started_ms = (*old)->hdr->started_ms;
	(*old)->bus_unread = kept->bus_unread;
	st->before = stats_before_new(*old, st);
	if (st->before == NULL)
		return (-1);
	*old = NULL;
	stats_before_carry(st);
	if (path == NULL)
		return (0);
	st->path = strdup(path);
	return (st->path == NULL ? -1 : stats_file_make(st));
}

static struct stats *
adopt_begin_anew(struct stats *old, const struct stats_kept *kept,
    const char *path, const struct stats_params *p)
{
	struct stats *st = stats_create(NULL, p);
	int error;

	if (kept->file_fd != -1)
		(void)close(kept->file_fd);
	if (st != NULL && adopt_take_over(st, &old, kept, path) == 0)
		return (st);
	error = errno;
	stats_close(&old);
	stats_close(&st);
	errno = error;
	return (NULL);
}

struct stats *
stats_adopt(const struct stats_kept *kept, const char *path,
    const struct stats_params *p)
{
	struct stats *st = adopt_map(kept);

	if (st == NULL) {
		if (kept->file_fd != -1)
			(void)close(kept->file_fd);
		return (NULL);
	}
	if (adopt_same(st, kept, p))
		return (adopt_go_on(st, kept, path, p));
	return (adopt_begin_anew(st, kept, path, p));
}
