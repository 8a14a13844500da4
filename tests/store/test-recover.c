/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a store finds that was stopped, torn or damaged. */

#include "tests/store/fixture.h"

#include <endian.h>
#include <sys/types.h>
#include <tdb.h>
#include <xxhash.h>

#include "daemon/store/keys.h"
#include "daemon/store/record.h"
#include "daemon/store/state.h"

/* Ends a store without the mark of a clean stop, as a kill would. */
static void crash(struct fixture *f) {
        f->store->failed = -EIO;
        fixture_close(f);
}

static uint32_t running(const struct fixture *f) {
        return f->store->running->number;
}

static void assert_noticed(const struct fixture *f, const char *part) {
        if (!strstr(f->notices, part))
                fail_msg("no notice says '%s' but: %s", part, f->notices);
}

static void unclean_stop(void **state) {
        struct fixture *f = *state;
        uint32_t before;

        fixture_open(f);
        fixture_rotate(f, "state");
        fixture_put(f, "one");
        fixture_put_all(f, (const char *[]){"two", "three"}, 2);
        before = running(f);
        crash(f);
        fixture_open(f);
        assert_checkpoint(f, "state");
        assert_int_equal(f->n_records, 3);
        assert_int_equal(f->n_notices, 1);
        assert_noticed(f, "not closed cleanly; 3 records of 2 commits");
        assert_true(store_must_rotate(f->store, 0, 0)); /* nothing more is stored in a torn one */
        fixture_rotate(f, "next");
        assert_true(running(f) > before);
}

static void torn_last_record(void **state) {
        struct fixture *f = *state;
        struct store_location where;
        uint8_t *data;
        uint32_t segment;
        size_t size;

        fixture_open(f);
        fixture_rotate(f, "state");
        fixture_put(f, "first");
        where = fixture_put(f, "unmistakable");
        segment = running(f);
        crash(f);
        damage(f, segment, "unmistakable");
        f->retain = true;
        fixture_open(f);
        assert_int_equal(f->n_records, 1);
        assert_replayed(f, 0, "first");
        assert_int_equal(f->n_notices, 1);
        assert_noticed(f, "commit at record 1 is not whole");
        assert_int_equal(store_read(f->store, where, &data, &size), -EBADMSG);
}

static void torn_record_of_a_larger_commit(void **state) {
        struct fixture *f = *state;
        uint32_t segment;

        for (unsigned torn = 0; torn < 3; torn++) {
                static const char *const texts[] = {"left part", "middle part", "right part"};
                char text[32];

                fixture_open(f);
                (void) snprintf(text, sizeof text, "state %u", torn);
                fixture_rotate(f, text);
                fixture_put(f, "whole");
                fixture_put_all(f, texts, 3);
                segment = running(f);
                crash(f);
                damage(f, segment, texts[torn]);
                fixture_open(f);
                assert_checkpoint(f, text);
                assert_int_equal(f->n_records, 1);
                assert_replayed(f, 0, "whole");
                assert_noticed(f, "is not whole");
                fixture_close(f);
        }
}

static void torn_checkpoint_falls_back(void **state) {
        struct fixture *f = *state;
        struct store_part part = {(const uint8_t *) "with it", 7};
        struct store_commit c = {
                .records = &part, .n_records = 1, .checkpoint = (const uint8_t *) "torn one", .checkpoint_bytes = 8};
        uint32_t segment;

        for (unsigned i = 0; i < 2; i++) {
                fixture_open(f);
                fixture_rotate(f, "good one");
                fixture_put(f, "before");
                store_retain(f->store, store_next(f->store));
                assert_int_equal(store_rotate(f->store), 0);
                /* As if the power went before the sync: the new checkpoint makes nothing of the old one superfluous. */
                store_retain(f->store, (struct store_location){f->store->base, 0});
                assert_int_equal(store_commit_here(f->store, &c), 0);
                segment = running(f);
                crash(f);
                damage(f, segment, i == 0 ? "torn one" : "with it");
                fixture_open(f);
                assert_checkpoint(f, "good one");
                assert_int_equal(f->n_records, 1);
                assert_replayed(f, 0, "before");
                assert_noticed(f, "its first commit is not whole");
                fixture_rotate(f, "and on");
                assert_true(running(f) > segment);
                fixture_close(f);
        }
}

