/*
 * Who may have died, by inotify: a process that ends closes its files.
 *
 * Files are closed by those who only had a look at them as well, so each one is
 * tested: if its lease is held, nobody has died. But the system reports the
 * close before it drops the lock, so a held one is suspected for a while and
 * tested again, the last time after a second.
 *
 * Guaranteed: a death is never missed as long as its holder closed the file
 * within that second; whoever can't be remembered or tested counts as dead.
 * Costs nothing while no file is closed, and at most one look per millisecond
 * while many are. Where there is no inotify (each user has 128 by default), it
 * ticks and asks for one again now and then.
 */
#include "../posix/posix.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <unistd.h>

/* A process that ends removes its file and closes it. A file that is removed without an end is
 * news as well: its owner has to learn that other processes can't find it any more. */
#define EVENTS (IN_CLOSE_WRITE | IN_DELETE)

#define STORM_PAUSE_NS 1000000u
#define TICKS_PER_RETRY 16u

/* When a suspect is tested again, each after the one before. */
static const uint64_t pauses[] = {1000000u, 10000000u, 100000000u, 1000000000u};
#define STAGES (sizeof pauses / sizeof pauses[0])

typedef struct suspect {
  uint64_t due;
  unsigned stage; /* STAGES: this place is free */
  char name[NAME_MAX + 1];
} suspect;

/* The last place is for all whose name was lost: nobody to test, so at each
 * stage the owner is told to look. */
#define SUSPECTS 33
#define NAMELESS (SUSPECTS - 1)

struct cw_deaths {
  char *path;
  int directory, inotify; /* -1 when there is none */
  unsigned ticks;
  uint64_t deaf_until;
  suspect suspects[SUSPECTS];
};

static uint64_t now(void) {
  uint64_t time;
  cw_clock(&time);
  return time;
}

static void stop_listening(cw_deaths *deaths) {
  if (deaths->inotify >= 0) close(deaths->inotify);
  if (deaths->directory >= 0) close(deaths->directory);
  deaths->inotify = deaths->directory = -1;
}

