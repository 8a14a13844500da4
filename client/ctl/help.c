/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "client/ctl/ctl.h"

#define SYNOPSIS_COLUMNS 34

/* One option: "  -H --header=KEY=VALUE     what it does". */
static void help_option(output *out, const ctl_option *o) {
        char synopsis[128];
        int n = snprintf(synopsis, sizeof(synopsis), "  %c%c", o->letter ? '-' : ' ', o->letter ? o->letter : ' ');

        if (o->name)
                n += snprintf(synopsis + n, sizeof(synopsis) - (size_t) n, " --%s", o->name);
        if (o->argument)
                snprintf(synopsis + n, sizeof(synopsis) - (size_t) n, "%s%s",
                         o->name && strcmp(o->name, "exec") != 0 ? "=" : " ", o->argument);
        output_printf(out, "%-*s %s\n", SYNOPSIS_COLUMNS, synopsis, o->help);
}

static void help_options(output *out, uint64_t options, const char *title) {
        bool titled = false;

        for (int i = 0; i < CTL_N_OPTIONS; i++) {
                if (!(options & CTL_BIT(i)) || !ctl_options[i].help)
                        continue;
                if (!titled)
                        output_printf(out, "\n%s:\n", title);
                titled = true;
                help_option(out, &ctl_options[i]);
        }
}

void ctl_help(output *out, const ctl_command *command) {
        if (command) {
                bool options = command->options & ~CTL_BIT(CTL_OPTION_COMMANDS);

                output_printf(out, "lodgectl %s%s%s%s\n\n%s.\n", command->name, options ? " [OPTIONS...]" : "",
                              *command->arguments ? " " : "", command->arguments, command->help);
                help_options(out, command->options, "Options");
        } else {
                output_add_text(out,
                                "lodgectl [OPTIONS...] COMMAND ...\n\nTalk to a lodge message bus.\n\nCommands:\n");
                for (const ctl_command *c = ctl_commands; c->name; c++) {
                        char synopsis[128];

                        snprintf(synopsis, sizeof(synopsis), "  %s %s", c->name, c->arguments);
                        output_printf(out, "%-*s %s\n", SYNOPSIS_COLUMNS, synopsis, c->help);
                }
        }
        help_options(out, CTL_BIT(CTL_OPTIONS_GLOBAL) - 1, command ? "Options of every command" : "Options");
        output_add_text(out, command ? "" : "\n'lodgectl help COMMAND' shows a command's options. See lodgectl(1).\n");
}

static void complete_options(output *out, uint64_t options) {
        for (int i = 0; i < CTL_N_OPTIONS; i++) {
                const ctl_option *o = &ctl_options[i];

                if (!(options & CTL_BIT(i)) || !o->help)
                        continue;
                if (o->letter)
                        output_printf(out, " -%c", o->letter);
                if (o->name)
                        output_printf(out, " --%s%s", o->name, o->argument && i != CTL_OPTION_EXEC ? "=" : "");
        }
        output_add(out, "\n", 1);
}

void ctl_help_completion(output *out) {
        output_add(out, "-", 1);
        complete_options(out, CTL_BIT(CTL_OPTIONS_GLOBAL) - 1);
        for (const ctl_command *c = ctl_commands; c->name; c++) {
                output_add_text(out, c->name);
                complete_options(out, c->options);
        }
}
