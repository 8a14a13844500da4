/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The one table of commands and options: parsing, help, usage errors and completion all come from it. */

#include <string.h>

#include "client/ctl/ctl.h"

const ctl_option ctl_options[CTL_N_OPTIONS] = {
        [CTL_OPTION_SYSTEM] = {0, "system", NULL, "Talk to the system bus"},
        [CTL_OPTION_USER] = {0, "user", NULL, "Talk to the user bus"},
        [CTL_OPTION_SOCKET] = {0, "socket", "PATH", "Talk to the bus at this socket"},
        [CTL_OPTION_J] = {'j', NULL, NULL, "JSON: pretty on a terminal, else short"},
        [CTL_OPTION_JSON] = {0, "json", "MODE", "JSON: short, pretty or off"},
        [CTL_OPTION_NO_LEGEND] = {0, "no-legend", NULL, "No titles and no count in tables"},
        [CTL_OPTION_NO_PAGER] = {0, "no-pager", NULL, "No pager on a terminal"},
        [CTL_OPTION_TIMEOUT] = {0, "timeout", "TIME", "Wait no longer: 5s, 2min, infinity"},
        [CTL_OPTION_HELP] = {'h', "help", NULL, "Show this help, or that of the command"},
        [CTL_OPTION_VERSION] = {0, "version", NULL, "Show the version"},
        [CTL_OPTION_KIND] = {0, "kind", "KIND", "What to declare: queue"},
        [CTL_OPTION_EXCLUSIVE] = {0, "exclusive", NULL, "Fail if it exists"},
        [CTL_OPTION_PURGE] = {0, "purge", NULL, "Delete it with the messages in it"},
        [CTL_OPTION_LINES] = {0, "lines", NULL, "Send each line of the input as a message"},
        [CTL_OPTION_FILE] = {0, "file", "PATH", "Read this file, not standard input"},
        [CTL_OPTION_HEADER] = {'H', "header", "KEY=VALUE", "Add a header; may be repeated"},
        [CTL_OPTION_PRIORITY] = {0, "priority", "0-9", "9 is delivered first (default 0)"},
        [CTL_OPTION_CONTENT_TYPE] = {0, "content-type", "TYPE", "What the body is"},
        [CTL_OPTION_REPLY_TO] = {0, "reply-to", "SUBJECT", "Where an answer goes"},
        [CTL_OPTION_CORRELATION] = {0, "correlation", "TEXT", "What this is about"},
        [CTL_OPTION_THREAD] = {0, "thread", "TEXT", "Which conversation this belongs to"},
        [CTL_OPTION_COUNT] = {'n', NULL, "N", "So many messages"},
        [CTL_OPTION_ALL] = {0, "all", NULL, "All messages until it is empty"},
        [CTL_OPTION_FOLLOW] = {0, "follow", NULL, "All messages, now and to come"},
        [CTL_OPTION_RAW] = {0, "raw", NULL, "Bodies only, without newlines between them"},
        [CTL_OPTION_NO_ACK] = {0, "no-ack", NULL, "Messages go back to the queue at the end"},
        [CTL_OPTION_EXEC] = {0, "exec", "COMMAND...", "Run this (all that follows) for each message"},
        [CTL_OPTION_FROM] = {0, "from", "ID", "Start at this message"},
        [CTL_OPTION_BODY] = {0, "body", NULL, "Whole bodies, each with a newline"},
        [CTL_OPTION_COMMANDS] = {0, "commands", NULL, NULL},
};

#define SEND_OPTIONS                                                                                      \
        (CTL_BIT(CTL_OPTION_LINES) | CTL_BIT(CTL_OPTION_FILE) | CTL_BIT(CTL_OPTION_HEADER) |              \
         CTL_BIT(CTL_OPTION_PRIORITY) | CTL_BIT(CTL_OPTION_CONTENT_TYPE) | CTL_BIT(CTL_OPTION_REPLY_TO) | \
         CTL_BIT(CTL_OPTION_CORRELATION) | CTL_BIT(CTL_OPTION_THREAD))
#define RECEIVE_OPTIONS                                                                                               \
        (CTL_BIT(CTL_OPTION_COUNT) | CTL_BIT(CTL_OPTION_ALL) | CTL_BIT(CTL_OPTION_FOLLOW) | CTL_BIT(CTL_OPTION_RAW) | \
         CTL_BIT(CTL_OPTION_NO_ACK) | CTL_BIT(CTL_OPTION_EXEC))
#define BROWSE_OPTIONS \
        (CTL_BIT(CTL_OPTION_COUNT) | CTL_BIT(CTL_OPTION_FROM) | CTL_BIT(CTL_OPTION_BODY) | CTL_BIT(CTL_OPTION_RAW))
#define MANY 4096u

const ctl_command ctl_commands[] = {
        {"list", "[PATTERN]", "List queues (default)", 0, 1, 0, cmd_list},
        {"status", "[NAME|PID]", "Show one queue or client in full, or the bus", 0, 1, 0, cmd_status},
        {"peers", "", "List connected clients", 0, 0, 0, cmd_peers},
        {"declare", "NAME [PROPERTY=VALUE...]", "Make a queue, or check that it is there", 1, MANY,
         CTL_BIT(CTL_OPTION_KIND) | CTL_BIT(CTL_OPTION_EXCLUSIVE), cmd_declare},
        {"set", "NAME PROPERTY=VALUE...", "Change properties of a queue", 2, MANY, 0, cmd_set},
        {"delete", "NAME", "Delete a queue", 1, 1, CTL_BIT(CTL_OPTION_PURGE), cmd_delete},
        {"bind", "NAME PATTERN", "Let a queue get the subjects of a pattern", 2, 2, 0, cmd_bind},
        {"unbind", "NAME PATTERN", "Take such a pattern back", 2, 2, 0, cmd_unbind},
        {"send", "SUBJECT [BODY|-]", "Send a message", 1, 2, SEND_OPTIONS, cmd_send},
        {"receive", "NAME", "Take messages from a queue", 1, 1, RECEIVE_OPTIONS, cmd_receive},
        {"browse", "NAME", "Look at messages without taking them", 1, 1, BROWSE_OPTIONS, cmd_browse},
        {"version", "", "Show versions of tool, library and bus", 0, 0, 0, cmd_version},
        {"help", "[COMMAND]", "Show help", 0, 1, CTL_BIT(CTL_OPTION_COMMANDS), cmd_help},
        {0},
};

const ctl_command *ctl_command_find(const char *name) {
        for (const ctl_command *c = ctl_commands; c->name; c++)
                if (strcmp(c->name, name) == 0)
                        return c;
        return NULL;
}
