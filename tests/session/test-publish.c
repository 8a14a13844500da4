/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SEND: what is taken, what is refused and with which words, when it is confirmed, and when its sender has to wait. */

#include <sys/mman.h>

#include "tests/session/fixture.h"

#define TAG_UNKNOWN 100u

/* ---- confirms ---- */

static void test_confirmed_when_on_disk(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        uint64_t first;

        declare(f, p, "jobs");
        send_text(f, p, "jobs", "one");
        turn(f);
        assert_int_equal(core_pending(f->core), CORE_PENDING_URGENT);
        commit_begin(f);
        send_text(f, p, "jobs", "two");
        expect_nothing(f, p);
        commit_end(f);
        first = expect_confirm(f, p, 1, 1);
        assert_int_not_equal(first, 0);
        expect_nothing(f, p);
        commit(f);
        assert_true(expect_confirm(f, p, 2, 1) > first);
        expect_nothing(f, p);
}

static void test_confirms_coalesce(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);

        declare(f, p, "jobs");
        p->send_serial = UINT32_MAX - 4; /* serials go round */
        for (int i = 0; i < 100; i++)
                send_text(f, p, "jobs", "x");
        commit(f);
        expect(f, p, WIRE_CONFIRM);
        assert_int_equal(wire_confirm_parse(p->frame, p->header.size, &(struct wire_fault){0}), 1);
        assert_int_equal(wire_confirm_run(p->frame, 0).serial, UINT32_MAX - 3);
        assert_int_equal(wire_confirm_run(p->frame, 0).count, 100);
        expect_nothing(f, p);
}

/* A refusal comes at once, and leaves a gap between the runs. */
static void test_refusal_overtakes(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);

        declare(f, p, "jobs");
        send_text(f, p, "jobs", "one");
        send_text(f, p, "nobody", "two");
        send_text(f, p, "jobs", "three");
        (void) expect_error(f, p, WIRE_ERROR_OF_SEND, 2, WIRE_CODE_NO_ROUTE);
        expect_nothing(f, p);
        commit(f);
        expect(f, p, WIRE_CONFIRM);
        assert_int_equal(wire_confirm_parse(p->frame, p->header.size, &(struct wire_fault){0}), 2);
        assert_int_equal(wire_confirm_run(p->frame, 0).serial, 1);
        assert_int_equal(wire_confirm_run(p->frame, 1).serial, 3);
}

static void test_nobody_listens(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);

        send_text(f, p, "nobody", "lost");
        (void) expect_send_refused(f, p, WIRE_CODE_NO_ROUTE);
        for (int i = 0; i < 3; i++)
                send_frame(f, p, (struct wire_send){.subject = span("nobody"), .flags = WIRE_SEND_UNROUTED_OK});
        commit(f);
        assert_int_equal(expect_confirm(f, p, 2, 3), 0);
}

/* What one client waits for does not go to another. */
static void test_confirms_of_two(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f), *q = open_peer(f);
        uint64_t first;

        declare(f, p, "jobs");
        send_text(f, p, "jobs", "p1");
        send_text(f, q, "jobs", "q1");
        turn(f);
        send_text(f, p, "jobs", "p2");
        commit(f);
        first = expect_confirm(f, q, 1, 1);
        expect(f, p, WIRE_CONFIRM);
        assert_int_equal(wire_confirm_parse(p->frame, p->header.size, &(struct wire_fault){0}), 2);
        assert_int_equal(wire_confirm_run(p->frame, 0).id, first - 1);
        assert_int_equal(wire_confirm_run(p->frame, 1).id, first + 1);
        expect_nothing(f, p);
        expect_nothing(f, q);
}

/* A client that is gone when its commit is done: nobody is answered, the message is there. */
static void test_sender_vanishes_before_its_confirm(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f), *q = open_peer(f);

        declare(f, p, "jobs");
        send_text(f, p, "jobs", "last words");
        turn(f);
        commit_begin(f);
        vanish(f, p);
        commit_end(f);
        consume(f, q, 1, "jobs", 1);
        (void) expect_deliver(f, q, 1, "last words");
}

/* ---- subjects ---- */

