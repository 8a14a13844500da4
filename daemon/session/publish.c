/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* SEND: from a frame to the core, and the confirm that waits for the commit. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/session/internal.h"

static void refuse_send(struct session *s, uint32_t serial, const struct refusal *why) {
        answer_refusal(s, WIRE_ERROR_OF_SEND, serial, why);
}

/* Resolves the short form of a subject, and remembers the long one, well-formed or not. */
static int find_subject(struct session *s, struct wire_send *send, struct refusal *why) {
        const char *reason = NULL;

        if (send->subject.size > 0) {
                memcpy(s->subject, send->subject.data, send->subject.size);
                s->subject_bytes = (uint8_t) send->subject.size;
                s->subject_checked = false;
        } else if (s->subject_bytes == 0)
                return refuse(why, -EINVAL, WIRE_CODE_BAD_NAME, "no subject, and none sent before");
        send->subject = (struct wire_span){(const uint8_t *) s->subject, s->subject_bytes};
        if (!s->subject_checked && wire_subject_check(s->subject, s->subject_bytes, &reason) < 0)
                return refuse(why, -EINVAL, WIRE_CODE_BAD_NAME, "not a subject: %s", reason);
        s->subject_checked = true;
        return 0;
}

/* Whether a field is one that a client may put on a message. */
static int check_field(const struct wire_field *field, struct refusal *why) {
        const char *reason = NULL;

        switch (field->tag) {
        case WIRE_FIELD_HEADER:
        case WIRE_FIELD_CONTENT_TYPE:
        case WIRE_FIELD_CORRELATION:
        case WIRE_FIELD_THREAD:
                return 0;
        case WIRE_FIELD_REPLY_TO:
                if (wire_subject_check(field->value.data, field->value.size, &reason) < 0)
                        return refuse(why, -EINVAL, WIRE_CODE_BAD_NAME, "not a reply-to subject: %s", reason);
                return 0;
        case WIRE_FIELD_DURABILITY:
                return 0; /* everything is kept on disk, which is at least what was asked for */
        case WIRE_FIELD_TTL_US:
        case WIRE_FIELD_DELAY_US:
        case WIRE_FIELD_DEDUP_KEY:
        case WIRE_FIELD_RECEIPTS:
                return refuse(why, -EOPNOTSUPP, WIRE_CODE_UNSUPPORTED, "field %u is not supported by this bus",
                              field->tag);
        default:
                return refuse(why, -EINVAL, WIRE_CODE_BAD_VALUE, "field %u does not belong on a message", field->tag);
        }
}

/* Checks the fields; copies them without the unknown ones if there are any, so that nothing is stored that nobody
 * vouches for. */
static int check_fields(struct session *s, struct wire_send *send, struct refusal *why) {
        struct buffer *scratch = &s->host->scratch;
        struct wire_fault fault;
        struct wire_field field;
        size_t offset = 0, from = 0;
        bool unknown = false;
        int r;

        if (send->fields.size == 0)
                return 0;
        if (send->fields.size > WIRE_SEND_FIELDS_BYTES_MAX)
                return refuse_limit(why, -EMSGSIZE, WIRE_CODE_TOO_LARGE, "fields", WIRE_SEND_FIELDS_BYTES_MAX,
                                    send->fields.size, "the fields of a message take at most %u bytes",
                                    WIRE_SEND_FIELDS_BYTES_MAX);
        scratch->size = 0;
        if (buffer_reserve(scratch, send->fields.size) < 0)
                return refuse(why, -ENOMEM, WIRE_CODE_INTERNAL, "out of memory");
        while ((r = wire_field_next(send->fields, &offset, &field, &fault)) > 0) {
                if (field.type == WIRE_TYPE_UNKNOWN)
                        unknown = true;
                else {
                        r = check_field(&field, why);
                        if (r < 0)
                                return r;
                        buffer_bytes(scratch, send->fields.data + from, offset - from);
                }
                from = offset;
        }
        if (unknown)
                send->fields = (struct wire_span){scratch->data, scratch->size};
        return 0;
}

