/*
 * Rooms, and who is in them: rooms, user, join, leave; see remote.h.
 */
#include "tools/roostctl/remote_int.h"

#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "proto/json.h"

/* --- reading --------------------------------------------------------------*/

/* -c and -l, behind a path; false: other options. */
static bool
rooms_options(struct buf *query, int argc, char **argv)
{
	int c;

	optind = 1;
	while ((c = getopt(argc, argv, "+c:l:")) != -1) {
		if (c != 'c' && c != 'l')
			return (false);
		buf_str(query, query->wpos == 0 ? "?" : "&");
		buf_str(query, c == 'c' ? "cursor=" : "limit=");
		remote_encode(query, optarg);
	}
	return (true);
}

static int
rooms_get(const struct remote_options *o, struct buf *path,
    const struct buf *query)
{
	buf_slice(path, buf_unread(query));
	buf_byte(path, '\0');
	return (path->oom || query->oom ? EX_OSERR :
	    remote_ask(o, "GET", path, slice_of(NULL, 0)));
}

int
remote_rooms(const struct remote_options *o, int argc, char **argv)
{
	struct buf path, query;
	int code;

	buf_init(&path);
	buf_init(&query);
	if (!rooms_options(&query, argc, argv) || argc - optind < 1 ||
	    argc - optind > 2 || !remote_is_named(argc, argv)) {
		code = remote_usage("rooms [-c cursor] [-l limit] namespace "
		    "[room]");
	} else {
		buf_str(&path, "/api/v1/rooms/");
		remote_encode(&path, remote_namespace(argv[optind]));
		if (argc - optind == 2) {
			buf_byte(&path, '/');
			remote_encode(&path, argv[optind + 1]);
		}
		code = rooms_get(o, &path, &query);
	}
	buf_fini(&path);
	buf_fini(&query);
	return (code);
}

int
remote_user(const struct remote_options *o, int argc, char **argv)
{
	struct buf path, query;
	int code;

	buf_init(&path);
	buf_init(&query);
	if (!rooms_options(&query, argc, argv) || argc - optind != 1) {
		code = remote_usage("user [-c cursor] [-l limit] user");
	} else {
		buf_str(&path, "/api/v1/users/");
		remote_encode(&path, argv[optind]);
		code = rooms_get(o, &path, &query);
	}
	buf_fini(&path);
	buf_fini(&query);
	return (code);
}

/* --- orders ---------------------------------------------------------------*/

static int
rooms_change(const struct remote_options *o, const struct remote_whom *w,
    const char *order, int n, char **argv)
{
	struct buf body, path, list;
	int code, i;

	buf_init(&body);
	buf_init(&path);
	buf_init(&list);
	remote_text(&body, "namespace", argv[0]);
	remote_put_whom(&body, w);
	if (w->all)
		remote_member(&body, "all", SLICE("true"));
	for (i = 1; i < n; i++) {
		buf_byte(&list, i == 1 ? '[' : ',');
		json_escape(&list, slice_str(argv[i]));
	}
	buf_byte(&list, ']');
	remote_member(&body, order, buf_unread(&list));
	buf_byte(&body, '}');
	buf_append(&path, "/api/v1/rooms", 14);
	code = body.oom || path.oom || list.oom ? EX_OSERR :
	    remote_ask(o, "POST", &path, buf_unread(&body));
	buf_fini(&body);
	buf_fini(&path);
	buf_fini(&list);
	return (code);
}

/* join and leave: the command is the member of the body. */
int
remote_change(const struct remote_options *o, int argc, char **argv)
{
	struct remote_whom w;
	char words[96];
	int c;

	if (remote_whom(&w, argc, argv, "+ar:s:U:") && argc - optind >= 2 &&
	    w.all != (w.room != NULL || w.user != NULL || w.sid != NULL))
		return (rooms_change(o, &w, argv[0], argc - optind,
		    argv + optind));
	c = snprintf(words, sizeof words, "%s {-a | [-r room] [-U user] "
	    "[-s sid]} namespace room ...", argv[0]);
	return (c < 0 ? EX_SOFTWARE : remote_usage(words));
}
