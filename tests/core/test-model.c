/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The core beside a model of itself: the same random steps for both, compared all along, and now and then the power
 * goes off and a new core has to know what the commits on disk say, no less and no more.
 */

#include <sys/random.h>

#include "tests/core/model-check.h"

#define STEPS      150000u
#define FIXED_SEED UINT64_C(0x6c6f646765)

static uint32_t any(struct world *w, uint32_t below) {
        w->random ^= w->random << 13;
        w->random ^= w->random >> 7;
        w->random ^= w->random << 17;
        return (uint32_t) ((w->random >> 16) % below);
}

static bool one_in(struct world *w, uint32_t n) {
        return any(w, n) == 0;
}

/* ---- callbacks ---- */

static void on_deliver(void *userdata, const struct core_message *got) {
        struct model_consumer *to = userdata;
        struct copy *c = queue_best(to->queue);

        assert_non_null(c);
        assert_ptr_equal(queue_hungry(to->model, to->queue), to);
        check_message(to->model, c, got);
        model_deliver(to->model, to, c);
        assert_int_equal(got->deliveries, c->at[0].deliveries);
}

static void on_cancelled(void *userdata, const struct refusal *why) {
        struct model_consumer *c = userdata;

        assert_non_null(c->handle);
        assert_int_equal(why->code, WIRE_CODE_NOT_FOUND);
        c->handle = NULL;
}

static const struct core_calls calls = {
        .deliver = on_deliver,
        .cancelled = on_cancelled,
        .load = fixture_load,
        .retain = fixture_retain,
        .release = fixture_release,
        .notice = fixture_notice,
};

/* ---- steps ---- */

static uint32_t any_size(struct world *w) {
        switch (any(w, 40)) {
        case 0:
        case 1:
                return 0;
        case 2:
                return any(w, 20000);
        case 3:
                return one_in(w, 20) ? any(w, BODY_BYTES_MAX + 10000) : any(w, 3000);
        default:
                return any(w, 200);
        }
}

/* Whether a send of this size may be refused so. */
static bool may_refuse(const struct world *w, const struct message *msg, int error) {
        for (size_t i = 0; i < w->m.n_queues; i++) {
                const struct model_queue *q = w->m.queues[i];
                const struct definition *d = &q->at[0];
                bool too_large = d->max_message_bytes > 0 && msg->body_bytes > d->max_message_bytes;
                bool full = (d->max_messages > 0 && q->ready + q->leased >= d->max_messages) ||
                            (d->max_bytes > 0 && q->bytes + msg->body_bytes > d->max_bytes);

                if (queue_takes(q, msg->subject) && ((too_large && error == -EMSGSIZE) || (full && error == -ENOBUFS)))
                        return true;
        }
        return msg->body_bytes > BODY_BYTES_MAX && error == -EMSGSIZE;
}

static void step_send(struct world *w) {
        struct message *msg = calloc(1, sizeof(*msg));
        bool unrouted_ok = one_in(w, 2), routed = false;
        uint64_t id = 12345;
        int r;

        assert_non_null(msg);
        msg->body_bytes = any_size(w);
        msg->body_at = any(w, NOISE_BYTES - msg->body_bytes);
        msg->fields_bytes = (uint16_t) (one_in(w, 4) ? any(w, 60) : 0);
        msg->fields_at = any(w, 1000);
        msg->subject = (uint8_t) any(w, N_SUBJECTS);
        msg->priority = (uint8_t) (one_in(w, 3) ? any(w, PRIORITIES) : 4);
        msg->sender = (uint8_t) any(w, N_SENDERS);
        for (size_t i = 0; i < w->m.n_queues; i++)
                routed |= queue_takes(w->m.queues[i], msg->subject);
        r = core_send(w->f.core,
                      &(struct core_send){
                              .sender = w->senders[msg->sender],
                              .priority = msg->priority,
                              .subject = span(model_subjects[msg->subject]),
                              .fields = {w->m.noise + msg->fields_at, msg->fields_bytes},
                              .body = {w->m.noise + msg->body_at, msg->body_bytes},
                              .unrouted_ok = unrouted_ok,
                      },
                      w->m.now_us, &id, &w->f.why);
        if (may_refuse(w, msg, -EMSGSIZE) || may_refuse(w, msg, -ENOBUFS))
                assert_true(may_refuse(w, msg, r));
        else
                assert_int_equal(r, routed || unrouted_ok ? 0 : -EHOSTUNREACH);
        if (r == 0 && routed) {
                msg->id = id;
                model_send(&w->m, msg);
                assert_int_equal(core_pending(w->f.core), CORE_PENDING_URGENT);
                w->n_sent++;
                return;
        }
        assert_int_equal(id, r == 0 ? 0 : 12345);
        free(msg);
}

