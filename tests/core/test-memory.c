/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Without memory: each call of the core is made again and again, and each of its allocations fails once. It has to say
 * so, to keep nothing, to change nothing, and to work when it is asked again.
 */

#include "tests/core/fixture.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif

/* What is allocated and not freed; how many allocations succeed before one fails (negative: all do); whether it did. */
static long outstanding, countdown = -1;
static bool failed;

#ifndef SANITIZED
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

static bool fails(void) {
        if (countdown < 0 || countdown-- > 0)
                return false;
        failed = true;
        errno = ENOMEM;
        return true;
}

__attribute__((visibility("default"))) void *malloc(size_t size) {
        void *p = fails() ? NULL : __libc_malloc(size);

        outstanding += p != NULL;
        return p;
}

__attribute__((visibility("default"))) void *calloc(size_t n, size_t size) {
        void *p = fails() ? NULL : __libc_calloc(n, size);

        outstanding += p != NULL;
        return p;
}

__attribute__((visibility("default"))) void *realloc(void *old, size_t size) {
        void *p = fails() ? NULL : __libc_realloc(old, size);

        outstanding += p && !old;
        return p;
}

__attribute__((visibility("default"))) void free(void *p) {
        outstanding -= p != NULL;
        __libc_free(p);
}
#endif

struct scene {
        struct fixture *f;
        struct listener a, b;
        struct block_list sealed;
        struct sender *other;
        struct buffer checkpoint;
};

/* ---- what is there ---- */

struct snapshot {
        uint64_t ids[2][64];
        uint32_t deliveries[2][64];
        size_t n[2];
        uint64_t ready[2], leased[2], bytes[2], sent[2], acked[2], consumers[2];
        size_t n_bindings[2];
        uint64_t max_bytes[2];
        int queues;
};

static const char *const names[2] = {"q", "r"};

static void count_queue(const struct core_queue_info *got, void *userdata) {
        (void) got;
        ++*(int *) userdata;
}

static struct snapshot take_snapshot(struct fixture *f) {
        struct snapshot s;
        struct listener l;

        memset(&s, 0, sizeof(s));
        (void) core_list(f->core, (struct wire_span){0}, count_queue, &s.queues);
        for (unsigned i = 0; i < 2; i++) {
                struct core_queue_info got;

                if (core_queue_info(f->core, span(names[i]), &got, NULL) < 0)
                        continue;
                s.ready[i] = got.ready;
                s.leased[i] = got.leased;
                s.bytes[i] = got.bytes;
                s.sent[i] = got.sent;
                s.acked[i] = got.acked;
                s.consumers[i] = got.consumers;
                s.n_bindings[i] = got.n_bindings;
                s.max_bytes[i] = got.properties->max_bytes;
                assert_int_equal(browse(f, &l, names[i], 0, 64), 0);
                s.n[i] = l.n;
                for (size_t k = 0; k < l.n; k++) {
                        s.ids[i][k] = l.got[k].id;
                        s.deliveries[i][k] = l.got[k].deliveries;
                }
                assert_int_equal(s.n[i], got.ready + got.leased);
        }
        return s;
}

/* A new core knows the same, but for who has what and figures of no weight. Without memory for it, how often something
 * was given back may be forgotten. */
static void check_restart(struct fixture *f, bool counts) {
        struct snapshot before, after;

        fixture_commit(f);
        before = take_snapshot(f);
        fixture_restart(f);
        after = take_snapshot(f);
        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(before.n[i], after.n[i]);
                assert_int_equal(before.bytes[i], after.bytes[i]);
                assert_int_equal(before.n_bindings[i], after.n_bindings[i]);
                assert_int_equal(before.max_bytes[i], after.max_bytes[i]);
        }
        assert_memory_equal(before.ids, after.ids, sizeof(before.ids));
        if (counts)
                assert_memory_equal(before.deliveries, after.deliveries, sizeof(before.deliveries));
        assert_int_equal(before.queues, after.queues);
}

/* ---- scenes ---- */

/* Two queues, r gets all that q gets; ten messages on disk, each in its block, none in memory but the last. */
static void prepare_messages(struct scene *s) {
        struct fixture *f = s->f;

        f->options.cache_bytes_max = 1;
        core_set_limits(f->core, &f->options);
        declare(f, "q");
        declare(f, "r");
        bind(f, "r", "q");
        for (unsigned i = 0; i < 10; i++) {
                (void) send_priority(f, "q", i % 2 ? 4 : 6, "0123456789");
                fixture_commit(f);
        }
}

static void prepare_leases(struct scene *s) {
        prepare_messages(s);
        consume(s->f, &s->a, "q", 6);
        nack(&s->a, s->a.got[2].id);
        fixture_commit(s->f);
}

