/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <tdb.h>

#include "daemon/store/cleanup.h"
#include "daemon/store/keys.h"
#include "daemon/store/layout.h"
#include "daemon/store/segment.h"

/* Locking is the store's own affair, no mmap because a full or shortened file would then end in SIGBUS, and no sync
 * but ours. */
#define OPEN_FLAGS (TDB_NOLOCK | TDB_NOMMAP | TDB_NOSYNC)

#define PREFETCH_BYTES (128 * 1024)

/* TDB keeps a list of open files for the whole process, unguarded; the loop and the store's thread both open files. */
static pthread_mutex_t open_list_lock = PTHREAD_MUTEX_INITIALIZER;

struct segment *segment_new(uint32_t number, uint64_t file_bytes) {
        struct segment *g = calloc(1, sizeof *g);

        if (!g)
                return NULL;
        g->number = number;
        g->file_bytes = file_bytes;
        g->fd = -1;
        (void) pthread_mutex_init(&g->lock, NULL);
        return g;
}

struct segment *segment_free(struct segment *g) {
        if (!g)
                return NULL;
        segment_close(g);
        (void) pthread_mutex_destroy(&g->lock);
        free(g);
        return NULL;
}

static void close_tdb(struct tdb_context *tdb) {
        hold_(&open_list_lock);

        (void) tdb_close(tdb);
}

static void close_tdbp(struct tdb_context **tdb) {
        if (*tdb)
                close_tdb(*tdb);
}

/* Opens an existing file, or makes a new one of n_slots. */
static int open_tdb(struct tdb_context **ret, const char *path, int flags, uint32_t n_slots) {
        int tdb_flags = OPEN_FLAGS | (n_slots > 0 ? TDB_INCOMPATIBLE_HASH : 0);
        struct tdb_context *tdb;
        hold_(&open_list_lock);

        errno = 0;
        tdb = tdb_open(path, (int) n_slots, tdb_flags, flags | O_CLOEXEC, 0600);
        if (!tdb)
                return last_error();
        *ret = tdb;
        return 0;
}

/* Whether the file is one that this program could have made: its hash, its size, its table. */
static int check_shape(struct tdb_context *tdb, uint64_t file_bytes) {
        struct key key = key_make(0, 0);
        TDB_DATA probe = {.dptr = key.bytes, .dsize = sizeof key.bytes};
        int n_slots = tdb_hash_size(tdb);
        struct stat st;

        errno = 0;
        if (fstat(tdb_fd(tdb), &st) < 0)
                return last_error();
        if (n_slots <= 0 || (uint64_t) st.st_size != file_bytes ||
            layout_data_offset((uint32_t) n_slots) >= file_bytes || tdb_jenkins_hash(&probe) != 0)
                return -EBADMSG;
        return 0;
}

int segment_open(struct segment *g, const struct directory *d, bool writable) {
        cleanup_(close_tdbp) struct tdb_context *tdb = NULL;
        char path[PATH_MAX], name[SEGMENT_NAME_BYTES];
        int r;

        if (g->tdb)
                return 0;
        directory_segment_name(name, g->number, false);
        if ((size_t) snprintf(path, sizeof path, "%s/%s", d->path, name) >= sizeof path)
                return -ENAMETOOLONG;
        r = open_tdb(&tdb, path, writable ? O_RDWR : O_RDONLY, 0);
        /* TDB says EIO, EINVAL or nothing when the file is no TDB file. */
        if (r == -EIO || r == -EINVAL)
                return -EBADMSG;
        if (r < 0)
                return r;
        r = check_shape(tdb, g->file_bytes);
        if (r < 0)
                return r;
        g->n_slots = (uint32_t) tdb_hash_size(tdb);
        g->fd = tdb_fd(tdb);
        g->tdb = take_ptr(tdb);
        return 0;
}

void segment_close(struct segment *g) {
        if (!g->tdb)
                return;
        close_tdb(g->tdb);
        g->tdb = NULL;
        g->fd = -1;
}

int segment_create_file(const char *path, uint32_t n_slots) {
        cleanup_(close_tdbp) struct tdb_context *tdb = NULL;
        struct stat st;
        int r;

        r = open_tdb(&tdb, path, O_RDWR | O_CREAT | O_EXCL, n_slots);
        if (r < 0)
                return r;
        errno = 0;
        if (fstat(tdb_fd(tdb), &st) < 0)
                return last_error();
        return (uint64_t) st.st_size == layout_data_offset(n_slots) ? 0 : -ENOTSUP;
}