static void test_subject_is_repeated(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);

        declare(f, p, "jobs");
        declare(f, p, "mail");
        send_text(f, p, "jobs", "1");
        send_text(f, p, "", "2");
        send_text(f, p, "mail", "3");
        send_text(f, p, "", "4");
        commit(f);
        (void) expect_confirm(f, p, 1, 4);
        consume(f, p, 1, "jobs", 10);
        (void) expect_deliver(f, p, 1, "1");
        (void) expect_deliver(f, p, 1, "2");
        consume(f, p, 2, "mail", 10);
        (void) expect_deliver(f, p, 2, "3");
        (void) expect_deliver(f, p, 2, "4");
}

/* Also a refused one is repeated: what follows must not end up elsewhere. */
static void test_refused_subject_is_repeated(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);

        declare(f, p, "jobs");
        send_text(f, p, "jobs", "1");
        send_text(f, p, "nobody", "2");
        (void) expect_send_refused(f, p, WIRE_CODE_NO_ROUTE);
        send_text(f, p, "", "3");
        (void) expect_send_refused(f, p, WIRE_CODE_NO_ROUTE);
        send_text(f, p, "not..good", "4");
        (void) expect_send_refused(f, p, WIRE_CODE_BAD_NAME);
        send_text(f, p, "", "5");
        (void) expect_send_refused(f, p, WIRE_CODE_BAD_NAME);
        send_text(f, p, "jobs", "6");
        commit(f);
        expect(f, p, WIRE_CONFIRM);
        assert_int_equal(wire_confirm_run(p->frame, 1).serial, 6);
}

static void test_nothing_to_repeat(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);

        send_text(f, p, "", "1");
        (void) expect_send_refused(f, p, WIRE_CODE_BAD_NAME);
}

static void test_ill_formed_subjects(void **state) {
        static const char *const subjects[] = {".", "a.", ".a", "a..b", "a b", "jobs.*", ">", "ä"};
        struct fixture *f = *state;
        struct peer *p = open_peer(f);

        for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
                send_text(f, p, subjects[i], "x");
                (void) expect_send_refused(f, p, WIRE_CODE_BAD_NAME);
        }
}

/* ---- fields ---- */

/* Sends a message with these fields to the queue `jobs`. */
static void send_fields(struct fixture *f, struct peer *p, const uint8_t *fields, size_t size) {
        send_frame(f, p, (struct wire_send){.subject = span("jobs"), .fields = {fields, size}, .body = span("x")});
}

static void test_fields_arrive_as_they_came(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        uint8_t fields[256];
        struct wire_deliver m;
        size_t n = 0;

        n += wire_put_pair(fields + n, WIRE_FIELD_HEADER, "b", 1, "2", 1);
        n += wire_put_string(fields + n, WIRE_FIELD_CONTENT_TYPE, "text/plain");
        n += wire_put_pair(fields + n, WIRE_FIELD_HEADER, "a", 1, "1", 1);
        n += wire_put_string(fields + n, WIRE_FIELD_REPLY_TO, "answers.here");
        n += wire_put_string(fields + n, WIRE_FIELD_CORRELATION, "c");
        n += wire_put_string(fields + n, WIRE_FIELD_THREAD | WIRE_FIELD_MANDATORY, "t");
        n += wire_put_u8(fields + n, WIRE_FIELD_DURABILITY, WIRE_DURABILITY_RELAXED);
        declare(f, p, "jobs");
        send_fields(f, p, fields, n);
        commit(f);
        (void) expect_confirm(f, p, 1, 1);
        consume(f, p, 1, "jobs", 1);
        m = expect_deliver(f, p, 1, "x");
        assert_int_equal(m.fields.size, n);
        assert_memory_equal(m.fields.data, fields, n);
}

