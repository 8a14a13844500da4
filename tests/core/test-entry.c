/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/core/fixture.h"

/* A message entry in memory of exactly its size, so that a step too far is noticed. */
static uint8_t *make_message(const struct entry_message *m, const uint32_t *destinations, size_t *ret_size) {
        size_t size = entry_message_size(m);
        uint8_t *data = malloc(size), *p;

        assert_non_null(data);
        p = entry_message_write(data, m);
        for (uint32_t i = 0; i < m->n_destinations; i++)
                wire_set32(p + (size_t) i * 4, destinations[i]);
        *ret_size = size;
        return data;
}

static const struct entry_message sample = {
        .id = 0x0102030405060708,
        .time_us = 0x1112131415161718,
        .sender = 3,
        .priority = 9,
        .n_destinations = 2,
        .subject = {(const uint8_t *) "a.b", 3},
        .fields = {(const uint8_t *) "FIELDS", 6},
        .body = {(const uint8_t *) "body", 4},
};
static const uint32_t sample_destinations[] = {7, 0x01020304};

static void test_message(void **state UNUSED) {
        static const uint8_t expected[] = {
                53,   0,    0,    0,    ENTRY_MESSAGE,
                9,    3,    0,    8,    7,
                6,    5,    4,    3,    2,
                1,    0x18, 0x17, 0x16, 0x15,
                0x14, 0x13, 0x12, 0x11, 3,
                0,    6,    0,    2,    0,
                0,    0,    7,    0,    0,
                0,    4,    3,    2,    1,
                'a',  '.',  'b',  'F',  'I',
                'E',  'L',  'D',  'S',  'b',
                'o',  'd',  'y',
        };
        size_t size;
        uint8_t *data = make_message(&sample, sample_destinations, &size);
        struct entry_message m;
        struct entry entry;

        assert_int_equal(size, sizeof(expected));
        assert_memory_equal(data, expected, size);
        assert_int_equal(entry_at(data, size, 0, &entry), 1);
        assert_int_equal(entry.kind, ENTRY_MESSAGE);
        assert_int_equal(entry.size, size);
        assert_int_equal(entry_message_read(&entry, &m), 0);
        assert_true(m.id == sample.id && m.time_us == sample.time_us);
        assert_int_equal(m.sender, 3);
        assert_int_equal(m.priority, 9);
        assert_int_equal(m.n_destinations, 2);
        assert_int_equal(entry_message_destination(&m, 0), 7);
        assert_int_equal(entry_message_destination(&m, 1), 0x01020304);
        assert_int_equal(m.subject.size, 3);
        assert_memory_equal(m.subject.data, "a.b", 3);
        assert_int_equal(m.fields.size, 6);
        assert_memory_equal(m.fields.data, "FIELDS", 6);
        assert_int_equal(m.body.size, 4);
        assert_memory_equal(m.body.data, "body", 4);
        assert_true(entry_message_id(data) == sample.id);
        assert_int_equal(entry_message_priority(data), 9);
        assert_true(entry_message_goes_to(data, 7));
        assert_false(entry_message_goes_to(data, 8));
        assert_int_equal(entry_at(data, size, size, &entry), 0);
        free(data);
}

static void test_message_of_nothing(void **state UNUSED) {
        const struct entry_message empty = {.id = 1, .subject = {(const uint8_t *) "a", 1}};
        size_t size;
        uint8_t *data = make_message(&empty, NULL, &size);
        struct entry_message m;
        struct entry entry;

        assert_int_equal(entry_at(data, size, 0, &entry), 1);
        assert_int_equal(entry_message_read(&entry, &m), 0);
        assert_int_equal(m.n_destinations, 0);
        assert_int_equal(m.fields.size, 0);
        assert_int_equal(m.body.size, 0);
        assert_false(entry_message_goes_to(data, 0));
        free(data);
}

