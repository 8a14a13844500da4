/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The store's threads. The committer writes and syncs the commits that are handed to it. The keeper has spare
 * segments ready and does away with drained ones, a small step at a time, so that it never holds up the disk for long.
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/store/commit.h"
#include "daemon/store/segment.h"

struct worker;

struct worker_counters {
        uint64_t created, recycled; /* segments */
        uint64_t segments;          /* that are ready or drained now */
        uint64_t disk_bytes;        /* of these and of what is in the making */
};

/* Makes a worker whose threads do not run yet. `next_number` is above that of every segment in the directory, which
 * outlives the worker. Returns 0 or a negative errno; worker_stop() it. */
int worker_new(struct worker **ret, const struct directory *d, uint64_t segment_bytes, uint32_t next_number);
/* Starts the threads; what was drained before is recycled before anything is made from nothing. Returns 0 or a
 * negative errno. */
int worker_start(struct worker *w);
/* Ends it once a running commit is done; a segment in the making is dropped. NULL is fine. Returns NULL. */
struct worker *worker_stop(struct worker *w);

/* Becomes readable when a commit is done. */
int worker_fd(const struct worker *w);
/* Hands it a commit; there must be none. What the job points to stays as it is until it is done. */
void worker_begin(struct worker *w, const struct commit_job *job);
/* Takes the result of the commit: 1 and *ret_result once it is done (waiting for it, if `wait`), else 0. */
int worker_take(struct worker *w, bool wait, int *ret_result);

/* Gives it a segment that nobody needs any more, to be recycled or removed. */
void worker_drained(struct worker *w, struct segment *g);
/* Whether a spare segment is ready. */
bool worker_ready(struct worker *w);
/* The negative errno that the last try to make one failed with, if there are fewer than should be; else 0. */
int worker_spare_error(struct worker *w);
/* Tries again. */
void worker_retry(struct worker *w);
/* Takes the spare segment, open to be stored in, waiting for it if need be. `bulk`: commits are large now, which says how
 * the next one is best made. Returns 0, or what making it failed with. */
int worker_take_spare(struct worker *w, bool bulk, struct segment **ret);

/* Waits until it has nothing left to do about segments: a spare is ready or could not be made, none is drained. */
void worker_wait_idle(struct worker *w);

void worker_counters(struct worker *w, struct worker_counters *ret);
