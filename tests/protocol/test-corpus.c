/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Replays the corpus of the fuzz target, as it is and cut short at every byte. */

#include <dirent.h>

#include "tests/fuzz/walk-wire.h"
#include "tests/protocol/document.h"

#define CORPUS_PATH           "tests/fuzz/corpus/wire"
#define CORPUS_FILE_BYTES_MAX (64u << 10)

static void closedirp(DIR **d) {
        if (*d)
                closedir(*d);
}

static uint8_t *read_file(const char *name, size_t *ret_size) {
        _cleanup_file_ FILE *f = NULL;
        char path[512];
        uint8_t *data;

        assert_true(snprintf(path, sizeof(path), "%s/%s", CORPUS_PATH, name) < (int) sizeof(path));
        f = fopen(path, "re");
        assert_non_null(f);
        data = malloc(CORPUS_FILE_BYTES_MAX);
        assert_non_null(data);
        *ret_size = fread(data, 1, CORPUS_FILE_BYTES_MAX, f);
        assert_true(feof(f));
        return data;
}

static void test_corpus(void **state) {
        __attribute__((cleanup(closedirp))) DIR *d = opendir(CORPUS_PATH);
        size_t n_files = 0;
        struct dirent *entry;

        (void) state;
        assert_non_null(d);
        while ((entry = readdir(d))) {
                _cleanup_bytes_ uint8_t *data = NULL;
                size_t size;

                if (entry->d_name[0] == '.')
                        continue;
                data = read_file(entry->d_name, &size);
                for (size_t n = 0; n <= size; n++)
                        walk_wire(data, n);
                n_files++;
        }
        assert_true(n_files >= 16);
}

static void walk_example(const struct document_frame *frame, void *userdata) {
        (void) userdata;
        walk_wire(frame->data, frame->size);
}

static void test_examples_of_the_document(void **state) {
        (void) state;
        assert_true(document_frames(walk_example, NULL) > 0);
}

/* Each byte of each example turned over in turn. */
static void flip_example(const struct document_frame *frame, void *userdata) {
        _cleanup_bytes_ uint8_t *data = exact(frame->data, frame->size);

        (void) userdata;
        for (size_t i = 0; i < frame->size; i++)
                for (unsigned bit = 0; bit < 8; bit++) {
                        data[i] ^= (uint8_t) (1u << bit);
                        walk_wire(data, frame->size);
                        data[i] ^= (uint8_t) (1u << bit);
                }
}

static void test_flipped_examples(void **state) {
        (void) state;
        assert_true(document_frames(flip_example, NULL) > 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_corpus),
                cmocka_unit_test(test_examples_of_the_document),
                cmocka_unit_test(test_flipped_examples),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
