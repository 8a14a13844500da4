/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/bench/append.h"
#include "tests/bench/lodge-clients.h"
#include "tests/bench/measure.h"
#include "tests/bench/relay.h"
#include "tests/bench/role.h"
#include "tests/bench/workload.h"

#define ROUNDS_MAX      32
#define SIZES_MAX       3
#define TARGETS_MAX     3
#define COUNT_MAX       2000000u
#define SENT_BYTES_MAX  ((uint64_t) 768 << 20) /* of a round */
#define GROUP_BYTES_MAX ((size_t) 1 << 20)     /* of one plain append */

enum figure { FIGURE_RATE, FIGURE_P50, FIGURE_CALLS };

/* What is asked of lodge: a figure, or with `beside` its ratio to that engine's in the same round. */
struct aim {
        enum figure figure;
        int beside; /* enum engine, or ALONE */
        double limit;
        bool at_most;
        size_t size; /* asked for bodies of this size only; 0: of any */
};
#define ALONE (-1)

struct workload {
        const char *name, *what;
        enum { SEND_ONE, SEND_WINDOW, SEND_PACED } how;
        size_t producers;
        bool consumer;
        uint32_t window, rate;
        size_t window_bytes; /* the window is smaller for large messages; 0: it is not */
        size_t sizes[SIZES_MAX];
        struct aim aims[TARGETS_MAX];
        int (*run)(struct bench *bench); /* instead of all that */
};

static const struct workload workloads[] = {
        {
                .name = "durable-one",
                .what = "one sender, one message at a time; each is on disk before the next is sent",
                .how = SEND_ONE,
                .producers = 1,
                .window = 1,
                .sizes = {128, 1024, 65536},
                .aims = {{FIGURE_P50, ENGINE_RELAY, 1.2, true, 0}},
        },
        {
                .name = "durable-1000",
                .what = "one sender, 1,000 messages ahead of their confirms",
                .how = SEND_WINDOW,
                .producers = 1,
                .window = 1000,
                .sizes = {128, 1024, 65536},
                .aims = {{FIGURE_RATE, ENGINE_PLAIN, 0.5, false, 0}, {FIGURE_CALLS, ALONE, 1, true, 0}},
        },
        {
                .name = "senders-16",
                .what = "16 senders, each one message at a time",
                .how = SEND_ONE,
                .producers = 16,
                .window = 1,
                .sizes = {128, 1024, 65536},
                .aims = {{FIGURE_RATE, ENGINE_RELAY, 0.9, false, 0}},
        },
        {
                .name = "through",
                .what = "producer, queue, consumer with acks; latency until the confirm",
                .how = SEND_WINDOW,
                .producers = 1,
                .consumer = true,
                .window = 10000,
                .window_bytes = (size_t) 16 << 20,
                .sizes = {128, 1024, 65536},
                .aims = {{FIGURE_RATE, ENGINE_PLAIN, 0.4, false, 0},
                         {FIGURE_RATE, ALONE, 300000, false, 128},
                         {FIGURE_CALLS, ALONE, 1, true, 0}},
        },
        {
                .name = "paced-2000",
                .what = "2,000 messages a second; latency from one end to the other (the relay forwards before its "
                        "sync too)",
                .how = SEND_PACED,
                .producers = 1,
                .consumer = true,
                .window = 1,
                .rate = 2000,
                .sizes = {128, 1024},
                .aims = {{FIGURE_P50, ALONE, 120, true, 0}},
        },
        {.name = "restart",
         .what = "from the start of the program until it is ready, with messages waiting",
         .run = restart_run},
        {.name = "idle", .what = "memory at rest", .run = idle_run},
};
#define WORKLOADS (sizeof workloads / sizeof workloads[0])

const char *workload_name(size_t i) {
        return i < WORKLOADS ? workloads[i].name : NULL;
}

const char *workload_description(size_t i) {
        return i < WORKLOADS ? workloads[i].what : NULL;
}

/* What was measured of one engine. */
struct series {
        size_t n;
        double rate[ROUNDS_MAX], p50[ROUNDS_MAX], p99[ROUNDS_MAX], cpu[ROUNDS_MAX];
        double calls;                    /* a message; -1: not known */
        double commits, syncs, messages; /* sums */
};

static role_function sender_of(enum engine engine, const struct workload *w) {
        static const role_function lodge[] = {lodge_bench_send_one, lodge_bench_send_window, lodge_bench_send_paced};
        static const role_function relay[] = {relay_send_one, relay_send_window, relay_send_paced};

        return engine == ENGINE_LODGE ? lodge[w->how] : engine == ENGINE_APPEND ? append_run : relay[w->how];
}

