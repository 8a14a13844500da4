/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A history of the whole bus below its sessions: messages are sent to two queues, or to both at once, handed out, acked
 * and given back, while commits, rotations, merging and compaction go on as in the daemon. After a crash every
 * confirmed message has to be in its queue, whole, once, in its place, until its ack was durable, and never after that.
 */

#include "tests/crash/simulate.h"

#include <poll.h>

#include "tests/crash/bus-stubs.h"

#include "daemon/store/state.h"

#define N_QUEUES        2u
#define BODY_HEAD_BYTES 16u
#define ALIVE_MAX       250u
#define CREDIT          60u
#define PRIORITY_HIGH   7u
#define PRIORITY_LOW    4u

static const char *const queue_names[N_QUEUES] = {"one", "two"};
#define SUBJECT_BOTH "both.queues"
#define PATTERN_BOTH "both.*"

/* How a life goes. */
struct bus_mix {
        unsigned n_steps;
        unsigned bytes_max; /* of a body; one in four may be this large */
        bool threaded;      /* large commits go through the store's thread, and nobody waits for the spare */
        bool tight;         /* compaction begins early */
};

/* A message that was once sent. Kept for good, by index. */
struct sent {
        uint64_t id;
        uint8_t queues; /* bit per queue */
        uint8_t priority;
        uint32_t bytes;
};

enum standing { UNKNOWN, SENT, CONFIRMED, SETTLING, GONE };

/* Where a message stands at the moment at which the history is cut. */
struct standing_of {
        enum standing at[N_QUEUES];
        uint64_t commit[N_QUEUES]; /* SENT, SETTLING: that makes it durable */
};

struct bus_history {
        struct bus_mix mix;
        struct sent *sent;
        size_t n_sent;
        int result; /* of the last life: how the store failed */

        /* While it lives. */
        struct bus bus;
        struct config config;
        struct taker takers[N_QUEUES];
        struct sender *sender;
        uint8_t *body;

        /* While it is cut. */
        struct standing_of *standing;
        size_t n_standing;
        uint64_t last_id;
        uint64_t n_declared; /* queues that are there for good */
        uint8_t bus_id[16];
        bool has_bus_id;
};

/* Marks of messages carry the index and, above it, the queue. */
enum { MARK_SENT = 1, MARK_SETTLED, MARK_DURABLE, MARK_SEEN, MARK_OPENED };
#define QUEUE_SHIFT 56u

/* ---- messages ---- */

static struct wire_span text_span(const char *text) {
        return (struct wire_span){(const uint8_t *) text, strlen(text)};
}

static void body_write(uint8_t *out, uint32_t bytes, uint64_t message) {
        struct random r = {message};
        uint64_t size = bytes;

        memcpy(out, &message, 8);
        memcpy(out + 8, &size, 8);
        for (uint32_t i = BODY_HEAD_BYTES; i < bytes; i += 8) {
                uint64_t x = random_next(&r);

                memcpy(out + i, &x, bytes - i < 8 ? bytes - i : 8);
        }
}

static bool body_is_whole(struct wire_span body, uint64_t *ret_message) {
        uint64_t size;
        uint8_t *expected;
        bool same;

        if (body.size < BODY_HEAD_BYTES)
                return false;
        memcpy(ret_message, body.data, 8);
        memcpy(&size, body.data + 8, 8);
        if (size != body.size)
                return false;
        expected = malloc(size);
        assert_non_null(expected);
        body_write(expected, (uint32_t) size, *ret_message);
        same = memcmp(expected, body.data, size) == 0;
        free(expected);
        return same;
}

/* ---- opening ---- */

static int bus_begin(struct bus_history *h, char *directory) {
        const struct entry_sender who = {.uid = 1000, .gid = 100, .pid = 4242, .unit = text_span("writer.service")};
        int r;

        h->config = (struct config){.state = directory,
                                    .segment_bytes = STORE_SEGMENT_BYTES_MIN,
                                    .message_bytes_max = 64 * 1024,
                                    .cache_bytes_max = 256 * 1024,
                                    .queues_max = 16};
        r = bus_open(&h->bus, &h->config);
        if (r < 0)
                return r;
        h->bus.core->options.merge_blocks_min = 6;
        if (h->mix.tight)
                h->bus.segment_bytes /= 8;
        assert_int_equal(sender_intern(core_senders(h->bus.core), &who, &h->sender), 0);
        return 0;
}

