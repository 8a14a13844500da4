/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Images: what a disk may hold after a power cut at one moment of a history, as files in a directory. */

#include "tests/crash/platter.h"

/* Which of the sectors that were not synced are there. */
enum image_kind {
        IMAGE_NONE,
        IMAGE_ALL,
        IMAGE_IN_ORDER, /* up to some write, which is torn */
        IMAGE_HALF,     /* each or not, by chance, in its last version */
        IMAGE_VERSIONS, /* by chance, in any of its versions */
        IMAGE_BUT_ONE,
        IMAGE_ONLY_ONE,
};

static const char *const image_kinds[] = {"none", "all", "in order", "half", "versions", "all but one", "only one"};

struct random {
        uint64_t state;
};

static uint64_t random_next(struct random *r) {
        uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return z ^ (z >> 31);
}

static uint64_t random_below(struct random *r, uint64_t n) {
        return random_next(r) % n;
}

static bool random_one_in(struct random *r, uint64_t n) {
        return random_below(r, n) == 0;
}

/* One sector that is not synced. */
struct loose {
        int file;
        uint64_t sector;
};

struct image {
        enum image_kind kind;
        struct loose one;               /* BUT_ONE, ONLY_ONE */
        uint64_t last_op, last_sectors; /* IN_ORDER: whole before this operation, of which so many sectors */
        struct random *random;
};

static uint64_t sectors_first(const struct op *op) {
        return op->offset / SECTOR_BYTES;
}

static uint64_t sectors_end(const struct op *op) {
        return op->size > 0 ? (op->offset + op->size + SECTOR_BYTES - 1) / SECTOR_BYTES : sectors_first(op);
}

/* Whether this version of the sector reached the disk. */
static bool image_takes(const struct image *image, int file, size_t op, uint64_t sector) {
        bool is_one = file == image->one.file && sector == image->one.sector;

        switch (image->kind) {
        case IMAGE_NONE:
                return false;
        case IMAGE_ALL:
                return true;
        case IMAGE_IN_ORDER:
                return op < image->last_op ||
                       (op == image->last_op && sector - sectors_first(&disk.ops[op]) < image->last_sectors);
        case IMAGE_HALF:
        case IMAGE_VERSIONS:
                return random_one_in(image->random, 2);
        case IMAGE_BUT_ONE:
                return !is_one;
        default:
                return is_one;
        }
}

/* Changes of size come with the data, or by chance, or not at all. */
static bool image_takes_size(const struct image *image, size_t op) {
        switch (image->kind) {
        case IMAGE_NONE:
                return false;
        case IMAGE_IN_ORDER:
                return op <= image->last_op;
        case IMAGE_HALF:
        case IMAGE_VERSIONS:
                return random_one_in(image->random, 2);
        default:
                return true;
        }
}

/* Applies what is taken of one write to `out`; `versions` has the file as it is with all writes up to this one. */
static void image_write(const struct image *image, int file, size_t number, const uint8_t *versions, uint8_t *out) {
        const struct op *op = &disk.ops[number];

        for (uint64_t s = sectors_first(op); s < sectors_end(op); s++)
                if (image_takes(image, file, number, s))
                        memcpy(out + s * SECTOR_BYTES, versions + s * SECTOR_BYTES, SECTOR_BYTES);
}

/* By chance each loose sector is old or in its last version. */
static void image_half(const struct image *image, const struct platter_file *f, uint8_t *out) {
        for (size_t i = 0; i < f->n_pending; i++) {
                const struct op *op = &disk.ops[f->pending[i]];

                for (uint64_t s = sectors_first(op); op->kind == OP_WRITE && s < sectors_end(op); s++)
                        memcpy(out + s * SECTOR_BYTES,
                               (random_one_in(image->random, 2) ? f->latest : f->durable) + s * SECTOR_BYTES,
                               SECTOR_BYTES);
        }
}

/* Fills `out` (f->allocated bytes) and *ret_size with what the file may be. */
static void image_file(const struct image *image, const struct platter *p, int file, uint8_t *out, uint64_t *ret_size) {
        const struct platter_file *f = &p->files[file];
        uint8_t *versions = malloc(f->allocated + 1);
        uint64_t size = f->durable_size;

        assert_non_null(versions);
        memcpy(out, f->durable, f->allocated);
        memcpy(versions, f->durable, f->allocated);
        for (size_t i = 0; i < f->n_pending; i++) {
                const struct op *op = &disk.ops[f->pending[i]];
                uint64_t end = op->kind == OP_SIZE ? op->size : op->offset + op->size;

                if (op->kind == OP_WRITE) {
                        memcpy(versions + op->offset, op->data, op->size);
                        if (image->kind != IMAGE_HALF)
                                image_write(image, file, f->pending[i], versions, out);
                }
                if ((op->kind == OP_SIZE || end > size) && image_takes_size(image, f->pending[i]))
                        size = end;
        }
        if (image->kind == IMAGE_HALF)
                image_half(image, f, out);
        free(versions);
        *ret_size = size;
}

/* ---- as files ---- */

#define HOLE_BYTES 4096u

static bool is_zero(const uint8_t *data, uint64_t size) {
        static const uint8_t zeros[HOLE_BYTES];

        return memcmp(data, zeros, size) == 0;
}

