/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "client/ctl/ctl.h"

/* The arguments behind the name, which all are to be PROPERTY=VALUE. NULL-terminated, the command line's own. */
static int take_properties(ctl *c, const char *const **ret) {
        for (size_t i = 1; i < c->n_arguments; i++)
                if (!strchr(c->arguments[i], '=') || c->arguments[i][0] == '=')
                        return ctl_usage(c->command, "'%s' is no PROPERTY=VALUE", c->arguments[i]);
        *ret = (const char *const *) (c->arguments + 1);
        return CTL_DONE;
}

int cmd_declare(ctl *c) {
        const char *name = c->arguments[0];
        const char *const *properties = NULL;
        unsigned flags = ctl_given(c, CTL_OPTION_EXCLUSIVE) ? LODGE_DECLARE_EXCLUSIVE : 0;
        int status = take_properties(c, &properties), r;

        if (status == CTL_DONE)
                status = ctl_open(c);
        if (status != CTL_DONE)
                return status;
        r = lodge_declare(c->bus, name, c->kind, properties, flags);
        return r < 0 ? ctl_fail(c, r, name, "cannot declare %s", name) : CTL_DONE;
}

int cmd_set(ctl *c) {
        const char *name = c->arguments[0];
        const char *const *properties = NULL;
        int status = take_properties(c, &properties), r;

        if (status == CTL_DONE)
                status = ctl_open(c);
        if (status != CTL_DONE)
                return status;
        r = lodge_set(c->bus, name, properties);
        return r < 0 ? ctl_fail(c, r, name, "cannot set properties of %s", name) : CTL_DONE;
}

int cmd_delete(ctl *c) {
        const char *name = c->arguments[0];
        int status = ctl_open(c), r;

        if (status != CTL_DONE)
                return status;
        r = lodge_delete(c->bus, name, ctl_given(c, CTL_OPTION_PURGE) ? LODGE_DELETE_PURGE : 0);
        return r < 0 ? ctl_fail(c, r, name, "cannot delete %s", name) : CTL_DONE;
}

int cmd_bind(ctl *c) {
        const char *name = c->arguments[0], *pattern = c->arguments[1];
        int status = ctl_open(c), r;

        if (status != CTL_DONE)
                return status;
        r = lodge_bind(c->bus, name, pattern);
        return r < 0 ? ctl_fail(c, r, name, "cannot bind %s to %s", name, pattern) : CTL_DONE;
}

int cmd_unbind(ctl *c) {
        const char *name = c->arguments[0], *pattern = c->arguments[1];
        int status = ctl_open(c), r;

        if (status != CTL_DONE)
                return status;
        r = lodge_unbind(c->bus, name, pattern);
        return r < 0 ? ctl_fail(c, r, name, "cannot unbind %s from %s", name, pattern) : CTL_DONE;
}
