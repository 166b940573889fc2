/*
 * The Causeway shim: what JavaScript can't do by itself.
 *
 * Mapped memory, leases, parking and waking threads, named semaphores, a
 * monotonic clock. Everything else (queues, flags, protocols) is TypeScript
 * working on the mapped memory with Atomics.
 *
 * Conventions
 *   - No JavaScript runtime's header is needed. Every argument is a pointer, an
 *     int32_t or a uint32_t: the types that are cheapest in Deno.dlopen,
 *     bun:ffi and node:ffi alike.
 *   - A path is UTF-8, ended by NUL, absolute.
 *   - A function that can fail returns 0 or a positive result, or one of the
 *     negative CW_E… codes. cw_last_error() then gives the system's own error
 *     number (errno, GetLastError) of the calling thread, for the message.
 *   - Nothing here prints, allocates per call, or reads a queue's layout. The
 *     shim knows two things about a segment: the 16-byte random id at
 *     CW_ID_OFFSET (Windows names its events after it), and the values of the
 *     doorbell word.
 */
#ifndef CAUSEWAY_H
#define CAUSEWAY_H

#include <stdint.h>

#if defined(_WIN32)
#define CW_API __declspec(dllexport)
#else
#define CW_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Changes whenever a signature or the meaning of a function changes. */
#define CW_ABI 1

/* The unit of a segment's size, on every system. */
#define CW_PAGE 4096u

/* Every segment carries a random 16-byte id here, written by its creator. */
#define CW_ID_OFFSET 16u

/* ------------------------------------------------------------------ errors */

enum {
  CW_OK = 0,
  CW_ESYSTEM = -1,      /* anything not named below: see cw_last_error() */
  CW_EEXISTS = -2,      /* the name is taken */
  CW_ENOTFOUND = -3,    /* no such file or directory */
  CW_EDENIED = -4,      /* the system refused access */
  CW_ENOSPACE = -5,     /* the file system can't hold the segment */
  CW_ENOTOWNER = -6,    /* it belongs to another user */
  CW_ELINK = -7,        /* a symbolic link where a file or directory was expected */
  CW_ETYPE = -8,        /* neither a regular file nor (where asked) a directory */
  CW_EMODE = -9,        /* others may write it (directory) or open it (segment) */
  CW_ELIMIT = -10,      /* out of descriptors, mappings, threads or memory */
  CW_ETIMEOUT = -11,    /* the time given is over */
  CW_EBUSY = -12,       /* held by somebody else; a directory that is not empty */
  CW_EUNSUPPORTED = -13,/* this system can't do it */
  CW_EARGUMENT = -14,   /* an argument out of range */
  CW_ESIZE = -15,       /* a file whose size is no positive multiple of CW_PAGE */
  CW_EREADONLY = -16    /* the file system or directory can't be written */
};

CW_API int32_t cw_abi(void);

/* The system's error number behind the last negative result of this thread. */
CW_API int32_t cw_last_error(void);

/* The system's text for that number, NUL-ended, at most `capacity` bytes.
 * Returns its length. */
CW_API int32_t cw_error_text(int32_t number, char *out, uint32_t capacity);

/* --------------------------------------------------------------- directory */

/* The runtime directory: $CAUSEWAY_DIR, or /dev/shm/causeway-<uid> on Linux,
 * or causeway-<uid> (Windows: causeway) in the user's temporary directory.
 * Returns the length without NUL, or CW_ESIZE when `capacity` is too small, or
 * CW_EARGUMENT when $CAUSEWAY_DIR is no absolute path. With `ignore_chosen` 1 as
 * if the variable weren't set: a runtime may know better. */
CW_API int32_t cw_directory_default(char *out, uint32_t capacity, uint32_t ignore_chosen);

/* 1 when $CAUSEWAY_DIR chose that directory: then it isn't ours to remove. */
CW_API int32_t cw_directory_is_chosen(void);

/* Makes the directory with mode 0700 if it doesn't exist (its parent must),
 * then checks it through a descriptor: a directory and no link (CW_ELINK,
 * CW_ETYPE), owned by this user (CW_ENOTOWNER), not writable by group or
 * others (CW_EMODE), writable by us (CW_EDENIED, CW_EREADONLY). Returns 1 when
 * it was made by this call, 0 when it was there. */
