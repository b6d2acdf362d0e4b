/*
 * What the crash tests may do to the protocol of shm/table.h: stop a process
 * between any two accesses to shared memory, and break one rule on purpose to
 * see the tests notice.  In the daemon all of it compiles to nothing.
 */
#ifndef SHM_HOOK_H
#define SHM_HOOK_H

#ifdef SHM_HOOKS
void	shm_hook(void);		/* of the test program; may not return */
#define HOOK() shm_hook()
#else
#define HOOK() ((void)0)
#endif

#ifndef BREAK_COLUMN_FIRST	/* leave: column cleared before the bit */
#define BREAK_COLUMN_FIRST 0
#endif
#ifndef BREAK_NO_GRACE		/* evict: node free at once */
#define BREAK_NO_GRACE 0
#endif
#ifndef BREAK_NO_WALK		/* reclaim: claimed nodes freed unseen */
#define BREAK_NO_WALK 0
#endif
#ifndef BREAK_NO_UNDO		/* join: a dead node is good enough */
#define BREAK_NO_UNDO 0
#endif
#ifndef BREAK_NO_MARK		/* reclaim: the relay is not told */
#define BREAK_NO_MARK 0
#endif
#ifndef BREAK_NO_PEND		/* announce: not noted beforehand */
#define BREAK_NO_PEND 0
#endif

#ifndef BREAK_COUNT_LATE	/* count: looked at first, counted then */
#define BREAK_COUNT_LATE 0
#endif

/* Wide loads of narrow words confuse ThreadSanitizer: one by one for it. */
#if defined(__SANITIZE_THREAD__)
#define SHM_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SHM_TSAN 1
#endif
#endif
#ifndef SHM_TSAN
#define SHM_TSAN 0
#endif

#endif
