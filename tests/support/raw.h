/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A peer that speaks the protocol by hand, for tests: it sends what it is told to, right or wrong, and shows each
 * frame that comes back. Every wait has an end (two minutes), by poll; a wait that is over is -ETIMEDOUT.
 */

#include <stddef.h>
#include <stdint.h>

#include "protocol/wire.h"

struct raw {
        int fd;
        uint32_t serial; /* of the last request made by a raw_*() call that chooses one; start of a fresh count */
        uint32_t send_serial;
        /* What came in and was not taken yet is buffer[taken .. used]. */
        uint8_t *buffer;
        size_t taken, used, allocated;
};

/* A frame that came in. It lives until the next raw_read() on the peer. */
struct raw_frame {
        struct wire_header header;
        const uint8_t *data; /* header.size bytes, the header included */
};

/* Connects, and says nothing. *ret is the caller's. Returns 0 or a negative errno. */
int raw_connect(struct raw **ret, const char *socket_path);
/* Connects and greets: HELLO, WELCOME. */
int raw_open(struct raw **ret, const char *socket_path);
/* Closes. NULL is fine. Returns NULL. */
struct raw *raw_close(struct raw *p);
void raw_closep(struct raw **p);

/* ---- sending: return 0, or a negative errno (-EPIPE, -ECONNRESET when the daemon has closed) ---- */

/* Sends exactly these bytes. */
int raw_write(struct raw *p, const void *data, size_t size);
/* The same with descriptors bound to the first byte. */
int raw_write_descriptors(struct raw *p, const void *data, size_t size, const int *fds, size_t n_fds);
/* Sends as much as goes without waiting. Returns the number of bytes, 0 when there is no room at all. */
int raw_write_some(struct raw *p, const void *data, size_t size);
/* Says that nothing more will be sent; what comes can still be read. */
int raw_shutdown_writing(struct raw *p);

/* A frame of the general layout. Its serial is p->serial after the call. */
int raw_request(struct raw *p, unsigned opcode, unsigned flags, unsigned channel, const void *fields, size_t size);
/* The same with one NAME field, and if it is not NULL, one PATTERN field. */
int raw_request_name(
        struct raw *p, unsigned opcode, unsigned flags, unsigned channel, const char *name, const char *pattern);
/* A SEND without fields. Its serial is p->send_serial after the call. */
int raw_send(struct raw *p, const char *subject, unsigned priority, const void *body, size_t size);
/* CONSUME with initial credit. */
int raw_consume(struct raw *p, unsigned channel, const char *queue, uint32_t messages, uint64_t bytes);
int raw_credit(struct raw *p, unsigned channel, uint32_t messages, uint32_t bytes);
/* ACK or NACK of count ids from id on. Its serial is p->serial after the call. */
int raw_settle(struct raw *p, unsigned opcode, unsigned flags, unsigned channel, uint64_t id, uint32_t count);

/* ---- receiving ---- */

/* Takes the next frame. Returns 1; 0 when the daemon has closed at the end of a frame; -EPROTO when it closed in the
 * middle of one or sent a frame that is none; -ETIMEDOUT; another negative errno. */
int raw_read(struct raw *p, struct raw_frame *ret);
/* Takes the next frame that is no SENDER, which must have this opcode: returns 0, or -EPROTO after printing what came
 * instead. ret may be NULL. */
int raw_expect(struct raw *p, unsigned opcode, struct raw_frame *ret);
/* Expects the OK of the last request. */
int raw_expect_ok(struct raw *p);
/* Expects an ERROR with this code, for this serial (0: for nothing in particular). */
int raw_expect_error(struct raw *p, unsigned code, uint32_t serial);
/* Expects a DELIVER and reads it. */
int raw_expect_deliver(struct raw *p, struct wire_deliver *ret);
/* Expects that exactly one message is confirmed, with this serial. ret_id may be NULL. */
int raw_expect_confirm(struct raw *p, uint32_t serial, uint64_t *ret_id);
/* Expects the end of the connection and nothing more before it. A reset counts as an end. */
int raw_expect_closed(struct raw *p);
/* Sends a PING and expects the PONG, and nothing else before it (but SENDER): what was asked for before has been
 * answered or refused by then, and nothing was delivered that had not been read. */
int raw_ping(struct raw *p);
