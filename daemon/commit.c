/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * From the core's blocks to the store's records. A commit holds all that piled up while the one before was
 * written. Handing it to the store's thread lets the loop go on meanwhile but costs two wake-ups: small commits,
 * whose senders mostly wait for just them, are written in place.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/bus.h"
#include "daemon/log.h"

/* A commit this small is written in place, whoever waits for it: the hand-off would cost more than the loop loses. */
#define COMMIT_HERE_BYTES_MAX (16u * 1024u)
/* So is one up to this size when each client in it waits for an answer or two: none of them sends more meanwhile. */
#define COMMIT_HERE_AWAITED_BYTES_MAX (1024u * 1024u)
#define AWAITED_PER_CLIENT_MAX        2u

bool commit_is_behind(const struct bus *bus) {
        return core_pending_bytes(bus->core) > bus->pending_bytes_high;
}

static bool belongs_here(const struct bus *bus, size_t bytes) {
        if (bytes <= COMMIT_HERE_BYTES_MAX)
                return true;
        return bytes <= COMMIT_HERE_AWAITED_BYTES_MAX && !bus->host.more_coming &&
               bus->host.awaited <= bus->host.awaiting * AWAITED_PER_CLIENT_MAX;
}

static int store_failed(struct bus *bus, int error, const char *what) {
        char number[16];
        const struct log_field fields[] = {{"ERRNO", number}, {"LODGE_OPERATION", what}, {0}};

        bus->failed = true;
        snprintf(number, sizeof(number), "%d", -error);
        log_event(LOG_CRIT, LOG_ID_STORE_FAILED, fields,
                  "the store failed to %s: %s; nothing unconfirmed is promised, ending", what, strerror(-error));
        return error;
}

static int add_part(struct bus *bus, size_t index, const struct block *block) {
        struct store_part *parts;

        if (index == bus->parts_capacity) {
                size_t capacity = bus->parts_capacity ? bus->parts_capacity * 2 : 16;

                parts = realloc(bus->parts, capacity * sizeof(*parts));
                if (!parts)
                        return -ENOMEM;
                bus->parts = parts;
                bus->parts_capacity = capacity;
        }
        bus->parts[index] = (struct store_part){block->body->data, block->body->size};
        return 0;
}

/* Takes the pending blocks; fills *ret with the records that they become, and a checkpoint if a segment begins. */
static int prepare(struct bus *bus, struct store_commit *ret, size_t *ret_bytes) {
        struct store_location where;
        struct block *block;
        size_t n = 0, bytes = 0;
        bool rotate;
        int r;

        if (!bus->short_of_disk)
                (void) compact_step(bus); /* without memory nothing has changed: another time */
        r = core_seal(bus->core, &bus->writing);
        TAILQ_FOREACH (block, &bus->writing, link) {
                if (r == 0)
                        r = add_part(bus, n++, block);
                bytes += block->body->size;
        }
        if (r < 0)
                return r;
        rotate = n > 0 && store_must_rotate(bus->store, n, bytes);
        if (rotate) {
                r = store_rotate(bus->store);
                if (r < 0)
                        return r;
        }
        where = store_next(bus->store);
        TAILQ_FOREACH (block, &bus->writing, link)
                core_place(bus->core, block, (struct place){where.segment, where.record++});
        bus->checkpoint.size = 0;
        if (rotate) {
                r = core_checkpoint(bus->core, &bus->checkpoint);
                if (r < 0)
                        return r;
        }
        *ret = (struct store_commit){
                .records = bus->parts,
                .n_records = n,
                .checkpoint = rotate ? bus->checkpoint.data : NULL,
                .checkpoint_bytes = bus->checkpoint.size,
        };
        *ret_bytes = bytes + bus->checkpoint.size;
        return 0;
}

/* With no room for another spare, sends are refused: what is left is kept for what makes room again. */
static void check_disk(struct bus *bus) {
        bool is_short = store_is_short(bus->store);
        const struct log_field fields[] = {{"LODGE_STATE", bus->state}, {0}};

        if (is_short == bus->short_of_disk)
                return;
        bus->short_of_disk = is_short;
        core_set_disk_full(bus->core, is_short);
        if (is_short)
                log_event(LOG_WARNING, LOG_ID_DISK_FULL, fields,
                          "the disk of %s is full: sends are refused, all else goes on", bus->state);
        else
                log_event(LOG_NOTICE, LOG_ID_DISK_ROOM, fields,
                          "there is room again on the disk of %s: sends are taken", bus->state);
}

static bool is_disk_full(int error) {
        return error == -ENOSPC || error == -EDQUOT;
}

static int done(struct bus *bus) {
        struct session *s, *next;

        core_stored(bus->core, &bus->writing);
        check_disk(bus);
        bus->is_running = false;
        if (bus->checkpoint.capacity > 4 * BLOCK_BYTES_TARGET)
                buffer_done(&bus->checkpoint);
        for (s = TAILQ_FIRST(&bus->host.waiting); s; s = next) {
                next = session_next_waiting(s);
                session_committed(s, bus->running);
        }
        return 1;
}

int commit_begin(struct bus *bus) {
        struct store_commit commit;
        bool here;
        size_t bytes;
        int r;

        if (bus->is_running || bus->postponed)
                return 0;
        r = prepare(bus, &commit, &bytes);
        if (is_disk_full(r)) {
                bus->postponed = true;
                check_disk(bus);
                return 0;
        }
        if (r < 0)
                return store_failed(bus, r, "prepare a commit");
        here = belongs_here(bus, bytes);
        bus->host.awaited = bus->host.awaiting = 0;
        bus->host.more_coming = false;
        bus->running = bus->host.commit++;
        if (commit.n_records == 0)
                return done(bus);
        bus->compact.due = true;
        if (here) {
                bus->commits_here++;
                r = store_commit_here(bus->store, &commit);
                return r < 0 ? store_failed(bus, r, "write a commit") : done(bus);
        }
        bus->commits_thread++;
        r = store_commit_begin(bus->store, &commit);
        if (r < 0)
                return store_failed(bus, r, "begin a commit");
        bus->is_running = true;
        return 0;
}

int commit_retry(struct bus *bus) {
        check_disk(bus);
        if (bus->short_of_disk)
                store_retry_spare(bus->store);
        if (!bus->postponed)
                return 1;
        bus->postponed = false;
        return commit_begin(bus);
}

int commit_poll(struct bus *bus) {
        int r;

        if (!bus->is_running)
                return 1;
        r = store_commit_poll(bus->store);
        if (r < 0)
                return store_failed(bus, r, "write a commit");
        return r == 0 ? 0 : done(bus);
}

int commit_all(struct bus *bus) {
        int r = 1;

        while (!bus->postponed && (bus->is_running || core_pending(bus->core) != CORE_PENDING_NOTHING)) {
                if (!bus->is_running)
                        r = commit_begin(bus);
                if (r >= 0 && bus->is_running) {
                        r = store_commit_wait(bus->store);
                        r = r < 0 ? store_failed(bus, r, "write a commit") : done(bus);
                }
                if (r < 0)
                        return r;
        }
        return 0;
}
