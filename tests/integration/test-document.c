/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Plays the session at the end of PROTOCOL.md: the client's bytes as they are printed there, and the daemon must answer
 * what is printed there. What differs from bus to bus (ids, times, who the sender is, texts) is put in its place first.
 */

#include "tests/protocol/document.h"
#include "tests/support/daemon.h"
#include "tests/support/fixture.h"
#include "tests/support/raw.h"

#define SAID_BYTES_MAX 4096u

struct play {
        struct raw *peer;
        uint64_t ids_before; /* the session's ids count from 1, those of the bus from here + 1 */
        uint32_t sender;     /* its number on this connection */
        size_t n_sent, n_received;
        /* What the client says without waiting leaves in one write, as the document has it: else the daemon might answer the
         * first of it before it has read the last. */
        uint8_t said[SAID_BYTES_MAX];
        size_t said_bytes;
};

/* ---- the client ---- */

static void say(struct play *play, const struct document_frame *printed) {
        struct document_frame frame = *printed;
        struct wire_settle settle;
        struct wire_fault fault;

        if (frame.data[4] == WIRE_ACK || frame.data[4] == WIRE_NACK) {
                assert_int_equal(wire_settle_parse(frame.data, frame.size, &settle, &fault), 0);
                for (size_t i = 0; i < settle.n_runs; i++) {
                        struct wire_settle_run run = wire_settle_run(&settle, i);
                        size_t at = (size_t) (settle.runs - frame.data) + i * WIRE_SETTLE_RUN_BYTES;

                        run.id += play->ids_before;
                        wire_put_settle_run(frame.data + at, &run);
                }
        }
        assert_true(play->said_bytes + frame.size <= sizeof play->said);
        memcpy(play->said + play->said_bytes, frame.data, frame.size);
        play->said_bytes += frame.size;
        play->n_sent++;
}

static void say_it(struct play *play) {
        if (play->said_bytes > 0)
                assert_int_equal(raw_write(play->peer, play->said, play->said_bytes), 0);
        play->said_bytes = 0;
}

/* ---- the daemon ---- */

static uint64_t number_of(struct wire_span fields, unsigned tag) {
        struct wire_field field;

        if (!wire_field_find(fields, tag, &field))
                fail_msg("field %u is missing", tag);
        return field.number;
}

static void hear_general(struct play *play, const uint8_t *frame, size_t size, const struct document_frame *printed) {
        struct wire_general heard, expected;
        struct wire_field field;
        struct wire_fault fault;
        size_t offset = 0;

        assert_int_equal(wire_general_parse(frame, size, &heard, &fault), 0);
        assert_int_equal(wire_general_parse(printed->data, printed->size, &expected, &fault), 0);
        assert_int_equal(heard.serial, expected.serial);
        /* Every field that is printed is there. */
        while (wire_field_next(expected.fields, &offset, &field, &fault) > 0) {
                uint64_t number = number_of(heard.fields, field.tag);

                if (field.tag == WIRE_FIELD_VERSION || field.tag == WIRE_FIELD_CODE)
                        assert_int_equal(number, field.number);
        }
        if (printed->data[4] == WIRE_SENDER)
                play->sender = (uint32_t) number_of(heard.fields, WIRE_FIELD_SENDER);
        if (printed->data[4] == WIRE_OK)
                assert_int_equal(heard.fields.size, 0);
}

static void hear_confirm(struct play *play, const uint8_t *frame, size_t size, const struct document_frame *printed) {
        struct wire_fault fault;
        struct wire_confirm_run heard, expected = wire_confirm_run(printed->data, 0);

        assert_int_equal(size, printed->size);
        assert_int_equal(wire_confirm_parse(frame, size, &fault), 1);
        heard = wire_confirm_run(frame, 0);
        assert_int_equal(heard.serial, expected.serial);
        assert_int_equal(heard.count, expected.count);
        play->ids_before = heard.id - expected.id;
}

/* Byte for byte, but for the id that the bus gave, the time, and the sender's number. */
static void hear_deliver(struct play *play, const uint8_t *frame, size_t size, const struct document_frame *printed) {
        struct document_frame expected = *printed;

        wire_set64(expected.data + 8, wire_get64(expected.data + 8) + play->ids_before);
        wire_set64(expected.data + 16, wire_get64(frame + 16));
        wire_set32(expected.data + 24, play->sender);
        assert_int_equal(size, expected.size);
        assert_memory_equal(frame, expected.data, size);
}

static void hear(struct play *play, const struct document_frame *printed) {
        struct raw_frame frame;

        say_it(play);
        assert_int_equal(raw_read(play->peer, &frame), 1);
        /* Opcode, flags and channel. */
        if (memcmp(frame.data + 4, printed->data + 4, 4) != 0)
                fail_msg("%s came instead of %s", wire_opcode_name(frame.data[4]), printed->name);

        switch (frame.data[4]) {
        case WIRE_CONFIRM:
                hear_confirm(play, frame.data, frame.header.size, printed);
                break;
        case WIRE_DELIVER:
                hear_deliver(play, frame.data, frame.header.size, printed);
                break;
        default:
                hear_general(play, frame.data, frame.header.size, printed);
        }
        play->n_received++;
}

static void play_frame(const struct document_frame *frame, void *userdata) {
        if (strncmp(frame->name, "session-", 8) != 0)
                return;
        if (frame->data[4] & 0x80)
                hear(userdata, frame);
        else
                say(userdata, frame);
}

static void test_session(void **state) {
        struct play play = {0};

        assert_int_equal(raw_connect(&play.peer, test_daemon_socket(*state)), 0);
        document_frames(play_frame, &play);
        say_it(&play);
        assert_int_equal(raw_expect_closed(play.peer), 0);
        raw_close(play.peer);
        assert_int_equal(play.n_sent, 11);
        assert_int_equal(play.n_received, 11);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                FIXTURE_TEST(test_session),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
