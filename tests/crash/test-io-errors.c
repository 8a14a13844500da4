/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A disk that fails once, or from then on: the N-th write, sync, creation, rename, removal or allocation of a history
 * of the bus, for every N. What was confirmed before the bus gave up, or while it went on, must be on the disk, even if
 * the power goes as well; and a failed commit is told of.
 */

#include "tests/crash/bus-history.h"

#include "tests/crash/campaign.h"

struct fault_kind {
        const char *name;
        unsigned classes;
        int error; /* negative: a short write */
        bool stays;
        bool is_fatal_in_a_commit;
};

static const struct fault_kind kinds[] = {
        {"write EIO", FAULT_WRITE, EIO, false, true},
        {"write ENOSPC from then on", FAULT_WRITE, ENOSPC, true, true},
        {"short write", FAULT_WRITE, -1, false, false},
        {"sync EIO", FAULT_SYNC, EIO, false, true},
        {"sync ENOSPC", FAULT_SYNC, ENOSPC, false, true},
        {"create EIO", FAULT_CREATE, EIO, false, false},
        {"create ENOSPC from then on", FAULT_CREATE, ENOSPC, true, false},
        {"rename EIO", FAULT_RENAME, EIO, false, false},
        {"rename ENOSPC", FAULT_RENAME, ENOSPC, false, false},
        {"remove EIO", FAULT_UNLINK, EIO, false, false},
        {"allocate ENOSPC", FAULT_ALLOCATE, ENOSPC, false, false},
        {"allocate ENOSPC from then on", FAULT_ALLOCATE, ENOSPC, true, false},
};

struct tally {
        uint64_t faults, told, went_on;
};

/* The end of the history, cut in every way. */
static void cut_the_end(struct simulation *s, struct platter *p) {
        for (size_t at = 0; at < disk.n_ops; at++) {
                if (disk.ops[at].kind == OP_MARK)
                        s->mark(s, &disk.ops[at]);
                platter_apply(p, at);
        }
        cut_here(s, p, disk.n_ops);
}

/* Returns whether the fault came up: the history has that many such calls. */
static bool one_fault(const struct fault_kind *kind, unsigned n, struct figures *total, struct tally *tally) {
        static const struct bus_mix mix = {.n_steps = 45, .bytes_max = 60000};
        struct simulation *s = malloc(sizeof *s);
        struct bus_history *h = malloc(sizeof *h);
        struct platter *p;
        bool struck;

        assert_true(s && h);
        bus_simulation_begin(s, h, FIXED_SEED);
        h->mix = mix;
        disk_record(s->live);
        p = platter_new();
        disk_set_fault(kind->classes, n, kind->error, kind->stays);
        bus_live_once(s);
        struck = disk.n_faults > 0;
        disk_set_fault(0, 0, 0, false);
        s->figures.lives++;
        if (struck) {
                tally->faults++;
                tally->told += h->result < 0;
                tally->went_on += h->result == 0;
                cut_the_end(s, p);
                if (figures_failures(&s->figures) > 0)
                        (void) fprintf(stderr, "  after %s, call %u\n", kind->name, n);
        }
        figures_add(total, &s->figures);
        (void) platter_free(p);
        bus_simulation_end(s);
        free(h);
        free(s);
        return struck;
}

static void every_fault(void **state UNUSED) {
        struct figures all = {0};
        unsigned step = getenv("LODGE_CRASH_IMAGES") ? 1 : 7;

        for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
                struct figures f = {0};
                struct tally tally = {0};
                unsigned n = 1;

                /* The first calls one by one, for they make the store. */
                while (one_fault(&kinds[k], n, &f, &tally))
                        n += n < 10 ? 1 : step;
                printf("%s: %llu faults, told of %llu, went on after %llu; %llu images, confirmed and checked %llu, "
                       "lost %llu\n",
                       kinds[k].name, (unsigned long long) tally.faults, (unsigned long long) tally.told,
                       (unsigned long long) tally.went_on, (unsigned long long) f.images,
                       (unsigned long long) f.confirmed, (unsigned long long) f.lost);
                assert_true(tally.faults > 0);
                if (kinds[k].is_fatal_in_a_commit)
                        assert_true(tally.told > 0);
                figures_add(&all, &f);
        }
        figures_print("all faults", &all, FIXED_SEED);
        assert_int_equal(figures_failures(&all), 0);
        assert_true(all.confirmed > 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_fault),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
