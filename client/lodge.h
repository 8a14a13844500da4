/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef LODGE_H
#define LODGE_H

/*
 * lodge: a durable message bus for one machine. The client library.
 *
 * Conventions. Functions return a non-negative value on success and a negative errno on failure; `ret…` arguments are
 * untouched on failure and may be NULL where that is said. Times are microseconds (`_us`); LODGE_FOREVER waits without
 * end. Strings are UTF-8. An object returned through `ret` is the caller's, to be given back with its `…_unref`.
 * A connection belongs to one thread at a time and to the process that opened it (-ECHILD after a fork). The library
 * starts no thread, handles no signal, prints nothing and never ends the process.
 *
 * Handlers run inside lodge_process(), inside blocking calls, or on the event loop. They may call anything: send, settle, drop
 * their own slot and even the last reference of the connection. Only what would run the connection itself (blocking calls,
 * lodge_process(), lodge_wait()) is refused there with -EBUSY.
 *
 * Reconnecting. A connection that was open once comes back by itself when the daemon is restarted: consumers are
 * set up again, and messages whose send was not confirmed are sent again, in order. Messages that were leased come again,
 * marked as redelivered. Of the other requests that were under way, those that do no harm when asked twice are asked again
 * (declare without LODGE_DECLARE_EXCLUSIVE, set, bind, ping, and listings of which no row was handed over yet); the others fail
 * with -ECONNRESET: look whether they were done.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lodge lodge;                 /* a connection to a bus */
typedef struct lodge_message lodge_message; /* a message, made or received */
typedef struct lodge_slot lodge_slot;       /* something under way: a send, a consumer, a listing */
typedef struct lodge_item lodge_item;       /* one row of a listing */
struct sd_event;                            /* of libsystemd */

#define LODGE_FOREVER UINT64_MAX
#define LODGE_PRIORITY_MAX 9

/* ---- errors ------------------------------------------------------------ */

/*
 * What the daemon said when it refused something. Owned by the library: valid until the next call on the
 * connection, or until the handler that got it returns.
 */
typedef struct lodge_error {
        int number;          /* the negative errno that the call returned for it */
        unsigned code;       /* the protocol's code */
        const char *name;    /* the code's stable name: "no-route", "full", … */
        const char *text;    /* a sentence for people */
        const char *setting; /* which setting decides, or NULL */
        uint64_t limit;      /* what it allows, with `setting` */
        uint64_t use;        /* what was asked for or is in use, with `setting` */
} lodge_error;

/* Returns the daemon's answer to the last blocking call on this connection, if it failed by refusal, else NULL. */
const lodge_error *lodge_get_error(lodge *bus);

/* Errno values by code: malformed, unknown-opcode, unknown-field -EBADMSG · version -EPROTONOSUPPORT · not-found -ENOENT ·
 * exists, channel-busy -EEXIST · no-route -EHOSTUNREACH · denied -EACCES · too-large -EMSGSIZE · full -ENOBUFS ·
 * quota -EDQUOT · disk-full -ENOSPC · bad-name, bad-value -EINVAL · not-empty -ENOTEMPTY · shutting-down -ESHUTDOWN ·
 * not-leased -ESTALE · unsupported -EOPNOTSUPP · internal -EIO. */

/* ---- connection -------------------------------------------------------- */

/* Opens $LODGE_SOCKET if set, else the user bus, else the system bus. Connects and greets before it returns.
 * Errors: -ENOENT or -ECONNREFUSED when no bus is there, -EACCES, -EPROTONOSUPPORT, -ENOMEM. */
int lodge_open(lodge **ret);
/* Opens /run/lodge/bus. */
int lodge_open_system(lodge **ret);
/* Opens $XDG_RUNTIME_DIR/lodge/bus; -ENXIO when the variable is unset. */
int lodge_open_user(lodge **ret);
/* Opens the socket at `path`. */
int lodge_open_socket(lodge **ret, const char *path);

lodge *lodge_ref(lodge *bus);
/* Drops a reference; the last one closes: what can be written without waiting is written, no handler is called any more (see
 * lodge_flush() to wait). Messages and slots that are still held stay valid, as empty ones. Returns NULL. */
lodge *lodge_unref(lodge *bus);
void lodge_unrefp(lodge **bus);

/* Longest wait of each blocking call except lodge_receive(), reconnecting included. Default 30 s. They fail with -ETIMEDOUT. */
int lodge_set_timeout(lodge *bus, uint64_t timeout_us);

