/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The lodge wire codec: frames, fields and the few frames with a layout of
 * their own. PROTOCOL.md beside this file is the normative text.
 *
 * Pure: no system call, no allocation, no global state. Parsers never read
 * beyond the bytes that they are given and return views into them; writers
 * write exactly the number of bytes that the matching *_size() announced.
 * All integers on the wire are little-endian and unaligned.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- constants --------------------------------------------------------- */

#define WIRE_VERSION               1u
#define WIRE_HEADER_BYTES          8u
#define WIRE_SEND_HEADER_BYTES     16u
#define WIRE_DELIVER_HEADER_BYTES  32u
#define WIRE_SERIAL_HEADER_BYTES   12u /* header + serial: every frame of the general layout */
#define WIRE_CONFIRM_RUN_BYTES     16u
#define WIRE_SETTLE_RUN_BYTES      12u
#define WIRE_FIELD_HEADER_BYTES    3u
#define WIRE_SUBJECT_BYTES_MAX     255u
#define WIRE_FIELDS_BYTES_MAX      65535u
#define WIRE_SEND_FIELDS_BYTES_MAX 65519u /* a SEND with more is refused: its DELIVER may need room */
#define WIRE_KEY_BYTES_MAX         255u
#define WIRE_PRIORITY_MAX          9u
/* The largest HELLO or WELCOME; before WELCOME no larger frame is accepted. */
#define WIRE_GREETING_BYTES_MAX 4096u

/*
 * The opcodes: who sends them, how they are laid out, and what their header must name: with WIRE_NEEDS_CHANNEL a
 * channel, with WIRE_NEEDS_SERIAL a serial other than 0. X-macro: the table is the protocol.
 *      X(number, NAME, direction, layout, needs)
 */
#define WIRE_OPCODES(X)                                                           \
        X(0x01, HELLO, CLIENT, GENERAL, WIRE_NEEDS_SERIAL)                        \
        X(0x02, SEND, CLIENT, SEND, 0)                                            \
        X(0x03, CONSUME, CLIENT, GENERAL, WIRE_NEEDS_SERIAL | WIRE_NEEDS_CHANNEL) \
        X(0x04, CANCEL, CLIENT, GENERAL, WIRE_NEEDS_SERIAL | WIRE_NEEDS_CHANNEL)  \
        X(0x05, CREDIT, CLIENT, CREDIT, WIRE_NEEDS_CHANNEL)                       \
        X(0x06, ACK, CLIENT, SETTLE, WIRE_NEEDS_SERIAL | WIRE_NEEDS_CHANNEL)      \
        X(0x07, NACK, CLIENT, SETTLE, WIRE_NEEDS_SERIAL | WIRE_NEEDS_CHANNEL)     \
        X(0x08, DECLARE, CLIENT, GENERAL, WIRE_NEEDS_SERIAL)                      \
        X(0x09, SET, CLIENT, GENERAL, WIRE_NEEDS_SERIAL)                          \
        X(0x0a, DELETE, CLIENT, GENERAL, WIRE_NEEDS_SERIAL)                       \
        X(0x0b, BIND, CLIENT, GENERAL, WIRE_NEEDS_SERIAL)                         \
        X(0x0c, UNBIND, CLIENT, GENERAL, WIRE_NEEDS_SERIAL)                       \
        X(0x0d, LIST, CLIENT, GENERAL, WIRE_NEEDS_SERIAL)                         \
        X(0x0e, STATUS, CLIENT, GENERAL, WIRE_NEEDS_SERIAL)                       \
        X(0x0f, PEERS, CLIENT, GENERAL, WIRE_NEEDS_SERIAL)                        \
        X(0x10, BROWSE, CLIENT, GENERAL, WIRE_NEEDS_SERIAL | WIRE_NEEDS_CHANNEL)  \
        X(0x11, PING, EITHER, GENERAL, WIRE_NEEDS_SERIAL)                         \
        X(0x12, GOODBYE, EITHER, GENERAL, 0)                                      \
        X(0x81, WELCOME, DAEMON, GENERAL, WIRE_NEEDS_SERIAL)                      \
        X(0x82, CONFIRM, DAEMON, CONFIRM, 0)                                      \
        X(0x83, DELIVER, DAEMON, DELIVER, WIRE_NEEDS_CHANNEL)                     \
        X(0x84, BROWSED, DAEMON, DELIVER, WIRE_NEEDS_CHANNEL)                     \
        X(0x85, SENDER, DAEMON, GENERAL, 0)                                       \
        X(0x86, OK, DAEMON, GENERAL, WIRE_NEEDS_SERIAL)                           \
        X(0x87, ERROR, DAEMON, GENERAL, 0)                                        \
        X(0x88, ITEM, DAEMON, GENERAL, WIRE_NEEDS_SERIAL)                         \
        X(0x89, END, DAEMON, GENERAL, WIRE_NEEDS_SERIAL)                          \
        X(0x8a, PONG, EITHER, GENERAL, WIRE_NEEDS_SERIAL)                         \
        X(0x8b, CANCELLED, DAEMON, GENERAL, WIRE_NEEDS_CHANNEL)

