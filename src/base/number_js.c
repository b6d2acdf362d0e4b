/*
 * The shortest digits that mean the number, placed as ECMA-262 says; see
 * number_js.h.
 */
#include "base/number_js.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"

#define DIGITS_MAX	17	/* that always are enough */
#define POINT_MAX	21	/* digits before the point, at most */
#define POINT_MIN	(-6)	/* zeros behind it, at most */

/* v > 0 is 0.DIGITS * 10^point; returns how many digits. */
static int
js_shortest(double v, char digits[DIGITS_MAX + 1], int *point)
{
	char text[40];
	int p, n;

	for (p = 1; p <= DIGITS_MAX; p++) {
		(void)snprintf(text, sizeof text, "%.*e", p - 1, v);
		if (strtod(text, NULL) >= v && strtod(text, NULL) <= v)
			break;
	}
	*point = (int)strtol(strchr(text, 'e') + 1, NULL, 10) + 1;
	for (n = 0, p = 0; text[p] != 'e'; p++)
		if (text[p] >= '0' && text[p] <= '9')
			digits[n++] = text[p];
	digits[n] = '\0';
	return (n);
}

size_t
number_js(double v, char out[NUMBER_JS_MAX])
{
	const char *sign = v < 0 ? "-" : "";
	char digits[DIGITS_MAX + 1];
	int n, k, point;

	if (!(v < 0 || v > 0)) {	/* the sign of a zero is not shown */
		memcpy(out, "0", 2);
		return (1);
	}
	k = js_shortest(v < 0 ? -v : v, digits, &point);
	if (point >= k && point <= POINT_MAX)
		n = snprintf(out, NUMBER_JS_MAX, "%s%s%.*s", sign, digits,
		    point - k, "000000000000000000000");
	else if (point > 0 && point <= POINT_MAX)
		n = snprintf(out, NUMBER_JS_MAX, "%s%.*s.%s", sign, point,
		    digits, digits + point);
	else if (point > POINT_MIN && point <= 0)
		n = snprintf(out, NUMBER_JS_MAX, "%s0.%.*s%s", sign, -point,
		    "000000", digits);
	else
		n = snprintf(out, NUMBER_JS_MAX, "%s%c%s%se%+d", sign,
		    digits[0], k > 1 ? "." : "", digits + 1, point - 1);
	MUST(n > 0 && n < NUMBER_JS_MAX);
	return ((size_t)n);
}
