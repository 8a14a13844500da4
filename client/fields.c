/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "client/internal.h"

/* Makes room, unless something went wrong before. */
static uint8_t *fields_room(struct fields *f, size_t size) {
        if (f->error < 0)
                return NULL;
        f->error = buffer_reserve(&f->buffer, size);
        return f->error < 0 ? NULL : buffer_back(&f->buffer);
}

/* Takes what was written in if it is well-formed: text must be UTF-8. */
static void fields_commit(struct fields *f, size_t size) {
        if (wire_fields_check((struct wire_span){buffer_back(&f->buffer), size}, NULL) < 0)
                f->error = -EINVAL;
        else
                f->buffer.end += size;
}

void fields_string(struct fields *f, unsigned tag, const char *value) {
        size_t size = strlen(value);
        uint8_t *p;

        if (size > WIRE_FIELDS_BYTES_MAX && f->error == 0)
                f->error = -EMSGSIZE;
        p = fields_room(f, wire_field_size_bytes(size));
        if (p)
                fields_commit(f, wire_put_string(p, tag, value));
}

/* "Key=value" */
void fields_property(struct fields *f, const char *property) {
        const char *equals = strchr(property, '=');
        size_t key, value;
        uint8_t *p;

        key = equals ? (size_t) (equals - property) : 0;
        value = equals ? strlen(equals + 1) : 0;
        if (f->error == 0 && (key == 0 || key > UINT8_MAX))
                f->error = -EINVAL;
        if (f->error == 0 && 1 + key + value > WIRE_FIELDS_BYTES_MAX)
                f->error = -EMSGSIZE;
        p = fields_room(f, wire_field_size_pair(key, value));
        if (p)
                fields_commit(f, wire_put_pair(p, WIRE_FIELD_PROPERTY, property, key, equals + 1, value));
}

void fields_u8(struct fields *f, unsigned tag, uint8_t value) {
        uint8_t *p = fields_room(f, 4);

        if (p)
                f->buffer.end += wire_put_u8(p, tag, value);
}

void fields_u16(struct fields *f, unsigned tag, uint16_t value) {
        uint8_t *p = fields_room(f, 5);

        if (p)
                f->buffer.end += wire_put_u16(p, tag, value);
}

void fields_u32(struct fields *f, unsigned tag, uint32_t value) {
        uint8_t *p = fields_room(f, 7);

        if (p)
                f->buffer.end += wire_put_u32(p, tag, value);
}

void fields_u64(struct fields *f, unsigned tag, uint64_t value) {
        uint8_t *p = fields_room(f, 11);

        if (p)
                f->buffer.end += wire_put_u64(p, tag, value);
}

void fields_release(struct fields *f) {
        buffer_release(&f->buffer);
}
