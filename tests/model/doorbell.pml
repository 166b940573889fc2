/*
 * The doorbell: how a sender wakes a sleeping receiver, and the reverse.
 *
 * WHAT IS MODELLED. Every shared word of the wake-up protocol and every access
 * to it, one access per step, in all interleavings: the doorbell word and its
 * watcher thread, the block counter on which an owner's thread sleeps in a
 * blocking call, the ready bitmap, and a ring's tail, head, consumerWaiting
 * and producerWaiting. (`tail` is what the producer stores last to publish a
 * record: a position, or the record's own commit word.) Futexes are modelled as the kernel defines them: to
 * compare and fall asleep is one step, a wake-up wakes whoever sleeps at that
 * moment and nobody later, and a sleeper may wake for no reason. An owner is
 * an event loop with turns and callbacks which at any moment, in a turn or
 * between two, may make a blocking call, as a timer's handler would. The
 * configurations cover one and two senders, a request/response pair, full
 * rings, endless traffic, closing, the notice of a death, and a ringer that is
 * killed between any two of its steps.
 *
 * WHAT IS CHECKED. Safety: no state in which an owner sleeps, its ring holds a
 * record (or has room for one it wants to send), and nothing is on its way to
 * it (process Monitor); no deadlock: the only end is the one at which all is
 * received, all nodes are closed and all watchers have ended (there are no
 * end labels but the Monitor's). Liveness: under weak fairness all is received
 * and everybody ends (`ltl arrives`), or, with endless traffic, the records
 * never stop flowing (`ltl flows`).
 *
 * WHAT IS NOT. Weak memory: every access is sequentially consistent here, so
 * it must be in the code (Atomics in TypeScript, __ATOMIC_SEQ_CST in C), and
 * one plain access would be outside this proof. The contents of records (a
 * record is a count), the wrap-around of 32-bit counters (they wrap here at 8
 * and 4, more than can happen in one window), timeouts, the bitmap's third
 * level except with -DLEVELS3, more than two sources or two nodes, and systems
 * whose wait isn't a futex. The configurations are small and finite: this is a
 * proof for them, and a strong hint for all others.
 *
 * WHAT AN IMPLEMENTATION MUST KEEP, besides the order of accesses below:
 *   - A node begins with a turn of its own: the bell starts as AWAKE, and an
 *     AWAKE owner isn't called (M_NO_FIRST_TURN).
 *   - To arm a source is to arm all it waits for: consumerWaiting, and, if it
 *     has something to send, producerWaiting, each followed by a second look.
 *     It is done again after every ring that brought too little.
 *   - The blocking owner loads `block` before it stores BLOCKED, not after: a
 *     ringer that was delayed since the last round takes BLOCKED and counts in
 *     between, and its ready bit is long collected (M_COUNT_BETWEEN).
 *   - A ringer sets every level of the bitmap, even if the level below was not
 *     empty: who filled it may have died before going up (M_SKIP_TOP).
 *   - The second look after PARKED or BLOCKED includes the deaths word: the
 *     notice of a death sets no ready bit (M_DEATHS_NO_LOOK).
 *   - The notice of a death wakes both words whatever the bell says: the dead
 *     may have claimed the bell without waking anybody, and all others would
 *     leave it to the dead (M_TICK_AS_RINGER). The owner then polls all the
 *     sources whose peer may be dead.
 *   - After CLOSED the owner never stores to the bell again, not even at the
 *     end of the turn in which it closed (M_PARK_AFTER_CLOSE).
 *   - An owner that waits for its watcher's end must not be needed by it: a
 *     callback that returns only after the event loop ran it hangs
 *     (M_SYNC_CALLBACK).
 *
 * MUTATIONS. A definition M_... breaks the protocol in one place, and the
 * checker finds it; H_... changes it without harm, and the checker agrees:
 *   - H_FLAG_KEPT: the producer doesn't clear consumerWaiting. It rings for
 *     every record then, which costs and harms nothing. (To clear it after the
 *     ring instead is fatal: M_FLAG_AFTER_RING.)
 *   - H_STAY_PARKED: the owner goes on with its turn without taking PARKED
 *     back. A ringer calls the watcher for an owner that is awake: a turn too
 *     many. The turn ends with PARKED and a second look in any case.
 *   - H_STAY_BLOCKED: the same for BLOCKED. A ringer counts and wakes nobody;
 *     the next round, or the turn that follows, stores and looks again.
 *
 * HOW TO RUN IT. `doorbell.test.ts` does all; by hand:
 *   spin -DCONFIG=2 -a doorbell.pml
 *   gcc -O2 -DSAFETY -DNOCLAIM -o pan pan.c && ./pan -m1000000        safety
 *   gcc -O2 -DNFAIR=3 -o pan pan.c && ./pan -a -f -m1000000           liveness
 *   spin -DCONFIG=2 -DM_PARK_NO_LOOK -t -p -g doorbell.pml            a trail
 */

