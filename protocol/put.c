/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "protocol/internal.h"

static uint8_t *put_field_header(uint8_t *out, unsigned tag, size_t size) {
        out[0] = (uint8_t) tag;
        wire_set16(out + 1, (uint16_t) size);
        return out + WIRE_FIELD_HEADER_BYTES;
}

static uint8_t *put_key(uint8_t *out, const char *key, size_t key_bytes) {
        *out++ = (uint8_t) key_bytes;
        return wire_append(out, key, key_bytes);
}

size_t wire_field_size_bytes(size_t value_bytes) {
        return WIRE_FIELD_HEADER_BYTES + value_bytes;
}

size_t wire_field_size_pair(size_t key_bytes, size_t value_bytes) {
        return WIRE_FIELD_HEADER_BYTES + 1 + key_bytes + value_bytes;
}

size_t wire_put_u8(uint8_t *out, unsigned tag, uint8_t value) {
        put_field_header(out, tag, 1)[0] = value;
        return WIRE_FIELD_HEADER_BYTES + 1;
}

size_t wire_put_u16(uint8_t *out, unsigned tag, uint16_t value) {
        wire_set16(put_field_header(out, tag, 2), value);
        return WIRE_FIELD_HEADER_BYTES + 2;
}

size_t wire_put_u32(uint8_t *out, unsigned tag, uint32_t value) {
        wire_set32(put_field_header(out, tag, 4), value);
        return WIRE_FIELD_HEADER_BYTES + 4;
}

size_t wire_put_u64(uint8_t *out, unsigned tag, uint64_t value) {
        wire_set64(put_field_header(out, tag, 8), value);
        return WIRE_FIELD_HEADER_BYTES + 8;
}

size_t wire_put_bytes(uint8_t *out, unsigned tag, const void *data, size_t size) {
        wire_append(put_field_header(out, tag, size), data, size);
        return wire_field_size_bytes(size);
}

size_t wire_put_string(uint8_t *out, unsigned tag, const char *string) {
        return wire_put_bytes(out, tag, string, strlen(string));
}

size_t
wire_put_pair(uint8_t *out, unsigned tag, const char *key, size_t key_bytes, const void *value, size_t value_bytes) {
        uint8_t *p = put_field_header(out, tag, 1 + key_bytes + value_bytes);

        wire_append(put_key(p, key, key_bytes), value, value_bytes);
        return wire_field_size_pair(key_bytes, value_bytes);
}

/* Writes an attribute up to its value, which will have `value_bytes`. */
static uint8_t *put_attribute(uint8_t *out, const char *key, enum wire_attribute attribute, size_t value_bytes) {
        size_t key_bytes = strlen(key);
        uint8_t *p;

        p = put_field_header(out, WIRE_FIELD_ATTRIBUTE, 1 + key_bytes + 1 + value_bytes);
        p = put_key(p, key, key_bytes);
        *p++ = (uint8_t) attribute;
        return p;
}

size_t wire_put_attribute_u64(uint8_t *out, const char *key, uint64_t value) {
        uint8_t *p = put_attribute(out, key, WIRE_ATTRIBUTE_U64, 8);

        wire_set64(p, value);
        return (size_t) (p + 8 - out);
}

size_t wire_put_attribute_bool(uint8_t *out, const char *key, bool value) {
        uint8_t *p = put_attribute(out, key, WIRE_ATTRIBUTE_BOOL, 1);

        *p = value;
        return (size_t) (p + 1 - out);
}

size_t wire_put_attribute_string(uint8_t *out, const char *key, const void *data, size_t size) {
        uint8_t *p = put_attribute(out, key, WIRE_ATTRIBUTE_STRING, size);

        return (size_t) (wire_append(p, data, size) - out);
}
