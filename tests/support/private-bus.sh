# SPDX-License-Identifier: LGPL-2.1-or-later
# For test scripts in sh, to be read with `.`: a temporary directory $work that is removed at the end, and a lodged of
# one's own. $B, $LODGED, $LODGECTL and $CC are as tests/run's caller says, else those of the default build.

set -eu
export LC_ALL=C
B=${B:-build}
LODGED=${LODGED:-$B/lodged}
LODGECTL=${LODGECTL:-$B/lodgectl}
CC=${CC:-cc}
WAIT_S=60 # the longest wait for anything

work=$(mktemp -d "${TMPDIR:-/tmp}/lodge-test.XXXXXX")
daemon=

at_end() {
        status=$?
        trap - EXIT
        if [ -n "$daemon" ]; then
                kill -KILL "$daemon" 2>/dev/null || true
                wait "$daemon" 2>/dev/null || true
                [ "$status" = 0 ] || cat "$work/lodged.log"
        fi
        rm -rf "$work"
        exit "$status"
}
trap at_end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
        echo "$*"
        exit 1
}

# Waits until a command succeeds.
until_true() {
        tries=0
        until "$@" >/dev/null 2>&1; do
                tries=$((tries + 1))
                [ "$tries" -lt $((WAIT_S * 20)) ] || fail "not within $WAIT_S seconds: $*"
                sleep 0.05
        done
}

bus_answers() {
        kill -0 "$daemon" && "$LODGECTL" --timeout=5s list
}

# Starts it; from then on $LODGE_SOCKET is its socket.
bus_start() {
        export LODGE_SOCKET="$work/bus"
        "$LODGED" --user --socket="$work/bus" --state="$work/state" --config=/dev/null >>"$work/lodged.log" 2>&1 &
        daemon=$!
        until_true bus_answers
}

# Ends it; it must end well.
bus_stop() {
        kill -TERM "$daemon"
        status=0
        wait "$daemon" || status=$?
        daemon=
        if [ "$status" != 0 ]; then
                cat "$work/lodged.log"
                fail "lodged ended with status $status"
        fi
}

# The compiler's flags for a program that is linked with the library of $B: the sanitizers of that.
sanitizer_flags() {
        symbols=$(nm -D "$B/liblodge.so.0")
        case $symbols in *__asan_init*) echo "-fsanitize=address" ;; esac
        case $symbols in *__tsan_init*) echo "-fsanitize=thread" ;; esac
        case $symbols in *__ubsan_handle*) echo "-fsanitize=undefined" ;; esac
}

# The fenced block of README.md that is marked with these words.
readme_block() {
        awk -v fence="\`\`\`$1" '/^```/ { inside = $0 == fence; next } inside' README.md
}
