/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/client/fixture.h"

/* What a consumer got. */
struct got {
        size_t n;
        uint64_t last_id;
        char last[64];
        bool ack, nack, keep;
        lodge_message *kept;
        lodge_slot **unref; /* in the handler */
        struct fixture *close;
        int ended;
        char ended_text[64];
};

static void on_message(lodge_message *m, void *userdata) {
        struct got *g = userdata;
        size_t size;
        const void *body = lodge_message_get_body(m, &size);

        g->n++;
        g->last_id = lodge_message_get_id(m);
        if (size < sizeof(g->last)) {
                memcpy(g->last, body, size);
                g->last[size] = 0;
        }
        if (g->keep)
                g->kept = lodge_message_ref(m);
        if (g->ack) {
                assert_int_equal(lodge_message_ack(m), 0);
                assert_int_equal(lodge_message_ack(m), -EALREADY);
                assert_int_equal(lodge_message_nack(m), -EALREADY);
        }
        if (g->nack)
                assert_int_equal(lodge_message_nack(m), 0);
        if (g->unref) {
                *g->unref = lodge_slot_unref(*g->unref);
                if (!g->ack)
                        assert_int_equal(lodge_message_ack(m), -ESTALE);
        }
        if (g->close) {
                g->close->bus = lodge_unref(g->close->bus);
                assert_int_equal(lodge_message_ack(m), -ESTALE);
                assert_string_equal(lodge_message_get_subject(m), "q");
        }
}

static struct got *ended_got; /* whose consumer ended last */

static void on_ended(lodge *bus, const lodge_error *error, void *userdata) {
        struct got *g = userdata;

        (void) bus;
        ended_got = g;
        g->ended = error->number;
        snprintf(g->ended_text, sizeof(g->ended_text), "%s", error->text);
}

static struct wire_settle settled(struct fixture *x, unsigned opcode, int index) {
        const struct fake_frame *frame = fake_find(x->fake, opcode, index);
        struct wire_settle s;

        assert_non_null(frame);
        assert_int_equal(wire_settle_parse(frame->data, frame->size, &s, NULL), 0);
        return s;
}

static struct wire_credit credited(struct fixture *x, int index) {
        const struct fake_frame *frame = fake_find(x->fake, WIRE_CREDIT, index);
        struct wire_credit c;

        assert_non_null(frame);
        assert_int_equal(wire_credit_parse(frame->data, frame->size, &c, NULL), 0);
        return c;
}

static unsigned channel_of(struct fixture *x, unsigned opcode, int index) {
        const struct fake_frame *frame = fake_find(x->fake, opcode, index);

        assert_non_null(frame);
        return wire_get16(frame->data + 6);
}

static void consume_asks_with_its_credit(void **state) {
        const lodge_consume_options options = {.prefetch_messages = 7, .prefetch_bytes = 900};
        struct fixture *x = *state;
        struct wire_general general;
        struct wire_field field;
        const struct fake_frame *frame;
        struct got g = {0};

        assert_int_equal(lodge_consume(x->bus, NULL, "q", &options, on_message, &g), 0);
        assert_int_equal(lodge_consume(x->bus, NULL, "r", NULL, on_message, &g), 0);
        fixture_turn(x);
        frame = fake_find(x->fake, WIRE_CONSUME, 0);
        assert_int_equal(wire_general_parse(frame->data, frame->size, &general, NULL), 0);
        assert_true(wire_field_find(general.fields, WIRE_FIELD_NAME, &field));
        assert_memory_equal(field.value.data, "q", 1);
        assert_true(wire_field_find(general.fields, WIRE_FIELD_CREDIT_MESSAGES, &field));
        assert_int_equal(field.number, 7);
        assert_true(wire_field_find(general.fields, WIRE_FIELD_CREDIT_BYTES, &field));
        assert_int_equal(field.number, 900);
        assert_int_not_equal(channel_of(x, WIRE_CONSUME, 0), channel_of(x, WIRE_CONSUME, 1));
        assert_int_equal(lodge_consume(x->bus, NULL, "q..", NULL, on_message, &g), -EINVAL);
        assert_int_equal(lodge_consume(x->bus, NULL, "q", NULL, NULL, &g), -EINVAL);
}