static void bus_end(struct bus_history *h) {
        h->sender = sender_unref(h->sender);
        bus_close(&h->bus);
        for (unsigned q = 0; q < N_QUEUES; q++) {
                free(h->takers[q].items);
                h->takers[q] = (struct taker){0};
        }
}

static int take_from(struct bus_history *h, unsigned queue, uint32_t credit) {
        struct refusal why;
        int r;

        r = core_consume(h->bus.core, text_span(queue_names[queue]), &h->takers[queue], &h->takers[queue].consumer,
                         &why);
        if (r < 0)
                return r;
        core_credit(h->takers[queue].consumer, credit, UINT64_C(1) << 40);
        core_pump(h->bus.core);
        return 0;
}

/* ---- one life ---- */

/* Waits for what the store's thread has begun. */
static int finish_commit(struct bus_history *h) {
        int r = 0;

        while (h->bus.is_running && r == 0) {
                struct pollfd p = {.fd = store_fd(h->bus.store), .events = POLLIN};

                (void) poll(&p, 1, -1);
                r = commit_poll(&h->bus);
        }
        if (r > 0)
                disk_mark(MARK_DURABLE, h->bus.running, 0);
        return r;
}

static void send_some(struct simulation *s, unsigned n);

static int commit_now(struct simulation *s) {
        struct bus_history *h = s->history;
        int r;

        h->bus.host.more_coming = h->mix.threaded;
        h->bus.host.now_us += 5000;
        r = commit_begin(&h->bus);
        s->figures.compactions += h->bus.compact.segment != 0;
        for (unsigned i = 0; r >= 0 && h->bus.postponed && i < 4; i++)
                r = commit_retry(&h->bus);
        if (r > 0)
                disk_mark(MARK_DURABLE, h->bus.running, 0);
        else if (r == 0 && h->bus.is_running) {
                send_some(s, 2); /* into the next one */
                r = finish_commit(h);
        }
        if (r >= 0 && !h->mix.threaded)
                worker_wait_idle(h->bus.store->worker);
        return r < 0 ? r : 0;
}

static void send_one(struct simulation *s) {
        struct bus_history *h = s->history;
        uint8_t queues = (uint8_t) (1 + random_below(&s->random, 3));
        struct sent m = {.queues = queues,
                         .priority = random_one_in(&s->random, 5) ? PRIORITY_HIGH : PRIORITY_LOW,
                         .bytes = BODY_HEAD_BYTES + (uint32_t) random_below(&s->random, random_one_in(&s->random, 4)
                                                                                                ? h->mix.bytes_max
                                                                                                : 300)};
        struct core_send send = {.sender = h->sender,
                                 .priority = m.priority,
                                 .subject = text_span(queues == 3 ? SUBJECT_BOTH : queue_names[queues - 1]),
                                 .body = {h->body, m.bytes}};
        struct refusal why;
        int r;

        body_write(h->body, m.bytes, h->n_sent);
        r = core_send(h->bus.core, &send, h->bus.host.now_us, &m.id, &why);
        if (r < 0)
                return; /* refused, for want of disk */
        h->sent = reallocarray(h->sent, h->n_sent + 1, sizeof *h->sent);
        assert_non_null(h->sent);
        h->sent[h->n_sent] = m;
        disk_mark(MARK_SENT, h->n_sent++, h->bus.host.commit);
}

static void send_some(struct simulation *s, unsigned n) {
        struct bus_history *h = s->history;
        struct core_counters counters;

        core_counters(h->bus.core, &counters);
        for (unsigned i = 0; i < n && counters.messages + i < ALIVE_MAX; i++)
                send_one(s);
        core_pump(h->bus.core);
}

/* Acks, or gives back, some of what was handed out. A few messages stay all through this life. */
static void settle_some(struct simulation *s, unsigned queue) {
        struct bus_history *h = s->history;
        struct taker *t = &h->takers[queue];
        uint32_t credit = 0;

        for (size_t i = t->n; i-- > 0;) {
                bool stays = t->items[i].message % 16 == s->figures.lives % 16,
                     gives_back = random_one_in(&s->random, 10);

                if (random_one_in(&s->random, 3) || (stays && !gives_back))
                        continue;
                if (!gives_back)
                        disk_mark(MARK_SETTLED, t->items[i].message | (uint64_t) queue << QUEUE_SHIFT,
                                  h->bus.host.commit);
                assert_int_equal(core_settle(t->consumer, t->items[i].id, 1, gives_back ? CORE_NACK : CORE_ACK), 1);
                taker_remove(t, i);
                credit++;
        }
        core_credit(t->consumer, credit, 0);
        core_pump(h->bus.core);
}

