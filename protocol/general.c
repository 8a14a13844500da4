/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "protocol/internal.h"

/* What the opcodes of the general layout must name in the header. */
static unsigned opcode_needs(unsigned opcode) {
        static const uint8_t needs[256] = {
#define X(number, name, direction, layout, what) [number] = what,
                WIRE_OPCODES(X)
#undef X
        };

        return needs[opcode & 0xff];
}

int wire_general_parse(const uint8_t *frame, size_t size, struct wire_general *ret, struct wire_fault *fault) {
        struct wire_span fields;
        unsigned needs;
        uint32_t serial;
        int r;

        r = wire_frame_check(frame, size, WIRE_SERIAL_HEADER_BYTES, fault);
        if (r < 0)
                return r;

        needs = opcode_needs(frame[4]);
        serial = wire_get32(frame + 8);
        if ((needs & WIRE_NEEDS_CHANNEL) && wire_get16(frame + 6) == 0)
                return wire_fail(fault, WIRE_CODE_MALFORMED, 0, 6, "channel 0 where a channel is meant");
        if ((needs & WIRE_NEEDS_SERIAL) && serial == 0)
                return wire_fail(fault, WIRE_CODE_MALFORMED, 0, 8, "serial 0 in a request or its answer");

        fields = (struct wire_span){frame + WIRE_SERIAL_HEADER_BYTES, size - WIRE_SERIAL_HEADER_BYTES};
        r = wire_fields_check_at(fields, WIRE_SERIAL_HEADER_BYTES, fault);
        if (r == -EBADMSG)
                return r;

        ret->serial = serial;
        ret->fields = fields;
        return r;
}

size_t wire_put_general(
        uint8_t *out, unsigned opcode, unsigned flags, unsigned channel, uint32_t serial, size_t fields_bytes) {
        wire_set32(out, (uint32_t) (WIRE_SERIAL_HEADER_BYTES + fields_bytes));
        out[4] = (uint8_t) opcode;
        out[5] = (uint8_t) flags;
        wire_set16(out + 6, (uint16_t) channel);
        wire_set32(out + 8, serial);
        return WIRE_SERIAL_HEADER_BYTES;
}
