/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Consumers on the wire: credit, deliveries, settling, and what becomes of leases when a channel or a client ends. */

#include "tests/session/fixture.h"

/* Sends texts to `jobs`, and has them confirmed. */
#define SEND_JOBS(f, p, ...) send_jobs((f), (p), (const char *const[]){__VA_ARGS__, NULL})

static void send_jobs(struct fixture *f, struct peer *p, const char *const *texts) {
        uint32_t first = p->send_serial + 1, n = 0;

        for (; texts[n]; n++)
                send_text(f, p, "jobs", texts[n]);
        commit(f);
        (void) expect_confirm(f, p, first, n);
}

/* A message that is handed out for the n-th time says so. */
static void assert_deliveries(struct wire_deliver m, unsigned n) {
        struct wire_field field = {0};
        struct wire_fault fault;
        size_t offset = 0;

        assert_int_equal(m.flags & WIRE_DELIVER_REDELIVERED, n > 1 ? WIRE_DELIVER_REDELIVERED : 0);
        if (n == 1)
                return;
        assert_int_equal(wire_field_next(m.fields, &offset, &field, &fault), 1);
        assert_int_equal(field.tag, WIRE_FIELD_DELIVERIES);
        assert_int_equal(field.number, n);
}

/* ---- delivering ---- */

static void test_delivered_before_the_disk(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f), *q = open_peer(f);
        struct wire_deliver m;

        declare(f, p, "jobs");
        consume(f, q, 7, "jobs", 1);
        send_text(f, p, "jobs", "quick");
        m = expect_deliver(f, q, 7, "quick");
        assert_int_equal(m.time_us, NOW_US);
        assert_int_equal(m.priority, 0);
        assert_int_equal(m.subject.size, 0);
        assert_deliveries(m, 1);
        expect_nothing(f, p);
        commit(f);
        assert_int_equal(expect_confirm(f, p, 1, 1), m.id);
}

static void test_subject_of_a_binding(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        struct wire_deliver m;

        declare(f, p, "audit");
        bind_pattern(f, p, WIRE_BIND, "audit", "jobs.>");
        commit(f);
        expect_ok(f, p);
        consume(f, p, 1, "audit", 10);
        send_text(f, p, "jobs.mail", "x");
        m = expect_deliver(f, p, 1, "x");
        assert_int_equal(m.subject.size, strlen("jobs.mail"));
        assert_memory_equal(m.subject.data, "jobs.mail", m.subject.size);
        send_text(f, p, "audit", "y");
        assert_int_equal(expect_deliver(f, p, 1, "y").subject.size, 0);
}

static void test_sender_is_told_first(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f), *q = open_peer(f);
        struct wire_general who;
        uint32_t number;

        declare(f, p, "jobs");
        consume(f, q, 1, "jobs", 10);
        send_text(f, p, "jobs", "1");
        send_text(f, p, "jobs", "2");
        who = expect_general(f, q, WIRE_SENDER, 0);
        number = (uint32_t) number_of(who, WIRE_FIELD_SENDER);
        assert_int_not_equal(number, 0);
        assert_int_equal(number_of(who, WIRE_FIELD_UID), geteuid());
        assert_int_equal(number_of(who, WIRE_FIELD_GID), getegid());
        assert_int_equal(number_of(who, WIRE_FIELD_PID), getpid());
        assert_int_equal(next_frame(f, q), WIRE_DELIVER);
        assert_int_equal(wire_get32(q->frame + 24), number);
        /* Once is enough. */
        assert_int_equal(next_frame(f, q), WIRE_DELIVER);
        assert_int_equal(wire_get32(q->frame + 24), number);
}