CW_API int32_t cw_directory_prepare(const char *path);

/* Takes the exclusive lock of a directory and returns a handle (>= 0). The
 * system drops it when the holder dies. CW_ETIMEOUT after `timeout_us`.
 * CW_ENOTFOUND when the directory is gone, also if it went while waiting: the
 * lock that is returned always belongs to the directory now at `path`. */
CW_API int32_t cw_directory_lock(const char *path, uint32_t timeout_us);
CW_API int32_t cw_directory_unlock(int32_t handle);

/* Writes the names in a directory (without . and ..), each ended by NUL, and
 * returns the bytes they take; nothing is written past `capacity`, so call
 * again with a larger buffer when the result is greater. The order is the
 * system's own. */
CW_API int32_t cw_directory_list(const char *path, char *out, uint32_t capacity);

/* Removes an empty directory: CW_EBUSY when it isn't empty. */
CW_API int32_t cw_directory_remove(const char *path);

/* 64-bit byte counts of the file system that holds `path`:
 * out[0] = free for us, out[1] = total; 2^63 - 1 where there is no limit. */
CW_API int32_t cw_directory_space(const char *path, uint64_t *out);

CW_API int32_t cw_file_remove(const char *path);

/* Atomic; replaces what is there. */
CW_API int32_t cw_file_rename(const char *from, const char *to);

/* One more name for a file, in the same file system: a hard link. CW_EEXISTS if there is one. */
CW_API int32_t cw_file_link(const char *from, const char *to);

/* ---------------------------------------------------------------- segments */

/* What create and open write into `out` (three 64-bit words). */
typedef struct cw_segment {
  uint64_t base;   /* address of the first byte */
  uint64_t size;   /* bytes, a multiple of CW_PAGE */
  int64_t handle;  /* the open file, close-on-exec, plus 2^40 while it holds the lease;
                      -1 after cw_segment_release_handle */
} cw_segment;

/* Creates a file of `pages` pages, exclusively (CW_EEXISTS), mode 0600, with
 * every page reserved: CW_ENOSPACE leaves no file behind. Maps it for reading
 * and writing; the bytes are zero. */
CW_API int32_t cw_segment_create(const char *path, uint32_t pages, cw_segment *out);

/* Opens and maps an existing file. It must be a regular file (CW_ETYPE), no
 * link (CW_ELINK), owned by this user (CW_ENOTOWNER), closed to all others
 * (CW_EMODE), of a positive number of whole pages (CW_ESIZE). */
CW_API int32_t cw_segment_open(const char *path, cw_segment *out);

/* Closes the open file but keeps the mapping. A lease it held is given up. */
CW_API int32_t cw_segment_release_handle(cw_segment *segment);

/* Unmaps, and closes the open file if it still is. The caller has detached
 * every view before. */
CW_API int32_t cw_segment_close(cw_segment *segment);

/* ------------------------------------------------------------------ leases */

/* Takes the lease of an open segment for this owner: exclusive, held until
 * cw_segment_close, cw_segment_release_handle or the death of the process.
 * CW_EBUSY when somebody else holds it. Not inherited by child processes. */
CW_API int32_t cw_lease_take(cw_segment *segment);

/* Is the lease of an open segment held by another owner? 1 held, 0 free, which
 * is the proof that its holder is dead. Never disturbs a holder, and two
 * testers don't disturb each other. CW_EARGUMENT for the very cw_segment that
 * holds the lease: to test one's own node, open it once more. */
CW_API int32_t cw_lease_test(cw_segment *segment);

/* ------------------------------------------------------------------ claims */

/* A claim says that its holder uses what has that name in a directory. It holds
 * when the files there were removed under the holder, and goes with the holder,
 * however that ends: so it proves that somebody still uses what has no file any
 * more. Any number may claim the same; a name has CW_CLAIM_GENERATIONS
 * generations. Linux and macOS; elsewhere CW_EUNSUPPORTED.
 *
 * cw_claims_open returns a handle (>= 0), or what opening the directory fails
 * with. What one handle claims, it doesn't see itself. */
