/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "tests/bench/report.h"

/* "128", "1K", "64K" */
static const char *size_text(char *out, size_t out_bytes, size_t size) {
        if (size >= 1024 && size % 1024 == 0)
                snprintf(out, out_bytes, "%zuK", size / 1024);
        else
                snprintf(out, out_bytes, "%zu", size);
        return out;
}

static const char *file_system_name(const char *directory) {
        static const struct {
                long type;
                const char *name;
        } names[] = {{0xef53, "ext4"},    {0x9123683e, "btrfs"},   {0x58465342, "xfs"}, {0x01021994, "tmpfs"},
                     {0x2fc12fc1, "zfs"}, {0x794c7630, "overlay"}, {0xf2f52010, "f2fs"}};
        struct statfs fs;

        if (statfs(directory, &fs) >= 0)
                for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
                        if (names[i].type == (long) fs.f_type)
                                return names[i].name;
        return "another file system";
}

void report_machine(struct report *report, const char *directory) {
        struct utsname name = {0};
        long processors = sysconf(_SC_NPROCESSORS_ONLN);

        (void) uname(&name);
        if (report->json)
                printf("{\"kernel\":\"%s\",\"processors\":%ld,\"file_system\":\"%s\"}\n", name.release, processors,
                       file_system_name(directory));
        else
                printf("Linux %s, %ld processors, %s.\n", name.release, processors, file_system_name(directory));
        fflush(stdout);
}

void report_workload(struct report *report, const char *name, const char *what) {
        if (report->json)
                return;
        printf("\n%s: %s\n", name, what);
        fflush(stdout);
}

/* A number with as many digits as it deserves; "-" when it is not known. */
static const char *number_text(char *out, size_t out_bytes, double value) {
        if (value < 0)
                snprintf(out, out_bytes, "-");
        else if (value >= 100)
                snprintf(out, out_bytes, "%.0f", value);
        else if (value >= 10)
                snprintf(out, out_bytes, "%.1f", value);
        else
                snprintf(out, out_bytes, value > 0 && value < 0.1 ? "%.3f" : "%.2f", value);
        return out;
}

static void print_json_number(const char *key, double value) {
        if (value < 0)
                printf(",\"%s\":null", key);
        else
                printf(",\"%s\":%.6g", key, value);
}

void report_row(struct report *report, const struct row *row) {
        char size[24], cells[7][24];
        const double values[7] = {row->rate,  row->p50_us, row->p99_us, row->cpu_us,
                                  row->calls, row->commit, row->syncs};

        if (report->json) {
                static const char *const keys[7] = {"messages_per_s",
                                                    "p50_us",
                                                    "p99_us",
                                                    "daemon_cpu_us_per_message",
                                                    "calls_per_message",
                                                    "messages_per_commit",
                                                    "syncs_per_commit"};

                printf("{\"workload\":\"%s\",\"size\":%zu,\"engine\":\"%s\",\"rounds\":%zu", row->workload, row->size,
                       row->engine, row->rounds);
                for (int i = 0; i < 7; i++)
                        print_json_number(keys[i], values[i]);
                printf("}\n");
        } else {
                if (strcmp(row->engine, "lodge") == 0)
                        printf("  %5s %-7s %11s %9s %9s %9s %9s %9s %9s\n", "SIZE", "ENGINE", "MESSAGES/S", "P50 us",
                               "P99 us", "CPU us/M", "CALLS/M", "M/COMMIT", "SYNCS/C");
                for (int i = 0; i < 7; i++)
                        number_text(cells[i], sizeof cells[i], values[i]);
                printf("  %5s %-7s %11s %9s %9s %9s %9s %9s %9s\n", size_text(size, sizeof size, row->size),
                       row->engine, cells[0], cells[1], cells[2], cells[3], cells[4], cells[5], cells[6]);
        }
        fflush(stdout);
}

void report_figure(struct report *report,
                   const char *workload,
                   const char *label,
                   const char *key,
                   double value,
                   const char *unit) {
        if (report->json)
                printf("{\"workload\":\"%s\",\"%s\":%.6g}\n", workload, key, value);
        else
                printf("  %-44s %10.2f %s\n", label, value, unit);
        fflush(stdout);
}

static void target_label(char *out, size_t out_bytes, size_t size, const char *what) {
        char text[24];

        if (size > 0)
                snprintf(out, out_bytes, "%s, %s bytes", what, size_text(text, sizeof text, size));
        else
                snprintf(out, out_bytes, "%s", what);
}

void report_target(struct report *report, const struct target *target) {
        bool met = target->at_most ? target->value <= target->limit : target->value >= target->limit;
        char label[96], value[24], limit[24];

        report->targets++;
        report->met += met;
        if (report->json) {
                printf("{\"workload\":\"%s\",\"size\":%zu,\"target\":\"%s\",\"unit\":\"%s\",\"value\":%.6g,\"%s\":%g,"
                       "\"met\":%s}\n",
                       target->workload, target->size, target->what, target->unit, target->value,
                       target->at_most ? "at_most" : "at_least", target->limit, met ? "true" : "false");
        } else {
                target_label(label, sizeof label, target->size, target->what);
                printf("  > %-42s %10s %s   %s %s: %s\n", label, number_text(value, sizeof value, target->value),
                       target->unit, target->at_most ? "at most" : "at least",
                       number_text(limit, sizeof limit, target->limit), met ? "met" : "NOT MET");
        }
        fflush(stdout);
}

void report_ratio(struct report *report, const char *workload, size_t size, const char *what, double value) {
        char label[96], text[24];

        if (report->json) {
                printf("{\"workload\":\"%s\",\"size\":%zu,\"ratio\":\"%s\",\"value\":%.6g}\n", workload, size, what,
                       value);
        } else {
                target_label(label, sizeof label, size, what);
                printf("    %-42s %10s\n", label, number_text(text, sizeof text, value));
        }
        fflush(stdout);
}

void report_end(struct report *report) {
        if (!report->json && report->targets > 0)
                printf("\n%u of %u targets met.\n", report->met, report->targets);
}
