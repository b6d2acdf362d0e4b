/*
 * What this host's users are in Redis: keys, values, and the scripts that
 * change them; see truth.h.  Called by truth.c, mirror.c and remains.c.
 */
#include "relay/people/truth_int.h"

#include <inttypes.h>

#include "conf/conf.h"
#include "proto/json.h"
#include "relay/redis/redis.h"

#define TRUTH_EPOCH	16u		/* digits */
#define TRUTH_VALUE	(TRUTH_EPOCH + 17u)

/* u goes to, or from, the hash of all. */
#define TRUTH_LUA_ALL \
"local m,n,id,e=KEYS[1],KEYS[2],ARGV[1],ARGV[2]\n" \
"if redis.call('HGET',n,'=')~=e then return '-' end\n" \
"local function all(u,j)\n" \
" local old,o=redis.call('HGET',m,u),{}\n" \
" if old then\n" \
"  local l=string.match(old,'\"nodes\":%[([^%]]*)%]}$') or ''\n" \
"  for x in string.gmatch(l,'%x+') do\n" \
"   if x~=id then o[#o+1]='\"'..x..'\"' end\n" \
"  end\n" \
" end\n" \
" if j=='' then\n" \
"  if #o==0 then redis.call('HDEL',m,u) return end\n" \
"  j=string.gsub(old,',\"nodes\":%[[^%]]*%]}$','')\n" \
" else o[#o+1]='\"'..id..'\"' end\n" \
" redis.call('HSET',m,u,j..',\"nodes\":['..table.concat(o,',')..']}')\n" \
"end\n"

const char truth_script[] = TRUTH_LUA_ALL
"for i=3,#ARGV,3 do\n"
" local f,v=ARGV[i],ARGV[i+1]\n"
" if v=='' then redis.call('HDEL',n,f) else redis.call('HSET',n,f,v) end\n"
" if string.byte(f)==117 then all(string.sub(f,2),ARGV[i+2]) end\n"
"end\n"
"redis.call('PEXPIRE',m," TRUTH_ALL_TTL ")\n"
"return '0'\n";

static const char truth_lua_sweep[] = TRUTH_LUA_ALL
"local r=redis.call('HSCAN',n,ARGV[4],'COUNT',ARGV[5])\n"
"for i=1,#r[2],2 do\n"
" local f,v=r[2][i],r[2][i+1]\n"
" if f~='=' and (ARGV[3]=='' or string.sub(v,1,16)~=e) then\n"
"  redis.call('HDEL',n,f)\n"
"  if string.byte(f)==117 then all(string.sub(f,2),'') end\n"
" end\n"
"end\n"
"return r[1]\n";

/* --- keys and values ------------------------------------------------------*/

struct slice
truth_key_of_all(struct buf *b, const struct conf *conf,
    const struct conf_namespace *ns)
{
	buf_reset(b);
	buf_printf(b, "%spresence:%s", conf->redis.prefix, ns->name + 1);
	return (buf_unread(b));
}

struct slice
truth_key_of_node(struct buf *b, const struct conf *conf,
    const struct conf_namespace *ns, uint64_t id)
{
	buf_reset(b);
	buf_printf(b, "%snode:%016" PRIx64 ":{%spresence:%s}",
	    conf->redis.prefix, id, conf->redis.prefix, ns->name + 1);
	return (buf_unread(b));
}

bool
truth_field_get(struct slice field, struct slice value, struct news_entry *e)
{
	if (field.n < 2 || (field.p[0] != 'u' && field.p[0] != 'r') ||
	    value.n != TRUTH_VALUE)
		return (false);
	value = slice_from(value, TRUTH_EPOCH);
	*e = (struct news_entry){ .room = field.p[0] == 'r', .present = true,
		.code = value.p[0], .set_ms = news_word(value.p + 1),
		.seen_ms = news_word(value.p + 9),
		.key = slice_from(field, 1) };
	return (news_entry_good(e));
}

void
truth_value_put(struct buf *b, uint64_t epoch, const struct news_entry *e)
{
	buf_printf(b, "%016" PRIx64, epoch);
	buf_byte(b, e->code);
	news_word_put(b, e->set_ms);
	news_word_put(b, e->seen_ms);
}

/* --- the sweep ------------------------------------------------------------*/

bool
truth_sweep(const struct truth_sweep *s, commands_cb *cb, void *arg)
{
	struct slice argv[10] = { SLICE("EVAL"), slice_str(truth_lua_sweep),
		SLICE("2") };
	char name[NODES_NAME], epoch[NODES_NAME];
	struct buf all, own;
	bool sent;

	buf_init(&all);
	buf_init(&own);
	argv[3] = truth_key_of_all(&all, s->conf, s->ns);
	argv[4] = truth_key_of_node(&own, s->conf, s->ns, s->id);
	nodes_name(name, s->id);
	nodes_name(epoch, s->epoch);
	argv[5] = slice_str(name);
	argv[6] = slice_str(epoch);
	argv[7] = s->stale ? SLICE("1") : SLICE("");
	argv[8] = s->cursor.n == 0 ? SLICE("0") : s->cursor;
	argv[9] = SLICE("256");
	sent = !all.oom && !own.oom && redis_command(s->redis, argv[4], argv,
	    nitems(argv), cb, arg);
	buf_fini(&all);
	buf_fini(&own);
	return (sent);
}
