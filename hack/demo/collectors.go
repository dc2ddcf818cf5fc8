package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// patience bounds each wait.
const patience = 60 * time.Second

// process is a running collector, or its tail command.
type process struct {
	name    string
	command *exec.Cmd
	// Where it listens, serves metrics, and where its NATS server is.
	address, http, nats string
}

// startCollector starts a collector on free ports and waits until it is ready. Without the address of a NATS server it runs
// its own.
func startCollector(ctx context.Context, binary, directory, name, nats string) (*process, error) {
	server := fmt.Sprintf("{urls: [%q]}", nats)
	if nats == "" {
		server = fmt.Sprintf(`{embedded: {address: "127.0.0.1:0", storeDir: %q}}`, filepath.Join(directory, "nats"))
	}
	file := filepath.Join(directory, name+".yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, `
name: demo
instance: collector-%s
listeners: [{name: all, address: "127.0.0.1:0", protocol: Auto}]
nats: %s
output: {stream: {maxBytes: 1Gi}}
http: {address: "127.0.0.1:0"}
drainTime: 1s
`, name, server), 0o600); err != nil {
		return nil, err
	}
	p := &process{name: name, nats: nats, command: exec.CommandContext(ctx, binary, "run", "--config", file)}
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	logs, err := p.command.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("starting collector %s (\"make build\" makes the program): %w", name, err)
	}
	begun, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		p.follow(logs, begun)
	}()
	failure := ""
	select {
	case <-begun:
	case <-ended:
		failure = "ended before it began: see its log above"
	case <-ctx.Done():
		failure = "was interrupted"
	case <-time.After(patience):
		failure = fmt.Sprintf("did not begin within %s: see its log above", patience)
	}
	if failure != "" {
		p.kill()
		return nil, fmt.Errorf("collector %s %s", name, failure)
	}
	if err := p.await(ctx, "is not ready", func() bool {
		response, err := http.Get("http://" + p.http + "/readyz")
		if err != nil {
			return false
		}
		defer func() { _ = response.Body.Close() }()
		return response.StatusCode == http.StatusOK
	}); err != nil {
		p.kill()
		return nil, err
	}
	return p, nil
}

// follow takes from the log where the collector listens, and shows warnings and errors.
func (p *process) follow(logs io.Reader, begun chan<- struct{}) {
	scanner := bufio.NewScanner(logs)
	for scanner.Scan() {
		var line struct {
			Level, Msg, Address, URL, Error string
		}
		if json.Unmarshal(scanner.Bytes(), &line) != nil {
			fmt.Printf("  collector %s: %s\n", p.name, scanner.Text())
			continue
		}
		switch line.Msg {
		case "listening":
			p.address = line.Address
		case "serving metrics and health":
			p.http = line.Address
		case "the embedded NATS server takes connections":
			p.nats = line.URL
		case "collecting":
			close(begun)
		}
		// A receive buffer below the default is of no matter here.
		if line.Level != "INFO" && !strings.Contains(line.Msg, "receive buffer") {
			fmt.Printf("  collector %s: %s %s %s\n", p.name, line.Level, line.Msg, line.Error)
		}
	}
}

func (p *process) kill() {
	if p.command.ProcessState == nil {
		_ = syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL)
		_ = p.command.Wait() // it was killed
	}
}

// await asks again and again until something holds.
func (p *process) await(ctx context.Context, failure string, condition func() bool) error {
	for deadline := time.Now().Add(patience); !condition(); {
		if time.Now().After(deadline) {
			return fmt.Errorf("collector %s %s after %s", p.name, failure, patience)
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// figures are a collector's own account.
type figures struct {
	datagrams, refused, records, waiting, sets, held, expired, dropped, learned, restored, kernelDrops float64
}

// read takes the figures from the collector's metrics.
func (p *process) read() (figures, error) {
	var f figures
	response, err := http.Get("http://" + p.http + "/metrics")
	if err != nil {
		return f, fmt.Errorf("reading the metrics of collector %s: %w", p.name, err)
	}
	defer func() { _ = response.Body.Close() }()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		return f, fmt.Errorf("reading the metrics of collector %s: %w", p.name, err)
	}
	for name, to := range map[string]*float64{
		"datagrams_received_total": &f.datagrams, "datagrams_refused_total": &f.refused, "records_decoded_total": &f.records,
		"records_waiting": &f.waiting, "sets_received_total": &f.sets, "sets_held_total": &f.held,
		"sets_expired_total": &f.expired, "sets_dropped_total": &f.dropped,
		"templates_learned_total": &f.learned, "templates_restored_total": &f.restored,
		"sampling_rates_restored_total": &f.restored, "kernel_dropped_datagrams_total": &f.kernelDrops,
	} {
		for _, m := range families["flowfleet_collector_"+name].GetMetric() {
			*to += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return f, nil
}

// rest waits until everything the collector has decoded is published, and nothing more comes.
func (p *process) rest(ctx context.Context) error {
	var last figures
	since := time.Now()
	return p.await(ctx, "does not come to rest", func() bool {
		now, err := p.read()
		if err != nil || now != last || now.waiting != 0 {
			last, since = now, time.Now()
			return false
		}
		return time.Since(since) > time.Second
	})
}

// awaitSets waits until the collector has got so many sets, which need templates.
func (p *process) awaitSets(ctx context.Context, n float64) (now figures, err error) {
	err = p.await(ctx, "decodes nothing", func() bool {
		var failed error
		now, failed = p.read()
		return failed == nil && now.sets >= n
	})
	return now, err
}

// startTail shows the flows of the stream.
func startTail(ctx context.Context, binary, nats string) (*process, error) {
	p := &process{name: "tail", command: exec.CommandContext(ctx, binary, "tail", "--server", nats)}
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.command.Stderr = os.Stderr
	if err := p.command.Start(); err != nil {
		return nil, errors.Join(errors.New("starting collector tail"), err)
	}
	go func() {
		scanner := bufio.NewScanner(out)
		for shown := 0; scanner.Scan(); shown++ {
			switch {
			case shown < shownFlows:
				fmt.Println("  " + scanner.Text())
			case shown == shownFlows:
				fmt.Println("  ... and more; they are counted in the end")
			}
		}
	}()
	return p, nil
}

// shownFlows keeps the output readable.
const shownFlows = 40
