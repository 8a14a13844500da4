/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

/* Makes a directory, and those above it that are missing with mode 0755. Returns 0, also when it is there, or negative
 * errno. */
int directory_make(const char *path, mode_t mode);
/* Makes the directories above `path`. */
int directory_make_above(const char *path);