#define CW_CLAIM_GENERATIONS 64u
CW_API int32_t cw_claims_open(const char *directory);
/* Drops all claims of the handle. */
CW_API int32_t cw_claims_close(int32_t claims);
CW_API int32_t cw_claim_take(int32_t claims, const char *name, uint32_t generation);
CW_API int32_t cw_claim_drop(int32_t claims, const char *name, uint32_t generation);
/* One of `count` generations, from `from` on, in which another handle claims the
 * name; CW_ENOTFOUND when there is none. */
CW_API int32_t cw_claim_find(int32_t claims, const char *name, uint32_t from, uint32_t count);

/* ---------------------------------------------------------------- doorbell */

/* Values of a doorbell word. See docs/protocol.md for who may change which. */
enum {
  CW_AWAKE = 0,   /* the owner looks at its ready bits by itself */
  CW_PARKED = 1,  /* the owner's event loop sleeps: the watcher must be woken */
  CW_BLOCKED = 2, /* the owner's thread is inside cw_wait */
  CW_RUNG = 3,    /* a ringer claimed a PARKED owner; its watcher will call back */
  CW_CLOSED = 4   /* the owner is going away */
};

/* Sleeps while the 32-bit word at base + offset equals `expected`, at most
 * `timeout_us` (UINT32_MAX: for ever). Returns 0 when woken, when the word was
 * different already, or for no reason at all (look again), CW_ETIMEOUT when
 * the time is over. Works between processes. */
CW_API int32_t cw_wait(void *base, uint32_t offset, uint32_t expected, uint32_t timeout_us);

/* Wakes everybody who sleeps on the word. */
CW_API int32_t cw_wake(void *base, uint32_t offset);

/* ----------------------------------------------------------------- watcher */

/* Called from the watcher's thread. The argument is the one given at start. */
typedef void (*cw_callback)(void *argument);

typedef struct cw_watcher cw_watcher;

/*
 * Starts the realm's watcher for the node segment at `base`.
 *
 * One thread sleeps on the doorbell word at base + bell_offset. Whenever it
 * finds CW_RUNG it changes it to CW_AWAKE and then calls `callback(argument)`,
 * or, if callback is NULL, writes one byte to the descriptor `notify_fd`
 * (never blocking: a full pipe is enough of a notice).
 *
 * Any process can overwrite the bell, and ringers then ring nobody. So a watcher
 * that sleeps looks every CW_BELL_LOOK_US whether the word at base +
 * ready_offset, which ringers set before they ring, is 0, and calls back if not.
 *
 * It also tells of deaths: whenever a file in `directory` may have lost its
 * lease, it adds 1 to the word at base + deaths_offset, and then rings the
 * bell as any ringer does (PARKED -> RUNG, wake; BLOCKED -> AWAKE, add 1 to
 * the word at base + block_offset, wake that) and wakes both words in any case:
 * who died may have been ringing, the word claimed and the sleeper not yet
 * woken. Linux learns of deaths by inotify, which costs nothing while nobody
 * dies; elsewhere, and where inotify can't be had, it ticks every
 * CW_DEATH_TICK_US. A tick is a hint, never a proof.
 *
 * Threads have small stacks, block all signals, and never keep the process
 * alive. If the calling thread ends without cw_watcher_stop (a worker that was
 * terminated), the watcher is stopped and `segment`'s handle, and with it its
 * lease, is closed by the shim, so the handle must stay open until then.
 * `segment` is copied, and `notify_fd` is duplicated (and made non-blocking).
 *
 * Returns 0 and writes the watcher's address to out[0].
 */
#define CW_DEATH_TICK_US 250000u
#define CW_BELL_LOOK_US 5000000u
CW_API int32_t cw_watcher_start(const cw_segment *segment, uint32_t bell_offset,
                                uint32_t block_offset, uint32_t deaths_offset,
                                uint32_t ready_offset, const char *directory,
                                cw_callback callback, void *argument, int32_t notify_fd,
                                uint64_t *out);

/* Stops both threads and waits for them. Afterwards the callback isn't running
 * and won't be called. Sets the doorbell word to CW_CLOSED.
 *
 * CW_EBUSY when the callback was running and still is after 2 ms: in Deno it
 * blocks the watcher's thread until the event loop has run it, so the loop's
 * own thread must not wait for it here. The callback won't be called again, but
 * neither it nor the segment may be freed yet: call cw_watcher_stop once more
 * after a turn of the event loop. CW_EARGUMENT for a watcher that was stopped. */
