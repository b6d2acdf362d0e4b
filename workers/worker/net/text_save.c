/*
 * Strings to another worker; see text_save.h.
 */
#include "worker/net/text_save.h"

#include <string.h>

#include "base/state.h"
#include "shm/counters.h"

#define TEXT_SAVE_MAX (64u << 10)

void
text_save(struct buf *b, const char *s)
{
	state_put_bool(b, s != NULL);
	if (s != NULL)
		state_put_slice(b, slice_str(s));
}

bool
text_load(struct state_in *in, char **text)
{
	struct slice s;

	*text = NULL;
	if (!state_get_bool(in))
		return (!in->bad);
	s = state_get_slice(in);
	if (in->bad || s.n > TEXT_SAVE_MAX ||
	    (s.n > 0 && memchr(s.p, '\0', s.n) != NULL))
		return (false);
	*text = strndup((const char *)s.p, s.n);
	if (*text == NULL)
		counter_add(COUNTER_memory_failures, 1);
	return (*text != NULL);
}
