/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Input: from bytes, however they come, to frames; and descriptors, which stay with theirs. */

#include <sys/mman.h>
#include <sys/stat.h>

#include "tests/session/fixture.h"

#define FRAME_BYTES_MAX (4u << 20)

struct wires {
        struct input in;
        uint8_t *shared;
        int ends[2]; /* what is written to 1 is read from 0 */
        size_t n_seen; /* frames */
        struct wire_span expected[64];
        size_t n_expected;
};

static int wires_setup(void **state) {
        struct wires *w = calloc(1, sizeof(*w));

        assert_non_null(w);
        w->shared = malloc(INPUT_SHARED_BYTES);
        assert_non_null(w->shared);
        input_init(&w->in);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, w->ends), 0);
        *state = w;
        return 0;
}

static int wires_teardown(void **state) {
        struct wires *w = *state;

        input_done(&w->in);
        for (size_t i = 0; i < w->n_expected; i++)
                free((void *) w->expected[i].data);
        close(w->ends[0]);
        if (w->ends[1] >= 0)
                close(w->ends[1]);
        free(w->shared);
        free(w);
        return 0;
}

#define INPUT_TEST(function) cmocka_unit_test_setup_teardown(function, wires_setup, wires_teardown)

/* ---- frames ---- */

/* Makes a frame of this size that will have to come out. */
static struct wire_span make_frame(struct wires *w, uint32_t size, unsigned flags) {
        uint8_t *data = malloc(size);
        size_t n = w->n_expected++;

        assert_non_null(data);
        assert_true(n < sizeof(w->expected) / sizeof(w->expected[0]));
        wire_put_header(data, &(struct wire_header){.size = size, .opcode = WIRE_SEND, .flags = (uint8_t) flags, .channel = (uint16_t) n});
        for (uint32_t i = WIRE_HEADER_BYTES; i < size; i++)
                data[i] = (uint8_t) (i * 13 + n);
        w->expected[n] = (struct wire_span){data, size};
        return w->expected[n];
}

/* Takes off the whole frames in front, each of which has to be the next one. */
static void take_frames(struct wires *w, struct wire_span *data) {
        struct wire_header header;
        struct wire_fault fault;

        while (wire_header_parse(data->data, data->size, FRAME_BYTES_MAX, &header, &fault) > 0 && header.size <= data->size) {
                struct wire_span wanted = w->expected[w->n_seen];

                assert_true(w->n_seen < w->n_expected);
                assert_int_equal(header.size, wanted.size);
                assert_memory_equal(data->data, wanted.data, wanted.size);
                w->n_seen++;
                data->data += header.size;
                data->size -= header.size;
        }
}

/* Reads once, as a session does. Returns what input_read() did. */
static int read_once(struct wires *w) {
        struct input_read got;
        int r;

        /* What an earlier read left there must not matter. */
        memset(w->shared, 0xaa, INPUT_SHARED_BYTES);
        r = input_read(&w->in, w->ends[0], w->shared, FRAME_BYTES_MAX, &got);
        if (r <= 0)
                return r;
        take_frames(w, &got.large);
        assert_int_equal(got.large.size, 0);
        take_frames(w, &got.frames);
        assert_int_equal(input_keep(&w->in, got.frames), 0);
        return r;
}

/* Writes all of this, reading whenever no more goes in; then reads what is left. */
static void pass(struct wires *w, const uint8_t *data, size_t size, size_t piece) {
        while (size > 0) {
                ssize_t n = send(w->ends[1], data, size < piece ? size : piece, MSG_NOSIGNAL);

                if (n < 0) {
                        assert_int_equal(errno, EAGAIN);
                        assert_true(read_once(w) >= 0);
                        continue;
                }
                data += n;
                size -= (size_t) n;
                if (piece < 65536)
                        assert_true(read_once(w) >= 0);
        }
        for (int i = 0; i < 1000; i++)
                assert_true(read_once(w) >= 0);
}

/* The frames that were made, one behind the other. The caller's to free(). */
static uint8_t *join(const struct wires *w, size_t *ret_size) {
        size_t size = 0;
        uint8_t *all;

        for (size_t i = 0; i < w->n_expected; i++)
                size += w->expected[i].size;
        all = malloc(size);
        assert_non_null(all);
        *ret_size = size;
        size = 0;
        for (size_t i = 0; i < w->n_expected; i++) {
                memcpy(all + size, w->expected[i].data, w->expected[i].size);
                size += w->expected[i].size;
        }
        return all;
}

