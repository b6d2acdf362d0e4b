/*
 * Strings as they are written in roost.conf and in JSON.
 */
#include "conf/value/string.h"

#include <stdlib.h>

#include "conf/heap.h"

char *
conf_json_string(const char *text)
{
	struct buf out;
	char *json;

	buf_init(&out);
	buf_byte(&out, '"');
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			buf_byte(&out, '\\');
		if ((unsigned char)*text < 0x20)
			buf_printf(&out, "\\u%04x", (unsigned)*text);
		else
			buf_byte(&out, (uint8_t)*text);
	}
	buf_byte(&out, '"');
	MUST(!out.oom);
	json = conf_strndup(out.data, out.wpos);
	buf_fini(&out);
	return (json);
}

/* The escapes of JSON are also ours; only ${ is special besides. */
void
conf_json_print(const char *json, struct buf *out)
{
	for (; *json != '\0'; json++) {
		if (*json == '$')
			buf_byte(out, '\\');
		buf_byte(out, (uint8_t)*json);
	}
}

void
conf_string_print(const char *text, struct buf *out)
{
	char *json = conf_json_string(text);

	conf_json_print(json, out);
	free(json);
}
