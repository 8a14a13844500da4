/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/core/fixture.h"

static struct sender *
intern(struct sender_table *table, uint32_t uid, uint32_t pid, const char *unit, const char *label) {
        const struct entry_sender who = {.uid = uid, .gid = 100, .pid = pid, .unit = span(unit), .label = span(label)};
        struct sender *sender = NULL;

        assert_int_equal(sender_intern(table, &who, &sender), 0);
        return sender;
}

static void test_equal_identities_are_one(void **state UNUSED) {
        struct sender_table table = {0};
        struct sender *one = intern(&table, 1, 2, "unit", ""), *same = intern(&table, 1, 2, "unit", "");

        assert_ptr_equal(one, same);
        assert_int_equal(one->references, 2);
        assert_int_equal(one->identity.uid, 1);
        assert_int_equal(one->identity.pid, 2);
        assert_int_equal(one->identity.unit.size, 4);
        assert_memory_equal(one->identity.unit.data, "unit", 4);
        assert_int_equal(one->identity.label.size, 0);
        assert_null(sender_unref(same));
        assert_null(sender_unref(one));
        assert_null(table.senders);
        assert_null(sender_unref(NULL));
}

static void test_others_differ(void **state UNUSED) {
        struct sender_table table = {0};
        struct sender *senders[] = {
                intern(&table, 1, 2, "ab", "c"), intern(&table, 2, 2, "ab", "c"), intern(&table, 1, 3, "ab", "c"),
                intern(&table, 1, 2, "a", "bc"), intern(&table, 1, 2, "abc", ""),
        };
        enum { N = sizeof(senders) / sizeof(senders[0]) };

        for (size_t i = 0; i < N; i++)
                for (size_t k = 0; k < i; k++) {
                        assert_ptr_not_equal(senders[i], senders[k]);
                        assert_int_not_equal(senders[i]->number, senders[k]->number);
                }
        for (size_t i = 0; i < N; i++)
                sender_unref(senders[i]);
        assert_null(table.senders);
}

/* Clients remember what a number means. */
static void test_numbers_are_never_used_again(void **state UNUSED) {
        struct sender_table table = {0};
        uint32_t last = 0;

        for (unsigned i = 0; i < 10; i++) {
                struct sender *sender = intern(&table, 7, 7, "", "");

                assert_true(sender->number > last);
                last = sender->number;
                sender_unref(sender);
        }
}

static void test_many(void **state UNUSED) {
        struct sender_table table = {0};
        struct sender *senders[1000];

        for (uint32_t i = 0; i < 1000; i++)
                senders[i] = intern(&table, i, i, "", "");
        for (uint32_t i = 0; i < 1000; i++) {
                struct sender *again = intern(&table, i, i, "", "");

                assert_ptr_equal(again, senders[i]);
                sender_unref(again);
                sender_unref(senders[i]);
        }
        assert_null(table.senders);
}

/* A sender may outlive the core: sealed blocks that are still being written refer to theirs. */
static void test_outliving_the_core(void **state UNUSED) {
        struct fixture *f;
        struct sender *sender;
        void *s = NULL;

        assert_int_equal(fixture_setup(&s), 0);
        f = s;
        declare(f, "q");
        (void) send(f, "q", "body");
        assert_true(fixture_begin(f, false));
        assert_false(TAILQ_EMPTY(&f->writing));
        sender = sender_ref(f->sender);
        assert_int_equal(fixture_teardown(&s), 0);
        assert_int_equal(sender->references, 1);
        assert_int_equal(sender->identity.uid, 1000);
        assert_null(sender_unref(sender));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_equal_identities_are_one),     cmocka_unit_test(test_others_differ),
                cmocka_unit_test(test_numbers_are_never_used_again), cmocka_unit_test(test_many),
                cmocka_unit_test(test_outliving_the_core),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