/* How much may be sent and not yet confirmed before lodge_send_async() returns -EAGAIN; it is kept in memory until then.
 * Default 10,000 messages, 16 MiB (one message is always allowed). -EINVAL for 0. */
int lodge_set_window(lodge *bus, uint32_t messages, uint64_t bytes);

typedef enum lodge_state { LODGE_CONNECTED = 0, LODGE_DISCONNECTED = 1 } lodge_state;
typedef void (*lodge_state_handler)(lodge *bus, lodge_state state, void *userdata);
/* Tells when the connection is lost and when it is back. NULL: nobody. */
int lodge_set_state_handler(lodge *bus, lodge_state_handler handler, void *userdata);

/* The daemon's software name and version as it greeted, and the largest body it takes. */
const char *lodge_get_server(lodge *bus);
size_t lodge_get_message_max(lodge *bus);

/* Library version: "MAJOR.MINOR.PATCH". */
const char *lodge_version(void);

/* ---- running: three ways ----------------------------------------------- */

/* Does what can be done without waiting: writes, reads, calls handlers. Returns 1 when something was done (call again),
 * 0 when not. A lost connection is no error. Errors: -EBUSY in a handler; -ECHILD; -ENOMEM (the connection was given up and
 * comes back); -ENOTCONN when a handler dropped the last reference: `bus` is gone; and, from then on, -EBADMSG or
 * -EPROTONOSUPPORT when the daemon cannot make sense of us: everything under way was told so. */
int lodge_process(lodge *bus);
/* Waits until lodge_process() has something to do. Returns 1, or 0 after `timeout_us`. -EINTR on a signal. */
int lodge_wait(lodge *bus, uint64_t timeout_us);

/* For another loop: the descriptor, the poll(2) events to wait for, and the CLOCK_MONOTONIC time at which to call lodge_process()
 * at the latest (0: now, something is queued; UINT64_MAX: none). Ask for the time before each wait. The descriptor is one for
 * the life of the connection, also while it is disconnected, and becomes readable when that time has come, except for 0. */
int lodge_get_fd(lodge *bus);
int lodge_get_events(lodge *bus);
int lodge_get_timeout(lodge *bus, uint64_t *ret_us);

/* Runs on an sd-event loop (NULL: the thread's default one), at this priority, until detached or closed. The event loop is
 * referenced. What is queued by other sources leaves before the loop sleeps. -EBUSY when attached already. */
int lodge_attach_event(lodge *bus, struct sd_event *event, int64_t priority);
int lodge_detach_event(lodge *bus);

/* Waits until every send made before is confirmed and every ack and nack made before is durable. -ETIMEDOUT (see
 * lodge_set_timeout()). When a send without handler was refused since the last flush, returns that refusal's errno; when a
 * settled message's lease was gone or its connection was lost, so that it may come again, -ESTALE. Each is told once. */
int lodge_flush(lodge *bus);

/* ---- slots ------------------------------------------------------------- */

/* A slot returned through `ret_slot` is the caller's: unref ends what it stands for (a consumer stops, its unsettled
 * messages go back; a send is still sent but its handler is not called). With ret_slot NULL the thing lives as long as
 * the connection. A slot does not keep its connection open. */
lodge_slot *lodge_slot_ref(lodge_slot *slot);
lodge_slot *lodge_slot_unref(lodge_slot *slot);
void lodge_slot_unrefp(lodge_slot **slot);
/* NULL once the connection is closed. */
lodge *lodge_slot_get_bus(lodge_slot *slot);

/* ---- messages ---------------------------------------------------------- */

/* Makes a message to send. -EINVAL for an ill-formed subject. */
int lodge_message_new(lodge_message **ret, const char *subject);
/* A message handed to a handler is a view into what was received: the first reference copies it. Returns m, or NULL if there is
 * no memory for that. */
lodge_message *lodge_message_ref(lodge_message *m);
lodge_message *lodge_message_unref(lodge_message *m);
void lodge_message_unrefp(lodge_message **m);

/* Set what is to be sent; values are copied, NULL takes one out again. -EPERM on a received message, -EINVAL for what is not
 * UTF-8 or out of range, -EMSGSIZE for a body above 16 MiB or more than 65,535 bytes of all the rest together. */
