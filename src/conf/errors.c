/*
 * What is wrong with a configuration, as lines of text.
 */
#include "conf/errors.h"

#include <stdarg.h>
#include <stdio.h>

void
conf_errors_init(struct conf_errors *errors)
{
	buf_init(&errors->text);
	errors->count = 0;
}

void
conf_errors_fini(struct conf_errors *errors)
{
	buf_fini(&errors->text);
	errors->count = 0;
}

void
conf_error(struct conf_errors *errors, const char *file, int line,
    const char *fmt, ...)
{
	char text[CONF_ERROR_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (line == CONF_LINE_OPTION)
		buf_printf(&errors->text, "-o: %s\n", text);
	else if (line > 0)
		buf_printf(&errors->text, "%s:%d: %s\n", file, line, text);
	else
		buf_printf(&errors->text, "%s: %s\n", file, text);
	errors->count++;
}
