/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of this floor share. */

#include <uthash.h>

#include "daemon/core/core.h"
#include "daemon/core/idset.h"
#include "daemon/core/router.h"

/*
 * After an unclean stop ids go on so far behind the last one that the log tells of. What is handed out and not yet
 * in the log stays far below: a sender is not read from while megabytes are unwritten, and the log notes the
 * ids of messages that never needed writing every quarter of this.
 */
#define CORE_IDS_JUMP (1u << 20)

/* The unsettled messages of one queue and priority in one block. */
struct extent {
        TAILQ_ENTRY(extent) link; /* level.extents, by id */
        struct block *block;
        struct level *level;
        uint32_t live; /* unsettled */
        uint32_t left; /* of these, never handed out since start: ready, behind the level's cursor */
        uint64_t bytes;
};
TAILQ_HEAD(extent_list, extent);

/* One message that was handed out, or that is remembered by itself for another reason. */
struct lease {
        UT_hash_handle hh; /* queue.leases, by id */
        TAILQ_ENTRY(lease)
        link; /* consumer.leases in order of delivery, or level.returned by id, or core.spare_leases */
        uint64_t id;
        struct extent *extent;
        struct consumer *consumer; /* NULL: returned, ready again */
        uint32_t deliveries;
        uint32_t bytes;
        uint32_t offset, epoch; /* of its entry in the block, if block->epoch is still this */
        bool noted;             /* handed out before the last seal; those that are not end consumer.leases */
};
TAILQ_HEAD(lease_list, lease);

/* The messages of one priority. Ready are the returned ones, and those of extents from the cursor on. */
struct level {
        struct queue *queue;
        struct extent_list extents;
        struct extent *cursor; /* first extent with left > 0 */
        uint64_t next_id;      /* everything below was handed out */
        uint32_t hint, epoch;  /* where in the cursor's block to look for the next one, if block->epoch is still this */
        uint64_t attempted_id; /* everything below was handed out by an earlier run of the daemon */
        struct extent *recent; /* where level_find_extent() was last */
        struct extent *spare;  /* for merging */
        struct lease_list returned;
        struct idset skipped; /* behind the cursor, yet settled or remembered as a lease */
        uint8_t priority;
        bool taken; /* handed out from since the last seal */
};

struct queue {
        UT_hash_handle hh_name, hh_number; /* core.queues_by_name, core.queues_by_number */
        TAILQ_ENTRY(queue) pump_link;      /* core.to_pump */
        TAILQ_ENTRY(queue) taken_link;     /* core.taken */
        struct core *core;
        uint32_t number;
        uint8_t kind;
        bool to_pump, taken;
        bool taken_again;      /* messages that had been handed out before, since the last seal */
        uint16_t levels_ready; /* bit p: level p has something ready */
        struct level *levels[WIRE_PRIORITY_MAX + 1];
        struct lease *leases;             /* every lease, returned ones too */
        TAILQ_HEAD(, consumer) consumers; /* all */
        TAILQ_HEAD(, consumer) hungry;    /* those that can take a message, the next one to serve in front */
        size_t n_consumers;
        uint64_t ready, leased, damaged, bytes;
        uint64_t sent, delivered, acked, redelivered;
        uint64_t declared_us, definition_bytes; /* the latter: in a checkpoint, about */
        struct properties properties;
        struct wire_span *bindings;
        size_t n_bindings;
        uint8_t name_bytes;
        char name[];
};

struct consumer {
        TAILQ_ENTRY(consumer) link;        /* queue.consumers */
        TAILQ_ENTRY(consumer) hungry_link; /* queue.hungry, if hungry */
        struct queue *queue;
        void *userdata;
        uint64_t credit_messages;
        int64_t credit_bytes;
        bool blocked, hungry;
        struct lease_list leases;
        size_t n_leases;
};

struct core {
        struct core_options options;
        const struct core_calls *calls;
        void *userdata;
        struct sender_table senders;
        struct router *router;
        struct queue *queues_by_name, *queues_by_number;
        uint64_t next_id;
        uint32_t next_queue;
        TAILQ_HEAD(, queue) to_pump, taken;

        struct block *open;        /* being filled; NULL: none */
        struct block_list pending; /* sealed because they were full, not yet handed out */
        struct block_list cache;   /* stored and in memory, least recently used first */
        struct block_list stored;  /* all that are stored and hold messages, by id */
        struct block *merge_at;    /* where merging goes on; NULL: in front */
        uint64_t n_stored, merges;
        uint64_t n_extents, n_leases, definition_bytes;
        uint64_t pending_bytes; /* in `pending` */
        uint64_t noted_id;      /* the log says that ids went up to here at least */
        uint64_t cached_bytes, n_blocks, block_serial, loads;
        enum core_pending urgency;
        struct lease_list spare_leases;
        size_t n_spare_leases;

