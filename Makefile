# pyrunit: `make help` lists what can be made, INSTALL explains it.
#
# The work is done by runit/installation (install, uninstall), examples/demo.py
# (run, tour) and pytest (check); this file only names it.

# Nothing is made by rules of make's own: `make install-' would look for install-.o.
MAKEFLAGS += --no-builtin-rules

PYTHON = python3
PREFIX = /usr/local
# Empty: what follows from PREFIX, as INSTALL says.
BINDIR =
SBINDIR =
LIBDIR =
SYSCONFDIR =
RUNDIR =
MANDIR =
DOCDIR =
DESTDIR =
WHEELS =
FORCE =
# Of the programs, where it is not PYTHON: for packing.
INTERPRETER =
# Arguments for pytest, such as ARGS='-k svlogd', and how many tests run at a time:
# most of them wait most of the time.
ARGS =
JOBS = 2

export PREFIX BINDIR SBINDIR LIBDIR SYSCONFDIR RUNDIR MANDIR DOCDIR DESTDIR WHEELS FORCE INTERPRETER

# -E: no PYTHON* variable steers it, -B: nothing is written into the checkout.
INSTALLATION = $(PYTHON) -EsB -m runit.installation
DIRECTORIES = --prefix="$$PREFIX" --bindir="$$BINDIR" --sbindir="$$SBINDIR" \
	--libdir="$$LIBDIR" --sysconfdir="$$SYSCONFDIR" --rundir="$$RUNDIR" \
	--mandir="$$MANDIR" --docdir="$$DOCDIR" --destdir="$$DESTDIR" \
	--interpreter="$$INTERPRETER"
VENV = build/venv
FETCH = test build/wheels/.done -nt pyproject.toml || { \
	echo 'getting the dependencies ...'; \
	$(INSTALLATION) wheels build/wheels && touch build/wheels/.done; }
