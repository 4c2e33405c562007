# The commands of this checkout. `make` alone says what they are.

PYTHON ?= python3
CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)

PLUGINS := objectives regularizers step_operations

.PHONY: help demo test models libtorch plugins test-clients fmt lint gallery features bench bench-rank bench-index bench-load evidence evidence-quick evidence-targets evidence-lucent evidence-rank evidence-kill evidence-classes

help: ## Say what there is
	@echo "Unitscope shows what drives the units of a trained neural network. Start with \`make demo\`."
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1 @\2/p' $(MAKEFILE_LIST) | awk -F@ '{ printf "%-20s %s\n", $$1, $$2 }'
	@echo
	@echo "After \`make demo\` or \`make libtorch\`, plain cargo works: cargo build, cargo test,"
	@echo "  cargo run --bin unitscope-server -- --models demo/models --plugins target/plugins"

demo: libtorch plugins ## Build all, show what the demo model's units want: pictures in demo-out/
	$(CARGO) build --release -p unitscope-server -p unitscope -p unitscope-demo
	$(PYTHON) scripts/demo.py --binaries $(TARGET)/release --plugins $(TARGET)/plugins

test: libtorch test-clients ## Run every test
	$(PYTHON) scripts/libtorch_test.py
	$(PYTHON) clients/python/tests/test_export.py
	$(CARGO) test --workspace
	$(CARGO) test -p unitscope-engine --no-default-features

libtorch: ## Fetch libtorch into ~/.cache/unitscope, unless it is there or LIBTORCH is set
	@$(PYTHON) scripts/libtorch.py

plugins: ## Build the built-in plugins into target/plugins/
	$(CARGO) build --release $(addprefix -p unitscope-plugin-,$(subst _,-,$(PLUGINS)))
	@mkdir -p $(TARGET)/plugins
	@# install replaces a file as a whole: a server that has the old one open keeps it.
	@install -m 755 $(PLUGINS:%=$(TARGET)/release/libunitscope_%.so) $(TARGET)/plugins/

test-clients:
	@$(PYTHON) scripts/test_clients.py

fmt: ## Format the code
	$(CARGO) fmt

lint: libtorch ## Check the format, and clippy without a warning
	$(CARGO) fmt --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy -p unitscope-engine --no-default-features --all-targets -- -D warnings

gallery: libtorch plugins ## Make the sheets of docs/gallery.md, of the demo model and of ../shared/data/models
	$(CARGO) build --release -p unitscope-server -p unitscope
	$(PYTHON) scripts/gallery.py

features: libtorch plugins ## Make docs/features.md and its pictures, as gallery does (needs Pillow in $(PYTHON))
	$(CARGO) build --release -p unitscope-server -p unitscope
	$(PYTHON) scripts/features.py

bench: libtorch ## Time the engine's step against PyTorch's (needs torch 2.11 in $(PYTHON), and ../shared/data/models)
	$(CARGO) build --release -p unitscope-engine --example step_time
	$(PYTHON) tests/bench/step.py

bench-rank: libtorch test-clients ## Time Rank against PyTorch with a DataLoader (needs tests/evidence/requirements.txt, and ../shared/data)
	$(CARGO) build --release -p unitscope-server
	$(CARGO) build --release -p unitscope-engine --example decode_time
	$(PYTHON) tests/bench/rank.py --binaries $(TARGET)/release --decode-time $(TARGET)/release/examples/decode_time $(BENCH)

bench-index: libtorch ## Time questions to an index of a million rows (minutes, 5 GB of disk; needs torch, NumPy and Pillow)
	$(CARGO) build --release -p unitscope-server -p unitscope
	$(PYTHON) tests/bench/index.py --binaries $(TARGET)/release $(BENCH)

bench-load: libtorch ## Time the loading of large model files against PyTorch's readers (needs torch 2.11, torchvision 0.26; 2.4 GB of disk)
	$(CARGO) build --release -p unitscope-engine --example load_time
	$(PYTHON) tests/bench/load.py --engine $(TARGET)/release/examples/load_time $(BENCH)

models: libtorch ## Hold every family of torchvision, and ten networks of timm, against PyTorch in every form (an hour; needs tests/models/requirements.txt)
	$(CARGO) build --release -p unitscope-engine --example compare
	$(PYTHON) tests/models/matrix.py --compare $(TARGET)/release/examples/compare --docs docs/models.md $(MODELS)

evidence: libtorch plugins ## Hold pictures of units against real images, judged by PyTorch (hours; needs tests/evidence/requirements.txt)
	$(CARGO) build --release -p unitscope-server -p unitscope
	$(PYTHON) tests/evidence/evidence.py --binaries $(TARGET)/release --plugins $(TARGET)/plugins $(EVIDENCE)

evidence-quick: EVIDENCE += --quick
evidence-quick: evidence ## The same for a few channels, in minutes: to see that all parts work

evidence-targets: libtorch plugins ## Ask for given activations, and see by PyTorch whether pictures reach them
	$(CARGO) build --release -p unitscope-server -p unitscope
	$(PYTHON) tests/evidence/targets.py --binaries $(TARGET)/release --plugins $(TARGET)/plugins $(EVIDENCE)

evidence-lucent: libtorch plugins ## Hold pictures of units against lucent's (needs tests/evidence/requirements-lucent.txt as well)
	$(CARGO) build --release -p unitscope-server -p unitscope
	$(PYTHON) tests/evidence/against_lucent.py --binaries $(TARGET)/release --plugins $(TARGET)/plugins $(EVIDENCE)

evidence-rank: libtorch test-clients ## Hold Rank's scores and order of images against PyTorch's (minutes; needs tests/evidence/requirements.txt)
	$(CARGO) build --release -p unitscope-server
	$(PYTHON) tests/evidence/rank.py --binaries $(TARGET)/release --plugins $(TARGET)/plugins $(EVIDENCE)

evidence-kill: libtorch test-clients ## Kill the server 50 times while it writes its index, and see whether it is right (needs NumPy)
	$(CARGO) build --release -p unitscope-server -p unitscope-demo
	$(PYTHON) tests/evidence/kill.py --binaries $(TARGET)/release --plugins $(TARGET)/plugins $(EVIDENCE)

evidence-classes: libtorch plugins test-clients ## See that the demo's class units rank their class first, from a folder, a manifest, shards and S3 (needs NumPy)
	$(CARGO) build --release -p unitscope-server -p unitscope-demo
	$(PYTHON) tests/evidence/classes.py --binaries $(TARGET)/release --plugins $(TARGET)/plugins $(EVIDENCE)
