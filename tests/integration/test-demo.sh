#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The demo works, cleans up, and would notice if a line were missing, or two had changed places.

. tests/support/private-bus.sh

export LODGE_DEMO_LINES=12000
export TMPDIR="$work"
B=$(cd "$B" && pwd) tests/demo >"$work/said" 2>&1 || {
        cat "$work/said"
        fail "the demo fails"
}
grep -q '^Nothing that was confirmed is missing' "$work/said" || fail "the demo does not say that all went well"
[ -z "$(find "$work" -name 'lodge-demo.*')" ] || fail "the demo leaves its directory behind"

# The same with a lodgectl whose `receive` does something to what it takes out.
mkdir "$work/bad"
ln -s "$(realpath "$B/lodged")" "$work/bad/lodged"
cat >"$work/bad/lodgectl" <<TOOL
#!/bin/sh
if [ "\$1" = receive ]; then
        "$(realpath "$B/lodgectl")" "\$@" | sed "\$SPOIL"
else
        exec "$(realpath "$B/lodgectl")" "\$@"
fi
TOOL
chmod +x "$work/bad/lodgectl"
# spoiled SCRIPT WORDS: the demo must fail, and say these words.
spoiled() {
        if SPOIL=$1 B=$work/bad tests/demo >"$work/said" 2>&1; then
                fail "the demo does not notice: $1"
        fi
        grep -q "^FAILED: .*$2" "$work/said" || {
                cat "$work/said"
                fail "the demo fails, but not as it should: $1"
        }
        [ -z "$(find "$work" -name 'lodge-demo.*')" ] || fail "the demo leaves its directory behind when it fails"
}
spoiled '/^#7777 /d' '1 lines are missing'
spoiled '/^#4444 /{h;d;}; /^#4445 /G' 'another order'