#define WIRE_NEEDS_CHANNEL 1
#define WIRE_NEEDS_SERIAL  2

enum wire_opcode {
#define X(number, name, direction, layout, needs) WIRE_##name = number,
        WIRE_OPCODES(X)
#undef X
};

/* Frame flags. Bit 7 means the same in every frame; the others belong to their opcode. */
#define WIRE_FLAG_DESCRIPTOR     0x80u /* exactly one descriptor travels with this frame */
#define WIRE_SEND_UNROUTED_OK    0x01u /* nobody listening is fine: confirm with id 0 */
#define WIRE_SETTLE_ANSWER       0x01u /* ACK, NACK: answer OK once it is durable */
#define WIRE_DECLARE_EXCLUSIVE   0x01u /* DECLARE: an existing queue is an error, not success */
#define WIRE_DELETE_PURGE        0x01u /* DELETE: even when messages wait in it */
#define WIRE_ERROR_OF_SEND       0x01u /* ERROR: the serial is a SEND's, not another request's */
#define WIRE_CONFIRM_DURABILITY  0x03u /* CONFIRM: mask, enum wire_durability */
#define WIRE_DELIVER_REDELIVERED 0x01u /* DELIVER: handed out before; WIRE_FIELD_DELIVERIES tells how often */

/* Features: bits of WIRE_FIELD_FEATURES. Those of both sides are in use on a connection. */
#define WIRE_FEATURE_MEMFD (UINT64_C(1) << 0) /* DELIVER and BROWSED may bring their body in a sealed memfd */

enum wire_durability {
        WIRE_DURABILITY_DISK = 0,
        WIRE_DURABILITY_RELAXED = 1,
        WIRE_DURABILITY_MEMORY = 2,
};

enum wire_kind {
        WIRE_KIND_QUEUE = 0,
        WIRE_KIND_STREAM = 1,
};

/*
 * What an ERROR, GOODBYE or CANCELLED says. The numbers are wire format: never reused. The errno is what a client
 * library returns (negated) when a request is refused so.
 *      X(number, NAME, "stable-name", errno)
 */
#define WIRE_CODES(X)                                    \
        X(0, NONE, "none", 0)                            \
        X(1, MALFORMED, "malformed", EBADMSG)            \
        X(2, UNKNOWN_OPCODE, "unknown-opcode", EBADMSG)  \
        X(3, UNKNOWN_FIELD, "unknown-field", EBADMSG)    \
        X(4, VERSION, "version", EPROTONOSUPPORT)        \
        X(5, NOT_FOUND, "not-found", ENOENT)             \
        X(6, EXISTS, "exists", EEXIST)                   \
        X(7, NO_ROUTE, "no-route", EHOSTUNREACH)         \
        X(8, DENIED, "denied", EACCES)                   \
        X(9, TOO_LARGE, "too-large", EMSGSIZE)           \
        X(10, FULL, "full", ENOBUFS)                     \
        X(11, QUOTA, "quota", EDQUOT)                    \
        X(12, DISK_FULL, "disk-full", ENOSPC)            \
        X(13, BAD_NAME, "bad-name", EINVAL)              \
        X(14, BAD_VALUE, "bad-value", EINVAL)            \
        X(15, NOT_EMPTY, "not-empty", ENOTEMPTY)         \
        X(16, CHANNEL_BUSY, "channel-busy", EEXIST)      \
        X(17, SHUTTING_DOWN, "shutting-down", ESHUTDOWN) \
        X(18, NOT_LEASED, "not-leased", ESTALE)          \
        X(19, INTERNAL, "internal", EIO)                 \
        X(20, UNSUPPORTED, "unsupported", EOPNOTSUPP)