#ifndef CONFIG
#define CONFIG 1
#endif

/* ------------------------------------------------------------------ values */

#define AWAKE 0
#define PARKED 1
#define BLOCKED 2
#define RUNG 3
#define CLOSED 4

#define NONE 255

/*
 * ---------------------------------------------------------- configurations
 *
 * RX(n, s), TX(n, s): the ring of which source s of node n is the consuming,
 * the producing end. CN, CS, PN, PS: the same backwards, from the ring to the
 * node and source. A Sender is a producer without a node, which never sleeps. TIMERS0, TIMERS1: how many blocking calls
 * the owner of that node may make.
 * CAP: a ring's capacity. N: records (requests) in each ring.
 */

/* Rings go from Senders to the sources of node 0 unless said otherwise. */
#if CONFIG == 3
  /* Request and response: ring 0 leads from node 0 to 1, ring 1 back; each
   * node has one source, which is both the end of one and the beginning of
   * the other. */
#define NODES 2
#define RX(n, s) (1 - (n))
#define TX(n, s) (n)
#define CN(r) (1 - (r))
#define CS(r) 0
#define PN(r) (r)
#define PS(r) 0
#elif CONFIG == 5
  /* A full ring: ring 0 leads from node 0 to node 1, or, with -DDRAIN, to a
   * consumer without a node, which is never asleep. */
#ifdef DRAIN
#define NODES 1
#define RX(n, s) NONE
#define TX(n, s) 0
#else
#define NODES 2
#define RX(n, s) ((n) == 1 -> 0 : NONE)
#define TX(n, s) ((n) == 0 -> 0 : NONE)
#endif
#define CN(r) 1
#define CS(r) 0
#define PN(r) 0
#define PS(r) 0
#else
#define NODES 1
#define RX(n, s) (s)
#define TX(n, s) NONE
#define CN(r) 0
#define CS(r) (r)
#define PN(r) 0
#define PS(r) 0
#endif

#if CONFIG == 1 /* one producer, one consumer parked by its event loop */
#define DEFAULT_SOURCES 1
#define DEFAULT_TIMERS 0
#define DEFAULT_N0 2
#define DEFAULT_N1 0
#elif CONFIG == 2 /* blocking calls on source 0, source 1 is the event loop's */
#define DEFAULT_SOURCES 2
#define DEFAULT_TIMERS 2
#define DEFAULT_N0 2
#define DEFAULT_N1 1
#elif CONFIG == 3
#define DEFAULT_SOURCES 1
#define DEFAULT_TIMERS 1
#define DEFAULT_N0 2
#define DEFAULT_N1 2
#elif CONFIG == 4 /* two producers on two sources of one node */
#define DEFAULT_SOURCES 2
#define DEFAULT_TIMERS 0
#define DEFAULT_N0 2
#define DEFAULT_N1 2
#elif CONFIG == 5
#define DEFAULT_SOURCES 1
#define DEFAULT_TIMERS 1
#define DEFAULT_N0 3
#define DEFAULT_N1 0
#elif CONFIG == 6 /* the owner closes at any moment while two others ring */
#define DEFAULT_SOURCES 2
#define DEFAULT_TIMERS 0
#define DEFAULT_N0 2
#define DEFAULT_N1 1
#elif CONFIG == 7 /* the notice of a death, and a living producer */
#define DEFAULT_SOURCES 1
#define DEFAULT_TIMERS 1
#define DEFAULT_N0 1
#define DEFAULT_N1 0
#define DEATHS
#elif CONFIG == 8 /* source 1's producer is killed at any moment */
#define DEFAULT_SOURCES 2
#define DEFAULT_TIMERS 1
#define DEFAULT_N0 1
#define DEFAULT_N1 1
#define DEATHS
#endif

