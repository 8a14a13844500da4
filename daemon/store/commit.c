/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>

#include "daemon/store/commit.h"
#include "daemon/store/layout.h"

#define PAGE_BYTES 4096u
/* With less than this still to be stored, splitting the write costs more than the overlap brings. Measured beside raw
 * append + fdatasync: 800-KB commits go from 0.77 to 0.87 of its rate, 1.6-MB ones from 0.76 to 0.95; 320-KB ones
 * would fall from 0.79 to 0.73. */
#define EARLY_REST_BYTES_MIN (128u * 1024u)

static size_t chunk_size(const struct store_commit *c, uint32_t chunk) {
        size_t rest = c->checkpoint_bytes - (size_t) chunk * CHUNK_BYTES;

        return rest < CHUNK_BYTES ? rest : CHUNK_BYTES;
}

uint64_t commit_bytes(const struct store_commit *c) {
        uint64_t sum = 0;

        for (size_t i = 0; i < c->n_records; i++)
                sum += layout_entry_bytes(c->records[i].size);
        for (uint32_t i = 0; c->checkpoint && i < commit_chunks(c->checkpoint_bytes); i++)
                sum += layout_entry_bytes(chunk_size(c, i));
        return sum;
}

/* Where a commit has got to in its segment, which fills from its end. */
struct position {
        struct segment *segment;
        uint64_t end;
        uint64_t rest; /* bytes that are still to be stored */
};

/* Lets the disk begin with what has just been stored while the next entry is checksummed and copied. Whole pages only:
 * the others are written to again. It is the sync at the end that counts, so a failure here may be passed over. */
static void start_writing(const struct position *at, uint64_t bytes) {
        uint64_t from = (at->end - bytes + PAGE_BYTES - 1) & ~(uint64_t) (PAGE_BYTES - 1);
        uint64_t to = at->end & ~(uint64_t) (PAGE_BYTES - 1);

        (void) sync_file_range(at->segment->fd, (off_t) from, (off_t) (to - from), SYNC_FILE_RANGE_WRITE);
}

static int put(struct position *at, const struct record *record, const uint8_t *data, size_t size) {
        uint64_t bytes = layout_entry_bytes(size);
        int r;

        r = segment_put(at->segment, record, data, size);
        if (r < 0)
                return r;
        at->rest -= bytes;
        if (at->rest >= EARLY_REST_BYTES_MIN && bytes >= EARLY_REST_BYTES_MIN)
                start_writing(at, bytes);
        at->end -= bytes;
        return 0;
}

static int put_all(const struct commit_job *job) {
        struct position at = {.segment = job->segment, .end = job->end, .rest = job->bytes};
        struct record record = {
                .segment = job->segment->number,
                .commit = job->number,
                .first = job->first,
                .n_records = (uint32_t) job->what.n_records,
                .n_chunks = job->n_chunks,
        };
        int r;

        record.kind = RECORD_CHECKPOINT;
        for (uint32_t i = 0; i < job->n_chunks; i++) {
                const uint8_t *chunk = job->what.checkpoint + (size_t) i * CHUNK_BYTES;

                record.index = i;
                r = put(&at, &record, chunk, chunk_size(&job->what, i));
                if (r < 0)
                        return r;
        }
        record.kind = RECORD_DATA;
        for (uint32_t i = 0; i < record.n_records; i++) {
                const struct store_part *part = &job->what.records[i];

                record.index = job->first + i;
                r = put(&at, &record, part->data, part->size);
                if (r < 0)
                        return r;
        }
        return 0;
}

int commit_write(const struct commit_job *job) {
        int r;

        if (!job->segment)
                return 0;
        r = put_all(job);
        return r < 0 ? r : segment_sync(job->segment);
}

int commit_write_clean_stop(struct segment *g, uint32_t index, uint64_t number) {
        struct record record = {
                .kind = RECORD_CLEAN_STOP,
                .segment = g->number,
                .index = index,
                .commit = number,
                .first = index,
                .n_records = 1,
        };
        int r = segment_put(g, &record, NULL, 0);

        return r < 0 ? r : segment_sync(g);
}
