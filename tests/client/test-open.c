/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/client/fixture.h"

static int setup(void **state) {
        *state = fake_new();
        return 0;
}

static int teardown(void **state) {
        fake_free(*state);
        return 0;
}

static void opening_greets(void **state) {
        struct fake *fake = *state;
        CLEANUP(lodge_unrefp) lodge *bus = NULL;
        const struct fake_frame *frame;
        struct wire_general general;
        struct wire_field field;

        assert_int_equal(fixture_connect(fake, &bus), 0);
        assert_string_equal(lodge_get_server(bus), "fake 1.0");
        assert_int_equal(lodge_get_message_max(bus), 16u << 20);
        assert_int_equal(fake->n_frames, 1);
        frame = fake_find(fake, WIRE_HELLO, 0);
        assert_int_equal(wire_general_parse(frame->data, frame->size, &general, NULL), 0);
        assert_true(wire_field_find(general.fields, WIRE_FIELD_VERSION_MIN, &field));
        assert_int_equal(field.number, WIRE_VERSION);
        assert_true(wire_field_find(general.fields, WIRE_FIELD_VERSION_MAX, &field));
        assert_true(wire_field_find(general.fields, WIRE_FIELD_FRAME_BYTES_MAX, &field));
        assert_true(field.number > 16u << 20);
        assert_true(wire_field_find(general.fields, WIRE_FIELD_SOFTWARE, &field));
}

static void nobody_there_is_an_error_at_once(void **state) {
        struct fake *fake = *state;
        lodge *bus = NULL;
        uint64_t before = fake->now_us;

        close(fake->listen_fd);
        fake->listen_fd = -1;
        assert_int_equal(fixture_connect(fake, &bus), -ECONNREFUSED);
        unlink(fake->path);
        assert_int_equal(fixture_connect(fake, &bus), -ENOENT);
        assert_int_equal(lodge_open_socket(&bus, fake->path), -ENOENT);
        assert_int_equal(fake->now_us, before);
        assert_null(bus);
}

static void bad_paths(void **state) {
        char path[200];
        lodge *bus = NULL;

        (void) state;
        memset(path, 'x', sizeof(path));
        path[0] = '/';
        path[199] = 0;
        assert_int_equal(lodge_open_socket(&bus, path), -ENAMETOOLONG);
        assert_int_equal(lodge_open_socket(&bus, ""), -EINVAL);
        assert_int_equal(lodge_open_socket(&bus, NULL), -EINVAL);
        assert_int_equal(lodge_open_socket(NULL, "/x"), -EINVAL);
}

static void say_nothing(struct fake *f, const uint8_t *frame, size_t size) {
        (void) f;
        (void) frame;
        (void) size;
}

static void refuse_version(struct fake *f, const uint8_t *frame, size_t size) {
        (void) size;
        fake_error(f, 0, wire_get32(frame + 8), WIRE_CODE_VERSION, "too old");
        fake_drop(f);
}

static void say_goodbye(struct fake *f, const uint8_t *frame, size_t size) {
        (void) frame;
        (void) size;
        fake_general(f, WIRE_GOODBYE, 0, 0, 0, NULL, 0);
        fake_drop(f);
}

static void hang_up(struct fake *f, const uint8_t *frame, size_t size) {
        (void) frame;
        (void) size;
        fake_drop(f);
}

static void say_ok(struct fake *f, const uint8_t *frame, size_t size) {
        (void) size;
        fake_ok(f, wire_get32(frame + 8));
}

static void welcome_somebody_else(struct fake *f, const uint8_t *frame, size_t size) {
        uint8_t fields[16];

        (void) size;
        fake_general(f, WIRE_WELCOME, 0, 0, wire_get32(frame + 8) + 1, fields,
                     wire_put_u16(fields, WIRE_FIELD_VERSION, WIRE_VERSION));
}

static void welcome_in_another_version(struct fake *f, const uint8_t *frame, size_t size) {
        uint8_t fields[16];

        (void) size;
        fake_general(f, WIRE_WELCOME, 0, 0, wire_get32(frame + 8), fields,
                     wire_put_u16(fields, WIRE_FIELD_VERSION, WIRE_VERSION + 1));
}

static void welcome_too_warmly(struct fake *f, const uint8_t *frame, size_t size) {
        uint8_t fields[WIRE_GREETING_BYTES_MAX] = {0};

        (void) size;
        fake_general(f, WIRE_WELCOME, 0, 0, wire_get32(frame + 8), fields, sizeof(fields));
}

