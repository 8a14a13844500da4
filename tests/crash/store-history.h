/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A history of the store alone: commits of numbered records, of which the oldest are let go. Each record says its
 * number, what it is filled with, and up to which number all are let go; a checkpoint says the same and where
 * the others are. So what must be there after a crash can be told from the log and compared with the history.
 */

#include "tests/crash/simulate.h"

#include <poll.h>

#include "daemon/store/state.h"

#define RECORDS_PER_COMMIT_MAX 6u
#define LIVE_MAX               512u
#define RECORD_HEAD_BYTES      32u
#define CHECKPOINT_BYTES_MAX   (700u * 1024u)

/* How a life goes. */
struct store_mix {
        unsigned n_commits;
        unsigned records_max;    /* of a commit */
        unsigned bytes_max;      /* of a record */
        unsigned live_max;       /* records that are kept */
        unsigned rotate_one_in;  /* commits begin a new segment though they need not; 0: never */
        size_t checkpoint_bytes; /* padded to this */
        bool threaded;           /* some commits go through the store's thread, and nobody waits for the spare */
};

static const struct store_mix store_mixes[] = {
        {.n_commits = 60, .records_max = 1, .bytes_max = 3000, .live_max = 40},
        {.n_commits = 60, .records_max = 6, .bytes_max = 9000, .live_max = 60},
        {.n_commits = 40, .records_max = 3, .bytes_max = 20000, .live_max = 30, .rotate_one_in = 8},
        {.n_commits = 25,
         .records_max = 2,
         .bytes_max = 5000,
         .live_max = 20,
         .rotate_one_in = 5,
         .checkpoint_bytes = 600 * 1024},
        {.n_commits = 60, .records_max = 3, .bytes_max = 5000, .live_max = 10, .rotate_one_in = 6, .threaded = true},
};
#define N_STORE_MIXES (sizeof store_mixes / sizeof store_mixes[0])

/* A commit that was once begun. Kept for good, by number. */
struct begun {
        uint64_t first;    /* number of its first record */
        uint64_t released; /* all records up to this number */
        unsigned n_records;
        uint32_t bytes[RECORDS_PER_COMMIT_MAX];
};

struct live_record {
        uint64_t number, commit; /* index of the latter in `begun` */
        struct store_location where;
        uint32_t bytes;
};

/* What is known of the log, read back. */
struct replayed {
        struct store *store;
        struct live_record live[LIVE_MAX];
        size_t n_live;
        uint64_t last, released, last_commit;
        unsigned n_odd; /* things that cannot be */
};

struct store_history {
        struct store_mix mix;
        struct begun *begun;
        size_t n_begun;
        uint8_t *buffer; /* for records and checkpoints */

        /* While it is cut: the commits that are in the log at the moment, and how many of them were confirmed. */
        size_t *log;
        size_t n_log, n_confirmed;
};

enum { MARK_BEGUN = 1, MARK_CONFIRMED, MARK_RECOVERED };

/* ---- contents ---- */

static void fill(uint8_t *data, size_t size, uint64_t seed) {
        struct random r = {seed};

        for (size_t i = 0; i < size; i += 8) {
                uint64_t x = random_next(&r);

                memcpy(data + i, &x, size - i < 8 ? size - i : 8);
        }
}

static bool is_filled(const uint8_t *data, size_t size, uint64_t seed) {
        struct random r = {seed};

        for (size_t i = 0; i < size; i += 8) {
                uint64_t x = random_next(&r);

                if (memcmp(data + i, &x, size - i < 8 ? size - i : 8) != 0)
                        return false;
        }
        return true;
}

static void put_numbers(uint8_t *out, const uint64_t *numbers, size_t n) {
        memcpy(out, numbers, n * sizeof *numbers);
}

static void record_write(uint8_t *out, uint32_t bytes, uint64_t number, uint64_t commit, uint64_t released) {
        put_numbers(out, (uint64_t[]){number, commit, released, bytes}, 4);
        fill(out + RECORD_HEAD_BYTES, bytes - RECORD_HEAD_BYTES, number * 1000003 + commit);
}

static bool record_is(const uint8_t *data, size_t size, const struct live_record *l) {
        uint64_t head[4];

        if (size != l->bytes || size < RECORD_HEAD_BYTES)
                return false;
        memcpy(head, data, sizeof head);
        return head[0] == l->number && head[1] == l->commit && head[3] == size &&
               is_filled(data + RECORD_HEAD_BYTES, size - RECORD_HEAD_BYTES, head[0] * 1000003 + head[1]);
}

