/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A well-behaved client with a queue of its own, there to notice when what others do hurts it: it must never lose its
 * connection, and gets all its messages, each once, in order.
 */

struct polite;

/* Connects, declares its queue, and sends some messages. Returns 0 or a negative errno. */
int polite_begin(struct polite **ret, const char *socket_path);
/* Sends some more and receives some. Returns 0, or a negative errno (-EPROTO: something is missing, twice or out of
 * order; -ENOTCONN: the connection was lost meanwhile). */
int polite_go_on(struct polite *p);
/* Receives and settles all that is left, checks that nothing more is there, and closes. Returns as polite_go_on(). */
int polite_end(struct polite *p);