enum wire_code {
#define X(number, name, text, error) WIRE_CODE_##name = number,
        WIRE_CODES(X)
#undef X
                WIRE_CODE_MAX = 20,
};

/* Returns: the stable lower-case name ("no-route"), or "unknown". Static storage. */
const char *wire_code_name(unsigned code);
/* Returns: the negative errno of a code, as in the table; -EIO for a code that is not in it. */
int wire_code_errno(unsigned code);
/* Returns: the name of an opcode ("SEND"), or "unknown". Static storage. */
const char *wire_opcode_name(unsigned opcode);

/* ---- fields ------------------------------------------------------------ */

/*
 * A field is {u8 tag, u16 length, value}. Bit 7 of the tag says that whoever
 * does not know the tag must refuse the frame; without it an unknown field is
 * skipped. X-macro: the table is the protocol.
 *      X(number, NAME, type)
 */
#define WIRE_FIELDS(X)                \
        X(1, NAME, STRING)            \
        X(2, PATTERN, STRING)         \
        X(3, HEADER, PAIR)            \
        X(4, CONTENT_TYPE, STRING)    \
        X(5, TTL_US, U64)             \
        X(6, DELAY_US, U64)           \
        X(7, DEDUP_KEY, BYTES)        \
        X(8, REPLY_TO, STRING)        \
        X(9, CORRELATION, STRING)     \
        X(10, THREAD, STRING)         \
        X(11, RECEIPTS, U8)           \
        X(12, DURABILITY, U8)         \
        X(13, DELIVERIES, U32)        \
        X(14, PROPERTY, PAIR)         \
        X(15, ATTRIBUTE, ATTRIBUTE)   \
        X(16, VERSION_MIN, U16)       \
        X(17, VERSION_MAX, U16)       \
        X(18, VERSION, U16)           \
        X(19, FEATURES, U64)          \
        X(20, FRAME_BYTES_MAX, U32)   \
        X(21, MESSAGE_BYTES_MAX, U32) \
        X(22, WINDOW_BYTES, U64)      \
        X(23, BUS_ID, BYTES)          \
        X(24, SOFTWARE, STRING)       \
        X(25, CREDIT_MESSAGES, U32)   \
        X(26, CREDIT_BYTES, U64)      \
        X(27, KIND, U8)               \
        X(28, CODE, U16)              \
        X(29, TEXT, STRING)           \
        X(30, LIMIT, U64)             \
        X(31, USE, U64)               \
        X(32, SETTING, STRING)        \
        X(33, UID, U32)               \
        X(34, GID, U32)               \
        X(35, PID, U32)               \
        X(36, UNIT, STRING)           \
        X(37, LABEL, STRING)          \
        X(38, SENDER, U32)            \
        X(39, FROM_ID, U64)           \
        X(40, COUNT, U32)             \
        X(41, NEXT_ID, U64)           \
        X(42, SUBJECT, STRING)

enum wire_field_tag {
#define X(number, name, type) WIRE_FIELD_##name = number,
        WIRE_FIELDS(X)
#undef X
};
#define WIRE_FIELD_MANDATORY 0x80u

enum wire_type {
        WIRE_TYPE_UNKNOWN = 0,
        WIRE_TYPE_U8,
        WIRE_TYPE_U16,
        WIRE_TYPE_U32,
        WIRE_TYPE_U64,
        WIRE_TYPE_STRING, /* UTF-8 without NUL */
        WIRE_TYPE_BYTES,
        WIRE_TYPE_PAIR,      /* {u8 key length, key (1..255 bytes, UTF-8 without NUL), value: UTF-8 without NUL} */
        WIRE_TYPE_ATTRIBUTE, /* {u8 key length, key, u8 wire_attribute, value} */
};

