/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Cutting the power of a recorded history. What is recorded is one life of a store: from opening it to the last commit.
 * Many moments of it are chosen, and for each many images are built and checked; from one of them the next life goes
 * on, so that recovery itself is cut as well.
 */

#include <malloc.h>

#include "tests/crash/image.h"

struct figures {
        uint64_t lives, operations, cuts, images;
        uint64_t confirmed;  /* of which it was checked that they are there, over all images */
        uint64_t lost;       /* of these */
        uint64_t duplicated; /* there twice, out of order, or again after being settled for good */
        uint64_t wrong;      /* half there, or never stored */
        uint64_t refused;    /* images that could not be opened */
        /* What the histories went through. */
        uint64_t checkpoints, recycled, merges, compactions, threaded;
};

static uint64_t figures_failures(const struct figures *f) {
        return f->lost + f->duplicated + f->wrong + f->refused;
}

static void figures_print(const char *what, const struct figures *f, uint64_t seed) {
        printf("%s: seed %#llx, %llu lives, %llu operations, %llu cuts, %llu images; confirmed and checked %llu, lost "
               "%llu, "
               "duplicated %llu, wrong %llu, not opened %llu\n",
               what, (unsigned long long) seed, (unsigned long long) f->lives, (unsigned long long) f->operations,
               (unsigned long long) f->cuts, (unsigned long long) f->images, (unsigned long long) f->confirmed,
               (unsigned long long) f->lost, (unsigned long long) f->duplicated, (unsigned long long) f->wrong,
               (unsigned long long) f->refused);
        if (f->checkpoints > 0)
                printf("  %llu checkpoints, %llu segments used again, %llu commits in the thread, %llu merges, %llu "
                       "commits while compacting\n",
                       (unsigned long long) f->checkpoints, (unsigned long long) f->recycled,
                       (unsigned long long) f->threaded, (unsigned long long) f->merges,
                       (unsigned long long) f->compactions);
}

struct simulation {
        char directory[64]; /* with the two below in it */
        char live[80], image[80];
        struct figures figures;
        struct random random;
        uint64_t seed;
        bool quiet; /* failures are wanted */
        unsigned n_told;
        const char *how; /* the image that is being checked; for messages: */
        size_t at;
        struct built built; /* in `image` */
        bool keep_image;    /* after the first failure, with LODGE_CRASH_KEEP in the environment */

        void *history;
        /* Runs one life in `live`, which is being recorded, with what the last one left in it. */
        void (*live_once)(struct simulation *s);
        /* A mark of the history is passed. */
        void (*mark)(struct simulation *s, const struct op *mark);
        /* Opens `image`, and compares with what the marks up to now say. Forgets s->built if it changes something
         * there. */
        void (*check)(struct simulation *s);
};

#define FAILURES_TOLD_MAX 10u

/* Counts a failure and tells of the first ones. */
__attribute__((format(printf, 3, 4))) static void
fail_image(struct simulation *s, uint64_t *counter, const char *format, ...) {
        va_list arguments;

        (*counter)++;
        if (s->quiet || s->n_told++ >= FAILURES_TOLD_MAX)
                return;
        (void) fprintf(stderr,
                       "seed %#llx, life %llu, cut before operation %zu, image \"%s\": ", (unsigned long long) s->seed,
                       (unsigned long long) s->figures.lives, s->at, s->how);
        va_start(arguments, format);
        (void) vfprintf(stderr, format, arguments);
        va_end(arguments);
        (void) fprintf(stderr, "\n");
        s->keep_image = s->keep_image || getenv("LODGE_CRASH_KEEP");
}

/* On memory if there is room for it: nothing here has to survive anything. */
static void simulation_begin(struct simulation *s, uint64_t seed) {
        const char *const bases[] = {"/dev/shm", "/tmp"};

        /* Images come and go by the megabyte; fresh pages for each cost more than all the rest. */
        (void) mallopt(M_MMAP_THRESHOLD, 1 << 30);
        (void) mallopt(M_TRIM_THRESHOLD, INT_MAX);
        s->seed = s->random.state = seed;
        s->directory[0] = 0;
        for (unsigned i = 0; i < 2 && !s->directory[0]; i++) {
                (void) snprintf(s->directory, sizeof s->directory, "%s/lodge-crash-XXXXXX", bases[i]);
                if (!mkdtemp(s->directory))
                        s->directory[0] = 0;
        }
        assert_true(s->directory[0]);
        (void) snprintf(s->live, sizeof s->live, "%s/live", s->directory);
        (void) snprintf(s->image, sizeof s->image, "%s/image", s->directory);
        assert_int_equal(mkdir(s->live, 0700), 0);
        assert_int_equal(mkdir(s->image, 0700), 0);
}