static void listen(cw_deaths *deaths) {
  deaths->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (deaths->inotify < 0) return;
  deaths->directory = open(deaths->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  uint32_t what = EVENTS | IN_ONLYDIR | IN_DONT_FOLLOW;
  if (deaths->directory < 0 || inotify_add_watch(deaths->inotify, deaths->path, what) < 0) {
    stop_listening(deaths);
  }
}

cw_deaths *cw_deaths_open(const char *directory) {
  cw_deaths *deaths = calloc(1, sizeof *deaths);
  if (!deaths) return NULL;
  deaths->path = strdup(directory);
  if (!deaths->path) {
    free(deaths);
    return NULL;
  }
  for (int i = 0; i < SUSPECTS; i++) deaths->suspects[i].stage = STAGES;
  deaths->inotify = deaths->directory = -1;
  listen(deaths);
  return deaths;
}

void cw_deaths_close(cw_deaths *deaths) {
  stop_listening(deaths);
  free(deaths->path);
  free(deaths);
}

/* ---------------------------------------------------------------- suspects */

/* Is nobody holding the lease of that file? Also true when that can't be told. */
static bool is_free(const cw_deaths *deaths, const char *name) {
  /* For reading: closing it again is no event we listen to. */
  int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  int fd = openat(deaths->directory, name, flags);
  if (fd < 0) return true;
  bool held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  close(fd);
  return !held;
}

static void suspect_again(suspect *who, uint64_t time) {
  uint64_t soon = time + pauses[0];
  /* Only ever sooner, or a storm of events would put it off for ever. */
  if (who->stage == STAGES || who->due > soon) who->due = soon;
  who->stage = 0;
}

/* A place for this name, or the one for all: *known says it had it already. */
static suspect *place_for(cw_deaths *deaths, const char *name, bool *known) {
  suspect *place = &deaths->suspects[NAMELESS];
  for (int i = 0; i < NAMELESS; i++) {
    suspect *who = &deaths->suspects[i];
    if (who->stage == STAGES) {
      place = who;
    } else if (strcmp(who->name, name) == 0) {
      *known = true;
      return who;
    }
  }
  *known = false;
  return place;
}

/* True when the owner should look at once. */
static bool hear(cw_deaths *deaths, const char *name, uint64_t time) {
  bool known;
  suspect *who = place_for(deaths, name, &known);
  if (!known) {
    if (is_free(deaths, name)) return true;
    if (who != &deaths->suspects[NAMELESS]) memcpy(who->name, name, strlen(name) + 1);
  }
  suspect_again(who, time);
  return false;
}

static bool test_due(cw_deaths *deaths, uint64_t time) {
  bool hint = false;
  for (int i = 0; i < SUSPECTS; i++) {
    suspect *who = &deaths->suspects[i];
    if (who->stage == STAGES || who->due > time) continue;
    bool nameless = i == NAMELESS;
    bool may_be_dead = nameless || deaths->inotify < 0 || is_free(deaths, who->name);
    hint |= may_be_dead;
    if (may_be_dead && !nameless) who->stage = STAGES;
    else if (++who->stage < STAGES) who->due = time + pauses[who->stage];
  }
  return hint;
}

/* ------------------------------------------------------------------ events */

/* One buffer of events: true when the owner should look. */
static bool hear_all(cw_deaths *deaths, const char *at, const char *end, uint64_t time) {
  bool hint = false;
  while (at < end) {
    struct inotify_event event;
    memcpy(&event, at, sizeof event);
    const char *name = at + sizeof event;
    at = name + event.len;
    if (event.mask & (IN_Q_OVERFLOW | IN_IGNORED | IN_UNMOUNT)) {
      suspect_again(&deaths->suspects[NAMELESS], time);
      hint = true;
      if (!(event.mask & IN_Q_OVERFLOW)) stop_listening(deaths);
    } else if (event.len > 0 && deaths->inotify >= 0) {
      hint |= hear(deaths, name, time);
    }
  }
  return hint;
}

static bool read_events(cw_deaths *deaths, uint64_t time) {
  char buffer[4096];
  bool hint = false;
  while (deaths->inotify >= 0) {
    ssize_t length = read(deaths->inotify, buffer, sizeof buffer);
    if (length <= 0) break;
    hint |= hear_all(deaths, buffer, buffer + length, time);
  }
  deaths->deaf_until = time + STORM_PAUSE_NS;
  return hint;
}

static int milliseconds(uint64_t from, uint64_t to) {
  return to <= from ? 0 : (int)((to - from + 999999) / 1000000);
}

/* When to wake up at the latest, -1 for never. */
static int next_timeout(const cw_deaths *deaths, uint64_t time) {
  uint64_t due = deaths->deaf_until > time ? deaths->deaf_until : UINT64_MAX;
  for (int i = 0; i < SUSPECTS; i++) {
    const suspect *who = &deaths->suspects[i];
    if (who->stage < STAGES && who->due < due) due = who->due;
  }
  return due == UINT64_MAX ? -1 : milliseconds(time, due);
}

static bool tick(cw_deaths *deaths, cw_deaths_poll *poll) {
  bool first = deaths->ticks == 0;
  if (++deaths->ticks % TICKS_PER_RETRY == 0) listen(deaths);
  poll->descriptor = deaths->inotify;
  poll->timeout_ms = CW_DEATH_TICK_US / 1000u;
  return !first;
}

bool cw_deaths_step(cw_deaths *deaths, cw_deaths_poll *poll) {
  if (deaths->inotify < 0) return tick(deaths, poll);
  uint64_t time = now();
  bool hint = poll->readable && read_events(deaths, time);
  hint |= test_due(deaths, time);
  poll->descriptor = deaths->deaf_until > time ? -1 : deaths->inotify;
  poll->timeout_ms = next_timeout(deaths, time);
  return hint;
}

void cw_lease_tell(int fd) {
  /* The mapping keeps the file open, so there would be no event: make one. */
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  int again = open(path, O_WRONLY | O_CLOEXEC);
  if (again >= 0) close(again);
}
