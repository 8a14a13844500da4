/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* For tests of lodgectl: run it, and check what it says. Include <cmocka.h> and <string.h> first. */

#include "tests/support/daemon.h"
#include "tests/support/tool.h"

static inline void
ctl_run(struct test_daemon *d, struct tool_result *result, const char *input, const char *const *arguments) {
        size_t size = input ? strlen(input) : 0;

        assert_int_equal(tool_run(result, test_daemon_socket(d), input, size, arguments), 0);
}

/* Runs lodgectl with these arguments and this input text (NULL: none); what it left is in *result. */
#define CTL_INPUT(daemon, result, input, ...) \
        ctl_run((daemon), (result), (input), (const char *const[]){__VA_ARGS__, NULL})

static inline void ctl_check_status(const struct tool_result *result, int status) {
        if (result->status != status)
                fail_msg("exit status %d, not %d: %s", result->status, status, result->err);
}

/* Runs it, and expects this exit status; nothing more is asked. */
#define CTL(daemon, expected, ...)                                 \
        do {                                                       \
                struct tool_result ctl_result;                     \
                CTL_INPUT(daemon, &ctl_result, NULL, __VA_ARGS__); \
                ctl_check_status(&ctl_result, expected);           \
                tool_result_done(&ctl_result);                     \
        } while (0)

/* Runs it, and expects success and exactly this output. */
#define CTL_PRINTS(daemon, text, ...)                              \
        do {                                                       \
                struct tool_result ctl_result;                     \
                CTL_INPUT(daemon, &ctl_result, NULL, __VA_ARGS__); \
                ctl_check_status(&ctl_result, 0);                  \
                assert_string_equal(ctl_result.out, text);         \
                tool_result_done(&ctl_result);                     \
        } while (0)

/* Runs it, and expects this exit status and this text among what it says on stderr. */
#define CTL_SAYS(daemon, expected, text, ...)                      \
        do {                                                       \
                struct tool_result ctl_result;                     \
                CTL_INPUT(daemon, &ctl_result, NULL, __VA_ARGS__); \
                ctl_check_status(&ctl_result, expected);           \
                if (!strstr(ctl_result.err, text))                 \
                        fail_msg("it says: %s", ctl_result.err);   \
                tool_result_done(&ctl_result);                     \
        } while (0)
