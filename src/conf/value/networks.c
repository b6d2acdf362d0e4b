/*
 * Lists of networks; see networks.h.
 */
#include "conf/value/networks.h"

#include <stdlib.h>

#include "conf/heap.h"
#include "conf/network.h"
#include "conf/value/list.h"

void
conf_free_networks(const struct conf_directive *row, void *object)
{
	struct conf_network *v;

	(void)conf_list_get(row, object, &v);
	free(v);
	conf_list_put(row, object, NULL, 0);
}

void
conf_set_networks(struct conf_parser *p, const struct conf_value *v,
    void *object)
{
	struct conf_network *all = NULL;
	const char *wrong;
	size_t n = 0;
	size_t i;

	conf_free_networks(v->row, object);
	if (v->n > 0)
		all = conf_calloc(v->n, sizeof *all);
	for (i = 0; i < v->n; i++) {
		wrong = conf_network_parse(v->tokens[i].text, &all[n]);
		if (wrong != NULL)
			conf_value_bad(p, v, &v->tokens[i], "%s", wrong);
		else
			n++;
	}
	conf_list_put(v->row, object, all, n);
}

void
conf_dump_networks(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	struct conf_network *all;
	size_t n = conf_list_get(row, object, &all);
	size_t i;

	buf_byte(out, '{');
	for (i = 0; i < n; i++) {
		buf_str(out, i == 0 ? "\"" : ", \"");
		conf_network_print(&all[i], out);
		buf_byte(out, '"');
	}
	buf_byte(out, '}');
}
