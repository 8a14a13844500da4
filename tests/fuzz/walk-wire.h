/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Takes any bytes through every parser of the codec and holds what comes out against what went in: what was read must
 * be written again as it was. Shared by the fuzz target and the test that replays its corpus. Ends the process
 * (SIGABRT) where something does not hold; that nothing is read beyond the input is for AddressSanitizer to see, so
 * each piece is given to the parsers as a block of exactly its size.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/wire.h"

#define WALK_FRAME_BYTES_MAX (1u << 20)

#define WALK_ENSURE(condition)                                                                        \
        do {                                                                                          \
                if (!(condition)) {                                                                   \
                        fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
                        abort();                                                                      \
                }                                                                                     \
        } while (0)

static inline uint8_t *walk_copy(const uint8_t *data, size_t size) {
        uint8_t *copy = calloc(1, size);

        WALK_ENSURE(copy || size == 0);
        if (size > 0)
                memcpy(copy, data, size);
        return copy;
}

static inline void walk_check_refusal(int r, const struct wire_fault *fault, size_t size) {
        WALK_ENSURE(r == -EBADMSG || r == -EOPNOTSUPP);
        WALK_ENSURE(fault->code == (r == -EBADMSG ? WIRE_CODE_MALFORMED : WIRE_CODE_UNKNOWN_FIELD));
        WALK_ENSURE(fault->text);
        WALK_ENSURE(fault->offset <= size);
}

/* ---- fields ---- */

/* Writes a field again as its type says. Returns 0 for one of unknown type. */
static inline size_t walk_put_field(uint8_t *out, const struct wire_field *f) {
        unsigned tag = f->tag | (f->mandatory ? WIRE_FIELD_MANDATORY : 0);

        switch (f->type) {
        case WIRE_TYPE_U8:
                return wire_put_u8(out, tag, (uint8_t) f->number);
        case WIRE_TYPE_U16:
                return wire_put_u16(out, tag, (uint16_t) f->number);
        case WIRE_TYPE_U32:
                return wire_put_u32(out, tag, (uint32_t) f->number);
        case WIRE_TYPE_U64:
                return wire_put_u64(out, tag, f->number);
        case WIRE_TYPE_STRING:
        case WIRE_TYPE_BYTES:
                return wire_put_bytes(out, tag, f->value.data, f->value.size);
        case WIRE_TYPE_PAIR:
                return wire_put_pair(out, tag, (const char *) f->key.data, f->key.size, f->value.data, f->value.size);
        default:
                return 0;
        }
}

/* An attribute's writer takes a string for its key and no mandatory bit. */
static inline size_t walk_put_attribute(uint8_t *out, const struct wire_field *f) {
        char key[WIRE_KEY_BYTES_MAX + 1] = {0};

        memcpy(key, f->key.data, f->key.size);
        WALK_ENSURE(strlen(key) == f->key.size);
        switch (f->attribute) {
        case WIRE_ATTRIBUTE_U64:
                return wire_put_attribute_u64(out, key, f->number);
        case WIRE_ATTRIBUTE_BOOL:
                return wire_put_attribute_bool(out, key, f->number);
        default:
                return wire_put_attribute_string(out, key, f->value.data, f->value.size);
        }
}

static inline void walk_field(const uint8_t *bytes, size_t size, const struct wire_field *f) {
        uint8_t *out = malloc(size);
        size_t n;

        WALK_ENSURE(out);
        WALK_ENSURE(size >= WIRE_FIELD_HEADER_BYTES + f->key.size + f->value.size);
        if (f->type == WIRE_TYPE_ATTRIBUTE) {
                n = walk_put_attribute(out, f);
                out[0] |= f->mandatory ? WIRE_FIELD_MANDATORY : 0;
        } else
                n = walk_put_field(out, f);
        if (f->type != WIRE_TYPE_UNKNOWN) {
                WALK_ENSURE(n == size);
                WALK_ENSURE(memcmp(out, bytes, size) == 0);
        } else
                WALK_ENSURE(!f->mandatory);
        free(out);
}

static inline void walk_fields(struct wire_span fields) {
        struct wire_fault fault = {0}, walk_fault = {0};
        struct wire_field field, found;
        size_t offset = 0, before = 0, n = 0;
        int r, walk;

        r = wire_fields_check(fields, &fault);
        while ((walk = wire_field_next(fields, &offset, &field, &walk_fault)) > 0) {
                WALK_ENSURE(offset > before && offset <= fields.size);
                walk_field(fields.data + before, offset - before, &field);
                before = offset;
                n++;
        }
        WALK_ENSURE(walk == r);
        WALK_ENSURE(offset == before);
        if (r < 0) {
                walk_check_refusal(r, &fault, fields.size);
                WALK_ENSURE(fault.offset == walk_fault.offset && fault.tag == walk_fault.tag);
                return;
        }

        WALK_ENSURE(offset == fields.size);
        WALK_ENSURE(wire_fields_not_understood(fields, UINT64_MAX) == 0);
        for (unsigned tag = 0; tag < WIRE_FIELD_MANDATORY; tag++)
                if (wire_field_find(fields, tag, &found))
                        WALK_ENSURE(n > 0 && found.tag == tag);
}

