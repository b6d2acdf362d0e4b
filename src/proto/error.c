/*
 * The body of a refusal; see error.h.
 */
#include "proto/error.h"

#include "proto/json.h"

void
error_begin(struct buf *b, const char *code, const char *message)
{
	buf_str(b, "{\"error\":{\"code\":");
	json_escape(b, slice_str(code));
	buf_str(b, ",\"message\":");
	json_escape(b, slice_str(message));
}

void
error_end(struct buf *b)
{
	buf_str(b, "}}");
}

void
error_encode(struct buf *b, const char *code, const char *message)
{
	error_begin(b, code, message);
	error_end(b);
}
