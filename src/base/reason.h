/*
 * Why a connection ended or was refused: one row of reason.def each, used in
 * the log, in the WebSocket Close frame, as the label of a counter, and for
 * back ends that are told who comes and goes.
 */
#ifndef BASE_REASON_H
#define BASE_REASON_H

#include <stdint.h>

enum reason {
#define REASON(name, code, by, words) REASON_##name,
#include "base/reason.def"
#undef REASON
	REASON__MAX
};

enum reason_by {
	REASON_BY_CLIENT,	/* with a Close frame, or an end of its stream */
	REASON_BY_NETWORK,	/* reset, or silent for longer than TCP waits */
	REASON_BY_US
};

struct reason_row {
	const char	*name;	/* counter label, log value */
	uint16_t	 code;	/* RFC 6455 section 7.4.1; 0: no Close frame */
	enum reason_by	 by;	/* who began it */
	const char	*words;	/* for people, and the Close frame */
};

const struct reason_row *reason_row(enum reason);
const char *reason_by(enum reason);	/* "client", "network", "us" */

#endif
