/*
 * The lines of CORS, from the configuration and what the browser asks.
 */
#include "worker/http/cors.h"

#define CORS_METHODS	"GET,HEAD,PUT,PATCH,POST,DELETE"

static void
cors_list(struct buf *b, const char *name, char *const *v, size_t n)
{
	size_t i;

	buf_str(b, name);
	for (i = 0; i < n; i++) {
		buf_str(b, i == 0 ? "" : ",");
		buf_str(b, v[i]);
	}
	buf_str(b, "\r\n");
}

static bool
cors_any(const struct conf_cors *cors)
{
	size_t i;

	for (i = 0; i < cors->norigins; i++)
		if (cors->origins[i].scheme == NULL)
			return (true);
	return (false);
}

static void
cors_preflight(struct buf *b, const struct conf_cors *cors,
    struct slice headers)
{
	if (cors->nmethods > 0)
		cors_list(b, "Access-Control-Allow-Methods: ", cors->methods,
		    cors->nmethods);
	else
		buf_str(b, "Access-Control-Allow-Methods: " CORS_METHODS
		    "\r\n");
	if (cors->nheaders > 0)
		cors_list(b, "Access-Control-Allow-Headers: ", cors->headers,
		    cors->nheaders);
	else if (headers.n > 0) {
		buf_str(b, "Access-Control-Allow-Headers: ");
		buf_slice(b, headers);
		buf_str(b, "\r\n");
	}
	if (cors->max_age_ms > 0) {
		buf_str(b, "Access-Control-Max-Age: ");
		buf_u64(b, cors->max_age_ms / 1000);
		buf_str(b, "\r\n");
	}
}

void
cors_lines(struct buf *b, const struct conf_cors *cors, struct slice origin,
    const struct slice *headers)
{
	bool echo_headers = headers != NULL && cors->nheaders == 0;
	bool any;

	if (cors->norigins == 0)
		return;
	/* "*" and credentials exclude each other */
	any = cors_any(cors) && !cors->credentials;
	if (any)
		buf_str(b, "Access-Control-Allow-Origin: *\r\n");
	else if (origin.n > 0 && conf_cors_listed(cors, origin)) {
		buf_str(b, "Access-Control-Allow-Origin: ");
		buf_slice(b, origin);
		buf_str(b, "\r\n");
	}
	if (!any || echo_headers) {
		buf_str(b, "Vary: ");
		buf_str(b, any ? "" : "Origin");
		buf_str(b, !any && echo_headers ? ", " : "");
		buf_str(b, echo_headers ? "Access-Control-Request-Headers" :
		    "");
		buf_str(b, "\r\n");
	}
	if (cors->credentials)
		buf_str(b, "Access-Control-Allow-Credentials: true\r\n");
	if (headers != NULL)
		cors_preflight(b, cors, *headers);
	if (cors->nexposed > 0)
		cors_list(b, "Access-Control-Expose-Headers: ", cors->exposed,
		    cors->nexposed);
}
