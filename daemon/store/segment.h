/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One segment: a TDB file, and what the store keeps in memory about it. */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/store/directory.h"
#include "daemon/store/record.h"

struct tdb_context;

struct segment {
        uint32_t number;
        uint64_t file_bytes;
        bool damaged; /* something in it is not as it should be: set aside when drained, never recycled */

        /* A TDB context is not thread-safe: held for a store or a read, never for a sync. */
        pthread_mutex_t lock;
        struct tdb_context *tdb; /* NULL while closed */
        int fd;                  /* the context's, for syncs; -1 while closed */
        uint32_t n_slots;        /* 0 until opened once */

        /* Of the loop. */
        uint64_t n_retained;
        uint64_t drained_commit; /* drained, once the commit with this number is on disk */
        uint64_t last_read;      /* tick of the last read, to find the one to close */

        struct segment *next; /* in the worker's list of drained or of ready segments */
};

/* Returns: a closed segment of that number, or NULL without memory. segment_free() it. */
struct segment *segment_new(uint32_t number, uint64_t file_bytes);
/* Closes and frees. NULL is fine. Returns NULL. */
struct segment *segment_free(struct segment *g);
static inline void segment_freep(struct segment **g) {
        (void) segment_free(*g);
}

/* Opens its file, to store in it or only to read it. Returns 0, also when it is open already; -EBADMSG when it is
 * not a segment; another negative errno. */
int segment_open(struct segment *g, const struct directory *d, bool writable);
/* Closes its file, if it is open. */
void segment_close(struct segment *g);

/* Makes the empty file of a new segment: header and table, nothing behind it. Returns 0 or a negative errno. */
int segment_create_file(const char *path, uint32_t n_slots);

/* Stores one entry, a chunk or a record by r->kind, at the slot that r->index gives it. To be synced after. The file
 * must be open to be stored in. Takes the lock itself. Returns 0 or a negative errno. */
int segment_put(struct segment *g, const struct record *r, const uint8_t *payload, size_t size);

/* An entry as read: the payload is what is behind RECORD_HEADER_BYTES of data. */
struct segment_entry {
        struct record record;
        uint8_t *data;
        size_t size;
};
void segment_entry_done(struct segment_entry *e);

/*
 * Reads entry `index` of a kind (RECORD_CHECKPOINT: a chunk, else whatever is in the place of that record) and checks
 * it. Returns 0 (then segment_entry_done()); -ENOENT when nothing of this segment's life is there; -EBADMSG when what
 * is there is damaged; -EPROTONOSUPPORT for a newer format; -ENOMEM. Takes the lock itself.
 */
int segment_get(struct segment *g, enum record_kind kind, uint32_t index, struct segment_entry *ret);

/* Looks for the first bucket in use at or after `slot`. Returns 0, -ENOENT when there is none, or another negative
 * errno. */
int segment_next_used(struct segment *g, uint32_t slot, uint32_t *ret);

/* Has the kernel read ahead what is in use of the file. Only a hint. */
void segment_prefetch(const struct segment *g);

/* Makes all that was stored durable. Returns 0 or a negative errno; then nothing is known of what was stored since the
 * last success, and it must not be tried again. */
int segment_sync(struct segment *g);
