/*
 * Numbers of JSON; see json.h.  What is read here was found valid before.
 */
#include "proto/json_int.h"

#include <stdio.h>
#include <stdlib.h>

/* A number in pieces: 0.DIGITS times ten to the power of point. */
struct decimal {
	bool		 negative;
	struct slice	 digits[2];	/* before and behind the dot */
	int64_t		 point;
};

#define EXPONENT_MAX	INT64_C(1000000000000)	/* more is the same */

static int64_t
number_take_exponent(const uint8_t *p, const uint8_t *end)
{
	bool negative = false;
	int64_t e = 0;

	if (p < end && (*p == '+' || *p == '-'))
		negative = *p++ == '-';
	for (; p < end && ascii_digit(*p); p++)
		if (e < EXPONENT_MAX)
			e = e * 10 + (*p - '0');
	return (negative ? -e : e);
}

static bool
number_take_number(struct slice in, struct decimal *d)
{
	const uint8_t *p = in.p, *end = slice_end(in), *start;

	if (json_type(in) != JSON_NUMBER)
		return (false);
	d->negative = *p == '-';
	start = p += d->negative;
	p = json_skip_digits(p, end);
	d->digits[0] = slice_of(start, (size_t)(p - start));
	d->digits[1] = slice_of(NULL, 0);
	if (p < end && *p == '.') {
		start = ++p;
		p = json_skip_digits(p, end);
		d->digits[1] = slice_of(start, (size_t)(p - start));
	}
	d->point = (int64_t)d->digits[0].n;
	if (p < end)
		d->point += number_take_exponent(p + 1, end);
	return (d->digits[0].n > 0);
}

static uint8_t
number_decimal_digit(const struct decimal *d, size_t i)
{
	if (i < d->digits[0].n)
		return (d->digits[0].p[i]);
	return (d->digits[1].p[i - d->digits[0].n]);
}

bool
json_int(struct slice value, int64_t *out)
{
	const int64_t max = (INT64_C(1) << 53) - 1;
	struct decimal d;
	int64_t v = 0, i, n;

	if (!number_take_number(value, &d))
		return (false);
	n = (int64_t)(d.digits[0].n + d.digits[1].n);
	for (i = 0; i < n; i++) {
		uint8_t c = number_decimal_digit(&d, (size_t)i);

		if (i >= d.point) {
			if (c != '0')
				return (false);
			continue;
		}
		v = v * 10 + (c - '0');
		if (v > max)
			return (false);
	}
	for (; i < d.point && v != 0; i++)
		if ((v *= 10) > max)
			return (false);
	*out = d.negative ? -v : v;
	return (true);
}

/* strtod(3) needs an end: a copy, cut behind more digits than can matter. */
bool
json_double(struct slice value, double *out)
{
	char tmp[832], *o = tmp;
	struct decimal d;
	size_t i, n;

	if (!number_take_number(value, &d))
		return (false);
	n = d.digits[0].n + d.digits[1].n;
	for (i = 0; i < n && number_decimal_digit(&d, i) == '0'; i++)
		d.point--;
	if (d.negative)
		*o++ = '-';
	*o++ = '0';
	*o++ = '.';
	for (; i < n && o < tmp + 780; i++)
		*o++ = (char)number_decimal_digit(&d, i);
	for (; i < n; i++)
		if (number_decimal_digit(&d, i) != '0') {
			*o++ = '1';	/* only says: a little more than that */
			break;
		}
	(void)snprintf(o, (size_t)(tmp + sizeof tmp - o), "0e%lld",
	    (long long)d.point);
	*out = strtod(tmp, NULL);
	return (true);
}
