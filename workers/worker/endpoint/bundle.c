/*
 * The browser's client, as its server has always had it beside it.
 */
#include "worker/endpoint/bundle.h"

#include <stdio.h>

#include "worker/http/reply.h"
#include "worker/http/request.h"
#include "worker/worker.h"

static const struct heritage_file *
bundle_find(const struct worker *w, struct slice path)
{
	struct slice base = slice_str(w->conf->socketio_path);
	size_t i;

	if (path.n <= base.n || path.p[base.n] != '/')
		return (NULL);
	path = slice_from(path, base.n + 1);
	for (i = 0; i < w->h->nbundle; i++)
		if (slice_eq(path, slice_str(w->h->bundle[i].name)))
			return (&w->h->bundle[i]);
	return (NULL);
}

/* RFC 9110, 13.1.2: a list of tags, compared weakly, or "*". */
static bool
bundle_unchanged(const struct request *rq, const char *etag)
{
	struct http_list l = http_list(&rq->head, "If-None-Match");
	struct slice tag;

	while (http_list_next(&l, &tag)) {
		if (slice_starts(tag, SLICE("W/")))
			tag = slice_from(tag, 2);
		if (slice_eq(tag, SLICE("*")) || slice_eq(tag, slice_str(etag)))
			return (true);
	}
	return (false);
}

/* Other clients get it in a coding. */
static bool
bundle_varies(const struct worker *w, const struct heritage_file *f)
{
	return (f->gzip.n > 0 && w->conf->http_compression);
}

bool
bundle_serve(struct request *rq)
{
	const struct heritage_file *f = bundle_find(rq->w, rq->head.path);
	char lines[192];
	bool gzip;

	if (f == NULL || (rq->head.method != HTTP_GET &&
	    rq->head.method != HTTP_HEAD))
		return (false);
	gzip = f->gzip.n > 0 && coded_wish(rq).coding == CODING_GZIP;
	/* RFC 9110, 8.8.1: strong tags are for bytes that are the same */
	(void)snprintf(lines, sizeof lines,
	    "Cache-Control: public, max-age=0\r\nETag: %s%s\r\n%s",
	    gzip ? "W/" : "", f->etag, gzip ? coded_lines(CODING_GZIP) :
	    bundle_varies(rq->w, f) ? CODED_VARY : "");
	if (bundle_unchanged(rq, f->etag))
		reply_send(rq, 304, NULL, slice_of(NULL, 0), lines);
	else
		reply_send(rq, 200, f->type, gzip ? f->gzip : f->body,
		    lines);
	return (true);
}
