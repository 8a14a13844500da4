/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A disk that remembers: the test's own pwrite(), fdatasync() and the like stand in front of the library's, for TDB as
 * well, and write down what is done to the files of one directory, in order. Nothing is really synced; what a sync
 * would have made durable is worked out later (platter.h). Calls can be made to fail, and syncs to be left out.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define UNUSED      __attribute__((unused))
#define NAME_BYTES  40u
#define N_FILES_MAX 4096u

/* Visible to the libraries, which is what the rest of the program's symbols are not. */
#define STAND_IN __attribute__((visibility("default")))

enum op_kind { OP_WRITE, OP_SIZE, OP_SYNC, OP_CREATE, OP_RENAME, OP_UNLINK, OP_SYNC_DIRECTORY, OP_MARK };

struct op {
        enum op_kind kind;
        int file;              /* its number, counted from 0 in order of appearance */
        uint64_t offset, size; /* WRITE: with `data`; SIZE: size only; MARK: two numbers of the history's */
        uint64_t value;        /* MARK */
        uint8_t *data;
        char name[NAME_BYTES], to[NAME_BYTES]; /* CREATE, UNLINK: name; RENAME: both */
};

/* Which calls may fail. */
enum fault_class {
        FAULT_WRITE = 1,
        FAULT_SYNC = 2,
        FAULT_CREATE = 4,
        FAULT_RENAME = 8,
        FAULT_ALLOCATE = 16,
        FAULT_UNLINK = 32
};

/* One for the program: that is where the stand-ins find it. */
static struct disk {
        pthread_mutex_t lock;
        bool recording;
        bool syncs_lie; /* a sync claims success and does nothing */
        char root[PATH_MAX];
        dev_t device;
        ino_t directory;
        ino_t inodes[N_FILES_MAX]; /* by number; 0: gone */
        int n_files;
        struct op *ops;
        size_t n_ops, n_allocated;

        unsigned fault_classes; /* of these calls below the root */
        unsigned until_fault;   /* this one, counted from 1, fails; 0: none */
        unsigned n_seen;        /* of these classes so far */
        int fault_error;        /* negative: the write is cut short and succeeds so far */
        bool fault_stays;       /* and all after it */
        unsigned n_faults;      /* injected */
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void disk_unlock(pthread_mutex_t **lock) {
        (void) pthread_mutex_unlock(*lock);
}
#define disk_hold_()                                                               \
        __attribute__((cleanup(disk_unlock))) pthread_mutex_t *held_ = &disk.lock; \
        (void) pthread_mutex_lock(held_)

/* ---- writing down; with the lock held ---- */

static struct op *disk_note(enum op_kind kind, int file) {
        struct op *op;

        if (disk.n_ops == disk.n_allocated) {
                disk.n_allocated = disk.n_allocated ? disk.n_allocated * 2 : 1024;
                disk.ops = reallocarray(disk.ops, disk.n_allocated, sizeof *disk.ops);
                if (!disk.ops)
                        abort();
        }
        op = &disk.ops[disk.n_ops++];
        *op = (struct op){.kind = kind, .file = file};
        return op;
}

static void disk_note_write(int file, const void *data, size_t size, uint64_t offset) {
        struct op *op = disk_note(OP_WRITE, file);

        op->offset = offset;
        op->size = size;
        op->data = malloc(size + 1);
        if (!op->data)
                abort();
        memcpy(op->data, data, size);
}

static void disk_note_name(enum op_kind kind, int file, const char *name, const char *to) {
        struct op *op = disk_note(kind, file);

        (void) snprintf(op->name, sizeof op->name, "%s", name);
        (void) snprintf(op->to, sizeof op->to, "%s", to);
}

#define FILE_NONE -1
#define FILE_ROOT -2

/* The file's number, FILE_ROOT or FILE_NONE. */
static int disk_find(int fd) {
        struct stat st;

        if (!disk.recording || fstat(fd, &st) < 0 || st.st_dev != disk.device)
                return FILE_NONE;
        if (st.st_ino == disk.directory)
                return FILE_ROOT;
        for (int i = disk.n_files; i-- > 0;)
                if (disk.inodes[i] == st.st_ino)
                        return i;
        return FILE_NONE;
}

static int disk_add(ino_t inode) {
        if (disk.n_files == N_FILES_MAX)
                abort();
        /* A number that is used again means another file. */
        for (int i = 0; i < disk.n_files; i++)
                if (disk.inodes[i] == inode)
                        disk.inodes[i] = 0;
        disk.inodes[disk.n_files] = inode;
        return disk.n_files++;
}

static bool disk_strikes(enum fault_class class) {
        if (!(disk.fault_classes & class) || disk.until_fault == 0)
                return false;
        disk.n_seen++;
        if (disk.n_seen != disk.until_fault && !(disk.fault_stays && disk.n_seen > disk.until_fault))
                return false;
        disk.n_faults++;
        return true;
}

/* ---- the stand-ins ---- */

static ssize_t disk_write(int fd, const void *data, size_t size, off_t offset) {
        int file = disk_find(fd);
        ssize_t n;

        if (file >= 0 && disk_strikes(FAULT_WRITE)) {
                if (disk.fault_error > 0) {
                        errno = disk.fault_error;
                        return -1;
                }
                size /= 2;
        }
        n = syscall(SYS_pwrite64, fd, data, size, offset);
        if (n > 0 && file >= 0)
                disk_note_write(file, data, (size_t) n, (uint64_t) offset);
        return n;
}

STAND_IN ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
        disk_hold_();