/* Each sender has a number of its own. Two users are needed, which only root can be. */
static void test_two_senders(void **state) {
        const uid_t nobody = 65534;
        struct fixture *f = *state;
        struct peer *p = open_peer(f), *stranger;
        uint32_t first;

        if (getuid() != 0)
                skip();
        f->host.uid = nobody;
        assert_int_equal(seteuid(nobody), 0);
        stranger = connect_peer(f);
        assert_int_equal(seteuid(0), 0);
        hello(f, stranger);
        (void) expect_general(f, stranger, WIRE_WELCOME, stranger->serial);
        declare(f, p, "jobs");
        consume(f, p, 1, "jobs", 10);
        send_text(f, p, "jobs", "mine");
        assert_int_equal(number_of(expect_general(f, p, WIRE_SENDER, 0), WIRE_FIELD_UID), 0);
        first = expect_deliver(f, p, 1, "mine").sender;
        send_text(f, stranger, "jobs", "theirs");
        assert_int_equal(number_of(expect_general(f, p, WIRE_SENDER, 0), WIRE_FIELD_UID), nobody);
        assert_int_not_equal(expect_deliver(f, p, 1, "theirs").sender, first);
}

/* ---- credit ---- */

static void test_no_credit_no_message(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);

        declare(f, p, "jobs");
        request_name(f, p, WIRE_CONSUME, 0, 1, "jobs");
        expect_ok(f, p);
        SEND_JOBS(f, p, "1", "2", "3");
        credit(f, p, 1, 5, 0);
        expect_nothing(f, p); /* no bytes */
        credit(f, p, 1, 0, 2);
        (void) expect_deliver(f, p, 1, "1");
        (void) expect_deliver(f, p, 1, "2");
        expect_nothing(f, p);
        credit(f, p, 1, 0, 1);
        (void) expect_deliver(f, p, 1, "3");
}

static void test_credit_in_messages(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);

        declare(f, p, "jobs");
        SEND_JOBS(f, p, "1", "2", "3", "4");
        consume(f, p, 1, "jobs", 2);
        (void) expect_deliver(f, p, 1, "1");
        settle(f, p, WIRE_ACK, 0, 1, expect_deliver(f, p, 1, "2").id, 1);
        expect_nothing(f, p); /* settling gives none back */
        credit(f, p, 1, 1, 0);
        (void) expect_deliver(f, p, 1, "3");
        expect_nothing(f, p);
}

/* The bytes may go below zero by one message, and have to be made up for. */
static void test_credit_in_bytes(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);

        declare(f, p, "jobs");
        SEND_JOBS(f, p, "0123456789", "b", "c");
        request_name(f, p, WIRE_CONSUME, 0, 1, "jobs");
        expect_ok(f, p);
        credit(f, p, 1, 10, 1);
        (void) expect_deliver(f, p, 1, "0123456789");
        credit(f, p, 1, 0, 9);
        expect_nothing(f, p);
        credit(f, p, 1, 0, 1);
        (void) expect_deliver(f, p, 1, "b");
        expect_nothing(f, p);
}

static void test_credit_has_a_ceiling(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);

        declare(f, p, "jobs");
        SEND_JOBS(f, p, "1");
        consume(f, p, 1, "jobs", UINT32_MAX);
        for (int i = 0; i < 3; i++)
                credit(f, p, 1, UINT32_MAX, UINT32_MAX);
        (void) expect_deliver(f, p, 1, "1");
}

static void test_credit_for_nothing(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);

        credit(f, p, 9, 1, 1);
        expect_nothing(f, p);
}

/* ---- settling ---- */

static void test_ack_answered_when_on_disk(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        uint64_t id;

        declare(f, p, "jobs");
        SEND_JOBS(f, p, "1");
        consume(f, p, 1, "jobs", 10);
        id = expect_deliver(f, p, 1, "1").id;
        settle(f, p, WIRE_ACK, WIRE_SETTLE_ANSWER, 1, id, 1);
        expect_nothing(f, p);
        assert_int_equal(core_pending(f->core), CORE_PENDING_URGENT);
        commit(f);
        expect_ok(f, p);
        request_name(f, p, WIRE_DELETE, 0, 0, "jobs"); /* empty */
        commit(f);
        (void) expect_general(f, p, WIRE_CANCELLED, 0);
        expect_ok(f, p);
}

static void test_ack_without_answer(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);

        declare(f, p, "jobs");
        SEND_JOBS(f, p, "1");
        consume(f, p, 1, "jobs", 10);
        settle(f, p, WIRE_ACK, 0, 1, expect_deliver(f, p, 1, "1").id, 1);
        turn(f);
        /* Nobody waits for the disk. */
        assert_int_equal(core_pending(f->core), CORE_PENDING_LAZY);
        commit(f);
        expect_nothing(f, p);
}

