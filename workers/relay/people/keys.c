/*
 * Names of keys, and scripts, of presence in Redis; see keys.h.  Called by
 * truth.c, mirror.c and remains.c.
 */
#include "relay/people/keys.h"

#include <inttypes.h>
#include <stdio.h>

#include "conf/conf.h"
#include "relay/people/nodes.h"
#include "relay/redis/redis.h"

/* When no daemon is there any more, in ms: of all, and of a node, which others
 * clear away before. */
#define KEYS_ALL_TTL	"15000"
#define KEYS_NODE_TTL	"86400000"
#define KEYS_NOW_TTL	"604800000"
#define KEYS_SCANNED	"256"	/* fields at a time, or so */

/* KEYS: of all, of the node.  ARGV: node, epoch.  n has that epoch; u goes to,
 * or from, the hash of all. */
#define KEYS_LUA \
"local m,n,id,e=KEYS[1],KEYS[2],ARGV[1],ARGV[2]\n" \
"local at=redis.call('HGET',n,'=') or ''\n" \
"if string.sub(at,1,16)~=e then return '-' end\n" \
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

/* ARGV: the number before, the number, and for each change field, value
 * (empty: gone), and for a user that is there the object without its end, for who
 * is gone why, or nothing. */
static const char keys_lua_write[] = KEYS_LUA
"if string.sub(at,17)~=ARGV[3] then return '-' end\n"
"redis.call('HSET',n,'=',e..ARGV[4])\n"
"for i=5,#ARGV,3 do\n"
" local f,v=ARGV[i],ARGV[i+1]\n"
" if v=='' then redis.call('HDEL',n,f) else redis.call('HSET',n,f,v) end\n"
" if string.byte(f)==117 then\n"
"  all(string.sub(f,2),v=='' and '' or ARGV[i+2])\n"
" end\n"
"end\n"
"redis.call('PEXPIRE',m," KEYS_ALL_TTL ")\n"
"return '0'\n";

/* ARGV: the number, two cursors.  Some of the node's users should be in the
 * hash of all, which may have been thrown out and made again by another node;
 * and of those there, who is not among the node's goes. */
static const char keys_lua_renew[] = KEYS_LUA
"if string.sub(at,17)~=ARGV[3] then return '-' end\n"
"redis.call('PEXPIRE',n," KEYS_NODE_TTL ")\n"
"if redis.call('PEXPIRE',m," KEYS_ALL_TTL ")==0 then\n"
" return redis.call('HLEN',n)>1 and '-' or '0 0'\n"
"end\n"
"local function has(v)\n"
" local l=v and string.match(v,'\"nodes\":%[([^%]]*)%]}$')\n"
" return l and string.find(l,id,1,true)\n"
"end\n"
"local a,b=string.match(ARGV[4],'^(%d+) (%d+)$')\n"
"local r=redis.call('HSCAN',n,a or '0','COUNT'," KEYS_SCANNED ")\n"
"for i=1,#r[2],2 do\n"
" local f=r[2][i]\n"
" if string.byte(f)==117 and not has(redis.call('HGET',m,\n"
"  string.sub(f,2))) then return '-' end\n"
"end\n"
"local s=redis.call('HSCAN',m,b or '0','COUNT'," KEYS_SCANNED ")\n"
"for i=1,#s[2],2 do\n"
" local u=s[2][i]\n"
" if has(s[2][i+1]) and not redis.call('HGET',n,'u'..u) then all(u,'') end\n"
"end\n"
"return r[1]..' '..s[1]\n";

/* ARGV: all fields or "1", those of other epochs; cursor, count. */
static const char keys_lua_sweep[] = KEYS_LUA
"local r=redis.call('HSCAN',n,ARGV[4],'COUNT',ARGV[5])\n"
"for i=1,#r[2],2 do\n"
" local f,v=r[2][i],r[2][i+1]\n"
" if f~='=' and (ARGV[3]=='' or string.sub(v,1,16)~=e) then\n"
"  redis.call('HDEL',n,f)\n"
"  if string.byte(f)==117 then all(string.sub(f,2),'') end\n"
" end\n"
"end\n"
"return r[1]\n";

/* ARGV: cursor, count. */
static const char keys_lua_strays[] = KEYS_LUA
"local r=redis.call('HSCAN',m,ARGV[3],'COUNT',ARGV[4])\n"
"for i=1,#r[2],2 do\n"
" if string.find(r[2][i+1],id,1,true) then all(r[2][i],'') end\n"
"end\n"
"return r[1]\n";

static const char keys_lua_scan[] =
"return {redis.call('HGET',KEYS[1],'=') or '',"
"redis.call('HSCAN',KEYS[1],ARGV[1],'COUNT','" KEYS_SCANNED "')}";