/* The value of a WIRE_TYPE_ATTRIBUTE field. */
enum wire_attribute {
        WIRE_ATTRIBUTE_U64 = 1,    /* 8 bytes */
        WIRE_ATTRIBUTE_STRING = 2, /* UTF-8 without NUL */
        WIRE_ATTRIBUTE_BOOL = 3,   /* 1 byte: 0 or 1 */
};

struct wire_span {
        const uint8_t *data;
        size_t size;
};

/* One decoded field: `number` for the integer types (and U64/BOOL attributes), `value` for the others. */
struct wire_field {
        uint8_t tag; /* without the mandatory bit */
        bool mandatory;
        uint8_t type;      /* enum wire_type; WIRE_TYPE_UNKNOWN for an unknown optional field */
        uint8_t attribute; /* enum wire_attribute, for WIRE_TYPE_ATTRIBUTE */
        uint64_t number;
        struct wire_span key; /* PAIR and ATTRIBUTE */
        struct wire_span value;
};

/*
 * What is wrong with a frame, for the ERROR that answers it. `text` is static
 * English; `tag` and `offset` (bytes from the start of what was parsed) say where.
 */
struct wire_fault {
        uint16_t code; /* enum wire_code */
        uint8_t tag;
        uint32_t offset;
        const char *text;
};

/*
 * Steps through fields. *offset starts at 0 and is advanced.
 * Returns: 1 with *ret filled, 0 at the end, -EBADMSG with *fault filled when
 * a field does not fit, an integer has the wrong length or a string is not
 * UTF-8; -EOPNOTSUPP (fault code UNKNOWN_FIELD) at an unknown mandatory field.
 * Unknown optional fields are returned with type WIRE_TYPE_UNKNOWN, for the caller to skip.
 */
int wire_field_next(struct wire_span fields, size_t *offset, struct wire_field *ret, struct wire_fault *fault);

/* Walks all fields. Returns 0 when each is well-formed and known if mandatory; else as wire_field_next(). */
int wire_fields_check(struct wire_span fields, struct wire_fault *fault);

/* Returns: 0, or the tag of the first mandatory field that is not in `understood`, a set of bits 1 << tag. For
 * receivers that know a field but do not act on it in this frame: they must refuse it rather than pass over it. The
 * fields have been checked. */
unsigned wire_fields_not_understood(struct wire_span fields, uint64_t understood);
#define WIRE_FIELD_BIT(name) (UINT64_C(1) << WIRE_FIELD_##name)

/* Finds the first field with this tag. Returns true and fills *ret, else false. The fields have been checked before. */
bool wire_field_find(struct wire_span fields, unsigned tag, struct wire_field *ret);

/* Sizes and writers of one field. `tag` may carry WIRE_FIELD_MANDATORY. Writers return the bytes written. The caller
 * sees to it that a value has at most 65535 bytes (key and lengths included), a key 1..255, and that text is UTF-8. */
size_t wire_field_size_bytes(size_t value_bytes); /* STRING and BYTES */
size_t wire_field_size_pair(size_t key_bytes, size_t value_bytes);
size_t wire_put_u8(uint8_t *out, unsigned tag, uint8_t value);   /* 4 bytes */
size_t wire_put_u16(uint8_t *out, unsigned tag, uint16_t value); /* 5 bytes */
size_t wire_put_u32(uint8_t *out, unsigned tag, uint32_t value); /* 7 bytes */
size_t wire_put_u64(uint8_t *out, unsigned tag, uint64_t value); /* 11 bytes */
size_t wire_put_bytes(uint8_t *out, unsigned tag, const void *data, size_t size);
size_t wire_put_string(uint8_t *out, unsigned tag, const char *string);
size_t
wire_put_pair(uint8_t *out, unsigned tag, const char *key, size_t key_bytes, const void *value, size_t value_bytes);
size_t wire_put_attribute_u64(uint8_t *out, const char *key, uint64_t value);
size_t wire_put_attribute_bool(uint8_t *out, const char *key, bool value);
size_t wire_put_attribute_string(uint8_t *out, const char *key, const void *data, size_t size);

