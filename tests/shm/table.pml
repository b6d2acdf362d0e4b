/* Model of shm/table.h (presence, interest): insert, join, leave,
 * announce word, evict, grace period, reclaim, relay (announcer), with crashes of
 * workers and of the relay between any two shared-memory steps.
 *
 * One key, so every node is in one bucket. Two workers whose bits are in two
 * DIFFERENT words (the hard case: no single atomic covers both).  Each Promela
 * statement is one shared-memory access; CAS/RMW are atomic{} of guard+assign.
 * Sequential consistency is assumed: the contract asks seq_cst exactly where two
 * locations are related (bits/remote <-> ann, qs <-> links).
 *
 * tests/shm/model.sh runs it: the variants that must pass, and with -DBUG=n
 * those that must fail.
 * NORELAY drops the relay and the rule "evict only what was announced": a harder test of join against evict.
 * Bounds (override with -D): OPS joins per worker life, CRASH worker crashes,
 * RCRASH relay crashes, EVICT evictions, NN nodes, REFUSE announcements that
 * find no room.
 * Broken variants:  -DBUG=1 evict reads bits before ann      -DBUG=2 column cleared first on leave
 *  -DBUG=3 no grace period      -DBUG=4 reclaim frees a claimed node without the chain check
 *  -DBUG=5 join does not undo/retry on a DEAD node   -DBUG=6 relay stores seen only after emitting
 *  -DBUG=7 edge taken from the own word only (no ann word): "fetch_or returned 0 => joined"
 *  -DBUG=9 reclaim before the death is confirmed (waitpid)
 *  -DBUG=8 insert into first node slot without re-scan after a lost CAS  (duplicate node)
 */
#ifndef OPS
#define OPS 2
#endif
#ifndef OPS1
#define OPS1 OPS
#endif
#ifndef REFUSE
#define REFUSE 1
#endif
#ifndef CRASH
#define CRASH 1
#endif
#ifndef RCRASH
#define RCRASH 0
#endif
#ifndef EVICT
#define EVICT 2
#endif
#ifndef NN
#define NN 2
#endif
#ifndef BUG
#define BUG 0
#endif
#define FREE 0
#define LINKED 10
#define LIMBO 11
#define CLAIM(s) (1+(s))
#define DEAD 2
#define PEND 128
#define L 1
/* ann word: bit0 L, bit1 DEAD, bits 2..6 version */
#define VER(a) ((a)>>2)
#ifdef NORELAY
#define MARK(n) skip
#define SEENOK(n,a) 1
#define EVTOK(x) 1
#else
#define MARK(n) dirty[n]=1
#define SEENOK(n,a) (seen[n]==(a))
#define EVTOK(x) (evt == (x))
#endif

byte head;
byte refusals = REFUSE;
byte map[4], next[4], ann[4], seen[4], inc[4], lep[4];
bool dirty[4];
bool b0[4], b1[4];          /* bit of worker 0 / worker 1: separate words */
bool c0[4], c1[4];          /* columns */
byte gep = 1, qs[3];        /* QSBR: 0 = offline */
bool dead[2], up[2], rdead, gone[2], rgone;   /* gone = waitpid() returned it */
byte ops[2];
byte crashes = CRASH, rcrashes = RCRASH, evicts = EVICT;
byte hold[2];               /* ghost: node the worker holds, after its join returned */
bool evt;                   /* ghost: last event the outside world saw */
byte evw;                   /* ghost: word of last event (dedupe key)  */
byte evn, evi;

#define BIT(s,n)  ((s)==0 -> b0[n] : b1[n])
inline setb(s,n,v) { if :: s==0 -> b0[n]=v :: else -> b1[n]=v fi }
inline setc(s,n,v) { if :: s==0 -> c0[n]=v :: else -> c1[n]=v fi }
/* a worker may only touch a node that was not recycled since it got the reference */
#define USE(n,g) assert(map[n]!=FREE && inc[n]==g)

#define RECON(n,LBL,OUT_ALIVE,OUT_DEAD) \
LBL:  a = ann[n]; \
      if :: (a & DEAD) -> goto OUT_DEAD :: else fi; \
      lv = b0[n]; lv = lv || b1[n]; \
      if :: ((a & L) == lv) -> goto OUT_ALIVE :: else fi; \
      atomic { if :: ann[n]==a -> ann[n] = ((VER(a)+1)<<2) | lv :: else -> goto LBL fi }; \
      MARK(n); \
      goto LBL

