/*
 * HTTP/1.1 server messages (RFC 9112), strict: CRLF only, no obs-fold, no
 * space before a colon, one Host, Content-Length xor chunked.  Sizes are
 * refused before memory is spent on them.  Pure; see codec.h.
 */
#ifndef PROTO_HTTP_H
#define PROTO_HTTP_H

#include "proto/codec.h"

#define HTTP_HEAD_MAX	 16384	/* request line and all fields */
#define HTTP_LINE_MAX	 8192	/* request line */
#define HTTP_FIELDS_MAX	 100

enum http_method {
	HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_DELETE, HTTP_PATCH,
	HTTP_OPTIONS, HTTP_OTHER	/* a valid token that we do not serve */
};

struct http_field {
	struct slice	 name;
	struct slice	 value;		/* outer white space removed */
};

struct http_request {
	enum http_method method;
	int		 minor;		/* HTTP/1.minor, 0 or 1 */
	struct slice	 target;	/* origin-form, as sent */
	struct slice	 path;		/* before '?', not decoded */
	struct slice	 query;		/* behind '?', or empty */
	struct slice	 host;
	struct http_field fields[HTTP_FIELDS_MAX];
	size_t		 nfields;
	int64_t		 content_length; /* -1: no body announced */
	bool		 chunked;
	bool		 keep_alive;
	bool		 expect_continue;
	bool		 upgrade_websocket; /* Upgrade has websocket and
					     * Connection has upgrade */
	int		 status;	/* CODEC_BAD: 400, 414, 431, 501, 505 */
	const char	*why;		/* CODEC_BAD: for body and log */
};

/*
 * Decode a request head (request line and fields up to the empty line).
 * All slices point into in.  Never reads behind HTTP_HEAD_MAX: more than that
 * without an end is CODEC_BAD with 431 (or 414).
 */
ssize_t	http_decode_request(struct slice in, struct http_request *) MUST_USE;

/* How many fields there are of that name (case-insensitive), and the first of
 * them; empty when there is none. */
unsigned http_field(const struct http_request *, const char *name,
	    struct slice *value) MUST_USE;
/* A comma-separated list field (all its lines) has that token. */
bool	http_field_has(const struct http_request *, const char *name,
	    const char *token) MUST_USE;
/*
 * The elements of a comma-separated list over all its lines, in their order;
 * empty ones are passed over.
 */
struct http_list {
	const struct http_request *r;
	const char	*name;
	struct slice	 rest;		/* of the line it is in */
	size_t		 next;		/* field to look at then */
};
struct http_list http_list(const struct http_request *, const char *name);
bool	http_list_next(struct http_list *, struct slice *element) MUST_USE;
/* How many Bearer tokens there are (RFC 6750, 2.1), and the first of them; one
 * that is empty is none. */
unsigned http_bearer(const struct http_request *, struct slice *token);
/* How often a field of that name occurs. */
unsigned http_field_count(const struct http_request *, const char *name);

/* Body with Transfer-Encoding: chunked, decoded in place piece by piece. */
struct http_chunked {
	uint8_t		 state;		/* zeroed to start */
	uint8_t		 digits;
	uint32_t	 overhead;	/* extension and trailer bytes so far */
	uint64_t	 left;		/* bytes left of this chunk */
};
/*
 * Consume from in; *data gets the body bytes found (inside in; empty when
 * none).  *end: the body is complete.  Consumes at most up to the end.
 */
ssize_t	http_decode_chunked(struct http_chunked *, struct slice in,
	    struct slice *data, bool *end) MUST_USE;

/* Where it stands, for another process (base/state.h).  load: false, that is no
 * such thing. */
struct state_in;
void	http_chunked_save(const struct http_chunked *, struct buf *);
bool	http_chunked_load(struct http_chunked *, struct state_in *) MUST_USE;

/* A value of the query string, percent- and plus-decoded to out (room for
 * query.n bytes).  The last one wins.  Returns its length; -1 absent; -2 bad
 * percent encoding or NUL. */
ssize_t	http_query_get(struct slice query, const char *name, uint8_t *out)
	    MUST_USE;
/* The same, but the last one that is not empty. */
ssize_t	http_query_filled(struct slice query, const char *name, uint8_t *out)
	    MUST_USE;
/* The next value of that name, in their order; *query: what is behind it.
 * Returns as http_query_get() does, -1: there is none any more. */
ssize_t	http_query_next(struct slice *query, const char *name, uint8_t *out)
	    MUST_USE;
/* Percent-decode a path or one segment; -1 on bad encoding or NUL. */
ssize_t	http_path_decode(struct slice path, uint8_t *out) MUST_USE;
/* A cookie's value out of all Cookie fields; one that is empty is none. */
bool	http_cookie(const struct http_request *, struct slice name,
	    struct slice *value) MUST_USE;

/* Host and port of a request, as RFC 9110 has them; "" is one. */
bool	http_valid_host(struct slice) MUST_USE;

const char *http_status_words(int status);
/*
 * A response head: status line, Date (from unix seconds), Connection,
 * Content-Length (n >= 0; -1: none), X-Content-Type-Options: nosniff, the
 * extra lines verbatim (each ended by CRLF, may be NULL) and the empty line.
 * type may be NULL.
 */
void	http_encode_head(struct buf *, int status, uint64_t unix_s,
	    bool keep_alive, const char *type, int64_t n, const char *extra);
/* A header line with a date. */
void	http_encode_date(struct buf *, const char *name, uint64_t unix_s);
/* Head and body. */
void	http_encode_response(struct buf *, int status, uint64_t unix_s,
	    bool keep_alive, const char *type, struct slice body,
	    const char *extra);

#endif
