package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// A probe describes its own elements (RFC 5610) to one collector. The first record that another one receives, which began later, has their names
// and types. What the probe describes anew has the new name everywhere.
func TestElementsThatAProbeDescribesToOneCollectorHaveTheirNamesAtAll(t *testing.T) {
	s := natstest.Start(t)
	start := func(name string) (*process, func() string) {
		file := filepath.Join(t.TempDir(), "flows.json")
		p := startConfigured(t, name, fmt.Sprintf(`
instance: %s
listeners: [{name: any, address: "127.0.0.1:0"}]
nats: {urls: ["%s"]}
templateStore: {maxBytes: -1, loadTimeout: 60s}
decoding: {extraFields: true}
output: {kind: File, file: %q, encoding: JSON, batch: {maxAge: 20ms}}
http: {address: "127.0.0.1:0"}
drainTime: 100ms`, name, s.URL(), file)).awaitReady()
		return p, func() string {
			b, err := os.ReadFile(file)
			if err != nil {
				return ""
			}
			return string(b)
		}
	}
	teacher, _ := start("a")
	probe := newExporter(t, 10, "127.0.0.10")
	described := func(name string) []byte {
		return probe.message(1, set(3, octets16(400, 4, 2, 346, 4, 303, 2, 339, 1, 341, 8)),
			set(400, slices.Concat(octets32(4000), octets16(1), []byte{1}, portName(name))))
	}
	probe.write(teacher.port, probe.message(0, set(2, octets16(300, 2, 1, 4, 0x8001, 1, 0, 4000))))
	say := func(name string) {
		probe.write(teacher.port, described(name))
		natstest.Eventually(t, "the bucket has the element", func() bool {
			listed, _ := execute(t, "", "names", "show", "--table", "elements", "--server", s.URL())
			return strings.Contains(listed, "4000.1") && strings.Contains(listed, name)
		})
	}
	say("colour")
	later, flows := start("b")
	send := func(name string) func() bool {
		return func() bool {
			probe.write(later.port, probe.message(1, set(300, slices.Concat(octets32(9), []byte{7}))))
			return strings.Contains(flows(), fmt.Sprintf(`"fields":{%q:7}`, name))
		}
	}
	natstest.Eventually(t, "the name is on records", send("colour"))
	if strings.Contains(flows(), "enterprise4000.1") {
		t.Errorf("a record that came before has no name:\n%s", flows())
	}
	say("shade")
	natstest.Eventually(t, "the new name is on records", send("shade"))
	teacher.terminate()
	later.terminate()
}
