/* The rows of reason.def as a table. */
#include "base/reason.h"

#include "base/bug.h"

static const struct reason_row rows[] = {
#define REASON(name, code, by, words) { #name, code, REASON_BY_##by, words },
#include "base/reason.def"
#undef REASON
};

const struct reason_row *
reason_row(enum reason r)
{
	MUST((unsigned)r < REASON__MAX);
	return (&rows[r]);
}

const char *
reason_by(enum reason r)
{
	switch (reason_row(r)->by) {
	case REASON_BY_CLIENT:
		return ("client");
	case REASON_BY_NETWORK:
		return ("network");
	case REASON_BY_US:
		break;
	}
	return ("us");
}
