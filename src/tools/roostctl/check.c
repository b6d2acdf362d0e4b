/*
 * What is too small; see check.h.
 */
#include "tools/roostctl/check.h"

#include <stdio.h>
#include <sysexits.h>

#include "base/buf.h"
#include "host/check.h"
#include "proto/json.h"

static bool
check_needs(struct daemon *d, struct host_needs *n)
{
	static struct board_copy c;	/* large; one at a time */
	struct slice text;

	if (find_board(d, &c) == -1) {
		(void)fprintf(stderr, "roostctl: roostd, process %d, just "
		    "starts or ends\n", (int)d->pid);
		return (false);
	}
	if (board_fact(&c, "needs", &text) && host_needs_parse(n, text))
		return (true);
	(void)fprintf(stderr, "roostctl: roostd, process %d, is of another "
	    "version\n", (int)d->pid);
	return (false);
}

static void
check_line(const struct host_finding *f)
{
	(void)printf("%-4s %-14s %s, needed: %s", f->less ? "LESS" : "ok",
	    f->what, f->found, f->needed);
	if (f->less)
		(void)printf("\n     mend: %s", f->mend);
	(void)printf("\n");
}

static void
check_member(struct buf *b, const char *name, const char *value)
{
	buf_printf(b, ",\"%s\":", name);
	json_escape(b, slice_str(value));
}

static void
check_object(struct buf *b, const struct host_finding *f)
{
	buf_printf(b, "{\"what\":\"%s\",\"ok\":%s", f->what, f->less ? "false" :
	    "true");
	check_member(b, "found", f->found);
	check_member(b, "needed", f->needed);
	if (f->less)
		check_member(b, "mend", f->mend);
	buf_byte(b, '}');
}

static int
check_json(const struct host_finding *f, size_t n)
{
	int code = EX_OK;
	struct buf b;
	size_t i;

	buf_init(&b);
	for (i = 0; i < n; i++) {
		buf_byte(&b, i == 0 ? '[' : ',');
		check_object(&b, &f[i]);
	}
	buf_str(&b, "]\n");
	if (b.oom)
		code = EX_OSERR;
	else if (fwrite(b.data, 1, b.wpos, stdout) != b.wpos)
		code = EX_IOERR;
	buf_fini(&b);
	return (code);
}

int
check_print(struct daemon *d, const char *root, bool json)
{
	struct host_finding found[HOST_FINDINGS];
	struct host_facts facts;
	struct host_needs needs;
	size_t i, n;
	int code = EX_OK, put;

	if (!check_needs(d, &needs))
		return (EX_TEMPFAIL);
	host_look(&facts, root, d->pid);
	n = host_check(&needs, &facts, false, found);
	for (i = 0; i < n; i++) {
		if (found[i].less)
			code = EX_OSERR;
		if (!json)
			check_line(&found[i]);
	}
	put = json ? check_json(found, n) : EX_OK;
	if (put == EX_OK && fflush(stdout) != 0)
		put = EX_IOERR;
	return (put != EX_OK ? put : code);
}
