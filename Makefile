# Every target is one line; what it does is in the program it calls. `make demo` and `make test` are the two to know.
PYTHON := .venv/bin/python
.PHONY: setup build demo down test lint lock audit e2e bench bench-net scale soak clean

setup:            ; @cluster/setup
build: setup      ; @cluster/dev build
demo: setup       ; @cluster/dev demo
down:             ; @cluster/dev down
test: lint build  ; @$(PYTHON) -m pytest --numprocesses=2
lint: setup       ; @$(PYTHON) -m orlop_cluster.lint
e2e: setup        ; @$(PYTHON) -m pytest tests/e2e
bench: setup      ; @ORLOP_BENCH=10 $(PYTHON) -m pytest tests/bench -s
bench-net: setup  ; @ORLOP_BENCH=1 $(PYTHON) -m pytest tests/component/network/test_speed.py tests/component/network/test_scale.py tests/e2e/test_speed.py -s
scale: build      ; @ORLOP_PACED=$${ORLOP_PACED:-5,10,25} $(PYTHON) -m pytest -p no:xdist tests/scale tests/e2e/test_paced.py
soak: setup       ; @ORLOP_SOAK=20 ORLOP_CROWD=500 ORLOP_FUZZ=10 $(PYTHON) -m pytest tests/e2e/test_soak.py tests/e2e/test_killed.py tests/e2e/test_crowd.py tests/e2e/test_fuzz.py -s
lock: setup       ; @$(PYTHON) -m orlop_cluster.lock
audit: setup      ; @$(PYTHON) -m pip_audit --requirement requirements.lock --require-hashes --disable-pip --strict
clean: down       ; @rm -rf .venv .orlop .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
