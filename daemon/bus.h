/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The bus: owns the core, the store and the sessions, and carries what the core journals to the disk. */

#include "daemon/config.h"
#include "daemon/session/session.h"
#include "daemon/store/store.h"

struct bus {
        struct core *core;
        struct store *store;
        struct session_host host;
        uint64_t started_us;        /* CLOCK_REALTIME */
        size_t pending_bytes_high;  /* above this much unwritten, clients are not read from */
        uint64_t recovered_records; /* at the start */
        const char *state;          /* directory; the configuration's */

        /* commit.c */
        struct block_list writing; /* sealed, in the running commit */
        struct store_part *parts;
        size_t parts_capacity;
        struct buffer checkpoint;
        uint64_t running; /* number of the running commit */
        bool is_running;  /* in the store's thread */
        uint64_t commits_here, commits_thread;
        bool failed;    /* the store did: nothing more may be promised */
        bool postponed; /* `writing` waits for room on the disk */
        bool short_of_disk;

        /* compact.c */
        uint64_t segment_bytes;
        struct {
                uint32_t segment; /* being emptied; 0: none */
                uint64_t looked_us;
                bool due; /* something changed since the figures were looked at */
        } compact;
};

/* Opens the state directory (made if missing), plays it back, writes a first checkpoint.
 * Returns 0; -EBUSY when another daemon has it; -EPROTONOSUPPORT for a newer format; another negative errno. Logs why.
 */
int bus_open(struct bus *bus, const struct config *config);
/* Closes all sessions and the store. What is pending is not written: see commit_all(). */
void bus_close(struct bus *bus);
/* CLOCK_REALTIME into host.now_us. */
void bus_tick(struct bus *bus);

/* ---- commit.c ---- */

/* Whether clients should wait until more is on disk. */
bool commit_is_behind(const struct bus *bus);
/* Begins a commit of all that is pending, if none is running: small ones are written at once, in place.
 * Returns 1 when it is done already (the sessions have their answers), 0 when it is running, or is postponed for want
 * of disk space (bus->postponed); negative errno when the store failed. */
int commit_begin(struct bus *bus);
/* Tries again what was postponed, or could be: to be called every now and then while bus->short_of_disk. Returns as
 * commit_begin(). */
int commit_retry(struct bus *bus);
/* The store says that its thread is done. Returns as commit_begin(). */
int commit_poll(struct bus *bus);
/* Writes everything, waiting for it. Returns 0, also when the rest is postponed, or negative errno. */
int commit_all(struct bus *bus);

/* ---- compact.c ---- */

/* Whether there is work, even if nothing is to be committed. */
bool compact_wanted(const struct bus *bus);
/* Does a small step, which the next commit writes. Returns 1 when there was one to do, 0, or -ENOMEM. */
int compact_step(struct bus *bus);
