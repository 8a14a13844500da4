/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The domain of the bus: queues, their messages, who consumes them. Pure: no I/O
 * and no clock; `now_us` is CLOCK_REALTIME microseconds, given by the caller.
 *
 * Whatever changes the durable state is appended to the open block. The caller takes
 * the blocks that piled up (core_seal()), makes them durable and reports back
 * (core_stored()); confirms are its business. After a crash the newest checkpoint and the
 * blocks behind it are played back (core_replay_…) and yield the same state.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/core/block.h"
#include "daemon/core/buffer.h"
#include "daemon/core/property.h"
#include "daemon/core/refusal.h"
#include "daemon/core/sender.h"

struct core;
struct consumer;
struct queue;

/* A message on its way out. The spans hold until the callback returns. */
struct core_message {
        uint64_t id;
        uint64_t time_us;
        const struct sender *sender;
        uint32_t deliveries; /* this one included; 0 when browsed and never delivered */
        uint8_t priority;
        bool subject_is_queue; /* sent to the queue's own name */
        struct wire_span subject, fields, body;
};

/* What the core asks of the floors above. */
struct core_calls {
        /* A message is leased to this consumer: write it to its client. */
        void (*deliver)(void *consumer_userdata, const struct core_message *message);
        /* The consumer is gone with its queue; it was freed. */
        void (*cancelled)(void *consumer_userdata, const struct refusal *why);
        /* Reads a stored block's bytes (malloc'ed, the core's on success). Returns 0 or negative errno. */
        int (*load)(void *userdata, struct place place, uint8_t **ret, size_t *ret_bytes);
        /* Something in the block at this place may be needed again, or no longer. */
        void (*retain)(void *userdata, struct place place);
        void (*release)(void *userdata, struct place place);
        /* One line for the log. */
        void (*notice)(void *userdata, const char *text);
};

/* What an extent and a lease take in a checkpoint. */
#define CORE_CHECKPOINT_EXTENT_BYTES 44u
#define CORE_CHECKPOINT_LEASE_BYTES  16u

struct core_options {
        uint64_t message_bytes_max; /* of a body */
        uint64_t cache_bytes_max;   /* of stored blocks kept in memory */
        uint64_t queues_max;
        /* What a checkpoint has to hold; 0: no limit. */
        uint64_t definition_bytes_max; /* of queues, their properties and bindings */
        uint64_t extents_max;          /* runs of one queue's messages in one block */
        uint64_t leases_max;           /* messages that are handed out */
        uint64_t merge_blocks_min;     /* with fewer stored blocks nothing is merged; 0: 1024 */
};

/* Returns 0 or -ENOMEM. `calls` must live as long as the core. */
int core_new(struct core **ret, const struct core_options *options, const struct core_calls *calls, void *userdata);
/* Frees everything; consumers as well. Returns NULL; NULL is fine. */
struct core *core_free(struct core *core);
struct sender_table *core_senders(struct core *core);
/* Limits that follow from what the store can hold, known once it is open. */
void core_set_limits(struct core *core, const struct core_options *options);

/* ---- sending ----------------------------------------------------------- */

struct core_send {
        struct sender *sender;
        uint8_t priority;
        struct wire_span subject; /* well-formed */
        struct wire_span fields;
        struct wire_span body;
        bool unrouted_ok;
};

/*
 * Takes a message into all its destinations, or into none. It is offered to consumers by the next core_pump().
 * Returns 0 with *ret_id (0: nobody listens, and that was fine); -EHOSTUNREACH, -EMSGSIZE, -ENOBUFS, -ENOMEM with
 * *refusal filled.
 */
int core_send(
        struct core *core, const struct core_send *send, uint64_t now_us, uint64_t *ret_id, struct refusal *refusal);

/* While the disk is full every send is refused; all else goes on. */
void core_set_disk_full(struct core *core, bool full);

/* Hands ready messages to consumers with credit, in every queue where that may have become possible. */
void core_pump(struct core *core);

/* ---- consuming --------------------------------------------------------- */

/* Begins consuming without credit. Returns 0, -ENOENT with *refusal, -ENOMEM. */
int core_consume(
        struct core *core, struct wire_span queue, void *userdata, struct consumer **ret, struct refusal *refusal);
/* Ends it; what it leased goes back to its place. NULL is fine. Returns NULL. */
struct consumer *core_cancel(struct consumer *consumer);
void core_credit(struct consumer *consumer, uint32_t messages, uint64_t bytes);
/* While blocked a consumer gets nothing, whatever its credit. */
void core_block(struct consumer *consumer, bool blocked);
struct wire_span core_consumer_queue(const struct consumer *consumer);
/* How many messages it has leased. */
size_t core_consumer_leases(const struct consumer *consumer);

enum core_settle { CORE_ACK, CORE_NACK };
/* Settles the ids first .. first+count-1 that this consumer has leased. Returns how many there were, or -ENOMEM when
 * some are left leased for want of memory. Takes at most as many steps as the consumer has leases. */
int64_t core_settle(struct consumer *consumer, uint64_t first, uint32_t count, enum core_settle how);