#ifndef SOURCES
#define SOURCES DEFAULT_SOURCES
#endif
#ifndef N0
#define N0 DEFAULT_N0
#endif
#ifndef N1
#define N1 DEFAULT_N1
#endif
#ifndef TIMERS0
#define TIMERS0 DEFAULT_TIMERS
#endif
#ifndef TIMERS1
#define TIMERS1 DEFAULT_TIMERS
#endif
#ifndef CAP
#if CONFIG == 3 || CONFIG == 5
#define CAP 1
#else
#define CAP 2
#endif
#endif
#ifndef SPURIOUS
#define SPURIOUS 1
#endif

#define ALL ((1 << SOURCES) - 1)

/* Tail and head count modulo 4: more than CAP. */
#define NEXT(x) (((x) + 1) & 3)
#define USED(t, h) (((t) - (h) + 4) & 3)

/* The block counter: modulo more than the ringers there are. */
#ifdef FOREVER
#define COUNT(x) (((x) + 1) & 3)
#else
#define COUNT(x) (((x) + 1) & 7)
#endif

/* The leaf word of a source. Sources that share a word are the default; with
 * -DSPLIT each has its own (and its own bit in the word above). */
#ifdef SPLIT
#define WORD(s) (s)
#else
#define WORD(s) 0
#endif
#define WORDS 2

/* ------------------------------------------------------------ shared words */

byte bell[NODES];
byte block[NODES];
byte top[NODES];
#ifdef LEVELS3
byte summary[NODES]; /* one word, so top has one bit */
#endif
byte leaf[NODES * WORDS];
#ifdef DEATHS
byte deaths[NODES];
#endif

byte tail[2];
byte head[2];
bit consumerWaiting[2];
bit producerWaiting[2];

/* --------------------------------------------- the kernel's, the runtime's */

bool watcherAsleep[NODES]; /* in futex_wait on bell */
bool ownerAsleep[NODES];   /* in futex_wait on block */
bool posted[NODES];        /* a callback waits in the owner's event loop. One
                            * bit: callbacks may be merged (a full pipe is
                            * enough), which is the harder case. */
bool watcherEnded[NODES];
byte spurious = SPURIOUS;  /* sleepers that may still wake for no reason. They
                            * are few, or they would cure every lost wake-up. */

/* ------------------------------------------------- for the checks only, and
 * changed in the same step as the word they speak of */

byte pending[NODES];    /* records the node wants to send and couldn't yet */
byte inflight[2];       /* others between their store(tail), store(head) and
                         * the end of the ring that follows */
bool posting[NODES];    /* the watcher took RUNG and will post */
bool idle[NODES];       /* the owner sleeps in its event loop */
bool closed[NODES];
byte ended;             /* owners that ended */
#ifdef DEATHS
byte noted;             /* deaths the owner knows of */
bool dead;              /* somebody died */
#endif

/* ----------------------------------------------------------------- ringing */

/* futex_wake. The harmful variant wakes before the word is changed. */
#define WAKE_WATCHER(n) watcherAsleep[n] = false
#define WAKE_OWNER(n) ownerAsleep[n] = false

