# Flowfleet. "make help" lists the targets.

GO            ?= go
GOLANGCI_LINT := $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
BENCHSTAT     := $(GO) run golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da
GOVULNCHECK   := $(GO) run golang.org/x/vuln/cmd/govulncheck@v1.9.0
# A test that fails is run once more by itself, and told as one that did: of hundreds of tests against real servers one may fail
# on a machine that stands still for seconds. A fault fails twice. Data races, and more than 3 failures, are never tried again.
GOTESTSUM     := $(GO) run gotest.tools/gotestsum@v1.13.0 --rerun-fails=1 --rerun-fails-max-failures=3 --rerun-fails-run-root-test \
                 --rerun-fails-abort-on-data-race
BRIEFLY       := $(GOTESTSUM) --format pkgname-and-test-fails
FUZZTIME      ?= 20s
FAULTS        ?= long
RUN           ?= .
COLLECTOR     := bin/collector

# Builds need no C compiler; the race detector does.
export CGO_ENABLED ?= 0
# Where the demo runs (hack/clusterdemo).
export IMAGE NATS_IMAGE CLUSTER
# What demo-query asks: by the environment, since a shell would take quotes and dollars of it for its own.
export SQL
# One way to build for programs, tools, tests and lint: what one of them compiled, the others find in the cache.
export GOFLAGS := $(shell $(GO) env GOFLAGS 2>/dev/null) -trimpath

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: need-go
need-go:
	@command -v $(GO) >/dev/null || { echo "Go 1.26 or newer is needed: https://go.dev/dl (or set GO=/path/to/go)"; exit 1; }

.PHONY: build
build: need-go ## Build the collector and the operator into bin/
	$(GO) build -o $(COLLECTOR) ./collector
	$(GO) build -o bin/manager .

PLATFORMS ?= linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64

.PHONY: plugin
plugin: need-go ## Build the plugin of kubectl for each of PLATFORMS into bin/plugin/
	@for platform in $(PLATFORMS); do \
	  echo $$platform; \
	  CGO_ENABLED=0 GOOS=$${platform%/*} GOARCH=$${platform#*/} $(GO) build -trimpath -ldflags "-s -w" \
	    -o bin/plugin/$${platform%/*}-$${platform#*/}/ ./kubectl-flowfleet || exit 1; \
	done

.PHONY: demo
demo: need-go ## Run the whole job on a Kubernetes cluster, which stays up: yours (KUBECONFIG, IMAGE) or one on this machine (root; 4 to 5 minutes with ClickHouse, 15 to 20 more the first time)
	$(GO) run ./hack/clusterdemo $(if $(YES),-yes)

.PHONY: demo-exporters
demo-exporters: need-go ## Let the demo's exporters send again, and show their flows until Ctrl-C
	$(GO) run ./hack/clusterdemo -exporters

.PHONY: demo-query
demo-query: need-go ## Ask ClickHouse, where the demo's flows are, for SQL="SELECT ..."; who talks most without it
	@$(GO) run ./hack/clusterdemo -query

.PHONY: demo-down
demo-down: need-go ## Remove the demo: from your cluster (KUBECONFIG), or with the cluster on this machine
	$(GO) run ./hack/clusterdemo -remove

.PHONY: demo-local
demo-local: build ## Run two collectors, real exporters, a kill and a restart, without Kubernetes (needs root; about 25 s)
	$(GO) run ./hack/demo -collector $(COLLECTOR)

# What tests of the operator run against (hack/binaries); set KUBEBUILDER_ASSETS to use others.
API_SERVER := etcd kube-apiserver kubectl
# What tests of chart, manifests, alerts and bills of materials run (hack/binaries).
TEST_TOOLS := helm helm-docs kustomize promtool cyclonedx-gomod

.PHONY: test-programs
test-programs: need-go
	@if [ -z "$$KUBEBUILDER_ASSETS" ]; then \
	  echo "tests run a real API server: building it takes 8 to 15 minutes the first time, and a second from then on"; \
	  $(GO) run ./hack/binaries $(API_SERVER) >/dev/null; fi
	@$(GO) run ./hack/binaries $(TEST_TOOLS) >/dev/null

# Those that take the longest begin first: they would run alone at the end. Tests of servers wait a third of their time: one package more
# than there are processors runs at a time.
TEST_PACKAGES := ./controllers ./collector ./collector/lives ./...
TEST_JOBS     ?= $(shell echo $$(($$(nproc 2>/dev/null || echo 2) + 1)))

