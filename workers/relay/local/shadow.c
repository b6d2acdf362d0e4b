/*
 * Heirs of workers; see shadow.h.
 */
#include "relay/local/shadow.h"

void
shadow_cast(struct shadow *s, unsigned giver, unsigned heir, uint64_t now_ms)
{
	slotset_add(s->givers, giver);
	slotset_add(s->heirs[giver], heir);
	s->until_ms[giver] = now_ms + SHADOW_MS;
}

static void
shadow_lift(struct shadow *s, unsigned giver)
{
	slotset_drop(s->givers, giver);
	slotset_clear(s->heirs[giver]);
}

void
shadow_reused(struct shadow *s, unsigned slot)
{
	uint64_t left[SLOTSET_WORDS];
	unsigned giver;

	slotset_copy(left, s->givers);
	while ((giver = slotset_take(left)) != 0) {
		slotset_drop(s->heirs[giver], slot);
		if (slotset_empty(s->heirs[giver]))
			shadow_lift(s, giver);
	}
}

/* Questions about one session, and their answers, are between two workers: a
 * slot there is who was asked, not whose sessions.  What the relay has one
 * worker publish is published once. */
bool
shadow_follows(enum bus_kind kind)
{
	switch (kind) {
	case BUS_PUBLISH:
	case BUS_DISCONNECT:
	case BUS_ROOMS:
	case BUS_MEMBERS:
	case BUS_REPLY:
		return (true);
	case BUS_COUNT:
	case BUS_RECOVER_ASK:
	case BUS_RECOVER_NONE:
	case BUS_RECOVER_STATE:
	case BUS_RECOVER_JOINED:
	case BUS_RECOVER_BARRIER:
	case BUS_RECOVER_PASSED:
	case BUS_RECOVER_LATE:
	case BUS_RECOVER_DONE:
	case BUS_ANSWERS:
	case BUS_ANSWERS_END:
	case BUS_PUBLISH_BODY:
	case BUS_CUT:
	case BUS_MARK:
	case BUS_LEAVE:
	case BUS_REVOKE:	/* to every worker there is */
	case BUS_KEEP:
	case BUS_KEPT:
	case BUS_HISTORY:
	case BUS_TRIM:
	case BUS_PAGE:
	case BUS_FORWARD:
	case BUS_QUEUE:
	case BUS_INBOX:
	case BUS_STREAMED:
	case BUS_JOURNAL:
	case BUS_SESSION:
	case BUS_SESSION_TAKE:
	case BUS_SESSION_TAKEN:
	case BUS_HOOKS:
	case BUS_BOX:
	case BUS_BOXED:
	case BUS_SESSION_OVER:	/* who has it by now, too, or its heir */
		break;
	}
	return (false);
}

bool
shadow_find(struct shadow *s, const uint64_t slots[SLOTSET_WORDS],
    uint64_t now_ms, uint64_t heirs[SLOTSET_WORDS])
{
	uint64_t all[SLOTSET_WORDS], left[SLOTSET_WORDS];
	unsigned giver;

	slotset_copy(all, slots);
	slotset_copy(left, s->givers);
	while ((giver = slotset_take(left)) != 0) {
		if (s->until_ms[giver] <= now_ms) {
			shadow_lift(s, giver);
		} else if (slotset_has(all, giver) &&
		    !slotset_covers(all, s->heirs[giver])) {
			slotset_join(all, s->heirs[giver]);
			slotset_copy(left, s->givers);	/* theirs, too */
		}
	}
	heirs[0] = all[0] & ~slots[0];
	heirs[1] = all[1] & ~slots[1];
	return (!slotset_empty(heirs));
}
