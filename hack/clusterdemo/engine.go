package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/flowfleet/flowfleet/collector/clickhousetest"
	"github.com/flowfleet/flowfleet/hack/binaries/build"
	"github.com/flowfleet/flowfleet/hack/chdb/library"
	"github.com/flowfleet/flowfleet/hack/cluster/plan"
	"github.com/flowfleet/flowfleet/hack/e2e/rig"
)

// engineAddress is where pods reach ClickHouse's engine: a program of this machine beside the control plane.
var engineAddress = netip.AddrPortFrom(plan.API, 8123).String()

// engine is ClickHouse's, as a process that ends with the cluster. Its tables go with the cluster's folder.
type engine struct{ store string }

func theEngine() (engine, error) {
	cache, err := build.CacheDirectory()
	return engine{filepath.Join(cache, "clusters", "flowfleet", "clickhouse")}, err
}

// start starts the engine, unless it runs since a demo before.
func (e engine) start(ctx context.Context, cluster *rig.Rig, library string) error {
	if e.runs(ctx) == nil {
		return nil
	}
	program, err := cluster.Program(ctx, "clickhouse", "./hack/clickhouse")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(e.store, 0o755); err != nil {
		return err
	}
	if err := cluster.Stay(ctx, "lan", program, "-library", library, "-store", e.store, "-address", engineAddress); err != nil {
		return err
	}
	if err := rig.Await(ctx, time.Minute, func() error { return e.runs(ctx) }); err != nil {
		return fmt.Errorf("ClickHouse's engine does not answer, and may say why in %s: %w",
			filepath.Join(filepath.Dir(e.store), "logs", "clickhouse.log"), err)
	}
	return nil
}

func (e engine) runs(ctx context.Context) error {
	_, err := e.ask(ctx, "SELECT 1", "TabSeparated")
	return err
}

// ask runs one statement, and returns the answer in one of ClickHouse's formats, without the last line feed.
func (e engine) ask(ctx context.Context, sql, format string) (string, error) {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", clickhousetest.Socket(e.store))
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://clickhouse/?default_format="+url.QueryEscape(format), strings.NewReader(sql))
	if err != nil {
		return "", err
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(strings.TrimSpace(string(answer)))
	}
	return strings.TrimSuffix(string(answer), "\n"), err
}

// query asks the engine of the demo that is up, and prints what it answers.
func query(ctx context.Context, sql string) error {
	e, err := theEngine()
	if err != nil {
		return err
	}
	if sql == "" {
		sql = topTalkers
	}
	answer, err := e.ask(ctx, sql, "PrettyCompact")
	if nobody := (*net.OpError)(nil); errors.As(err, &nobody) {
		return fmt.Errorf("no ClickHouse of the demo runs here: \"make demo\" starts one (%w)", nobody)
	}
	if err == nil {
		fmt.Println(answer)
	}
	return err
}

// lacking says what a demo without ClickHouse lacks, and what to type; empty, where nothing is lacking.
func lacking(ours bool, find, npm error) string {
	const without = "Left out: flows in ClickHouse. "
	switch {
	case !ours:
		return without + "The demo has it beside the nodes of a cluster of its own alone; docs/clickhouse.md has a FlowSink for yours."
	case errors.Is(find, fs.ErrNotExist) && npm != nil:
		return without + "Its engine is not here (566 MB), nor is npm, which fetches it: install npm, type \"go run ./hack/chdb\", and \"make demo\" again."
	case errors.Is(find, fs.ErrNotExist):
		return without + "Its engine is not here (566 MB): \"go run ./hack/chdb\" fetches it with npm (160 MB); then \"make demo\" again."
	case find != nil:
		return without + find.Error()
	}
	return ""
}

// findEngine returns the engine's library, or what is lacking.
func findEngine(ours bool) (path, lack string) {
	path, find := library.Find()
	_, npm := exec.LookPath("npm")
	return path, lacking(ours, find, npm)
}
