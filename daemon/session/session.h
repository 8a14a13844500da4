/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One client: its socket, who it is, its frames. The host is what all sessions share; the wiring above
 * owns it, polls the sockets, and commits.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "daemon/core/core.h"
#include "daemon/session/input.h"
#include "daemon/session/output.h"

struct session;
TAILQ_HEAD(session_list, session);

/* Collects the attributes of an ITEM frame. */
struct attributes {
        struct buffer fields;
        bool failed; /* without memory */
};
void attribute_u64(struct attributes *a, const char *key, uint64_t value);
void attribute_bool(struct attributes *a, const char *key, bool value);
void attribute_string(struct attributes *a, const char *key, const void *data, size_t size);

struct session_host {
        /* Set by the owner. */
        struct core *core;
        uint32_t frame_bytes_max;   /* accepted from clients */
        uint32_t message_bytes_max; /* of a body */
        uint64_t window_bytes;      /* of a client's unconfirmed sends, before it is not read from */
        uid_t uid;                  /* who may connect, besides root */
        uint8_t bus_id[16];
        void (*describe)(void *userdata, struct attributes *a); /* the bus, for STATUS */
        void *userdata;
        uint64_t now_us;            /* CLOCK_REALTIME, set before each call into a session */
        uint64_t commit;            /* number of the commit that is being collected; with it: */
        uint64_t awaited, awaiting; /* answers that wait for it, and sessions that wait for them; */
        bool more_coming;           /* some client was not read to its end. The owner sets these to 0 */

        /* The sessions' own; session_host_init() makes it. */
        struct session_list sessions;
        struct session_list to_flush; /* have output, or want to be closed */
        struct session_list waiting;  /* for a commit */
        struct chunk_pool chunks;
        uint8_t *shared; /* INPUT_SHARED_BYTES */
        struct buffer scratch;
        uint64_t n_sessions, connections;
};

/* Initializes the second half. Returns 0 or -ENOMEM. */
int session_host_init(struct session_host *host);
/* Closes every session and frees the second half. */
void session_host_done(struct session_host *host);

/*
 * Takes over a connected socket (closed also on failure), reads who is at its other end. Who may not connect gets an
 * ERROR and is closed by the next session_flush(). Returns 0 or negative errno.
 */
int session_new(struct session_host *host, int fd, struct session **ret);
/* Closes and frees at once: consumers end, their messages go back. NULL is fine. Returns NULL. */
struct session *session_free(struct session *s);

int session_fd(const struct session *s);
/* What to poll the socket for at the moment: EPOLLIN, EPOLLOUT. Changes after reading, flushing, commits. */
uint32_t session_events(const struct session *s);
/* What it is polled for: kept here for the owner. */
uint32_t session_polled(const struct session *s);
void session_set_polled(struct session *s, uint32_t events);

/* The socket can be read: reads once and does what the frames say. Returns 0, or negative when the session is to be
 * freed. */
int session_read(struct session *s);
/* Writes what the socket takes. Returns 0, or negative when the session is to be freed (also after a farewell). */
int session_flush(struct session *s);
/* The commits up to this number are on disk: answers go into the output. */
void session_committed(struct session *s, uint64_t commit);
struct session *session_next(const struct session *s);
struct session *session_next_waiting(const struct session *s);
/* Says goodbye; the session closes once its output is written. */
void session_goodbye(struct session *s);
/* Calls of the core that sessions answer. */
void session_deliver(void *consumer_userdata, const struct core_message *message);
void session_cancelled(void *consumer_userdata, const struct refusal *why);
