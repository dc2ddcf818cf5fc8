package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

func TestACollectorWithoutABucketSaysNothingOfOne(t *testing.T) {
	s := natstest.Start(t)
	p := startConfigured(t, "a", configured("a", s.URL(), "", "templateStore: {disabled: true}\noutput: {stream: {maxBytes: -1}}")).awaitReady()
	natstest.Eventually(t, "the stream is ready", func() bool { return p.metric("stream_ready") == 1 })
	_, metrics := p.get("/metrics")
	if !strings.Contains(metrics, `flowfleet_collector_nats_connected{connection="flows"} 1`) {
		t.Error("the connection that it has is not shown")
	}
	for _, wrong := range []string{`connection="templates"`, "flowfleet_collector_store_"} {
		if strings.Contains(metrics, wrong) {
			t.Errorf("there is %s, as if the bucket could not be reached", wrong)
		}
	}
}

func TestEachLineOfTheLogNamesTheNode(t *testing.T) {
	p := startConfigured(t, "a", configured("a", natstest.Start(t).URL(), "", "output: {stream: {maxBytes: -1}}"), func(c *exec.Cmd) {
		c.Env = append(c.Env, "NODE_NAME=worker-3")
	}).awaitReady()
	p.terminate()
	p.logs.mu.Lock()
	defer p.logs.mu.Unlock()
	if len(p.logs.lines) < 5 {
		t.Errorf("there are only %d lines", len(p.logs.lines))
	}
	for _, line := range p.logs.lines {
		if line["node"] != "worker-3" {
			t.Errorf("the line has no node: %v", line)
		}
	}
}
