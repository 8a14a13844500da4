/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the library share among themselves; nothing of it is exported. */

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "client/buffer.h"
#include "client/lodge.h"
#include "protocol/wire.h"

#define PUBLIC            __attribute__((visibility("default")))
#define CLEANUP(function) __attribute__((cleanup(function)))
#define LIKELY(x)         __builtin_expect(!!(x), 1)
#define UNLIKELY(x)       __builtin_expect(!!(x), 0)

#define USEC_PER_SEC   UINT64_C(1000000)
#define BODY_BYTES_MAX (16u << 20)
/* The largest frame that we take: the largest body with the largest of everything else, and to spare. */
#define FRAME_BYTES_MAX (BODY_BYTES_MAX + (128u << 10))
#define INPUT_BYTES     (128u << 10)
/* More unwritten bytes than this are written at once, instead of at the next lodge_process(). */
#define OUTPUT_EAGER_BYTES (256u << 10)
/* Buffers beyond this size are given back when the connection has rested for a while. */
#define IDLE_KEEP_BYTES           (8u << 10)
#define IDLE_AFTER_US             (2 * USEC_PER_SEC)
#define BACKOFF_FIRST_US          UINT64_C(10000)
#define BACKOFF_LAST_US           USEC_PER_SEC
#define TIMEOUT_DEFAULT_US        (30 * USEC_PER_SEC)
#define WINDOW_MESSAGES_DEFAULT   10000u
#define WINDOW_BYTES_DEFAULT      (UINT64_C(16) << 20)
#define PREFETCH_MESSAGES_DEFAULT 256u
#define PREFETCH_BYTES_DEFAULT    (4u << 20)

struct consumer;
struct receiver;
struct request;
struct refusal;
struct sd_event_source;

/* Time and waiting, so that tests can replace both. */
struct clockwork {
        uint64_t (*now_us)(void *userdata); /* CLOCK_MONOTONIC */
        int (*poll)(void *userdata, struct pollfd *fds, nfds_t n_fds, const struct timespec *timeout);
        void *userdata;
};

/* An error with the memory of its strings. */
struct error_box {
        lodge_error error;
        char strings[];
};

/* ---- fields, decoded with NUL-terminated strings ---- */

struct attribute {
        uint8_t tag;
        uint8_t type; /* enum wire_type */
        uint8_t attribute;
        uint64_t number;
        const char *key;
        const char *value;
};

/* Its memory is used again by the next table_decode(). */
struct table {
        struct attribute *rows;
        size_t n_rows;
        size_t bytes; /* of memory behind rows: the rows, then their strings */
};

int table_decode(struct table *t, struct wire_span fields);
void table_release(struct table *t);
const char *table_find(const struct table *t, unsigned tag);

/* ---- senders ---- */

struct sender {
        unsigned n_ref;
        uint32_t number;
        lodge_sender public;
        char strings[];
};

struct sender_table {
        struct sender **entries; /* by number modulo capacity, a power of two */
        size_t capacity;
};

struct sender *sender_ref(struct sender *s);
struct sender *sender_unref(struct sender *s);
int sender_table_take(struct sender_table *t, struct wire_span fields);
struct sender *sender_table_find(const struct sender_table *t, uint32_t number);
void sender_table_release(struct sender_table *t);

/* ---- messages ---- */

struct lodge_message {
        unsigned n_ref;
        bool received;
        bool borrowed; /* a view into the receive buffer: the next reference copies it */
        bool settled;
        bool decoded; /* `table` has the fields */
        uint8_t priority;
        uint8_t flags;
        uint64_t id;
        uint64_t time_us;
        uint32_t sender_number;
        lodge *bus;                /* while borrowed */
        struct sender *sender;     /* once owned */
        struct consumer *consumer; /* who leased it; referenced once owned */
        uint64_t epoch;            /* of the connection that leased it */
        struct wire_span subject, fields, body;
        uint8_t *memory;     /* owned: of subject (with a NUL), fields and body */
        struct buffer draft; /* fields of a message that is made here */
        struct table table;
        char *subject_text; /* borrowed: a copy with a NUL, made when asked for */
};

