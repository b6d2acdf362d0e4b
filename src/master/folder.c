/*
 * The folder of a file; see folder.h.
 */
#include "master/folder.h"

#include <sys/stat.h>

#include <limits.h>
#include <string.h>

#include "sys/log.h"

void
folder_make(const char *path)
{
	char folder[PATH_MAX];
	const char *end = strrchr(path, '/');

	if (end == NULL || end == path ||
	    (size_t)(end - path) >= sizeof folder)
		return;
	memcpy(folder, path, (size_t)(end - path));
	folder[end - path] = '\0';
	if (mkdir(folder, 0755) == -1)
		return;
	log_info("folder_made path=\"%s\"", folder);
}
