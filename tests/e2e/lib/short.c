/*
 * Too little memory on demand: put before a daemon by LD_PRELOAD, steered by
 * a file that the test writes (see short.mjs).  Of the allocations that the
 * program itself makes (not its libraries) in processes of the chosen roles,
 * every n-th fails, of those that are large enough.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/prctl.h>

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct shortage {		/* little-endian, as short.mjs writes it */
	uint32_t	 every;		/* 0: none fails */
	uint32_t	 roles;		/* 2 relay, 4 worker */
	uint32_t	 failed;	/* told back */
	uint32_t	 least;		/* bytes; smaller ones don't fail */
};

void	*__libc_malloc(size_t);
void	*__libc_calloc(size_t, size_t);
void	*__libc_realloc(void *, size_t);

static struct shortage *shortage;
static uintptr_t from, to;	/* the program */
static uintptr_t gcov, gcov_end; /* within it: not ours, if it is there */
static uint32_t count;		/* of this process */

static int
program(struct dl_phdr_info *info, size_t size, void *arg)
{
	uintptr_t end;
	int i;

	(void)size;
	(void)arg;
	from = info->dlpi_addr;
	for (i = 0; i < info->dlpi_phnum; i++) {
		end = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr +
		    info->dlpi_phdr[i].p_memsz;
		if (info->dlpi_phdr[i].p_type == PT_LOAD && end > to)
			to = end;
	}
	return (1);		/* the first is the program */
}

static void __attribute__((constructor))
start(void)
{
	const char *path = getenv("SHORTAGE");
	void *p;
	int fd;

	fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
	if (fd == -1)
		return;
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	(void)dl_iterate_phdr(program, NULL);
	path = getenv("SHORTAGE_NOT");
	if (path != NULL) {
		char *end;

		gcov = from + strtoul(path, &end, 16);
		gcov_end = from + strtoul(end + 1, NULL, 16);
	}
	if (p != MAP_FAILED)
		shortage = p;
}

static int
fails(size_t n, const void *caller)
{
	uintptr_t at = (uintptr_t)caller;
	char name[16] = "";
	uint32_t role, every;

	if (shortage == NULL || (every = shortage->every) == 0 || at < from ||
	    at >= to || (at >= gcov && at < gcov_end) || n < shortage->least)
		return (0);
	(void)prctl(PR_GET_NAME, name);
	role = strcmp(name, "roost-relay") == 0 ? 2 :
	    strncmp(name, "roost-worker", 12) == 0 ? 4 : 1;
	if ((shortage->roles & role) == 0 || ++count % every != 0)
		return (0);
	__atomic_add_fetch(&shortage->failed, 1, __ATOMIC_SEQ_CST);
	errno = ENOMEM;
	return (1);
}

#define FAILS(n)	fails(n, __builtin_return_address(0))

void *
malloc(size_t n)
{
	return (FAILS(n) ? NULL : __libc_malloc(n));
}

void *
calloc(size_t n, size_t size)
{
	return (FAILS(n * size) ? NULL : __libc_calloc(n, size));
}

void *
realloc(void *p, size_t n)
{
	return (FAILS(n) ? NULL : __libc_realloc(p, n));
}

void *
reallocarray(void *p, size_t n, size_t size)
{
	if (size != 0 && n > SIZE_MAX / size) {
		errno = ENOMEM;
		return (NULL);
	}
	return (FAILS(n * size) ? NULL : __libc_realloc(p, n * size));
}
