/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core/idset.h"

void idset_done(struct idset *set) {
        free(set->runs);
        *set = (struct idset){0};
}

/* The first run that ends at or behind `id`. */
static size_t find(const struct idset *set, uint64_t id) {
        size_t low = set->head, high = set->size;

        if (low < high && set->runs[high - 1].end < id)
                return high;
        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (set->runs[middle].end < id)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static int make_room(struct idset *set) {
        size_t capacity = set->capacity ? set->capacity * 2 : 4;
        struct idset_run *runs;

        if (set->size < set->capacity)
                return 0;
        if (set->head > set->capacity / 2) {
                memmove(set->runs, set->runs + set->head, (set->size - set->head) * sizeof(*set->runs));
                set->size -= set->head;
                set->head = 0;
                return 0;
        }
        runs = realloc(set->runs, capacity * sizeof(*runs));
        if (!runs)
                return -ENOMEM;
        set->runs = runs;
        set->capacity = capacity;
        return 0;
}

int idset_add(struct idset *set, uint64_t first, uint64_t count) {
        uint64_t end = first + count;
        size_t at, last;
        int r;

        r = make_room(set);
        if (r < 0)
                return r;
        at = find(set, first);
        for (last = at; last < set->size && set->runs[last].first <= end; last++) {
                if (set->runs[last].first < first)
                        first = set->runs[last].first;
                if (set->runs[last].end > end)
                        end = set->runs[last].end;
        }
        /* runs[at .. last-1] become one; none of them: make place for it. */
        if (last == at)
                memmove(set->runs + at + 1, set->runs + at, (set->size++ - at) * sizeof(*set->runs));
        else {
                memmove(set->runs + at + 1, set->runs + last, (set->size - last) * sizeof(*set->runs));
                set->size -= last - at - 1;
        }
        set->runs[at] = (struct idset_run){first, end};
        return 0;
}

bool idset_contains(const struct idset *set, uint64_t id) {
        size_t at;

        if (idset_is_empty(set))
                return false;
        at = find(set, id + 1);
        return at < set->size && set->runs[at].first <= id;
}

void idset_drop_below(struct idset *set, uint64_t id) {
        while (set->head < set->size && set->runs[set->head].end <= id)
                set->head++;
        if (set->head == set->size)
                set->head = set->size = 0;
        else if (set->runs[set->head].first < id)
                set->runs[set->head].first = id;
}
