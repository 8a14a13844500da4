/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/lodge.h"
#include "tests/bench/lodge-clients.h"
#include "tests/bench/measure.h"
#include "tests/bench/role.h"
#include "tests/bench/workload.h"
#include "tests/support/daemon.h"

#define FEW            1000u
#define BODY_BYTES     128
#define STARTS_MAX     32
#define FACTOR_AT_MOST 2
#define NS_PER_S       1000000000ull

/* How lodged was stopped before it is started. */
enum stop { STOP_CLEAN, STOP_KILLED, STOPS };

static void take_ready(const lodge_item *item, void *userdata) {
        lodge_attribute a;

        if (lodge_item_get(item, "ready", &a) > 0)
                *(uint64_t *) userdata = a.number;
}

/* Whether what should wait in the queue does. */
static int check_waiting(const char *address, uint64_t waiting) {
        __attribute__((cleanup(lodge_unrefp))) lodge *bus = NULL;
        uint64_t ready = 0;
        int r;

        r = lodge_open_socket(&bus, address);
        if (r >= 0)
                r = lodge_status(bus, SERVICE_QUEUE, take_ready, &ready);
        if (r >= 0 && ready < waiting) {
                fprintf(stderr, "restart: only %llu messages wait.\n", (unsigned long long) ready);
                r = -ENODATA;
        }
        return r;
}

static int fill(const char *address, uint64_t waiting) {
        __attribute__((cleanup(lodge_unrefp))) lodge *bus = NULL;
        const role_function functions[] = {lodge_bench_send_window};
        struct load load = {.size = BODY_BYTES,
                            .count = waiting,
                            .time_ns = 60 * NS_PER_S,
                            .window = 10000,
                            .queue = SERVICE_QUEUE};
        static struct crew_result result;
        int r;

        r = lodge_open_socket(&bus, address);
        if (r >= 0)
                r = lodge_declare(bus, SERVICE_QUEUE, NULL, NULL, 0);
        return r < 0 ? r : crew_run(functions, 1, 0, &load, address, 0, false, &result);
}

/* Starts it again and again with this many messages waiting; *ret gets the median times in microseconds. */
static int measure(struct bench *bench, uint64_t waiting, double ret[STOPS]) {
        __attribute__((cleanup(test_daemon_freep))) struct test_daemon *daemon = NULL;
        double times[STOPS][STARTS_MAX];
        int r;

        r = test_daemon_launch(&daemon);
        if (r >= 0)
                r = fill(test_daemon_socket(daemon), waiting);
        for (size_t i = 0; r >= 0 && i < bench->rounds && i < STARTS_MAX; i++)
                for (enum stop stop = 0; r >= 0 && stop < STOPS; stop++) {
                        uint64_t before;

                        r = stop == STOP_CLEAN ? test_daemon_stop(daemon) : test_daemon_kill(daemon);
                        if (r != 0)
                                return r < 0 ? r : -EIO;
                        before = now_ns();
                        r = test_daemon_start(daemon);
                        times[stop][i] = (double) (now_ns() - before) / 1000;
                        if (r >= 0)
                                r = check_waiting(test_daemon_socket(daemon), waiting);
                }
        if (r >= 0)
                r = test_daemon_stop(daemon);
        if (r != 0)
                return r < 0 ? r : -EIO;
        for (enum stop stop = 0; stop < STOPS; stop++)
                ret[stop] = median(times[stop], bench->rounds < STARTS_MAX ? bench->rounds : STARTS_MAX);
        return 0;
}

int restart_run(struct bench *bench) {
        static const char *const names[STOPS] = {"a clean stop", "SIGKILL"};
        static const char *const keys[STOPS] = {"clean", "killed"};
        double few[STOPS], many[STOPS];
        char label[96], key[64];
        int r;

        if (!bench->engines[ENGINE_LODGE])
                return 0;
        r = measure(bench, FEW, few);
        if (r >= 0)
                r = measure(bench, bench->waiting, many);
        if (r < 0)
                return r;

        for (enum stop stop = 0; stop < STOPS; stop++) {
                snprintf(label, sizeof label, "after %s, %u waiting", names[stop], FEW);
                snprintf(key, sizeof key, "start_%s_%u_us", keys[stop], FEW);
                report_figure(&bench->report, "restart", label, key, few[stop], "us");
                snprintf(label, sizeof label, "after %s, %llu waiting", names[stop],
                         (unsigned long long) bench->waiting);
                snprintf(key, sizeof key, "start_%s_%llu_us", keys[stop], (unsigned long long) bench->waiting);
                report_figure(&bench->report, "restart", label, key, many[stop], "us");
                snprintf(label, sizeof label, "many / few, after %s", names[stop]);
                report_target(&bench->report, &(struct target){
                                                      .workload = "restart",
                                                      .what = label,
                                                      .unit = "",
                                                      .value = many[stop] / few[stop],
                                                      .limit = FACTOR_AT_MOST,
                                                      .at_most = true,
                                              });
        }
        return 0;
}
