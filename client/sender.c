/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/internal.h"

/*
 * Who the sender numbers stand for. The daemon counts senders as long as it runs, and a consumer may live as long, so
 * not all of them are kept: for each remainder modulo the size of the table, the one that was announced last. The
 * daemon keeps no more of what it announced (it has the same rule modulo 16), and announces the others again.
 */
#define TABLE_ENTRIES_MIN 16u
#define TABLE_ENTRIES_MAX 1024u

struct sender *sender_ref(struct sender *s) {
        if (s)
                s->n_ref++;
        return s;
}

struct sender *sender_unref(struct sender *s) {
        if (s && --s->n_ref == 0)
                free(s);
        return NULL;
}

static int sender_new(struct wire_span fields, struct sender **ret) {
        struct wire_field number, unit = {0}, label = {0}, field;
        bool has_unit, has_label;
        struct sender *s;

        if (!wire_field_find(fields, WIRE_FIELD_SENDER, &number))
                return -EPROTO;
        has_unit = wire_field_find(fields, WIRE_FIELD_UNIT, &unit);
        has_label = wire_field_find(fields, WIRE_FIELD_LABEL, &label);

        s = calloc(1, sizeof(*s) + unit.value.size + label.value.size + 2);
        if (!s)
                return -ENOMEM;
        s->n_ref = 1;
        s->number = (uint32_t) number.number;
        if (has_unit) {
                if (unit.value.size > 0)
                        memcpy(s->strings, unit.value.data, unit.value.size);
                s->public.unit = s->strings;
        }
        if (has_label) {
                char *at = s->strings + unit.value.size + 1;

                if (label.value.size > 0)
                        memcpy(at, label.value.data, label.value.size);
                s->public.label = at;
        }
        s->public.uid = wire_field_find(fields, WIRE_FIELD_UID, &field) ? (uint32_t) field.number : UINT32_MAX;
        s->public.gid = wire_field_find(fields, WIRE_FIELD_GID, &field) ? (uint32_t) field.number : UINT32_MAX;
        s->public.pid = wire_field_find(fields, WIRE_FIELD_PID, &field) ? (int32_t) field.number : 0;
        *ret = s;
        return 0;
}

static struct sender **table_place(struct sender **entries, size_t capacity, uint32_t number) {
        return &entries[number & (capacity - 1)];
}

/* What did not collide in the smaller table does not in the larger one. */
static int table_grow(struct sender_table *t) {
        size_t capacity = t->capacity > 0 ? t->capacity * 2 : TABLE_ENTRIES_MIN;
        struct sender **entries;

        entries = calloc(capacity, sizeof(struct sender *));
        if (!entries)
                return -ENOMEM;
        for (size_t i = 0; i < t->capacity; i++)
                if (t->entries[i])
                        *table_place(entries, capacity, t->entries[i]->number) = t->entries[i];
        free(t->entries);
        t->entries = entries;
        t->capacity = capacity;
        return 0;
}

/* Whether a number has a place that it need not take from another. */
static bool table_has_place(const struct sender_table *t, uint32_t number) {
        struct sender *s = t->capacity > 0 ? *table_place(t->entries, t->capacity, number) : NULL;

        return t->capacity > 0 && (!s || s->number == number);
}

/* Remembers what a SENDER frame says; a number that is told again means the new one from now on. */
int sender_table_take(struct sender_table *t, struct wire_span fields) {
        struct sender *s, **place;
        int r;

        r = sender_new(fields, &s);
        if (r < 0)
                return r;
        while (!table_has_place(t, s->number) && t->capacity < TABLE_ENTRIES_MAX) {
                r = table_grow(t);
                if (r < 0) {
                        sender_unref(s);
                        return r;
                }
        }
        place = table_place(t->entries, t->capacity, s->number);
        sender_unref(*place);
        *place = s;
        return 0;
}

struct sender *sender_table_find(const struct sender_table *t, uint32_t number) {
        struct sender *s = t->capacity > 0 ? *table_place(t->entries, t->capacity, number) : NULL;

        return s && s->number == number ? s : NULL;
}

void sender_table_release(struct sender_table *t) {
        for (size_t i = 0; i < t->capacity; i++)
                sender_unref(t->entries[i]);
        free(t->entries);
        *t = (struct sender_table){0};
}