static void torn_chunk_of_a_large_checkpoint(void **state) {
        struct fixture *f = *state;
        size_t size = 3 * CHUNK_BYTES + 5;
        char *checkpoint = malloc(size);
        struct store_commit c = {.checkpoint = (const uint8_t *) checkpoint, .checkpoint_bytes = size};
        uint32_t segment;

        assert_non_null(checkpoint);
        memset(checkpoint, 'c', size);
        memcpy(checkpoint + size - 5, "chunk", 5);
        f->segment_bytes = 2 * SEGMENT_BYTES;
        fixture_open(f);
        fixture_rotate(f, "good one");
        store_retain(f->store, (struct store_location){running(f), 0});
        assert_int_equal(store_rotate(f->store), 0);
        assert_int_equal(store_commit_here(f->store, &c), 0);
        segment = running(f);
        crash(f);
        damage(f, segment, "chunk");
        fixture_open(f);
        assert_checkpoint(f, "good one");
        free(checkpoint);
}

static void first_commit_of_all_torn(void **state) {
        struct fixture *f = *state;

        fixture_open(f);
        fixture_rotate(f, "only state");
        crash(f);
        damage(f, 1, "only state");
        fixture_open(f);
        assert_int_equal(f->n_checkpoints, 0);
        assert_noticed(f, "its first commit is not whole");
        fixture_rotate(f, "again");
        fixture_reopen(f);
        assert_checkpoint(f, "again");
}

/* ---- damage that a crash cannot do -------------------------------------- */

static void damage_in_the_middle(void **state) {
        struct fixture *f = *state;
        uint32_t segment;
        char aside[64];

        fixture_open(f);
        fixture_rotate(f, "state");
        fixture_put(f, "first");
        fixture_put(f, "unmistakable");
        fixture_put(f, "third");
        fixture_put(f, "fourth");
        segment = running(f);
        fixture_close(f);
        damage(f, segment, "unmistakable");
        fixture_open(f);
        assert_int_equal(f->n_records, 1);
        assert_noticed(f, "damaged at record 1; 3 whole records behind it are not read"); /* one is the mark */
        /* The file is kept for whoever wants to look, out of the way. */
        fixture_rotate(f, "next");
        worker_wait_idle(f->store->worker);
        (void) snprintf(aside, sizeof aside, "segment-%08u.damaged", segment);
        assert_true(fixture_has(f, aside));
        fixture_reopen(f);
        assert_checkpoint(f, "next");
        assert_int_equal(f->n_notices, 0);
}

static void damaged_checkpoint_with_commits_behind_it(void **state) {
        struct fixture *f = *state;
        uint32_t segment;
        char aside[64];

        fixture_open(f);
        fixture_rotate(f, "good one");
        store_retain(f->store, (struct store_location){running(f), 0});
        fixture_rotate(f, "damaged one");
        fixture_put(f, "lost");
        segment = running(f);
        fixture_close(f);
        damage(f, segment, "damaged one");
        fixture_open(f);
        assert_checkpoint(f, "good one");
        assert_noticed(f, "the checkpoint is damaged; 2 records that follow it are not read");
        worker_wait_idle(f->store->worker);
        (void) snprintf(aside, sizeof aside, "segment-%08u.damaged", segment);
        assert_true(fixture_has(f, aside));
}

static void damaged_record_of_the_first_commit(void **state) {
        struct fixture *f = *state;
        struct store_part part = {(const uint8_t *) "with it", 7};
        struct store_commit c = {
                .records = &part, .n_records = 1, .checkpoint = (const uint8_t *) "state", .checkpoint_bytes = 5};
        uint32_t segment;

        fixture_open(f);
        assert_int_equal(store_rotate(f->store), 0);
        assert_int_equal(store_commit_here(f->store, &c), 0);
        fixture_put(f, "after");
        segment = running(f);
        crash(f);
        damage(f, segment, "with it");
        fixture_open(f);
        assert_checkpoint(f, "state");
        assert_int_equal(f->n_records, 1);
        assert_replayed(f, 0, "after");
        assert_noticed(f, "a record of its first commit is damaged");
}