static struct model_consumer *any_consumer(struct world *w) {
        struct model_consumer *c = &w->m.consumers[any(w, N_CONSUMERS)];

        return c->queue ? c : NULL;
}

static void step_consume(struct world *w) {
        struct model_consumer *c = &w->m.consumers[any(w, N_CONSUMERS)];
        unsigned name = any(w, N_NAMES);
        struct model_queue *q = model_find(&w->m, name);
        int r;

        if (c->queue)
                return;
        *c = (struct model_consumer){.model = &w->m};
        r = core_consume(w->f.core, span(model_subjects[name]), c, &c->handle, &w->f.why);
        assert_int_equal(r, q ? 0 : -ENOENT);
        c->queue = q;
        if (q)
                q->consumers++;
}

static void step_credit(struct world *w) {
        struct model_consumer *c = any_consumer(w);
        uint32_t messages = any(w, 20);
        uint64_t bytes = one_in(w, 10) ? UINT64_MAX : any(w, 20000);

        if (!c)
                return;
        core_credit(c->handle, messages, bytes);
        c->credit_messages += messages;
        if (bytes > (uint64_t) INT64_MAX || c->credit_bytes > INT64_MAX - (int64_t) bytes)
                c->credit_bytes = INT64_MAX;
        else
                c->credit_bytes += (int64_t) bytes;
        consumer_update(c);
}

static void step_block(struct world *w) {
        struct model_consumer *c = any_consumer(w);

        if (!c)
                return;
        c->blocked = one_in(w, 3);
        core_block(c->handle, c->blocked);
        consumer_update(c);
}

/* An id that the consumer has leased, or some other one. */
static uint64_t any_leased(struct world *w, const struct model_consumer *by) {
        unsigned p = any(w, PRIORITIES);

        for (unsigned i = 0; i < PRIORITIES; i++, p = (p + 1) % PRIORITIES) {
                size_t n = by->queue->levels[p].n, at = n > 0 ? any(w, (uint32_t) n) : 0;

                for (size_t k = 0; k < n; k++, at = (at + 1) % n) {
                        const struct copy *c = by->queue->levels[p].items[at];

                        if (c->at[0].standing == LEASED && (c->consumer == by || one_in(w, 50)))
                                return c->message->id;
                }
        }
        return w->m.last_id - any(w, 10) + 5;
}

static void step_settle(struct world *w) {
        struct model_consumer *c = any_consumer(w);
        uint32_t count = one_in(w, 20) ? UINT32_MAX - any(w, 2) : 1 + any(w, one_in(w, 3) ? 40 : 3);
        enum core_settle how = one_in(w, 5) ? CORE_NACK : CORE_ACK;
        uint64_t first;
        int64_t n;

        if (!c)
                return;
        first = any_leased(w, c);
        if (one_in(w, 4) && first > 10)
                first -= any(w, 10);
        n = core_settle(c->handle, first, count, how);
        assert_int_equal(n, model_settle(&w->m, c, first, count, how));
        w->n_settled += (uint64_t) n;
}

static void step_cancel(struct world *w) {
        struct model_consumer *c = any_consumer(w);

        if (!c)
                return;
        assert_null(core_cancel(c->handle));
        model_cancel(&w->m, c);
}

static void step_declare(struct world *w) {
        unsigned name = any(w, N_NAMES), n_queues = 0;
        struct model_queue *q = model_find(&w->m, name);
        bool exclusive = one_in(w, 3);
        int r;

        for (size_t i = 0; i < w->m.n_queues; i++)
                n_queues += w->m.queues[i]->at[0].exists;
        r = core_declare(w->f.core, span(model_subjects[name]), WIRE_KIND_QUEUE, exclusive, (struct wire_span){0},
                         w->m.now_us, &w->f.why);
        if (q)
                assert_int_equal(r, exclusive ? -EEXIST : 0);
        else if (n_queues == w->f.options.queues_max)
                assert_int_equal(r, -EDQUOT);
        else {
                assert_int_equal(r, 0);
                model_declare(&w->m, name);
        }
}

static void step_set(struct world *w) {
        static const char *const keys[] = {"MaxMessages", "MaxBytes", "MaxMessageSize", "Description"};
        unsigned name = any(w, N_NAMES), key = any(w, 4);
        struct model_queue *q = model_find(&w->m, name);
        uint64_t number = !one_in(w, 4) ? 0 : key == 0 ? any(w, w->alive_max) : 1000 + any(w, 20000);
        struct definition *d;
        char value[32];

        (void) snprintf(value, sizeof(value), "%" PRIu64, number);
        if (key == 3 && number == 0)
                value[0] = '\0';
        assert_int_equal(try_set(&w->f, model_subjects[name], keys[key], value), q ? 0 : -ENOENT);
        if (!q)
                return;
        d = definition_change(&w->m, q);
        if (key == 3)
                strcpy(d->description, value);
        else
                *(key == 0 ? &d->max_messages : key == 1 ? &d->max_bytes : &d->max_message_bytes) = number;
}

