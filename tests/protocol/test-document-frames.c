/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The byte examples of PROTOCOL.md are what the codec writes, and the codec reads from them what they say. */

#include "tests/protocol/document.h"
#include "tests/protocol/examples.h"

enum { LAYOUT_GENERAL, LAYOUT_SEND, LAYOUT_DELIVER, LAYOUT_CONFIRM, LAYOUT_CREDIT, LAYOUT_SETTLE };

static int layout_of(unsigned opcode) {
        switch (opcode) {
#define X(number, name, direction, layout, needs) \
        case number:                              \
                return LAYOUT_##layout;
                WIRE_OPCODES(X)
#undef X
        default:
                fail_msg("opcode 0x%02x is not in the table", opcode);
                return -1;
        }
}

static unsigned type_of(unsigned tag) {
        switch (tag & ~WIRE_FIELD_MANDATORY) {
#define X(number, name, type) \
        case number:          \
                return WIRE_TYPE_##type;
                WIRE_FIELDS(X)
#undef X
        default:
                return WIRE_TYPE_UNKNOWN;
        }
}

/* ---- writing ---- */

static size_t put_attribute(uint8_t *out, const struct example_field *f) {
        switch (f->attribute) {
        case WIRE_ATTRIBUTE_U64:
                return wire_put_attribute_u64(out, f->key, f->number);
        case WIRE_ATTRIBUTE_BOOL:
                return wire_put_attribute_bool(out, f->key, f->number);
        default:
                return wire_put_attribute_string(out, f->key, f->text, strlen(f->text));
        }
}

static size_t put_field(uint8_t *out, const struct example_field *f) {
        switch (type_of(f->tag)) {
        case WIRE_TYPE_U8:
                return wire_put_u8(out, f->tag, (uint8_t) f->number);
        case WIRE_TYPE_U16:
                return wire_put_u16(out, f->tag, (uint16_t) f->number);
        case WIRE_TYPE_U32:
                return wire_put_u32(out, f->tag, (uint32_t) f->number);
        case WIRE_TYPE_U64:
                return wire_put_u64(out, f->tag, f->number);
        case WIRE_TYPE_PAIR:
                return wire_put_pair(out, f->tag, f->key, strlen(f->key), f->text, strlen(f->text));
        case WIRE_TYPE_ATTRIBUTE:
                return put_attribute(out, f);
        case WIRE_TYPE_BYTES:
                return wire_put_bytes(out, f->tag, f->text, strlen(f->text));
        default:
                return wire_put_string(out, f->tag, f->text);
        }
}

static struct wire_span span(const char *text) {
        return text ? (struct wire_span){(const uint8_t *) text, strlen(text)} : (struct wire_span){0};
}

static size_t count_runs(const struct example *e) {
        size_t n = 0;

        while (n < EXAMPLE_RUNS_MAX && e->runs[n].count > 0)
                n++;
        return n;
}

static size_t put_confirm(uint8_t *out, const struct example *e) {
        size_t n = count_runs(e), size = WIRE_HEADER_BYTES + n * WIRE_CONFIRM_RUN_BYTES;
        uint8_t *p = out;

        p += wire_put_header(p, &(struct wire_header){(uint32_t) size, e->opcode, e->flags, e->channel});
        for (size_t i = 0; i < n; i++)
                p += wire_put_confirm_run(
                        p, &(struct wire_confirm_run){e->runs[i].serial, e->runs[i].count, e->runs[i].id});
        return (size_t) (p - out);
}

static size_t put_settle(uint8_t *out, const struct example *e, struct wire_span fields) {
        size_t n = count_runs(e);
        uint8_t *p = out;

        p += wire_put_settle_header(p, e->opcode, e->flags, e->channel, e->serial, fields.size, n);
        memcpy(p, fields.data, fields.size);
        p += fields.size;
        for (size_t i = 0; i < n; i++)
                p += wire_put_settle_run(p, &(struct wire_settle_run){e->runs[i].id, e->runs[i].count});
        return (size_t) (p - out);
}

static size_t put_message(uint8_t *out, const struct example *e, struct wire_span fields) {
        const struct wire_send send = {
                .serial = e->serial,
                .flags = e->flags,
                .priority = e->priority,
                .subject = span(e->subject),
                .fields = fields,
                .body = span(e->body),
        };
        const struct wire_deliver deliver = {
                .opcode = e->opcode,
                .flags = e->flags,
                .channel = e->channel,
                .id = e->id,
                .time_us = e->time_us,
                .sender = e->sender,
                .priority = e->priority,
                .subject = span(e->subject),
                .fields = fields,
                .body = span(e->body),
        };

        return e->opcode == WIRE_SEND ? wire_put_send(out, &send) : wire_put_deliver(out, &deliver);
}