int lodge_message_set_body(lodge_message *m, const void *body, size_t size);
int lodge_message_set_priority(lodge_message *m, unsigned priority); /* 0..9, 9 first; default 0 */
int lodge_message_set_content_type(lodge_message *m, const char *type);
int lodge_message_set_reply_to(lodge_message *m, const char *subject);
int lodge_message_set_correlation(lodge_message *m, const char *correlation);
int lodge_message_set_thread(lodge_message *m, const char *thread);
int lodge_message_add_header(lodge_message *m, const char *key, const char *value);

/* What a message says. Pointers live as long as the message (in a handler that does not keep it: until it returns), or until it
 * is changed; strings that are not there are NULL. */
uint64_t lodge_message_get_id(lodge_message *m); /* 0 before lodge_send_message() has sent it */
const char *lodge_message_get_subject(lodge_message *m);
uint64_t lodge_message_get_time(lodge_message *m); /* CLOCK_REALTIME us at which the daemon took it */
unsigned lodge_message_get_priority(lodge_message *m);
unsigned lodge_message_get_deliveries(lodge_message *m); /* 1 for the first delivery; 0 when browsed and never delivered */
const void *lodge_message_get_body(lodge_message *m, size_t *ret_size);
const char *lodge_message_get_content_type(lodge_message *m);
const char *lodge_message_get_reply_to(lodge_message *m);
const char *lodge_message_get_correlation(lodge_message *m);
const char *lodge_message_get_thread(lodge_message *m);
/* The value of a header, or NULL. */
const char *lodge_message_get_header(lodge_message *m, const char *key);
/* Header number `index` from 0. Returns 1, or 0 behind the last. */
int lodge_message_get_header_at(lodge_message *m, size_t index, const char **ret_key, const char **ret_value);

/* The sender as the kernel told the daemon. Not forgeable. unit and label NULL when there is none. */
typedef struct lodge_sender {
        uint32_t uid, gid;
        int32_t pid;
        const char *unit;
        const char *label;
} lodge_sender;
/* The strings live as long as the message. -ENODATA on a message that was not received. */
int lodge_message_get_sender(lodge_message *m, lodge_sender *ret);

/* ---- sending ----------------------------------------------------------- */

/* Sends one message and waits until it is on disk. ret_id may be NULL. Errors: those of a refusal (see lodge_get_error());
 * -EINVAL for an ill-formed subject; -EMSGSIZE; -ETIMEDOUT: it may still arrive, unless the connection was lost before any of it
 * was written: then it is taken back, if it was the last one queued. */
int lodge_send(lodge *bus, const char *subject, const void *body, size_t size, uint64_t *ret_id);
/* A received message may be sent too: its subject, fields and body as a new message. */
int lodge_send_message(lodge *bus, lodge_message *m, uint64_t *ret_id);

/* Told once for each send, in the order of sending: `id` when it is safe, or error. */
typedef void (*lodge_sent_handler)(lodge *bus, uint64_t id, const lodge_error *error, void *userdata);
/* Queues one message for sending and returns. The body is copied. handler may be NULL (lodge_flush() tells of a refusal then).
 * -EAGAIN when the window is full: run the connection and try again. -EMSGSIZE. The message leaves at the next
 * lodge_process(), many in one write. */
int lodge_send_async(lodge *bus, lodge_slot **ret_slot, const char *subject, const void *body, size_t size, lodge_sent_handler handler, void *userdata);
int lodge_send_message_async(lodge *bus, lodge_slot **ret_slot, lodge_message *m, lodge_sent_handler handler, void *userdata);
/* Sends that are not confirmed yet. */
size_t lodge_get_unconfirmed(lodge *bus);

/* ---- receiving --------------------------------------------------------- */

/* Takes one message, waiting up to timeout_us for it (0: one that is there now): 1 with *ret, 0 after the timeout. It is leased
 * until it is settled with lodge_message_ack() or _nack(), or the connection ends. -EINTR on a signal. */
int lodge_receive(lodge *bus, const char *queue, uint64_t timeout_us, lodge_message **ret);

/* Called for each message of a consumer. Keep a reference to settle it later; one that is neither kept nor settled stays leased
 * until the consumer or the connection ends. */
typedef void (*lodge_message_handler)(lodge_message *m, void *userdata);
/* Called when a listing or a consumer ends: error NULL when it simply is complete. */
typedef void (*lodge_done_handler)(lodge *bus, const lodge_error *error, void *userdata);

