/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the codec's tests share: copies on the heap that are exactly as large as what they hold, so that
 * AddressSanitizer sees the first byte that is read beyond it, and frames cut short at every byte. */

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "protocol/wire.h"

static inline void freep(uint8_t **p) {
        free(*p);
        *p = NULL;
}

#define _cleanup_bytes_ __attribute__((cleanup(freep)))

#define SPAN(literal) ((struct wire_span){(const uint8_t *) (literal), sizeof(literal) - 1})

/* Returns: a copy without a byte to spare (for nothing: a block of no bytes). */
static inline uint8_t *exact(const void *data, size_t size) {
        uint8_t *p = malloc(size);

        if (size > 0) {
                assert_non_null(p);
                memcpy(p, data, size);
        }
        return p;
}

static inline void assert_span_equal(struct wire_span a, struct wire_span b) {
        assert_int_equal(a.size, b.size);
        if (a.size > 0)
                assert_memory_equal(a.data, b.data, a.size);
}

typedef int (*parse_function)(const uint8_t *frame, size_t size, struct wire_fault *fault);

/* Parses an exact copy; with `announce` its header says the size that it has, else what it said before. */
static inline int
parse_first(parse_function parse, const uint8_t *frame, size_t size, bool announce, struct wire_fault *fault) {
        _cleanup_bytes_ uint8_t *copy = exact(frame, size);

        if (announce && size >= 4)
                wire_set32(copy, (uint32_t) size);
        *fault = (struct wire_fault){0};
        return parse(copy, size, fault);
}

static inline void assert_refused(int r, const struct wire_fault *fault, unsigned code) {
        assert_int_equal(r, code == WIRE_CODE_UNKNOWN_FIELD ? -EOPNOTSUPP : -EBADMSG);
        assert_int_equal(fault->code, code);
        assert_non_null(fault->text);
}

/* Every truncation of a frame is refused; so is every one whose header was made to agree, but for `n_whole` of them. */
static inline void assert_truncations(parse_function parse, const uint8_t *frame, size_t size, size_t n_whole) {
        struct wire_fault fault;
        size_t accepted = 0;

        assert_true(parse_first(parse, frame, size, false, &fault) >= 0);
        for (size_t n = 0; n < size; n++) {
                assert_refused(parse_first(parse, frame, n, false, &fault), &fault, WIRE_CODE_MALFORMED);
                if (parse_first(parse, frame, n, true, &fault) >= 0)
                        accepted++;
                else
                        assert_int_equal(fault.code, WIRE_CODE_MALFORMED);
        }
        assert_int_equal(accepted, n_whole);
}

/* A frame one byte longer than it says is refused as well. */
static inline void assert_overlong_refused(parse_function parse, const uint8_t *frame, size_t size) {
        _cleanup_bytes_ uint8_t *copy = malloc(size + 1);
        struct wire_fault fault = {0};

        assert_non_null(copy);
        memcpy(copy, frame, size);
        copy[size] = 0;
        assert_refused(parse(copy, size + 1, &fault), &fault, WIRE_CODE_MALFORMED);
}
