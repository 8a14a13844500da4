/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "daemon/store/cleanup.h"
#include "daemon/store/layout.h"
#include "daemon/store/recover.h"
#include "daemon/store/state.h"

/* File systems allocate whole blocks. */
#define BLOCK_BYTES 4096u
/* TDB's offsets have 32 bits. */
#define SEGMENT_BYTES_LIMIT (1ull << 32)
/* From this average on, a journal write at each sync costs less than writing the segment twice. */
#define BULK_COMMIT_BYTES_MIN (256u * 1024u)

/* ---- opening and closing ----------------------------------------------- */

static void notice_strange(void *userdata, const char *name) {
        const struct store_replay *replay = userdata;

        recover_notice(replay, "%s is not a segment; left alone", name);
}

static int load_catalog(struct store *s) {
        cleanup_(freep) struct directory_item *items = NULL;
        size_t n = 0;
        int r;

        r = directory_list(&s->directory, &items, &n, notice_strange, (void *) s->replay);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                struct segment *g;

                r = catalog_reserve(&s->catalog);
                if (r < 0)
                        return r;
                g = segment_new(items[i].number, items[i].bytes);
                if (!g)
                        return -ENOMEM;
                catalog_add(&s->catalog, g);
        }
        return 0;
}

static int load(struct store *s) {
        struct recovered recovered;
        int r;

        r = load_catalog(s);
        if (r < 0)
                return r;
        r = recover(&s->catalog, &s->directory, s->replay, &recovered);
        if (r < 0)
                return r;
        if (recovered.last_number >= UINT32_MAX - 1)
                return -EOVERFLOW;
        s->base = recovered.base;
        s->durable_commit = recovered.last_commit;
        s->next_commit = recovered.last_commit + 1;
        s->next_number = recovered.last_number + 1;
        return 0;
}

int store_open(struct store **ret, const struct store_options *options, const struct store_replay *replay) {
        struct store *s, *before = *ret;
        int r;

        if (options->segment_bytes < STORE_SEGMENT_BYTES_MIN || options->segment_bytes >= SEGMENT_BYTES_LIMIT)
                return -EINVAL;
        /* With it in the environment TDB would leave out syncs. */
        (void) unsetenv("TDB_NO_FSYNC");
        s = calloc(1, sizeof *s);
        if (!s)
                return -ENOMEM;
        s->directory = (struct directory){.fd = -1, .lock_fd = -1};
        s->segment_bytes = options->segment_bytes & ~(uint64_t) (BLOCK_BYTES - 1);
        s->replay = replay;
        *ret = s; /* the replay's callbacks retain records in it */
        r = directory_open(&s->directory, options->directory);
        if (r >= 0)
                r = load(s);
        s->replay = NULL;
        if (r < 0) {
                (void) store_close(s);
                *ret = before;
                return r;
        }
        return 0;
}

int store_start(struct store *s) {
        int r;

        if (s->worker)
                return -EALREADY;
        r = worker_new(&s->worker, &s->directory, s->segment_bytes, s->next_number);
        if (r < 0)
                return r;
        s->maybe_drained = true;
        store_collect(s);
        return worker_start(s->worker);
}

static void mark_clean_stop(struct store *s) {
        if (s->failed || !s->running || s->fresh || s->free_bytes < layout_entry_bytes(0))
                return;
        (void) commit_write_clean_stop(s->running, s->next_record, s->next_commit);
}

struct store *store_close(struct store *s) {
        if (!s)
                return NULL;
        (void) store_commit_wait(s);
        mark_clean_stop(s);
        s->worker = worker_stop(s->worker);
        catalog_clear(&s->catalog);
        directory_close(&s->directory);
        free(s);
        return NULL;
}

/* ---- room -------------------------------------------------------------- */

/* A mark of a clean stop must find a bucket and room, however full the segment is. */
#define MARK_SLOTS 1u

size_t store_record_bytes_max(const struct store *s) {
        /* With what TDB adds, two thirds of a segment: the rest is for its checkpoint. */
        return (size_t) (s->segment_bytes / 2);
}

static bool has_room(const struct store *s, uint64_t n_entries, uint64_t bytes) {
        uint64_t n_slots = (uint64_t) s->next_record + s->n_chunks + n_entries + MARK_SLOTS;

        return n_slots <= s->running->n_slots && bytes + layout_entry_bytes(0) <= s->free_bytes;
}

bool store_must_rotate(const struct store *s, size_t n_records, size_t bytes) {
        if (!s->running)
                return true;
        return !has_room(s, n_records, layout_entries_bytes_max(n_records, bytes));
}

bool store_spare_ready(const struct store *s) {
        return s->worker && worker_ready(s->worker);
}

bool store_is_short(const struct store *s) {
        int r = s->worker ? worker_spare_error(s->worker) : 0;

        return r == -ENOSPC || r == -EDQUOT;
}

void store_retry_spare(struct store *s) {
        if (s->worker)
                worker_retry(s->worker);
}

