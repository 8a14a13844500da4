/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include "daemon/core/sender.h"

void sender_table_done(struct sender_table *table) {
        struct sender *sender, *next;

        HASH_ITER (hh, table->senders, sender, next)
                sender->table = NULL;
        HASH_CLEAR(hh, table->senders);
}

int sender_intern(struct sender_table *table, const struct entry_sender *identity, struct sender **ret) {
        size_t bytes = entry_sender_size(identity);
        struct sender *made, *found = NULL;
        struct entry entry;

        made = calloc(1, sizeof(*made) + bytes);
        if (!made)
                return -ENOMEM;
        entry_sender_write(made->entry, identity);
        made->entry_bytes = (uint32_t) bytes;

        HASH_FIND(hh, table->senders, made->entry, bytes, found);
        if (found) {
                free(made);
                *ret = sender_ref(found);
                return 0;
        }
        HASH_ADD(hh, table->senders, entry, bytes, made);
        if (!made->hh.tbl) {
                free(made);
                return -ENOMEM;
        }
        entry = (struct entry){.data = made->entry, .size = made->entry_bytes, .kind = ENTRY_SENDER};
        entry_sender_read(&entry, &made->identity);
        made->table = table;
        made->references = 1;
        made->number = ++table->last_number;
        *ret = made;
        return 0;
}

struct sender *sender_ref(struct sender *sender) {
        sender->references++;
        return sender;
}

struct sender *sender_unref(struct sender *sender) {
        if (sender && --sender->references == 0) {
                if (sender->table)
                        HASH_DELETE(hh, sender->table->senders, sender);
                free(sender);
        }
        return NULL;
}
