/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Why something was refused, in the words of the ERROR frame that will say so. */

#include <stdint.h>
#include <stdio.h>

#include "protocol/wire.h"

struct refusal {
        uint16_t code;       /* enum wire_code */
        const char *setting; /* static, or NULL */
        uint64_t limit, use; /* with setting */
        char text[256];
};

/* Fills *refusal (NULL is fine) and returns `error`, so that a refusing function ends in one line. */
#define refuse(to_, error_, code_, ...)                                    \
        ({                                                                 \
                struct refusal *_r = (to_);                                \
                if (_r) {                                                  \
                        *_r = (struct refusal){.code = (code_)};           \
                        snprintf(_r->text, sizeof(_r->text), __VA_ARGS__); \
                }                                                          \
                (error_);                                                  \
        })

/* The same for a limit. */
#define refuse_limit(to_, error_, code_, setting_, limit_, use_, ...) \
        ({                                                            \
                struct refusal *_l = (to_);                           \
                int _e = refuse(_l, error_, code_, __VA_ARGS__);      \
                if (_l) {                                             \
                        _l->setting = (setting_);                     \
                        _l->limit = (limit_);                         \
                        _l->use = (use_);                             \
                }                                                     \
                _e;                                                   \
        })