/* The bell's part of ringing. `v` is the caller's; 0 again afterwards. */
inline ringBell(n)
{
  atomic {
    v = bell[n];
    if
    :: v == PARKED || v == BLOCKED
    :: else -> v = 0; inflight[n]--
    fi
  }
  if
  :: v == PARKED ->
#ifdef M_WAKE_FIRST
       WAKE_WATCHER(n);
#endif
       atomic {
         if
#ifdef M_RING_STORE
         :: true -> bell[n] = RUNG
#else
         :: bell[n] == PARKED -> bell[n] = RUNG
         :: else -> v = 0; inflight[n]--
#endif
         fi
       }
       if
       :: v == PARKED ->
#ifdef M_WAKE_FIRST
            atomic { v = 0; inflight[n]-- }
#else
            atomic { WAKE_WATCHER(n); v = 0; inflight[n]-- }
#endif
       :: else
       fi
  :: v == BLOCKED ->
       atomic {
         if
         :: bell[n] == BLOCKED -> bell[n] = AWAKE
         :: else -> v = 0; inflight[n]--
         fi
       }
       if
       :: v == BLOCKED ->
#ifdef M_WAKE_BEFORE_COUNT
            WAKE_OWNER(n);
            atomic { block[n] = COUNT(block[n]); v = 0; inflight[n]-- }
#else
#ifndef M_NO_COUNT
            block[n] = COUNT(block[n]);
#endif
            atomic { WAKE_OWNER(n); v = 0; inflight[n]-- }
#endif
       :: else
       fi
  :: else
  fi
}

/* Ringing source s of node n. The ready bits go in from the leaf upwards: the
 * owner takes them from the top downwards. */
inline ring(n, s)
{
#ifdef M_SKIP_TOP
  atomic {
    flag = (leaf[(n) * WORDS + WORD(s)] != 0);
    leaf[(n) * WORDS + WORD(s)] = leaf[(n) * WORDS + WORD(s)] | (1 << (s))
  }
  if
  :: !flag -> top[n] = top[n] | (1 << WORD(s))
  :: else -> flag = 0
  fi;
#else
#ifndef M_LEAF_LAST
  leaf[(n) * WORDS + WORD(s)] = leaf[(n) * WORDS + WORD(s)] | (1 << (s));
#endif
#ifdef LEVELS3
  summary[n] = summary[n] | (1 << WORD(s));
  top[n] = 1;
#else
  top[n] = top[n] | (1 << WORD(s));
#endif
#ifdef M_LEAF_LAST
  leaf[(n) * WORDS + WORD(s)] = leaf[(n) * WORDS + WORD(s)] | (1 << (s));
#endif
#endif
  ringBell(n)
}

/* ------------------------------------------------------ producer, consumer */

/* The producer has space: it writes a record and tells. */
inline push(r)
{
#ifdef M_FLAG_BEFORE_TAIL
  flag = consumerWaiting[r];
#endif
  atomic {
    assert(USED(tail[r], head[r]) < CAP);
    tail[r] = NEXT(tail[r]);
    inflight[CN(r)]++
  }
#ifndef M_FLAG_BEFORE_TAIL
  flag = consumerWaiting[r];
#endif
  if
  :: flag ->
#ifdef M_FLAG_AFTER_RING
       flag = 0;
       ring(CN(r), CS(r));
       consumerWaiting[r] = 0
#else
#ifndef H_FLAG_KEPT
       consumerWaiting[r] = 0;
#endif
       flag = 0;
       ring(CN(r), CS(r))
#endif
  :: else -> inflight[CN(r)]--
  fi
}

/* The consumer takes a record and tells. */
inline pop(r)
{
#ifdef M_FLAG_BEFORE_HEAD
  flag = producerWaiting[r];
#endif
  atomic {
    head[r] = NEXT(head[r]);
    inflight[PN(r)]++;
#ifndef FOREVER
    received[CS(r)]++;
#endif
#if CONFIG == 3
    if
    :: r == 0 -> pending[1]++ /* a request wants a response */
    :: else
    fi;
#endif
    got = true
  }
#ifndef M_FLAG_BEFORE_HEAD
  flag = producerWaiting[r];
#endif
  if
  :: flag ->
       atomic { producerWaiting[r] = 0; flag = 0 }
       ring(PN(r), PS(r))
  :: else -> inflight[PN(r)]--
  fi
}

