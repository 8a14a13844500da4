/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Power cuts of the store: single-record and larger commits, checkpoints of one and of several chunks, segments that
 * are drained and used again, spares in the making, recovery itself. */

#include "tests/crash/store-history.h"

#include "tests/crash/campaign.h"

static void run(struct figures *total, uint64_t seed, uint64_t n_images) {
        struct simulation *s = malloc(sizeof *s);
        struct store_history *h = malloc(sizeof *h);

        assert_true(s && h);
        store_simulation_begin(s, h, seed);
        for (unsigned life = 0; life < LIVES_MAX && s->figures.images < n_images; life++) {
                h->mix = store_mixes[random_below(&s->random, N_STORE_MIXES)];
                h->mix.threaded = h->mix.threaded && seed % 2;
                simulate_life(s, CUTS_PER_LIFE);
        }
        figures_add(total, &s->figures);
        store_simulation_end(s);
        free(h);
        free(s);
}

static void nothing_confirmed_is_lost(void **state UNUSED) {
        campaign("store", run, 3700);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nothing_confirmed_is_lost),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
