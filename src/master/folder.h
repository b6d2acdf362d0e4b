/*
 * /run is empty after each boot: the folder of a file there is made, if it is
 * the only thing that is missing.
 */
#ifndef MASTER_FOLDER_H
#define MASTER_FOLDER_H

struct plat_user;

/* owner NULL: it is ours.  Whoever opens the file says what is still wrong. */
void	folder_make(const char *path, const struct plat_user *owner);

#endif
