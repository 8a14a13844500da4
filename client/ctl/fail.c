/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/ctl/ctl.h"

void ctl_say(const char *format, ...) {
        va_list list;

        fputs("lodgectl: ", stderr);
        va_start(list, format);
        vfprintf(stderr, format, list);
        va_end(list);
        fputc('\n', stderr);
}

int ctl_usage(const ctl_command *command, const char *format, ...) {
        va_list list;

        fputs("lodgectl: ", stderr);
        va_start(list, format);
        vfprintf(stderr, format, list);
        va_end(list);
        if (command)
                fprintf(stderr, "\nUsage: lodgectl %s%s%s  ('lodgectl help %s' shows more)\n", command->name,
                        *command->arguments ? " " : "", command->arguments, command->name);
        else
                fputs("\n'lodgectl help' shows what there is.\n", stderr);
        return CTL_USAGE;
}

int ctl_status_of(int error, bool connected) {
        switch (-error) {
        case ENOENT:
        case EHOSTUNREACH: /* nothing takes the subject */
                return CTL_NOT_FOUND;
        case EACCES:
        case EPERM:
                return CTL_DENIED;
        case ENOBUFS:
        case EDQUOT:
        case ENOSPC:
                return CTL_OVER;
        case EINVAL: /* a name or value that is none */
                return CTL_USAGE;
        case ETIMEDOUT:
                return connected ? CTL_TIMED_OUT : CTL_NO_BUS;
        case ESHUTDOWN:
        case ECONNREFUSED:
        case ECONNRESET:
        case ENOTCONN:
                return CTL_NO_BUS;
        default:
                return CTL_FAILED;
        }
}

static void hint(int error, const char *subject) {
        switch (-error) {
        case EHOSTUNREACH:
                if (subject)
                        ctl_say("hint: declare it first: lodgectl declare %s", subject);
                break;
        case ENOENT:
                ctl_say("hint: 'lodgectl list' shows what is there");
                break;
        case ENOTEMPTY:
                ctl_say("hint: --purge deletes the messages with it");
                break;
        }
}

/* Says why, in the daemon's words if it has any: "TEXT (NAME)", with the limit if the text does not tell it. */
static int say_why(const ctl *c, int error, const lodge_error *said, const char *subject, const char *what) {
        char limit[256] = "";
        int status = ctl_status_of(error, c->state == LODGE_CONNECTED);

        if (said && said->setting && !(said->text && strstr(said->text, said->setting)))
                snprintf(limit, sizeof(limit), "; %s=%" PRIu64 ", %" PRIu64 " used or wanted", said->setting,
                         said->limit, said->use);
        if (said)
                ctl_say("%s: %s (%s%s)", what, said->text && *said->text ? said->text : strerror(-error), said->name,
                        limit);
        else if (status == CTL_NO_BUS)
                ctl_say("%s: the bus is gone", what);
        else
                ctl_say("%s: %s", what, error == -ETIMEDOUT ? "no answer in time" : strerror(-error));
        hint(error, subject);
        return status;
}

int ctl_fail(ctl *c, int error, const char *subject, const char *what, ...) {
        const lodge_error *said = c->bus ? lodge_get_error(c->bus) : NULL;
        char *text;
        va_list list;
        int n;

        va_start(list, what);
        n = vasprintf(&text, what, list);
        va_end(list);
        if (n < 0)
                text = NULL;
        n = say_why(c, error, said && said->number == error ? said : NULL, subject, text ? text : what);
        free(text);
        return n;
}

int ctl_refused(ctl *c, const lodge_error *error, const char *subject, const char *what) {
        return say_why(c, error->number, error, subject, what);
}