static void acks_are_collected_into_runs(void **state) {
        static const uint64_t ids[] = {5, 6, 7, 9, 10, 3};
        struct fixture *x = *state;
        struct got g = {.ack = true};
        struct wire_settle s;

        assert_int_equal(lodge_consume(x->bus, NULL, "q", NULL, on_message, &g), 0);
        fixture_turn(x);
        for (size_t i = 0; i < 6; i++)
                fake_deliver(x->fake, channel_of(x, WIRE_CONSUME, 0), ids[i], NULL, "body", 4);
        fixture_turn(x);
        assert_int_equal(g.n, 6);
        assert_string_equal(g.last, "body");
        assert_int_equal(fake_count(x->fake, WIRE_ACK), 1);
        s = settled(x, WIRE_ACK, 0);
        assert_int_equal(s.n_runs, 3);
        assert_int_equal(wire_settle_run(&s, 0).id, 5);
        assert_int_equal(wire_settle_run(&s, 0).count, 3);
        assert_int_equal(wire_settle_run(&s, 1).id, 9);
        assert_int_equal(wire_settle_run(&s, 1).count, 2);
        assert_int_equal(wire_settle_run(&s, 2).id, 3);
}

static void nack_is_told(void **state) {
        struct fixture *x = *state;
        struct got g = {.nack = true};

        assert_int_equal(lodge_consume(x->bus, NULL, "q", NULL, on_message, &g), 0);
        fixture_turn(x);
        fake_deliver(x->fake, 1, 5, NULL, "b", 1);
        fixture_turn(x);
        assert_int_equal(settled(x, WIRE_NACK, 0).n_runs, 1);
        assert_int_equal(fake_count(x->fake, WIRE_ACK), 0);
}

static void credit_comes_back_in_batches(void **state) {
        const lodge_consume_options options = {.prefetch_messages = 10, .prefetch_bytes = 1000};
        struct fixture *x = *state;
        struct got g = {.ack = true};

        assert_int_equal(lodge_consume(x->bus, NULL, "q", &options, on_message, &g), 0);
        fixture_turn(x);
        for (uint64_t i = 1; i <= 4; i++)
                fake_deliver(x->fake, 1, i, NULL, "b", 1);
        fixture_turn(x);
        assert_int_equal(fake_count(x->fake, WIRE_CREDIT), 0);
        fake_deliver(x->fake, 1, 5, NULL, "b", 1);
        fixture_turn(x);
        assert_int_equal(fake_count(x->fake, WIRE_CREDIT), 1);
        assert_int_equal(credited(x, 0).messages, 5);
        assert_int_equal(credited(x, 0).bytes, 5);
}

static void byte_credit_comes_back_too(void **state) {
        const lodge_consume_options options = {.prefetch_messages = 1000, .prefetch_bytes = 100};
        struct fixture *x = *state;
        struct got g = {.ack = true};
        char body[300] = {0};

        assert_int_equal(lodge_consume(x->bus, NULL, "q", &options, on_message, &g), 0);
        fixture_turn(x);
        fake_deliver(x->fake, 1, 1, NULL, body, sizeof(body));
        fixture_turn(x);
        assert_int_equal(credited(x, 0).bytes, 300);
        assert_int_equal(credited(x, 0).messages, 1);
}

static void held_messages_do_not_stop_the_flow(void **state) {
        const lodge_consume_options options = {.prefetch_messages = 10};
        struct fixture *x = *state;
        struct got g = {.keep = true};
        lodge_message *held[6];

        assert_int_equal(lodge_consume(x->bus, NULL, "q", &options, on_message, &g), 0);
        fixture_turn(x);
        for (uint64_t i = 0; i < 6; i++) {
                fake_deliver(x->fake, 1, i + 1, NULL, "b", 1);
                fixture_turn(x);
                held[i] = g.kept;
        }
        g = (struct got){.ack = true};
        for (uint64_t i = 7; i <= 8; i++)
                fake_deliver(x->fake, 1, i, NULL, "b", 1);
        fixture_turn(x);
        /* Six are held, two are left to the daemon, two are due: they go back now, not at five. */
        assert_int_equal(credited(x, 0).messages, 2);
        for (size_t i = 0; i < 6; i++) {
                assert_int_equal(lodge_message_ack(held[i]), 0);
                lodge_message_unref(held[i]);
        }
        fixture_turn(x);
}

