/*
 * Lists of URLs of Redis; see redis_list.h.
 */
#include "conf/value/redis_list.h"

#include <stdlib.h>

#include "conf/heap.h"
#include "conf/value/list.h"
#include "conf/value/redis.h"
#include "conf/value/string.h"

#define CONF_SENTINEL_PORT	26379

void
conf_free_redis_urls(const struct conf_directive *row, void *object)
{
	struct conf_redis_url *urls;
	size_t n = conf_list_get(row, object, &urls), i;

	for (i = 0; i < n; i++)
		conf_redis_url_free(&urls[i]);
	free(urls);
	conf_list_put(row, object, NULL, 0);
}

void
conf_dump_redis_urls(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	const struct conf_redis_url *urls;
	size_t n = conf_list_get(row, object, &urls), i;

	buf_byte(out, '{');
	for (i = 0; i < n; i++) {
		buf_str(out, i == 0 ? "" : ", ");
		conf_string_print(urls[i].shown == NULL ? "" : urls[i].shown,
		    out);
	}
	buf_byte(out, '}');
}

void
conf_hidden_redis_urls(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	const struct conf_redis_url *urls;
	size_t n = conf_list_get(row, object, &urls), i;

	for (i = 0; i < n; i++) {
		buf_str(out, urls[i].text == NULL ? "" : urls[i].text);
		buf_byte(out, '\n');
	}
}

/* --- Sentinels ------------------------------------------------------------*/

static const char *
redis_list_sentinel(const char *text, struct conf_redis_url *url)
{
	struct buf b;
	char *whole;
	const char *wrong;

	buf_init(&b);
	if (strstr(text, "://") == NULL && strncmp(text, "unix:", 5) != 0)
		buf_str(&b, "redis://");
	buf_str(&b, text);
	MUST(!b.oom);
	whole = conf_strndup(b.data, b.wpos);
	buf_fini(&b);
	wrong = conf_redis_url_parse(whole, url);
	free(whole);
	if (wrong != NULL)
		return (wrong);
	if (url->path == NULL && !url->port_given)
		url->port = CONF_SENTINEL_PORT;
	if (url->path == NULL && url->database == 0)
		return (NULL);
	conf_redis_url_free(url);
	return ("a Sentinel has a host and a port, and no database");
}

/* Each of them by parse. */
static void
redis_list_set(struct conf_parser *p, const struct conf_value *v, void *object,
    const char *(*parse)(const char *, struct conf_redis_url *))
{
	struct conf_redis_url *urls = NULL;
	const char *wrong;
	size_t i;

	conf_free_redis_urls(v->row, object);
	if (v->n > 0)
		urls = conf_calloc(v->n, sizeof *urls);
	for (i = 0; i < v->n; i++) {
		wrong = parse(v->tokens[i].text, &urls[i]);
		if (wrong != NULL)
			conf_diag(&p->diags, v->tokens[i].at, "%s: %s: %s",
			    v->where, v->row->name, wrong);
	}
	conf_list_put(v->row, object, urls, v->n);
}

void
conf_set_redis_urls(struct conf_parser *p, const struct conf_value *v,
    void *object)
{
	redis_list_set(p, v, object, conf_redis_url_parse);
}

void
conf_set_sentinels(struct conf_parser *p, const struct conf_value *v,
    void *object)
{
	redis_list_set(p, v, object, redis_list_sentinel);
}