/* Nobody vouches for what is not known: it is not kept. */
static void test_unknown_optional_fields_are_left_out(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        uint8_t fields[256], kept[64];
        struct wire_deliver m;
        size_t n = 0, n_kept = 0;

        n += wire_put_bytes(fields + n, TAG_UNKNOWN, "abc", 3);
        n += wire_put_string(fields + n, WIRE_FIELD_THREAD, "t");
        n += wire_put_bytes(fields + n, TAG_UNKNOWN + 1, "", 0);
        n += wire_put_pair(fields + n, WIRE_FIELD_HEADER, "k", 1, "v", 1);
        n += wire_put_bytes(fields + n, TAG_UNKNOWN, "def", 3);
        n_kept += wire_put_string(kept + n_kept, WIRE_FIELD_THREAD, "t");
        n_kept += wire_put_pair(kept + n_kept, WIRE_FIELD_HEADER, "k", 1, "v", 1);
        declare(f, p, "jobs");
        send_fields(f, p, fields, n);
        send_fields(f, p, fields, 6); /* nothing but an unknown one */
        commit(f);
        (void) expect_confirm(f, p, 1, 2);
        consume(f, p, 1, "jobs", 2);
        m = expect_deliver(f, p, 1, "x");
        assert_int_equal(m.fields.size, n_kept);
        assert_memory_equal(m.fields.data, kept, n_kept);
        assert_int_equal(expect_deliver(f, p, 1, "x").fields.size, 0);
}

static void test_unknown_mandatory_field(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        uint8_t fields[16];

        declare(f, p, "jobs");
        declare(f, p, "mail");
        send_text(f, p, "mail", "1");
        send_fields(f, p, fields, wire_put_u8(fields, TAG_UNKNOWN | WIRE_FIELD_MANDATORY, 1));
        (void) expect_send_refused(f, p, WIRE_CODE_UNKNOWN_FIELD);
        /* It is the one before the next. */
        send_text(f, p, "", "3");
        commit(f);
        expect(f, p, WIRE_CONFIRM);
        consume(f, p, 1, "jobs", 10);
        (void) expect_deliver(f, p, 1, "3");
}

/* Fields of the daemon's own, and of other frames. */
static void test_fields_that_a_client_must_not_set(void **state) {
        static const unsigned numbers[] = {WIRE_FIELD_UID, WIRE_FIELD_GID, WIRE_FIELD_PID, WIRE_FIELD_SENDER, WIRE_FIELD_COUNT};
        static const unsigned texts[] = {WIRE_FIELD_UNIT, WIRE_FIELD_LABEL, WIRE_FIELD_NAME, WIRE_FIELD_SUBJECT, WIRE_FIELD_TEXT};
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        uint8_t fields[64];

        declare(f, p, "jobs");
        send_fields(f, p, fields, wire_put_u32(fields, WIRE_FIELD_DELIVERIES, 7));
        (void) expect_send_refused(f, p, WIRE_CODE_BAD_VALUE);
        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
                send_fields(f, p, fields, wire_put_u32(fields, numbers[i], 0));
                (void) expect_send_refused(f, p, WIRE_CODE_BAD_VALUE);
        }
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                send_fields(f, p, fields, wire_put_string(fields, texts[i], "init.scope"));
                (void) expect_send_refused(f, p, WIRE_CODE_BAD_VALUE);
        }
        consume(f, p, 1, "jobs", 1);
        expect_nothing(f, p);
}

/* What this bus does not do is refused rather than ignored. */
static void test_fields_that_ask_for_more(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        uint8_t fields[64];

        declare(f, p, "jobs");
        send_fields(f, p, fields, wire_put_u64(fields, WIRE_FIELD_TTL_US, 1));
        (void) expect_send_refused(f, p, WIRE_CODE_UNSUPPORTED);
        send_fields(f, p, fields, wire_put_u64(fields, WIRE_FIELD_DELAY_US, 1));
        (void) expect_send_refused(f, p, WIRE_CODE_UNSUPPORTED);
        send_fields(f, p, fields, wire_put_bytes(fields, WIRE_FIELD_DEDUP_KEY, "k", 1));
        (void) expect_send_refused(f, p, WIRE_CODE_UNSUPPORTED);
        send_fields(f, p, fields, wire_put_u8(fields, WIRE_FIELD_RECEIPTS, 1));
        (void) expect_send_refused(f, p, WIRE_CODE_UNSUPPORTED);
        send_fields(f, p, fields, wire_put_string(fields, WIRE_FIELD_REPLY_TO, "not a subject"));
        (void) expect_send_refused(f, p, WIRE_CODE_BAD_NAME);
}