/* ---- managing ---------------------------------------------------------- */

/* fields: PROPERTY fields, checked. Returns 0 (also when it exists and is alike), -EEXIST, -EINVAL, -EOPNOTSUPP,
 * -EDQUOT, -ENOMEM. */
int core_declare(struct core *core,
                 struct wire_span name,
                 unsigned kind,
                 bool exclusive,
                 struct wire_span fields,
                 uint64_t now_us,
                 struct refusal *refusal);
/* Returns 0, -ENOENT, -EINVAL, -ENOMEM. */
int core_set(struct core *core, struct wire_span name, struct wire_span fields, struct refusal *refusal);
/* Returns 0, -ENOENT, -ENOTEMPTY, -ENOMEM. */
int core_delete(struct core *core, struct wire_span name, bool purge, struct refusal *refusal);
/* pattern is well-formed. Returns 0, -ENOENT, -ENOMEM. */
int core_bind(struct core *core, struct wire_span name, struct wire_span pattern, struct refusal *refusal);
int core_unbind(struct core *core, struct wire_span name, struct wire_span pattern, struct refusal *refusal);

/* ---- looking ----------------------------------------------------------- */

struct core_queue_info {
        struct wire_span name;
        uint32_t number;
        uint64_t ready, leased, damaged, bytes;
        uint64_t oldest_us; /* when the oldest message came in; 0: none */
        uint64_t consumers;
        uint64_t sent, delivered, acked, redelivered; /* since declared, as of the last checkpoint or seen since */
        uint64_t declared_us;
        const struct properties *properties;
        struct wire_span *bindings; /* core_queue_info() only; owned by the queue */
        size_t n_bindings;
};
/* Calls back for each queue whose name matches (pattern.size 0: all), in name order. Returns their number or -ENOMEM.
 */
int core_list(struct core *core,
              struct wire_span pattern,
              void (*callback)(const struct core_queue_info *info, void *userdata),
              void *userdata);
/* Returns 0, or -ENOENT with *refusal. */
int core_queue_info(struct core *core, struct wire_span name, struct core_queue_info *ret, struct refusal *refusal);

/* Shows messages from id `from` on, ready or leased, until `count` or `bytes` are reached (one is always shown).
 * *ret_next: the id to go on from, 0 at the end. Returns how many; -ENOENT with *refusal, -EBADMSG or -EIO from
 * reading. */
int core_browse(struct core *core,
                struct wire_span name,
                uint64_t from,
                uint32_t count,
                uint64_t bytes,
                void (*callback)(const struct core_message *message, void *userdata),
                void *userdata,
                uint64_t *ret_next,
                struct refusal *refusal);

struct core_counters {
        uint64_t queues, messages, leased, bytes;
        uint64_t pending_bytes; /* not handed to core_seal() yet */
        uint64_t extents, merges;
        uint64_t blocks, cached_bytes; /* handles, and bodies of stored blocks in memory */
        uint64_t loads;
};
void core_counters(const struct core *core, struct core_counters *ret);

/* ---- durability -------------------------------------------------------- */

enum core_pending {
        CORE_PENDING_NOTHING,
        CORE_PENDING_LAZY,  /* only what may be lost in a crash without breaking a promise: unanswered acks, attempts */
        CORE_PENDING_URGENT /* somebody waits for it */
};
enum core_pending core_pending(const struct core *core);
/* Somebody waits for what is pending. */
void core_urge(struct core *core);
uint64_t core_pending_bytes(const struct core *core);

/* Does one step of merging: small blocks, if there are too many; or, with `segment` not 0, those that are there. What
 * it copied is one more block that is pending. To be called before core_seal(). Returns 1 when it did, 0 when it found
 * nothing in this step, -ENOMEM with nothing changed. */
int core_merge(struct core *core, uint32_t segment);
/* The segment, but for `except`, with the fewest unsettled bytes in it, about; 0: there is none. */
uint32_t core_emptiest_segment(struct core *core, uint32_t except, uint64_t *ret_bytes);
/* Moves all that is pending to *ret (appended), each block sealed and not empty. Returns 0 or -ENOMEM. */
int core_seal(struct core *core, struct block_list *ret);
/* Tells where a sealed block will be written. */
void core_place(struct core *core, struct block *block, struct place place);
/* Appends the whole state, all sealed and placed blocks included. Call between core_seal() and any other change. */
int core_checkpoint(struct core *core, struct buffer *out);
/* The sealed blocks are on disk. Takes them off the list. */
void core_stored(struct core *core, struct block_list *blocks);

/* Playing back, in log order, before anything else. Return 0, -EBADMSG, -ENOMEM. */
int core_replay_checkpoint(struct core *core, const uint8_t *data, size_t size);
int core_replay_block(struct core *core, struct place place, const uint8_t *data, size_t size);
/* Ends it: retains what is needed, jumps over ids that may have been handed out, and journals where ids go on from: to
 * be committed before anything else happens. Returns 0 or -ENOMEM. */
int core_replay_end(struct core *core);
