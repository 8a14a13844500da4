/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Power cuts of the bus below its sessions: the daemon's own opening, commits and compaction, its core and its store.
 */

#include "tests/crash/bus-history.h"

#include "tests/crash/campaign.h"

static const struct bus_mix mixes[] = {
        {.n_steps = 150, .bytes_max = 2000},
        {.n_steps = 300, .bytes_max = 40000},
        {.n_steps = 300, .bytes_max = 40000, .tight = true},
        {.n_steps = 250, .bytes_max = 60000, .threaded = true},
};

static void run(struct figures *total, uint64_t seed, uint64_t n_images) {
        struct simulation *s = malloc(sizeof *s);
        struct bus_history *h = malloc(sizeof *h);

        assert_true(s && h);
        bus_simulation_begin(s, h, seed);
        for (unsigned life = 0; life < LIVES_MAX && s->figures.images < n_images; life++) {
                h->mix = mixes[random_below(&s->random, sizeof mixes / sizeof mixes[0])];
                h->mix.threaded = h->mix.threaded && seed % 2;
                simulate_life(s, CUTS_PER_LIFE);
                assert_int_equal(h->result, 0);
        }
        figures_add(total, &s->figures);
        bus_simulation_end(s);
        free(h);
        free(s);
}

static void nothing_confirmed_is_lost(void **state UNUSED) {
        campaign("bus", run, 1500);
}

/* The same with syncs that do nothing has to lose something, or the simulator sees nothing. */
static void without_syncs_something_is_lost(void **state UNUSED) {
        struct simulation *s = malloc(sizeof *s);
        struct bus_history *h = malloc(sizeof *h);

        assert_true(s && h);
        bus_simulation_begin(s, h, FIXED_SEED);
        s->quiet = disk.syncs_lie = true;
        h->mix = mixes[0];
        simulate_life(s, CUTS_PER_LIFE);
        figures_print("bus without syncs", &s->figures, s->seed);
        assert_true(s->figures.lost > 0);
        bus_simulation_end(s);
        free(h);
        free(s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nothing_confirmed_is_lost),
                cmocka_unit_test(without_syncs_something_is_lost),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
