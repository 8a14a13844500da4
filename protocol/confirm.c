/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "protocol/internal.h"

int wire_confirm_parse(const uint8_t *frame, size_t size, struct wire_fault *fault) {
        size_t n;
        int r;

        r = wire_frame_check(frame, size, WIRE_HEADER_BYTES, fault);
        if (r < 0)
                return r;
        if ((size - WIRE_HEADER_BYTES) % WIRE_CONFIRM_RUN_BYTES != 0)
                return wire_fail(fault, WIRE_CODE_MALFORMED, 0, 0, "CONFIRM ends within a run");

        n = (size - WIRE_HEADER_BYTES) / WIRE_CONFIRM_RUN_BYTES;
        for (size_t i = 0; i < n; i++) {
                struct wire_confirm_run run = wire_confirm_run(frame, i);
                size_t at = WIRE_HEADER_BYTES + i * WIRE_CONFIRM_RUN_BYTES;

                if (WIRE_UNLIKELY(run.count == 0))
                        return wire_fail(fault, WIRE_CODE_MALFORMED, 0, at + 4, "a run of nothing");
                if (WIRE_UNLIKELY(run.id > UINT64_MAX - (run.count - 1)))
                        return wire_fail(fault, WIRE_CODE_MALFORMED, 0, at + 8, "a run beyond the last id");
        }
        return (int) n;
}

struct wire_confirm_run wire_confirm_run(const uint8_t *frame, size_t index) {
        const uint8_t *p = frame + WIRE_HEADER_BYTES + index * WIRE_CONFIRM_RUN_BYTES;

        return (struct wire_confirm_run){
                .serial = wire_get32(p),
                .count = wire_get32(p + 4),
                .id = wire_get64(p + 8),
        };
}

size_t wire_put_confirm_run(uint8_t *out, const struct wire_confirm_run *run) {
        wire_set32(out, run->serial);
        wire_set32(out + 4, run->count);
        wire_set64(out + 8, run->id);
        return WIRE_CONFIRM_RUN_BYTES;
}