static void test_too_many_fields(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        static uint8_t thread[WIRE_FIELDS_BYTES_MAX];
        uint8_t *fields = calloc(1, WIRE_FIELDS_BYTES_MAX);
        size_t n = WIRE_SEND_FIELDS_BYTES_MAX;

        assert_non_null(fields);
        declare(f, p, "jobs");
        /* As many as go, and they arrive with DELIVERIES before them as well. */
        memset(thread, 'x', sizeof(thread));
        wire_put_bytes(fields, WIRE_FIELD_THREAD, thread, n - WIRE_FIELD_HEADER_BYTES);
        send_fields(f, p, fields, n);
        commit(f);
        (void) expect_confirm(f, p, 1, 1);
        consume(f, p, 1, "jobs", 2);
        settle(f, p, WIRE_NACK, 0, 1, expect_deliver(f, p, 1, "x").id, 1);
        assert_true(expect_deliver(f, p, 1, "x").fields.size > n);
        /* One byte more. */
        wire_put_bytes(fields, WIRE_FIELD_THREAD, thread, n + 1 - WIRE_FIELD_HEADER_BYTES);
        send_fields(f, p, fields, n + 1);
        (void) expect_send_refused(f, p, WIRE_CODE_TOO_LARGE);
        free(fields);
}

/* ---- sizes ---- */

static void test_largest_body(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        size_t size = f->host.message_bytes_max;
        uint8_t *body = calloc(1, size + 1);
        struct wire_general error;

        assert_non_null(body);
        declare(f, p, "jobs");
        send_frame(f, p, (struct wire_send){.subject = span("jobs"), .body = {body, size + 1}});
        error = expect_send_refused(f, p, WIRE_CODE_TOO_LARGE);
        assert_string_field(error, WIRE_FIELD_SETTING, "MaxMessageSize");
        assert_int_equal(number_of(error, WIRE_FIELD_LIMIT), size);
        assert_int_equal(number_of(error, WIRE_FIELD_USE), size + 1);
        send_frame(f, p, (struct wire_send){.subject = span("jobs"), .body = {body, size}});
        commit(f);
        (void) expect_confirm(f, p, 2, 1);
        free(body);
}

static void test_full_queue(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        struct wire_general error;
        uint8_t fields[128];
        size_t n = wire_put_string(fields, WIRE_FIELD_NAME, "jobs");

        n += wire_put_pair(fields + n, WIRE_FIELD_PROPERTY, "MaxMessages", 11, "2", 1);
        request(f, p, WIRE_DECLARE, 0, 0, fields, n);
        for (int i = 0; i < 3; i++)
                send_text(f, p, "jobs", "x");
        error = expect_error(f, p, WIRE_ERROR_OF_SEND, 3, WIRE_CODE_FULL);
        assert_string_field(error, WIRE_FIELD_SETTING, "MaxMessages");
        assert_int_equal(number_of(error, WIRE_FIELD_LIMIT), 2);
        assert_int_equal(number_of(error, WIRE_FIELD_USE), 2);
}

/* ---- ill-formed ---- */

static void test_priority_beyond(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);

        send_frame(f, p, (struct wire_send){.subject = span("jobs"), .priority = WIRE_PRIORITY_MAX + 1});
        expect_failed(f, p, WIRE_CODE_MALFORMED);
}

static void test_lengths_beyond(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        uint8_t frame[32];
        size_t n;

        n = wire_put_send(frame, &(struct wire_send){.serial = 1, .subject = span("jobs")});
        wire_set16(frame + 12, 1); /* a byte of fields that is not there */
        say(f, p, frame, n);
        expect_failed(f, p, WIRE_CODE_MALFORMED);
}

/* ---- bodies in descriptors ---- */

static int make_memfd(const char *body, unsigned seals) {
        int fd = memfd_create("body", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, body, strlen(body)), strlen(body));
        assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
        return fd;
}

/* Sends bytes with descriptors bound to the first one, and closes those. */
static void say_with(struct peer *p, const void *data, size_t size, const int *fds, size_t n) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(8 * sizeof(int))];
        } control = {0};
        struct iovec iov = {(void *) data, size};
        struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(n * sizeof(int))};
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);

        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n * sizeof(int));
        memcpy(CMSG_DATA(c), fds, n * sizeof(int));
        assert_int_equal(sendmsg(p->fd, &message, MSG_DONTWAIT), size);
        for (size_t i = 0; i < n; i++)
                close(fds[i]);
}

