/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/internal.h"

/*
 * What is asked and answered once, in frames of the general layout. A request that does no harm when it is asked twice
 * is asked again after a reconnect; any other fails with -ECONNRESET if it was on its way: nobody knows whether it was
 * done.
 */

uint32_t request_serial(lodge *bus) {
        if (++bus->request_counter == 0)
                bus->request_counter = 1;
        return bus->request_counter;
}

int request_new(lodge *bus, unsigned opcode, unsigned flags, const struct fields *fields, struct request **ret) {
        size_t fields_bytes = buffer_size(&fields->buffer);
        struct request *q;

        if (fields->error < 0)
                return fields->error;
        q = calloc(1, sizeof(*q) + WIRE_SERIAL_HEADER_BYTES + fields_bytes);
        if (!q)
                return -ENOMEM;
        q->serial = request_serial(bus);
        q->opcode = (uint8_t) opcode;
        q->frame_bytes = wire_put_general(q->frame, opcode, flags, 0, q->serial, fields_bytes);
        if (fields_bytes > 0)
                memcpy(q->frame + q->frame_bytes, buffer_front(&fields->buffer), fields_bytes);
        q->frame_bytes += fields_bytes;
        *ret = q;
        return 0;
}

void request_set_channel(struct request *q, uint16_t channel) {
        wire_set16(q->frame + 6, channel);
}

struct request *request_free(struct request *q) {
        if (!q)
                return NULL;
        slot_release(q->slot);
        consumer_unref(q->consumer);
        free(q);
        return NULL;
}

void request_unlink(lodge *bus, struct request *q) {
        if (q->previous)
                q->previous->next = q->next;
        else
                bus->requests = q->next;
        if (q->next)
                q->next->previous = q->previous;
        else
                bus->requests_last = q->previous;
        q->next = q->previous = NULL;
        if (q->channel > 0)
                channel_free(bus, q->channel);
}

int request_emit(lodge *bus, struct request *q) {
        int r;

        r = output_reserve(bus, q->frame_bytes);
        if (r < 0)
                return r;
        memcpy(buffer_back(&bus->control), q->frame, q->frame_bytes);
        bus->control.end += q->frame_bytes;
        q->sent = true;
        return 0;
}

int request_start(lodge *bus, struct request *q) {
        int r;

        q->previous = bus->requests_last;
        if (q->previous)
                q->previous->next = q;
        else
                bus->requests = q;
        bus->requests_last = q;

        if (bus->state != CONNECTION_UP || bus->lost || q->sent)
                return 0;
        r = request_emit(bus, q);
        if (r < 0) {
                request_unlink(bus, q);
                request_free(q);
        }
        return r;
}

void request_silence(struct request *q) {
        q->muted = true;
        q->waiter = NULL;
        q->item = NULL;
        q->message = NULL;
        q->done = NULL;
        q->browsed = NULL;
        if (q->slot)
                q->slot->request = NULL;
        q->slot = slot_release(q->slot);
}

void request_give_up(lodge *bus, struct request *q) {
        request_silence(q);
        if (q->sent)
                return;
        request_unlink(bus, q);
        request_free(q);
}

void request_mute(struct request *q) {
        lodge *bus = q->slot ? q->slot->bus : NULL;

        if (bus)
                request_give_up(bus, q);
        else
                request_silence(q);
}

int request_slot(lodge *bus, struct request *q, lodge_slot **ret_slot) {
        lodge_slot *slot;

        if (!ret_slot)
                return 0;
        slot = slot_new(bus);
        if (!slot) {
                request_give_up(bus, q);
                return -ENOMEM;
        }
        slot->request = q;
        q->slot = slot;
        *ret_slot = slot;
        return 0;
}

int request_wait(lodge *bus, struct request *q, struct waiter *waiter) {
        uint64_t deadline_us = bus_call_deadline(bus);
        int r;

        while (!waiter->done) {
                r = bus_turn(bus, deadline_us);
                if (r < 0 && r != -EINTR && !waiter->done) {
                        request_give_up(bus, q);
                        return r;
                }
        }
        return waiter->result;
}

