/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "protocol/internal.h"

#define ONES UINT64_C(0x0101010101010101)
#define TOPS UINT64_C(0x8080808080808080)

/* Returns: true when none of the eight bytes is NUL or above 0x7f. */
static bool eight_plain(const uint8_t *p) {
        uint64_t word;

        memcpy(&word, p, sizeof(word));
        /* A byte borrows into its top bit only if it was 0; bytes above 0x7f have it set already. */
        return (((word - ONES) | word) & TOPS) == 0;
}

/* Returns: the length of the sequence that starts with this byte above 0x7f and the range that its second byte must lie
 * in (which is what rules out overlong forms, surrogates and code points above U+10FFFF); 0 when none starts so. */
static size_t sequence_bytes(uint8_t first, uint8_t *ret_low, uint8_t *ret_high) {
        *ret_low = 0x80;
        *ret_high = 0xbf;

        if (first >= 0xc2 && first <= 0xdf)
                return 2;
        if (first >= 0xe0 && first <= 0xef) {
                if (first == 0xe0)
                        *ret_low = 0xa0;
                if (first == 0xed)
                        *ret_high = 0x9f;
                return 3;
        }
        if (first >= 0xf0 && first <= 0xf4) {
                if (first == 0xf0)
                        *ret_low = 0x90;
                if (first == 0xf4)
                        *ret_high = 0x8f;
                return 4;
        }
        return 0;
}

bool wire_text_valid(const uint8_t *data, size_t size) {
        size_t i = 0;

        while (i < size) {
                uint8_t low, high;
                size_t n;

                if (size - i >= 8 && eight_plain(data + i)) {
                        i += 8;
                        continue;
                }
                if (data[i] < 0x80) {
                        if (data[i] == 0)
                                return false;
                        i++;
                        continue;
                }

                n = sequence_bytes(data[i], &low, &high);
                if (n == 0 || n > size - i)
                        return false;
                if (data[i + 1] < low || data[i + 1] > high)
                        return false;
                for (size_t k = 2; k < n; k++)
                        if ((data[i + k] & 0xc0) != 0x80)
                                return false;
                i += n;
        }
        return true;
}
