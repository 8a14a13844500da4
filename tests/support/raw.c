/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/raw.h"

#define WAIT_MS         (120 * 1000)
#define READ_BYTES      (256 * 1024)
#define DESCRIPTORS_MAX 8

int raw_connect(struct raw **ret, const char *socket_path) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        struct raw *p;
        int r;

        if (strlen(socket_path) >= sizeof address.sun_path)
                return -ENAMETOOLONG;
        memcpy(address.sun_path, socket_path, strlen(socket_path) + 1);

        p = calloc(1, sizeof *p);
        if (!p)
                return -ENOMEM;
        p->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (p->fd < 0 || connect(p->fd, (struct sockaddr *) &address, sizeof address) < 0) {
                r = -errno;
                raw_close(p);
                return r;
        }

        *ret = p;
        return 0;
}

int raw_open(struct raw **ret, const char *socket_path) {
        uint8_t fields[16];
        struct raw *p;
        size_t n = 0;
        int r;

        r = raw_connect(&p, socket_path);
        if (r < 0)
                return r;
        n += wire_put_u16(fields + n, WIRE_FIELD_VERSION_MIN, WIRE_VERSION);
        n += wire_put_u16(fields + n, WIRE_FIELD_VERSION_MAX, WIRE_VERSION);
        r = raw_request(p, WIRE_HELLO, 0, 0, fields, n);
        if (r >= 0)
                r = raw_expect(p, WIRE_WELCOME, NULL);
        if (r < 0) {
                raw_close(p);
                return r;
        }

        *ret = p;
        return 0;
}

struct raw *raw_close(struct raw *p) {
        if (!p)
                return NULL;
        if (p->fd >= 0)
                (void) close(p->fd);
        free(p->buffer);
        free(p);
        return NULL;
}

void raw_closep(struct raw **p) {
        *p = raw_close(*p);
}

/* ---- sending ---- */

static int wait_for(struct raw *p, short events) {
        struct pollfd pollfd = {.fd = p->fd, .events = events};
        int r;

        do
                r = poll(&pollfd, 1, WAIT_MS);
        while (r < 0 && errno == EINTR);
        return r < 0 ? -errno : r == 0 ? -ETIMEDOUT : 0;
}

int raw_write_some(struct raw *p, const void *data, size_t size) {
        ssize_t n = send(p->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0)
                return errno == EAGAIN ? 0 : -errno;
        return (int) n;
}

int raw_write(struct raw *p, const void *data, size_t size) {
        const uint8_t *at = data;

        while (size > 0) {
                int n = raw_write_some(p, at, size);

                if (n == 0)
                        n = wait_for(p, POLLOUT);
                if (n < 0)
                        return n;
                at += n;
                size -= (size_t) n;
        }
        return 0;
}

int raw_write_descriptors(struct raw *p, const void *data, size_t size, const int *fds, size_t n_fds) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
        } control = {0};
        struct iovec iov = {.iov_base = (void *) data, .iov_len = size};
        struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control};
        ssize_t n;
        int r;

        if (n_fds == 0 || n_fds > DESCRIPTORS_MAX)
                return -EINVAL;
        message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));

        while ((n = sendmsg(p->fd, &message, MSG_NOSIGNAL)) < 0) {
                if (errno != EAGAIN)
                        return -errno;
                r = wait_for(p, POLLOUT);
                if (r < 0)
                        return r;
        }
        return raw_write(p, (const uint8_t *) data + n, size - (size_t) n);
}

int raw_shutdown_writing(struct raw *p) {
        return shutdown(p->fd, SHUT_WR) < 0 ? -errno : 0;
}

int raw_request(struct raw *p, unsigned opcode, unsigned flags, unsigned channel, const void *fields, size_t size) {
        uint8_t *frame = malloc(WIRE_SERIAL_HEADER_BYTES + size);
        size_t n;
        int r;

        if (!frame)
                return -ENOMEM;
        n = wire_put_general(frame, opcode, flags, channel, ++p->serial, size);
        if (size > 0)
                memcpy(frame + n, fields, size);
        r = raw_write(p, frame, n + size);
        free(frame);
        return r;
}

