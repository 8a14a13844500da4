/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/internal.h"

struct consumer *consumer_ref(struct consumer *c) {
        c->n_ref++;
        return c;
}

struct consumer *consumer_unref(struct consumer *c) {
        if (!c || --c->n_ref > 0)
                return NULL;
        free(c->ack.runs);
        free(c->nack.runs);
        free(c);
        return NULL;
}

static void consumer_link(lodge *bus, struct consumer *c) {
        c->previous = bus->consumers_last;
        if (c->previous)
                c->previous->next = c;
        else
                bus->consumers = c;
        bus->consumers_last = c;
}

static void consumer_unlink(lodge *bus, struct consumer *c) {
        if (c->previous)
                c->previous->next = c->next;
        else
                bus->consumers = c->next;
        if (c->next)
                c->next->previous = c->previous;
        else
                bus->consumers_last = c->previous;
        c->next = c->previous = NULL;
}

int consumer_new(lodge *bus, const struct consumer_setup *setup, struct consumer **ret) {
        size_t size = strlen(setup->queue);
        struct consumer *c;
        int r;

        c = calloc(1, sizeof(*c) + size + 1);
        if (!c)
                return -ENOMEM;
        c->n_ref = 1;
        r = channel_take(bus, c, NULL, &c->channel);
        if (r < 0) {
                free(c);
                return r;
        }
        memcpy(c->name, setup->queue, size);
        c->name_bytes = size;
        c->bus = bus;
        c->manual_credit = setup->manual_credit;
        c->wanted = setup->manual_credit;
        c->prefetch_messages = setup->prefetch_messages;
        c->prefetch_bytes = setup->prefetch_bytes;
        c->left = setup->messages_max > 0 ? setup->messages_max : UINT64_MAX;
        c->handler = setup->handler;
        c->ended = setup->ended;
        c->userdata = setup->userdata;
        consumer_link(bus, c);

        if (bus->state == CONNECTION_UP && !bus->lost) {
                r = consumer_establish(c);
                if (r < 0) {
                        consumer_over(c, NULL);
                        return r;
                }
        }
        *ret = c;
        return 0;
}

int consumer_establish(struct consumer *c) {
        uint32_t messages = c->manual_credit && !c->wanted ? 0 : c->prefetch_messages;
        uint32_t bytes = c->manual_credit && !c->wanted ? 0 : c->prefetch_bytes;
        CLEANUP(fields_release) struct fields fields = {0};
        struct request *q;
        int r;

        if (messages > c->left)
                messages = (uint32_t) c->left;
        fields_string(&fields, WIRE_FIELD_NAME, c->name);
        fields_u32(&fields, WIRE_FIELD_CREDIT_MESSAGES, messages);
        fields_u64(&fields, WIRE_FIELD_CREDIT_BYTES, bytes);
        r = request_new(c->bus, WIRE_CONSUME, 0, &fields, &q);
        if (r < 0)
                return r;
        request_set_channel(q, c->channel);
        q->consumer = consumer_ref(c);
        c->available_messages = messages;
        c->available_bytes = bytes;
        return request_start(c->bus, q);
}

/* Takes it out of everything. The caller holds a reference, or is done with it. */
static void consumer_end(struct consumer *c) {
        lodge *bus = c->bus;

        c->state = CONSUMER_OVER;
        settle_forget(c);
        channel_free(bus, c->channel);
        consumer_unlink(bus, c);
        c->bus = NULL;
        c->slot = slot_release(c->slot);
        consumer_unref(c);
}

void consumer_over(struct consumer *c, const lodge_error *error) {
        lodge *bus = c->bus;
        lodge_done_handler ended = c->ended;
        void *userdata = c->userdata;

        if (c->state == CONSUMER_OVER)
                return;
        consumer_end(c);
        if (ended && error)
                ended(bus, error, userdata);
}

