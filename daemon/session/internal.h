/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of this floor share. */

#include <uthash.h>

#include "daemon/session/session.h"

/* Above this much unwritten output a session is not read from and its consumers get nothing, until it is below the
 * other. */
#define OUTPUT_HIGH_BYTES (1024u * 1024u)
#define OUTPUT_LOW_BYTES  (256u * 1024u)
#define SENDERS_ANNOUNCED 16u

enum session_state {
        SESSION_GREETING, /* HELLO is awaited */
        SESSION_OPEN,
        SESSION_CLOSING, /* nothing is read any more; freed when the output is written */
};

/* Something that is answered when its commit is on disk. */
struct pending {
        uint64_t commit;
        uint64_t id;    /* CONFIRM: of the first message */
        uint64_t bytes; /* CONFIRM: of the bodies */
        uint32_t serial;
        uint32_t count; /* CONFIRM: messages, serials and ids counting up; OK: 0 */
};

struct pending_queue {
        struct pending *items; /* items[head .. size-1] */
        size_t head, size, capacity;
};

/* A consumer and its number on the wire. */
struct channel {
        UT_hash_handle hh; /* session.channels, by number */
        struct session *session;
        struct consumer *consumer;
        uint32_t number; /* a u16 on the wire */
};

struct session {
        TAILQ_ENTRY(session) link;       /* host.sessions */
        TAILQ_ENTRY(session) flush_link; /* host.to_flush, if to_flush */
        TAILQ_ENTRY(session) wait_link;  /* host.waiting, if waiting */
        struct session_host *host;
        int fd;
        uint32_t polled;
        uint8_t state; /* enum session_state */
        bool to_flush, waiting;
        bool blocked; /* the consumers, by much output */
        bool paused;  /* so is reading: whole frames wait in `input` */
        struct sender *sender;
        char *software; /* as it said in HELLO; NULL: nothing */
        struct input input;
        struct output output;
        struct pending_queue pending;
        struct channel *channels;
        uint32_t announced[SENDERS_ANNOUNCED]; /* senders that the client knows; by number modulo */
        uint64_t unconfirmed_bytes, unconfirmed;
        uint64_t sent, delivered, connected_us;
        uint8_t subject_bytes; /* of the last SEND; 0: there was none */
        bool subject_checked;  /* and found well-formed */
        char subject[WIRE_SUBJECT_BYTES_MAX];
};

/* A frame as the dispatcher hands it on. */
struct frame {
        struct wire_header header;
        const uint8_t *data;
        struct wire_general general; /* of the general layout only */
};

/* answer.c: frames that answer. Without memory for them the session is closed. */
void session_wants_flush(struct session *s);
uint8_t *session_append(struct session *s, size_t size);
void answer_ok(struct session *s, uint32_t serial);
void answer_general(
        struct session *s, unsigned opcode, unsigned channel, uint32_t serial, const void *fields, size_t size);
void answer_refusal(struct session *s, unsigned flags, uint32_t serial, const struct refusal *why);
void answer_fault(struct session *s, unsigned flags, uint32_t serial, const struct wire_fault *fault);
void answer_end(struct session *s, uint32_t serial, uint32_t count, uint64_t next_id);
/* Says why, and closes once that is written. */
void session_fail(struct session *s, const struct refusal *why);
void session_fail_fault(struct session *s, const struct wire_fault *fault);

/* pending.c */
/* Answers CONFIRM or OK when the commit that is being collected is on disk. */
void pending_confirm(struct session *s, uint32_t serial, uint64_t id, uint64_t bytes);
void pending_ok(struct session *s, uint32_t serial);
void pending_done(struct session *s);

/* Handlers: return 0, or negative when the session is to be freed at once. */
int handle_send(struct session *s, const struct frame *frame);    /* publish.c */
int handle_consume(struct session *s, const struct frame *frame); /* channel.c */
int handle_cancel(struct session *s, const struct frame *frame);
int handle_credit(struct session *s, const struct frame *frame);
int handle_settle(struct session *s, const struct frame *frame);
void channels_block(struct session *s, bool blocked);
void channels_free(struct session *s);
/* Whether this channel number may be used for something new; else answers the error. */
bool channel_is_free(struct session *s, const struct frame *frame);
void put_message(struct session *s, unsigned opcode, unsigned channel, const struct core_message *m);
int handle_declare(struct session *s, const struct frame *frame); /* manage.c */
int handle_set(struct session *s, const struct frame *frame);
int handle_delete(struct session *s, const struct frame *frame);
int handle_bind(struct session *s, const struct frame *frame);
int handle_list(struct session *s, const struct frame *frame); /* listing.c */
int handle_status(struct session *s, const struct frame *frame);
int handle_peers(struct session *s, const struct frame *frame);
int handle_browse(struct session *s, const struct frame *frame);
int handle_hello(struct session *s, const struct frame *frame); /* greeting.c */

/* dispatch.c: does what one whole frame says. Returns as a handler. */
int dispatch(struct session *s, const struct wire_header *header, const uint8_t *data);

/* fields.c: a required or optional field of a request. Without a required one the frame is malformed, and the session
 * fails. */
bool field_string(struct session *s, const struct frame *frame, unsigned tag, const char *what, struct wire_span *ret);
bool field_name(struct session *s, const struct frame *frame, struct wire_span *ret);
uint64_t field_number(const struct frame *frame, unsigned tag, uint64_t otherwise);

/* credentials.c: reads from the socket who is at its other end. Returns 0 or negative errno. */
int credentials_read(int fd, struct sender_table *senders, struct sender **ret);
