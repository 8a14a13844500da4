/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/fake.h"

#define READ_BYTES 65536u

static void check(bool good, const char *what) {
        if (good)
                return;
        perror(what);
        abort();
}

static void *grow(void *memory, size_t bytes) {
        memory = realloc(memory, bytes);
        check(memory != NULL, "realloc");
        return memory;
}

struct fake *fake_new(void) {
        struct fake *f = calloc(1, sizeof(*f));

        check(f != NULL, "calloc");
        f->listen_fd = f->fd = -1;
        f->next_id = 1001;
        f->now_us = 1000000;
        strcpy(f->directory, "/tmp/lodge-fake-XXXXXX");
        check(mkdtemp(f->directory) != NULL, "mkdtemp");
        snprintf(f->path, sizeof(f->path), "%s/bus", f->directory);
        fake_start(f);
        return f;
}

struct fake *fake_free(struct fake *f) {
        if (!f)
                return NULL;
        fake_drop(f);
        fake_stop(f);
        rmdir(f->directory);
        fake_forget(f);
        free(f->frames);
        free(f->input);
        free(f->output);
        free(f);
        return NULL;
}

void fake_start(struct fake *f) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        if (f->listen_fd >= 0)
                return;
        strcpy(address.sun_path, f->path);
        f->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        check(f->listen_fd >= 0, "socket");
        check(bind(f->listen_fd, (struct sockaddr *) &address, sizeof(address)) == 0, "bind");
        check(listen(f->listen_fd, 8) == 0, "listen");
}

void fake_stop(struct fake *f) {
        if (f->listen_fd < 0)
                return;
        close(f->listen_fd);
        f->listen_fd = -1;
        unlink(f->path);
}

void fake_drop(struct fake *f) {
        if (f->fd >= 0)
                close(f->fd);
        f->fd = -1;
        f->input_bytes = f->output_bytes = 0;
        f->tail_subject[0] = 0;
        f->send_seen = false;
}

/* ---- turning ---- */

static bool turn_accept(struct fake *f) {
        int fd;

        if (f->listen_fd < 0)
                return false;
        fd = accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
                check(errno == EAGAIN, "accept4");
                return false;
        }
        fake_drop(f);
        f->fd = fd;
        f->n_accepted++;
        return true;
}

static bool turn_write(struct fake *f) {
        ssize_t n;

        if (f->fd < 0 || f->output_bytes == 0)
                return false;
        n = send(f->fd, f->output, f->output_bytes, MSG_NOSIGNAL);
        if (n < 0) {
                check(errno == EAGAIN || errno == EPIPE || errno == ECONNRESET, "send");
                if (errno != EAGAIN)
                        f->output_bytes = 0;
                return false;
        }
        memmove(f->output, f->output + n, f->output_bytes - (size_t) n);
        f->output_bytes -= (size_t) n;
        return true;
}

static void keep_frame(struct fake *f, const uint8_t *data, size_t size) {
        struct fake_frame *frame;

        f->frames = grow(f->frames, (f->n_frames + 1) * sizeof(*f->frames));
        frame = &f->frames[f->n_frames++];
        *frame = (struct fake_frame){.data = grow(NULL, size), .size = size, .connection = f->n_accepted};
        memcpy(frame->data, data, size);
}

/* What every SEND is held to, whatever the test answers. */
static void check_send(struct fake *f, const uint8_t *frame, size_t size) {
        struct wire_send send;

        check(wire_send_parse(frame, size, &send, NULL) == 0, "the client sent a malformed SEND");
        if (send.subject.size > 0) {
                memcpy(f->tail_subject, send.subject.data, send.subject.size);
                f->tail_subject[send.subject.size] = 0;
        }
        check(f->tail_subject[0] != 0, "a SEND leans on a subject that was not said");
        check(!f->send_seen || send.serial == f->send_serial + 1, "the serial of a SEND does not count up");
        f->send_seen = true;
        f->send_serial = send.serial;
}

