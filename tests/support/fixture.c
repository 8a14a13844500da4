/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "tests/support/daemon.h"
#include "tests/support/fixture.h"

struct fixture {
        void (*function)(void **state);
        struct test_daemon *daemon;
};

int fixture_setup(void **state) {
        struct fixture *fixture = calloc(1, sizeof *fixture);

        if (!fixture)
                return -1;
        fixture->function = (void (*)(void **)) * state;
        if (test_daemon_launch(&fixture->daemon) < 0) {
                free(fixture);
                return -1;
        }
        *state = fixture;
        return 0;
}

void fixture_run(void **state) {
        struct fixture *fixture = *state;
        void *daemon = fixture->daemon;

        fixture->function(&daemon);
        if (test_daemon_pid(fixture->daemon) > 0)
                assert_int_equal(test_daemon_stop(fixture->daemon), 0);
}

int fixture_teardown(void **state) {
        struct fixture *fixture = *state;

        test_daemon_free(fixture->daemon);
        free(fixture);
        return 0;
}

unsigned long long fixture_seed(void) {
        const char *given = getenv("LODGE_TEST_SEED");
        unsigned long long seed = 1;

        if (given)
                seed = strtoull(given, NULL, 0);
        else
                (void) !getrandom(&seed, sizeof seed, 0);
        fprintf(stderr, "seed: LODGE_TEST_SEED=%llu\n", seed);
        return seed;
}

unsigned long long fixture_random(unsigned long long *state) {
        unsigned long long z = *state += 0x9e3779b97f4a7c15ull;

        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
        z = (z ^ z >> 27) * 0x94d049bb133111ebull;
        return z ^ z >> 31;
}
