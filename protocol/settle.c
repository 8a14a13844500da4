/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "protocol/internal.h"

#define CREDIT_BYTES        16u
#define SETTLE_HEADER_BYTES 16u

int wire_credit_parse(const uint8_t *frame, size_t size, struct wire_credit *ret, struct wire_fault *fault) {
        int r;

        r = wire_frame_check(frame, size, CREDIT_BYTES, fault);
        if (r < 0)
                return r;
        if (size != CREDIT_BYTES)
                return wire_fail(fault, WIRE_CODE_MALFORMED, 0, CREDIT_BYTES, "bytes behind a CREDIT");
        if (wire_get16(frame + 6) == 0)
                return wire_fail(fault, WIRE_CODE_MALFORMED, 0, 6, "channel 0 where a channel is meant");

        ret->messages = wire_get32(frame + 8);
        ret->bytes = wire_get32(frame + 12);
        return 0;
}

size_t wire_put_credit(uint8_t *out, unsigned channel, const struct wire_credit *credit) {
        wire_set32(out, CREDIT_BYTES);
        out[4] = WIRE_CREDIT;
        out[5] = 0;
        wire_set16(out + 6, (uint16_t) channel);
        wire_set32(out + 8, credit->messages);
        wire_set32(out + 12, credit->bytes);
        return CREDIT_BYTES;
}

static struct wire_settle_run settle_run(const uint8_t *runs, size_t index) {
        const uint8_t *p = runs + index * WIRE_SETTLE_RUN_BYTES;

        return (struct wire_settle_run){.id = wire_get64(p), .count = wire_get32(p + 8)};
}

/* Each run names at least one id, none of them 0 nor beyond the last. `at` is where the runs begin in the frame. */
static int settle_check_runs(const uint8_t *runs, size_t n_runs, size_t at, struct wire_fault *fault) {
        for (size_t i = 0; i < n_runs; i++, at += WIRE_SETTLE_RUN_BYTES) {
                struct wire_settle_run run = settle_run(runs, i);

                if (WIRE_UNLIKELY(run.id == 0))
                        return wire_fail(fault, WIRE_CODE_MALFORMED, 0, at, "message id 0");
                if (WIRE_UNLIKELY(run.count == 0))
                        return wire_fail(fault, WIRE_CODE_MALFORMED, 0, at + 8, "a run of nothing");
                if (WIRE_UNLIKELY(run.id > UINT64_MAX - (run.count - 1)))
                        return wire_fail(fault, WIRE_CODE_MALFORMED, 0, at, "a run beyond the last id");
        }
        return 0;
}

int wire_settle_parse(const uint8_t *frame, size_t size, struct wire_settle *ret, struct wire_fault *fault) {
        size_t fields_bytes, head, runs_bytes;
        struct wire_span fields;
        int r;

        r = wire_frame_check(frame, size, SETTLE_HEADER_BYTES, fault);
        if (WIRE_UNLIKELY(r < 0))
                return r;
        if (WIRE_UNLIKELY(wire_get16(frame + 6) == 0))
                return wire_fail(fault, WIRE_CODE_MALFORMED, 0, 6, "channel 0 where a channel is meant");
        if (WIRE_UNLIKELY(wire_get32(frame + 8) == 0))
                return wire_fail(fault, WIRE_CODE_MALFORMED, 0, 8, "serial 0 in a request or its answer");

        fields_bytes = wire_get16(frame + 12);
        head = SETTLE_HEADER_BYTES + fields_bytes;
        if (WIRE_UNLIKELY(head > size))
                return wire_fail(fault, WIRE_CODE_MALFORMED, 0, 12, "fields reach beyond the frame");
        runs_bytes = size - head;
        if (WIRE_UNLIKELY(runs_bytes % WIRE_SETTLE_RUN_BYTES != 0))
                return wire_fail(fault, WIRE_CODE_MALFORMED, 0, head, "frame ends within a run");

        fields = (struct wire_span){frame + SETTLE_HEADER_BYTES, fields_bytes};
        r = settle_check_runs(frame + head, runs_bytes / WIRE_SETTLE_RUN_BYTES, head, fault);
        if (WIRE_UNLIKELY(r < 0))
                return r;
        r = wire_fields_check_at(fields, SETTLE_HEADER_BYTES, fault);
        if (WIRE_UNLIKELY(r == -EBADMSG))
                return r;

        ret->serial = wire_get32(frame + 8);
        ret->fields = fields;
        ret->runs = frame + head;
        ret->n_runs = runs_bytes / WIRE_SETTLE_RUN_BYTES;
        return r;
}

struct wire_settle_run wire_settle_run(const struct wire_settle *settle, size_t index) {
        return settle_run(settle->runs, index);
}

size_t wire_put_settle_header(uint8_t *out,
                              unsigned opcode,
                              unsigned flags,
                              unsigned channel,
                              uint32_t serial,
                              size_t fields_bytes,
                              size_t n_runs) {
        wire_set32(out, (uint32_t) (SETTLE_HEADER_BYTES + fields_bytes + n_runs * WIRE_SETTLE_RUN_BYTES));
        out[4] = (uint8_t) opcode;
        out[5] = (uint8_t) flags;
        wire_set16(out + 6, (uint16_t) channel);
        wire_set32(out + 8, serial);
        wire_set16(out + 12, (uint16_t) fields_bytes);
        wire_set16(out + 14, 0);
        return SETTLE_HEADER_BYTES;
}

size_t wire_put_settle_run(uint8_t *out, const struct wire_settle_run *run) {
        wire_set64(out, run->id);
        wire_set32(out + 8, run->count);
        return WIRE_SETTLE_RUN_BYTES;
}
