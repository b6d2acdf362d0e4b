/*
 * Arguments to JSON, and the answer to an exit code; see remote.h.
 */
#include "tools/roostctl/remote_int.h"

#include <bsd/stdlib.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "proto/json.h"
#include "tools/roostctl/http.h"

#define REMOTE_BODY_MAX	(64u << 20)

/* --- asking ---------------------------------------------------------------*/

static int
remote_code(int status)
{
	if (status >= 200 && status < 300)
		return (EX_OK);
	switch (status) {
	case 401:
	case 403:
		return (EX_NOPERM);
	case 429:
	case 503:
		return (EX_TEMPFAIL);
	default:
		return (status >= 500 ? EX_SOFTWARE : EX_DATAERR);
	}
}

/* {"error":{"code","message"}} */
static void
remote_complain(int status, struct slice answer)
{
	struct slice whole, v;
	uint8_t words[512];
	ssize_t n = -1;

	if (json_value(answer, &whole) > 0 &&
	    json_get_path(whole, SLICE("error.message"), &v) &&
	    v.n <= sizeof words)
		n = json_unescape(v, words);
	if (n > 0)
		(void)fprintf(stderr, "roostctl: %.*s\n", (int)n,
		    (const char *)words);
	else
		(void)fprintf(stderr, "roostctl: roostd answers with status "
		    "%d\n", status);
}

int
remote_ask(const struct remote_options *o, const char *method,
    const struct buf *path, struct slice body)
{
	struct http_request q = { .address = o->address, .host = o->host,
		.method = method, .path = (const char *)path->data,
		.key = o->key, .body = body, .seconds = o->seconds };
	struct slice got;
	struct buf answer;
	char why[512];
	int status, code;

	buf_init(&answer);
	status = http_ask(&q, &answer, why, sizeof why);
	if (status == -1) {
		(void)fprintf(stderr, "roostctl: %s\n", why);
		code = EX_UNAVAILABLE;
	} else {
		code = remote_code(status);
		got = buf_unread(&answer);
		if (code != EX_OK)
			remote_complain(status, got);
		else if (got.n == 0 ||
		    fwrite(got.p, 1, got.n, stdout) == got.n)
			(void)putchar('\n');
	}
	buf_fini(&answer);
	return (code);
}

int
remote_usage(const char *words)
{
	(void)fprintf(stderr, "usage: roostctl [-k file] [-u address] %s\n",
	    words);
	return (EX_USAGE);
}

/* --- bodies ---------------------------------------------------------------*/

void
remote_member(struct buf *b, const char *name, struct slice raw)
{
	if (raw.n == 0)
		return;
	buf_byte(b, b->wpos == 0 ? '{' : ',');
	buf_printf(b, "\"%s\":", name);
	buf_slice(b, raw);
}

void
remote_text(struct buf *b, const char *name, const char *text)
{
	struct buf raw;

	if (text == NULL)
		return;
	buf_init(&raw);
	json_escape(&raw, slice_str(text));
	remote_member(b, name, buf_unread(&raw));
	b->oom |= raw.oom;
	buf_fini(&raw);
}

bool
remote_whom(struct remote_whom *w, int argc, char **argv, const char *letters)
{
	int c;

	*w = (struct remote_whom){ .room = NULL };
	optind = 1;
	while ((c = getopt(argc, argv, letters)) != -1) {
		switch (c) {
		case 'a':
			w->all = true;
			break;
		case 'f':
			w->finish = true;
			break;
		case 'n':
			w->ns = optarg;
			break;
		case 'r':
			w->room = optarg;
			break;
		case 's':
			w->sid = optarg;
			break;
		case 'U':
			w->user = optarg;
			break;
		case 'v':
			w->is_volatile = true;
			break;
		default:
			return (false);
		}
	}
	return (true);
}

void
remote_put_whom(struct buf *b, const struct remote_whom *w)
{
	remote_text(b, "room", w->room);
	remote_text(b, "user", w->user);
	remote_text(b, "sid", w->sid);
}

/* The argument, or standard input for "-"; false: it cannot be read. */
static bool
remote_data(struct buf *b, const char *arg)
{
	size_t n;

	if (strcmp(arg, "-") != 0) {
		buf_str(b, arg);
		return (!b->oom);
	}
	do {
		if (!buf_reserve(b, 65536) || b->wpos > REMOTE_BODY_MAX)
			return (false);
		n = fread(b->data + b->wpos, 1, 65536, stdin);
		b->wpos += n;
	} while (n > 0);
	return (!ferror(stdin));
}

