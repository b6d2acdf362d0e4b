/*
 * What a build with --enable-coverage counts, written where a process would
 * end without exit(): before _exit() and abort(), and each second by what may
 * be killed.  In every other build there is nothing to do.
 */
#ifndef BASE_COVERAGE_H
#define BASE_COVERAGE_H

/*
 * Add what was run since the last call to the .gcda files.
 * process  any; nothing is lost where no descriptor is free: then the next
 *          call writes it
 */
#ifdef COVERAGE
void	coverage_save(void);
#else
static inline void
coverage_save(void)
{
}
#endif

#endif
