/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Keys: every entry of a segment falls in a hash bucket of its own, so that no
 * entry hangs on another by a chain and nothing written later can cut off what
 * was synced earlier.
 *
 * A key is {nonce, entry}: the entry says in clear what it is (tdbdump shows
 * it), the nonce is computed so that TDB's own jenkins hash of the key is
 * exactly the slot that the entry is to have. Records take slots from the left,
 * checkpoint chunks from the right: a record's key does not depend on the table
 * size or on how many chunks there are.
 */

#include <stdint.h>

#define KEY_BYTES 16u

struct key {
        uint8_t bytes[KEY_BYTES];
};

/* What the entry word of a key says: a record's index, or a chunk's number with this bit. */
#define KEY_CHUNK 0x80000000u

/* Returns: the slot of record `index`. */
static inline uint32_t key_record_slot(uint32_t index) {
        return index;
}

/* Returns: the slot of checkpoint chunk `number` in a table of `n_slots`; number < n_slots. */
static inline uint32_t key_chunk_slot(uint32_t number, uint32_t n_slots) {
        return n_slots - 1 - number;
}

/* Returns: the key of an entry (a record's index, or KEY_CHUNK | number) whose hash is `slot`. */
struct key key_make(uint32_t entry, uint32_t slot);