/* Checkpoint: {last, released, last commit, n_live, padding bytes}, live records, padding. */
static size_t checkpoint_write(uint8_t *out, const struct replayed *r, size_t least) {
        size_t n = 5 * 8 + r->n_live * sizeof r->live[0], padding = n < least ? least - n : 0;

        put_numbers(out, (uint64_t[]){r->last, r->released, r->last_commit, r->n_live, padding}, 5);
        memcpy(out + 5 * 8, r->live, r->n_live * sizeof r->live[0]);
        fill(out + n, padding, r->last);
        return n + padding;
}

/* ---- playing back ---- */

static int on_checkpoint(void *userdata, const uint8_t *data, size_t size) {
        struct replayed *r = userdata;
        uint64_t head[5];
        size_t n;

        memcpy(head, data, sizeof head);
        n = sizeof head + head[3] * sizeof r->live[0];
        if (size < sizeof head || head[3] > LIVE_MAX || size != n + head[4] || !is_filled(data + n, head[4], head[0])) {
                r->n_odd++;
                return 0;
        }
        r->last = head[0];
        r->released = head[1];
        r->last_commit = head[2];
        r->n_live = head[3];
        memcpy(r->live, data + sizeof head, r->n_live * sizeof r->live[0]);
        for (size_t i = 0; i < r->n_live; i++)
                store_retain(r->store, r->live[i].where);
        return 0;
}

static void release_up_to(struct replayed *r, uint64_t number) {
        size_t n = 0;

        while (n < r->n_live && r->live[n].number <= number)
                store_release(r->store, r->live[n++].where);
        memmove(r->live, r->live + n, (r->n_live - n) * sizeof r->live[0]);
        r->n_live -= n;
        r->released = number;
}

static int on_record(void *userdata, struct store_location where, const uint8_t *data, size_t size) {
        struct replayed *r = userdata;
        struct live_record l = {.where = where, .bytes = (uint32_t) size};
        uint64_t head[4] = {0};

        memcpy(head, data, size < sizeof head ? size : sizeof head);
        l.number = head[0];
        l.commit = head[1];
        if (!record_is(data, size, &l) || l.number != r->last + 1 || r->n_live == LIVE_MAX) {
                r->n_odd++;
                return 0;
        }
        r->last = l.number;
        r->last_commit = l.commit;
        store_retain(r->store, where);
        r->live[r->n_live++] = l;
        release_up_to(r, head[2]);
        return 0;
}

/* Returns what store_open() says. */
static int replay(struct replayed *r, const char *directory) {
        struct store_options options = {.directory = directory, .segment_bytes = STORE_SEGMENT_BYTES_MIN};
        struct store_replay calls = {.checkpoint = on_checkpoint, .record = on_record, .userdata = r};

        *r = (struct replayed){.last_commit = UINT64_MAX};
        return store_open(&r->store, &options, &calls);
}

/* ---- one life ---- */

static unsigned any_up_to(struct random *random, unsigned n) {
        return 1 + (unsigned) random_below(random, n);
}

/* Decides on a commit, and writes its records into the buffer. */
static struct begun *decide(struct simulation *s, const struct replayed *r, struct store_part *parts) {
        struct store_history *h = s->history;
        struct begun *b;
        uint8_t *at = h->buffer;

        h->begun = reallocarray(h->begun, h->n_begun + 1, sizeof *h->begun);
        assert_non_null(h->begun);
        b = &h->begun[h->n_begun];
        *b = (struct begun){
                .first = r->last + 1, .released = r->released, .n_records = any_up_to(&s->random, h->mix.records_max)};
        if (r->n_live + b->n_records > h->mix.live_max)
                b->released = r->last + b->n_records - h->mix.live_max;
        if (b->released > r->last)
                b->released = r->last;
        for (unsigned i = 0; i < b->n_records; i++) {
                b->bytes[i] =
                        RECORD_HEAD_BYTES +
                        (uint32_t) random_below(&s->random, random_one_in(&s->random, 3) ? h->mix.bytes_max : 200);
                record_write(at, b->bytes[i], b->first + i, h->n_begun, b->released);
                parts[i] = (struct store_part){.data = at, .size = b->bytes[i]};
                at += b->bytes[i];
        }
        return b;
}

static int commit_one_way(struct simulation *s, struct store *store, const struct store_commit *c) {
        struct store_history *h = s->history;

        if (!h->mix.threaded || random_one_in(&s->random, 2))
                return store_commit_here(store, c);
        s->figures.threaded++;
        assert_int_equal(store_commit_begin(store, c), 0);
        return store_commit_wait(store) < 0 ? -EIO : 0;
}

static void note_commit(struct replayed *r, const struct begun *b, uint64_t commit, struct store_location where) {
        for (unsigned i = 0; i < b->n_records; i++, where.record++) {
                assert_true(r->n_live < LIVE_MAX);
                store_retain(r->store, where);
                r->live[r->n_live++] = (struct live_record){b->first + i, commit, where, b->bytes[i]};
        }
        r->last = b->first + b->n_records - 1;
        r->last_commit = commit;
        release_up_to(r, b->released);
}

