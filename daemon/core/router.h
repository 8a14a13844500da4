/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The router: from a subject to everything that wants it. Patterns live in a trie
 * by token, so that matching costs the subject's length, not the number of
 * patterns. Targets are opaque pointers; one may be bound by many patterns and is found once.
 */

#include <stddef.h>
#include <stdint.h>

#include "protocol/wire.h"

struct router;

/* Returns 0 or -ENOMEM. */
int router_new(struct router **ret);
struct router *router_free(struct router *router);

/* Binds `target` to a well-formed subject or pattern. Returns 1, 0 when it was bound so before, -ENOMEM. */
int router_add(struct router *router, struct wire_span pattern, void *target);
/* Returns 1, or 0 when it was not bound so. */
int router_remove(struct router *router, struct wire_span pattern, void *target);
/* Counts up whenever a binding changes: what was matched before may be stale. */
uint64_t router_generation(const struct router *router);

/*
 * Finds the targets of a well-formed subject, each once, in the order found. The array belongs to the router and holds
 * until the next call. Answers for recent subjects are remembered.
 * Returns their number, or -ENOMEM.
 */
int router_match(struct router *router, struct wire_span subject, void *const **ret);
