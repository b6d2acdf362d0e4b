/*
 * Slots: who is who among the processes of this host, and the two stores
 * around each wait that let the master know when a node can be reused.
 */
#include "shm/slots.h"

#include <unistd.h>

#include "shm/slots_before.h"
#include "shm/slots_int.h"

static void
slot_row_set(struct slot_row *row, enum slot_state state)
{
	atomic_store_explicit(&row->state, (uint32_t)state,
	    memory_order_release);
}

int
slot_next(const struct segment *seg, unsigned role)
{
	unsigned s = role == SLOT_RELAY ? 0 : 1;
	unsigned end = role == SLOT_RELAY ? 1 : seg->hdr->nslots;

	segment_check(seg);
	for (; s < end; s++)
		if (slot_row_get(segment_slot(seg, s)) == SLOT_FREE)
			return ((int)s);
	return (-1);
}

int
slot_assign(struct segment *seg, unsigned role, uint32_t generation)
{
	int s = slot_next(seg, role);
	struct slot_row *row;

	if (s == -1)
		return (-1);
	row = segment_slot(seg, (unsigned)s);
	atomic_store(&row->qs, 0);
	atomic_store(&row->turns, 0);
	atomic_store(&row->heartbeat_us, 0);
	atomic_store(&row->doing, SLOT_STARTING);
	atomic_store(&row->pid, 0);
	atomic_store(&row->generation, generation);
	atomic_store(&row->role, role);
	atomic_store(&row->leaves, 0);
	row->panic[0] = '\0';
	slot_row_set(row, SLOT_ASSIGNED);
	return (s);
}

void
slot_leave(struct segment *seg, unsigned slot)
{
	atomic_store(&segment_slot(seg, slot)->leaves, 1);
	slots_before_meet(seg);
}

bool
slot_leaves(const struct segment *seg, unsigned slot)
{
	return (slot < segment_nslots(seg) &&
	    atomic_load(&segment_slot(seg, slot)->leaves) != 0);
}

void
slot_live(struct segment *seg, unsigned slot, uint32_t pid)
{
	struct slot_row *row = segment_slot(seg, slot);

	MUST(slot_row_get(row) == SLOT_ASSIGNED);
	atomic_store(&row->pid, pid);
	slot_row_set(row, SLOT_LIVE);
	slots_before_meet(seg);
}

void
slot_dead(struct segment *seg, unsigned slot)
{
	struct slot_row *row = segment_slot(seg, slot);

	MUST(slot_row_get(row) != SLOT_FREE);
	slot_row_set(row, SLOT_DEAD);
	slots_before_meet(seg);
}

void
slot_unassign(struct segment *seg, unsigned slot)
{
	struct slot_row *row = segment_slot(seg, slot);

	MUST(slot_row_get(row) == SLOT_ASSIGNED);
	slot_row_set(row, SLOT_FREE);
	slots_before_meet(seg);
}

void
slot_heartbeat(struct segment *seg, unsigned slot, uint64_t now_us)
{
	struct slot_row *row = segment_slot(seg, slot);

	atomic_store_explicit(&row->heartbeat_us, now_us,
	    memory_order_relaxed);
	atomic_store_explicit(&row->turns,
	    atomic_load_explicit(&row->turns, memory_order_relaxed) + 1,
	    memory_order_relaxed);
}

const char *
slot_doing(const struct segment *seg, unsigned slot)
{
	static const char *const words[] = {
		[SLOT_STARTING] = "starting", [SLOT_WAITING] = "waiting",
		[SLOT_RESUMING] = "resuming", [SLOT_READING] = "reading",
		[SLOT_ACCEPTING] = "accepting",
		[SLOT_BUS_READING] = "reading the bus",
		[SLOT_CONTROL] = "obeying", [SLOT_TIMER] = "timer",
		[SLOT_TICK] = "tick", [SLOT_ENDING] = "ending its turn",
		[SLOT_BUS_WRITING] = "writing to the bus",
		[SLOT_MOVING] = "giving connections away, or taking some",
	};
	uint32_t what = atomic_load(&segment_slot(seg, slot)->doing);

	return (what < nitems(words) ? words[what] : "nonsense");
}

void
slot_panic_note(struct segment *seg, unsigned slot, const char *note)
{
	struct slot_row *row = segment_slot(seg, slot);
	size_t i;

	for (i = 0; i < sizeof row->panic - 1 && note[i] != '\0'; i++)
		row->panic[i] = note[i];
	row->panic[i] = '\0';
}

enum slot_state
slot_state(const struct segment *seg, unsigned slot)
{
	return (slot_row_get(segment_slot(seg, slot)));
}

unsigned
slot_role(const struct segment *seg, unsigned slot)
{
	return (atomic_load(&segment_slot(seg, slot)->role));
}

uint32_t
slot_pid(const struct segment *seg, unsigned slot)
{
	return (atomic_load(&segment_slot(seg, slot)->pid));
}

uint32_t
slot_generation(const struct segment *seg, unsigned slot)
{
	return (atomic_load(&segment_slot(seg, slot)->generation));
}

uint64_t
slot_heartbeat_us(const struct segment *seg, unsigned slot)
{
	return (atomic_load(&segment_slot(seg, slot)->heartbeat_us));
}

bool
slot_silent(const struct segment *seg, unsigned slot, struct mono now,
    uint64_t ms)
{
	uint64_t seen = slot_heartbeat_us(seg, slot);

	return (seen != 0 && now.us > seen && now.us - seen >= ms * 1000);
}

uint64_t
slot_turns(const struct segment *seg, unsigned slot)
{
	return (atomic_load(&segment_slot(seg, slot)->turns));
}

bool
slot_panic(const struct segment *seg, unsigned slot, char out[128])
{
	const struct slot_row *row = segment_slot(seg, slot);

	memcpy(out, row->panic, sizeof row->panic);
	out[sizeof row->panic - 1] = '\0';
	return (out[0] != '\0');
}

const char *
slot_state_name(enum slot_state state)
{
	switch (state) {
	case SLOT_FREE:
		return ("free");
	case SLOT_ASSIGNED:
		return ("assigned");
	case SLOT_LIVE:
		return ("live");
	case SLOT_DEAD:
		return ("dead");
	case SLOT_RECLAIM:
		return ("reclaim");
	}
	return ("unknown");
}

void
slots_quiesce_enter(struct segment *seg, unsigned slot)
{
	atomic_store_explicit(&segment_slot(seg, slot)->qs, 0,
	    memory_order_release);
}

/*
 * The master must see qs before this process sees the inside of a table, or
 * this process must see that the node was unlinked: a full barrier.
 */
void
slots_quiesce_leave(struct segment *seg, unsigned slot)
{
	uint64_t epoch;

	epoch = atomic_load_explicit(&seg->hdr->epoch, memory_order_acquire);
#if SHM_TSAN
	(void)atomic_exchange_explicit(&segment_slot(seg, slot)->qs, epoch,
	    memory_order_seq_cst);
#else
	atomic_store_explicit(&segment_slot(seg, slot)->qs, epoch,
	    memory_order_release);
	shm_fence();
#endif
}
