/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/internal.h"

static uint64_t clock_now(void *userdata) {
        struct timespec t;

        (void) userdata;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * USEC_PER_SEC + (uint64_t) t.tv_nsec / 1000;
}

static int clock_poll(void *userdata, struct pollfd *fds, nfds_t n_fds, const struct timespec *timeout) {
        (void) userdata;
        return ppoll(fds, n_fds, timeout, NULL);
}

int connection_new(lodge **ret, const char *path) {
        lodge *bus;

        bus = calloc(1, sizeof(*bus));
        if (!bus)
                return -ENOMEM;
        bus->path = strdup(path);
        if (!bus->path) {
                free(bus);
                return -ENOMEM;
        }
        bus->n_ref = 1;
        bus->pid = getpid();
        bus->fd = bus->epoll_fd = bus->timer_fd = -1;
        bus->clockwork = (struct clockwork){.now_us = clock_now, .poll = clock_poll};
        bus->timeout_us = TIMEOUT_DEFAULT_US;
        bus->reconnect_us = bus->idle_us = bus->timer_us = UINT64_MAX;
        bus->message_bytes_max = BODY_BYTES_MAX;
        bus->sending.window_messages = WINDOW_MESSAGES_DEFAULT;
        bus->sending.window_bytes = WINDOW_BYTES_DEFAULT;
        bus->sending.head = 1;
        bus->random = (uint32_t) bus->pid * UINT32_C(2654435761) ^ (uint32_t) clock_now(NULL);
        *ret = bus;
        return 0;
}

static void close_fd(int *fd) {
        if (*fd >= 0)
                close(*fd);
        *fd = -1;
}

static int connect_to(lodge *bus, int flags) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        CLEANUP(close_fd) int fd = -1;
        size_t size = strlen(bus->path);
        int r;

        if (size >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path, bus->path, size);

        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
        if (fd < 0)
                return -errno;
        if (!(flags & SOCK_NONBLOCK) && bus->timeout_us != LODGE_FOREVER) {
                struct timeval t = {
                        .tv_sec = (time_t) (bus->timeout_us / USEC_PER_SEC),
                        .tv_usec = (suseconds_t) (bus->timeout_us % USEC_PER_SEC),
                };

                if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t)) < 0)
                        return -errno;
        }
        do
                r = connect(fd, (struct sockaddr *) &address, sizeof(address));
        while (r < 0 && errno == EINTR);
        if (r < 0)
                return errno == EAGAIN && !(flags & SOCK_NONBLOCK) ? -ETIMEDOUT : -errno;

        r = fd;
        fd = -1;
        return r;
}

static int say_hello(lodge *bus) {
        CLEANUP(fields_release) struct fields fields = {0};

        fields_u16(&fields, WIRE_FIELD_VERSION_MIN, WIRE_VERSION);
        fields_u16(&fields, WIRE_FIELD_VERSION_MAX, WIRE_VERSION);
        fields_u32(&fields, WIRE_FIELD_FRAME_BYTES_MAX, FRAME_BYTES_MAX);
        fields_string(&fields, WIRE_FIELD_SOFTWARE, "liblodge " LODGE_VERSION);
        if (fields.error < 0)
                return fields.error;
        bus->hello_serial = request_serial(bus);
        return output_general(bus, WIRE_HELLO, 0, bus->hello_serial,
                              (struct wire_span){buffer_front(&fields.buffer), buffer_size(&fields.buffer)});
}

int connection_try(lodge *bus, int flags) {
        int fd, r;

        fd = connect_to(bus, flags);
        if (fd < 0)
                return fd;
        r = say_hello(bus);
        if (r < 0) {
                close(fd);
                return r;
        }
        bus->fd = fd;
        bus->state = CONNECTION_GREETING;
        bus->reconnect_us = UINT64_MAX;
        poller_watch(bus);
        return 0;
}

/* Between half of the delay and all of it, so that many clients do not come back in one instant. */
static uint64_t jitter(lodge *bus, uint64_t delay_us) {
        bus->random = bus->random * UINT32_C(1664525) + UINT32_C(1013904223);
        return delay_us / 2 + ((uint64_t) (bus->random >> 8) * (delay_us / 2) >> 24);
}

