/*
 * Accept-Encoding and Content-Encoding; see coding.h.
 */
#include "proto/coding.h"

#include "base/ascii.h"

#define WEIGHT_NONE	(-1)	/* not named */
#define WEIGHT_ONE	1000	/* "1.000" */

static const struct {
	const char	*name;
	enum coding	 coding;
} coding_names[] = {		/* the first of each is the one to send */
	{ "identity", CODING_IDENTITY },
	{ "gzip", CODING_GZIP },
	{ "deflate", CODING_DEFLATE },
	{ "x-gzip", CODING_GZIP },	/* RFC 9110, 8.4.1.3: the same */
};

const char *
coding_name(enum coding c)
{
	return (coding_names[c].name);
}

/* What is before c, trimmed; *rest moves behind it. */
static struct slice
coding_take(struct slice *rest, uint8_t c)
{
	return (ascii_trim(ascii_take(rest, c)));
}

/*
 * RFC 9110, 12.4.2: qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ]
 * ).  Thousandths, or WEIGHT_NONE: no weight at all.
 */
static int
coding_qvalue(struct slice s)
{
	int q, unit = 100;
	size_t i;

	if (s.n == 0 || s.n > 5 || (s.p[0] != '0' && s.p[0] != '1') ||
	    (s.n > 1 && s.p[1] != '.'))
		return (WEIGHT_NONE);
	q = (s.p[0] - '0') * WEIGHT_ONE;
	for (i = 2; i < s.n; i++, unit /= 10) {
		if (!ascii_digit(s.p[i]))
			return (WEIGHT_NONE);
		q += (s.p[i] - '0') * unit;
	}
	return (q > WEIGHT_ONE ? WEIGHT_NONE : q);
}

/* The weight behind a coding; WEIGHT_NONE: the element is no good. */
static int
coding_weight(struct slice params)
{
	struct slice one;
	int q = WEIGHT_ONE;

	while (params.n > 0 && q != WEIGHT_NONE) {
		one = coding_take(&params, ';');
		if (one.n < 2 || (one.p[0] | 0x20) != 'q' || one.p[1] != '=')
			return (WEIGHT_NONE);
		q = coding_qvalue(slice_from(one, 2));
	}
	return (q);
}

/* One element of the list into its weight, or that of "*". */
static void
coding_element(struct slice element, int weights[CODING__MAX], int *any)
{
	struct slice name;
	size_t i;
	int q;

	name = coding_take(&element, ';');
	q = coding_weight(element);
	if (q == WEIGHT_NONE)
		return;
	if (slice_eq(name, SLICE("*")))
		*any = q;
	for (i = 0; i < nitems(coding_names); i++)
		if (slice_caseeq(name, slice_str(coding_names[i].name)))
			weights[coding_names[i].coding] = q;
}

enum coding
coding_choose(const struct http_request *r, bool *must)
{
	int weights[CODING__MAX] = { WEIGHT_NONE, WEIGHT_NONE, WEIGHT_NONE };
	int any = WEIGHT_NONE, identity, best = 0;
	enum coding found = CODING_IDENTITY;
	struct http_list l = http_list(r, "Accept-Encoding");
	struct slice element;
	int c;

	while (http_list_next(&l, &element))
		coding_element(element, weights, &any);
	for (c = CODING_GZIP; c < CODING__MAX; c++) {
		if (weights[c] == WEIGHT_NONE)
			weights[c] = any;
		if (weights[c] > best) {
			best = weights[c];
			found = (enum coding)c;
		}
	}
	identity = weights[CODING_IDENTITY];
	*must = identity == 0 || (identity == WEIGHT_NONE && any == 0);
	return (identity > best ? CODING_IDENTITY : found);
}

bool
coding_of_body(const struct http_request *r)
{
	struct http_list l = http_list(r, "Content-Encoding");
	struct slice name;

	while (http_list_next(&l, &name))
		if (!slice_caseeq(name, SLICE("identity")))
			return (true);
	return (false);
}