/* Takes the first whole frame out of the input. */
static bool turn_frame(struct fake *f) {
        struct wire_header header;
        uint8_t *frame;
        int r;

        r = wire_header_parse(f->input, f->input_bytes, UINT32_MAX, &header, NULL);
        check(r >= 0, "the client sent a frame that is none");
        if (r == 0 || header.size > f->input_bytes)
                return false;

        frame = grow(NULL, header.size);
        memcpy(frame, f->input, header.size);
        memmove(f->input, f->input + header.size, f->input_bytes - header.size);
        f->input_bytes -= header.size;
        keep_frame(f, frame, header.size);
        if (header.opcode == WIRE_SEND)
                check_send(f, frame, header.size);
        if (f->answer)
                f->answer(f, frame, header.size);
        else
                fake_answer(f, frame, header.size);
        free(frame);
        return true;
}

static bool turn_read(struct fake *f) {
        bool did = false;
        ssize_t n;

        if (f->fd < 0)
                return false;
        f->input = grow(f->input, f->input_bytes + READ_BYTES);
        n = recv(f->fd, f->input + f->input_bytes, READ_BYTES, 0);
        if (n == 0 || (n < 0 && errno == ECONNRESET)) {
                fake_drop(f);
                return true;
        }
        check(n > 0 || errno == EAGAIN, "recv");
        if (n > 0) {
                f->input_bytes += (size_t) n;
                did = true;
        }
        while (f->fd >= 0 && turn_frame(f))
                did = true;
        return did;
}

bool fake_turn(struct fake *f) {
        bool did = turn_accept(f);

        did |= turn_read(f);
        did |= turn_write(f);
        return did;
}

void fake_settle(struct fake *f) {
        while (fake_turn(f))
                ;
}

/* ---- answering ---- */

static void answer_send(struct fake *f, const uint8_t *frame, size_t size) {
        struct wire_send send;

        check(wire_send_parse(frame, size, &send, NULL) == 0, "the client sent a malformed SEND");
        fake_confirm(f, send.serial, 1, f->next_id++);
}

void fake_answer_hello(struct fake *f, const uint8_t *frame, size_t size) {
        uint8_t fields[64], *p = fields;

        (void) size;
        if (frame[4] != WIRE_HELLO)
                return;
        p += wire_put_u16(p, WIRE_FIELD_VERSION, WIRE_VERSION);
        p += wire_put_u32(p, WIRE_FIELD_MESSAGE_BYTES_MAX, 16u << 20);
        p += wire_put_string(p, WIRE_FIELD_SOFTWARE, "fake 1.0");
        fake_general(f, WIRE_WELCOME, 0, 0, wire_get32(frame + 8), fields, (size_t) (p - fields));
}

void fake_answer(struct fake *f, const uint8_t *frame, size_t size) {
        uint32_t serial = wire_get32(frame + 8);

        switch (frame[4]) {
        case WIRE_HELLO:
                fake_answer_hello(f, frame, size);
                break;
        case WIRE_SEND:
                answer_send(f, frame, size);
                break;
        case WIRE_CREDIT:
        case WIRE_PONG:
                break;
        case WIRE_ACK:
        case WIRE_NACK:
                if (frame[5] & WIRE_SETTLE_ANSWER)
                        fake_ok(f, serial);
                break;
        case WIRE_LIST:
        case WIRE_STATUS:
        case WIRE_PEERS:
        case WIRE_BROWSE:
                fake_general(f, WIRE_END, 0, 0, serial, NULL, 0);
                break;
        case WIRE_PING:
                fake_general(f, WIRE_PONG, 0, 0, serial, NULL, 0);
                break;
        default:
                fake_ok(f, serial);
        }
}

void fake_write(struct fake *f, const void *data, size_t size) {
        if (size > 0) {
                f->output = grow(f->output, f->output_bytes + size);
                memcpy(f->output + f->output_bytes, data, size);
                f->output_bytes += size;
        }
        turn_write(f);
}

