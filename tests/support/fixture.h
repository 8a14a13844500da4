/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Tests that want a running daemon, each a fresh one. In a list of cmocka tests,
 *
 *      FIXTURE_TEST(test_something)
 *
 * runs `void test_something(void **state)` with *state the struct test_daemon. When the function has returned, the
 * daemon, if it still runs, must stop well (a sanitizer's finding or an abort fails the test). When the test failed
 * before, the daemon's log is printed. Include <cmocka.h> first.
 */

#define FIXTURE_TEST(function) \
        { #function, fixture_run, fixture_setup, fixture_teardown, (void *) (function) }

int fixture_setup(void **state);
void fixture_run(void **state);
int fixture_teardown(void **state);

/* A random seed for this run: $LODGE_TEST_SEED, else one of the kernel's. Printed, so that a failure can be repeated.
 */
unsigned long long fixture_seed(void);
/* The next random number of a sequence (splitmix64); *state is the seed at first. */
unsigned long long fixture_random(unsigned long long *state);