static int begin_life(struct simulation *s) {
        struct bus_history *h = s->history;
        struct refusal why;
        uint64_t next;
        int r;

        r = bus_begin(h, s->live);
        if (r < 0)
                return r;
        for (unsigned q = 0; q < N_QUEUES; q++) {
                struct taker seen = {0};

                (void) core_browse(h->bus.core, text_span(queue_names[q]), 0, UINT32_MAX, UINT64_MAX, on_browsed, &seen,
                                   &next, &why);
                for (size_t i = 0; i < seen.n; i++)
                        disk_mark(MARK_SEEN, seen.items[i].message | (uint64_t) q << QUEUE_SHIFT, 0);
                free(seen.items);
        }
        disk_mark(MARK_OPENED, 0, 0);
        for (unsigned q = 0; r == 0 && q < N_QUEUES; q++) {
                r = core_declare(h->bus.core, text_span(queue_names[q]), WIRE_KIND_QUEUE, false, (struct wire_span){0},
                                 h->bus.host.now_us, &why);
                if (r == 0)
                        r = core_bind(h->bus.core, text_span(queue_names[q]), text_span(PATTERN_BOTH), &why);
                if (r == 0)
                        r = take_from(h, q, CREDIT);
        }
        return r;
}

/* Adds to the figures what the bus went through since it was opened. */
static void note_bus(struct simulation *s) {
        struct bus_history *h = s->history;
        struct store_counters store;
        struct core_counters core;

        store_counters(h->bus.store, &store);
        core_counters(h->bus.core, &core);
        s->figures.checkpoints += store.checkpoints;
        s->figures.recycled += store.segments_recycled;
        s->figures.merges += core.merges;
        s->figures.threaded += h->bus.commits_thread;
}

static int step(struct simulation *s) {
        struct bus_history *h = s->history;
        unsigned q = (unsigned) random_below(&s->random, N_QUEUES);
        int r = 0;

        switch (random_below(&s->random, 12)) {
        case 0:
        case 1:
        case 2:
        case 3:
                send_some(s, 1 + (unsigned) random_below(&s->random, 6));
                break;
        case 4:
        case 5:
                settle_some(s, q);
                break;
        case 6:
                if (!random_one_in(&s->random, 3))
                        break;
                h->takers[q].consumer = core_cancel(h->takers[q].consumer);
                h->takers[q].n = 0;
                r = take_from(h, q, CREDIT);
                break;
        case 7:
                if (!random_one_in(&s->random, 30))
                        break;
                r = commit_all(&h->bus); /* and a clean stop */
                if (r == 0 && !h->bus.postponed) {
                        disk_mark(MARK_DURABLE, h->bus.host.commit - 1, 0);
                        note_bus(s);
                        bus_end(h);
                        r = begin_life(s);
                }
                break;
        default:
                r = commit_now(s);
        }
        return r;
}

static void bus_live_once(struct simulation *s) {
        struct bus_history *h = s->history;

        h->body = malloc(BODY_HEAD_BYTES + h->mix.bytes_max);
        assert_non_null(h->body);
        h->result = begin_life(s);
        for (unsigned i = 0; i < h->mix.n_steps && h->result == 0; i++)
                h->result = step(s);
        disk_stop();
        if (h->bus.core) {
                note_bus(s);
                bus_end(h);
        }
        free(h->body);
}

/* ---- cutting it ---- */

static struct standing_of *standing_at(struct bus_history *h, uint64_t message) {
        if (message >= h->n_standing) {
                h->standing = reallocarray(h->standing, h->n_sent, sizeof *h->standing);
                assert_non_null(h->standing);
                memset(h->standing + h->n_standing, 0, (h->n_sent - h->n_standing) * sizeof *h->standing);
                h->n_standing = h->n_sent;
        }
        return &h->standing[message];
}

