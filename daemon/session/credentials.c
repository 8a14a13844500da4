/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-login.h>

#include "daemon/session/internal.h"

#define LABEL_BYTES_MAX 1024u

/* The unit whose cgroup the process is in: of the system's manager, or, inside a login, of the user's. NULL: none. */
static char *read_unit(pid_t pid) {
        char *unit = NULL;

        /* The user's unit says more than the user@UID.service around it. */
        if (sd_pid_get_user_unit(pid, &unit) >= 0 || sd_pid_get_unit(pid, &unit) >= 0)
                return unit;
        return NULL;
}

int credentials_read(int fd, struct sender_table *senders, struct sender **ret) {
        struct entry_sender who = {0};
        struct ucred peer = {0};
        char label[LABEL_BYTES_MAX];
        socklen_t size = sizeof(peer);
        char *unit;
        int r;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
                return -errno;
        who.uid = peer.uid;
        who.gid = peer.gid;
        who.pid = (uint32_t) peer.pid;
        size = sizeof(label);
        if (getsockopt(fd, SOL_SOCKET, SO_PEERSEC, label, &size) == 0 && size > 0)
                who.label = (struct wire_span){(const uint8_t *) label, strnlen(label, size)};
        unit = read_unit(peer.pid);
        if (unit)
                who.unit = (struct wire_span){(const uint8_t *) unit, strlen(unit)};
        r = sender_intern(senders, &who, ret);
        free(unit);
        return r;
}