void request_tell(lodge *bus, struct request *q, struct error_box *box, bool failed, uint64_t next) {
        const lodge_error *error = failed ? error_of(box) : NULL;

        if (q->slot)
                q->slot->request = NULL;
        if (q->waiter) {
                q->waiter->done = true;
                q->waiter->result = failed ? error->number : 0;
                q->waiter->next = next;
                if (failed) {
                        error_keep(bus, box);
                        box = NULL;
                }
        }
        if (q->done)
                q->done(bus, error, q->userdata);
        if (q->browsed)
                q->browsed(bus, next, error, q->userdata);
        free(box);
        request_free(q);
}

static void request_finish(lodge *bus, struct request *q, struct error_box *box, bool failed, uint64_t next) {
        struct consumer *c = q->consumer;

        request_unlink(bus, q);
        if (q->opcode == WIRE_ACK) {
                bus->settles_asked--;
                bus->settles_refused += failed;
        }
        if (c && q->opcode == WIRE_CANCEL && c->state == CONSUMER_CANCELLING)
                consumer_over(c, NULL);
        else if (c && q->opcode == WIRE_CONSUME && failed && c->state == CONSUMER_ACTIVE)
                consumer_over(c, error_of(box));
        request_tell(bus, q, box, failed, next);
}

/* Whether a frame of this opcode can be (a part of) the answer. */
static bool answers(const struct request *q, unsigned opcode) {
        bool rows = q->opcode == WIRE_LIST || q->opcode == WIRE_STATUS || q->opcode == WIRE_PEERS;

        switch (opcode) {
        case WIRE_ERROR:
                return true;
        case WIRE_ITEM:
                return rows;
        case WIRE_END:
                return rows || q->opcode == WIRE_BROWSE;
        case WIRE_PONG:
                return q->opcode == WIRE_PING;
        default:
                return !rows && q->opcode != WIRE_BROWSE && q->opcode != WIRE_PING;
        }
}

static int request_item(lodge *bus, struct request *q, struct wire_span fields) {
        int r;

        q->started = true;
        if (!q->item)
                return 0;
        r = table_decode(&bus->items, fields);
        if (r < 0)
                return r;
        q->item((const lodge_item *) &bus->items, q->userdata);
        return 0;
}

int request_answer(lodge *bus, const struct wire_header *header, const struct wire_general *general) {
        struct wire_field next;
        struct request *q;

        for (q = bus->requests; q; q = q->next)
                if (q->serial == general->serial && q->sent)
                        break;
        if (!q) {
                /* Nobody asked, or gave up waiting; or some messages were settled too late. */
                if (header->opcode == WIRE_ERROR)
                        bus->settles_refused++;
                return 0;
        }
        if (!answers(q, header->opcode))
                return -EPROTO;

        switch (header->opcode) {
        case WIRE_ITEM:
                return request_item(bus, q, general->fields);
        case WIRE_ERROR:
                request_finish(bus, q, error_from_fields(general->fields), true, 0);
                return 0;
        default:
                if (!wire_field_find(general->fields, WIRE_FIELD_NEXT_ID, &next))
                        next.number = 0;
                request_finish(bus, q, NULL, false, next.number);
                return 0;
        }
}

int request_browsed(struct request *q, lodge *bus, const struct wire_deliver *deliver) {
        struct wire_span subject = deliver->subject, fields;
        struct wire_field name;
        lodge_message *m;

        q->started = true;
        if (!q->message)
                return 0;
        fields = (struct wire_span){q->frame + WIRE_SERIAL_HEADER_BYTES, q->frame_bytes - WIRE_SERIAL_HEADER_BYTES};
        if (subject.size == 0 && wire_field_find(fields, WIRE_FIELD_NAME, &name))
                subject = name.value;
        m = message_show(bus, deliver, NULL, subject);
        if (!m)
                return -ENOMEM;
        q->message(m, q->userdata);
        message_hide(bus, m);
        return 0;
}
