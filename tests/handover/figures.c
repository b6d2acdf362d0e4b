/* What the fleet counts, and how it says what is wrong; see fleet.h. */
#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet.h"

#define TOLD_MAX	40	/* of a process, in words */

static const char *const count_names[] = {
#define X(name) #name,
	COUNTS(X)
#undef X
};
static const char *const wrong_names[] = {
#define X(name) #name,
	WRONGS(X)
#undef X
};

void
die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	verr(1, fmt, ap);
	va_end(ap);
}

void
count(enum count which)
{
	me->count[which]++;
}

void
wrong(enum wrong which, const char *who, unsigned id, const char *fmt, ...)
{
	static unsigned said;
	char text[300];
	va_list ap;

	me->wrong[which]++;
	if (said++ >= TOLD_MAX)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	fprintf(stderr, "WRONG %.3f %s: %s %u: %s\n",
	    (double)now_us() / 1e6, wrong_names[which], who, id, text);
}

/* Sixteen buckets for each power of two. */
void
hist_add(uint32_t *hist, uint64_t us)
{
	unsigned power, at;

	if (us < 16)
		at = (unsigned)us;
	else {
		power = 63 - (unsigned)__builtin_clzll(us);
		at = (power - 3) * 16 + (unsigned)(us >> (power - 4) & 15);
	}
	hist[at < BUCKETS ? at : BUCKETS - 1]++;
}

static uint64_t
hist_value(unsigned at)
{
	return (at < 16 ? at : (16 + at % 16 + UINT64_C(1)) <<
	    (at / 16 - 1));
}

uint64_t
hist_at(const uint32_t *hist, double share)
{
	uint64_t all = 0, upto = 0;
	unsigned i;

	for (i = 0; i < BUCKETS; i++)
		all += hist[i];
	if (all == 0)
		return (0);
	for (i = 0; i < BUCKETS; i++) {
		upto += hist[i];
		if ((double)upto >= share * (double)all && upto > 0)
			return (hist_value(i));
	}
	return (hist_value(BUCKETS - 1));
}

void
late_by(uint32_t *worst_us, uint64_t sent_us, uint64_t now)
{
	uint64_t us = now > sent_us ? now - sent_us : 0;

	hist_add(me->late, us);
	if (us > *worst_us)
		*worst_us = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static void
print_hist(const struct board *b, const char *name, size_t at)
{
	uint32_t sum[BUCKETS] = { 0 };
	const uint32_t *one;
	uint64_t n = 0;
	unsigned i, p;

	for (p = 0; p < b->opt.processes; p++) {
		one = (const uint32_t *)(const void *)
		    ((const char *)&b->teller[p] + at);
		for (i = 0; i < BUCKETS; i++)
			sum[i] += one[i];
	}
	for (i = 0; i < BUCKETS; i++)
		n += sum[i];
	printf(",\"%s\":{\"n\":%llu,\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f,"
	    "\"worst\":%.1f}", name, (unsigned long long)n,
	    (double)hist_at(sum, 0.5) / 1e3, (double)hist_at(sum, 0.99) / 1e3,
	    (double)hist_at(sum, 0.999) / 1e3, (double)hist_at(sum, 1) / 1e3);
}

/* A line of JSON; times in milliseconds. */
void
figures_print(const struct board *b, const char *name)
{
	uint64_t sum, gap = 0, bad = 0;
	unsigned i, p;

	printf("{\"name\":\"%s\"", name);
	for (i = 0; i < NCOUNTS; i++) {
		for (sum = 0, p = 0; p < b->opt.processes; p++)
			sum += b->teller[p].count[i];
		printf(",\"%s\":%llu", count_names[i], (unsigned long long)sum);
	}
	printf(",\"wrong\":{");
	for (i = 0; i < NWRONGS; i++) {
		for (sum = 0, p = 0; p < b->opt.processes; p++)
			sum += b->teller[p].wrong[i];
		bad += sum;
		printf("%s\"%s\":%llu", i == 0 ? "" : ",", wrong_names[i],
		    (unsigned long long)sum);
	}
	for (sum = 0, p = 0; p < b->opt.processes; p++) {
		sum += b->teller[p].here;
		if (b->teller[p].ping_gap_us > gap)
			gap = b->teller[p].ping_gap_us;
	}
	printf("},\"bad\":%llu,\"here\":%llu,\"ping_gap_ms\":%.0f",
	    (unsigned long long)bad, (unsigned long long)sum,
	    (double)gap / 1e3);
	print_hist(b, "late", offsetof(struct teller, late));
	print_hist(b, "worst_of_each", offsetof(struct teller, worst));
	print_hist(b, "quick", offsetof(struct teller, quick));
	print_hist(b, "quick_worst_of_each", offsetof(struct teller,
	    quick_worst));
	print_hist(b, "newcomer", offsetof(struct teller, fresh));
	printf("}\n");
	(void)fflush(stdout);
}
