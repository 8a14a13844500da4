/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A commit with everything decided: where it goes and under which number. */

#include <stdint.h>

#include "daemon/store/segment.h"
#include "daemon/store/store.h"

/* Checkpoints are cut into chunks of this many bytes. */
#define CHUNK_BYTES (256u * 1024u)

struct commit_job {
        struct segment *segment; /* NULL: the commit is empty */
        struct store_commit what;
        uint64_t number;
        uint32_t first;    /* index of its first record */
        uint32_t n_chunks; /* of the checkpoint; 0: none */
        uint64_t bytes;    /* that it takes of the segment */
        uint64_t end;      /* offset in the file up to which the segment is free */
};

/* Returns: how many chunks a checkpoint of that size has; at least one. */
static inline uint32_t commit_chunks(size_t checkpoint_bytes) {
        return checkpoint_bytes == 0 ? 1 : (uint32_t) ((checkpoint_bytes + CHUNK_BYTES - 1) / CHUNK_BYTES);
}

/* Returns: the bytes that the commit takes of a segment. */
uint64_t commit_bytes(const struct store_commit *c);

/* Stores and syncs all of it. Any thread. Returns 0 when it is on disk, else a negative errno. */
int commit_write(const struct commit_job *job);

/* Stores and syncs the mark of a clean stop in a record's place. Returns 0 or a negative errno. */
int commit_write_clean_stop(struct segment *g, uint32_t index, uint64_t number);
