/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A growing run of bytes. Appending never fails half-way: buffer_reserve() makes room and says -ENOMEM, what is
 * written behind it fits.
 */

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/wire.h"

struct buffer {
        uint8_t *data;
        size_t size, capacity;
};

static inline void buffer_done(struct buffer *b) {
        free(b->data);
        *b = (struct buffer){0};
}

/* Makes room for `more` bytes behind what is there. Returns 0 or -ENOMEM. */
static inline int buffer_reserve(struct buffer *b, size_t more) {
        size_t want = b->size + more, capacity = b->capacity ? b->capacity : 256;
        uint8_t *data;

        if (want <= b->capacity)
                return 0;
        while (capacity < want)
                capacity *= 2;
        data = realloc(b->data, capacity);
        if (!data)
                return -ENOMEM;
        b->data = data;
        b->capacity = capacity;
        return 0;
}

/* The writers below need room made before. */
static inline void buffer_u8(struct buffer *b, uint8_t v) {
        b->data[b->size++] = v;
}
static inline void buffer_u32(struct buffer *b, uint32_t v) {
        wire_set32(b->data + b->size, v);
        b->size += 4;
}
static inline void buffer_u64(struct buffer *b, uint64_t v) {
        wire_set64(b->data + b->size, v);
        b->size += 8;
}
static inline void buffer_bytes(struct buffer *b, const void *data, size_t size) {
        if (size > 0)
                memcpy(b->data + b->size, data, size);
        b->size += size;
}

/* Reads what buffer_* wrote. Past the end it yields zeros and sets `bad`, to be looked at once at the end. */
struct reader {
        const uint8_t *data;
        size_t size, offset;
        int bad;
};

static inline const uint8_t *reader_bytes(struct reader *r, size_t size) {
        const uint8_t *p = r->data + r->offset;

        if (r->bad || r->size - r->offset < size) {
                r->bad = 1;
                return NULL;
        }
        r->offset += size;
        return p;
}
static inline uint8_t reader_u8(struct reader *r) {
        const uint8_t *p = reader_bytes(r, 1);
        return p ? *p : 0;
}
static inline uint32_t reader_u32(struct reader *r) {
        const uint8_t *p = reader_bytes(r, 4);
        return p ? wire_get32(p) : 0;
}
static inline uint64_t reader_u64(struct reader *r) {
        const uint8_t *p = reader_bytes(r, 8);
        return p ? wire_get64(p) : 0;
}

/* For __attribute__((cleanup)) on a malloc'ed array. */
static inline void buffer_free_data(uint8_t **data) {
        free(*data);
}
