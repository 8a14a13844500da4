/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core/block.h"

#define BODY_BYTES_FIRST 4096u

static struct block_body *body_free(struct block_body *body) {
        if (!body)
                return NULL;
        for (unsigned i = 0; i < body->n_senders; i++)
                sender_unref(body->senders[i]);
        free(body->senders);
        free(body->data);
        free(body);
        return NULL;
}

int block_new(struct block **ret, uint64_t serial) {
        struct block *block = calloc(1, sizeof(*block));

        if (!block)
                return -ENOMEM;
        block->body = calloc(1, sizeof(*block->body));
        if (!block->body) {
                free(block);
                return -ENOMEM;
        }
        block->serial = serial;
        block->state = BLOCK_OPEN;
        *ret = block;
        return 0;
}

int block_new_stored(struct block **ret, struct place place, uint64_t first_id, uint64_t last_id, uint64_t time_us) {
        struct block *block = calloc(1, sizeof(*block));

        if (!block)
                return -ENOMEM;
        block->state = BLOCK_STORED;
        block->place = place;
        block->placed = true;
        block->first_id = first_id;
        block->last_id = last_id;
        block->time_us = time_us;
        *ret = block;
        return 0;
}

struct block *block_free(struct block *block) {
        if (block) {
                body_free(block->body);
                free(block);
        }
        return NULL;
}

uint8_t *block_append(struct block *block, size_t size) {
        struct block_body *body = block->body;
        size_t want = body->size + size, capacity = body->capacity ? body->capacity : BODY_BYTES_FIRST;
        uint8_t *data;

        if (want > UINT32_MAX)
                return NULL;
        if (want > body->capacity) {
                while (capacity < want)
                        capacity *= 2;
                if (capacity > UINT32_MAX)
                        capacity = UINT32_MAX;
                data = realloc(body->data, capacity);
                if (!data)
                        return NULL;
                body->data = data;
                body->capacity = (uint32_t) capacity;
        }
        body->settled_last = false;
        data = body->data + body->size;
        body->size = (uint32_t) want;
        return data;
}

void block_note_message(struct block *block, uint64_t id, uint64_t time_us) {
        if (block->first_id == 0) {
                block->first_id = id;
                block->time_us = time_us;
        }
        block->last_id = id;
}

static int body_add_sender(struct block_body *body, struct sender *sender) {
        if (body->n_senders == UINT16_MAX)
                return -EOVERFLOW;
        if (body->n_senders == body->senders_capacity) {
                unsigned capacity = body->senders_capacity ? body->senders_capacity * 2u : 1;
                struct sender **senders;

                if (capacity > UINT16_MAX)
                        capacity = UINT16_MAX;
                senders = realloc(body->senders, capacity * sizeof(*senders));
                if (!senders)
                        return -ENOMEM;
                body->senders = senders;
                body->senders_capacity = (uint16_t) capacity;
        }
        body->senders[body->n_senders++] = sender_ref(sender);
        return 0;
}

int block_sender(struct block *block, struct sender *sender, uint16_t *ret) {
        uint8_t *p;
        int r;

        if (sender->block_serial != block->serial) {
                p = block_append(block, sender->entry_bytes);
                if (!p)
                        return -ENOMEM;
                r = body_add_sender(block->body, sender);
                if (r < 0) {
                        block->body->size -= sender->entry_bytes;
                        return r;
                }
                memcpy(p, sender->entry, sender->entry_bytes);
                sender->block_serial = block->serial;
                sender->block_ordinal = block->body->n_senders - 1;
        }
        *ret = sender->block_ordinal;
        return 0;
}

/* Extends the last run, or the last entry by a run. Returns whether it was possible. */
static bool extend_settled(struct block *block,
                           unsigned priority,
                           unsigned reason,
                           uint32_t queue,
                           uint64_t id,
                           uint32_t bytes,
                           const void *group) {
        struct block_body *body = block->body;
        uint32_t at = body->settled_offset;
        struct entry_run run;
        struct entry entry;
        size_t n;
        uint8_t *p;

        if (!body->settled_last || body->data[at + 5] != priority || body->data[at + 6] != reason ||
            wire_get32(body->data + at + 8) != queue)
                return false;
        entry = (struct entry){.data = body->data + at, .size = body->size - at, .kind = ENTRY_SETTLED};
        n = (entry.size - entry_runs_size(0)) / ENTRY_RUN_BYTES;
        run = entry_run_at(&entry, n - 1);
        if (body->settled_group == group && run.id + run.number == id && run.number < UINT32_MAX &&
            run.bytes <= UINT32_MAX - bytes) {
                run.number++;
                run.bytes += bytes;
                entry_run_write(body->data + at + entry_runs_size(n - 1), &run);
                return true;
        }
        p = block_append(block, ENTRY_RUN_BYTES);
        if (!p)
                return false;
        entry_run_write(p, &(struct entry_run){.id = id, .number = 1, .bytes = bytes});
        wire_set32(body->data + at, (uint32_t) entry_runs_size(n + 1));
        body->settled_last = true;
        body->settled_group = group;
        return true;
}

