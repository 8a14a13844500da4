/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/store/fixture.h"

#include "daemon/store/directory.h"

static void names(void **state UNUSED) {
        char name[SEGMENT_NAME_BYTES];

        directory_segment_name(name, 42, false);
        assert_string_equal(name, "segment-00000042.tdb");
        directory_segment_name(name, 42, true);
        assert_string_equal(name, "segment-00000042.damaged");
        directory_segment_name(name, 4294967294u, false);
        assert_string_equal(name, "segment-4294967294.tdb");
        assert_int_equal(directory_segment_number(name), 4294967294u);
        assert_int_equal(directory_segment_number("segment-00000042.tdb"), 42);
        assert_int_equal(directory_segment_number("segment-00000000.tdb"), 0);
        assert_int_equal(directory_segment_number("segment-42.tdb"), 0);
        assert_int_equal(directory_segment_number("segment-000000042.tdb"), 0);
        assert_int_equal(directory_segment_number("segment-00000042.tdb.new"), 0);
        assert_int_equal(directory_segment_number("segment-0000004x.tdb"), 0);
        assert_int_equal(directory_segment_number("segment-99999999999999999999.tdb"), 0);
        assert_int_equal(directory_segment_number("segment-.tdb"), 0);
        assert_int_equal(directory_segment_number("lock"), 0);
}

static void touch(const struct fixture *f, const char *name) {
        char path[PATH_MAX];
        int fd;

        fixture_path(f, path, name);
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, "xyz", 3), 3);
        (void) close(fd);
}

static void count_strange(void *userdata, const char *name) {
        assert_string_equal(name, "segment-7.tdb");
        ++*(unsigned *) userdata;
}

static void listing(void **state) {
        struct fixture *f = *state;
        struct directory d;
        struct directory_item *items;
        unsigned n_strange = 0;
        size_t n;

        for (unsigned i = 9; i > 0; i--) {
                char name[SEGMENT_NAME_BYTES];

                directory_segment_name(name, i * 3, false);
                touch(f, name);
        }
        touch(f, "segment-7.tdb");
        touch(f, "segment-00000005.damaged");
        touch(f, "spare.tmp");
        touch(f, "something-else");
        assert_int_equal(directory_open(&d, f->directory), 0);
        assert_int_equal(directory_list(&d, &items, &n, count_strange, &n_strange), 0);
        assert_int_equal(n, 9);
        assert_int_equal(n_strange, 1);
        for (unsigned i = 0; i < 9; i++) {
                assert_int_equal(items[i].number, (i + 1) * 3);
                assert_int_equal(items[i].bytes, 3);
        }
        free(items);
        directory_close(&d);
}

static void one_holder(void **state) {
        struct fixture *f = *state;
        struct directory d, second;

        assert_int_equal(directory_open(&d, f->directory), 0);
        assert_int_equal(directory_open(&second, f->directory), -EBUSY);
        directory_close(&d);
        assert_int_equal(directory_open(&second, f->directory), 0);
        directory_close(&second);
        directory_close(&second);
        assert_int_equal(directory_open(&d, "/nonexistent/lodge"), -ENOENT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names),
                cmocka_unit_test_setup_teardown(listing, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(one_holder, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
