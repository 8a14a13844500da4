/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The yardstick: the least that a daemon must do which keeps messages and passes them on. One thread, one epoll, and a
 * log in a file of zeros: what has come in meanwhile from all clients is written with one pwritev() from where it was
 * read, synced once, confirmed to the senders and forwarded to the consumer. No queues, no names, no checks.
 *
 * Its protocol: a client says with one byte what it is and gets the byte back. A producer sends {u32 size, body} and
 * gets a u32 after each sync: how many more are on disk. A consumer gets {u32 size, body} and sends back a u32 after
 * each read: how many more it has.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/bench/role.h"

#define RELAY_PRODUCER     'P'
#define RELAY_CONSUMER     'C'
#define RELAY_LENGTH_BYTES 4u

/*
 * Serves clients of a listening socket until it is killed. `log` is a file of log_bytes zeros; at its end the log
 * begins anew. `early` forwards before the sync instead of after it. Returns a negative errno.
 */
int relay_serve(int listener, int log, size_t log_bytes, bool early);

/* The clients (see role.h); the address is the path of the socket. */
int relay_send_one(struct role *self, const struct load *load, const char *address);
int relay_send_window(struct role *self, const struct load *load, const char *address);
int relay_send_paced(struct role *self, const struct load *load, const char *address);
/* Receives until the message that is marked as last; latencies are those since each message's stamp. */
int relay_consume(struct role *self, const struct load *load, const char *address);
