/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Output: appending, giving back, writing as far as the socket takes it, and how much memory stays. */

#include "tests/session/fixture.h"

struct wires {
        struct chunk_pool pool;
        struct output out;
        int ends[2]; /* what is written to 0 comes out of 1 */
};

static int wires_setup(void **state) {
        struct wires *w = calloc(1, sizeof(*w));

        assert_non_null(w);
        chunk_pool_init(&w->pool);
        output_init(&w->out, &w->pool);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, w->ends), 0);
        *state = w;
        return 0;
}

static int wires_teardown(void **state) {
        struct wires *w = *state;

        output_done(&w->out);
        chunk_pool_done(&w->pool);
        close(w->ends[0]);
        if (w->ends[1] >= 0)
                close(w->ends[1]);
        free(w);
        return 0;
}

#define OUTPUT_TEST(function) cmocka_unit_test_setup_teardown(function, wires_setup, wires_teardown)

/* The byte at this place of an endless stream. */
static uint8_t byte_at(size_t i) {
        return (uint8_t) (i * 31 + (i >> 8) * 7 + (i >> 16));
}

static void append_stream(struct output *out, size_t from, size_t size) {
        uint8_t *p = output_append(out, size);

        assert_non_null(p);
        for (size_t i = 0; i < size; i++)
                p[i] = byte_at(from + i);
}

/* Reads up to `most` bytes of what is there; they are the stream's from here on. Returns how many. */
static size_t check_stream(int fd, size_t from, size_t most) {
        static uint8_t data[1u << 20];
        size_t got = 0;

        while (got < most) {
                size_t room = most - got < sizeof(data) ? most - got : sizeof(data);
                ssize_t n = recv(fd, data, room, MSG_DONTWAIT);

                if (n <= 0)
                        break;
                for (ssize_t i = 0; i < n; i++)
                        assert_int_equal(data[i], byte_at(from + got + (size_t) i));
                got += (size_t) n;
        }
        return got;
}

static unsigned count_chunks(const struct output *out) {
        struct chunk *chunk;
        unsigned n = 0;

        TAILQ_FOREACH(chunk, &out->chunks, link)
                n++;
        return n;
}

static void test_nothing_to_write(void **state) {
        struct wires *w = *state;

        assert_int_equal(output_flush(&w->out, w->ends[0]), 0);
        assert_int_equal(w->out.bytes, 0);
        /* Not even a look at the socket. */
        assert_int_equal(output_flush(&w->out, -1), 0);
}

static void test_frames_share_a_chunk(void **state) {
        struct wires *w = *state;

        for (size_t i = 0; i < 100; i++)
                append_stream(&w->out, i * 100, 100);
        assert_int_equal(w->out.bytes, 10000);
        assert_int_equal(count_chunks(&w->out), 1);
        assert_int_equal(output_flush(&w->out, w->ends[0]), 0);
        assert_int_equal(w->out.bytes, 0);
        assert_int_equal(count_chunks(&w->out), 0);
        assert_int_equal(check_stream(w->ends[1], 0, 10000), 10000);
}

/* A frame is in one piece, so that whoever asked for room can fill it. */
static void test_frame_that_does_not_fit(void **state) {
        struct wires *w = *state;

        append_stream(&w->out, 0, OUTPUT_CHUNK_BYTES - 10);
        append_stream(&w->out, OUTPUT_CHUNK_BYTES - 10, 11);
        assert_int_equal(count_chunks(&w->out), 2);
        append_stream(&w->out, OUTPUT_CHUNK_BYTES + 1, OUTPUT_CHUNK_BYTES - 11); /* to the last byte */
        assert_int_equal(count_chunks(&w->out), 2);
        append_stream(&w->out, 2 * OUTPUT_CHUNK_BYTES - 10, 5 * OUTPUT_CHUNK_BYTES); /* larger than any chunk */
        assert_int_equal(count_chunks(&w->out), 3);
        assert_int_equal(w->out.bytes, 7 * OUTPUT_CHUNK_BYTES - 10);
}

static void test_shorten(void **state) {
        struct wires *w = *state;

        append_stream(&w->out, 0, 100);
        append_stream(&w->out, 100, 50);
        output_shorten(&w->out, 30);
        assert_int_equal(w->out.bytes, 120);
        append_stream(&w->out, 120, 5);
        assert_int_equal(output_flush(&w->out, w->ends[0]), 0);
        assert_int_equal(check_stream(w->ends[1], 0, 1000), 125);
}

/* A socket that takes little at a time, and a reader that reads odd amounts. */
static void test_partial_writes(void **state) {
        const size_t total = 3000000;
        struct wires *w = *state;
        size_t appended = 0, seen = 0, size = 1;
        int small = 4096;

        assert_int_equal(setsockopt(w->ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
        while (seen < total) {
                if (appended < total && w->out.bytes < 500000) {
                        size = size * 7 % 150000 + 1;
                        append_stream(&w->out, appended, size);
                        appended += size;
                }
                assert_int_equal(output_flush(&w->out, w->ends[0]), 0);
                seen += check_stream(w->ends[1], seen, size % 10000 + 1);
                assert_true(appended - seen >= w->out.bytes);
        }
}

static void test_full_socket_is_no_error(void **state) {
        struct wires *w = *state;
        size_t left;

        for (size_t i = 0; i < 40; i++)
                append_stream(&w->out, i * 50000, 50000);
        assert_int_equal(output_flush(&w->out, w->ends[0]), 0);
        left = w->out.bytes;
        assert_in_range(left, 1, 40 * 50000 - 1);
        assert_int_equal(output_flush(&w->out, w->ends[0]), 0);
        assert_int_equal(w->out.bytes, left);
}

static void test_reader_is_gone(void **state) {
        struct wires *w = *state;

        append_stream(&w->out, 0, 10);
        close(w->ends[1]);
        w->ends[1] = -1;
        assert_int_equal(output_flush(&w->out, w->ends[0]), -EPIPE);
        assert_int_equal(w->out.bytes, 10);
}

/* A few empty chunks are kept for the next, not all that a burst needed; large ones never. */
static void test_pool_is_bounded(void **state) {
        struct wires *w = *state;
        struct chunk *chunk;
        unsigned n = 0;

        for (size_t i = 0; i < 100; i++)
                append_stream(&w->out, 0, OUTPUT_CHUNK_BYTES - 1);
        append_stream(&w->out, 0, 10 * OUTPUT_CHUNK_BYTES);
        assert_int_equal(count_chunks(&w->out), 101);
        output_done(&w->out);
        assert_int_equal(w->out.bytes, 0);
        TAILQ_FOREACH(chunk, &w->pool.chunks, link) {
                assert_int_equal(chunk->capacity, OUTPUT_CHUNK_BYTES);
                n++;
        }
        assert_int_equal(n, w->pool.n);
        assert_in_range(n, 1, 16);
        /* They are used first. */
        append_stream(&w->out, 0, 10);
        assert_int_equal(w->pool.n, n - 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                OUTPUT_TEST(test_nothing_to_write),
                OUTPUT_TEST(test_frames_share_a_chunk),
                OUTPUT_TEST(test_frame_that_does_not_fit),
                OUTPUT_TEST(test_shorten),
                OUTPUT_TEST(test_partial_writes),
                OUTPUT_TEST(test_full_socket_is_no_error),
                OUTPUT_TEST(test_reader_is_gone),
                OUTPUT_TEST(test_pool_is_bounded),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
