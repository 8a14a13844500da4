/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the codec share among themselves; nobody else includes it. */

#include <string.h>

#include "protocol/wire.h"

#define WIRE_LIKELY(x)   __builtin_expect(!!(x), 1)
#define WIRE_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Fills *fault (may be NULL) and returns the negative errno that goes with the code. Kept out of the hot paths. */
__attribute__((cold, noinline)) int
wire_fail(struct wire_fault *fault, unsigned code, unsigned tag, size_t offset, const char *text);

/* Returns: true when the bytes are well-formed UTF-8 (Unicode 15, table 3-7) and hold no NUL. */
bool wire_text_valid(const uint8_t *data, size_t size);

/* Checks the fields of a frame, which begin `at` bytes into it, so that the fault's offset is the frame's. */
int wire_fields_check_at(struct wire_span fields, size_t at, struct wire_fault *fault);

/* Checks that a frame has at least `size_min` bytes and is as long as its header says. */
static inline int wire_frame_check(const uint8_t *frame, size_t size, size_t size_min, struct wire_fault *fault) {
        if (WIRE_UNLIKELY(size < size_min))
                return wire_fail(fault, WIRE_CODE_MALFORMED, 0, size, "frame is shorter than its opcode's layout");
        if (WIRE_UNLIKELY(wire_get32(frame) != size))
                return wire_fail(fault, WIRE_CODE_MALFORMED, 0, 0, "frame size differs from its header");
        return 0;
}

/* memcpy() that may be told to copy nothing from nowhere. */
static inline uint8_t *wire_append(uint8_t *out, const void *data, size_t size) {
        if (size > 0)
                memcpy(out, data, size);
        return out + size;
}
