/*
 * The counts of gcov, written early; see coverage.h.  The functions are
 * libgcov's and have no header before gcc 13.
 */
#include "base/coverage.h"

#ifdef COVERAGE
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void	__gcov_dump(void);
void	__gcov_reset(void);

void
coverage_save(void)
{
	int fd, before = errno;

	/* libgcov would drop the counts of a file that it cannot open */
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd != -1) {
		(void)close(fd);
		__gcov_dump();
		__gcov_reset();
	}
	errno = before;
}
#else
/* a file of the language holds something */
typedef int coverage_is_off;
#endif
