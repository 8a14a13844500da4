/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Temporary directories of tests, on the real disk where $TMPDIR or /tmp is. */

/* Makes a fresh directory below $TMPDIR (else /tmp). *ret is the caller's, for tmpdir_remove(). Returns 0 or a negative
 * errno. */
int tmpdir_new(char **ret);

/* Removes the directory with all below it (symbolic links are not followed) and frees the path. NULL is fine. Returns
 * NULL. */
char *tmpdir_remove(char *path);
void tmpdir_removep(char **path);

/* Returns "directory/name", the caller's to free(), or NULL when there is no memory. */
char *tmpdir_path(const char *directory, const char *name);