/* Shows a frame as a message to a handler: the connection's own object, refilled. NULL when out of memory. */
lodge_message *
message_show(lodge *bus, const struct wire_deliver *deliver, struct consumer *consumer, struct wire_span subject);
/* Takes it back after the handler. */
void message_hide(lodge *bus, lodge_message *m);
void message_forget_view(lodge *bus);
/* The field `tag` of a message as a number, or `otherwise`. */
uint64_t message_number(const lodge_message *m, unsigned tag, uint64_t otherwise);
int message_decode(lodge_message *m);
int message_settle(lodge_message *m, bool nack);

/* ---- slots ---- */

struct lodge_slot {
        unsigned n_ref; /* the caller's */
        bool held;      /* by the thing that it stands for, which is still under way */
        lodge *bus;     /* NULL once the connection is closed */
        lodge_slot *next, *previous;
        struct consumer *consumer;
        struct request *request;
        lodge_sent_handler sent; /* of a send; NULL when nobody wants to know any more */
        void *userdata;
};

/* A slot for something under way, with one reference for the caller. */
lodge_slot *slot_new(lodge *bus);
/* What it stands for is over; frees it if nobody else has it. Returns NULL. */
lodge_slot *slot_release(lodge_slot *slot);
void slots_close(lodge *bus);

/* ---- sending ---- */

struct entry {
        lodge_sent_handler handler;
        void *userdata;
        lodge_slot *slot;        /* has handler and userdata instead, if there is one */
        struct refusal *after;   /* refused sends that come next, taken out at a reconnect */
        struct error_box *error; /* refused, while earlier ones are unconfirmed */
        uint64_t end;            /* position behind its frame, in bytes since the log was begun */
        bool refused;
};

struct refusal {
        struct refusal *next;
        struct error_box *error;
        lodge_sent_handler handler;
        void *userdata;
        lodge_slot *slot;
};

struct sending {
        struct buffer log; /* the frames of the unconfirmed sends, in order */
        size_t written;    /* bytes of the log written on this connection */
        uint64_t position; /* of the log's end, counted as entry.end */
        struct entry *ring;
        uint32_t capacity; /* a power of two */
        uint32_t count;
        uint32_t head; /* serial of the first */
        uint32_t window_messages;
        uint64_t window_bytes;
        size_t extra; /* refusals that wait behind an entry */
        uint64_t queued_total, resolved_total;
        /* In force before the first frame of the log, and after its last. */
        uint8_t head_subject_bytes, tail_subject_bytes;
        char head_subject[WIRE_SUBJECT_BYTES_MAX];
        char tail_subject[WIRE_SUBJECT_BYTES_MAX];
};

struct outgoing {
        lodge_sent_handler handler;
        void *userdata;
        lodge_slot *slot;
};

int send_queue(lodge *bus, struct wire_send *send, const struct outgoing *outgoing);
int send_check(lodge *bus, const struct wire_send *send);
/* Takes the send of this slot back, if it is the newest and nothing of it was written on this connection. */
void send_withdraw(lodge *bus, lodge_slot *slot);
int send_confirmed(lodge *bus, const uint8_t *frame, size_t size);
int send_refused(lodge *bus, uint32_t serial, struct wire_span fields);
/* Makes the log ready to be written from its start on a new connection. */
int send_rewind(lodge *bus);
/* Every send fails with `number`; for a connection that will never come back. */
void send_fail_all(lodge *bus, int number);
void send_close(lodge *bus);
void send_rest(lodge *bus);
/* Ends the entry at the head: forgets it and its frame, and calls its handler. */
void send_resolve(lodge *bus, uint64_t id, const lodge_error *error);
void send_deliver_refusals(lodge *bus);

static inline struct entry *send_entry(const struct sending *s, uint32_t serial) {
        return &s->ring[serial & (s->capacity - 1)];
}

static inline uint32_t send_tail(const struct sending *s) {
        return s->head + s->count;
}

/* ---- consumers ---- */

struct runs {
        struct wire_settle_run *runs;
        size_t n_runs, allocated;
};

