/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Whether the simulator would see it: with syncs that do nothing, and with keys that share hash buckets, as ordinary
 * keys do, confirmed records have to be lost.
 */

#include "tests/crash/store-history.h"

#include "tests/crash/campaign.h"

/* The store's keys, but with so few slots that most hang on one another by chains. */
#define key_make key_of_its_own
#include "daemon/store/keys.c"
#undef key_make

#define CHAINED_SLOTS 5u

static bool chained;

struct key key_make(uint32_t entry, uint32_t slot);
struct key key_make(uint32_t entry, uint32_t slot) {
        return key_of_its_own(entry, chained ? slot % CHAINED_SLOTS : slot);
}

static const struct store_mix mix = {.n_commits = 60, .records_max = 2, .bytes_max = 3000, .live_max = 40};

/* One life, cut until something is lost, with so many seeds at most. */
static void bite(const char *what, unsigned n_seeds, struct figures *ret) {
        *ret = (struct figures){0};
        for (unsigned i = 0; i < n_seeds && ret->lost == 0; i++) {
                struct simulation *s = malloc(sizeof *s);
                struct store_history *h = malloc(sizeof *h);
                bool lies = disk.syncs_lie;

                assert_true(s && h);
                store_simulation_begin(s, h, FIXED_SEED + i);
                s->quiet = true;
                h->mix = mix;
                simulate_life(s, 4 * CUTS_PER_LIFE);
                figures_add(ret, &s->figures);
                store_simulation_end(s);
                disk.syncs_lie = lies;
                free(h);
                free(s);
        }
        figures_print(what, ret, FIXED_SEED);
}

static void without_syncs_something_is_lost(void **state UNUSED) {
        struct figures f;

        disk.syncs_lie = true;
        bite("without syncs", 3, &f);
        disk.syncs_lie = false;
        assert_true(f.lost > 0);
}

static void with_chains_something_is_lost(void **state UNUSED) {
        struct figures f;

        chained = true;
        bite("with chained keys", 20, &f);
        chained = false;
        assert_true(f.lost > 0);
}

/* And neither is by mistake: the same histories as they are lose nothing. */
static void as_it_is_nothing_is_lost(void **state UNUSED) {
        struct figures f;

        bite("as it is", 1, &f);
        assert_int_equal(figures_failures(&f), 0);
        assert_true(f.confirmed > 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(without_syncs_something_is_lost),
                cmocka_unit_test(with_chains_something_is_lost),
                cmocka_unit_test(as_it_is_nothing_is_lost),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