static struct load load_of(const struct bench *bench, const struct workload *w, enum engine engine, size_t size) {
        struct load load = {
                .size = size,
                .time_ns = bench->round_ns,
                .count = SENT_BYTES_MAX / size / w->producers,
                .window = w->window,
                .rate = w->rate,
                .one_by_one = engine == ENGINE_PLAIN,
                .queue = SERVICE_QUEUE,
        };

        load.count = load.count < COUNT_MAX ? load.count : COUNT_MAX;
        if (w->how == SEND_PACED)
                load.count = bench->paced_messages;
        if (w->window_bytes > 0 && load.window > w->window_bytes / size)
                load.window = (uint32_t) (w->window_bytes / size);
        if (engine == ENGINE_APPEND) {
                load.window *= (uint32_t) w->producers;
                if (load.window > GROUP_BYTES_MAX / size)
                        load.window = (uint32_t) (GROUP_BYTES_MAX / size);
        }
        return load;
}

/* One engine, one round, on a fresh service. */
static int round_run(struct bench *bench,
                     const struct workload *w,
                     enum engine engine,
                     size_t size,
                     bool count_calls,
                     struct series *series) {
        uint64_t commits[2] = {0}, syncs[2] = {0};
        struct load load = load_of(bench, w, engine, size);
        role_function functions[ROLES_MAX];
        static struct crew_result result;
        struct service *service;
        size_t n = 0, producers = engine == ENGINE_APPEND ? 1 : w->producers;
        int r, stopped;

        r = service_start(&service, engine, bench->directory, w->how == SEND_PACED);
        if (r < 0)
                return r;
        while (n < producers)
                functions[n++] = sender_of(engine, w);
        if (w->consumer && engine != ENGINE_APPEND)
                functions[n++] = engine == ENGINE_LODGE ? lodge_bench_consume : relay_consume;

        (void) service_commits(service, &commits[0], &syncs[0]);
        r = crew_run(functions, n, w->how == SEND_PACED ? producers : 0, &load, service_address(service),
                     service_pid(service), count_calls, &result);
        if (r >= 0)
                (void) service_commits(service, &commits[1], &syncs[1]);
        stopped = service_stop(service);
        if (r < 0 || stopped < 0)
                return r < 0 ? r : stopped;

        /* What went through was counted at both ends. */
        if (n > producers && w->how == SEND_WINDOW) {
                if (result.counts[0] != result.counts[1])
                        return -EBADMSG;
                result.count = result.counts[0];
        }
        if (result.count == 0)
                return -ENODATA;
        if (count_calls) {
                series->calls = result.calls > 0 ? (double) result.calls / (double) result.count : -1;
                return 0;
        }
        series->rate[series->n] = (double) result.count / result.seconds;
        series->p50[series->n] = histogram_quantile_us(&result.latency, 0.5);
        series->p99[series->n] = histogram_quantile_us(&result.latency, 0.99);
        series->cpu[series->n] = (double) result.cpu_ns / 1000 / (double) result.count;
        series->messages += (double) result.count;
        series->commits += (double) (commits[1] - commits[0]);
        series->syncs += (double) (syncs[1] - syncs[0]);
        series->n++;
        return 0;
}

static double middle(const double *values, size_t n) {
        double copy[ROUNDS_MAX];

        memcpy(copy, values, n * sizeof *copy);
        return median(copy, n);
}

static void
report_series(struct bench *bench, const struct workload *w, enum engine engine, size_t size, const struct series *s) {
        struct row row = {
                .workload = w->name,
                .size = size,
                .engine = engine_name(engine),
                .rounds = s->n,
                .rate = middle(s->rate, s->n),
                .p50_us = middle(s->p50, s->n),
                .p99_us = middle(s->p99, s->n),
                .cpu_us = engine == ENGINE_APPEND ? -1 : middle(s->cpu, s->n),
                .calls = s->calls,
                .commit = s->commits > 0 ? s->messages / s->commits : -1,
                .syncs = s->commits > 0 ? s->syncs / s->commits : -1,
        };

        report_row(&bench->report, &row);
}

/* The median of the ratios of the rounds, each of engines that ran one after the other. */
static double ratio(const double *of, const double *to, size_t n) {
        double ratios[ROUNDS_MAX];

        for (size_t i = 0; i < n; i++)
                ratios[i] = to[i] > 0 ? of[i] / to[i] : 0;
        return median(ratios, n);
}