/* --- scripts that tell ----------------------------------------------------*/

/* KEYS: of all, of the node, the stream.  ARGV: as above, and last: what is told
 * (CONF_TELL_), how many entries are kept, whether who goes has left, and why where
 * no change says it. */
#define KEYS_TELL_LUA \
"local a,n,s,id,e=KEYS[1],KEYS[2],KEYS[3],ARGV[1],ARGV[2]\n" \
"local mask,most=tonumber(ARGV[#ARGV-3]),ARGV[#ARGV-2]\n" \
"local how,reason=ARGV[#ARGV-1],ARGV[#ARGV]\n" \
"local at=redis.call('HGET',n,'=') or ''\n" \
"if string.sub(at,1,16)~=e then return '-' end\n" \
"local t=redis.call('TIME')\n" \
"local ts=t[1]..string.format('%03d',math.floor(t[2]/1000))\n" \
"local function add(ep,q,type,...)\n" \
" redis.call('XADD',s,'MAXLEN','~',most,'*','source','users','epoch',ep,\n" \
"  'seq',q,'type',type,'ts',ts,'host',id,...)\n" \
"end\n" \
"local function say(bit,type,...)\n" \
" if math.floor(mask/bit)%2==0 then return end\n" \
" local ep,q=string.match(redis.call('HGET',a,'=') or '','^(%x+) (%d+)$')\n" \
" if not ep then\n" \
"  ep,q=string.format('%011x%05x',tonumber(ts),t[2]%1048576),1\n" \
"  add(ep,'1','begin')\n" \
" end\n" \
" q=string.format('%.0f',q+1)\n" \
" redis.call('HSET',a,'=',ep..' '..q)\n" \
" add(ep,q,type,...)\n" \
"end\n" \
"local function came(f,room,user)\n" \
" if not room then say(1,'connected','user',user) return end\n" \
" if redis.call('HINCRBY',a,'n'..room,1)==1 then\n" \
"  say(16,'occupied','room',room)\n" \
" end\n" \
" say(4,'joined','user',user,'room',room)\n" \
"end\n" \
"local function went(f,room,user,r)\n" \
" if r=='' then r=reason end\n" \
" local w={'why',how}\n" \
" if r~='' then w[3],w[4]='reason',r end\n" \
" if not room then\n" \
"  say(2,'disconnected','user',user,unpack(w)) return\n" \
" end\n" \
" say(8,'left','user',user,'room',room,unpack(w))\n" \
" if redis.call('HINCRBY',a,'n'..room,-1)<=0 then\n" \
"  redis.call('HDEL',a,'n'..room)\n" \
"  say(32,'vacated','room',room,unpack(w))\n" \
" end\n" \
"end\n" \
"local function has(f)\n" \
" local l=redis.call('HGET',a,f) or ''\n" \
" return string.find(l,id..',',1,true)~=nil,l\n" \
"end\n" \
"local function change(f,on,r)\n" \
" local is,l=has(f)\n" \
" if is==on then return end\n" \
" local room,user=string.match(f,'^r(.-)%z(.*)$')\n" \
" user=user or string.sub(f,2)\n" \
" if on then\n" \
"  redis.call('HSET',a,f,l..id..',')\n" \
"  if l=='' then came(f,room,user) end\n" \
"  return\n" \
" end\n" \
" l=string.gsub(l,id..',','')\n" \
" if l~='' then redis.call('HSET',a,f,l) return end\n" \
" redis.call('HDEL',a,f)\n" \
" went(f,room,user,r)\n" \
"end\n" \
"redis.call('PEXPIRE',a," KEYS_NOW_TTL ")\n"

static const char keys_tell_write[] = KEYS_TELL_LUA
"if string.sub(at,17)~=ARGV[3] then return '-' end\n"
"redis.call('HSET',n,'=',e..ARGV[4])\n"
"for i=5,#ARGV-4,3 do\n"
" local f,v=ARGV[i],ARGV[i+1]\n"
" if v=='' then redis.call('HDEL',n,f) else redis.call('HSET',n,f,v) end\n"
" change(f,v~='',ARGV[i+2])\n"
"end\n"
"return '0'\n";

static const char keys_tell_renew[] = KEYS_TELL_LUA
"if string.sub(at,17)~=ARGV[3] then return '-' end\n"
"redis.call('PEXPIRE',n," KEYS_NODE_TTL ")\n"
"local c,b=string.match(ARGV[4],'^(%d+) (%d+)$')\n"
"local r=redis.call('HSCAN',n,c or '0','COUNT'," KEYS_SCANNED ")\n"
"for i=1,#r[2],2 do\n"
" local f=r[2][i]\n"
" if f~='=' and not has(f) then return '-' end\n"
"end\n"
"local w=redis.call('HSCAN',a,b or '0','COUNT'," KEYS_SCANNED ")\n"
"for i=1,#w[2],2 do\n"
" local f=w[2][i]\n"
" if string.find(f,'^[ur]') and redis.call('HEXISTS',n,f)==0 then\n"
"  change(f,false,'')\n"
" end\n"
"end\n"
"return r[1]..' '..w[1]\n";