/* How the running segment was filled tells how the next one will be. */
static bool commits_are_large(const struct store *s) {
        uint64_t capacity;

        if (!s->running || s->running_commits == 0)
                return false;
        capacity = layout_capacity_bytes(s->running->file_bytes, s->running->n_slots);
        return (capacity - s->free_bytes) / s->running_commits >= BULK_COMMIT_BYTES_MIN;
}

int store_rotate(struct store *s) {
        struct segment *g;
        int r;

        if (s->failed)
                return -EIO;
        if (!s->worker)
                return -EINVAL;
        if (s->running && s->fresh)
                return 0;
        r = catalog_reserve(&s->catalog);
        if (r < 0)
                return r;
        r = worker_take_spare(s->worker, commits_are_large(s), &g);
        if (r < 0)
                return r;
        catalog_add(&s->catalog, g);
        s->running = g;
        s->fresh = true;
        s->next_record = 0;
        s->n_chunks = 0;
        s->running_commits = 0;
        s->free_bytes = layout_capacity_bytes(g->file_bytes, g->n_slots);
        return 0;
}

struct store_location store_next(const struct store *s) {
        return (struct store_location){s->running ? s->running->number : 0, s->next_record};
}

/* ---- committing -------------------------------------------------------- */

/* Such a commit is done at once; it has no number, because recovery would miss it. */
static bool is_empty(const struct store_commit *c) {
        return c->n_records == 0 && !c->checkpoint;
}

/* Gives the commit its place. Returns 0 or why it cannot have one; then nothing has changed. */
static int place(struct store *s, const struct store_commit *c, struct commit_job *ret) {
        uint32_t n_chunks = c->checkpoint ? commit_chunks(c->checkpoint_bytes) : 0;
        uint64_t bytes;

        if (s->failed)
                return -EIO;
        if (s->begun)
                return -EBUSY;
        if (is_empty(c)) {
                *ret = (struct commit_job){.number = s->durable_commit};
                return 0;
        }
        if (!s->running || s->fresh != (c->checkpoint != NULL))
                return -EINVAL;
        for (size_t i = 0; i < c->n_records; i++)
                if (c->records[i].size > store_record_bytes_max(s))
                        return -EMSGSIZE;
        bytes = commit_bytes(c);
        if (!has_room(s, (uint64_t) c->n_records + n_chunks, bytes))
                return -EMSGSIZE;
        *ret = (struct commit_job){
                .segment = s->running,
                .what = *c,
                .number = s->next_commit++,
                .first = s->next_record,
                .n_chunks = n_chunks,
                .bytes = bytes,
                .end = layout_end_offset(s->running->file_bytes, s->running->n_slots, s->free_bytes),
        };
        s->next_record += (uint32_t) c->n_records;
        s->n_chunks += n_chunks;
        s->free_bytes -= bytes;
        s->running_commits++;
        s->fresh = false;
        return 0;
}

/* Takes note that a commit is on disk, or that it failed: then nothing can be promised any more. */
static int settle(struct store *s, const struct commit_job *job, int result) {
        struct store_counters *n = &s->counters;

        if (result < 0) {
                s->failed = result;
                return result;
        }
        if (!job->segment)
                return 0;
        s->durable_commit = job->number;
        n->commits++;
        n->syncs++;
        n->records += job->what.n_records;
        for (size_t i = 0; i < job->what.n_records; i++)
                n->record_bytes += job->what.records[i].size;
        if (job->what.checkpoint) {
                n->checkpoints++;
                n->checkpoint_bytes += job->what.checkpoint_bytes;
                s->base = job->segment->number;
                s->maybe_drained = true;
        }
        store_collect(s);
        return 0;
}

int store_commit_here(struct store *s, const struct store_commit *commit) {
        struct commit_job job;
        int r;

        r = place(s, commit, &job);
        if (r < 0)
                return r;
        return settle(s, &job, commit_write(&job));
}

int store_commit_begin(struct store *s, const struct store_commit *commit) {
        int r;

        r = place(s, commit, &s->job);
        if (r < 0)
                return r;
        s->begun = true;
        worker_begin(s->worker, &s->job);
        return 0;
}

int store_fd(const struct store *s) {
        return s->worker ? worker_fd(s->worker) : -1;
}

static int take_back(struct store *s, bool wait) {
        int r, result;

        if (!s->begun)
                return s->failed ? -EIO : 0;
        if (worker_take(s->worker, wait, &result) == 0)
                return 0;
        s->begun = false;
        r = settle(s, &s->job, result);
        return r < 0 ? r : 1;
}

int store_commit_poll(struct store *s) {
        return take_back(s, false);
}

int store_commit_wait(struct store *s) {
        return take_back(s, true);
}

/* ---- figures ----------------------------------------------------------- */

void store_counters(const struct store *s, struct store_counters *ret) {
        struct worker_counters w = {0};

        *ret = s->counters;
        if (s->worker)
                worker_counters(s->worker, &w);
        ret->segments = s->catalog.n + w.segments;
        ret->segments_created = w.created;
        ret->segments_recycled = w.recycled;
        ret->disk_bytes = w.disk_bytes;
        for (size_t i = 0; i < s->catalog.n; i++)
                ret->disk_bytes += s->catalog.items[i]->file_bytes;
}
