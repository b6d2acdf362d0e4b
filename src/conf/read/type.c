/*
 * The table of all types.
 */
#include "conf/read/type.h"

#include "conf/rule/check.h"
#include "conf/rule/eventname.h"
#include "conf/rule/hook.h"
#include "conf/rule/join.h"
#include "conf/rule/joins.h"
#include "conf/rule/rate.h"
#include "conf/rule/receiver.h"
#include "conf/rule/reference.h"
#include "conf/rule/written.h"
#include "conf/value/http.h"
#include "conf/value/list.h"
#include "conf/value/networks.h"
#include "conf/value/origins.h"
#include "conf/value/quantity.h"
#include "conf/value/redis.h"
#include "conf/value/redis_list.h"
#include "conf/value/scalar.h"

static const struct {
	void (*set)(struct conf_parser *, const struct conf_value *, void *);
	void (*dump)(const struct conf_directive *, const void *,
	    struct buf *);
	void (*free)(const struct conf_directive *, void *); /* or NULL */
} types[CONF_TYPE__MAX] = {
	/* clang-format off */
	[CONF_TYPE_BOOL]       = { conf_set_bool, conf_dump_bool, NULL },
	[CONF_TYPE_AUTOCOUNT]  = { conf_set_autocount, conf_dump_autocount,
				   NULL },
	[CONF_TYPE_COUNT]      = { conf_set_unsigned, conf_dump_unsigned,
				   NULL },
	[CONF_TYPE_COUNT64]    = { conf_set_u64, conf_dump_u64, NULL },
	[CONF_TYPE_DURATION]   = { conf_set_u64, conf_dump_u64, NULL },
	[CONF_TYPE_SIZE]       = { conf_set_u64, conf_dump_u64, NULL },
	[CONF_TYPE_MODE]       = { conf_set_unsigned, conf_dump_unsigned,
				   NULL },
	[CONF_TYPE_STRING]     = { conf_set_string, conf_dump_string,
				   conf_free_string },
	[CONF_TYPE_NAME]       = { conf_set_filled, conf_dump_string,
				   conf_free_string },
	[CONF_TYPE_PATH]       = { conf_set_filled, conf_dump_string,
				   conf_free_string },
	[CONF_TYPE_SECRET]     = { conf_set_secret, conf_dump_secret,
				   conf_free_string },
	[CONF_TYPE_URLPATH]    = { conf_set_urlpath, conf_dump_string,
				   conf_free_string },
	[CONF_TYPE_WORD]       = { conf_set_word, conf_dump_string,
				   conf_free_string },
	[CONF_TYPE_ENUM]       = { conf_set_enum, conf_dump_enum, NULL },
	[CONF_TYPE_STRINGS]    = { conf_set_strings, conf_dump_strings,
				   conf_free_strings },
	[CONF_TYPE_TOKENS]     = { conf_set_tokens, conf_dump_strings,
				   conf_free_strings },
	[CONF_TYPE_HEADERS]    = { conf_set_headers, conf_dump_strings,
				   conf_free_strings },
	[CONF_TYPE_TOKEN]      = { conf_set_token, conf_dump_string,
				   conf_free_string },
	[CONF_TYPE_COOKIEPATH] = { conf_set_cookie_path, conf_dump_string,
				   conf_free_string },
	[CONF_TYPE_ORIGINS]    = { conf_set_origins, conf_dump_origins,
				   conf_free_origins },
	[CONF_TYPE_HOSTS]      = { conf_set_hosts, conf_dump_strings,
				   conf_free_strings },
	[CONF_TYPE_NETWORKS]   = { conf_set_networks, conf_dump_networks,
				   conf_free_networks },
	[CONF_TYPE_EVENTNAMES] = { conf_set_eventnames, conf_dump_strings,
				   conf_free_strings },
	[CONF_TYPE_NSNAMES]    = { conf_set_nsnames, conf_dump_nsnames,
				   conf_free_strings },
	[CONF_TYPE_ALGORITHMS] = { conf_set_bits, conf_dump_bits, NULL },
	[CONF_TYPE_SHA256]     = { conf_set_sha256, conf_dump_sha256, NULL },
	[CONF_TYPE_ALLOW]      = { conf_set_bits, conf_dump_bits, NULL },
	[CONF_TYPE_EVENTNAME]  = { conf_set_eventname, conf_dump_eventname,
				   conf_free_string },
	[CONF_TYPE_JOINS]      = { conf_set_joins, conf_dump_joins,
				   conf_free_joins },
	[CONF_TYPE_JOIN]       = { conf_set_join, conf_dump_join,
				   conf_free_join },
	[CONF_TYPE_TO]         = { conf_set_to, conf_dump_to, conf_free_to },
	[CONF_TYPE_DATA]       = { conf_set_data, conf_dump_strings,
				   conf_free_data },
	[CONF_TYPE_MEMBERS]    = { conf_set_members, conf_dump_members,
				   conf_free_members },
	[CONF_TYPE_CHECKS]     = { conf_set_checks, conf_dump_strings,
				   conf_free_checks },
	[CONF_TYPE_SCHEMA]     = { conf_set_schema, conf_dump_string,
				   conf_free_schema },
	[CONF_TYPE_NSREF]      = { conf_set_nsref, conf_dump_nsref, NULL },
	[CONF_TYPE_RATE]       = { conf_set_rate, conf_dump_rate, NULL },
	[CONF_TYPE_RATEREF]    = { conf_set_rateref, conf_dump_rateref, NULL },
	[CONF_TYPE_HOOKURL]    = { conf_set_hook_url, conf_dump_string,
				   conf_free_hook_url },
	[CONF_TYPE_HOOKREF]    = { conf_set_hookref, conf_dump_hookref, NULL },
	[CONF_TYPE_TEMPLATE]   = { conf_set_template, conf_dump_template,
				   conf_free_template },
	[CONF_TYPE_REDISURL]   = { conf_set_redis_url, conf_dump_redis_url,
				   conf_free_redis_url },
	[CONF_TYPE_REDISURLS]  = { conf_set_redis_urls, conf_dump_redis_urls,
				   conf_free_redis_urls },
	[CONF_TYPE_SENTINELS]  = { conf_set_sentinels, conf_dump_redis_urls,
				   conf_free_redis_urls },
	/* clang-format on */
};

