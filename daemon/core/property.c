/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "daemon/core/property.h"

enum type { TYPE_TEXT, TYPE_COUNT, TYPE_SIZE };

static const struct property {
        const char *key;
        enum type type;
        size_t offset;
} table[] = {
        {"Description", TYPE_TEXT, offsetof(struct properties, description)},
        {"MaxMessages", TYPE_COUNT, offsetof(struct properties, max_messages)},
        {"MaxBytes", TYPE_SIZE, offsetof(struct properties, max_bytes)},
        {"MaxMessageSize", TYPE_SIZE, offsetof(struct properties, max_message_bytes)},
};
#define N_PROPERTIES (sizeof(table) / sizeof(table[0]))

void properties_done(struct properties *p) {
        free(p->description);
        *p = (struct properties){0};
}

static const struct property *property_find(struct wire_span key) {
        for (size_t i = 0; i < N_PROPERTIES; i++)
                if (strlen(table[i].key) == key.size && memcmp(table[i].key, key.data, key.size) == 0)
                        return &table[i];
        return NULL;
}

/* A number, for sizes with K, M, G or T (powers of 1024) behind it. */
static int parse_number(struct wire_span value, bool size, uint64_t *ret) {
        static const char units[] = "KMGT";
        uint64_t n = 0;
        size_t i = 0;

        for (; i < value.size && value.data[i] >= '0' && value.data[i] <= '9'; i++) {
                unsigned digit = value.data[i] - '0';

                if (n > (UINT64_MAX - digit) / 10)
                        return -ERANGE;
                n = n * 10 + digit;
        }
        if (i == 0)
                return -EINVAL;
        if (size && i + 1 == value.size) {
                const char *unit = value.data[i] ? strchr(units, value.data[i]) : NULL;
                unsigned shift = unit ? 10u * (unsigned) (unit - units + 1) : 0;

                if (!unit)
                        return -EINVAL;
                if (n > UINT64_MAX >> shift)
                        return -ERANGE;
                n <<= shift;
                i++;
        }
        if (i != value.size)
                return -EINVAL;
        *ret = n;
        return 0;
}

static int apply_text(char **text, struct wire_span value, const char *key, struct refusal *refusal) {
        char *copy = NULL;

        if (value.size > PROPERTY_DESCRIPTION_BYTES_MAX)
                return refuse_limit(refusal, -EINVAL, WIRE_CODE_BAD_VALUE, key, PROPERTY_DESCRIPTION_BYTES_MAX,
                                    value.size, "%s= is too long", key);
        if (value.size > 0) {
                copy = strndup((const char *) value.data, value.size);
                if (!copy)
                        return -ENOMEM;
        }
        free(*text);
        *text = copy;
        return 0;
}

static int apply_one(struct properties *p, const struct wire_field *field, struct refusal *refusal) {
        const struct property *property = property_find(field->key);
        void *target;
        int r;

        if (!property)
                return refuse(refusal, -EINVAL, WIRE_CODE_BAD_VALUE,
                              "unknown property %.*s=", (int) (field->key.size < 100 ? field->key.size : 100),
                              (const char *) field->key.data);
        target = (char *) p + property->offset;
        if (property->type == TYPE_TEXT)
                return apply_text(target, field->value, property->key, refusal);
        r = parse_number(field->value, property->type == TYPE_SIZE, target);
        if (r < 0)
                return refuse(refusal, -EINVAL, WIRE_CODE_BAD_VALUE, "%s= takes %s, not \"%.*s\"", property->key,
                              property->type == TYPE_SIZE ? "a size such as 64K or 16M" : "a number",
                              (int) (field->value.size < 60 ? field->value.size : 60),
                              (const char *) field->value.data);
        return 0;
}

int properties_apply(struct properties *ret,
                     const struct properties *from,
                     struct wire_span fields,
                     struct refusal *refusal) {
        struct properties p = *from;
        struct wire_fault fault;
        struct wire_field field;
        size_t offset = 0;
        int r;

        if (from->description) {
                p.description = strdup(from->description);
                if (!p.description)
                        return -ENOMEM;
        }
        while ((r = wire_field_next(fields, &offset, &field, &fault)) > 0) {
                if (field.tag != WIRE_FIELD_PROPERTY)
                        continue;
                r = apply_one(&p, &field, refusal);
                if (r < 0)
                        break;
        }
        if (r < 0) {
                properties_done(&p);
                return r;
        }
        *ret = p;
        return 0;
}

int properties_write(const struct properties *p, struct buffer *out) {
        for (size_t i = 0; i < N_PROPERTIES; i++) {
                const char *source = (const char *) p + table[i].offset;
                char number[24];
                const char *value = number;
                size_t key_bytes = strlen(table[i].key), value_bytes;

                if (table[i].type == TYPE_TEXT) {
                        value = *(char *const *) source;
                        if (!value)
                                continue;
                } else {
                        if (*(const uint64_t *) source == 0)
                                continue;
                        snprintf(number, sizeof(number), "%" PRIu64, *(const uint64_t *) source);
                }
                value_bytes = strlen(value);
                if (buffer_reserve(out, wire_field_size_pair(key_bytes, value_bytes)) < 0)
                        return -ENOMEM;
                out->size += wire_put_pair(out->data + out->size, WIRE_FIELD_PROPERTY, table[i].key, key_bytes, value,
                                           value_bytes);
        }
        return 0;
}