enum consumer_state {
        CONSUMER_ACTIVE,
        CONSUMER_CANCELLING, /* CANCEL is asked for: the channel is taken until it is answered */
        CONSUMER_OVER,
};

struct consumer {
        unsigned n_ref; /* by the list of the connection, by messages, by whoever is in the middle of something */
        lodge *bus;     /* NULL once the connection is closed */
        struct consumer *next, *previous; /* in bus->consumers */
        lodge_slot *slot;
        enum consumer_state state;
        uint16_t channel;
        bool dirty;         /* in bus->dirty, with a reference */
        bool manual_credit; /* none is given back by itself */
        bool wanted;        /* manual: somebody waits for a message */
        bool unanswered;    /* settles were written whose durability nobody asked for */
        struct consumer *dirty_next;
        lodge_message_handler handler;
        lodge_done_handler ended;
        void *userdata;
        uint32_t prefetch_messages, prefetch_bytes;
        uint64_t left; /* messages that it may still get, at least those it has credit for */
        int64_t available_messages, available_bytes; /* credit that the daemon has */
        uint64_t due_messages, due_bytes;            /* settled, not given back yet */
        uint64_t leased;                             /* delivered on this connection and not settled */
        struct runs ack, nack;
        size_t name_bytes;
        char name[];
};

struct consumer_setup {
        const char *queue;
        uint32_t prefetch_messages, prefetch_bytes;
        uint64_t messages_max; /* 0: no limit */
        bool manual_credit;    /* it starts with one message, and none is given back by itself */
        lodge_message_handler handler;
        lodge_done_handler ended;
        void *userdata;
};

int consumer_new(lodge *bus, const struct consumer_setup *setup, struct consumer **ret);
struct consumer *consumer_ref(struct consumer *c);
struct consumer *consumer_unref(struct consumer *c);
/* Sets it up on a connection that was greeted. */
int consumer_establish(struct consumer *c);
/* Stops it; its channel is free when the daemon has answered. */
void consumer_cancel(struct consumer *c);
/* The daemon ended it, or refused it. */
void consumer_over(struct consumer *c, const lodge_error *error);
void consumers_lost(lodge *bus);
void consumers_fail_all(lodge *bus, int number);
void consumers_close(lodge *bus);
int consumer_deliver(struct consumer *c, const struct wire_deliver *deliver);
/* Marks it as having something to write. */
void consumer_touch(struct consumer *c);
int consumer_grant(struct consumer *c, uint32_t messages, uint32_t bytes);

/* Remembers that a message is settled; written by settle_write(). */
int settle_add(struct consumer *c, uint64_t id, size_t bytes, bool nack);
/* Writes what the consumers have to say: runs and credit. */
int settle_write(lodge *bus);
int settle_write_one(struct consumer *c);
/* Asks to be told when all that was settled so far is durable; counted in bus->settles_asked. */
int settle_ask(struct consumer *c);
void settle_forget(struct consumer *c);

/* ---- channels ---- */

/* Finds a free channel and takes it. Returns 0, -ENOMEM or -EMFILE. */
int channel_take(lodge *bus, struct consumer *consumer, struct request *request, uint16_t *ret);
void channel_free(lodge *bus, uint16_t channel);

struct channel {
        struct consumer *consumer;
        struct request *request;
};

/* ---- requests ---- */

/* The fields of a request in the making: a buffer, and the first error. */
struct fields {
        struct buffer buffer;
        int error;
};

void fields_string(struct fields *f, unsigned tag, const char *value);
void fields_property(struct fields *f, const char *property);
void fields_u16(struct fields *f, unsigned tag, uint16_t value);
void fields_u8(struct fields *f, unsigned tag, uint8_t value);
void fields_u32(struct fields *f, unsigned tag, uint32_t value);
void fields_u64(struct fields *f, unsigned tag, uint64_t value);
void fields_release(struct fields *f);

/* Somebody who waits for an answer, on the stack of a blocking call. */
struct waiter {
        bool done;
        int result;
        uint64_t next; /* of a browse */
};

