/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/ctl/lines.h"

int lines_init(lines *l, size_t chunk_bytes, size_t line_max) {
        char *data = malloc(chunk_bytes);

        if (!data)
                return -ENOMEM;
        *l = (lines){.data = data, .capacity = chunk_bytes, .line_max = line_max};
        return 0;
}

void lines_done(lines *l) {
        free(l->data);
        *l = (lines){0};
}

int lines_room(lines *l, char **ret, size_t *ret_size) {
        if (l->begin > 0) {
                memmove(l->data, l->data + l->begin, l->end - l->begin);
                l->end -= l->begin;
                l->begin = 0;
        }
        if (l->end == l->capacity) {
                /* Not even one line fits: lines_next() skips what is longer than allowed, so this ends. */
                char *data = realloc(l->data, l->capacity * 2);

                if (!data)
                        return -ENOMEM;
                l->data = data;
                l->capacity *= 2;
        }
        *ret = l->data + l->end;
        *ret_size = l->capacity - l->end;
        return 0;
}

void lines_added(lines *l, size_t size) {
        l->end += size;
        l->at_end = size == 0;
}

/* Ends a line of `size` bytes at begin, which takes `taken` bytes with its newline. */
static int end_line(lines *l, size_t size, size_t taken, const char **ret, size_t *ret_size) {
        const char *line = l->data + l->begin;
        uint64_t whole = l->skipped + size;

        l->begin += taken;
        l->searched = 0;
        l->skipped = 0;
        l->number++;
        *ret_size = whole;
        if (whole > l->line_max)
                return -EMSGSIZE;
        *ret = line;
        return 1;
}

int lines_next(lines *l, const char **ret, size_t *ret_size) {
        const char *start = l->data + l->begin;
        size_t size = l->end - l->begin;
        const char *newline = memchr(start + l->searched, '\n', size - l->searched);

        if (newline)
                return end_line(l, (size_t) (newline - start), (size_t) (newline - start) + 1, ret, ret_size);
        if (l->at_end)
                return size + l->skipped > 0 ? end_line(l, size, size, ret, ret_size) : 0;
        l->searched = size;
        if (l->skipped > 0 || size > l->line_max) {
                l->skipped += size;
                l->begin = l->end;
                l->searched = 0;
        }
        return 0;
}

void lines_back(lines *l, const char *line) {
        l->begin = (size_t) (line - l->data);
        l->searched = 0;
        l->number--;
}
