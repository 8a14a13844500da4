/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What may be on the disk at one moment of a recorded history: what was synced, and of what was not, any 512-byte
 * sector in any of its versions. Changes to the directory are durable after its sync; before it each may or may not
 * have happened, as may a change of a file's size before the file's.
 */

#include "tests/crash/disk.h"

#define SECTOR_BYTES        512u
#define N_NAMES_MAX         128u
#define N_DIRECTORY_OPS_MAX 4096u

struct name {
        char text[NAME_BYTES];
        int file;
};

struct names {
        struct name items[N_NAMES_MAX];
        size_t n;
};

struct platter_file {
        uint8_t *durable, *latest; /* `allocated` bytes, zero beyond the sizes */
        uint64_t durable_size, latest_size, allocated;
        size_t *pending; /* numbers of the operations since the last sync */
        size_t n_pending, n_pending_allocated;
        uint64_t version; /* counts up with every change */
};

struct platter {
        struct platter_file files[N_FILES_MAX];
        struct names durable;
        size_t pending[N_DIRECTORY_OPS_MAX]; /* operations on the directory since its last sync */
        size_t n_pending;
};

/* ---- names ---- */

static struct name *names_find(struct names *names, const char *text) {
        for (size_t i = 0; i < names->n; i++)
                if (strcmp(names->items[i].text, text) == 0)
                        return &names->items[i];
        return NULL;
}

static void names_remove(struct names *names, const char *text) {
        struct name *name = names_find(names, text);

        if (name)
                *name = names->items[--names->n];
}

static void names_set(struct names *names, const char *text, int file) {
        struct name *name = names_find(names, text);

        if (!name) {
                assert_true(names->n < N_NAMES_MAX);
                name = &names->items[names->n++];
                (void) snprintf(name->text, sizeof name->text, "%s", text);
        }
        name->file = file;
}

static void names_apply(struct names *names, const struct op *op) {
        struct name *from = names_find(names, op->name);
        int file = from ? from->file : FILE_NONE;

        if (op->kind == OP_CREATE)
                names_set(names, op->name, op->file);
        else if (op->kind == OP_UNLINK)
                names_remove(names, op->name);
        else if (from) {
                names_remove(names, op->name);
                names_set(names, op->to, file);
        }
}

/* ---- files ---- */

static void file_reserve(struct platter_file *f, uint64_t size) {
        uint64_t n = (size + SECTOR_BYTES - 1) & ~(uint64_t) (SECTOR_BYTES - 1);

        if (n <= f->allocated)
                return;
        f->durable = realloc(f->durable, n);
        f->latest = realloc(f->latest, n);
        assert_true(f->durable && f->latest);
        memset(f->durable + f->allocated, 0, n - f->allocated);
        memset(f->latest + f->allocated, 0, n - f->allocated);
        f->allocated = n;
}

static void file_pend(struct platter_file *f, size_t op) {
        if (f->n_pending == f->n_pending_allocated) {
                f->n_pending_allocated = f->n_pending_allocated ? f->n_pending_allocated * 2 : 16;
                f->pending = reallocarray(f->pending, f->n_pending_allocated, sizeof *f->pending);
                assert_non_null(f->pending);
        }
        f->pending[f->n_pending++] = op;
}

static void file_write(struct platter_file *f, const struct op *op) {
        file_reserve(f, op->offset + op->size);
        memcpy(f->latest + op->offset, op->data, op->size);
        if (f->latest_size < op->offset + op->size)
                f->latest_size = op->offset + op->size;
}

static void file_sync(struct platter_file *f) {
        for (size_t i = 0; i < f->n_pending; i++) {
                const struct op *op = &disk.ops[f->pending[i]];

                if (op->kind == OP_WRITE)
                        memcpy(f->durable + op->offset, f->latest + op->offset, op->size);
        }
        f->durable_size = f->latest_size;
        f->n_pending = 0;
}

/* ---- the whole ---- */

/* Brings the platter forward by the operation with this number. */
static void platter_apply(struct platter *p, size_t number) {
        const struct op *op = &disk.ops[number];
        struct platter_file *f = op->file >= 0 ? &p->files[op->file] : NULL;

        if (f)
                f->version++;
        switch (op->kind) {
        case OP_WRITE:
                file_write(f, op);
                file_pend(f, number);
                break;
        case OP_SIZE:
                file_reserve(f, op->size);
                f->latest_size = op->size;
                file_pend(f, number);
                break;
        case OP_SYNC:
                file_sync(f);
                break;
        case OP_CREATE:
                file_reserve(f, 1);
                /* fall through */
        case OP_RENAME:
        case OP_UNLINK:
                assert_true(p->n_pending < N_DIRECTORY_OPS_MAX);
                p->pending[p->n_pending++] = number;
                break;
        case OP_SYNC_DIRECTORY:
                for (size_t i = 0; i < p->n_pending; i++)
                        names_apply(&p->durable, &disk.ops[p->pending[i]]);
                p->n_pending = 0;
                break;
        case OP_MARK:
                break;
        }
}

static void platter_load(struct platter *p, const char *name) {
        struct platter_file *f;
        char path[PATH_MAX + 257];
        struct stat st;
        int fd, number;

        (void) snprintf(path, sizeof path, "%s/%s", disk.root, name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &st), 0);
        number = disk_add(st.st_ino);
        f = &p->files[number];
        file_reserve(f, (uint64_t) st.st_size + 1);
        assert_int_equal(pread(fd, f->durable, (size_t) st.st_size, 0), st.st_size);
        memcpy(f->latest, f->durable, (size_t) st.st_size);
        f->durable_size = f->latest_size = (uint64_t) st.st_size;
        f->version = 1;
        (void) close(fd);
        names_set(&p->durable, name, number);
}

/* The disk as it is when recording begins: call right after disk_record(). */
static struct platter *platter_new(void) {
        struct platter *p = calloc(1, sizeof *p);
        struct dirent **entries = NULL;
        int n = scandir(disk.root, &entries, NULL, alphasort);

        assert_non_null(p);
        assert_true(n >= 0);
        for (int i = 0; i < n; i++) {
                if (entries[i]->d_name[0] != '.')
                        platter_load(p, entries[i]->d_name);
                free(entries[i]);
        }
        free(entries);
        return p;
}

static struct platter *platter_free(struct platter *p) {
        for (size_t i = 0; p && i < N_FILES_MAX; i++) {
                free(p->files[i].durable);
                free(p->files[i].latest);
                free(p->files[i].pending);
        }
        free(p);
        return NULL;
}