static void test_nack_comes_again_in_its_place(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        uint64_t id;

        declare(f, p, "jobs");
        SEND_JOBS(f, p, "1", "2", "3");
        consume(f, p, 1, "jobs", 2);
        id = expect_deliver(f, p, 1, "1").id;
        (void) expect_deliver(f, p, 1, "2");
        settle(f, p, WIRE_NACK, WIRE_SETTLE_ANSWER, 1, id, 1);
        commit(f);
        expect_ok(f, p);
        credit(f, p, 1, 1, 0);
        assert_deliveries(expect_deliver(f, p, 1, "1"), 2);
        settle(f, p, WIRE_NACK, 0, 1, id, 1);
        credit(f, p, 1, 2, 0);
        assert_deliveries(expect_deliver(f, p, 1, "1"), 3);
        assert_deliveries(expect_deliver(f, p, 1, "3"), 1);
}

static void test_not_leased(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        uint64_t id;

        declare(f, p, "jobs");
        SEND_JOBS(f, p, "1", "2");
        consume(f, p, 1, "jobs", 1);
        id = expect_deliver(f, p, 1, "1").id;
        /* What is leased is settled all the same; in place of OK comes the error. */
        settle(f, p, WIRE_ACK, WIRE_SETTLE_ANSWER, 1, id, 2);
        assert_int_equal(number_of(expect_refused(f, p, WIRE_CODE_NOT_LEASED), WIRE_FIELD_USE), 1);
        commit(f);
        expect_nothing(f, p);
        settle(f, p, WIRE_ACK, 0, 1, id, 1);
        assert_int_equal(number_of(expect_refused(f, p, WIRE_CODE_NOT_LEASED), WIRE_FIELD_USE), 1);
        settle(f, p, WIRE_NACK, 0, 9, id, 1); /* no such channel */
        (void) expect_refused(f, p, WIRE_CODE_NOT_LEASED);
        /* A count costs nobody time. */
        settle(f, p, WIRE_NACK, 0, 1, 1, UINT32_MAX);
        assert_int_equal(number_of(expect_refused(f, p, WIRE_CODE_NOT_LEASED), WIRE_FIELD_USE), UINT32_MAX);
        credit(f, p, 1, 5, 0);
        (void) expect_deliver(f, p, 1, "2");
        expect_nothing(f, p);
}

static void test_settle_without_runs(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        uint8_t frame[64];

        declare(f, p, "jobs");
        consume(f, p, 1, "jobs", 1);
        say(f, p, frame, wire_put_settle_header(frame, WIRE_ACK, WIRE_SETTLE_ANSWER, 1, ++p->serial, 0, 0));
        commit(f);
        expect_ok(f, p);
        say(f, p, frame, wire_put_settle_header(frame, WIRE_ACK, 0, 1, ++p->serial, 0, 0));
        commit(f);
        expect_nothing(f, p);
}

static void test_ill_formed_settle(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);

        settle(f, p, WIRE_ACK, 0, 1, 5, 0);
        expect_failed(f, p, WIRE_CODE_MALFORMED);
        p = open_peer(f);
        settle(f, p, WIRE_ACK, 0, 1, 0, 1);
        expect_failed(f, p, WIRE_CODE_MALFORMED);
        p = open_peer(f);
        settle(f, p, WIRE_ACK, 0, 1, UINT64_MAX, 2);
        expect_failed(f, p, WIRE_CODE_MALFORMED);
}

/* Another client's lease is out of reach. */
static void test_leases_of_others(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f), *q = open_peer(f);
        uint64_t id;

        declare(f, p, "jobs");
        SEND_JOBS(f, p, "1");
        consume(f, p, 1, "jobs", 1);
        id = expect_deliver(f, p, 1, "1").id;
        consume(f, q, 1, "jobs", 1);
        settle(f, q, WIRE_ACK, 0, 1, id, 1);
        (void) expect_refused(f, q, WIRE_CODE_NOT_LEASED);
        settle(f, p, WIRE_ACK, WIRE_SETTLE_ANSWER, 1, id, 1);
        commit(f);
        expect_ok(f, p);
}

/* ---- channels ---- */

