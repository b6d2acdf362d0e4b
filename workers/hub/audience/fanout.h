/*
 * From one publication to its receivers on this worker: encode once per wire
 * form, queue a reference for each.  Who they are is an audience; what may be
 * sent was decided before (rule.h).
 */
#ifndef HUB_AUDIENCE_FANOUT_H
#define HUB_AUDIENCE_FANOUT_H

#include "hub/model.h"

struct hub;

/* All members of one room but the connection except (NULL: nobody).  Returns
 * how many got it. */
uint32_t fanout_room(struct hub *, struct room *, const struct publication *,
	    const struct outq *except);
/*
 * With recovery on, what a Socket.IO client may have to be told again has an
 * offset, the same one on all workers.  Returns p, or, when it has none and needs
 * one, a copy in *with (whose offset stands in the hub's scratch until the next
 * one is made).  Where there is a journal the store gives them.
 */
const struct publication *fanout_offset(struct hub *,
	    const struct conf_namespace *, const struct publication *p,
	    struct publication *with);
/* One session. false: not queued. */
bool	fanout_session(struct hub *, struct session *,
	    const struct publication *);

/* Whoever is in the audience, once. */
uint32_t fanout_audience(struct hub *, const struct conf_namespace *,
	    const struct audience *, const struct publication *);
/* The same for a publication that asks: sent() is told of each that got it and
 * can answer. */
uint32_t fanout_ask(struct hub *, const struct conf_namespace *,
	    const struct audience *, const struct publication *,
	    void (*sent)(void *arg, struct session *), void *arg);
/* The sessions of this worker that these are, each once; each() must not
 * change who is in a room. */
void	fanout_each(struct hub *, const struct conf_namespace *,
	    const struct audience *, void (*each)(void *arg, struct session *),
	    void *arg);

#endif
