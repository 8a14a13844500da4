/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "client/ctl/ctl.h"

int cmd_help(ctl *c) {
        const ctl_command *command = NULL;

        if (ctl_given(c, CTL_OPTION_COMMANDS)) {
                ctl_help_completion(&c->out);
                return ctl_show(c);
        }
        if (c->n_arguments > 0) {
                command = ctl_command_find(c->arguments[0]);
                if (!command)
                        return ctl_usage(NULL, "unknown command '%s'", c->arguments[0]);
        }
        ctl_help(&c->out, command);
        return ctl_show(c);
}

int cmd_version(ctl *c) {
        const char *server, *where;

        ctl_connect(c, &where); /* no bus is no failure here */
        server = c->bus ? lodge_get_server(c->bus) : NULL;
        if (c->json) {
                json_stream stream = {.out = &c->out, .mode = c->json, .single = true};
                json_object *object = json_object_new_object();

                json_object_object_add(object, "lodgectl", json_object_new_string(LODGE_VERSION));
                json_object_object_add(object, "liblodge", json_object_new_string(lodge_version()));
                json_object_object_add(object, "bus", server ? json_object_new_string(server) : NULL);
                json_stream_add(&stream, object);
        } else
                output_printf(&c->out, "lodgectl %s\nliblodge %s\nbus      %s\n", LODGE_VERSION, lodge_version(),
                              server ? server : "-");
        return ctl_show(c);
}
