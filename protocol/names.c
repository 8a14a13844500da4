/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "protocol/internal.h"

/* Returns: true for what a token of a subject is made of. */
static bool token_byte(uint8_t c) {
        static const bool is_token[256] = {
                ['-'] = true, ['_'] = true, ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
        };

        return is_token[c];
}

static int refuse(const char **ret_why, const char *why) {
        if (ret_why)
                *ret_why = why;
        return -EINVAL;
}

/* Returns: true when the byte at `i` is a token by itself; if `last`, no other token may follow. */
static bool whole_token(const uint8_t *p, size_t size, size_t i, bool last) {
        bool begins = i == 0 || p[i - 1] == '.';
        bool ends = i + 1 == size || (!last && p[i + 1] == '.');

        return begins && ends;
}

static int name_check(const uint8_t *p, size_t size, bool wildcards, const char **ret_why) {
        bool token_empty = true;

        if (size == 0)
                return refuse(ret_why, "it is empty");
        if (size > WIRE_SUBJECT_BYTES_MAX)
                return refuse(ret_why, "it is longer than 255 bytes");

        for (size_t i = 0; i < size; i++) {
                if (WIRE_LIKELY(token_byte(p[i]))) {
                        token_empty = false;
                } else if (p[i] == '.') {
                        if (token_empty)
                                return refuse(ret_why, "it has an empty token");
                        token_empty = true;
                } else if (wildcards && (p[i] == '*' || p[i] == '>')) {
                        if (!whole_token(p, size, i, p[i] == '>'))
                                return refuse(ret_why, p[i] == '*' ? "'*' must be a whole token"
                                                                   : "'>' must be the whole last token");
                        token_empty = false;
                } else
                        return refuse(ret_why, "a byte other than A-Z a-z 0-9 _ - in a token");
        }
        if (token_empty)
                return refuse(ret_why, "it has an empty token");
        return 0;
}

int wire_subject_check(const void *data, size_t size, const char **ret_why) {
        return name_check(data, size, false, ret_why);
}

int wire_pattern_check(const void *data, size_t size, const char **ret_why) {
        return name_check(data, size, true, ret_why);
}

bool wire_pattern_match(const void *pattern, size_t pattern_bytes, const void *subject, size_t subject_bytes) {
        const uint8_t *p = pattern, *p_end = p + pattern_bytes;
        const uint8_t *s = subject, *s_end = s + subject_bytes;

        /* Each round compares one token; both pointers stand at the start of theirs. */
        while (p < p_end && s < s_end) {
                if (*p == '>' && p + 1 == p_end)
                        return true;
                if (*p == '*') {
                        p++;
                        while (s < s_end && *s != '.')
                                s++;
                } else
                        while (p < p_end && s < s_end && *p == *s && *p != '.') {
                                p++;
                                s++;
                        }

                if (p == p_end || s == s_end)
                        return p == p_end && s == s_end;
                if (*p != '.' || *s != '.')
                        return false;
                p++;
                s++;
        }
        return false;
}