int block_settled(struct block *block,
                  unsigned priority,
                  unsigned reason,
                  uint32_t queue,
                  uint64_t id,
                  uint32_t bytes,
                  const void *group) {
        uint8_t *p;

        if (extend_settled(block, priority, reason, queue, id, bytes, group))
                return 0;
        p = block_append(block, entry_runs_size(1));
        if (!p)
                return -ENOMEM;
        entry_runs_begin(p, ENTRY_SETTLED, priority, reason, queue);
        wire_set32(p, (uint32_t) entry_runs_size(1));
        entry_run_write(p + entry_runs_size(0), &(struct entry_run){.id = id, .number = 1, .bytes = bytes});
        block->body->settled_offset = (uint32_t) (p - block->body->data);
        block->body->settled_last = true;
        block->body->settled_group = group;
        return 0;
}

void block_void(struct block *block, uint32_t offset) {
        block->body->data[offset + 4] = ENTRY_VOID;
        block->body->void_bytes += wire_get32(block->body->data + offset);
}

static void squeeze(struct block *block) {
        struct block_body *body = block->body;
        uint32_t from = 0, to = 0, size;

        block->first_id = block->last_id = 0;
        for (; from < body->size; from += size) {
                size = wire_get32(body->data + from);
                if (body->data[from + 4] == ENTRY_VOID)
                        continue;
                if (body->data[from + 4] == ENTRY_MESSAGE)
                        block_note_message(block, entry_message_id(body->data + from),
                                           wire_get64(body->data + from + 16));
                if (to != from)
                        memmove(body->data + to, body->data + from, size);
                to += size;
        }
        body->size = to;
        body->void_bytes = 0;
        block->epoch++;
}

void block_seal(struct block *block) {
        struct block_body *body = block->body;
        uint8_t *data;

        if (body->void_bytes > 0)
                squeeze(block);
        body->settled_last = false;
        if (body->size < body->capacity - body->capacity / 4 && body->size > 0) {
                data = realloc(body->data, body->size);
                if (data) {
                        body->data = data;
                        body->capacity = body->size;
                }
        }
        block->state = BLOCK_SEALED;
}

bool block_is_empty(const struct block *block) {
        const struct block_body *body = block->body;
        uint32_t at = 0;

        /* Senders alone say nothing. */
        while (at < body->size && body->data[at + 4] == ENTRY_SENDER)
                at += wire_get32(body->data + at);
        return at == body->size;
}

/* Checks one entry of a block from disk, so that later readers can trust its lengths. */
static int check_entry(struct block_body *body, const struct entry *entry, struct sender_table *senders) {
        struct sender *sender = NULL;
        struct entry_sender identity;
        struct entry_message message;
        int r;

        switch (entry->kind) {
        case ENTRY_MESSAGE:
                r = entry_message_read(entry, &message);
                if (r < 0)
                        return r;
                return message.sender < body->n_senders ? 0 : -EBADMSG;
        case ENTRY_SENDER:
                r = entry_sender_read(entry, &identity);
                if (r < 0)
                        return r;
                r = sender_intern(senders, &identity, &sender);
                if (r < 0)
                        return r;
                r = body_add_sender(body, sender);
                sender_unref(sender);
                return r;
        default:
                return 0;
        }
}

int block_adopt(struct block *block, uint8_t *data, size_t size, struct sender_table *senders) {
        struct block_body *body;
        struct entry entry;
        size_t offset = 0;
        int r;

        if (size > UINT32_MAX)
                return -EBADMSG;
        body = calloc(1, sizeof(*body));
        if (!body)
                return -ENOMEM;
        while ((r = entry_at(data, size, offset, &entry)) > 0) {
                r = check_entry(body, &entry, senders);
                if (r < 0)
                        break;
                offset += entry.size;
        }
        if (r < 0) {
                body_free(body); /* without the data, which stays the caller's */
                return r;
        }
        body->data = data;
        body->size = body->capacity = (uint32_t) size;
        block->body = body;
        return 0;
}

void block_drop(struct block *block) {
        block->body = body_free(block->body);
}

size_t block_memory(const struct block *block) {
        return block->body ? sizeof(*block->body) + block->body->capacity : 0;
}
