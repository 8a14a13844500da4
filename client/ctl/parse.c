/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "client/ctl/parse.h"

#define US_PER_SECOND UINT64_C(1000000)

static const struct {
        const char *name;
        uint64_t us;
} units[] = {
        {"seconds", US_PER_SECOND},
        {"second", US_PER_SECOND},
        {"sec", US_PER_SECOND},
        {"s", US_PER_SECOND},
        {"minutes", 60 * US_PER_SECOND},
        {"minute", 60 * US_PER_SECOND},
        {"min", 60 * US_PER_SECOND},
        {"m", 60 * US_PER_SECOND},
        {"months", 2629800 * US_PER_SECOND},
        {"month", 2629800 * US_PER_SECOND},
        {"M", 2629800 * US_PER_SECOND},
        {"msec", 1000},
        {"ms", 1000},
        {"usec", 1},
        {"us", 1},
        {"\302\265s", 1}, /* micro sign */
        {"\316\274s", 1}, /* Greek mu */
        {"hours", 3600 * US_PER_SECOND},
        {"hour", 3600 * US_PER_SECOND},
        {"hr", 3600 * US_PER_SECOND},
        {"h", 3600 * US_PER_SECOND},
        {"days", 86400 * US_PER_SECOND},
        {"day", 86400 * US_PER_SECOND},
        {"d", 86400 * US_PER_SECOND},
        {"weeks", 604800 * US_PER_SECOND},
        {"week", 604800 * US_PER_SECOND},
        {"w", 604800 * US_PER_SECOND},
        {"years", 31557600 * US_PER_SECOND},
        {"year", 31557600 * US_PER_SECOND},
        {"y", 31557600 * US_PER_SECOND},
};

/* Reads digits at *text and moves behind them. Returns how many there were, or -ERANGE. */
static int read_digits(const char **text, uint64_t *ret) {
        uint64_t value = 0;
        int n = 0;

        for (; isdigit((unsigned char) **text); (*text)++, n++)
                if (__builtin_mul_overflow(value, 10u, &value) ||
                    __builtin_add_overflow(value, (uint64_t) (**text - '0'), &value))
                        return -ERANGE;
        *ret = value;
        return n;
}

int parse_u64(const char *text, uint64_t max, uint64_t *ret) {
        uint64_t value;
        int n = read_digits(&text, &value);

        if (n < 0)
                return n;
        if (n == 0 || *text)
                return -EINVAL;
        if (value > max)
                return -ERANGE;
        *ret = value;
        return 0;
}

static const char *skip_spaces(const char *text) {
        while (*text == ' ' || *text == '\t')
                text++;
        return text;
}

/* Reads a unit, which ends where a number, a space or the text does. No unit at all is seconds. */
static int read_unit(const char **text, uint64_t *ret_us) {
        size_t length = strcspn(*text, " \t.0123456789");

        if (length == 0) {
                if (**text == '.') /* a second point in one number */
                        return -EINVAL;
                *ret_us = US_PER_SECOND;
                return 0;
        }
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
                if (strlen(units[i].name) == length && memcmp(units[i].name, *text, length) == 0) {
                        *ret_us = units[i].us;
                        *text += length;
                        return 0;
                }
        return -EINVAL;
}

/* Adds "digits[.digits] unit" to *sum. Of the fraction six digits count. */
static int read_part(const char **text, uint64_t *sum) {
        uint64_t whole, fraction = 0, scale = 1, unit, part;
        int n = read_digits(text, &whole), n_fraction = 0, r;

        if (n < 0)
                return n;
        if (**text == '.')
                for ((*text)++; isdigit((unsigned char) **text); (*text)++)
                        if (n_fraction++ < 6) {
                                fraction = fraction * 10 + (uint64_t) (**text - '0');
                                scale *= 10;
                        }
        if (n + n_fraction == 0)
                return -EINVAL;
        *text = skip_spaces(*text);
        r = read_unit(text, &unit);
        if (r < 0)
                return r;
        if (__builtin_mul_overflow(whole, unit, &part) || __builtin_add_overflow(*sum, part, sum))
                return -ERANGE;
        /* Split, so that the product fits: below 10^6 times each half of the unit. */
        part = fraction * (unit / scale) + fraction * (unit % scale) / scale;
        return __builtin_add_overflow(*sum, part, sum) ? -ERANGE : 0;
}

int parse_time(const char *text, uint64_t *ret_us) {
        uint64_t sum = 0;

        text = skip_spaces(text);
        if (strcmp(text, "infinity") == 0) {
                *ret_us = UINT64_MAX;
                return 0;
        }
        do {
                int r = read_part(&text, &sum);

                if (r < 0)
                        return r;
                text = skip_spaces(text);
        } while (*text);
        *ret_us = sum;
        return 0;
}
