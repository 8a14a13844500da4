/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/store/catalog.h"

int catalog_reserve(struct catalog *c) {
        size_t n = c->n_allocated > 0 ? c->n_allocated * 2 : 16;
        struct segment **items;

        if (c->n < c->n_allocated)
                return 0;
        items = reallocarray(c->items, n, sizeof(struct segment *));
        if (!items)
                return -ENOMEM;
        c->items = items;
        c->n_allocated = n;
        return 0;
}

void catalog_add(struct catalog *c, struct segment *g) {
        assert(c->n < c->n_allocated);
        assert(c->n == 0 || c->items[c->n - 1]->number < g->number);
        c->items[c->n++] = g;
}

struct segment *catalog_find(struct catalog *c, uint32_t number) {
        size_t low = 0, high = c->n;

        if (c->last && c->last->number == number)
                return c->last;
        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (c->items[middle]->number < number)
                        low = middle + 1;
                else
                        high = middle;
        }
        if (low == c->n || c->items[low]->number != number)
                return NULL;
        c->last = c->items[low];
        return c->last;
}

struct segment *catalog_take(struct catalog *c, size_t at) {
        struct segment *g = c->items[at];

        memmove(c->items + at, c->items + at + 1, (c->n - at - 1) * sizeof(struct segment *));
        c->n--;
        if (c->last == g)
                c->last = NULL;
        return g;
}

void catalog_clear(struct catalog *c) {
        for (size_t i = 0; i < c->n; i++)
                (void) segment_free(c->items[i]);
        free(c->items);
        *c = (struct catalog){0};
}
