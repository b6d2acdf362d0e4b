/*
 * Messages that only those who know a secret can make; see seal.h.  Called by
 * hosts.c for what daemons say, by bridge.c for what back ends do.
 */
#include "relay/bridge/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/digest.h"
#include "shm/counters.h"

#define SEAL_FILE_MAX	4096	/* bytes */

struct seal_secrets {
	size_t		 n;
	struct slice	 each[SEAL_SECRETS];	/* lie in text */
	uint8_t		 text[SEAL_FILE_MAX];
};

struct seal {
	unsigned	 magic;
#define SEAL_MAGIC	0x5ea15ea1
	const char	*path;
	struct seal_secrets secrets;
};

/* --- secrets --------------------------------------------------------------*/

static const char *
seal_load(struct seal_secrets *s, const char *path, size_t *bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd == -1 ? -1 : read(fd, s->text, sizeof s->text);
	int error = errno;

	if (fd != -1)
		(void)close(fd);
	if (n == -1)
		return (strerror(error));
	*bytes = (size_t)n;
	return (n == SEAL_FILE_MAX ? "it has more than 4095 bytes" : NULL);
}

/* Takes a line off, without its end. */
static struct slice
seal_line(struct slice *text)
{
	struct slice line = *text;
	const uint8_t *end = memchr(text->p, '\n', text->n);

	if (end != NULL)
		line.n = (size_t)(end - text->p);
	*text = slice_from(*text, end != NULL ? line.n + 1 : line.n);
	while (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	return (line);
}

static const char *
seal_split(struct seal_secrets *s, size_t bytes)
{
	struct slice text = slice_of(s->text, bytes), line;

	while (text.n > 0) {
		line = seal_line(&text);
		if (line.n == 0)
			continue;
		if (line.n < SEAL_SECRET_MIN)
			return ("a secret has less than 16 bytes");
		if (s->n == SEAL_SECRETS)
			return ("it has more than 4 secrets");
		s->each[s->n++] = line;
	}
	return (s->n == 0 ? "it is empty" : NULL);
}

const char *
seal_read(struct seal *s)
{
	static struct seal_secrets now;
	const char *why;
	size_t bytes = 0, i;

	CHECK_MAGIC(s, SEAL_MAGIC);
	if (s->path[0] == '\0')
		return (NULL);
	now.n = 0;
	why = seal_load(&now, s->path, &bytes);
	if (why == NULL)
		why = seal_split(&now, bytes);
	if (why == NULL) {
		s->secrets = now;
		for (i = 0; i < now.n; i++)
			s->secrets.each[i].p = s->secrets.text +
			    (now.each[i].p - now.text);
	}
	explicit_bzero(&now, sizeof now);
	return (why);
}

bool
seal_is_asked_for(const struct seal *s)
{
	CHECK_MAGIC(s, SEAL_MAGIC);
	return (s->path[0] != '\0');
}

/* --- seals ----------------------------------------------------------------*/

static void
seal_make(struct slice secret, struct slice name, struct slice m,
    uint8_t out[SEAL_BYTES])
{
	struct slice parts[3] = { name, SLICE("\n"), m };

	digest_hmac_sha256(secret, parts, nitems(parts), out);
}

bool
seal_put(const struct seal *s, struct slice name, struct buf *b)
{
	uint8_t seal[SEAL_BYTES];

	if (!seal_is_asked_for(s))
		return (!b->oom);
	if (s->secrets.n == 0 || b->oom)
		return (false);
	seal_make(s->secrets.each[0], name, buf_unread(b), seal);
	buf_append(b, seal, sizeof seal);
	return (!b->oom);
}

/* Each secret is tried, whatever the others say. */
static bool
seal_is(const struct seal *s, struct slice name, struct slice m,
    struct slice given)
{
	uint8_t seal[SEAL_BYTES];
	bool is = false;
	size_t i;

	for (i = 0; i < s->secrets.n; i++) {
		seal_make(s->secrets.each[i], name, m, seal);
		is |= digest_equal(given, slice_of(seal, sizeof seal));
	}
	if (!is)
		counter_add(COUNTER_redis_unsealed, 1);
	return (is);
}

bool
seal_take(const struct seal *s, struct slice name, struct slice *m)
{
	struct slice given = { NULL, 0 };

	if (!seal_is_asked_for(s))
		return (true);
	if (m->n >= SEAL_BYTES) {
		given = slice_from(*m, m->n - SEAL_BYTES);
		m->n -= SEAL_BYTES;
	}
	return (seal_is(s, name, *m, given));
}

static int
seal_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return (c - '0');
	return (c >= 'a' && c <= 'f' ? c - 'a' + 10 :
	    c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1);
}

static bool
seal_decode(struct slice hex, uint8_t out[SEAL_BYTES])
{
	int high, low;
	size_t i;

	if (hex.n < SEAL_HEX || hex.p[SEAL_HEX - 1] != ' ')
		return (false);
	for (i = 0; i < SEAL_BYTES; i++) {
		high = seal_digit(hex.p[2 * i]);
		low = seal_digit(hex.p[2 * i + 1]);
		if (high < 0 || low < 0)
			return (false);
		out[i] = (uint8_t)(high << 4 | low);
	}
	return (true);
}

bool
seal_take_text(const struct seal *s, struct slice name, struct slice *text)
{
	uint8_t seal[SEAL_BYTES];
	struct slice given = { NULL, 0 };

	if (!seal_is_asked_for(s))
		return (true);
	if (seal_decode(*text, seal)) {
		given = slice_of(seal, sizeof seal);
		*text = slice_from(*text, SEAL_HEX);
	}
	return (seal_is(s, name, *text, given));
}

/* --- birth and death ------------------------------------------------------*/

struct seal *
seal_new(const char *path)
{
	struct seal *s = calloc(1, sizeof *s);

	if (s == NULL)
		return (NULL);
	s->magic = SEAL_MAGIC;
	s->path = path;
	return (s);
}

void
seal_free(struct seal **sp)
{
	struct seal *s = *sp;

	if (s == NULL)
		return;
	CHECK_MAGIC(s, SEAL_MAGIC);
	*sp = NULL;
	explicit_bzero(s, sizeof *s);
	free(s);
}