/* Writes a file, with holes where it is zero. */
static void write_file(const char *directory, const char *name, const uint8_t *data, uint64_t size) {
        char path[PATH_MAX + 257];
        int fd;

        (void) snprintf(path, sizeof path, "%s/%s", directory, name);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, (off_t) size), 0);
        for (uint64_t at = 0; at < size; at += HOLE_BYTES) {
                uint64_t n = size - at < HOLE_BYTES ? size - at : HOLE_BYTES;

                if (!is_zero(data + at, n))
                        assert_int_equal(pwrite(fd, data + at, n, (off_t) at), n);
        }
        (void) close(fd);
}

static void empty_directory(const char *directory) {
        DIR *d = opendir(directory);
        struct dirent *e;

        assert_non_null(d);
        while ((e = readdir(d)))
                if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
                        (void) unlinkat(dirfd(d), e->d_name, 0);
        (void) closedir(d);
}

/* Which of the changes of the directory have happened. */
static struct names image_names(const struct image *image, const struct platter *p) {
        struct names names = p->durable;
        bool by_chance = image->kind != IMAGE_NONE && image->kind != IMAGE_ALL,
             in_order = random_one_in(image->random, 2);
        size_t n = image->kind == IMAGE_NONE ? 0
                   : by_chance               ? random_below(image->random, p->n_pending + 1)
                                             : p->n_pending;

        for (size_t i = 0; i < p->n_pending; i++)
                if (by_chance && !in_order ? random_one_in(image->random, 2) : i < n)
                        names_apply(&names, &disk.ops[p->pending[i]]);
        return names;
}

/* What the last image has left in its directory, so that files that are the same again need not be written again. */
struct built {
        struct names names;
        uint64_t versions[N_NAMES_MAX]; /* of the platter's file; 0: not as the platter has it */
};

static bool built_has(const struct built *built, const struct name *name, const struct platter_file *f) {
        for (size_t i = 0; i < built->names.n; i++)
                if (strcmp(built->names.items[i].text, name->text) == 0)
                        return built->names.items[i].file == name->file && built->versions[i] == f->version &&
                               f->n_pending == 0;
        return false;
}

/* Removes what is not to stay. */
static void
clear_directory(const char *directory, const struct built *built, const struct names *names, const struct platter *p) {
        DIR *d = opendir(directory);
        struct dirent *e;

        assert_non_null(d);
        while ((e = readdir(d))) {
                struct name *name = names_find((struct names *) names, e->d_name);

                if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
                    !(name && built_has(built, name, &p->files[name->file])))
                        (void) unlinkat(dirfd(d), e->d_name, 0);
        }
        (void) closedir(d);
}

static void
build_file(const struct image *image, const struct platter *p, const char *directory, const struct name *name) {
        const struct platter_file *f = &p->files[name->file];
        uint64_t size = f->durable_size;
        uint8_t *data;

        if (f->n_pending == 0) {
                write_file(directory, name->text, f->durable, size);
                return;
        }
        data = malloc(f->allocated + 1);
        assert_non_null(data);
        image_file(image, p, name->file, data, &size);
        write_file(directory, name->text, data, size < f->allocated ? size : f->allocated);
        free(data);
}

/* Writes the image into `directory`. *built says what is in there, and then what is in there now. */
static void
image_build(const struct image *image, const struct platter *p, const char *directory, struct built *built) {
        struct built now = {.names = image_names(image, p)};

        clear_directory(directory, built, &now.names, p);
        for (size_t i = 0; i < now.names.n; i++) {
                const struct name *name = &now.names.items[i];
                const struct platter_file *f = &p->files[name->file];

                now.versions[i] = f->n_pending == 0 ? f->version : 0;
                if (!built_has(built, name, f))
                        build_file(image, p, directory, name);
        }
        *built = now;
}

/* ---- choosing ---- */

/* Picks a loose sector, of each unsynced file as likely, or returns false if there is none. */
static bool pick_loose(const struct platter *p, struct random *random, struct loose *ret) {
        int files[N_NAMES_MAX], n = 0;
        const struct platter_file *f;

        for (int i = 0; i < disk.n_files && n < (int) N_NAMES_MAX; i++)
                if (p->files[i].n_pending > 0)
                        files[n++] = i;
        for (unsigned tries = 0; n > 0 && tries < 8; tries++) {
                const struct op *op;

                ret->file = files[random_below(random, (uint64_t) n)];
                f = &p->files[ret->file];
                op = &disk.ops[f->pending[random_below(random, f->n_pending)]];
                if (op->kind != OP_WRITE || op->size == 0)
                        continue;
                ret->sector = sectors_first(op) + random_below(random, sectors_end(op) - sectors_first(op));
                return true;
        }
        return false;
}

/* Picks where writing stops in an image in order. */
static void pick_end(const struct platter *p, struct random *random, size_t now, struct image *ret) {
        size_t oldest = now;

        for (int i = 0; i < disk.n_files; i++)
                if (p->files[i].n_pending > 0 && p->files[i].pending[0] < oldest)
                        oldest = p->files[i].pending[0];
        ret->last_op = oldest + random_below(random, now - oldest + 1);
        ret->last_sectors = ret->last_op < now && disk.ops[ret->last_op].kind == OP_WRITE
                                    ? random_below(random, sectors_end(&disk.ops[ret->last_op]) -
                                                                   sectors_first(&disk.ops[ret->last_op]) + 1)
                                    : 0;
}
