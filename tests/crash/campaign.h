/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How long to go on, and with which seeds: a fixed one and one that is new each time, or $LODGE_CRASH_SEED; both are
 * printed. With the same seed the same is done; what the store's threads write meanwhile may fall between other
 * operations, in all lives but the first of even seeds, so a rare failure may take some tries to come back.
 * $LODGE_CRASH_IMAGES sets the number of images of each.
 */

#include <sys/random.h>

#include "tests/crash/simulate.h"

#define LIVES_MAX     12u /* of one directory; then another seed begins with an empty one */
#define CUTS_PER_LIFE 20u
#define FIXED_SEED    UINT64_C(20261122)

static void figures_add(struct figures *total, const struct figures *f) {
        total->lives += f->lives;
        total->operations += f->operations;
        total->cuts += f->cuts;
        total->images += f->images;
        total->confirmed += f->confirmed;
        total->lost += f->lost;
        total->duplicated += f->duplicated;
        total->wrong += f->wrong;
        total->refused += f->refused;
        total->checkpoints += f->checkpoints;
        total->recycled += f->recycled;
        total->merges += f->merges;
        total->compactions += f->compactions;
        total->threaded += f->threaded;
}

/* A seed that is new each time, or the one given. */
static uint64_t campaign_seed(void) {
        const char *given = getenv("LODGE_CRASH_SEED");
        uint64_t seed = 0;

        if (given)
                return strtoull(given, NULL, 0);
        assert_int_equal(getrandom(&seed, sizeof seed, 0), sizeof seed);
        return (seed & UINT32_MAX) | 1;
}

UNUSED static uint64_t campaign_images(uint64_t by_default) {
        const char *given = getenv("LODGE_CRASH_IMAGES");

        return given ? strtoull(given, NULL, 0) : by_default;
}

/* Runs histories from this seed on until there are so many images. A failure names the seed with which it comes first.
 */
static void campaign_from(const char *what,
                          void (*run)(struct figures *total, uint64_t seed, uint64_t n_images),
                          uint64_t seed,
                          uint64_t n_images) {
        struct figures f = {0};

        for (uint64_t i = 0; f.images < n_images && figures_failures(&f) == 0; i++)
                run(&f, seed + 2 * i, n_images - f.images);
        figures_print(what, &f, seed);
        assert_int_equal(figures_failures(&f), 0);
        assert_true(f.confirmed > f.images);
        assert_true(f.checkpoints > f.lives && f.recycled > 0);
}

UNUSED static void
campaign(const char *what, void (*run)(struct figures *total, uint64_t seed, uint64_t n_images), uint64_t n_images) {
        n_images = campaign_images(n_images);
        campaign_from(what, run, FIXED_SEED, n_images);
        campaign_from(what, run, campaign_seed(), n_images);
}