static void prepare_credit(struct scene *s) {
        prepare_messages(s);
        consume(s->f, &s->a, "q", 0);
        core_credit(s->a.consumer, 60, 1u << 30);
}

static void prepare_nothing(struct scene *s) {
        (void) s;
}

static void prepare_open(struct scene *s) {
        prepare_leases(s);
        (void) send(s->f, "q", "not sealed");
        core_credit(s->a.consumer, 2, 0);
        core_pump(s->f->core);
}

/* ---- calls ---- */

static int run_declare(struct scene *s) {
        uint8_t fields[64];

        return core_declare(s->f->core, span("q"), WIRE_KIND_QUEUE, true, property(fields, "Description", "text"), 1,
                            &s->f->why);
}

static int run_declare_again(struct scene *s) {
        uint8_t fields[64];

        return core_declare(s->f->core, span("q"), WIRE_KIND_QUEUE, false, property(fields, "Description", "text"), 1,
                            &s->f->why);
}

static int run_set(struct scene *s) {
        return try_set(s->f, "r", "MaxBytes", "1M");
}

static int run_bind(struct scene *s) {
        return core_bind(s->f->core, span("q"), span("x.y.*.>"), &s->f->why);
}

static int run_unbind(struct scene *s) {
        return core_unbind(s->f->core, span("r"), span("q"), &s->f->why);
}

static int run_delete(struct scene *s) {
        return core_delete(s->f->core, span("r"), true, &s->f->why);
}

static int run_send(struct scene *s) {
        uint64_t id;

        return try_send(s->f, "q", 9, span("body"), &id);
}

static int run_consume(struct scene *s) {
        s->b = (struct listener){0};
        return core_consume(s->f->core, span("q"), &s->b, &s->b.consumer, &s->f->why);
}

/* Whatever could not be handed out is, the next time. */
static int run_pump(struct scene *s) {
        core_pump(s->f->core);
        return s->a.n == 10 ? 0 : -ENOMEM;
}

static int run_ack(struct scene *s) {
        int64_t n = core_settle(s->a.consumer, 1, 1000, CORE_ACK);

        return n < 0 ? (int) n : 0;
}

static int run_nack(struct scene *s) {
        int64_t n = core_settle(s->a.consumer, 1, 1000, CORE_NACK);

        return n < 0 ? (int) n : 0;
}

static int run_cancel(struct scene *s) {
        s->a.consumer = core_cancel(s->a.consumer);
        return 0;
}

static int run_list(struct scene *s) {
        int n = 0;

        return core_list(s->f->core, (struct wire_span){0}, count_queue, &n);
}

static int run_browse(struct scene *s) {
        uint64_t next;

        s->b = (struct listener){0};
        return core_browse(s->f->core, span("q"), 0, 60, UINT64_MAX, fixture_shown, &s->b, &next, &s->f->why);
}

static int run_seal(struct scene *s) {
        return core_seal(s->f->core, &s->f->writing);
}

static int run_checkpoint(struct scene *s) {
        int r;

        s->checkpoint.size = 0;
        r = core_checkpoint(s->f->core, &s->checkpoint);
        if (r < 0)
                buffer_done(&s->checkpoint);
        return r;
}

static int run_merge(struct scene *s) {
        int r;

        s->f->options.merge_blocks_min = 1;
        core_set_limits(s->f->core, &s->f->options);
        r = core_merge(s->f->core, 0);

        return r < 0 ? r : 0;
}

/* Without memory it says what it saw. */
static int run_emptiest(struct scene *s) {
        uint64_t bytes;

        (void) core_emptiest_segment(s->f->core, 0, &bytes);
        return 0;
}

static int run_intern(struct scene *s) {
        const struct entry_sender who = {.uid = 77, .unit = span("u")};

        return sender_intern(core_senders(s->f->core), &who, &s->other);
}

enum effect { NOTHING, PARTLY, NEVER_FAILS };

