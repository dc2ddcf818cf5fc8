package main

import (
	"flag"
	"testing"

	"github.com/flowfleet/flowfleet/collector/commandtest"
)

var update = flag.Bool("update", false, "write docs/collector-commands.md anew")

// go test ./collector -run Reference -update
func TestTheReferenceInTheDocsIsWhatTheCommandsSay(t *testing.T) {
	commandtest.Reference(t, newCommand(), "../docs/collector-commands.md", "# Commands of collector\n\n"+
		"Generated from the commands themselves. What they are for stands in [the collector alone](collector.md).\n", *update)
}
