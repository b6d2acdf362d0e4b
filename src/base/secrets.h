/*
 * A file of secrets, a line each: the first is used, all are accepted, so that
 * one is replaced on one host after the other.  Memory only; for the parts of
 * the relay that use them and for the master, which checks the file.
 */
#ifndef BASE_SECRETS_H
#define BASE_SECRETS_H

#include "base/bug.h"
#include "base/slice.h"

#define SECRETS_MAX		4	/* in a file */
#define SECRETS_BYTES_MIN	16	/* of each */
#define SECRETS_FILE_MAX	4095	/* bytes of all */

struct secrets {
	size_t		 n;
	struct slice	 each[SECRETS_MAX];	/* point into the text */
};

/* NULL, or what is wrong with the text. */
const char *secrets_split(struct secrets *, struct slice text) MUST_USE;

#endif
