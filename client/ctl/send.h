/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sending, shared by its two ways: one message, and many lines. */

#include "client/ctl/ctl.h"

/* Makes a message with this body and all that options say. Returns 0 or a negative errno. */
int send_make_message(ctl *c, const void *body, size_t size, lodge_message **ret);
/* Whether options say anything that a message has besides subject and body. */
bool send_has_options(const ctl *c);

/* Sends each line that comes from the descriptor. Returns the exit status. */
int send_lines(ctl *c, int fd);
