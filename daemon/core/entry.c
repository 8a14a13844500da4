/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "daemon/core/entry.h"

#define SENDER_BYTES 24u
#define QUEUE_BYTES  24u
#define NAMED_BYTES  12u

static void put_header(uint8_t *out, size_t size, unsigned kind, unsigned a, unsigned b) {
        wire_set32(out, (uint32_t) size);
        out[4] = (uint8_t) kind;
        out[5] = (uint8_t) a;
        out[6] = (uint8_t) b;
        out[7] = 0;
}

static uint8_t *append(uint8_t *out, struct wire_span span) {
        if (span.size > 0)
                memcpy(out, span.data, span.size);
        return out + span.size;
}

int entry_at(const uint8_t *block, size_t block_bytes, size_t offset, struct entry *ret) {
        const uint8_t *p = block + offset;
        uint32_t size;

        if (offset == block_bytes)
                return 0;
        if (offset > block_bytes || block_bytes - offset < ENTRY_HEADER_BYTES)
                return -EBADMSG;
        size = wire_get32(p);
        if (size < ENTRY_HEADER_BYTES || size > block_bytes - offset)
                return -EBADMSG;
        *ret = (struct entry){.data = p, .size = size, .kind = p[4]};
        return 1;
}

int entry_message_read(const struct entry *entry, struct entry_message *ret) {
        const uint8_t *p = entry->data;
        size_t subject_bytes, fields_bytes, fixed;
        uint32_t n;

        if (entry->size < ENTRY_MESSAGE_BYTES)
                return -EBADMSG;
        subject_bytes = p[6];
        fields_bytes = wire_get16(p + 26);
        n = wire_get32(p + 28);
        if (n > (entry->size - ENTRY_MESSAGE_BYTES) / 4)
                return -EBADMSG;
        fixed = ENTRY_MESSAGE_BYTES + (size_t) n * 4;
        if (fixed + subject_bytes + fields_bytes > entry->size)
                return -EBADMSG;
        *ret = (struct entry_message){
                .id = wire_get64(p + 8),
                .time_us = wire_get64(p + 16),
                .sender = wire_get16(p + 24),
                .priority = p[5],
                .n_destinations = n,
                .destinations = p + ENTRY_MESSAGE_BYTES,
                .subject = {p + fixed, subject_bytes},
                .fields = {p + fixed + subject_bytes, fields_bytes},
                .body = {p + fixed + subject_bytes + fields_bytes, entry->size - fixed - subject_bytes - fields_bytes},
        };
        return ret->priority <= WIRE_PRIORITY_MAX ? 0 : -EBADMSG;
}

size_t entry_message_size(const struct entry_message *m) {
        return ENTRY_MESSAGE_BYTES + (size_t) m->n_destinations * 4 + m->subject.size + m->fields.size + m->body.size;
}

uint8_t *entry_message_write(uint8_t *out, const struct entry_message *m) {
        uint8_t *destinations = out + ENTRY_MESSAGE_BYTES, *p;

        put_header(out, entry_message_size(m), ENTRY_MESSAGE, m->priority, (unsigned) m->subject.size);
        wire_set64(out + 8, m->id);
        wire_set64(out + 16, m->time_us);
        wire_set16(out + 24, m->sender);
        wire_set16(out + 26, (uint16_t) m->fields.size);
        wire_set32(out + 28, m->n_destinations);
        p = append(destinations + (size_t) m->n_destinations * 4, m->subject);
        p = append(p, m->fields);
        append(p, m->body);
        return destinations;
}

bool entry_message_goes_to(const uint8_t *entry, uint32_t queue) {
        uint32_t n = wire_get32(entry + 28);

        for (uint32_t i = 0; i < n; i++)
                if (wire_get32(entry + ENTRY_MESSAGE_BYTES + (size_t) i * 4) == queue)
                        return true;
        return false;
}

int entry_sender_read(const struct entry *entry, struct entry_sender *ret) {
        const uint8_t *p = entry->data;
        size_t unit_bytes, label_bytes;

        if (entry->size < SENDER_BYTES)
                return -EBADMSG;
        unit_bytes = wire_get16(p + 20);
        label_bytes = wire_get16(p + 22);
        if (SENDER_BYTES + unit_bytes + label_bytes != entry->size)
                return -EBADMSG;
        *ret = (struct entry_sender){
                .uid = wire_get32(p + 8),
                .gid = wire_get32(p + 12),
                .pid = wire_get32(p + 16),
                .unit = {p + SENDER_BYTES, unit_bytes},
                .label = {p + SENDER_BYTES + unit_bytes, label_bytes},
        };
        return 0;
}

size_t entry_sender_size(const struct entry_sender *sender) {
        return SENDER_BYTES + sender->unit.size + sender->label.size;
}

