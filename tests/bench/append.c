/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/bench/append.h"
#include "tests/bench/measure.h"

#define CHUNK_BYTES ((size_t) 1 << 20)
#define WARM_GROUPS 5

int append_create(const char *path, size_t log_bytes) {
        int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), r = 0;
        void *zeros = calloc(1, CHUNK_BYTES);

        if (fd < 0)
                r = -errno;
        else if (!zeros)
                r = -ENOMEM;
        for (size_t at = 0; r >= 0 && at < log_bytes; at += CHUNK_BYTES)
                if (write(fd, zeros, CHUNK_BYTES) != (ssize_t) CHUNK_BYTES)
                        r = -EIO;
        if (r >= 0 && fsync(fd) < 0)
                r = -errno;
        free(zeros);
        if (r < 0 && fd >= 0)
                (void) close(fd);
        return r < 0 ? r : fd;
}

/* Writes one group behind the last, or at the beginning when the file ends, and syncs. */
static int append_group(int fd, const uint8_t *data, size_t bytes, size_t log_bytes, size_t *at) {
        if (*at + bytes > log_bytes)
                *at = 0;
        for (size_t done = 0; done < bytes;) {
                ssize_t n = pwrite(fd, data + done, bytes - done, (off_t) (*at + done));

                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                done += (size_t) n;
        }
        *at += bytes;
        return fdatasync(fd) < 0 ? -errno : 0;
}

int append_run(struct role *self, const struct load *load, const char *address) {
        int fd = open(address, O_RDWR | O_CLOEXEC), r = 0;
        size_t bytes = load->size * load->window, at = 0;
        uint8_t *data = calloc(1, bytes);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                r = -errno;
        else if (!data)
                r = -ENOMEM;
        else if (bytes > (size_t) st.st_size)
                r = -EFBIG;
        for (int i = 0; r >= 0 && i < WARM_GROUPS; i++)
                r = append_group(fd, data, bytes, (size_t) st.st_size, &at);
        if (r >= 0)
                r = role_ready(self);

        for (uint64_t before = self->start_ns, now; r >= 0 && self->count < load->count; before = now) {
                r = append_group(fd, data, bytes, (size_t) st.st_size, &at);
                now = now_ns();
                histogram_add(&self->latency, now - before, load->window);
                self->count += load->window;
                if (now - self->start_ns >= load->time_ns)
                        break;
        }
        if (fd >= 0)
                (void) close(fd);
        free(data);
        return r;
}
