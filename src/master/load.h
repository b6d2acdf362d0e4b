/*
 * The files that the configuration names, read by the master while it still
 * has the rights to: keys, certificates, the demo page.  Children inherit the
 * contents.
 */
#ifndef MASTER_LOAD_H
#define MASTER_LOAD_H

#include "base/buf.h"
#include "role.h"

struct conf;
struct conf_errors;

#define LOAD_FILE_MAX	(4u << 20)	/* bytes of any one file */
#define LOAD_TICKET_KEY	80		/* OpenSSL's session ticket keys */

struct load {
	unsigned	 magic;
#define LOAD_MAGIC	0x10ad10ad
	struct token_keys *keys;	/* NULL without jwt */
	struct buf	 demo_page;
	struct heritage_file *bundle;	/* what is there of client_bundle */
	size_t		 nbundle;
	struct buf	*bundle_texts;	/* what bundle points into, 2 each */
	size_t		 nlistens;
	struct heritage_tls *tls;	/* nlistens rows; empty: no TLS there */
	struct buf	*texts;		/* what tls points into, 2 each */
	uint8_t		 ticket_key[LOAD_TICKET_KEY];
};

/* A whole file into an initialised buf.  -1 + errno (EFBIG: too large). */
int	load_text(const char *path, struct buf *) MUST_USE;
/* Everything the configuration names.  Trouble is added to errors, under
 * file and the line of the section; NULL when there was any. */
struct load *load_all(const struct conf *, const char *file,
	    struct conf_errors *) MUST_USE;
/* The files that the relay reads for each connection to Redis: a start does
 * without them, a check of the configuration does not. */
void	load_check_redis(const struct conf *, const char *file,
	    struct conf_errors *);
void	load_free(struct load **);	/* wipes private keys */

#endif
