package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/flowfleet/flowfleet/collector/tap"
	"github.com/flowfleet/flowfleet/kubectl-flowfleet/fleet"
)

func TestANodeWithoutACollectorIsNamedBeforeOthersAreAsked(t *testing.T) {
	all := []fleet.Collector{{Pod: "edge-a", Node: "node-1"}, {Pod: "edge-b", Node: "node-2"}}
	for _, test := range []struct {
		nodes []string
		asked int
		err   string
	}{
		{nil, 2, ""},
		{[]string{"node-2"}, 1, ""},
		{[]string{"node-1", "node-3"}, 0, `"node-3"`},
	} {
		asked, err := (&captureFlags{nodes: test.nodes}).choose(all)
		if len(asked) != test.asked || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%v: %v, %v", test.nodes, asked, err)
		}
	}
}

// A name that is too long is cut so that a collector takes the request: half a letter would grow on its way.
func TestWhoAsksFitsIntoARequest(t *testing.T) {
	for _, user := range []string{"", "somebody", strings.Repeat("x", 2*tap.MaxBy), "x" + strings.Repeat("é", tap.MaxBy)} {
		line, err := json.Marshal(by(user))
		if err != nil {
			t.Fatal(err)
		}
		var got string
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatal(err)
		}
		if len(got) > tap.MaxBy || !strings.HasPrefix(user, got) {
			t.Errorf("%.20q... becomes %q", user, got)
		}
	}
}