/* Polls source s of the owner's node n: takes a record if there is one, sends
 * one if there is one to send and room for it. `dry` if there was nothing to
 * do, `got` if a record was taken (or, without an rx ring, sent). */
inline poll(n, s)
{
  atomic { dry = true; got = false }
  if
  :: RX(n, s) != NONE ->
       atomic {
         if
         :: tail[RX(n, s)] != head[RX(n, s)] -> dry = false; more = true
         :: else
         fi
       }
       if
       :: more -> more = false; pop(RX(n, s))
       :: else
       fi
  :: else
  fi;
  if
  :: TX(n, s) != NONE && pending[n] > 0 ->
       atomic {
         if
         :: USED(tail[TX(n, s)], head[TX(n, s)]) < CAP -> dry = false; more = true
         :: else
         fi
       }
       if
       :: more ->
            atomic {
              more = false;
#ifndef FOREVER
              pending[n]--;
#endif
              if
              :: RX(n, s) == NONE -> got = true
              :: else
              fi
            }
            push(TX(n, s))
       :: else
       fi
  :: else
  fi
}

/* Arms a source before relying on being told; !dry if the second look found
 * something to do. */
inline arm(n, s)
{
  if
  :: RX(n, s) != NONE ->
       consumerWaiting[RX(n, s)] = 1;
#ifndef M_ARM_NO_LOOK
       atomic {
         if
         :: tail[RX(n, s)] != head[RX(n, s)] -> dry = false
         :: else
         fi
       }
#endif
  :: else
  fi;
  if
  :: TX(n, s) != NONE && pending[n] > 0 ->
       producerWaiting[TX(n, s)] = 1;
#ifndef M_PRODUCER_NO_LOOK
       atomic {
         if
         :: USED(tail[TX(n, s)], head[TX(n, s)]) < CAP -> dry = false
         :: else
         fi
       }
#endif
  :: else
  fi
}

/* Moves the ready bits into the local hot list, from the top downwards. */
inline collect(n)
{
#ifdef DEATHS
  atomic {
    if
    :: deaths[n] != noted -> noted = deaths[n]; hot = ALL /* look at everybody */
    :: else
    fi
  }
#endif
#if defined(M_TOP_LAST)
  atomic { hot = hot | leaf[(n) * WORDS]; leaf[(n) * WORDS] = 0 }
  top[n] = 0
#elif defined(M_CLEAR_AFTER_POLL)
  hot = hot | leaf[(n) * WORDS]
#else
  atomic { bits = top[n]; top[n] = 0 }
#ifdef LEVELS3
  if
  :: bits != 0 -> atomic { bits = summary[n]; summary[n] = 0 }
  :: else
  fi;
#endif
  do
  :: bits & 1 -> atomic {
       hot = hot | leaf[(n) * WORDS]; leaf[(n) * WORDS] = 0; bits = bits & 2 }
  :: bits & 2 -> atomic {
       hot = hot | leaf[(n) * WORDS + 1]; leaf[(n) * WORDS + 1] = 0; bits = bits & 1 }
  :: bits == 0 -> break
  od
#endif
}

/* ------------------------------------------------------------------- owner */

/* What the owner came for has happened: it may close. */
#if CONFIG == 3
#define GOAL(n) (received[0] == N0 && pending[n] == 0)
#elif CONFIG == 5
#if defined(FOREVER)
#define GOAL(n) false
#else
#define GOAL(n) ((n) == 1 -> received[0] == N0 : pending[0] == 0)
#endif
#elif CONFIG == 6
#define GOAL(n) true
#elif CONFIG == 7
#define GOAL(n) (received[0] == N0 && noted == 1)
#elif CONFIG == 8
/* Also what the dead had put into its ring is found. */
#define GOAL(n) (received[0] == N0 && noted == 1 && tail[1] == head[1])
#elif defined(FOREVER)
#define GOAL(n) false
#else
#define GOAL(n) (received[0] == N0 && received[1] == N1)
#endif