static const char keys_tell_sweep[] = KEYS_TELL_LUA
"local r=redis.call('HSCAN',n,ARGV[4],'COUNT',ARGV[5])\n"
"for i=1,#r[2],2 do\n"
" local f,v=r[2][i],r[2][i+1]\n"
" if f~='=' and (ARGV[3]=='' or string.sub(v,1,16)~=e) then\n"
"  redis.call('HDEL',n,f)\n"
"  change(f,false,'')\n"
" end\n"
"end\n"
"return r[1]\n";

static const char keys_tell_strays[] = KEYS_TELL_LUA
"local r=redis.call('HSCAN',a,ARGV[3],'COUNT',ARGV[4])\n"
"for i=1,#r[2],2 do\n"
" if string.find(r[2][i],'^[ur]') then change(r[2][i],false,'') end\n"
"end\n"
"return r[1]\n";

/* --- names ----------------------------------------------------------------*/

static const char *
keys_about(const struct keys *k)
{
	return (k->tells ? "events" : "presence");
}

struct slice
keys_of_all(struct buf *b, const struct keys *k)
{
	buf_reset(b);
	if (k->tells)
		buf_printf(b, "%snow:{%sevents:%s}", k->conf->redis.prefix,
		    k->conf->redis.prefix, k->ns->name + 1);
	else
		buf_printf(b, "%spresence:%s", k->conf->redis.prefix,
		    k->ns->name + 1);
	return (buf_unread(b));
}

struct slice
keys_of_node(struct buf *b, const struct keys *k)
{
	buf_reset(b);
	buf_printf(b, "%snode:%016" PRIx64 ":{%s%s:%s}",
	    k->conf->redis.prefix, k->node, k->conf->redis.prefix,
	    keys_about(k), k->ns->name + 1);
	return (buf_unread(b));
}

bool
keys_epoch_get(struct slice value, uint64_t *epoch)
{
	return (value.n > FIELD_EPOCH &&
	    nodes_id(slice_of(value.p, FIELD_EPOCH), epoch));
}

/* --- commands -------------------------------------------------------------*/

/* EVAL of one of two scripts, the one that tells, over their keys.  argv has room
 * for the head before its n arguments, and for the tail behind them. */
#define KEYS_HEAD	8u
#define KEYS_TAIL	4u
#define KEYS_ARGS(n)	(KEYS_HEAD + (n) + KEYS_TAIL)

struct keys_script {
	const char	*plain, *tells;
};

struct keys_names {
	char		 node[NODES_NAME], epoch[NODES_NAME];
	char		 mask[16], most[16];
	struct buf	 all, own, stream;
};

static void
keys_names_make(struct keys_names *m, const struct keys *k)
{
	buf_init(&m->all);
	buf_init(&m->own);
	buf_init(&m->stream);
	nodes_name(m->node, k->node);
	nodes_name(m->epoch, k->epoch);
	if (k->epoch == 0)
		m->epoch[0] = '\0';	/* the node has no hash */
	(void)keys_of_all(&m->all, k);
	(void)keys_of_node(&m->own, k);
	buf_printf(&m->stream, "%sevents:%s", k->conf->redis.prefix,
	    k->ns->name + 1);
	(void)snprintf(m->mask, sizeof m->mask, "%" PRIu32, k->ns->tells);
	(void)snprintf(m->most, sizeof m->most, "%u", k->conf->redis.events);
}

/* How many there are; the first is argv[0], or the next one. */
static size_t
keys_arguments(const struct keys *k, const struct keys_names *m,
    const struct keys_script *script, struct slice *argv, size_t n)
{
	struct slice *head = k->tells ? argv : argv + 1, *at = head;

	*at++ = SLICE("EVAL");
	*at++ = slice_str(k->tells ? script->tells : script->plain);
	*at++ = k->tells ? SLICE("3") : SLICE("2");
	*at++ = buf_unread(&m->all);
	*at++ = buf_unread(&m->own);
	if (k->tells)
		*at++ = buf_unread(&m->stream);
	*at++ = slice_str(m->node);
	*at++ = slice_str(m->epoch);
	at += n;
	if (k->tells) {
		*at++ = slice_str(m->mask);
		*at++ = slice_str(m->most);
		*at++ = k->lost ? SLICE("lost") : SLICE("left");
		*at++ = slice_str(k->why == NULL ? "" : k->why);
	}
	return ((size_t)(at - head));
}

