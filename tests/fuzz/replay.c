/*
 * A main() for fuzz targets without libFuzzer: each file named on the command
 * line, each in a directory named there, or each in corpus/CODEC of the
 * target's own name, is given to the target once.  That is what `make check'
 * does with the corpus; a crash or a failed MUST() ends the program and
 * thereby the test.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* The whole file, in memory of exactly its size so that ASan sees the end. */
static uint8_t *
slurp(const char *path, size_t *n)
{
	uint8_t *data;
	FILE *f;
	long size;

	if ((f = fopen(path, "rb")) == NULL)
		err(1, "%s", path);
	if (fseek(f, 0, SEEK_END) == -1 || (size = ftell(f)) == -1)
		err(1, "%s", path);
	rewind(f);
	*n = (size_t)size;
	if ((data = malloc(*n > 0 ? *n : 1)) == NULL)
		err(1, NULL);
	if (fread(data, 1, *n, f) != *n)
		err(1, "%s", path);
	fclose(f);
	return (data);
}

static void
replay_file(const char *path)
{
	uint8_t *data;
	size_t n;

	fprintf(stderr, "replay %s\n", path);
	data = slurp(path, &n);
	(void)LLVMFuzzerTestOneInput(data, n);
	free(data);
}

static unsigned
replay_dir(const char *dir)
{
	struct dirent *e;
	unsigned n = 0;
	char *path;
	DIR *d;

	if ((d = opendir(dir)) == NULL)
		err(1, "%s", dir);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		if (asprintf(&path, "%s/%s", dir, e->d_name) == -1)
			err(1, NULL);
		replay_file(path);
		free(path);
		n++;
	}
	closedir(d);
	return (n);
}

/* tests/fuzz/fuzz_ws -> $srcdir/tests/fuzz/corpus/ws */
static unsigned
replay_corpus(const char *self)
{
	char dir[4096];
	const char *name, *top;

	name = strrchr(self, '/');
	name = name == NULL ? self : name + 1;
	if (strncmp(name, "fuzz_", 5) != 0)
		errx(1, "%s: not named fuzz_CODEC", self);
	top = getenv("srcdir");
	snprintf(dir, sizeof(dir), "%s/tests/fuzz/corpus/%s",
	    top == NULL ? "." : top, name + 5);
	return (replay_dir(dir));
}

static unsigned
replay_path(const char *path)
{
	struct stat st;

	if (stat(path, &st) == -1)
		err(1, "%s", path);
	if (S_ISDIR(st.st_mode))
		return (replay_dir(path));
	replay_file(path);
	return (1);
}

int
main(int argc, char *argv[])
{
	unsigned n = 0;
	int i;

	for (i = 1; i < argc; i++)
		n += replay_path(argv[i]);
	if (argc == 1)
		n = replay_corpus(argv[0]);
	if (n == 0)
		errx(1, "%s: nothing to replay", argv[0]);
	printf("%s: %u inputs replayed\n", argv[0], n);
	return (0);
}