void
remote_encode(struct buf *b, const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789-._~";

	for (; *text != '\0'; text++) {
		if (strchr(plain, *text) != NULL)
			buf_byte(b, (uint8_t)*text);
		else
			buf_printf(b, "%%%02X", (unsigned char)*text);
	}
}

const char *
remote_namespace(const char *ns)
{
	/* of "/" nothing would be left */
	return (ns[0] == '/' && ns[1] != '\0' ? ns + 1 : ns);
}

bool
remote_is_named(int argc, char **argv)
{
	return (argc - optind < 2 || argv[optind + 1][0] != '\0');
}

/* --- commands -------------------------------------------------------------*/

int
remote_publish(const struct remote_options *o, int argc, char **argv)
{
	struct buf body, data, path;
	struct slice value;
	struct remote_whom w;
	int code = EX_DATAERR;

	if (!remote_whom(&w, argc, argv, "+fr:s:U:v") || argc - optind < 2 ||
	    argc - optind > 3)
		return (remote_usage("publish [-fv] [-r room] [-U user] [-s sid] "
		    "namespace event [data]"));
	buf_init(&body);
	buf_init(&data);
	buf_init(&path);
	if (argc - optind == 3 && (!remote_data(&data, argv[optind + 2]) ||
	    !json_valid(buf_unread(&data)) ||
	    json_value(buf_unread(&data), &value) < 0))
		(void)fprintf(stderr, "roostctl: the data is not JSON; a text "
		    "needs its quotes: '\"text\"'\n");
	else {
		remote_text(&body, "namespace", argv[optind]);
		remote_text(&body, "event", argv[optind + 1]);
		if (argc - optind == 3)
			remote_member(&body, "data", value);
		remote_put_whom(&body, &w);
		if (w.is_volatile)
			remote_member(&body, "volatile", SLICE("true"));
		if (w.finish)
			remote_member(&body, "finish", SLICE("true"));
		buf_byte(&body, '}');
		buf_append(&path, "/api/v1/publish", 16);
		code = body.oom || path.oom ? EX_OSERR :
		    remote_ask(o, "POST", &path, buf_unread(&body));
	}
	buf_fini(&body);
	buf_fini(&data);
	buf_fini(&path);
	return (code);
}

int
remote_presence(const struct remote_options *o, int argc, char **argv)
{
	struct remote_whom w;
	struct buf path;
	int code;

	if (!remote_whom(&w, argc, argv, "+r:") || argc - optind < 1 ||
	    argc - optind > 2 || (w.room != NULL && argc - optind == 2) ||
	    !remote_is_named(argc, argv))
		return (remote_usage("presence [-r room] namespace [user]"));
	buf_init(&path);
	buf_str(&path, "/api/v1/presence/");
	remote_encode(&path, remote_namespace(argv[optind]));
	if (argc - optind == 2) {
		buf_byte(&path, '/');
		remote_encode(&path, argv[optind + 1]);
	}
	if (w.room != NULL) {
		buf_str(&path, "?room=");
		remote_encode(&path, w.room);
	}
	buf_byte(&path, '\0');
	code = path.oom ? EX_OSERR :
	    remote_ask(o, "GET", &path, slice_of(NULL, 0));
	buf_fini(&path);
	return (code);
}

/* -l, -s and the other two into a path; false: that is not how it is used. */
static bool
remote_history_path(struct buf *path, int argc, char **argv)
{
	const char *limit = NULL, *since = NULL;
	int c;

	optind = 1;
	while ((c = getopt(argc, argv, "+l:s:")) != -1)
		if (c == 'l')
			limit = optarg;
		else if (c == 's')
			since = optarg;
		else
			return (false);
	if (argc - optind != 2)
		return (false);
	buf_str(path, "/api/v1/history/");
	remote_encode(path, remote_namespace(argv[optind]));
	buf_byte(path, '/');
	remote_encode(path, argv[optind + 1]);
	if (limit != NULL) {
		buf_str(path, "?limit=");
		remote_encode(path, limit);
	}
	if (since != NULL) {
		buf_str(path, limit != NULL ? "&since=" : "?since=");
		remote_encode(path, since);
	}
	buf_byte(path, '\0');
	return (true);
}

int
remote_history(const struct remote_options *o, int argc, char **argv)
{
	struct buf path;
	int code;

	buf_init(&path);
	if (!remote_history_path(&path, argc, argv))
		code = remote_usage("history [-l limit] [-s epoch:offset] "
		    "namespace room");
	else
		code = path.oom ? EX_OSERR :
		    remote_ask(o, "GET", &path, slice_of(NULL, 0));
	buf_fini(&path);
	return (code);
}

