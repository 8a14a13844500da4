/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/internal.h"

/*
 * Sends are encoded once, into a log that keeps every frame until it is confirmed: after a reconnect the log is written
 * again from its start. Beside it a ring, indexed by serial, says whom to tell.
 */

#define RING_ENTRIES_MIN 16u

static int ring_reserve(struct sending *s) {
        uint32_t capacity = s->capacity > 0 ? s->capacity * 2 : RING_ENTRIES_MIN;
        struct entry *ring;

        if (LIKELY(s->count < s->capacity))
                return 0;
        if (capacity < s->capacity)
                return -ENOBUFS;
        ring = malloc(capacity * sizeof(*ring));
        if (!ring)
                return -ENOMEM;
        for (uint32_t i = 0; i < s->count; i++)
                ring[(s->head + i) & (capacity - 1)] = *send_entry(s, s->head + i);
        free(s->ring);
        s->ring = ring;
        s->capacity = capacity;
        return 0;
}

/* Leaves the subject out when it is the one of the frame before. */
static void drop_repeated_subject(struct sending *s, struct wire_send *send) {
        if (send->subject.size == s->tail_subject_bytes &&
            memcmp(send->subject.data, s->tail_subject, send->subject.size) == 0) {
                send->subject.size = 0;
                return;
        }
        s->tail_subject_bytes = (uint8_t) send->subject.size;
        memcpy(s->tail_subject, send->subject.data, send->subject.size);
}

int send_check(lodge *bus, const struct wire_send *send) {
        const struct sending *s = &bus->sending;

        if (UNLIKELY(bus->state == CONNECTION_BROKEN))
                return bus->broken;
        if (UNLIKELY(send->body.size > bus->message_bytes_max))
                return -EMSGSIZE;
        if (s->count == 0)
                return 0;
        if (s->count + s->extra >= s->window_messages || buffer_size(&s->log) + wire_send_size(send) > s->window_bytes)
                return -EAGAIN;
        return 0;
}

int send_queue(lodge *bus, struct wire_send *send, const struct outgoing *outgoing) {
        struct sending *s = &bus->sending;
        size_t size = wire_send_size(send);
        int r;

        r = ring_reserve(s);
        if (UNLIKELY(r < 0))
                return r;
        r = buffer_reserve(&s->log, size);
        if (UNLIKELY(r < 0))
                return r;

        drop_repeated_subject(s, send);
        send->serial = send_tail(s);
        size = wire_put_send(buffer_back(&s->log), send);
        s->log.end += size;
        s->position += size;
        *send_entry(s, send->serial) = (struct entry){
                .handler = outgoing->handler,
                .userdata = outgoing->userdata,
                .slot = outgoing->slot,
                .end = s->position,
        };
        s->count++;
        s->queued_total++;

        if (UNLIKELY(buffer_size(&s->log) - s->written > OUTPUT_EAGER_BYTES) && bus->state == CONNECTION_UP &&
            !bus->write_blocked && !bus_forked(bus))
                output_write(bus);
        return 0;
}

void send_withdraw(lodge *bus, lodge_slot *slot) {
        struct sending *s = &bus->sending;
        size_t size = buffer_size(&s->log), before;
        uint32_t newest = send_tail(s) - 1;

        if (s->count == 0 || send_entry(s, newest)->slot != slot || send_entry(s, newest)->after)
                return;
        before = s->count > 1 ? size - (size_t) (s->position - send_entry(s, newest - 1)->end) : 0;
        if (before < s->written + bus->batch_log)
                return;
        slot_release(slot);
        s->log.end -= size - before;
        s->position -= size - before;
        s->count--;
        s->queued_total--;
        /* The daemon will not have seen its subject. */
        s->tail_subject_bytes = 0;
}

/* Forgets the frame at the front of the log, but for a subject that the next one may rely on. */
static void log_advance(struct sending *s) {
        const uint8_t *frame = buffer_front(&s->log);
        uint32_t bytes = wire_get32(frame);
        uint8_t subject_bytes = frame[15];

        if (subject_bytes > 0) {
                s->head_subject_bytes = subject_bytes;
                memcpy(s->head_subject, frame + WIRE_SEND_HEADER_BYTES, subject_bytes);
        }
        s->written -= bytes < s->written ? bytes : s->written;
        buffer_take(&s->log, bytes);
}

