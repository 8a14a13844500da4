/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/workload.h"
#include "tests/support/tmpdir.h"

#define TMPFS_TYPE 0x01021994
#define NS_PER_MS  1000000ull

static void usage(void) {
        printf("Usage: bench [OPTION…] [WORKLOAD…]\n\n"
               "Measures lodged ($LODGED, else build/lodged) beside yardsticks on the same disk:\n"
               "  relay    a daemon with no features that logs, syncs and forwards, and clients that write many "
               "messages at once\n"
               "  plain    the same with clients that write each message by itself\n"
               "  append   nothing but write and fdatasync\n\n"
               "  --json          one JSON object for each result\n"
               "  --quick         less of everything\n"
               "  --rounds=N      how often each engine has its turn (default 5)\n"
               "  --engine=NAME   lodge, relay, plain or append only; may be repeated\n"
               "  --directory=DIR where to write (default $TMPDIR, /tmp or /var/tmp: the first that is a real disk)\n"
               "  --help\n\n"
               "Workloads (default: all):\n");
        for (size_t i = 0; workload_name(i); i++)
                printf("  %-14s  %s\n", workload_name(i), workload_description(i));
}

static bool on_real_disk(const char *directory) {
        struct statfs fs;

        return statfs(directory, &fs) >= 0 && fs.f_type != TMPFS_TYPE;
}

/* Everything is written below one directory, the daemons' too. */
static int choose_directory(struct bench *bench, const char *wanted) {
        const char *candidates[] = {wanted, getenv("TMPDIR"), "/tmp", "/var/tmp"};

        for (size_t i = 0; i < sizeof candidates / sizeof candidates[0]; i++) {
                int r;

                if (!candidates[i] || (!wanted && !on_real_disk(candidates[i])))
                        continue;
                (void) setenv("TMPDIR", candidates[i], 1);
                r = tmpdir_new(&bench->directory);
                return r < 0 ? r : setenv("TMPDIR", bench->directory, 1);
        }
        return -ENOENT;
}

/* A thousand connections, here and in the daemon. */
static void raise_descriptor_limit(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;
        limit.rlim_cur = limit.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &limit);
}

static int choose_engine(struct bench *bench, const char *name) {
        for (enum engine e = 0; e < ENGINES; e++)
                if (strcmp(engine_name(e), name) == 0) {
                        bench->engines[e] = true;
                        return 0;
                }
        fprintf(stderr, "bench: there is no engine \"%s\".\n", name);
        return -EINVAL;
}

static int parse(struct bench *bench, int argc, char **argv, const char **ret_directory) {
        enum { OPT_JSON = 256, OPT_QUICK, OPT_ROUNDS, OPT_ENGINE, OPT_DIRECTORY, OPT_HELP };
        static const struct option options[] = {
                {"json", no_argument, NULL, OPT_JSON},
                {"quick", no_argument, NULL, OPT_QUICK},
                {"rounds", required_argument, NULL, OPT_ROUNDS},
                {"engine", required_argument, NULL, OPT_ENGINE},
                {"directory", required_argument, NULL, OPT_DIRECTORY},
                {"help", no_argument, NULL, OPT_HELP},
                {0},
        };
        bool chosen = false;
        long rounds = 0;

        for (int o; (o = getopt_long(argc, argv, "", options, NULL)) >= 0;)
                switch (o) {
                case OPT_JSON:
                        bench->report.json = true;
                        break;
                case OPT_QUICK:
                        bench->rounds = 2;
                        bench->round_ns = 200 * NS_PER_MS;
                        bench->paced_messages = 1000;
                        break;
                case OPT_ROUNDS:
                        rounds = strtol(optarg, NULL, 10);
                        if (rounds < 1)
                                return -EINVAL;
                        break;
                case OPT_ENGINE:
                        if (choose_engine(bench, optarg) < 0)
                                return -EINVAL;
                        chosen = true;
                        break;
                case OPT_DIRECTORY:
                        *ret_directory = optarg;
                        break;
                case OPT_HELP:
                        usage();
                        return 1;
                default:
                        return -EINVAL;
                }
        if (rounds > 0)
                bench->rounds = (size_t) rounds;
        for (enum engine e = 0; !chosen && e < ENGINES; e++)
                bench->engines[e] = true;
        return 0;
}

static int run(struct bench *bench, int argc, char **argv) {
        int r = 0;

        report_machine(&bench->report, bench->directory);
        if (optind == argc)
                for (size_t i = 0; workload_name(i) && r >= 0; i++)
                        r = workload_run(bench, workload_name(i));
        for (int i = optind; i < argc && r >= 0; i++) {
                r = workload_run(bench, argv[i]);
                if (r == -ENOENT)
                        fprintf(stderr, "bench: there is no workload \"%s\".\n", argv[i]);
        }
        report_end(&bench->report);
        return r;
}

/* Runs in a child, so that the directory is removed whatever becomes of it; the daemons and clients die with it. */
static int run_in_child(struct bench *bench, int argc, char **argv) {
        sigset_t signals;
        int status = 0;
        pid_t child;

        sigemptyset(&signals);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGCHLD);
        (void) sigprocmask(SIG_BLOCK, &signals, NULL);
        (void) prctl(PR_SET_CHILD_SUBREAPER, 1);
        child = fork();
        if (child < 0)
                return -errno;
        if (child == 0) {
                int r;

                (void) sigprocmask(SIG_UNBLOCK, &signals, NULL);
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                r = run(bench, argc, argv);
                if (r < 0)
                        fprintf(stderr, "bench: %s\n", strerror(-r));
                exit(r < 0 ? 1 : 0);
        }

        if (sigwaitinfo(&signals, NULL) != SIGCHLD)
                (void) kill(child, SIGKILL);
        (void) waitpid(child, &status, 0);
        while (waitpid(-1, NULL, 0) > 0)
                ; /* daemons that it left behind: they are being killed, and must not write any more */
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ECANCELED;
}

int main(int argc, char **argv) {
        struct bench bench = {.rounds = 5, .round_ns = 500 * NS_PER_MS, .waiting = 1000000, .paced_messages = 2000};
        const char *directory = NULL;
        int r;

        if (argc > 1 && strcmp(argv[1], SERVICE_RELAY_ARGUMENT) == 0)
                return service_relay_main(argc - 2, argv + 2);

        r = parse(&bench, argc, argv, &directory);
        if (r != 0)
                return r < 0 ? 2 : 0;
        raise_descriptor_limit();
        r = choose_directory(&bench, directory);
        if (r < 0)
                fprintf(stderr, "bench: %s\n", strerror(-r));
        else
                r = run_in_child(&bench, argc, argv);
        bench.directory = tmpdir_remove(bench.directory);
        return r < 0 ? 1 : 0;
}