/* A SEND to `jobs` whose body is in a descriptor (-1: none is sent). */
static void send_memfd(struct peer *p, int fd) {
        uint8_t frame[32];
        size_t n = wire_put_send(frame, &(struct wire_send){.serial = ++p->send_serial, .flags = WIRE_FLAG_DESCRIPTOR, .subject = span("jobs")});

        if (fd >= 0)
                say_with(p, frame, n, &fd, 1);
        else
                assert_int_equal(send(p->fd, frame, n, MSG_DONTWAIT), n);
}

static void test_sealed_memfds(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);

        declare(f, p, "jobs");
        consume(f, p, 1, "jobs", 10);
        send_memfd(p, make_memfd("first", F_SEAL_WRITE | F_SEAL_SHRINK));
        send_text(f, p, "jobs", "second");
        send_memfd(p, make_memfd("third", F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
        send_memfd(p, make_memfd("", F_SEAL_WRITE | F_SEAL_SHRINK));
        (void) expect_deliver(f, p, 1, "first");
        (void) expect_deliver(f, p, 1, "second");
        (void) expect_deliver(f, p, 1, "third");
        (void) expect_deliver(f, p, 1, "");
        commit(f);
        (void) expect_confirm(f, p, 1, 4);
}

static void test_descriptors_that_are_no_sealed_memfds(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        int ends[2];

        declare(f, p, "jobs");
        send_memfd(p, make_memfd("may change", 0));
        (void) expect_send_refused(f, p, WIRE_CODE_BAD_VALUE);
        send_memfd(p, make_memfd("may shrink", F_SEAL_WRITE));
        (void) expect_send_refused(f, p, WIRE_CODE_BAD_VALUE);
        send_memfd(p, make_memfd("may be overwritten", F_SEAL_SHRINK));
        (void) expect_send_refused(f, p, WIRE_CODE_BAD_VALUE);
        send_memfd(p, open("/dev/zero", O_RDONLY | O_CLOEXEC));
        (void) expect_send_refused(f, p, WIRE_CODE_BAD_VALUE);
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        close(ends[1]);
        send_memfd(p, ends[0]);
        (void) expect_send_refused(f, p, WIRE_CODE_BAD_VALUE);
        consume(f, p, 1, "jobs", 1);
        expect_nothing(f, p);
}

static void test_memfd_beyond_the_largest_body(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        int fd = memfd_create("body", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        declare(f, p, "jobs");
        assert_int_equal(ftruncate(fd, f->host.message_bytes_max + 1), 0);
        assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK), 0);
        send_memfd(p, fd);
        assert_int_equal(number_of(expect_send_refused(f, p, WIRE_CODE_TOO_LARGE), WIRE_FIELD_USE), f->host.message_bytes_max + 1);
}

/* A refused SEND takes its descriptor with it: the next one has its own. */
static void test_descriptors_stay_with_their_frames(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        uint8_t frame[64], fields[8];
        int fd = make_memfd("of the refused one", F_SEAL_WRITE | F_SEAL_SHRINK);
        size_t n = wire_put_u8(fields, TAG_UNKNOWN | WIRE_FIELD_MANDATORY, 1);

        declare(f, p, "jobs");
        n = wire_put_send(frame, &(struct wire_send){.serial = ++p->send_serial,
                                                     .flags = WIRE_FLAG_DESCRIPTOR,
                                                     .subject = span("jobs"),
                                                     .fields = {fields, n}});
        say_with(p, frame, n, &fd, 1);
        send_memfd(p, make_memfd("of the next one", F_SEAL_WRITE | F_SEAL_SHRINK));
        (void) expect_error(f, p, WIRE_ERROR_OF_SEND, 1, WIRE_CODE_UNKNOWN_FIELD);
        consume(f, p, 1, "jobs", 1);
        (void) expect_deliver(f, p, 1, "of the next one");
}

static void test_no_descriptor_came(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);

        declare(f, p, "jobs");
        send_memfd(p, -1);
        expect_failed(f, p, WIRE_CODE_MALFORMED);
}

