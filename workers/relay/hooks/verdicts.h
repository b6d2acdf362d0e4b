/*
 * Questions of workers to hooks, each a request of its own, many at a time, and
 * the answers on their way back.  No order among them, or with entries.  Those
 * that say how long they hold are kept (answers.h).
 */
#ifndef RELAY_HOOKS_VERDICTS_H
#define RELAY_HOOKS_VERDICTS_H

#include "relay/hooks/answers.h"
#include "relay/hooks/post.h"
#include "relay/stream/entry.h"

struct bus_envelope;
struct conf;
struct conf_namespace;

struct verdicts {
	void		*arg;
	/* What the hook says, or (false) nothing. */
	void		(*answer)(void *arg, const struct asker *, bool ok,
			    struct slice body);
	struct answers	*answers;	/* that hold */
	struct verdict_list *list;
	unsigned	*open;		/* by namespace */
	struct entry_parts parts;	/* scratch */
};

/* answer and arg are set.  False: no memory. */
bool	verdicts_init(struct verdicts *, unsigned namespaces,
	    const struct segment *) MUST_USE;
/* Nothing that was answered before holds. */
void	verdicts_conf(struct verdicts *, const struct conf *);
void	verdicts_fini(struct verdicts *);
/* False: too many wait, or no memory. */
bool	verdicts_ask(struct verdicts *, const struct conf_namespace *,
	    struct target *, const struct bus_envelope *, uint64_t now_ms)
	    MUST_USE;
/* It goes: who waits for it has no answer. */
void	verdicts_leave(struct verdicts *, const struct target *);

#endif
