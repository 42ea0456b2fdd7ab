# PlugKit. `make help` lists the targets; CC, CFLAGS, LDFLAGS, PYTHON, BUILD and JOBS may be set.

CC      ?= cc
CXX     ?= c++
CFLAGS  ?= -O1 -g
LDLIBS  ?= -lpthread $(if $(filter Linux,$(shell uname)),-ldl)
BUILD   ?= build
PREFIX  ?= /usr/local
JOBS    ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)

WARN     = -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror
COMPILE  = $(CC) -std=c11 $(WARN) $(CFLAGS) -I. -Icontracts -MMD -MP
VERSION := $(shell sed -n 's/^\#define PK_VERSION "\(.*\)"/\1/p' src/api/version.h)
HEADERS  = plugkit.h plugkit_sdk.h

.PHONY: all help amalgamate check run test unit unit-src unit-generated header integration old-kernel \
        asan tsan valgrind torture fuzz chaos coverage cross firmware lint size bench install clean tests-programs FORCE
.DELETE_ON_ERROR:
.SECONDEXPANSION:

all: $(HEADERS) examples cli ## the two headers, the examples and the command

help: ## this list
	@sed -n 's/^\([a-z][a-z -]*\):.*## \(.*\)/\1|\2/p' Makefile | awk -F'|' '{ printf "    make %-12s %s\n", $$1, $$2 }'

# ---- The headers. They are generated and committed: `make check` compares.

amalgamate: ## src/ -> plugkit.h and plugkit_sdk.h
	@./amalgamate.py
$(HEADERS) &: FORCE # written only if they change
	@./amalgamate.py
build/src_all.h: FORCE # the same translation unit, straight from src/
	@./amalgamate.py --includes $@ --layers '$(LAYERS)'
build/src_declarations.h: FORCE # and without its .c files
	@./amalgamate.py --includes $@ --layers '$(LAYERS)' --declarations
check: ## are the headers what src/ gives?
	@./amalgamate.py --check

# ---- Examples: examples/NN_name/host.c -> build/examples/NN_name/host, .../plugins/ID.c -> build/plugins/ID. A plugin
# in another language is an executable file without extension, or a folder with a main.go, in the same place.