/* ---- frames ------------------------------------------------------------ */

struct wire_header {
        uint32_t size; /* whole frame, header included */
        uint8_t opcode;
        uint8_t flags;
        uint16_t channel; /* consumer or browse handle chosen by the client; 0 where there is none */
};

/*
 * Reads a frame header from the front of `size` bytes.
 * Returns: 1 with *ret filled when the header is whole and its size lies in
 * [WIRE_HEADER_BYTES, frame_bytes_max]; 0 when fewer than WIRE_HEADER_BYTES are
 * there; -EBADMSG (size too small) or -EMSGSIZE (too large) with *fault filled.
 * The frame itself need not be whole.
 */
int wire_header_parse(
        const uint8_t *data, size_t size, uint32_t frame_bytes_max, struct wire_header *ret, struct wire_fault *fault);
size_t wire_put_header(uint8_t *out, const struct wire_header *header);

/* The general layout, of every opcode but SEND, DELIVER, BROWSED, CONFIRM, CREDIT, ACK and NACK:
 * {header, u32 serial, fields to the end}. A serial is chosen by whoever asks and repeated in the answer. */
struct wire_general {
        uint32_t serial;
        struct wire_span fields;
};
/* Checks lengths, all fields, and that channel and serial are not 0 where the opcode needs them. Returns 0; -EBADMSG
 * with *fault filled; -EOPNOTSUPP (unknown mandatory field) with *fault and also *ret filled, so that the refusal can
 * name the serial: this frame alone is refused. The opcode has been looked at before. */
int wire_general_parse(const uint8_t *frame, size_t size, struct wire_general *ret, struct wire_fault *fault);
/* Writes header and serial; the caller appends `fields_bytes` of fields. Returns WIRE_SERIAL_HEADER_BYTES. */
size_t
wire_put_general(uint8_t *out, unsigned opcode, unsigned flags, unsigned channel, uint32_t serial, size_t fields_bytes);

/*
 * SEND: {header, u32 serial, u16 fields length, u8 priority, u8 subject length, subject, fields, body}.
 * A subject length of 0 means: the subject of the previous SEND on this connection.
 * Serials of a connection's SENDs count up by one (modulo 2^32).
 */
struct wire_send {
        uint32_t serial;
        uint8_t flags;
        uint8_t priority;
        struct wire_span subject;
        struct wire_span fields;
        struct wire_span body;
};
/* Checks lengths, priority, fields and that nothing follows beside a descriptor; the subject's spelling is checked by
 * wire_subject_check(). Returns as wire_general_parse(): also a SEND refused with -EOPNOTSUPP is the one before the
 * next. */
int wire_send_parse(const uint8_t *frame, size_t size, struct wire_send *ret, struct wire_fault *fault);
size_t wire_send_size(const struct wire_send *send);
size_t wire_put_send(uint8_t *out, const struct wire_send *send);

/*
 * DELIVER and BROWSED: {header, u64 id, u64 time_us, u32 sender, u16 fields length, u8 priority,
 * u8 subject length, subject, fields, body}. A subject length of 0 means: the name of the queue that the
 * channel consumes or browses. `sender` was described by an earlier SENDER frame.
 */
struct wire_deliver {
        uint8_t opcode; /* WIRE_DELIVER or WIRE_BROWSED */
        uint8_t flags;
        uint16_t channel;
        uint64_t id;
        uint64_t time_us; /* CLOCK_REALTIME microseconds at which the daemon took it */
        uint32_t sender;
        uint8_t priority;
        struct wire_span subject;
        struct wire_span fields;
        struct wire_span body;
};
/* Checks what wire_send_parse() does, and that channel and id are not 0. Returns as wire_general_parse(). */
int wire_deliver_parse(const uint8_t *frame, size_t size, struct wire_deliver *ret, struct wire_fault *fault);
size_t wire_deliver_size(const struct wire_deliver *deliver);
/* Writes the frame's first 32 bytes only (sizes taken from the spans): the caller appends subject, fields, body. */
size_t wire_put_deliver_header(uint8_t *out, const struct wire_deliver *deliver);
size_t wire_put_deliver(uint8_t *out, const struct wire_deliver *deliver);

