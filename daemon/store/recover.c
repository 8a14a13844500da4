/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/store/cleanup.h"
#include "daemon/store/recover.h"

#define NOTICE_BYTES_MAX 256u

void recover_notice(const struct store_replay *replay, const char *format, ...) {
        char text[NOTICE_BYTES_MAX];
        va_list arguments;

        if (!replay->notice)
                return;
        va_start(arguments, format);
        (void) vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        replay->notice(replay->userdata, text);
}

/* Whether an entry is merely not there or not whole, as against an error that ends the opening. */
static bool is_torn(int r) {
        return r == -ENOENT || r == -EBADMSG;
}

/* ---- one commit -------------------------------------------------------- */

/* The records of one commit, in order. */
struct batch {
        struct segment_entry *entries;
        size_t n;
};

static void batch_done(struct batch *b) {
        for (size_t i = 0; i < b->n; i++)
                segment_entry_done(&b->entries[i]);
        free(b->entries);
        *b = (struct batch){0};
}

static bool same_commit(const struct record *a, const struct record *b) {
        return a->commit == b->commit && a->first == b->first && a->n_records == b->n_records &&
               a->n_chunks == b->n_chunks;
}

/* Reads all the records of the commit that `head` is of. Returns 0, or as segment_get() when one is not whole. */
static int batch_read(struct segment *g, const struct record *head, struct batch *ret) {
        cleanup_(batch_done) struct batch b = {0};
        int r;

        if (head->first >= g->n_slots || head->n_records > g->n_slots - head->first)
                return -EBADMSG;
        b.entries = calloc(head->n_records > 0 ? head->n_records : 1, sizeof *b.entries);
        if (!b.entries)
                return -ENOMEM;
        while (b.n < head->n_records) {
                r = segment_get(g, RECORD_DATA, head->first + (uint32_t) b.n, &b.entries[b.n]);
                if (r < 0)
                        return r;
                if (!same_commit(head, &b.entries[b.n++].record))
                        return -EBADMSG;
        }
        *ret = b;
        b = (struct batch){0};
        return 0;
}

/* Counts the whole records from `slot` on that are of commits later than `commit`, other than a segment's first. */
static int count_later(struct segment *g, uint32_t slot, uint64_t commit, unsigned *ret) {
        unsigned n = 0;
        int r;

        while ((r = segment_next_used(g, slot, &slot)) == 0) {
                cleanup_(segment_entry_done) struct segment_entry e = {0};

                r = segment_get(g, RECORD_DATA, slot++, &e);
                if (r < 0 && !is_torn(r))
                        return r;
                if (r == 0 && e.record.n_chunks == 0 && e.record.commit > commit)
                        n++;
        }
        if (r != -ENOENT)
                return r;
        *ret = n;
        return 0;
}

/* ---- the checkpoint ---------------------------------------------------- */

struct checkpoint {
        struct record head; /* of its first chunk */
        uint8_t *data;
        size_t size;
};

static void checkpoint_done(struct checkpoint *c) {
        free(c->data);
        *c = (struct checkpoint){0};
}

static int append_chunk(struct checkpoint *c, const struct segment_entry *e) {
        size_t n = e->size - RECORD_HEADER_BYTES;
        uint8_t *data = realloc(c->data, c->size + n + 1);

        if (!data)
                return -ENOMEM;
        memcpy(data + c->size, e->data + RECORD_HEADER_BYTES, n);
        c->data = data;
        c->size += n;
        return 0;
}

static int read_chunks(struct segment *g, struct checkpoint *c) {
        uint32_t i = 0;
        int r;

        do {
                cleanup_(segment_entry_done) struct segment_entry e = {0};

                r = segment_get(g, RECORD_CHECKPOINT, i, &e);
                if (r < 0)
                        return r;
                if (i == 0)
                        c->head = e.record;
                else if (!same_commit(&c->head, &e.record))
                        return -EBADMSG;
                r = append_chunk(c, &e);
                if (r < 0)
                        return r;
        } while (++i < c->head.n_chunks);
        return c->head.first == 0 && c->head.n_chunks > 0 ? 0 : -EBADMSG;
}