/* Delivers a message with everything that one may have, of a sender with everything. */
static void deliver_full_message(struct fixture *x) {
        static const uint8_t label[] = "unconfined";
        uint8_t fields[256], *p = fields;
        struct wire_deliver deliver = {
                .opcode = WIRE_DELIVER,
                .flags = WIRE_DELIVER_REDELIVERED,
                .channel = 1,
                .id = 77,
                .time_us = 1234567,
                .sender = 42,
                .priority = 3,
                .subject = {(const uint8_t *) "a.b", 3},
                .body = {(const uint8_t *) "hello", 5},
        };

        p += wire_put_u32(p, WIRE_FIELD_SENDER, 42);
        p += wire_put_u32(p, WIRE_FIELD_UID, 1000);
        p += wire_put_u32(p, WIRE_FIELD_GID, 100);
        p += wire_put_u32(p, WIRE_FIELD_PID, 4711);
        p += wire_put_string(p, WIRE_FIELD_UNIT, "foo.service");
        p += wire_put_bytes(p, WIRE_FIELD_LABEL, label, sizeof(label) - 1);
        fake_general(x->fake, WIRE_SENDER, 0, 0, 0, fields, (size_t) (p - fields));
        p = fields;
        p += wire_put_u32(p, WIRE_FIELD_DELIVERIES, 2);
        p += wire_put_string(p, WIRE_FIELD_REPLY_TO, "answers");
        p += wire_put_string(p, WIRE_FIELD_CORRELATION, "c1");
        p += wire_put_string(p, WIRE_FIELD_THREAD, "t1");
        p += wire_put_string(p, WIRE_FIELD_CONTENT_TYPE, "text/plain");
        p += wire_put_pair(p, WIRE_FIELD_HEADER, "k1", 2, "v1", 2);
        p += wire_put_pair(p, WIRE_FIELD_HEADER, "k2", 2, "", 0);
        deliver.fields = (struct wire_span){fields, (size_t) (p - fields)};
        fake_deliver_full(x->fake, &deliver);
}

static void assert_full_sender(lodge_message *m) {
        lodge_sender sender;

        assert_int_equal(lodge_message_get_sender(m, &sender), 0);
        assert_int_equal(sender.uid, 1000);
        assert_int_equal(sender.gid, 100);
        assert_int_equal(sender.pid, 4711);
        assert_string_equal(sender.unit, "foo.service");
        assert_string_equal(sender.label, "unconfined");
}

static void kept_message_outlives_everything(void **state) {
        struct fixture *x = *state;
        struct got g = {.keep = true};
        const char *key, *value;
        size_t size;

        assert_int_equal(lodge_consume(x->bus, NULL, "q", NULL, on_message, &g), 0);
        fixture_turn(x);
        deliver_full_message(x);
        fixture_turn(x);
        /* Another one overwrites the receive buffer. */
        g.keep = false;
        fake_deliver(x->fake, 1, 78, "c.d", "goodbye", 7);
        fixture_turn(x);
        assert_int_equal(g.last_id, 78);
        x->bus = lodge_unref(x->bus);

        assert_int_equal(lodge_message_get_id(g.kept), 77);
        assert_string_equal(lodge_message_get_subject(g.kept), "a.b");
        assert_int_equal(lodge_message_get_time(g.kept), 1234567);
        assert_int_equal(lodge_message_get_priority(g.kept), 3);
        assert_int_equal(lodge_message_get_deliveries(g.kept), 2);
        assert_memory_equal(lodge_message_get_body(g.kept, &size), "hello", 5);
        assert_int_equal(size, 5);
        assert_string_equal(lodge_message_get_reply_to(g.kept), "answers");
        assert_string_equal(lodge_message_get_correlation(g.kept), "c1");
        assert_string_equal(lodge_message_get_thread(g.kept), "t1");
        assert_string_equal(lodge_message_get_content_type(g.kept), "text/plain");
        assert_string_equal(lodge_message_get_header(g.kept, "k1"), "v1");
        assert_null(lodge_message_get_header(g.kept, "k3"));
        assert_int_equal(lodge_message_get_header_at(g.kept, 1, &key, &value), 1);
        assert_string_equal(key, "k2");
        assert_string_equal(value, "");
        assert_int_equal(lodge_message_get_header_at(g.kept, 2, &key, &value), 0);
        assert_full_sender(g.kept);
        assert_int_equal(lodge_message_ack(g.kept), -ESTALE);
        assert_int_equal(lodge_message_set_priority(g.kept, 1), -EPERM);
        lodge_message_unref(g.kept);
}

