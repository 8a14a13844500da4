#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The floors of the house: each file includes only what its floor may see, the pure floors stay pure, every source
# says its licence, and no file is too long. The check itself is shown to find each kind of offence.

. tests/support/private-bus.sh

# Prints one line for each offence in the tree at $1.
check_tree() {
        (
                cd "$1"
                find protocol client daemon tests \( -name '*.[ch]' -o -name '*.sh' \) -print | sort >"$work/files"
                xargs awk -f "$work/floors.awk" <"$work/files"
        )
}

cat >"$work/floors.awk" <<'AWK'
BEGIN {
        LINES_MAX = 600
        # A floor, and what its files may include by a path in quotes. The first floor that fits a file is its own.
        floor("protocol/", "protocol/")
        floor("client/ctl/", "client/ctl/ client/lodge.h")
        floor("client/bridge/", "client/bridge/ client/lodge.h")
        floor("client/", "client/[^/]*$ protocol/")
        floor("daemon/core/", "daemon/core/ protocol/")
        floor("daemon/store/", "daemon/store/")
        floor("daemon/session/", "daemon/session/ daemon/core/ protocol/")
        floor("daemon/", "daemon/ protocol/")
        floor("tests/", ".")
        pure = "^(protocol|daemon/core)/"
        pure_headers = "^(assert|errno|inttypes|limits|stdbool|stddef|stdint|stdio|stdlib|string|sys/queue|uthash)\\.h$"
        # No clock, no file, no socket, no process, no environment, nothing printed.
        impure = "clock|clock_gettime|gettimeofday|time|times|nanosleep|usleep|sleep|alarm|timerfd_create|getrandom|random|rand" \
                 "|read|write|pread|pwrite|readv|writev|open|openat|creat|close|dup|dup2|ioctl|fcntl|fsync|fdatasync|rename|unlink" \
                 "|mkdir|stat|fstat|lstat|mmap|msync|poll|ppoll|select|pselect|epoll_create1|epoll_ctl|epoll_wait|eventfd" \
                 "|socket|socketpair|connect|bind|listen|accept|accept4|send|sendto|sendmsg|recv|recvfrom|recvmsg" \
                 "|fopen|fdopen|fclose|fread|fwrite|fgets|fputs|fputc|fflush|puts|putchar|printf|fprintf|vprintf|vfprintf|dprintf|perror" \
                 "|fork|execv|execve|execvp|system|popen|kill|signal|sigaction|exit|_exit|getpid|getuid|getenv|setenv|secure_getenv" \
                 "|pthread_[a-z_]*|syslog|syscall"
}

function floor(path, may) {
        floors[++n_floors] = path
        allowed[n_floors] = may
}

function offence(text) {
        print FILENAME ":" FNR ": " text
}

# Whether the file's floor may include this path.
function may_include(path,   i, j, n, parts) {
        for (i = 1; i <= n_floors; i++)
                if (index(FILENAME, floors[i]) == 1) {
                        n = split(allowed[i], parts, " ")
                        for (j = 1; j <= n; j++)
                                if (path ~ "^" parts[j])
                                        return 1
                        return 0
                }
        return 0
}

# The line without comments and without what is in quotes.
function code_of(line,   at, from) {
        if (in_comment) {
                at = index(line, "*/")
                if (!at)
                        return ""
                in_comment = 0
                line = substr(line, at + 2)
        }
        gsub(/"([^"\\]|\\.)*"/, "\"\"", line)
        while ((from = index(line, "/*"))) {
                at = index(substr(line, from + 2), "*/")
                if (!at) {
                        in_comment = 1
                        return substr(line, 1, from - 1)
                }
                line = substr(line, 1, from - 1) " " substr(line, from + 2 + at + 1)
        }
        sub(/\/\/.*/, "", line)
        return line
}

FNR == 1 {
        in_comment = 0
        licensed = 0
        is_c = FILENAME ~ /\.[ch]$/
        is_pure = FILENAME ~ pure
}
FNR <= (is_c ? 1 : 2) && /SPDX-License-Identifier: LGPL-2\.1-or-later/ { licensed = 1 }
FNR == 2 && !licensed { offence("no SPDX line at the top") }
FNR == LINES_MAX + 1 { offence("more than " LINES_MAX " lines") }
!is_c { next }

