# `make run` and `make test` need git, make and Python 3.11-3.13; everything else they set up in .venv.

VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# What is installed was pinned: hashes only, and no build of a source package, whose tools would not be.
PINNED := --require-hashes --only-binary :all:

# The Debian release that `make deb` builds for; VERSION builds another version than pyproject.toml's.
SUITE := bookworm
SUITES := bookworm trixie

.PHONY: help run test lint test-unit test-web screenshots test-load load-tools bench bench-growth tools browser bench-tools lock clean \
	deb apt-repo image host test-package test-host test-system
.DELETE_ON_ERROR:

help:
	@echo 'make run        serve on http://localhost:8080, with a development configuration and database in .run/'
	@echo 'make test       every check and test that needs no root'
	@echo 'make lint       ruff, mypy and ansible-lint'
	@echo 'make test-unit  pytest, with line and branch coverage'
	@echo 'make test-web   people before the page, in Chromium'
	@echo 'make screenshots  the page as it looks, in build/screenshots'
	@echo 'make test-load  the load tests alone, short, against servers started for them'
	@echo 'make load-tools  install what loadtests/ needs; docs/load-testing.md says how to use it'
	@echo 'make bench      what a message costs, here and elsewhere, in 5 minutes on 2 cores that have nothing else to do'
	@echo 'make bench-growth  how that grows with messages and sockets; it takes long and 5 GB of disk'
	@echo 'make deb        the Debian package, in dist/SUITE; SUITE=bookworm (Debian 12) or trixie (13); as root on Debian'
	@echo 'make apt-repo   packages of both suites, and a signed apt repository of them in dist/apt'
	@echo 'make image      the container image; it needs docker, or root on Debian'
	@echo 'make host       boot a Debian host of SUITE, provision it, and leave it up to look at; as root on Debian'
	@echo 'make test-host  hosts provisioned, verified, and broken fault by fault; as root on Debian, 20 minutes'
	@echo 'make test-system  packages, container and real hosts; as root on Debian, 35 minutes'
	@echo 'make lock       renew the lock files from pyproject.toml'
	@echo 'make clean      remove what the other targets made, .run/ excepted'

run: $(VENV)/.runtime .run/config.toml
	@port=$${CHAT_SERVER_SERVER__PORT:-$$(sed -n 's/^port = //p' .run/config.toml)}; \
	echo "chat-server: http://localhost:$$port - stop it with Ctrl-C; configuration and database are in .run/"
	@exec $(BIN)/chat-server --config .run/config.toml

# Each part of `make test` is a target of its own. All of them run, even if one fails, so that one run says all that is
# wrong.
test:
	@$(MAKE) --no-print-directory --keep-going lint test-unit test-web

lint: $(VENV)/.development $(VENV)/.load $(VENV)/.bench $(VENV)/.hosts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	PATH="$(CURDIR)/$(BIN):$$PATH" ansible-lint -q --offline --profile production ansible

test-unit: $(VENV)/.development $(VENV)/.load $(VENV)/.bench $(VENV)/.hosts tools
	@rm -rf build/coverage && mkdir -p build/coverage
	$(BIN)/coverage run -m pytest --ignore=tests/web; status=$$?; \
	$(BIN)/coverage combine --quiet && $(BIN)/coverage report; \
	exit $$status

test-web: $(VENV)/.development browser
	$(BIN)/python -m pytest tests/web

# The three best are in docs/screenshots/, which the README shows.
screenshots: $(VENV)/.development browser
	$(BIN)/python -m tests.web.screenshots build/screenshots

test-load: $(VENV)/.development $(VENV)/.load
	$(BIN)/python -m pytest tests/load

load-tools: $(VENV)/.load

# BENCH: arguments, such as BENCH=--quick; --help names them.
bench: $(VENV)/.bench bench-tools
	$(BIN)/python -m bench $(BENCH)

bench-growth: $(VENV)/.bench
	$(BIN)/python -m bench.growth $(BENCH)

# What the service is compared with, and strace: likewise.
bench-tools:
	@scripts/install-bench-tools

deb: $(VENV)/.runtime
	@$(BIN)/python packaging/build-deb --suite $(SUITE) $(if $(VERSION),--version $(VERSION))

# The key is the publisher's: docs/apt-repository.md.
apt-repo: $(SUITES:%=deb-%)
	@packaging/build-apt-repository

.PHONY: $(SUITES:%=deb-%)
$(SUITES:%=deb-%): deb-%:
	@$(MAKE) --no-print-directory deb SUITE=$*

image: $(VENV)/.runtime
	@packaging/build-image

# All that needs root, on Debian. One after the other: each part takes the whole machine.
test-system:
	@$(MAKE) --no-print-directory --keep-going --jobs=1 test-package test-host

# The trees first, so that one sees what takes its time.
test-package: $(VENV)/.development
	$(foreach suite,$(SUITES),$(BIN)/python -m rig tree $(suite) &&) $(BIN)/python -m pytest system_tests

# docs/verification.md; its logs are in build/test-host.
test-host: $(VENV)/.development $(VENV)/.hosts
	@$(BIN)/python -m infra_tests

# A host of SUITE that is provisioned by the playbook: docs/rig.md, which has bare ones, too.
host: $(VENV)/.development $(VENV)/.hosts
	@$(BIN)/python -m infra_tests.host up $(SUITE)

# Programs that tests use beside Python: installed where that is allowed, else named.
tools:
	@scripts/install-test-tools

browser:
	@scripts/install-browser

lock: $(VENV)/.development
	scripts/lock $(BIN)/uv

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .schemathesis service/*.egg-info

.run/config.toml: | $(VENV)/.runtime
	@scripts/write-development-config $(BIN)/python $@

$(VENV)/pyvenv.cfg:
	@scripts/make-venv $(VENV)

$(VENV)/.runtime: requirements.lock requirements-build.lock pyproject.toml | $(VENV)/pyvenv.cfg
	$(PIP_INSTALL) $(PINNED) -r requirements.lock -r requirements-build.lock
	$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.development: requirements-dev.lock $(VENV)/.runtime
	$(PIP_INSTALL) $(PINNED) -r requirements-dev.lock
	@touch $@

$(VENV)/.load: requirements-load.lock $(VENV)/.runtime
	$(PIP_INSTALL) $(PINNED) -r requirements-load.lock
	@touch $@

$(VENV)/.hosts: requirements-hosts.lock $(VENV)/.runtime
	$(PIP_INSTALL) $(PINNED) -r requirements-hosts.lock
	@touch $@

$(VENV)/.bench: requirements-bench.lock $(VENV)/.runtime
	$(PIP_INSTALL) $(PINNED) -r requirements-bench.lock
	@touch $@
