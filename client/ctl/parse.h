/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What people write on a command line, read strictly: the whole text must fit. `ret` is untouched on failure. */

#include <stdint.h>

/* A decimal number without sign or space. Returns 0, -EINVAL when it is none, -ERANGE when it exceeds `max`. */
int parse_u64(const char *text, uint64_t max, uint64_t *ret);

/* A span of time as systemd spells it ("5s", "1h 30min", "500ms", "1.5h"; a bare number is seconds), in microseconds.
 * "infinity" is UINT64_MAX. Returns 0, -EINVAL, or -ERANGE when it does not fit. */
int parse_time(const char *text, uint64_t *ret_us);
