/*
 * Scripts of keep_sessions_far.h.
 */
#include "relay/store/keep_sessions_far_int.h"

#include "base/digest.h"

/*
 * KEYS sessions; ARGV 1 the host, 2 the verb and 3 the channel to publish, then
 * for each: h, a, e as it is, or t: as it was, for how many ms, whose, what, and
 * what is published then, or nothing.  Answers a letter for each: y; o: it is
 * another host's; n: it was not there.
 */
static const char script_write[] =
"local ans = {}\n"
"for i = 1, #KEYS do\n"
"  local k, j = KEYS[i], 5 * i - 1\n"
"  local o = redis.call('HGET', k, 'o')\n"
"  if o and o ~= ARGV[1] then ans[i] = 'o'\n"
"  elseif ARGV[j] == 't' then\n"
"    ans[i] = redis.call('PEXPIRE', k, ARGV[j + 1]) == 1 and 'y' or 'n'\n"
"  else\n"
"    redis.call('HSET', k, 'o', ARGV[1], 's', ARGV[j], 'u', ARGV[j + 2], 'd', ARGV[j + 3])\n"
"    redis.call('PEXPIRE', k, ARGV[j + 1])\n"
"    if ARGV[j + 4] ~= '' then redis.call(ARGV[2], ARGV[3], ARGV[j + 4]) end\n"
"    ans[i] = 'y'\n"
"  end\n"
"end\n"
"return table.concat(ans)\n";

/*
 * KEYS session; ARGV 1 the host, 2 whose it must be, 3 y: who has it is not
 * asked, 4 the verb and 5 the channel to publish, 6 that it is wanted, 7 that it
 * is taken, 8 for how many ms.  Answers {what, the rest of it}: none; over; not,
 * it is another user's; own, the host has it already; wait, until who has it has
 * answered; got.
 */
static const char script_take[] =
"local v = redis.call('HMGET', KEYS[1], 'o', 's', 'u', 'd')\n"
"if not v[1] then return {'none', ''} end\n"
"if v[2] == 'e' then return {'over', ''} end\n"
"if v[3] ~= ARGV[2] then return {'not', ''} end\n"
"if v[1] == ARGV[1] then return {'own', v[4]} end\n"
"if v[2] == 'h' and ARGV[3] ~= 'y' then\n"
"  redis.call(ARGV[4], ARGV[5], ARGV[6])\n"
"  return {'wait', ''}\n"
"end\n"
"redis.call('HSET', KEYS[1], 'o', ARGV[1], 's', 'h')\n"
"redis.call('PEXPIRE', KEYS[1], ARGV[8])\n"
"redis.call(ARGV[4], ARGV[5], ARGV[7])\n"
"return {'got', v[4]}\n";

struct slice
far_script_text(enum far_script which)
{
	return (which == FAR_WRITE ? slice_str(script_write) :
	    slice_str(script_take));
}

void
far_scripts_init(char sha[FAR_SCRIPTS][40])
{
	static const char hex[] = "0123456789abcdef";
	uint8_t sum[20];
	unsigned i, k;

	for (i = 0; i < FAR_SCRIPTS; i++) {
		digest_sha1(far_script_text((enum far_script)i), sum);
		for (k = 0; k < sizeof sum; k++) {
			sha[i][2 * k] = hex[sum[k] >> 4];
			sha[i][2 * k + 1] = hex[sum[k] & 15];
		}
	}
}
