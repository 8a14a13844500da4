/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "daemon/session/internal.h"

static int handle_ping(struct session *s, const struct frame *frame) {
        answer_general(s, WIRE_PONG, 0, frame->general.serial, NULL, 0);
        return 0;
}

static int handle_nothing(struct session *s, const struct frame *frame) {
        (void) s;
        (void) frame;
        return 0;
}

/* The client closes after it: nothing more is read. */
static int handle_goodbye(struct session *s, const struct frame *frame) {
        (void) frame;
        s->state = SESSION_CLOSING;
        session_wants_flush(s);
        return 0;
}

static const struct {
        int (*handle)(struct session *s, const struct frame *frame);
        bool general; /* of the general layout: its fields are checked before it is handled */
} table[] = {
        [WIRE_HELLO] = {handle_hello, true},     [WIRE_SEND] = {handle_send, false},
        [WIRE_CONSUME] = {handle_consume, true}, [WIRE_CANCEL] = {handle_cancel, true},
        [WIRE_CREDIT] = {handle_credit, false},  [WIRE_ACK] = {handle_settle, false},
        [WIRE_NACK] = {handle_settle, false},    [WIRE_DECLARE] = {handle_declare, true},
        [WIRE_SET] = {handle_set, true},         [WIRE_DELETE] = {handle_delete, true},
        [WIRE_BIND] = {handle_bind, true},       [WIRE_UNBIND] = {handle_bind, true},
        [WIRE_LIST] = {handle_list, true},       [WIRE_STATUS] = {handle_status, true},
        [WIRE_PEERS] = {handle_peers, true},     [WIRE_BROWSE] = {handle_browse, true},
        [WIRE_PING] = {handle_ping, true},       [WIRE_GOODBYE] = {handle_goodbye, true},
        [WIRE_PONG] = {handle_nothing, true},
};

/* Whether the frame may come now; else the session fails. */
static bool is_expected(struct session *s, const struct wire_header *header) {
        struct refusal why;

        if (header->opcode >= sizeof(table) / sizeof(table[0]) || !table[header->opcode].handle)
                (void) refuse(&why, 0, WIRE_CODE_UNKNOWN_OPCODE, "unknown opcode 0x%02x", header->opcode);
        else if ((s->state == SESSION_GREETING) != (header->opcode == WIRE_HELLO))
                (void) refuse(&why, 0, WIRE_CODE_MALFORMED, "%s %s", wire_opcode_name(header->opcode),
                              s->state == SESSION_GREETING ? "before HELLO" : "after the greeting");
        else if ((header->flags & WIRE_FLAG_DESCRIPTOR) && header->opcode != WIRE_SEND)
                (void) refuse(&why, 0, WIRE_CODE_MALFORMED, "%s carries no descriptor",
                              wire_opcode_name(header->opcode));
        else
                return true;
        session_fail(s, &why);
        return false;
}

int dispatch(struct session *s, const struct wire_header *header, const uint8_t *data) {
        struct frame frame = {.header = *header, .data = data};
        struct wire_fault fault;
        int r;

        if (!is_expected(s, header))
                return 0;
        if (table[header->opcode].general) {
                r = wire_general_parse(data, header->size, &frame.general, &fault);
                if (r == -EOPNOTSUPP && s->state == SESSION_OPEN)
                        answer_fault(s, 0, frame.general.serial, &fault);
                else if (r < 0)
                        session_fail_fault(s, &fault);
                if (r < 0)
                        return 0;
        }
        return table[header->opcode].handle(s, &frame);
}
