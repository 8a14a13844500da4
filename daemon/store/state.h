/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files that make up the store's interface share. All of it is the loop's; what the store's thread
 * works on is behind struct worker. */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/store/catalog.h"
#include "daemon/store/commit.h"
#include "daemon/store/directory.h"
#include "daemon/store/store.h"
#include "daemon/store/worker.h"

struct store {
        struct directory directory;
        uint64_t segment_bytes;
        struct catalog catalog;
        struct worker *worker;             /* from store_start() on */
        const struct store_replay *replay; /* during store_open() */
        int failed;                        /* negative errno of a failed write or sync, which is final; 0: none */

        /* The running segment; in the catalog. NULL before the first rotation. */
        struct segment *running;
        bool fresh;           /* it has no commit yet: the first carries a checkpoint */
        uint32_t next_record; /* in it */
        uint32_t n_chunks;    /* of its checkpoint */
        uint64_t free_bytes;
        uint64_t running_commits; /* in it */

        uint64_t next_commit;    /* number of the next commit to begin */
        uint64_t durable_commit; /* number of the last one on disk */
        uint32_t base;           /* number of the segment with the newest durable checkpoint; 0: none */
        uint32_t next_number;    /* above every segment found when opening */
        struct commit_job job;   /* begun, not yet taken back */
        bool begun;

        uint64_t n_ticks;   /* reads so far */
        bool maybe_drained; /* some segment may be recyclable, now or after a commit */
        struct store_counters counters;
};

/* Hands every segment that nobody needs any more to the worker. */
void store_collect(struct store *s);
