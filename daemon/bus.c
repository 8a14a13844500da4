/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-id128.h>
#include <time.h>
#include <unistd.h>

#include "daemon/bus.h"
#include "daemon/directory.h"
#include "daemon/log.h"

/* A message, its fields and its senders have to fit in a record. */
#define MESSAGE_SHARE         4u
#define RECORD_OVERHEAD_BYTES (160u * 1024u)
/* Shares of a segment that the parts of a checkpoint may take; with the largest commit all of it fits in one. */
#define DEFINITIONS_SHARE    8u
#define LEASES_SHARE         16u
#define EXTENTS_SHARE        5u
#define PENDING_SHARE        8u
#define PENDING_BYTES_MAX    (8u * 1024u * 1024u)
#define WINDOW_BYTES         (4u * 1024u * 1024u)
#define FRAME_OVERHEAD_BYTES (64u * 1024u + 4096u)

void bus_tick(struct bus *bus) {
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        bus->host.now_us = (uint64_t) now.tv_sec * 1000000u + (uint64_t) now.tv_nsec / 1000u;
}

/* ---- what the core and the store ask ---- */

static int load(void *userdata, struct place place, uint8_t **ret, size_t *ret_bytes) {
        struct bus *bus = userdata;

        return store_read(bus->store, (struct store_location){place.segment, place.record}, ret, ret_bytes);
}

static void retain(void *userdata, struct place place) {
        struct bus *bus = userdata;

        store_retain(bus->store, (struct store_location){place.segment, place.record});
}

static void release(void *userdata, struct place place) {
        struct bus *bus = userdata;

        store_release(bus->store, (struct store_location){place.segment, place.record});
}

static void notice(void *userdata, const char *text) {
        struct bus *bus = userdata;
        const struct log_field fields[] = {{"LODGE_STATE", bus->state}, {0}};

        log_event(LOG_WARNING, LOG_ID_STORE_NOTICE, fields, "%s", text);
}

static const struct core_calls core_calls = {
        .deliver = session_deliver,
        .cancelled = session_cancelled,
        .load = load,
        .retain = retain,
        .release = release,
        .notice = notice,
};

static int replay_checkpoint(void *userdata, const uint8_t *data, size_t size) {
        struct bus *bus = userdata;

        return core_replay_checkpoint(bus->core, data, size);
}

static int replay_record(void *userdata, struct store_location where, const uint8_t *data, size_t size) {
        struct bus *bus = userdata;

        bus->recovered_records++;
        return core_replay_block(bus->core, (struct place){where.segment, where.record}, data, size);
}

static void describe(void *userdata, struct attributes *a) {
        struct bus *bus = userdata;
        struct store_counters store;
        struct core_counters core;

        store_counters(bus->store, &store);
        core_counters(bus->core, &core);
        attribute_string(a, "name", "bus", strlen("bus"));
        attribute_string(a, "version", LODGE_VERSION, strlen(LODGE_VERSION));
        attribute_u64(a, "pid", (uint64_t) getpid());
        attribute_u64(a, "uptime_us", bus->host.now_us - bus->started_us);
        attribute_string(a, "state", bus->state, strlen(bus->state));
        attribute_u64(a, "queues", core.queues);
        attribute_u64(a, "connections", bus->host.n_sessions);
        attribute_u64(a, "messages", core.messages);
        attribute_u64(a, "leased", core.leased);
        attribute_u64(a, "bytes", core.bytes);
        attribute_u64(a, "blocks", core.blocks);
        attribute_u64(a, "merges", core.merges);
        attribute_u64(a, "cached_bytes", core.cached_bytes);
        attribute_u64(a, "loads", core.loads);
        attribute_u64(a, "commits", store.commits);
        attribute_u64(a, "commits_in_place", bus->commits_here);
        attribute_u64(a, "syncs", store.syncs);
        attribute_u64(a, "records", store.records);
        attribute_u64(a, "record_bytes", store.record_bytes);
        attribute_u64(a, "checkpoints", store.checkpoints);
        attribute_u64(a, "checkpoint_bytes", store.checkpoint_bytes);
        attribute_u64(a, "segments", store.segments);
        attribute_u64(a, "segments_created", store.segments_created);
        attribute_u64(a, "segments_recycled", store.segments_recycled);
        attribute_u64(a, "disk_bytes", store.disk_bytes);
        attribute_bool(a, "disk_full", bus->short_of_disk);
}

/* ---- opening ---- */

/* The bus's id: made once, kept beside the segments. */
static int read_bus_id(const char *state, uint8_t id[16]) {
        char path[4096], text[SD_ID128_STRING_MAX + 1] = "";
        sd_id128_t value;
        int fd, r;

        if (snprintf(path, sizeof(path), "%s/bus-id", state) >= (int) sizeof(path))
                return -ENAMETOOLONG;
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        if (read(fd, text, SD_ID128_STRING_MAX - 1) != SD_ID128_STRING_MAX - 1 ||
            sd_id128_from_string(text, &value) < 0) {
                r = sd_id128_randomize(&value);
                sd_id128_to_string(value, text);
                if (r == 0 && (pwrite(fd, text, strlen(text), 0) != (ssize_t) strlen(text) || fsync(fd) < 0))
                        r = -errno;
                if (r < 0) {
                        close(fd);
                        return r;
                }
        }
        close(fd);
        memcpy(id, value.bytes, 16);
        return 0;
}