static void bad_greetings(void **state) {
        static const struct {
                void (*answer)(struct fake *f, const uint8_t *frame, size_t size);
                int result;
        } greetings[] = {
                {say_nothing, -ETIMEDOUT},
                {refuse_version, -EPROTONOSUPPORT},
                {say_goodbye, -ESHUTDOWN},
                {hang_up, -ECONNRESET},
                {say_ok, -EPROTO},
                {welcome_somebody_else, -EPROTO},
                {welcome_in_another_version, -EPROTONOSUPPORT},
                {welcome_too_warmly, -EPROTO},
        };
        struct fake *fake = *state;
        lodge *bus = NULL;

        for (size_t i = 0; i < sizeof(greetings) / sizeof(greetings[0]); i++) {
                fake->answer = greetings[i].answer;
                assert_int_equal(fixture_connect(fake, &bus), greetings[i].result);
                assert_null(bus);
        }
}

/* A daemon in a process of its own, for what has no hook. */
static pid_t serve(struct fake *fake) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                struct pollfd p[2] = {{.events = POLLIN}, {.events = POLLIN}};

                for (;;) {
                        fake_settle(fake);
                        p[0].fd = fake->listen_fd;
                        p[1].fd = fake->fd;
                        poll(p, 2, -1);
                }
        }
        return pid;
}

static void stop(pid_t pid) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
}

static void the_environment_says_where(void **state) {
        struct fake *fake = *state;
        pid_t pid = serve(fake);
        char path[120];
        lodge *bus = NULL;

        assert_int_equal(setenv("LODGE_SOCKET", fake->path, 1), 0);
        assert_int_equal(lodge_open(&bus), 0);
        assert_int_equal(lodge_send(bus, "a", "x", 1, NULL), 0);
        bus = lodge_unref(bus);
        assert_int_equal(setenv("LODGE_SOCKET", "/nowhere/bus", 1), 0);
        assert_int_equal(lodge_open(&bus), -ENOENT);
        unsetenv("LODGE_SOCKET");

        unsetenv("XDG_RUNTIME_DIR");
        assert_int_equal(lodge_open_user(&bus), -ENXIO);
        assert_int_equal(setenv("XDG_RUNTIME_DIR", fake->directory, 1), 0);
        assert_int_equal(lodge_open_user(&bus), -ENOENT);
        snprintf(path, sizeof(path), "%s/lodge", fake->directory);
        assert_int_equal(symlink(".", path), 0);
        assert_int_equal(lodge_open_user(&bus), 0);
        bus = lodge_unref(bus);
        assert_int_equal(lodge_open(&bus), 0);
        bus = lodge_unref(bus);
        unlink(path);
        stop(pid);
}

static void real_time_and_poll_work(void **state) {
        struct fake *fake = *state;
        pid_t pid = serve(fake);
        CLEANUP(lodge_unrefp) lodge *bus = NULL;
        lodge_message *m = NULL;

        assert_int_equal(lodge_open_socket(&bus, fake->path), 0);
        assert_int_equal(lodge_send(bus, "a", "x", 1, NULL), 0);
        assert_int_equal(lodge_ping(bus), 0);
        assert_int_equal(lodge_receive(bus, "q", 1000, &m), 0);
        while (lodge_process(bus) > 0)
                ;
        /* The answer to the CANCEL of lodge_receive() may be on its way. */
        assert_true(lodge_wait(bus, 1000) >= 0);
        assert_int_equal(lodge_flush(bus), 0);
        stop(pid);
        assert_int_equal(lodge_set_timeout(bus, 1000), 0);
        assert_int_equal(lodge_ping(bus), -ETIMEDOUT);
}

static void version_is_told(void **state) {
        (void) state;
        assert_string_equal(lodge_version(), LODGE_VERSION);
        assert_null(lodge_get_server(NULL));
        assert_null(lodge_get_error(NULL));
        assert_int_equal(lodge_process(NULL), -EINVAL);
        assert_int_equal(lodge_wait(NULL, 0), -EINVAL);
        assert_int_equal(lodge_get_fd(NULL), -EINVAL);
        assert_int_equal(lodge_get_timeout(NULL, NULL), -EINVAL);
        assert_int_equal(lodge_set_timeout(NULL, 1), -EINVAL);
        assert_int_equal(lodge_set_state_handler(NULL, NULL, NULL), -EINVAL);
        assert_int_equal(lodge_flush(NULL), -EINVAL);
        assert_int_equal(lodge_attach_event(NULL, NULL, 0), -EINVAL);
        assert_int_equal(lodge_detach_event(NULL), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(opening_greets, setup, teardown),
                cmocka_unit_test_setup_teardown(nobody_there_is_an_error_at_once, setup, teardown),
                cmocka_unit_test(bad_paths),
                cmocka_unit_test_setup_teardown(bad_greetings, setup, teardown),
                cmocka_unit_test_setup_teardown(the_environment_says_where, setup, teardown),
                cmocka_unit_test_setup_teardown(real_time_and_poll_work, setup, teardown),
                cmocka_unit_test(version_is_told),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
