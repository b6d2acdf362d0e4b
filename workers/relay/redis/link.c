/*
 * A connection to Redis; see link.h.  An attempt goes through the states in
 * their order; link_fail() is the only way back.
 */
#include "relay/redis/link.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "conf/conf.h"
#include "proto/codec.h"
#include "relay/redis/backoff.h"
#include "relay/redis/resolve.h"
#include "relay/redis/secure.h"
#include "shm/counters.h"

#define LINK_ATTEMPT_MS	5000	/* from the name to the last of the greeting */
#define LINK_DEAD_MS	8000	/* unacknowledged bytes, or no answer to a probe,
				 * for so long: the kernel gives up */
#define LINK_STABLE_MS	5000	/* up for so long: next time starts at once */
#define LINK_READ	(64u << 10)
#define LINK_READS	64	/* in a turn */
#define LINK_KEEP	(1u << 20)	/* larger empty queues are given back */
#define LINK_PASSWORD	1024	/* bytes, at most */

enum link_state {
	LINK_WAITING,		/* for the next attempt */
	LINK_RESOLVING, LINK_CONNECTING, LINK_SECURING, LINK_GREETING, LINK_UP
};
/* What a reply of the greeting is to. */
enum link_greeting { LINK_AUTH, LINK_SELECT, LINK_NAME, LINK_PING };

struct link {
	unsigned	 magic;
#define LINK_MAGIC	0x11c4ed15
	struct link_params p;
	enum link_state	 state;
	unsigned	 attempt;	/* changes with each */
	unsigned	 failures;	/* in a row */
	struct timer	 timer;		/* the next attempt, or the end of this */
	struct mono	 since;		/* up since */
	struct mono	 heard;
	struct resolve	 resolve;
	struct resolved	 to;
	unsigned	 first, tried;	/* addresses of `to` */
	struct loop_fd	 io;		/* fd -1: none */
	struct secure	*tls;
	struct buf	 out;
	bool		 blocked;
	struct reply_reader *reader;
	enum link_greeting greeting[4];
	unsigned	 ngreeting, greeted;
	char		 said[REPLY_WORDS]; /* an error during the greeting */
};

static void	link_greet(struct link *);

/* --- failing --------------------------------------------------------------*/

static void	link_on_timer(struct timer *, struct mono);

static void
link_close(struct link *l)
{
	resolve_stop(&l->resolve);
	secure_free(&l->tls);
	if (l->io.fd != -1) {
		loop_del(l->p.loop, &l->io);
		(void)close(l->io.fd);
		l->io.fd = -1;
	}
	counter_sub(COUNTER_redis_queue_bytes, buf_unread(&l->out).n);
	buf_fini(&l->out);
	buf_init(&l->out);
	reply_reader_free(&l->reader);
	l->blocked = false;
	l->ngreeting = l->greeted = 0;
	l->said[0] = '\0';
}

static void
link_wait(struct link *l, uint64_t ms)
{
	timer_start(loop_wheel(l->p.loop), &l->timer,
	    mono_add_ms(loop_now(l->p.loop), ms), link_on_timer);
}

void
link_fail(struct link *l, enum redis_state why, const char *words)
{
	bool was_up = l->state == LINK_UP;
	char said[sizeof l->said];
	uint32_t random = 0;

	CHECK_MAGIC(l, LINK_MAGIC);
	/* words may be of what is closed here */
	(void)snprintf(said, sizeof said, "%s", words);
	if (was_up && loop_now(l->p.loop).us - l->since.us >=
	    LINK_STABLE_MS * 1000)
		l->failures = 0;
	l->failures++;
	l->attempt++;
	link_close(l);
	l->state = LINK_WAITING;
	counter_add(COUNTER_redis_failures, 1);
	if (getrandom(&random, sizeof random, GRND_NONBLOCK) == -1)
		random = (uint32_t)loop_now(l->p.loop).us;
	link_wait(l, backoff_ms(l->failures, random));
	l->p.calls.down(l->p.calls.arg, was_up, why, said);
}

/* --- commands -------------------------------------------------------------*/

