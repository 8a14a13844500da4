/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is to be written to a client: frames in chunks, written with as few system calls as the socket allows.
 * A session without output holds no chunk; a few empty ones are kept for all sessions together.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#define OUTPUT_CHUNK_BYTES (64u * 1024u)

struct chunk {
        TAILQ_ENTRY(chunk) link; /* output.chunks or chunk_pool.chunks */
        size_t start, end, capacity;
        uint8_t data[];
};
TAILQ_HEAD(chunk_list, chunk);

struct chunk_pool {
        struct chunk_list chunks;
        unsigned n;
};
void chunk_pool_init(struct chunk_pool *pool);
void chunk_pool_done(struct chunk_pool *pool);

struct output {
        struct chunk_list chunks;
        size_t bytes; /* waiting to be written */
        struct chunk_pool *pool;
};
void output_init(struct output *out, struct chunk_pool *pool);
void output_done(struct output *out);

/* Room for exactly `size` bytes, to be filled at once. NULL without memory. */
uint8_t *output_append(struct output *out, size_t size);
/* Gives back the last `size` bytes of what the last output_append() gave. */
void output_shorten(struct output *out, size_t size);
/* Writes what the socket takes. Returns 0, or the negative errno that ends the connection. Look at out->bytes for what
 * is left. */
int output_flush(struct output *out, int fd);
