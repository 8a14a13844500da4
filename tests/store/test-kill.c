/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A child writes numbered records and tells through a pipe how far they are on disk; it is killed at some point. What
 * it told must be there afterwards, in order, whole, without a gap; and perhaps a little more.
 */

#include "tests/store/fixture.h"

#include <signal.h>
#include <sys/wait.h>

#define ROUNDS      30u
#define NUMBERS_MAX 200000u

struct writer {
        struct store *store;
        uint64_t next; /* number of the next record */
        uint64_t seed;
        uint8_t payload[4][6000];
        struct store_part parts[4];
};

static uint64_t draw(uint64_t *seed) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        return *seed >> 33;
}

/* One commit of some records; the checkpoint says which number is the last that it covers. */
static int write_some(struct writer *w) {
        size_t n = 1 + draw(&w->seed) % 4, bytes = 0;
        struct store_commit c = {.records = w->parts, .n_records = n};
        uint64_t last;

        for (size_t i = 0; i < n; i++) {
                uint64_t number = w->next++;

                w->parts[i].size = 8 + draw(&w->seed) % (sizeof w->payload[i] - 8);
                memset(w->payload[i], (int) number, w->parts[i].size);
                memcpy(w->payload[i], &number, 8);
                w->parts[i].data = w->payload[i];
                bytes += w->parts[i].size;
        }
        last = w->next - 1;
        if (store_must_rotate(w->store, n, bytes)) {
                int r = store_rotate(w->store);

                if (r < 0)
                        return r;
                c.checkpoint = (const uint8_t *) &last;
                c.checkpoint_bytes = sizeof last;
        }
        if (w->next % 2 == 0)
                return store_commit_here(w->store, &c);
        return store_commit_begin(w->store, &c) < 0 ? -EIO : store_commit_wait(w->store);
}

static void write_until_killed(struct store *store, int fd, uint64_t next, uint64_t seed) {
        struct writer w = {.store = store, .next = next, .seed = seed};

        while (w.next < NUMBERS_MAX && write_some(&w) >= 0) {
                uint64_t done = w.next - 1;

                if (write(fd, &done, sizeof done) != sizeof done)
                        break;
        }
        _exit(1);
}

/* Starts the writer, reads what it tells up to `n_reports`, kills it. Returns: the last number told. */
static uint64_t run_writer(struct fixture *f, uint64_t next, uint64_t seed, unsigned n_reports) {
        uint64_t told = next - 1, number;
        int fds[2], status;
        pid_t child;

        assert_int_equal(pipe(fds), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                struct store_options options = {.directory = f->directory, .segment_bytes = SEGMENT_BYTES};
                struct store_replay replay = {0};
                struct store *store;

                (void) close(fds[0]);
                if (store_open(&store, &options, &replay) == 0 && store_start(store) == 0)
                        write_until_killed(store, fds[1], next, seed);
                _exit(2);
        }
        (void) close(fds[1]);
        while (n_reports-- > 0 && read(fds[0], &number, sizeof number) == sizeof number)
                told = number;
        assert_int_equal(kill(child, SIGKILL), 0);
        /* What it told before it was gone counts as well. */
        while (read(fds[0], &number, sizeof number) == sizeof number)
                told = number;
        (void) close(fds[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        return told;
}

/* Returns: the last number that is there. */
static uint64_t check(struct fixture *f, uint64_t told) {
        uint64_t last = 0;

        assert_int_equal(fixture_try_open(f), 0);
        if (f->n_checkpoints > 0) {
                assert_int_equal(f->checkpoint_bytes, sizeof last);
                memcpy(&last, f->checkpoint, sizeof last);
        }
        for (size_t i = 0; i < f->n_records; i++) {
                uint64_t number;

                memcpy(&number, f->records[i].data, sizeof number);
                assert_true(number == last + 1);
                for (size_t k = 8; k < f->records[i].size; k++)
                        assert_int_equal(f->records[i].data[k], (uint8_t) number);
                last = number;
        }
        assert_true(last >= told);
        assert_true(last <= told + 8);
        fixture_close(f);
        return last;
}

static void killed_writer_loses_nothing(void **state) {
        struct fixture *f = *state;
        uint64_t last = 0, seed = 20261122;

        f->segment_bytes = SEGMENT_BYTES;
        for (unsigned round = 0; round < ROUNDS; round++) {
                unsigned n_reports = (unsigned) (draw(&seed) % 300);
                uint64_t told = run_writer(f, last + 1, seed, n_reports);

                last = check(f, told);
        }
        assert_true(last > 1000);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(killed_writer_loses_nothing, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
