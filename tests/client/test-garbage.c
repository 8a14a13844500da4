/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whatever a daemon says, the client neither crashes nor hangs, and goes on with the next daemon. Seeds are fixed, so
 * that a failure comes again; run under ASan and UBSan to see what is not visible. */

#include "tests/client/fixture.h"

#define ROUNDS      4000u
#define FRAME_BYTES 400u

static uint32_t next_random(uint32_t *seed) {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 17;
        *seed ^= *seed << 5;
        return *seed;
}

static void on_message(lodge_message *m, void *userdata) {
        lodge_sender sender;
        const char *key, *value;
        size_t size;
        const uint8_t *body = lodge_message_get_body(m, &size);
        uint32_t sum = 0;

        (void) userdata;
        for (size_t i = 0; i < size; i++)
                sum += body[i];
        (void) lodge_message_get_sender(m, &sender);
        (void) lodge_message_get_subject(m);
        (void) lodge_message_get_thread(m);
        for (size_t i = 0; lodge_message_get_header_at(m, i, &key, &value) > 0; i++)
                sum += (uint32_t) strlen(key) + (uint32_t) strlen(value);
        (void) lodge_message_get_deliveries(m);
        if (sum % 3 == 0)
                (void) lodge_message_ack(m);
        if (sum % 3 == 1) {
                lodge_message *kept = lodge_message_ref(m);

                (void) lodge_message_nack(kept);
                lodge_message_unref(kept);
        }
}

static void on_item(const lodge_item *item, void *userdata) {
        lodge_attribute a;

        (void) userdata;
        for (size_t i = 0; lodge_item_get_at(item, i, &a) > 0; i++)
                assert_non_null(a.key);
}

static void on_done(lodge *bus, const lodge_error *error, void *userdata) {
        (void) bus;
        ++*(size_t *) userdata;
        if (error)
                assert_non_null(error->text);
}

static void on_browsed(lodge *bus, uint64_t next, const lodge_error *error, void *userdata) {
        (void) next;
        on_done(bus, error, userdata);
}

static void on_sent(lodge *bus, uint64_t id, const lodge_error *error, void *userdata) {
        (void) id;
        on_done(bus, error, userdata);
}

/* Things under way, for answers to hit. */
static void keep_busy(struct fixture *x, size_t *ends) {
        if (!x->bus->consumers)
                assert_int_equal(lodge_consume(x->bus, NULL, "q", NULL, on_message, NULL), 0);
        if (lodge_get_unconfirmed(x->bus) < 20)
                assert_int_equal(lodge_send_async(x->bus, NULL, "a.b", "body", 4, on_sent, ends), 0);
        if (!x->bus->requests) {
                assert_int_equal(lodge_list_async(x->bus, NULL, NULL, on_item, on_done, ends), 0);
                assert_int_equal(lodge_browse_async(x->bus, NULL, "q", 0, 9, on_message, on_browsed, ends), 0);
        }
}

static const uint8_t opcodes[] = {
        WIRE_WELCOME, WIRE_CONFIRM, WIRE_DELIVER, WIRE_BROWSED, WIRE_SENDER,    WIRE_OK,   WIRE_ERROR,
        WIRE_ITEM,    WIRE_END,     WIRE_PONG,    WIRE_PING,    WIRE_CANCELLED, WIRE_SEND, 0xee,
};

/* A frame with a plausible head and whatever behind it. Now and then the length is wrong too. */
static size_t random_frame(uint32_t *seed, uint8_t *out) {
        size_t size = WIRE_HEADER_BYTES + next_random(seed) % 80;
        struct wire_header header = {.size = (uint32_t) size};

        header.opcode = opcodes[next_random(seed) % sizeof(opcodes)];
        header.flags = next_random(seed) % 4 == 0 ? (uint8_t) next_random(seed) : 0;
        header.channel = (uint16_t) (next_random(seed) % 4);
        for (size_t i = 0; i < size; i++)
                out[i] = next_random(seed) % 3 > 0 ? (uint8_t) (next_random(seed) % 45) : (uint8_t) next_random(seed);
        /* A length that is a little wrong, or very wrong; not so that the frames to come are swallowed as one body. */
        if (next_random(seed) % 16 == 0)
                header.size = next_random(seed) % 200;
        if (next_random(seed) % 128 == 0)
                header.size = FRAME_BYTES_MAX + next_random(seed) % 9;
        wire_put_header(out, &header);
        /* Serials and lengths of fields that are small and mostly zero hit more often. */
        if (size >= 12 && next_random(seed) % 2 == 0)
                wire_set32(out + 8, next_random(seed) % 40);
        return size;
}

