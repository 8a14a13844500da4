/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The examples of PROTOCOL.md once more, as what they say instead of as bytes. */

#include "tests/protocol/bytes.h"

#define EXAMPLE_FIELDS_MAX 8
#define EXAMPLE_RUNS_MAX   4

#define MEBI    (1u << 20)
#define TIME_US UINT64_C(1764000000000000)

struct example_field {
        unsigned tag; /* 0: none */
        uint64_t number;
        const char *key;
        const char *text; /* value of a string, bytes, pair or string attribute */
        uint8_t attribute;
};

struct example_run {
        uint32_t serial; /* of a CONFIRM */
        uint32_t count;
        uint64_t id;
};

/* One frame of any layout; what its layout does not have is 0. */
struct example {
        const char *name;
        uint8_t opcode, flags;
        uint16_t channel;
        uint32_t serial;
        struct example_field fields[EXAMPLE_FIELDS_MAX];
        uint8_t priority;
        const char *subject, *body;
        uint64_t id, time_us;
        uint32_t sender;
        struct example_run runs[EXAMPLE_RUNS_MAX];
        uint32_t credit_messages, credit_bytes;
};

#define NUMBER(name, value) \
        { .tag = WIRE_FIELD_##name, .number = (value) }
#define TEXT(name, value) \
        { .tag = WIRE_FIELD_##name, .text = (value) }
#define PAIR(name, k, value) \
        { .tag = WIRE_FIELD_##name, .key = (k), .text = (value) }
#define ATTRIBUTE_U64(k, value) \
        { WIRE_FIELD_ATTRIBUTE, (value), (k), NULL, WIRE_ATTRIBUTE_U64 }
#define ATTRIBUTE_BOOL(k, value) \
        { WIRE_FIELD_ATTRIBUTE, (value), (k), NULL, WIRE_ATTRIBUTE_BOOL }
#define ATTRIBUTE_TEXT(k, value) \
        { WIRE_FIELD_ATTRIBUTE, 0, (k), (value), WIRE_ATTRIBUTE_STRING }
#define MANDATORY_US(name, value) \
        { .tag = WIRE_FIELD_##name | WIRE_FIELD_MANDATORY, .number = (value) }

#define FIELDS(...)            .fields = {__VA_ARGS__}
#define CODE(code, sentence)   NUMBER(CODE, WIRE_CODE_##code), TEXT(TEXT, sentence)
#define BUS_ID                 TEXT(BUS_ID, "\x8f\x3c\x1d\x2e\x5a\x6b\x47\x70\x91\x12\xc3\xd4\xe5\xf6\x07\x18")
#define EXAMPLE_SENDER(number) NUMBER(SENDER, number), NUMBER(UID, 1000), NUMBER(GID, 1000), NUMBER(PID, 4242)

static const struct example examples[] = {
        {"hello", WIRE_HELLO, .serial = 1,
         FIELDS(NUMBER(VERSION_MIN, 1),
                NUMBER(VERSION_MAX, 1),
                NUMBER(FRAME_BYTES_MAX, 17 * MEBI),
                TEXT(SOFTWARE, "example 1.0"))},
        {"welcome", WIRE_WELCOME, .serial = 1,
         FIELDS(NUMBER(VERSION, WIRE_VERSION),
                NUMBER(FEATURES, 0),
                NUMBER(FRAME_BYTES_MAX, 17 * MEBI),
                NUMBER(MESSAGE_BYTES_MAX, 16 * MEBI),
                NUMBER(WINDOW_BYTES, 8 * MEBI),
                BUS_ID,
                TEXT(SOFTWARE, "lodged 0.1.0"))},
        {"error-version", WIRE_ERROR, FIELDS(CODE(VERSION, "this bus speaks version 1"))},

        {"send", WIRE_SEND, .serial = 1, .subject = "jobs.mail", .body = "hello"},
        {"send-again", WIRE_SEND, .serial = 2, .body = "world"},
        {"send-with-fields", WIRE_SEND, .serial = 3, .priority = 5, .subject = "jobs.mail", .body = "{}",
         FIELDS(TEXT(CONTENT_TYPE, "application/json"), PAIR(HEADER, "lang", "de"), MANDATORY_US(TTL_US, 60000000))},
        {"send-unrouted-ok", WIRE_SEND, WIRE_SEND_UNROUTED_OK, .serial = 4, .subject = "news", .body = "hi"},
        {"send-descriptor", WIRE_SEND, WIRE_FLAG_DESCRIPTOR, .serial = 5, .subject = "jobs.mail"},
        {"confirm", WIRE_CONFIRM, .runs = {{1, 1, 4096}}},
        {"confirm-runs", WIRE_CONFIRM, .runs = {{1, 3, 4096}, {4, 1, 0}, {5, 200, 4099}}},
        {"error-of-send", WIRE_ERROR, WIRE_ERROR_OF_SEND, .serial = 6,
         FIELDS(CODE(FULL, "queue jobs.mail is full"),
                TEXT(SETTING, "MaxMessages"),
                NUMBER(LIMIT, 1000),
                NUMBER(USE, 1000))},
        {"error-malformed", WIRE_ERROR, FIELDS(CODE(MALFORMED, "priority is above 9"))},

        {"consume", WIRE_CONSUME, .channel = 1, .serial = 2,
         FIELDS(TEXT(NAME, "jobs.mail"), NUMBER(CREDIT_MESSAGES, 256), NUMBER(CREDIT_BYTES, 4 * MEBI))},
        {"ok", WIRE_OK, .serial = 2},
        {"error-not-found", WIRE_ERROR, .serial = 2, FIELDS(CODE(NOT_FOUND, "no queue jobs.mail"))},
        {"credit", WIRE_CREDIT, .channel = 1, .credit_messages = 128, .credit_bytes = 65536},
        {"sender", WIRE_SENDER, FIELDS(EXAMPLE_SENDER(7), TEXT(UNIT, "mailer.service"))},
        {"deliver", WIRE_DELIVER, .channel = 1, .id = 4096, .time_us = TIME_US, .sender = 7, .body = "hello"},
        {"deliver-by-binding", WIRE_DELIVER, .channel = 2, .id = 4096, .time_us = TIME_US, .sender = 7, .priority = 3,
         .subject = "jobs.mail", .body = "hello"},
        {"deliver-redelivered", WIRE_DELIVER, WIRE_DELIVER_REDELIVERED, .channel = 1, .id = 4096, .time_us = TIME_US,
         .sender = 7, .body = "{}", FIELDS(NUMBER(DELIVERIES, 2), TEXT(CONTENT_TYPE, "application/json"))},
        {"ack", WIRE_ACK, .channel = 1, .serial = 3, .runs = {{.id = 4096, .count = 3}, {.id = 4105, .count = 1}}},
        {"ack-answer", WIRE_ACK, WIRE_SETTLE_ANSWER, .channel = 1, .serial = 4, .runs = {{.id = 4106, .count = 1}}},
        {"nack", WIRE_NACK, .channel = 1, .serial = 5, .runs = {{.id = 4107, .count = 1}}},
        {"error-not-leased", WIRE_ERROR, .serial = 3,
         FIELDS(CODE(NOT_LEASED, "1 id is not leased by channel 1"), NUMBER(USE, 1))},
        {"cancel", WIRE_CANCEL, .channel = 1, .serial = 6},
        {"cancelled", WIRE_CANCELLED, .channel = 1, FIELDS(CODE(NOT_FOUND, "queue jobs.mail was deleted"))},

        {"declare", WIRE_DECLARE, WIRE_DECLARE_EXCLUSIVE, .serial = 7,
         FIELDS(TEXT(NAME, "jobs.mail"), NUMBER(KIND, WIRE_KIND_QUEUE), PAIR(PROPERTY, "MaxMessages", "1000"))},
        {"set", WIRE_SET, .serial = 8, FIELDS(TEXT(NAME, "jobs.mail"), PAIR(PROPERTY, "MaxBytes", "64M"))},
        {"bind", WIRE_BIND, .serial = 9, FIELDS(TEXT(NAME, "audit"), TEXT(PATTERN, "jobs.>"))},
        {"unbind", WIRE_UNBIND, .serial = 10, FIELDS(TEXT(NAME, "audit"), TEXT(PATTERN, "jobs.>"))},
        {"delete", WIRE_DELETE, WIRE_DELETE_PURGE, .serial = 11, FIELDS(TEXT(NAME, "audit"))},
        {"list", WIRE_LIST, .serial = 12, FIELDS(TEXT(PATTERN, "jobs.*"))},
        {"item", WIRE_ITEM, .serial = 12,
         FIELDS(ATTRIBUTE_TEXT("name", "jobs.mail"),
                ATTRIBUTE_TEXT("kind", "queue"),
                ATTRIBUTE_U64("ready", 12),
                ATTRIBUTE_BOOL("paused", false))},
        {"end", WIRE_END, .serial = 12, FIELDS(NUMBER(COUNT, 1))},
        {"status", WIRE_STATUS, .serial = 13, FIELDS(TEXT(NAME, "jobs.mail"))},
        {"status-of-the-bus", WIRE_STATUS, .serial = 14},
        {"peers", WIRE_PEERS, .serial = 15, FIELDS(NUMBER(PID, 4242))},
        {"browse", WIRE_BROWSE, .channel = 3, .serial = 16,
         FIELDS(TEXT(NAME, "jobs.mail"), NUMBER(FROM_ID, 4096), NUMBER(COUNT, 100))},
        {"browsed", WIRE_BROWSED, .channel = 3, .id = 4096, .time_us = TIME_US, .sender = 7, .body = "hello"},
        {"end-of-browse", WIRE_END, .serial = 16, FIELDS(NUMBER(COUNT, 1), NUMBER(NEXT_ID, 4097))},
        {"ping", WIRE_PING, .serial = 17},
        {"pong", WIRE_PONG, .serial = 17},
        {"goodbye", WIRE_GOODBYE, FIELDS(CODE(SHUTTING_DOWN, "the bus is shutting down"))},
        {"error-unknown-field", WIRE_ERROR, .serial = 19, FIELDS(CODE(UNKNOWN_FIELD, "unknown mandatory field"))},
        {"unknown-optional-field", WIRE_LIST, .serial = 18, FIELDS({.tag = 100, .text = "\1\2"})},
        {"unknown-mandatory-field", WIRE_LIST, .serial = 19,
         FIELDS({.tag = 100 | WIRE_FIELD_MANDATORY, .text = "\1\2"})},

        {"session-01", WIRE_HELLO, .serial = 1,
         FIELDS(NUMBER(VERSION_MIN, 1), NUMBER(VERSION_MAX, 1), TEXT(SOFTWARE, "example 1.0"))},
        {"session-02", WIRE_WELCOME, .serial = 1,
         FIELDS(NUMBER(VERSION, WIRE_VERSION),
                NUMBER(FRAME_BYTES_MAX, 17 * MEBI),
                NUMBER(MESSAGE_BYTES_MAX, 16 * MEBI),
                NUMBER(WINDOW_BYTES, 8 * MEBI),
                BUS_ID,
                TEXT(SOFTWARE, "lodged 0.1.0"))},
        {"session-03", WIRE_DECLARE, .serial = 2, FIELDS(TEXT(NAME, "letters"))},
        {"session-04", WIRE_OK, .serial = 2},
        {"session-05", WIRE_SEND, .serial = 1, .subject = "letters", .body = "one"},
        {"session-06", WIRE_SEND, .serial = 2, .body = "two"},
        {"session-07", WIRE_SEND, .serial = 3, .subject = "nobody", .body = "three"},
        {"session-08", WIRE_ERROR, WIRE_ERROR_OF_SEND, .serial = 3, FIELDS(CODE(NO_ROUTE, "nobody listens to nobody"))},
        {"session-09", WIRE_CONFIRM, .runs = {{1, 2, 1}}},
        {"session-10", WIRE_CONSUME, .channel = 1, .serial = 3,
         FIELDS(TEXT(NAME, "letters"), NUMBER(CREDIT_MESSAGES, 1), NUMBER(CREDIT_BYTES, 65536))},
        {"session-11", WIRE_OK, .serial = 3},
        {"session-12", WIRE_SENDER, FIELDS(EXAMPLE_SENDER(1))},
        {"session-13", WIRE_DELIVER, .channel = 1, .id = 1, .time_us = TIME_US, .sender = 1, .body = "one"},
        {"session-14", WIRE_NACK, .channel = 1, .serial = 4, .runs = {{.id = 1, .count = 1}}},
        {"session-15", WIRE_CREDIT, .channel = 1, .credit_messages = 2, .credit_bytes = 65536},
        {"session-16", WIRE_DELIVER, WIRE_DELIVER_REDELIVERED, .channel = 1, .id = 1, .time_us = TIME_US, .sender = 1,
         .body = "one", FIELDS(NUMBER(DELIVERIES, 2))},
        {"session-17", WIRE_DELIVER, .channel = 1, .id = 2, .time_us = TIME_US + 40, .sender = 1, .body = "two"},
        {"session-18", WIRE_ACK, WIRE_SETTLE_ANSWER, .channel = 1, .serial = 5, .runs = {{.id = 1, .count = 2}}},
        {"session-19", WIRE_OK, .serial = 5},
        {"session-20", WIRE_CANCEL, .channel = 1, .serial = 6},
        {"session-21", WIRE_OK, .serial = 6},
        {"session-22", WIRE_GOODBYE, FIELDS(NUMBER(CODE, WIRE_CODE_NONE))},
};

#define N_EXAMPLES (sizeof(examples) / sizeof(examples[0]))
