# SPDX-License-Identifier: LGPL-2.1-or-later
#
# One non-recursive Makefile; everything it makes is below $(B).
#   make          programs and library          make check       set-up, build, all tests
#   make demo     set-up, build, the main job   make check-asan  the tests under ASan and UBSan
#   make check-crash  power cuts, failed calls, kills: the long campaigns
#   make bench    workloads beside yardsticks   make check-tsan  the tests under TSan
#   make install  DESTDIR= PREFIX=              make format      clang-format on all sources

VERSION := 0.1.0
B       ?= build
PREFIX  ?= /usr/local
DESTDIR ?=

# What a fresh Debian machine with git, make and gcc lacks. `make deps` installs what is missing.
DEB_BUILD := libc6-dev libsystemd-dev libtdb-dev libcmocka-dev libxxhash-dev uthash-dev libinih-dev libjson-c-dev
DEB_CHECK := g++ tdb-tools mandoc

CC      ?= cc
OPT     ?= -O2 -g
WARN    := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla -Wwrite-strings \
           -Wundef -Wformat=2
WERROR  ?=
SANITIZE ?=
CFLAGS_ALL = -std=gnu11 $(OPT) $(WARN) $(WERROR) $(SANITIZE) -fPIC -fvisibility=hidden -D_GNU_SOURCE \
             -DLODGE_VERSION='"$(VERSION)"' -I. -MMD -MP $(CFLAGS)
LDFLAGS_ALL = $(SANITIZE) $(LDFLAGS)

