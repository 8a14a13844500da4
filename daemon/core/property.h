/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A queue's properties: what DECLARE, SET and .queue files say as Key=value. */

#include <stdint.h>

#include "daemon/core/buffer.h"
#include "daemon/core/refusal.h"

#define PROPERTY_DESCRIPTION_BYTES_MAX 1024u

struct properties {
        char *description;          /* owned; NULL: none */
        uint64_t max_messages;      /* 0: no limit */
        uint64_t max_bytes;         /* of bodies waiting or leased; 0: no limit */
        uint64_t max_message_bytes; /* of one body; 0: the bus's limit */
};

void properties_done(struct properties *p);
/* Copies `from` and applies the PROPERTY fields of `fields` (checked before), all or none.
 * Returns 0, -EINVAL with *refusal naming the property, -ENOMEM. */
int properties_apply(struct properties *ret,
                     const struct properties *from,
                     struct wire_span fields,
                     struct refusal *refusal);
/* Appends what differs from the defaults as PROPERTY fields. Returns 0 or -ENOMEM. */
int properties_write(const struct properties *p, struct buffer *out);
