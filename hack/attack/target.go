package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/procfs"

	"github.com/flowfleet/flowfleet/collector/ledger"
)

// target is a running collector.
type target struct {
	command       *exec.Cmd
	address, http string
}

// memoryLimit is what the operator sets for a collector with the default limit of 1 GiB: a runtime that knows of none lets garbage
// grow to as much as what is in use.
const memoryLimit = "GOMEMLIMIT=921MiB"

// startTarget starts a collector with default limits and a NATS server inside.
func startTarget(ctx context.Context, binary, dir string) (*target, error) {
	file := filepath.Join(dir, "collector.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, `
listeners: [{name: any, address: "127.0.0.1:0", workers: 2}]
nats: {embedded: {address: "127.0.0.1:0", storeDir: %q}}
output: {stream: {maxBytes: 64Mi}, buffer: {maxBytes: 64Mi}}
http: {address: "127.0.0.1:0"}
drainTime: 100ms
`, filepath.Join(dir, "nats")), 0o600); err != nil {
		return nil, err
	}
	t := &target{command: exec.CommandContext(ctx, binary, "run", "--config", file)}
	t.command.Env = append(os.Environ(), memoryLimit)
	t.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	logs, err := t.command.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := t.command.Start(); err != nil {
		return nil, fmt.Errorf("starting the collector: %w", err)
	}
	found := make(chan struct{})
	go func() {
		scanner := bufio.NewScanner(logs)
		for done := false; scanner.Scan(); {
			var line struct{ Msg, Address string }
			if json.Unmarshal(scanner.Bytes(), &line) != nil || done {
				continue
			}
			switch line.Msg {
			case "listening":
				t.address = line.Address
			case "serving metrics and health":
				t.http = line.Address
			}
			if done = t.address != "" && t.http != ""; done {
				close(found)
			}
		}
	}()
	select {
	case <-found:
	case <-time.After(30 * time.Second):
		return nil, errors.Join(errors.New("the collector does not listen"), t.command.Process.Kill())
	}
	return t, t.await("it is ready", func() bool {
		response, err := http.Get("http://" + t.http + "/readyz")
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

func (t *target) stop() {
	_ = t.command.Process.Kill()
	_ = t.command.Wait() // it was killed
}

func (t *target) await(what string, condition func() bool) error {
	for deadline := time.Now().Add(5 * time.Minute); !condition(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("it never happens that %s", what)
		}
	}
	return nil
}

// metric sums a metric over its labels, of those with a reason only where one is given; -1 where there is no answer.
func (t *target) metric(name, reason string) float64 {
	client := http.Client{Timeout: 20 * time.Second}
	response, err := client.Get("http://" + t.http + "/metrics")
	if err != nil {
		return -1
	}
	defer func() { _ = response.Body.Close() }()
	sum := 0.0
	for scanner := bufio.NewScanner(response.Body); scanner.Scan(); {
		series, value, _ := strings.Cut(scanner.Text(), " ")
		base, labels, _ := strings.Cut(series, "{")
		if base == "flowfleet_collector_"+name && strings.Contains(labels, reason) {
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return -1
			}
			sum += v
		}
	}
	return sum
}

// balance is nil where all equations of the ledger hold.
func (t *target) balance() (err error) {
	response, err := http.Get("http://" + t.http + "/ledger")
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	var a ledger.Account
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<28)).Decode(&a); err != nil {
		return err
	}
	for _, e := range a.Equations() {
		if e.Difference != 0 {
			err = errors.Join(err, fmt.Errorf("the equation of %s is off by %d", e.Name, e.Difference))
		}
	}
	return err
}

// memory that a process holds, and the most it ever held, in MiB.
func memory(pid int) (now, most int) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return 0, 0
	}
	status, err := p.NewStatus()
	if err != nil {
		return 0, 0
	}
	return int(status.VmRSS >> 20), int(status.VmHWM >> 20)
}

const (
	// longer than it was asked to, an attack lasts at most where the collector does not show it yet: on a slow machine it takes
	// longer to reach the limits.
	longer = 30 * time.Second
	// checkEvery datagrams the collector is asked then.
	checkEvery = 1000
)

// attackCollector runs one attack on a fresh collector.
func attackCollector(ctx context.Context, o options, a attack) (r result) {
	r = result{name: a.name, then: "well"}
	fail := func(err error) result {
		r.then, r.failed = err.Error(), errors.Join(r.failed, fmt.Errorf("%s: %w", a.name, err))
		return r
	}
	dir, err := os.MkdirTemp("", "flowfleet-attack-")
	if err != nil {
		return fail(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	t, err := startTarget(ctx, o.collector, dir)
	if err != nil {
		return fail(err)
	}
	defer t.stop()
	s, err := newSender(t.address)
	if err != nil {
		return fail(err)
	}
	r.idleMiB, _ = memory(t.command.Process.Pid)
	began := time.Now()
	for n := 0; ctx.Err() == nil; n++ {
		lasted := time.Since(began)
		if lasted >= o.duration && (lasted >= o.duration+longer || n%checkEvery == 0 && t.metric(a.counter, a.reason) > 0) {
			break
		}
		a.send(s, n)
	}
	r.sent = s.sent
	var received, dropped float64
	err = t.await("every datagram is accounted for", func() bool {
		received, dropped = t.metric("datagrams_received_total", ""), t.metric("kernel_dropped_datagrams_total", "")
		return int(received+dropped) == s.sent
	})
	r.received = int(received)
	_, r.peakMiB = memory(t.command.Process.Pid)
	if err != nil {
		return fail(err)
	}
	counted := t.metric(a.counter, a.reason)
	r.remark = fmt.Sprintf("%.0f %s", counted, strings.TrimSpace(a.counter+" "+a.reason))
	if counted <= 0 {
		return fail(fmt.Errorf("%s does not show it", a.counter))
	}
	if err := t.await("an honest exporter is decoded", func() bool {
		before := t.metric("records_decoded_total", "")
		s.send(honest, ipfix(7, 1, set(2, templateOf(300, 3, 0)), set(300, bytes.Repeat([]byte{1}, 300))))
		time.Sleep(100 * time.Millisecond) // all else is read by now
		return t.metric("records_decoded_total", "") > before
	}); err != nil {
		return fail(err)
	}
	if err := t.await("the books balance", func() bool { return t.balance() == nil }); err != nil {
		return fail(errors.Join(err, t.balance()))
	}
	if _, r.peakMiB = memory(t.command.Process.Pid); r.peakMiB > o.ceiling {
		return fail(fmt.Errorf("%d MiB exceed the ceiling of %d", r.peakMiB, o.ceiling))
	}
	return r
}
