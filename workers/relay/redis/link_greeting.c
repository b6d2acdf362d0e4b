/*
 * The greeting of a link: AUTH, HELLO, SELECT, CLIENT SETNAME, ROLE and PING,
 * in one write, and what their replies mean; and AUTH once more while it is up.
 */
#include "relay/redis/link_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "conf/conf.h"
#include "shm/counters.h"
#include "sys/log.h"

#define LINK_PASSWORD	1024	/* bytes, at most */
#define LINK_RESP	3	/* the version that takes AUTH while it listens */
#define LINK_RENEW_MS	1000	/* for the answer to an AUTH among messages */
#define LINK_RENEW_TRIES 3

/* What is to be told; NULL: none, or (*wrong) it cannot be read.  Read anew for
 * each connection: it may have changed. */
static const char *
link_password(const struct link *l, char secret[LINK_PASSWORD],
    const char **wrong)
{
	const char *path = l->p.conf->password_file;
	int fd, error;
	ssize_t n;

	*wrong = NULL;
	if (path[0] == '\0')
		return (l->p.conf->url.password);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	n = fd == -1 ? -1 : read(fd, secret, LINK_PASSWORD);
	error = errno;
	if (fd != -1)
		(void)close(fd);
	if (n == LINK_PASSWORD)
		*wrong = "it has more than 1023 bytes";
	while (n > 0 && (secret[n - 1] == '\n' || secret[n - 1] == '\r'))
		n--;
	if (n <= 0)
		*wrong = n == -1 ? strerror(error) : "it is empty";
	if (*wrong != NULL)
		return (NULL);
	secret[n] = '\0';
	return (secret);
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
link_encode_auth(struct link *l, const char *password)
{
	const char *user = l->p.conf->url.user;
	struct slice argv[3] = { SLICE("AUTH") };
	size_t n = 1;

	if (user != NULL && user[0] != '\0')
		argv[n++] = slice_str(user);
	argv[n++] = slice_str(password);
	return (link_encode(l, argv, n));
}

static bool
link_say_auth(struct link *l, const char *password)
{
	if (password == NULL || password[0] == '\0')
		return (true);
	l->greeting[l->ngreeting++] = LINK_AUTH;
	return (link_encode_auth(l, password));
}

static bool
link_say_rest(struct link *l)
{
	char database[16], name[64], version[4];
	struct slice select[] = { SLICE("SELECT"), { NULL, 0 } };
	struct slice setname[] = { SLICE("CLIENT"), SLICE("SETNAME"),
		{ NULL, 0 } };
	struct slice ping[] = { SLICE("PING") };
	struct slice role[] = { SLICE("ROLE") };
	struct slice hello[] = { SLICE("HELLO"), { NULL, 0 } };

	(void)snprintf(database, sizeof database, "%u",
	    l->p.conf->url.database);
	(void)snprintf(name, sizeof name, "roostd-%s", l->p.name);
	(void)snprintf(version, sizeof version, "%u",
	    l->p.listens ? LINK_RESP : 2);
	hello[1] = slice_str(version);
	select[1] = slice_str(database);
	setname[2] = slice_str(name);
	return (((!l->p.listens && !l->p.asks_mode) ||
	    link_say(l, LINK_HELLO, hello, nitems(hello))) &&
	    (l->p.conf->url.database == 0 ||
	    link_say(l, LINK_SELECT, select, nitems(select))) &&
	    link_say(l, LINK_NAME, setname, nitems(setname)) &&
	    (l->p.conf->nsentinels == 0 ||
	    link_say(l, LINK_ROLE, role, nitems(role))) &&
	    link_say(l, LINK_PING, ping, nitems(ping)));
}

void
link_greet(struct link *l)
{
	/* of HELLO: a page, with a module on each line */
	static const struct reply_limits limits = { 6, 4096, 256u << 10 };
	char secret[LINK_PASSWORD];
	const char *password, *wrong;
	bool ok;

	password = link_password(l, secret, &wrong);
	if (wrong != NULL) {
		link_fail(l, REDIS_NO_PASSWORD, wrong);
		return;
	}
	l->reader = reply_reader_new(&limits);
	ok = l->reader != NULL && link_say_auth(l, password) &&
	    link_say_rest(l);
	explicit_bzero(secret, sizeof secret);
	if (!ok) {
		link_fail(l, REDIS_SHORT, "out of memory");
		return;
	}
	l->state = LINK_GREETING;
	(void)link_want(l, false);
}

static void
link_greeted(struct link *l)
{
	unsigned attempt = l->attempt;

	timer_stop(loop_wheel(l->p.loop), &l->timer);
	reply_reader_limit(l->reader, &l->p.limits);
	l->state = LINK_UP;
	l->since = loop_now(l->p.loop);
	l->asked = l->answered = 0;
	counter_add(COUNTER_redis_connects, 1);
	l->p.calls.up(l->p.calls.arg);
	if (l->attempt == attempt && l->renew_again)
		link_renew(l);
}

/* A map, or what RESP2 makes of it. */
static enum link_mode
link_read_mode(const struct reply *o)
{
	size_t i;

	for (i = 0; o->type == REPLY_ARRAY && i + 1 < o->n; i += 2) {
		if (!slice_eq(o->elements[i]->text, SLICE("mode")))
			continue;
		return (slice_eq(o->elements[i + 1]->text, SLICE("cluster")) ?
		    LINK_MODE_CLUSTER : LINK_MODE_ALONE);
	}
	return (LINK_MODE_UNKNOWN);
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
	case LINK_HELLO:
		/* before Redis 6 there is but RESP2 */
		l->resp3 = l->p.listens && o->type != REPLY_ERROR;
		l->mode = link_read_mode(o);
		if (reply_is_error(o, SLICE("NOAUTH")))
			link_fail(l, REDIS_REFUSED, l->said);
		break;
	case LINK_SELECT:
		if (o->type == REPLY_ERROR)
			link_fail(l, reply_is_error(o, SLICE("NOAUTH")) ?
			    REDIS_REFUSED : REDIS_ERRORS, l->said);
		break;
	case LINK_NAME:
		break;		/* it is for people; it may be denied */
	case LINK_ROLE:
		/* a Sentinel may not know yet; who may not ask, trusts it */
		if (o->type == REPLY_ARRAY && (o->n == 0 ||
		    !slice_eq(o->elements[0]->text, SLICE("master"))))
			link_fail(l, REDIS_READONLY, "its ROLE is another one");
		break;
	case LINK_PING:
		if (o->type == REPLY_ERROR) {
			link_fail(l, reply_is_error(o, SLICE("NOAUTH")) ?
			    REDIS_REFUSED :
			    reply_is_error(o, SLICE("NOPERM")) ?
			    REDIS_DENIED :
			    reply_is_error(o, SLICE("MASTERDOWN")) ?
			    REDIS_READONLY : REDIS_ERRORS, l->said);
			break;
		}
		link_greeted(l);
		break;
	case LINK_GREETINGS:
		break;
	}
}