/* ---- frames ---- */

static inline void walk_send(const uint8_t *frame, size_t size) {
        struct wire_fault fault = {0};
        struct wire_send send;
        uint8_t *out;
        int r;

        r = wire_send_parse(frame, size, &send, &fault);
        if (r < 0) {
                walk_check_refusal(r, &fault, size);
                return;
        }
        walk_fields(send.fields);
        WALK_ENSURE(wire_send_size(&send) == size);
        out = malloc(size);
        WALK_ENSURE(out);
        WALK_ENSURE(wire_put_send(out, &send) == size);
        /* The writer knows its opcode, and that a SEND has no channel. */
        memcpy(out + 4, frame + 4, 1);
        memcpy(out + 6, frame + 6, 2);
        WALK_ENSURE(memcmp(out, frame, size) == 0);
        free(out);
}

static inline void walk_deliver(const uint8_t *frame, size_t size) {
        struct wire_fault fault = {0};
        struct wire_deliver deliver;
        uint8_t *out;
        int r;

        r = wire_deliver_parse(frame, size, &deliver, &fault);
        if (r < 0) {
                walk_check_refusal(r, &fault, size);
                return;
        }
        walk_fields(deliver.fields);
        WALK_ENSURE(wire_deliver_size(&deliver) == size);
        out = malloc(size);
        WALK_ENSURE(out);
        WALK_ENSURE(wire_put_deliver(out, &deliver) == size);
        WALK_ENSURE(memcmp(out, frame, size) == 0);
        free(out);
}

static inline void walk_confirm(const uint8_t *frame, size_t size) {
        struct wire_fault fault = {0};
        int n;

        n = wire_confirm_parse(frame, size, &fault);
        if (n < 0) {
                walk_check_refusal(n, &fault, size);
                return;
        }
        WALK_ENSURE(WIRE_HEADER_BYTES + (size_t) n * WIRE_CONFIRM_RUN_BYTES == size);
        for (size_t i = 0; i < (size_t) n; i++) {
                struct wire_confirm_run run = wire_confirm_run(frame, i);
                uint8_t out[WIRE_CONFIRM_RUN_BYTES];

                WALK_ENSURE(run.count > 0);
                WALK_ENSURE(wire_put_confirm_run(out, &run) == sizeof(out));
                WALK_ENSURE(memcmp(out, frame + WIRE_HEADER_BYTES + i * sizeof(out), sizeof(out)) == 0);
        }
}

static inline void walk_credit(const uint8_t *frame, size_t size) {
        struct wire_fault fault = {0};
        struct wire_credit credit;
        uint8_t out[16];
        int r;

        r = wire_credit_parse(frame, size, &credit, &fault);
        if (r < 0) {
                walk_check_refusal(r, &fault, size);
                return;
        }
        WALK_ENSURE(wire_put_credit(out, wire_get16(frame + 6), &credit) == size);
        WALK_ENSURE(memcmp(out, frame, 4) == 0 && memcmp(out + 6, frame + 6, size - 6) == 0);
}

static inline void walk_settle(const uint8_t *frame, size_t size) {
        struct wire_fault fault = {0};
        struct wire_settle settle;
        uint8_t head[16];
        int r;

        r = wire_settle_parse(frame, size, &settle, &fault);
        if (r < 0) {
                walk_check_refusal(r, &fault, size);
                return;
        }
        walk_fields(settle.fields);
        wire_put_settle_header(head, frame[4], frame[5], wire_get16(frame + 6), settle.serial, settle.fields.size,
                               settle.n_runs);
        WALK_ENSURE(memcmp(head, frame, 14) == 0);
        WALK_ENSURE(settle.runs + settle.n_runs * WIRE_SETTLE_RUN_BYTES == frame + size);
        for (size_t i = 0; i < settle.n_runs; i++) {
                struct wire_settle_run run = wire_settle_run(&settle, i);
                uint8_t out[WIRE_SETTLE_RUN_BYTES];

                WALK_ENSURE(run.id > 0 && run.count > 0 && run.id + (run.count - 1) >= run.id);
                WALK_ENSURE(wire_put_settle_run(out, &run) == sizeof(out));
                WALK_ENSURE(memcmp(out, settle.runs + i * sizeof(out), sizeof(out)) == 0);
        }
}