/^[ \t]*#[ \t]*include/ {
        if (match($0, /"[^"]*"/)) {
                path = substr($0, RSTART + 1, RLENGTH - 2)
                if (!may_include(path))
                        offence("may not include \"" path "\"")
        } else if (match($0, /<[^>]*>/)) {
                path = substr($0, RSTART + 1, RLENGTH - 2)
                if (path == "tdb.h" && FILENAME !~ /^(daemon|tests)\/store\//)
                        offence("only daemon/store knows TDB")
                if (is_pure && path !~ pure_headers)
                        offence("a pure floor includes <" path ">")
        }
        next
}

{
        code = code_of($0)
        if (is_pure && match(" " code, "[^A-Za-z0-9_.>](" impure ")[ \t]*\\("))
                offence("a pure floor calls " substr(" " code, RSTART + 1, RLENGTH - 2))
}
AWK

offences=$(check_tree .)
[ -z "$offences" ] || fail "$offences"
[ "$(wc -l <"$work/files")" -ge 100 ] || fail "only $(wc -l <"$work/files") files were looked at"

# ---- the check has teeth ----

mkdir "$work/tree"
cp -R protocol client daemon tests "$work/tree/"

# planted FILE LINE WORDS: with this line at the end of the file, exactly one offence is found: in that file, with these words.
planted() {
        cp "$work/tree/$1" "$work/before"
        printf '%s\n' "$2" >>"$work/tree/$1"
        check_tree "$work/tree" >"$work/found"
        cp "$work/before" "$work/tree/$1"
        if [ "$(wc -l <"$work/found")" != 1 ] || ! grep -qF "$1:" "$work/found" || ! grep -qF "$3" "$work/found"; then
                cat "$work/found"
                fail "planted in $1, but not found as it should be: $2"
        fi
}

planted protocol/send.c '#include "client/lodge.h"' 'may not include "client/lodge.h"'
planted protocol/send.c '#include <unistd.h>' '<unistd.h>'
planted protocol/wire.h 'static inline int f(int fd) { return (int) write (fd, "x", 1); }' 'calls write'
planted client/send.c '#include "daemon/core/core.h"' 'may not include "daemon/core/core.h"'
planted client/send.c '#include "client/ctl/ctl.h"' 'may not include "client/ctl/ctl.h"'
planted client/ctl/main.c '#include "client/internal.h"' 'may not include "client/internal.h"'
planted client/ctl/main.c '#include "protocol/wire.h"' 'may not include "protocol/wire.h"'
planted daemon/core/core.c '#include "daemon/store/store.h"' 'may not include "daemon/store/store.h"'
planted daemon/core/core.c '#include "daemon/session/session.h"' 'may not include "daemon/session/session.h"'
planted daemon/core/core.c '#include "daemon/log.h"' 'may not include "daemon/log.h"'
planted daemon/core/core.h '#include "core.h"' 'may not include "core.h"'
planted daemon/core/core.c '#include <time.h>' '<time.h>'
planted daemon/core/core.c 'int f(void) { /* now */ return clock_gettime(0, NULL); }' 'calls clock_gettime'
planted daemon/core/core.c 'long f(void) { return time(NULL); }' 'calls time'
planted daemon/core/core.c 'int f(void) { return open("/* not a comment", 0); }' 'calls open'
planted daemon/core/core.c '/* a comment */ int f(void) { return usleep(1); }' 'calls usleep'
planted daemon/store/store.c '#include "daemon/core/core.h"' 'may not include "daemon/core/core.h"'
planted daemon/session/publish.c '#include "daemon/store/store.h"' 'may not include "daemon/store/store.h"'
planted daemon/session/publish.c '#include "daemon/bus.h"' 'may not include "daemon/bus.h"'
planted daemon/session/publish.c '#include <tdb.h>' 'only daemon/store knows TDB'
planted daemon/bus.c '  #  include "client/lodge.h"' 'may not include "client/lodge.h"'
planted daemon/bus.c "$(yes '' | head -n 599 && echo 'int f(void);')" 'more than 600 lines'

# What looks like an offence and is none.
cat >>"$work/tree/daemon/core/core.c" <<'C'
/* We never call time(NULL) or
 * clock_gettime() here. */
static const char *const text = "write(fd) /* read() */";
static int f(const struct core_calls *calls) { return calls->read(1) + calls.write(2) + my_time(3) + snprintf(NULL, 0, text); }
C
offences=$(check_tree "$work/tree")
[ -z "$offences" ] || fail "found, but no offence: $offences"

# New files: without a licence, or too long.
echo 'int f(void);' >"$work/tree/protocol/new.c"
echo 'int g(void);' >>"$work/tree/protocol/new.c"
check_tree "$work/tree" | grep -q '^protocol/new.c:2: no SPDX' || fail "a file without a licence is not found"