OBJECT      := $(BUILD)/examples/14_object
HOSTS       := $(filter-out $(OBJECT)/host,$(patsubst examples/%.c,$(BUILD)/examples/%,$(wildcard examples/*/*.c)))
HOSTS_CXX   := $(patsubst examples/%.cpp,$(BUILD)/examples/%,$(wildcard examples/*/*.cpp))
PLUGINS_C   := $(wildcard examples/*/plugins/*.c)
PLUGINS_GO  := $(if $(shell command -v go 2>/dev/null),$(wildcard examples/*/plugins/*/main.go))
PLUGINS_ANY := $(foreach f,$(wildcard examples/*/plugins/*),$(if $(suffix $f)$(wildcard $f/. $f.c),,$f))
ORGANS      := $(addprefix $(BUILD)/examples/11_heal/organs/,heart lung brain) # of one source, in a folder of their own
PLUGINS     := $(addprefix $(BUILD)/plugins/,$(notdir $(PLUGINS_C:.c=) $(PLUGINS_ANY) $(PLUGINS_GO:/main.go=)))
CLI         := $(BUILD)/plugkit
CLI_OBJECTS := $(patsubst cli/%.c,$(BUILD)/cli/%.o,$(wildcard cli/*.c))

.PHONY: examples cli
examples: $(HOSTS) $(HOSTS_CXX) $(PLUGINS) $(ORGANS) $(addprefix $(OBJECT)/,host programs/shout objects/shout.so)
cli: $(CLI)

$(HOSTS): $(BUILD)/examples/%: examples/%.c | $(HEADERS)
	@mkdir -p $(@D) && echo '  cc   $@'
	@$(COMPILE) -MF $@.d -o $@ $< $(LDFLAGS) $(LDLIBS)
$(HOSTS_CXX): $(BUILD)/examples/%: examples/%.cpp $(BUILD)/plugkit.o | $(HEADERS)
	@mkdir -p $(@D) && echo '  c++  $@'
	@$(CXX) -std=c++11 -Wall -Wextra -Werror $(filter-out -std=%,$(CFLAGS)) -I. -Icontracts -MMD -MP -MF $@.d -o $@ $< \
	    $(BUILD)/plugkit.o $(LDFLAGS) $(LDLIBS)
$(BUILD)/plugkit.o: plugkit.h # for programs in C++: the implementation is C
	@mkdir -p $(@D) && echo '  cc   $@'
	@printf '#define PLUGKIT_IMPLEMENTATION\n#include "plugkit.h"\n' | $(COMPILE) -x c -c -o $@ -
$(addprefix $(BUILD)/plugins/,$(notdir $(PLUGINS_C:.c=))): $$(wildcard examples/*/plugins/$$(@F).c) | $(HEADERS)
	@mkdir -p $(@D) && echo '  cc   $@'
	@$(COMPILE) -MF $(BUILD)/$(@F).plugin.d -o $@ $< $(LDFLAGS) $(LDLIBS)
$(ORGANS): examples/11_heal/organs/organ.c | $(HEADERS)
	@mkdir -p $(@D) && echo '  cc   $@'
	@$(COMPILE) -MF $(BUILD)/$(@F).organ.d -o $@ $< $(LDFLAGS) $(LDLIBS)
# One source, as a program, as a shared object, and compiled into its host.
$(OBJECT)/programs/shout $(OBJECT)/objects/shout.so $(OBJECT)/shout.o: examples/14_object/shout/shout.c | $(HEADERS)
	@mkdir -p $(@D) && echo '  cc   $@'
	@$(COMPILE) -MF $(BUILD)/$(@F).object.d -MT $@ -o $@ $< $(if $(filter %.so,$@),-DPLUGKIT_OBJECT -fPIC -shared) \
	    $(if $(filter %.o,$@),-DPLUGKIT_COMPILED_IN=shout_plugin -c,$(LDFLAGS) $(LDLIBS))
$(OBJECT)/host: examples/14_object/host.c $(OBJECT)/shout.o | $(HEADERS)
	@echo '  cc   $@'
	@$(COMPILE) -MF $@.d -o $@ $< $(OBJECT)/shout.o $(LDFLAGS) $(LDLIBS)
$(addprefix $(BUILD)/plugins/,$(notdir $(PLUGINS_ANY))): $$(wildcard examples/*/plugins/$$(@F))
	@mkdir -p $(@D) && echo '  cp   $@'
	@cp $< $@ && chmod 755 $@
$(addprefix $(BUILD)/plugins/,$(notdir $(PLUGINS_GO:/main.go=))): $$(wildcard examples/*/plugins/$$(@F)/*)
	@mkdir -p $(@D) && echo '  go   $@'
	@cd $(dir $<) && GOFLAGS=-mod=mod go build -o $(abspath $@) .
$(CLI_OBJECTS): $(BUILD)/cli/%.o: cli/%.c | $(HEADERS)
	@mkdir -p $(@D)
	@$(COMPILE) -D_GNU_SOURCE -DPLUGKIT_WITH_ADMIN -DPLUGKIT_WITH_ATTACH -DPLUGKIT_WITH_DLOPEN \
	    -DPLUGKIT_WITH_SCHEMA -DPLUGKIT_WITH_MANIFESTS -MF $@.d -c -o $@ $<
$(BUILD)/plugkit: $(CLI_OBJECTS)
	@echo '  cc   $@'
	@$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) $(LDLIBS)

# The main job: every plugin, on real files.
FILES ?= $(foreach f,$(wildcard *.md *.py Makefile $(addsuffix /*,docs contracts cli src/* src/*/* examples/* tests \
           tests/unit integration bench)),$(if $(wildcard $f/.),,$f))
run: $(BUILD)/examples/10_files/host $(PLUGINS) ## the main job on real files: FILES='...', or those of this repository
	@$(BUILD)/examples/10_files/host $(BUILD)/plugins $(FILES)

# ---- Tests. A test program ends with "N passed, N failed"; tests/run.py adds them up. T=json picks test_json.

UNIT_SOURCES := $(wildcard tests/unit/test_$(or $(T),*).c)
UNIT_SRC     := $(UNIT_SOURCES:tests/unit/%.c=$(BUILD)/unit/%)
UNIT_GEN     := $(UNIT_SOURCES:tests/unit/%.c=$(BUILD)/unit_generated/%)
UNIT_CFLAGS  ?= $(WARN) -O0 -g
# for test_loop_kqueue
KQUEUE       := $(shell pkg-config --cflags --libs libkqueue 2>/dev/null)
KQUEUE_FLAGS  = $(if $(filter %kqueue,$@),$(if $(KQUEUE),-DPLUGKIT_TEST_KQUEUE $(KQUEUE)))

# Those of TLS need mbedTLS: the system's, or what is unpacked below the folder MBEDTLS.
MBEDTLS      ?=
export MBEDTLS
UNIT_LIBS     = $(KQUEUE_FLAGS) $(if $(filter test_tls%,$(@F)),$(MBEDTLS_FLAGS))
MBEDTLS_FIND  = MBEDTLS='$(MBEDTLS)' sh tests/mbedtls.sh '$(CC)' --flags
MBEDTLS_FLAGS = $(eval MBEDTLS_FLAGS := $(shell $(MBEDTLS_FIND)))$(MBEDTLS_FLAGS) # once, and only if somebody asks

# All of src/, compiled once, and once more with TLS. In an archive: tests that hold src/ themselves take nothing of it.
UNIT_LIBRARY := $(addprefix $(BUILD)/unit/,library.a library_tls.a)
$(UNIT_LIBRARY): $(BUILD)/unit/%.a: tests/unit/library.c build/src_all.h
	@mkdir -p $(@D) && echo '  cc   $@'
	@$(CC) -std=c11 $(UNIT_CFLAGS) -I. -MMD -MP -MF $@.d -MT $@ -c -o $@.o $< $(if $(filter %_tls,$*),$(MBEDTLS_FLAGS))
	@rm -f $@ && ar rcs $@ $@.o
$(UNIT_SRC): $(BUILD)/unit/%: tests/unit/%.c build/src_declarations.h \
                              $(BUILD)/unit/library$$(if $$(findstring test_tls,$$(@F)),_tls).a
	@mkdir -p $(@D) && echo '  cc   $@'
	@$(CC) -std=c11 $(UNIT_CFLAGS) -I. -Icontracts -MMD -MP -MF $@.d -o $@ $< $(filter %.a,$^) $(LDFLAGS) $(UNIT_LIBS) \
	    $(LDLIBS) -lm
$(UNIT_GEN): $(BUILD)/unit_generated/%: tests/unit/%.c $(HEADERS)
	@mkdir -p $(@D) && echo '  cc   $@'
	@$(CC) -std=c11 -DUNIT_GENERATED -O0 -I. -Icontracts -MMD -MP -MF $@.d -o $@ $< $(LDFLAGS) $(UNIT_LIBS) $(LDLIBS) -lm

# What asks the system for nothing that is new needs no second run as on an old kernel.
PURE := test_(json_|number$$|harness$$)
test: ## everything: headers up to date, compile matrix, unit tests in two ways, whole programs
	@./amalgamate.py --check
	@sh tests/mbedtls.sh '$(CC)'
	@PYTHON="$$(sh tests/python.sh)" && export PYTHON && \
	    $(MAKE) --no-print-directory -j$(JOBS) all tests-programs && \
	    tests/run.py --jobs $(JOBS) --again PK_TEST_ENOSYS=1 --but '$(PURE)' --pytest "$$PYTHON" integration \
	        tests/header/matrix.py $(UNIT_SRC)

cross: ## unit tests for arm, aarch64, riscv64, s390x (under qemu) and static musl: TARGETS="..", T=name
	@tests/cross.py --jobs $(JOBS) $(if $(T),--test $(T)) $(or $(TARGETS),arm aarch64 riscv64 s390x musl)
firmware: $(HEADERS) ## programs for ARM processors without a system: their sizes, and that they work
	@tests/size.py --firmware
tests-programs: $(UNIT_SRC)
old-kernel: $(UNIT_SRC) ## unit tests without pidfd, close_range, openat2, memfd and execveat
	@PK_TEST_ENOSYS=1 tests/run.py --jobs $(JOBS) $^
unit: unit-src unit-generated ## the unit tests, on src/ and on the generated headers; T=json for one
unit-src: $(UNIT_SRC)
	@tests/run.py --jobs $(JOBS) $^
unit-generated: $(UNIT_GEN)
	@tests/run.py --jobs $(JOBS) $^
header: $(HEADERS) ## the headers under every compiler, standard and mode
	@tests/header/matrix.py
integration: all ## whole programs, with pytest
	@PYTHON="$$(sh tests/python.sh)" && tests/run.py --pytest "$$PYTHON" integration

# The unit tests again, under tools that see more. Without warnings: instrumented code brings wrong ones.
ASAN = -Og -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
TSAN = -Og -g -fsanitize=thread
VALGRIND = valgrind -q --leak-check=no --error-exitcode=9 --child-silent-after-fork=no
asan: ## unit tests with AddressSanitizer and UBSan
	@TEST_TIMEOUT_MS=60000 $(MAKE) --no-print-directory -j$(JOBS) unit-src BUILD=build/asan UNIT_CFLAGS='$(ASAN)'
tsan: ## unit tests with ThreadSanitizer
	@TEST_TIMEOUT_MS=60000 $(MAKE) --no-print-directory -j$(JOBS) unit-src BUILD=build/tsan UNIT_CFLAGS='$(TSAN)'
valgrind: $(UNIT_SRC) ## unit tests under valgrind (leaks are found by the harness, and by `make asan`)
	@TEST_VALGRIND=1 TEST_TIMEOUT_MS=200000 LIMIT_SECONDS=1800 tests/run.py --jobs $(JOBS) --under '$(VALGRIND)' $^
torture: $(UNIT_SRC) ## fails every allocation and system call in turn, once and for good
	@PK_TORTURE=all TEST_TIMEOUT_MS=600000 LIMIT_SECONDS=7200 tests/run.py --jobs $(JOBS) $^
coverage: ## which lines of src/ the unit tests reach; at least 85 %
	@$(MAKE) --no-print-directory -j$(JOBS) unit-src BUILD=build/coverage UNIT_CFLAGS='-O0 -g --coverage'
	@tests/coverage.py build/coverage --least 85

SECONDS = 60
FUZZ := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
ROUNDS = 50000
fuzz: build/src_all.h $(HEADERS) ## feeds the parsers nonsense: SECONDS=n for each; ROUNDS=n of HTTP for others too
	@sh tests/fuzz/run.sh $(SECONDS) $(FUZZ)
	@PYTHON="$$(sh tests/python.sh)" && HTTP_SEED=$$(date +%s) HTTP_ROUNDS=$(ROUNDS) LIMIT_SECONDS=3600 \
	    tests/run.py --pytest "$$PYTHON" integration/test_http_differential.py
KILLS = 10000
SPAWNS = 10000
CHILDREN = 100000
FLOOD = 1073741824
HOST_KILLS = 1000
CHAOS = PYTEST_ADDOPTS=-s LIMIT_SECONDS=72000 PLUGKIT_CHAOS=$(SECONDS) PLUGKIT_KILLS=$(KILLS) \
        PLUGKIT_SPAWNS=$(SPAWNS) PLUGKIT_CHILDREN=$(CHILDREN) PLUGKIT_FLOOD=$(FLOOD) PLUGKIT_HOST_KILLS=$(HOST_KILLS)
chaos: all ## bad luck under load, plain and under sanitizers: SECONDS=n for each kind; KILLS=n
	@PYTHON="$$(sh tests/python.sh)" && \
	    $(CHAOS) tests/run.py --pytest "$$PYTHON" integration/test_chaos.py && \
	    $(CHAOS) tests/run.py --pytest "$$PYTHON" integration/test_host_death.py

lint: $(HEADERS) ## what CONTRIBUTING.md says, as far as a script can tell
	@tests/lint.py
size: $(HEADERS) ## sizes of programs and headers against their budgets
	@tests/size.py
	@tests/size.py --parts

# ---- Benchmarks, installation

# The library is compiled once for all of them; http and syscalls bring their own, to look inside.
BENCH        := $(patsubst bench/%.c,$(BUILD)/bench/%,$(wildcard bench/*.c))
BENCH_OWN    := $(addprefix $(BUILD)/bench/,http syscalls start_mtls)
BENCH_JSON   := $(addprefix $(BUILD)/bench/peers/,documents.o yyjson.o cjson.o jansson.o jsonc.o rapidjson.o)
BENCH_PEERS  := $(addprefix $(BUILD)/bench/,one_byte nothing plugins/echo plugins/hello plugins_counting/echo \
                    plugins_mtls/echo plugins_spin/echo \
                    small/hello small/empty small/host.o)
BENCH_CFLAGS ?= -O2 -g
BENCH_CC      = $(CC) -std=c11 -D_GNU_SOURCE -Wall -Wextra -I. -MMD -MP -MF $@.d -MT $@
BENCH_STEP    = mkdir -p $(@D) && echo '  cc   $@'
BENCH_HOST    = printf '\#define PLUGKIT_IMPLEMENTATION\n\#include "plugkit.h"\n'
BENCH_PLAIN  := $(filter-out $(BENCH_OWN) $(BUILD)/bench/json,$(BENCH))
$(BENCH_PLAIN): $(BUILD)/bench/%: bench/%.c $(BUILD)/bench/plugkit.o | $(HEADERS)
	@$(BENCH_STEP) && $(BENCH_CC) $(BENCH_CFLAGS) -o $@ $< $(BUILD)/bench/plugkit.o $(LDFLAGS) $(LDLIBS) -lm
$(BENCH_OWN): $(BUILD)/bench/%: bench/%.c | $(HEADERS)
	@$(BENCH_STEP) && $(BENCH_CC) $(BENCH_CFLAGS) $(if $(filter syscalls,$*),-DPLUGKIT_TEST) -o $@ $< $(LDFLAGS) \
	    $(LDLIBS) -lm $(if $(filter start_mtls,$*),$(MBEDTLS_FLAGS))
# Other JSON libraries, those that pkg-config finds; PKG_CONFIG_PATH adds places where it looks.
PKG_CONFIG ?= pkg-config
JSON_HAS    = $(if $(shell $(PKG_CONFIG) --exists $1 2>/dev/null && echo y),-DHAVE_$2 \
                  $(shell $(PKG_CONFIG) --cflags $1))
JSON_FLAGS  = $(call JSON_HAS,yyjson,YYJSON) $(call JSON_HAS,libcjson,CJSON) $(call JSON_HAS,jansson,JANSSON) \
                  $(call JSON_HAS,json-c,JSONC)
JSON_LIBS   = $(foreach l,yyjson libcjson jansson json-c,$(shell $(PKG_CONFIG) --libs $l 2>/dev/null)) \
                  $(if $(call JSON_HAS,RapidJSON,),-lstdc++)
$(BUILD)/bench/json: bench/json.c $(BUILD)/bench/plugkit.o $(BENCH_JSON) | $(HEADERS)
	@$(BENCH_STEP) && $(BENCH_CC) $(BENCH_CFLAGS) -o $@ $< $(BUILD)/bench/plugkit.o $(BENCH_JSON) $(LDFLAGS) $(LDLIBS) \
	    $(JSON_LIBS) -lm
$(BUILD)/bench/peers/found: FORCE # written only if another library is there, or none any more
	@mkdir -p $(@D) && echo '$(JSON_FLAGS)' | cmp -s - $@ || echo '$(JSON_FLAGS)' > $@
$(BENCH_JSON): $(BUILD)/bench/peers/found
$(BUILD)/bench/peers/rapidjson.o: bench/json/rapidjson.cpp # header-only, and in C++
	@$(BENCH_STEP) && $(CXX) -std=c++11 $(BENCH_CFLAGS) $(call JSON_HAS,RapidJSON,RAPIDJSON) -MMD -MP -MF $@.d -c \
	    -o $@ $<
$(BUILD)/bench/peers/%.o: bench/json/%.c | $(HEADERS)
	@$(BENCH_STEP) && $(BENCH_CC) $(BENCH_CFLAGS) $(JSON_FLAGS) -c -o $@ $<
$(BUILD)/bench/plugkit.o: plugkit.h
	@$(BENCH_STEP) && $(BENCH_HOST) | $(BENCH_CC) $(BENCH_CFLAGS) -c -x c -o $@ -
$(BUILD)/bench/nothing: bench/raw/nothing.c
	@$(BENCH_STEP) && $(BENCH_CC) $(BENCH_CFLAGS) -o $@ $<
$(BUILD)/bench/one_byte: bench/raw/one_byte.c
	@$(BENCH_STEP) && $(BENCH_CC) $(BENCH_CFLAGS) -static -o $@ $<
$(BUILD)/bench/plugins/echo: bench/plugins/echo.c | $(HEADERS)
	@$(BENCH_STEP) && $(BENCH_CC) $(BENCH_CFLAGS) -o $@ $< $(LDFLAGS) $(LDLIBS)
$(BUILD)/bench/plugins_counting/echo: bench/plugins/echo.c | $(HEADERS)
	@$(BENCH_STEP) && $(BENCH_CC) $(BENCH_CFLAGS) -DPLUGKIT_TEST -o $@ $< $(LDFLAGS) $(LDLIBS)
$(BUILD)/bench/plugins_spin/echo: bench/plugins/echo.c | $(HEADERS)
	@$(BENCH_STEP) && $(BENCH_CC) $(BENCH_CFLAGS) -DECHO_SPIN_US=100 -o $@ $< $(LDFLAGS) $(LDLIBS)
$(BUILD)/bench/plugins_mtls/echo: bench/plugins/echo.c | $(HEADERS)
	@$(BENCH_STEP) && $(BENCH_CC) $(BENCH_CFLAGS) $(if $(MBEDTLS_FLAGS),-DPLUGKIT_WITH_TLS) -o $@ $< $(LDFLAGS) \
	    $(LDLIBS) $(MBEDTLS_FLAGS)
$(BUILD)/bench/plugins/hello: examples/01_hello/plugins/hello.c | $(HEADERS)
	@$(BENCH_STEP) && $(BENCH_CC) $(BENCH_CFLAGS) -o $@ $< $(LDFLAGS) $(LDLIBS)
$(BUILD)/bench/small/hello: examples/01_hello/plugins/hello.c | $(HEADERS)
	@$(BENCH_STEP) && $(BENCH_CC) $(shell tests/size.py --flags) -o $@ $< $(LDFLAGS) $(LDLIBS)
$(BUILD)/bench/small/empty:
	@$(BENCH_STEP) && echo 'int main(void) { return 0; }' | $(BENCH_CC) -Os -s -x c -o $@ -
$(BUILD)/bench/small/host.o: plugkit.h
	@$(BENCH_STEP) && $(BENCH_HOST) | $(BENCH_CC) -Os -c -x c -o $@ -
.PHONY: bench-programs
bench-programs: $(BENCH) $(BENCH_PEERS)
bench: bench-programs ## measures, each against a raw baseline; ROUNDS=n, ONLY="call json", STRICT=1
	@bench/run.sh $(if $(STRICT),--strict) $(BUILD)

install: $(HEADERS) $(CLI) ## headers, contracts, command and pkg-config file below PREFIX (and DESTDIR)
	install -d $(DESTDIR)$(PREFIX)/include/plugkit $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/pkgconfig
	install -m 644 $(HEADERS) $(DESTDIR)$(PREFIX)/include
	install -m 644 $(wildcard contracts/*.h) tests/harness.h $(DESTDIR)$(PREFIX)/include/plugkit
	install -m 755 $(CLI) $(DESTDIR)$(PREFIX)/bin
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' plugkit.pc.in \
	    > $(DESTDIR)$(PREFIX)/share/pkgconfig/plugkit.pc

clean: ## removes build/
	rm -rf build

FORCE:
-include $(wildcard $(BUILD)/*.d $(BUILD)/*/*.d $(BUILD)/*/*/*.d)
