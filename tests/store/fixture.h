/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the store's tests share: a directory of their own, a store in it, and a record of what it replays. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/store/store.h"

#define SEGMENT_BYTES STORE_SEGMENT_BYTES_MIN
#define UNUSED        __attribute__((unused))

struct replayed_record {
        struct store_location where;
        uint8_t *data;
        size_t size;
};

struct fixture {
        char directory[64];
        struct store *store;
        uint64_t segment_bytes;

        /* What the last store_open() handed out. */
        unsigned n_checkpoints;
        uint8_t *checkpoint;
        size_t checkpoint_bytes;
        struct replayed_record *records;
        size_t n_records;
        unsigned n_notices;
        char notices[4096];
        bool retain;                  /* every record that is replayed */
        struct store_location needed; /* retained with the checkpoint, if it has a segment */
};

static int fixture_on_checkpoint(void *userdata, const uint8_t *data, size_t size) {
        struct fixture *f = userdata;

        assert_int_equal(f->n_records, 0);
        f->n_checkpoints++;
        f->checkpoint = malloc(size + 1);
        assert_non_null(f->checkpoint);
        memcpy(f->checkpoint, data, size);
        f->checkpoint_bytes = size;
        if (f->needed.segment > 0)
                store_retain(f->store, f->needed);
        return 0;
}

static int fixture_on_record(void *userdata, struct store_location where, const uint8_t *data, size_t size) {
        struct fixture *f = userdata;
        struct replayed_record *r;

        f->records = reallocarray(f->records, f->n_records + 1, sizeof *f->records);
        assert_non_null(f->records);
        r = &f->records[f->n_records++];
        *r = (struct replayed_record){.where = where, .data = malloc(size + 1), .size = size};
        assert_non_null(r->data);
        memcpy(r->data, data, size);
        if (f->retain)
                store_retain(f->store, where);
        return 0;
}

static void fixture_on_notice(void *userdata, const char *text) {
        struct fixture *f = userdata;
        size_t used = strlen(f->notices);

        f->n_notices++;
        (void) snprintf(f->notices + used, sizeof f->notices - used, "%s\n", text);
}

static void fixture_forget(struct fixture *f) {
        for (size_t i = 0; i < f->n_records; i++)
                free(f->records[i].data);
        free(f->records);
        free(f->checkpoint);
        f->records = NULL;
        f->checkpoint = NULL;
        f->n_records = f->checkpoint_bytes = 0;
        f->n_checkpoints = f->n_notices = 0;
        f->notices[0] = 0;
}

/* Returns: what store_open() says; the store is f->store. */
UNUSED static int fixture_try_open(struct fixture *f) {
        struct store_options options = {.directory = f->directory, .segment_bytes = f->segment_bytes};
        struct store_replay replay = {
                .checkpoint = fixture_on_checkpoint,
                .record = fixture_on_record,
                .notice = fixture_on_notice,
                .userdata = f,
        };

        fixture_forget(f);
        return store_open(&f->store, &options, &replay);
}

UNUSED static void fixture_open(struct fixture *f) {
        assert_int_equal(fixture_try_open(f), 0);
        assert_int_equal(store_start(f->store), 0);
}

UNUSED static void fixture_close(struct fixture *f) {
        f->store = store_close(f->store);
}

UNUSED static void fixture_reopen(struct fixture *f) {
        fixture_close(f);
        fixture_open(f);
}

UNUSED static int fixture_setup(void **state) {
        struct fixture *f = calloc(1, sizeof *f);

        if (!f)
                return -1;
        (void) snprintf(f->directory, sizeof f->directory, "/tmp/lodge-store-XXXXXX");
        if (!mkdtemp(f->directory))
                return -1;
        f->segment_bytes = SEGMENT_BYTES;
        *state = f;
        return 0;
}

UNUSED static int fixture_teardown(void **state) {
        struct fixture *f = *state;
        DIR *d;
        struct dirent *e;

        fixture_close(f);
        fixture_forget(f);
        d = opendir(f->directory);
        while (d && (e = readdir(d)))
                if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
                        (void) unlinkat(dirfd(d), e->d_name, 0);
        if (d)
                (void) closedir(d);
        (void) rmdir(f->directory);
        free(f);
        return 0;
}

