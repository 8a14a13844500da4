/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "client/ctl/ctl.h"
#include "client/ctl/parse.h"

#define OPTION_BASE 256 /* above all letters */

static int bad_value(const ctl *c, const char *option, const char *value, const char *wanted) {
        return ctl_usage(c->command, "--%s: '%s' is no %s", option, value, wanted);
}

static int take_json(ctl *c, const char *value) {
        static const char *const modes[] = {[JSON_OFF] = "off", [JSON_SHORT] = "short", [JSON_PRETTY] = "pretty"};

        for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
                if (strcmp(modes[i], value) == 0) {
                        c->json = i;
                        return CTL_DONE;
                }
        return bad_value(c, "json", value, "mode: short, pretty or off");
}

static int take_header(ctl *c, char *value) {
        char **headers;

        if (!strchr(value, '=') || *value == '=')
                return bad_value(c, "header", value, "KEY=VALUE");
        headers = reallocarray(c->headers, c->n_headers + 1, sizeof(*headers));
        if (!headers)
                return ctl_fail(c, -ENOMEM, NULL, "cannot read the command line");
        c->headers = headers;
        headers[c->n_headers++] = value;
        return CTL_DONE;
}

/* Options with a number or time. */
static int take_number(ctl *c, enum ctl_option_code code, const char *value) {
        uint64_t number = 0;

        switch (code) {
        case CTL_OPTION_TIMEOUT:
                if (parse_time(value, &c->timeout_us) < 0)
                        return bad_value(c, "timeout", value, "time such as 5s, 1h 30min or infinity");
                return CTL_DONE;
        case CTL_OPTION_PRIORITY:
                if (parse_u64(value, LODGE_PRIORITY_MAX, &number) < 0)
                        return bad_value(c, "priority", value, "number from 0 to 9");
                c->priority = (unsigned) number;
                return CTL_DONE;
        case CTL_OPTION_COUNT:
                if (parse_u64(value, UINT64_MAX, &c->count) < 0 || c->count == 0)
                        return ctl_usage(c->command, "-n: '%s' is no number from 1 on", value);
                return CTL_DONE;
        default:
                if (parse_u64(value, UINT64_MAX, &c->from) < 0)
                        return bad_value(c, "from", value, "message id");
                return CTL_DONE;
        }
}

static int take_option(ctl *c, enum ctl_option_code code, char *value, enum json_mode json_automatic) {
        c->given |= CTL_BIT(code);
        switch (code) {
        case CTL_OPTION_SOCKET:
                c->socket = value;
                return CTL_DONE;
        case CTL_OPTION_J:
                c->json = json_automatic;
                return CTL_DONE;
        case CTL_OPTION_JSON:
                return take_json(c, value);
        case CTL_OPTION_KIND:
                c->kind = value;
                return strcmp(value, "queue") == 0 ? CTL_DONE : bad_value(c, "kind", value, "kind: queue");
        case CTL_OPTION_FILE:
                c->file = value;
                return CTL_DONE;
        case CTL_OPTION_HEADER:
                return take_header(c, value);
        case CTL_OPTION_CONTENT_TYPE:
                c->content_type = value;
                return CTL_DONE;
        case CTL_OPTION_REPLY_TO:
                c->reply_to = value;
                return CTL_DONE;
        case CTL_OPTION_CORRELATION:
                c->correlation = value;
                return CTL_DONE;
        case CTL_OPTION_THREAD:
                c->thread = value;
                return CTL_DONE;
        case CTL_OPTION_TIMEOUT:
        case CTL_OPTION_PRIORITY:
        case CTL_OPTION_COUNT:
        case CTL_OPTION_FROM:
                return take_number(c, code, value);
        default: /* it is enough to know that it was given */
                return CTL_DONE;
        }
}

static int take_argument(ctl *c, char *argument) {
        if (!c->command) {
                c->command = ctl_command_find(argument);
                return c->command ? CTL_DONE : ctl_usage(NULL, "unknown command '%s'", argument);
        }
        if (c->n_arguments == c->command->arguments_max)
                return ctl_usage(c->command, "too many arguments: '%s'", argument);
        c->arguments[c->n_arguments++] = argument;
        return CTL_DONE;
}

