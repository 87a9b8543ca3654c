# `make cluster` for a cluster to try, `make test` for everything that CI runs; both from a fresh checkout, as root.
NAME ?= k3a
SERVERS ?= 1
AGENTS ?= 2
# What the nodes are made of: containers, or machines, which may have what is not their default by these variables.
KIND ?= container
RELEASE ?=
MEMORY ?=
DISKS ?=
DISK_SIZE ?=
INTERFACES ?=

SHELL := /bin/sh
.DELETE_ON_ERROR:
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help setup .venv bundle nodes cluster bench bench-scale clean test test-all lint collection docs sanity units programs molecule core variables lock

# Tools look for each other on PATH, and for the collection in the link tree that .venv holds.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export MYPYPATH := .venv/collections

SET := -e nodes_name=$(NAME) -e nodes_directory=$(CURDIR)/build/$(NAME)
NODES := -e nodes_servers=$(SERVERS) -e nodes_agents=$(AGENTS) -e nodes_kind=$(KIND) \
  $(if $(RELEASE),-e nodes_release=$(RELEASE)) $(if $(MEMORY),-e nodes_memory=$(MEMORY)) \
  $(if $(DISKS),-e nodes_disks=$(DISKS)) $(if $(DISK_SIZE),-e nodes_disk_size=$(DISK_SIZE)) \
  $(if $(INTERFACES),-e nodes_interfaces=$(INTERFACES))

help:
	@echo "make cluster NAME=k3a SERVERS=1 AGENTS=2   a cluster on test nodes; inventory and kubeconfig in build/NAME"
	@echo "make nodes NAME=k3a SERVERS=1 AGENTS=2     the nodes only; KIND=machine: emulated, each with a kernel of its own"
	@echo "make bench, make bench-scale               what it costs: on nodes; on up to 1000 hosts, the controller alone"
	@echo "make clean NAME=k3a                        remove them and all they left"
	@echo "make test                                  what CI runs on every change, cheapest first; or one of its parts:"
	@echo "make lint | collection | docs | sanity | units | programs | molecule"
	@echo "make test-all                              what takes longer, in parts: make test-all PART=core-2.20"

# Podman and what else test nodes are made with, and all that a build of the bundle needs but Go.
setup:
	@tools/setup $(KIND)

.venv: .venv/installed

.venv/installed: requirements.txt
	@python=$$(tools/find-python) && echo "Making .venv with $$python" && "$$python" -m venv --clear .venv
	@.venv/bin/pip install --quiet --require-hashes --requirement requirements.txt
	@mkdir -p .venv/collections/ansible_collections/k3a
	@ln -s ../../../.. .venv/collections/ansible_collections/k3a/cluster
	@touch $@

# What cannot share .venv: build/venv/NAME holds requirements/NAME.txt.
build/venv/%/installed: requirements/%.txt
	@python=$$(tools/find-python) && echo "Making build/venv/$* with $$python" && "$$python" -m venv --clear build/venv/$*
	@build/venv/$*/bin/pip install --quiet --require-hashes --requirement $<
	@touch $@

bundle: setup .venv
	ansible-playbook playbooks/bundle.yml

nodes: setup .venv
	ansible-playbook playbooks/test_nodes.yml $(SET) $(NODES)

cluster: bundle nodes
	ansible-playbook playbooks/site.yml -i build/$(NAME)/hosts
	@ansible server[0] -i build/$(NAME)/hosts --become -m ansible.builtin.command \
	  -a "kubectl get nodes,pods --all-namespaces --output wide"

# What it costs: module runs, CPU-seconds, wall time and memory, on a set of nodes of its own.
bench: bundle
	python bench/measure.py

# What a no-op run costs the controller, by the number of hosts; of the hosts only the answers exist.
bench-scale: .venv
	python bench/scale.py

clean: .venv
	ansible-playbook playbooks/test_nodes_absent.yml $(SET)

test: setup lint collection docs sanity units bundle programs molecule

# What takes too long for every change, one part after the other, or one alone: make test-all PART=core-2.20
# With MINUTES, as in CI, what ends within them and needs no program that has to be built first.
PART ?=
MINUTES ?=

test-all: .venv
	python tools/test_all.py $(if $(MINUTES),--minutes $(MINUTES)) $(PART)

lint: .venv
	ruff check
	mypy -p ansible_collections.k3a.cluster.plugins
	PYTHONPATH=$(MYPYPATH) lint-imports --no-cache
	yamllint --strict .
	ansible-lint
	antsibull-changelog lint
	antsibull-docs lint-collection-docs --plugin-docs .
	reuse lint --quiet || reuse lint

# What `ansible-galaxy collection install` gives, used from another directory, and imported as Galaxy does.
collection: .venv build/venv/galaxy-importer/installed
	tools/check-collection

docs: .venv
	tools/build-docs

# Everything on the controller's Python; what nodes import, on the oldest Python they may have.
sanity: .venv
	python tools/run_ansible_test.py sanity --local --requirements
	python tools/run_ansible_test.py --old sanity --test compile --test import --requirements

units: .venv
	python tools/run_ansible_test.py units --venv --requirements
	python tools/run_node_units.py

# Sanity and units on another ansible-core, which has an environment of its own.
CORE ?= 2.20

core: build/venv/core-$(CORE)/installed
	build/venv/core-$(CORE)/bin/python tools/run_ansible_test.py sanity --local --requirements
	build/venv/core-$(CORE)/bin/python tools/run_ansible_test.py units --venv --requirements

# The programs of the bundle that are ours, and what Kubernetes reads in manifests; after the bundle, whose build has left most of it compiled.
programs: setup
	@for each in flannel load_balancer; do \
	  (cd bundle/$$each && CGO_ENABLED=0 GOFLAGS=-mod=readonly GOTOOLCHAIN=local go test -trimpath ./...) || exit; done
	@cd bundle/kubernetes && CGO_ENABLED=0 GOFLAGS=-mod=readonly GOTOOLCHAIN=local go test -trimpath \
	  ../../tests/manifests/corpus_test.go -args -corpus $(CURDIR)/tests/manifests/corpus.json

# Molecule removes its nodes itself, unless it is interrupted. Or one scenario alone: make molecule SCENARIOS=ha; bounds, identity,
# machines, options, outages and refusals are parts of test-all.
SCENARIOS ?= default ha

molecule: KIND := $(if $(filter machines,$(SCENARIOS)),machine,container)
molecule: setup .venv
	@trap 'for each in $(SCENARIOS); do $(MAKE) --silent clean NAME=molecule-$$each; done' EXIT; \
	  trap 'exit 130' INT TERM; \
	  for each in $(SCENARIOS); do MOLECULE_COMMAND_BORDERS=false molecule test -s $$each || exit; done

# After an edit of a role's or the playbooks' argument_specs.yml, or of what is known of K3s's flags: what follows from them.
variables: .venv
	python tools/variables.py
	python tools/k3s_flags.py

# After an edit of a file of requirements. --no-emit-*: which registry this machine uses is no business of the lock file.
lock: .venv
	pip install --quiet pip-tools
	@for each in requirements.in requirements/*.in; do \
	  echo "Locking $$each"; \
	  CUSTOM_COMPILE_COMMAND="make lock" pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-emit-index-url \
	    --no-emit-find-links --no-emit-trusted-host --output-file "$${each%.in}.txt" "$$each" || exit; done
