/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The store: a log of records that survives anything, kept in write-once TDB
 * segments. It knows nothing of queues: a record's payload is opaque bytes, and
 * so is a checkpoint. What it promises:
 *
 * - A commit (some records, perhaps a checkpoint before them) is on disk, whole,
 *   when it is reported as done: one fdatasync, shared by all of it.
 * - After any crash, store_open() hands out the newest checkpoint that is whole
 *   and then every record committed since, in order, up to the first that is not
 *   whole; never a record of a recycled file's former life, never half a record.
 * - A segment is kept as long as a record in it is retained or recovery could
 *   need it, and is recycled after that.
 *
 * Called from one thread (the loop); the store has a thread of its own for
 * syncs and for making and wiping spare segments.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

/* Where a record is. Segment numbers count up for ever, records from 0 in each segment. */
struct store_location {
        uint32_t segment;
        uint32_t record;
};

struct store_options {
        const char *directory;  /* exists; the store locks it */
        uint64_t segment_bytes; /* size of a new segment's file; at least 1 MiB, below 4 GiB */
};

/* Smallest and default sizes, and the largest payload of one record as a share of its segment. */
#define STORE_SEGMENT_BYTES_MIN (1024u * 1024u)
#define STORE_SEGMENT_BYTES_SYSTEM (64u * 1024u * 1024u)
#define STORE_SEGMENT_BYTES_USER (8u * 1024u * 1024u)
/* Records should stay below this unless a single message is larger. */
#define STORE_RECORD_BYTES_TARGET (256u * 1024u)

/* Called during store_open(), in log order. A negative return ends the opening with that error. */
struct store_replay {
        int (*checkpoint)(void *userdata, const uint8_t *data, size_t size); /* at most once, first */
        int (*record)(void *userdata, struct store_location where, const uint8_t *data, size_t size);
        /* One line for the log about something odd that was found (a torn tail, a foreign file, damage). */
        void (*notice)(void *userdata, const char *text);
        void *userdata;
};

/*
 * Opens or creates the store in options->directory, replays it, makes what was found durable, and begins a
 * new segment if the last stop was not clean. Retain what you keep with store_retain() during or after replay,
 * then call store_start().
 * *ret is set before the first callback, for store_retain(); on failure it has its old value again.
 * Returns 0; -EBUSY when another process holds the directory; -EPROTONOSUPPORT for a newer format; -EBADMSG when there
 * are segments that held commits but none has a whole checkpoint; another negative errno. Until store_start() no
 * segment is changed.
 */
int store_open(struct store **ret, const struct store_options *options, const struct store_replay *replay);

/*
 * Ends the opening: recycles segments in which nothing is retained, makes the spare. Nothing may be committed
 * before it. The first commit after it must rotate (store_must_rotate() says so) unless the store continues
 * the old segment after a clean stop.
 */
int store_start(struct store *s);

/* Finishes a running commit, syncs, marks a clean stop, frees. NULL is fine. Returns NULL. */
struct store *store_close(struct store *s);

/* ---- committing -------------------------------------------------------- */

/* Largest payload that a record can have. */
size_t store_record_bytes_max(const struct store *s);

/* Whether the running segment has no room for n_records more of `bytes` payload in all, so that the next commit has
 * to begin a new segment (and so carry a checkpoint). */
bool store_must_rotate(const struct store *s, size_t n_records, size_t bytes);

/* Whether a spare segment is ready; if not, store_rotate() has to wait for one to be made. */
bool store_spare_ready(const struct store *s);

/* Whether the disk has no room for another spare. What is left then is the reserve: it should be kept for what makes room. */
bool store_is_short(const struct store *s);
/* Tries again to make one, in the background. */
void store_retry_spare(struct store *s);

/* Begins a new segment: later locations are in it. To be followed by a commit with a checkpoint. Waits for the spare
 * if it is not ready. Returns 0 or the error that making it met. */
int store_rotate(struct store *s);

/* The location of the next commit's first record; its others follow on. */
struct store_location store_next(const struct store *s);

struct store_part {
        const uint8_t *data;
        size_t size;
};

/*
 * A commit: records at store_next() and following. With a checkpoint (only, and always, as the first commit after
 * store_rotate()) the checkpoint describes the state *after* these records: recovery takes the checkpoint and
 * these records as one, all or nothing, and does not hand the records out. A commit of nothing is done at once.
 */
struct store_commit {
        const struct store_part *records;
        size_t n_records;
        const uint8_t *checkpoint; /* NULL: none */
        size_t checkpoint_bytes;
};

/* Writes and syncs in the calling thread. Returns 0 when it is on disk; negative errno: nothing may be assumed, the
 * caller must end (a failed sync is never tried again), and everything after it returns -EIO. Before anything was
 * written: -EINVAL for a checkpoint where there must be none or none where there must be one, -EMSGSIZE when it does
 * not fit, -EBUSY while a begun commit runs. */
int store_commit_here(struct store *s, const struct store_commit *commit);

/* Hands the commit to the store's thread; one at a time. The memory must stay as it is until it is done. */
int store_commit_begin(struct store *s, const struct store_commit *commit);

/* Becomes readable when a begun commit is done. */
int store_fd(const struct store *s);

/* Returns 1 when the begun commit is on disk, 0 when it is still running, negative errno as store_commit_here().
 * Takes the event from store_fd(). */
int store_commit_poll(struct store *s);

/* Waits for a begun commit. Returns as store_commit_poll(), never 0 if one was begun. */
int store_commit_wait(struct store *s);

/* ---- records ----------------------------------------------------------- */

/* Reads a record's payload and checks it. *ret is the caller's to free(). Returns 0, -EBADMSG when it is damaged,
 * -ENOENT when it is not there. */
int store_read(struct store *s, struct store_location where, uint8_t **ret, size_t *ret_bytes);

/* Counts references to a record that may still be read or needed. Every record of a commit, and every one replayed,
 * starts with none. */
void store_retain(struct store *s, struct store_location where);
/* The last release in a segment lets it be recycled, once the next commit that begins after this call is on disk. */
void store_release(struct store *s, struct store_location where);

/* ---- figures ----------------------------------------------------------- */

struct store_counters {
        uint64_t commits, syncs, records, record_bytes, checkpoints, checkpoint_bytes;
        uint64_t segments, segments_created, segments_recycled;
        uint64_t disk_bytes; /* of all segment files */
        uint64_t reads;
};
void store_counters(const struct store *s, struct store_counters *ret);
