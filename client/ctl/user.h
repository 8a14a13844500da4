/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Names of users, who mostly are the same one again and again. */

#include <stdbool.h>
#include <stdint.h>

typedef struct user {
        bool known;
        uint32_t uid;
        char name[64];
} user;

/* The name of the user, or the number if there is none. *cache is zero at first; the name lives in it until the next
 * call. */
const char *user_name(user *cache, uint32_t uid);
