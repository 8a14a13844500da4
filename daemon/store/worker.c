/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include "daemon/store/cleanup.h"
#include "daemon/store/spare.h"
#include "daemon/store/worker.h"

/* One for the next rotation, and one in reserve: when the disk is full and the first is gone, what makes room again still has
 * a place to be written, even after a restart. */
#define SPARES_MADE 2u
/* A segment that is drained just after a rotation comes back only when another has been begun from nothing; it is kept for
 * the next rotation, so that steady traffic writes no segment but once. */
#define SPARES_KEPT 3u

enum job_state { JOB_NONE, JOB_BEGUN, JOB_DONE };

struct worker {
        pthread_t committer, keeper;
        bool committer_runs, keeper_runs;
        pthread_mutex_t lock;  /* of everything below but `maker`, which is the keeper's */
        pthread_cond_t begun;  /* for the committer: there is a commit */
        pthread_cond_t chores; /* for the keeper: there is something to do about segments */
        pthread_cond_t news;   /* a commit or a spare is done */
        bool quit;
        int event_fd;

        enum job_state job_state;
        struct commit_job job;
        int job_result;

        struct segment *drained; /* list; owned */
        struct segment *ready;   /* list, lowest number first; owned */
        unsigned n_ready;
        uint32_t next_number;
        bool bulk;       /* commits are large now */
        int spare_error; /* negative errno with which the last try failed; 0: none */
        struct worker_counters counters;

        bool idle; /* nothing left to do about segments */
        bool making_recycled;
        struct spare_maker maker;
        const struct directory *directory;
};

/* Says that there is something to do about segments. */
static void wake(struct worker *w) {
        w->idle = false;
        (void) pthread_cond_signal(&w->chores);
}

/* ---- commits ----------------------------------------------------------- */

/* Called with the lock held, and held again when it returns. */
static void run_job(struct worker *w) {
        uint64_t one = 1;
        int r;

        (void) pthread_mutex_unlock(&w->lock);
        r = commit_write(&w->job);
        (void) pthread_mutex_lock(&w->lock);
        w->job_result = r;
        w->job_state = JOB_DONE;
        (void) pthread_cond_broadcast(&w->news);
        /* Cannot fail: the counter is taken back to zero with every result. */
        (void) !write(w->event_fd, &one, sizeof one);
}

int worker_fd(const struct worker *w) {
        return w->event_fd;
}

void worker_begin(struct worker *w, const struct commit_job *job) {
        hold_(&w->lock);

        w->job = *job;
        w->job_state = JOB_BEGUN;
        (void) pthread_cond_signal(&w->begun);
}

int worker_take(struct worker *w, bool wait, int *ret_result) {
        uint64_t n;
        hold_(&w->lock);

        while (wait && w->job_state == JOB_BEGUN)
                (void) pthread_cond_wait(&w->news, &w->lock);
        if (w->job_state != JOB_DONE)
                return 0;
        (void) !read(w->event_fd, &n, sizeof n);
        w->job_state = JOB_NONE;
        *ret_result = w->job_result;
        return 1;
}

/* ---- spare segments ---------------------------------------------------- */

static void append(struct segment **list, struct segment *g) {
        while (*list)
                list = &(*list)->next;
        g->next = NULL;
        *list = g;
}

static struct segment *pop(struct segment **list) {
        struct segment *g = *list;

        if (g) {
                *list = g->next;
                g->next = NULL;
        }
        return g;
}

/* A damaged file is evidence, perhaps of lost messages: it is kept, under a name that is no segment's. */
static void remove_file(struct worker *w, const struct segment *g) {
        char name[SEGMENT_NAME_BYTES], aside[SEGMENT_NAME_BYTES];

        directory_segment_name(name, g->number, false);
        directory_segment_name(aside, g->number, true);
        if (g->damaged)
                (void) renameat(w->directory->fd, name, w->directory->fd, aside);
        else
                (void) unlinkat(w->directory->fd, name, 0);
}

