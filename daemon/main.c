/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>

#include "daemon/bus.h"
#include "daemon/log.h"
#include "daemon/server.h"

/* Exit statuses, besides 0, 1 (failed) and 2 (usage). */
#define EXIT_STORE_FAILED 3 /* a write or sync failed: start again from what is on disk */
#define EXIT_STATE_BUSY   4 /* another lodged has the state directory or the socket */

/*
 * Blocks of some hundred kilobytes come and go with every commit. Left alone, glibc maps each and gives it back, and every
 * page of it is a fault again; so such sizes stay on the heap, and a little of what was freed stays with it (mallopt(3)).
 */
#define MALLOC_MAP_BYTES_MIN  (4 * 1024 * 1024)
#define MALLOC_KEEP_BYTES_MAX (8 * 1024 * 1024)

static void tune_malloc(void) {
        (void) mallopt(M_MMAP_THRESHOLD, MALLOC_MAP_BYTES_MIN);
        (void) mallopt(M_TRIM_THRESHOLD, MALLOC_KEEP_BYTES_MAX);
}

int main(int argc, char **argv) {
        struct config config;
        struct bus bus;
        bool store_failed;
        int r;

        tune_malloc();
        log_open(LOG_INFO);
        if (config_from_arguments(&config, argc, argv) < 0)
                return EXIT_FAILURE;
        log_open(config.log_level);
        signal(SIGPIPE, SIG_IGN);
        r = config_read_file(&config);
        if (r == 0)
                r = bus_open(&bus, &config);
        if (r < 0) {
                config_done(&config);
                return r == -EBUSY ? EXIT_STATE_BUSY : EXIT_FAILURE;
        }
        r = server_run(&bus, &config);
        store_failed = bus.failed;
        bus_close(&bus);
        config_done(&config);
        if (r == 0)
                log_event(LOG_INFO, LOG_ID_STOPPED, NULL, "stopped; everything confirmed is on disk");
        if (r == 0)
                return EXIT_SUCCESS;
        return store_failed ? EXIT_STORE_FAILED : r == -EADDRINUSE ? EXIT_STATE_BUSY : EXIT_FAILURE;
}
