/*
 * Givers and heirs; see pairs.h.
 */
#include "master/pairs.h"

#include <inttypes.h>
#include <unistd.h>

#include "shm/slots_heirs.h"
#include "shm/slots_trail.h"
#include "sys/log.h"
#include "sys/plat.h"

#define PAIRS_BUFFER	(1 << 20)	/* bytes, each direction */

/* One of them gets its end, and the other one's name. */
static bool
pairs_tell(struct seat *to, const struct seat *other, uint16_t type,
    const struct pair_terms *t, int fd)
{
	struct ipc_msg m;

	ipc_init(&m, type);
	ipc_put_u32(&m, other->slot);
	ipc_put_u32(&m, other->generation);
	if (t != NULL) {
		ipc_put_u32(&m, t->share);
		ipc_put_u32(&m, t->flags);
		ipc_put_u64(&m, t->ms);
	}
	m.fd = fd;
	return (seat_tell(to, &m));
}

/* Of the giver's clients, and of who asks for them. */
static void
pairs_all(struct segment *seg, const struct seat *giver,
    const struct seat *heir)
{
	heirs_set(seg, giver->slot, giver->generation, heir->slot,
	    heir->generation);
	trail_worker_gave(seg, giver->slot, giver->generation, heir->slot,
	    heir->generation, wall_now().ms);
}

bool
pairs_make(struct segment *seg, struct seat *giver, struct seat *heir,
    const struct pair_terms *t)
{
	static struct log_rate rate;
	uint64_t held;
	int fds[2];
	bool ok;

	MUST(giver != heir && giver->state == SEAT_READY &&
	    heir->state == SEAT_READY);
	if (ipc_pair(fds) == -1) {
		if (log_rate(&rate, mono_now(), &held))
			log_warn("pair_not_made held=%" PRIu64, held);
		return (false);
	}
	plat_socket_buffers(fds[0], PAIRS_BUFFER);
	plat_socket_buffers(fds[1], PAIRS_BUFFER);
	/* who looks for the giver's sessions finds the heir before it has any */
	if (t->flags & HEIR_ALL_SESSIONS)
		pairs_all(seg, giver, heir);
	ok = pairs_tell(heir, giver, CONTROL_LEGATOR, NULL, fds[1]) &&
	    pairs_tell(giver, heir, CONTROL_HEIR, t, fds[0]);
	(void)close(fds[0]);
	(void)close(fds[1]);
	if (!ok)
		return (false);
	giver->heir = heir;
	giver->heir_generation = heir->generation;
	giver->gives = true;
	log_debug("pair giver=%u heir=%u share=%" PRIu32, giver->slot,
	    heir->slot, t->share);
	return (true);
}

bool
pairs_last(const struct seat *giver)
{
	return (giver->heir != NULL && giver->heir->state != SEAT_EMPTY &&
	    giver->heir->generation == giver->heir_generation);
}

void
pairs_given(struct seat *giver, unsigned heir)
{
	if (pairs_last(giver) && giver->heir->slot == heir)
		giver->gives = false;
}
