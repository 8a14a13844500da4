/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/protocol/bytes.h"

/* Text is judged through a STRING field, as peers send it. */
static bool text_valid(const void *text, size_t size) {
        size_t n = WIRE_FIELD_HEADER_BYTES + size;
        _cleanup_bytes_ uint8_t *field = malloc(n);
        struct wire_fault fault;
        int r;

        assert_non_null(field);
        wire_put_bytes(field, WIRE_FIELD_TEXT, text, size);
        r = wire_fields_check((struct wire_span){field, n}, &fault);
        assert_true(r == 0 || r == -EBADMSG);
        return r == 0;
}

/* Encodes any number below 2^21, also those that are no character, in as many bytes as told. */
static size_t encode(uint32_t c, size_t n, uint8_t *out) {
        static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

        if (n == 1) {
                out[0] = (uint8_t) c;
                return 1;
        }
        for (size_t i = n - 1; i > 0; i--, c >>= 6)
                out[i] = (uint8_t) (0x80 | (c & 0x3f));
        out[0] = (uint8_t) (lead[n] | c);
        return n;
}

static size_t length_of(uint32_t c) {
        return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

/* Each number that fits in four bytes: its shortest form is text if it is a character; longer forms never are. */
static void test_every_code_point(void **state) {
        (void) state;
        for (uint32_t c = 0; c < 0x200000; c++) {
                bool character = c > 0 && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
                size_t shortest = length_of(c);
                uint8_t bytes[4];

                if (text_valid(bytes, encode(c, shortest, bytes)) != character)
                        fail_msg("U+%04X is judged wrongly", (unsigned) c);
                for (size_t n = shortest + 1; n <= 4; n++)
                        if (text_valid(bytes, encode(c, n, bytes)))
                                fail_msg("overlong form of U+%04X accepted", (unsigned) c);
        }
}

static void test_cut_characters(void **state) {
        static const char *const characters[] = {"ä", "€", "𝄞"};

        (void) state;
        for (size_t i = 0; i < 3; i++) {
                size_t n = strlen(characters[i]);

                assert_true(text_valid(characters[i], n));
                for (size_t k = 1; k < n; k++) {
                        uint8_t bytes[8] = {0};

                        assert_false(text_valid(characters[i], k));
                        /* Cut, and followed by something plain. */
                        memcpy(bytes, characters[i], k);
                        bytes[k] = 'x';
                        assert_false(text_valid(bytes, k + 1));
                        /* The tail by itself. */
                        assert_false(text_valid(characters[i] + k, n - k));
                }
        }
}

/* Five- and six-byte forms, and bytes that never occur. */
static void test_bytes_that_never_occur(void **state) {
        static const uint8_t never[] = {0xc0, 0xc1, 0xf5, 0xf6, 0xf7, 0xf8, 0xfb, 0xfc, 0xfd, 0xfe, 0xff};

        (void) state;
        for (size_t i = 0; i < sizeof(never); i++) {
                uint8_t bytes[] = {never[i], 0x80, 0x80, 0x80, 0x80, 0x80};

                for (size_t n = 1; n <= sizeof(bytes); n++)
                        assert_false(text_valid(bytes, n));
        }
}

/* Eight plain bytes are looked at at a time: an offence at each place of a longer text must still be seen. */
static void test_offence_at_each_place(void **state) {
        static const uint8_t offences[] = {0x00, 0x80, 0xbf, 0xc2, 0xff};
        uint8_t text[40];

        (void) state;
        for (size_t size = 1; size <= sizeof(text); size++) {
                memset(text, 0x01, size);
                assert_true(text_valid(text, size));
                memset(text, 0x7f, size);
                assert_true(text_valid(text, size));
                for (size_t at = 0; at < size; at++)
                        for (size_t i = 0; i < sizeof(offences); i++) {
                                memset(text, i % 2 ? 0x7f : 0x01, size);
                                text[at] = offences[i];
                                assert_false(text_valid(text, size));
                        }
        }
}

static void test_characters_among_plain_text(void **state) {
        const char *text = "Größe 12 €, straße; naïve — 𝄞 plain plain plain ü";

        (void) state;
        assert_true(text_valid(text, strlen(text)));
        assert_true(text_valid("", 0));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_code_point),
                cmocka_unit_test(test_cut_characters),
                cmocka_unit_test(test_bytes_that_never_occur),
                cmocka_unit_test(test_offence_at_each_place),
                cmocka_unit_test(test_characters_among_plain_text),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
