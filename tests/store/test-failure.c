/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Writes, syncs and allocations of disk space that fail; the test's own pwrite(), fdatasync() and fallocate() stand in
 * front of the library's, for TDB as well. */

#include "tests/store/fixture.h"

#include <pthread.h>
#include <sys/syscall.h>

#include "daemon/store/state.h"

/* The n-th call from now on fails with this error; 0: none does. Only those of the thread that set it up, or, with
 * `everywhere`, of all. */
static struct {
        int n_until_pwrite, pwrite_error;
        int n_until_sync, sync_error;
        int allocate_error; /* every fallocate(), in any thread */
        pthread_t thread;
        bool everywhere;
        bool cut_short; /* a pwrite that fails writes half */
} fault;

static pthread_mutex_t fault_lock = PTHREAD_MUTEX_INITIALIZER;

/* Visible to the libraries, which is what the rest of the program's symbols are not. */
#define STAND_IN __attribute__((visibility("default")))

static bool strikes(int *n_until) {
        bool r = false;

        (void) pthread_mutex_lock(&fault_lock);
        if (*n_until > 0 && (fault.everywhere || pthread_equal(pthread_self(), fault.thread)))
                r = --*n_until == 0;
        (void) pthread_mutex_unlock(&fault_lock);
        return r;
}

STAND_IN ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
        if (strikes(&fault.n_until_pwrite)) {
                if (fault.cut_short)
                        return syscall(SYS_pwrite64, fd, data, size / 2, offset);
                errno = fault.pwrite_error;
                return -1;
        }
        return syscall(SYS_pwrite64, fd, data, size, offset);
}

STAND_IN ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset) {
        return pwrite(fd, data, size, offset);
}

STAND_IN int fdatasync(int fd) {
        if (strikes(&fault.n_until_sync)) {
                errno = fault.sync_error;
                return -1;
        }
        return (int) syscall(SYS_fdatasync, fd);
}

STAND_IN int fallocate(int fd, int mode, off_t offset, off_t size) {
        int error;

        (void) pthread_mutex_lock(&fault_lock);
        error = fault.allocate_error;
        (void) pthread_mutex_unlock(&fault_lock);
        if (error > 0) {
                errno = error;
                return -1;
        }
        return (int) syscall(SYS_fallocate, fd, mode, offset, size);
}

static void set_fault(int n_until_pwrite, int n_until_sync, int error) {
        (void) pthread_mutex_lock(&fault_lock);
        fault.thread = pthread_self();
        fault.n_until_pwrite = n_until_pwrite;
        fault.n_until_sync = n_until_sync;
        fault.pwrite_error = fault.sync_error = error;
        fault.everywhere = fault.cut_short = false;
        (void) pthread_mutex_unlock(&fault_lock);
}

static void set_allocate_fault(int error) {
        (void) pthread_mutex_lock(&fault_lock);
        fault.allocate_error = error;
        (void) pthread_mutex_unlock(&fault_lock);
}

static int reset(void **state) {
        set_fault(0, 0, 0);
        set_allocate_fault(0);
        return fixture_teardown(state);
}

static const struct store_part parts[3] = {
        {(const uint8_t *) "alpha", 5}, {(const uint8_t *) "beta", 4}, {(const uint8_t *) "gamma", 5}};

/* Nothing is done after a failure, and what was reported before it is there after a restart. */
static void assert_ended(struct fixture *f) {
        struct store_commit c = {.records = parts, .n_records = 1};

        set_fault(0, 0, 0);
        assert_int_equal(store_commit_here(f->store, &c), -EIO);
        assert_int_equal(store_commit_begin(f->store, &c), -EIO);
        assert_int_equal(store_commit_poll(f->store), -EIO);
        assert_int_equal(store_rotate(f->store), -EIO);
        fixture_reopen(f);
        assert_checkpoint(f, "state");
        assert_true(f->n_records >= 1);
        assert_replayed(f, 0, "confirmed");
        /* All of the failed commit or nothing of it. */
        assert_true(f->n_records == 1 || f->n_records == 4);
}

