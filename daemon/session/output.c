/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "daemon/session/output.h"

#define POOL_CHUNKS_MAX  8u
#define FLUSH_CHUNKS_MAX 32u

void chunk_pool_init(struct chunk_pool *pool) {
        TAILQ_INIT(&pool->chunks);
        pool->n = 0;
}

void chunk_pool_done(struct chunk_pool *pool) {
        struct chunk *chunk;

        while ((chunk = TAILQ_FIRST(&pool->chunks))) {
                TAILQ_REMOVE(&pool->chunks, chunk, link);
                free(chunk);
        }
        pool->n = 0;
}

void output_init(struct output *out, struct chunk_pool *pool) {
        TAILQ_INIT(&out->chunks);
        out->bytes = 0;
        out->pool = pool;
}

static void chunk_release(struct chunk_pool *pool, struct chunk *chunk) {
        if (chunk->capacity != OUTPUT_CHUNK_BYTES || pool->n >= POOL_CHUNKS_MAX) {
                free(chunk);
                return;
        }
        chunk->start = chunk->end = 0;
        TAILQ_INSERT_HEAD(&pool->chunks, chunk, link);
        pool->n++;
}

void output_done(struct output *out) {
        struct chunk *chunk;

        while ((chunk = TAILQ_FIRST(&out->chunks))) {
                TAILQ_REMOVE(&out->chunks, chunk, link);
                chunk_release(out->pool, chunk);
        }
        out->bytes = 0;
}

static struct chunk *chunk_get(struct chunk_pool *pool, size_t size) {
        struct chunk *chunk = TAILQ_FIRST(&pool->chunks);

        if (chunk && size <= OUTPUT_CHUNK_BYTES) {
                TAILQ_REMOVE(&pool->chunks, chunk, link);
                pool->n--;
                return chunk;
        }
        if (size < OUTPUT_CHUNK_BYTES)
                size = OUTPUT_CHUNK_BYTES;
        chunk = malloc(sizeof(*chunk) + size);
        if (chunk) {
                chunk->start = chunk->end = 0;
                chunk->capacity = size;
        }
        return chunk;
}

uint8_t *output_append(struct output *out, size_t size) {
        struct chunk *last = TAILQ_LAST(&out->chunks, chunk_list);
        uint8_t *p;

        if (!last || last->capacity - last->end < size) {
                last = chunk_get(out->pool, size);
                if (!last)
                        return NULL;
                TAILQ_INSERT_TAIL(&out->chunks, last, link);
        }
        p = last->data + last->end;
        last->end += size;
        out->bytes += size;
        return p;
}

void output_shorten(struct output *out, size_t size) {
        struct chunk *last = TAILQ_LAST(&out->chunks, chunk_list);

        last->end -= size;
        out->bytes -= size;
}

static void written(struct output *out, size_t n) {
        struct chunk *chunk;

        out->bytes -= n;
        while ((chunk = TAILQ_FIRST(&out->chunks))) {
                size_t have = chunk->end - chunk->start;

                if (n < have) {
                        chunk->start += n;
                        return;
                }
                n -= have;
                TAILQ_REMOVE(&out->chunks, chunk, link);
                chunk_release(out->pool, chunk);
        }
}

int output_flush(struct output *out, int fd) {
        while (out->bytes > 0) {
                struct iovec iov[FLUSH_CHUNKS_MAX];
                struct msghdr message = {.msg_iov = iov};
                struct chunk *chunk;
                ssize_t n;

                TAILQ_FOREACH (chunk, &out->chunks, link) {
                        if (message.msg_iovlen == FLUSH_CHUNKS_MAX)
                                break;
                        iov[message.msg_iovlen++] =
                                (struct iovec){chunk->data + chunk->start, chunk->end - chunk->start};
                }
                n = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == EAGAIN ? 0 : -errno;
                written(out, (size_t) n);
        }
        return 0;
}