static void no_whole_checkpoint_is_an_error(void **state) {
        struct fixture *f = *state;

        fixture_open(f);
        fixture_rotate(f, "only state");
        fixture_put(f, "confirmed");
        fixture_close(f);
        damage(f, 1, "only state");
        assert_int_equal(fixture_try_open(f), -EBADMSG);
        assert_null(f->store);
        assert_true(fixture_has(f, "segment-00000001.tdb"));
        assert_noticed(f, "no segment has a whole checkpoint");
}

static void write_file(const struct fixture *f, const char *name, const char *text) {
        char path[PATH_MAX];
        int fd;

        fixture_path(f, path, name);
        fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), (ssize_t) strlen(text));
        (void) close(fd);
}

static void foreign_and_half_made_files(void **state) {
        struct fixture *f = *state;

        fixture_open(f);
        fixture_rotate(f, "state");
        fixture_put(f, "message");
        fixture_close(f);
        write_file(f, "segment-00000077.tdb", "not a segment at all");
        write_file(f, "segment-00000078.tdb", "");
        write_file(f, "segment-x.tdb", "?");
        write_file(f, "spare.tmp", "half made");
        write_file(f, "notes.txt", "mine");
        fixture_open(f);
        assert_checkpoint(f, "state");
        assert_int_equal(f->n_records, 1);
        assert_int_equal(f->n_notices, 3);
        assert_noticed(f, "segment 77: not a segment");
        assert_noticed(f, "segment-x.tdb is not a segment");
        fixture_rotate(f, "next");
        assert_true(running(f) > 78);
        worker_wait_idle(f->store->worker);
        assert_true(fixture_has(f, "segment-00000077.damaged"));
        assert_true(fixture_has(f, "segment-x.tdb"));
        assert_true(fixture_has(f, "notes.txt"));
        assert_false(fixture_has(f, "spare.tmp"));
}

static void missing_segment_is_noticed(void **state) {
        struct fixture *f = *state;
        struct store_location old;
        char path[PATH_MAX];
        uint8_t *data;
        size_t size;

        fixture_open(f);
        fixture_rotate(f, "1");
        old = fixture_put(f, "old");
        store_retain(f->store, old);
        fixture_rotate(f, "2");
        fixture_put(f, "new");
        fixture_close(f);
        fixture_segment_path(f, path, old.segment);
        assert_int_equal(unlink(path), 0);
        f->needed = old;
        fixture_open(f);
        assert_noticed(f, "segment 1 is missing; record 0 of it is needed");
        assert_int_equal(store_read(f->store, old, &data, &size), -ENOENT);
}

/* ---- generations and versions ------------------------------------------- */

/* A recycled file in which only some of the new life reached the disk must not show records of the former one. */
static void former_life_is_not_replayed(void **state) {
        struct fixture *f = *state;
        char path[PATH_MAX], new_path[PATH_MAX];
        uint32_t segment, next;

        fixture_open(f);
        fixture_rotate(f, "old life");
        for (unsigned i = 0; i < 10; i++)
                fixture_put(f, "old message");
        segment = running(f);
        next = segment + 10;
        crash(f);
        /* The whole old content under a new number: every record whole, but of another generation. */
        fixture_segment_path(f, path, segment);
        fixture_segment_path(f, new_path, next);
        assert_int_equal(rename(path, new_path), 0);
        fixture_open(f);
        assert_int_equal(f->n_checkpoints, 0);
        assert_int_equal(f->n_records, 0);
        assert_int_equal(f->n_notices, 1);
}

