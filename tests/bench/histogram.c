/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench/histogram.h"

#define STEP_BITS 7u

/* Below 2 * STEPS a value is its own bucket; above, its leading STEP_BITS + 1 bits choose it. */
static uint32_t bucket_of(uint64_t ns) {
        unsigned shift = ns < 2 * HISTOGRAM_STEPS ? 0 : 63u - (unsigned) __builtin_clzll(ns) - STEP_BITS;
        uint64_t bucket = shift * HISTOGRAM_STEPS + (ns >> shift);

        return bucket < HISTOGRAM_BUCKETS ? (uint32_t) bucket : HISTOGRAM_BUCKETS - 1;
}

static double middle_of(uint32_t bucket) {
        uint32_t shift = bucket < 2 * HISTOGRAM_STEPS ? 0 : bucket / HISTOGRAM_STEPS - 1;
        uint64_t low = (uint64_t) (bucket - shift * HISTOGRAM_STEPS) << shift;

        return (double) low + (double) ((1ull << shift) - 1) / 2;
}

void histogram_add(struct histogram *h, uint64_t ns, uint64_t times) {
        h->buckets[bucket_of(ns)] += times;
        h->count += times;
}

void histogram_merge(struct histogram *into, const struct histogram *from) {
        into->count += from->count;
        for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
                into->buckets[i] += from->buckets[i];
}

double histogram_quantile_us(const struct histogram *h, double share) {
        uint64_t wanted = (uint64_t) (share * (double) h->count), seen = 0;

        for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
                seen += h->buckets[i];
                if (seen > wanted)
                        return middle_of(i) / 1000;
        }
        return 0;
}
