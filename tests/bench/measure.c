/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/measure.h"

#define NS_PER_S    1000000000ull
#define THREADS_MAX 64

uint64_t now_ns(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * NS_PER_S + (uint64_t) t.tv_nsec;
}

uint64_t cpu_ns(pid_t pid) {
        struct timespec t;
        clockid_t clock;

        if (pid <= 0 || clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) < 0)
                return 0;
        return (uint64_t) t.tv_sec * NS_PER_S + (uint64_t) t.tv_nsec;
}

struct call_counter {
        size_t n;
        int fds[THREADS_MAX];
};

static int trace_point_id(void) {
        static const char *const paths[] = {
                "/sys/kernel/tracing/events/raw_syscalls/sys_enter/id",
                "/sys/kernel/debug/tracing/events/raw_syscalls/sys_enter/id",
        };
        int id = -ENOENT;

        for (size_t i = 0; i < sizeof paths / sizeof paths[0] && id < 0; i++) {
                FILE *f = fopen(paths[i], "re");

                if (!f)
                        continue;
                if (fscanf(f, "%d", &id) != 1)
                        id = -ENODATA;
                (void) fclose(f);
        }
        return id;
}

int call_counter_new(struct call_counter **ret, pid_t pid) {
        struct perf_event_attr attr = {.type = PERF_TYPE_TRACEPOINT, .size = sizeof attr};
        struct call_counter *c;
        struct dirent *entry;
        char path[64];
        DIR *threads;
        int id = trace_point_id();

        if (id < 0)
                return id;
        attr.config = (uint64_t) id;

        snprintf(path, sizeof path, "/proc/%i/task", (int) pid);
        threads = opendir(path);
        if (!threads)
                return -errno;
        c = calloc(1, sizeof *c);
        while (c && (entry = readdir(threads)) && c->n < THREADS_MAX) {
                pid_t tid = (pid_t) atoi(entry->d_name);
                int fd = tid > 0 ? (int) syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC) : -1;

                if (fd >= 0)
                        c->fds[c->n++] = fd;
        }
        (void) closedir(threads);
        if (!c)
                return -ENOMEM;
        if (c->n == 0) {
                free(c);
                return -EACCES;
        }

        *ret = c;
        return 0;
}

uint64_t call_counter_end(struct call_counter *c) {
        uint64_t sum = 0;

        for (size_t i = 0; c && i < c->n; i++) {
                uint64_t count;

                if (read(c->fds[i], &count, sizeof count) == (ssize_t) sizeof count)
                        sum += count;
                (void) close(c->fds[i]);
        }
        free(c);
        return sum;
}

int memory_of(pid_t pid, struct memory *ret) {
        struct memory m = {0};
        char line[256], path[64];
        uint64_t kib;
        FILE *f;

        snprintf(path, sizeof path, "/proc/%i/smaps_rollup", (int) pid);
        f = fopen(path, "re");
        if (!f)
                return -errno;
        while (fgets(line, sizeof line, f)) {
                if (sscanf(line, "Rss: %" SCNu64, &kib) == 1)
                        m.rss = kib * 1024;
                else if (sscanf(line, "Pss: %" SCNu64, &kib) == 1)
                        m.pss = kib * 1024;
                else if (sscanf(line, "Private_Dirty: %" SCNu64, &kib) == 1)
                        m.private_dirty = kib * 1024;
        }
        (void) fclose(f);
        if (m.rss == 0)
                return -ENODATA;

        *ret = m;
        return 0;
}

static int compare(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return x < y ? -1 : x > y;
}

double median(double *values, size_t n) {
        if (n == 0)
                return 0;
        qsort(values, n, sizeof *values, compare);
        return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}