static size_t put_example(uint8_t *out, const struct example *e) {
        uint8_t bytes[DOCUMENT_FRAME_BYTES];
        struct wire_span fields = {bytes, 0};
        size_t n;

        for (size_t i = 0; i < EXAMPLE_FIELDS_MAX && e->fields[i].tag; i++)
                fields.size += put_field(bytes + fields.size, &e->fields[i]);

        switch (layout_of(e->opcode)) {
        case LAYOUT_SEND:
        case LAYOUT_DELIVER:
                return put_message(out, e, fields);
        case LAYOUT_CONFIRM:
                return put_confirm(out, e);
        case LAYOUT_CREDIT:
                return wire_put_credit(out, e->channel, &(struct wire_credit){e->credit_messages, e->credit_bytes});
        case LAYOUT_SETTLE:
                return put_settle(out, e, fields);
        default:
                n = wire_put_general(out, e->opcode, e->flags, e->channel, e->serial, fields.size);
                memcpy(out + n, fields.data, fields.size);
                return n + fields.size;
        }
}

/* ---- reading ---- */

static void check_field(const struct wire_field *field, const struct example_field *f) {
        assert_int_equal(field->tag, f->tag & ~WIRE_FIELD_MANDATORY);
        assert_int_equal(field->mandatory, (f->tag & WIRE_FIELD_MANDATORY) != 0);
        assert_int_equal(field->type, type_of(f->tag));
        assert_int_equal(field->attribute, f->attribute);
        assert_true(field->number == f->number);
        assert_span_equal(field->key, span(f->key));
        if (f->text)
                assert_span_equal(field->value, span(f->text));
}

static void check_fields(struct wire_span fields, const struct example *e) {
        struct wire_fault fault;
        struct wire_field field;
        size_t offset = 0, n = 0;

        for (; wire_field_next(fields, &offset, &field, &fault) > 0; n++)
                check_field(&field, &e->fields[n]);
        assert_int_equal(offset, fields.size);
        assert_true(n == EXAMPLE_FIELDS_MAX || e->fields[n].tag == 0);
}

static void check_send(const uint8_t *frame, size_t size, const struct example *e) {
        struct wire_fault fault;
        struct wire_send send;

        assert_int_equal(wire_send_parse(frame, size, &send, &fault), 0);
        assert_int_equal(send.serial, e->serial);
        assert_int_equal(send.flags, e->flags);
        assert_int_equal(send.priority, e->priority);
        assert_span_equal(send.subject, span(e->subject));
        assert_span_equal(send.body, span(e->body));
        check_fields(send.fields, e);
}

static void check_deliver(const uint8_t *frame, size_t size, const struct example *e) {
        struct wire_fault fault;
        struct wire_deliver deliver;

        assert_int_equal(wire_deliver_parse(frame, size, &deliver, &fault), 0);
        assert_int_equal(deliver.channel, e->channel);
        assert_int_equal(deliver.flags, e->flags);
        assert_int_equal(deliver.priority, e->priority);
        assert_int_equal(deliver.sender, e->sender);
        assert_true(deliver.id == e->id);
        assert_true(deliver.time_us == e->time_us);
        assert_span_equal(deliver.subject, span(e->subject));
        assert_span_equal(deliver.body, span(e->body));
        check_fields(deliver.fields, e);
}

static void check_confirm(const uint8_t *frame, size_t size, const struct example *e) {
        struct wire_fault fault;
        int n = wire_confirm_parse(frame, size, &fault);

        assert_int_equal(n, count_runs(e));
        for (int i = 0; i < n; i++) {
                struct wire_confirm_run run = wire_confirm_run(frame, (size_t) i);

                assert_int_equal(run.serial, e->runs[i].serial);
                assert_int_equal(run.count, e->runs[i].count);
                assert_true(run.id == e->runs[i].id);
        }
}

static void check_credit(const uint8_t *frame, size_t size, const struct example *e) {
        struct wire_fault fault;
        struct wire_credit credit;

        assert_int_equal(wire_credit_parse(frame, size, &credit, &fault), 0);
        assert_int_equal(credit.messages, e->credit_messages);
        assert_int_equal(credit.bytes, e->credit_bytes);
}

