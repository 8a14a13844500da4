#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What README.md shows is true: its C example compiles and does what it says, its tour goes as it is written, and the
# files and functions that it names are there.

. tests/support/private-bus.sh

# ---- the C example ----

mkdir "$work/include"
ln -s "$PWD/client/lodge.h" "$work/include/lodge.h"
readme_block "c example" >"$work/example.c"
[ "$(wc -l <"$work/example.c")" -ge 15 ] || fail "README.md has no C example"
$CC -std=gnu11 -Wall -Wextra -Werror $(sanitizer_flags) -I"$work/include" -o "$work/example" "$work/example.c" "$B/liblodge.so.0" \
        -Wl,-rpath,"$(cd "$B" && pwd)"

bus_start
[ "$("$work/example")" = "Dear Ada" ] || fail "the example does not print what it sent"
# It has acknowledged: the queue is there, and empty.
"$LODGECTL" --json=short list jobs.mail | grep -q '"ready":0,"leased":0,' || fail "the example left its message behind"
bus_stop

status=0
LODGE_SOCKET=$work/nothing "$work/example" >"$work/out" || status=$?
[ "$status" = 1 ] && [ ! -s "$work/out" ] || fail "the example does not notice that there is no bus"

# ---- the tour ----

mkdir "$work/bin" "$work/run"
ln -s "$(realpath "$LODGED")" "$work/bin/lodged"
ln -s "$(realpath "$LODGECTL")" "$work/bin/lodgectl"
readme_block "sh tour" >"$work/tour"
[ "$(wc -l <"$work/tour")" = 5 ] || fail "the tour is not one of five commands"
head -n 1 "$work/tour" | grep -q '^lodged & ' || fail "the tour does not begin with lodged"
# Who types gives lodged the time to start; and here it ends at the end.
{
        head -n 1 "$work/tour"
        echo 'trap "kill %1; wait" EXIT'
        echo 'until lodgectl list >/dev/null 2>&1; do kill -0 %1 && sleep 0.05; done'
        tail -n +2 "$work/tour"
} >"$work/tour.sh"
PATH=$work/bin:$PATH RUNTIME_DIRECTORY=$work/run STATE_DIRECTORY=$work/state-of-tour LODGE_SOCKET=$work/run/bus \
        timeout "$WAIT_S" bash -e "$work/tour.sh" >"$work/out" 2>"$work/err" || {
        cat "$work/out" "$work/err"
        fail "the tour does not work"
}
sed 's/[0-9][0-9]*/N/g' "$work/out" >"$work/shape"
head -n 1 "$work/shape" | grep -qx N || fail "send prints no id: $(cat "$work/out")"
grep -q '^jobs.mail *queue *1 ' "$work/out" || fail "list does not show the message: $(cat "$work/out")"
[ "$(tail -n 1 "$work/out")" = "Dear Ada" ] || fail "receive does not print the message: $(cat "$work/out")"

# ---- what it names ----

grep -o ']([^)]*)' README.md | sed 's/^](//; s/)$//' | sort -u | while read -r link; do
        case $link in
        '#'*) ;;
        *) [ -e "$link" ] || fail "README.md links to $link, which is not there" ;;
        esac
done
# Functions that it names in the way of a message are defined somewhere.
grep -o '`[a-z_]*()`' README.md | tr -d '`()' | sort -u | while read -r function; do
        grep -rqE "^(PUBLIC )?(static )?[a-z_0-9 ]*[ *]*$function\(" client daemon protocol --include='*.c' ||
                fail "README.md names $function(), which is not there"
done
grep -o '`make [a-z-]*' README.md | sed 's/`make //' | sort -u | while read -r target; do
        [ -z "$target" ] || grep -qE "^(\.PHONY:.* )?$target( |:|$)" Makefile || fail "README.md names \`make $target\`, which is not there"
done