proctype Worker(byte s) {
  byte n, a, hv, mine, i, g; bool lv, ok;
  {
  do
  :: ops[s]==0 -> break
  :: ops[s]>0 -> ops[s]--;
     qs[s] = gep;                                /* online (store + full fence) */
JOIN:
     atomic { hv = head; i = hv };
     do
     :: i==0 -> goto MISS
     :: else -> atomic { assert(map[i]!=FREE);
          if :: (ann[i] & DEAD) -> i = next[i] :: else -> n = i; g = inc[n]; i = 0; break fi }
     od;
     if :: mine -> setc(s,mine,0); atomic { map[mine]=FREE; mine=0 } :: else fi;
     setc(s,n,1);
#if BUG==7
     atomic { USE(n,g); ok = !BIT(s,n) && !b0[n] && !b1[n]; setb(s,n,1) }
     if :: ok -> ann[n] = ann[n] | L; MARK(n) :: else fi; ok=0;
     goto JOINED;
#endif
     atomic { USE(n,g); setb(s,n,1) }            /* fetch_or */
#if BUG==5
     goto JOINED;
#endif
     RECON(n,RJ,JOINED,UNDO);
UNDO: atomic { USE(n,g); setb(s,n,0) }
     setc(s,n,0);
     goto JOIN;
MISS: i = 0;
     if :: mine==0 ->
        if
        :: atomic { map[1]==FREE -> map[1]=CLAIM(s); mine=1 }
#if NN>1
        :: atomic { map[2]==FREE -> map[2]=CLAIM(s); mine=2 }
#endif
#if NN>2
        :: atomic { map[3]==FREE -> map[3]=CLAIM(s); mine=3 }
#endif
        :: else -> goto OFF                      /* table full: degrade */
        fi;
        /* private until linked: a crash inside leaves one recovery state, so one step */
        atomic { b0[mine]=0; b1[mine]=0; setb(s,mine,1); ann[mine] = (1<<2)|L; seen[mine]=0; next[mine]=0 }
        setc(s,mine,1)
     :: else fi;
     atomic { next[mine] = hv; hv = 0 };
#if BUG==8
     atomic { next[mine]=head; head = mine }
#else
     atomic { if :: head==next[mine] -> head=mine :: else -> goto JOIN fi };
#endif
     map[mine] = LINKED;
     MARK(mine);
     atomic { n = mine; g = inc[n]; mine = 0 };
JOINED: atomic { hold[s] = n; a=0; lv=0 }        /* ghost: join returned */
OFF: atomic { qs[s] = 0; hv=0 };
     if :: hold[s]==0 -> goto NEXT :: else fi;
     if :: break :: skip fi;                     /* may also stay connected for ever */
     qs[s] = gep;
     atomic { USE(n,g); assert(map[n]!=FREE && map[n]!=LIMBO && !(ann[n]&DEAD) && BIT(s,n)); hold[s]=0 }
     #if BUG==2
     setc(s,n,0);
#endif
     atomic { USE(n,g); setb(s,n,0) }            /* fetch_and */
#if BUG==7
     if :: !b0[n] && !b1[n] -> ann[n] = ann[n] & (255-L); MARK(n) :: else fi;
     goto LEFT;
#endif
     RECON(n,RL,LEFT,LEFT);
LEFT: setc(s,n,0);
     atomic { qs[s] = 0; a=0; n=0; g=0; lv=0 };
NEXT: skip
  od;
  up[s] = 0
  } unless { atomic { dead[s] -> gone[s] = 1 } }
}

proctype Relay() {
  byte n, a, sn, held; bool scan;
  { scan = 1; n = 1; held = 0;
endr:
  do
  :: atomic { (scan || held || dirty[1] || dirty[2] || dirty[3]) ->
        if :: scan -> skip
           :: !scan && held -> n=held; held=0
           :: !scan && dirty[1] -> n=1; dirty[1]=0
           :: !scan && dirty[2] -> n=2; dirty[2]=0
           :: !scan && dirty[3] -> n=3; dirty[3]=0 fi };
     qs[2] = gep;
     if :: map[n]==LINKED ->
        a = ann[n]; sn = seen[n];
        if :: (a & DEAD) -> skip
        :: else ->
#if BUG!=6
           if :: (sn & PEND) -> atomic{ assert((sn & 127)==evw && n==evn && inc[n]==evi || evt != (sn & L)); evt = sn & L; evw = sn & 127; evn=n; evi=inc[n] };
                 sn = sn & 127; seen[n] = sn
              :: else fi;
#endif
           if :: a != sn ->
              if :: (a & L) != (sn & L) ->
#if BUG!=6
                 seen[n] = a | PEND;
#endif
                 if :: atomic { assert(evt != (a & L) || (a==evw && n==evn && inc[n]==evi)); evt = a & L; evw = a; evn=n; evi=inc[n] };
                       seen[n] = a
                    :: atomic { refusals > 0 -> refusals--; held = n }; /* no room for it now */
                       seen[n] = sn
                 fi
              :: else -> seen[n] = a fi
           :: else fi
        fi
     :: else fi;
     atomic { qs[2] = 0; a=0; sn=0; if :: scan -> n++; if :: n > NN -> scan=0; n=0 :: else fi :: else n=0 fi }
  od
  } unless { atomic { rdead -> rgone = 1 } }
}

/* kills a worker or the relay at any moment */
proctype Killer() {
end: do
  :: atomic { crashes>0 && up[0] && !dead[0] -> crashes--; dead[0]=1 }
  :: atomic { crashes>0 && up[1] && !dead[1] -> crashes--; dead[1]=1 }
  :: atomic { rcrashes>0 && !rdead -> rcrashes--; rdead=1 }
  od
}