struct request {
        struct request *next, *previous; /* in bus->requests, in order of asking */
        uint32_t serial;
        uint16_t channel; /* of a browse; 0 otherwise */
        uint8_t opcode;
        bool sent;       /* on this connection */
        bool repeatable; /* may be asked again after a reconnect */
        bool started;    /* part of the answer was handed over */
        bool muted;      /* nobody wants the answer any more */
        lodge_slot *slot;
        struct waiter *waiter;
        struct consumer *consumer; /* CONSUME, CANCEL: referenced */
        lodge_item_handler item;
        lodge_message_handler message;
        lodge_done_handler done;
        lodge_browsed_handler browsed;
        void *userdata;
        size_t frame_bytes;
        uint8_t frame[];
};

/* Makes a request, to be started or freed. Returns 0, the error of the fields, or -ENOMEM. */
int request_new(lodge *bus, unsigned opcode, unsigned flags, const struct fields *fields, struct request **ret);
void request_set_channel(struct request *q, uint16_t channel);
struct request *request_free(struct request *q);
/* Hands it to the connection: sent at once or when there is one again. */
int request_start(lodge *bus, struct request *q);
/* Waits until the waiter of a started request has its answer; gives up on the request otherwise. */
int request_wait(lodge *bus, struct request *q, struct waiter *waiter);
/* Mutes a request, or takes it back if the daemon was not told of it. */
void request_give_up(lodge *bus, struct request *q);
/* For a slot that is dropped. */
void request_mute(struct request *q);
/* Makes the caller's slot for a request that was started; ret_slot may be NULL. Gives up on the request if it cannot.
 */
int request_slot(lodge *bus, struct request *q, lodge_slot **ret_slot);
uint32_t request_serial(lodge *bus);
int requests_greeted(lodge *bus);
void requests_lost(lodge *bus);
void requests_fail_all(lodge *bus, int number);
void requests_close(lodge *bus);
int request_answer(lodge *bus, const struct wire_header *header, const struct wire_general *general);
int request_browsed(struct request *q, lodge *bus, const struct wire_deliver *deliver);
void request_unlink(lodge *bus, struct request *q);
int request_emit(lodge *bus, struct request *q);
/* Forgets what was wanted; the answer will find nobody. */
void request_silence(struct request *q);
/* Ends a request that is in no list: tells whoever waits, and frees it. Takes the box over. */
void request_tell(lodge *bus, struct request *q, struct error_box *box, bool failed, uint64_t next);

/* ---- the connection ---- */

enum connection_state {
        CONNECTION_DOWN,
        CONNECTION_GREETING, /* HELLO is under way */
        CONNECTION_UP,
        CONNECTION_BROKEN, /* cannot mend itself */
};

struct lodge {
        unsigned n_ref;  /* the caller's */
        unsigned n_busy; /* calls that are in the middle of something: the memory stays until they are out */
        bool closed;
        bool dispatching; /* handlers may be running */
        bool opening;     /* in lodge_open…(): a failure is final */
        enum connection_state state;
        int broken;
        pid_t pid;
        char *path;
        struct clockwork clockwork;
        uint64_t timeout_us;

        int fd;                 /* the socket, or -1 */
        int epoll_fd, timer_fd; /* made when somebody asks for a descriptor */
        uint64_t timer_us;      /* what timer_fd is set to */
        uint32_t epoll_events;  /* what the socket is watched for in epoll_fd */
        uint64_t epoch;         /* counts connections */
        uint32_t hello_serial;
        uint64_t reconnect_us; /* when to try again, while down */
        uint64_t greeted_us;
        unsigned attempts;
        uint32_t random;
        int lost; /* the connection is lost, for this reason; dealt with by the next step */
        bool write_failed, write_blocked;
        /* poll() said that there is something; the last read left something; it left nothing */
        bool read_ready, read_more, read_drained;

        struct buffer input;
        size_t input_needed;             /* bytes of the frame at the front, when it is not whole */
        unsigned input_calm;             /* reads since the last frame beyond INPUT_BYTES */
        struct buffer control;           /* frames to write that are not sends */
        size_t batch_log, batch_control; /* what is left of the batch that is being written */