int raw_request_name(
        struct raw *p, unsigned opcode, unsigned flags, unsigned channel, const char *name, const char *pattern) {
        uint8_t *fields = malloc(2 * WIRE_FIELD_HEADER_BYTES + strlen(name) + (pattern ? strlen(pattern) : 0));
        size_t n = 0;
        int r;

        if (!fields)
                return -ENOMEM;
        n += wire_put_string(fields + n, WIRE_FIELD_NAME, name);
        if (pattern)
                n += wire_put_string(fields + n, WIRE_FIELD_PATTERN, pattern);
        r = raw_request(p, opcode, flags, channel, fields, n);
        free(fields);
        return r;
}

int raw_send(struct raw *p, const char *subject, unsigned priority, const void *body, size_t size) {
        struct wire_send send = {
                .serial = ++p->send_serial,
                .priority = (uint8_t) priority,
                .subject = {.data = (const uint8_t *) subject, .size = strlen(subject)},
                .body = {.data = body, .size = size},
        };
        uint8_t *frame = malloc(wire_send_size(&send));
        int r;

        if (!frame)
                return -ENOMEM;
        r = raw_write(p, frame, wire_put_send(frame, &send));
        free(frame);
        return r;
}

int raw_consume(struct raw *p, unsigned channel, const char *queue, uint32_t messages, uint64_t bytes) {
        uint8_t fields[300];
        size_t n = 0;

        if (strlen(queue) > WIRE_SUBJECT_BYTES_MAX)
                return -EINVAL;
        n += wire_put_string(fields + n, WIRE_FIELD_NAME, queue);
        n += wire_put_u32(fields + n, WIRE_FIELD_CREDIT_MESSAGES, messages);
        n += wire_put_u64(fields + n, WIRE_FIELD_CREDIT_BYTES, bytes);
        return raw_request(p, WIRE_CONSUME, 0, channel, fields, n);
}

int raw_credit(struct raw *p, unsigned channel, uint32_t messages, uint32_t bytes) {
        struct wire_credit credit = {.messages = messages, .bytes = bytes};
        uint8_t frame[WIRE_HEADER_BYTES + 8];

        return raw_write(p, frame, wire_put_credit(frame, channel, &credit));
}

int raw_settle(struct raw *p, unsigned opcode, unsigned flags, unsigned channel, uint64_t id, uint32_t count) {
        struct wire_settle_run run = {.id = id, .count = count};
        uint8_t frame[16 + WIRE_SETTLE_RUN_BYTES];
        size_t n = wire_put_settle_header(frame, opcode, flags, channel, ++p->serial, 0, 1);

        n += wire_put_settle_run(frame + n, &run);
        return raw_write(p, frame, n);
}

/* ---- receiving ---- */

/* Reads more into the buffer. Returns 1, 0 at the end of the connection. */
static int fill(struct raw *p) {
        ssize_t n;
        int r;

        if (p->taken > 0) {
                memmove(p->buffer, p->buffer + p->taken, p->used - p->taken);
                p->used -= p->taken;
                p->taken = 0;
        }
        if (p->allocated - p->used < READ_BYTES) {
                uint8_t *larger = realloc(p->buffer, p->used + READ_BYTES * 2);

                if (!larger)
                        return -ENOMEM;
                p->buffer = larger;
                p->allocated = p->used + READ_BYTES * 2;
        }

        while ((n = recv(p->fd, p->buffer + p->used, p->allocated - p->used, MSG_DONTWAIT)) < 0) {
                if (errno != EAGAIN && errno != EINTR)
                        return -errno;
                r = wait_for(p, POLLIN);
                if (r < 0)
                        return r;
        }
        p->used += (size_t) n;
        return n > 0;
}

int raw_read(struct raw *p, struct raw_frame *ret) {
        for (;;) {
                struct wire_fault fault;
                struct wire_header header;
                size_t there = p->used - p->taken;
                int r = there > 0 ? wire_header_parse(p->buffer + p->taken, there, UINT32_MAX, &header, &fault) : 0;

                if (r < 0)
                        return -EPROTO;
                if (r > 0 && header.size <= there) {
                        *ret = (struct raw_frame){.header = header, .data = p->buffer + p->taken};
                        p->taken += header.size;
                        return 1;
                }
                r = fill(p);
                if (r < 0)
                        return r;
                if (r == 0)
                        return there > 0 ? -EPROTO : 0;
        }
}

