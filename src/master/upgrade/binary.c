/*
 * Which file we are; see binary.h.
 */
#include "master/upgrade/binary.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BINARY_SELF	"/proc/self/exe"

/* Is that what runs here? */
static bool
binary_is_self(const char *path)
{
	struct stat self, st;

	return (stat(BINARY_SELF, &self) == 0 && stat(path, &st) == 0 &&
	    self.st_dev == st.st_dev && self.st_ino == st.st_ino);
}

/* In the folders of PATH, as the shell found it. */
static char *
binary_search(const char *name)
{
	const char *at = getenv("PATH"), *end;
	char *path;

	for (; at != NULL; at = *end == '\0' ? NULL : end + 1) {
		end = at + strcspn(at, ":");
		if (end == at || *at != '/')
			continue;
		if (asprintf(&path, "%.*s/%s", (int)(end - at), at, name) == -1)
			return (NULL);
		if (binary_is_self(path))
			return (path);
		free(path);
	}
	return (NULL);
}

static char *
binary_from_root(const char *named)
{
	char *from, *path;

	if (named[0] == '/')
		return (strdup(named));
	from = getcwd(NULL, 0);
	if (from == NULL)
		return (NULL);
	if (asprintf(&path, "%s/%s", from, named) == -1)
		path = NULL;
	free(from);
	return (path);
}

char *
binary_path(const char *named)
{
	char *path, self[PATH_MAX];
	ssize_t n;

	path = named == NULL ? NULL : strchr(named, '/') == NULL ?
	    binary_search(named) : binary_from_root(named);
	if (path != NULL && binary_is_self(path))
		return (path);
	free(path);
	/* whoever started it gave it another name */
	n = readlink(BINARY_SELF, self, sizeof self - 1);
	if (n == -1)
		return (NULL);
	self[n] = '\0';
	return (strdup(self));
}

int
binary_open_self(void)
{
	return (open(BINARY_SELF, O_RDONLY | O_CLOEXEC));
}
