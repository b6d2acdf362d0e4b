/*
 * What the files of presence.h share: presence.c, and presence_pass.c, for a
 * segment that follows another one.
 */
#ifndef SHM_PRESENCE_INT_H
#define SHM_PRESENCE_INT_H

#include "shm/presence.h"
#include "shm/spill.h"

struct presence {
	unsigned	 magic;
#define PRESENCE_MAGIC	0x94e5e2ce
	struct spill	 sp;
	struct segment	*seg;
	uint8_t		 tag;		/* of the last text stored */
};

#endif
