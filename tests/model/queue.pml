/*
 * The queue: how consumers claim messages of a chunk while producers want to use
 * the chunk again.
 *
 * WHAT IS MODELLED. One chunk with two places, two consumers and a producer, one
 * access to shared memory per step, in all interleavings. In its first life the
 * chunk holds two small messages, one at each place. In its second it holds one
 * large message at the first place, whose payload covers the second one and looks
 * there like a message that is ready. A consumer sets its hazard, looks at the
 * chunk's state, walks, claims by compare-and-exchange, copies, and clears its
 * hazard. It may stop for ever between any two steps (one of the two, with -DSTOPS):
 * then the chunk may stay as it is, but nothing may go wrong.
 *
 * WHAT IS CHECKED. Each message is claimed at most once, and the payload of the
 * large one is what was written when it is copied and at the end. Without stops:
 * the only end is the one at which all three were claimed (no invalid end state).
 *
 * WHAT IS NOT. Weak memory (all these accesses are sequentially consistent Atomics),
 * several chunks, waking, recovery, redelivery: tests/queue/model.test.ts and
 * tests/crash/queue.test.ts go through those.
 *
 * MUTATIONS, each of which the checker finds:
 *   M_NO_HAZARD     the consumer sets no hazard
 *   M_LOOK_FIRST    it looks at the chunk's state before it sets the hazard
 *   M_NO_CHECK      the producer doesn't look at hazards
 *   M_CHECK_FIRST   it looks at hazards before it says that the chunk is retired
 *   M_CLAIM_STORE   the consumer claims by load and store
 *   M_CLEAR_EARLY   it clears its hazard before it copies
 */
#define UNWRITTEN 0
#define READY 1
#define DONE 3

#define FREE 0
#define FULL 2
#define FILLING 3
#define RETIRED 4

#define SMALL 1
#define LARGE 2

byte chunk = FREE;
byte word[2];
byte size[2];
byte content[2]; /* which message is at a place */
byte hazard[2];
byte claimed[3];
bool stopped[2];
byte left = 3;

inline copy(place) {
  id = content[place];
  claimed[id]++;
  assert(claimed[id] == 1);
  /* The payload of the large one, at the second place. */
  if
  :: id == 2 -> assert(word[1] == READY)
  :: else
  fi;
  left--
}

inline finish(place) {
#ifdef M_CLEAR_EARLY
  hazard[me] = 0;
#endif
  copy(place)
}

inline claim(place, ok) {
#ifdef M_CLAIM_STORE
  if
  :: word[place] == READY -> word[place] = DONE; ok = true
  :: else -> ok = false
  fi
#else
  atomic {
    if
    :: word[place] == READY -> word[place] = DONE; ok = true
    :: else -> ok = false
    fi
  }
#endif
}

proctype Consumer(byte me) {
  byte state, seen, id;
  bool ok;
  do
  :: left == 0 -> break
#ifdef STOPS
  :: me == 0 -> stopped[0] = true; goto over
#endif
  :: left > 0 ->
#ifdef M_LOOK_FIRST
    state = chunk;
    hazard[me] = 1;
#else
#ifndef M_NO_HAZARD
    hazard[me] = 1;
#endif
    state = chunk;
#endif
    if
    :: state == FREE || state == RETIRED -> goto release
    :: else
    fi;
    seen = word[0];
    if
    :: seen == READY ->
#ifdef STOPS
      if
      :: me == 0 -> stopped[0] = true; goto over
      :: true
      fi;
#endif
      claim(0, ok);
      if
      :: ok -> finish(0); goto release
      :: else -> goto release
      fi
    :: seen == UNWRITTEN -> goto release
    :: else
    fi;
    if
    :: size[0] == LARGE -> goto release
    :: else
    fi;
    seen = word[1];
    if
    :: seen == READY ->
      claim(1, ok);
      if
      :: ok -> finish(1)
      :: else
      fi
    :: else
    fi;
release:
    state = 0;
    hazard[me] = 0
  od;
over:
  skip
}

proctype Producer() {
  bool busy;
  chunk = FILLING;
  word[1] = UNWRITTEN; size[0] = SMALL; content[0] = 0; word[0] = READY;
  size[1] = SMALL; content[1] = 1; word[1] = READY;
  chunk = FULL;
again:
  /* Held while it looks whether all is done. */
  (word[0] == DONE && word[1] == DONE);
  chunk = FILLING;
#ifdef M_CHECK_FIRST
  busy = hazard[0] != 0 || hazard[1] != 0;
  chunk = RETIRED;
#else
  chunk = RETIRED;
#ifdef M_NO_CHECK
  busy = false;
#else
  busy = hazard[0] != 0;
  busy = busy || hazard[1] != 0;
#endif
#endif
  if
  :: busy -> chunk = FULL;
end_pinned:
    /* Who reads clears its hazard, or is stopped. */
    (hazard[0] == 0 && hazard[1] == 0); goto again
  :: else
  fi;
  word[0] = UNWRITTEN;
  chunk = FILLING;
  size[0] = LARGE; content[0] = 2; word[1] = READY;
  word[0] = READY;
  chunk = FULL
}

init {
  atomic { run Producer(); run Consumer(0); run Consumer(1) };
  (_nr_pr == 1 || (stopped[0] && timeout));
  assert(stopped[0] || (claimed[0] == 1 && claimed[1] == 1 && claimed[2] == 1));
  assert(claimed[2] == 0 || word[1] == READY)
}
