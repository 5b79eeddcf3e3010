# The platform without Docker. `make` alone lists what there is.

SHELL := /bin/bash
PLATFORMCTL := observability/native/bootstrap

.DEFAULT_GOAL := help
.PHONY: help up down status logs restart reset probe test test-browser test-e2e test-alerts test-dashboards test-compose test-installation test-versions test-new-service test-distributions lint new-service load drill drills bench generate lock docs docs-serve screenshots

help: ## List these targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: ## Install what is missing, start everything, prove it with one order (only=backends,orders: a part)
	@$(PLATFORMCTL) up $(if $(only),--only $(only))

down: ## Stop everything; data stays
	@$(PLATFORMCTL) down

status: ## A table of all processes: health, restarts, memory, URL
	@$(PLATFORMCTL) status

logs: ## Follow the log of one process (s=orders), or of all
	@$(PLATFORMCTL) logs $(s)

restart: ## Restart a process or a service (s=payments)
	@$(PLATFORMCTL) restart $(or $(s),$(error which one? make restart s=payments))

reset: ## Stop everything and drop all data; builds and downloads stay
	@$(PLATFORMCTL) reset

probe: ## Place one order and follow it through traces, logs, metrics and mail
	@$(PLATFORMCTL) probe

test: ## All tests, or one suite (s=orders)
	@$(PLATFORMCTL) up --no-probe $(if $(s),--for-suite $(s))
	@$(PLATFORMCTL) test $(s)

test-browser: ## The console's pages in Chromium, with screenshots in var/screenshots
	@$(PLATFORMCTL) up --no-probe
	@$(PLATFORMCTL) test console-browser

test-e2e: ## The tests over the running platform
	@$(PLATFORMCTL) up --no-probe
	@$(PLATFORMCTL) test --e2e

test-alerts: ## Rules, routing, inhibition, runbooks
	@$(PLATFORMCTL) up --no-probe
	@$(PLATFORMCTL) test watchdog log_pipeline alerts
	@.venv/bin/python -m pytest -q -s alerts -m live
	@.venv/bin/python -m pytest -q -s alerts/tests/test_mutants.py -o timeout=3000

test-dashboards: ## Every panel's query against the running platform
	@$(PLATFORMCTL) up --no-probe
	@.venv/bin/python -m pytest -q dashboards

test-compose: ## Compose's slow proofs: images built as the Dockerfile says, Elasticsearch's roles, PostgreSQL's set-up, Filebeat
	@$(PLATFORMCTL) up --only backends --no-probe
	@eval "$$(.venv/bin/platformctl env tests --export)" && .venv/bin/python -m pytest -q observability/compose -m slow

test-installation: ## The library in a new environment and a new project (MySQL too, with TEST_MYSQL_URL)
	@$(PLATFORMCTL) up --only postgres --no-probe
	@eval "$$(.venv/bin/platformctl env tests --export)" && \
		.venv/bin/python -m pytest -q observability/django_telemetry -m installation

test-versions: ## The library with each Python from 3.11 and each Django that this machine can have
	@$(PLATFORMCTL) up --only postgres,rabbitmq --no-probe
	@eval "$$(.venv/bin/platformctl env tests --export)" && $(PLATFORMCTL) versions

test-new-service: ## Add a service to a copy of this checkout, start it, find it in every signal (on ports of its own)
	@$(PLATFORMCTL) test new-service

test-distributions: ## Install and run it on a new machine of each Debian release (release=trixie; needs mmdebstrap, iproute2)
	@RELEASE="$(release)" $(PLATFORMCTL) test distributions

lint: ## Style, wording, types, shell scripts, workflows, generated files
	@$(PLATFORMCTL) lint

docs: ## Build the documentation site into var/site; a warning fails it
	@$(PLATFORMCTL) docs build

docs-serve: ## The documentation site on http://127.0.0.1:8010, rebuilt at every change
	@$(PLATFORMCTL) docs serve

screenshots: ## The documentation's pictures, from a real drill after an hour of traffic on a quiet platform (anyway=1: now)
	@$(PLATFORMCTL) up --no-probe
	@.venv/bin/python -m platform_docs.screenshots $(if $(anyway),--anyway)

load: ## Put load on it: make load users=20 time=1m shape=steady|ramp|spike
	@$(PLATFORMCTL) load $(foreach option,users time shape,$(if $($(option)),--$(option) $($(option))))

drill: ## Break one thing and measure the alerts (name=payments-hangs repeat=3; without a name: lists all drills)
	@$(if $(name),$(PLATFORMCTL) up --no-probe)
	@.venv/bin/python -m load.drills $(if $(name),run $(name) $(if $(repeat),--times $(repeat)),list)

# All of them take hours: a run without a set goes on where the last one on this revision stopped.
drills: ## Many drills, with the score (set=smoke|faults|controls|hour; all: goes on where it stopped)
	@$(PLATFORMCTL) up --no-probe
	@.venv/bin/python -m load.drills set $(or $(set),all) $(if $(set),,--resume)

bench: ## What telemetry costs beside the stock packages: twenty minutes on an otherwise idle machine (quick=1: six)
	@$(PLATFORMCTL) up --only postgres,jaeger --no-probe
	@eval "$$(.venv/bin/platformctl env tests --export)" && \
		pids() { .venv/bin/platformctl status --json | .venv/bin/python -c \
			'import json, sys; print(*(p["pid"] for p in json.load(sys.stdin) if p["pid"] and p["name"] not in sys.argv), sep=",")' $$1; } && \
		BENCH_BACKEND_PIDS=$$(pids) BENCH_COLLECTOR_PIDS=$$(pids postgres) .venv/bin/python observability/django_telemetry/benchmarks/run $(if $(quick),--quick)

new-service: ## A service from the template, with its catalogue entry (name=shipping app=parcels owner=checkout)
	@$(PLATFORMCTL) new-service $(or $(name),$(error which name? make new-service name=shipping)) \
		$(if $(app),--app $(app)) $(if $(owner),--owner $(owner))

generate: ## Write the files that are made from the catalogue, from rules and dashboards in Python, and from results
	@.venv/bin/python -m platform_compose generate
	@$(PLATFORMCTL) generate
	@.venv/bin/python -m alerts.generator
	@.venv/bin/python -m dashboards.builder
	@.venv/bin/python -m platform_docs generate

lock: ## Pin all Python packages again (requirements.lock)
	@$(PLATFORMCTL) lock