static void survives(struct fixture *x, uint32_t seed, size_t (*make)(uint32_t *seed, uint8_t *out)) {
        uint8_t frame[FRAME_BYTES];
        size_t ends = 0;

        for (unsigned i = 0; i < ROUNDS; i++) {
                if (x->bus->state == CONNECTION_BROKEN) {
                        x->bus = lodge_unref(x->bus);
                        assert_int_equal(fixture_connect(x->fake, &x->bus), 0);
                }
                keep_busy(x, &ends);
                x->fake->answer = fake_answer_hello;
                fixture_turn(x);
                fake_write(x->fake, frame, make(&seed, frame));
                fixture_turn(x);
                if (x->bus->state == CONNECTION_DOWN)
                        x->fake->now_us += 2000000;
                fake_forget(x->fake);
        }
}

static void random_frames(void **state) {
        struct fixture *x = *state;

        survives(x, 2463534242u, random_frame);
        /* It was worth it: connections were given up, and others lived on. */
        assert_true(x->fake->n_accepted > 100);
        assert_true(x->fake->n_accepted < ROUNDS);
}

static size_t random_bytes(uint32_t *seed, uint8_t *out) {
        size_t size = next_random(seed) % FRAME_BYTES;

        for (size_t i = 0; i < size; i++)
                out[i] = (uint8_t) next_random(seed);
        return size;
}

static void plain_noise(void **state) {
        struct fixture *x = *state;

        survives(x, 88172645u, random_bytes);
        assert_true(x->fake->n_accepted > 100);
}

/* A well-formed DELIVER with all kinds of fields, with some bytes changed. */
static size_t bent_deliver(uint32_t *seed, uint8_t *out) {
        uint8_t fields[200], *p = fields;
        struct wire_deliver d = {
                .flags = WIRE_DELIVER_REDELIVERED,
                .subject = {(const uint8_t *) "a.b", 3},
                .body = {(const uint8_t *) "body", 4},
        };
        size_t size;

        d.opcode = next_random(seed) % 2 ? WIRE_DELIVER : WIRE_BROWSED;
        d.channel = (uint16_t) (1 + next_random(seed) % 2);
        d.id = 1 + next_random(seed) % 5;
        p += wire_put_u32(p, WIRE_FIELD_DELIVERIES, 2);
        p += wire_put_pair(p, WIRE_FIELD_HEADER, "key", 3, "value", 5);
        p += wire_put_string(p, WIRE_FIELD_THREAD, "thread");
        p += wire_put_u64(p, WIRE_FIELD_TTL_US, 1);
        d.fields = (struct wire_span){fields, (size_t) (p - fields)};
        size = wire_put_deliver(out, &d);
        for (uint32_t n = next_random(seed) % 4; n > 0; n--)
                out[next_random(seed) % size] ^= (uint8_t) (1u << n);
        return size;
}

static void bent_messages(void **state) {
        survives(*state, 362436069u, bent_deliver);
}

static void every_cut_of_a_frame(void **state) {
        struct fixture *x = *state;
        uint8_t frame[FRAME_BYTES];
        struct wire_deliver d = {
                .opcode = WIRE_DELIVER,
                .channel = 1,
                .id = 1,
                .subject = {(const uint8_t *) "a.b", 3},
                .body = {(const uint8_t *) "body", 4},
        };
        size_t size = wire_put_deliver(frame, &d), ends = 0;

        for (size_t cut = 0; cut <= size; cut++) {
                keep_busy(x, &ends);
                fixture_turn(x);
                /* In two pieces: no harm. */
                fake_write(x->fake, frame, cut);
                fixture_turn(x);
                fake_write(x->fake, frame + cut, size - cut);
                fixture_turn(x);
                assert_int_equal(x->fake->n_accepted, cut + 1);
                /* Only the first piece, then the end. */
                fake_write(x->fake, frame, cut);
                fixture_turn(x);
                fixture_reconnect(x);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                fixture_test(random_frames),
                fixture_test(plain_noise),
                fixture_test(bent_messages),
                fixture_test(every_cut_of_a_frame),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