/* One commit more. Returns what the store says to it. */
static int commit_more(struct simulation *s, struct replayed *r) {
        struct store_history *h = s->history;
        struct store_part parts[RECORDS_PER_COMMIT_MAX];
        struct begun *b = decide(s, r, parts);
        struct store_commit c = {.records = parts, .n_records = b->n_records};
        uint64_t commit = h->n_begun++;
        size_t bytes = 0;
        int result;

        for (unsigned i = 0; i < b->n_records; i++)
                bytes += b->bytes[i];
        if (store_must_rotate(r->store, b->n_records, bytes) ||
            (h->mix.rotate_one_in > 0 && random_one_in(&s->random, h->mix.rotate_one_in))) {
                if (!h->mix.threaded)
                        worker_wait_idle(r->store->worker);
                result = store_rotate(r->store);
                if (result < 0)
                        return result;
                if (!h->mix.threaded)
                        worker_wait_idle(r->store->worker);
                c.checkpoint = h->buffer + RECORDS_PER_COMMIT_MAX * (RECORD_HEAD_BYTES + h->mix.bytes_max);
        }
        note_commit(r, b, commit, store_next(r->store));
        if (c.checkpoint)
                c.checkpoint_bytes = checkpoint_write((uint8_t *) c.checkpoint, r, h->mix.checkpoint_bytes);
        disk_mark(MARK_BEGUN, commit, 0);
        result = commit_one_way(s, r->store, &c);
        if (result == 0)
                disk_mark(MARK_CONFIRMED, commit, 0);
        if (!h->mix.threaded)
                worker_wait_idle(r->store->worker);
        return result;
}

static void open_again(struct simulation *s, struct replayed *r) {
        assert_int_equal(replay(r, s->live), 0);
        assert_int_equal(r->n_odd, 0);
        assert_int_equal(store_start(r->store), 0);
        if (!((struct store_history *) s->history)->mix.threaded)
                worker_wait_idle(r->store->worker);
        disk_mark(MARK_RECOVERED, r->last_commit, 0);
}

/* Adds to the figures what the store went through since it was opened. */
static void note_store(struct simulation *s, const struct store *store) {
        struct store_counters n;

        store_counters(store, &n);
        s->figures.checkpoints += n.checkpoints;
        s->figures.recycled += n.segments_recycled;
}

static void store_live_once(struct simulation *s) {
        struct store_history *h = s->history;
        struct replayed *r = calloc(1, sizeof *r);

        assert_non_null(r);
        h->buffer = malloc(RECORDS_PER_COMMIT_MAX * (RECORD_HEAD_BYTES + h->mix.bytes_max) + CHECKPOINT_BYTES_MAX);
        assert_non_null(h->buffer);
        open_again(s, r);
        for (unsigned i = 0; i < h->mix.n_commits; i++) {
                assert_int_equal(commit_more(s, r), 0);
                /* A clean stop in between. */
                if (random_one_in(&s->random, 60)) {
                        note_store(s, r->store);
                        r->store = store_close(r->store);
                        open_again(s, r);
                }
        }
        disk_stop();
        note_store(s, r->store);
        (void) store_close(r->store);
        free(r);
        free(h->buffer);
}

/* ---- cutting it ---- */

static void store_mark(struct simulation *s, const struct op *mark) {
        struct store_history *h = s->history;

        switch (mark->offset) {
        case MARK_BEGUN:
                h->log = reallocarray(h->log, h->n_log + 1, sizeof *h->log);
                assert_non_null(h->log);
                h->log[h->n_log++] = mark->value;
                break;
        case MARK_CONFIRMED:
                h->n_confirmed = h->n_log;
                break;
        default:
                while (h->n_log > 0 && h->log[h->n_log - 1] != mark->value)
                        h->n_log--;
                h->n_confirmed = h->n_log;
        }
}

/* The position in the log of the commit that recovery ended with, or -1 if the log has no such commit there. */
static ssize_t position_of(const struct store_history *h, const struct replayed *r) {
        for (ssize_t i = (ssize_t) h->n_log - 1; i >= 0; i--)
                if (h->log[i] == r->last_commit)
                        return i;
        return -1;
}

static uint64_t confirmed_last(const struct store_history *h) {
        const struct begun *b = h->n_confirmed > 0 ? &h->begun[h->log[h->n_confirmed - 1]] : NULL;

        return b ? b->first + b->n_records - 1 : 0;
}

