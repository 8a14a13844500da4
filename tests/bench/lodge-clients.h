/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The clients of lodged, as a program would write them with <lodge.h>. See role.h; the address is the path of the
 * socket, load->queue exists. */

#include "tests/bench/role.h"

int lodge_bench_send_one(struct role *self, const struct load *load, const char *address);
int lodge_bench_send_window(struct role *self, const struct load *load, const char *address);
int lodge_bench_send_paced(struct role *self, const struct load *load, const char *address);
/* Receives and acknowledges until the message that is marked as last, and waits until the acks are durable; latencies
 * are those since each message's stamp. */
int lodge_bench_consume(struct role *self, const struct load *load, const char *address);