CW_API int32_t cw_watcher_stop(cw_watcher *watcher);

/* A pipe for runtimes that can't be called from another thread (Node):
 * out[0] = read end, out[1] = write end, both non-blocking, close-on-exec.
 * On Windows out[0] is no descriptor but a number in a name: the reader opens
 * \\.\pipe\causeway-<process id>-<number>, once, before anything is written.
 * This user alone can. out[1] is the handle of the other end. */
CW_API int32_t cw_pipe_open(int32_t *out);
CW_API int32_t cw_descriptor_close(int32_t descriptor);

/* -------------------------------------------------------- named semaphores */

/* The system's own named semaphores (sem_open, CreateSemaphore), so that other
 * programs can take part. `name` has no slash and no backslash; the shim adds
 * what the system wants in front. */
typedef struct cw_semaphore cw_semaphore;

enum { CW_SEMAPHORE_CREATE = 1, CW_SEMAPHORE_EXCLUSIVE = 2 };

/* Opens, or with CW_SEMAPHORE_CREATE creates, a semaphore; `initial` counts
 * only when it is created. Writes its address to out[0]. CW_EEXISTS,
 * CW_ENOTFOUND, CW_EDENIED, CW_EARGUMENT; where there is a file to look at (Linux,
 * FreeBSD) also CW_ENOTOWNER, CW_EMODE (others may write it), CW_ETYPE, CW_ELINK,
 * CW_ESIZE (it holds no semaphore). */
CW_API int32_t cw_semaphore_open(const char *name, uint32_t flags, uint32_t initial,
                                 uint64_t *out);
CW_API int32_t cw_semaphore_post(cw_semaphore *semaphore);
/* timeout_us: 0 tries, UINT32_MAX waits for ever. CW_ETIMEOUT when over. */
CW_API int32_t cw_semaphore_wait(cw_semaphore *semaphore, uint32_t timeout_us);
CW_API int32_t cw_semaphore_close(cw_semaphore *semaphore);
/* Takes the name away (Windows: does nothing, names go with their last user). */
CW_API int32_t cw_semaphore_unlink(const char *name);

/* An acquirer: takes counts of a semaphore for an event loop, which another
 * program's post can't wake. While counts are wanted, one thread waits for the
 * semaphore; for each that it takes it adds 1 to the word `taken` and rings the
 * node, as a peer would. Without a wish there is no thread (it ends within
 * CW_ACQUIRER_TURN_US, and posts what it still gets).
 *
 * `segment` is the node's; `bits` are three pairs of an offset and a mask to be
 * set there, in this order, before the bell is rung. `semaphore` may be closed
 * while an acquirer uses it. Writes the acquirer's address to out[0], that of
 * the word `taken` to out[1].
 *
 * An acquirer belongs to the thread that started it, and ends with it. */
typedef struct cw_acquirer cw_acquirer;

#define CW_ACQUIRER_TURN_US 500000u
CW_API int32_t cw_acquirer_open(cw_semaphore *semaphore, const cw_segment *segment,
                                uint32_t bell_offset, uint32_t block_offset, const uint32_t *bits,
                                uint64_t *out);
/* From now on so many are wanted in all, since it was opened: the thread takes
 * while `taken` is behind. Counts wrap. CW_ELIMIT: no thread could be started. */
CW_API int32_t cw_acquirer_want(cw_acquirer *acquirer, uint32_t total);
/* Ends it: nothing is rung any more, and what was taken beyond `used` is posted
 * back, also what the thread gets while it ends. */
CW_API int32_t cw_acquirer_close(cw_acquirer *acquirer, uint32_t used);

/* ------------------------------------------------------------------- other */

/* Monotonic nanoseconds, one clock for all processes of the machine. */
CW_API int32_t cw_clock(uint64_t *out);

/* Fills `length` (<= 256) bytes with randomness from the system. */
CW_API int32_t cw_random(void *out, uint32_t length);

/* Tells the processor `times` times that this is a spin loop. */
CW_API int32_t cw_pause(uint32_t times);

#ifdef __cplusplus
}
#endif
#endif
