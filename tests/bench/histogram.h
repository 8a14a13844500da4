/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Latencies counted in buckets of less than 1 % width: fixed size, so that it can lie in shared memory and be merged.
 */

#include <stdint.h>

#define HISTOGRAM_STEPS   128u /* buckets of each doubling */
#define HISTOGRAM_BUCKETS (HISTOGRAM_STEPS * 40u)

struct histogram {
        uint64_t count;
        uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* Counts `times` latencies of so many nanoseconds. */
void histogram_add(struct histogram *h, uint64_t ns, uint64_t times);
void histogram_merge(struct histogram *into, const struct histogram *from);
/* Returns the latency in microseconds below which this share (0..1) of them lies; 0 when there are none. */
double histogram_quantile_us(const struct histogram *h, double share);
