/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "tests/support/tmpdir.h"

int tmpdir_new(char **ret) {
        const char *base = getenv("TMPDIR");
        char *path;

        /* Short, since socket paths below it have to fit in 108 bytes. */
        if (asprintf(&path, "%s/lodge-XXXXXX", base && base[0] == '/' ? base : "/tmp") < 0)
                return -ENOMEM;
        if (!mkdtemp(path)) {
                int r = -errno;

                free(path);
                return r;
        }

        *ret = path;
        return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        (void) st;
        (void) type;
        (void) ftw;
        (void) remove(path);
        return 0;
}

char *tmpdir_remove(char *path) {
        if (path)
                (void) nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        free(path);
        return NULL;
}

void tmpdir_removep(char **path) {
        *path = tmpdir_remove(*path);
}

char *tmpdir_path(const char *directory, const char *name) {
        char *path;

        return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}