/* Takes a drained segment: begins to recycle it or removes it. Returns whether it is being recycled. Without the lock.
 */
static bool dispose(struct worker *w, struct segment *g, bool wanted) {
        bool recycled = false;

        /* One that was never opened in this life has not shown its shape yet. */
        if (g->n_slots == 0 && segment_open(g, w->directory, false) == -EBADMSG)
                g->damaged = true;
        segment_close(g);
        if (wanted && spare_fits(&w->maker, g))
                recycled = spare_begin_recycled(&w->maker, g->number) >= 0;
        else
                remove_file(w, g);
        (void) segment_free(g);
        return recycled;
}

static void finish_spare(struct worker *w, struct segment *g) {
        append(&w->ready, g);
        w->n_ready++;
        w->counters.segments++;
        if (w->making_recycled)
                w->counters.recycled++;
        else
                w->counters.created++;
        w->spare_error = 0;
        (void) pthread_cond_broadcast(&w->news);
}

/* Goes on with the segment in the making. Called with the lock held, and held again when it returns. */
static void step_spare(struct worker *w) {
        struct segment *g = NULL;
        uint32_t number = w->next_number;
        int r;

        (void) pthread_mutex_unlock(&w->lock);
        r = spare_step(&w->maker);
        if (r == 0)
                r = spare_finish(&w->maker, number, &g);
        (void) pthread_mutex_lock(&w->lock);
        if (r > 0)
                return;
        if (r == 0) {
                w->next_number++;
                finish_spare(w, g);
                return;
        }
        spare_abandon(&w->maker);
        w->counters.disk_bytes -= w->maker.file_bytes;
        w->spare_error = r;
        (void) pthread_cond_broadcast(&w->news);
}

static void step_drained(struct worker *w, struct segment *g) {
        uint64_t bytes = g->file_bytes;
        bool wanted = w->n_ready < SPARES_KEPT, recycled;

        (void) pthread_mutex_unlock(&w->lock);
        recycled = dispose(w, g, wanted);
        (void) pthread_mutex_lock(&w->lock);
        w->counters.segments--;
        w->making_recycled = recycled;
        if (!recycled)
                w->counters.disk_bytes -= bytes;
        /* There may be room now for a spare that could not be made. */
        w->spare_error = 0;
}

static void begin_spare(struct worker *w) {
        bool bulk = w->bulk;
        int r;

        (void) pthread_mutex_unlock(&w->lock);
        r = spare_begin_new(&w->maker, bulk);
        (void) pthread_mutex_lock(&w->lock);
        w->making_recycled = false;
        if (r >= 0)
                w->counters.disk_bytes += w->maker.file_bytes;
        else {
                w->spare_error = r;
                (void) pthread_cond_broadcast(&w->news);
        }
}

/* Does one small thing, if there is any. Returns whether there was. */
static bool housekeep(struct worker *w) {
        struct segment *g;

        if (w->maker.fd >= 0) {
                step_spare(w);
                return true;
        }
        g = pop(&w->drained);
        if (g) {
                step_drained(w, g);
                return true;
        }
        if (w->n_ready < SPARES_MADE && w->spare_error == 0) {
                begin_spare(w);
                return true;
        }
        return false;
}

void worker_drained(struct worker *w, struct segment *g) {
        hold_(&w->lock);

        append(&w->drained, g);
        w->counters.segments++;
        w->counters.disk_bytes += g->file_bytes;
        wake(w);
}

bool worker_ready(struct worker *w) {
        hold_(&w->lock);

        return w->n_ready > 0;
}

int worker_spare_error(struct worker *w) {
        hold_(&w->lock);

        return w->n_ready < SPARES_MADE ? w->spare_error : 0;
}

void worker_retry(struct worker *w) {
        hold_(&w->lock);

        w->spare_error = 0;
        wake(w);
}