/* ---- committing -------------------------------------------------------- */

/* A new segment with this checkpoint and no records. */
UNUSED static void fixture_rotate(struct fixture *f, const char *checkpoint) {
        struct store_commit c = {.checkpoint = (const uint8_t *) checkpoint, .checkpoint_bytes = strlen(checkpoint)};

        assert_int_equal(store_rotate(f->store), 0);
        assert_int_equal(store_commit_here(f->store, &c), 0);
}

/* One record with this text. Returns: where it is. */
UNUSED static struct store_location fixture_put(struct fixture *f, const char *text) {
        struct store_part part = {.data = (const uint8_t *) text, .size = strlen(text)};
        struct store_commit c = {.records = &part, .n_records = 1};
        struct store_location where = store_next(f->store);

        assert_int_equal(store_commit_here(f->store, &c), 0);
        return where;
}

/* Several records as one commit. */
UNUSED static void fixture_put_all(struct fixture *f, const char *const *texts, size_t n) {
        struct store_part parts[8];
        struct store_commit c = {.records = parts, .n_records = n};

        assert_true(n <= 8);
        for (size_t i = 0; i < n; i++)
                parts[i] = (struct store_part){.data = (const uint8_t *) texts[i], .size = strlen(texts[i])};
        assert_int_equal(store_commit_here(f->store, &c), 0);
}

UNUSED static void assert_replayed(const struct fixture *f, size_t at, const char *text) {
        assert_true(at < f->n_records);
        assert_int_equal(f->records[at].size, strlen(text));
        assert_memory_equal(f->records[at].data, text, strlen(text));
}

UNUSED static void assert_checkpoint(const struct fixture *f, const char *text) {
        assert_int_equal(f->n_checkpoints, 1);
        assert_int_equal(f->checkpoint_bytes, strlen(text));
        assert_memory_equal(f->checkpoint, text, strlen(text));
}

UNUSED static void assert_readable(const struct fixture *f, struct store_location where, const char *text) {
        uint8_t *data = NULL;
        size_t size = 0;

        assert_int_equal(store_read(f->store, where, &data, &size), 0);
        assert_int_equal(size, strlen(text));
        assert_memory_equal(data, text, size);
        free(data);
}

/* Waits until the store's thread has a spare segment; by asking for one, not by sleeping. */
UNUSED static struct store_counters fixture_counters(const struct fixture *f) {
        struct store_counters n;

        store_counters(f->store, &n);
        return n;
}

/* ---- files ------------------------------------------------------------- */

UNUSED static void fixture_path(const struct fixture *f, char path[PATH_MAX], const char *name) {
        (void) snprintf(path, PATH_MAX, "%s/%s", f->directory, name);
}

UNUSED static void fixture_segment_path(const struct fixture *f, char path[PATH_MAX], uint32_t number) {
        (void) snprintf(path, PATH_MAX, "%s/segment-%08u.tdb", f->directory, number);
}

UNUSED static bool fixture_has(const struct fixture *f, const char *name) {
        char path[PATH_MAX];

        fixture_path(f, path, name);
        return access(path, F_OK) == 0;
}

/* Finds the place of a text in a file; it must be there exactly once. */
UNUSED static off_t find_in_file(const char *path, const void *what, size_t n_what) {
        struct stat st;
        char *all, *at;
        off_t offset;
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &st), 0);
        all = malloc((size_t) st.st_size);
        assert_non_null(all);
        assert_int_equal(read(fd, all, (size_t) st.st_size), st.st_size);
        (void) close(fd);
        at = memmem(all, (size_t) st.st_size, what, n_what);
        assert_non_null(at);
        assert_null(memmem(at + 1, (size_t) (all + st.st_size - at - 1), what, n_what));
        offset = at - all;
        free(all);
        return offset;
}

/* Flips a bit of the file at the place where it has this text. */
UNUSED static void damage(const struct fixture *f, uint32_t segment, const char *text) {
        char path[PATH_MAX];
        uint8_t byte;
        off_t at;
        int fd;

        fixture_segment_path(f, path, segment);
        at = find_in_file(path, text, strlen(text));
        fd = open(path, O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        assert_int_equal(close(fd), 0);
}
