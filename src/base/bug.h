/*
 * What we do about our own bugs: MUST() stays in release builds, leaves a
 * note where the master can read it, and aborts.  Trouble made by a peer or
 * by a short world is never a MUST(); see reason.def for the former.
 */
#ifndef BASE_BUG_H
#define BASE_BUG_H

#define MUST_USE	__attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define NORETURN	__attribute__((noreturn))
#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#define nitems(a)	(sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, field) \
	((type *)(void *)((char *)(p) - offsetof(type, field)))

/* Cannot happen unless we are wrong.  Evaluates cond in every build. */
#define MUST(cond) \
	(likely(cond) ? (void)0 : bug_fail(__func__, __FILE__, __LINE__, #cond))

/* The first field of each long-lived struct; zeroed when it is freed. */
#define CHECK_MAGIC(p, m) MUST((p) != NULL && (p)->magic == (m))

/*
 * Called once, with the note ("function file:line condition"), before abort().
 * The role sets it to write the note into its slot; it must not allocate.
 */
extern void (*bug_panic_hook)(const char *note);

void	bug_fail(const char *func, const char *file, int line,
	    const char *cond) NORETURN;

#endif