/* What a value does not show. */
static void (*const hidden[CONF_TYPE__MAX])(const struct conf_directive *,
    const void *, struct buf *) = {
	[CONF_TYPE_SECRET]	= conf_hidden_secret,
	[CONF_TYPE_REDISURL]	= conf_hidden_redis_url,
	[CONF_TYPE_REDISURLS]	= conf_hidden_redis_urls,
	[CONF_TYPE_SENTINELS]	= conf_hidden_redis_urls,
};

static bool
type_is_text(enum conf_type type)
{
	return (type == CONF_TYPE_STRING || type == CONF_TYPE_NAME ||
	    type == CONF_TYPE_PATH || type == CONF_TYPE_SECRET ||
	    type == CONF_TYPE_TOKEN);
}

void
conf_value_set(struct conf_parser *p, const struct conf_value *v, void *object)
{
	if (!conf_value_unset(v) || type_is_text(v->row->type))
		types[v->row->type].set(p, v, object);
}

void
conf_value_dump(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	types[row->type].dump(row, object, out);
}

void
conf_value_hidden(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	if (hidden[row->type] != NULL)
		hidden[row->type](row, object, out);
}

void
conf_value_free(const struct conf_directive *row, void *object)
{
	if (types[row->type].free != NULL)
		types[row->type].free(row, object);
}

void
conf_object_free(enum conf_section section, void *object)
{
	size_t i;

	for (i = 0; i < CONF_NDIRECTIVES; i++)
		if (conf_directives[i].section == section)
			conf_value_free(&conf_directives[i], object);
}