static const struct call {
        const char *name;
        void (*prepare)(struct scene *s);
        int (*run)(struct scene *s);
        enum effect effect; /* of a call that fails */
} calls[] = {
        {"declare", prepare_nothing, run_declare, NOTHING},
        {"declare again", prepare_messages, run_declare_again, NOTHING},
        {"set", prepare_messages, run_set, NOTHING},
        {"bind", prepare_messages, run_bind, NOTHING},
        {"unbind", prepare_messages, run_unbind, NOTHING},
        {"delete", prepare_leases, run_delete, NOTHING},
        {"send", prepare_messages, run_send, NOTHING},
        {"send more", prepare_open, run_send, NOTHING},
        {"consume", prepare_messages, run_consume, NOTHING},
        {"pump", prepare_credit, run_pump, PARTLY},
        {"ack", prepare_leases, run_ack, PARTLY},
        {"nack", prepare_leases, run_nack, NEVER_FAILS},
        {"cancel", prepare_leases, run_cancel, NEVER_FAILS},
        {"list", prepare_messages, run_list, NOTHING},
        {"browse", prepare_messages, run_browse, NOTHING},
        {"seal", prepare_open, run_seal, NOTHING},
        {"checkpoint", prepare_leases, run_checkpoint, NOTHING},
        {"merge", prepare_leases, run_merge, NOTHING},
        {"emptiest segment", prepare_leases, run_emptiest, NEVER_FAILS},
        {"intern", prepare_nothing, run_intern, NOTHING},
};

static void scene_end(struct scene *s) {
        sender_unref(s->other);
        buffer_done(&s->checkpoint);
        assert_int_equal(fixture_teardown((void **) &s->f), 0);
        free(s);
}

/* Makes the call with its n-th allocation failing. Returns whether there was one. */
static bool call_failing(const struct call *call, long n) {
        struct scene *s = calloc(1, sizeof(*s));
        struct snapshot before, after;
        int r;

        assert_non_null(s);
        assert_int_equal(fixture_setup((void **) &s->f), 0);
        call->prepare(s);
        before = take_snapshot(s->f);
        failed = false;
        countdown = n;
        r = call->run(s);
        countdown = -1;
        if (failed && call->effect != NEVER_FAILS && r < 0) {
                assert_int_equal(r, -ENOMEM);
                after = take_snapshot(s->f);
                if (call->effect == NOTHING)
                        assert_memory_equal(&before, &after, sizeof(before));
                r = call->run(s);
        }
        if (r < 0)
                print_message("%s, allocation %ld: %d\n", call->name, n, r);
        assert_true(r >= 0);
        (void) take_snapshot(s->f);
        check_restart(s->f, call->effect != NEVER_FAILS);
        scene_end(s);
        return failed;
}

static void test_each_call(void **state UNUSED) {
#ifdef SANITIZED
        skip();
#endif
        for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
                long n = 0, before = outstanding;

                while (call_failing(&calls[i], n)) {
                        if (outstanding != before)
                                print_message("%s keeps what it allocated, at allocation %ld\n", calls[i].name, n);
                        assert_int_equal(outstanding, before);
                        n++;
                }
                assert_true(n > 0);
                assert_true(n < 1000);
        }
}

/* ---- beginning ---- */

static int build(struct fixture *f, struct core **ret) {
        struct committed *base = NULL;
        size_t first;
        int r;

        r = core_new(ret, &f->options, &fixture_calls, f);
        if (r < 0)
                return r;
        for (size_t i = 0; i < f->n_log; i++)
                if (f->log[i].checkpoint)
                        base = &f->log[i];
        first = base->first + base->n;
        r = core_replay_checkpoint(*ret, base->checkpoint, base->checkpoint_bytes);
        for (size_t i = first; i < f->n_records && r == 0; i++)
                r = core_replay_block(
                        *ret, (struct place){(uint32_t) f->n_segments, (uint32_t) (i - f->segments[f->n_segments - 1])},
                        f->records[i].data, f->records[i].size);
        return r == 0 ? core_replay_end(*ret) : r;
}

/* Starting fails whole, wherever it does. */
static void test_starting(void **state UNUSED) {
        struct scene *s;
        long n = 0, before;

#ifdef SANITIZED
        skip();
#endif
        s = calloc(1, sizeof(*s));
        assert_non_null(s);
        assert_int_equal(fixture_setup((void **) &s->f), 0);
        prepare_open(s);
        fixture_rotate(s->f);
        (void) send(s->f, "r", "behind it");
        core_cancel(s->a.consumer);
        bind(s->f, "q", "z.z");
        assert_int_equal(try_set(s->f, "q", "Description", "d"), 0);
        fixture_commit(s->f);
        declare(s->f, "new");
        fixture_commit(s->f);
        do {
                struct core *core = NULL;
                int r;

                for (size_t i = 0; i < s->f->n_records; i++)
                        s->f->records[i].retains = 0;
                before = outstanding;
                failed = false;
                countdown = n++;
                r = build(s->f, &core);
                countdown = -1;
                assert_int_equal(r, failed ? -ENOMEM : 0);
                core_free(core);
                assert_int_equal(outstanding, before);
        } while (failed);
        assert_true(n > 20);
        fixture_restart(s->f);
        scene_end(s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_call),
                cmocka_unit_test(test_starting),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
