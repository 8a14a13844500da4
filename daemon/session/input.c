/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "daemon/session/input.h"

/* A frame this large is received where it stays, once its front is there; smaller ones are copied to be with what
 * follows them. */
#define LARGE_FRAME_BYTES_MIN (16u * 1024u)

void input_init(struct input *in) {
        *in = (struct input){0};
}

static void drop_partial(struct input *in) {
        free(in->partial);
        in->partial = NULL;
        in->size = in->capacity = 0;
}

void input_done(struct input *in) {
        drop_partial(in);
        while (in->n_descriptors > 0)
                close(in->descriptors[--in->n_descriptors]);
}

/* Takes descriptors over from a control message. Returns 0 or -ENOBUFS (the surplus is closed). */
static int take_descriptors(struct input *in, struct msghdr *message) {
        int r = message->msg_flags & MSG_CTRUNC ? -ENOBUFS : 0;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
                size_t n;

                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < n; i++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
                        if (in->n_descriptors < INPUT_DESCRIPTORS_MAX)
                                in->descriptors[in->n_descriptors++] = fd;
                        else {
                                close(fd);
                                r = -ENOBUFS;
                        }
                }
        }
        return r;
}

/* Returns bytes read, 0 when there is nothing now, negative errno; -ECONNRESET at the end. */
static ssize_t receive(struct input *in, int fd, struct iovec *iov, size_t n_iov) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(INPUT_DESCRIPTORS_MAX * sizeof(int))];
        } control;
        struct msghdr message = {
                .msg_iov = iov,
                .msg_iovlen = n_iov,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        ssize_t n;
        int r;

        n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (message.msg_controllen > 0) {
                r = take_descriptors(in, &message);
                if (r < 0)
                        return r;
        }
        return n == 0 ? -ECONNRESET : n;
}

/* The size of the frame whose front is kept, if that is known and large; else 0. */
static size_t large_frame_bytes(const struct input *in, uint32_t frame_bytes_max) {
        struct wire_header header;
        struct wire_fault fault;

        if (!in->partial || wire_header_parse(in->partial, in->size, frame_bytes_max, &header, &fault) <= 0)
                return 0;
        return header.size >= LARGE_FRAME_BYTES_MIN ? header.size : 0;
}

/* A large frame is put together in a buffer that grows with what has come, not with what was announced. What comes
 * behind its end goes to `shared` in the same read. */
static int read_large(struct input *in, int fd, size_t frame_bytes, uint8_t *shared, struct input_read *ret) {
        struct iovec iov[2];
        size_t room;
        ssize_t n;

        if (in->capacity < frame_bytes && in->capacity - in->size < LARGE_FRAME_BYTES_MIN) {
                size_t capacity = in->size + (in->size > INPUT_SHARED_BYTES ? in->size : INPUT_SHARED_BYTES);
                uint8_t *partial;

                if (capacity > frame_bytes)
                        capacity = frame_bytes;
                partial = realloc(in->partial, capacity);
                if (!partial)
                        return -ENOMEM;
                in->partial = partial;
                in->capacity = capacity;
        }
        room = in->capacity < frame_bytes ? in->capacity - in->size : frame_bytes - in->size;
        iov[0] = (struct iovec){in->partial + in->size, room};
        iov[1] = (struct iovec){shared, INPUT_SHARED_BYTES};
        n = receive(in, fd, iov, in->size + room == frame_bytes ? 2 : 1);
        if (n <= 0)
                return (int) n;
        if ((size_t) n < room || in->size + room < frame_bytes) {
                in->size += (size_t) n;
                return 0;
        }
        in->size = frame_bytes;
        ret->large = (struct wire_span){in->partial, in->size};
        ret->frames = (struct wire_span){shared, (size_t) n - room};
        ret->more = ret->frames.size > 0;
        return 1;
}

int input_read(struct input *in, int fd, uint8_t *shared, uint32_t frame_bytes_max, struct input_read *ret) {
        size_t large = large_frame_bytes(in, frame_bytes_max), kept = in->size;
        struct iovec iov = {shared + kept, INPUT_SHARED_BYTES - kept};
        ssize_t n;

        *ret = (struct input_read){0};
        if (large > 0)
                return read_large(in, fd, large, shared, ret);
        if (kept > 0)
                memcpy(shared, in->partial, kept);
        n = receive(in, fd, &iov, 1);
        if (n <= 0)
                return (int) n;
        ret->frames = (struct wire_span){shared, kept + (size_t) n};
        ret->more = (size_t) n == iov.iov_len;
        return 1;
}

int input_keep(struct input *in, struct wire_span rest) {
        uint8_t *partial;

        if (rest.size == 0) {
                drop_partial(in);
                return 0;
        }
        if (rest.size > in->capacity) {
                partial = malloc(rest.size);
                if (!partial)
                        return -ENOMEM;
                memcpy(partial, rest.data, rest.size);
                drop_partial(in);
                in->partial = partial;
                in->capacity = rest.size;
        } else
                memmove(in->partial, rest.data, rest.size);
        in->size = rest.size;
        return 0;
}

int input_take_descriptor(struct input *in) {
        int fd;

        if (in->n_descriptors == 0)
                return -EBADMSG;
        fd = in->descriptors[0];
        in->n_descriptors--;
        memmove(in->descriptors, in->descriptors + 1, in->n_descriptors * sizeof(int));
        return fd;
}
