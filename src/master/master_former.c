/*
 * Shared memory of another layout than ours, in which the children of the
 * program before us go on until they have given all away; see master.h.
 *
 * Ours follows it (slots_before.h): who is online is written into it, slots are
 * taken in both, and all that is published in one is heard in the other, as long
 * as both are used.  So workers of the two give and take as by a reload.  The
 * one relay that there is works by one of the two: the former one by theirs, and
 * the next, before anybody gives, by ours.
 */
#include "master/master_int.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/state.h"
#include "master/upgrade/record.h"
#include "shm/presence.h"
#include "shm/segment.h"
#include "shm/table_revoked.h"
#include "shm/slots_before.h"
#include "shm/slots_heirs.h"
#include "sys/log.h"
#include "sys/sealed.h"

#define FORMER_BYTES_MAX	((size_t)8 << 30)

struct former {
	uint64_t	 layout;
	struct segment_params made;
	struct slots_rows rows;
	int		 segment_fd, relay_fd, master_fd;
	struct revoked_before *revoked;	/* what its workers are ordered */
};

/* --- there ------------------------------------------------------------------*/

int
master_former_pass(const struct master *m)
{
	struct buf b;
	uint32_t users;
	int error = ENOMEM, fd = -1;

	buf_init(&b);
	segment_save(m->segment, &b);
	heirs_save(m->segment, &b);
	presence_save(m->segment, &b, &users);
	revoked_save(m->segment, wall_now().ms / 1000, &b);
	if (!b.oom) {
		fd = sealed_new("roostd-passed", buf_unread(&b));
		error = errno;
	}
	buf_fini(&b);
	errno = error;
	if (fd != -1)
		log_info("upgrade_layout users=%" PRIu32 " why=\"its shared "
		    "memory has another layout\"", users);
	return (fd);
}

/* --- and here ---------------------------------------------------------------*/

static void
former_close(int *fd)
{
	if (*fd != -1)
		(void)close(*fd);
	*fd = -1;
}

static int
former_load_revoked(struct master *m, struct state_in *in, int segment_fd,
    uint32_t *lost)
{
	uint64_t now_s = wall_now().ms / 1000;

	if (revoked_load(m->segment, now_s, in, lost) == -1 ||
	    revoked_before_open(segment_fd, in, &m->former->revoked) == -1)
		return (-1);
	/* before anybody is let in by ours */
	revoked_before_meet(m->segment, m->former->revoked, now_s);
	return (0);
}

static int
former_load(struct master *m, int fd, int segment_fd)
{
	struct state_in in;
	uint32_t users = 0, lost = 0, unrevoked = 0;
	struct buf b;
	int r = -1;

	buf_init(&b);
	if (sealed_read(fd, FORMER_BYTES_MAX, &b) == -1) {
		buf_fini(&b);
		return (-1);
	}
	in = state_in(buf_unread(&b));
	errno = EPROTO;
	if (segment_load(m->segment, &in) && heirs_load(m->segment, &in))
		r = presence_load(m->segment, &in, &users, &lost);
	if (r == 0)
		r = former_load_revoked(m, &in, segment_fd, &unrevoked);
	buf_fini(&b);
	if (r == 0)
		log_info("shared_memory_follows users=%" PRIu32 " lost=%"
		    PRIu32, users, lost);
	if (unrevoked != 0)
		log_warnx("revocations_lost n=%" PRIu32 " directive=shm."
		    "revocations", unrevoked);
	return (r);
}

static int
former_follow(struct master *m, const struct record *r)
{
	uint32_t i;

	m->segment = segment_create(&r->segment);
	if (m->segment == NULL ||
	    slots_before_open(m->segment, r->segment_fd, &r->rows) == -1)
		return (-1);
	for (i = 0; i < r->nchildren; i++)
		if (r->children[i].slot < segment_nslots(m->segment))
			slots_before_take(m->segment, r->children[i].slot);
	return (former_load(m, r->passed_fd, r->segment_fd));
}

int
master_former_open(struct master *m, const struct record *r)
{
	struct former *f = malloc(sizeof *f);
	int passed_fd = r->passed_fd;

	if (f != NULL) {
		*f = (struct former){ .layout = r->layout, .made = r->segment,
			.rows = r->rows, .segment_fd = r->segment_fd,
			.relay_fd = r->relay_fd, .master_fd = r->master_fd };
		m->former = f;
	}
	if (f != NULL && former_follow(m, r) == 0) {
		former_close(&passed_fd);
		return (EX_OK);
	}
	log_err("shared_memory_does_not_follow");
	return (EX_OSERR);
}

void
master_former_keep(const struct master *m, struct record *r)
{
	const struct former *f = m->former;

	r->layout = f->layout;
	r->segment = f->made;
	r->rows = f->rows;
	r->segment_fd = f->segment_fd;
	r->relay_fd = f->relay_fd;
	r->master_fd = f->master_fd;
}

void
master_former_close(struct master *m)
{
	struct former *f = m->former;

	m->former = NULL;
	if (f == NULL)
		return;
	if (m->segment != NULL)
		slots_before_close(m->segment);
	revoked_before_close(&f->revoked);
	former_close(&f->segment_fd);
	former_close(&f->relay_fd);
	former_close(&f->master_fd);
	free(f);
}

void
master_former_step(struct master *m)
{
	if (m->former == NULL)
		return;
	slots_before_meet(m->segment);
	revoked_before_meet(m->segment, m->former->revoked,
	    wall_now().ms / 1000);
	if (m->upgrading || m->back_why != NULL ||
	    slots_before_any(m->segment))
		return;
	log_info("shared_memory_left");
	master_former_close(m);
}
