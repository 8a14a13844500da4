/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the shared library offers is what the header declares, no more and no less, and the header suits those who
 * include it. Runs in the source tree, beside build output: liblodge.so.0 is two folders above this program. */

#include <elf.h>
#include <fcntl.h>
#include <glob.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/client/fixture.h"

#define NAMES_MAX      256u
#define NAME_BYTES_MAX 64u

struct names {
        char names[NAMES_MAX][NAME_BYTES_MAX];
        size_t n;
};

static int compare(const void *a, const void *b) {
        return strcmp(a, b);
}

static void add(struct names *names, const char *name, size_t size) {
        char *to;

        assert_true(names->n < NAMES_MAX && size < NAME_BYTES_MAX);
        to = names->names[names->n];
        memcpy(to, name, size);
        to[size] = 0;
        for (size_t i = 0; i < names->n; i++)
                if (strcmp(names->names[i], to) == 0)
                        return;
        names->n++;
}

static char *map_file(const char *path, size_t *ret_size) {
        struct stat st;
        void *p;
        int fd;

        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                fail_msg("cannot open %s", path);
        assert_int_equal(fstat(fd, &st), 0);
        p = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        assert_true(p != MAP_FAILED);
        close(fd);
        *ret_size = (size_t) st.st_size;
        return p;
}

static const char *library_path(void) {
        static char path[4096];
        ssize_t n;
        char *p;

        n = readlink("/proc/self/exe", path, sizeof(path) - 64);
        assert_true(n > 0);
        path[n] = 0;
        for (int i = 0; i < 3; i++) {
                p = strrchr(path, '/');
                assert_non_null(p);
                *p = 0;
        }
        strcat(path, "/liblodge.so.0");
        return path;
}

/* The names that a shared object defines for others, but those of version nodes. */
static void exported_names(struct names *names) {
        size_t size;
        char *map = map_file(library_path(), &size);
        const Elf64_Ehdr *head = (const Elf64_Ehdr *) map;
        const Elf64_Shdr *sections = (const Elf64_Shdr *) (map + head->e_shoff);

        assert_memory_equal(head->e_ident, ELFMAG, SELFMAG);
        assert_int_equal(head->e_ident[EI_CLASS], ELFCLASS64);
        for (size_t i = 0; i < head->e_shnum; i++) {
                const Elf64_Sym *symbols = (const Elf64_Sym *) (map + sections[i].sh_offset);
                const char *strings;

                if (sections[i].sh_type != SHT_DYNSYM)
                        continue;
                strings = map + sections[sections[i].sh_link].sh_offset;
                for (size_t k = 0; k < sections[i].sh_size / sizeof(*symbols); k++) {
                        const char *name = strings + symbols[k].st_name;

                        if (symbols[k].st_shndx == SHN_UNDEF || symbols[k].st_shndx == SHN_ABS)
                                continue;
                        add(names, name, strlen(name));
                }
        }
        munmap(map, size);
        qsort(names->names, names->n, NAME_BYTES_MAX, compare);
}

static bool in_name(char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* Copies the header without its comments, which speak of functions too. */
static char *read_header(void) {
        size_t size, n = 0;
        char *map = map_file("client/lodge.h", &size), *text = malloc(size + 1);

        assert_non_null(text);
        for (size_t i = 0; i < size; i++) {
                if (map[i] == '/' && i + 1 < size && map[i + 1] == '*') {
                        while (i + 1 < size && !(map[i] == '*' && map[i + 1] == '/'))
                                i++;
                        i++;
                        continue;
                }
                text[n++] = map[i];
        }
        text[n] = 0;
        munmap(map, size);
        return text;
}

/* Names that stand before an opening parenthesis. */
static void declared_names(struct names *names) {
        char *text = read_header();

        for (const char *p = text; (p = strstr(p, "lodge_")); p++) {
                size_t size = 0;

                while (in_name(p[size]))
                        size++;
                if (p[size] == '(' && (p == text || !in_name(p[-1])))
                        add(names, p, size);
        }
        free(text);
        qsort(names->names, names->n, NAME_BYTES_MAX, compare);
}

static void exports_are_the_declarations(void **state) {
        struct names *exported = calloc(1, sizeof(*exported)), *declared = calloc(1, sizeof(*declared));

        (void) state;
        assert_non_null(exported);
        assert_non_null(declared);
        exported_names(exported);
        declared_names(declared);
        assert_true(declared->n > 50);
        for (size_t i = 0; i < exported->n; i++)
                assert_int_equal(strncmp(exported->names[i], "lodge_", 6), 0);
        for (size_t i = 0; i < exported->n && i < declared->n; i++)
                assert_string_equal(exported->names[i], declared->names[i]);
        assert_int_equal(exported->n, declared->n);
        free(exported);
        free(declared);
}

/* Whether a manual page has a synopsis of this function. */
static bool is_documented(const char *page, const char *name) {
        size_t size = strlen(name);

        for (const char *p = page; (p = strstr(p, name)); p += size)
                if (p - page > 4 && (memcmp(p - 4, ".Fn ", 4) == 0 || memcmp(p - 4, ".Fo ", 4) == 0) &&
                    (p[size] == ' ' || p[size] == '\n'))
                        return true;
        return false;
}

static char *read_pages(void) {
        CLEANUP(globfree) glob_t pages = {0};
        char *text = NULL;
        size_t size = 0;

        assert_int_equal(glob("client/*.3", 0, NULL, &pages), 0);
        for (size_t i = 0; i < pages.gl_pathc; i++) {
                size_t page_size;
                char *page = map_file(pages.gl_pathv[i], &page_size);

                text = realloc(text, size + page_size + 1);
                assert_non_null(text);
                memcpy(text + size, page, page_size);
                size += page_size;
                text[size] = 0;
                munmap(page, page_size);
        }
        return text;
}

static void everything_has_a_manual_page(void **state) {
        struct names *declared = calloc(1, sizeof(*declared));
        char *text = read_pages();

        (void) state;
        assert_non_null(declared);
        declared_names(declared);
        for (size_t i = 0; i < declared->n; i++)
                if (!is_documented(text, declared->names[i]))
                        fail_msg("%s has no manual page", declared->names[i]);
        free(text);
        free(declared);
}

static bool have(const char *program) {
        char command[128];

        snprintf(command, sizeof(command), "command -v %s >/dev/null 2>&1", program);
        return system(command) == 0;
}

static void header_is_strict_c(void **state) {
        (void) state;
        assert_int_equal(
                system("${CC:-cc} -std=c99 -pedantic-errors -Wall -Wextra -Werror -fsyntax-only -x c client/lodge.h"),
                0);
}

static void header_is_strict_cpp(void **state) {
        (void) state;
        if (!have("g++"))
                skip();
        assert_int_equal(
                system("g++ -std=c++11 -pedantic-errors -Wall -Wextra -Werror -fsyntax-only -x c++ client/lodge.h"), 0);
}

static void manual_pages_are_well_formed(void **state) {
        (void) state;
        if (!have("mandoc"))
                skip();
        assert_int_equal(system("mandoc -Tlint -Wwarning client/*.3"), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(exports_are_the_declarations), cmocka_unit_test(everything_has_a_manual_page),
                cmocka_unit_test(manual_pages_are_well_formed), cmocka_unit_test(header_is_strict_c),
                cmocka_unit_test(header_is_strict_cpp),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
