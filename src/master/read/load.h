/*
 * The files that the configuration names, read by the master while it still
 * has the rights to: keys, certificates, the demo page.  Children inherit the
 * contents.
 */
#ifndef MASTER_READ_LOAD_H
#define MASTER_READ_LOAD_H

#include "base/buf.h"
#include "role.h"

struct conf;
struct conf_errors;

#define LOAD_FILE_MAX	(4u << 20)	/* bytes of any one file */
#define LOAD_TICKET_KEY	80		/* bytes of a secret that is made up */

struct load {
	unsigned	 magic;
#define LOAD_MAGIC	0x10ad10ad
	struct token_keys *keys;	/* NULL without jwt */
	struct buf	 demo_page;
	struct heritage_file *bundle;	/* what is there of client_bundle */
	size_t		 nbundle;
	struct buf	*bundle_texts;	/* what bundle points into, 2 each */
	struct heritage_tls *tls;	/* a row a listen section */
	struct heritage_certificate *certificates; /* what tls points into, */
	struct buf	*texts;		/* ... and what these do: 3 each */
	struct buf	*client_cas;	/* one a listen section */
	size_t		 nlistens;
	size_t		 ncertificates;
	int64_t		 tls_until_s;	/* unix time the first of them ends; 0:
					 * there is none */
	int64_t		 ocsp_until_s;	/* ... of responses; 0: no end */
	struct buf	 ticket_secrets; /* tls.ticket_file; empty: none */
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