/* Every cut, and every length that promises more than there is. */
static void test_bad_message(void **state UNUSED) {
        size_t size;
        uint8_t *data = make_message(&sample, sample_destinations, &size);
        struct entry_message m;
        struct entry entry;

        for (size_t cut = 0; cut < size; cut++) {
                uint8_t *copy = malloc(cut + 1);

                memcpy(copy, data, cut);
                assert_int_equal(entry_at(copy, cut, 0, &entry), cut == 0 ? 0 : -EBADMSG);
                /* With a size that fits: the body shrinks, then nothing does. */
                if (cut >= ENTRY_HEADER_BYTES) {
                        wire_set32(copy, (uint32_t) cut);
                        assert_int_equal(entry_at(copy, cut, 0, &entry), 1);
                        assert_int_equal(entry_message_read(&entry, &m), cut >= size - 4 ? 0 : -EBADMSG);
                }
                free(copy);
        }
        assert_int_equal(entry_at(data, size, size + 1, &entry), -EBADMSG);
        wire_set32(data, ENTRY_HEADER_BYTES - 1);
        assert_int_equal(entry_at(data, size, 0, &entry), -EBADMSG);
        wire_set32(data, (uint32_t) size);
        assert_int_equal(entry_at(data, size, 0, &entry), 1);
        wire_set32(data + 28, UINT32_MAX);
        assert_int_equal(entry_message_read(&entry, &m), -EBADMSG);
        wire_set32(data + 28, 2);
        data[5] = WIRE_PRIORITY_MAX + 1;
        assert_int_equal(entry_message_read(&entry, &m), -EBADMSG);
        free(data);
}

static void test_sender(void **state UNUSED) {
        const struct entry_sender who = {
                .uid = 1, .gid = 2, .pid = 3, .unit = span("a.service"), .label = span("unconfined")};
        size_t size = entry_sender_size(&who);
        uint8_t *data = malloc(size);
        struct entry_sender got;
        struct entry entry;

        entry_sender_write(data, &who);
        assert_int_equal(entry_at(data, size, 0, &entry), 1);
        assert_int_equal(entry.kind, ENTRY_SENDER);
        assert_int_equal(entry_sender_read(&entry, &got), 0);
        assert_int_equal(got.uid, 1);
        assert_int_equal(got.gid, 2);
        assert_int_equal(got.pid, 3);
        assert_int_equal(got.unit.size, 9);
        assert_memory_equal(got.unit.data, "a.service", 9);
        assert_int_equal(got.label.size, 10);
        assert_memory_equal(got.label.data, "unconfined", 10);
        entry.size--;
        assert_int_equal(entry_sender_read(&entry, &got), -EBADMSG);
        entry.size = 23;
        assert_int_equal(entry_sender_read(&entry, &got), -EBADMSG);
        free(data);
}

static void test_runs(void **state UNUSED) {
        size_t size = entry_runs_size(2), n;
        uint8_t *data = malloc(size), priority;
        struct entry_run run;
        struct entry entry;
        uint32_t queue;

        entry_runs_begin(data, ENTRY_SETTLED, 4, ENTRY_REASON_PURGED, 77);
        wire_set32(data, (uint32_t) size);
        entry_run_write(data + entry_runs_size(0), &(struct entry_run){.id = 10, .number = 3, .bytes = 300});
        entry_run_write(data + entry_runs_size(1),
                        &(struct entry_run){.id = UINT64_MAX, .number = 1, .bytes = UINT32_MAX});
        assert_int_equal(entry_at(data, size, 0, &entry), 1);
        assert_int_equal(entry.kind, ENTRY_SETTLED);
        assert_int_equal(data[6], ENTRY_REASON_PURGED);
        assert_int_equal(entry_runs_read(&entry, &queue, &priority, &n), 0);
        assert_int_equal(queue, 77);
        assert_int_equal(priority, 4);
        assert_int_equal(n, 2);
        run = entry_run_at(&entry, 0);
        assert_true(run.id == 10 && run.number == 3 && run.bytes == 300);
        run = entry_run_at(&entry, 1);
        assert_true(run.id == UINT64_MAX && run.number == 1 && run.bytes == UINT32_MAX);
        for (entry.size = ENTRY_HEADER_BYTES; entry.size < size; entry.size++) {
                bool whole = entry.size == entry_runs_size(0) || entry.size == entry_runs_size(1);

                assert_int_equal(entry_runs_read(&entry, &queue, &priority, &n), whole ? 0 : -EBADMSG);
        }
        data[5] = WIRE_PRIORITY_MAX + 1;
        assert_int_equal(entry_runs_read(&entry, &queue, &priority, &n), -EBADMSG);
        free(data);
}

