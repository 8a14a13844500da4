/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A block: a run of entries that reaches the disk as one record. Messages are
 * kept in blocks from the moment they arrive: first in the open block, then in
 * sealed ones, of which those on disk may be dropped from memory and read again.
 * A block outlives its bytes: as long as messages in it are unsettled its handle
 * stays, some 80 bytes for what may be a thousand messages.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "daemon/core/entry.h"
#include "daemon/core/sender.h"

#define BLOCK_BYTES_TARGET (256u * 1024u)

/* Where the store has a block. */
struct place {
        uint32_t segment;
        uint32_t record;
};

enum block_state {
        BLOCK_OPEN,   /* being filled */
        BLOCK_SEALED, /* complete, to be written or being written */
        BLOCK_STORED, /* on disk; its bytes may be dropped */
};

/* A block's bytes, when in memory. */
struct block_body {
        uint8_t *data;
        uint32_t size, capacity;
        uint32_t void_bytes;     /* of VOID entries */
        uint32_t settled_offset; /* of the SETTLED entry that ends the block, if settled_last: it can be extended */
        bool settled_last;
        const void *settled_group; /* of its last run */
        uint16_t n_senders, senders_capacity;
        struct sender **senders; /* referenced; by ordinal */
};

struct block {
        TAILQ_ENTRY(block)
        link; /* core.pending while sealed, core.cache (least recently used first) while stored and in memory */
        TAILQ_ENTRY(block) order;   /* core.stored, if listed */
        struct block_body *body;    /* NULL: not in memory */
        uint64_t first_id, last_id; /* of its messages; 0 if there are none */
        uint64_t time_us;           /* of its first message */
        uint64_t serial;            /* of blocks opened in this run of the daemon */
        struct place place;         /* once sealed and placed */
        uint64_t live_bytes;        /* of bodies, unsettled, over all extents */
        uint32_t live_messages;     /* likewise */
        uint32_t live;              /* extents that refer to it */
        uint32_t epoch;             /* counts up when entries move: offsets noted before are void */
        uint8_t state;              /* enum block_state */
        bool placed, retained, listed;
        bool broken; /* could not be read: left where it is */
};
TAILQ_HEAD(block_list, block);

/* Makes an open block. Returns 0 or -ENOMEM. */
int block_new(struct block **ret, uint64_t serial);
/* Makes the handle of a stored block that is not in memory. */
int block_new_stored(struct block **ret, struct place place, uint64_t first_id, uint64_t last_id, uint64_t time_us);
/* Returns NULL; NULL is fine. */
struct block *block_free(struct block *block);

/* Makes room for an entry of `size` bytes at the end. Returns its place, to be written at once, or NULL without memory.
 */
uint8_t *block_append(struct block *block, size_t size);
/* Notes that `id` was appended. */
void block_note_message(struct block *block, uint64_t id, uint64_t time_us);
/* The ordinal of a sender in an open block, appending it if it is not there. Returns 0, -ENOMEM, -EOVERFLOW when the
 * block has no ordinal left. */
int block_sender(struct block *block, struct sender *sender, uint16_t *ret);
/* Appends one settled message, extending the last entry and run where it can; a run stays in one group, so that its
 * bytes belong to that. Returns 0 or -ENOMEM. */
int block_settled(struct block *block,
                  unsigned priority,
                  unsigned reason,
                  uint32_t queue,
                  uint64_t id,
                  uint32_t bytes,
                  const void *group);
/* Marks the message at `offset` of an open block as not worth writing. */
void block_void(struct block *block, uint32_t offset);
/* Ends filling: squeezes VOID entries out and gives back spare memory. A block may end up empty. */
void block_seal(struct block *block);
/* Whether there is anything to write. */
bool block_is_empty(const struct block *block);

/* Takes bytes read from the store (owned by the block on success), checks every entry and interns its senders.
 * Returns 0, -EBADMSG, -ENOMEM. */
int block_adopt(struct block *block, uint8_t *data, size_t size, struct sender_table *senders);
/* Drops the bytes of a stored block. */
void block_drop(struct block *block);
/* Bytes of memory that its body holds. */
size_t block_memory(const struct block *block);
