/*
 * What is wrong with the section of Redis; see redis_check.h.
 */
#include "conf/value/redis_check.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "conf/model.h"

/* The same place under the same name; other names of it nobody knows here. */
static bool
redis_is_same(const struct conf_redis_url *a, const struct conf_redis_url *b)
{
	if (a->database != b->database)
		return (false);
	if (a->path != NULL && b->path != NULL)
		return (strcmp(a->path, b->path) == 0);
	return (a->host != NULL && b->host != NULL && a->port == b->port &&
	    strcasecmp(a->host, b->host) == 0);
}

static bool
redis_any_twice(const struct conf_redis_url *urls, size_t n)
{
	size_t i, k;

	for (i = 0; i < n; i++)
		for (k = 0; k < i; k++)
			if (redis_is_same(&urls[i], &urls[k]))
				return (true);
	return (false);
}

static const char *
redis_sentinels_bad(const struct conf_redis *r)
{
	bool password = r->sentinel_password_file[0] != '\0';
	const struct conf_redis_url *s = r->sentinels;
	size_t i;

	if (r->nsentinels == 0 && (r->master[0] != '\0' || password))
		return ("master and sentinel_password_file need sentinels");
	if (r->nsentinels == 0 && r->url.host != NULL &&
	    r->url.host[0] == '\0')
		return ("url needs a host: redis://HOST[:PORT]");
	if (r->nsentinels == 0)
		return (NULL);
	if (r->nsentinels > CONF_REDIS_SENTINELS_MAX)
		return ("more than 16 sentinels");
	if (r->master[0] == '\0')
		return ("sentinels need the name of the master: master = NAME");
	if (redis_any_twice(s, r->nsentinels))
		return ("one of sentinels is there twice");
	if (r->url.path != NULL)
		return ("url is a unix socket, and there are sentinels");
	for (i = 0; i < r->nsentinels; i++) {
		if (s[i].text == NULL)
			continue;	/* bad in itself, and that is said */
		if (password && s[i].password != NULL &&
		    s[i].password[0] != '\0')
			return ("a password in sentinels, and a "
			    "sentinel_password_file");
		if (s[i].user != NULL && s[i].user[0] != '\0' &&
		    s[i].password[0] == '\0' && !password)
			return ("a user in sentinels, but no password and no "
			    "sentinel_password_file");
	}
	return (NULL);
}

static const char *
redis_prefix_bad(const char *prefix)
{
	const char *c;

	for (c = prefix; *c != '\0'; c++) {
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			return ("prefix has a blank or a control character");
		if (*c == '{' || *c == '}')
			return ("prefix has a brace: what is between two "
			    "decides where a Cluster keeps a key");
	}
	return (c - prefix > CONF_REDIS_PREFIX_MAX ?
	    "prefix has more than 64 bytes" : NULL);
}

static const char *
redis_socketio_bad(const char *prefix)
{
	const char *c;

	for (c = prefix; *c != '\0'; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f || *c == '#')
			return ("socketio_prefix has a blank, a control "
			    "character or a #");
	return (c - prefix > CONF_REDIS_PREFIX_MAX ?
	    "socketio_prefix has more than 64 bytes" : NULL);
}

static const char *
redis_url_bad(const struct conf_redis *r, const struct conf_redis_url *url)
{
	if (url->password != NULL && url->password[0] != '\0' &&
	    r->password_file[0] != '\0')
		return ("a password in url, and a password_file");
	if (url->user != NULL && url->user[0] != '\0' &&
	    url->password[0] == '\0' && r->password_file[0] == '\0')
		return ("a user in url, but no password and no password_file");
	return (NULL);
}

static const char *
redis_shards_bad(const struct conf_redis *r)
{
	const char *wrong;
	size_t i;

	if (r->nshards == 0)
		return (NULL);
	if (r->url.text != NULL)
		return ("url and shards: one of them");
	if (r->nsentinels > 0)
		return ("sentinels and shards: one of them");
	if (r->nshards > CONF_REDIS_SHARDS_MAX)
		return ("more than 8 shards");
	if (redis_any_twice(r->shards, r->nshards))
		return ("one of shards is there twice");
	for (i = 0; i < r->nshards; i++) {
		if (r->shards[i].text == NULL)
			continue;	/* bad in itself, and that is said */
		wrong = redis_url_bad(r, &r->shards[i]);
		if (wrong != NULL)
			return (wrong);
	}
	return (NULL);
}

static bool
redis_any_tls(const struct conf_redis *r)
{
	size_t i;

	for (i = 0; i < r->nshards; i++)
		if (r->shards[i].tls)
			return (true);

	for (i = 0; i < r->nsentinels; i++)
		if (r->sentinels[i].tls)
			return (true);
	return (r->url.tls);
}

const char *
conf_redis_bad(const struct conf_redis *r)
{
	bool tls = r->ca[0] != '\0' || r->certificate[0] != '\0' ||
	    r->key[0] != '\0' || r->server_name[0] != '\0';
	const char *wrong = redis_prefix_bad(r->prefix);

	if (wrong == NULL)
		wrong = redis_socketio_bad(r->socketio_prefix);
	if (wrong == NULL)
		wrong = redis_sentinels_bad(r);
	if (wrong == NULL)
		wrong = redis_shards_bad(r);
	if (wrong != NULL)
		return (wrong);
	if (!conf_redis_on(r))
		return (r->password_file[0] == '\0' && !tls &&
		    r->secret_file[0] == '\0' && r->stream == 0 ? NULL :
		    "there is no url");
	wrong = redis_url_bad(r, &r->url);
	if (wrong != NULL)
		return (wrong);
	if (tls && !redis_any_tls(r))
		return ("ca, certificate, key and server_name are for TLS: "
		    "rediss:// or valkeys://");
	if ((r->certificate[0] == '\0') != (r->key[0] == '\0'))
		return ("certificate and key need each other");
	return (NULL);
}
