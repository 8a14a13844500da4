/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Receiving: what the loop, the emptiness probe and --exec share. */

#include <sys/types.h>

#include "client/ctl/ctl.h"

/* Whether the queue is empty is asked of the daemon, in its order: its answer comes behind all that it delivered
 * before. */
typedef struct probe {
        lodge_slot *slot; /* of the listing that is under way */
        uint64_t taken_before;
        uint64_t ready; /* as answered */
        bool answered;
        bool quiet;        /* one answer said that there is nothing, and nothing came before it */
        uint64_t again_us; /* not to be asked before; 0: at once */
} probe;

typedef struct receiver {
        ctl *c;
        const char *queue;
        lodge_slot *consumer;
        uint64_t wanted; /* messages at most, UINT64_MAX: no end */
        uint64_t taken;
        bool until_empty;
        bool ended;                /* the daemon ended the consumer */
        int status;                /* of the first thing that went wrong */
        int error;                 /* a negative errno of a handler */
        lodge_message **unsettled; /* in c->out, and acknowledged when that is written */
        size_t n_unsettled, unsettled_allocated;
        uint64_t n_stale; /* written, but their lease was gone */
        json_stream stream;
        probe probe;
        uint64_t waiting_since_us; /* for a message */
        /* --exec: one message at a time. */
        lodge_message *current;
        pid_t child;
        int child_fd;        /* a pidfd */
        unsigned n_failures; /* in a row */
        uint64_t pause_until_us;
} receiver;

/* Remembers the status of the first failure. */
void receive_note(receiver *r, int status);

/* Asks, or takes notice of the answer. Returns true when the queue is known to be empty, *ret_wait_us is when to come
 * back at the latest otherwise (0: run the connection first). */
bool probe_is_empty(receiver *r, uint64_t now_us, uint64_t *ret_wait_us);
void probe_stop(probe *p);

/* Runs the command for r->current. Returns 0 or a negative errno. */
int exec_start(receiver *r);
/* Takes the command's end, if it has come, and settles the message. Returns 1 when it ended, 0 when it runs, or a
 * negative errno. */
int exec_finish(receiver *r, uint64_t now_us);
/* Waits for it however long it takes. */
void exec_wait(receiver *r);