static void
link_put_number(struct buf *b, char type, size_t n)
{
	buf_byte(b, (uint8_t)type);
	buf_u64(b, n);
	buf_str(b, "\r\n");
}

/* RESP: an array of strings with their lengths.  All of it or nothing. */
static bool
link_encode(struct link *l, const struct slice *argv, size_t n)
{
	struct buf *b = &l->out;
	size_t i, bytes = 32, before = b->wpos;

	for (i = 0; i < n; i++)
		bytes += argv[i].n + 32;
	if (buf_unread(b).n + bytes > l->p.queue_bytes ||
	    !buf_reserve(b, bytes)) {
		b->oom = false;
		return (false);
	}
	before = buf_unread(b).n;
	link_put_number(b, '*', n);
	for (i = 0; i < n; i++) {
		link_put_number(b, '$', argv[i].n);
		buf_slice(b, argv[i]);
		buf_str(b, "\r\n");
	}
	MUST(!b->oom);
	counter_add(COUNTER_redis_commands, 1);
	counter_add(COUNTER_redis_queue_bytes, buf_unread(b).n - before);
	return (true);
}

bool
link_command(struct link *l, const struct slice *argv, size_t n)
{
	CHECK_MAGIC(l, LINK_MAGIC);
	return (l->state == LINK_UP && link_encode(l, argv, n));
}

/* --- bytes ----------------------------------------------------------------*/

static bool
link_want(struct link *l, bool out)
{
	l->blocked = out;
	if (loop_mod(l->p.loop, &l->io, out ? LOOP_IN | LOOP_OUT : LOOP_IN) ==
	    0)
		return (true);
	link_fail(l, REDIS_SHORT, strerror(errno));
	return (false);
}

/* > 0, 0: not now, -1: link_fail() was called. */
static ssize_t
link_send(struct link *l, struct slice s)
{
	ssize_t n;

	counter_add(COUNTER_redis_writes, 1);
	if (l->tls != NULL)
		n = secure_write(l->tls, s.p, s.n);
	else
		n = send(l->io.fd, s.p, s.n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0)
		return (n);
	if (l->tls != NULL ? n == SECURE_WANT_READ || n == SECURE_WANT_WRITE :
	    errno == EAGAIN || errno == EINTR || errno == ENOBUFS ||
	    errno == ENOMEM)
		return (0);
	link_fail(l, REDIS_LOST, l->tls != NULL ? "the connection ended" :
	    strerror(errno));
	return (-1);
}

void
link_flush(struct link *l)
{
	struct slice s;
	ssize_t n;

	CHECK_MAGIC(l, LINK_MAGIC);
	if (l->state < LINK_GREETING || l->blocked)
		return;
	/* TLS takes a record at a time, a socket all that it has room for */
	while ((s = buf_unread(&l->out)).n > 0) {
		n = link_send(l, s);
		if (n < 0)
			return;
		if (n == 0) {
			(void)link_want(l, true);
			return;
		}
		counter_add(COUNTER_redis_bytes_out, (uint64_t)n);
		counter_sub(COUNTER_redis_queue_bytes, (uint64_t)n);
		buf_consume(&l->out, (size_t)n);
	}
	if (l->out.cap > LINK_KEEP) {
		buf_fini(&l->out);
		buf_init(&l->out);
	}
}

/* --- replies --------------------------------------------------------------*/

/* A reply to the greeting; the last one opens the link. */
static void
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

static void
link_reply(struct link *l, const struct reply *o)
{
	if (o->type == REPLY_ERROR)
		counter_add(COUNTER_redis_errors, 1);
	if (l->state == LINK_UP)
		l->p.calls.reply(l->p.calls.arg, o);
	else
		link_on_greeting(l, o);
}

/* What came; false: this attempt is over. */
static bool
link_take(struct link *l, struct slice in)
{
	unsigned attempt = l->attempt;
	struct reply *o;
	int n;

	counter_add(COUNTER_redis_bytes_in, in.n);
	l->heard = loop_now(l->p.loop);
	n = reply_feed(l->reader, in) == 0 ? 1 : CODEC_BAD;
	while (n == 1 && (n = reply_next(l->reader, &o)) == 1) {
		link_reply(l, o);
		reply_free(&o);
		if (l->attempt != attempt)
			return (false);
	}
	if (n != CODEC_BAD)
		return (true);
	link_fail(l, REDIS_NONSENSE, reply_why(l->reader));
	return (false);
}

