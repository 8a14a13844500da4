/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the kernel knows about a process: time used, system calls made, memory held. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t now_ns(void);

/* Processor time that a process with all its threads has used so far, in nanoseconds; 0 when it cannot be told. */
uint64_t cpu_ns(pid_t pid);

/* Counts the system calls of a process, by the kernel's raw_syscalls:sys_enter trace point. */
struct call_counter;
/* Begins to count, in all threads that the process has now. Returns 0, or a negative errno where that is not
 * allowed. */
int call_counter_new(struct call_counter **ret, pid_t pid);
/* Returns the calls since then, and frees. NULL is fine (0). */
uint64_t call_counter_end(struct call_counter *c);

/* Resident memory in bytes. */
struct memory {
        uint64_t rss, pss;
        uint64_t private_dirty; /* what is its own alone: no file stands behind it */
};
/* Reads /proc/PID/smaps_rollup. Returns 0 or a negative errno. */
int memory_of(pid_t pid, struct memory *ret);

/* The middle one of n values (the mean of the two middle ones), which are sorted by it. */
double median(double *values, size_t n);