        return disk_write(fd, data, size, offset);
}

STAND_IN ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset) {
        return pwrite(fd, data, size, offset);
}

STAND_IN ssize_t write(int fd, const void *data, size_t size) {
        off_t offset;
        ssize_t n;
        disk_hold_();

        if (disk_find(fd) < 0)
                return syscall(SYS_write, fd, data, size);
        offset = lseek(fd, 0, SEEK_CUR);
        n = disk_write(fd, data, size, offset);
        if (n > 0)
                (void) lseek(fd, offset + n, SEEK_SET);
        return n;
}

static int disk_sync(int fd) {
        int file;
        disk_hold_();

        file = disk_find(fd);
        if (file != FILE_NONE && disk_strikes(FAULT_SYNC)) {
                errno = disk.fault_error > 0 ? disk.fault_error : EIO;
                return -1;
        }
        if (disk.recording && !disk.syncs_lie && file != FILE_NONE)
                (void) disk_note(file == FILE_ROOT ? OP_SYNC_DIRECTORY : OP_SYNC, file);
        return 0;
}

STAND_IN int fdatasync(int fd) {
        return disk_sync(fd);
}

STAND_IN int fsync(int fd) {
        return disk_sync(fd);
}

/* Begins to write and promises nothing. */
STAND_IN int sync_file_range(int fd, off64_t offset, off64_t size, unsigned flags) {
        (void) fd, (void) offset, (void) size, (void) flags;
        return 0;
}

static void disk_note_size(int fd) {
        int file = disk_find(fd);
        struct stat st;

        if (file >= 0 && fstat(fd, &st) == 0)
                disk_note(OP_SIZE, file)->size = (uint64_t) st.st_size;
}

STAND_IN int ftruncate(int fd, off_t size) {
        int r;
        disk_hold_();

        r = (int) syscall(SYS_ftruncate, fd, size);
        if (r == 0)
                disk_note_size(fd);
        return r;
}

STAND_IN int ftruncate64(int fd, off64_t size) {
        return ftruncate(fd, size);
}

STAND_IN int fallocate(int fd, int mode, off_t offset, off_t size) {
        int r;
        disk_hold_();

        if (disk_find(fd) >= 0 && disk_strikes(FAULT_ALLOCATE)) {
                errno = disk.fault_error > 0 ? disk.fault_error : ENOSPC;
                return -1;
        }
        r = (int) syscall(SYS_fallocate, fd, mode, offset, size);
        if (r == 0)
                disk_note_size(fd);
        return r;
}

STAND_IN int fallocate64(int fd, int mode, off64_t offset, off64_t size) {
        return fallocate(fd, mode, offset, size);
}

/* The name below the root that is meant, or NULL. */
static const char *disk_name(int directory, const char *path) {
        size_t n = strlen(disk.root);

        if (!disk.recording)
                return NULL;
        if (path[0] == '/')
                return strncmp(path, disk.root, n) == 0 && path[n] == '/' ? path + n + 1 : NULL;
        return directory != AT_FDCWD && disk_find(directory) == FILE_ROOT ? path : NULL;
}

