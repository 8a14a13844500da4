/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/core/fixture.h"

static struct block *make_block(void) {
        struct block *block = NULL;

        assert_int_equal(block_new(&block, 1), 0);
        assert_int_equal(block->state, BLOCK_OPEN);
        return block;
}

/* Appends a message to queue 1. Returns: its offset. */
static uint32_t append_message(struct block *block, uint64_t id, size_t body_bytes) {
        const struct entry_message m = {.id = id,
                                        .time_us = id * 10,
                                        .n_destinations = 1,
                                        .body = {(const uint8_t *) "0123456789", body_bytes}};
        uint8_t *p = block_append(block, entry_message_size(&m));

        assert_non_null(p);
        wire_set32(entry_message_write(p, &m), 1);
        block_note_message(block, id, m.time_us);
        return (uint32_t) (p - block->body->data);
}

/* The kinds of a block's entries, as digits. */
static const char *kinds(const struct block *block) {
        static char text[64];
        struct entry entry;
        size_t n = 0, offset = 0;

        while (entry_at(block->body->data, block->body->size, offset, &entry) > 0) {
                assert_true(n < sizeof(text) - 1);
                text[n++] = (char) ('0' + entry.kind);
                offset += entry.size;
        }
        text[n] = '\0';
        assert_int_equal(offset, block->body->size);
        return text;
}

static void test_empty(void **state UNUSED) {
        struct block *block = make_block();

        assert_true(block_is_empty(block));
        block_seal(block);
        assert_int_equal(block->state, BLOCK_SEALED);
        assert_true(block_is_empty(block));
        assert_null(block_free(block));
        assert_null(block_free(NULL));
}

static void test_growing(void **state UNUSED) {
        struct block *block = make_block();

        for (uint64_t id = 1; id <= 10000; id++)
                (void) append_message(block, id, id % 11);
        assert_int_equal(block->first_id, 1);
        assert_int_equal(block->last_id, 10000);
        assert_int_equal(block->time_us, 10);
        assert_false(block_is_empty(block));
        assert_true(block_memory(block) >= block->body->size);
        block_seal(block);
        assert_true(block->body->capacity < block->body->size * 4 / 3);
        assert_null(block_append(block, UINT32_MAX));
        assert_int_equal(block->last_id, 10000);
        block_free(block);
}

static void test_senders(void **state UNUSED) {
        struct sender_table table = {0};
        struct sender *senders[300];
        struct block *block = make_block(), *other = NULL;
        uint16_t ordinal = 99;

        for (uint32_t i = 0; i < 300; i++) {
                const struct entry_sender who = {.uid = i};

                assert_int_equal(sender_intern(&table, &who, &senders[i]), 0);
                assert_int_equal(block_sender(block, senders[i], &ordinal), 0);
                assert_int_equal(ordinal, i);
        }
        assert_int_equal(block_sender(block, senders[7], &ordinal), 0);
        assert_int_equal(ordinal, 7);
        assert_int_equal(block->body->n_senders, 300);
        assert_int_equal(block->body->size, 300 * senders[0]->entry_bytes);
        assert_true(block_is_empty(block)); /* nobody sent anything */
        assert_int_equal(senders[7]->references, 2);
        assert_int_equal(block_new(&other, 2), 0);
        assert_int_equal(block_sender(other, senders[7], &ordinal), 0);
        assert_int_equal(ordinal, 0);
        block_free(block);
        block_free(other);
        for (uint32_t i = 0; i < 300; i++)
                sender_unref(senders[i]);
        assert_null(table.senders);
}

static void test_voids_are_squeezed_out(void **state UNUSED) {
        struct block *block = make_block();
        uint32_t at[6];

        for (uint64_t id = 0; id < 6; id++)
                at[id] = append_message(block, 10 + id, 10);
        block_void(block, at[0]);
        block_void(block, at[1]);
        block_void(block, at[3]);
        block_void(block, at[5]);
        assert_string_equal(kinds(block), "221212");
        block_seal(block);
        assert_string_equal(kinds(block), "11");
        assert_int_equal(entry_message_id(block->body->data), 12);
        assert_int_equal(entry_message_id(block->body->data + block->body->size / 2), 14);
        assert_memory_equal(block->body->data + block->body->size - 10, "0123456789", 10);
        assert_int_equal(block->first_id, 12);
        assert_int_equal(block->last_id, 14);
        assert_int_equal(block->time_us, 120);
        assert_int_equal(block->epoch, 1); /* offsets noted before are void */
        block_free(block);
}