void connection_schedule(lodge *bus) {
        uint64_t delay_us = BACKOFF_LAST_US;

        if (bus->attempts < 7)
                delay_us = BACKOFF_FIRST_US << bus->attempts;
        if (delay_us > BACKOFF_LAST_US)
                delay_us = BACKOFF_LAST_US;
        bus->attempts++;
        bus->reconnect_us = bus_now(bus) + jitter(bus, delay_us);
}

static void drop_socket(lodge *bus) {
        poller_unwatch(bus);
        close_fd(&bus->fd);
        bus->read_ready = bus->read_more = bus->read_drained = false;
        bus->input.start = bus->input.end = 0;
        bus->input_needed = 0;
        output_reset(bus);
        sender_table_release(&bus->senders);
}

void connection_lose(lodge *bus) {
        bool was_up = bus->state == CONNECTION_UP;

        if (bus->fd >= 0)
                drop_socket(bus);
        if (bus->broken < 0) {
                bus->state = CONNECTION_BROKEN;
                bus->reconnect_us = UINT64_MAX;
        } else {
                bus->state = CONNECTION_DOWN;
                /* One that lasted is a fresh start; one that was lost at once is not. */
                if (was_up && bus_now(bus) - bus->greeted_us > BACKOFF_LAST_US)
                        bus->attempts = 0;
                if (!bus->opening)
                        connection_schedule(bus);
        }
        bus->lost = 0;
        bus->epoch++;
        bus->activity++;
        consumers_lost(bus);
        requests_lost(bus);
        if (bus->state == CONNECTION_BROKEN && !bus->closed) {
                requests_fail_all(bus, bus->broken);
                send_fail_all(bus, bus->broken);
                consumers_fail_all(bus, bus->broken);
        }
        if (was_up && !bus->closed && bus->state_handler)
                bus->state_handler(bus, LODGE_DISCONNECTED, bus->state_userdata);
}

void connection_break(lodge *bus, int number) {
        bus->broken = number;
}

/* Takes up what the daemon says of itself. */
static int take_welcome(lodge *bus, struct wire_span fields) {
        struct wire_field field;
        char *server;

        if (!wire_field_find(fields, WIRE_FIELD_VERSION, &field) || field.number != WIRE_VERSION)
                return -EPROTONOSUPPORT;
        bus->message_bytes_max = BODY_BYTES_MAX;
        if (wire_field_find(fields, WIRE_FIELD_MESSAGE_BYTES_MAX, &field) && field.number < BODY_BYTES_MAX)
                bus->message_bytes_max = field.number;
        if (wire_field_find(fields, WIRE_FIELD_SOFTWARE, &field)) {
                server = strndup((const char *) field.value.data, field.value.size);
                if (!server)
                        return -ENOMEM;
                free(bus->server);
                bus->server = server;
        }
        return 0;
}

int connection_greeted(lodge *bus, const struct wire_general *welcome) {
        int r;

        r = take_welcome(bus, welcome->fields);
        if (r < 0)
                return r;
        r = send_rewind(bus);
        if (r < 0)
                return r;
        bus->state = CONNECTION_UP;
        bus->greeted_us = bus_now(bus);
        for (struct consumer *c = bus->consumers; c; c = c->next) {
                r = consumer_establish(c);
                if (r < 0)
                        return r;
        }
        r = requests_greeted(bus);
        if (r < 0)
                return r;
        if (!bus->opening && bus->state_handler)
                bus->state_handler(bus, LODGE_CONNECTED, bus->state_userdata);
        return 0;
}

int connection_open(lodge *bus) {
        uint64_t deadline_us = bus_call_deadline(bus);
        int r;

        bus->opening = true;
        r = connection_try(bus, 0);
        while (r >= 0 && bus->state != CONNECTION_UP)
                r = bus_turn(bus, deadline_us);
        bus->opening = false;
        return r < 0 ? r : 0;
}

/* The last reference is gone. What can be written without waiting is written; nobody is told anything. */
void connection_close(lodge *bus) {
        bool forked = bus_forked(bus);

        bus->closed = true;
        if (!forked && bus->state == CONNECTION_UP && !bus->lost) {
                settle_write(bus);
                output_write(bus);
        }
        event_close(bus);
        consumers_close(bus);
        requests_close(bus);
        send_close(bus);
        slots_close(bus);
        if (!forked)
                poller_unwatch(bus);
        close_fd(&bus->fd);
        poller_close(bus);
        bus->state = CONNECTION_DOWN;
        bus->reconnect_us = bus->idle_us = UINT64_MAX;
}
