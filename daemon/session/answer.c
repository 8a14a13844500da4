/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "daemon/session/internal.h"

void session_wants_flush(struct session *s) {
        if (s->to_flush)
                return;
        s->to_flush = true;
        TAILQ_INSERT_TAIL(&s->host->to_flush, s, flush_link);
}

uint8_t *session_append(struct session *s, size_t size) {
        uint8_t *p;

        /* Behind a last ERROR or GOODBYE comes nothing. */
        if (s->state == SESSION_CLOSING)
                return NULL;
        p = output_append(&s->output, size);
        if (!p) {
                /* The client would wait for this answer for ever: better it asks again on a new connection. */
                output_done(&s->output);
                s->state = SESSION_CLOSING;
        }
        session_wants_flush(s);
        return p;
}

static void put(struct session *s,
                unsigned opcode,
                unsigned flags,
                unsigned channel,
                uint32_t serial,
                const void *fields,
                size_t size) {
        uint8_t *p = session_append(s, WIRE_SERIAL_HEADER_BYTES + size);

        if (!p)
                return;
        p += wire_put_general(p, opcode, flags, channel, serial, size);
        if (size > 0)
                memcpy(p, fields, size);
}

void answer_general(
        struct session *s, unsigned opcode, unsigned channel, uint32_t serial, const void *fields, size_t size) {
        put(s, opcode, 0, channel, serial, fields, size);
}

void answer_ok(struct session *s, uint32_t serial) {
        put(s, WIRE_OK, 0, 0, serial, NULL, 0);
}

void answer_end(struct session *s, uint32_t serial, uint32_t count, uint64_t next_id) {
        uint8_t fields[32];
        size_t size = wire_put_u32(fields, WIRE_FIELD_COUNT, count);

        if (next_id != 0)
                size += wire_put_u64(fields + size, WIRE_FIELD_NEXT_ID, next_id);
        put(s, WIRE_END, 0, 0, serial, fields, size);
}

/* The fields of an ERROR or GOODBYE. `out` has room for 512 bytes. */
static size_t put_refusal(uint8_t *out, const struct refusal *why) {
        size_t size = wire_put_u16(out, WIRE_FIELD_CODE, why->code);
        char text[sizeof(why->text)];

        /* What was quoted from the client may have been cut within a character. */
        for (size_t i = 0; i < sizeof(text); i++)
                text[i] = why->text[i] == '\0' || (why->text[i] >= ' ' && why->text[i] <= '~') ? why->text[i] : '?';
        size += wire_put_string(out + size, WIRE_FIELD_TEXT, text);
        if (why->setting) {
                size += wire_put_string(out + size, WIRE_FIELD_SETTING, why->setting);
                size += wire_put_u64(out + size, WIRE_FIELD_LIMIT, why->limit);
        }
        if (why->setting || why->use > 0)
                size += wire_put_u64(out + size, WIRE_FIELD_USE, why->use);
        return size;
}

void answer_refusal(struct session *s, unsigned flags, uint32_t serial, const struct refusal *why) {
        uint8_t fields[512];

        put(s, WIRE_ERROR, flags, 0, serial, fields, put_refusal(fields, why));
}

void answer_fault(struct session *s, unsigned flags, uint32_t serial, const struct wire_fault *fault) {
        struct refusal why;

        (void) refuse(&why, 0, fault->code, "%s", fault->text);
        answer_refusal(s, flags, serial, &why);
}

void session_fail(struct session *s, const struct refusal *why) {
        if (s->state == SESSION_CLOSING)
                return;
        answer_refusal(s, 0, 0, why);
        s->state = SESSION_CLOSING;
}

void session_fail_fault(struct session *s, const struct wire_fault *fault) {
        struct refusal why;

        (void) refuse(&why, 0, fault->code, "%s", fault->text);
        session_fail(s, &why);
}

void session_goodbye(struct session *s) {
        struct refusal why;
        uint8_t fields[512];

        if (s->state == SESSION_CLOSING)
                return;
        (void) refuse(&why, 0, WIRE_CODE_SHUTTING_DOWN, "the bus is shutting down");
        put(s, WIRE_GOODBYE, 0, 0, 0, fields, put_refusal(fields, &why));
        s->state = SESSION_CLOSING;
}

/* ---- attributes ---- */

static uint8_t *attribute(struct attributes *a, const char *key, size_t value_bytes) {
        if (a->failed || buffer_reserve(&a->fields, WIRE_FIELD_HEADER_BYTES + 2 + strlen(key) + value_bytes) < 0) {
                a->failed = true;
                return NULL;
        }
        return a->fields.data + a->fields.size;
}

void attribute_u64(struct attributes *a, const char *key, uint64_t value) {
        uint8_t *p = attribute(a, key, 8);

        if (p)
                a->fields.size += wire_put_attribute_u64(p, key, value);
}

void attribute_bool(struct attributes *a, const char *key, bool value) {
        uint8_t *p = attribute(a, key, 1);

        if (p)
                a->fields.size += wire_put_attribute_bool(p, key, value);
}

void attribute_string(struct attributes *a, const char *key, const void *data, size_t size) {
        uint8_t *p = attribute(a, key, size);

        if (p)
                a->fields.size += wire_put_attribute_string(p, key, data, size);
}
