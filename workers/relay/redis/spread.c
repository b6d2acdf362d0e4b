/*
 * Where names belong; see spread.h.
 */
#include "relay/redis/spread.h"

#include <stdio.h>

#include "base/ascii.h"

/* --- slots ----------------------------------------------------------------*/

/* CRC-16/XMODEM, four bits at a time. */
static unsigned
spread_crc16(struct slice s)
{
	static const uint16_t table[16] = { 0x0000, 0x1021, 0x2042, 0x3063,
		0x4084, 0x50a5, 0x60c6, 0x70e7, 0x8108, 0x9129, 0xa14a, 0xb16b,
		0xc18c, 0xd1ad, 0xe1ce, 0xf1ef };
	unsigned crc = 0;
	size_t i;

	for (i = 0; i < s.n; i++) {
		crc = (crc << 4 & 0xffff) ^ table[crc >> 12 ^ s.p[i] >> 4];
		crc = (crc << 4 & 0xffff) ^ table[crc >> 12 ^ (s.p[i] & 15)];
	}
	return (crc);
}

/* What decides where a key goes. */
static struct slice
spread_tag(struct slice key)
{
	const uint8_t *open = key.n == 0 ? NULL : memchr(key.p, '{', key.n);
	const uint8_t *close;
	struct slice rest;

	if (open == NULL)
		return (key);
	rest = slice_from(key, (size_t)(open - key.p) + 1);
	close = rest.n == 0 ? NULL : memchr(rest.p, '}', rest.n);
	if (close == NULL || close == rest.p)
		return (key);
	return (slice_of(rest.p, (size_t)(close - rest.p)));
}

unsigned
spread_slot(struct slice key)
{
	return (spread_crc16(spread_tag(key)) % SPREAD_SLOTS);
}

/* --- partitions -----------------------------------------------------------*/

#define SPREAD_SHARE	(SPREAD_SLOTS / SPREAD_PARTITIONS)

/*
 * The least number whose slot is in the partition's share of them: wherever a
 * Cluster is cut, each piece has its part of the partitions.
 */
static unsigned
spread_number(unsigned partition)
{
	static unsigned numbers[SPREAD_PARTITIONS]; /* plus one; 0: not yet */
	static bool known;
	char text[16];
	unsigned i, at, found = 0;

	for (i = 0; !known && found < SPREAD_PARTITIONS; i++) {
		(void)snprintf(text, sizeof text, "%u", i);
		at = spread_slot(slice_str(text)) / SPREAD_SHARE;
		if (numbers[at] != 0)
			continue;
		numbers[at] = i + 1;
		found++;
	}
	known = true;
	return (numbers[partition] - 1);
}

unsigned
spread_partition(struct slice channel, size_t prefix)
{
	return (spread_crc16(slice_from(channel, prefix)) % SPREAD_PARTITIONS);
}

unsigned
spread_partition_slot(unsigned partition)
{
	char text[16];

	(void)snprintf(text, sizeof text, "%u", spread_number(partition));
	return (spread_slot(slice_str(text)));
}

struct slice
spread_tagged_as(struct buf *b, struct slice channel, struct slice key,
    size_t prefix)
{
	buf_reset(b);
	buf_append(b, key.p, prefix);
	buf_byte(b, '{');
	buf_u64(b, spread_number(spread_partition(channel, prefix)));
	buf_byte(b, '}');
	buf_slice(b, slice_from(key, prefix));
	return (buf_unread(b));
}

struct slice
spread_tagged(struct buf *b, struct slice channel, size_t prefix)
{
	return (spread_tagged_as(b, channel, channel, prefix));
}

bool
spread_plain(struct buf *b, struct slice tagged, size_t prefix,
    struct slice *plain)
{
	size_t i = prefix + 1;

	if (tagged.n < prefix + 3 || tagged.p[prefix] != '{')
		return (false);
	while (i < tagged.n && ascii_digit(tagged.p[i]))
		i++;
	if (i == tagged.n || tagged.p[i] != '}')
		return (false);
	buf_reset(b);
	buf_append(b, tagged.p, prefix);
	buf_slice(b, slice_from(tagged, i + 1));
	*plain = buf_unread(b);
	return (!b->oom);
}

/* --- shards ---------------------------------------------------------------*/

/* FNV-1a, 64 bits. */
uint64_t
spread_name(struct slice s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	size_t i;

	for (i = 0; i < s.n; i++)
		h = (h ^ s.p[i]) * UINT64_C(0x100000001b3);
	return (h);
}

/* Each bit of the result depends on each of v. */
static uint64_t
spread_mix(uint64_t v)
{
	v = (v ^ v >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	v = (v ^ v >> 27) * UINT64_C(0x94d049bb133111eb);
	return (v ^ v >> 31);
}

size_t
spread_shard(const uint64_t *names, size_t n, struct slice key)
{
	uint64_t of_key = spread_name(spread_tag(key)), weight, best = 0;
	size_t i, at = 0;

	for (i = 0; i < n; i++) {
		weight = spread_mix(spread_mix(names[i]) ^ of_key);
		if (i > 0 && (weight < best || (weight == best &&
		    names[i] < names[at])))
			continue;
		best = weight;
		at = i;
	}
	return (at);
}
