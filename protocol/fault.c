/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "protocol/internal.h"

int wire_fail(struct wire_fault *fault, unsigned code, unsigned tag, size_t offset, const char *text) {
        if (fault)
                *fault = (struct wire_fault){
                        .code = (uint16_t) code,
                        .tag = (uint8_t) tag,
                        .offset = (uint32_t) offset,
                        .text = text,
                };

        if (code == WIRE_CODE_UNKNOWN_FIELD)
                return -EOPNOTSUPP;
        if (code == WIRE_CODE_TOO_LARGE)
                return -EMSGSIZE;
        return -EBADMSG;
}
