/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What comes from a client: bytes into frames. All sessions read into one shared buffer; a session keeps
 * memory of its own only while a frame of its is half there, and no more than has come of it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/wire.h"

#define INPUT_SHARED_BYTES    (128u * 1024u)
#define INPUT_DESCRIPTORS_MAX 16u

struct input {
        uint8_t *partial; /* the front of a frame; NULL: none */
        size_t size, capacity;
        int descriptors[INPUT_DESCRIPTORS_MAX]; /* came in, and wait for their frame */
        uint8_t n_descriptors;
};

/* What one read brought: frames, the last one perhaps not whole. A large frame that had begun before comes by itself.
 */
struct input_read {
        struct wire_span large; /* one whole frame; size 0: none */
        struct wire_span frames;
        bool more; /* the socket may hold more already */
};

void input_init(struct input *in);
void input_done(struct input *in);

/*
 * Reads once from the socket. `shared` has INPUT_SHARED_BYTES.
 * Returns 1 with *ret, which points into `shared` and `in`; 0 when nothing came or a large frame is still not whole;
 * -ECONNRESET at the end of the stream, -ENOBUFS when more descriptors wait than a client may send ahead, another
 * negative errno.
 */
int input_read(struct input *in, int fd, uint8_t *shared, uint32_t frame_bytes_max, struct input_read *ret);

/* Ends the parsing of what input_read() gave: keeps `rest`, the front of a frame that is not whole yet (size 0: none).
 * Returns 0 or -ENOMEM. */
int input_keep(struct input *in, struct wire_span rest);

/* The descriptor that belongs to the frame now parsed; the caller's to close. -EBADMSG when none came with it. */
int input_take_descriptor(struct input *in);
