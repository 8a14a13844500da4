/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a workload runs against: lodged, the relay, or nothing but a file. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* plain is the relay with clients that write each message by itself, where they would write many at once. */
enum engine { ENGINE_LODGE, ENGINE_RELAY, ENGINE_PLAIN, ENGINE_APPEND, ENGINES };

#define SERVICE_LOG_BYTES ((size_t) 64 << 20)
/* The queue that a fresh lodged is given. */
#define SERVICE_QUEUE "bench.work"
/* First argument with which this program is run to be the relay. */
#define SERVICE_RELAY_ARGUMENT "--relay-server"

const char *engine_name(enum engine engine);

struct service;

/* Starts it afresh below `directory`, which belongs to the whole run: logs of zeros are made there once and used again.
 * `early`: see relay_serve(). Returns 0 or a negative errno. */
int service_start(struct service **ret, enum engine engine, const char *directory, bool early);
/* Ends it and removes what it stored. NULL is fine. Returns 0 or a negative errno. */
int service_stop(struct service *s);

/* 0 for a file. */
pid_t service_pid(const struct service *s);
const char *service_address(const struct service *s);

/* Commits and syncs of lodged so far. -EOPNOTSUPP for the others. */
int service_commits(const struct service *s, uint64_t *ret_commits, uint64_t *ret_syncs);

/* The relay's side of SERVICE_RELAY_ARGUMENT: arguments behind it. Returns an exit status. */
int service_relay_main(int argc, char **argv);
