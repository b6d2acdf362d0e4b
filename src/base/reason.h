/*
 * Why a connection ended or was refused: one row of reason.def each, used in
 * the log, in the WebSocket Close frame, and as the label of a counter.
 */
#ifndef BASE_REASON_H
#define BASE_REASON_H

#include <stdint.h>

enum reason {
#define REASON(name, code, words) REASON_##name,
#include "base/reason.def"
#undef REASON
	REASON__MAX
};

struct reason_row {
	const char	*name;	/* counter label, log value */
	uint16_t	 code;	/* RFC 6455 section 7.4.1; 0: no Close frame */
	const char	*words;	/* for people, and the Close frame */
};

const struct reason_row *reason_row(enum reason);

#endif
