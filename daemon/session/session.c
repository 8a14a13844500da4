/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "daemon/session/internal.h"

int session_host_init(struct session_host *host) {
        TAILQ_INIT(&host->sessions);
        TAILQ_INIT(&host->to_flush);
        TAILQ_INIT(&host->waiting);
        chunk_pool_init(&host->chunks);
        host->shared = malloc(INPUT_SHARED_BYTES);
        return host->shared ? 0 : -ENOMEM;
}

void session_host_done(struct session_host *host) {
        struct session *s, *next;

        for (s = TAILQ_FIRST(&host->sessions); s; s = next) {
                next = TAILQ_NEXT(s, link);
                session_free(s);
        }
        chunk_pool_done(&host->chunks);
        buffer_done(&host->scratch);
        free(host->shared);
        host->shared = NULL;
}

int session_new(struct session_host *host, int fd, struct session **ret) {
        struct session *s = calloc(1, sizeof(*s));
        struct refusal why;
        int r;

        if (!s) {
                close(fd);
                return -ENOMEM;
        }
        s->host = host;
        s->fd = fd;
        s->connected_us = host->now_us;
        input_init(&s->input);
        output_init(&s->output, &host->chunks);
        TAILQ_INSERT_TAIL(&host->sessions, s, link);
        host->n_sessions++;
        host->connections++;
        r = credentials_read(fd, core_senders(host->core), &s->sender);
        if (r < 0) {
                session_free(s);
                return r;
        }
        if (s->sender->identity.uid != 0 && s->sender->identity.uid != host->uid) {
                (void) refuse(&why, 0, WIRE_CODE_DENIED, "uid %u may not use this bus", s->sender->identity.uid);
                session_fail(s, &why);
        }
        *ret = s;
        return 0;
}

struct session *session_free(struct session *s) {
        if (!s)
                return NULL;
        s->state = SESSION_CLOSING;
        channels_free(s);
        pending_done(s);
        if (s->to_flush)
                TAILQ_REMOVE(&s->host->to_flush, s, flush_link);
        TAILQ_REMOVE(&s->host->sessions, s, link);
        s->host->n_sessions--;
        output_done(&s->output);
        input_done(&s->input);
        sender_unref(s->sender);
        free(s->software);
        close(s->fd);
        free(s);
        return NULL;
}

int session_fd(const struct session *s) {
        return s->fd;
}

static bool has_much_output(const struct session *s) {
        return s->output.bytes > OUTPUT_HIGH_BYTES;
}

uint32_t session_events(const struct session *s) {
        uint32_t events = 0;

        if (s->output.bytes > 0)
                events |= EPOLLOUT;
        /* Who sends faster than the disk confirms, or does not read, is not read from. */
        if (s->state != SESSION_CLOSING && !s->paused && s->unconfirmed_bytes <= s->host->window_bytes &&
            !has_much_output(s))
                events |= EPOLLIN;
        return events;
}

uint32_t session_polled(const struct session *s) {
        return s->polled;
}

void session_set_polled(struct session *s, uint32_t events) {
        s->polled = events;
}

/* Does what the frames say. Leaves what is to be kept: the front of a frame that is not whole; or, from a client that
 * asks and does not read, all behind the frame whose answer was too much, until there is room again. */
static int parse(struct session *s, struct wire_span *data) {
        uint32_t frame_bytes_max = s->state == SESSION_GREETING ? WIRE_GREETING_BYTES_MAX : s->host->frame_bytes_max;
        struct wire_header header;
        struct wire_fault fault;
        int r;

        s->paused = false;
        while (s->state != SESSION_CLOSING && data->size > 0) {
                if (has_much_output(s)) {
                        s->paused = true;
                        return 0;
                }
                r = wire_header_parse(data->data, data->size, frame_bytes_max, &header, &fault);
                if (r < 0) {
                        session_fail_fault(s, &fault);
                        return 0;
                }
                if (r == 0 || data->size < header.size)
                        return 0;
                r = dispatch(s, &header, data->data);
                if (r < 0)
                        return r;
                data->data += header.size;
                data->size -= header.size;
                frame_bytes_max = s->host->frame_bytes_max;
        }
        return 0;
}

/* How many frames in what was read want a descriptor; the front of one that cannot be told yet may. */
static unsigned count_flagged(struct wire_span data, uint32_t frame_bytes_max) {
        struct wire_header header;
        struct wire_fault fault;
        unsigned n = 0;

        while (data.size > 0) {
                if (wire_header_parse(data.data, data.size, frame_bytes_max, &header, &fault) <= 0)
                        return n + 1;
                n += (header.flags & WIRE_FLAG_DESCRIPTOR) != 0;
                if (header.size > data.size)
                        break;
                data.data += header.size;
                data.size -= header.size;
        }
        return n;
}

/* Descriptors come with the first byte of their frame: more of them than such frames belong to none. */
static bool descriptors_belong(struct session *s, const struct input_read *got, uint32_t frame_bytes_max) {
        struct refusal why;

        if (s->input.n_descriptors <=
            count_flagged(got->large, frame_bytes_max) + count_flagged(got->frames, frame_bytes_max))
                return true;
        (void) refuse(&why, 0, WIRE_CODE_MALFORMED, "a descriptor that belongs to no frame");
        session_fail(s, &why);
        return false;
}

int session_read(struct session *s) {
        uint32_t frame_bytes_max = s->state == SESSION_GREETING ? WIRE_GREETING_BYTES_MAX : s->host->frame_bytes_max;
        struct input_read got;
        struct refusal why;
        int r;

        if (s->state == SESSION_CLOSING || s->paused || has_much_output(s))
                return 0;
        r = input_read(&s->input, s->fd, s->host->shared, frame_bytes_max, &got);
        if (r == -ENOBUFS) {
                (void) refuse(&why, 0, WIRE_CODE_MALFORMED, "more than %u descriptors at a time",
                              INPUT_DESCRIPTORS_MAX);
                session_fail(s, &why);
                return 0;
        }
        if (r <= 0)
                return r;
        if (s->input.n_descriptors > 0 && !descriptors_belong(s, &got, frame_bytes_max))
                return 0;
        r = parse(s, &got.large);
        if (r >= 0)
                r = parse(s, &got.frames);
        if (r < 0 || s->state == SESSION_CLOSING)
                return r;
        s->host->more_coming |= got.more || got.frames.size > 0;
        return input_keep(&s->input, got.frames);
}

/* Goes on with the frames that were kept while there was no room for their answers. */
static int go_on(struct session *s) {
        struct wire_span frames = {s->input.partial, s->input.size};
        int r;

        r = parse(s, &frames);
        return r < 0 || s->state == SESSION_CLOSING ? r : input_keep(&s->input, frames);
}

int session_flush(struct session *s) {
        int r;

        if (s->to_flush) {
                s->to_flush = false;
                TAILQ_REMOVE(&s->host->to_flush, s, flush_link);
        }
        r = output_flush(&s->output, s->fd);
        if (r < 0)
                return r;
        if (s->state == SESSION_CLOSING)
                return s->output.bytes == 0 ? -ESHUTDOWN : 0;
        if (s->output.bytes > OUTPUT_LOW_BYTES)
                return 0;
        if (s->blocked)
                channels_block(s, false);
        return s->paused ? go_on(s) : 0;
}

struct session *session_next_waiting(const struct session *s) {
        return TAILQ_NEXT(s, wait_link);
}

struct session *session_next(const struct session *s) {
        return TAILQ_NEXT(s, link);
}
