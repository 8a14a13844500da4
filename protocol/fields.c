/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "protocol/internal.h"

/* The type of each tag; WIRE_TYPE_UNKNOWN for those that are not in the table. */
static const uint8_t tag_types[WIRE_FIELD_MANDATORY] = {
#define X(number, name, type) [number] = WIRE_TYPE_##type,
        WIRE_FIELDS(X)
#undef X
};

static unsigned tag_type(uint8_t tag) {
        return tag_types[tag & ~WIRE_FIELD_MANDATORY];
}

/* A field whose header and length are known to fit. */
struct raw_field {
        uint8_t tag; /* with the mandatory bit */
        size_t at;   /* offset of the field header, for faults */
        const uint8_t *value;
        size_t size;
};

static int malformed(const struct raw_field *field, const char *text, struct wire_fault *fault) {
        return wire_fail(fault, WIRE_CODE_MALFORMED, field->tag & ~WIRE_FIELD_MANDATORY, field->at, text);
}

/* What a receiver does not know it skips, unless the sender asked for refusal. */
static int unknown(const struct raw_field *field, const char *text, struct wire_fault *fault) {
        if (field->tag & WIRE_FIELD_MANDATORY)
                return wire_fail(fault, WIRE_CODE_UNKNOWN_FIELD, field->tag & ~WIRE_FIELD_MANDATORY, field->at, text);
        return 0;
}

static int check_integer(const struct raw_field *field, size_t bytes, struct wire_fault *fault) {
        if (WIRE_UNLIKELY(field->size != bytes))
                return malformed(field, "integer field of the wrong length", fault);
        return 0;
}

static int check_text(const struct raw_field *field, size_t from, struct wire_fault *fault) {
        if (WIRE_UNLIKELY(!wire_text_valid(field->value + from, field->size - from)))
                return malformed(field, "text is not UTF-8 without NUL", fault);
        return 0;
}

/* Checks the key at the front of a PAIR or ATTRIBUTE. Returns the bytes up to the end of the key, or an error. */
static int check_key(const struct raw_field *field, struct wire_fault *fault) {
        size_t n;

        if (field->size < 1 || field->value[0] == 0)
                return malformed(field, "empty key", fault);
        n = field->value[0];
        if (n > field->size - 1)
                return malformed(field, "key reaches beyond its field", fault);
        if (!wire_text_valid(field->value + 1, n))
                return malformed(field, "key is not UTF-8 without NUL", fault);
        return (int) (1 + n);
}

static int check_pair(const struct raw_field *field, struct wire_fault *fault) {
        int r;

        r = check_key(field, fault);
        if (r < 0)
                return r;
        return check_text(field, (size_t) r, fault);
}

static int check_attribute(const struct raw_field *field, struct wire_fault *fault) {
        size_t head;
        int r;

        r = check_key(field, fault);
        if (r < 0)
                return r;
        head = (size_t) r + 1;
        if (head > field->size)
                return malformed(field, "attribute without a type", fault);

        switch (field->value[head - 1]) {
        case WIRE_ATTRIBUTE_U64:
                if (field->size - head != 8)
                        return malformed(field, "integer attribute of the wrong length", fault);
                return 0;
        case WIRE_ATTRIBUTE_STRING:
                return check_text(field, head, fault);
        case WIRE_ATTRIBUTE_BOOL:
                if (field->size - head != 1 || field->value[head] > 1)
                        return malformed(field, "boolean attribute that is neither 0 nor 1", fault);
                return 0;
        default:
                return unknown(field, "attribute of an unknown type", fault);
        }
}

static int check_field(const struct raw_field *field, struct wire_fault *fault) {
        switch (tag_type(field->tag)) {
        case WIRE_TYPE_U8:
                return check_integer(field, 1, fault);
        case WIRE_TYPE_U16:
                return check_integer(field, 2, fault);
        case WIRE_TYPE_U32:
                return check_integer(field, 4, fault);
        case WIRE_TYPE_U64:
                return check_integer(field, 8, fault);
        case WIRE_TYPE_STRING:
                return check_text(field, 0, fault);
        case WIRE_TYPE_BYTES:
                return 0;
        case WIRE_TYPE_PAIR:
                return check_pair(field, fault);
        case WIRE_TYPE_ATTRIBUTE:
                return check_attribute(field, fault);
        default:
                return unknown(field, "unknown mandatory field", fault);
        }
}

/* Takes the field at `offset` apart. `at` is where the fields begin in the frame. Returns 1, 0 at the end, or -EBADMSG
 * (said here and not by wire_fail(), so that the compiler sees that 1 is only returned with *ret filled). */
