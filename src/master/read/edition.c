/*
 * Reads a configuration and what it names; see edition.h.  Whether it may take
 * the place of another is for those to say who run by it.
 */
#include "master/read/edition.h"

#include <bsd/string.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"
#include "conf/read/free.h"
#include "conf/read/line.h"
#include "conf/read/packet.h"
#include "conf/read/parse.h"
#include "master/read/load.h"
#include "shm/layout.h"
#include "sys/plat.h"

/* Bytes, at most, that a configuration takes: of any, and for each of its
 * text, as it is read. */
#define EDITION_ROOM	(4u << 20)
#define EDITION_TIMES	128u

static const char *
edition_env(const char *name)
{
	return (getenv(name));
}

static bool edition_fits(size_t text);

/* A file that the configuration names, and that is a part of it. */
static bool
edition_part(const void *arg, const char *path, struct buf *out,
    const char **why)
{
	(void)arg;
	if (load_text(path, out) == 0 && edition_fits(out->wpos))
		return (true);
	*why = strerror(errno == 0 ? ENOMEM : errno);
	return (false);
}

struct conf_source
edition_origin(const struct edition *e, const struct edition_source *from)
{
	return ((struct conf_source){ .file = from->file,
		.text = buf_unread(&e->text), .overrides = from->overrides,
		.noverrides = from->noverrides, .env = edition_env,
		.read = edition_part });
}

/* What makes a configuration of a text has no way out when memory is short, and
 * this may be a daemon that serves: it is asked for beforehand. */
static bool
edition_fits(size_t text)
{
	return (plat_has_memory(EDITION_ROOM + EDITION_TIMES * text));
}

static int
edition_parse(struct edition *e, const struct edition_source *from,
    const struct conf *before, struct conf_errors *errors)
{
	struct conf_source source;

	if (from->packet.n > 0) {
		buf_slice(&e->text, conf_packed_text(from->packet));
		e->conf = conf_unpack(from->packet, edition_env, errors);
		return (0);
	}
	if (load_text(from->file, &e->text) == -1)
		return (-1);
	if (!edition_fits(e->text.wpos)) {
		errno = ENOMEM;
		return (-1);
	}
	source = edition_origin(e, from);
	source.before = before;
	e->conf = conf_parse(&source, errors);
	if (e->conf != NULL && e->conf->workers > SHM_WORKERS_MAX)
		conf_error(errors, from->file, conf_line(e->conf, "workers"),
		    "workers = %u: more than %d", e->conf->workers, SHM_WORKERS_MAX);
	return (0);
}

/* Relative to where we were started, from wherever we are then.  false: no
 * memory. */
static bool
edition_absolute(char **path, const char *from)
{
	char *whole;

	if ((*path)[0] == '\0' || (*path)[0] == '/')
		return (true);
	if (asprintf(&whole, "%s/%s", from, *path) == -1)
		return (false);
	free(*path);
	*path = whole;
	return (true);
}

/* What is opened, or removed, later than now is named from the root. */
static void
edition_root(struct edition *e, const struct edition_source *from,
    struct conf_errors *errors)
{
	struct conf_redis *r = &e->conf->redis;
	char **const paths[] = { &e->conf->pidfile, &e->conf->stats_file,
		&r->password_file, &r->sentinel_password_file,
		&r->secret_file, &r->ca, &r->certificate, &r->key };
	size_t i;

	for (i = 0; i < nitems(paths); i++)
		if (!edition_absolute(paths[i], from->directory)) {
			conf_error(errors, from->file, 0, "%s",
			    strerror(ENOMEM));
			return;
		}
}

/* A start has a message and an exit code of its own for that. */
static void
edition_check_user(const struct edition *e, const struct edition_source *from,
    struct conf_errors *errors)
{
	const char *name = e->conf->user;
	struct plat_user user;

	if (name[0] != '\0' && plat_user_find(name, &user) == -1)
		conf_error(errors, from->file, conf_line(e->conf, "user"),
		    "user \"%s\": %s", name, errno == 0 ? "no such user" : strerror(errno));
}

static void
edition_look(struct edition *e, const struct edition_source *from,
    enum edition_depth depth, struct conf_errors *errors)
{
	if (depth >= EDITION_FILES)
		e->load = load_all(e->conf, from->file, errors);
	if (depth == EDITION_CHECK) {
		edition_check_user(e, from, errors);
		load_check_redis(e->conf, from->file, errors);
	}
	if (from->directory != NULL)
		edition_root(e, from, errors);
}

/* All but the way there and back. */
static struct edition *
edition_read_here(const struct edition_source *from, const struct conf *before,
    enum edition_depth depth, struct conf_errors *errors)
{
	struct edition *e = calloc(1, sizeof *e);
	int error;

	if (e == NULL)
		return (NULL);
	e->magic = EDITION_MAGIC;
	buf_init(&e->text);
	error = edition_parse(e, from, before, errors) == -1 ? errno : 0;
	if (e->conf != NULL)
		edition_look(e, from, depth, errors);
	if (e->conf == NULL || errors->count > 0)
		edition_free(&e);
	errno = error;
	return (e);
}

struct edition *
edition_read(const struct edition_source *from, const struct conf *before,
    enum edition_depth depth, struct conf_errors *errors)
{
	struct edition *e;
	int error;

	if (from->directory != NULL && chdir(from->directory) == -1) {
		conf_error(errors, from->directory, 0, "%s", strerror(errno));
		return (NULL);
	}
	e = edition_read_here(from, before, depth, errors);
	error = errno;
	if (from->directory != NULL && chdir("/") == -1) {
		conf_error(errors, "/", 0, "%s", strerror(errno));
		edition_free(&e);
	}
	errno = error;
	return (e);
}

void
edition_free(struct edition **ep)
{
	struct edition *e = *ep;

	if (e == NULL)
		return;
	*ep = NULL;
	CHECK_MAGIC(e, EDITION_MAGIC);
	load_free(&e->load);
	conf_free(&e->conf);
	if (e->text.data != NULL)
		explicit_bzero(e->text.data, e->text.cap);
	buf_fini(&e->text);
	e->magic = 0;
	free(e);
}

unsigned
edition_workers(const struct edition *e)
{
	unsigned n;

	n = e->conf->workers != 0 ? e->conf->workers : plat_cpus();
	return (n > SHM_WORKERS_MAX ? SHM_WORKERS_MAX : n);
}
