/*
 * Sessions that can be recovered, from one worker to another: with their
 * client (the log is the engine's), or parked.
 */
#include "hub/recover/recover_int.h"

#include <stdlib.h>

#include "base/state.h"

/* What is about parking, or a move by RECOVER_ASK, is not of one with a client;
 * recover_park_one() makes it for those that are parked. */
STATE_FIELDS(recover, 280);

#define RECOVER_TAG	0x4352		/* "RC" */
#define RECOVER_VERSION	1
/* Behind it: the store has it; from which slot it comes, and where the journal
 * stands there. */
#define RECOVER_STORED	2

void
recover_save(const struct session *s, struct buf *b)
{
	const struct recover *r = s->recover;
	bool stored = r != NULL && r->stored;
	size_t at = state_open(b, RECOVER_TAG, stored ? RECOVER_STORED :
	    RECOVER_VERSION);

	state_put_bool(b, r != NULL);
	if (r != NULL) {
		MUST(r->to == 0 && r->made == NULL);
		state_put_bytes(b, r->pid, RECOVER_PID_LEN);
		state_put_u64(b, r->start);
	}
	if (stored) {
		state_put_u16(b, s->hub->slot);
		state_put_slice(b, tell_mark(s));
	}
	state_close(b, at);
}

bool
recover_load(struct session *s, bool keep, struct state_in *in)
{
	char pid[RECOVER_PID_LEN];
	struct recover *r = NULL;
	struct slice mark = { NULL, 0 };
	struct state_in body;
	uint16_t version, giver = 0;
	uint64_t start;

	if (!state_section(in, RECOVER_TAG, &version, &body) ||
	    (version != RECOVER_VERSION && version != RECOVER_STORED))
		return (false);
	if (!state_get_bool(&body))
		return (state_end(&body));
	state_get_bytes(&body, pid, sizeof pid);
	start = state_get_u64(&body);
	if (version == RECOVER_STORED) {
		giver = state_get_u16(&body);
		mark = state_get_slice(&body);
	}
	if (!state_end(&body))
		return (false);
	if (s == NULL || !keep || !s->hub->recovers)
		return (true);
	if (recover_find_any(s->hub, slice_of(pid, sizeof pid)) == NULL)
		r = recover_add(s, slice_of(pid, sizeof pid));
	if (r == NULL)
		return (false);
	r->start = start;
	if (version == RECOVER_STORED)
		tell_here(r, giver, mark);
	return (true);
}
