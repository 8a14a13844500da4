/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/session/internal.h"

/* Answers a change: OK once it is on disk, or the refusal now. */
static int answer_change(struct session *s, const struct frame *frame, int r, const struct refusal *why) {
        if (r < 0)
                answer_refusal(s, 0, frame->general.serial, why);
        else {
                core_urge(s->host->core);
                pending_ok(s, frame->general.serial);
        }
        return 0;
}

int handle_declare(struct session *s, const struct frame *frame) {
        struct wire_span name;
        struct refusal why;
        int r;

        if (!field_name(s, frame, &name))
                return 0;
        r = core_declare(s->host->core, name, (unsigned) field_number(frame, WIRE_FIELD_KIND, WIRE_KIND_QUEUE),
                         frame->header.flags & WIRE_DECLARE_EXCLUSIVE, frame->general.fields, s->host->now_us, &why);
        return answer_change(s, frame, r, &why);
}

int handle_set(struct session *s, const struct frame *frame) {
        struct wire_span name;
        struct refusal why;

        if (!field_name(s, frame, &name))
                return 0;
        return answer_change(s, frame, core_set(s->host->core, name, frame->general.fields, &why), &why);
}

int handle_delete(struct session *s, const struct frame *frame) {
        struct wire_span name;
        struct refusal why;

        if (!field_name(s, frame, &name))
                return 0;
        return answer_change(s, frame, core_delete(s->host->core, name, frame->header.flags & WIRE_DELETE_PURGE, &why),
                             &why);
}

int handle_bind(struct session *s, const struct frame *frame) {
        struct wire_span name, pattern;
        const char *reason = NULL;
        struct refusal why;
        int r;

        if (!field_name(s, frame, &name) || !field_string(s, frame, WIRE_FIELD_PATTERN, "PATTERN", &pattern))
                return 0;
        if (wire_pattern_check(pattern.data, pattern.size, &reason) < 0)
                r = refuse(&why, -1, WIRE_CODE_BAD_NAME, "not a pattern: %s", reason);
        else if (frame->header.opcode == WIRE_BIND)
                r = core_bind(s->host->core, name, pattern, &why);
        else
                r = core_unbind(s->host->core, name, pattern, &why);
        return answer_change(s, frame, r, &why);
}
