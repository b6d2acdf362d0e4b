/*
 * The record on its way to another program; see pass.h.
 */
#include "master/upgrade/pass.h"

#include <bsd/stdlib.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/upgrade/record.h"
#include "sys/sealed.h"

#define PASS_BYTES_MAX	(64 << 20)

static const char *const pass_words[] = {
	[PASS_TRIAL] = "trial",
	[PASS_ON] = "on",
	[PASS_BACK] = "back",
};

/* --- there ------------------------------------------------------------------*/

int
pass_make(const struct record *r)
{
	struct buf b;
	int error, fd = -1;

	buf_init(&b);
	record_save(r, &b);
	errno = ENOMEM;
	if (!b.oom)
		fd = sealed_new("roostd-upgrade", buf_unread(&b));
	error = errno;
	if (b.data != NULL)
		explicit_bzero(b.data, b.cap); /* keys, in what it holds */
	buf_fini(&b);
	errno = error;
	return (fd);
}

char *
pass_variable(enum pass_way way, int fd, const char *why)
{
	char *text;

	if (asprintf(&text, "%s=%s:%d%s%.*s", PASS_VARIABLE, pass_words[way],
	    fd, why == NULL ? "" : ":", PASS_WHY_MAX - 1,
	    why == NULL ? "" : why) == -1)
		return (NULL);
	return (text);
}

/* --- and here ---------------------------------------------------------------*/

static void
pass_bad(struct pass *p, const char *why)
{
	p->asked = p->way;
	p->way = PASS_BAD;
	(void)snprintf(p->why, sizeof p->why, "%s", why);
}

/* WAY:FD, and WHY behind it. */
static bool
pass_parse(struct pass *p, char *text)
{
	char *fd = strchr(text, ':'), *why;
	const char *bad;
	unsigned i;

	if (fd == NULL)
		return (false);
	*fd++ = '\0';
	why = strchr(fd, ':');
	if (why != NULL)
		*why++ = '\0';
	p->fd = (int)strtonum(fd, STDERR_FILENO + 1, 1 << 24, &bad);
	if (bad != NULL)
		return (false);
	for (i = PASS_TRIAL; i <= PASS_BACK; i++)
		if (strcmp(text, pass_words[i]) == 0)
			p->way = (enum pass_way)i;
	if (why != NULL)
		(void)snprintf(p->why, sizeof p->why, "%s", why);
	return (p->way != PASS_NONE);
}

/* Is it from this process, or for a trial from its parent? */
static bool
pass_is_ours(const struct pass *p)
{
	return (p->record->pid == (uint32_t)(p->way == PASS_TRIAL ?
	    getppid() : getpid()));
}

static void
pass_load(struct pass *p)
{
	unsigned version = 0;
	struct buf bytes;

	buf_init(&bytes);
	/* nobody else makes such memory by mistake */
	if (sealed_read(p->fd, PASS_BYTES_MAX, &bytes) == -1) {
		pass_bad(p, "only a running roostd sets it");
		buf_fini(&bytes);
		return;
	}
	p->record = malloc(sizeof *p->record);
	if (p->record == NULL) {
		pass_bad(p, "memory is short");
	} else if (!record_load(buf_unread(&bytes), p->record,
	    &version)) {
		p->stranger = version != 0 && version != RECORD_VERSION;
		(void)snprintf(p->why, sizeof p->why, p->stranger ?
		    "its record is of version %u, and this program knows %d: "
		    "a restart is needed" :
		    "its record of version %u is not whole", version,
		    RECORD_VERSION);
		p->asked = p->way;
		p->way = PASS_BAD;
	} else if (!pass_is_ours(p))
		pass_bad(p, "only a running roostd sets it");
	else {
		p->bytes = bytes;
		return;
	}
	free(p->record);
	p->record = NULL;
	buf_fini(&bytes);
}

void
pass_take(struct pass *p)
{
	const char *value = getenv(PASS_VARIABLE);
	char *text;

	memset(p, 0, sizeof *p);
	p->fd = -1;
	if (value == NULL)
		return;
	text = strdup(value);
	(void)unsetenv(PASS_VARIABLE);
	if (text == NULL)
		pass_bad(p, "memory is short");
	else if (!pass_parse(p, text))
		pass_bad(p, "only a running roostd sets it");
	else
		pass_load(p);
	free(text);
	if (p->fd != -1 && p->way != PASS_BAD)
		(void)fcntl(p->fd, F_SETFD, FD_CLOEXEC);
}