static void each_durable(struct bus_history *h, uint64_t commit) {
        for (size_t i = 0; i < h->n_standing; i++)
                for (unsigned q = 0; q < N_QUEUES; q++) {
                        struct standing_of *m = &h->standing[i];

                        if (m->at[q] == SENT && m->commit[q] <= commit)
                                m->at[q] = CONFIRMED;
                        else if (m->at[q] == SETTLING && m->commit[q] <= commit)
                                m->at[q] = GONE;
                }
        h->n_declared = N_QUEUES;
}

/* What recovery has shown stays, and what it has not shown stays away. SEEN marks came before, as commit UINT64_MAX. */
static void each_opened(struct bus_history *h) {
        for (size_t i = 0; i < h->n_standing; i++)
                for (unsigned q = 0; q < N_QUEUES; q++) {
                        struct standing_of *m = &h->standing[i];

                        if (m->at[q] != UNKNOWN)
                                m->at[q] = m->commit[q] == UINT64_MAX ? CONFIRMED : GONE;
                        m->commit[q] = 0;
                }
}

static void bus_mark(struct simulation *s, const struct op *mark) {
        struct bus_history *h = s->history;
        uint64_t message = mark->value & ((UINT64_C(1) << QUEUE_SHIFT) - 1);
        unsigned queue = (unsigned) (mark->value >> QUEUE_SHIFT);
        const struct sent *m = &h->sent[message];

        switch (mark->offset) {
        case MARK_SENT:
                for (unsigned q = 0; q < N_QUEUES; q++)
                        if (m->queues & (1u << q)) {
                                standing_at(h, message)->at[q] = SENT;
                                standing_at(h, message)->commit[q] = mark->size;
                        }
                if (m->id <= h->last_id)
                        fail_image(s, &s->figures.duplicated, "id %llu was given out before",
                                   (unsigned long long) m->id);
                h->last_id = m->id;
                break;
        case MARK_SETTLED:
                standing_at(h, message)->at[queue] = SETTLING;
                standing_at(h, message)->commit[queue] = mark->size;
                break;
        case MARK_DURABLE:
                each_durable(h, mark->value);
                break;
        case MARK_SEEN:
                standing_at(h, message)->commit[queue] = UINT64_MAX;
                break;
        default:
                each_opened(h);
        }
}

/* Looks at one message that a queue has handed out. *last: the one before. */
static void check_taken(struct simulation *s, const struct taken *t, unsigned queue, const struct taken *last) {
        struct bus_history *h = s->history;
        unsigned long long id = t->id;
        enum standing standing;

        if (!t->whole || t->message >= h->n_standing || h->sent[t->message].id != t->id ||
            h->sent[t->message].priority != t->priority) {
                fail_image(s, &s->figures.wrong, "%s: message %llu is not one that was sent", queue_names[queue], id);
                return;
        }
        standing = h->standing[t->message].at[queue];
        if (standing == UNKNOWN)
                fail_image(s, &s->figures.wrong, "%s: message %llu was not sent there", queue_names[queue], id);
        if (standing == GONE)
                fail_image(s, &s->figures.duplicated, "%s: message %llu is there again", queue_names[queue], id);
        if (last && (last->priority < t->priority || (last->priority == t->priority && last->id >= t->id)))
                fail_image(s, &s->figures.duplicated, "%s: message %llu comes behind %llu", queue_names[queue], id,
                           (unsigned long long) last->id);
}

/* found: bit per queue, by message. */
static void check_missing(struct simulation *s, const uint8_t *found) {
        struct bus_history *h = s->history;

        for (size_t i = 0; i < h->n_standing; i++) {
                const struct standing_of *m = &h->standing[i];

                for (unsigned q = 0; q < N_QUEUES; q++) {
                        bool is_there = found[i] & (1u << q);

                        s->figures.confirmed += m->at[q] == CONFIRMED;
                        if (m->at[q] == CONFIRMED && !is_there)
                                fail_image(s, &s->figures.lost, "%s: message %llu is missing", queue_names[q],
                                           (unsigned long long) h->sent[i].id);
                }
                if (m->at[0] == SENT && m->at[1] == SENT && found[i] != 0 && found[i] != 3)
                        fail_image(s, &s->figures.wrong, "message %llu is in one of its queues only",
                                   (unsigned long long) h->sent[i].id);
        }
}

