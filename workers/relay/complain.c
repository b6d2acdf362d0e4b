/*
 * Lines about others; see complain.h.
 */
#include "relay/complain.h"

#include <inttypes.h>
#include <stdio.h>

#include "relay/redis/reply.h"
#include "sys/log.h"

#define COMPLAIN_SHOWN	160	/* of what was said */

void
complain_trouble(struct mono now, enum home_trouble what, struct slice words)
{
	static struct log_rate rates[HOME_STREAM + 1];
	char text[COMPLAIN_SHOWN], safe[COMPLAIN_SHOWN];
	uint64_t unsaid;

	if (!log_rate(&rates[what], now, &unsaid))
		return;
	(void)snprintf(text, sizeof text, "%.*s", (int)words.n,
	    (const char *)words.p);
	(void)log_safe(safe, sizeof safe, words.p, words.n);
	switch (what) {
	case HOME_UNSEALED:
		log_warnx("redis_unsealed channel=\"%s\" unsaid=%" PRIu64,
		    safe, unsaid);
		break;
	case HOME_BAD:
		log_warnx("far_bad channel=\"%s\" unsaid=%" PRIu64, safe,
		    unsaid);
		break;
	case HOME_PUBLISH:
		log_warnx("redis_publish_refused why=\"%s\" unsaid=%" PRIu64,
		    text, unsaid);
		break;
	case HOME_STREAM:
		log_warnx("stream_trouble said=\"%s\" unsaid=%" PRIu64, text,
		    unsaid);
		break;
	}
}

void
complain_refused(struct mono now, struct slice nsp, struct slice name,
    const struct reply *o)
{
	static struct log_rate rate;
	char in[COMPLAIN_SHOWN], to[COMPLAIN_SHOWN], words[REPLY_WORDS];
	uint64_t unsaid;

	if (!log_rate(&rate, now, &unsaid))
		return;
	reply_words(o, words);
	log_warnx("far_refused namespace=\"%s\" name=\"%s\" said=\"%s\" "
	    "unsaid=%" PRIu64, log_safe(in, sizeof in, nsp.p, nsp.n),
	    log_safe(to, sizeof to, name.p, name.n), words, unsaid);
}
