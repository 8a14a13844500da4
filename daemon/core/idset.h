/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A set of message ids as sorted, disjoint runs. Appending at the end and dropping from the front are cheap. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct idset_run {
        uint64_t first, end; /* first .. end-1 */
};

struct idset {
        struct idset_run *runs; /* runs[head .. size-1] are in use */
        size_t head, size, capacity;
};

static inline bool idset_is_empty(const struct idset *set) {
        return set->head == set->size;
}
void idset_done(struct idset *set);
/* Adds first .. first+count-1 (count > 0), merging with neighbours. Returns 0 or -ENOMEM. */
int idset_add(struct idset *set, uint64_t first, uint64_t count);
bool idset_contains(const struct idset *set, uint64_t id);
/* Removes every id below `id`. */
void idset_drop_below(struct idset *set, uint64_t id);
