/*
 * Places as others name them; see since.h.  Called by those who join and ask.
 */
#include "hub/store/since.h"

#include "proto/json.h"

void
since_set(struct since *s, struct slice epoch, uint64_t offset)
{
	s->given = true;
	s->epoch_len = 0;
	s->offset = offset;
	if (epoch.n == 0 || epoch.n > sizeof s->epoch)
		return;
	memcpy(s->epoch, epoch.p, epoch.n);
	s->epoch_len = (uint8_t)epoch.n;
}

/* It goes out as it is, in JSON and in URLs. */
static bool
since_is_epoch(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (!((s.p[i] >= '0' && s.p[i] <= '9') ||
		    (s.p[i] >= 'a' && s.p[i] <= 'z') ||
		    (s.p[i] >= 'A' && s.p[i] <= 'Z')))
			return (false);
	return (s.n <= EPOCH_MAX);
}

bool
since_is_good(const struct since *s)
{
	return (since_is_epoch(since_epoch(s)) &&
	    (s->epoch_len != 0 || s->offset == 0));
}

bool
since_read(struct since *s, struct slice object)
{
	struct slice since, epoch, offset;
	uint8_t text[EPOCH_MAX];
	ssize_t n = 0;
	int64_t i;

	*s = (struct since){ .given = false };
	if (json_type(object) != JSON_OBJECT ||
	    !json_get(object, SLICE("since"), &since) ||
	    json_type(since) == JSON_NULL)
		return (true);
	if (json_type(since) != JSON_OBJECT ||
	    !json_get(since, SLICE("offset"), &offset) ||
	    json_type(offset) != JSON_NUMBER || !json_int(offset, &i) || i < 0)
		return (false);
	if (json_get(since, SLICE("epoch"), &epoch) &&
	    json_type(epoch) != JSON_NULL &&
	    !json_string_eq(epoch, SLICE("")) &&
	    ((n = json_name(epoch, text, sizeof text)) <= 0 ||
	    !since_is_epoch(slice_of(text, (size_t)n))))
		return (false);
	since_set(s, slice_of(text, (size_t)n), (uint64_t)i);
	return (n != 0 || i == 0);
}

bool
since_parse(struct since *s, struct slice text)
{
	const uint8_t *colon = text.n == 0 ? NULL :
	    memchr(text.p, ':', text.n);
	struct slice epoch;
	uint64_t v = 0;
	size_t i;

	if (colon == NULL)
		return (false);
	epoch = slice_of(text.p, (size_t)(colon - text.p));
	text = slice_from(text, epoch.n + 1);
	if (text.n == 0 || text.n > 18 || !since_is_epoch(epoch))
		return (false);
	for (i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return (false);
		v = v * 10 + (text.p[i] - '0');
	}
	since_set(s, epoch, v);
	return (epoch.n != 0 || v == 0);
}