static void test_channel_in_use(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f), *q = open_peer(f);

        declare(f, p, "jobs");
        consume(f, p, 1, "jobs", 0);
        request_name(f, p, WIRE_CONSUME, 0, 1, "jobs");
        (void) expect_refused(f, p, WIRE_CODE_CHANNEL_BUSY);
        consume(f, p, 65535, "jobs", 0);
        consume(f, q, 1, "jobs", 0); /* numbers are a connection's own */
}

static void test_consume_what_is_not_there(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);

        request_name(f, p, WIRE_CONSUME, 0, 1, "nobody");
        (void) expect_refused(f, p, WIRE_CODE_NOT_FOUND);
        declare(f, p, "nobody");
        consume(f, p, 1, "nobody", 0); /* the channel is still free */
}

static void test_cancel_gives_back(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        uint64_t id;

        declare(f, p, "jobs");
        SEND_JOBS(f, p, "1", "2");
        consume(f, p, 1, "jobs", 2);
        id = expect_deliver(f, p, 1, "1").id;
        (void) expect_deliver(f, p, 1, "2");
        request(f, p, WIRE_CANCEL, 0, 1, NULL, 0);
        expect_ok(f, p);
        settle(f, p, WIRE_ACK, 0, 1, id, 1);
        (void) expect_refused(f, p, WIRE_CODE_NOT_LEASED);
        request(f, p, WIRE_CANCEL, 0, 1, NULL, 0);
        (void) expect_refused(f, p, WIRE_CODE_NOT_FOUND);
        consume(f, p, 1, "jobs", 2);
        assert_deliveries(expect_deliver(f, p, 1, "1"), 2);
        assert_deliveries(expect_deliver(f, p, 1, "2"), 2);
}

static void test_queue_is_deleted(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f), *q = open_peer(f);
        struct wire_general cancelled;

        declare(f, p, "jobs");
        SEND_JOBS(f, p, "1");
        consume(f, q, 3, "jobs", 5);
        (void) expect_deliver(f, q, 3, "1");
        request_name(f, p, WIRE_DELETE, WIRE_DELETE_PURGE, 0, "jobs");
        commit(f);
        expect_ok(f, p);
        cancelled = expect_general(f, q, WIRE_CANCELLED, 0);
        assert_int_equal(q->header.channel, 3);
        assert_int_equal(number_of(cancelled, WIRE_FIELD_CODE), WIRE_CODE_NOT_FOUND);
        declare(f, p, "jobs");
        consume(f, q, 3, "jobs", 5); /* the channel is free */
}

/* ---- ends ---- */

static void test_leases_of_who_is_gone(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f), *q = open_peer(f);

        declare(f, q, "jobs");
        consume(f, p, 1, "jobs", 2);
        SEND_JOBS(f, q, "1", "2", "3");
        (void) expect_deliver(f, p, 1, "1");
        (void) expect_deliver(f, p, 1, "2");
        vanish(f, p);
        consume(f, q, 1, "jobs", 10);
        assert_deliveries(expect_deliver(f, q, 1, "1"), 2);
        assert_deliveries(expect_deliver(f, q, 1, "2"), 2);
        assert_deliveries(expect_deliver(f, q, 1, "3"), 1);
}

static void test_leases_of_who_offends(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f), *q = open_peer(f);

        declare(f, q, "jobs");
        consume(f, p, 1, "jobs", 10);
        consume(f, q, 1, "jobs", 10);
        SEND_JOBS(f, q, "1");
        (void) expect_deliver(f, p, 1, "1");
        request(f, p, 0x7f, 0, 0, NULL, 0);
        expect_failed(f, p, WIRE_CODE_UNKNOWN_OPCODE);
        assert_deliveries(expect_deliver(f, q, 1, "1"), 2);
}

/* Behind the ERROR that ends a connection comes nothing: not what it had asked for just before, not its confirms. */
static void test_nothing_behind_the_last_error(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f), *q = open_peer(f);

        declare(f, p, "jobs");
        consume(f, p, 1, "jobs", 10);
        send_text(f, p, "jobs", "1");
        request(f, p, 0x7f, 0, 0, NULL, 0);
        expect_failed(f, p, WIRE_CODE_UNKNOWN_OPCODE);
        commit(f);
        consume(f, q, 1, "jobs", 1);
        (void) expect_deliver(f, q, 1, "1");
}

