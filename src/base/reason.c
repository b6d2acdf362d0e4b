/* The rows of reason.def as a table. */
#include "base/reason.h"

#include "base/bug.h"

static const struct reason_row rows[] = {
#define REASON(name, code, words) { #name, code, words },
#include "base/reason.def"
#undef REASON
};

const struct reason_row *
reason_row(enum reason r)
{
	MUST((unsigned)r < REASON__MAX);
	return (&rows[r]);
}
