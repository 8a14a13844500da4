/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/session/internal.h"

bool field_string(struct session *s, const struct frame *frame, unsigned tag, const char *what, struct wire_span *ret) {
        struct wire_field field;
        struct refusal why;

        if (wire_field_find(frame->general.fields, tag, &field)) {
                *ret = field.value;
                return true;
        }
        (void) refuse(&why, 0, WIRE_CODE_MALFORMED, "%s without %s", wire_opcode_name(frame->header.opcode), what);
        session_fail(s, &why);
        return false;
}

bool field_name(struct session *s, const struct frame *frame, struct wire_span *ret) {
        return field_string(s, frame, WIRE_FIELD_NAME, "NAME", ret);
}

uint64_t field_number(const struct frame *frame, unsigned tag, uint64_t otherwise) {
        struct wire_field field;

        return wire_field_find(frame->general.fields, tag, &field) ? field.number : otherwise;
}
