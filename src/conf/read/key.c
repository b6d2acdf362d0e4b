/*
 * Keys: of those who sign tokens, and of back ends.
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
