/*
 * Between two configurations; see spaces.h.
 */
#include "relay/spaces.h"

#include "conf/conf.h"

static void
spaces_tell(const struct table_relay *t, unsigned ns, table_emit *emit,
    void *arg)
{
	uint32_t at = 0;

	while (!table_tell_some(t, (uint16_t)ns, false, &at, UINT32_MAX, emit,
	    arg))
		continue;
}

static bool
spaces_on_left(void *arg, const struct table_event *e)
{
	const struct spaces *s = arg;
	struct table_event left = *e;

	left.was = e->is;
	left.is = 0;
	return (s->on_interest(s->arg, &left));
}

void
spaces_leave(const struct spaces *s, const struct conf *before,
    const struct conf *conf)
{
	struct spaces copy = *s;
	size_t i;

	for (i = 0; i < before->nnamespaces; i++)
		if (conf_namespace_at(before, i) != NULL &&
		    conf_namespace_at(conf, i) == NULL)
			spaces_tell(s->interest, (unsigned)i, spaces_on_left,
			    &copy);
}

static bool
spaces_tells(const struct conf_namespace *ns)
{
	return (ns != NULL && ns->presence != CONF_PRESENCE_OFF);
}

void
spaces_come(const struct spaces *s, const struct conf *before,
    const struct conf *conf)
{
	const struct conf_namespace *was, *is;
	size_t i;

	for (i = 0; i < conf->nnamespaces; i++) {
		was = conf_namespace_at(before, i);
		is = conf_namespace_at(conf, i);
		if (is != NULL && was == NULL)
			spaces_tell(s->interest, is->index, s->on_interest,
			    s->arg);
		if (!spaces_tells(is) || spaces_tells(was))
			continue;
		spaces_tell(s->presence, is->index, s->on_presence, s->arg);
		spaces_tell(s->presence, conf_rooms_index(conf, is),
		    s->on_presence, s->arg);
	}
}