static void test_nothing_but_voids(void **state UNUSED) {
        struct block *block = make_block();

        block_void(block, append_message(block, 10, 3));
        assert_false(block_is_empty(block));
        block_seal(block);
        assert_true(block_is_empty(block));
        assert_int_equal(block->body->size, 0);
        assert_int_equal(block->first_id, 0);
        assert_int_equal(block->last_id, 0);
        block_free(block);
}

static void
settle(struct block *block, unsigned priority, uint32_t queue, uint64_t id, uint32_t bytes, const void *group) {
        assert_int_equal(block_settled(block, priority, ENTRY_REASON_ACKED, queue, id, bytes, group), 0);
}

/* The only entry's runs, or the entry at `offset`. */
static size_t read_runs(const struct block *block, size_t *offset, struct entry_run *runs) {
        struct entry entry;
        uint8_t priority;
        uint32_t queue;
        size_t n;

        assert_int_equal(entry_at(block->body->data, block->body->size, *offset, &entry), 1);
        assert_int_equal(entry.kind, ENTRY_SETTLED);
        assert_int_equal(entry_runs_read(&entry, &queue, &priority, &n), 0);
        for (size_t i = 0; i < n; i++)
                runs[i] = entry_run_at(&entry, i);
        *offset += entry.size;
        return n;
}

static void test_settled_runs(void **state UNUSED) {
        struct block *block = make_block();
        struct entry_run runs[8];
        size_t offset = 0;
        int here, there;

        settle(block, 4, 1, 10, 100, &here);
        settle(block, 4, 1, 11, 200, &here);
        settle(block, 4, 1, 13, 5, &here);           /* a gap */
        settle(block, 4, 1, 14, 6, &there);          /* elsewhere, so that its bytes belong there */
        settle(block, 4, 1, 12, 7, &there);          /* going back */
        settle(block, 4, 1, 13, UINT32_MAX, &there); /* the sum does not fit */
        settle(block, 4, 1, 14, 1, &there);
        assert_int_equal(read_runs(block, &offset, runs), 6);
        assert_true(runs[0].id == 10 && runs[0].number == 2 && runs[0].bytes == 300);
        assert_true(runs[1].id == 13 && runs[1].number == 1 && runs[1].bytes == 5);
        assert_true(runs[2].id == 14 && runs[2].number == 1 && runs[2].bytes == 6);
        assert_true(runs[3].id == 12 && runs[3].number == 1 && runs[3].bytes == 7);
        assert_true(runs[4].id == 13 && runs[4].number == 1 && runs[4].bytes == UINT32_MAX);
        assert_true(runs[5].id == 14 && runs[5].number == 1 && runs[5].bytes == 1);
        assert_int_equal(offset, block->body->size);
        assert_false(block_is_empty(block));
        block_free(block);
}

/* Another queue, priority or reason, or something in between, begins an entry anew. */
static void test_settled_entries(void **state UNUSED) {
        struct block *block = make_block();
        struct entry_run runs[8];
        size_t offset = 0;
        int group;

        settle(block, 4, 1, 10, 1, &group);
        settle(block, 4, 2, 11, 1, &group);
        settle(block, 5, 2, 12, 1, &group);
        assert_int_equal(block_settled(block, 5, ENTRY_REASON_PURGED, 2, 13, 1, &group), 0);
        assert_string_equal(kinds(block), "4444");
        (void) append_message(block, 20, 1);
        assert_int_equal(block_settled(block, 5, ENTRY_REASON_PURGED, 2, 14, 1, &group), 0);
        settle(block, 4, 1, 15, 1, &group);
        settle(block, 4, 1, 16, 1, &group);
        assert_string_equal(kinds(block), "4444144");
        for (unsigned i = 0; i < 4; i++) {
                assert_int_equal(read_runs(block, &offset, runs), 1);
                assert_true(runs[0].id == 10 + i && runs[0].number == 1);
        }
        block_seal(block);
        assert_string_equal(kinds(block), "4444144");
        block_free(block);
}

