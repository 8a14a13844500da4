/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One file: making it, filling it to the brim, reading it back, also with plain TDB. */

#include "tests/store/fixture.h"

#include <sys/types.h>
#include <tdb.h>

#include "daemon/store/keys.h"
#include "daemon/store/layout.h"
#include "daemon/store/spare.h"

struct made {
        struct directory directory;
        struct spare_maker maker;
        struct segment *segment;
};

static void make(const struct fixture *f, struct made *m) {
        int r;

        assert_int_equal(directory_open(&m->directory, f->directory), 0);
        spare_init(&m->maker, &m->directory, SEGMENT_BYTES);
        assert_int_equal(spare_begin_new(&m->maker, false), 0);
        assert_true(fixture_has(f, DIRECTORY_WORK_NAME));
        while ((r = spare_step(&m->maker)) > 0)
                assert_false(fixture_has(f, "segment-00000001.tdb"));
        assert_int_equal(r, 0);
        assert_int_equal(spare_finish(&m->maker, 1, &m->segment), 0);
        assert_true(fixture_has(f, "segment-00000001.tdb"));
        assert_false(fixture_has(f, DIRECTORY_WORK_NAME));
}

static void unmake(struct made *m) {
        m->segment = segment_free(m->segment);
        spare_abandon(&m->maker);
        directory_close(&m->directory);
}

static int put(struct segment *g, enum record_kind kind, uint32_t index, const uint8_t *data, size_t size) {
        struct record r = {.kind = kind, .segment = g->number, .index = index, .commit = 1, .n_records = 1};

        return segment_put(g, &r, data, size);
}

static struct tdb_context *open_plain(const struct fixture *f, uint32_t number) {
        char path[PATH_MAX];
        struct tdb_context *tdb;

        fixture_segment_path(f, path, number);
        tdb = tdb_open(path, 0, 0, O_RDWR, 0);
        assert_non_null(tdb);
        return tdb;
}

static uint32_t free_bytes(const struct fixture *f, uint32_t n_slots) {
        char path[PATH_MAX];
        uint32_t n;
        int fd;

        fixture_segment_path(f, path, 1);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(pread(fd, &n, sizeof n, (off_t) layout_data_offset(n_slots) + 4), 4);
        (void) close(fd);
        return n;
}

static void empty_file_is_plain_tdb(void **state) {
        struct fixture *f = *state;
        struct made m;
        struct tdb_context *tdb;
        uint32_t n_slots, slot;
        int n_free = 0;

        make(f, &m);
        n_slots = m.segment->n_slots;
        assert_int_equal(n_slots, layout_slots(SEGMENT_BYTES));
        assert_int_equal(segment_next_used(m.segment, 0, &slot), -ENOENT);
        segment_close(m.segment);
        tdb = open_plain(f, 1);
        assert_int_equal(tdb_hash_size(tdb), n_slots);
        assert_int_equal(tdb_map_size(tdb), SEGMENT_BYTES);
        assert_int_equal(tdb_check(tdb, NULL, NULL), 0);
        assert_int_equal(tdb_validate_freelist(tdb, &n_free), 0);
        assert_int_equal(n_free, 1);
        assert_int_equal(tdb_close(tdb), 0);
        unmake(&m);
}

static int count(struct tdb_context *tdb UNUSED, TDB_DATA key, TDB_DATA data, void *userdata) {
        struct record r;

        assert_int_equal(key.dsize, KEY_BYTES);
        assert_int_equal(record_decode(&r, data.dptr, data.dsize), 0);
        ++*(unsigned *) userdata;
        return 0;
}

/* What layout.c says an entry takes is what TDB takes, so that a full segment never makes TDB grow the file. */
static void room_is_known_to_the_byte(void **state) {
        struct fixture *f = *state;
        static uint8_t payload[8192];
        struct made m;
        struct tdb_context *tdb;
        struct stat st;
        uint64_t room;
        uint32_t n = 0;
        unsigned n_counted = 0;
        char path[PATH_MAX];

        make(f, &m);
        room = layout_capacity_bytes(SEGMENT_BYTES, m.segment->n_slots);
        for (;; n++) {
                size_t size = (n * 37) % sizeof payload;
                uint64_t bytes = layout_entry_bytes(size);
                uint32_t before = free_bytes(f, m.segment->n_slots);

                if (bytes > room)
                        break;
                assert_int_equal(put(m.segment, RECORD_DATA, n, payload, size), 0);
                assert_int_equal(before - free_bytes(f, m.segment->n_slots), bytes);
                assert_true(layout_entries_bytes_max(1, size) >= bytes);
                room -= bytes;
        }
        assert_true(n > 100);
        while (layout_entry_bytes(0) <= room) {
                assert_int_equal(put(m.segment, RECORD_DATA, n++, NULL, 0), 0);
                room -= layout_entry_bytes(0);
        }
        fixture_segment_path(f, path, 1);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_size, SEGMENT_BYTES);
        segment_close(m.segment);
        tdb = open_plain(f, 1);
        assert_int_equal(tdb_check(tdb, NULL, NULL), 0);
        assert_int_equal(tdb_freelist_size(tdb), 1);
        assert_int_equal(tdb_traverse_read(tdb, count, &n_counted), n);
        assert_int_equal(n_counted, n);
        assert_int_equal(tdb_close(tdb), 0);
        unmake(&m);
}