/* The same for a client that is slow to read the last it is told. */
static void test_nothing_behind_an_error_that_waits(void **state) {
        static const uint8_t body[100000];
        struct fixture *f = *state;
        struct peer *p = open_peer(f), *q = open_peer(f);

        declare(f, p, "jobs");
        consume(f, p, 1, "jobs", 10);
        for (int i = 0; i < 8; i++)
                send_frame(f, q, (struct wire_send){.subject = span("jobs"), .body = {body, sizeof(body)}});
        turn(f);
        send_text(f, p, "jobs", "mine");
        turn(f);
        request(f, p, 0x7f, 0, 0, NULL, 0);
        turn(f);
        assert_non_null(p->session); /* its socket is full */
        commit(f);
        send_text(f, q, "jobs", "another");
        turn(f);
        for (int i = 0; i < 8; i++)
                expect(f, p, WIRE_DELIVER);
        (void) expect_deliver(f, p, 1, "mine");
        expect_failed(f, p, WIRE_CODE_UNKNOWN_OPCODE);
}

/* ---- back pressure ---- */

static void test_consumer_that_does_not_read(void **state) {
        enum { N = 40, BODY_BYTES = 100000 };
        static uint8_t body[BODY_BYTES];
        struct fixture *f = *state;
        struct peer *p = open_peer(f), *q = open_peer(f);
        struct core_counters counters;

        declare(f, q, "jobs");
        f->host.window_bytes = UINT64_C(1) << 30;
        for (int i = 0; i < N; i++) {
                body[0] = (uint8_t) i;
                send_frame(f, q, (struct wire_send){.subject = span("jobs"), .body = {body, BODY_BYTES}});
        }
        consume(f, p, 1, "jobs", N);
        turn(f);
        /* It gets no more than some, is not read from, and is asked when it can be written to; … */
        core_counters(f->core, &counters);
        assert_in_range(counters.leased, OUTPUT_HIGH_BYTES / BODY_BYTES, 3 * OUTPUT_HIGH_BYTES / BODY_BYTES);
        assert_true(session_events(p->session) & EPOLLOUT);
        assert_true(p->session->output.bytes <= OUTPUT_HIGH_BYTES + 2 * BODY_BYTES);
        /* … others are served; … */
        request(f, q, WIRE_PING, 0, 0, NULL, 0);
        (void) expect_general(f, q, WIRE_PONG, q->serial);
        /* … and when it reads, all comes, in order. */
        for (int i = 0; i < N; i++) {
                expect(f, p, WIRE_DELIVER);
                assert_int_equal(p->frame[p->header.size - BODY_BYTES], i);
        }
        expect_nothing(f, p);
        assert_int_equal(p->session->output.bytes, 0);
}

/* One that asks and asks, and does not read the answers, costs the daemon no more memory than one answer too many. */
static void test_asker_that_does_not_read(void **state) {
        enum { BROWSES = 300, MESSAGES = 4, BODY_BYTES = 100000 };
        static const uint8_t body[BODY_BYTES];
        struct fixture *f = *state;
        struct peer *p = open_peer(f), *q = open_peer(f);
        uint8_t fields[32], frames[BROWSES * 64];
        size_t n_fields = wire_put_string(fields, WIRE_FIELD_NAME, "jobs"), n = 0;
        uint32_t first = p->serial + 1;

        declare(f, q, "jobs");
        for (int i = 0; i < MESSAGES; i++)
                send_frame(f, q, (struct wire_send){.subject = span("jobs"), .body = {body, BODY_BYTES}});
        turn(f);
        for (int i = 0; i < BROWSES; i++) {
                n += wire_put_general(frames + n, WIRE_BROWSE, 0, 1, ++p->serial, n_fields);
                memcpy(frames + n, fields, n_fields);
                n += n_fields;
        }
        say(f, p, frames, n); /* all in one read */
        request(f, p, WIRE_PING, 0, 0, NULL, 0);
        turn(f);
        assert_true(p->session->output.bytes <= OUTPUT_HIGH_BYTES + (MESSAGES + 1) * BODY_BYTES);
        assert_int_equal(session_events(p->session), EPOLLOUT);
        request(f, q, WIRE_PING, 0, 0, NULL, 0);
        (void) expect_general(f, q, WIRE_PONG, q->serial);
        for (uint32_t i = 0; i < BROWSES; i++) {
                for (int j = 0; j < MESSAGES; j++)
                        expect(f, p, WIRE_BROWSED);
                assert_int_equal(number_of(expect_general(f, p, WIRE_END, first + i), WIRE_FIELD_COUNT), MESSAGES);
        }
        (void) expect_general(f, p, WIRE_PONG, p->serial);
        assert_true(session_events(p->session) & EPOLLIN);
}

