/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* lodgectl: what its commands share. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/lodge.h"

#include "client/ctl/json.h"
#include "client/ctl/output.h"
#include "client/ctl/signals.h"
#include "client/ctl/table.h"

enum ctl_status {
        CTL_DONE = 0,
        CTL_FAILED = 1,
        CTL_USAGE = 2,
        CTL_TIMED_OUT = 3,
        CTL_EMPTY = 4,
        CTL_NOT_FOUND = 5,
        CTL_DENIED = 6,
        CTL_OVER = 7, /* over quota, full, or disk full */
        CTL_NO_BUS = 8,
};

/* ---- the command line --------------------------------------------------- */

/* Every option there is, in the order in which they are shown. */
enum ctl_option_code {
        CTL_OPTION_SYSTEM,
        CTL_OPTION_USER,
        CTL_OPTION_SOCKET,
        CTL_OPTION_J,
        CTL_OPTION_JSON,
        CTL_OPTION_NO_LEGEND,
        CTL_OPTION_NO_PAGER,
        CTL_OPTION_TIMEOUT,
        CTL_OPTION_HELP,
        CTL_OPTION_VERSION,
        CTL_OPTIONS_GLOBAL, /* those before are taken with every command */

        CTL_OPTION_KIND = CTL_OPTIONS_GLOBAL,
        CTL_OPTION_EXCLUSIVE,
        CTL_OPTION_PURGE,
        CTL_OPTION_LINES,
        CTL_OPTION_FILE,
        CTL_OPTION_HEADER,
        CTL_OPTION_PRIORITY,
        CTL_OPTION_CONTENT_TYPE,
        CTL_OPTION_REPLY_TO,
        CTL_OPTION_CORRELATION,
        CTL_OPTION_THREAD,
        CTL_OPTION_COUNT,
        CTL_OPTION_ALL,
        CTL_OPTION_FOLLOW,
        CTL_OPTION_RAW,
        CTL_OPTION_NO_ACK,
        CTL_OPTION_EXEC,
        CTL_OPTION_FROM,
        CTL_OPTION_BODY,
        CTL_OPTION_COMMANDS,
        CTL_N_OPTIONS,
};

/* The bit of an option in a set of them. */
#define CTL_BIT(code) (UINT64_C(1) << (code))

typedef struct ctl_option {
        char letter;          /* 0: none */
        const char *name;     /* without dashes; NULL: the letter only */
        const char *argument; /* what its argument is called; NULL: takes none */
        const char *help;     /* NULL: not shown */
} ctl_option;

typedef struct ctl ctl;

typedef struct ctl_command {
        const char *name;
        const char *arguments; /* as shown */
        const char *help;
        unsigned arguments_min, arguments_max;
        uint64_t options;   /* CTL_BITs of its own */
        int (*run)(ctl *c); /* returns an enum ctl_status */
} ctl_command;

/* The options by code, and the commands, ended by one without a name. */
extern const ctl_option ctl_options[CTL_N_OPTIONS];
extern const ctl_command ctl_commands[];
/* The command of this name, or NULL. */
const ctl_command *ctl_command_find(const char *name);

/* What was asked for. Strings are the command line's own. */
struct ctl {
        const ctl_command *command;
        char **arguments; /* those of the command; the array is the struct's own */
        size_t n_arguments;
        uint64_t given; /* CTL_BITs of all options that were there */

        const char *socket;
        enum json_mode json;
        uint64_t timeout_us; /* UINT64_MAX: none */

        const char *kind;
        const char *file;
        char **headers; /* "KEY=VALUE"; the array is the struct's own */
        size_t n_headers;
        unsigned priority;
        const char *content_type, *reply_to, *correlation, *thread;
        uint64_t count, from;
        char **exec; /* NULL-terminated, or NULL */

        /* Not of the command line. */
        signals signals;
        lodge *bus;
        lodge_state state;
        output out; /* standard output */
};

/* Whether an option was given. */
static inline bool ctl_given(const ctl *c, enum ctl_option_code code) {
        return c->given & CTL_BIT(code);
}

/* Reads the command line into *c, which is zero before. Returns CTL_DONE, or CTL_USAGE after saying what is wrong.
 * json_automatic is what -j stands for. ctl_done() frees, also after failure. */
int ctl_parse(ctl *c, int argc, char **argv, enum json_mode json_automatic);
void ctl_done(ctl *c);

/* ---- help ---------------------------------------------------------------- */

/* Writes the help of the whole tool, or of one command. */
void ctl_help(output *out, const ctl_command *command);
/* Writes what completion needs: each command with its options, one a line; first "-" with those of all. */
void ctl_help_completion(output *out);

/* ---- the bus and its errors ---------------------------------------------- */

/* Connects c->bus to the bus that was asked for, and tells which that is. Returns 0 or a negative errno; says nothing.
 */
int ctl_connect(ctl *c, const char **ret_where);
/* The same with all that commands need. Returns CTL_DONE, or another status after saying why not. */
int ctl_open(ctl *c);

/* The exit status for a negative errno of the library, on a bus that is connected or not. */
int ctl_status_of(int error, bool connected);

/* Say on stderr what failed, "lodgectl: WHAT: why", with what the daemon said, and a hint where there is one. `what`
 * names the deed; subject is what a hint speaks of, or NULL. Return the exit status. */
int ctl_fail(ctl *c, int error, const char *subject, const char *what, ...) __attribute__((format(printf, 4, 5)));
int ctl_refused(ctl *c, const lodge_error *error, const char *subject, const char *what);
/* Says "lodgectl: …" on stderr. */
void ctl_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same for a command line that makes no sense, with where to read on. Returns CTL_USAGE. */
int ctl_usage(const ctl_command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* How long an answer of the bus is waited for without --timeout. */
#define CTL_ANSWER_US UINT64_C(30000000)

/* CLOCK_MONOTONIC, in microseconds. */
uint64_t ctl_now_us(void);
/* `now_us` and a span, which may be UINT64_MAX. */
static inline uint64_t ctl_later(uint64_t now_us, uint64_t span_us) {
        return span_us > UINT64_MAX - now_us ? UINT64_MAX : now_us + span_us;
}

/* ---- showing --------------------------------------------------------------- */

/* Shows what was collected in c->out: through the pager if it does not fit the terminal. Returns the exit status. */
int ctl_show(ctl *c);
/* How tables are to look: by options, and by what standard output is. */
table_style ctl_table_style(const ctl *c);
/* Adds a count line: "3 queues." or "1 queue." */
void ctl_count_line(ctl *c, size_t n, const char *one, const char *many);

/* ---- commands ---------------------------------------------------------------- */

int cmd_list(ctl *c);
int cmd_peers(ctl *c);
int cmd_status(ctl *c);
int cmd_declare(ctl *c);
int cmd_set(ctl *c);
int cmd_delete(ctl *c);
int cmd_bind(ctl *c);
int cmd_unbind(ctl *c);
int cmd_send(ctl *c);
int cmd_receive(ctl *c);
int cmd_browse(ctl *c);
int cmd_version(ctl *c);
int cmd_help(ctl *c);
