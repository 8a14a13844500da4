#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The man pages are well-formed, and those of the programs name every option that the programs take.

. tests/support/private-bus.sh

pages=$(find client daemon -name '*.[1-8]')
for page in client/ctl/lodgectl.1 daemon/lodged.8; do
        [ -e "$page" ] || fail "there is no $page"
done
mandoc -Tlint -Wwarning $pages || fail "mandoc complains"

# check_options PAGE PROGRAM [COMMAND]: each --option of the help is in the page.
check_options() {
        page=$1
        shift
        mandoc -Tascii "$page" | sed 's/.\x08//g' >"$work/page"
        "$@" --help >"$work/help"
        grep -oE '(^| )--[a-z][a-z-]*' "$work/help" | tr -d ' ' | sort -u >"$work/options"
        [ -s "$work/options" ] || fail "$* --help shows no option"
        while read -r option; do
                grep -q -e "$option" "$work/page" || fail "$page does not name $option of $*"
        done <"$work/options"
}
check_options daemon/lodged.8 "$LODGED"
for command in list status peers declare set delete bind unbind send receive browse version; do
        "$LODGECTL" help "$command" >/dev/null || fail "there is no command $command"
        check_options client/ctl/lodgectl.1 "$LODGECTL" "$command"
done

# Every setting that lodged.conf takes is described, and no other.
grep -oE '^ *\{"[A-Z][a-z]*", "[A-Za-z]*", offsetof' daemon/config.c | sed 's/.*, "\(.*\)", offsetof/\1/' | sort >"$work/settings"
[ -s "$work/settings" ] || fail "no setting found in daemon/config.c"
sed -n 's/^\.It Cm \([A-Za-z]*\) Ns =$/\1/p' daemon/lodged.8 | sort >"$work/described"
diff "$work/settings" "$work/described" || fail "daemon/lodged.8 describes other settings than there are"