static void announce(struct fixture *x, uint32_t number, uint32_t uid) {
        uint8_t fields[64], *p = fields;

        p += wire_put_u32(p, WIRE_FIELD_SENDER, number);
        p += wire_put_u32(p, WIRE_FIELD_UID, uid);
        fake_general(x->fake, WIRE_SENDER, 0, 0, 0, fields, (size_t) (p - fields));
}

static uint32_t uid_of_sender(struct fixture *x, struct got *g, uint32_t number) {
        struct wire_deliver d = {.opcode = WIRE_DELIVER, .channel = 1, .id = 1, .sender = number};
        lodge_sender sender = {.uid = UINT32_MAX};
        int r;

        fake_deliver_full(x->fake, &d);
        fixture_turn(x);
        r = lodge_message_get_sender(g->kept, &sender);
        assert_true(r == 0 || r == -ENODATA);
        g->kept = lodge_message_unref(g->kept);
        return sender.uid;
}

static void senders_are_remembered_but_not_without_end(void **state) {
        struct fixture *x = *state;
        struct got g = {.keep = true};

        assert_int_equal(lodge_consume(x->bus, NULL, "q", NULL, on_message, &g), 0);
        fixture_turn(x);
        assert_int_equal(uid_of_sender(x, &g, 1), UINT32_MAX);
        for (uint32_t i = 1; i <= 20000; i++) {
                announce(x, i, i * 2);
                if (i % 100 == 0)
                        fixture_turn(x);
        }
        fixture_turn(x);
        assert_true(x->bus->senders.capacity <= 1024);
        /* The daemon relies on the last one of each remainder modulo 16. */
        for (uint32_t i = 20000 - 15; i <= 20000; i++)
                assert_int_equal(uid_of_sender(x, &g, i), i * 2);
        assert_int_equal(uid_of_sender(x, &g, 1), UINT32_MAX);
        announce(x, 1, 5);
        assert_int_equal(uid_of_sender(x, &g, 1), 5);
        announce(x, 1, 6);
        assert_int_equal(uid_of_sender(x, &g, 1), 6);
}

static void subject_left_out_is_the_queue(void **state) {
        struct fixture *x = *state;
        struct got g = {.keep = true};

        assert_int_equal(lodge_consume(x->bus, NULL, "some.queue", NULL, on_message, &g), 0);
        fixture_turn(x);
        fake_deliver(x->fake, 1, 1, NULL, "", 0);
        fixture_turn(x);
        assert_string_equal(lodge_message_get_subject(g.kept), "some.queue");
        assert_int_equal(lodge_message_get_deliveries(g.kept), 1);
        lodge_message_unref(g.kept);
}

static void large_message_arrives_in_pieces(void **state) {
        struct fixture *x = *state;
        struct got g = {.keep = true};
        uint8_t *body = malloc(BODY_BYTES_MAX);
        size_t size;

        assert_non_null(body);
        for (size_t i = 0; i < BODY_BYTES_MAX; i++)
                body[i] = (uint8_t) (i * 7 + i / 251);
        assert_int_equal(lodge_consume(x->bus, NULL, "q", NULL, on_message, &g), 0);
        fixture_turn(x);
        fake_deliver(x->fake, 1, 1, NULL, body, BODY_BYTES_MAX);
        fixture_turn(x);
        assert_int_equal(g.n, 1);
        assert_memory_equal(lodge_message_get_body(g.kept, &size), body, BODY_BYTES_MAX);
        assert_int_equal(size, BODY_BYTES_MAX);
        lodge_message_unref(g.kept);
        /* Small ones after it, and the memory is given back. */
        g.keep = false;
        for (uint64_t i = 2; i < 200; i++) {
                fake_deliver(x->fake, 1, i, NULL, "b", 1);
                fixture_turn(x);
        }
        assert_int_equal(g.n, 199);
        assert_true(x->bus->input.capacity <= INPUT_BYTES);
        free(body);
}

static void many_messages_of_all_sizes(void **state) {
        struct fixture *x = *state;
        struct got g = {.ack = true};
        static char body[70000];
        uint32_t random = 1;

        assert_int_equal(lodge_consume(x->bus, NULL, "q", NULL, on_message, &g), 0);
        fixture_turn(x);
        for (uint64_t i = 1; i <= 2000; i++) {
                random = random * 1664525 + 1013904223;
                fake_deliver(x->fake, 1, i, NULL, body, (random >> 8) % (i % 50 == 0 ? sizeof(body) : 300));
                if (i % 97 == 0)
                        fixture_turn(x);
        }
        fixture_turn(x);
        assert_int_equal(g.n, 2000);
        assert_int_equal(g.last_id, 2000);
}