static void entries_come_back(void **state) {
        struct fixture *f = *state;
        struct made m;
        struct segment_entry e;
        uint32_t slot;

        make(f, &m);
        assert_int_equal(put(m.segment, RECORD_DATA, 3, (const uint8_t *) "three", 5), 0);
        assert_int_equal(put(m.segment, RECORD_CHECKPOINT, 0, (const uint8_t *) "chunk", 5), 0);
        assert_int_equal(put(m.segment, RECORD_DATA, 3, (const uint8_t *) "again", 5), -EIO);
        assert_int_equal(segment_sync(m.segment), 0);
        assert_int_equal(segment_get(m.segment, RECORD_DATA, 3, &e), 0);
        assert_int_equal(e.size, RECORD_HEADER_BYTES + 5);
        assert_memory_equal(e.data + RECORD_HEADER_BYTES, "three", 5);
        segment_entry_done(&e);
        assert_int_equal(segment_get(m.segment, RECORD_CHECKPOINT, 0, &e), 0);
        assert_memory_equal(e.data + RECORD_HEADER_BYTES, "chunk", 5);
        segment_entry_done(&e);
        assert_int_equal(segment_get(m.segment, RECORD_DATA, 2, &e), -ENOENT);
        assert_int_equal(segment_get(m.segment, RECORD_CHECKPOINT, 1, &e), -ENOENT);
        assert_int_equal(segment_get(m.segment, RECORD_DATA, m.segment->n_slots, &e), -ENOENT);
        assert_int_equal(segment_next_used(m.segment, 0, &slot), 0);
        assert_int_equal(slot, 3);
        assert_int_equal(segment_next_used(m.segment, 4, &slot), 0);
        assert_int_equal(slot, m.segment->n_slots - 1);
        unmake(&m);
}

static void recycled_file_is_empty(void **state) {
        struct fixture *f = *state;
        struct made m;
        struct segment_entry e;
        struct tdb_context *tdb;
        uint32_t slot;

        make(f, &m);
        for (uint32_t i = 0; i < 50; i++)
                assert_int_equal(put(m.segment, RECORD_DATA, i, (const uint8_t *) "old", 3), 0);
        assert_true(spare_fits(&m.maker, m.segment));
        m.segment = segment_free(m.segment);
        assert_int_equal(spare_begin_recycled(&m.maker, 1), 0);
        while (spare_step(&m.maker) > 0)
                ;
        assert_int_equal(spare_finish(&m.maker, 9, &m.segment), 0);
        assert_false(fixture_has(f, "segment-00000001.tdb"));
        assert_int_equal(segment_next_used(m.segment, 0, &slot), -ENOENT);
        assert_int_equal(segment_get(m.segment, RECORD_DATA, 0, &e), -ENOENT);
        assert_int_equal(put(m.segment, RECORD_DATA, 0, (const uint8_t *) "new", 3), 0);
        segment_close(m.segment);
        tdb = open_plain(f, 9);
        assert_int_equal(tdb_check(tdb, NULL, NULL), 0);
        assert_int_equal(tdb_close(tdb), 0);
        unmake(&m);
}

/* A bucket that leads to what is left of a former life, as after a torn write. */
static void former_life_does_not_count(void **state) {
        struct fixture *f = *state;
        struct made m;
        struct segment_entry e;
        struct record old = {.kind = RECORD_DATA, .segment = 4711, .index = 0, .commit = 1, .n_records = 1};

        make(f, &m);
        assert_int_equal(segment_put(m.segment, &old, (const uint8_t *) "old", 3), 0);
        assert_int_equal(segment_get(m.segment, RECORD_DATA, 0, &e), -ENOENT);
        unmake(&m);
}

static void spoil(const struct fixture *f, const void *data, size_t size, off_t at, off_t length) {
        char path[PATH_MAX];
        int fd;

        fixture_segment_path(f, path, 1);
        fd = open(path, O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, data, size, at), (ssize_t) size);
        if (length >= 0)
                assert_int_equal(ftruncate(fd, length), 0);
        (void) close(fd);
}

static void foreign_files_are_refused(void **state) {
        struct fixture *f = *state;
        struct made m;
        static const uint8_t zeros[512];

        make(f, &m);
        segment_close(m.segment);
        m.segment->n_slots = 0;
        spoil(f, "", 0, 0, SEGMENT_BYTES - 4096);
        assert_int_equal(segment_open(m.segment, &m.directory, false), -EBADMSG);
        spoil(f, "", 0, 0, SEGMENT_BYTES);
        assert_int_equal(segment_open(m.segment, &m.directory, false), 0);
        segment_close(m.segment);
        spoil(f, zeros, sizeof zeros, 0, -1);
        assert_int_equal(segment_open(m.segment, &m.directory, false), -EBADMSG);
        spoil(f, "", 0, 0, 0);
        assert_int_equal(segment_open(m.segment, &m.directory, false), -EBADMSG);
        spoil(f, "#!/bin/sh\nexit 0\n", 17, 0, -1);
        assert_int_equal(segment_open(m.segment, &m.directory, true), -EBADMSG);
        m.segment->number = 2;
        assert_int_equal(segment_open(m.segment, &m.directory, true), -ENOENT);
        unmake(&m);
}

static void abandoned_work_leaves_nothing(void **state) {
        struct fixture *f = *state;
        struct made m = {0};

        assert_int_equal(directory_open(&m.directory, f->directory), 0);
        spare_init(&m.maker, &m.directory, SEGMENT_BYTES);
        assert_int_equal(spare_begin_new(&m.maker, false), 0);
        assert_int_equal(spare_step(&m.maker), 1);
        spare_abandon(&m.maker);
        assert_false(fixture_has(f, DIRECTORY_WORK_NAME));
        assert_int_equal(spare_begin_recycled(&m.maker, 5), -ENOENT);
        unmake(&m);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(empty_file_is_plain_tdb, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(room_is_known_to_the_byte, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(entries_come_back, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(recycled_file_is_empty, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(former_life_does_not_count, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(foreign_files_are_refused, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(abandoned_work_leaves_nothing, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