static void assert_all_seen(const struct wires *w) {
        assert_int_equal(w->n_seen, w->n_expected);
        assert_null(w->in.partial); /* no memory where nothing is half there */
        assert_int_equal(w->in.size, 0);
}

static void test_nothing_there(void **state) {
        struct wires *w = *state;

        assert_int_equal(read_once(w), 0);
        assert_null(w->in.partial);
}

static void test_many_frames_a_read(void **state) {
        struct wires *w = *state;
        size_t size;
        uint8_t *all;

        for (uint32_t i = 0; i < 50; i++)
                (void) make_frame(w, WIRE_HEADER_BYTES + i * 20, 0);
        all = join(w, &size);
        assert_int_equal(send(w->ends[1], all, size, 0), size);
        assert_int_equal(read_once(w), 1);
        assert_all_seen(w);
        free(all);
}

static void test_split_at_every_byte(void **state) {
        struct wires *w = *state;
        size_t size;
        uint8_t *all;

        (void) make_frame(w, 8, 0);
        (void) make_frame(w, 29, 0);
        (void) make_frame(w, 12, 0);
        all = join(w, &size);
        for (size_t cut = 0; cut <= size; cut++) {
                w->n_seen = 0;
                if (cut > 0) {
                        assert_int_equal(send(w->ends[1], all, cut, 0), cut);
                        assert_int_equal(read_once(w), 1);
                }
                if (cut < size) {
                        assert_int_equal(send(w->ends[1], all + cut, size - cut, 0), size - cut);
                        assert_int_equal(read_once(w), 1);
                }
                assert_all_seen(w);
        }
        free(all);
}

static void test_byte_by_byte(void **state) {
        struct wires *w = *state;
        size_t size;
        uint8_t *all;

        (void) make_frame(w, 8, 0);
        (void) make_frame(w, 300, 0);
        (void) make_frame(w, 20000, 0); /* a large one */
        (void) make_frame(w, 30, 0);
        all = join(w, &size);
        pass(w, all, size, 1);
        assert_all_seen(w);
        free(all);
}

/* Frames below, at and above what the shared buffer takes, with small ones between them, in pieces of all sizes. */
static void test_large_frames(void **state) {
        static const size_t pieces[] = {997, 16384, 100000, SIZE_MAX};
        struct wires *w = *state;
        size_t size;
        uint8_t *all;

        (void) make_frame(w, 20, 0);
        (void) make_frame(w, INPUT_SHARED_BYTES - 20, 0);
        (void) make_frame(w, INPUT_SHARED_BYTES, 0);
        (void) make_frame(w, 9, 0);
        (void) make_frame(w, INPUT_SHARED_BYTES + 1, 0);
        (void) make_frame(w, 16383, 0);
        (void) make_frame(w, 16384, 0);
        (void) make_frame(w, 16385, 0);
        (void) make_frame(w, FRAME_BYTES_MAX, 0);
        (void) make_frame(w, 3 * INPUT_SHARED_BYTES + 7, 0);
        (void) make_frame(w, 10, 0);
        all = join(w, &size);
        for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
                w->n_seen = 0;
                pass(w, all, size, pieces[i]);
                assert_all_seen(w);
        }
        free(all);
}

/* Memory grows with what has come, not with what was announced. */
static void test_announced_is_not_allocated(void **state) {
        struct wires *w = *state;
        struct wire_span frame = make_frame(w, FRAME_BYTES_MAX, 0);
        size_t sent = 0;

        while (sent < 1000000) {
                ssize_t n = send(w->ends[1], frame.data + sent, 10000, 0);

                assert_true(n > 0);
                sent += (size_t) n;
                assert_true(read_once(w) >= 0);
                assert_int_equal(w->in.size, sent);
                assert_true(w->in.capacity <= 2 * sent + 2 * INPUT_SHARED_BYTES);
        }
}

static void test_end(void **state) {
        struct wires *w = *state;
        struct wire_span frame = make_frame(w, 40, 0);

        assert_int_equal(send(w->ends[1], frame.data, 40, 0), 40);
        assert_int_equal(send(w->ends[1], frame.data, 39, 0), 39);
        close(w->ends[1]);
        w->ends[1] = -1;
        assert_int_equal(read_once(w), 1);
        assert_int_equal(w->n_seen, 1);
        assert_int_equal(read_once(w), -ECONNRESET);
        assert_int_equal(w->in.size, 39); /* freed with the rest */
}

/* ---- descriptors ---- */