static void check_settle(const uint8_t *frame, size_t size, const struct example *e) {
        struct wire_fault fault;
        struct wire_settle settle;

        assert_int_equal(wire_settle_parse(frame, size, &settle, &fault), 0);
        assert_int_equal(settle.serial, e->serial);
        assert_int_equal(settle.n_runs, count_runs(e));
        check_fields(settle.fields, e);
        for (size_t i = 0; i < settle.n_runs; i++) {
                struct wire_settle_run run = wire_settle_run(&settle, i);

                assert_true(run.id == e->runs[i].id);
                assert_int_equal(run.count, e->runs[i].count);
        }
}

static void check_general(const uint8_t *frame, size_t size, const struct example *e) {
        struct wire_fault fault;
        struct wire_general general;
        int r = wire_general_parse(frame, size, &general, &fault);

        if (type_of(e->fields[0].tag) == WIRE_TYPE_UNKNOWN && (e->fields[0].tag & WIRE_FIELD_MANDATORY)) {
                assert_refused(r, &fault, WIRE_CODE_UNKNOWN_FIELD);
                return;
        }
        assert_int_equal(r, 0);
        assert_int_equal(general.serial, e->serial);
        check_fields(general.fields, e);
}

static void check_example(const uint8_t *frame, size_t size, const struct example *e) {
        static void (*const checks[])(const uint8_t *, size_t, const struct example *) = {
                [LAYOUT_GENERAL] = check_general, [LAYOUT_SEND] = check_send,     [LAYOUT_DELIVER] = check_deliver,
                [LAYOUT_CONFIRM] = check_confirm, [LAYOUT_CREDIT] = check_credit, [LAYOUT_SETTLE] = check_settle,
        };
        struct wire_header header;
        struct wire_fault fault;

        assert_int_equal(wire_header_parse(frame, size, UINT32_MAX, &header, &fault), 1);
        assert_int_equal(header.size, size);
        assert_int_equal(header.opcode, e->opcode);
        assert_int_equal(header.flags, e->flags);
        assert_int_equal(header.channel, e->channel);
        checks[layout_of(e->opcode)](frame, size, e);
}

/* ---- the document ---- */

static const struct example *find_example(const char *name) {
        for (size_t i = 0; i < N_EXAMPLES; i++)
                if (strcmp(examples[i].name, name) == 0)
                        return &examples[i];
        fail_msg("example %s of the document is not known here", name);
        return NULL;
}

static void check_written(const struct document_frame *frame, void *userdata) {
        uint8_t bytes[DOCUMENT_FRAME_BYTES];
        const struct example *e = find_example(frame->name);
        size_t size = put_example(bytes, e);

        (void) userdata;
        if (size != frame->size || memcmp(bytes, frame->data, size) != 0)
                fail_msg("example %s is not what the codec writes", frame->name);
}

static void check_read(const struct document_frame *frame, void *userdata) {
        _cleanup_bytes_ uint8_t *copy = exact(frame->data, frame->size);

        (void) userdata;
        check_example(copy, frame->size, find_example(frame->name));
}

static void test_examples_are_written(void **state) {
        (void) state;
        assert_int_equal(document_frames(check_written, NULL), N_EXAMPLES);
}

static void test_examples_are_read(void **state) {
        (void) state;
        assert_int_equal(document_frames(check_read, NULL), N_EXAMPLES);
}

static void note_name(const struct document_frame *frame, void *userdata) {
        bool *seen = userdata, *mine = &seen[find_example(frame->name) - examples];

        if (*mine)
                fail_msg("example %s comes twice", frame->name);
        *mine = true;
}

static void note_opcode(const struct document_frame *frame, void *userdata) {
        bool *seen = userdata;

        seen[frame->data[4]] = true;
}

/* Each example of ours once, and each opcode at least once. */
static void test_examples_are_complete(void **state) {
        bool names[N_EXAMPLES] = {0}, opcodes[256] = {0};

        (void) state;
        document_frames(note_name, names);
        for (size_t i = 0; i < N_EXAMPLES; i++)
                if (!names[i])
                        fail_msg("example %s is not in the document", examples[i].name);

        document_frames(note_opcode, opcodes);
#define X(number, name, direction, layout, needs) \
        if (!opcodes[number])                     \
                fail_msg("no example of %s", #name);
        WIRE_OPCODES(X)
#undef X
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_examples_are_written),
                cmocka_unit_test(test_examples_are_read),
                cmocka_unit_test(test_examples_are_complete),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