/* Of one user without a namespace: in all of them. */
static void
remote_disconnect_path(struct buf *path, const struct remote_whom *w)
{
	if (w->ns != NULL)
		buf_str(path, "/api/v1/disconnect");
	else {
		buf_str(path, "/api/v1/users/");
		remote_encode(path, w->user);
		buf_str(path, "/disconnect");
	}
	buf_byte(path, '\0');
}

int
remote_disconnect(const struct remote_options *o, int argc, char **argv)
{
	struct buf body, path;
	struct remote_whom w;
	int code;

	if (!remote_whom(&w, argc, argv, "+an:r:s:U:") || argc - optind > 1 ||
	    (w.ns == NULL && (w.user == NULL || w.room != NULL ||
	    w.sid != NULL || w.all)) || (w.ns != NULL && !w.all &&
	    w.room == NULL && w.user == NULL && w.sid == NULL))
		return (remote_usage("disconnect -U user [reason]\n"
		    "       roostctl disconnect -n namespace {-a | [-r room] "
		    "[-U user] [-s sid]} [reason]"));
	buf_init(&body);
	buf_init(&path);
	remote_disconnect_path(&path, &w);
	remote_text(&body, "namespace", w.ns);
	if (w.ns != NULL)
		remote_put_whom(&body, &w);
	if (w.all)
		remote_member(&body, "all", SLICE("true"));
	if (argc - optind == 1)
		remote_text(&body, "reason", argv[optind]);
	if (body.wpos == 0)
		buf_byte(&body, '{');
	buf_byte(&body, '}');
	code = body.oom || path.oom ? EX_OSERR :
	    remote_ask(o, "POST", &path, buf_unread(&body));
	buf_fini(&body);
	buf_fini(&path);
	return (code);
}

/* "90", "90s", "15m", "2h", "30d" as seconds; 0: it is none. */
static long long
remote_seconds(const char *text)
{
	static const struct {
		char	 unit;
		int	 seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	size_t n = strlen(text), i;
	const char *bad = NULL;
	char digits[12];
	int factor = 1;

	for (i = 0; n > 0 && i < nitems(units); i++)
		if (text[n - 1] == units[i].unit) {
			factor = units[i].seconds;
			n--;
			break;
		}
	if (n == 0 || n >= sizeof digits)
		return (0);
	memcpy(digits, text, n);
	digits[n] = '\0';
	return (strtonum(digits, 1, UINT32_MAX, &bad) * factor);
}

/* Until when: false: nobody knows. */
static bool
remote_end(struct buf *body, int argc, char **argv)
{
	static const struct option ends[] = {
		{ "until", required_argument, NULL, 'u' },
		{ "for", required_argument, NULL, 'f' },
		{ "grace", required_argument, NULL, 'g' },
		{ NULL, 0, NULL, 0 },
	};
	long long n;
	char text[24];
	int c, given = 0, graces = 0;

	optind = 1;
	while ((c = getopt_long(argc, argv, "+", ends, NULL)) != -1) {
		n = c == '?' ? 0 : remote_seconds(optarg);
		if (n <= 0 || (c == 'g' ? graces++ : given++) > 0)
			return (false);
		(void)snprintf(text, sizeof text, "%lld", n);
		remote_member(body, c == 'u' ? "until" : c == 'g' ? "grace" :
		    "for", slice_str(text));
	}
	return (true);
}

/* "user:ID" or "jti:ID" */
static bool
remote_put_revoked(struct buf *body, const char *whom)
{
	if (strncmp(whom, "user:", 5) == 0 && whom[5] != '\0')
		remote_text(body, "user", whom + 5);
	else if (strncmp(whom, "jti:", 4) == 0 && whom[4] != '\0')
		remote_text(body, "jti", whom + 4);
	else
		return (false);
	return (true);
}

int
remote_revoke(const struct remote_options *o, int argc, char **argv)
{
	struct buf body, path;
	int code;

	buf_init(&body);
	buf_init(&path);
	if (!remote_end(&body, argc, argv) || argc - optind < 1 ||
	    argc - optind > 2 || !remote_put_revoked(&body, argv[optind])) {
		code = remote_usage("revoke [--for time | --until seconds] "
		    "[--grace time] user:ID | jti:ID [reason]");
	} else {
		if (argc - optind == 2)
			remote_text(&body, "reason", argv[optind + 1]);
		buf_byte(&body, '}');
		buf_append(&path, "/api/v1/revoke", 15);
		code = body.oom || path.oom ? EX_OSERR :
		    remote_ask(o, "POST", &path, buf_unread(&body));
	}
	buf_fini(&body);
	buf_fini(&path);
	return (code);
}
