/*
 * What stands around frames and messages in the responses of SockJS, by how a
 * client receives.  Pure.
 */
#ifndef WORKER_SOCKJS_SOCKJS_TEXT_H
#define WORKER_SOCKJS_SOCKJS_TEXT_H

#include "base/buf.h"
#include "shm/counters.h"

enum sockjs_transport {
	SOCKJS_XHR,		/* a response a frame */
	SOCKJS_STREAMING, SOCKJS_EVENTSOURCE, SOCKJS_HTMLFILE
};

struct sockjs_text {
	const char	*type;		/* of the response */
	/* around a frame, and around strings with commas between them; of
	 * HTMLFILE in a string of JavaScript */
	struct slice	 before, behind;
	struct slice	 messages, messages_end;
	enum counter	 opened;
};
extern const struct sockjs_text sockjs_texts[];	/* by enum sockjs_transport */

/* What a stream begins with; callback: of HTMLFILE. */
void	sockjs_text_prelude(struct buf *, enum sockjs_transport,
	    struct slice callback);
/* A frame, as a whole. */
void	sockjs_text_frame(struct buf *, enum sockjs_transport,
	    struct slice frame);

#endif
