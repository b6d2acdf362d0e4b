/*
 * What the inboxes in Redis are changed by; see inbox_script.h.  Called by
 * inbox.c.
 */
#include "relay/stream/inbox_script.h"

#define SCRIPT_TEXT(n)	SCRIPT_QUOTED(n)
#define SCRIPT_QUOTED(n) #n
#define SCRIPT_LEASE	SCRIPT_TEXT(INBOX_LEASE_MS)

/* KEYS: the inbox.  ARGV: frame, most events, most bytes, ms.  Answers how many
 * older ones had to go. */
const char inbox_script_add[] =
"local k=KEYS[1]\n"
"local v=redis.call('HMGET',k,'h','t','b')\n"
"local h,t,b=tonumber(v[1]) or 1,tonumber(v[2]) or 0,tonumber(v[3]) or 0\n"
"local now=redis.call('TIME')\n"
"local e=now[1]..string.format('%03d',math.floor(now[2]/1000))..' '..ARGV[1]\n"
"t=t+1\n"
"redis.call('HSET',k,t,e)\n"
"b=b+#e\n"
"local gone=0\n"
"while h<t and (t-h+1>tonumber(ARGV[2]) or b>tonumber(ARGV[3])) do\n"
" b=b-#(redis.call('HGET',k,h) or '')\n"
" redis.call('HDEL',k,h)\n"
" h=h+1\n"
" gone=gone+1\n"
"end\n"
"redis.call('HSET',k,'h',h,'t',t,'b',b)\n"
"redis.call('PEXPIRE',k,ARGV[4])\n"
"return gone\n";

/* ARGV: most events, bytes, ms, token.  Answers how many were too old, how many
 * are behind the last, the numbers of the first and the last, and the frames.
 * They stay until they are done with, and meanwhile nobody else gets any: for
 * them less than nothing is behind, by the ms that it lasts.  One life of a node keeps nothing from
 * the next one, nor does a clock that was set back. */
const char inbox_script_take[] =
"local k=KEYS[1]\n"
"local v=redis.call('HMGET',k,'h','t','b','l','u')\n"
"if not v[1] then return {0,0,0,0} end\n"
"local h,t,b=tonumber(v[1]),tonumber(v[2]),tonumber(v[3])\n"
"local now=redis.call('TIME')\n"
"now=now[1]*1000+math.floor(now[2]/1000)\n"
"local u,l=tonumber(v[5]) or 0,v[4] or ''\n"
"if u>now and u<=now+" SCRIPT_LEASE " and\n"
" (string.sub(l,1,17)~=string.sub(ARGV[4],1,17) or\n"
" string.sub(l,18,34)==string.sub(ARGV[4],18,34)) then\n"
" return {0,now-u,0,0}\n"
"end\n"
"local old=0\n"
"while h<=t do\n"
" local e=redis.call('HGET',k,h)\n"
" local at=e and tonumber(string.match(e,'^(%d+) ')) or 0\n"
" if at>=now-tonumber(ARGV[3]) then break end\n"
" if e then b=b-#e old=old+1 end\n"
" redis.call('HDEL',k,h)\n"
" h=h+1\n"
"end\n"
"if h>t then redis.call('DEL',k) return {old,0,0,0} end\n"
"local out,n,i={old,0,h,0},0,h\n"
"while i<=t and #out-4<tonumber(ARGV[1]) do\n"
" local e=redis.call('HGET',k,i)\n"
" if e then\n"
"  if n>0 and n+#e>tonumber(ARGV[2]) then break end\n"
"  out[#out+1]=string.match(e,'^%d+ (.*)$') or ''\n"
"  n=n+#e\n"
" end\n"
" i=i+1\n"
"end\n"
"redis.call('HSET',k,'h',h,'b',b,'l',ARGV[4],'u',now+" SCRIPT_LEASE ")\n"
"out[2]=t-i+1\n"
"out[4]=i-1\n"
"return out\n";

/* ARGV: token, numbers of the first and the last that are given, and go; the
 * first above the last: none.  Answers how many are left. */
const char inbox_script_done[] =
"local k=KEYS[1]\n"
"local v=redis.call('HMGET',k,'h','t','b','l')\n"
"if v[4]~=ARGV[1] then return 0 end\n"
"local h,t,b=tonumber(v[1]),tonumber(v[2]),tonumber(v[3])\n"
"for i=tonumber(ARGV[2]),tonumber(ARGV[3]) do\n"
" local e=redis.call('HGET',k,i)\n"
" if e then b=b-#e redis.call('HDEL',k,i) end\n"
"end\n"
"while h<=t and redis.call('HEXISTS',k,h)==0 do h=h+1 end\n"
"if h>t then redis.call('DEL',k) return 0 end\n"
"redis.call('HDEL',k,'l','u')\n"
"redis.call('HSET',k,'h',h,'b',b)\n"
"return t-h+1\n";