static void step_delete(struct world *w) {
        unsigned name = any(w, N_NAMES);
        struct model_queue *q = model_find(&w->m, name);
        bool purge = one_in(w, 3), full = q && q->ready + q->leased > 0;
        int r = core_delete(w->f.core, span(model_subjects[name]), purge, &w->f.why);

        assert_int_equal(r, !q ? -ENOENT : full && !purge ? -ENOTEMPTY : 0);
        if (r == -ENOTEMPTY)
                assert_int_equal(w->f.why.use, q->ready + q->leased);
        if (r == 0)
                model_delete(&w->m, q);
}

static void step_bind(struct world *w, bool on) {
        unsigned name = any(w, N_NAMES), pattern = any(w, N_PATTERNS), at = 0;
        struct model_queue *q = model_find(&w->m, name);
        struct wire_span n = span(model_subjects[name]), p = span(model_patterns[pattern]);
        struct definition *d;
        bool bound;
        int r;

        r = on ? core_bind(w->f.core, n, p, &w->f.why) : core_unbind(w->f.core, n, p, &w->f.why);
        if (!q) {
                assert_int_equal(r, -ENOENT);
                return;
        }
        d = definition_change(&w->m, q);
        while (at < d->n_bindings && d->bindings[at] != pattern)
                at++;
        bound = at < d->n_bindings;
        assert_int_equal(r, on || bound ? 0 : -ENOENT);
        if (on && !bound)
                d->bindings[d->n_bindings++] = (uint8_t) pattern;
        if (!on && bound) {
                memmove(d->bindings + at, d->bindings + at + 1, d->n_bindings - at - 1u);
                d->n_bindings--;
        }
}

static void step_look(struct world *w) {
        static const char *const patterns[] = {"", ">", "a.*", "*", "jobs.>", "nothing"};
        unsigned name = any(w, N_NAMES);
        struct model_queue *q = model_find(&w->m, name);
        uint64_t from = one_in(w, 2) || w->m.n_messages == 0
                                ? 0
                                : w->m.messages[any(w, (uint32_t) w->m.n_messages)]->id + any(w, 2);

        check_queue(w, name);
        check_list(w, patterns[any(w, 6)]);
        if (q)
                (void) check_browse(w, q, from, 1 + any(w, 30), any(w, 20000));
        check_counters(w);
}

static void step_pump(struct world *w) {
        core_pump(w->f.core);
        for (size_t i = 0; i < w->m.n_queues; i++)
                assert_false(w->m.queues[i]->ready > 0 && queue_hungry(&w->m, w->m.queues[i]));
}

/* ---- commits and crashes ---- */

static void commit_begin(struct world *w, bool rotate) {
        bool something = fixture_begin(&w->f, rotate);
        struct committed *last = w->f.n_log > 0 ? &w->f.log[w->f.n_log - 1] : NULL;

        assert_int_equal(core_pending(w->f.core), CORE_PENDING_NOTHING);
        if (something)
                world_note_homes(w, last->first, last->n);
        else
                w->m.durable = w->m.commit; /* nothing to write: nothing to lose */
        w->m.commit++;
        w->n_commits++;
        w->postponed = false;
}

static void commit_end(struct world *w) {
        fixture_end(&w->f);
        w->m.durable = w->m.commit - 1;
        model_prune(&w->m);
}

static void step_commit(struct world *w) {
        uint64_t bytes;

        if (w->f.running) {
                commit_end(w);
                return;
        }
        w->f.merge_segment = one_in(w, 2) ? core_emptiest_segment(w->f.core, (uint32_t) w->f.n_segments, &bytes) : 0;
        w->postponed = one_in(w, 20);
        if (w->postponed)
                fixture_postpone(&w->f);
        else
                commit_begin(w, one_in(w, 8));
}

static void open_core(struct world *w) {
        fixture_open_with(&w->f, &calls);
        for (unsigned i = 0; i < N_SENDERS; i++)
                w->senders[i] = fixture_sender(&w->f, 1000 + i);
}

static void close_core(struct world *w) {
        struct core_counters counters;

        core_counters(w->f.core, &counters);
        w->n_loads += counters.loads;
        w->n_merges += counters.merges;
        for (unsigned i = 0; i < N_SENDERS; i++)
                w->senders[i] = sender_unref(w->senders[i]);
        fixture_close(&w->f);
}

