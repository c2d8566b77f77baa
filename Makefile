# SPDX-License-Identifier: MIT
# The front door. `make` prints what there is; Meson does the work.

PREFIX ?= /usr/local
PYTHON ?= python3
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?=

.PHONY: help all packages demo test check-asan check-asan-clang check-tsan check-valgrind fuzz check-browser check-tables crosscheck bench install lint format clean

help:
	@echo 'make demo             install what is missing, build, and run the demonstration on Fashion-MNIST'
	@echo 'make test             install what is missing, build, and run all tests'
	@echo 'make all              build the library and the command line tool, build/cli/mucmm'
	@echo 'make check-asan       the tests under the address and undefined-behaviour sanitizers'
	@echo 'make check-asan-clang  the same with clang, whose sanitizers see more'
	@echo 'make check-tsan       the tests under the thread sanitizer'
	@echo 'make fuzz             each fuzz target for FUZZ_SECONDS ($(FUZZ_SECONDS)) seconds; FUZZ_TARGETS chooses'
	@echo 'make check-valgrind   the test programs under valgrind'
	@echo 'make check-browser    the page of mucmm report in Chromium, which is installed'
	@echo 'make check-tables     $(TABLES) random small tables through every command under the sanitizers'
	@echo 'make crosscheck       whole networks and their gradients beside PyTorch, which is installed'
	@echo 'make bench            the benchmarks'
	@echo 'make install          install under PREFIX ($(PREFIX)); DESTDIR is honoured'
	@echo 'make lint             static analysis with cppcheck'
	@echo 'make format           clang-format on all C files, in place'
	@echo 'make clean            remove everything that was built'

# $(call configure,DIR,OPTIONS): quiet unless it fails. A folder configured before cmocka was there is done again.
define configure
	@if [ ! -f $(1)/build.ninja ]; then \
	    echo 'Configuring $(1)'; \
	    out=$$(meson setup $(1) $(2) 2>&1) || { echo "$$out"; exit 1; }; \
	fi
endef
define configure-tests
	@if [ -f $(1)/build.ninja ] && ! grep -q cmocka $(1)/build.ninja; then \
	    out=$$(meson setup --reconfigure $(1) -Dtests=enabled 2>&1) || { echo "$$out"; exit 1; }; \
	fi
endef
NINJA = ninja --quiet -C
VALGRIND = valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=definite$(comma)indirect \
    --errors-for-leak-kinds=definite$(comma)indirect --suppressions=$(CURDIR)/tests/valgrind.supp

all:
	@tools/install_packages.sh build
	$(call configure,build)
	@$(NINJA) build

demo:
	@tools/install_packages.sh build demo
	$(call configure,build)
	@echo 'Building build/cli/mucmm'
	@$(NINJA) build cli/mucmm
	@build/cli/mucmm demo fashion -o demo/fashion

test:
	@tools/install_packages.sh build test
	$(call configure,build,-Dtests=enabled)
	$(call configure-tests,build)
	@echo 'Building build'
	@$(NINJA) build
	@$(PYTHON) tools/test_summary.py build

# handle_*=2: a test program's own signal handlers must not hide the sanitizer's report.
ASAN_OPTIONS_USED = detect_leaks=1:handle_segv=2:handle_sigbus=2:handle_sigfpe=2:handle_sigill=2
SANITIZED = -Dtests=enabled -Db_sanitize=address$(comma)undefined -Db_lundef=false -Doptimization=1 \
    -Dc_args='-fno-sanitize-recover=all -fno-omit-frame-pointer'
define run-sanitized
	@echo 'Building $(1)'
	@$(NINJA) $(1)
	@ASAN_OPTIONS=$(ASAN_OPTIONS_USED) UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
	    LSAN_OPTIONS=suppressions=$(CURDIR)/tests/lsan.supp:print_suppressions=0 \
	    $(PYTHON) tools/test_summary.py $(1) --timeout-multiplier 4
endef

check-asan:
	@tools/install_packages.sh build test
	$(call configure,build-asan,$(SANITIZED))
	$(call run-sanitized,build-asan)

check-asan-clang: export CC = clang
check-asan-clang:
	@tools/install_packages.sh build test clang
	$(call configure,build-asan-clang,$(SANITIZED))
	$(call run-sanitized,build-asan-clang)

# clang and its OpenMP runtime: unlike gcc's, it tells the sanitizer where its threads wait for each other.
TSAN = TSAN_OPTIONS=halt_on_error=1:ignore_noninstrumented_modules=1:suppressions=$(CURDIR)/tests/tsan.supp
check-tsan: export CC = clang
check-tsan:
	@tools/install_packages.sh build test clang
	$(call configure,build-tsan,-Dtests=enabled -Db_sanitize=thread -Db_lundef=false -Doptimization=1)
	@echo 'Building build-tsan'
	@$(NINJA) build-tsan
	@! $(TSAN) build-tsan/tests/planted_race > /dev/null 2>&1 || \
	    { echo 'check-tsan: the race of tests/planted_race.c is not found'; exit 1; }
	@$(TSAN) $(PYTHON) tools/test_summary.py build-tsan --timeout-multiplier 10

fuzz: export CC = clang
fuzz:
	@tools/install_packages.sh build test clang
	$(call configure,build-fuzz,-Dtests=enabled -Dfuzz=true -Db_sanitize=address$(comma)undefined -Db_lundef=false \
	    -Doptimization=1 -Dc_args='-fsanitize=fuzzer-no-link -fno-sanitize-recover=all -fno-omit-frame-pointer')
	@echo 'Building build-fuzz'
	@$(NINJA) build-fuzz
	@tests/fuzz/run.sh build-fuzz $(FUZZ_SECONDS) $(FUZZ_TARGETS)

check-valgrind:
	@tools/install_packages.sh build test valgrind
	$(call configure,build,-Dtests=enabled)
	$(call configure-tests,build)
	@echo 'Building build'
	@$(NINJA) build
	@$(PYTHON) tools/test_summary.py build --suite programs --timeout-multiplier 20 --wrapper '$(VALGRIND)'

# A build folder configured before npm was there has no charts.
check-browser:
	@tools/install_packages.sh build browser
	$(call configure,build-browser)
	@$(NINJA) build-browser cli/mucmm
	@tests/browser/run.sh build-browser

# TABLES random tables through every command of a program under the sanitizers.
TABLES = 2000
FIRST = 1
check-tables:
	@tools/install_packages.sh build test
	$(call configure,build-asan,$(SANITIZED))
	@$(NINJA) build-asan cli/mucmm
	@/usr/bin/python3 -B tests/random_tables.py build-asan/cli/mucmm --tables $(TABLES) --first $(FIRST)

crosscheck: all
	@tests/crosscheck/run.sh

bench: all
	@bench/run.sh

install: all
	@meson configure build -Dprefix=$(abspath $(PREFIX))
	@meson install -C build

lint:
	@tools/install_packages.sh lint
	@cppcheck --version
	@cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
	    --suppress=missingIncludeSystem -D__GNUC__ -DMUCMM_BUILD -Iinclude -Isrc -Icli src cli demos
	@echo 'cppcheck: nothing found'

format:
	@tools/install_packages.sh format
	@clang-format -i $$(find include src cli demos examples tests bench examples -name '*.[ch]' ! -name font.h)

clean:
	rm -rf build build-asan build-asan-clang build-tsan build-fuzz build-browser demo

comma := ,
