/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/store/fixture.h"

#include <sys/types.h>
#include <tdb.h>

#include "daemon/store/keys.h"
#include "daemon/store/layout.h"

static uint32_t hash(const struct key *key) {
        struct key copy = *key;
        TDB_DATA data = {.dptr = copy.bytes, .dsize = sizeof copy.bytes};

        return tdb_jenkins_hash(&data);
}

/* Every bucket of the table is used by exactly one entry, whatever the split between records and chunks. */
static void fill_table(uint32_t n_slots, uint32_t n_chunks) {
        bool *used = calloc(n_slots, sizeof *used);

        assert_non_null(used);
        for (uint32_t i = 0; i < n_slots; i++) {
                struct key key;
                uint32_t bucket;

                if (i < n_chunks)
                        key = key_make(KEY_CHUNK | i, key_chunk_slot(i, n_slots));
                else
                        key = key_make(i - n_chunks, key_record_slot(i - n_chunks));
                bucket = hash(&key) % n_slots;
                assert_false(used[bucket]);
                used[bucket] = true;
        }
        free(used);
}

static void each_entry_has_a_bucket_of_its_own(void **state UNUSED) {
        fill_table(1, 0);
        fill_table(131, 5);
        fill_table(950, 0);
        fill_table(layout_slots(STORE_SEGMENT_BYTES_MIN), 3);
        fill_table(layout_slots(STORE_SEGMENT_BYTES_USER), 40);
        fill_table(layout_slots(STORE_SEGMENT_BYTES_SYSTEM), 1000);
}

static void hash_is_the_slot(void **state UNUSED) {
        for (uint32_t i = 0; i < 32; i++) {
                struct key key = key_make(0x12345678u << (i % 4), 1u << i);

                assert_int_equal(hash(&key), 1u << i);
        }
}

static void entry_is_readable_in_the_key(void **state UNUSED) {
        struct key key = key_make(KEY_CHUNK | 0x010203, 77);

        assert_memory_equal(key.bytes + 12, ((uint8_t[]){0x03, 0x02, 0x01, 0x80}), 4);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_entry_has_a_bucket_of_its_own),
                cmocka_unit_test(hash_is_the_slot),
                cmocka_unit_test(entry_is_readable_in_the_key),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