/* A descriptor that can be told from others. */
static int make_descriptor(const char *text) {
        int fd = memfd_create("test", MFD_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        return fd;
}

/* The oldest descriptor that waits is this one, and will not be inherited. */
static void expect_descriptor(struct wires *w, const char *text) {
        char got[32] = "";
        int fd = input_take_descriptor(&w->in);

        assert_true(fd >= 0);
        assert_true(pread(fd, got, sizeof(got) - 1, 0) >= 0);
        assert_string_equal(got, text);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        close(fd);
}

/* Sends these bytes with `n` descriptors, whose texts count up from `first`. */
static void send_with(struct wires *w, const void *data, size_t size, char first, size_t n) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(64 * sizeof(int))];
        } control = {0};
        struct iovec iov = {(void *) data, size};
        struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(n * sizeof(int))};
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        int fds[64];

        assert_true(n <= 64);
        for (size_t i = 0; i < n; i++)
                fds[i] = make_descriptor((char[]){(char) (first + (char) i), '\0'});
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n * sizeof(int));
        memcpy(CMSG_DATA(c), fds, n * sizeof(int));
        assert_int_equal(sendmsg(w->ends[1], &message, 0), size);
        for (size_t i = 0; i < n; i++)
                close(fds[i]);
}

static unsigned count_open(void) {
        unsigned n = 0;

        for (int fd = 0; fd < 1024; fd++)
                n += fcntl(fd, F_GETFD) >= 0;
        return n;
}

static void test_descriptors_come_in_order(void **state) {
        struct wires *w = *state;
        struct wire_span frame = make_frame(w, 20, WIRE_FLAG_DESCRIPTOR);
        unsigned before = count_open();

        assert_int_equal(input_take_descriptor(&w->in), -EBADMSG);
        send_with(w, frame.data, 20, 'a', 1);
        assert_int_equal(read_once(w), 1);
        (void) make_frame(w, 20, 0);
        w->n_seen = 0;
        send_with(w, frame.data, 20, 'b', 1);
        assert_int_equal(read_once(w), 1);
        expect_descriptor(w, "a");
        expect_descriptor(w, "b");
        assert_int_equal(input_take_descriptor(&w->in), -EBADMSG);
        assert_int_equal(count_open(), before);
}

/* It is there with the first byte, and waits for the rest of its frame. */
static void test_descriptor_of_a_split_frame(void **state) {
        struct wires *w = *state;
        struct wire_span frame = make_frame(w, 50000, WIRE_FLAG_DESCRIPTOR);

        send_with(w, frame.data, 1, 'a', 1);
        assert_int_equal(read_once(w), 1);
        assert_int_equal(w->in.n_descriptors, 1);
        assert_int_equal(send(w->ends[1], frame.data + 1, 49999, 0), 49999);
        while (w->n_seen == 0)
                assert_true(read_once(w) >= 0);
        expect_descriptor(w, "a");
}

static void test_too_many_descriptors(void **state) {
        struct wires *w = *state;
        struct wire_span frame = make_frame(w, 8, 0);
        unsigned before = count_open();

        send_with(w, frame.data, 8, 'a', INPUT_DESCRIPTORS_MAX);
        assert_int_equal(read_once(w), 1);
        assert_int_equal(w->in.n_descriptors, INPUT_DESCRIPTORS_MAX);
        send_with(w, frame.data, 8, 'A', 1);
        assert_int_equal(read_once(w), -ENOBUFS);
        assert_int_equal(count_open(), before + INPUT_DESCRIPTORS_MAX);
        /* Those that came in time are closed with the rest. */
        input_done(&w->in);
        assert_int_equal(count_open(), before);
}

/* More at once than there is room for: the kernel gives what fits, and nothing stays open by mistake. */
static void test_far_too_many_descriptors(void **state) {
        struct wires *w = *state;
        struct wire_span frame = make_frame(w, 8, 0);
        unsigned before = count_open();

        send_with(w, frame.data, 8, 'a', INPUT_DESCRIPTORS_MAX + 20);
        assert_int_equal(read_once(w), -ENOBUFS);
        input_done(&w->in);
        assert_int_equal(count_open(), before);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                INPUT_TEST(test_nothing_there),
                INPUT_TEST(test_many_frames_a_read),
                INPUT_TEST(test_split_at_every_byte),
                INPUT_TEST(test_byte_by_byte),
                INPUT_TEST(test_large_frames),
                INPUT_TEST(test_announced_is_not_allocated),
                INPUT_TEST(test_end),
                INPUT_TEST(test_descriptors_come_in_order),
                INPUT_TEST(test_descriptor_of_a_split_frame),
                INPUT_TEST(test_too_many_descriptors),
                INPUT_TEST(test_far_too_many_descriptors),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
