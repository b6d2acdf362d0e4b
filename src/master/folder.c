/*
 * The folder of a file; see folder.h.
 */
#include "master/folder.h"

#include <sys/stat.h>

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "sys/log.h"
#include "sys/plat.h"

void
folder_make(const char *path, const struct plat_user *owner)
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
	log_info("folder made path=\"%s\"", folder);
	if (owner != NULL && lchown(folder, owner->uid, owner->gid) == -1)
		log_warn("folder \"%s\" keeps its owner", folder);
}
