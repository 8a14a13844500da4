/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/ctl/ctl.h"
#include "client/ctl/parse.h"
#include "client/ctl/record.h"

/* Without the unit, which the value shows. */
static size_t key_length(const char *key) {
        size_t n = strlen(key);

        return n > 3 && strcmp(key + n - 3, "_us") == 0 ? n - 3 : n;
}

/* "oldest_us" is shown as "Oldest". */
static void print_key(output *out, const char *key, size_t width) {
        size_t n = key_length(key);

        for (size_t i = n; i < width; i++)
                output_add(out, " ", 1);
        for (size_t i = 0; i < n; i++) {
                char letter = key[i] == '_' ? ' ' : key[i];

                if (i == 0 && letter >= 'a' && letter <= 'z')
                        letter = (char) (letter - 'a' + 'A');
                output_add(out, &letter, 1);
        }
        output_add_text(out, ": ");
}

/* A block of "  Key: value", keys to the right. */
static int show_record(ctl *c, const record *r) {
        size_t width = 0;

        for (size_t i = 0; i < r->n_attributes; i++)
                if (key_length(r->attributes[i].key) > width)
                        width = key_length(r->attributes[i].key);
        for (size_t i = 0; i < r->n_attributes; i++) {
                const lodge_attribute *a = &r->attributes[i];
                char *text = record_format(a);

                if (!text)
                        return -ENOMEM;
                print_key(&c->out, a->key, width);
                output_printf(&c->out, "%s\n", *text ? text : "-");
                free(text);
        }
        return 0;
}

static int show(ctl *c, const records *list, bool single) {
        json_stream stream = {.out = &c->out, .mode = c->json, .single = single};
        int r = list->error;

        for (size_t i = 0; i < list->n && r >= 0; i++) {
                if (c->json) {
                        r = json_stream_add(&stream, json_of_record(&list->list[i]));
                        continue;
                }
                if (i > 0)
                        output_add(&c->out, "\n", 1);
                r = show_record(c, &list->list[i]);
        }
        if (c->json && r >= 0)
                r = json_stream_end(&stream);
        return r < 0 ? ctl_fail(c, r, NULL, "cannot show the status") : ctl_show(c);
}

int cmd_status(ctl *c) {
        __attribute__((cleanup(records_done))) records list = {0};
        const char *name = c->n_arguments > 0 ? c->arguments[0] : NULL;
        int status = ctl_open(c), r;
        uint64_t pid;

        if (status != CTL_DONE)
                return status;
        if (name && parse_u64(name, INT32_MAX, &pid) >= 0 && pid > 0) {
                /* A process may have several connections. */
                r = lodge_peers(c->bus, (int32_t) pid, records_collect, &list);
                if (r < 0)
                        return ctl_fail(c, r, name, "cannot show process %s", name);
                records_add_users(&list);
                if (list.n > 0)
                        return show(c, &list, false);
        }
        r = lodge_status(c->bus, name, records_collect, &list);
        if (r < 0)
                return ctl_fail(c, r, name, "cannot show %s", name ? name : "the bus");
        return show(c, &list, true);
}