static void
link_ended(struct link *l, const char *words)
{
	bool greeting = l->state == LINK_GREETING;

	link_fail(l, greeting && l->said[0] != '\0' ? REDIS_ERRORS :
	    REDIS_LOST, greeting && l->said[0] != '\0' ? l->said : words);
}

/* One read; false: no more now, or not ever. */
static bool
link_read_once(struct link *l)
{
	static uint8_t bytes[LINK_READ];	/* shared: one thread */
	ssize_t n;

	if (l->tls != NULL)
		n = secure_read(l->tls, bytes, sizeof bytes);
	else
		n = recv(l->io.fd, bytes, sizeof bytes, MSG_DONTWAIT);
	if (n > 0)
		return (link_take(l, slice_of(bytes, (size_t)n)));
	if (n == 0)
		link_ended(l, "the connection ended");
	else if (l->tls != NULL && n == SECURE_FAILED)
		link_fail(l, REDIS_INSECURE, secure_why(l->tls));
	else if (l->tls != NULL && n == SECURE_GONE)
		link_ended(l, "the connection ended");
	else if (l->tls == NULL && errno != EAGAIN && errno != EINTR &&
	    errno != ENOBUFS && errno != ENOMEM)
		link_ended(l, strerror(errno));
	return (false);
}

static void
link_read(struct link *l)
{
	unsigned i;

	/* what TLS has taken from the socket no event tells of */
	for (i = 0; i < LINK_READS || (l->tls != NULL &&
	    secure_pending(l->tls)); i++)
		if (!link_read_once(l))
			return;
}

/* --- an attempt, from its end to its beginning ----------------------------*/

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

static void
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

static void
link_shake(struct link *l)
{
	int r = secure_handshake(l->tls);

	if (r == 1)
		link_greet(l);
	else if (r == SECURE_WANT_READ || r == SECURE_WANT_WRITE)
		(void)link_want(l, r == SECURE_WANT_WRITE);
	else
		link_fail(l, REDIS_INSECURE, r == SECURE_FAILED ?
		    secure_why(l->tls) : "the connection ended");
}

static void
link_connected(struct link *l)
{
	const char *why;

	if (!l->p.conf->url.tls) {
		link_greet(l);
		return;
	}
	l->tls = secure_new(l->p.conf, l->io.fd, &why);
	if (l->tls == NULL) {
		link_fail(l, REDIS_INSECURE, why);
		return;
	}
	l->state = LINK_SECURING;
	link_shake(l);
}

static void	link_try_next(struct link *, const char *);

static void
link_on_connect(struct link *l)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(l->io.fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		error = errno;
	if (error == 0) {
		link_connected(l);
		return;
	}
	loop_del(l->p.loop, &l->io);
	(void)close(l->io.fd);
	l->io.fd = -1;
	link_try_next(l, strerror(error));
}

static void
link_on_event(struct loop_fd *f, unsigned events)
{
	struct link *l = container_of(f, struct link, io);

	CHECK_MAGIC(l, LINK_MAGIC);
	if (l->state == LINK_CONNECTING) {
		link_on_connect(l);
		return;
	}
	if (l->state == LINK_SECURING) {
		link_shake(l);
		return;
	}
	if ((events & LOOP_OUT) && !link_want(l, false))
		return;		/* the end of the turn writes */
	if (events & (LOOP_IN | LOOP_HUP))
		link_read(l);
}

/* A silent peer is the kernel's affair, too: bytes it does not acknowledge. */
static void
link_tune(int fd)
{
	static const struct {
		int	 level, name, value;
	} options[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, LINK_DEAD_MS },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, 4 },
		{ IPPROTO_TCP, TCP_KEEPINTVL, 2 },
		{ IPPROTO_TCP, TCP_KEEPCNT, 2 },
	};
	size_t i;

	for (i = 0; i < nitems(options); i++)
		(void)setsockopt(fd, options[i].level, options[i].name,
		    &options[i].value, sizeof options[i].value);
}

