/*
 * Who may join a room: open, server, ask, claim:NAME, self:a,b.
 */
#include "conf/rule/join.h"

#include <stdlib.h>
#include <string.h>

#include "conf/heap.h"
#include "conf/pattern.h"
#include "conf/rule/argument.h"
#include "conf/value/string.h"

/* "a,b": each a parameter of the room's pattern. */
static bool
join_self_params(const struct conf_room *room, const char *names,
    unsigned *bits)
{
	size_t n;
	int index;

	for (*bits = 0;; names += n + 1) {
		n = strcspn(names, ",");
		index = conf_pattern_param(&room->pattern, slice_of(names, n));
		if (index < 0)
			return (false);
		*bits |= 1U << index;
		if (names[n] == '\0')
			return (true);
	}
}

static void
join_set(struct conf_room *room, enum conf_join join, const char *claim,
    unsigned self)
{
	free(room->claim);
	room->join = join;
	room->claim = claim == NULL ? NULL : conf_strdup(claim);
	room->self = self;
}

void
conf_set_join(struct conf_parser *p, const struct conf_value *v, void *object)
{
	struct conf_room *room = object;
	const char *text = v->tokens[0].text;
	const char *claim = conf_argument(text, "claim");
	const char *self = conf_argument(text, "self");
	bool no_pattern = room->pattern.text == NULL;	/* reported already */
	unsigned bits = 0;

	if (strcmp(text, "open") == 0)
		join_set(room, CONF_JOIN_OPEN, NULL, 0);
	else if (strcmp(text, "server") == 0)
		join_set(room, CONF_JOIN_SERVER, NULL, 0);
	else if (strcmp(text, "ask") == 0)
		join_set(room, CONF_JOIN_ASK, NULL, 0);
	else if (claim != NULL && (no_pattern || room->pattern.nparams > 0))
		join_set(room, CONF_JOIN_CLAIM, claim, 0);
	else if (claim != NULL)
		conf_value_bad(p, v, &v->tokens[0],
		    "the room's name has no {parameter} to look up");
	else if (self != NULL && (no_pattern ||
	    join_self_params(room, self, &bits)))
		join_set(room, CONF_JOIN_SELF, NULL, bits);
	else if (self != NULL)
		conf_value_bad(p, v, &v->tokens[0],
		    "not all of them are {parameters} of the room's name");
	else
		conf_value_bad(p, v, &v->tokens[0], "must be one of %s",
		    v->row->range);
}

static void
join_print_self(const struct conf_room *room, struct buf *out)
{
	unsigned index = 0;
	bool comma = false;
	size_t i;

	buf_str(out, "self:");
	for (i = 0; i < room->pattern.npieces; i++) {
		if (!room->pattern.pieces[i].param)
			continue;
		if ((room->self & 1U << index++) == 0)
			continue;
		buf_str(out, comma ? "," : "");
		buf_str(out, room->pattern.pieces[i].text);
		comma = true;
	}
}

void
conf_dump_join(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	const struct conf_room *room = object;
	struct buf text;

	(void)row;
	buf_init(&text);
	switch (room->join) {
	case CONF_JOIN_OPEN:
		buf_str(&text, "open");
		break;
	case CONF_JOIN_SERVER:
		buf_str(&text, "server");
		break;
	case CONF_JOIN_ASK:
		buf_str(&text, "ask");
		break;
	case CONF_JOIN_CLAIM:
		buf_printf(&text, "claim:%s", room->claim);
		break;
	case CONF_JOIN_SELF:
		join_print_self(room, &text);
		break;
	}
	buf_byte(&text, '\0');
	MUST(!text.oom);
	conf_string_print((const char *)text.data, out);
	buf_fini(&text);
}

void
conf_free_join(const struct conf_directive *row, void *object)
{
	struct conf_room *room = object;

	(void)row;
	free(room->claim);
	room->claim = NULL;
}
