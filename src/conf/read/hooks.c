/*
 * Hooks: back ends that speak HTTP; see hooks.h.
 */
#include "conf/read/hooks.h"

#include "conf/heap.h"

#define HOOKS_MAX	64

void
conf_hooks_read(struct conf_reading *parse)
{
	struct conf *conf = parse->p.conf;
	const struct conf_tree *s = NULL;
	struct conf_hook *hook;

	conf->hooks = conf_calloc(conf_tree_count(&parse->tree,
	    CONF_SEC_HOOK), sizeof *conf->hooks);
	while ((s = conf_tree_next(&parse->tree, CONF_SEC_HOOK, s)) != NULL) {
		if (conf->nhooks == HOOKS_MAX) {
			conf_titled_bad(parse, s, "more than 64 hooks");
			break;
		}
		hook = &conf->hooks[conf->nhooks++];
		hook->name = conf_titled_name(parse, s, &hook->line);
		conf_titled_repeats(parse, &parse->tree, s, conf->hooks,
		    sizeof *conf->hooks, NULL);
		conf_titled_fill(parse, s, hook);
		if (hook->secret != NULL && hook->secret[0] == '\0')
			conf_titled_bad(parse, s, "secret is empty");
	}
}