static inline void walk_general(const uint8_t *frame, size_t size) {
        struct wire_fault fault = {0};
        struct wire_general general;
        uint8_t head[WIRE_SERIAL_HEADER_BYTES];
        int r;

        r = wire_general_parse(frame, size, &general, &fault);
        if (r < 0) {
                walk_check_refusal(r, &fault, size);
                return;
        }
        walk_fields(general.fields);
        wire_put_general(head, frame[4], frame[5], wire_get16(frame + 6), general.serial, general.fields.size);
        WALK_ENSURE(memcmp(head, frame, sizeof(head)) == 0);
        WALK_ENSURE(general.fields.data + general.fields.size == frame + size);
}

/* Each frame goes to the parser of every layout, not only to its own: none may trust another to have looked. */
static inline void walk_frame(const uint8_t *frame, size_t size) {
        uint8_t *copy = walk_copy(frame, size);

        WALK_ENSURE(wire_opcode_name(copy[4]));
        walk_send(copy, size);
        walk_deliver(copy, size);
        walk_confirm(copy, size);
        walk_credit(copy, size);
        walk_settle(copy, size);
        walk_general(copy, size);
        free(copy);
}

/* A stream of frames as a connection brings it. The last one may be cut short: then it is also tried as if it were
 * whole. */
static inline void walk_stream(const uint8_t *data, size_t size) {
        struct wire_fault fault = {0};
        struct wire_header header;
        uint8_t out[WIRE_HEADER_BYTES];
        int r;

        while ((r = wire_header_parse(data, size, WALK_FRAME_BYTES_MAX, &header, &fault)) > 0) {
                WALK_ENSURE(wire_put_header(out, &header) == sizeof(out));
                WALK_ENSURE(memcmp(out, data, sizeof(out)) == 0);
                if (header.size > size) {
                        uint8_t *copy = walk_copy(data, size);

                        walk_frame(copy, size);
                        wire_set32(copy, (uint32_t) size);
                        walk_frame(copy, size);
                        free(copy);
                        return;
                }
                walk_frame(data, header.size);
                data += header.size;
                size -= header.size;
        }
        if (r == 0) {
                WALK_ENSURE(size < WIRE_HEADER_BYTES);
                return;
        }
        WALK_ENSURE(r == (fault.code == WIRE_CODE_TOO_LARGE ? -EMSGSIZE : -EBADMSG));
        WALK_ENSURE(fault.text);
}

/* ---- names ---- */

/* Two names with a NUL between them, as pattern and subject. */
static inline void walk_names(const uint8_t *data, size_t size) {
        const uint8_t *end = size > 0 ? memchr(data, 0, size) : NULL;
        size_t pattern_bytes = end ? (size_t) (end - data) : size;
        size_t subject_bytes = end ? size - pattern_bytes - 1 : 0;
        uint8_t *pattern = walk_copy(data, pattern_bytes);
        uint8_t *subject = walk_copy(data + size - subject_bytes, subject_bytes);
        bool is_pattern = wire_pattern_check(pattern, pattern_bytes, NULL) == 0;
        bool is_subject = wire_subject_check(subject, subject_bytes, NULL) == 0;

        (void) wire_pattern_match(pattern, pattern_bytes, subject, subject_bytes);
        if (is_subject) {
                WALK_ENSURE(wire_pattern_check(subject, subject_bytes, NULL) == 0);
                WALK_ENSURE(wire_pattern_match(subject, subject_bytes, subject, subject_bytes));
                WALK_ENSURE(wire_pattern_match(">", 1, subject, subject_bytes));
                WALK_ENSURE(wire_pattern_match("*", 1, subject, subject_bytes) == !memchr(subject, '.', subject_bytes));
        }
        /* Without wildcards a pattern matches itself and nothing else. */
        if (is_pattern && is_subject && wire_subject_check(pattern, pattern_bytes, NULL) == 0)
                WALK_ENSURE(wire_pattern_match(pattern, pattern_bytes, subject, subject_bytes) ==
                            (pattern_bytes == subject_bytes && memcmp(pattern, subject, subject_bytes) == 0));
        free(pattern);
        free(subject);
}

/* The same bytes as frames, as fields and as names. */
static inline void walk_wire(const uint8_t *data, size_t size) {
        uint8_t *copy = walk_copy(data, size);

        walk_stream(copy, size);
        if (size >= WIRE_HEADER_BYTES)
                walk_frame(copy, size);
        walk_fields((struct wire_span){copy, size});
        walk_names(copy, size);
        free(copy);
}