        struct sending sending;
        struct consumer *consumers, *consumers_last, *dirty;
        struct channel *channels;
        size_t n_channels;
        struct request *requests, *requests_last;
        uint32_t request_counter;
        lodge_slot *slots;
        struct sender_table senders;
        lodge_message *view;
        struct table items;
        struct receiver *receivers;
        unsigned settles_asked;   /* answers under way that say that settles are durable */
        unsigned settles_refused; /* settled too late, since the last lodge_flush() */
        bool settles_lost;        /* the connection was lost before they were known to be durable, likewise */

        struct error_box *error;   /* of the last blocking call */
        struct error_box *unheard; /* the first refusal of a send without handler since the last lodge_flush() */
        char *server;
        size_t message_bytes_max;
        lodge_state_handler state_handler;
        void *state_userdata;

        uint64_t activity, idle_activity; /* when both are the same at idle_us, nothing happened */
        uint64_t idle_us;

        struct sd_event *event;
        struct sd_event_source *event_io, *event_defer;
};

uint64_t bus_now(lodge *bus);
/* When there is something to do by the clock; UINT64_MAX: never. */
uint64_t bus_deadline(lodge *bus);
/* Whether there is something to do now, whatever the descriptors say. */
bool bus_has_work(lodge *bus);
/* Does what can be done now. Returns 1, 0 or an error as lodge_process(). */
int bus_step(lodge *bus, bool try_read);
/* Waits for the descriptor or the clock. Returns 1, 0 at the deadline, or -EINTR. */
int bus_poll(lodge *bus, uint64_t deadline_us);
/* One step of a blocking call, waiting at most until the deadline. 0, -ETIMEDOUT, -EINTR or what cannot be mended. */
int bus_turn(lodge *bus, uint64_t deadline_us);
/* Begins and ends a blocking call. */
int bus_enter(lodge *bus);
void bus_leave(lodge *bus);
uint64_t bus_call_deadline(lodge *bus);
static inline uint64_t time_after(uint64_t now, uint64_t delay) {
        return delay >= UINT64_MAX - now ? UINT64_MAX : now + delay;
}
/* Keeps the memory during calls of handlers. */
static inline void bus_hold(lodge *bus) {
        bus->n_busy++;
}
void bus_release(lodge *bus);
void receivers_free(lodge *bus);
bool bus_forked(lodge *bus);

int connection_new(lodge **ret, const char *path);
/* First connection: waits for the greeting. */
int connection_open(lodge *bus);
/* Connects and says HELLO, without waiting. Returns 0, or a negative errno with everything as it was. */
int connection_try(lodge *bus, int flags);
/* Sets the time of the next try. */
void connection_schedule(lodge *bus);
/* Deals with bus->lost: gives up the connection and decides when to try again. */
void connection_lose(lodge *bus);
int connection_greeted(lodge *bus, const struct wire_general *welcome);
/* There will be no connection any more: says so before bus->lost is set. */
void connection_break(lodge *bus, int number);
void connection_close(lodge *bus);

int input_read(lodge *bus);
int input_dispatch(lodge *bus);
void input_rest(lodge *bus);

bool output_pending(lodge *bus);
int output_write(lodge *bus);
void output_reset(lodge *bus);
/* Room for a control frame; then buffer_back(&bus->control) and add to its end. */
int output_reserve(lodge *bus, size_t bytes);
int output_general(lodge *bus, unsigned opcode, unsigned channel, uint32_t serial, struct wire_span fields);

void poller_watch(lodge *bus);
void poller_unwatch(lodge *bus);
void poller_update(lodge *bus);
void poller_close(lodge *bus);
void event_close(lodge *bus);

/* Reads an ERROR, CANCELLED or GOODBYE. NULL when out of memory. */
struct error_box *error_from_fields(struct wire_span fields);
struct error_box *error_copy(const lodge_error *error);
struct error_box *error_local(int number, const char *name, const char *text);
/* The error of a box, or a plain one when there was no memory for it. */
const lodge_error *error_of(const struct error_box *box);
/* NULL is fine. */
void error_free(struct error_box *box);
/* Keeps the box as what lodge_get_error() says. */
void error_keep(lodge *bus, struct error_box *box);
