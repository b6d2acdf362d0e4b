/*
 * The greeting of a link: AUTH, SELECT, CLIENT SETNAME and PING, in one write,
 * and what their replies mean.
 */
#include "relay/redis/link_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "conf/conf.h"
#include "shm/counters.h"

#define LINK_PASSWORD	1024	/* bytes, at most */

/* Read anew for each connection: it may have changed.  false: failed. */
static bool
link_password_file(struct link *l, char *to)
{
	const char *path = l->p.conf->password_file;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd == -1 ? -1 : read(fd, to, LINK_PASSWORD);
	int error = errno;

	if (fd != -1)
		(void)close(fd);
	if (n == -1 || n == LINK_PASSWORD) {
		link_fail(l, REDIS_NO_PASSWORD, n == -1 ? strerror(error) :
		    "it has more than 1023 bytes");
		return (false);
	}
	while (n > 0 && (to[n - 1] == '\n' || to[n - 1] == '\r'))
		n--;
	to[n] = '\0';
	if (n > 0)
		return (true);
	link_fail(l, REDIS_NO_PASSWORD, "it is empty");
	return (false);
}

static bool
link_say(struct link *l, enum link_greeting what, const struct slice *argv,
    size_t n)
{
	if (!link_encode(l, argv, n))
		return (false);
	l->greeting[l->ngreeting++] = what;
	return (true);
}

static bool
link_say_auth(struct link *l, const char *password)
{
	const char *user = l->p.conf->url.user;
	struct slice argv[3] = { SLICE("AUTH") };
	size_t n = 1;

	if (user != NULL && user[0] != '\0')
		argv[n++] = slice_str(user);
	argv[n++] = slice_str(password);
	return (link_say(l, LINK_AUTH, argv, n));
}

static bool
link_say_rest(struct link *l)
{
	char database[16], name[64];
	struct slice select[] = { SLICE("SELECT"), { NULL, 0 } };
	struct slice setname[] = { SLICE("CLIENT"), SLICE("SETNAME"),
		{ NULL, 0 } };
	struct slice ping[] = { SLICE("PING") };

	(void)snprintf(database, sizeof database, "%u",
	    l->p.conf->url.database);
	(void)snprintf(name, sizeof name, "roostd-%s", l->p.name);
	select[1] = slice_str(database);
	setname[2] = slice_str(name);
	return ((l->p.conf->url.database == 0 ||
	    link_say(l, LINK_SELECT, select, nitems(select))) &&
	    link_say(l, LINK_NAME, setname, nitems(setname)) &&
	    link_say(l, LINK_PING, ping, nitems(ping)));
}

void
link_greet(struct link *l)
{
	char secret[LINK_PASSWORD];
	const char *password = l->p.conf->url.password;

	if (l->p.conf->password_file[0] != '\0') {
		if (!link_password_file(l, secret))
			return;
		password = secret;
	}
	l->reader = reply_reader_new(&l->p.limits);
	if (l->reader == NULL || (password != NULL && password[0] != '\0' &&
	    !link_say_auth(l, password)) || !link_say_rest(l)) {
		link_fail(l, REDIS_SHORT, "out of memory");
		return;
	}
	explicit_bzero(secret, sizeof secret);
	l->state = LINK_GREETING;
	(void)link_want(l, false);
}

/* A reply to the greeting; the last one opens the link. */
void
link_on_greeting(struct link *l, const struct reply *o)
{
	if (o->type == REPLY_ERROR)
		reply_words(o, l->said);
	switch (l->greeting[l->greeted++]) {
	case LINK_AUTH:
		if (o->type == REPLY_ERROR)
			link_fail(l, REDIS_REFUSED, l->said);
		break;
	case LINK_SELECT:
		if (o->type == REPLY_ERROR)
			link_fail(l, reply_is_error(o, SLICE("NOAUTH")) ?
			    REDIS_REFUSED : REDIS_ERRORS, l->said);
		break;
	case LINK_NAME:
		break;		/* it is for people; it may be denied */
	case LINK_PING:
		if (o->type == REPLY_ERROR) {
			link_fail(l, reply_is_error(o, SLICE("NOAUTH")) ?
			    REDIS_REFUSED :
			    reply_is_error(o, SLICE("NOPERM")) ?
			    REDIS_DENIED : REDIS_ERRORS, l->said);
			break;
		}
		timer_stop(loop_wheel(l->p.loop), &l->timer);
		l->state = LINK_UP;
		l->since = loop_now(l->p.loop);
		counter_add(COUNTER_redis_connects, 1);
		l->p.calls.up(l->p.calls.arg);
		break;
	}
}