void entry_sender_write(uint8_t *out, const struct entry_sender *sender) {
        put_header(out, entry_sender_size(sender), ENTRY_SENDER, 0, 0);
        wire_set32(out + 8, sender->uid);
        wire_set32(out + 12, sender->gid);
        wire_set32(out + 16, sender->pid);
        wire_set16(out + 20, (uint16_t) sender->unit.size);
        wire_set16(out + 22, (uint16_t) sender->label.size);
        append(append(out + SENDER_BYTES, sender->unit), sender->label);
}

int entry_runs_read(const struct entry *entry, uint32_t *ret_queue, uint8_t *ret_priority, size_t *ret_n) {
        if (entry->size < NAMED_BYTES || entry->data[5] > WIRE_PRIORITY_MAX ||
            (entry->size - NAMED_BYTES) % ENTRY_RUN_BYTES != 0)
                return -EBADMSG;
        *ret_queue = wire_get32(entry->data + 8);
        *ret_priority = entry->data[5];
        *ret_n = (entry->size - NAMED_BYTES) / ENTRY_RUN_BYTES;
        return 0;
}

struct entry_run entry_run_at(const struct entry *entry, size_t index) {
        const uint8_t *p = entry->data + NAMED_BYTES + index * ENTRY_RUN_BYTES;

        return (struct entry_run){.id = wire_get64(p), .number = wire_get32(p + 8), .bytes = wire_get32(p + 12)};
}

size_t entry_runs_size(size_t n) {
        return NAMED_BYTES + n * ENTRY_RUN_BYTES;
}

void entry_runs_begin(uint8_t *out, unsigned kind, unsigned priority, unsigned reason, uint32_t queue) {
        put_header(out, entry_runs_size(0), kind, priority, reason);
        wire_set32(out + 8, queue);
}

void entry_run_write(uint8_t *out, const struct entry_run *run) {
        wire_set64(out, run->id);
        wire_set32(out + 8, run->number);
        wire_set32(out + 12, run->bytes);
}

int entry_taken_read(const struct entry *entry, uint32_t *ret_queue, uint8_t *ret_priority, uint64_t *ret_id) {
        if (entry->size != ENTRY_TAKEN_BYTES || entry->data[5] > WIRE_PRIORITY_MAX)
                return -EBADMSG;
        *ret_queue = wire_get32(entry->data + 8);
        *ret_priority = entry->data[5];
        *ret_id = wire_get64(entry->data + 12);
        return 0;
}

void entry_taken_write(uint8_t *out, unsigned kind, uint32_t queue, uint8_t priority, uint64_t id) {
        put_header(out, ENTRY_TAKEN_BYTES, kind, priority, 0);
        wire_set32(out + 8, queue);
        wire_set64(out + 12, id);
}

int entry_queue_read(const struct entry *entry, struct entry_queue *ret) {
        const uint8_t *p = entry->data;
        size_t name_bytes;

        if (entry->size < QUEUE_BYTES)
                return -EBADMSG;
        name_bytes = wire_get16(p + 20);
        if (name_bytes > entry->size - QUEUE_BYTES)
                return -EBADMSG;
        *ret = (struct entry_queue){
                .number = wire_get32(p + 8),
                .kind = p[5],
                .declared_us = wire_get64(p + 12),
                .name = {p + QUEUE_BYTES, name_bytes},
                .properties = {p + QUEUE_BYTES + name_bytes, entry->size - QUEUE_BYTES - name_bytes},
        };
        return 0;
}

size_t entry_queue_size(const struct entry_queue *queue) {
        return QUEUE_BYTES + queue->name.size + queue->properties.size;
}

void entry_queue_write(uint8_t *out, const struct entry_queue *queue) {
        put_header(out, entry_queue_size(queue), ENTRY_QUEUE, queue->kind, 0);
        wire_set32(out + 8, queue->number);
        wire_set64(out + 12, queue->declared_us);
        wire_set16(out + 20, (uint16_t) queue->name.size);
        wire_set16(out + 22, 0);
        append(append(out + QUEUE_BYTES, queue->name), queue->properties);
}

int entry_named_read(const struct entry *entry, uint32_t *ret_queue, struct wire_span *ret_pattern) {
        if (entry->size < NAMED_BYTES)
                return -EBADMSG;
        *ret_queue = wire_get32(entry->data + 8);
        *ret_pattern = (struct wire_span){entry->data + NAMED_BYTES, entry->size - NAMED_BYTES};
        return 0;
}

size_t entry_named_size(size_t pattern_bytes) {
        return NAMED_BYTES + pattern_bytes;
}

void entry_named_write(uint8_t *out, unsigned kind, uint32_t queue, struct wire_span pattern) {
        put_header(out, entry_named_size(pattern.size), kind, 0, 0);
        wire_set32(out + 8, queue);
        append(out + NAMED_BYTES, pattern);
}

void entry_mark_write(uint8_t *out, unsigned kind) {
        put_header(out, ENTRY_HEADER_BYTES, kind, 0, 0);
}