static int disk_open(int directory, const char *path, int flags, mode_t mode) {
        const char *name;
        struct stat st;
        bool is_new;
        int fd;
        disk_hold_();

        name = flags & O_CREAT ? disk_name(directory, path) : NULL;
        is_new = name && fstatat(directory, path, &st, AT_SYMLINK_NOFOLLOW) < 0;
        if (is_new && disk_strikes(FAULT_CREATE)) {
                errno = disk.fault_error > 0 ? disk.fault_error : EIO;
                return -1;
        }
        fd = (int) syscall(SYS_openat, directory, path, flags, mode);
        if (fd >= 0 && is_new && fstat(fd, &st) == 0)
                disk_note_name(OP_CREATE, disk_add(st.st_ino), name, "");
        return fd;
}

static mode_t disk_mode(int flags, va_list arguments) {
        return flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

#define DISK_OPEN(function, parameters, directory)              \
        STAND_IN int function parameters {                      \
                va_list arguments;                              \
                mode_t mode;                                    \
                                                                \
                va_start(arguments, flags);                     \
                mode = disk_mode(flags, arguments);             \
                va_end(arguments);                              \
                return disk_open(directory, path, flags, mode); \
        }
DISK_OPEN(open, (const char *path, int flags, ...), AT_FDCWD)
DISK_OPEN(open64, (const char *path, int flags, ...), AT_FDCWD)
DISK_OPEN(openat, (int directory, const char *path, int flags, ...), directory)
DISK_OPEN(openat64, (int directory, const char *path, int flags, ...), directory)

STAND_IN int renameat(int from_directory, const char *from, int to_directory, const char *to) {
        const char *name;
        int r;
        disk_hold_();

        name = disk_name(from_directory, from);
        if (name && disk_strikes(FAULT_RENAME)) {
                errno = disk.fault_error > 0 ? disk.fault_error : EIO;
                return -1;
        }
        r = (int) syscall(SYS_renameat2, from_directory, from, to_directory, to, 0);
        if (r == 0 && name)
                disk_note_name(OP_RENAME, FILE_NONE, name, disk_name(to_directory, to));
        return r;
}

STAND_IN int unlinkat(int directory, const char *path, int flags) {
        const char *name;
        int r;
        disk_hold_();

        name = flags & AT_REMOVEDIR ? NULL : disk_name(directory, path);
        if (name && disk_strikes(FAULT_UNLINK)) {
                errno = disk.fault_error > 0 ? disk.fault_error : EIO;
                return -1;
        }
        r = (int) syscall(SYS_unlinkat, directory, path, flags);
        if (r == 0 && name)
                disk_note_name(OP_UNLINK, FILE_NONE, name, "");
        return r;
}

/* ---- using it ---- */

/* Something in the history of whoever uses the disk: everything before it has been written down before it. */
UNUSED static void disk_mark(uint64_t what, uint64_t value, uint64_t more) {
        struct op *op;
        disk_hold_();

        if (!disk.recording)
                return;
        op = disk_note(OP_MARK, FILE_NONE);
        op->offset = what;
        op->value = value;
        op->size = more;
}

/* Makes calls of these classes fail from the n-th on, which is counted from now; n = 0: none. */
UNUSED static void disk_set_fault(unsigned classes, unsigned n, int error, bool stays) {
        disk_hold_();

        disk.fault_classes = classes;
        disk.until_fault = n;
        disk.fault_error = error;
        disk.fault_stays = stays;
        disk.n_seen = disk.n_faults = 0;
}

static void disk_forget(void) {
        for (size_t i = 0; i < disk.n_ops; i++)
                free(disk.ops[i].data);
        free(disk.ops);
        disk.ops = NULL;
        disk.n_ops = disk.n_allocated = 0;
}

/* Begins to record what happens in `directory` (without symbolic links in its path). What is in there is taken for
 * durable: platter_new() reads it. */
static void disk_record(const char *directory) {
        struct stat st;
        disk_hold_();

        disk_forget();
        assert_int_equal(stat(directory, &st), 0);
        (void) snprintf(disk.root, sizeof disk.root, "%s", directory);
        disk.device = st.st_dev;
        disk.directory = st.st_ino;
        disk.n_files = 0;
        disk.recording = true;
}

UNUSED static void disk_stop(void) {
        disk_hold_();

        disk.recording = false;
}
