/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/lodge.h"
#include "tests/bench/measure.h"
#include "tests/bench/workload.h"
#include "tests/support/daemon.h"

#define CONNECTIONS          1000u
#define RSS_MIB_BELOW        6
#define CONNECTION_KIB_BELOW 4

/* Opens them all, and returns when the daemon has greeted each. */
static int open_all(lodge **all, const char *address) {
        for (size_t i = 0; i < CONNECTIONS; i++) {
                int r = lodge_open_socket(&all[i], address);

                if (r < 0)
                        return r;
        }
        return lodge_ping(all[0]);
}

static int measure(const struct test_daemon *daemon, struct memory *ret_idle, struct memory *ret_connected) {
        const char *address = test_daemon_socket(daemon);
        lodge **all = calloc(CONNECTIONS, sizeof *all);
        lodge *first = NULL;
        int r;

        if (!all)
                return -ENOMEM;
        r = lodge_open_socket(&first, address);
        if (r >= 0)
                r = lodge_ping(first);
        if (r >= 0)
                r = memory_of(test_daemon_pid(daemon), ret_idle);
        if (r >= 0)
                r = open_all(all, address);
        if (r >= 0)
                r = memory_of(test_daemon_pid(daemon), ret_connected);
        for (size_t i = 0; i < CONNECTIONS; i++)
                lodge_unref(all[i]);
        lodge_unref(first);
        free(all);
        return r;
}

int idle_run(struct bench *bench) {
        __attribute__((cleanup(test_daemon_freep))) struct test_daemon *daemon = NULL;
        struct memory idle, connected;
        double each;
        int r;

        if (!bench->engines[ENGINE_LODGE])
                return 0;
        r = test_daemon_launch(&daemon);
        if (r >= 0)
                r = measure(daemon, &idle, &connected);
        if (r >= 0)
                r = test_daemon_stop(daemon);
        if (r != 0)
                return r < 0 ? r : -EIO;

        each = connected.rss > idle.rss ? (double) (connected.rss - idle.rss) / CONNECTIONS : 0;
        report_figure(&bench->report, "idle", "resident (RSS)", "rss_bytes", (double) idle.rss, "bytes");
        report_figure(&bench->report, "idle", "its share of it (PSS)", "pss_bytes", (double) idle.pss, "bytes");
        report_figure(&bench->report, "idle", "its own, backed by no file", "private_dirty_bytes",
                      (double) idle.private_dirty, "bytes");
        report_figure(&bench->report, "idle", "each of 1,000 idle connections (RSS)", "connection_bytes", each,
                      "bytes");
        report_target(&bench->report, &(struct target){
                                              .workload = "idle",
                                              .what = "resident (RSS)",
                                              .unit = "MiB",
                                              .value = (double) idle.rss / (1 << 20),
                                              .limit = RSS_MIB_BELOW,
                                              .at_most = true,
                                      });
        report_target(&bench->report, &(struct target){
                                              .workload = "idle",
                                              .what = "an idle connection",
                                              .unit = "KiB",
                                              .value = each / 1024,
                                              .limit = CONNECTION_KIB_BELOW,
                                              .at_most = true,
                                      });
        return 0;
}
