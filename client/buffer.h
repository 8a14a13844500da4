/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Bytes that are appended at the end and taken from the front, always contiguous. Positions move when room is made:
 * keep offsets from the start, not pointers.
 */

#include <stddef.h>
#include <stdint.h>

struct buffer {
        uint8_t *data;
        size_t start, end, capacity;
};

/* Makes room for `size` bytes behind the end, at data + end. Returns 0 or -ENOMEM, with the contents as they were. */
int buffer_reserve(struct buffer *b, size_t size);
/* Makes the contents begin at data and the memory hold at least `capacity` bytes. Returns 0 or -ENOMEM. */
int buffer_relocate(struct buffer *b, size_t capacity);
/* Forgets the contents and gives the memory back. */
void buffer_release(struct buffer *b);

static inline size_t buffer_size(const struct buffer *b) {
        return b->end - b->start;
}

static inline uint8_t *buffer_front(const struct buffer *b) {
        return b->start > 0 ? b->data + b->start : b->data;
}

/* Where the next byte goes; room was made before. */
static inline uint8_t *buffer_back(const struct buffer *b) {
        return b->end > 0 ? b->data + b->end : b->data;
}

/* Takes `size` bytes from the front. */
static inline void buffer_take(struct buffer *b, size_t size) {
        b->start += size;
        if (b->start == b->end)
                b->start = b->end = 0;
}
