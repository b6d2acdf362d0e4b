/*
 * What a client is told whose event was refused; see refuse.h.  Called by
 * whoever looks at events: limits, rules, services.
 */
#include "hub/session/refuse.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/utf8.h"
#include "hub/hub_int.h"
#include "proto/json_verdict.h"

#define REFUSE_WORDS	512u	/* a path and what is wrong there */

static const struct {
	const char	*code;
	enum counter	 counter;
	int		 ns_counter;	/* -1: none of its own */
} refusals[] = {
	[REFUSED_NONE]		= { "", COUNTER_rejected_other, -1 },
	[REFUSED_UNKNOWN_EVENT]	= { "unknown_event",
	    COUNTER_rejected_unknown_event, NS_error_unknown_event },
	[REFUSED_INVALID]	= { "invalid", COUNTER_rejected_invalid,
	    NS_error_invalid },
	[REFUSED_FORBIDDEN]	= { "forbidden", COUNTER_rejected_forbidden,
	    NS_error_forbidden },
	[REFUSED_TOO_LARGE]	= { "too_large", COUNTER_rejected_too_large,
	    NS_error_too_large },
	[REFUSED_NOT_MEMBER]	= { "not_member", COUNTER_rejected_not_member,
	    NS_error_not_member },
	[REFUSED_BAD_REQUEST]	= { "bad_request", COUNTER_rejected_invalid,
	    NS_error_invalid },
	[REFUSED_LIMIT]		= { "limit", COUNTER_rejected_other, -1 },
	[REFUSED_UNAUTHORIZED]	= { "unauthorized", COUNTER_rejected_other,
	    -1 },
	[REFUSED_INTERNAL]	= { "internal", COUNTER_rejected_other, -1 },
	[REFUSED_UNAVAILABLE]	= { "unavailable", COUNTER_rejected_other, -1 },
	[REFUSED_FINISHED]	= { "finished", COUNTER_rejected_other, -1 },
	[REFUSED_CONFLICT]	= { "conflict", COUNTER_rejected_conflict, -1 },
	[REFUSED_RATE]		= { "rate_limited", COUNTER_rejected_rate,
	    NS_rate_limited },
};

const char *
refused_code(enum refused r)
{
	MUST((unsigned)r < nitems(refusals));
	return (refusals[r].code);
}

static void
refuse_count(const struct session *s, enum refused r)
{
	counter_add(refusals[r].counter, 1);
	if (refusals[r].ns_counter >= 0)
		counter_ns_add(s->ns->index,
		    (enum ns_counter)refusals[r].ns_counter, 1);
}

void
refuse_with(struct session *s, const struct inbound *in, enum refused r,
    struct slice words, struct slice more)
{
	refuse_count(s, r);
	session_error(s, &in->ack, &(struct session_error){
	    .code = refusals[r].code, .message = words, .more = more },
	    in->event);
}

void
refuse_rate(struct session *s, const struct inbound *in,
    uint64_t retry_ms)
{
	char more[48] = "";

	if (retry_ms != 0)
		(void)snprintf(more, sizeof more, ",\"retry_after_ms\":%llu",
		    (unsigned long long)retry_ms);
	refuse_with(s, in, REFUSED_RATE, SLICE("too many, too fast"),
	    slice_str(more));
}

void
refuse(struct session *s, const struct inbound *in, enum refused r,
    const char *fmt, ...)
{
	char text[REFUSE_WORDS];
	struct slice words;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	words = slice_str(text);
	words.n = utf8_cut(words);
	refuse_count(s, r);
	session_error(s, &in->ack, &(struct session_error){
	    .code = refusals[r].code, .message = words }, in->event);
}

void
refuse_verdict(struct session *s, const struct inbound *in,
    const struct verdict *v)
{
	char code[VERDICT_CODE_MAX + 1], words[VERDICT_WORDS_MAX + 1];

	(void)snprintf(code, sizeof code, "%.*s", (int)v->code.n,
	    (const char *)v->code.p);
	verdict_words(v, words);
	refuse_count(s, REFUSED_FORBIDDEN);
	session_error(s, &in->ack, &(struct session_error){
	    .code = v->code.n == 0 ? refusals[REFUSED_FORBIDDEN].code : code,
	    .message = slice_str(words), .data = v->data }, in->event);
}

void
refuse_memory(struct session *s, const struct inbound *in)
{
	counter_add(COUNTER_memory_failures, 1);
	refuse(s, in, REFUSED_INTERNAL, "out of memory");
}

void
refuse_or_ack(struct session *s, const struct inbound *in, const struct buf *b)
{
	if (b->oom)
		refuse_memory(s, in);
	else
		session_ack(s, &in->ack, buf_unread(b));
}