static void every_failing_write_ends_the_store(void **state) {
        struct fixture *f = *state;
        struct store_commit c = {.records = parts, .n_records = 3};
        int n;

        for (n = 1; n < 1000; n++) {
                int r;

                fixture_open(f);
                fixture_rotate(f, "state");
                worker_wait_idle(f->store->worker);
                fixture_put(f, "confirmed");
                set_fault(n, 0, n % 2 ? EIO : ENOSPC);
                fault.cut_short = n % 3 == 0;
                r = store_commit_here(f->store, &c);
                if (fault.n_until_pwrite > 0)
                        break;
                /* TDB writes the rest of a short write once more. */
                if (r == 0)
                        assert_true(fault.cut_short);
                else
                        assert_ended(f);
                fixture_close(f);
        }
        assert_true(n > 20);
        assert_true(n < 1000);
}

static void failing_sync_ends_the_store(void **state) {
        struct fixture *f = *state;
        struct store_commit c = {.records = parts, .n_records = 3};

        fixture_open(f);
        fixture_rotate(f, "state");
        worker_wait_idle(f->store->worker);
        fixture_put(f, "confirmed");
        set_fault(0, 1, EIO);
        assert_int_equal(store_commit_here(f->store, &c), -EIO);
        assert_ended(f);
}

static void failing_sync_in_the_thread(void **state) {
        struct fixture *f = *state;
        struct store_commit c = {.records = parts, .n_records = 3};

        fixture_open(f);
        fixture_rotate(f, "state");
        worker_wait_idle(f->store->worker);
        fixture_put(f, "confirmed");
        set_fault(0, 1, EDQUOT);
        fault.everywhere = true;
        assert_int_equal(store_commit_begin(f->store, &c), 0);
        assert_int_equal(store_commit_wait(f->store), -EDQUOT);
        assert_ended(f);
}

static void failing_sync_of_what_was_found(void **state) {
        struct fixture *f = *state;

        fixture_open(f);
        fixture_rotate(f, "state");
        fixture_put(f, "message");
        fixture_close(f);
        set_fault(0, 1, EIO);
        assert_int_equal(fixture_try_open(f), -EIO);
        assert_int_equal(f->n_records, 0);
        assert_int_equal(f->n_checkpoints, 0);
}

/* A full disk is no end: there is no new segment, but the running one goes on, and so does all once there is room. */
static void no_room_for_a_spare(void **state) {
        struct fixture *f = *state;

        set_allocate_fault(ENOSPC);
        fixture_open(f);
        assert_int_equal(store_rotate(f->store), -ENOSPC);
        assert_false(store_spare_ready(f->store));
        assert_int_equal(store_rotate(f->store), -ENOSPC);
        assert_false(fixture_has(f, DIRECTORY_WORK_NAME));
        set_allocate_fault(0);
        fixture_rotate(f, "state");
        worker_wait_idle(f->store->worker);
        set_allocate_fault(ENOSPC);
        fixture_rotate(f, "second"); /* with the spare */
        assert_int_equal(store_commit_here(f->store, &(struct store_commit){.records = parts, .n_records = 1}), 0);
        worker_wait_idle(f->store->worker);
        /* The segment that this drained has become the spare, for which there would be no room on the disk. */
        assert_true(store_spare_ready(f->store));
        fixture_reopen(f);
        assert_checkpoint(f, "second");
        assert_int_equal(f->n_records, 1);
}

static void failure_while_making_a_spare(void **state) {
        struct fixture *f = *state;

        for (int n = 1; n < 8; n++) {
                struct store_options options = {.directory = f->directory, .segment_bytes = f->segment_bytes};
                struct store_replay replay = {0};

                assert_int_equal(store_open(&f->store, &options, &replay), 0);
                set_fault(n % 2 ? n : 0, n % 2 ? 0 : n / 2, EIO);
                fault.everywhere = true;
                assert_int_equal(store_start(f->store), 0);
                worker_wait_idle(f->store->worker);
                set_fault(0, 0, 0);
                fixture_rotate(f, "state");
                fixture_reopen(f);
                assert_checkpoint(f, "state");
                fixture_close(f);
        }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, reset)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(every_failing_write_ends_the_store),
                TEST(failing_sync_ends_the_store),
                TEST(failing_sync_in_the_thread),
                TEST(failing_sync_of_what_was_found),
                TEST(no_room_for_a_spare),
                TEST(failure_while_making_a_spare),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