static void test_taken_and_mark(void **state UNUSED) {
        uint8_t data[ENTRY_TAKEN_BYTES], mark[ENTRY_HEADER_BYTES], priority;
        struct entry entry;
        uint32_t queue;
        uint64_t id;

        entry_taken_write(data, ENTRY_TAKEN, 5, 2, 0x0123456789abcdef);
        assert_int_equal(entry_at(data, sizeof(data), 0, &entry), 1);
        assert_int_equal(entry.kind, ENTRY_TAKEN);
        assert_int_equal(entry_taken_read(&entry, &queue, &priority, &id), 0);
        assert_int_equal(queue, 5);
        assert_int_equal(priority, 2);
        assert_true(id == 0x0123456789abcdef);
        entry.size--;
        assert_int_equal(entry_taken_read(&entry, &queue, &priority, &id), -EBADMSG);
        data[5] = 10;
        entry.size++;
        assert_int_equal(entry_taken_read(&entry, &queue, &priority, &id), -EBADMSG);

        entry_mark_write(mark, ENTRY_MERGED);
        assert_int_equal(entry_at(mark, sizeof(mark), 0, &entry), 1);
        assert_int_equal(entry.kind, ENTRY_MERGED);
        assert_int_equal(entry.size, ENTRY_HEADER_BYTES);
}

static void test_queue(void **state UNUSED) {
        const struct entry_queue queue = {
                .number = 9, .kind = 1, .declared_us = 123456789, .name = span("a.b"), .properties = span("PP")};
        size_t size = entry_queue_size(&queue);
        uint8_t *data = malloc(size);
        struct entry_queue got;
        struct entry entry;

        entry_queue_write(data, &queue);
        assert_int_equal(entry_at(data, size, 0, &entry), 1);
        assert_int_equal(entry.kind, ENTRY_QUEUE);
        assert_int_equal(entry_queue_read(&entry, &got), 0);
        assert_int_equal(got.number, 9);
        assert_int_equal(got.kind, 1);
        assert_int_equal(got.declared_us, 123456789);
        assert_int_equal(got.name.size, 3);
        assert_memory_equal(got.name.data, "a.b", 3);
        assert_int_equal(got.properties.size, 2);
        assert_memory_equal(got.properties.data, "PP", 2);
        entry.size = (uint32_t) size - 3;
        assert_int_equal(entry_queue_read(&entry, &got), -EBADMSG);
        entry.size = 23;
        assert_int_equal(entry_queue_read(&entry, &got), -EBADMSG);
        free(data);
}

static void test_named(void **state UNUSED) {
        size_t size = entry_named_size(3);
        uint8_t *data = malloc(size);
        struct wire_span pattern;
        struct entry entry;
        uint32_t queue;

        entry_named_write(data, ENTRY_BIND, 6, span("a.>"));
        assert_int_equal(entry_at(data, size, 0, &entry), 1);
        assert_int_equal(entry.kind, ENTRY_BIND);
        assert_int_equal(entry_named_read(&entry, &queue, &pattern), 0);
        assert_int_equal(queue, 6);
        assert_int_equal(pattern.size, 3);
        assert_memory_equal(pattern.data, "a.>", 3);
        entry.size = (uint32_t) entry_named_size(0);
        assert_int_equal(entry_named_read(&entry, &queue, &pattern), 0);
        assert_int_equal(pattern.size, 0);
        entry.size--;
        assert_int_equal(entry_named_read(&entry, &queue, &pattern), -EBADMSG);
        free(data);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_message),     cmocka_unit_test(test_message_of_nothing),
                cmocka_unit_test(test_bad_message), cmocka_unit_test(test_sender),
                cmocka_unit_test(test_runs),        cmocka_unit_test(test_taken_and_mark),
                cmocka_unit_test(test_queue),       cmocka_unit_test(test_named),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
