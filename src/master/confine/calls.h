/*
 * The system calls of each role, as tables: which it may make, with which
 * arguments, and which nobody makes by accident.  For confine.c, which gives
 * them to the kernel, and for denied.c.
 */
#ifndef MASTER_CONFINE_CALLS_H
#define MASTER_CONFINE_CALLS_H

#include "base/bug.h"
#include "base/slice.h"

enum { CALLS_RELAY = 1, CALLS_WORKER = 2, CALLS_BOTH = 3 };

struct call {
	const char	*name;		/* as in syscalls(2) */
	unsigned	 roles;		/* CALLS_ */
	int		 arg;		/* -1: with any arguments; otherwise with
					 * this one only where ... */
	uint64_t	 mask;		/* ... arg & mask == value.  Rows of one
					 * name add to each other */
	uint64_t	 value;
	unsigned	 error;		/* of calls_absent[] */
};

extern const struct call calls_allowed[];
extern const size_t calls_nallowed;
/* These fail as on a kernel or host without them, which C libraries are
 * prepared for.  Nobody is told. */
extern const struct call calls_absent[];
extern const size_t calls_nabsent;
/* The end of whoever makes one: what takes over a process wants them. */
extern const char *const calls_deadly[];
extern const size_t calls_ndeadly;

/* As a value: the caller's process id. */
#define CALLS_SELF	UINT64_MAX

#endif