/*
 * Reads the checkpoint of a segment and checks that the commit it belongs to is whole. If one of its records is not,
 * but commits came after it, it was whole once and the record has been damaged since: then it counts, and is told of.
 */
static int read_checkpoint(struct segment *g, const struct store_replay *replay, struct checkpoint *ret) {
        cleanup_(checkpoint_done) struct checkpoint c = {0};
        cleanup_(batch_done) struct batch batch = {0};
        unsigned n_later = 0;
        int r;

        r = read_chunks(g, &c);
        if (r < 0)
                return r;
        r = batch_read(g, &c.head, &batch);
        if (r < 0) {
                if (!is_torn(r))
                        return r;
                r = count_later(g, c.head.n_records, c.head.commit, &n_later);
                if (r < 0)
                        return r;
                if (n_later == 0)
                        return -EBADMSG;
                g->damaged = true;
                recover_notice(replay, "segment %u: a record of its first commit is damaged", g->number);
        }
        *ret = c;
        c = (struct checkpoint){0};
        return 0;
}

/* ---- finding the base -------------------------------------------------- */

/* Says what is known of a segment that is of no use as a base. */
static int pass_over(struct segment *g, const struct store_replay *replay) {
        unsigned n_later = 0;
        uint32_t slot;
        int r;

        r = segment_next_used(g, 0, &slot);
        if (r == -ENOENT)
                return 0; /* an empty spare */
        if (r >= 0)
                r = count_later(g, 0, 0, &n_later);
        if (r < 0)
                return r;
        if (n_later > 0) {
                g->damaged = true;
                recover_notice(replay, "segment %u: the checkpoint is damaged; %u records that follow it are not read",
                               g->number, n_later);
        } else
                recover_notice(replay, "segment %u: its first commit is not whole and does not count", g->number);
        return 0;
}

/* Returns 1 when the segment is the base, 0 when an older one has to be. */
static int examine(struct segment *g,
                   const struct directory *d,
                   const struct store_replay *replay,
                   struct checkpoint *checkpoint) {
        int r;

        r = segment_open(g, d, false);
        if (r == -EBADMSG) {
                g->damaged = true;
                recover_notice(replay, "segment %u: not a segment or cut short; set aside", g->number);
                return 0;
        }
        if (r < 0)
                return r;
        /* Only what is on disk counts: what the last run wrote but did not sync is synced now. */
        r = segment_sync(g);
        if (r < 0)
                return r;
        segment_prefetch(g);
        r = read_checkpoint(g, replay, checkpoint);
        if (r == 0)
                return 1;
        if (is_torn(r))
                r = pass_over(g, replay);
        segment_close(g);
        return r;
}

static int find_base(struct catalog *c,
                     const struct directory *d,
                     const struct store_replay *replay,
                     struct segment **ret,
                     struct checkpoint *checkpoint) {
        bool damaged = false;
        int r;

        for (size_t i = c->n; i-- > 0;) {
                r = examine(c->items[i], d, replay, checkpoint);
                if (r < 0)
                        return r;
                if (r > 0) {
                        *ret = c->items[i];
                        return 0;
                }
                damaged |= c->items[i]->damaged;
        }
        if (!damaged)
                return 0;
        recover_notice(replay, "no segment has a whole checkpoint");
        return -EBADMSG;
}

/* ---- the commits after the checkpoint ---------------------------------- */

struct cursor {
        struct segment *segment;
        uint32_t index;  /* of the next record */
        uint64_t commit; /* that it should be of */
        bool clean;      /* the last one read was the mark of a clean stop */
        unsigned n_commits, n_records;
};