int worker_take_spare(struct worker *w, bool bulk, struct segment **ret) {
        hold_(&w->lock);

        w->bulk = bulk;
        w->spare_error = 0;
        wake(w);
        while (w->n_ready == 0 && w->spare_error == 0)
                (void) pthread_cond_wait(&w->news, &w->lock);
        if (w->n_ready == 0)
                return w->spare_error;
        *ret = pop(&w->ready);
        wake(w); /* for the next one */
        w->n_ready--;
        w->counters.segments--;
        w->counters.disk_bytes -= (*ret)->file_bytes;
        return 0;
}

void worker_wait_idle(struct worker *w) {
        hold_(&w->lock);

        while (!w->idle)
                (void) pthread_cond_wait(&w->news, &w->lock);
}

void worker_counters(struct worker *w, struct worker_counters *ret) {
        hold_(&w->lock);

        *ret = w->counters;
}

/* ---- the threads ------------------------------------------------------- */

static void *committer_main(void *userdata) {
        struct worker *w = userdata;
        hold_(&w->lock);

        for (;;) {
                if (w->job_state == JOB_BEGUN)
                        run_job(w);
                else if (w->quit)
                        break;
                else
                        (void) pthread_cond_wait(&w->begun, &w->lock);
        }
        return NULL;
}

static void *keeper_main(void *userdata) {
        struct worker *w = userdata;
        hold_(&w->lock);

        while (!w->quit)
                if (!housekeep(w)) {
                        w->idle = true;
                        (void) pthread_cond_broadcast(&w->news);
                        (void) pthread_cond_wait(&w->chores, &w->lock);
                }
        return NULL;
}

/* Signals are for the loop's thread. */
int worker_start(struct worker *w) {
        sigset_t all, before;
        int r;

        (void) sigfillset(&all);
        (void) pthread_sigmask(SIG_SETMASK, &all, &before);
        r = pthread_create(&w->committer, NULL, committer_main, w);
        w->committer_runs = r == 0;
        if (r == 0) {
                r = pthread_create(&w->keeper, NULL, keeper_main, w);
                w->keeper_runs = r == 0;
        }
        (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
        return -r;
}

int worker_new(struct worker **ret, const struct directory *d, uint64_t segment_bytes, uint32_t next_number) {
        struct worker *w;
        int r;

        w = calloc(1, sizeof *w);
        if (!w)
                return -ENOMEM;
        w->directory = d;
        w->next_number = next_number;
        (void) pthread_mutex_init(&w->lock, NULL);
        (void) pthread_cond_init(&w->begun, NULL);
        (void) pthread_cond_init(&w->chores, NULL);
        (void) pthread_cond_init(&w->news, NULL);
        spare_init(&w->maker, d, segment_bytes);
        /* Left from a stop in the middle of making one. */
        (void) unlinkat(d->fd, DIRECTORY_WORK_NAME, 0);
        errno = 0;
        w->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (w->event_fd < 0) {
                r = last_error();
                (void) worker_stop(w);
                return r;
        }
        *ret = w;
        return 0;
}

static void tell_to_quit(struct worker *w) {
        hold_(&w->lock);

        w->quit = true;
        (void) pthread_cond_signal(&w->begun);
        (void) pthread_cond_signal(&w->chores);
}

struct worker *worker_stop(struct worker *w) {
        struct segment *g;

        if (!w)
                return NULL;
        tell_to_quit(w);
        if (w->committer_runs)
                (void) pthread_join(w->committer, NULL);
        if (w->keeper_runs)
                (void) pthread_join(w->keeper, NULL);
        while ((g = pop(&w->drained)))
                (void) segment_free(g);
        while ((g = pop(&w->ready)))
                (void) segment_free(g);
        if (w->maker.fd >= 0)
                spare_abandon(&w->maker);
        free(w->maker.zeros);
        closep(&w->event_fd);
        (void) pthread_cond_destroy(&w->news);
        (void) pthread_cond_destroy(&w->begun);
        (void) pthread_cond_destroy(&w->chores);
        (void) pthread_mutex_destroy(&w->lock);
        free(w);
        return NULL;
}