/* Raises the format version of the checkpoint, as a newer program would write it. */
static void make_newer(const struct fixture *f, uint32_t segment, uint32_t n_slots) {
        struct key key = key_make(KEY_CHUNK, key_chunk_slot(0, n_slots));
        TDB_DATA name = {.dptr = key.bytes, .dsize = sizeof key.bytes}, data;
        struct tdb_context *tdb;
        char path[PATH_MAX];
        uint64_t checksum;

        fixture_segment_path(f, path, segment);
        tdb = tdb_open(path, 0, TDB_NOLOCK, O_RDWR, 0);
        assert_non_null(tdb);
        data = tdb_fetch(tdb, name);
        assert_non_null(data.dptr);
        data.dptr[4] = RECORD_FORMAT_VERSION + 1;
        checksum = htole64(XXH3_64bits_withSeed(data.dptr + RECORD_HEADER_BYTES, data.dsize - RECORD_HEADER_BYTES, XXH3_64bits(data.dptr, 40)));
        memcpy(data.dptr + 40, &checksum, sizeof checksum);
        assert_int_equal(tdb_store(tdb, name, data, TDB_MODIFY), 0);
        free(data.dptr);
        assert_int_equal(tdb_close(tdb), 0);
}

static uint64_t sum_of_file(const char *path) {
        uint64_t sum = 0;
        uint8_t block[4096];
        ssize_t n;
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        assert_true(fd >= 0);
        while ((n = read(fd, block, sizeof block)) > 0)
                for (ssize_t i = 0; i < n; i++)
                        sum = sum * 31 + block[i];
        (void) close(fd);
        return sum;
}

static void newer_format_is_left_alone(void **state) {
        struct fixture *f = *state;
        uint32_t segment, n_slots;
        char path[PATH_MAX];
        struct stat before, after;
        uint64_t sum;

        fixture_open(f);
        fixture_rotate(f, "state");
        fixture_put(f, "message");
        segment = running(f);
        n_slots = f->store->running->n_slots;
        fixture_close(f);
        make_newer(f, segment, n_slots);
        fixture_segment_path(f, path, segment);
        assert_int_equal(stat(path, &before), 0);
        sum = sum_of_file(path);
        assert_int_equal(fixture_try_open(f), -EPROTONOSUPPORT);
        assert_null(f->store);
        assert_int_equal(stat(path, &after), 0);
        assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
        assert_true(sum_of_file(path) == sum);
}

static int refuse(void *userdata UNUSED, const uint8_t *data UNUSED, size_t size UNUSED) {
        return -ECANCELED;
}

static int refuse_record(void *userdata UNUSED,
                         struct store_location where UNUSED,
                         const uint8_t *data UNUSED,
                         size_t size UNUSED) {
        return -ENOSR;
}

static void callbacks_end_the_opening(void **state) {
        struct fixture *f = *state;
        struct store_options options = {.directory = f->directory, .segment_bytes = SEGMENT_BYTES};
        struct store_replay replay = {.checkpoint = refuse, .record = refuse_record};

        fixture_open(f);
        fixture_rotate(f, "state");
        fixture_put(f, "message");
        fixture_close(f);
        assert_int_equal(store_open(&f->store, &options, &replay), -ECANCELED);
        replay.checkpoint = NULL;
        assert_int_equal(store_open(&f->store, &options, &replay), -ENOSR);
        assert_null(f->store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(unclean_stop),
                TEST(torn_last_record),
                TEST(torn_record_of_a_larger_commit),
                TEST(torn_checkpoint_falls_back),
                TEST(torn_chunk_of_a_large_checkpoint),
                TEST(first_commit_of_all_torn),
                TEST(damage_in_the_middle),
                TEST(damaged_checkpoint_with_commits_behind_it),
                TEST(damaged_record_of_the_first_commit),
                TEST(no_whole_checkpoint_is_an_error),
                TEST(foreign_and_half_made_files),
                TEST(missing_segment_is_noticed),
                TEST(former_life_is_not_replayed),
                TEST(newer_format_is_left_alone),
                TEST(callbacks_end_the_opening),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