/* The figures that a crash may set back. */
static void adopt_figures(struct world *w) {
        for (size_t i = 0; i < w->m.n_queues; i++) {
                struct model_queue *q = w->m.queues[i];
                struct core_queue_info got;

                if (!q->at[0].exists)
                        continue;
                got = info(&w->f, model_subjects[q->name]);
                q->sent = got.sent;
                q->delivered = got.delivered;
                q->acked = got.acked;
                q->redelivered = got.redelivered;
        }
}

static void step_crash(struct world *w) {
        bool lost = w->f.running && one_in(w, 2);

        if (lost)
                fixture_lose(&w->f);
        else if (w->f.running)
                w->m.durable = w->m.commit - 1;
        close_core(w);
        w->postponed = false;
        model_crash(&w->m);
        w->f.options.cache_bytes_max = one_in(w, 3) ? 1u << 20 : one_in(w, 2) ? 8192 : 1;
        open_core(w);
        fixture_replay(&w->f, any(w, 3));
        for (size_t i = 0; i < w->m.n_messages; i++)
                w->m.messages[i]->home = SIZE_MAX;
        for (size_t i = 0; i < w->f.n_log; i++)
                world_note_homes(w, w->f.log[i].first, w->f.log[i].n);
        adopt_figures(w);
        check_all(w);
        w->n_crashes++;
        /* It may happen again before anything is on disk. */
        if (one_in(w, 4)) {
                step_crash(w);
                return;
        }
        commit_begin(w, true);
        commit_end(w);
}

/* ---- the test ---- */

static void step(struct world *w) {
        unsigned what = any(w, 1000);

        w->m.now_us += any(w, 100);
        if (what < 330) {
                if (w->m.n_alive < w->alive_max)
                        step_send(w);
        } else if (what < 540)
                step_settle(w);
        else if (what < 640)
                step_credit(w);
        else if (what < 680)
                step_consume(w);
        else if (what < 695)
                step_cancel(w);
        else if (what < 720)
                step_block(w);
        else if (what < 740)
                step_look(w);
        else if (what < 760)
                step_declare(w);
        else if (what < 775)
                step_set(w);
        else if (what < 778)
                step_delete(w);
        else if (what < 800)
                step_bind(w, one_in(w, 2));
        else if (what < 800 + w->commit_each)
                step_commit(w);
        else if (what < 801 + w->commit_each)
                step_crash(w);
        if (!one_in(w, 5))
                step_pump(w);
        if (++w->n_steps % 500 == 0)
                check_all(w);
}

static void run(uint64_t seed, unsigned alive_max, unsigned commit_each, unsigned merge_blocks_min) {
        struct world *w = calloc(1, sizeof(*w));

        assert_non_null(w);
        w->random = seed;
        w->alive_max = alive_max;
        w->commit_each = commit_each;
        w->f.options = (struct core_options){.message_bytes_max = BODY_BYTES_MAX,
                                             .cache_bytes_max = 8192,
                                             .queues_max = 5,
                                             .merge_blocks_min = merge_blocks_min};
        TAILQ_INIT(&w->f.writing);
        w->m.commit = 1;
        w->m.now_us = 1000000;
        w->m.noise = malloc(NOISE_BYTES);
        assert_non_null(w->m.noise);
        for (size_t i = 0; i < NOISE_BYTES; i++)
                w->m.noise[i] = (uint8_t) any(w, 256);
        open_core(w);
        assert_int_equal(core_replay_end(w->f.core), 0);
        for (unsigned i = 0; i < STEPS; i++)
                step(w);
        check_all(w);
        close_core(w);
        print_message("%" PRIu64 " sent, %" PRIu64 " settled, %" PRIu64 " commits, %u crashes, %" PRIu64
                      " loads, %" PRIu64 " merges\n",
                      w->n_sent, w->n_settled, w->n_commits, w->n_crashes, w->n_loads, w->n_merges);
        assert_true(w->n_crashes > 0 && w->n_sent > 0 && w->n_settled > 0);
        if (seed == FIXED_SEED)
                assert_true(w->n_loads > 0 && w->n_merges > 0);
        fixture_forget(&w->f);
        model_done(&w->m);
        free(w);
}

static void test_fixed_seed(void **state UNUSED) {
        run(FIXED_SEED, 1500, 150, 4);
}

static void test_random_seed(void **state UNUSED) {
        const char *given = getenv("SEED");
        uint64_t seed = 0;

        if (given)
                seed = strtoull(given, NULL, 0);
        else
                assert_int_equal(getrandom(&seed, sizeof(seed), 0), sizeof(seed));
        seed |= 1;
        print_message("SEED=%" PRIu64 "\n", seed);
        run(seed, 50 + seed % 1500, 20 + seed % 180, 1 + seed % 32);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_fixed_seed),
                cmocka_unit_test(test_random_seed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
