/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reads back what is on disk: the newest whole checkpoint, then the commits after it. Changes no file. */

#include <stdint.h>

#include "daemon/store/catalog.h"
#include "daemon/store/directory.h"
#include "daemon/store/store.h"

struct recovered {
        uint32_t base;        /* number of the segment whose checkpoint was taken; 0: none, the store is empty */
        uint64_t last_commit; /* number of the last whole commit; 0: none */
        uint32_t last_number; /* highest segment number seen */
};

/*
 * Replays the store. The catalog holds every segment of the directory; the base is left open, damaged ones are marked.
 * What is handed out is durable. Returns 0; -EPROTONOSUPPORT for a newer format; -EBADMSG when segments are there but
 * none has a whole checkpoint, and not for a stop in the very first commit; what a callback returned; another negative
 * errno.
 */
int recover(struct catalog *c, const struct directory *d, const struct store_replay *replay, struct recovered *ret);

/* Tells replay->notice() a line, if it wants to know. */
void recover_notice(const struct store_replay *replay, const char *format, ...) __attribute__((format(printf, 2, 3)));
