/*
 * What the POSIX files share, and what each such system adds to them in
 * linux/, darwin/ or freebsd/. Comes before any header of the system.
 */
#ifndef CAUSEWAY_POSIX_H
#define CAUSEWAY_POSIX_H

#if defined(__linux__)
#define _GNU_SOURCE
#elif defined(__APPLE__)
#define _DARWIN_C_SOURCE
#endif

#include "../common/internal.h"

#include <limits.h>
#include <semaphore.h>
#include <sys/stat.h>

/* ------------------------------------------------------- shared by all ---- */

/* The CW_E… code of an errno. */
int32_t cw_code_of(int number);

/* cw_fail with the code that belongs to an errno. */
int32_t cw_fail_errno(int number);

/* Opens a directory, and nothing but a directory: a descriptor or a CW_E…. */
int32_t cw_directory_descriptor(const char *path);

/* Gives up the lease, if there is one, and closes. `mapped` says that the
 * segment stays mapped, so that the system won't tell watchers of the end. */
void cw_handle_close(int64_t handle, bool mapped);

static inline int cw_descriptor_of(int64_t handle) {
  return handle < 0 ? -1 : (int)(handle & ~CW_LEASED);
}

/* Reserves a file's blocks from one byte to another where the system has no
 * better way: 0 or an errno. */
int cw_write_zeros(int descriptor, uint64_t from, uint64_t to);

/* ---------------------------------------------------- one per system ------ */

/* The directory that holds everybody's runtime directory. */
int32_t cw_temporary_directory(char *out, size_t capacity);

/* Gives an empty file its size with all of its blocks reserved: 0 or errno. */
int cw_reserve(int descriptor, uint64_t size);

/* What to add to MAP_SHARED for a segment of that size. */
int cw_map_flags(uint64_t size);

/* Makes watchers look at a file whose lease was given up while its mapping,
 * and so the open file, lives on. */
void cw_lease_tell(int descriptor);

void cw_thread_name(const char *name);

/* Opens or makes the semaphore of that name, which begins with a slash; flags as
 * in cw_semaphore_open. One that another user made or may write is refused where
 * that can be told. 0 or a CW_E…. */
int32_t cw_sem_open(const char *name, uint32_t flags, uint32_t initial, sem_t **out);

/* 0, or -1 and errno. */
int cw_sem_close(sem_t *sem);

/* Learns which files of a directory may have lost their lease. The watcher's
 * thread calls cw_deaths_step once at first, and then whenever what it asked
 * for has come true; a result of true says that the owner should look. */
typedef struct cw_deaths cw_deaths;

cw_deaths *cw_deaths_open(const char *directory);
void cw_deaths_close(cw_deaths *deaths);

/* In: is the descriptor readable? Out: what to poll for (-1: nothing) and how
 * many milliseconds (-1: for ever). */
typedef struct cw_deaths_poll {
  bool readable;
  int descriptor;
  int timeout_ms;
} cw_deaths_poll;

bool cw_deaths_step(cw_deaths *deaths, cw_deaths_poll *poll);

#endif