void consumer_cancel(struct consumer *c) {
        struct fields none = {0};
        struct request *q = NULL;
        lodge *bus = c->bus;
        int r;

        if (c->state != CONSUMER_ACTIVE || !bus)
                return;
        if (bus->state != CONNECTION_UP || bus->lost) {
                consumer_end(c);
                return;
        }

        /* What was settled before is said before. */
        r = settle_write_one(c);
        if (r >= 0 && c->unanswered)
                r = settle_ask(c);
        if (r >= 0)
                r = request_new(bus, WIRE_CANCEL, 0, &none, &q);
        if (r >= 0) {
                request_set_channel(q, c->channel);
                q->consumer = consumer_ref(c);
                r = request_start(bus, q);
        }
        /* Without memory to say so, the end of the connection says it; the loss takes the consumer out. */
        if (r < 0)
                bus->lost = r;
        c->state = CONSUMER_CANCELLING;
        c->handler = NULL;
        c->ended = NULL;
        c->slot = slot_release(c->slot);
}

void consumers_lost(lodge *bus) {
        struct consumer *next;

        for (struct consumer *c = bus->consumers; c; c = next) {
                next = c->next;
                if (c->unanswered || c->ack.n_runs > 0 || c->nack.n_runs > 0)
                        bus->settles_lost = true;
                /* What was not settled comes again, and does not count twice. */
                if (c->left < UINT64_MAX)
                        c->left += c->leased;
                if (c->state == CONSUMER_CANCELLING)
                        consumer_end(c);
                else
                        settle_forget(c);
        }
}

void consumers_fail_all(lodge *bus, int number) {
        while (bus->consumers && !bus->closed) {
                struct error_box *box;

                box = error_local(number, "connection-broken", "the connection cannot be used any more");
                consumer_over(bus->consumers, error_of(box));
                error_free(box);
        }
}

void consumers_close(lodge *bus) {
        while (bus->dirty) {
                struct consumer *c = bus->dirty;

                bus->dirty = c->dirty_next;
                c->dirty = false;
                consumer_unref(c);
        }
        while (bus->consumers)
                consumer_end(bus->consumers);
}

int consumer_deliver(struct consumer *c, const struct wire_deliver *deliver) {
        struct wire_span subject = deliver->subject;
        lodge *bus = c->bus;
        lodge_message *m;

        /* On its way when the consumer was cancelled: it goes back by itself. */
        if (UNLIKELY(c->state != CONSUMER_ACTIVE))
                return 0;
        if (UNLIKELY(subject.size == 0))
                subject = (struct wire_span){(const uint8_t *) c->name, c->name_bytes};

        m = message_show(bus, deliver, c, subject);
        if (UNLIKELY(!m))
                return -ENOMEM;
        c->available_messages--;
        c->available_bytes -= (int64_t) deliver->body.size;
        c->leased++;
        if (c->left < UINT64_MAX)
                c->left--;
        consumer_ref(c);
        c->handler(m, c->userdata);
        message_hide(bus, m);
        consumer_unref(c);
        return 0;
}

PUBLIC int lodge_consume(lodge *bus,
                         lodge_slot **ret_slot,
                         const char *queue,
                         const lodge_consume_options *options,
                         lodge_message_handler handler,
                         void *userdata) {
        struct consumer_setup setup = {
                .queue = queue,
                .prefetch_messages = PREFETCH_MESSAGES_DEFAULT,
                .prefetch_bytes = PREFETCH_BYTES_DEFAULT,
                .handler = handler,
                .userdata = userdata,
        };
        lodge_slot *slot = NULL;
        struct consumer *c;
        int r;

        if (!bus || !queue || !handler || wire_subject_check(queue, strlen(queue), NULL) < 0)
                return -EINVAL;
        if (bus->state == CONNECTION_BROKEN)
                return bus->broken;
        if (options) {
                setup.ended = options->ended;
                if (options->prefetch_messages > 0)
                        setup.prefetch_messages = options->prefetch_messages;
                if (options->prefetch_bytes > 0)
                        setup.prefetch_bytes = options->prefetch_bytes;
                setup.messages_max = options->messages_max;
        }

        if (ret_slot) {
                slot = slot_new(bus);
                if (!slot)
                        return -ENOMEM;
        }
        r = consumer_new(bus, &setup, &c);
        if (r < 0) {
                if (slot) {
                        slot->n_ref = 0;
                        slot_release(slot);
                }
                return r;
        }
        if (slot) {
                slot->consumer = c;
                c->slot = slot;
                *ret_slot = slot;
        }
        return 0;
}