/* Takes all that the queues have and compares; the takers keep it. Returns: whether the queues are there. */
static void check_queues(struct simulation *s) {
        struct bus_history *h = s->history;
        uint8_t *found = calloc(h->n_standing + 1, 1);

        assert_non_null(found);
        for (unsigned q = 0; q < N_QUEUES; q++) {
                struct taker *t = &h->takers[q];

                if (take_from(h, q, UINT32_MAX) < 0) {
                        if (q < h->n_declared)
                                fail_image(s, &s->figures.lost, "queue %s is missing", queue_names[q]);
                        continue;
                }
                for (size_t i = 0; i < t->n; i++) {
                        check_taken(s, &t->items[i], q, i > 0 ? &t->items[i - 1] : NULL);
                        if (t->items[i].message < h->n_standing)
                                found[t->items[i].message] |= (uint8_t) (1u << q);
                }
        }
        check_missing(s, found);
        free(found);
}

/* Takes the bus for whole: sends, acks every other message, and opens it again. */
static void check_bus_goes_on(struct simulation *s) {
        struct bus_history *h = s->history;
        struct standing_of *before = malloc((h->n_standing + 1) * sizeof *before);
        uint64_t commit = h->bus.host.commit;

        assert_non_null(before);
        if (h->n_standing > 0)
                memcpy(before, h->standing, h->n_standing * sizeof *before);
        for (size_t i = 0; i < h->n_standing; i++)
                h->standing[i].commit[0] = h->standing[i].commit[1] = 0;
        for (unsigned q = 0; q < N_QUEUES; q++)
                for (size_t i = 0; i < h->takers[q].n; i++)
                        h->standing[h->takers[q].items[i].message].commit[q] = UINT64_MAX;
        each_opened(h);
        for (unsigned q = 0; q < N_QUEUES; q++)
                for (size_t i = 0; i < h->takers[q].n; i += 2) {
                        assert_int_equal(core_settle(h->takers[q].consumer, h->takers[q].items[i].id, 1, CORE_ACK), 1);
                        h->standing[h->takers[q].items[i].message].at[q] = GONE;
                }
        if (commit_all(&h->bus) < 0 || h->bus.host.commit < commit)
                fail_image(s, &s->figures.refused, "it does not work again");
        bus_end(h);
        if (bus_begin(h, s->image) < 0)
                fail_image(s, &s->figures.refused, "cannot be opened a second time");
        else
                check_queues(s);
        if (h->n_standing > 0)
                memcpy(h->standing, before, h->n_standing * sizeof *before);
        free(before);
}

static void check_next_id(struct simulation *s) {
        struct bus_history *h = s->history;
        struct core_send send = {
                .sender = h->sender, .priority = PRIORITY_LOW, .subject = text_span("nobody"), .unrouted_ok = true};
        struct refusal why;
        uint64_t id = 0;

        if (h->n_declared == 0)
                return;
        send.subject = text_span(queue_names[0]);
        assert_int_equal(core_send(h->bus.core, &send, h->bus.host.now_us, &id, &why), 0);
        if (id <= h->last_id)
                fail_image(s, &s->figures.duplicated, "id %llu is given out again; %llu was", (unsigned long long) id,
                           (unsigned long long) h->last_id);
}

static void bus_check(struct simulation *s) {
        struct bus_history *h = s->history;
        uint64_t before = figures_failures(&s->figures);
        int r;

        s->built = (struct built){0};
        r = bus_begin(h, s->image);
        if (r < 0) {
                fail_image(s, &s->figures.refused, "cannot be opened: %s", strerror(-r));
                return;
        }
        if (h->has_bus_id && h->n_declared > 0 && memcmp(h->bus_id, h->bus.host.bus_id, sizeof h->bus_id) != 0)
                fail_image(s, &s->figures.wrong, "the bus has another id");
        if (h->n_declared > 0) {
                memcpy(h->bus_id, h->bus.host.bus_id, sizeof h->bus_id);
                h->has_bus_id = true;
        }
        check_queues(s);
        if (figures_failures(&s->figures) == before && random_one_in(&s->random, 6))
                check_bus_goes_on(s);
        else
                check_next_id(s);
        if (h->bus.core)
                bus_end(h);
}

static void bus_simulation_begin(struct simulation *s, struct bus_history *h, uint64_t seed) {
        *h = (struct bus_history){0};
        *s = (struct simulation){.history = h, .live_once = bus_live_once, .mark = bus_mark, .check = bus_check};
        simulation_begin(s, seed);
}

static void bus_simulation_end(struct simulation *s) {
        struct bus_history *h = s->history;

        free(h->sent);
        free(h->standing);
        simulation_end(s);
}