void fake_general(struct fake *f,
                  unsigned opcode,
                  unsigned flags,
                  unsigned channel,
                  uint32_t serial,
                  const void *fields,
                  size_t size) {
        uint8_t head[WIRE_SERIAL_HEADER_BYTES], *frame;

        wire_put_general(head, opcode, flags, channel, serial, size);
        frame = grow(NULL, sizeof(head) + size);
        memcpy(frame, head, sizeof(head));
        if (size > 0)
                memcpy(frame + sizeof(head), fields, size);
        fake_write(f, frame, sizeof(head) + size);
        free(frame);
}

void fake_ok(struct fake *f, uint32_t serial) {
        fake_general(f, WIRE_OK, 0, 0, serial, NULL, 0);
}

void fake_error(struct fake *f, unsigned flags, uint32_t serial, unsigned code, const char *text) {
        uint8_t fields[512], *p = fields;

        p += wire_put_u16(p, WIRE_FIELD_CODE, (uint16_t) code);
        p += wire_put_string(p, WIRE_FIELD_TEXT, text);
        fake_general(f, WIRE_ERROR, flags, 0, serial, fields, (size_t) (p - fields));
}

void fake_confirm(struct fake *f, uint32_t serial, uint32_t count, uint64_t id) {
        uint8_t frame[WIRE_HEADER_BYTES + WIRE_CONFIRM_RUN_BYTES];
        struct wire_header header = {.size = sizeof(frame), .opcode = WIRE_CONFIRM};
        struct wire_confirm_run run = {.serial = serial, .count = count, .id = id};

        wire_put_header(frame, &header);
        wire_put_confirm_run(frame + WIRE_HEADER_BYTES, &run);
        fake_write(f, frame, sizeof(frame));
}

void fake_deliver_full(struct fake *f, const struct wire_deliver *deliver) {
        uint8_t *frame = grow(NULL, wire_deliver_size(deliver));

        fake_write(f, frame, wire_put_deliver(frame, deliver));
        free(frame);
}

void fake_deliver(struct fake *f, unsigned channel, uint64_t id, const char *subject, const void *body, size_t size) {
        struct wire_deliver deliver = {
                .opcode = WIRE_DELIVER,
                .channel = (uint16_t) channel,
                .id = id,
                .time_us = 1700000000000000,
                .sender = 1,
                .subject = {(const uint8_t *) subject, subject ? strlen(subject) : 0},
                .body = {body, size},
        };

        fake_deliver_full(f, &deliver);
}

/* ---- looking ---- */

size_t fake_count(const struct fake *f, unsigned opcode) {
        size_t n = 0;

        for (size_t i = 0; i < f->n_frames; i++)
                n += f->frames[i].data[4] == opcode;
        return n;
}

const struct fake_frame *fake_find(const struct fake *f, unsigned opcode, int index) {
        if (index < 0)
                index += (int) fake_count(f, opcode);
        for (size_t i = 0; i < f->n_frames; i++)
                if (f->frames[i].data[4] == opcode && index-- == 0)
                        return &f->frames[i];
        return NULL;
}

uint32_t fake_serial(const struct fake_frame *frame) {
        return wire_get32(frame->data + 8);
}

void fake_forget(struct fake *f) {
        for (size_t i = 0; i < f->n_frames; i++)
                free(f->frames[i].data);
        f->n_frames = 0;
}

/* ---- the clock and poll of the library ---- */

uint64_t fake_now(void *userdata) {
        struct fake *f = userdata;

        return f->now_us;
}

int fake_poll(void *userdata, struct pollfd *fds, nfds_t n_fds, const struct timespec *timeout) {
        const struct timespec at_once = {0};
        struct fake *f = userdata;
        int n;

        for (;;) {
                fake_settle(f);
                n = ppoll(fds, n_fds, &at_once, NULL);
                if (n != 0)
                        return n;
                if (f->idle && f->idle(f))
                        continue;
                if (timeout) {
                        f->now_us += (uint64_t) timeout->tv_sec * 1000000 + (uint64_t) timeout->tv_nsec / 1000;
                        return 0;
                }
                errno = EDEADLK;
                return -1;
        }
}
