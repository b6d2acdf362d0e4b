/*
 * Fields of a node's hash; see field.h.  Called by batch.c and mirror.c.
 */
#include "relay/people/field.h"

#include <inttypes.h>

#define FIELD_VALUE	(FIELD_EPOCH + 17u)

void
field_put_name(struct buf *b, const struct news_entry *e)
{
	buf_byte(b, e->room ? 'r' : 'u');
	buf_slice(b, e->key);
}

void
field_put_value(struct buf *b, uint64_t epoch, const struct news_entry *e)
{
	buf_printf(b, "%016" PRIx64, epoch);
	buf_byte(b, e->code);
	news_word_put(b, e->set_ms);
	news_word_put(b, e->seen_ms);
}

bool
field_get(struct slice name, struct slice value, struct news_entry *e)
{
	if (name.n < 2 || (name.p[0] != 'u' && name.p[0] != 'r') ||
	    value.n != FIELD_VALUE)
		return (false);
	value = slice_from(value, FIELD_EPOCH);
	*e = (struct news_entry){ .room = name.p[0] == 'r', .present = true,
		.code = value.p[0], .set_ms = news_word(value.p + 1),
		.seen_ms = news_word(value.p + 9),
		.key = slice_from(name, 1) };
	return (news_entry_good(e));
}
