/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

#include "client/ctl/format.h"

char *format_size(char buffer[static FORMAT_BYTES_MAX], uint64_t bytes) {
        static const char letters[] = "KMGTPE";
        unsigned shift = 0;
        uint64_t tenths;

        if (bytes < 1024) {
                snprintf(buffer, FORMAT_BYTES_MAX, "%" PRIu64 "B", bytes);
                return buffer;
        }
        while (shift < sizeof(letters) - 1 && bytes >> (10 * shift) >= 1024)
                shift++;
        /* The lowest ten bits below the unit make the tenths; the rest cannot change them visibly. */
        tenths = ((bytes >> (10 * (shift - 1))) & 1023) * 10 / 1024;
        snprintf(buffer, FORMAT_BYTES_MAX, "%" PRIu64 ".%" PRIu64 "%c", bytes >> (10 * shift), tenths,
                 letters[shift - 1]);
        if (tenths == 0)
                snprintf(buffer, FORMAT_BYTES_MAX, "%" PRIu64 "%c", bytes >> (10 * shift), letters[shift - 1]);
        return buffer;
}

char *format_span(char buffer[static FORMAT_BYTES_MAX], uint64_t us) {
        static const struct {
                const char *name;
                uint64_t us;
        } units[] = {
                {"y", UINT64_C(31557600000000)},
                {"d", UINT64_C(86400000000)},
                {"h", UINT64_C(3600000000)},
                {"min", UINT64_C(60000000)},
                {"s", UINT64_C(1000000)},
                {"ms", UINT64_C(1000)},
                {"us", UINT64_C(1)},
        };
        size_t i = 0;
        uint64_t rest;
        int n;

        while (i < 6 && us < units[i].us)
                i++;
        rest = us % units[i].us;
        n = snprintf(buffer, FORMAT_BYTES_MAX, "%" PRIu64 "%s", us / units[i].us, units[i].name);
        /* Seconds and less are told by one unit. */
        if (i < 4 && rest >= units[i + 1].us)
                snprintf(buffer + n, FORMAT_BYTES_MAX - (size_t) n, " %" PRIu64 "%s", rest / units[i + 1].us,
                         units[i + 1].name);
        return buffer;
}

char *format_time(char buffer[static FORMAT_BYTES_MAX], uint64_t realtime_us) {
        time_t seconds = (time_t) (realtime_us / 1000000);
        struct tm tm;
        size_t n;

        if (!localtime_r(&seconds, &tm)) {
                snprintf(buffer, FORMAT_BYTES_MAX, "%" PRIu64 "us", realtime_us);
                return buffer;
        }
        n = strftime(buffer, FORMAT_BYTES_MAX, "%F %T", &tm);
        snprintf(buffer + n, FORMAT_BYTES_MAX - n, ".%03" PRIu64, realtime_us / 1000 % 1000);
        return buffer;
}