/* 0: on its way; else errno. */
static int
link_connect(struct link *l, const struct resolve_addr *to)
{
	int error, fd;

	fd = socket(to->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0);
	if (fd == -1)
		return (errno);
	if (to->sa.ss_family != AF_UNIX)
		link_tune(fd);
	if ((connect(fd, (const struct sockaddr *)(const void *)&to->sa,
	    to->len) == -1 && errno != EINPROGRESS) ||
	    loop_add(l->p.loop, &l->io, fd, LOOP_OUT, link_on_event) == -1) {
		error = errno;
		(void)close(fd);
		return (error);
	}
	return (0);
}

/* The next address of the name, until there is one left that may do. */
static void
link_try_next(struct link *l, const char *words)
{
	const struct resolve_addr *to;
	int error;

	l->state = LINK_CONNECTING;
	while (l->tried < l->to.n) {
		to = &l->to.addrs[(l->first + l->tried++) % l->to.n];
		error = link_connect(l, to);
		if (error == 0)
			return;
		words = strerror(error);
	}
	link_fail(l, REDIS_UNREACHABLE, words);
}

static void
link_on_resolved(struct resolve *v, const struct resolved *r)
{
	struct link *l = container_of(v, struct link, resolve);

	if (r->n == 0) {
		link_fail(l, REDIS_UNRESOLVED, r->why);
		return;
	}
	l->to = *r;
	l->tried = 0;
	link_try_next(l, "");
}

static void
link_to_path(struct link *l, const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	MUST(strlen(path) < sizeof sun.sun_path);
	(void)snprintf(sun.sun_path, sizeof sun.sun_path, "%s", path);
	memset(&l->to, 0, sizeof l->to);
	memcpy(&l->to.addrs[0].sa, &sun, sizeof sun);
	l->to.addrs[0].len = sizeof sun;
	l->to.n = 1;
	l->tried = 0;
	link_try_next(l, "");
}

static void
link_attempt(struct link *l)
{
	const struct conf_redis_url *url = &l->p.conf->url;

	link_wait(l, LINK_ATTEMPT_MS);
	if (url->path != NULL) {
		link_to_path(l, url->path);
		return;
	}
	l->state = LINK_RESOLVING;
	resolve_start(&l->resolve, url->host, url->port);
}

/* The next attempt is due, or this one has taken too long. */
static void
link_on_timer(struct timer *t, struct mono now)
{
	struct link *l = container_of(t, struct link, timer);

	(void)now;
	switch (l->state) {
	case LINK_WAITING:
		link_attempt(l);
		break;
	case LINK_RESOLVING:
		link_fail(l, REDIS_UNRESOLVED, "no answer in time");
		break;
	case LINK_CONNECTING:
		l->first++;	/* another may be there */
		link_fail(l, REDIS_UNREACHABLE, "no answer in time");
		break;
	case LINK_SECURING:
		link_fail(l, REDIS_INSECURE, "no answer in time");
		break;
	case LINK_GREETING:
		l->first++;
		link_fail(l, REDIS_SILENT, "no answer in time");
		break;
	case LINK_UP:
		break;
	}
}

/* --- birth and death ------------------------------------------------------*/

struct link *
link_new(const struct link_params *p)
{
	struct link *l = calloc(1, sizeof *l);

	if (l == NULL)
		return (NULL);
	l->magic = LINK_MAGIC;
	l->p = *p;
	l->io.fd = -1;
	buf_init(&l->out);
	resolve_init(&l->resolve, p->loop, link_on_resolved);
	link_wait(l, 0);
	return (l);
}

void
link_free(struct link **lp)
{
	struct link *l = *lp;

	if (l == NULL)
		return;
	*lp = NULL;
	CHECK_MAGIC(l, LINK_MAGIC);
	timer_stop(loop_wheel(l->p.loop), &l->timer);
	link_close(l);
	l->magic = 0;
	free(l);
}

bool
link_up(const struct link *l)
{
	return (l->state == LINK_UP);
}

struct mono
link_heard(const struct link *l)
{
	return (l->heard);
}
