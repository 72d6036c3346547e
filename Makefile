# Short names for what one does with pam. CMake does the work: cmake --preset release|dev|sanitize.
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
.DEFAULT_GOAL := help
.PHONY: help demo programs test test-newest-torch bench-peers sanitize install package docs clean

help: ## print this list
	@grep -E '^[a-z-]+: *##' $(MAKEFILE_LIST) | sed 's/: *## /\t/' | awk -F '\t' '{printf "  make %-18s %s\n", $$1, $$2}'

demo: ## install what is missing, build, train U-Net, FPA and RFNA on real MRI, write runs/demo/report.html
	tools/install_dependencies.sh --for demo
	cmake --preset release
	cmake --build --preset release --parallel $(JOBS) --target train
	build/release/bin/train --demo --out runs/demo

programs: ## install what is missing and build all programs into build/release/bin
	tools/install_dependencies.sh --for demo
	cmake --preset release
	cmake --build --preset release --parallel $(JOBS)

test: ## install what is missing, build and run all tests (LibTorch from Debian)
	tools/install_dependencies.sh --for test
	cmake --preset dev -DPAM_UNITY=ON
	cmake --build --preset dev --parallel $(JOBS)
	tools/run_tests.sh build/dev $(JOBS)

test-newest-torch: ## build and run the core tests against the newest torch on PyPI (5.4 GB, kept outside the tree)
	tools/test_newest_torch.sh $(JOBS)

bench-peers: ## time the networks in pam and in PyTorch, OpenVINO, ONNX Runtime and ncnn (installs them outside the tree)
	tools/bench_peers.sh $(JOBS)

sanitize: ## run the tests under AddressSanitizer and UndefinedBehaviorSanitizer
	tools/install_dependencies.sh --for sanitize
	cmake --preset sanitize -DPAM_UNITY=ON
	cmake --build --preset sanitize --parallel $(JOBS)
	tools/run_tests.sh build/sanitize $(JOBS)

install: ## install the headers, the CMake and the Python package into PREFIX (default /usr/local)
	cmake -S . -B build/install -DPAM_BUILD_TESTS=OFF -DPAM_BUILD_EXAMPLES=OFF -DPAM_BUILD_APPS=OFF -DPAM_BUILD_BENCHMARKS=OFF
	cmake --install build/install --prefix $(PREFIX)

package: ## write the Debian package (headers, CMake and Python package) into build/package
	cmake -S . -B build/install -DPAM_BUILD_TESTS=OFF -DPAM_BUILD_EXAMPLES=OFF -DPAM_BUILD_APPS=OFF -DPAM_BUILD_BENCHMARKS=OFF
	cpack --config build/install/CPackConfig.cmake -B build/package

docs: ## build the documentation site into build/docs, refusing broken links
	tools/install_dependencies.sh --for docs
	tools/build_docs.py build/docs

clean: ## remove build/
	rm -rf build
