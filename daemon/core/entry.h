/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Entries: what a block is made of, in memory and on disk alike. Each is
 * {u32 size, u8 kind, u8 a, u8 b, u8 zero, …}, little-endian, without padding:
 *
 *   MESSAGE   a = priority, b = subject length; u64 id, u64 time_us, u16 sender, u16 fields length,
 *             u32 destinations, u32 queue × destinations, subject, fields, body
 *   VOID      a message that was acknowledged before it was written; left out when the block is sealed
 *   SENDER    u32 uid, u32 gid, u32 pid, u16 unit length, u16 label length, unit, label.
 *             The n-th SENDER of a block is what `sender` n of its messages means
 *   SETTLED   a = priority, b = reason; u32 queue, then runs {u64 first id, u32 count, u32 bytes}
 *   ATTEMPTS  a = priority; u32 queue, then {u64 id, u32 deliveries, u32 bytes}: handed out so often, and given back
 *   TAKEN     a = priority; u32 queue, u64 id: everything below id was handed out at least once
 *   QUEUE     a = kind; u32 queue, u64 declared_us, u16 name length, u16 zero, name, properties (wire fields).
 *             Declares the queue or replaces its properties
 *   BIND, UNBIND   u32 queue, pattern
 *   DELETE    u32 queue
 *   IDS       u32 zero, u64 id: ids below were handed out
 *   MERGED    first in its block: its messages are copies, which take the place of those with the same ids
 *
 * Pure. Readers check every length against the block's end.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/wire.h"

#define ENTRY_HEADER_BYTES  8u
#define ENTRY_MESSAGE_BYTES 32u
#define ENTRY_RUN_BYTES     16u
#define ENTRY_VERSION       1u

enum entry_kind {
        ENTRY_MESSAGE = 1,
        ENTRY_VOID = 2,
        ENTRY_SENDER = 3,
        ENTRY_SETTLED = 4,
        ENTRY_ATTEMPTS = 5,
        ENTRY_TAKEN = 6,
        ENTRY_QUEUE = 7,
        ENTRY_BIND = 8,
        ENTRY_UNBIND = 9,
        ENTRY_DELETE = 10,
        ENTRY_IDS = 11,
        ENTRY_MERGED = 12,
};

enum entry_reason {
        ENTRY_REASON_ACKED = 0,
        ENTRY_REASON_PURGED = 1,
};

/* An entry of a block; `data` points to its header. */
struct entry {
        const uint8_t *data;
        uint32_t size;
        uint8_t kind;
};

/* Reads the entry at `offset`. Returns 1, 0 at the end, -EBADMSG when it does not fit. */
int entry_at(const uint8_t *block, size_t block_bytes, size_t offset, struct entry *ret);

struct entry_message {
        uint64_t id;
        uint64_t time_us;
        uint16_t sender;
        uint8_t priority;
        uint32_t n_destinations;
        const uint8_t *destinations; /* u32 each */
        struct wire_span subject, fields, body;
};
int entry_message_read(const struct entry *entry, struct entry_message *ret);
size_t entry_message_size(const struct entry_message *m);
/* Writes all but the destinations, for which it returns the place. */
uint8_t *entry_message_write(uint8_t *out, const struct entry_message *m);
static inline uint32_t entry_message_destination(const struct entry_message *m, uint32_t index) {
        return wire_get32(m->destinations + (size_t) index * 4);
}
/* Whether a MESSAGE entry known to be well-formed goes to `queue`; without decoding the rest. */
bool entry_message_goes_to(const uint8_t *entry, uint32_t queue);
static inline uint64_t entry_message_id(const uint8_t *entry) {
        return wire_get64(entry + 8);
}
static inline uint8_t entry_message_priority(const uint8_t *entry) {
        return entry[5];
}

struct entry_sender {
        uint32_t uid, gid, pid;
        struct wire_span unit, label;
};
int entry_sender_read(const struct entry *entry, struct entry_sender *ret);
size_t entry_sender_size(const struct entry_sender *sender);
void entry_sender_write(uint8_t *out, const struct entry_sender *sender);

/* SETTLED and ATTEMPTS: a queue and runs of 16 bytes. */
struct entry_run {
        uint64_t id;
        uint32_t number; /* SETTLED: how many ids; ATTEMPTS: deliveries */
        uint32_t bytes;
};
int entry_runs_read(const struct entry *entry, uint32_t *ret_queue, uint8_t *ret_priority, size_t *ret_n);
struct entry_run entry_run_at(const struct entry *entry, size_t index);
size_t entry_runs_size(size_t n);
void entry_runs_begin(uint8_t *out, unsigned kind, unsigned priority, unsigned reason, uint32_t queue);
void entry_run_write(uint8_t *out, const struct entry_run *run);

/* TAKEN and IDS. */
int entry_taken_read(const struct entry *entry, uint32_t *ret_queue, uint8_t *ret_priority, uint64_t *ret_id);
#define ENTRY_TAKEN_BYTES 20u
void entry_taken_write(uint8_t *out, unsigned kind, uint32_t queue, uint8_t priority, uint64_t id);

struct entry_queue {
        uint32_t number;
        uint8_t kind;
        uint64_t declared_us;
        struct wire_span name, properties;
};
int entry_queue_read(const struct entry *entry, struct entry_queue *ret);
size_t entry_queue_size(const struct entry_queue *queue);
void entry_queue_write(uint8_t *out, const struct entry_queue *queue);

/* BIND, UNBIND, DELETE: a queue and perhaps a pattern. */
int entry_named_read(const struct entry *entry, uint32_t *ret_queue, struct wire_span *ret_pattern);
size_t entry_named_size(size_t pattern_bytes);
void entry_named_write(uint8_t *out, unsigned kind, uint32_t queue, struct wire_span pattern);

/* An entry that is nothing but its kind: ENTRY_HEADER_BYTES. */
void entry_mark_write(uint8_t *out, unsigned kind);
