/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "client/ctl/ctl.h"
#include "client/ctl/record.h"

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

static const record_column queue_columns[] = {
        {"name", "NAME", TABLE_SHRINK, RECORD_PLAIN},
        {"kind", "KIND", 0, RECORD_PLAIN},
        {"ready", "READY", TABLE_RIGHT, RECORD_PLAIN},
        {"leased", "LEASED", TABLE_RIGHT, RECORD_PLAIN},
        {"delayed", "DELAYED", TABLE_RIGHT, RECORD_PLAIN},
        {"dead", "DEAD", TABLE_RIGHT, RECORD_WARN},
        {"bytes", "BYTES", TABLE_RIGHT, RECORD_PLAIN},
        {"oldest_us", "OLDEST", TABLE_RIGHT, RECORD_ZERO_IS_NOTHING},
        {"consumers", "CONSUMERS", TABLE_RIGHT, RECORD_PLAIN},
        {"rate", "RATE", TABLE_RIGHT, RECORD_IF_ANY},
};

static const record_column peer_columns[] = {
        {"pid", "PID", TABLE_RIGHT, RECORD_PLAIN},
        {"user", "USER", 0, RECORD_PLAIN},
        {"uid", "UID", TABLE_RIGHT, RECORD_PLAIN},
        {"unit", "UNIT", TABLE_SHRINK, RECORD_PLAIN},
        {"software", "SOFTWARE", TABLE_SHRINK, RECORD_PLAIN},
        {"consumers", "CONSUMERS", TABLE_RIGHT, RECORD_PLAIN},
        {"unconfirmed", "UNCONFIRMED", TABLE_RIGHT, RECORD_PLAIN},
        {"sent", "SENT", TABLE_RIGHT, RECORD_PLAIN},
        {"delivered", "DELIVERED", TABLE_RIGHT, RECORD_PLAIN},
        {"connected_us", "CONNECTED", TABLE_RIGHT, RECORD_PLAIN},
};

static int show_json(ctl *c, const records *list) {
        json_stream stream = {.out = &c->out, .mode = c->json};
        int r = 0;

        for (size_t i = 0; i < list->n && r >= 0; i++)
                r = json_stream_add(&stream, json_of_record(&list->list[i]));
        return r < 0 ? r : json_stream_end(&stream);
}

static int show_table(ctl *c,
                      const records *list,
                      const record_column *columns,
                      size_t n_columns,
                      const char *one,
                      const char *many) {
        __attribute__((cleanup(table_freep))) table *t = NULL;
        table_style style = ctl_table_style(c);
        int r = 0;

        if (list->n > 0) {
                r = record_table(&t, list, columns, n_columns);
                if (r >= 0)
                        r = table_print(t, &c->out, &style);
        }
        ctl_count_line(c, list->n, one, many);
        return r;
}

static int
show(ctl *c, const records *list, const record_column *columns, size_t n_columns, const char *one, const char *many) {
        int r = list->error;

        if (r >= 0)
                r = c->json ? show_json(c, list) : show_table(c, list, columns, n_columns, one, many);
        return r < 0 ? ctl_fail(c, r, NULL, "cannot show the list") : ctl_show(c);
}

int cmd_list(ctl *c) {
        __attribute__((cleanup(records_done))) records list = {0};
        const char *pattern = c->n_arguments > 0 ? c->arguments[0] : NULL;
        int status = ctl_open(c), r;

        if (status != CTL_DONE)
                return status;
        r = lodge_list(c->bus, pattern, records_collect, &list);
        if (r < 0)
                return ctl_fail(c, r, NULL, "cannot list %s", pattern ? pattern : "queues");
        return show(c, &list, queue_columns, N_ELEMENTS(queue_columns), "queue", "queues");
}

int cmd_peers(ctl *c) {
        __attribute__((cleanup(records_done))) records list = {0};
        int status = ctl_open(c), r;

        if (status != CTL_DONE)
                return status;
        r = lodge_peers(c->bus, 0, records_collect, &list);
        if (r < 0)
                return ctl_fail(c, r, NULL, "cannot list peers");
        records_add_users(&list);
        return show(c, &list, peer_columns, N_ELEMENTS(peer_columns), "peer", "peers");
}
