/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The clients of a workload: each runs in a process of its own, they begin at the same moment, and leave what they
 * measured in shared memory.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/bench/histogram.h"

#define ROLES_MAX 16

/* How much to do. A client stops at whatever comes first. */
struct load {
        size_t size;       /* bytes of each body; at least 16 */
        uint64_t count;    /* messages of each sender, at most */
        uint64_t time_ns;  /* time after which nothing more is sent */
        uint32_t window;   /* unconfirmed messages */
        bool one_by_one;   /* each message is written by itself (the relay's clients) */
        uint32_t rate;     /* messages a second; 0: as fast as it goes */
        const char *queue; /* name of the lodge queue */
};

struct role {
        /* Set by the client. */
        uint64_t count; /* messages confirmed, or received and acknowledged */
        uint64_t start_ns, end_ns;
        struct histogram latency;
        int error;
        /* For role_ready(). */
        int ready_fd, go_fd;
};

/* A client's work. It connects, calls role_ready(), and does its part. Returns 0 or a negative errno. */
typedef int (*role_function)(struct role *self, const struct load *load, const char *address);

/* Says that the client has connected and is warm, and waits until all others are; takes the time in start_ns. Returns 0
 * or a negative errno. */
int role_ready(struct role *self);

/* The first bytes of a body. */
struct stamp {
        uint64_t sent_ns; /* CLOCK_MONOTONIC */
        uint64_t last;    /* 1 in the last message of a producer */
};
void stamp_put(void *body, bool last);
struct stamp stamp_get(const void *body);

struct crew_result {
        uint64_t count;             /* of the clients that count (see crew_run()) */
        uint64_t counts[ROLES_MAX]; /* of each client */
        double seconds;             /* from the first start to the last end */
        uint64_t cpu_ns;            /* used by the daemon meanwhile */
        uint64_t calls;             /* system calls of the daemon; 0 when not counted */
        struct histogram latency;
};

/* Runs these clients, each in a process, against the daemon `pid` (0: there is none). Messages and latencies are taken
 * from client number `first_counted` on. With count_calls the daemon's system calls are counted. Returns 0 or a
 * negative errno: the first client's that failed; -ETIMEDOUT when they did not end within a minute. */
int crew_run(const role_function *functions,
             size_t n,
             size_t first_counted,
             const struct load *load,
             const char *address,
             pid_t pid,
             bool count_calls,
             struct crew_result *ret);
