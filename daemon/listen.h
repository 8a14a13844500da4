/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/*
 * The socket to listen on: systemd's, or a new one at `path` (directories above it are made; a stale socket is
 * replaced). *ret_own says that it is ours to unlink at the end. Returns the descriptor; -EADDRINUSE when a bus answers
 * there already; -EINVAL when systemd passed something else than one listening unix stream socket. Logs why.
 */
int listen_open(const char *path, bool system, bool *ret_own);
