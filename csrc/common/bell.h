/* The watcher's side of a node's doorbell. See bell.c. */
#ifndef CAUSEWAY_BELL_H
#define CAUSEWAY_BELL_H

#include "internal.h"

typedef struct cw_bell {
  void *base;
  uint32_t bell, block, deaths, ready; /* offsets of the node's words */
  cw_callback callback;
  void *argument;
  cw_word stopping;
  cw_word calling; /* 1 while the callback runs */
  cw_word ended;   /* 1 once cw_bell_attend has returned */
} cw_bell;

/* The bell thread's life: calls back for every ring until the bell is closed. */
void cw_bell_attend(cw_bell *bell);

/* Rings the node at `base`, whose words are at these offsets, as any ringer does. */
void cw_bell_ring(void *base, uint32_t bell, uint32_t block);

/* Tells the owner that somebody may have died. */
void cw_bell_hint(cw_bell *bell);

/* Ends cw_bell_attend soon. May be called again and again. */
void cw_bell_close(cw_bell *bell);

#endif
