# The usual names for what CMake, ./test and ./demo do. Nothing here installs packages: setup/install does.

.DEFAULT_GOAL := release
.PHONY: release dev tsan fuzz lint test test-fast bench bench-cluster demo format generate clean help

help:  ## these targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

# $(call build,PRESET,TARGET)
define build
	@command -v cmake >/dev/null || { echo "cmake is missing: run setup/install build" >&2; exit 1; }
	@test -f build/$(1)/build.ninja || cmake --preset $(1)
	cmake --build build/$(1) --target $(2)
endef

release:  ## build/release/nodekeep, what users run
	$(call build,release,nodekeep)

dev:  ## everything with address and undefined-behaviour sanitizers, warnings as errors
	$(call build,dev,all)

tsan:  ## the tests with the thread sanitizer
	$(call build,tsan,unit_tests)

fuzz:  ## the fuzzers, for libFuzzer: run build/fuzz/... with a corpus of tests/fuzz (setup/install dev brings clang)
	@command -v clang++ >/dev/null || { echo "clang is missing: run setup/install dev" >&2; exit 1; }
	$(call build,fuzz,all)

test:  ## all tests; installs what they need
	./test

lint:  ## clang's analysis of locks, clang-tidy over what has changed, and what is longer than our limits
	@command -v clang-tidy >/dev/null || { echo "clang-tidy is missing: run setup/install lint" >&2; exit 1; }
	tests/lint

test-fast:  ## unit tests only
	./test --fast

bench: release  ## the benchmark table
	$(call build,release,bench)

bench-cluster: release  ## both CSI stacks on a real kubelet, one table; needs root
	tests/tools/build
	/usr/bin/python3 tests/bench/bench_cluster.py

demo:  ## mounts a class and rotates a value, step by step
	./demo

format:  ## formats every source file (setup/install dev brings clang-format)
	@command -v clang-format >/dev/null || { echo "clang-format is missing: run setup/install dev" >&2; exit 1; }
	find agent csi providers tests \( -name '*.h' -o -name '*.cc' \) -print0 | xargs -0 clang-format -i

generate: release  ## the files that repeat the settings of the providers: chart schema, docs/configuration.md
	deploy/generate

clean:  ## removes build/
	rm -rf build
