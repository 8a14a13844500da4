/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "client/internal.h"

/* What is asked, and who gets it. */
struct browse {
        const char *queue;
        uint64_t from;
        uint32_t count;
        lodge_message_handler message;
        lodge_browsed_handler done;
        void *userdata;
        struct waiter *waiter;
};

static int browse_start(lodge *bus, const struct browse *b, struct request **ret) {
        CLEANUP(fields_release) struct fields fields = {0};
        struct request *q;
        int r;

        fields_string(&fields, WIRE_FIELD_NAME, b->queue);
        if (b->from > 0)
                fields_u64(&fields, WIRE_FIELD_FROM_ID, b->from);
        if (b->count > 0)
                fields_u32(&fields, WIRE_FIELD_COUNT, b->count);
        r = request_new(bus, WIRE_BROWSE, 0, &fields, &q);
        if (r < 0)
                return r;
        r = channel_take(bus, NULL, q, &q->channel);
        if (r < 0) {
                request_free(q);
                return r;
        }
        request_set_channel(q, q->channel);
        q->repeatable = true;
        q->message = b->message;
        q->browsed = b->done;
        q->userdata = b->userdata;
        q->waiter = b->waiter;
        r = request_start(bus, q);
        if (r < 0)
                return r;
        *ret = q;
        return 0;
}

static bool browse_valid(lodge *bus, const char *queue, lodge_message_handler handler) {
        return bus && queue && handler && wire_subject_check(queue, strlen(queue), NULL) == 0;
}

PUBLIC int lodge_browse(lodge *bus,
                        const char *queue,
                        uint64_t from,
                        uint32_t count,
                        lodge_message_handler handler,
                        void *userdata,
                        uint64_t *ret_next) {
        struct waiter waiter = {0};
        struct browse b = {
                .queue = queue,
                .from = from,
                .count = count,
                .message = handler,
                .userdata = userdata,
                .waiter = &waiter,
        };
        struct request *q;
        int r;

        if (!browse_valid(bus, queue, handler))
                return -EINVAL;
        r = bus_enter(bus);
        if (r < 0)
                return r;
        r = browse_start(bus, &b, &q);
        if (r >= 0)
                r = request_wait(bus, q, &waiter);
        if (r >= 0 && ret_next)
                *ret_next = waiter.next;
        bus_leave(bus);
        return r;
}

PUBLIC int lodge_browse_async(lodge *bus,
                              lodge_slot **ret_slot,
                              const char *queue,
                              uint64_t from,
                              uint32_t count,
                              lodge_message_handler handler,
                              lodge_browsed_handler done,
                              void *userdata) {
        struct browse b = {
                .queue = queue,
                .from = from,
                .count = count,
                .message = handler,
                .done = done,
                .userdata = userdata,
        };
        struct request *q;
        int r;

        if (!browse_valid(bus, queue, handler))
                return -EINVAL;
        if (bus->state == CONNECTION_BROKEN)
                return bus->broken;
        r = browse_start(bus, &b, &q);
        return r < 0 ? r : request_slot(bus, q, ret_slot);
}