static inline int
raw_field_at(struct wire_span fields, size_t offset, size_t at, struct raw_field *ret, struct wire_fault *fault) {
        const uint8_t *p;
        size_t left, size;

        if (offset >= fields.size)
                return 0;
        left = fields.size - offset;
        p = fields.data + offset;
        if (WIRE_UNLIKELY(left < WIRE_FIELD_HEADER_BYTES)) {
                wire_fail(fault, WIRE_CODE_MALFORMED, 0, at + offset, "fields end within a field header");
                return -EBADMSG;
        }

        size = wire_get16(p + 1);
        if (WIRE_UNLIKELY(size > left - WIRE_FIELD_HEADER_BYTES)) {
                unsigned tag = p[0] & ~WIRE_FIELD_MANDATORY;

                wire_fail(fault, WIRE_CODE_MALFORMED, tag, at + offset, "field reaches beyond the fields");
                return -EBADMSG;
        }

        *ret = (struct raw_field){.tag = p[0], .at = at + offset, .value = p + WIRE_FIELD_HEADER_BYTES, .size = size};
        return 1;
}

int wire_fields_check_at(struct wire_span fields, size_t at, struct wire_fault *fault) {
        struct raw_field field;
        size_t offset = 0;
        int r;

        while ((r = raw_field_at(fields, offset, at, &field, fault)) > 0) {
                r = check_field(&field, fault);
                if (WIRE_UNLIKELY(r < 0))
                        return r;
                offset += WIRE_FIELD_HEADER_BYTES + field.size;
        }
        return r;
}

int wire_fields_check(struct wire_span fields, struct wire_fault *fault) {
        return wire_fields_check_at(fields, 0, fault);
}

static void fill_attribute(struct wire_field *f) {
        switch (f->attribute) {
        case WIRE_ATTRIBUTE_U64:
                f->number = wire_get64(f->value.data);
                break;
        case WIRE_ATTRIBUTE_STRING:
                break;
        case WIRE_ATTRIBUTE_BOOL:
                f->number = f->value.data[0];
                break;
        default:
                f->type = WIRE_TYPE_UNKNOWN;
        }
}

static void fill_keyed(const struct raw_field *field, struct wire_field *f) {
        size_t head = 1u + field->value[0];

        f->key = (struct wire_span){field->value + 1, field->value[0]};
        if (f->type == WIRE_TYPE_ATTRIBUTE)
                f->attribute = field->value[head++];
        f->value = (struct wire_span){field->value + head, field->size - head};
        if (f->type == WIRE_TYPE_ATTRIBUTE)
                fill_attribute(f);
}

/* Decodes a checked field. */
static void fill(const struct raw_field *field, struct wire_field *ret) {
        struct wire_field f = {
                .tag = (uint8_t) (field->tag & ~WIRE_FIELD_MANDATORY),
                .mandatory = field->tag & WIRE_FIELD_MANDATORY,
                .type = (uint8_t) tag_type(field->tag),
                .value = {field->value, field->size},
        };

        switch (f.type) {
        case WIRE_TYPE_U8:
                f.number = field->value[0];
                break;
        case WIRE_TYPE_U16:
                f.number = wire_get16(field->value);
                break;
        case WIRE_TYPE_U32:
                f.number = wire_get32(field->value);
                break;
        case WIRE_TYPE_U64:
                f.number = wire_get64(field->value);
                break;
        case WIRE_TYPE_PAIR:
        case WIRE_TYPE_ATTRIBUTE:
                fill_keyed(field, &f);
                break;
        default:
                break;
        }
        *ret = f;
}

int wire_field_next(struct wire_span fields, size_t *offset, struct wire_field *ret, struct wire_fault *fault) {
        struct raw_field field;
        int r;

        r = raw_field_at(fields, *offset, 0, &field, fault);
        if (r <= 0)
                return r;
        r = check_field(&field, fault);
        if (r < 0)
                return r;

        fill(&field, ret);
        *offset += WIRE_FIELD_HEADER_BYTES + field.size;
        return 1;
}

bool wire_field_find(struct wire_span fields, unsigned tag, struct wire_field *ret) {
        struct raw_field field;

        for (size_t offset = 0; raw_field_at(fields, offset, 0, &field, NULL) > 0;
             offset += WIRE_FIELD_HEADER_BYTES + field.size) {
                if ((field.tag & ~WIRE_FIELD_MANDATORY) != tag)
                        continue;
                fill(&field, ret);
                return true;
        }
        return false;
}

unsigned wire_fields_not_understood(struct wire_span fields, uint64_t understood) {
        struct raw_field field;

        for (size_t offset = 0; raw_field_at(fields, offset, 0, &field, NULL) > 0;
             offset += WIRE_FIELD_HEADER_BYTES + field.size) {
                unsigned tag = field.tag & ~WIRE_FIELD_MANDATORY;

                if (!(field.tag & WIRE_FIELD_MANDATORY))
                        continue;
                if (tag >= 64 || !(understood & UINT64_C(1) << tag))
                        return tag;
        }
        return 0;
}
