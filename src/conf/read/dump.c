/*
 * The effective configuration as text that parses again: `roostd -n`.
 */
#include "conf/read/dump.h"

#include "conf/read/type.h"
#include "conf/read/walk.h"
#include "conf/value/string.h"

struct dump {
	struct buf	*out;
	unsigned	 depth;
};

static void
dump_indent(const struct dump *d)
{
	unsigned i;

	for (i = 0; i < d->depth; i++)
		buf_str(d->out, "    ");
}

static void
dump_directive(void *arg, const struct conf_directive *row, const void *object)
{
	struct dump *d = arg;

	dump_indent(d);
	buf_printf(d->out, "%s = ", row->name);
	conf_value_dump(row, object, d->out);
	buf_byte(d->out, '\n');
}

static void
dump_open(void *arg, enum conf_section section, const char *title)
{
	struct dump *d = arg;

	dump_indent(d);
	buf_str(d->out, conf_sections[section].name);
	if (title != NULL) {
		buf_byte(d->out, ' ');
		conf_string_print(title, d->out);
	}
	buf_str(d->out, " {\n");
	d->depth++;
}

static void
dump_close(void *arg)
{
	struct dump *d = arg;

	d->depth--;
	dump_indent(d);
	buf_str(d->out, "}\n");
}

void
conf_dump(const struct conf *conf, struct buf *out)
{
	struct dump d = { out, 0 };
	const struct conf_visitor v = { &d, dump_open, dump_close,
		dump_directive };

	conf_walk(conf, &v);
}