proctype Master() {
  byte n, a, s, i; bool lv, ok;
end: do
  /* reap + reclaim a dead worker */
  #if BUG==9
  :: atomic { (dead[0] || dead[1]) -> if :: dead[0] -> s=0 :: dead[1] -> s=1 fi };
#else
  :: atomic { (gone[0] || gone[1]) -> if :: gone[0] -> s=0 :: gone[1] -> s=1 fi };
#endif
     qs[s] = 0; n = 1;
     do :: n > NN -> break
        :: else ->
           if :: map[n]==CLAIM(s) ->
#if BUG==4
              setc(s,n,0); map[n]=FREE
#else
              i = head; do :: i==0 || i==n -> break :: else -> i = next[i] od;
              if :: i==n -> map[n]=LINKED :: else -> setc(s,n,0); map[n]=FREE fi; i=0
#endif
           :: else fi; n++
     od;
     n = 1;
     do :: n > NN -> break
        :: else ->
           if :: (s==0 && c0[n]) || (s==1 && c1[n]) ->
              setb(s,n,0);
              RECON(n,RM,RMD,RMD);
RMD:          MARK(n); setc(s,n,0)
           :: else fi; n++
     od;
     atomic { hold[s]=0; dead[s]=0; gone[s]=0; up[s]=0; a=0;n=0;lv=0;
        if :: ops[s]>0 -> up[s]=1; run Worker(s) :: else fi; s=0 }
  /* reap + restart the relay: its slot is inherited */
  :: atomic { rgone -> qs[2]=0; rdead=0; rgone=0; run Relay() }
  /* evict */
  :: evicts>0 && map[1]==LINKED -> n=1; goto EV
#if NN>1
  :: evicts>0 && map[2]==LINKED -> n=2; goto EV
#endif
#if NN>2
  :: evicts>0 && map[3]==LINKED -> n=3; goto EV
#endif
  /* free after grace */
  :: atomic { map[1]==LIMBO && lep[1]>0 && (qs[0]==0||qs[0]>=lep[1]) && (qs[1]==0||qs[1]>=lep[1]) && (qs[2]==0||qs[2]>=lep[1]) -> lep[1]=0; inc[1]++; map[1]=FREE }
  :: atomic { map[2]==LIMBO && lep[2]>0 && (qs[0]==0||qs[0]>=lep[2]) && (qs[1]==0||qs[1]>=lep[2]) && (qs[2]==0||qs[2]>=lep[2]) -> lep[2]=0; inc[2]++; map[2]=FREE }
  :: atomic { map[3]==LIMBO && lep[3]>0 && (qs[0]==0||qs[0]>=lep[3]) && (qs[1]==0||qs[1]>=lep[3]) && (qs[2]==0||qs[2]>=lep[3]) -> lep[3]=0; inc[3]++; map[3]=FREE }
  /* everything at rest: check */
  :: atomic { timeout && !dead[0] && !dead[1] && !up[0] && !up[1] && !rdead ->
       i = head; a = 0;
       do :: i==0 -> break
          :: else -> assert(map[i]==LINKED);
             if :: !(ann[i]&DEAD) -> assert(a==0); a=i :: else -> assert(0) fi; i = next[i]
       od;
       if :: a>0 -> assert((ann[a]&L) == (b0[a]||b1[a])); assert(EVTOK(ann[a]&L));
                    assert(b0[a] == (hold[0]==a)); assert(b1[a] == (hold[1]==a));
                    assert(c0[a]==b0[a] && c1[a]==b1[a])
          :: else -> assert(EVTOK(0)) fi;
       assert(hold[0]==0 || hold[0]==a); assert(hold[1]==0 || hold[1]==a);
       n=1; do :: n>NN -> break :: else -> assert(map[n]==FREE||map[n]==LINKED||map[n]==LIMBO); assert(map[n]!=LINKED || n==a); n++ od;
       break }
  od;
  goto DONE;
EV: a = 0; ok = 0;
#if BUG==1
  lv = b0[n]; lv = lv || b1[n];
  a = ann[n];
#else
  a = ann[n];
  lv = b0[n]; lv = lv || b1[n];
#endif
  if :: !(a & (L|DEAD)) && SEENOK(n,a) && !lv ->
        atomic { if :: ann[n]==a -> ann[n] = a|DEAD; ok=1; evicts-- :: else fi };
        if :: ok ->
UL:        if :: head==n -> a = next[n]; atomic { if :: head==n -> head=a; ok=0 :: else fi }; if :: ok -> goto UL :: else fi
              :: else -> i = head; do :: next[i]==n -> break :: else -> i = next[i] od; a = next[n]; next[i] = a
           fi;
#if BUG==3
           atomic { map[n]=FREE; inc[n]++ }
#else
           map[n]=LIMBO; gep++; lep[n]=gep
#endif
        :: else fi
     :: else fi;
  atomic { a=0; lv=0; ok=0; i=0; n=0 };
  goto end;
DONE: skip
}
init { atomic { ops[0]=OPS; ops[1]=OPS1; up[0]=1; up[1]=1; run Master(); run Worker(0); run Worker(1);
#ifndef NORELAY
 run Relay();
#endif
 run Killer() } }