/* The same, and it goes away in the middle of it. */
static void test_asker_vanishes(void **state) {
        static const uint8_t body[1000000];
        struct fixture *f = *state;
        struct peer *p = open_peer(f), *q = open_peer(f);

        declare(f, q, "jobs");
        send_frame(f, q, (struct wire_send){.subject = span("jobs"), .body = {body, sizeof(body)}});
        turn(f);
        for (int i = 0; i < 5; i++)
                request_name(f, p, WIRE_BROWSE, 0, 1, "jobs");
        turn(f);
        assert_true(p->session->paused);
        vanish(f, p);
        request(f, q, WIRE_PING, 0, 0, NULL, 0);
        (void) expect_general(f, q, WIRE_PONG, q->serial);
}

static void test_settle_far_too_much(void **state) {
        enum { LEASES = 100, RUNS = 2000 };
        static uint8_t frame[16 + RUNS * WIRE_SETTLE_RUN_BYTES];
        struct peer *p = open_peer(*state), *q = open_peer(*state);
        struct fixture *f = *state;
        size_t n = wire_put_settle_header(frame, WIRE_ACK, 0, 1, 99, 0, RUNS);

        declare(f, p, "jobs");
        consume(f, q, 1, "jobs", LEASES);
        for (unsigned i = 0; i < LEASES; i++, (void) expect_deliver(f, q, 1, "x"))
                send_text(f, p, "jobs", "x");
        for (unsigned i = 0; i < RUNS; i++)
                n += wire_put_settle_run(frame + n, &(struct wire_settle_run){UINT64_C(1) << 40, 2 * LEASES});
        say(f, q, frame, n);
        expect_failed(f, q, WIRE_CODE_MALFORMED);
        /* Its leases are back for somebody else. */
        consume(f, p, 1, "jobs", LEASES);
        for (unsigned i = 0; i < LEASES; i++)
                assert_deliveries(expect_deliver(f, p, 1, "x"), 2);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                SESSION_TEST(test_delivered_before_the_disk),
                SESSION_TEST(test_subject_of_a_binding),
                SESSION_TEST(test_sender_is_told_first),
                SESSION_TEST(test_two_senders),
                SESSION_TEST(test_no_credit_no_message),
                SESSION_TEST(test_credit_in_messages),
                SESSION_TEST(test_credit_in_bytes),
                SESSION_TEST(test_credit_has_a_ceiling),
                SESSION_TEST(test_credit_for_nothing),
                SESSION_TEST(test_ack_answered_when_on_disk),
                SESSION_TEST(test_ack_without_answer),
                SESSION_TEST(test_nack_comes_again_in_its_place),
                SESSION_TEST(test_not_leased),
                SESSION_TEST(test_settle_without_runs),
                SESSION_TEST(test_ill_formed_settle),
                SESSION_TEST(test_leases_of_others),
                SESSION_TEST(test_channel_in_use),
                SESSION_TEST(test_consume_what_is_not_there),
                SESSION_TEST(test_cancel_gives_back),
                SESSION_TEST(test_queue_is_deleted),
                SESSION_TEST(test_leases_of_who_is_gone),
                SESSION_TEST(test_leases_of_who_offends),
                SESSION_TEST(test_nothing_behind_the_last_error),
                SESSION_TEST(test_nothing_behind_an_error_that_waits),
                SESSION_TEST(test_consumer_that_does_not_read),
                SESSION_TEST(test_asker_that_does_not_read),
                SESSION_TEST(test_asker_vanishes),
                SESSION_TEST(test_settle_far_too_much),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
