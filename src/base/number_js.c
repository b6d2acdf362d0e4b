/*
 * The shortest digits that mean the number, placed as ECMA-262 says; see
 * number_js.h.
 */
#include "base/number_js.h"

#include <float.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"

#define DIGITS_MAX	17	/* that always are enough */
#define DIGITS_SURE	15	/* as few or fewer say what they mean */
#define POINT_MAX	21	/* digits before the point, at most */
#define POINT_MIN	(-6)	/* zeros behind it, at most */

static bool
js_is(const char *text, double v)
{
	double is = strtod(text, NULL);

	return (is >= v && is <= v);
}

/* One more in the last digit: at a power of two numbers above it are twice as
 * far from each other as those below, and the nearest digits may be of one of
 * these.  false: a nine. */
static bool
js_next(char *text)
{
	char *last = strchr(text, 'e') - 1;

	return (*last >= '0' && *last < '9' && ++*last != '\0');
}

/* v > 0 is 0.DIGITS * 10^point; returns how many digits.  Where 15 are enough
 * all that are fewer show as zeros at their end; but a double below DBL_MIN
 * does not hold 15. */
static int
js_shortest(double v, char digits[DIGITS_MAX + 1], int *point)
{
	char text[40];
	int p, n;

	for (p = v < DBL_MIN ? 1 : DIGITS_SURE; p <= DIGITS_MAX; p++) {
		(void)snprintf(text, sizeof text, "%.*e", p - 1, v);
		if (js_is(text, v) || (p == DIGITS_MAX - 1 && js_next(text) &&
		    js_is(text, v)))
			break;
	}
	*point = (int)strtol(strchr(text, 'e') + 1, NULL, 10) + 1;
	for (n = 0, p = 0; text[p] != 'e'; p++)
		if (text[p] >= '0' && text[p] <= '9')
			digits[n++] = text[p];
	while (n > 1 && digits[n - 1] == '0')
		n--;
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
