/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Senders: who sent a message, as the kernel told. One object for equal
 * identities, shared by connections and blocks; its number stands for it on the
 * wire as long as the daemon runs.
 */

#include <uthash.h>

#include "daemon/core/entry.h"

struct sender_table;

struct sender {
        UT_hash_handle hh;          /* in sender_table.senders, by the bytes of `entry` */
        struct sender_table *table; /* NULL: it is gone */
        unsigned references;
        uint32_t number;
        struct entry_sender identity; /* spans into `entry` */
        /* Where the block that is being filled has it, so that appending needs no search. */
        uint64_t block_serial;
        uint16_t block_ordinal;
        uint32_t entry_bytes;
        uint8_t entry[]; /* as it is stored: a SENDER entry */
};

struct sender_table {
        struct sender *senders;
        uint32_t last_number;
};

/* The table ends; senders that are still referenced live on outside it. */
void sender_table_done(struct sender_table *table);

/* Finds or makes the sender with this identity; the caller owns a reference. Returns 0 or -ENOMEM. */
int sender_intern(struct sender_table *table, const struct entry_sender *identity, struct sender **ret);
struct sender *sender_ref(struct sender *sender);
/* Returns NULL. NULL is fine. */
struct sender *sender_unref(struct sender *sender);
