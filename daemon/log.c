/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "daemon/log.h"

#define FIELDS_MAX      16u
#define FIELD_BYTES_MAX 1024u

static struct {
        int level;
        bool journal;
} target = {.level = LOG_INFO};

/* systemd tells in $JOURNAL_STREAM which device and inode the journal's stream has (systemd.exec(5)). */
static bool stderr_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        uint64_t device, inode;
        struct stat st;

        return stream && sscanf(stream, "%" SCNu64 ":%" SCNu64, &device, &inode) == 2 &&
               fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_open(int level) {
        target.level = level;
        target.journal = stderr_is_journal();
}

static const char *const level_names[] = {"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"};

int log_parse_level(const char *text, int *ret) {
        for (int i = LOG_EMERG; i <= LOG_DEBUG; i++)
                if (strcmp(text, level_names[i]) == 0 || (text[0] == '0' + i && text[1] == '\0')) {
                        *ret = i;
                        return 0;
                }
        return -EINVAL;
}

static void to_journal(int level, const char *id, const struct log_field *fields, const char *text) {
        static const char prefix[] = "MESSAGE_ID=";
        char lines[FIELDS_MAX + 3][FIELD_BYTES_MAX];
        struct iovec iov[FIELDS_MAX + 3];
        int n = 0;

        snprintf(lines[n++], FIELD_BYTES_MAX, "MESSAGE=%s", text);
        snprintf(lines[n++], FIELD_BYTES_MAX, "PRIORITY=%d", level);
        if (id)
                snprintf(lines[n++], FIELD_BYTES_MAX, "%s%s", prefix, id);
        for (; fields && fields->key && n < (int) FIELDS_MAX + 3; fields++)
                if (fields->value)
                        snprintf(lines[n++], FIELD_BYTES_MAX, "%s=%s", fields->key, fields->value);
        for (int i = 0; i < n; i++)
                iov[i] = (struct iovec){lines[i], strlen(lines[i])};
        sd_journal_sendv(iov, n);
}

void log_event(int level, const char *id, const struct log_field *fields, const char *format, ...) {
        char text[FIELD_BYTES_MAX];
        va_list ap;

        if (level > target.level)
                return;
        va_start(ap, format);
        vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        if (target.journal)
                to_journal(level, id, fields, text);
        else
                fprintf(stderr, "lodged: %s: %s\n", level_names[level], text);
}
