/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "daemon/directory.h"
#include "daemon/listen.h"
#include "daemon/log.h"

#define LISTEN_BACKLOG 1024

static int from_systemd(int n) {
        int fd = SD_LISTEN_FDS_START;

        if (n != 1 || sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0) <= 0) {
                log_line(LOG_ERR, "systemd passed %d descriptors, not one listening unix stream socket", n);
                return -EINVAL;
        }
        return fd;
}

/* Whether somebody accepts connections there. */
static bool is_served(const struct sockaddr_un *address) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        bool served;

        if (fd < 0)
                return false;
        served = connect(fd, (const struct sockaddr *) address, sizeof(*address)) == 0 || errno == EAGAIN;
        close(fd);
        return served;
}

/* On a user's bus nobody else gets as far as connecting; on the system bus everybody may connect and is looked at. */
static int bind_at(int fd, const struct sockaddr_un *address, bool system) {
        mode_t before = umask(system ? 0111 : 0177);
        int r = bind(fd, (const struct sockaddr *) address, sizeof(*address)) < 0 ? -errno : 0;

        umask(before);
        if (r == 0 && listen(fd, LISTEN_BACKLOG) < 0)
                r = -errno;
        return r;
}

int listen_open(const char *path, bool system, bool *ret_own) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int n = sd_listen_fds(1), fd, r;

        if (n > 0) {
                *ret_own = false;
                return from_systemd(n);
        }
        if (strlen(path) >= sizeof(address.sun_path)) {
                log_line(LOG_ERR, "%s: a socket's path has at most %zu bytes", path, sizeof(address.sun_path) - 1);
                return -ENAMETOOLONG;
        }
        memcpy(address.sun_path, path, strlen(path));
        r = directory_make_above(path);
        if (r < 0) {
                log_line(LOG_ERR, "cannot make the directory of %s: %s", path, strerror(-r));
                return r;
        }
        if (is_served(&address)) {
                log_line(LOG_ERR, "a bus is running at %s already", path);
                return -EADDRINUSE;
        }
        (void) unlink(path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        r = fd < 0 ? -errno : bind_at(fd, &address, system);
        if (r < 0) {
                log_line(LOG_ERR, "cannot listen at %s: %s", path, strerror(-r));
                if (fd >= 0)
                        close(fd);
                return r;
        }
        *ret_own = true;
        return fd;
}