static void cancelled_consumer_is_silent(void **state) {
        struct fixture *x = *state;
        struct got g = {.keep = true};
        lodge_slot *slot = NULL;
        unsigned channel;

        assert_int_equal(lodge_consume(x->bus, &slot, "q", NULL, on_message, &g), 0);
        fixture_turn(x);
        channel = channel_of(x, WIRE_CONSUME, 0);
        fake_deliver(x->fake, channel, 1, NULL, "b", 1);
        fixture_turn(x);
        x->fake->answer = fake_answer_hello;
        lodge_slot_unref(slot);
        fixture_turn(x);
        assert_int_equal(channel_of(x, WIRE_CANCEL, 0), channel);
        assert_int_equal(lodge_message_ack(g.kept), -ESTALE);
        lodge_message_unref(g.kept);
        /* Still on its way: dropped. The channel is not used again before the answer. */
        fake_deliver(x->fake, channel, 2, NULL, "b", 1);
        assert_int_equal(lodge_consume(x->bus, NULL, "r", NULL, on_message, &g), 0);
        fixture_turn(x);
        assert_int_equal(g.n, 1);
        assert_int_not_equal(channel_of(x, WIRE_CONSUME, -1), channel);
        fake_ok(x->fake, fake_serial(fake_find(x->fake, WIRE_CANCEL, 0)));
        fixture_turn(x);
        assert_int_equal(lodge_consume(x->bus, NULL, "s", NULL, on_message, &g), 0);
        fixture_turn(x);
        assert_int_equal(channel_of(x, WIRE_CONSUME, -1), channel);
        assert_int_equal(x->fake->n_accepted, 1);
}

static void acks_go_before_the_cancel(void **state) {
        struct fixture *x = *state;
        lodge_slot *slot = NULL;
        struct got g = {.ack = true, .unref = &slot};
        size_t ack = 0, cancel = 0;

        assert_int_equal(lodge_consume(x->bus, &slot, "q", NULL, on_message, &g), 0);
        fixture_turn(x);
        fake_deliver(x->fake, 1, 1, NULL, "b", 1);
        fake_deliver(x->fake, 1, 2, NULL, "b", 1);
        fixture_turn(x);
        assert_int_equal(g.n, 1);
        for (size_t i = 0; i < x->fake->n_frames; i++) {
                if (x->fake->frames[i].data[4] == WIRE_ACK && ack == 0)
                        ack = i;
                if (x->fake->frames[i].data[4] == WIRE_CANCEL)
                        cancel = i;
        }
        assert_true(ack > 0 && ack < cancel);
        assert_int_equal(lodge_flush(x->bus), 0);
}

static void unref_in_the_handler_without_ack(void **state) {
        struct fixture *x = *state;
        lodge_slot *slot = NULL;
        struct got g = {.unref = &slot};

        assert_int_equal(lodge_consume(x->bus, &slot, "q", NULL, on_message, &g), 0);
        fixture_turn(x);
        fake_deliver(x->fake, 1, 1, NULL, "b", 1);
        fixture_turn(x);
        assert_int_equal(fake_count(x->fake, WIRE_CANCEL), 1);
        assert_int_equal(fake_count(x->fake, WIRE_ACK), 0);
}

static void close_in_the_handler(void **state) {
        struct fixture *x = *state;
        struct got g = {.close = x};
        lodge_slot *slot = NULL;

        assert_int_equal(lodge_consume(x->bus, &slot, "q", NULL, on_message, &g), 0);
        fixture_turn(x);
        fake_deliver(x->fake, 1, 1, NULL, "b", 1);
        fake_deliver(x->fake, 1, 2, NULL, "b", 1);
        while (x->bus)
                lodge_process(x->bus);
        assert_int_equal(g.n, 1);
        assert_null(lodge_slot_get_bus(slot));
        lodge_slot_unref(slot);
}

static void refuse_consume(struct fake *f, const uint8_t *frame, size_t size) {
        fake_answer_hello(f, frame, size);
        if (frame[4] == WIRE_CONSUME)
                fake_error(f, 0, wire_get32(frame + 8), WIRE_CODE_NOT_FOUND, "no queue q");
}

