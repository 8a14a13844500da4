/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "client/internal.h"

/* Asks the daemon to do something and waits until it has. */
static int call(lodge *bus, unsigned opcode, unsigned flags, const struct fields *fields, bool repeatable) {
        struct waiter waiter = {0};
        struct request *q;
        int r;

        r = bus_enter(bus);
        if (r < 0)
                return r;
        r = request_new(bus, opcode, flags, fields, &q);
        if (r >= 0) {
                q->repeatable = repeatable;
                q->waiter = &waiter;
                r = request_start(bus, q);
        }
        if (r >= 0)
                r = request_wait(bus, q, &waiter);
        bus_leave(bus);
        return r;
}

static bool is_subject(const char *name) {
        return name && wire_subject_check(name, strlen(name), NULL) == 0;
}

static bool is_pattern(const char *pattern) {
        return pattern && wire_pattern_check(pattern, strlen(pattern), NULL) == 0;
}

static void add_properties(struct fields *fields, const char *const *properties) {
        for (; properties && *properties; properties++)
                fields_property(fields, *properties);
}

PUBLIC int
lodge_declare(lodge *bus, const char *name, const char *kind, const char *const *properties, unsigned flags) {
        CLEANUP(fields_release) struct fields fields = {0};
        bool exclusive = flags & LODGE_DECLARE_EXCLUSIVE;

        if (!bus || !is_subject(name) || (flags & ~LODGE_DECLARE_EXCLUSIVE))
                return -EINVAL;
        fields_string(&fields, WIRE_FIELD_NAME, name);
        if (kind && strcmp(kind, "stream") == 0)
                fields_u8(&fields, WIRE_FIELD_KIND, WIRE_KIND_STREAM);
        else if (!kind || strcmp(kind, "queue") == 0)
                fields_u8(&fields, WIRE_FIELD_KIND, WIRE_KIND_QUEUE);
        else
                return -EINVAL;
        add_properties(&fields, properties);
        return call(bus, WIRE_DECLARE, exclusive ? WIRE_DECLARE_EXCLUSIVE : 0, &fields, !exclusive);
}

PUBLIC int lodge_set(lodge *bus, const char *name, const char *const *properties) {
        CLEANUP(fields_release) struct fields fields = {0};

        if (!bus || !is_subject(name))
                return -EINVAL;
        fields_string(&fields, WIRE_FIELD_NAME, name);
        add_properties(&fields, properties);
        return call(bus, WIRE_SET, 0, &fields, true);
}

PUBLIC int lodge_delete(lodge *bus, const char *name, unsigned flags) {
        CLEANUP(fields_release) struct fields fields = {0};

        if (!bus || !is_subject(name) || (flags & ~LODGE_DELETE_PURGE))
                return -EINVAL;
        fields_string(&fields, WIRE_FIELD_NAME, name);
        return call(bus, WIRE_DELETE, flags & LODGE_DELETE_PURGE ? WIRE_DELETE_PURGE : 0, &fields, false);
}

static int bind_or_unbind(lodge *bus, unsigned opcode, const char *name, const char *pattern, bool repeatable) {
        CLEANUP(fields_release) struct fields fields = {0};

        if (!bus || !is_subject(name) || !is_pattern(pattern))
                return -EINVAL;
        fields_string(&fields, WIRE_FIELD_NAME, name);
        fields_string(&fields, WIRE_FIELD_PATTERN, pattern);
        return call(bus, opcode, 0, &fields, repeatable);
}

PUBLIC int lodge_bind(lodge *bus, const char *name, const char *pattern) {
        return bind_or_unbind(bus, WIRE_BIND, name, pattern, true);
}

PUBLIC int lodge_unbind(lodge *bus, const char *name, const char *pattern) {
        return bind_or_unbind(bus, WIRE_UNBIND, name, pattern, false);
}

PUBLIC int lodge_ping(lodge *bus) {
        struct fields none = {0};

        return bus ? call(bus, WIRE_PING, 0, &none, true) : -EINVAL;
}
