/*
 * A page of who is there, on all workers of all hosts: what each of them knows
 * (census.h) is put together when all have answered, or as far as they have.
 * Each has told one more than the page shows, so that what is on the page is
 * whole, and whether there is another one is known.
 */
#ifndef HUB_BACKEND_SURVEY_H
#define HUB_BACKEND_SURVEY_H

#include "hub/api.h"

struct survey;

/* Of what was asked.  NULL: no memory. */
struct survey *survey_new(const struct hub *, const struct api_survey *)
	    MUST_USE;
void	survey_free(struct survey **);		/* NULL is fine */
/* {"rooms"|"sessions":[...][,"next"],"complete"}; elements as they came. */
void	survey_render(const struct survey *, struct slice elements,
	    bool complete, struct buf *);

#endif