        uint64_t messages, leased, bytes;
        bool disk_full;
        bool starved; /* some queue was not served because of leases_max */
};

/* queue.c */
struct queue *queue_find(struct core *core, struct wire_span name, struct refusal *refusal);
struct queue *queue_by_number(struct core *core, uint32_t number);
/* Makes and registers a queue, bound to its own name. */
int queue_new(struct core *core, struct wire_span name, uint32_t number, unsigned kind, struct queue **ret);
/* Unregisters and frees it with its messages and consumers (told `why` unless NULL). */
void queue_free(struct queue *queue, const struct refusal *why);
/* Counts its definition anew. Returns whether all definitions together are within the limit. */
bool queue_measure(struct queue *queue, struct refusal *refusal);
int queue_bind(struct queue *queue, struct wire_span pattern);
int queue_unbind(struct queue *queue, struct wire_span pattern);
void queue_want_pump(struct queue *queue);

/* level.c */
int level_get(struct queue *queue, unsigned priority, struct level **ret);
void level_free(struct level *level);
/* Adds a message at the end. `offset`: where it is in block. */
int level_append(struct level *level, struct block *block, uint64_t bytes, uint32_t offset);
/* Adds an extent as known from a checkpoint. */
int level_add_extent(
        struct level *level, struct block *block, uint32_t live, uint32_t left, uint64_t bytes, struct extent **ret);
/* Finds the next ready message. Returns 1, 0 when there is none, negative errno when it cannot be read. */
struct candidate {
        struct level *level;
        struct lease *returned; /* or else a fresh one: */
        uint32_t offset;
        struct block *block;
};
int level_next(struct level *level, struct candidate *ret);
/* Takes what level_next() found and leases it to the consumer. Returns 0 or -ENOMEM. */
int level_take(const struct candidate *candidate, struct consumer *consumer, struct lease **ret);
/* The extent in whose block `id` lies, or NULL. Quick for ids near the one asked for before. */
struct extent *level_find_extent(struct level *level, uint64_t id);
/* Makes a fresh message a returned one, handed out `deliveries` times. Returns 0 or -ENOMEM. */
int level_remember(struct extent *extent, uint64_t id, uint32_t deliveries, uint32_t bytes);
/* A returned message was settled. */
void level_forget(struct lease *lease);
/* Whether `id`, of an entry in one of the level's extents, is not settled. ret_lease may be set to its lease or NULL.
 */
bool level_is_live(struct level *level, uint64_t id, struct lease **ret_lease);
/* A message left the extent for good: adjusts counts, frees the extent when it was the last one. */
void extent_settle(struct extent *extent, uint64_t bytes, bool was_left);
void extent_free(struct extent *extent);
/* Changes what is counted in an extent and its block, not in its queue. */
void extent_count(struct extent *extent, int live, int left, int64_t bytes);
/* The first extent from `extent` on that has something left is where fresh messages are taken from next. */
void level_set_cursor(struct level *level, struct extent *extent);

/* lease.c */
int lease_new(struct core *core, uint64_t id, struct extent *extent, struct lease **ret);
struct lease *lease_find(struct queue *queue, uint64_t id);
/* Forgets a lease that is on no list. */
void lease_free(struct lease *lease);
/* Gives leases (all of one queue, on no list but `leases`) back to their places. */
void lease_return_all(struct queue *queue, struct lease_list *leases);
/* Finds the entry of a leased message. Returns 0 or negative errno. */
int lease_locate(struct lease *lease);

/* journal.c: the open block and the cache */
/* The open block with room for `bytes`; a full one is sealed first. */
int journal_open(struct core *core, size_t bytes, struct block **ret);
int journal_queue(struct core *core, const struct queue *queue);
int journal_named(struct core *core, unsigned kind, const struct queue *queue, struct wire_span pattern);
int journal_settled(struct core *core, unsigned reason, const struct lease *lease);
int journal_ids(struct core *core);
int journal_attempts(struct core *core, const struct queue *queue, const struct lease_list *leases);
/* Seals the open block, so that what happens next is behind it, and puts `block` (complete, but open) behind that. */
void journal_add_sealed(struct core *core, struct block *block);
/* Puts a stored block that holds messages in its order: behind all others. */
void journal_list(struct core *core, struct block *block);
/* Makes sure that a block is in memory. Returns 0 or negative errno. */
int block_fetch(struct core *core, struct block *block);
void block_get(struct block *block);
/* Drops an extent's reference; with the last one the block goes. */
void block_put(struct core *core, struct block *block);

/* merge.c: moves the message of a MERGED block's entry there, in every queue where it is unsettled. Returns 0,
 * -EBADMSG, -ENOMEM. */
int merge_entry(struct core *core, struct block *to, const struct entry *entry);

/* Decodes the message at `offset` of a block in memory. */
int message_at(const struct queue *queue, const struct block *block, uint32_t offset, struct core_message *ret);
