/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What goes to standard output, collected and written in large pieces. Unlike stdio it tells what it could not write
 * and loses nothing of it. An error stays: later calls return it at once.
 */

#include <stdbool.h>
#include <stddef.h>

#include "client/ctl/signals.h"

typedef struct output {
        int fd;
        const signals *signals;
        char *data;
        size_t size, capacity;
        int error; /* the first negative errno, or 0 */
} output;

/* Nothing is allocated before something is added. `s` outlives it. */
void output_init(output *o, int fd, const signals *s);
/* Frees what was collected; writes nothing. */
void output_done(output *o);

/* Add to what is collected. Return 0 or a negative errno. */
int output_add(output *o, const void *data, size_t size);
int output_add_text(output *o, const char *text);
int output_printf(output *o, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes all that was collected. Returns 0 when all of it is written, else a negative errno (-EINTR when a signal came:
 * the rest stays and the next call goes on). */
int output_flush(output *o);
