/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/internal.h"

/* A send as the codec takes it. -EINVAL for an ill-formed subject; one that was just used is not looked at again. */
static int send_simple(const lodge *bus, const char *subject, const void *body, size_t size, struct wire_send *ret) {
        const struct sending *s = &bus->sending;
        size_t subject_bytes = strlen(subject);

        if (UNLIKELY(!body && size > 0))
                return -EINVAL;
        if (subject_bytes == 0 || subject_bytes != s->tail_subject_bytes ||
            memcmp(subject, s->tail_subject, subject_bytes) != 0)
                if (wire_subject_check(subject, subject_bytes, NULL) < 0)
                        return -EINVAL;
        *ret = (struct wire_send){
                .subject = {(const uint8_t *) subject, subject_bytes},
                .body = {body, size},
        };
        return 0;
}

/* A received message may be sent on; how often it was delivered here is not part of it. */
static struct wire_span fields_to_send(const lodge_message *m) {
        struct wire_span fields = m->fields;
        struct wire_field field;
        size_t offset = 0;

        if (m->received && wire_field_next(fields, &offset, &field, NULL) == 1 && field.tag == WIRE_FIELD_DELIVERIES) {
                fields.data += offset;
                fields.size -= offset;
        }
        return fields;
}

static struct wire_send send_of_message(const lodge_message *m) {
        return (struct wire_send){
                .priority = m->priority,
                .subject = m->subject,
                .fields = fields_to_send(m),
                .body = m->body,
        };
}

static int
send_async(lodge *bus, lodge_slot **ret_slot, struct wire_send *send, lodge_sent_handler handler, void *userdata) {
        struct outgoing outgoing = {.handler = handler, .userdata = userdata};
        lodge_slot *slot = NULL;
        int r;

        r = send_check(bus, send);
        if (UNLIKELY(r < 0))
                return r;
        if (ret_slot) {
                slot = slot_new(bus);
                if (!slot)
                        return -ENOMEM;
                slot->sent = handler;
                slot->userdata = userdata;
                outgoing.slot = slot;
        }
        r = send_queue(bus, send, &outgoing);
        if (UNLIKELY(r < 0)) {
                if (slot) {
                        slot->n_ref = 0;
                        slot_release(slot);
                }
                return r;
        }
        if (ret_slot)
                *ret_slot = slot;
        return 0;
}

PUBLIC int lodge_send_async(lodge *bus,
                            lodge_slot **ret_slot,
                            const char *subject,
                            const void *body,
                            size_t size,
                            lodge_sent_handler handler,
                            void *userdata) {
        struct wire_send send;
        int r;

        if (UNLIKELY(!bus || !subject))
                return -EINVAL;
        r = send_simple(bus, subject, body, size, &send);
        if (UNLIKELY(r < 0))
                return r;
        return send_async(bus, ret_slot, &send, handler, userdata);
}

PUBLIC int lodge_send_message_async(
        lodge *bus, lodge_slot **ret_slot, lodge_message *m, lodge_sent_handler handler, void *userdata) {
        struct wire_send send;

        if (!bus || !m)
                return -EINVAL;
        send = send_of_message(m);
        return send_async(bus, ret_slot, &send, handler, userdata);
}

struct outcome {
        bool done;
        int result;
        uint64_t id;
};

static void on_sent(lodge *bus, uint64_t id, const lodge_error *error, void *userdata) {
        struct outcome *o = userdata;

        o->done = true;
        o->id = id;
        o->result = error ? error->number : 0;
        if (error)
                error_keep(bus, error_copy(error));
}

/* Waits for room in the window, queues the send and waits for its confirm. The slot cuts the tie to our stack when we
 * leave before. */
static int send_and_wait(lodge *bus, struct wire_send *send, struct outcome *o) {
        uint64_t deadline_us = bus_call_deadline(bus);
        struct wire_span subject = send->subject;
        CLEANUP(lodge_slot_unrefp) lodge_slot *slot = NULL;
        int r;

        for (;;) {
                send->subject = subject;
                r = send_async(bus, &slot, send, on_sent, o);
                if (r != -EAGAIN)
                        break;
                r = bus_turn(bus, deadline_us);
                if (r < 0 && r != -EINTR)
                        return r;
        }
        if (r < 0)
                return r;

        while (!o->done) {
                r = bus_turn(bus, deadline_us);
                if (r < 0 && r != -EINTR && !o->done) {
                        send_withdraw(bus, slot);
                        return r;
                }
        }
        return o->result;
}

static int send_blocking(lodge *bus, struct wire_send *send, uint64_t *ret_id) {
        struct outcome o = {0};
        int r;

        r = bus_enter(bus);
        if (r < 0)
                return r;
        r = send_and_wait(bus, send, &o);
        bus_leave(bus);
        if (r >= 0 && ret_id)
                *ret_id = o.id;
        return r;
}

PUBLIC int lodge_send(lodge *bus, const char *subject, const void *body, size_t size, uint64_t *ret_id) {
        struct wire_send send;
        int r;

        if (!bus || !subject)
                return -EINVAL;
        r = send_simple(bus, subject, body, size, &send);
        if (r < 0)
                return r;
        return send_blocking(bus, &send, ret_id);
}

PUBLIC int lodge_send_message(lodge *bus, lodge_message *m, uint64_t *ret_id) {
        struct wire_send send;
        uint64_t id = 0;
        int r;

        if (!bus || !m)
                return -EINVAL;
        send = send_of_message(m);
        r = send_blocking(bus, &send, &id);
        if (r < 0)
                return r;
        if (!m->received)
                m->id = id;
        if (ret_id)
                *ret_id = id;
        return r;
}

PUBLIC int lodge_set_window(lodge *bus, uint32_t messages, uint64_t bytes) {
        if (!bus || messages == 0 || bytes == 0)
                return -EINVAL;
        bus->sending.window_messages = messages;
        bus->sending.window_bytes = bytes;
        return 0;
}
