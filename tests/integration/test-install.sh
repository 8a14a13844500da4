#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What `make install` puts in place is complete: a program is built and run against it, and the installed tool and
# daemon work from there.

. tests/support/private-bus.sh

root=$work/root
${MAKE:-make} --no-print-directory install B="$B" DESTDIR="$root" PREFIX=/usr >"$work/install.log" 2>&1 || {
        cat "$work/install.log"
        fail "make install failed"
}
for file in bin/lodgectl sbin/lodged lib/liblodge.so lib/liblodge.so.0 lib/pkgconfig/liblodge.pc include/lodge.h share/man/man1/lodgectl.1 \
        share/man/man3/lodge.3 share/man/man8/lodged.8 share/bash-completion/completions/lodgectl lib/systemd/system/lodged.service \
        lib/systemd/system/lodged.socket lib/systemd/user/lodged.service lib/systemd/user/lodged.socket; do
        [ -e "$root/usr/$file" ] || fail "$file is not installed"
done
[ -z "$(find "$root" -path "$root/usr" -prune -o -type f -print)" ] || fail "something is installed outside of PREFIX"

for unit in system user; do
        grep -q "^ExecStart=/usr/sbin/lodged --$unit\$" "$root/usr/lib/systemd/$unit/lodged.service" ||
                fail "the $unit's lodged.service does not start what is installed"
done

# What pkg-config would say, seen through DESTDIR.
pc=$root/usr/lib/pkgconfig/liblodge.pc
grep -qx 'prefix=/usr' "$pc" || fail "liblodge.pc is for another prefix: $(head -n 1 "$pc")"
pc_value() {
        (
                prefix=$root/usr
                libdir=$prefix/lib
                includedir=$prefix/include
                eval "echo \"$(sed -n "s/^$1: *//p" "$pc")\""
        )
}
grep -qx "libdir=\${prefix}/lib" "$pc" || fail "liblodge.pc has another libdir"
readme_block "c example" >"$work/example.c"
$CC $(sanitizer_flags) $(pc_value Cflags) -o "$work/example" "$work/example.c" $(pc_value Libs) || fail "the example does not compile"

LODGED=$root/usr/sbin/lodged
LODGECTL=$root/usr/bin/lodgectl
bus_start
[ "$(LD_LIBRARY_PATH=$root/usr/lib "$work/example")" = "Dear Ada" ] || fail "the example does not work"
"$LODGECTL" version >"$work/version"
version=$(sed -n 's/^Version: *//p' "$pc")
for line in "lodgectl $version" "liblodge $version" "bus lodged $version"; do
        tr -s ' ' <"$work/version" | grep -qx "$line" || fail "lodgectl version does not say \"$line\": $(cat "$work/version")"
done
bus_stop
# The tool has to find the library that was installed beside it.
ldd "$LODGECTL" | grep -q "=> $root/usr/" || fail "lodgectl takes its library from elsewhere: $(ldd "$LODGECTL" | grep liblodge)"
