/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>

#include "client/ctl/user.h"

const char *user_name(user *cache, uint32_t uid) {
        const struct passwd *entry;

        if (cache->known && cache->uid == uid)
                return cache->name;
        entry = getpwuid(uid);
        if (entry)
                snprintf(cache->name, sizeof(cache->name), "%s", entry->pw_name);
        else
                snprintf(cache->name, sizeof(cache->name), "%" PRIu32, uid);
        cache->known = true;
        cache->uid = uid;
        return cache->name;
}
