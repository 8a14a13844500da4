/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the tests of rude peers share. Include <cmocka.h> first. */

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/daemon.h"
#include "tests/support/polite.h"
#include "tests/support/raw.h"

#define QUEUE "rude.work"

/* Each test runs between these two. */
static inline struct polite *begin(struct test_daemon *d) {
        struct polite *polite = NULL;

        assert_int_equal(polite_begin(&polite, test_daemon_socket(d)), 0);
        return polite;
}

static inline void end(struct polite *polite) {
        assert_int_equal(polite_end(polite), 0);
}

static inline struct raw *connect_raw(struct test_daemon *d) {
        struct raw *p = NULL;

        assert_int_equal(raw_connect(&p, test_daemon_socket(d)), 0);
        return p;
}

/* A greeted peer with a queue to be rude with. */
static inline struct raw *open_raw(struct test_daemon *d) {
        struct raw *p = NULL;

        assert_int_equal(raw_open(&p, test_daemon_socket(d)), 0);
        assert_int_equal(raw_request_name(p, WIRE_DECLARE, 0, 0, QUEUE, NULL), 0);
        assert_int_equal(raw_expect_ok(p), 0);
        return p;
}

/* An ERROR that answers nothing, and the end. */
static inline void expect_refused(struct raw *p, unsigned code) {
        assert_int_equal(raw_expect_error(p, code, 0), 0);
        assert_int_equal(raw_expect_closed(p), 0);
        raw_close(p);
}

/* Sends bytes as a greeted peer, which must end the connection with this code. */
static inline void refuse_bytes(struct test_daemon *d, const void *bytes, size_t size, unsigned code) {
        struct raw *p = open_raw(d);

        assert_int_equal(raw_write(p, bytes, size), 0);
        expect_refused(p, code);
}

static inline void refuse_request(
        struct test_daemon *d, unsigned opcode, unsigned channel, const void *fields, size_t size, unsigned code) {
        struct raw *p = open_raw(d);

        assert_int_equal(raw_request(p, opcode, 0, channel, fields, size), 0);
        expect_refused(p, code);
}

/* A SEND frame, to be spoilt. */
static inline size_t make_send(
        uint8_t *out, uint32_t serial, const char *subject, const char *fields, size_t fields_bytes, const char *body) {
        struct wire_send send = {
                .serial = serial,
                .subject = {(const uint8_t *) subject, strlen(subject)},
                .fields = {(const uint8_t *) fields, fields_bytes},
                .body = {(const uint8_t *) body, strlen(body)},
        };

        return wire_put_send(out, &send);
}

/* The number of messages in a queue that are ready. */
static inline void expect_ready(struct raw *p, const char *queue, uint64_t ready) {
        struct wire_general general;
        struct raw_frame frame;
        struct wire_field field;
        struct wire_fault fault;
        bool found = false;

        assert_int_equal(raw_request_name(p, WIRE_STATUS, 0, 0, queue, NULL), 0);
        assert_int_equal(raw_expect(p, WIRE_ITEM, &frame), 0);
        assert_true(wire_general_parse(frame.data, frame.header.size, &general, &fault) >= 0);
        for (size_t offset = 0; wire_field_next(general.fields, &offset, &field, &fault) > 0;)
                if (field.key.size == 5 && memcmp(field.key.data, "ready", 5) == 0) {
                        assert_int_equal(field.number, ready);
                        found = true;
                }
        assert_true(found);
        assert_int_equal(raw_expect(p, WIRE_END, NULL), 0);
}

/* Reads to the end, which must come; until then only what a daemon may say. */
static inline void expect_end(struct raw *p) {
        struct raw_frame frame;
        int r;

        while ((r = raw_read(p, &frame)) > 0)
                assert_true((frame.header.opcode & 0x80) || frame.header.opcode == WIRE_PING ||
                            frame.header.opcode == WIRE_GOODBYE);
        assert_true(r == 0 || r == -ECONNRESET);
}
