/*
 * A connection to Redis; see link.h.  An attempt goes through the states in
 * their order (link_dial.c, link_greeting.c); link_fail() is the only way back.
 * Here is what is common to all of them: bytes, time and the end.
 */
#include "relay/redis/link_int.h"

#include <sys/random.h>
#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "conf/conf.h"
#include "proto/codec.h"
#include "relay/redis/backoff.h"
#include "relay/redis/secure.h"
#include "shm/counters.h"

#define LINK_ATTEMPT_MS	5000	/* from the name to the last of the greeting */
#define LINK_STABLE_MS	5000	/* up for so long: next time starts at once */
#define LINK_READ	(64u << 10)
#define LINK_READS	64	/* in a turn */
#define LINK_KEEP	(1u << 20)	/* larger empty queues are given back */

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
	l->renewing = l->renew_again = false;
	l->renew_tries = l->renew_late = 0;
	l->resp3 = false;
	l->mode = LINK_MODE_UNKNOWN;
	l->said[0] = '\0';
}

void
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
	if (why == REDIS_READONLY)
		l->first++;	/* of the name's addresses another is it */
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

/* RESP: an array of strings with their lengths. */
bool
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
	if (l->state != LINK_UP || !link_encode(l, argv, n))
		return (false);
	l->asked++;
	return (true);
}

/* --- bytes ----------------------------------------------------------------*/

bool
link_want(struct link *l, bool out)
{
	l->blocked = out;
	if (loop_mod(l->p.loop, &l->io, out ? LOOP_IN | LOOP_OUT : LOOP_IN) ==
	    0)
		return (true);
	link_fail(l, REDIS_SHORT, strerror(errno));
	return (false);
}

/* TLS 1.3 refuses a certificate of ours, or the lack of one, when we think to
 * be done; of the alert that says so often only the end arrives. */
static bool
link_unheard(const struct link *l)
{
	return (l->tls != NULL && l->state == LINK_GREETING &&
	    l->greeted == 0);
}

static void
link_ended(struct link *l, const char *words)
{
	if (link_unheard(l))
		link_fail(l, REDIS_INSECURE, "the connection ended behind the "
		    "handshake: a client certificate may be wanted");
	else if (l->state == LINK_GREETING && l->said[0] != '\0')
		link_fail(l, REDIS_ERRORS, l->said);
	else
		link_fail(l, REDIS_LOST, words);
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
	link_ended(l, l->tls != NULL ? "the connection ended" :
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

static void
link_reply(struct link *l, const struct reply *o)
{
	if (o->type == REPLY_ERROR)
		counter_add(COUNTER_redis_errors, 1);
	if (l->state != LINK_UP) {
		link_on_greeting(l, o);
		return;
	}
	if ((l->renewing || l->renew_late > 0) && link_on_renewed(l, o))
		return;
	l->answered++;
	l->p.calls.reply(l->p.calls.arg, o);
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

void
link_talk(struct link *l, unsigned events)
{
	if ((events & LOOP_OUT) && !link_want(l, false))
		return;		/* the end of the turn writes */
	if (events & (LOOP_IN | LOOP_HUP))
		link_read(l);
}

/* --- time -----------------------------------------------------------------*/

/* The next attempt is due, or this one, or an answer, has taken too long. */
static void
link_on_timer(struct timer *t, struct mono now)
{
	struct link *l = container_of(t, struct link, timer);

	(void)now;
	switch (l->state) {
	case LINK_WAITING:
		link_wait(l, LINK_ATTEMPT_MS);
		link_dial(l);
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
		link_on_unanswered(l);
		break;
	}
}

/* --- where ----------------------------------------------------------------*/

const char *
link_host(const struct link *l)
{
	return (l->host[0] != '\0' ? l->host : l->p.conf->url.host);
}

void
link_start(struct link *l)
{
	CHECK_MAGIC(l, LINK_MAGIC);
	if (l->state == LINK_WAITING && l->attempt == 0)
		link_wait(l, 0);
}

void
link_aim(struct link *l, const char *host, unsigned port)
{
	CHECK_MAGIC(l, LINK_MAGIC);
	if (strncmp(l->host, host, sizeof l->host - 1) == 0 && l->port == port)
		return;
	(void)snprintf(l->host, sizeof l->host, "%s", host);
	l->port = port;
	l->first = 0;
	l->failures = 0;
	if (l->state != LINK_WAITING)
		link_fail(l, REDIS_SWITCHED, host);
	else
		link_wait(l, 0);
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
	buf_init(&l->out);
	link_dial_init(l);
	if (!p->aimed)
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

enum link_mode
link_mode(const struct link *l)
{
	return (l->mode);
}

struct mono
link_heard(const struct link *l)
{
	return (l->heard);
}