static bool
keys_eval(const struct keys *k, const struct keys_script *script,
    struct slice *argv, size_t n, commands_cb *cb, void *arg)
{
	struct keys_names m;
	size_t all;
	bool sent;

	keys_names_make(&m, k);
	all = keys_arguments(k, &m, script, argv, n);
	sent = !m.all.oom && !m.own.oom && !m.stream.oom &&
	    redis_command(k->redis, buf_unread(&m.own), k->tells ? argv :
	    argv + 1, all, cb, arg);
	buf_fini(&m.all);
	buf_fini(&m.own);
	buf_fini(&m.stream);
	return (sent);
}

bool
keys_begin(const struct keys *k, commands_cb *cb, void *arg)
{
	char value[NODES_NAME + 1];
	struct slice hset[] = { SLICE("HSET"), SLICE(""), SLICE("="),
		SLICE("") };
	struct slice expire[] = { SLICE("PEXPIRE"), SLICE(""),
		SLICE(KEYS_NODE_TTL) };
	struct buf own;
	bool sent;

	buf_init(&own);
	(void)snprintf(value, sizeof value, "%016" PRIx64 "0", k->epoch);
	hset[1] = expire[1] = keys_of_node(&own, k);
	hset[3] = slice_str(value);
	sent = !own.oom && redis_command(k->redis, hset[1], hset,
	    nitems(hset), cb, arg);
	if (sent)
		(void)redis_command(k->redis, expire[1], expire,
		    nitems(expire), NULL, NULL);
	buf_fini(&own);
	return (sent);
}

bool
keys_write(const struct keys *k, uint64_t number, const struct batch *b,
    commands_cb *cb, void *arg)
{
	static const struct keys_script script = { keys_lua_write,
		keys_tell_write };
	struct slice argv[KEYS_ARGS(2 + BATCH_ARGS * BATCH_MAX)];
	char before[24], now[24];

	(void)snprintf(before, sizeof before, "%" PRIu64, number - 1);
	(void)snprintf(now, sizeof now, "%" PRIu64, number);
	argv[KEYS_HEAD] = slice_str(before);
	argv[KEYS_HEAD + 1] = slice_str(now);
	return (!batch_is_cut(b) && keys_eval(k, &script, argv,
	    2 + batch_args(b, argv + KEYS_HEAD + 2), cb, arg));
}

bool
keys_renew(const struct keys *k, uint64_t number, struct slice cursors,
    commands_cb *cb, void *arg)
{
	static const struct keys_script script = { keys_lua_renew,
		keys_tell_renew };
	struct slice argv[KEYS_ARGS(2)];
	char now[24];

	(void)snprintf(now, sizeof now, "%" PRIu64, number);
	argv[KEYS_HEAD] = slice_str(now);
	argv[KEYS_HEAD + 1] = cursors;
	return (keys_eval(k, &script, argv, 2, cb, arg));
}

bool
keys_sweep(const struct keys *k, bool stale, struct slice cursor,
    commands_cb *cb, void *arg)
{
	static const struct keys_script script = { keys_lua_sweep,
		keys_tell_sweep };
	struct slice argv[KEYS_ARGS(3)];

	argv[KEYS_HEAD] = stale ? SLICE("1") : SLICE("");
	argv[KEYS_HEAD + 1] = cursor.n == 0 ? SLICE("0") : cursor;
	argv[KEYS_HEAD + 2] = SLICE(KEYS_SCANNED);
	return (keys_eval(k, &script, argv, 3, cb, arg));
}

bool
keys_strays(const struct keys *k, struct slice cursor, commands_cb *cb,
    void *arg)
{
	static const struct keys_script script = { keys_lua_strays,
		keys_tell_strays };
	struct slice argv[KEYS_ARGS(2)];

	argv[KEYS_HEAD] = cursor.n == 0 ? SLICE("0") : cursor;
	argv[KEYS_HEAD + 1] = SLICE(KEYS_SCANNED);
	return (keys_eval(k, &script, argv, 2, cb, arg));
}

bool
keys_scan(const struct keys *k, struct slice cursor, commands_cb *cb,
    void *arg)
{
	struct slice argv[] = { SLICE("EVAL"), slice_str(keys_lua_scan),
		SLICE("1"), SLICE(""), cursor.n == 0 ? SLICE("0") : cursor };
	struct buf own;
	bool sent;

	buf_init(&own);
	argv[3] = keys_of_node(&own, k);
	sent = !own.oom && redis_command(k->redis, argv[3], argv,
	    nitems(argv), cb, arg);
	buf_fini(&own);
	return (sent);
}