/* A blocking call on source 0 would have something to wait for. */
#if defined(FOREVER)
#define HOPE(n) true
#elif CONFIG == 3
#define HOPE(n) (received[0] < N0)
#elif CONFIG == 5
#define HOPE(n) ((n) == 1 -> received[0] < N0 : pending[0] > 0)
#else
#define HOPE(n) (received[0] < N0)
#endif

#if defined(FOREVER)
/* Endless traffic: any number of blocking calls, chosen freely. `may` is drawn
 * before the owner falls asleep, so that it can't cure a lost wake-up. */
#define MAY_BLOCK (may)
#define USE_TIMER may = false
#define DRAW if :: may = (TIMERS0 + TIMERS1 > 0) :: may = false fi
#else
#define MAY_BLOCK (timers > 0)
#define USE_TIMER timers--
#define DRAW skip
#endif

/* A blocking call: until poll took (or sent) a record. */
inline blockingCall(n)
{
  do
  :: true ->
       poll(n, 0);
       if
       :: got -> break
       :: else
       fi;
       collect(n);
       arm(n, 0);
       if
       :: dry ->
#if !defined(M_COUNT_LATE) && !defined(M_COUNT_BETWEEN)
            seen = block[n];
#endif
            bell[n] = BLOCKED;
#ifdef M_COUNT_BETWEEN
            seen = block[n];
#endif
#ifndef M_BLOCK_NO_LOOK
            atomic {
              if
              :: top[n] != 0 -> dry = false
              :: else
              fi
            }
#endif
#if defined(DEATHS) && !defined(M_DEATHS_NO_LOOK)
            if
            :: dry -> atomic {
                 if
                 :: deaths[n] != noted -> dry = false
                 :: else
                 fi
               }
            :: else
            fi;
#endif
#ifdef M_COUNT_LATE
            seen = block[n];
#endif
            if
            :: dry ->
                 /* futex_wait(block, seen) */
                 atomic {
                   if
#ifdef M_BLOCK_NO_EXPECT
                   :: true -> ownerAsleep[n] = true
#else
                   :: block[n] == seen -> ownerAsleep[n] = true
                   :: else
#endif
                   fi;
                   seen = 0
                 }
                 atomic {
                   if
                   :: !ownerAsleep[n]
                   :: ownerAsleep[n] && spurious > 0 -> ownerAsleep[n] = false; spurious--
                   fi
                 }
            :: else -> seen = 0
            fi;
#ifndef H_STAY_BLOCKED
            bell[n] = AWAKE
#endif
       :: else
       fi
  od;
  atomic {
    got = false;
    dry = false;
    /* The bell may have been RUNG before BLOCKED was stored over it, and there
     * may be ready bits in the hot list. */
#ifndef M_NO_TURN_AFTER_BLOCK
    scheduled = true;
#endif
    /* What the user's own send couldn't place is the reactor's now. */
    if
    :: TX(n, 0) != NONE && pending[n] > 0 -> hot = hot | 1
    :: else
    fi
  }
}