static int hand_out(const struct cursor *at, const struct batch *b, const struct store_replay *replay) {
        int r;

        for (size_t i = 0; replay->record && i < b->n; i++) {
                struct store_location where = {at->segment->number, at->index + (uint32_t) i};

                r = replay->record(replay->userdata, where, b->entries[i].data + RECORD_HEADER_BYTES,
                                   b->entries[i].size - RECORD_HEADER_BYTES);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Returns 1 when a commit was handed out, 0 when there is no further whole one. */
static int next_commit(struct cursor *at, const struct store_replay *replay) {
        cleanup_(segment_entry_done) struct segment_entry e = {0};
        cleanup_(batch_done) struct batch batch = {0};
        int r;

        r = segment_get(at->segment, RECORD_DATA, at->index, &e);
        if (r < 0)
                return is_torn(r) ? 0 : r;
        if (e.record.commit != at->commit || e.record.first != at->index || e.record.n_records == 0 ||
            e.record.n_chunks != 0)
                return 0;
        at->clean = e.record.kind == RECORD_CLEAN_STOP;
        if (!at->clean && e.record.n_records == 1) {
                struct batch one = {.entries = &e, .n = 1};

                r = hand_out(at, &one, replay);
        } else if (!at->clean) {
                r = batch_read(at->segment, &e.record, &batch);
                if (r < 0)
                        return is_torn(r) ? 0 : r;
                r = hand_out(at, &batch, replay);
        }
        if (r < 0)
                return r;
        at->index += e.record.n_records;
        at->commit++;
        at->n_commits += !at->clean;
        at->n_records += at->clean ? 0 : e.record.n_records;
        return 1;
}

/* Looks at what is behind the last whole commit: nothing, a commit that was being written, or more. */
static int check_tail(const struct cursor *at, uint32_t n_chunks, const struct store_replay *replay) {
        struct segment *g = at->segment;
        unsigned n_later;
        uint32_t slot;
        int r;

        r = segment_next_used(g, at->index, &slot);
        if (r < 0 && r != -ENOENT)
                return r;
        if (r == -ENOENT || slot >= g->n_slots - n_chunks) {
                if (!at->clean)
                        recover_notice(replay,
                                       "segment %u: not closed cleanly; %u records of %u commits follow its checkpoint",
                                       g->number, at->n_records, at->n_commits);
                return 0;
        }
        r = count_later(g, at->index, at->commit, &n_later);
        if (r < 0)
                return r;
        if (n_later > 0) {
                g->damaged = true;
                recover_notice(replay, "segment %u: damaged at record %u; %u whole records behind it are not read",
                               g->number, at->index, n_later);
        } else
                recover_notice(replay,
                               "segment %u: the commit at record %u is not whole and does not count; %u records of %u "
                               "commits before it do",
                               g->number, at->index, at->n_records, at->n_commits);
        return 0;
}

int recover(struct catalog *c, const struct directory *d, const struct store_replay *replay, struct recovered *ret) {
        cleanup_(checkpoint_done) struct checkpoint checkpoint = {0};
        struct segment *base = NULL;
        struct cursor at;
        int r;

        r = find_base(c, d, replay, &base, &checkpoint);
        if (r < 0)
                return r;
        *ret = (struct recovered){.last_number = c->n > 0 ? c->items[c->n - 1]->number : 0};
        if (!base)
                return 0;
        if (replay->checkpoint) {
                r = replay->checkpoint(replay->userdata, checkpoint.data, checkpoint.size);
                if (r < 0)
                        return r;
        }
        at = (struct cursor){.segment = base, .index = checkpoint.head.n_records, .commit = checkpoint.head.commit + 1};
        while ((r = next_commit(&at, replay)) > 0)
                ;
        if (r >= 0)
                r = check_tail(&at, checkpoint.head.n_chunks, replay);
        if (r < 0)
                return r;
        ret->base = base->number;
        ret->last_commit = at.commit - 1;
        return 0;
}
