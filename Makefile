# PlugKit. `make help` lists the targets.
CC ?= cc
CFLAGS ?= -O1 -g
WARN = -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror
BUILD ?= build

SOURCES := $(shell find src -name '*.[ch]') LICENSE CHANGELOG.md
UNIT := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))

.PHONY: all amalgamate unit clean
all: plugkit.h plugkit_sdk.h

amalgamate plugkit.h plugkit_sdk.h:
	./amalgamate.py

$(BUILD)/src_all.h: amalgamate.py $(SOURCES)
	./amalgamate.py --includes $@ --layers '$(LAYERS)'

$(BUILD)/unit/%: tests/unit/%.c $(wildcard tests/*.h tests/unit/*.h) $(BUILD)/src_all.h
	@mkdir -p $(@D)
	$(CC) -std=c11 $(WARN) $(CFLAGS) -I. -o $@ $< -lpthread

unit: $(UNIT:%=$(BUILD)/unit/%)
	@for t in $^; do echo "# $$t"; $$t || exit 1; done

clean:
	rm -rf $(BUILD)