/* Reads a body that came as a memfd. It has to be sealed against change, so that what is checked is what is kept. */
static int read_descriptor(struct session *s, uint8_t **ret, struct wire_span *ret_body, struct refusal *why) {
        int fd = input_take_descriptor(&s->input), seals, r = 0;
        uint8_t *data = NULL;
        struct stat st;

        if (fd < 0)
                return refuse(why, fd, WIRE_CODE_MALFORMED, "no descriptor came with the frame");
        seals = fcntl(fd, F_GET_SEALS);
        if (seals < 0 || (seals & (F_SEAL_WRITE | F_SEAL_SHRINK)) != (F_SEAL_WRITE | F_SEAL_SHRINK) ||
            fstat(fd, &st) < 0)
                r = refuse(why, -EINVAL, WIRE_CODE_BAD_VALUE,
                           "the descriptor is not a memfd sealed against writing and shrinking");
        else if ((uint64_t) st.st_size > s->host->message_bytes_max)
                r = refuse_limit(why, -EMSGSIZE, WIRE_CODE_TOO_LARGE, "MaxMessageSize", s->host->message_bytes_max,
                                 (uint64_t) st.st_size,
                                 "this bus takes bodies of at most %" PRIu32 " bytes (MaxMessageSize=)",
                                 s->host->message_bytes_max);
        else {
                data = malloc((size_t) st.st_size + 1);
                if (!data || pread(fd, data, (size_t) st.st_size, 0) != st.st_size)
                        r = refuse(why, -EIO, WIRE_CODE_INTERNAL, "the descriptor cannot be read");
        }
        close(fd);
        if (r < 0) {
                free(data);
                return r;
        }
        *ret = data;
        *ret_body = (struct wire_span){data, (size_t) st.st_size};
        return 0;
}

/* `not_understood`: a mandatory field is unknown; NULL: none. Such a frame is refused only after its subject is
 * remembered and its descriptor taken, so that the frames behind it mean what they say. */
static int send_one(struct session *s,
                    struct wire_send *send,
                    const struct wire_fault *not_understood,
                    uint64_t *ret_id,
                    struct refusal *why) {
        uint8_t *body __attribute__((cleanup(buffer_free_data))) = NULL;
        int r;

        r = find_subject(s, send, why);
        if (send->flags & WIRE_FLAG_DESCRIPTOR) {
                struct refusal why_not;
                int q = read_descriptor(s, &body, &send->body, &why_not);

                if (q < 0 && r == 0) {
                        *why = why_not;
                        r = q;
                }
        }
        if (r == 0 && not_understood)
                r = refuse(why, -EOPNOTSUPP, not_understood->code, "%s", not_understood->text);
        if (r == 0)
                r = check_fields(s, send, why);
        if (r < 0)
                return r;
        return core_send(s->host->core,
                         &(struct core_send){
                                 .sender = s->sender,
                                 .priority = send->priority,
                                 .subject = send->subject,
                                 .fields = send->fields,
                                 .body = send->body,
                                 .unrouted_ok = send->flags & WIRE_SEND_UNROUTED_OK,
                         },
                         s->host->now_us, ret_id, why);
}

int handle_send(struct session *s, const struct frame *frame) {
        struct wire_fault fault;
        struct wire_send send;
        struct refusal why;
        uint64_t id;
        int r;

        r = wire_send_parse(frame->data, frame->header.size, &send, &fault);
        if (r < 0 && r != -EOPNOTSUPP) {
                session_fail_fault(s, &fault);
                return 0;
        }
        r = send_one(s, &send, r < 0 ? &fault : NULL, &id, &why);
        if (r == -EBADMSG) {
                session_fail(s, &why);
                return 0;
        }
        if (r < 0) {
                refuse_send(s, send.serial, &why);
                return 0;
        }
        s->sent++;
        if (id == 0)
                core_urge(s->host->core);
        pending_confirm(s, send.serial, id, WIRE_SEND_HEADER_BYTES + send.fields.size + send.body.size);
        return 0;
}
