/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "daemon/store/cleanup.h"
#include "daemon/store/layout.h"
#include "daemon/store/spare.h"

void spare_init(struct spare_maker *m, const struct directory *d, uint64_t file_bytes) {
        *m = (struct spare_maker){
                .directory = d,
                .file_bytes = file_bytes,
                .n_slots = layout_slots(file_bytes),
                .fd = -1,
        };
}

static int open_work_file(struct spare_maker *m, uint64_t offset, uint64_t end) {
        cleanup_(closep) int fd = -1;

        if (!m->zeros)
                m->zeros = calloc(1, SPARE_STEP_BYTES);
        if (!m->zeros)
                return -ENOMEM;
        errno = 0;
        fd = openat(m->directory->fd, DIRECTORY_WORK_NAME, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return last_error();
        m->offset = offset;
        m->end = end;
        m->pushed = 0;
        m->fd = take_fd(&fd);
        return 0;
}

int spare_begin_new(struct spare_maker *m, bool bulk) {
        uint64_t data_offset = layout_data_offset(m->n_slots);
        char path[PATH_MAX];
        int r;

        if ((size_t) snprintf(path, sizeof path, "%s/" DIRECTORY_WORK_NAME, m->directory->path) >= sizeof path)
                return -ENAMETOOLONG;
        (void) unlinkat(m->directory->fd, DIRECTORY_WORK_NAME, 0);
        r = segment_create_file(path, m->n_slots);
        if (r < 0)
                goto fail;
        r = open_work_file(m, data_offset, m->file_bytes);
        if (r < 0)
                goto fail;
        /* So that a full disk says so now and the file lies in one piece. The zeros that follow turn it into written
         * space; space that is only allocated costs a journal write at each first sync. For large commits that is less
         * than writing everything twice. Not every file system can. */
        errno = 0;
        if (fallocate(m->fd, 0, 0, (off_t) m->file_bytes) == 0) {
                if (bulk)
                        m->end = data_offset;
        } else if (errno != EOPNOTSUPP) {
                r = last_error();
                goto fail;
        }
        return 0;

fail:
        spare_abandon(m);
        return r;
}

/* What was stored in it may stay: nothing leads to it once the table is zero, and its generation no longer counts. */
int spare_begin_recycled(struct spare_maker *m, uint32_t number) {
        char name[SEGMENT_NAME_BYTES];
        int r;

        directory_segment_name(name, number, false);
        errno = 0;
        if (renameat(m->directory->fd, name, m->directory->fd, DIRECTORY_WORK_NAME) < 0)
                return last_error();
        r = directory_sync(m->directory);
        if (r >= 0)
                r = open_work_file(m, LAYOUT_FREE_LIST_OFFSET, layout_data_offset(m->n_slots));
        if (r < 0)
                spare_abandon(m);
        return r;
}

bool spare_fits(const struct spare_maker *m, const struct segment *g) {
        return !g->damaged && g->file_bytes == m->file_bytes && g->n_slots == m->n_slots;
}

/* Begins to write this step to the disk and waits for the one before: so one sync of everything, which would hold up
 * whoever syncs beside it, finds little left to do; and a sync for each step, which makes the disk flush its cache for
 * zeros, is not needed either. What fails here fails again in the sync at the end. */
static int push_out(struct spare_maker *m, uint64_t bytes) {
        unsigned all = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;

        errno = 0;
        if (sync_file_range(m->fd, (off_t) m->offset, (off_t) bytes, SYNC_FILE_RANGE_WRITE) < 0 ||
            (m->pushed > 0 && sync_file_range(m->fd, (off_t) (m->offset - m->pushed), (off_t) m->pushed, all) < 0))
                return last_error();
        m->pushed = bytes;
        return 0;
}

int spare_step(struct spare_maker *m) {
        uint64_t n = m->end - m->offset;
        ssize_t written;
        int r;

        if (n == 0)
                return 0;
        if (n > SPARE_STEP_BYTES)
                n = SPARE_STEP_BYTES;
        errno = 0;
        written = pwrite(m->fd, m->zeros, n, (off_t) m->offset);
        if (written < 0)
                return last_error();
        if (written == 0)
                return -ENOSPC;
        r = push_out(m, (uint64_t) written);
        if (r < 0)
                return r;
        m->offset += (uint64_t) written;
        return m->offset < m->end;
}

int spare_finish(struct spare_maker *m, uint32_t number, struct segment **ret) {
        cleanup_(segment_freep) struct segment *g = segment_new(number, m->file_bytes);
        char name[SEGMENT_NAME_BYTES];
        int r;

        r = g ? layout_write_free_list(m->fd, m->file_bytes, m->n_slots) : -ENOMEM;
        if (r < 0)
                goto fail;
        directory_segment_name(name, number, false);
        errno = 0;
        if (fdatasync(m->fd) < 0 || renameat(m->directory->fd, DIRECTORY_WORK_NAME, m->directory->fd, name) < 0) {
                r = last_error();
                goto fail;
        }
        closep(&m->fd);
        m->fd = -1;
        r = directory_sync(m->directory);
        if (r >= 0)
                r = segment_open(g, m->directory, true);
        if (r < 0)
                return r;
        *ret = take_ptr(g);
        return 0;

fail:
        spare_abandon(m);
        return r;
}

void spare_abandon(struct spare_maker *m) {
        free(m->zeros);
        m->zeros = NULL;
        closep(&m->fd);
        m->fd = -1;
        if (m->directory)
                (void) unlinkat(m->directory->fd, DIRECTORY_WORK_NAME, 0);
}