/* Shows on stderr what came instead of what was expected. */
static void print_unexpected(const char *expected, int r, const struct raw_frame *frame) {
        struct wire_general general;
        struct wire_fault fault;
        struct wire_field field;

        fprintf(stderr, "expected %s, but ", expected);
        if (r == 0) {
                fprintf(stderr, "the connection ended\n");
                return;
        }
        if (r < 0) {
                fprintf(stderr, "got %s\n", strerror(-r));
                return;
        }
        fprintf(stderr, "got %s (%u bytes)", wire_opcode_name(frame->header.opcode), frame->header.size);
        if ((frame->header.opcode == WIRE_ERROR || frame->header.opcode == WIRE_GOODBYE ||
             frame->header.opcode == WIRE_CANCELLED) &&
            wire_general_parse(frame->data, frame->header.size, &general, &fault) >= 0) {
                fprintf(stderr, " serial %u", general.serial);
                if (wire_field_find(general.fields, WIRE_FIELD_CODE, &field))
                        fprintf(stderr, " %s", wire_code_name((unsigned) field.number));
                if (wire_field_find(general.fields, WIRE_FIELD_TEXT, &field))
                        fprintf(stderr, " \"%.*s\"", (int) field.value.size, (const char *) field.value.data);
        }
        fprintf(stderr, "\n");
}

int raw_expect(struct raw *p, unsigned opcode, struct raw_frame *ret) {
        struct raw_frame frame;
        int r;

        do
                r = raw_read(p, &frame);
        while (r > 0 && frame.header.opcode == WIRE_SENDER && opcode != WIRE_SENDER);
        if (r <= 0 || frame.header.opcode != opcode) {
                print_unexpected(wire_opcode_name(opcode), r, &frame);
                return r < 0 ? r : -EPROTO;
        }
        if (ret)
                *ret = frame;
        return 0;
}

/* Expects a frame of the general layout that answers this serial. */
static int expect_general(struct raw *p, unsigned opcode, uint32_t serial, struct wire_general *ret) {
        struct wire_fault fault;
        struct raw_frame frame;
        int r;

        r = raw_expect(p, opcode, &frame);
        if (r < 0)
                return r;
        if (wire_general_parse(frame.data, frame.header.size, ret, &fault) < 0)
                return -EPROTO;
        if (ret->serial != serial) {
                fprintf(stderr, "expected %s for serial %u, but it is for %u: ", wire_opcode_name(opcode), serial,
                        ret->serial);
                print_unexpected("it", 1, &frame);
                return -EPROTO;
        }
        return 0;
}

int raw_expect_ok(struct raw *p) {
        struct wire_general general;

        return expect_general(p, WIRE_OK, p->serial, &general);
}

int raw_expect_error(struct raw *p, unsigned code, uint32_t serial) {
        struct wire_general general;
        struct wire_field field;
        int r;

        r = expect_general(p, WIRE_ERROR, serial, &general);
        if (r < 0)
                return r;
        if (!wire_field_find(general.fields, WIRE_FIELD_CODE, &field) || field.number != code) {
                fprintf(stderr, "expected the error %s, but got another: %s\n", wire_code_name(code),
                        wire_code_name((unsigned) field.number));
                return -EPROTO;
        }
        return 0;
}

int raw_expect_deliver(struct raw *p, struct wire_deliver *ret) {
        struct wire_fault fault;
        struct raw_frame frame;
        int r;

        r = raw_expect(p, WIRE_DELIVER, &frame);
        if (r < 0)
                return r;
        return wire_deliver_parse(frame.data, frame.header.size, ret, &fault) < 0 ? -EPROTO : 0;
}

int raw_expect_confirm(struct raw *p, uint32_t serial, uint64_t *ret_id) {
        struct wire_confirm_run run;
        struct wire_fault fault;
        struct raw_frame frame;
        int r;

        r = raw_expect(p, WIRE_CONFIRM, &frame);
        if (r < 0)
                return r;
        if (wire_confirm_parse(frame.data, frame.header.size, &fault) != 1)
                return -EPROTO;
        run = wire_confirm_run(frame.data, 0);
        if (run.serial != serial || run.count != 1)
                return -EPROTO;
        if (ret_id)
                *ret_id = run.id;
        return 0;
}

int raw_expect_closed(struct raw *p) {
        struct raw_frame frame;
        int r = raw_read(p, &frame);

        if (r == 0 || r == -ECONNRESET || r == -EPIPE)
                return 0;
        print_unexpected("the end of the connection", r, &frame);
        return r < 0 ? r : -EPROTO;
}

int raw_ping(struct raw *p) {
        struct wire_general general;
        int r;

        r = raw_request(p, WIRE_PING, 0, 0, NULL, 0);
        return r < 0 ? r : expect_general(p, WIRE_PONG, p->serial, &general);
}
