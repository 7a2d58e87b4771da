# make demo: the main job on real images; make test: the tests; make docs: the
# site in site/
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
HOSTS := $(VENV)/original-hosts

.PHONY: setup demo test docs release-check lint clean

setup: $(VENV)/.ready

# An environment of another lock is made anew, since pip would leave in it what
# this lock no longer names; one that VENV names and something else has made is
# added to. The stamp comes last, so that an interrupted set-up is taken up
# again.
$(VENV)/.ready: requirements.lock requirements.txt setup.py
	@echo 'sets up $(VENV), which takes minutes'
	@if cmp -s requirements.lock $(VENV)/.lock; then :; \
	elif [ $(VENV) = .venv ] || [ -e $(VENV)/.lock ] || \
	    [ ! -e $(VENV) ]; then \
	    rm -rf $(VENV) && $(PYTHON) -m venv $(VENV) && \
	    cp requirements.lock $(VENV)/.lock; \
	fi
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps \
	    -r requirements.lock
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.demo: $(VENV)/.ready
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps \
	    elpv-dataset==1.0.0.post1
	@touch $@

# the distributions that most people have, beside the locked ones
$(HOSTS)/.ready: $(VENV)/.ready
	@rm -rf $(HOSTS)
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps \
	    --target $(HOSTS) mmengine==0.10.7 mmcv-lite==2.0.1 mmdet==3.3.0 \
	    mmpretrain==1.2.0 mmyolo==0.6.0
	@touch $@

demo: $(VENV)/.demo
	@$(BIN)/python tools/demo.py

test: $(VENV)/.ready $(HOSTS)/.ready
	MMCVGSSL_ORIGINAL_HOSTS=$(abspath $(HOSTS)) $(BIN)/python -m pytest -n 2

# pages that warn of anything are an error, see mkdocs.yml
docs: $(VENV)/.ready
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build
	@echo 'site/index.html'

$(VENV)/.release: $(VENV)/.ready
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps \
	    build==1.6.1 pyproject_hooks==1.3.3
	@touch $@

# what would be released, in dist/
release-check: $(VENV)/.release
	$(BIN)/python tools/release_check.py

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build dist *.egg-info site work_dirs
