/*
 * Hooks, and what they did not take; see remote.h.
 */
#include "tools/roostctl/remote_int.h"

#include <bsd/stdlib.h>
#include <limits.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

enum hooks_order { HOOKS_READ, HOOKS_RETRY, HOOKS_FORGET };

/* -f or -r, or -c and -l, behind a path; false: other options. */
static bool
hooks_options(struct buf *query, enum hooks_order *order, int argc,
    char **argv)
{
	int c;

	*order = HOOKS_READ;
	optind = 1;
	while ((c = getopt(argc, argv, "+c:fl:r")) != -1) {
		switch (c) {
		case 'c':
		case 'l':
			buf_str(query, query->wpos == 0 ? "?" : "&");
			buf_str(query, c == 'c' ? "cursor=" : "limit=");
			remote_encode(query, optarg);
			break;
		case 'f':
		case 'r':
			if (*order != HOOKS_READ)
				return (false);
			*order = c == 'f' ? HOOKS_FORGET : HOOKS_RETRY;
			break;
		default:
			return (false);
		}
	}
	return (*order == HOOKS_READ || query->wpos == 0);
}

/* false: one of them is no number. */
static bool
hooks_put_ids(struct buf *b, int n, char **ids)
{
	const char *bad;
	long long id;
	int i;

	if (n == 0) {
		buf_str(b, "{\"all\":true}");
		return (true);
	}
	for (i = 0; i < n; i++) {
		id = strtonum(ids[i], 1, LLONG_MAX, &bad);
		if (bad != NULL)
			return (false);
		buf_str(b, i == 0 ? "{\"ids\":[" : ",");
		buf_u64(b, (uint64_t)id);
	}
	buf_str(b, "]}");
	return (true);
}

static void
hooks_put_path(struct buf *b, const char *hook, enum hooks_order order)
{
	buf_str(b, "/api/v1/hooks");
	if (hook == NULL)
		return;
	buf_byte(b, '/');
	remote_encode(b, hook);
	buf_str(b, order == HOOKS_RETRY ? "/dead/retry" :
	    order == HOOKS_FORGET ? "/dead/forget" : "/dead");
}

static int
hooks_call(const struct remote_options *o, enum hooks_order order,
    const struct buf *query, int argc, char **argv)
{
	struct buf path, body;
	int code = -1;

	buf_init(&path);
	buf_init(&body);
	hooks_put_path(&path, argc == 0 ? NULL : argv[0], order);
	buf_slice(&path, buf_unread(query));
	buf_byte(&path, '\0');
	if (order == HOOKS_READ || hooks_put_ids(&body, argc - 1, argv + 1))
		code = path.oom || body.oom ? EX_OSERR : remote_ask(o,
		    order == HOOKS_READ ? "GET" : "POST", &path,
		    buf_unread(&body));
	buf_fini(&path);
	buf_fini(&body);
	return (code);
}

int
remote_hooks(const struct remote_options *o, int argc, char **argv)
{
	enum hooks_order order;
	struct buf query;
	int code = -1, n;

	buf_init(&query);
	if (hooks_options(&query, &order, argc, argv)) {
		n = argc - optind;
		if (order == HOOKS_READ ? n <= 1 && (n == 1 ||
		    query.wpos == 0) : n >= 1)
			code = hooks_call(o, order, &query, n, argv + optind);
	}
	buf_fini(&query);
	return (code >= 0 ? code : remote_usage("hooks [-c cursor] "
	    "[-l limit] [hook]\n       roostctl hooks {-f | -r} hook "
	    "[id ...]"));
}