proctype Owner(byte n)
{
  byte hot = ALL; /* the local list of sources that are polled */
  byte s, v, seen, bits;
#ifndef FOREVER
  byte received[2]; /* per source */
#endif
  bool dry, got, more, scheduled;
  bit flag;
#ifdef FOREVER
  bool may;
#else
  byte timers = (n == 0 -> TIMERS0 : TIMERS1);
#endif

#ifndef M_NO_FIRST_TURN
  scheduled = true;
#endif
  atomic { idle[n] = !scheduled; DRAW; goto loop }

turn:
  collect(n);
  do
  :: hot != 0 ->
       if
       :: hot & 1 -> s = 0
       :: hot & 2 -> s = 1
       fi;
       poll(n, s);
       if
       :: dry ->
            arm(n, s);
            if
            :: dry -> hot = hot & ~(1 << s)
            :: else
            fi
       :: else
       fi;
       atomic { s = 0; got = false; dry = false }
#if CONFIG == 6
       /* A handler closes the node in the middle of a turn. */
  :: hot != 0 && !closed[n] ->
       atomic { bell[n] = CLOSED; closed[n] = true }
#ifndef M_PARK_AFTER_CLOSE
       goto close
#endif
#endif
#ifndef LOOP_ONLY
  :: hot != 0 && MAY_BLOCK && HOPE(n) -> /* a handler blocks */
       USE_TIMER;
       blockingCall(n)
#endif
  :: hot == 0 -> break
  od;

#ifdef M_CLEAR_AFTER_POLL
  top[n] = 0;
  leaf[n * WORDS] = 0;
#endif

  bell[n] = PARKED;
#ifndef M_PARK_NO_LOOK
  atomic {
    if
    :: top[n] != 0 -> more = true
    :: else
    fi
  }
#endif
#if defined(DEATHS) && !defined(M_DEATHS_NO_LOOK)
  if
  :: !more -> atomic {
       if
       :: deaths[n] != noted -> more = true
       :: else
       fi
     }
  :: else
  fi;
#endif
  if
  :: more ->
       /* It may be RUNG by now. If the watcher was faster it also calls back:
        * a turn too many. */
       atomic {
#ifndef H_STAY_PARKED
         bell[n] = AWAKE;
#endif
         more = false
       }
       goto turn
  :: else
  fi;
  atomic { idle[n] = !scheduled; DRAW }

loop: /* the event loop: sleeps until a callback, a timer, an immediate */
  atomic {
    if
    :: posted[n] ->
         idle[n] = false;
#ifndef M_SYNC_CALLBACK
         posted[n] = false;
#endif
         goto called
    :: scheduled -> scheduled = false; goto turn
    :: MAY_BLOCK && HOPE(n) -> idle[n] = false; USE_TIMER
    :: GOAL(n) -> idle[n] = false; goto finish
    fi
  }
  blockingCall(n);
  atomic { idle[n] = !scheduled; DRAW; goto loop }

called:
#ifdef M_SYNC_CALLBACK
  posted[n] = false; /* the callback ran: the watcher goes on */
#endif
  goto turn;

finish:
  atomic {
    if
    :: !closed[n] -> bell[n] = CLOSED; closed[n] = true
    :: else
    fi
  }
close:
  WAKE_WATCHER(n);
  watcherEnded[n]; /* waits for the thread */
  atomic { hot = 0; ended++ }
}

/* ----------------------------------------------------------------- watcher */

proctype Watcher(byte n)
{
  byte v;
  do
  :: true ->
       v = bell[n];
       if
       :: v == RUNG ->
            v = 0;
            atomic {
              if
#ifdef M_WATCHER_STORE
              :: true -> bell[n] = AWAKE; posting[n] = true
#else
              :: bell[n] == RUNG -> bell[n] = AWAKE; posting[n] = true
              :: else
#endif
              fi
            }
            if
            :: posting[n] ->
                 atomic { posted[n] = true; posting[n] = false }
#ifdef M_SYNC_CALLBACK
                 !posted[n] /* returns when the event loop has run it */
#endif
            :: else
            fi
       :: v == CLOSED -> break
       :: else ->
            /* futex_wait(bell, v) */
            atomic {
              if
#ifdef M_WATCHER_NO_EXPECT
              :: true -> watcherAsleep[n] = true
#else
              :: bell[n] == v -> watcherAsleep[n] = true
              :: else
#endif
              fi;
              v = 0
            }
            atomic {
              if
              :: !watcherAsleep[n]
              :: watcherAsleep[n] && spurious > 0 -> watcherAsleep[n] = false; spurious--
              fi
            }
       fi
  od;
  watcherEnded[n] = true
}

/* ------------------------------------ producers, consumers without a node */

