/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/config.h"
#include "daemon/log.h"
#include "daemon/store/store.h"

#define MESSAGE_BYTES_MAX_DEFAULT (16u * 1024u * 1024u)
#define CACHE_BYTES_MAX_DEFAULT   (8u * 1024u * 1024u)
#define QUEUES_MAX_DEFAULT        100000u
#define EXIT_USAGE                2

enum { OPTION_SYSTEM = 256, OPTION_USER, OPTION_SOCKET, OPTION_STATE, OPTION_CONFIG, OPTION_LOG_LEVEL };

static const struct argp_option options[] = {
        {"system", OPTION_SYSTEM, NULL, 0, "Run the system bus (default as root)", 0},
        {"user", OPTION_USER, NULL, 0, "Run a user's bus (default otherwise)", 0},
        {"socket", OPTION_SOCKET, "PATH", 0, "Listen here, unless systemd passes a socket", 0},
        {"state", OPTION_STATE, "DIR", 0, "Keep the messages here", 0},
        {"config", OPTION_CONFIG, "FILE", 0, "Read this instead of lodged.conf", 0},
        {"log-level", OPTION_LOG_LEVEL, "LEVEL", 0, "err, warning, notice, info (default) or debug", 0},
        {0},
};

static int set_string(char **target, const char *value) {
        char *copy = strdup(value);

        if (!copy)
                return ENOMEM;
        free(*target);
        *target = copy;
        return 0;
}

/* argp wants positive errno values from here. */
static error_t parse_option(int key, char *value, struct argp_state *state) {
        struct config *config = state->input;

        switch (key) {
        case OPTION_SYSTEM:
        case OPTION_USER:
                config->system = key == OPTION_SYSTEM;
                return 0;
        case OPTION_SOCKET:
                return set_string(&config->socket, value);
        case OPTION_STATE:
                return set_string(&config->state, value);
        case OPTION_CONFIG:
                config->file_named = true;
                return set_string(&config->file, value);
        case OPTION_LOG_LEVEL:
                if (log_parse_level(value, &config->log_level) < 0)
                        argp_error(state, "unknown log level \"%s\"", value);
                return 0;
        case ARGP_KEY_ARG:
                argp_error(state, "unexpected argument \"%s\"", value);
                return 0;
        default:
                return ARGP_ERR_UNKNOWN;
        }
}

static const struct argp argp = {
        .options = options,
        .parser = parse_option,
        .doc = "The lodge bus: durable queues for the processes of one machine.\v"
               "See lodged(8). Send and receive with lodgectl(1).",
};

void config_done(struct config *config) {
        free(config->socket);
        free(config->state);
        free(config->file);
        *config = (struct config){0};
}

/* Sets *target, if unset, to DIRECTORY/SUFFIX with the first of the named environment variables that is set. A
 * variable's own suffix follows a `:` in its name. */
static int place(char **target, const char *const *variables, const char *fixed) {
        if (*target)
                return 0;
        for (; *variables; variables++) {
                char name[64];
                const char *suffix = strchr(*variables, ':'), *directory;

                snprintf(name, sizeof(name), "%.*s", (int) (suffix - *variables), *variables);
                directory = getenv(name);
                if (!directory || directory[0] != '/')
                        continue;
                /* systemd gives several directories with colons between them: the first is ours. */
                return asprintf(target, "%.*s%s", (int) strcspn(directory, ":"), directory, suffix + 1) < 0 ? -ENOMEM
                                                                                                            : 0;
        }
        if (!fixed)
                return -ENXIO;
        *target = strdup(fixed);
        return *target ? 0 : -ENOMEM;
}

static int fill_places(struct config *config) {
        static const char *const system_socket[] = {"RUNTIME_DIRECTORY:/bus", NULL};
        static const char *const system_state[] = {"STATE_DIRECTORY:", NULL};
        static const char *const user_socket[] = {"RUNTIME_DIRECTORY:/bus", "XDG_RUNTIME_DIR:/lodge/bus", NULL};
        static const char *const user_state[] = {"STATE_DIRECTORY:", "XDG_STATE_HOME:/lodge",
                                                 "HOME:/.local/state/lodge", NULL};
        static const char *const system_file[] = {NULL};
        static const char *const user_file[] = {"XDG_CONFIG_HOME:/lodge/lodged.conf", "HOME:/.config/lodge/lodged.conf",
                                                NULL};
        int r;

        r = place(&config->socket, config->system ? system_socket : user_socket,
                  config->system ? "/run/lodge/bus" : NULL);
        if (r < 0) {
                log_line(LOG_ERR, "cannot tell where to listen: give --socket=PATH or set $XDG_RUNTIME_DIR");
                return r;
        }
        r = place(&config->state, config->system ? system_state : user_state, config->system ? "/var/lib/lodge" : NULL);
        if (r < 0) {
                log_line(LOG_ERR, "cannot tell where to keep messages: give --state=DIR or set $XDG_STATE_HOME");
                return r;
        }
        r = place(&config->file, config->system ? system_file : user_file, "/etc/lodge/lodged.conf");
        return r;
}

