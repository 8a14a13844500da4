/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/ctl/output.h"

void output_init(output *o, int fd, const signals *s) {
        *o = (output){.fd = fd, .signals = s};
}

void output_done(output *o) {
        free(o->data);
        o->data = NULL;
        o->size = o->capacity = 0;
}

static int make_room(output *o, size_t size) {
        size_t capacity = o->capacity ? o->capacity : 4096;
        char *data;

        if (o->error < 0)
                return o->error;
        if (o->capacity - o->size >= size)
                return 0;
        while (capacity - o->size < size)
                if (__builtin_mul_overflow(capacity, 2u, &capacity))
                        return o->error = -ENOMEM;
        data = realloc(o->data, capacity);
        if (!data)
                return o->error = -ENOMEM;
        o->data = data;
        o->capacity = capacity;
        return 0;
}

int output_add(output *o, const void *data, size_t size) {
        int r = make_room(o, size);

        if (r < 0)
                return r;
        if (size > 0)
                memcpy(o->data + o->size, data, size);
        o->size += size;
        return 0;
}

int output_add_text(output *o, const char *text) {
        return output_add(o, text, strlen(text));
}

int output_printf(output *o, const char *format, ...) {
        char *text;
        va_list list;
        int n;

        va_start(list, format);
        n = vasprintf(&text, format, list);
        va_end(list);
        if (n < 0)
                return o->error = -ENOMEM;
        n = output_add(o, text, (size_t) n);
        free(text);
        return n;
}

/* Waits until a descriptor that others made non-blocking takes something again. */
static int wait_for_room(output *o) {
        struct pollfd fd = {.fd = o->fd, .events = POLLOUT};

        return signals_poll(o->signals, &fd, 1, UINT64_MAX);
}

int output_flush(output *o) {
        size_t written = 0;
        int r = 0;

        if (o->error < 0)
                return o->error;
        while (written < o->size && r >= 0) {
                ssize_t n = signals_write(o->signals, o->fd, o->data + written, o->size - written);

                if (n >= 0)
                        written += (size_t) n;
                else if (n == -EAGAIN)
                        r = wait_for_room(o);
                else if (n != -EINTR || signals_which(o->signals))
                        r = (int) n;
        }
        if (written > 0)
                memmove(o->data, o->data + written, o->size - written);
        o->size -= written;
        if (r < 0 && r != -EINTR)
                o->error = r;
        return r < 0 ? r : 0;
}