/* What getopt_long() wants to know. --exec takes the rest of the command line, not one argument. */
static void fill_getopt(struct option *longs, char *letters) {
        /* Arguments in their order; a missing value is told apart. */
        *letters++ = '-';
        *letters++ = ':';
        for (int i = 0; i < CTL_N_OPTIONS; i++) {
                const ctl_option *o = &ctl_options[i];
                bool has_argument = o->argument && i != CTL_OPTION_EXEC;

                if (o->name)
                        *longs++ = (struct option){.name = o->name, .has_arg = has_argument, .val = OPTION_BASE + i};
                if (o->letter) {
                        *letters++ = o->letter;
                        if (has_argument)
                                *letters++ = ':';
                }
        }
        *longs = (struct option){0};
        *letters = '\0';
}

static enum ctl_option_code code_of(int value) {
        for (int i = 0; i < CTL_N_OPTIONS; i++)
                if (value == OPTION_BASE + i || (ctl_options[i].letter && value == ctl_options[i].letter))
                        return (enum ctl_option_code) i;
        return CTL_N_OPTIONS;
}

static int bad_option(const ctl *c, int value, char **argv) {
        const char *given = argv[optind - 1];
        char letter[] = {'-', (char) optopt, '\0'};

        /* A letter may be one of several behind one dash. */
        if (optopt > 0 && optopt < OPTION_BASE)
                given = letter;
        if (value == ':')
                return ctl_usage(c->command, "option %s wants a value", given);
        if (optopt >= OPTION_BASE)
                return ctl_usage(c->command, "option %s takes no value", given);
        return ctl_usage(c->command, "unknown option %s", given);
}

/* Every option that was given belongs to the command. */
static int check_options(const ctl *c) {
        for (int i = CTL_OPTIONS_GLOBAL; i < CTL_N_OPTIONS; i++) {
                const ctl_option *o = &ctl_options[i];

                if (!(c->given & CTL_BIT(i)) || c->command->options & CTL_BIT(i))
                        continue;
                if (o->name)
                        return ctl_usage(c->command, "%s takes no option --%s", c->command->name, o->name);
                return ctl_usage(c->command, "%s takes no option -%c", c->command->name, o->letter);
        }
        if (ctl_given(c, CTL_OPTION_SYSTEM) + ctl_given(c, CTL_OPTION_USER) + ctl_given(c, CTL_OPTION_SOCKET) > 1)
                return ctl_usage(c->command, "--system, --user and --socket exclude each other");
        return CTL_DONE;
}

static int take_all(ctl *c, int argc, char **argv, enum json_mode json_automatic) {
        struct option longs[CTL_N_OPTIONS + 1];
        char letters[2 * CTL_N_OPTIONS + 3];
        int value, r = CTL_DONE;

        fill_getopt(longs, letters);
        optind = 0; /* glibc: start afresh */
        opterr = 0;
        while (r == CTL_DONE && !c->exec && (value = getopt_long(argc, argv, letters, longs, NULL)) >= 0) {
                if (value == 1)
                        r = take_argument(c, optarg);
                else if (value == '?' || value == ':')
                        r = bad_option(c, value, argv);
                else
                        r = take_option(c, code_of(value), optarg, json_automatic);
                if (r == CTL_DONE && ctl_given(c, CTL_OPTION_EXEC))
                        c->exec = argv + optind;
        }
        if (c->exec)
                return r;
        for (; r == CTL_DONE && optind < argc; optind++) /* behind "--" */
                r = take_argument(c, argv[optind]);
        return r;
}

int ctl_parse(ctl *c, int argc, char **argv, enum json_mode json_automatic) {
        int r;

        c->timeout_us = UINT64_MAX;
        c->arguments = calloc((size_t) argc + 1, sizeof(*c->arguments));
        if (!c->arguments)
                return ctl_fail(c, -ENOMEM, NULL, "cannot read the command line");
        r = take_all(c, argc, argv, json_automatic);
        if (r != CTL_DONE || ctl_given(c, CTL_OPTION_HELP) || ctl_given(c, CTL_OPTION_VERSION))
                return r;
        if (!c->command)
                c->command = ctl_command_find("list");
        r = check_options(c);
        if (r != CTL_DONE)
                return r;
        if (c->n_arguments < c->command->arguments_min)
                return ctl_usage(c->command, "%s wants more arguments", c->command->name);
        if (ctl_given(c, CTL_OPTION_EXEC) && !*c->exec)
                return ctl_usage(c->command, "--exec wants a command");
        return CTL_DONE;
}

void ctl_done(ctl *c) {
        free(c->arguments);
        free(c->headers);
        c->arguments = c->headers = NULL;
        c->n_arguments = c->n_headers = 0;
        output_done(&c->out);
        c->bus = lodge_unref(c->bus);
}
