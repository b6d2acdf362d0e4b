/*
 * Messages that only those who know a secret can make; see seal.h.  Called by
 * hosts.c for what daemons say, by bridge.c for what back ends do.
 */
#include "relay/bridge/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/digest.h"
#include "base/secrets.h"
#include "shm/counters.h"

struct seal {
	unsigned	 magic;
#define SEAL_MAGIC	0x5ea15ea1
	const char	*path;
	struct secrets	 secrets;	/* in text */
	uint8_t		 text[SECRETS_FILE_MAX + 1];
};

/* --- secrets --------------------------------------------------------------*/

/* -1 + errno */
static ssize_t
seal_load(const char *path, uint8_t text[SECRETS_FILE_MAX + 1])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd == -1 ? -1 : read(fd, text, SECRETS_FILE_MAX + 1);
	int error = errno;

	if (fd != -1)
		(void)close(fd);
	errno = error;
	return (n);
}

const char *
seal_read(struct seal *s)
{
	static uint8_t text[SECRETS_FILE_MAX + 1];
	struct secrets now;
	const char *why;
	ssize_t n;

	CHECK_MAGIC(s, SEAL_MAGIC);
	if (s->path[0] == '\0')
		return (NULL);
	n = seal_load(s->path, text);
	why = n == -1 ? strerror(errno) :
	    secrets_split(&now, slice_of(text, (size_t)n));
	if (why == NULL) {
		memcpy(s->text, text, (size_t)n);
		why = secrets_split(&s->secrets, slice_of(s->text, (size_t)n));
	}
	explicit_bzero(text, sizeof text);
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

static bool
seal_decode(struct slice hex, uint8_t out[SEAL_BYTES])
{
	int high, low;
	size_t i;

	if (hex.n < SEAL_HEX || hex.p[SEAL_HEX - 1] != ' ')
		return (false);
	for (i = 0; i < SEAL_BYTES; i++) {
		high = ascii_hex(hex.p[2 * i]);
		low = ascii_hex(hex.p[2 * i + 1]);
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
