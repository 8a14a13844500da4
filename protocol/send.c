/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "protocol/internal.h"

int wire_send_parse(const uint8_t *frame, size_t size, struct wire_send *ret, struct wire_fault *fault) {
        size_t fields_bytes, subject_bytes, head;
        struct wire_span fields;
        int r;

        r = wire_frame_check(frame, size, WIRE_SEND_HEADER_BYTES, fault);
        if (WIRE_UNLIKELY(r < 0))
                return r;

        fields_bytes = wire_get16(frame + 12);
        subject_bytes = frame[15];
        head = WIRE_SEND_HEADER_BYTES + subject_bytes + fields_bytes;
        if (WIRE_UNLIKELY(head > size))
                return wire_fail(fault, WIRE_CODE_MALFORMED, 0, 12, "subject and fields reach beyond the frame");
        if (WIRE_UNLIKELY(frame[14] > WIRE_PRIORITY_MAX))
                return wire_fail(fault, WIRE_CODE_MALFORMED, 0, 14, "priority is above 9");
        if (WIRE_UNLIKELY((frame[5] & WIRE_FLAG_DESCRIPTOR) && head != size))
                return wire_fail(fault, WIRE_CODE_MALFORMED, 0, head, "a body beside a descriptor");

        fields = (struct wire_span){frame + WIRE_SEND_HEADER_BYTES + subject_bytes, fields_bytes};
        if (WIRE_UNLIKELY(fields_bytes > 0)) {
                r = wire_fields_check_at(fields, WIRE_SEND_HEADER_BYTES + subject_bytes, fault);
                if (r == -EBADMSG)
                        return r;
        }

        ret->serial = wire_get32(frame + 8);
        ret->flags = frame[5];
        ret->priority = frame[14];
        ret->subject = (struct wire_span){frame + WIRE_SEND_HEADER_BYTES, subject_bytes};
        ret->fields = fields;
        ret->body = (struct wire_span){frame + head, size - head};
        return r;
}

size_t wire_send_size(const struct wire_send *send) {
        return WIRE_SEND_HEADER_BYTES + send->subject.size + send->fields.size + send->body.size;
}

size_t wire_put_send(uint8_t *out, const struct wire_send *send) {
        size_t size = wire_send_size(send);
        uint8_t *p = out + WIRE_SEND_HEADER_BYTES;

        wire_set32(out, (uint32_t) size);
        out[4] = WIRE_SEND;
        out[5] = send->flags;
        wire_set16(out + 6, 0);
        wire_set32(out + 8, send->serial);
        wire_set16(out + 12, (uint16_t) send->fields.size);
        out[14] = send->priority;
        out[15] = (uint8_t) send->subject.size;
        p = wire_append(p, send->subject.data, send->subject.size);
        p = wire_append(p, send->fields.data, send->fields.size);
        wire_append(p, send->body.data, send->body.size);
        return size;
}
