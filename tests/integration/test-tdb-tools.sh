#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What lodged writes are TDB files: the standard tools open them, find them whole, and show the messages.

. tests/support/private-bus.sh

bus_start
"$LODGECTL" declare tools.check
for i in 1 2 3; do
        "$LODGECTL" send tools.check "message number $i" >/dev/null
done
bus_stop

segments=$(find "$work/state" -name 'segment-*.tdb' | sort)
[ -n "$segments" ] || fail "no segment in the state directory"
for segment in $segments; do
        tdbtool "$segment" check >"$work/check" 2>&1 || fail "tdbtool cannot open $segment: $(cat "$work/check")"
        grep -q 'integrity is OK' "$work/check" || fail "$segment: $(cat "$work/check")"
        tdbdump "$segment" >>"$work/dump"
done
for i in 1 2 3; do
        [ "$(grep -c "message number $i" "$work/dump")" -ge 1 ] || fail "tdbdump does not show message number $i"
done
