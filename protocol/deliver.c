/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "protocol/internal.h"

/* Everything of a DELIVER frame that can be wrong before its fields are looked at. */
static int deliver_check(const uint8_t *frame, size_t size, size_t head, struct wire_fault *fault) {
        if (WIRE_UNLIKELY(head > size))
                return wire_fail(fault, WIRE_CODE_MALFORMED, 0, 28, "subject and fields reach beyond the frame");
        if (WIRE_UNLIKELY(wire_get16(frame + 6) == 0))
                return wire_fail(fault, WIRE_CODE_MALFORMED, 0, 6, "channel 0 where a channel is meant");
        if (WIRE_UNLIKELY(wire_get64(frame + 8) == 0))
                return wire_fail(fault, WIRE_CODE_MALFORMED, 0, 8, "message id 0");
        if (WIRE_UNLIKELY(frame[30] > WIRE_PRIORITY_MAX))
                return wire_fail(fault, WIRE_CODE_MALFORMED, 0, 30, "priority is above 9");
        if (WIRE_UNLIKELY((frame[5] & WIRE_FLAG_DESCRIPTOR) && head != size))
                return wire_fail(fault, WIRE_CODE_MALFORMED, 0, head, "a body beside a descriptor");
        return 0;
}

int wire_deliver_parse(const uint8_t *frame, size_t size, struct wire_deliver *ret, struct wire_fault *fault) {
        size_t fields_bytes, subject_bytes, head;
        struct wire_span fields;
        int r;

        r = wire_frame_check(frame, size, WIRE_DELIVER_HEADER_BYTES, fault);
        if (WIRE_UNLIKELY(r < 0))
                return r;

        fields_bytes = wire_get16(frame + 28);
        subject_bytes = frame[31];
        head = WIRE_DELIVER_HEADER_BYTES + subject_bytes + fields_bytes;
        r = deliver_check(frame, size, head, fault);
        if (WIRE_UNLIKELY(r < 0))
                return r;

        fields = (struct wire_span){frame + WIRE_DELIVER_HEADER_BYTES + subject_bytes, fields_bytes};
        if (WIRE_UNLIKELY(fields_bytes > 0)) {
                r = wire_fields_check_at(fields, WIRE_DELIVER_HEADER_BYTES + subject_bytes, fault);
                if (r == -EBADMSG)
                        return r;
        }

        ret->opcode = frame[4];
        ret->flags = frame[5];
        ret->channel = wire_get16(frame + 6);
        ret->id = wire_get64(frame + 8);
        ret->time_us = wire_get64(frame + 16);
        ret->sender = wire_get32(frame + 24);
        ret->priority = frame[30];
        ret->subject = (struct wire_span){frame + WIRE_DELIVER_HEADER_BYTES, subject_bytes};
        ret->fields = fields;
        ret->body = (struct wire_span){frame + head, size - head};
        return r;
}

size_t wire_deliver_size(const struct wire_deliver *deliver) {
        return WIRE_DELIVER_HEADER_BYTES + deliver->subject.size + deliver->fields.size + deliver->body.size;
}

size_t wire_put_deliver_header(uint8_t *out, const struct wire_deliver *deliver) {
        wire_set32(out, (uint32_t) wire_deliver_size(deliver));
        out[4] = deliver->opcode;
        out[5] = deliver->flags;
        wire_set16(out + 6, deliver->channel);
        wire_set64(out + 8, deliver->id);
        wire_set64(out + 16, deliver->time_us);
        wire_set32(out + 24, deliver->sender);
        wire_set16(out + 28, (uint16_t) deliver->fields.size);
        out[30] = deliver->priority;
        out[31] = (uint8_t) deliver->subject.size;
        return WIRE_DELIVER_HEADER_BYTES;
}

size_t wire_put_deliver(uint8_t *out, const struct wire_deliver *deliver) {
        uint8_t *p = out + wire_put_deliver_header(out, deliver);

        p = wire_append(p, deliver->subject.data, deliver->subject.size);
        p = wire_append(p, deliver->fields.data, deliver->fields.size);
        p = wire_append(p, deliver->body.data, deliver->body.size);
        return (size_t) (p - out);
}