static int open_store(struct bus *bus, const struct config *config) {
        const struct store_replay replay = {
                .checkpoint = replay_checkpoint,
                .record = replay_record,
                .notice = notice,
                .userdata = bus,
        };
        int r;

        r = store_open(&bus->store,
                       &(struct store_options){.directory = config->state, .segment_bytes = config->segment_bytes},
                       &replay);
        if (r == -EBUSY)
                log_line(LOG_ERR, "%s belongs to another running lodged", config->state);
        else if (r == -EPROTONOSUPPORT)
                log_line(LOG_ERR, "%s was written by a newer lodged; this one leaves it alone", config->state);
        else if (r < 0)
                log_line(LOG_ERR, "cannot open the state in %s: %s", config->state, strerror(-r));
        return r;
}

/* The limits that follow from a segment's size. */
static void set_limits(struct bus *bus, const struct config *config, struct core_options *options) {
        uint64_t segment = config->segment_bytes, record = store_record_bytes_max(bus->store) - RECORD_OVERHEAD_BYTES;
        uint64_t message = config->message_bytes_max;

        if (message > segment / MESSAGE_SHARE)
                message = segment / MESSAGE_SHARE;
        if (message > record)
                message = record;
        options->message_bytes_max = message;
        options->definition_bytes_max = segment / DEFINITIONS_SHARE;
        options->leases_max = segment / LEASES_SHARE / CORE_CHECKPOINT_LEASE_BYTES;
        options->extents_max = segment / EXTENTS_SHARE / CORE_CHECKPOINT_EXTENT_BYTES;
        core_set_limits(bus->core, options);
        bus->host.message_bytes_max = (uint32_t) message;
        bus->host.frame_bytes_max = (uint32_t) message + FRAME_OVERHEAD_BYTES;
        bus->segment_bytes = segment;
        bus->host.window_bytes = WINDOW_BYTES;
        bus->pending_bytes_high =
                segment / PENDING_SHARE < PENDING_BYTES_MAX ? segment / PENDING_SHARE : PENDING_BYTES_MAX;
}

static int start(struct bus *bus) {
        struct core_counters core;
        char messages[24], records[24];
        const struct log_field fields[] = {
                {"LODGE_MESSAGES", messages}, {"LODGE_RECORDS", records}, {"LODGE_STATE", bus->state}, {0}};
        int r;

        r = core_replay_end(bus->core);
        if (r == 0)
                r = store_start(bus->store);
        /* A first checkpoint, before anybody is let in: ids go on behind it for good. */
        if (r == 0)
                r = commit_all(bus);
        if (r < 0) {
                log_line(LOG_ERR, "cannot begin a segment in %s: %s", bus->state, strerror(-r));
                return r;
        }
        core_counters(bus->core, &core);
        snprintf(messages, sizeof(messages), "%" PRIu64, core.messages);
        snprintf(records, sizeof(records), "%" PRIu64, bus->recovered_records);
        log_event(LOG_INFO, LOG_ID_RECOVERED, fields,
                  "recovered %s messages in %" PRIu64 " queues from %s (%s records behind the checkpoint)", messages,
                  core.queues, bus->state, records);
        return 0;
}

int bus_open(struct bus *bus, const struct config *config) {
        struct core_options options = {
                .message_bytes_max = config->message_bytes_max,
                .cache_bytes_max = config->cache_bytes_max,
                .queues_max = config->queues_max,
        };
        int r;

        *bus = (struct bus){.state = config->state};
        TAILQ_INIT(&bus->writing);
        bus_tick(bus);
        bus->started_us = bus->host.now_us;
        bus->host.uid = getuid();
        bus->host.describe = describe;
        bus->host.userdata = bus;
        r = directory_make(config->state, 0700);
        if (r < 0) {
                log_line(LOG_ERR, "cannot make %s: %s", config->state, strerror(-r));
                return r;
        }
        r = core_new(&bus->core, &options, &core_calls, bus);
        if (r == 0)
                r = open_store(bus, config);
        if (r == 0)
                r = session_host_init(&bus->host);
        if (r == 0)
                r = read_bus_id(config->state, bus->host.bus_id);
        if (r == 0) {
                bus->host.core = bus->core;
                set_limits(bus, config, &options);
                r = start(bus);
        }
        if (r < 0)
                bus_close(bus);
        return r;
}

void bus_close(struct bus *bus) {
        struct block *block;

        if (bus->host.shared)
                session_host_done(&bus->host);
        if (bus->is_running)
                (void) store_commit_wait(bus->store);
        bus->core = core_free(bus->core);
        while ((block = TAILQ_FIRST(&bus->writing))) {
                TAILQ_REMOVE(&bus->writing, block, link);
                block_free(block);
        }
        bus->store = store_close(bus->store);
        free(bus->parts);
        buffer_done(&bus->checkpoint);
}
