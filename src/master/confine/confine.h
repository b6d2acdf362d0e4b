/*
 * Of all system calls, a worker or relay has those that it needs: once it
 * serves, it puts a filter of the kernel's (seccomp(2)) between itself and the
 * rest, which it cannot take off again.  For main.c, which gives it to the
 * roles by way of the master.
 *
 * The master has none: it forks, binds and makes files, and above all it
 * becomes another program when it is upgraded.  A filter stays over that, and
 * every later version would live by the list of the first.
 */
#ifndef MASTER_CONFINE_CONFINE_H
#define MASTER_CONFINE_CONFINE_H

#include "role.h"

extern const struct heritage_confine confine;

#endif
