/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What lodged was told: by its command line, its environment, and lodged.conf. */

#include <stdbool.h>
#include <stdint.h>

struct config {
        bool system;  /* the system bus, else a user's */
        char *socket; /* owned, as the other strings */
        char *state;
        char *file; /* lodged.conf; may be missing if it was not named by --config */
        bool file_named;
        int log_level;
        uint64_t segment_bytes;     /* [Bus] SegmentSize= */
        uint64_t message_bytes_max; /* [Bus] MaxMessageSize= */
        uint64_t cache_bytes_max;   /* [Bus] CacheSize= */
        uint64_t queues_max;        /* [Limits] MaxQueues= */
};

void config_done(struct config *config);

/* Parses the command line (argp exits by itself for --help, --version and usage errors, with status 2) and fills in
 * defaults from the environment: $STATE_DIRECTORY, $RUNTIME_DIRECTORY, $XDG_STATE_HOME, $XDG_RUNTIME_DIR,
 * $XDG_CONFIG_HOME, $HOME. Returns 0, -ENOMEM, or -ENXIO when no place for the socket or the state can be told
 * (logged). */
int config_from_arguments(struct config *ret, int argc, char **argv);

/* Reads config->file. A line that is not understood is logged with file and line and left out; the rest counts.
 * Returns 0, or -ENOENT when the file was named and is not there. */
int config_read_file(struct config *config);
