/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the bench says: a table for people, or one JSON object a line. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct report {
        bool json;
        unsigned targets, met;
};

/* Medians of an engine over the rounds of a workload. Negative: not known. */
struct row {
        const char *workload;
        size_t size; /* bytes of a body */
        const char *engine;
        size_t rounds;
        double rate; /* messages a second */
        double p50_us, p99_us;
        double cpu_us; /* of the daemon, a message */
        double calls;  /* system calls of the daemon, a message */
        double commit; /* messages a commit */
        double syncs;  /* syncs a commit */
};

/* What is to be reached, beside what was. */
struct target {
        const char *workload;
        size_t size;
        const char *what; /* "p50 / relay" */
        const char *unit; /* "", "us", "MiB" */
        double value;
        double limit;
        bool at_most; /* else at least */
};

/* On what machine all this is: kernel, processors, file system of the directory. */
void report_machine(struct report *report, const char *directory);
/* A new workload begins. */
void report_workload(struct report *report, const char *name, const char *what);
void report_row(struct report *report, const struct row *row);
/* A figure that has no row: its name is a JSON key, its label for people. */
void report_figure(struct report *report,
                   const char *workload,
                   const char *label,
                   const char *key,
                   double value,
                   const char *unit);
void report_target(struct report *report, const struct target *target);
/* A ratio that nothing is asked of. */
void report_ratio(struct report *report, const char *workload, size_t size, const char *what, double value);
void report_end(struct report *report);
