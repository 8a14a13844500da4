/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/store/fixture.h"

#include <endian.h>

#include <xxhash.h>

#include "daemon/store/record.h"

#define PAYLOAD "a letter for the pigeonhole"

static const struct record sample = {
        .kind = RECORD_DATA,
        .segment = 0x01020304,
        .index = 7,
        .commit = 0x1112131415161718,
        .first = 5,
        .n_records = 3,
        .n_chunks = 2,
};

static size_t encode(uint8_t data[256], const char *payload) {
        size_t n = strlen(payload);

        record_encode(data, &sample, (const uint8_t *) payload, n);
        memcpy(data + RECORD_HEADER_BYTES, payload, n);
        return RECORD_HEADER_BYTES + n;
}

static void round_trip(void **state UNUSED) {
        struct record r;
        uint8_t data[256];
        size_t size = encode(data, PAYLOAD);

        assert_int_equal(record_decode(&r, data, size), 0);
        assert_int_equal(r.kind, RECORD_DATA);
        assert_int_equal(r.segment, sample.segment);
        assert_int_equal(r.index, 7);
        assert_true(r.commit == sample.commit);
        assert_int_equal(r.first, 5);
        assert_int_equal(r.n_records, 3);
        assert_int_equal(r.n_chunks, 2);
        size = encode(data, "");
        assert_int_equal(record_decode(&r, data, size), 0);
}

static void bytes_are_fixed(void **state UNUSED) {
        static const uint8_t expected[40] = {
                'L',  'D',  'G',  'R',  1, 1, 0, 0, 4, 3, 2, 1, 7, 0, 0, 0, 0x18, 0x17, 0x16, 0x15,
                0x14, 0x13, 0x12, 0x11, 5, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 27,   0,    0,    0,
        };
        static const uint8_t checksum[8] = {0x11, 0x7e, 0x31, 0xae, 0xfb, 0xd9, 0xf9, 0x66};
        uint8_t data[256];

        (void) encode(data, PAYLOAD);
        assert_memory_equal(data, expected, sizeof expected);
        assert_memory_equal(data + 40, checksum, sizeof checksum);
}

static void every_flipped_bit_is_noticed(void **state UNUSED) {
        struct record r = {.index = 99};
        uint8_t data[256];
        size_t size = encode(data, PAYLOAD);

        for (size_t bit = 0; bit < size * 8; bit++) {
                data[bit / 8] ^= (uint8_t) (1u << bit % 8);
                assert_int_equal(record_decode(&r, data, size), -EBADMSG);
                data[bit / 8] ^= (uint8_t) (1u << bit % 8);
        }
        assert_int_equal(r.index, 99);
        assert_int_equal(record_decode(&r, data, size), 0);
}

static void every_cut_is_noticed(void **state UNUSED) {
        struct record r;
        uint8_t data[256];
        size_t size = encode(data, PAYLOAD);

        /* Each in memory of its own, so that a read behind the end would show. */
        for (size_t n = 0; n < size; n++) {
                uint8_t *cut = malloc(n ? n : 1);

                assert_non_null(cut);
                memcpy(cut, data, n);
                assert_int_equal(record_decode(&r, cut, n), -EBADMSG);
                free(cut);
        }
        assert_int_equal(record_decode(&r, data, size + 1), -EBADMSG);
}

static void newer_version_is_told_apart(void **state UNUSED) {
        struct record r;
        uint8_t data[256];
        size_t size = encode(data, PAYLOAD);

        uint64_t checksum;

        data[4] = RECORD_FORMAT_VERSION + 1;
        assert_int_equal(record_decode(&r, data, size), -EBADMSG); /* all else is ours: a damaged version */
        data[40] ^= 1;
        assert_int_equal(record_decode(&r, data, size), -EBADMSG); /* nothing fits: torn, over what was there before */
        checksum = htole64(XXH3_64bits_withSeed(data + RECORD_HEADER_BYTES, strlen(PAYLOAD), XXH3_64bits(data, 40)));
        memcpy(data + 40, &checksum, sizeof checksum);
        assert_int_equal(record_decode(&r, data, size), -EPROTONOSUPPORT);
        data[4] = 0;
        assert_int_equal(record_decode(&r, data, size), -EBADMSG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(round_trip),
                cmocka_unit_test(bytes_are_fixed),
                cmocka_unit_test(every_flipped_bit_is_noticed),
                cmocka_unit_test(every_cut_is_noticed),
                cmocka_unit_test(newer_version_is_told_apart),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
