/* Any bytes as the record of a master: one that is accepted is, written again,
 * the same bytes. */
#include "master/upgrade/record.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct record r;
	static int fds[RECORD_FDS_MAX];
	unsigned version;
	struct buf b;

	if (!record_load(slice_of(data, n), &r, &version))
		return (0);
	MUST(version == RECORD_VERSION);
	(void)record_fds(&r, fds);
	buf_init(&b);
	record_save(&r, &b);
	MUST(slice_eq(buf_unread(&b), slice_of(data, n)));
	buf_fini(&b);
	return (0);
}
