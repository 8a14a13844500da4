/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/buffer.h"

#define BUFFER_BYTES_MIN 512u

int buffer_relocate(struct buffer *b, size_t capacity) {
        size_t size = buffer_size(b);
        uint8_t *data;

        if (capacity <= b->capacity) {
                if (b->start > 0 && size > 0)
                        memmove(b->data, b->data + b->start, size);
        } else {
                data = malloc(capacity);
                if (!data)
                        return -ENOMEM;
                if (size > 0)
                        memcpy(data, b->data + b->start, size);
                free(b->data);
                b->data = data;
                b->capacity = capacity;
        }
        b->start = 0;
        b->end = size;
        return 0;
}

int buffer_reserve(struct buffer *b, size_t size) {
        size_t used = buffer_size(b), wanted;

        if (size <= b->capacity - b->end)
                return 0;
        if (size > SIZE_MAX / 4 - used)
                return -ENOMEM;

        /* Moving to the front is worth it only when it frees at least as much as it copies; so each byte is moved
         * once on average, however long the buffer lives. */
        if (used + size <= b->capacity && b->start >= used)
                return buffer_relocate(b, b->capacity);

        wanted = b->capacity > BUFFER_BYTES_MIN ? b->capacity : BUFFER_BYTES_MIN;
        while (wanted < used + size || wanted < used * 2)
                wanted *= 2;
        return buffer_relocate(b, wanted);
}

void buffer_release(struct buffer *b) {
        free(b->data);
        *b = (struct buffer){0};
}