.PHONY: test
test: test-programs ## Run all tests, with the race detector where a C compiler is there; the lives of exporters, which it slows down most, again without (builds an API server first, once)
	@export KUBEBUILDER_ASSETS="$${KUBEBUILDER_ASSETS:-$$($(GO) run ./hack/binaries $(API_SERVER))}"; \
	if command -v gcc >/dev/null; then set -x; CGO_ENABLED=1 $(BRIEFLY) --packages "$(TEST_PACKAGES)" -- -race -p $(TEST_JOBS) -timeout 30m && \
	  $(BRIEFLY) --packages ./collector/lives -- -timeout 30m; \
	else echo "no C compiler: the race detector is left out"; set -x; $(BRIEFLY) --packages "$(TEST_PACKAGES)" -- -p $(TEST_JOBS) -timeout 30m; fi

.PHONY: test-short
test-short: need-go ## Run the tests without the slow parts
	$(GO) test -short ./...

.PHONY: test-clickhouse
test-clickhouse: need-go ## Test the tables and the sink with ClickHouse's engine (2 to 4 minutes; npm fetches 160 MB the first time)
	library=$$($(GO) run ./hack/chdb) && \
	CHDB_LIB_PATH=$$library $(BRIEFLY) --packages "./collector/sink/service ./collector/sink/clickhouse/... ./collector/clickhousetest/..." -- -count=1 -timeout 30m

.PHONY: test-helm3
test-helm3: need-go ## Test the chart with Helm 3, which is built first (2 to 5 minutes)
	HELM=helm3 KUBEBUILDER_ASSETS="$${KUBEBUILDER_ASSETS:-$$($(GO) run ./hack/binaries $(API_SERVER))}" $(GO) test -count=1 ./charts/...

.PHONY: cluster
cluster: need-go ## Bring up a Kubernetes cluster of three nodes on this machine (needs root; about 40 s, 15 minutes the first time)
	$(GO) run ./hack/cluster up

.PHONY: cluster-down
cluster-down: need-go ## Take it down, and leave nothing of it
	$(GO) run ./hack/cluster down

.PHONY: test-cluster
test-cluster: need-go ## Test that cluster: traffic through BGP and L2, nodes that fail, nothing left behind (needs root; about 3 minutes)
	FLOWFLEET_TEST_CLUSTER=1 $(GOTESTSUM) --format standard-verbose --packages ./hack/cluster -- -count=1 -timeout 60m -run Cluster

.PHONY: faults
faults: need-go ## Run the fault tests in their long form, as docs/reliability.md reports them (over an hour; RUN=pattern for some)
	FLOWFLEET_FAULTS=$(FAULTS) $(GO) test ./collector -v -count 1 -timeout 3h -run '$(RUN)' | grep -E -- '--- |figure:|_test.go|^ok|^FAIL'

ATTACK ?= 10s

.PHONY: attack
attack: build ## Send a collector what an attacker could, each attack for ATTACK, and measure its memory
	$(GO) run ./hack/attack -collector $(COLLECTOR) -duration $(ATTACK)

PROXY_MODE ?= nftables
ROLLOUTS   ?=
# How long a rolling update is under load at least.
LOAD       ?= 60s

.PHONY: e2e
e2e: need-go ## Test the operator's promises on that cluster, record by record (needs root; about 45 minutes; RUN=pattern for some, PROXY_MODE=iptables, ROLLOUTS=5)
	FLOWFLEET_E2E=1 FLOWFLEET_E2E_LOAD=$(LOAD) PROXY_MODE=$(PROXY_MODE) ROLLOUTS=$(ROLLOUTS) \
	  $(GOTESTSUM) --format standard-verbose --packages ./hack/e2e -- -count=1 -timeout 80m $(SHORT) -run '$(RUN)'

.PHONY: e2e-short
e2e-short: need-go ## The same, without the tests that take the longest, as CI runs it (needs root; about 20 minutes)
	$(MAKE) e2e SHORT=-short LOAD=20s

.PHONY: kubectl-output
kubectl-output: need-go ## Provoke each kind of trouble on that cluster, and write docs/kubectl-output.md (needs root; about 10 minutes)
	FLOWFLEET_E2E=1 FLOWFLEET_PRINT_TO=$(CURDIR)/docs/kubectl-output.md $(GO) test -count=1 -timeout 40m -run TestKubectlTellsEachTrouble -v ./hack/e2e

# Go before 1.27 may call the end of the time a failure, without a failing input (go.dev/issue/75804). What was found is a file,
# and is tried again by "make test". An input whose coverage changes from run to run, as with files, would be minimized for a minute.
.PHONY: fuzz
fuzz: need-go ## Run each fuzz target for FUZZTIME
	@for package in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n 1 dirname | sort -u); do \
	  for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' $$package/*_test.go); do \
	    echo "$$package $$target"; \
	    output=$$($(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$package 2>&1) && status=0 || status=$$?; \
	    echo "$$output" | tail -n 25; \
	    case "$$status $$output" in \
	      0*|*"context deadline exceeded"*) ;; \
	      *) exit 1;; \
	    esac; \
	    case "$$output" in *"Failing input written"*|*panic:*) exit 1;; esac; \
	  done; \
	done