/* CONFIRM: {header, runs to the end}. Serials first .. first+count-1 got ids first_id .. first_id+count-1;
 * first_id 0 for messages that nobody listens to, sent with WIRE_SEND_UNROUTED_OK. */
struct wire_confirm_run {
        uint32_t serial;
        uint32_t count;
        uint64_t id;
};
/* Returns the number of runs in a CONFIRM frame, or -EBADMSG when it ends within a run, or a run is empty or leaves the
 * ids. */
int wire_confirm_parse(const uint8_t *frame, size_t size, struct wire_fault *fault);
struct wire_confirm_run wire_confirm_run(const uint8_t *frame, size_t index);
size_t wire_put_confirm_run(uint8_t *out, const struct wire_confirm_run *run);

/* CREDIT: {header, u32 messages, u32 bytes}: added to what the channel has. */
struct wire_credit {
        uint32_t messages;
        uint32_t bytes;
};
int wire_credit_parse(const uint8_t *frame, size_t size, struct wire_credit *ret, struct wire_fault *fault);
size_t wire_put_credit(uint8_t *out, unsigned channel, const struct wire_credit *credit);

/* ACK and NACK: {header, u32 serial, u16 fields length, u16 zero, fields, runs to the end}.
 * A run settles ids first .. first+count-1, each leased by this channel. */
struct wire_settle {
        uint32_t serial;
        struct wire_span fields;
        const uint8_t *runs;
        size_t n_runs;
};
struct wire_settle_run {
        uint64_t id;
        uint32_t count;
};
/* Checks lengths, fields, channel and serial, and that each run has at least one id, none of them 0 or beyond 2^64 - 1.
 * A count can be huge: walk what is leased, not the run. Returns as wire_general_parse(). */
int wire_settle_parse(const uint8_t *frame, size_t size, struct wire_settle *ret, struct wire_fault *fault);
struct wire_settle_run wire_settle_run(const struct wire_settle *settle, size_t index);
/* Writes everything before the runs; the caller appends fields and n_runs runs. Returns 16. */
size_t wire_put_settle_header(uint8_t *out,
                              unsigned opcode,
                              unsigned flags,
                              unsigned channel,
                              uint32_t serial,
                              size_t fields_bytes,
                              size_t n_runs);
size_t wire_put_settle_run(uint8_t *out, const struct wire_settle_run *run);

/* ---- names ------------------------------------------------------------- */

/* A subject: 1..255 bytes of dot-separated, non-empty tokens of [A-Za-z0-9_-]. Returns 0, or -EINVAL with *ret_why
 * (may be NULL) a static English reason. */
int wire_subject_check(const void *data, size_t size, const char **ret_why);
/* A pattern: a subject in which a token may be `*`, and the last one `>`. Same returns. */
int wire_pattern_check(const void *data, size_t size, const char **ret_why);
/* Whether a subject matches a pattern; both well-formed. `*` is one token, a last `>` one or more. */
bool wire_pattern_match(const void *pattern, size_t pattern_bytes, const void *subject, size_t subject_bytes);

/* ---- little-endian ----------------------------------------------------- */

static inline uint16_t wire_get16(const uint8_t *p) {
        return (uint16_t) (p[0] | p[1] << 8);
}
static inline uint32_t wire_get32(const uint8_t *p) {
        return (uint32_t) p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16 | (uint32_t) p[3] << 24;
}
static inline uint64_t wire_get64(const uint8_t *p) {
        return (uint64_t) wire_get32(p) | (uint64_t) wire_get32(p + 4) << 32;
}
static inline void wire_set16(uint8_t *p, uint16_t v) {
        p[0] = (uint8_t) v;
        p[1] = (uint8_t) (v >> 8);
}
static inline void wire_set32(uint8_t *p, uint32_t v) {
        wire_set16(p, (uint16_t) v);
        wire_set16(p + 2, (uint16_t) (v >> 16));
}
static inline void wire_set64(uint8_t *p, uint64_t v) {
        wire_set32(p, (uint32_t) v);
        wire_set32(p + 4, (uint32_t) (v >> 32));
}
