package main

import (
	"os"
	"os/exec"
	"testing"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// previousVariable names the binary of an earlier collector; "make faults" builds one.
const previousVariable = "FLOWFLEET_PREVIOUS_COLLECTOR"

// Fault 13: the previous collector and this one share a bucket, both ways round. (Values of a future schema are tested
// beside the bucket: TestWhatANewerCollectorWroteIsLeftAlone.)
func TestPreviousAndCurrentCollectorShareABucket(t *testing.T) {
	previous := os.Getenv(previousVariable)
	if previous == "" {
		t.Skip("no " + previousVariable + ": make faults builds an earlier collector")
	}
	const more = "templateStore: {maxBytes: -1}\noutput: {stream: {maxBytes: -1}, batch: {maxAge: 20ms}}"
	for _, writer := range []string{"previous", "current"} {
		t.Run(writer+" writes", func(t *testing.T) {
			s := natstest.Start(t)
			old := startConfigured(t, "old", configured("old", s.URL(), "", more), func(c *exec.Cmd) { c.Path, c.Args[0] = previous, previous }).awaitReady()
			current := startConfigured(t, "new", configured("new", s.URL(), "", more)).awaitReady()
			a, b := old, current
			if writer == "current" {
				a, b = current, old
			}
			e := newExporter(t, 1)
			e.send(a.port, 0, oldLayout.template())
			e.send(a.port, 1, selectorOptions(512)...)
			natstest.Eventually(t, "the other knows both", func() bool { return b.metric("templates") == 2 && b.metric("sampling_rates") == 1 })
			e.send(b.port, 1, oldLayout.data(1))
			assertNumbers(t, s, 1) // before the change, which may overtake it
			e.send(a.port, 0, newLayout.template())
			natstest.Eventually(t, "the other knows the change", func() bool { return b.metric("templates_restored_total") >= 3 })
			e.send(b.port, 1, newLayout.data(2))
			for _, r := range assertNumbers(t, s, 1, 2) {
				if r.SamplingRate != 512 {
					t.Errorf("the rate is %d", r.SamplingRate)
				}
			}
			// A third one that starts now reads what either wrote.
			c := startConfigured(t, "third", configured("third", s.URL(), "", more)).awaitReady()
			e.send(c.port, 1, newLayout.data(3))
			assertNumbers(t, s, 1, 2, 3)
		})
	}
}