static void test_body_beside_a_descriptor(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        int fd = make_memfd("a body", F_SEAL_WRITE | F_SEAL_SHRINK);
        uint8_t frame[64];
        size_t n;

        n = wire_put_send(frame, &(struct wire_send){.serial = 1,
                                                     .flags = WIRE_FLAG_DESCRIPTOR,
                                                     .subject = span("jobs"),
                                                     .body = span("another")});
        say_with(p, frame, n, &fd, 1);
        expect_failed(f, p, WIRE_CODE_MALFORMED);
}

/* Descriptors that no frame asks for, with a whole frame, and two with one. */
static void test_surplus_descriptors(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f), *q = open_peer(f);
        uint8_t frame[64];
        int fds[2] = {make_memfd("1", 0), make_memfd("2", 0)};

        declare(f, p, "jobs");
        say_with(p, frame, wire_put_send(frame, &(struct wire_send){.serial = 1, .subject = span("jobs")}), fds, 1);
        expect_failed(f, p, WIRE_CODE_MALFORMED);
        fds[0] = make_memfd("1", F_SEAL_WRITE | F_SEAL_SHRINK);
        say_with(q,
                 frame,
                 wire_put_send(frame, &(struct wire_send){.serial = 1, .flags = WIRE_FLAG_DESCRIPTOR, .subject = span("jobs")}),
                 fds,
                 2);
        expect_failed(f, q, WIRE_CODE_MALFORMED);
}

/* ---- back pressure ---- */

static void test_window(void **state) {
        static const uint8_t body[100000];
        struct fixture *f = *state;
        struct peer *p = open_peer(f), *q = open_peer(f);
        unsigned n = 0;

        declare(f, p, "jobs");
        /* Above the window it is not read from … */
        while (session_events(p->session) & EPOLLIN) {
                assert_true(n++ < 20);
                send_frame(f, p, (struct wire_send){.subject = span("jobs"), .body = {body, sizeof(body)}});
                turn(f);
        }
        assert_true(n * sizeof(body) > f->host.window_bytes);
        assert_true((n - 2) * sizeof(body) < f->host.window_bytes);
        request(f, p, WIRE_PING, 0, 0, NULL, 0);
        expect_nothing(f, p);
        /* … but others are, … */
        request(f, q, WIRE_PING, 0, 0, NULL, 0);
        (void) expect_general(f, q, WIRE_PONG, q->serial);
        /* … and it as well when the disk has caught up. */
        commit(f);
        assert_true(session_events(p->session) & EPOLLIN);
        (void) expect_confirm(f, p, 1, n);
        (void) expect_general(f, p, WIRE_PONG, p->serial);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                SESSION_TEST(test_confirmed_when_on_disk),
                SESSION_TEST(test_confirms_coalesce),
                SESSION_TEST(test_refusal_overtakes),
                SESSION_TEST(test_nobody_listens),
                SESSION_TEST(test_confirms_of_two),
                SESSION_TEST(test_sender_vanishes_before_its_confirm),
                SESSION_TEST(test_subject_is_repeated),
                SESSION_TEST(test_refused_subject_is_repeated),
                SESSION_TEST(test_nothing_to_repeat),
                SESSION_TEST(test_ill_formed_subjects),
                SESSION_TEST(test_fields_arrive_as_they_came),
                SESSION_TEST(test_unknown_optional_fields_are_left_out),
                SESSION_TEST(test_unknown_mandatory_field),
                SESSION_TEST(test_fields_that_a_client_must_not_set),
                SESSION_TEST(test_fields_that_ask_for_more),
                SESSION_TEST(test_too_many_fields),
                SESSION_TEST(test_largest_body),
                SESSION_TEST(test_full_queue),
                SESSION_TEST(test_priority_beyond),
                SESSION_TEST(test_lengths_beyond),
                SESSION_TEST(test_sealed_memfds),
                SESSION_TEST(test_descriptors_that_are_no_sealed_memfds),
                SESSION_TEST(test_memfd_beyond_the_largest_body),
                SESSION_TEST(test_descriptors_stay_with_their_frames),
                SESSION_TEST(test_no_descriptor_came),
                SESSION_TEST(test_body_beside_a_descriptor),
                SESSION_TEST(test_surplus_descriptors),
                SESSION_TEST(test_window),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