DONE = @touch $@
SOURCES = pyproject.toml LICENSE $(shell find runit -name '*.py') $(wildcard docs/man/*.8)

.PHONY: help install install-lfs uninstall uninstall-true boot check-boot check-differential \
	services check-services check-charts check-faults check-soak check-releases coverage \
	wheels run tour check bench clean lint lint-ruff lint-mypy lint-shell lint-man

help:
	@echo 'make run        build under ./build, bring up the services of examples/, show them'
	@echo 'make tour       the same, but try everything once, explain it and end'
	@echo 'make check      set up and run all tests           (ARGS= for pytest, JOBS=2)'
	@echo 'make check-differential  the same on the reference as here: thousands of cases'
	@echo 'make boot       a machine that boots with this suite, in QEMU, to log in to (root)'
	@echo 'make check-boot   tests of such machines                (root)'
	@echo 'make check-services  tests of the services with real daemons (root)'
	@echo 'make bench      this suite beside its peers, into docs/benchmarks  (SHORT=1, ARGS=)'
	@echo 'make check-charts  tests of charts, which the benchmarks draw'
	@echo 'make check-faults  what the tests break on purpose, broken for FAULTS_MINUTES=3'
	@echo 'make check-releases  the tests on other releases of Debian  (RELEASES=, root)'
	@echo 'make coverage   which lines of the suite no test runs, in any process'
	@echo 'make check-soak  one large tree, and random faults for SOAK_MINUTES=30'
	@echo 'make lint       ruff, mypy, shellcheck, mandoc'
	@echo 'make install    into PREFIX=$(PREFIX)              (see INSTALL)'
	@echo 'make install-lfs  the same, and all that a machine boots with (see INSTALL)'
	@echo 'make install-NAME    a service for a daemon; make services lists them'
	@echo 'make uninstall  take away what install put there'
	@echo 'make uninstall-true  the same, even on a machine that runs on it'
	@echo 'make wheels     fetch the dependencies into build/wheels, for WHEELS=build/wheels'
	@echo 'make clean      remove ./build'

install:
	@$(INSTALLATION) install $(DIRECTORIES) --wheels="$$WHEELS" --force="$$FORCE"

# All that a machine boots with, besides.
install-lfs: PREFIX = /usr
install-lfs:
	@$(INSTALLATION) install --machine $(DIRECTORIES) --wheels="$$WHEELS" --force="$$FORCE"

uninstall:
	@$(INSTALLATION) uninstall $(DIRECTORIES)

# Even on a machine that runs on it.
uninstall-true:
	@$(INSTALLATION) uninstall --true $(DIRECTORIES)

# Daemons' services: install-NAME, uninstall-NAME.
BLFS = sv/blfs-servicescripts
SERVICES := $(shell sed '/^\#/d;s/ .*//' $(BLFS)/targets)

services:
	@$(MAKE) --no-print-directory -C $(BLFS)

install-% uninstall-%:
	@$(if $(filter $*,$(SERVICES)),,$(error there is no service $*: `make services' lists them))\
	$(MAKE) --no-print-directory -C $(BLFS) $@

# What is installed under ./build takes the dependencies from here.
wheels:
	@$(FETCH)

# Without them the suite works too, so this goes on.
build/run/.done: $(SOURCES)
	@from=build/wheels; $(FETCH) || from=none; \
	$(INSTALLATION) install --prefix=build/run --wheels=$$from
	$(DONE)

run: build/run/.done
	@$(PYTHON) -EsB examples/demo.py build/run

tour: build/run/.done
	@$(PYTHON) -EsB examples/demo.py --tour build/run

$(VENV)/.done: pyproject.toml
	@echo 'making a virtual environment for the tests ...'
	@$(INSTALLATION) environment $(VENV) test lint
	$(DONE)

# All programs in one directory: the tests look for them there.
build/check/.done: $(SOURCES)
	@from=build/wheels; $(FETCH) || from=none; \
	$(INSTALLATION) install --prefix=build/check --sbindir=build/check/bin --wheels=$$from
	$(DONE)

check: $(VENV)/.done build/check/.done
	PYRUNIT_BIN="$(CURDIR)/build/check/bin" PYRUNIT_WHEELS="$(CURDIR)/build/wheels" \
	$(VENV)/bin/python -EsB -m pytest -q -p no:cacheprovider -n $(JOBS) --timeout=300 $(ARGS)

# As many times the cases of `make check`, and others in each run, but with SAME=1.  Most
# of them wait most of the time, so more run at a time than there are processors.
CASES = 16
SAME =

check-differential: $(VENV)/.done build/check/.done
	PYRUNIT_BIN="$(CURDIR)/build/check/bin" PYRUNIT_CASES=$(CASES) PYRUNIT_SAME=$(SAME) \
	$(VENV)/bin/python -EsB -m pytest -q -p no:cacheprovider -n 4 --timeout=900 \
	tests/differential $(ARGS)

# Guests in QEMU: their images, one to log in to (BOOT=, its image and words for the
# kernel), and the proof that machines boot, serve and go down.
BOOT = debian
IMAGES = $(PYTHON) -EsB tests/boot_qemu/image.py

# Those that were fetched before will do where there is no network.
WHEELED = { $(FETCH); } || test -e build/wheels/.done

boot:
	@$(WHEELED)
	@$(IMAGES)
	@$(PYTHON) -B tests/boot_qemu/start.py $(BOOT)

check-boot: $(VENV)/.done
	@$(WHEELED)
	@$(IMAGES)
	@rm -f build/boot/served
	$(VENV)/bin/python -EsB -m pytest -q -p no:cacheprovider -n $(JOBS) --dist loadfile \
	--timeout=1800 tests/boot_qemu $(ARGS)
	@! test -e build/boot/served || cat build/boot/served

# Services with the daemons of Debian's packages, on throw-away machines.  REPORT=1 writes
# what was tried into docs/services.md.
REPORT =

check-services: $(VENV)/.done
	@$(WHEELED)
	@$(PYTHON) -EsB tests/services/real/roots.py
	@test -z "$(REPORT)" || rm -rf build/services/tried
	$(VENV)/bin/python -EsB -m pytest -q -p no:cacheprovider -n $(JOBS) --timeout=300 \
	tests/services/real $(ARGS)
	@! test -e build/services/served || cat build/services/served
	@test -z "$(REPORT)" || $(PYTHON) -EsB tests/services/real/report.py

# This suite beside C runit, s6, daemontools, supervisord and circus: see
# docs/performance.md.  With SHORT=1 a few minutes of it, kept in build/benchmarks; ARGS=
# are options of its own, such as ARGS='--rows 1,2 --services 100'.
SHORT =

build/bench/.done: pyproject.toml
	@echo 'making a virtual environment for the benchmarks ...'
	@$(INSTALLATION) environment build/bench bench test
	$(DONE)

# What the tests' own environment has no matplotlib for.
check-charts: build/bench/.done
	build/bench/bin/python -EsB -m pytest -q -p no:cacheprovider tests/benchmarks/test_report.py $(ARGS)

bench: build/bench/.done
	@sh benchmarks/packages.sh
	@build/bench/bin/python -EsB -m benchmarks \
	$(if $(SHORT),--short --out build/benchmarks,--out docs/benchmarks) $(ARGS)

# Everything that can be broken, at random: a soak of FAULTS_MINUTES, and other tests for
# as long in all.  FAULTS_SEED= has the same happen again.
FAULTS_MINUTES = 3
BROKEN = tests/faults

# The soak alone: it leaves most of the machine to others.
SOAK_MINUTES = 30
check-soak: FAULTS_MINUTES = $(SOAK_MINUTES)
check-soak: BROKEN = tests/faults/test_soak.py

check-faults check-soak: $(VENV)/.done build/check/.done
	PYRUNIT_BIN="$(CURDIR)/build/check/bin" PYRUNIT_WHEELS="$(CURDIR)/build/wheels" \
	FAULTS_MINUTES="$(FAULTS_MINUTES)" FAULTS_SEED="$(FAULTS_SEED)" \
	$(VENV)/bin/python -EsB -m pytest -q -p no:cacheprovider -n $(JOBS) \
	--timeout=$$(($(FAULTS_MINUTES) * 120 + 600)) $(BROKEN) $(ARGS)

# On Debian's newer releases, each in a root of its own: `make check' and CASES=1 times the
# cases of `make check-differential', beside the reference that is there.
RELEASES = trixie sid
check-releases: export CASES = 1

check-releases:
	@$(PYTHON) -EsB tests/releases/run.py $(RELEASES)

# Lines that no test runs, whatever process they are for: see docs/coverage.md.  Tests of
# what is installed and of guests are left out, and those that fail because of the marks
# are named, no more.
COVERED = --ignore=tests/benchmarks --ignore=tests/install --ignore=tests/lines
MARKED = build/coverage/checkout
COVERING = PYRUNIT_BIN="$(CURDIR)/build/coverage/suite/bin" \
	PYRUNIT_WHEELS="$(CURDIR)/build/wheels" PYRUNIT_MARKED="$(CURDIR)/$(MARKED)/runit"

coverage: $(VENV)/.done
	@from=build/wheels; $(FETCH) || from=none; rm -rf build/coverage/suite; \
	$(INSTALLATION) install --prefix=build/coverage/suite --sbindir=build/coverage/suite/bin \
	--wheels=$$from
	@$(VENV)/bin/python -EsB tests/lines/marks.py build/coverage \
	build/coverage/suite/lib/pyrunit/runit
	-$(COVERING) $(VENV)/bin/python -EsB -m pytest -q -p no:cacheprovider -n $(JOBS) \
	--timeout=300 -o pythonpath="$(MARKED) . tests tests/boot_qemu tests/services/real" \
	--junitxml=build/coverage/tests.xml $(COVERED) $(ARGS)
	@$(VENV)/bin/python -EsB tests/lines/report.py build/coverage

lint: lint-ruff lint-mypy lint-shell lint-man

lint-ruff: $(VENV)/.done
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

lint-mypy: $(VENV)/.done
	$(VENV)/bin/mypy

# A tool that is missing is named; in CI ($$CI is set) that is an error.
MISSING = { echo "lint: $$tool is not installed: skipped" >&2; test -z "$$CI"; exit; }

lint-shell:
	@tool=shellcheck; command -v $$tool >/dev/null || $(MISSING); \
	find . \( -path ./build -o -path ./.git \) -prune -o -type f ! -name '*.py' \
	    -exec awk 'FNR == 1 && /^#!\/bin\/(ba)?sh/ { printf "%s%c", FILENAME, 0 }' {} + | \
	xargs -0 shellcheck && echo 'shellcheck: no complaint'

lint-man:
	@tool=mandoc; command -v $$tool >/dev/null || $(MISSING); \
	mandoc -T lint -W warning docs/man/*.[1-8] && echo 'mandoc: no complaint'

clean:
	rm -rf build
