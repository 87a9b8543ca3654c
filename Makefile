# `make cluster` for a cluster to try, `make test` for everything that CI runs; both from a fresh checkout, as root.
NAME ?= k3a
SERVERS ?= 1
AGENTS ?= 2

SHELL := /bin/sh
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help setup .venv nodes cluster clean lock

PLAY := .venv/bin/ansible-playbook
SET := -e nodes_name=$(NAME) -e nodes_directory=$(CURDIR)/build/$(NAME)

help:
	@echo "make cluster NAME=k3a SERVERS=1 AGENTS=2   a cluster on test nodes; inventory and kubeconfig in build/NAME"
	@echo "make nodes NAME=k3a SERVERS=1 AGENTS=2     the nodes only"
	@echo "make clean NAME=k3a                        remove them and all they left"
	@echo "make test                                  everything that CI runs"

setup:
	@tools/setup

.venv: .venv/installed

.venv/installed: requirements.txt
	@python=$$(tools/find-python) && echo "Making .venv with $$python" && "$$python" -m venv --clear .venv
	@.venv/bin/pip install --quiet --require-hashes --requirement requirements.txt
	@mkdir -p .venv/collections/ansible_collections/k3a
	@ln -s ../../../.. .venv/collections/ansible_collections/k3a/cluster
	@touch $@

nodes: setup .venv
	$(PLAY) playbooks/nodes.yml $(SET) -e nodes_servers=$(SERVERS) -e nodes_agents=$(AGENTS)

cluster: nodes
	$(PLAY) playbooks/bundle.yml
	$(PLAY) playbooks/site.yml -i build/$(NAME)/hosts

clean: .venv
	$(PLAY) playbooks/nodes_absent.yml $(SET)

# After an edit of requirements.in. --no-emit-*: which registry this machine uses is no business of the lock file.
lock: .venv
	.venv/bin/pip install --quiet pip-tools
	CUSTOM_COMPILE_COMMAND="make lock" .venv/bin/pip-compile --quiet --generate-hashes --strip-extras --no-emit-index-url --no-emit-find-links \
	  --no-emit-trusted-host --output-file requirements.txt requirements.in