static void report_aim(
        struct bench *bench, const struct workload *w, const struct aim *aim, size_t size, const struct series *all) {
        static const char *const names[] = {"messages a second", "p50", "system calls a message"};
        const struct series *lodge = &all[ENGINE_LODGE];
        struct target target = {
                .workload = w->name, .size = size, .unit = "", .limit = aim->limit, .at_most = aim->at_most};
        char what[64];

        if (aim->beside != ALONE) {
                const struct series *other = &all[aim->beside];

                if (other->n < lodge->n)
                        return;
                target.value = aim->figure == FIGURE_P50 ? ratio(lodge->p50, other->p50, lodge->n)
                                                         : ratio(lodge->rate, other->rate, lodge->n);
                snprintf(what, sizeof what, "%s / %s", names[aim->figure], engine_name((enum engine) aim->beside));
        } else {
                target.value = aim->figure == FIGURE_RATE  ? middle(lodge->rate, lodge->n)
                               : aim->figure == FIGURE_P50 ? middle(lodge->p50, lodge->n)
                                                           : lodge->calls;
                target.unit = aim->figure == FIGURE_P50 ? "us" : "";
                snprintf(what, sizeof what, "%s", names[aim->figure]);
                if (target.value < 0)
                        return;
        }
        target.what = what;
        report_target(&bench->report, &target);
}

static void report_size(struct bench *bench, const struct workload *w, size_t size, const struct series *all) {
        const struct series *lodge = &all[ENGINE_LODGE];

        for (enum engine e = 0; e < ENGINES; e++)
                if (all[e].n > 0)
                        report_series(bench, w, e, size, &all[e]);
        if (lodge->n == 0)
                return;
        for (enum engine e = ENGINE_RELAY; e < ENGINES; e++)
                if (all[e].n == lodge->n && (int) e != w->aims[0].beside) {
                        char what[64];
                        bool latency = w->how != SEND_WINDOW;

                        snprintf(what, sizeof what, "%s / %s", latency ? "p50" : "messages a second", engine_name(e));
                        report_ratio(&bench->report, w->name, size, what,
                                     latency ? ratio(lodge->p50, all[e].p50, lodge->n)
                                             : ratio(lodge->rate, all[e].rate, lodge->n));
                }
        for (size_t i = 0; i < TARGETS_MAX; i++)
                if (w->aims[i].limit > 0 && (w->aims[i].size == 0 || w->aims[i].size == size))
                        report_aim(bench, w, &w->aims[i], size, all);
}

/* One at a time, plain clients are like any; and where the pace is given, an append has nothing to say. */
static bool makes_sense(enum engine engine, const struct workload *w) {
        return engine == ENGINE_PLAIN ? w->how == SEND_WINDOW : engine != ENGINE_APPEND || w->how != SEND_PACED;
}

static int size_run(struct bench *bench, const struct workload *w, size_t size) {
        static struct series all[ENGINES];
        int r;

        memset(all, 0, sizeof all);
        for (size_t round = 0; round < bench->rounds && round < ROUNDS_MAX; round++)
                for (enum engine e = 0; e < ENGINES; e++) {
                        if (!bench->engines[e] || !makes_sense(e, w))
                                continue;
                        all[e].calls = -1;
                        r = round_run(bench, w, e, size, false, &all[e]);
                        if (r < 0) {
                                fprintf(stderr, "%s, %zu bytes, %s: %s\n", w->name, size, engine_name(e), strerror(-r));
                                return r;
                        }
                }
        /* Counting costs a little, so it has a round of its own. */
        for (enum engine e = 0; e < ENGINE_APPEND; e++)
                if (all[e].n > 0) {
                        r = round_run(bench, w, e, size, true, &all[e]);
                        if (r < 0)
                                return r;
                }
        report_size(bench, w, size, all);
        return 0;
}

int workload_run(struct bench *bench, const char *name) {
        for (size_t i = 0; i < WORKLOADS; i++) {
                const struct workload *w = &workloads[i];
                int r = 0;

                if (strcmp(w->name, name) != 0)
                        continue;
                report_workload(&bench->report, w->name, w->what);
                if (w->run)
                        return w->run(bench);
                for (size_t s = 0; s < SIZES_MAX && w->sizes[s] > 0 && r >= 0; s++)
                        r = size_run(bench, w, w->sizes[s]);
                return r;
        }
        return -ENOENT;
}
