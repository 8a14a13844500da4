/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What every test of the library begins with. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/internal.h"
#include "tests/support/fake.h"

struct fixture {
        struct fake *fake;
        lodge *bus;
};

/* Opens a connection to the fake, on the fake's clock. lodge_open_socket() has no hook for that. */
static inline int fixture_connect(struct fake *fake, lodge **ret) {
        lodge *bus;
        int r;

        r = connection_new(&bus, fake->path);
        assert_int_equal(r, 0);
        bus->clockwork = (struct clockwork){.now_us = fake_now, .poll = fake_poll, .userdata = fake};
        r = connection_open(bus);
        if (r < 0)
                lodge_unref(bus);
        else
                *ret = bus;
        return r;
}

static inline int fixture_setup(void **state) {
        struct fixture *x = calloc(1, sizeof(*x));

        assert_non_null(x);
        x->fake = fake_new();
        *state = x;
        assert_int_equal(fixture_connect(x->fake, &x->bus), 0);
        fake_forget(x->fake);
        return 0;
}

static inline int fixture_teardown(void **state) {
        struct fixture *x = *state;

        lodge_unref(x->bus);
        fake_free(x->fake);
        free(x);
        return 0;
}

/* Lets client and fake do all that they can without the clock moving. */
static inline void fixture_turn(struct fixture *x) {
        bool did;

        do {
                did = fake_turn(x->fake);
                while (lodge_process(x->bus) > 0)
                        did = true;
        } while (did);
}

/* The connection is lost, and comes back. */
static inline void fixture_reconnect(struct fixture *x) {
        fake_drop(x->fake);
        fixture_turn(x);
        x->fake->now_us += 2000000;
        fixture_turn(x);
}

#define fixture_test(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