int config_from_arguments(struct config *ret, int argc, char **argv) {
        struct config config = {
                .system = geteuid() == 0,
                .log_level = LOG_INFO,
                .message_bytes_max = MESSAGE_BYTES_MAX_DEFAULT,
                .cache_bytes_max = CACHE_BYTES_MAX_DEFAULT,
                .queues_max = QUEUES_MAX_DEFAULT,
        };
        int r;

        argp_program_version = "lodged " LODGE_VERSION;
        argp_err_exit_status = EXIT_USAGE;
        r = -argp_parse(&argp, argc, argv, 0, NULL, &config);
        if (r == 0)
                r = fill_places(&config);
        if (r < 0) {
                config_done(&config);
                return r;
        }
        config.segment_bytes = config.system ? STORE_SEGMENT_BYTES_SYSTEM : STORE_SEGMENT_BYTES_USER;
        *ret = config;
        return 0;
}

/* ---- lodged.conf ---- */

static int parse_size(const char *text, uint64_t *ret) {
        static const char units[] = "KMG";
        const char *unit;
        char *end;
        uint64_t n;

        errno = 0;
        n = strtoull(text, &end, 10);
        if (errno != 0 || end == text || text[0] == '-')
                return -EINVAL;
        if (*end) {
                unit = strchr(units, *end);
                if (!unit || end[1])
                        return -EINVAL;
                n <<= 10 * (unit - units + 1);
        }
        *ret = n;
        return 0;
}

struct reading {
        struct config *config;
        FILE *stream;
        int line;
};

static const struct setting {
        const char *section, *key;
        size_t offset;
        uint64_t least, most;
} settings[] = {
        {"Bus", "SegmentSize", offsetof(struct config, segment_bytes), STORE_SEGMENT_BYTES_MIN, UINT64_C(2) << 30},
        {"Bus", "MaxMessageSize", offsetof(struct config, message_bytes_max), 1024, UINT64_C(1) << 30},
        {"Bus", "CacheSize", offsetof(struct config, cache_bytes_max), 0, UINT64_C(1) << 40},
        {"Limits", "MaxQueues", offsetof(struct config, queues_max), 1, UINT32_MAX},
};

static int take_setting(void *userdata, const char *section, const char *key, const char *value) {
        struct reading *reading = userdata;
        const char *file = reading->config->file;

        for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
                const struct setting *setting = &settings[i];
                uint64_t n;

                if (strcmp(setting->section, section) != 0 || strcmp(setting->key, key) != 0)
                        continue;
                if (parse_size(value, &n) < 0 || n < setting->least || n > setting->most) {
                        log_line(LOG_ERR,
                                 "%s:%d: %s= takes a size from %" PRIu64 " to %" PRIu64 ", not \"%s\"; ignored", file,
                                 reading->line, key, setting->least, setting->most, value);
                        return 1;
                }
                *(uint64_t *) ((char *) reading->config + setting->offset) = n;
                return 1;
        }
        log_line(LOG_ERR, "%s:%d: unknown setting %s= in [%s]; ignored", file, reading->line, key, section);
        return 1;
}

static char *next_line(char *data, int size, void *stream) {
        struct reading *reading = stream;

        reading->line++;
        return fgets(data, size, reading->stream);
}

int config_read_file(struct config *config) {
        struct reading reading = {.config = config};
        int r;

        reading.stream = fopen(config->file, "re");
        if (!reading.stream) {
                if (errno == ENOENT && !config->file_named)
                        return 0;
                r = -errno;
                log_line(LOG_ERR, "%s: %s", config->file, strerror(-r));
                return config->file_named ? r : 0;
        }
        r = ini_parse_stream(next_line, &reading, take_setting, &reading);
        fclose(reading.stream);
        if (r > 0)
                log_line(LOG_ERR, "%s:%d: not a line of an INI file; ignored", config->file, r);
        return 0;
}
