/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "client/internal.h"

static const struct table *item_table(const lodge_item *item) {
        return (const struct table *) item;
}

static void attribute_show(const struct attribute *row, lodge_attribute *ret) {
        *ret = (lodge_attribute){.key = row->key};
        switch (row->attribute) {
        case WIRE_ATTRIBUTE_U64:
                ret->type = LODGE_TYPE_U64;
                ret->number = row->number;
                break;
        case WIRE_ATTRIBUTE_BOOL:
                ret->type = LODGE_TYPE_BOOL;
                ret->number = row->number;
                break;
        default:
                ret->type = LODGE_TYPE_STRING;
                ret->string = row->value;
        }
}

PUBLIC int lodge_item_get_at(const lodge_item *item, size_t index, lodge_attribute *ret) {
        const struct table *t = item_table(item);

        if (!item || !ret)
                return -EINVAL;
        for (size_t i = 0; i < t->n_rows; i++) {
                if (t->rows[i].tag != WIRE_FIELD_ATTRIBUTE || index-- > 0)
                        continue;
                attribute_show(&t->rows[i], ret);
                return 1;
        }
        return 0;
}

PUBLIC int lodge_item_get(const lodge_item *item, const char *key, lodge_attribute *ret) {
        const struct table *t = item_table(item);

        if (!item || !key || !ret)
                return -EINVAL;
        for (size_t i = 0; i < t->n_rows; i++) {
                if (t->rows[i].tag != WIRE_FIELD_ATTRIBUTE || strcmp(t->rows[i].key, key) != 0)
                        continue;
                attribute_show(&t->rows[i], ret);
                return 1;
        }
        return 0;
}

/* Who gets the rows, and the end. */
struct listener {
        lodge_item_handler item;
        lodge_done_handler done;
        void *userdata;
        struct waiter *waiter;
};

static int listing_start(
        lodge *bus, unsigned opcode, const struct fields *fields, const struct listener *l, struct request **ret) {
        struct request *q;
        int r;

        r = request_new(bus, opcode, 0, fields, &q);
        if (r < 0)
                return r;
        q->repeatable = true;
        q->item = l->item;
        q->done = l->done;
        q->userdata = l->userdata;
        q->waiter = l->waiter;
        r = request_start(bus, q);
        if (r < 0)
                return r;
        *ret = q;
        return 0;
}

static int
listing_wait(lodge *bus, unsigned opcode, const struct fields *fields, lodge_item_handler handler, void *userdata) {
        struct waiter waiter = {0};
        struct listener l = {.item = handler, .userdata = userdata, .waiter = &waiter};
        struct request *q;
        int r;

        r = bus_enter(bus);
        if (r < 0)
                return r;
        r = listing_start(bus, opcode, fields, &l, &q);
        if (r >= 0)
                r = request_wait(bus, q, &waiter);
        bus_leave(bus);
        return r;
}

static int pattern_field(struct fields *fields, const char *pattern) {
        if (!pattern)
                return 0;
        if (wire_pattern_check(pattern, strlen(pattern), NULL) < 0)
                return -EINVAL;
        fields_string(fields, WIRE_FIELD_PATTERN, pattern);
        return 0;
}

PUBLIC int lodge_list(lodge *bus, const char *pattern, lodge_item_handler handler, void *userdata) {
        CLEANUP(fields_release) struct fields fields = {0};

        if (!bus || !handler || pattern_field(&fields, pattern) < 0)
                return -EINVAL;
        return listing_wait(bus, WIRE_LIST, &fields, handler, userdata);
}

PUBLIC int lodge_status(lodge *bus, const char *name, lodge_item_handler handler, void *userdata) {
        CLEANUP(fields_release) struct fields fields = {0};

        if (!bus || !handler || (name && wire_subject_check(name, strlen(name), NULL) < 0))
                return -EINVAL;
        if (name)
                fields_string(&fields, WIRE_FIELD_NAME, name);
        return listing_wait(bus, WIRE_STATUS, &fields, handler, userdata);
}

PUBLIC int lodge_peers(lodge *bus, int32_t pid, lodge_item_handler handler, void *userdata) {
        CLEANUP(fields_release) struct fields fields = {0};

        if (!bus || !handler || pid < 0)
                return -EINVAL;
        if (pid > 0)
                fields_u32(&fields, WIRE_FIELD_PID, (uint32_t) pid);
        return listing_wait(bus, WIRE_PEERS, &fields, handler, userdata);
}

PUBLIC int lodge_list_async(lodge *bus,
                            lodge_slot **ret_slot,
                            const char *pattern,
                            lodge_item_handler handler,
                            lodge_done_handler done,
                            void *userdata) {
        CLEANUP(fields_release) struct fields fields = {0};
        struct listener l = {.item = handler, .done = done, .userdata = userdata};
        struct request *q;
        int r;

        if (!bus || !handler || pattern_field(&fields, pattern) < 0)
                return -EINVAL;
        if (bus->state == CONNECTION_BROKEN)
                return bus->broken;
        r = listing_start(bus, WIRE_LIST, &fields, &l, &q);
        return r < 0 ? r : request_slot(bus, q, ret_slot);
}