proctype Sender(byte r; byte count)
{
  byte v;
  bit flag;
  do
  :: count > 0 && USED(tail[r], head[r]) < CAP ->
#ifndef FOREVER
       count--;
#endif
       push(r)
  :: count == 0 -> break
  od
}

#ifdef DRAIN
proctype Drain(byte r; byte count)
{
  byte v;
  byte received[2];
  bit flag;
  bool got;
  do
  :: received[0] < count && tail[r] != head[r] -> pop(r)
  :: received[0] == count -> break
  od
}
#endif

#if CONFIG == 8
bool killed;

/* Dies after any of its steps, or ends by itself: a death as well. */
proctype Mortal(byte r)
{
  byte v;
  bit flag;
  { push(r) } unless { killed };
  dead = true
}

proctype Killer()
{
  killed = true
}
#endif

#ifdef DEATHS
/* The watcher's second thread: tells its owner that somebody may have died. */
proctype Tick(byte n)
{
  byte v;
#if CONFIG == 8
  dead;
#endif
  atomic { deaths[n]++; inflight[n]++ }
#ifdef M_TICK_AS_RINGER
  ringBell(n)
#else
  /* Both words are woken whatever the bell says. */
  atomic {
    if
    :: bell[n] == PARKED -> bell[n] = RUNG
    :: else
    fi
  }
  WAKE_WATCHER(n);
  atomic {
    if
    :: bell[n] == BLOCKED -> bell[n] = AWAKE
    :: else
    fi
  }
  block[n] = COUNT(block[n]);
  atomic { WAKE_OWNER(n); inflight[n]-- }
#endif
}
#endif

/* ----------------------------------------------------------------- monitor */

/* There is something to do on a source of node n. */
#define HAS(n, s) \
  ((RX(n, s) != NONE && tail[RX(n, s)] != head[RX(n, s)]) || \
   (TX(n, s) != NONE && pending[n] > 0 && USED(tail[TX(n, s)], head[TX(n, s)]) < CAP))
/* Its owner sleeps in the event loop and nothing is on its way ... */
#define DEAF(n) \
  (idle[n] && !posted[n] && !posting[n] && inflight[n] == 0 && \
   !(bell[n] == RUNG && !watcherAsleep[n]))
/* ... or sleeps in a blocking call (which is for source 0 only). */
#define NUMB(n) (ownerAsleep[n] && inflight[n] == 0)

#if SOURCES == 2
#define LOST(n) ((DEAF(n) && (HAS(n, 0) || HAS(n, 1))) || (NUMB(n) && HAS(n, 0)))
#else
#define LOST(n) ((DEAF(n) || NUMB(n)) && HAS(n, 0))
#endif

/* Whenever this guard is true in any state, the checker reports it. */
proctype Monitor()
{
end:
  if
#if CONFIG != 8 /* there a wake-up is lost until the notice of the death */
  :: atomic { LOST(0) -> assert(false) } /* a lost wake-up */
#if NODES == 2
  :: atomic { LOST(1) -> assert(false) }
#endif
#endif
  :: atomic { closed[0] && bell[0] != CLOSED -> assert(false) } /* CLOSED is for ever */
  fi
}

init {
  atomic {
#if CONFIG == 3
    pending[0] = N0;
#elif CONFIG == 5
    pending[0] = N0;
#endif
    run Owner(0);
    run Watcher(0);
#if NODES == 2
    run Owner(1);
    run Watcher(1);
#elif defined(DRAIN)
    run Drain(0, N0);
#else
    run Sender(0, N0);
#if CONFIG == 8
    run Mortal(1);
    run Killer();
#elif N1 > 0
    run Sender(1, N1);
#endif
#endif
#ifdef DEATHS
    run Tick(0);
#endif
    run Monitor()
  }
}

/* ---------------------------------------------------------------- liveness */

#ifdef FOREVER
/* The head of ring 0 never stops moving. */
ltl flows { ([]<> (head[0] & 1)) && ([]<> !(head[0] & 1)) }
#else
/* Everything is received, every node closed, every watcher ended. */
ltl arrives { <> (ended == NODES) }
#endif
