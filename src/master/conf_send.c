/*
 * The configuration on its way to the relay; see conf_send.h.
 */
#include "master/conf_send.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"
#include "conf/read/packet.h"
#include "sys/sealed.h"

void
conf_send_init(struct conf_send *s)
{
	s->fd = -1;
	s->due = false;
}

void
conf_send_fini(struct conf_send *s)
{
	if (s->fd != -1)
		(void)close(s->fd);
	conf_send_init(s);
}

/* --- paths ----------------------------------------------------------------*/

/* Files that the relay opens: what it is sent is read again where relative ones
 * mean nothing any more; here they have been named from the root. */
static const struct {
	const char	*name;
	size_t		 offset;	/* in struct conf_redis */
} conf_paths[] = {
	{ "password_file", offsetof(struct conf_redis, password_file) },
	{ "sentinel_password_file",
	    offsetof(struct conf_redis, sentinel_password_file) },
	{ "secret_file", offsetof(struct conf_redis, secret_file) },
	{ "ca", offsetof(struct conf_redis, ca) },
	{ "certificate", offsetof(struct conf_redis, certificate) },
	{ "key", offsetof(struct conf_redis, key) },
};

struct conf_options {
	const char	**all;		/* those of the source, and: */
	char		*own[nitems(conf_paths)];
	size_t		 n, nown;
};

static void
conf_options_fini(struct conf_options *o)
{
	while (o->nown > 0)
		free(o->own[--o->nown]);
	free(o->all);
}

static bool
conf_options_add(struct conf_options *o, const struct conf_redis *r, size_t i)
{
	char *const *path = (char *const *)((const char *)r +
	    conf_paths[i].offset);

	if ((*path)[0] == '\0')
		return (true);
	if (asprintf(&o->own[o->nown], "redis.%s=%s", conf_paths[i].name,
	    *path) == -1)
		return (false);
	o->all[o->n++] = o->own[o->nown++];
	return (true);
}

/* false: no memory. */
static bool
conf_options_init(struct conf_options *o, const struct conf_source *source,
    const struct conf *conf)
{
	size_t i;

	memset(o, 0, sizeof *o);
	o->all = calloc(source->noverrides + nitems(conf_paths),
	    sizeof *o->all);
	if (o->all == NULL)
		return (false);
	while (o->n < source->noverrides) {
		o->all[o->n] = source->overrides[o->n];
		o->n++;
	}
	for (i = 0; i < nitems(conf_paths); i++)
		if (!conf_options_add(o, &conf->redis, i)) {
			conf_options_fini(o);
			return (false);
		}
	return (true);
}

/* --- sending --------------------------------------------------------------*/

static void
conf_send_pack(struct buf *b, const struct conf_source *source,
    const struct conf *conf)
{
	struct conf_source whole = *source;
	struct conf_options o;

	if (!conf_options_init(&o, source, conf)) {
		b->oom = true;
		return;
	}
	whole.overrides = o.all;
	whole.noverrides = o.n;
	conf_pack(b, &whole, conf);
	conf_options_fini(&o);
}

int
conf_send_set(struct conf_send *s, const struct conf_source *source,
    const struct conf *conf)
{
	struct buf b;
	int fd = -1;

	buf_init(&b);
	conf_send_pack(&b, source, conf);
	if (b.oom)
		errno = ENOMEM;
	else
		fd = sealed_new("roostd-conf", buf_unread(&b));
	buf_fini(&b);
	if (fd == -1)
		return (-1);
	conf_send_fini(s);
	s->fd = fd;
	s->due = true;
	return (0);
}

bool
conf_send_try(struct conf_send *s, struct seat *relay)
{
	struct ipc_msg m;

	if (!s->due || relay->state == SEAT_EMPTY)
		return (!s->due);
	ipc_init(&m, CONTROL_CONF);
	m.fd = s->fd;
	s->due = !seat_tell(relay, &m);
	return (!s->due);
}

void
conf_send_again(struct conf_send *s)
{
	s->due = s->fd != -1;
}

void
conf_send_has(struct conf_send *s)
{
	s->due = false;
}