sources = $(sort $(foreach d,$(1),$(wildcard $(d)/*.c)))
objects = $(patsubst %.c,$(B)/%.o,$(1))

PROTOCOL_OBJ := $(call objects,$(call sources,protocol))
CORE_OBJ     := $(call objects,$(call sources,daemon/core))
STORE_OBJ    := $(call objects,$(call sources,daemon/store))
SESSION_OBJ  := $(call objects,$(call sources,daemon/session))
DAEMON_OBJ   := $(call objects,$(filter-out daemon/main.c,$(call sources,daemon)))
CLIENT_OBJ   := $(call objects,$(call sources,client))
CTL_OBJ      := $(call objects,$(call sources,client/ctl))
BENCH_OBJ    := $(call objects,$(call sources,tests/bench))
SUPPORT_OBJ  := $(call objects,$(call sources,tests/support))

SYSTEMD_LIBS = -lsystemd -linih
STORE_LIBS   = -ltdb -lxxhash -lpthread
CLIENT_LIBS  = -lsystemd
CTL_LIBS     = -ljson-c

.PHONY: all
all: $(B)/lodged $(B)/lodgectl $(B)/liblodge.so.0 $(B)/liblodge.so $(B)/liblodge.pc

$(B)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -c -o $@ $<

# Archives of the floors; each test links the floors that it may see.
archive = @mkdir -p $(@D); rm -f $@; ar rcs $@ $^
$(B)/libprotocol.a: $(PROTOCOL_OBJ); $(archive)
$(B)/libcore.a: $(CORE_OBJ); $(archive)
$(B)/libstore.a: $(STORE_OBJ); $(archive)
$(B)/libsession.a: $(SESSION_OBJ); $(archive)
$(B)/libdaemon.a: $(DAEMON_OBJ); $(archive)
$(B)/liblodge.a: $(CLIENT_OBJ) $(PROTOCOL_OBJ); $(archive)
$(B)/libsupport.a: $(SUPPORT_OBJ); $(archive)
$(B)/libctl.a: $(filter-out $(B)/client/ctl/main.o,$(CTL_OBJ)); $(archive)

$(B)/lodged: $(B)/daemon/main.o $(B)/libdaemon.a $(B)/libsession.a $(B)/libstore.a $(B)/libcore.a $(B)/libprotocol.a
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(SYSTEMD_LIBS) $(STORE_LIBS)

$(B)/liblodge.so.0: $(CLIENT_OBJ) $(PROTOCOL_OBJ) client/liblodge.sym
	$(CC) $(LDFLAGS_ALL) -shared -Wl,-soname,liblodge.so.0 -Wl,--version-script=client/liblodge.sym -Wl,-z,defs \
		-o $@ $(CLIENT_OBJ) $(PROTOCOL_OBJ) $(CLIENT_LIBS)
$(B)/liblodge.so: $(B)/liblodge.so.0
	ln -sf liblodge.so.0 $@

$(B)/lodgectl: $(CTL_OBJ) $(B)/liblodge.so.0
	$(CC) $(LDFLAGS_ALL) -o $@ $(CTL_OBJ) -Wl,-rpath,'$$ORIGIN:$$ORIGIN/../lib' $(B)/liblodge.so.0 $(CTL_LIBS)

$(B)/liblodge.pc: client/liblodge.pc.in Makefile
	@mkdir -p $(@D)
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' $< >$@

# Tests: tests/DIR/test-NAME.c is a cmocka program, linked with the floors that DIR may see.
TEST_DIRS := protocol core store session client ctl integration crash
LINK_protocol    := libprotocol.a
LINK_core        := libcore.a libprotocol.a
LINK_store       := libstore.a
LINK_session     := libsession.a libcore.a libprotocol.a
LINK_client      := libsupport.a liblodge.a
LINK_ctl         := libctl.a liblodge.a
LINK_integration := libsupport.a liblodge.a
LINK_crash       := libdaemon.a libstore.a libcore.a libsupport.a liblodge.a libprotocol.a
LIBS_store       := $(STORE_LIBS)
LIBS_session     := $(SYSTEMD_LIBS)
LIBS_client      := $(CLIENT_LIBS)
LIBS_ctl         := $(CTL_LIBS) $(CLIENT_LIBS)
LIBS_integration := $(CLIENT_LIBS)
LIBS_crash       := $(STORE_LIBS) $(CLIENT_LIBS) -ldl

TESTS := $(foreach d,$(TEST_DIRS),$(patsubst %.c,$(B)/%,$(sort $(wildcard tests/$(d)/test-*.c))))

define test_rule
$(B)/tests/$(1)/test-%: $(B)/tests/$(1)/test-%.o $(addprefix $(B)/,$(LINK_$(1)))
	$$(CC) $$(LDFLAGS_ALL) -o $$@ $$^ -lcmocka $(LIBS_$(1))
endef
$(foreach d,$(TEST_DIRS),$(eval $(call test_rule,$(d))))
.PRECIOUS: $(B)/%.o

# Runs every test program and script, from here, against the programs in $(B). Stops at none, fails if one failed.
.PHONY: test
test: all $(TESTS)
	@B=$(B) LODGED=$(B)/lodged LODGECTL=$(B)/lodgectl CC="$(CC)" tests/run $(TESTS) $(sort $(wildcard tests/*/test-*.sh))

.PHONY: check check-asan check-tsan
check: deps
	@$(MAKE) --no-print-directory test

# gcc sees uninitialized variables in what the sanitizers add.
SAN_FLAGS = -Wno-maybe-uninitialized -fno-omit-frame-pointer -fno-sanitize-recover=all
check-asan: deps
	@$(MAKE) --no-print-directory test B=$(B)/asan OPT="-O1 -g" SANITIZE="-fsanitize=address,undefined $(SAN_FLAGS)"
check-tsan: deps
	@$(MAKE) --no-print-directory test B=$(B)/tsan OPT="-O1 -g" SANITIZE="-fsanitize=thread $(SAN_FLAGS)"

# Power cuts, failed calls and kills, a long campaign of each; `check` runs a short one. CRASH_IMAGES for each seed.
CRASH_IMAGES ?= 50000
.PHONY: check-crash
check-crash: deps
	@$(MAKE) --no-print-directory all $(filter $(B)/tests/crash/%,$(TESTS))
	@for t in $(filter $(B)/tests/crash/%,$(TESTS)); do \
		LODGE_CRASH_IMAGES=$(CRASH_IMAGES) LODGED=$(B)/lodged CC="$(CC)" $$t || exit 1; done

# Looks for input that breaks the codec, for FUZZ_S seconds; what it finds belongs into the corpus. Wants clang.
FUZZ_S ?= 60
$(B)/fuzz-wire: tests/fuzz/fuzz-wire.c tests/fuzz/walk-wire.h $(wildcard protocol/*.c protocol/*.h)
	@mkdir -p $(@D)
	clang -std=gnu11 -O1 -g -D_GNU_SOURCE -I. -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o $@ $< $(wildcard protocol/*.c)
.PHONY: fuzz
fuzz: $(B)/fuzz-wire
	@mkdir -p $(B)/fuzz-found
	$(B)/fuzz-wire -max_len=2048 -max_total_time=$(FUZZ_S) $(B)/fuzz-found tests/fuzz/corpus/wire

# Workloads beside yardsticks; arguments in BENCH=, as in `make bench BENCH="--quick through"`.
$(B)/bench: $(BENCH_OBJ) $(B)/libsupport.a $(B)/liblodge.a
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(CLIENT_LIBS) -lm
.PHONY: bench
bench: deps
	@$(MAKE) --no-print-directory $(B)/bench all
	LODGED=$(B)/lodged $(B)/bench $(BENCH)

.PHONY: demo
demo: deps
	@$(MAKE) --no-print-directory all
	@B=$(B) tests/demo

# ---- set-up ----

MISSING = $(shell for p in $(DEB_BUILD) $(DEB_CHECK); do \
	dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done)
SUDO = $(shell [ "$$(id -u)" = 0 ] || echo sudo)
.PHONY: deps
deps:
	@missing="$(MISSING)"; [ -z "$$missing" ] || { echo "Installing $$missing"; \
		$(SUDO) apt-get update -q && DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -q -y --no-install-recommends $$missing; }

# ---- installing ----

bindir = $(DESTDIR)$(PREFIX)/bin
sbindir = $(DESTDIR)$(PREFIX)/sbin
libdir = $(DESTDIR)$(PREFIX)/lib
mandir = $(DESTDIR)$(PREFIX)/share/man
unitdir = $(DESTDIR)$(PREFIX)/lib/systemd
.PHONY: install
install: all
	install -d $(bindir) $(sbindir) $(libdir)/pkgconfig $(DESTDIR)$(PREFIX)/include $(mandir)/man1 $(mandir)/man3 $(mandir)/man8 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions
	install -m 755 $(B)/lodged $(sbindir)/lodged
	install -m 755 $(B)/lodgectl $(bindir)/lodgectl
	install -m 755 $(B)/liblodge.so.0 $(libdir)/liblodge.so.0
	ln -sf liblodge.so.0 $(libdir)/liblodge.so
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' client/liblodge.pc.in >$(libdir)/pkgconfig/liblodge.pc
	install -m 644 client/lodge.h $(DESTDIR)$(PREFIX)/include/lodge.h
	install -m 644 client/ctl/lodgectl.1 $(mandir)/man1/
	install -m 644 client/*.3 $(mandir)/man3/
	install -m 644 daemon/lodged.8 $(mandir)/man8/
	install -d $(unitdir)/system $(unitdir)/user
	sed -e 's|@SBINDIR@|$(PREFIX)/sbin|' units/lodged.service.in >$(unitdir)/system/lodged.service
	install -m 644 units/lodged.socket $(unitdir)/system/
	sed -e 's|@SBINDIR@|$(PREFIX)/sbin|' units/lodged-user.service.in >$(unitdir)/user/lodged.service
	install -m 644 units/lodged-user.socket $(unitdir)/user/lodged.socket
	install -m 644 client/ctl/lodgectl.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/lodgectl

.PHONY: format
format:
	clang-format -i $(sort $(shell git ls-files '*.c' '*.h'))

.PHONY: clean
clean:
	rm -rf $(B)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
