/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/session/internal.h"

static void put_welcome(struct session *s, uint32_t serial) {
        static const char software[] = "lodged " LODGE_VERSION;
        const struct session_host *host = s->host;
        uint8_t fields[256];
        size_t size;

        size = wire_put_u16(fields, WIRE_FIELD_VERSION, WIRE_VERSION);
        size += wire_put_u64(fields + size, WIRE_FIELD_FEATURES, 0);
        size += wire_put_u32(fields + size, WIRE_FIELD_FRAME_BYTES_MAX, host->frame_bytes_max);
        size += wire_put_u32(fields + size, WIRE_FIELD_MESSAGE_BYTES_MAX, host->message_bytes_max);
        size += wire_put_u64(fields + size, WIRE_FIELD_WINDOW_BYTES, host->window_bytes);
        size += wire_put_bytes(fields + size, WIRE_FIELD_BUS_ID, host->bus_id, sizeof(host->bus_id));
        size += wire_put_string(fields + size, WIRE_FIELD_SOFTWARE, software);
        answer_general(s, WIRE_WELCOME, 0, serial, fields, size);
}

int handle_hello(struct session *s, const struct frame *frame) {
        uint64_t low = field_number(frame, WIRE_FIELD_VERSION_MIN, 0),
                 high = field_number(frame, WIRE_FIELD_VERSION_MAX, 0);
        uint64_t frame_bytes_max = field_number(frame, WIRE_FIELD_FRAME_BYTES_MAX, UINT32_MAX);
        struct wire_field field;
        struct refusal why;

        if (low == 0 || high < low) {
                (void) refuse(&why, 0, WIRE_CODE_MALFORMED, "HELLO without a range of versions");
                session_fail(s, &why);
                return 0;
        }
        if (WIRE_VERSION < low || WIRE_VERSION > high) {
                (void) refuse(&why, 0, WIRE_CODE_VERSION, "this bus speaks version %u of the protocol", WIRE_VERSION);
                session_fail(s, &why);
                return 0;
        }
        if (frame_bytes_max < s->host->frame_bytes_max) {
                (void) refuse_limit(&why, 0, WIRE_CODE_UNSUPPORTED, "FRAME_BYTES_MAX", s->host->frame_bytes_max,
                                    frame_bytes_max, "a client has to take frames as large as the bus delivers");
                session_fail(s, &why);
                return 0;
        }
        if (wire_field_find(frame->general.fields, WIRE_FIELD_SOFTWARE, &field) && field.value.size > 0) {
                s->software = strndup((const char *) field.value.data, field.value.size < 128 ? field.value.size : 128);
                if (!s->software)
                        return -ENOMEM;
        }
        s->state = SESSION_OPEN;
        put_welcome(s, frame->general.serial);
        return 0;
}
