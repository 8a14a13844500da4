/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Makes empty segments, from nothing or from a drained one, in steps that each
 * write at most SPARE_STEP_BYTES, so that whoever runs them can do something
 * more urgent in between. While it is made a segment has a name of its own; it gets its
 * final name and number when it is whole and durable.
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/store/segment.h"

#define SPARE_STEP_BYTES (256u * 1024u)

struct spare_maker {
        const struct directory *directory; /* not owned */
        uint64_t file_bytes;
        uint32_t n_slots;

        int fd;          /* the file in the making; -1: none */
        uint64_t offset; /* what is left to be overwritten with zeros */
        uint64_t end;
        uint64_t pushed; /* bytes of the last step, which are on their way to the disk */
        uint8_t *zeros; /* SPARE_STEP_BYTES of them */
};

/* Sets it up, idle. spare_abandon() it. */
void spare_init(struct spare_maker *m, const struct directory *d, uint64_t file_bytes);

/* Begins a segment from nothing. `bulk`: large commits will go into it, for which its space is only allocated. Returns 0 or
 * a negative errno. */
int spare_begin_new(struct spare_maker *m, bool bulk);
/* Begins one from a drained segment's file, which is closed and of the same shape. Returns 0 or a negative errno. */
int spare_begin_recycled(struct spare_maker *m, uint32_t number);
/* Whether the file of this segment can be recycled. */
bool spare_fits(const struct spare_maker *m, const struct segment *g);

/* Does a bit of the work. Returns 1 when there is more, 0 when it can be finished, negative errno when it failed. */
int spare_step(struct spare_maker *m);
/* Gives the finished file its number and opens it. Returns 0 or a negative errno. */
int spare_finish(struct spare_maker *m, uint32_t number, struct segment **ret);

/* Drops what is in the making and frees what was allocated for it; fine when idle. */
void spare_abandon(struct spare_maker *m);
