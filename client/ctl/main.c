/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "client/ctl/ctl.h"

/* How wide characters are is known of UTF-8 only, which is what the bus speaks. */
static void set_locale(void) {
        setlocale(LC_CTYPE, "");
        if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
                setlocale(LC_CTYPE, "C.UTF-8");
}

int main(int argc, char **argv) {
        struct sigaction ignore = {.sa_handler = SIG_IGN};
        ctl c = {0};
        int status;

        set_locale();
        /* A reader that went away is an error of the write, which then is not acknowledged. */
        sigaction(SIGPIPE, &ignore, NULL);
        output_init(&c.out, STDOUT_FILENO, &c.signals);
        status = ctl_parse(&c, argc, argv, isatty(STDOUT_FILENO) ? JSON_PRETTY : JSON_SHORT);
        if (status == CTL_DONE) {
                if (ctl_given(&c, CTL_OPTION_HELP)) {
                        ctl_help(&c.out, c.command);
                        status = ctl_show(&c);
                } else if (ctl_given(&c, CTL_OPTION_VERSION)) {
                        output_printf(&c.out, "lodgectl %s\n", LODGE_VERSION);
                        status = ctl_show(&c);
                } else
                        status = c.command->run(&c);
        }
        ctl_done(&c);
        return status;
}