typedef struct lodge_consume_options {
        uint32_t prefetch_messages; /* how many may be leased or on their way; 0: 256 */
        uint32_t prefetch_bytes;    /* likewise their bytes; 0: 4 MiB */
        lodge_done_handler ended;   /* the daemon ended or refused it (queue deleted, not found); may be NULL */
        uint64_t messages_max;      /* take no more than so many in all: credit never exceeds what is left; 0: no limit */
} lodge_consume_options;

/* Consumes a queue: handler gets each message. Credit is given back as messages are settled. options may be NULL. */
int lodge_consume(lodge *bus, lodge_slot **ret_slot, const char *queue, const lodge_consume_options *options, lodge_message_handler handler, void *userdata);

/* Settle a received message; many are told to the daemon in one frame at the next lodge_process(). lodge_flush() waits until
 * they are durable. -ESTALE when its lease is gone (the connection was lost since, or its consumer was ended), -EALREADY when
 * settled before, -EINVAL when it was not consumed. */
int lodge_message_ack(lodge_message *m);
/* Give it back: it goes to its place in the queue, and comes again marked as redelivered. */
int lodge_message_nack(lodge_message *m);

/* Looks at up to `count` messages (0: as many as the daemon gives at once) from id `from` on without taking them; it may be fewer
 * than there are. *ret_next (may be NULL) is the id to go on from, 0 at the end. */
int lodge_browse(lodge *bus, const char *queue, uint64_t from, uint32_t count, lodge_message_handler handler, void *userdata, uint64_t *ret_next);
typedef void (*lodge_browsed_handler)(lodge *bus, uint64_t next, const lodge_error *error, void *userdata);
int lodge_browse_async(lodge *bus, lodge_slot **ret_slot, const char *queue, uint64_t from, uint32_t count, lodge_message_handler handler, lodge_browsed_handler done, void *userdata);

/* ---- managing ---------------------------------------------------------- */

#define LODGE_DECLARE_EXCLUSIVE 1u /* fail with -EEXIST when it is there */
/* Declares a queue. properties: NULL-terminated "Key=value" strings, keys as in .queue files; may be NULL. A queue that exists
 * is success if it is of the same kind; the properties given are set on it. kind: "queue" or NULL. */
int lodge_declare(lodge *bus, const char *name, const char *kind, const char *const *properties, unsigned flags);
/* Changes properties of a queue. */
int lodge_set(lodge *bus, const char *name, const char *const *properties);
#define LODGE_DELETE_PURGE 1u /* also when messages wait in it */
int lodge_delete(lodge *bus, const char *name, unsigned flags);
/* Adds or removes a pattern whose subjects the queue gets besides its own name. */
int lodge_bind(lodge *bus, const char *name, const char *pattern);
int lodge_unbind(lodge *bus, const char *name, const char *pattern);

/* ---- listings ---------------------------------------------------------- */

/* Gets one row, which lives until the handler returns. */
typedef void (*lodge_item_handler)(const lodge_item *item, void *userdata);
/* Queues whose names match `pattern` (NULL: all), in name order. */
int lodge_list(lodge *bus, const char *pattern, lodge_item_handler handler, void *userdata);
/* A queue in full, or with name NULL the bus itself; one item. */
int lodge_status(lodge *bus, const char *name, lodge_item_handler handler, void *userdata);
/* Connected clients. pid 0: all. */
int lodge_peers(lodge *bus, int32_t pid, lodge_item_handler handler, void *userdata);

int lodge_list_async(lodge *bus, lodge_slot **ret_slot, const char *pattern, lodge_item_handler handler, lodge_done_handler done, void *userdata);

/* An item's attributes: typed values under lower-case snake keys, as the JSON of lodgectl has them. */
typedef enum lodge_type { LODGE_TYPE_U64 = 1, LODGE_TYPE_STRING = 2, LODGE_TYPE_BOOL = 3 } lodge_type;
typedef struct lodge_attribute {
        const char *key;
        lodge_type type;
        uint64_t number;    /* U64, and 0 or 1 for BOOL */
        const char *string; /* STRING */
} lodge_attribute;
/* Attribute number `index` from 0, in the daemon's order; a key may repeat (a list). Returns 1, or 0 behind the last. */
int lodge_item_get_at(const lodge_item *item, size_t index, lodge_attribute *ret);
/* The first attribute with this key: 1, or 0 when there is none. */
int lodge_item_get(const lodge_item *item, const char *key, lodge_attribute *ret);

/* Asks the daemon for an answer and waits for it. */
int lodge_ping(lodge *bus);

#ifdef __cplusplus
}
#endif
#endif
