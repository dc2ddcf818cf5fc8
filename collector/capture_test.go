package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// capturing runs "collector capture" beside a process.
type capturing struct {
	file string
	end  func() // of its standard input
	done chan error
	says string
}

func (p *process) capture(arguments ...string) *capturing {
	p.t.Helper()
	_, port, err := net.SplitHostPort(p.http)
	if err != nil {
		p.t.Fatal(err)
	}
	in, hold, err := os.Pipe()
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _, _ = hold.Close(), in.Close() })
	c := &capturing{file: filepath.Join(p.t.TempDir(), "capture.pcapng"), done: make(chan error, 1), end: func() { _ = hold.Close() }}
	var says bytes.Buffer
	command := newCommand()
	command.SetArgs(append([]string{"capture", "--port", port, "--for", "4m", "--output", c.file, "--until-input-ends", "--by", "somebody"}, arguments...))
	command.SetIn(in)
	command.SetErr(&says)
	before := p.metric("captures_running")
	go func() {
		err := command.Execute()
		c.says = says.String()
		c.done <- err
	}()
	natstest.Eventually(p.t, "the capture runs", func() bool { return p.metric("captures_running") > before })
	return c
}

// A capture is worth what is decoded of it: the very records that the collector wrote, with their times, and what it refused.
func TestACaptureDecodesToWhatTheCollectorMadeOfIt(t *testing.T) {
	flows := filepath.Join(t.TempDir(), "flows.json")
	p := startConfigured(t, "a", fmt.Sprintf(`
instance: a
listeners: [{name: any, address: "127.0.0.1:0", workers: 2}]
templateStore: {disabled: true}
output: {kind: File, file: %q, encoding: JSON, batch: {maxAge: 20ms}}
http: {address: "127.0.0.1:0"}
drainTime: 100ms
`, flows)).awaitReady()
	c := p.capture("127.0.0.1")
	one, other := newExporter(t, 7), newExporter(t, 7, "127.0.0.2")
	const sent = 50
	one.send(p.port, 0, oldLayout.template())
	other.send(p.port, 0, oldLayout.template())
	for i := range uint32(sent) {
		one.send(p.port, 2, oldLayout.data(2*i, 2*i+1))
		other.send(p.port, 1, oldLayout.data(1_000_000+i))
	}
	one.write(p.port, []byte("no flows"))
	natstest.Eventually(t, "all of the exporter is captured", func() bool { return p.metric("captured_datagrams_total") == sent+2 })
	c.end()
	if err := <-c.done; err != nil || !strings.Contains(c.says, fmt.Sprintf("captured %d datagrams of 127.0.0.1", sent+2)) {
		t.Errorf("%v: %s", err, c.says)
	}
	p.atRest()
	p.terminate()
	decoded, err := execute(t, "", "decode", c.file)
	if err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(flows)
	if err != nil {
		t.Fatal(err)
	}
	lines := func(text string) (found []string) {
		for line := range strings.Lines(text) {
			if strings.Contains(line, `"sampler_address":"127.0.0.1"`) {
				found = append(found, line)
			}
		}
		slices.Sort(found)
		return found
	}
	got, want := lines(decoded), lines(string(written))
	if len(want) != 2*sent || !slices.Equal(got, want) {
		t.Errorf("%d records are decoded of the capture, %d were written; the first: %.1s and %.1s", len(got), len(want), got, want)
	}
	if !strings.Contains(decoded, "datagrams_refused{unknown_version}") {
		t.Errorf("what was refused is not in the capture:\n%s", decoded)
	}
	if begins := p.logs.find("a capture of raw datagrams begins"); begins == nil || begins["by"] != "somebody" || begins["exporter"] != "127.0.0.1" {
		t.Errorf("the log does not tell of it: %v", begins)
	}
}

func TestACaptureOfNobodySaysSoAndHasAFile(t *testing.T) {
	p := startConfigured(t, "a", `
instance: a
listeners: [{name: any, address: "127.0.0.1:0", workers: 1}]
templateStore: {disabled: true}
output: {kind: None}
http: {address: "127.0.0.1:0"}
drainTime: 100ms
`).awaitReady()
	c := p.capture("192.0.2.99")
	newExporter(t, 7).send(p.port, 0, oldLayout.template())
	natstest.Eventually(t, "it was received", func() bool { return p.metric("datagrams_received_total") == 1 })
	// The end of the collector is one of the capture.
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-c.done; err != nil || !strings.Contains(c.says, "nothing was heard of 192.0.2.99") {
		t.Errorf("%v: %s", err, c.says)
	}
	if out, err := execute(t, "", "decode", c.file); err != nil || strings.Contains(out, "{") {
		t.Errorf("%v:\n%s", err, out)
	}
}

func TestCapturesThatCannotBeAreExplained(t *testing.T) {
	file := filepath.Join(t.TempDir(), "capture.pcapng")
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"router-1"}, "not an address"},
		{[]string{"192.0.2.1", "--for", "6m"}, "up to 5m0s"},
		{[]string{"192.0.2.1", "--max-bytes", "1Gi"}, "up to 67108864 bytes"},
		{[]string{"192.0.2.1", "--max-bytes", "much"}, "not a size"},
		{[]string{"192.0.2.1", "--port", "1"}, "no collector here"},
	} {
		_, err := execute(t, "", append([]string{"capture", "--output", file}, test.args...)...)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v", test.args, err)
		}
		if _, err := os.Stat(file); err == nil {
			t.Errorf("%q: leaves a file", test.args)
		}
	}
}
