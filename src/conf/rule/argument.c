/*
 * What stands behind the colon of a rule's word.
 */
#include "conf/rule/argument.h"

#include <string.h>

const char *
conf_argument(const char *text, const char *prefix)
{
	size_t n = strlen(prefix);

	return (strncmp(text, prefix, n) == 0 && text[n] == ':' &&
	    text[n + 1] != '\0' ? text + n + 1 : NULL);
}
