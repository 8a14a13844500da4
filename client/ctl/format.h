/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Numbers as people read them. Each writes to the caller's buffer and returns it. */

#include <stdint.h>

#define FORMAT_BYTES_MAX 64

/* "512B", "1.4K", "16M": powers of 1024. */
char *format_size(char buffer[static FORMAT_BYTES_MAX], uint64_t bytes);
/* A span in at most two units, as systemd spells it: "250ms", "5s", "1h 30min", "3d 2h". */
char *format_span(char buffer[static FORMAT_BYTES_MAX], uint64_t us);
/* A CLOCK_REALTIME time, local: "2031-05-01 12:30:01.250". */
char *format_time(char buffer[static FORMAT_BYTES_MAX], uint64_t realtime_us);
