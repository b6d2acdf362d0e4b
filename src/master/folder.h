/*
 * /run is empty after each boot: the folder of a file there is made, if it is
 * the only thing that is missing.
 */
#ifndef MASTER_FOLDER_H
#define MASTER_FOLDER_H

/*
 * It is ours and stays so, whoever the children become: in a folder of theirs
 * they could make a link of a name that we are about to write to.  Whoever
 * opens the file says what is still wrong.
 */
void	folder_make(const char *path);

#endif
