package fleet

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/flowfleet/flowfleet/collector/ledger"
)

// A pod that is no collector may try to write to the terminal of whoever looks.
func TestNothingThatAPodSaysReachesATerminalAsControlCharacters(t *testing.T) {
	const hostile = `"\u001b[2Jx\n\u0007"`
	var account ledger.Account
	if err := json.Unmarshal([]byte(strings.ReplaceAll(`{"instance": X, "listeners": [{"name": X, "datagrams": {"refused": {X: 1}},
		"sets": {"expired": {X: 1}, "dropped": {X: 1}}}], "output": {"dropped": {X: 2}}, "exporters": [{"address": X, "protocol": X,
		"datagrams": {"refused": {X: 1}}, "sets": {"expired": {X: 1}, "dropped": {X: 1}}}], "streams": [{"exporter": X, "protocol": X}]}`,
		"X", hostile)), &account); err != nil {
		t.Fatal(err)
	}
	clean(&account)
	var out strings.Builder
	if err := ledger.Print(&out, []ledger.Account{account}); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "\x1b\x07") {
		t.Errorf("%q", out.String())
	}
	for reason, n := range account.Output.Dropped {
		if n != 2 {
			t.Errorf("the figure went with the characters: %q is %d", reason, n)
		}
	}
}
