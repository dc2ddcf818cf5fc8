package main

import (
	"flag"
	"testing"

	"github.com/flowfleet/flowfleet/collector/commandtest"
)

var update = flag.Bool("update", false, "write docs/kubectl-flowfleet-commands.md anew")

// go test ./kubectl-flowfleet -run Reference -update
func TestTheReferenceInTheDocsIsWhatTheCommandsSay(t *testing.T) {
	commandtest.Reference(t, newCommand(), "../docs/kubectl-flowfleet-commands.md", "# Commands of kubectl flowfleet\n\n"+
		"Generated from the commands themselves. All take kubectl's own flags, too. "+
		"What they are for stands in [kubectl flowfleet](kubectl-flowfleet.md).\n", *update)
}
