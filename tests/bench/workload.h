/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The workloads: what is run, how often, and what is asked of it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/bench/report.h"
#include "tests/bench/service.h"

struct bench {
        struct report report;
        char *directory;       /* of the whole run, on a real disk */
        bool engines[ENGINES]; /* which ones are wanted */
        size_t rounds;
        uint64_t round_ns; /* how long something is sent in each round */
        uint64_t waiting;  /* messages that wait, for restart */
        uint32_t paced_messages;
};

/* Runs the workload of this name. Returns 0; -ENOENT when there is none; another negative errno when it failed. */
int workload_run(struct bench *bench, const char *name);

/* Name and description of workload number i, or NULL behind the last. */
const char *workload_name(size_t i);
const char *workload_description(size_t i);

/* These two are no races: how long a start takes with a backlog, and how much memory is held at rest. */
int restart_run(struct bench *bench);
int idle_run(struct bench *bench);
