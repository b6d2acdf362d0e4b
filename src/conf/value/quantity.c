/*
 * Quantities within a range; see quantity.h.
 */
#include "conf/value/quantity.h"

#include <limits.h>

#include "conf/value/unit.h"

static enum conf_unit
quantity_unit(enum conf_type type)
{
	if (type == CONF_TYPE_DURATION)
		return (CONF_UNIT_DURATION);
	if (type == CONF_TYPE_SIZE)
		return (CONF_UNIT_SIZE);
	return (type == CONF_TYPE_MODE ? CONF_UNIT_OCTAL : CONF_UNIT_COUNT);
}

/* Our own table: both ends must read. */
static bool
quantity_in_range(const struct conf_directive *row, uint64_t value)
{
	struct slice low = slice_str(row->range), high;
	const uint8_t *dots = memmem(low.p, low.n, "..", 2);
	uint64_t min, max;

	MUST(dots != NULL);
	high = slice_from(low, (size_t)(dots - low.p) + 2);
	low.n = (size_t)(dots - low.p);
	MUST(conf_unit_parse(quantity_unit(row->type), low, &min));
	MUST(conf_unit_parse(quantity_unit(row->type), high, &max));
	return (value >= min && value <= max);
}

static bool
quantity_read(struct conf_parser *p, const struct conf_value *v,
    uint64_t *value)
{
	const struct conf_token *t = &v->tokens[0];
	enum conf_unit unit = quantity_unit(v->row->type);

	if (!conf_unit_parse(unit, slice_str(t->text), value)) {
		conf_value_bad(p, v, t, "not %s", conf_unit_help(unit));
		return (false);
	}
	if (!quantity_in_range(v->row, *value)) {
		conf_value_bad(p, v, t, "out of range %s", v->row->range);
		return (false);
	}
	return (true);
}

void
conf_set_u64(struct conf_parser *p, const struct conf_value *v, void *object)
{
	uint64_t value;

	if (quantity_read(p, v, &value))
		*(uint64_t *)conf_field_of(v->row, object) = value;
}

void
conf_dump_u64(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	conf_unit_print(quantity_unit(row->type),
	    *(const uint64_t *)conf_field_in(row, object), out);
}

void
conf_set_unsigned(struct conf_parser *p, const struct conf_value *v,
    void *object)
{
	uint64_t value;

	if (!quantity_read(p, v, &value))
		return;
	MUST(value <= UINT_MAX);
	*(unsigned *)conf_field_of(v->row, object) = (unsigned)value;
}

void
conf_dump_unsigned(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	conf_unit_print(quantity_unit(row->type),
	    *(const unsigned *)conf_field_in(row, object), out);
}

void
conf_set_autocount(struct conf_parser *p, const struct conf_value *v,
    void *object)
{
	if (strcmp(v->tokens[0].text, "auto") == 0)
		*(unsigned *)conf_field_of(v->row, object) = 0;
	else
		conf_set_unsigned(p, v, object);
}

void
conf_dump_autocount(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	if (*(const unsigned *)conf_field_in(row, object) == 0)
		buf_str(out, "auto");
	else
		conf_dump_unsigned(row, object, out);
}
