/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The loop: sockets, signals, timers, and when to commit. */

#include "daemon/bus.h"

/*
 * Serves until SIGTERM or SIGINT; then whatever was accepted is on disk and every client was told.
 * The socket comes from systemd ($LISTEN_FDS), or is made at config->socket and removed at the end.
 * Returns 0, or negative errno: -EIO and others from the store (logged).
 */
int server_run(struct bus *bus, const struct config *config);
