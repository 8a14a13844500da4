/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A daemon that does what a test tells it, right or wrong, for tests of the client. It runs in the test's own thread:
 * each fake_turn() accepts, reads and answers what it can without waiting. It has a clock of its own, which moves only
 * when the client would wait and nothing is there: so no test sleeps.
 */

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "protocol/wire.h"

struct fake_frame {
        uint8_t *data;
        size_t size;
        unsigned connection; /* counted from 1 */
};

struct fake {
        char directory[64];
        char path[80];
        int listen_fd, fd;
        unsigned n_accepted;
        /* Everything that came in, on all connections. */
        struct fake_frame *frames;
        size_t n_frames;
        uint8_t *input, *output;
        size_t input_bytes, output_bytes;
        uint64_t now_us;
        uint64_t next_id; /* of the next message that is confirmed */
        /* Called for each frame; NULL: fake_answer(). */
        void (*answer)(struct fake *f, const uint8_t *frame, size_t size);
        void *userdata;
        /* Called when the client waits and nothing is there, before the clock moves; true: something is there now. */
        bool (*idle)(struct fake *f);
        /* Of the last SEND on this connection; each must count up, and have a subject. */
        char tail_subject[256];
        uint32_t send_serial;
        bool send_seen;
};

/* Aborts on failure, as do all that make system calls. */
struct fake *fake_new(void);
struct fake *fake_free(struct fake *f);

/* Does what can be done. Returns whether something was done. */
bool fake_turn(struct fake *f);
/* Until nothing is left to do. */
void fake_settle(struct fake *f);
/* Gives up the connection / stops listening / listens again. */
void fake_drop(struct fake *f);
void fake_stop(struct fake *f);
void fake_start(struct fake *f);

/* Answers in the usual way: WELCOME, CONFIRM, OK, END, PONG. */
void fake_answer(struct fake *f, const uint8_t *frame, size_t size);
/* Answers a HELLO only. */
void fake_answer_hello(struct fake *f, const uint8_t *frame, size_t size);

/* ---- what it says; written at once as far as it goes ---- */

void fake_write(struct fake *f, const void *data, size_t size);
void fake_general(struct fake *f,
                  unsigned opcode,
                  unsigned flags,
                  unsigned channel,
                  uint32_t serial,
                  const void *fields,
                  size_t size);
void fake_ok(struct fake *f, uint32_t serial);
void fake_error(struct fake *f, unsigned flags, uint32_t serial, unsigned code, const char *text);
void fake_confirm(struct fake *f, uint32_t serial, uint32_t count, uint64_t id);
/* subject NULL: the queue's own name. */
void fake_deliver(struct fake *f, unsigned channel, uint64_t id, const char *subject, const void *body, size_t size);
void fake_deliver_full(struct fake *f, const struct wire_deliver *deliver);

/* ---- what it heard ---- */

/* The number of frames with this opcode. */
size_t fake_count(const struct fake *f, unsigned opcode);
/* Frame number `index` of this opcode, from 0; negative: from the last. NULL: there is none. */
const struct fake_frame *fake_find(const struct fake *f, unsigned opcode, int index);
/* The serial of a frame that has one. */
uint32_t fake_serial(const struct fake_frame *frame);
/* Forgets the frames. */
void fake_forget(struct fake *f);

/* For the library: the clock and poll. */
uint64_t fake_now(void *userdata);
int fake_poll(void *userdata, struct pollfd *fds, nfds_t n_fds, const struct timespec *timeout);
