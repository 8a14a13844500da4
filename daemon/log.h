/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The log: to the journal with fields when stderr is the journal's, else as lines of text on stderr.
 * Events that an administrator searches for carry a stable MESSAGE_ID.
 */

#include <syslog.h>

struct log_field {
        const char *key;   /* upper-case, as the journal wants it */
        const char *value; /* NULL: left out */
};

/* Stable ids of events. */
#define LOG_ID_STARTED       "e0a1d3c4b7f64b0f9c5b7a0c7be1d001"
#define LOG_ID_STOPPED       "e0a1d3c4b7f64b0f9c5b7a0c7be1d002"
#define LOG_ID_RECOVERED     "e0a1d3c4b7f64b0f9c5b7a0c7be1d003"
#define LOG_ID_STORE_NOTICE  "e0a1d3c4b7f64b0f9c5b7a0c7be1d004"
#define LOG_ID_STORE_FAILED  "e0a1d3c4b7f64b0f9c5b7a0c7be1d005"
#define LOG_ID_ACCEPT_FAILED "e0a1d3c4b7f64b0f9c5b7a0c7be1d006"
#define LOG_ID_DISK_FULL     "e0a1d3c4b7f64b0f9c5b7a0c7be1d007"
#define LOG_ID_DISK_ROOM     "e0a1d3c4b7f64b0f9c5b7a0c7be1d008"

/* Looks whether stderr is the journal. `level`: the least urgent syslog level that is logged. */
void log_open(int level);
/* "err", "warning", "notice", "info", "debug" or a number. Returns -EINVAL for another word. */
int log_parse_level(const char *text, int *ret);

/* One event. `id` may be NULL; `fields` ends with a NULL key, or is NULL. */
void log_event(int level, const char *id, const struct log_field *fields, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
#define log_line(level, ...) log_event(level, NULL, NULL, __VA_ARGS__)
