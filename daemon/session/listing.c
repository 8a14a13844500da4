/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* LIST, STATUS, PEERS and BROWSE: items and messages, then END. */

#include <errno.h>
#include <string.h>

#include "daemon/session/internal.h"

#define BROWSE_MESSAGES_MAX 1000u
#define BROWSE_BYTES_MAX    (512u * 1024u)

struct listing {
        struct session *s;
        const struct frame *frame;
        uint32_t count;
};

static void answer_item(struct session *s, uint32_t serial, struct attributes *a) {
        struct refusal why;

        if (a->failed || a->fields.size > s->host->frame_bytes_max - WIRE_SERIAL_HEADER_BYTES) {
                (void) refuse(&why, 0, WIRE_CODE_INTERNAL, "out of memory");
                session_fail(s, &why);
        } else
                answer_general(s, WIRE_ITEM, 0, serial, a->fields.data, a->fields.size);
        buffer_done(&a->fields);
}

static void describe_queue(struct attributes *a, const struct core_queue_info *info, uint64_t now_us) {
        attribute_string(a, "name", info->name.data, info->name.size);
        attribute_string(a, "kind", "queue", strlen("queue"));
        attribute_u64(a, "ready", info->ready);
        attribute_u64(a, "leased", info->leased);
        attribute_u64(a, "delayed", 0);
        attribute_u64(a, "dead", 0);
        attribute_u64(a, "bytes", info->bytes);
        attribute_u64(a, "oldest_us", info->oldest_us > 0 && info->oldest_us < now_us ? now_us - info->oldest_us : 0);
        attribute_u64(a, "consumers", info->consumers);
        attribute_bool(a, "paused", false);
        attribute_string(a, "durability", "disk", strlen("disk"));
        if (info->damaged > 0)
                attribute_u64(a, "damaged", info->damaged);
}

static void list_queue(const struct core_queue_info *info, void *userdata) {
        struct listing *l = userdata;
        struct attributes a = {0};

        if (l->s->state == SESSION_CLOSING)
                return;
        describe_queue(&a, info, l->s->host->now_us);
        answer_item(l->s, l->frame->general.serial, &a);
        l->count++;
}

int handle_list(struct session *s, const struct frame *frame) {
        struct listing l = {.s = s, .frame = frame};
        struct wire_field field = {0};
        const char *reason = NULL;
        struct refusal why;

        if (wire_field_find(frame->general.fields, WIRE_FIELD_PATTERN, &field) &&
            wire_pattern_check(field.value.data, field.value.size, &reason) < 0) {
                (void) refuse(&why, 0, WIRE_CODE_BAD_NAME, "not a pattern: %s", reason);
                answer_refusal(s, 0, frame->general.serial, &why);
                return 0;
        }
        if (core_list(s->host->core, field.value, list_queue, &l) < 0)
                return -ENOMEM;
        answer_end(s, frame->general.serial, l.count, 0);
        return 0;
}

static void describe_queue_fully(struct attributes *a, const struct core_queue_info *info, uint64_t now_us) {
        const struct properties *p = info->properties;

        describe_queue(a, info, now_us);
        if (p->description)
                attribute_string(a, "description", p->description, strlen(p->description));
        attribute_u64(a, "max_messages", p->max_messages);
        attribute_u64(a, "max_bytes", p->max_bytes);
        attribute_u64(a, "max_message_bytes", p->max_message_bytes);
        attribute_u64(a, "sent", info->sent);
        attribute_u64(a, "delivered", info->delivered);
        attribute_u64(a, "redelivered", info->redelivered);
        attribute_u64(a, "acked", info->acked);
        attribute_u64(a, "declared_us", info->declared_us);
        for (size_t i = 0; i < info->n_bindings; i++)
                attribute_string(a, "binding", info->bindings[i].data, info->bindings[i].size);
}

int handle_status(struct session *s, const struct frame *frame) {
        struct core_queue_info info;
        struct attributes a = {0};
        struct wire_field name;
        struct refusal why;

        if (!wire_field_find(frame->general.fields, WIRE_FIELD_NAME, &name))
                s->host->describe(s->host->userdata, &a);
        else if (core_queue_info(s->host->core, name.value, &info, &why) < 0) {
                answer_refusal(s, 0, frame->general.serial, &why);
                return 0;
        } else
                describe_queue_fully(&a, &info, s->host->now_us);
        answer_item(s, frame->general.serial, &a);
        answer_end(s, frame->general.serial, 1, 0);
        return 0;
}

static void describe_peer(struct attributes *a, const struct session *peer) {
        const struct entry_sender *who = &peer->sender->identity;

        attribute_u64(a, "pid", who->pid);
        attribute_u64(a, "uid", who->uid);
        attribute_u64(a, "gid", who->gid);
        if (who->unit.size > 0)
                attribute_string(a, "unit", who->unit.data, who->unit.size);
        if (who->label.size > 0)
                attribute_string(a, "label", who->label.data, who->label.size);
        if (peer->software)
                attribute_string(a, "software", peer->software, strlen(peer->software));
        attribute_u64(a, "consumers", HASH_COUNT(peer->channels));
        attribute_u64(a, "unconfirmed", peer->unconfirmed);
        attribute_u64(a, "sent", peer->sent);
        attribute_u64(a, "delivered", peer->delivered);
        attribute_u64(a, "connected_us", peer->connected_us);
}

int handle_peers(struct session *s, const struct frame *frame) {
        uint64_t pid = field_number(frame, WIRE_FIELD_PID, 0);
        struct session *peer;
        uint32_t count = 0;

        TAILQ_FOREACH (peer, &s->host->sessions, link) {
                struct attributes a = {0};

                if (peer->state != SESSION_OPEN || (pid != 0 && peer->sender->identity.pid != pid))
                        continue;
                describe_peer(&a, peer);
                answer_item(s, frame->general.serial, &a);
                count++;
        }
        answer_end(s, frame->general.serial, count, 0);
        return 0;
}

static void browse_message(const struct core_message *message, void *userdata) {
        struct listing *l = userdata;

        put_message(l->s, WIRE_BROWSED, l->frame->header.channel, message);
}

int handle_browse(struct session *s, const struct frame *frame) {
        uint64_t count = field_number(frame, WIRE_FIELD_COUNT, BROWSE_MESSAGES_MAX), next;
        struct listing l = {.s = s, .frame = frame};
        struct wire_span name;
        struct refusal why;
        int n;

        if (!field_name(s, frame, &name) || !channel_is_free(s, frame))
                return 0;
        if (count > BROWSE_MESSAGES_MAX)
                count = BROWSE_MESSAGES_MAX;
        n = core_browse(s->host->core, name, field_number(frame, WIRE_FIELD_FROM_ID, 0), (uint32_t) count,
                        BROWSE_BYTES_MAX, browse_message, &l, &next, &why);
        if (n < 0)
                answer_refusal(s, 0, frame->general.serial, &why);
        else
                answer_end(s, frame->general.serial, (uint32_t) n, next);
        return 0;
}
