/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "protocol/internal.h"

int wire_header_parse(
        const uint8_t *data, size_t size, uint32_t frame_bytes_max, struct wire_header *ret, struct wire_fault *fault) {
        uint32_t frame_bytes;

        if (size < WIRE_HEADER_BYTES)
                return 0;

        frame_bytes = wire_get32(data);
        if (WIRE_UNLIKELY(frame_bytes < WIRE_HEADER_BYTES))
                return wire_fail(fault, WIRE_CODE_MALFORMED, 0, 0, "frame size is smaller than a header");
        if (WIRE_UNLIKELY(frame_bytes > frame_bytes_max))
                return wire_fail(fault, WIRE_CODE_TOO_LARGE, 0, 0, "frame is larger than agreed");

        ret->size = frame_bytes;
        ret->opcode = data[4];
        ret->flags = data[5];
        ret->channel = wire_get16(data + 6);
        return 1;
}

size_t wire_put_header(uint8_t *out, const struct wire_header *header) {
        wire_set32(out, header->size);
        out[4] = header->opcode;
        out[5] = header->flags;
        wire_set16(out + 6, header->channel);
        return WIRE_HEADER_BYTES;
}
