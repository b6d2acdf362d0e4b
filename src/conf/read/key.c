/*
 * Keys: of those who sign tokens, and of back ends, which hooks reach.
 */
#include "conf/read/key.h"

#include "conf/heap.h"

void
conf_jwt_keys_read(struct conf_reading *parse)
{
	struct conf_jwt *jwt = &parse->p.conf->jwt;
	const struct conf_tree *tree = conf_tree_plain(&parse->tree,
	    CONF_SEC_JWT), *s = NULL;
	struct conf_jwt_key *key;

	jwt->keys = conf_calloc(conf_tree_count(tree, CONF_SEC_JWT_KEY),
	    sizeof *jwt->keys);
	while ((s = conf_tree_next(tree, CONF_SEC_JWT_KEY, s)) != NULL) {
		conf_titled_repeats(parse, tree, s, jwt->keys,
		    sizeof *jwt->keys, NULL);
		key = &jwt->keys[jwt->nkeys++];
		key->kid = conf_strdup(s->title.text);
		key->line = s->title.at.line;
		conf_titled_fill(parse, s, key);
	}
}

void
conf_api_keys_read(struct conf_reading *parse)
{
	struct conf *conf = parse->p.conf;
	const struct conf_tree *tree = conf_tree_plain(&parse->tree,
	    CONF_SEC_API), *s = NULL;
	struct conf_api_key *key;

	conf->api_keys = conf_calloc(conf_tree_count(tree, CONF_SEC_API_KEY),
	    sizeof *conf->api_keys);
	while ((s = conf_tree_next(tree, CONF_SEC_API_KEY, s)) != NULL) {
		conf_titled_repeats(parse, tree, s, conf->api_keys,
		    sizeof *conf->api_keys, NULL);
		key = &conf->api_keys[conf->napi_keys++];
		key->name = conf_titled_name(parse, s, &key->line);
		conf_titled_fill(parse, s, key);
	}
}

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
