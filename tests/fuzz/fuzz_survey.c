/*
 * Any bytes as what workers, and other hosts, say of who is there: what the back
 * end is told is JSON, with no more on the page than it asked for, and is
 * complete only if all of them made sense.
 */
#include "hub/backend/survey.h"

#include "hub/hub_int.h"
#include "proto/json.h"

#define LIMIT	3u

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static bool
member_is(struct slice page, struct slice name, enum json_type type)
{
	struct slice v;

	return (json_get(page, name, &v) && json_type(v) == type);
}

static void
check_page(const struct api_survey *q, struct slice page)
{
	struct slice list, key, v;
	struct json_iter it;
	unsigned n = 0;

	MUST(json_value(page, &v) == (ssize_t)page.n);
	MUST(member_is(page, SLICE("complete"), JSON_TRUE) ||
	    member_is(page, SLICE("complete"), JSON_FALSE));
	MUST(json_get(page, q->what == API_SURVEY_ROOMS ? SLICE("rooms") :
	    SLICE("sessions"), &list) && json_enter(list, &it));
	for (; json_next(&it, &key, &v); n++)
		MUST(json_type(v) == JSON_OBJECT);
	MUST(n <= LIMIT);
	if (q->what == API_SURVEY_USER)
		MUST(member_is(page, SLICE("hosts"), JSON_ARRAY));
	if (json_get(page, SLICE("next"), &v))
		MUST(n == LIMIT && json_type(v) == JSON_STRING);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const enum api_survey_what kinds[] = { API_SURVEY_ROOMS,
		API_SURVEY_ROOM, API_SURVEY_USER };
	static struct hub hub;		/* no key: all is shown */
	struct api_survey q = { .limit = LIMIT };
	struct survey *s;
	struct buf b;
	size_t i;

	for (i = 0; i < nitems(kinds); i++) {
		q.what = kinds[i];
		q.name = q.what == API_SURVEY_ROOMS ? slice_of(NULL, 0) :
		    SLICE("na\"me");
		s = survey_new(&hub, &q);
		MUST(s != NULL);
		buf_init(&b);
		survey_render(s, slice_of(data, n), true, &b);
		check_page(&q, buf_unread(&b));
		buf_fini(&b);
		survey_free(&s);
	}
	return (0);
}
