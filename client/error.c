/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/internal.h"

/* A refusal without a reason is a failure all the same. */
static int error_number(unsigned code) {
        int number = wire_code_errno(code);

        return number < 0 ? number : -EIO;
}

struct error_box *error_from_fields(struct wire_span fields) {
        struct wire_field code, text, setting, number;
        bool has_text, has_setting;
        size_t text_bytes, setting_bytes;
        struct error_box *box;

        has_text = wire_field_find(fields, WIRE_FIELD_TEXT, &text);
        has_setting = wire_field_find(fields, WIRE_FIELD_SETTING, &setting);
        text_bytes = has_text ? text.value.size : 0;
        setting_bytes = has_setting ? setting.value.size : 0;

        box = calloc(1, sizeof(*box) + text_bytes + setting_bytes + 2);
        if (!box)
                return NULL;
        if (text_bytes > 0)
                memcpy(box->strings, text.value.data, text_bytes);
        if (setting_bytes > 0)
                memcpy(box->strings + text_bytes + 1, setting.value.data, setting_bytes);

        if (wire_field_find(fields, WIRE_FIELD_CODE, &code))
                box->error.code = (unsigned) code.number;
        box->error.number = error_number(box->error.code);
        box->error.name = wire_code_name(box->error.code);
        box->error.text = text_bytes > 0 ? box->strings : box->error.name;
        box->error.setting = has_setting ? box->strings + text_bytes + 1 : NULL;
        if (wire_field_find(fields, WIRE_FIELD_LIMIT, &number))
                box->error.limit = number.number;
        if (wire_field_find(fields, WIRE_FIELD_USE, &number))
                box->error.use = number.number;
        return box;
}

struct error_box *error_local(int number, const char *name, const char *text) {
        struct error_box *box;

        box = calloc(1, sizeof(*box));
        if (!box)
                return NULL;
        box->error = (lodge_error){.number = number, .name = name, .text = text};
        return box;
}

struct error_box *error_copy(const lodge_error *e) {
        size_t text = e->text ? strlen(e->text) + 1 : 0, setting = e->setting ? strlen(e->setting) + 1 : 0;
        struct error_box *box;

        box = malloc(sizeof(*box) + text + setting);
        if (!box)
                return NULL;
        box->error = *e;
        if (e->text)
                box->error.text = memcpy(box->strings, e->text, text);
        if (e->setting)
                box->error.setting = memcpy(box->strings + text, e->setting, setting);
        return box;
}

const lodge_error *error_of(const struct error_box *box) {
        static const lodge_error out_of_memory = {
                .number = -ENOMEM,
                .name = "out-of-memory",
                .text = "it was refused, and there is no memory to say why",
        };

        return box ? &box->error : &out_of_memory;
}

void error_free(struct error_box *box) {
        free(box);
}

void error_keep(lodge *bus, struct error_box *box) {
        free(bus->error);
        bus->error = box;
}

PUBLIC const lodge_error *lodge_get_error(lodge *bus) {
        return bus && bus->error ? &bus->error->error : NULL;
}
