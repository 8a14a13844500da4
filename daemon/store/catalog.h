/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The segments that the store knows, lowest number first. It owns them. */

#include <stddef.h>
#include <stdint.h>

#include "daemon/store/segment.h"

struct catalog {
        struct segment **items;
        size_t n;
        size_t n_allocated;
        struct segment *last; /* found last; most look-ups come in runs */
};

/* Makes room for one more, so that the next catalog_add() cannot fail. Returns 0 or -ENOMEM. */
int catalog_reserve(struct catalog *c);
/* Takes over a segment whose number is above all others. Needs a catalog_reserve() before it. */
void catalog_add(struct catalog *c, struct segment *g);
/* Returns: the segment of that number, or NULL. Not to be freed. */
struct segment *catalog_find(struct catalog *c, uint32_t number);
/* Hands segment `at` back to the caller. */
struct segment *catalog_take(struct catalog *c, size_t at);
/* Frees all of them. */
void catalog_clear(struct catalog *c);