/* What is to be kept has to be readable where the log says that it is. */
static void check_live(struct simulation *s, struct replayed *r) {
        uint64_t expected = r->released + 1;

        for (size_t i = 0; i < r->n_live; i++, expected++) {
                uint8_t *data = NULL;
                size_t size = 0;
                int result = store_read(r->store, r->live[i].where, &data, &size);

                if (r->live[i].number != expected)
                        fail_image(s, &s->figures.wrong, "record %llu where %llu should be",
                                   (unsigned long long) r->live[i].number, (unsigned long long) expected);
                else if (result < 0 || !record_is(data, size, &r->live[i]))
                        fail_image(s, &s->figures.lost, "record %llu at %u/%u cannot be read: %s",
                                   (unsigned long long) expected, r->live[i].where.segment, r->live[i].where.record,
                                   strerror(-result));
                free(data);
        }
        if (expected != r->last + 1)
                fail_image(s, &s->figures.lost, "records end at %llu, not at %llu", (unsigned long long) expected - 1,
                           (unsigned long long) r->last);
}

static void check_replayed(struct simulation *s, struct replayed *r) {
        struct store_history *h = s->history;
        ssize_t at = position_of(h, r);
        const struct begun *b = at >= 0 ? &h->begun[h->log[at]] : NULL;

        s->figures.confirmed += confirmed_last(h);
        if (r->n_odd > 0)
                fail_image(s, &s->figures.wrong, "%u records or checkpoints that were never committed", r->n_odd);
        if (at + 1 < (ssize_t) h->n_confirmed)
                fail_image(s, &s->figures.lost, "the log ends at record %llu; up to %llu was confirmed",
                           (unsigned long long) r->last, (unsigned long long) confirmed_last(h));
        else if (b && (r->last != b->first + b->n_records - 1 || r->released != b->released))
                fail_image(s, &s->figures.wrong, "half a commit: records end at %llu", (unsigned long long) r->last);
        else if (!b && r->last_commit != UINT64_MAX)
                fail_image(s, &s->figures.wrong, "a commit that was never begun");
        check_live(s, r);
}

/* The store has to work again, too, and to remember both what it found and what is new. */
static void check_going_on(struct simulation *s, struct replayed *r) {
        uint64_t last = r->last;
        struct store_part part;
        struct store_commit c = {.records = &part, .n_records = 1};
        uint8_t data[RECORD_HEAD_BYTES + 100], *checkpoint = malloc(64 * 1024);
        struct begun b = {.first = last + 1, .released = r->released, .n_records = 1, .bytes = {sizeof data}};

        assert_non_null(checkpoint);
        s->built = (struct built){0};
        assert_int_equal(store_start(r->store), 0);
        record_write(data, sizeof data, last + 1, UINT32_MAX, r->released);
        part = (struct store_part){data, sizeof data};
        if (store_must_rotate(r->store, 1, part.size) || random_one_in(&s->random, 2)) {
                assert_int_equal(store_rotate(r->store), 0);
                c.checkpoint = checkpoint;
        }
        note_commit(r, &b, UINT32_MAX, store_next(r->store));
        if (c.checkpoint)
                c.checkpoint_bytes = checkpoint_write(checkpoint, r, 0);
        assert_int_equal(store_commit_here(r->store, &c), 0);
        if (random_one_in(&s->random, 2))
                worker_wait_idle(r->store->worker);
        r->store = store_close(r->store);
        free(checkpoint);
        if (replay(r, s->image) < 0 || r->n_odd > 0 || r->last != last + 1)
                fail_image(s, &s->figures.lost, "after going on: ends at %llu, not at %llu",
                           (unsigned long long) r->last, (unsigned long long) last + 1);
        else
                check_live(s, r);
}

static void store_check(struct simulation *s) {
        struct replayed *r = calloc(1, sizeof *r);
        int result;

        assert_non_null(r);
        result = replay(r, s->image);
        if (result < 0)
                fail_image(s, &s->figures.refused, "cannot be opened: %s", strerror(-result));
        else {
                uint64_t before = figures_failures(&s->figures);

                check_replayed(s, r);
                /* After a segment full of checkpoint there may be no room for another of the same kind. */
                if (figures_failures(&s->figures) == before && r->n_live < LIVE_MAX && random_one_in(&s->random, 10))
                        check_going_on(s, r);
        }
        (void) store_close(r->store);
        free(r);
}

static void store_simulation_begin(struct simulation *s, struct store_history *h, uint64_t seed) {
        *h = (struct store_history){0};
        *s = (struct simulation){.history = h, .live_once = store_live_once, .mark = store_mark, .check = store_check};
        simulation_begin(s, seed);
}

static void store_simulation_end(struct simulation *s) {
        struct store_history *h = s->history;

        free(h->begun);
        free(h->log);
        simulation_end(s);
}