/* --- another password -----------------------------------------------------*/

static void
link_renew_failed(const struct link *l, const char *words)
{
	counter_add(COUNTER_redis_renewals_failed, 1);
	log_warnx("redis_password_not_renewed url=%s connection=%s file=\"%s\" "
	    "said=\"%s\"", l->p.conf->url.shown, l->p.name,
	    l->p.conf->password_file, words);
}

void
link_renew(struct link *l)
{
	char secret[LINK_PASSWORD];
	const char *password, *wrong;

	CHECK_MAGIC(l, LINK_MAGIC);
	l->renew_again = l->state == LINK_GREETING || l->renewing;
	if (l->state != LINK_UP || l->renewing ||
	    l->p.conf->password_file[0] == '\0')
		return;
	if (l->p.listens && !l->resp3) {
		link_fail(l, REDIS_RENEWED, "it does not speak RESP3");
		return;
	}
	password = link_password(l, secret, &wrong);
	if (wrong == NULL && !link_encode_auth(l, password))
		wrong = "no room in the queue";
	explicit_bzero(secret, sizeof secret);
	if (wrong != NULL) {
		link_renew_failed(l, wrong);
		return;
	}
	l->renewing = true;
	l->renew_at = l->asked;
	/* elsewhere answers come in their order, or the owner finds it silent */
	if (l->p.listens)
		link_wait(l, LINK_RENEW_MS);
}

/* Redis 8.0 loses answers to AUTH on a connection to which messages come. */
void
link_on_unanswered(struct link *l)
{
	l->renewing = false;
	l->renew_late++;
	if (++l->renew_tries == LINK_RENEW_TRIES) {
		link_renew_failed(l, "no answer");
		if (!l->renew_again) {
			l->renew_tries = 0;
			return;
		}
	}
	link_renew(l);
	if (!l->renewing || l->renew_tries >= LINK_RENEW_TRIES)
		l->renew_tries = 0;
}

/*
 * Where messages come in between, answers cannot be counted, but are told by
 * what they say: +OK is the answer to nothing else there, and SUBSCRIBE has
 * other errors.
 */
static bool
link_is_renewed(const struct link *l, const struct reply *o)
{
	if (!l->p.listens)
		return (l->answered == l->renew_at);
	return ((o->type == REPLY_STATUS && slice_eq(o->text, SLICE("OK"))) ||
	    reply_is_error(o, SLICE("WRONGPASS")) ||
	    reply_is_error(o, SLICE("ERR")));
}

bool
link_on_renewed(struct link *l, const struct reply *o)
{
	char words[REPLY_WORDS];

	if (!link_is_renewed(l, o))
		return (false);
	if (!l->renewing) {
		l->renew_late--;	/* what came of a later one was told */
		return (true);
	}
	timer_stop(loop_wheel(l->p.loop), &l->timer);
	l->renewing = false;
	l->renew_tries = 0;
	if (o->type == REPLY_ERROR) {
		reply_words(o, words);
		link_renew_failed(l, words);
	} else {
		counter_add(COUNTER_redis_renewals, 1);
		log_info("redis_password_renewed url=%s connection=%s",
		    l->p.conf->url.shown, l->p.name);
	}
	if (l->renew_again)
		link_renew(l);
	return (true);
}