static void simulation_end(struct simulation *s) {
        disk_stop();
        disk_forget();
        disk.syncs_lie = false;
        if (s->keep_image) {
                (void) fprintf(stderr, "kept: %s\n", s->image);
                return;
        }
        empty_directory(s->live);
        empty_directory(s->image);
        (void) rmdir(s->live);
        (void) rmdir(s->image);
        (void) rmdir(s->directory);
}

static void check_image(struct simulation *s, const struct platter *p, const struct image *image, size_t at) {
        uint64_t before = figures_failures(&s->figures);

        if (s->keep_image)
                return;
        image_build(image, p, s->image, &s->built);
        s->how = image_kinds[image->kind];
        s->at = at;
        s->figures.images++;
        s->check(s);
        if (s->keep_image && figures_failures(&s->figures) > before)
                image_build(image, p, s->image, &(struct built){0}); /* as it was before the check */
}

/* How many images of each kind a cut gets, if there are sectors to choose from. */
static const uint8_t images_of_kind[] = {1, 1, 3, 3, 2, 4, 3};

static bool platter_is_synced(const struct platter *p) {
        bool synced = p->n_pending == 0;

        for (int i = 0; i < disk.n_files; i++)
                synced = synced && p->files[i].n_pending == 0;
        return synced;
}

static void cut_here(struct simulation *s, const struct platter *p, size_t at) {
        bool synced = platter_is_synced(p);

        s->figures.cuts++;
        for (unsigned kind = 0; kind < sizeof images_of_kind; kind++)
                for (unsigned i = 0; i < images_of_kind[kind]; i++) {
                        struct image image = {
                                .kind = (enum image_kind) kind, .random = &s->random, .one = {FILE_NONE, 0}};

                        if (synced && kind > IMAGE_NONE)
                                return; /* there is only one */
                        if (kind == IMAGE_IN_ORDER)
                                pick_end(p, &s->random, at, &image);
                        if (kind >= IMAGE_BUT_ONE && !pick_loose(p, &s->random, &image.one))
                                continue;
                        check_image(s, p, &image, at);
                }
}

/* How much a cut before this operation is worth: before a sync most is loose. */
static unsigned worth(size_t at) {
        const struct op *op = &disk.ops[at];

        if (at == disk.n_ops)
                return 8;
        if (at > 0 && disk.ops[at - 1].kind == OP_MARK)
                return op->kind == OP_MARK ? 0 : 2;
        switch (op->kind) {
        case OP_MARK:
                return 0;
        case OP_WRITE:
                return op->size > 64 * 1024 ? 1 : 3;
        default:
                return 8;
        }
}

/* Begins the next life with one of the images. */
static void choose_next(struct simulation *s, const struct platter *p, size_t at) {
        struct image image = {.kind = (enum image_kind) random_below(&s->random, IMAGE_VERSIONS + 1),
                              .random = &s->random};

        pick_end(p, &s->random, at, &image);
        image_build(&image, p, s->live, &(struct built){0});
}

/* How far the life has come when it is cut for the next one: mostly in its last third, but recovery has its turn, too.
 */
static size_t choose_end(struct simulation *s) {
        size_t third = disk.n_ops / 3;

        return random_one_in(&s->random, 3) ? random_below(&s->random, disk.n_ops + 1)
                                            : disk.n_ops - random_below(&s->random, third + 1);
}

/* Runs one life and then cuts it about `n_cuts` times. The next one goes on from one of these moments. */
UNUSED static void simulate_life(struct simulation *s, unsigned n_cuts) {
        struct platter *p;
        uint64_t total = 0;
        size_t end;

        disk_record(s->live);
        p = platter_new();
        s->built = (struct built){0};
        s->live_once(s);
        disk_stop();
        s->figures.lives++;
        end = choose_end(s);
        s->figures.operations += end;
        for (size_t at = 0; at <= end; at++)
                total += worth(at);
        for (size_t at = 0; at <= end; at++) {
                if (random_below(&s->random, total) < (uint64_t) worth(at) * n_cuts)
                        cut_here(s, p, at);
                if (at == end)
                        break;
                if (disk.ops[at].kind == OP_MARK)
                        s->mark(s, &disk.ops[at]);
                platter_apply(p, at);
        }
        choose_next(s, p, end);
        (void) platter_free(p);
        disk_forget();
}