/* Bytes of a sealed block with two senders, two messages and something settled. */
static uint8_t *stored_bytes(struct sender_table *table, size_t *ret_size) {
        struct block *block = make_block();
        struct sender *sender;
        uint16_t ordinal;
        uint8_t *copy;

        for (uint32_t uid = 1; uid <= 2; uid++) {
                const struct entry_sender who = {.uid = uid, .unit = span("unit")};
                uint32_t at;

                assert_int_equal(sender_intern(table, &who, &sender), 0);
                assert_int_equal(block_sender(block, sender, &ordinal), 0);
                at = append_message(block, uid, 10);
                wire_set16(block->body->data + at + 24, ordinal);
                sender_unref(sender);
        }
        settle(block, 0, 1, 1, 10, NULL);
        block_seal(block);
        *ret_size = block->body->size;
        copy = malloc(*ret_size);
        assert_non_null(copy);
        memcpy(copy, block->body->data, *ret_size);
        block_free(block);
        return copy;
}

static void test_adopting(void **state UNUSED) {
        struct sender_table table = {0};
        struct block *block = NULL;
        size_t size;
        uint8_t *data = stored_bytes(&table, &size);

        assert_null(table.senders);
        assert_int_equal(block_new_stored(&block, (struct place){3, 4}, 1, 2, 10), 0);
        assert_int_equal(block->state, BLOCK_STORED);
        assert_null(block->body);
        assert_int_equal(block_memory(block), 0);
        assert_int_equal(block_adopt(block, data, size, &table), 0);
        assert_string_equal(kinds(block), "31314");
        assert_int_equal(block->body->n_senders, 2);
        assert_int_equal(block->body->senders[1]->identity.uid, 2);
        assert_non_null(table.senders);
        assert_true(block_memory(block) >= size);
        block_drop(block);
        assert_null(block->body);
        assert_null(table.senders);
        block_drop(block);
        block_free(block);
}

/* What the disk gives back is believed in nothing: each cut and each changed byte is survived, and no refusal keeps
 * anything. */
static void test_adopting_damage(void **state UNUSED) {
        struct sender_table table = {0};
        size_t size, n_refused = 0;
        uint8_t *data = stored_bytes(&table, &size);

        for (size_t i = 0; i < size * 9; i++) {
                size_t cut = i < size ? i : size;
                struct block *block = NULL;
                uint8_t *copy = malloc(cut + 1);
                int r;

                memcpy(copy, data, cut);
                if (i >= size)
                        copy[(i - size) / 8] ^= (uint8_t) (1u << (i - size) % 8);
                assert_int_equal(block_new_stored(&block, (struct place){1, 0}, 1, 2, 10), 0);
                r = block_adopt(block, copy, cut, &table);
                assert_true(r == 0 || r == -EBADMSG);
                if (r < 0) {
                        n_refused++;
                        assert_null(block->body);
                        free(copy);
                }
                block_free(block);
                assert_null(table.senders);
        }
        assert_true(n_refused > size);
        free(data);
}

/* A message of a sender that the block does not name. */
static void test_adopting_without_a_sender(void **state UNUSED) {
        struct sender_table table = {0};
        struct block *block = make_block(), *stored = NULL;
        uint8_t *copy;

        (void) append_message(block, 1, 1);
        block_seal(block);
        copy = malloc(block->body->size);
        memcpy(copy, block->body->data, block->body->size);
        assert_int_equal(block_new_stored(&stored, (struct place){1, 0}, 1, 1, 10), 0);
        assert_int_equal(block_adopt(stored, copy, block->body->size, &table), -EBADMSG);
        free(copy);
        block_free(stored);
        block_free(block);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_empty),
                cmocka_unit_test(test_growing),
                cmocka_unit_test(test_senders),
                cmocka_unit_test(test_voids_are_squeezed_out),
                cmocka_unit_test(test_nothing_but_voids),
                cmocka_unit_test(test_settled_runs),
                cmocka_unit_test(test_settled_entries),
                cmocka_unit_test(test_adopting),
                cmocka_unit_test(test_adopting_damage),
                cmocka_unit_test(test_adopting_without_a_sender),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
