/*
 * The filter; see confine.h.  The only file that knows libseccomp.
 */
#include "master/confine/confine.h"

#include "conf/conf.h"
#include "shm/counters.h"
#include "sys/log.h"

/* A sanitizer's library asks for much that the daemon does not. */
#if defined(HAVE_SECCOMP) && !defined(SANITIZED)
#include <seccomp.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "master/confine/calls.h"
#include "master/confine/denied.h"

/* As of libseccomp: 0 or -errno. */
static int
confine_rule(scmp_filter_ctx f, uint32_t action, const struct call *c, int n)
{
	scmp_datum_t value = c->value == CALLS_SELF ? (scmp_datum_t)getpid() :
	    c->value;

	if (c->arg == -1)
		return (seccomp_rule_add(f, action, n, 0));
	return (seccomp_rule_add(f, action, n, 1, SCMP_CMP((unsigned)c->arg,
	    SCMP_CMP_MASKED_EQ, c->mask, value)));
}

static int
confine_allow(scmp_filter_ctx f, const struct call *c, int n)
{
	denied_known(n, c->name);
	return (confine_rule(f, SCMP_ACT_ALLOW, c, n));
}

static int
confine_lack(scmp_filter_ctx f, const struct call *c, int n)
{
	return (confine_rule(f, SCMP_ACT_ERRNO(c->error), c, n));
}

/* Each row of a table that is this role's and has a number here. */
static int
confine_rows(scmp_filter_ctx f, unsigned role, const struct call *rows,
    size_t nrows, int (*row)(scmp_filter_ctx, const struct call *, int))
{
	int error = 0, n;
	size_t i;

	for (i = 0; i < nrows && error == 0; i++) {
		n = seccomp_syscall_resolve_name(rows[i].name);
		if (n >= 0 && (rows[i].roles & role) != 0)
			error = row(f, &rows[i], n);
	}
	return (error);
}

static void
confine_name_deadly(void)
{
	size_t i;

	for (i = 0; i < calls_ndeadly; i++)
		denied_deadly(seccomp_syscall_resolve_name(calls_deadly[i]),
		    calls_deadly[i]);
}

static int
confine_fill(scmp_filter_ctx f, unsigned role, bool denies)
{
	int error;

	/* threads that there are as well; no brake on this processor's guesses
	 * for it, which older kernels put on: no foreign code runs here */
	error = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
	(void)seccomp_attr_set(f, SCMP_FLTATR_CTL_SSB, 1);
	(void)seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (error == 0)
		error = confine_rows(f, role, calls_allowed, calls_nallowed,
		    confine_allow);
	if (error == 0 && denies)
		error = confine_rows(f, role, calls_absent, calls_nabsent,
		    confine_lack);
	confine_name_deadly();
	return (error != 0 ? error : seccomp_load(f));
}

static int
confine_load(unsigned role, bool denies)
{
	scmp_filter_ctx f;
	int error;

	if (denies && denied_open() == -1)
		return (-errno);
	f = seccomp_init(!denies ? SCMP_ACT_LOG : denied_returns() ?
	    SCMP_ACT_TRAP : SCMP_ACT_ERRNO(EPERM));
	if (f == NULL)
		return (-ENOMEM);
	error = confine_fill(f, role, denies);
	seccomp_release(f);
	return (error);
}

static void
confine_begin(const struct heritage *h)
{
	bool relay = h->slot == 0, denies;
	uint8_t sum[20];
	int error;

	if (h->conf->seccomp == CONF_SECCOMP_OFF)
		return;
	/* what its library reads and loads, it has */
	(void)digest_sha1(slice_str(""), sum);
	denies = h->conf->seccomp == CONF_SECCOMP_ON;
	error = confine_load(relay ? CALLS_RELAY : CALLS_WORKER, denies);
	if (error != 0)
		log_warnx("calls_not_filtered why=\"%s\" hint=\"the process "
		    "goes on with all of them; seccomp = off says that this is "
		    "meant\"", strerror(-error));
	else
		counter_set(COUNTER_calls_filtered, denies ? 1 : 0);
}

static void
confine_second(void)
{
	struct denied d;
	char *name;

	while (denied_next(&d)) {
		name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE,
		    d.number);
		log_warnx("call_denied call=%s number=%d times=%u hint=\"it is "
		    "not on the list of this version; seccomp = log lets it "
		    "pass\"", name != NULL ? name : "unknown", d.number,
		    d.times);
		free(name);
	}
}

static const char *
confine_word(const struct conf *conf)
{
	switch (conf->seccomp) {
	case CONF_SECCOMP_ON:
		return ("on");
	case CONF_SECCOMP_LOG:
		return ("log");
	case CONF_SECCOMP_OFF:
		return ("off");
	}
	return ("off");
}
#else
static void
confine_begin(const struct heritage *h)
{
	(void)h;
}

static void
confine_second(void)
{
}

static const char *
confine_word(const struct conf *conf)
{
	(void)conf;
	return ("absent");
}
#endif

const struct heritage_confine confine = {
	.begin = confine_begin, .second = confine_second, .word = confine_word,
};
