/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A real lodged for tests: a program of its own on a private socket and state directory. The program is $LODGED, else
 * build/lodged. Whatever happens to the test, the daemon dies with the thread that started it.
 *
 * A test that passes stops its daemon with test_daemon_stop() (or kills it on purpose); one that is still running when
 * it is freed means that the test failed on the way, so what the daemon logged is then printed.
 */

#include <stdbool.h>
#include <sys/types.h>

struct test_daemon;

/* Makes a fresh temporary directory for it; does not start it. Returns 0 or a negative errno. */
int test_daemon_new(struct test_daemon **ret);
/* Kills it if it runs, removes its directory. NULL is fine. Returns NULL. */
struct test_daemon *test_daemon_free(struct test_daemon *d);
void test_daemon_freep(struct test_daemon **d);

/* Starts it on its directories, again if it was stopped or killed before, and waits until it says that it is ready.
 * Returns 0; -EBUSY when it runs; -ETIMEDOUT; -ECANCELED when it ended instead (its log is printed); another negative
 * errno. */
int test_daemon_start(struct test_daemon *d);
/* As above with more arguments for the program: NULL-terminated, or NULL. */
int test_daemon_start_with(struct test_daemon *d, const char *const *arguments);
/* new and start in one. */
int test_daemon_launch(struct test_daemon **ret);

/* Asks it to end (SIGTERM) and waits for it. Returns its exit status, which is 0 if all went well (sanitizers have
 * one of their own; the log is printed if it is not 0); 128 + signal if it died of one; -ESRCH when it does not run;
 * -ETIMEDOUT. */
int test_daemon_stop(struct test_daemon *d);
/* Ends it at once (SIGKILL) and waits for it. Returns 0; -ESRCH when it does not run; -ECANCELED when it had ended by
 * itself before (its log is printed). */
int test_daemon_kill(struct test_daemon *d);
/* Waits for it to end by itself. Returns as test_daemon_stop(), but prints no log. */
int test_daemon_wait(struct test_daemon *d);

/* Whether it was started and has not ended. */
bool test_daemon_running(struct test_daemon *d);
pid_t test_daemon_pid(const struct test_daemon *d);

/* Its paths; they live as long as it does. The log has the output of all its runs. */
const char *test_daemon_directory(const struct test_daemon *d);
const char *test_daemon_socket(const struct test_daemon *d);
const char *test_daemon_state(const struct test_daemon *d);
const char *test_daemon_log(const struct test_daemon *d);
/* Copies the log to stderr. */
void test_daemon_print_log(const struct test_daemon *d);
/* Whether the log contains this text. */
bool test_daemon_log_contains(const struct test_daemon *d, const char *text);