static void tell(lodge *bus, const struct refusal *who, uint64_t id, const lodge_error *error) {
        lodge_sent_handler handler = who->slot ? who->slot->sent : who->handler;
        void *userdata = who->slot ? who->slot->userdata : who->userdata;

        if (bus->closed)
                handler = NULL;
        else
                bus->sending.resolved_total++;
        if (handler)
                handler(bus, id, error, userdata);
        else if (error && !who->slot && !bus->unheard)
                bus->unheard = error_copy(error);
        slot_release(who->slot);
}

static void tell_chain(lodge *bus, struct refusal *chain) {
        while (chain) {
                struct refusal *next = chain->next;

                if (!bus->closed)
                        bus->sending.extra--;
                tell(bus, chain, 0, error_of(chain->error));
                free(chain->error);
                free(chain);
                chain = next;
        }
}

void send_resolve(lodge *bus, uint64_t id, const lodge_error *error) {
        struct sending *s = &bus->sending;
        struct entry e = *send_entry(s, s->head);
        struct refusal who = {.handler = e.handler, .userdata = e.userdata, .slot = e.slot};

        s->head++;
        s->count--;
        log_advance(s);
        if (LIKELY(!who.handler && !who.slot && !error))
                s->resolved_total++;
        else
                tell(bus, &who, id, error);
        if (UNLIKELY(e.after != NULL))
                tell_chain(bus, e.after);
}

/* Tells of refusals that waited for earlier sends. */
void send_deliver_refusals(lodge *bus) {
        struct sending *s = &bus->sending;

        while (s->count > 0 && send_entry(s, s->head)->refused) {
                struct error_box *box = send_entry(s, s->head)->error;

                send_resolve(bus, 0, error_of(box));
                free(box);
        }
}

/* Whether a send was written whole on this connection, so that the daemon can answer it. */
static bool is_written(const struct sending *s, uint32_t serial) {
        return serial - s->head < s->count &&
               send_entry(s, serial)->end <= s->position - buffer_size(&s->log) + s->written;
}

int send_confirmed(lodge *bus, const uint8_t *frame, size_t size) {
        struct sending *s = &bus->sending;
        int n;

        n = wire_confirm_parse(frame, size, NULL);
        if (n < 0)
                return -EPROTO;
        for (int i = 0; i < n && !bus->closed; i++) {
                struct wire_confirm_run run = wire_confirm_run(frame, (size_t) i);

                for (uint32_t k = 0; k < run.count && !bus->closed; k++) {
                        send_deliver_refusals(bus);
                        if (UNLIKELY(bus->closed))
                                return 0;
                        if (UNLIKELY(s->head != run.serial + k || !is_written(s, s->head)))
                                return -EPROTO;
                        send_resolve(bus, run.id > 0 ? run.id + k : 0, NULL);
                }
        }
        if (!bus->closed)
                send_deliver_refusals(bus);
        return 0;
}

int send_refused(lodge *bus, uint32_t serial, struct wire_span fields) {
        struct sending *s = &bus->sending;
        struct wire_field code;
        struct error_box *box;
        struct entry *e;

        if (!is_written(s, serial) || send_entry(s, serial)->refused)
                return -EPROTO;
        /* Not refused for good: it is sent again to whoever comes after. */
        if (wire_field_find(fields, WIRE_FIELD_CODE, &code) && code.number == WIRE_CODE_SHUTTING_DOWN)
                return -ESHUTDOWN;

        box = error_from_fields(fields);
        e = send_entry(s, serial);
        e->refused = true;
        e->error = box;
        send_deliver_refusals(bus);
        return 0;
}

PUBLIC size_t lodge_get_unconfirmed(lodge *bus) {
        return bus ? bus->sending.count + bus->sending.extra : 0;
}
