/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which segments are needed: records that are retained, reads, and letting go. */

#include <errno.h>
#include <string.h>

#include "daemon/store/recover.h"
#include "daemon/store/state.h"

/* Old segments that are kept open for reading, so that a backlog of any length needs few descriptors. */
#define OPEN_SEGMENTS_MAX 8u

void store_retain(struct store *s, struct store_location where) {
        struct segment *g = catalog_find(&s->catalog, where.segment);

        if (g)
                g->n_retained++;
        else if (s->replay)
                recover_notice(s->replay, "segment %u is missing; record %u of it is needed", where.segment,
                               where.record);
}

void store_release(struct store *s, struct store_location where) {
        struct segment *g = catalog_find(&s->catalog, where.segment);

        if (!g || g->n_retained == 0 || --g->n_retained > 0)
                return;
        /* What is replayed has long been on disk; otherwise what drained it is yet to be committed. */
        g->drained_commit = s->replay ? 0 : s->next_commit;
        s->maybe_drained = true;
}

/* Whether nobody needs the segment; *ret_later when only a commit is missing for that. */
static bool is_drained(const struct store *s, const struct segment *g, bool *ret_later) {
        /* Newer ones than the base without being the running one are left over from a stop, and not whole. */
        bool superseded = g->number < s->base || (g->number > s->base && g->number < s->next_number);

        if (g->n_retained > 0 || g == s->running || !superseded)
                return false;
        if (s->durable_commit >= g->drained_commit)
                return true;
        *ret_later = true;
        return false;
}

void store_collect(struct store *s) {
        bool later = false;

        if (!s->maybe_drained || !s->worker)
                return;
        for (size_t i = 0; i < s->catalog.n;) {
                if (is_drained(s, s->catalog.items[i], &later))
                        worker_drained(s->worker, catalog_take(&s->catalog, i));
                else
                        i++;
        }
        s->maybe_drained = later;
}

/* ---- reading ----------------------------------------------------------- */

/* Closes the old segment that was not read for the longest time, if there are too many open. */
static void close_one(struct store *s) {
        struct segment *oldest = NULL;
        unsigned n = 0;

        for (size_t i = 0; i < s->catalog.n; i++) {
                struct segment *g = s->catalog.items[i];

                if (!g->tdb || g == s->running || (s->begun && g == s->job.segment))
                        continue;
                n++;
                if (!oldest || g->last_read < oldest->last_read)
                        oldest = g;
        }
        if (n >= OPEN_SEGMENTS_MAX)
                segment_close(oldest);
}

int store_read(struct store *s, struct store_location where, uint8_t **ret, size_t *ret_bytes) {
        struct segment *g = catalog_find(&s->catalog, where.segment);
        struct segment_entry e;
        int r;

        if (!g)
                return -ENOENT;
        if (!g->tdb) {
                close_one(s);
                r = segment_open(g, &s->directory, false);
                if (r < 0)
                        return r;
        }
        g->last_read = ++s->n_ticks;
        r = segment_get(g, RECORD_DATA, where.record, &e);
        if (r < 0)
                return r;
        if (e.record.kind != RECORD_DATA) {
                segment_entry_done(&e);
                return -ENOENT;
        }
        s->counters.reads++;
        *ret_bytes = e.size - RECORD_HEADER_BYTES;
        memmove(e.data, e.data + RECORD_HEADER_BYTES, *ret_bytes);
        *ret = e.data;
        return 0;
}