static struct key entry_key(const struct segment *g, enum record_kind kind, uint32_t index) {
        if (kind == RECORD_CHECKPOINT)
                return key_make(KEY_CHUNK | index, key_chunk_slot(index, g->n_slots));
        return key_make(index, key_record_slot(index));
}

static int store_parts(struct segment *g, TDB_DATA name, const TDB_DATA parts[2]) {
        hold_(&g->lock);

        errno = 0;
        if (tdb_storev(g->tdb, name, parts, 2, TDB_INSERT) < 0)
                return last_error();
        return 0;
}

int segment_put(struct segment *g, const struct record *r, const uint8_t *payload, size_t size) {
        struct key key = entry_key(g, r->kind, r->index);
        uint8_t header[RECORD_HEADER_BYTES];
        TDB_DATA name = {.dptr = key.bytes, .dsize = sizeof key.bytes};
        /* TDB's type has no const; it only reads. */
        TDB_DATA parts[] = {
                {.dptr = header, .dsize = sizeof header},
                {.dptr = (unsigned char *) payload, .dsize = size},
        };

        record_encode(header, r, payload, size);
        return store_parts(g, name, parts);
}

void segment_entry_done(struct segment_entry *e) {
        free(e->data);
        *e = (struct segment_entry){0};
}

static int fetch(struct segment *g, const struct key *key, TDB_DATA *ret) {
        TDB_DATA name = {.dptr = (unsigned char *) key->bytes, .dsize = sizeof key->bytes};
        hold_(&g->lock);

        if (!g->tdb)
                return -EBADF;
        *ret = tdb_fetch(g->tdb, name);
        if (ret->dptr)
                return 0;
        switch (tdb_error(g->tdb)) {
        case TDB_ERR_NOEXIST:
                return -ENOENT;
        case TDB_ERR_OOM:
                return -ENOMEM;
        default:
                return -EBADMSG;
        }
}

int segment_get(struct segment *g, enum record_kind kind, uint32_t index, struct segment_entry *ret) {
        struct key key = entry_key(g, kind, index);
        cleanup_(freep) void *owned = NULL;
        struct record record;
        TDB_DATA data;
        int r;

        if (index >= g->n_slots)
                return -ENOENT;
        r = fetch(g, &key, &data);
        if (r < 0)
                return r;
        owned = data.dptr;
        r = record_decode(&record, data.dptr, data.dsize);
        if (r < 0)
                return r;
        /* Whole, but of the file's former life. */
        if (record.segment != g->number)
                return -ENOENT;
        if (record.index != index || (record.kind == RECORD_CHECKPOINT) != (kind == RECORD_CHECKPOINT))
                return -EBADMSG;
        *ret = (struct segment_entry){.record = record, .data = data.dptr, .size = data.dsize};
        owned = NULL;
        return 0;
}

int segment_next_used(struct segment *g, uint32_t slot, uint32_t *ret) {
        uint32_t buckets[4096];

        while (slot < g->n_slots) {
                size_t n = g->n_slots - slot < 4096 ? g->n_slots - slot : 4096;
                ssize_t got;

                errno = 0;
                got = pread(g->fd, buckets, n * 4, (off_t) (LAYOUT_TABLE_OFFSET + 4ull * slot));
                if (got < 0)
                        return last_error();
                if ((size_t) got < n * 4)
                        return -EBADMSG;
                for (size_t i = 0; i < n; i++)
                        if (buckets[i] != 0) {
                                *ret = slot + (uint32_t) i;
                                return 0;
                        }
                slot += (uint32_t) n;
        }
        return -ENOENT;
}

/* The kernel takes no more than its read-ahead size at a time. */
static void prefetch(int fd, uint64_t from, uint64_t to) {
        for (; from < to; from += PREFETCH_BYTES)
                (void) posix_fadvise(fd, (off_t) from, PREFETCH_BYTES, POSIX_FADV_WILLNEED);
}

void segment_prefetch(const struct segment *g) {
        prefetch(g->fd, 0, layout_data_offset(g->n_slots));
        prefetch(g->fd, layout_used_offset(g->fd, g->n_slots, g->file_bytes), g->file_bytes);
}

int segment_sync(struct segment *g) {
        int r;

        errno = 0;
        if (fdatasync(g->fd) >= 0)
                return 0;
        r = last_error();
        /* The kernel keeps pages that it could not write and takes them for clean. Whoever reads the file next must see
         * what is on the disk. */
        (void) posix_fadvise(g->fd, 0, 0, POSIX_FADV_DONTNEED);
        return r;
}
