/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The limit of the disk: messages appended to a file of zeros, in groups, each group with one write and one
 * fdatasync().
 */

#include "tests/bench/role.h"

/* Writes log_bytes zeros to a new file and syncs it. Returns its descriptor or a negative errno. */
int append_create(const char *path, size_t log_bytes);

/* As a client (see role.h): the address is the path of the file, the window the messages of a group. */
int append_run(struct role *self, const struct load *load, const char *address);