static void refused_consumer_ends(void **state) {
        const lodge_consume_options options = {.ended = on_ended};
        struct fixture *x = *state;
        struct got g = {0};
        lodge_slot *slot = NULL;

        x->fake->answer = refuse_consume;
        assert_int_equal(lodge_consume(x->bus, &slot, "q", &options, on_message, &g), 0);
        assert_int_equal(lodge_consume(x->bus, NULL, "q", NULL, on_message, &g), 0);
        fixture_turn(x);
        assert_ptr_equal(ended_got, &g);
        assert_int_equal(g.ended, -ENOENT);
        assert_string_equal(g.ended_text, "no queue q");
        assert_null(x->bus->consumers);
        lodge_slot_unref(slot);
}

static void deleted_queue_ends_its_consumer(void **state) {
        const lodge_consume_options options = {.ended = on_ended};
        struct fixture *x = *state;
        struct got g = {.keep = true};
        uint8_t fields[64], *p = fields;
        lodge_slot *slot = NULL;

        assert_int_equal(lodge_consume(x->bus, &slot, "q", &options, on_message, &g), 0);
        fixture_turn(x);
        fake_deliver(x->fake, 1, 1, NULL, "b", 1);
        p += wire_put_u16(p, WIRE_FIELD_CODE, WIRE_CODE_NOT_FOUND);
        p += wire_put_string(p, WIRE_FIELD_TEXT, "deleted");
        fake_general(x->fake, WIRE_CANCELLED, 0, 1, 0, fields, (size_t) (p - fields));
        fixture_turn(x);
        assert_int_equal(g.ended, -ENOENT);
        assert_string_equal(g.ended_text, "deleted");
        assert_int_equal(lodge_message_ack(g.kept), -ESTALE);
        lodge_message_unref(g.kept);
        lodge_slot_unref(slot);
        assert_int_equal(x->fake->n_accepted, 1);
}

static void flush_asks_whether_acks_are_durable(void **state) {
        struct fixture *x = *state;
        struct got g = {.ack = true};
        const struct fake_frame *frame;

        assert_int_equal(lodge_consume(x->bus, NULL, "q", NULL, on_message, &g), 0);
        fixture_turn(x);
        fake_deliver(x->fake, 1, 1, NULL, "b", 1);
        fixture_turn(x);
        assert_int_equal(fake_count(x->fake, WIRE_ACK), 1);
        assert_int_equal(lodge_flush(x->bus), 0);
        frame = fake_find(x->fake, WIRE_ACK, 1);
        assert_non_null(frame);
        assert_true(frame->data[5] & WIRE_SETTLE_ANSWER);
        /* Nothing new: nothing is asked. */
        assert_int_equal(lodge_flush(x->bus), 0);
        assert_int_equal(fake_count(x->fake, WIRE_ACK), 2);
}

static void flush_tells_of_acks_that_came_too_late(void **state) {
        struct fixture *x = *state;
        struct got g = {.ack = true};

        assert_int_equal(lodge_consume(x->bus, NULL, "q", NULL, on_message, &g), 0);
        fixture_turn(x);
        fake_deliver(x->fake, 1, 1, NULL, "b", 1);
        fixture_turn(x);
        fake_error(x->fake, 0, fake_serial(fake_find(x->fake, WIRE_ACK, 0)), WIRE_CODE_NOT_LEASED, "gone");
        assert_int_equal(lodge_flush(x->bus), -ESTALE);
        assert_int_equal(lodge_flush(x->bus), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                fixture_test(consume_asks_with_its_credit),
                fixture_test(acks_are_collected_into_runs),
                fixture_test(nack_is_told),
                fixture_test(credit_comes_back_in_batches),
                fixture_test(byte_credit_comes_back_too),
                fixture_test(held_messages_do_not_stop_the_flow),
                fixture_test(kept_message_outlives_everything),
                fixture_test(senders_are_remembered_but_not_without_end),
                fixture_test(subject_left_out_is_the_queue),
                fixture_test(large_message_arrives_in_pieces),
                fixture_test(many_messages_of_all_sizes),
                fixture_test(cancelled_consumer_is_silent),
                fixture_test(acks_go_before_the_cancel),
                fixture_test(unref_in_the_handler_without_ack),
                fixture_test(close_in_the_handler),
                fixture_test(refused_consumer_ends),
                fixture_test(deleted_queue_ends_its_consumer),
                fixture_test(flush_asks_whether_acks_are_durable),
                fixture_test(flush_tells_of_acks_that_came_too_late),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