.PHONY: lint
lint: need-go ## Run golangci-lint
	$(GOLANGCI_LINT) run ./...

.PHONY: generate
generate: need-go ## Generate code
	@rm -f api/v1alpha1/zz_generated.deepcopy.go # a stale one keeps its own generator from reading the package
	$(GO) generate ./...

.PHONY: verify
verify: generate ## Fail where generated code, formatting or go.mod is not current
	@test -z "$$(gofmt -l .)" || { echo "gofmt is needed:"; gofmt -l .; exit 1; }
	$(GO) mod tidy -diff
	@git diff --exit-code -- . || { echo "generated code is out of date: commit the difference above"; exit 1; }

.PHONY: bench
bench: need-go ## Compare decoding with goflow2, in one process
	$(GO) test ./collector/decode -run '^$$' -bench Decode -count 6 | tee /dev/stderr | $(BENCHSTAT) -col /by -

.PHONY: bench-operator
bench-operator: need-go ## Measure an operator with 200 FlowCollectors, 60 of them with NATS servers that are silent or hostile
	@export KUBEBUILDER_ASSETS="$${KUBEBUILDER_ASSETS:-$$($(GO) run ./hack/binaries $(API_SERVER))}"; \
	FLOWFLEET_BENCH_OPERATOR=1 $(GO) test ./hack/operatorbench -count 1 -v -timeout 30m | grep -E '_test.go|^ok|FAIL'

.PHONY: bench-exporters
bench-exporters: need-go ## Measure what 10,000 FlowExporters of one fleet cost the operator and a real API server
	@export KUBEBUILDER_ASSETS="$${KUBEBUILDER_ASSETS:-$$($(GO) run ./hack/binaries $(API_SERVER))}"; \
	FLOWFLEET_BENCH_EXPORTERS=1 $(GO) test ./controllers/exporters -run TestOneFleetWithManyExporters -count 1 -v -timeout 30m | grep -E '_test.go|^ok|FAIL'

.PHONY: bench-process
bench-process: build ## Compare whole processes on loopback: goflow2, nfcapd and nfacctd where they are installed
	$(GO) run ./hack/bench -collector $(COLLECTOR)

.PHONY: bench-bursts
bench-bursts: build ## Compare what whole processes lose of bursts at the receive buffers that nodes grant by default
	$(GO) run ./hack/bench -collector $(COLLECTOR) -bursts 100,1000,2000,5000,10000 -rates 10000,20000,50000,100000,200000

.PHONY: bench-size
bench-size: build ## Measure what "collector size" reckons with: a record's processor time and bytes, replicas, a collector at rest (6 minutes)
	$(GO) run ./hack/bench -collector $(COLLECTOR) -size -duration 10s -nats-server $$($(GO) run ./hack/binaries nats-server)/nats-server

.PHONY: bench-sink
bench-sink: build ## Measure how fast "collector sink" stores a stream in ClickHouse's engine, and how fast that is without it (2 minutes; needs npm)
	$(GO) run ./hack/bench -collector $(COLLECTOR) -sink "$$($(GO) run ./hack/chdb)" -duration 1s -nats-server $$($(GO) run ./hack/binaries nats-server)/nats-server

SCALE_EXPORTERS    ?= 10000
SCALE_COLLECTORS   ?= 100

.PHONY: scale
scale: need-go ## Measure what sharing templates costs a fleet (SCALE_EXPORTERS x 8 templates, SCALE_COLLECTORS; minutes, and gigabytes of memory)
	SCALE_EXPORTERS=$(SCALE_EXPORTERS) SCALE_COLLECTORS=$(SCALE_COLLECTORS) SCALE_REST_SECONDS=60 $(GO) test ./hack/scale -v -count 1 -timeout 60m

.PHONY: vulnerabilities
vulnerabilities: need-go ## Look for known vulnerabilities in what is called (asks vuln.go.dev, or GOVULNDB)
	@output=$$($(GOVULNCHECK) ./... 2>&1) && status=0 || status=$$?; echo "$$output"; \
	case "$$output" in \
	  *"fetching vulnerabilities"*) echo "NOTHING WAS CHECKED: the database of vulnerabilities cannot be reached; set GOVULNDB to one that can";; \
	  *) exit $$status;; \
	esac

.PHONY: sbom
sbom: build ## Write what the programs are made of into bin/ (CycloneDX), and check it against the programs
	$(GO) run ./hack/sbom $(COLLECTOR) bin/manager

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin
