package main

import (
	"fmt"
	"io"
	"time"
)

// quietAfter is how long tail waits for a first flow before it says that it waits.
const quietAfter = 10 * time.Second

// sayWhenQuiet writes once that no flow has come, unless heard is called within quietAfter: who sees nothing but a heading cannot tell a
// quiet network from a fault.
func sayWhenQuiet(out io.Writer) (heard func()) {
	timer := time.AfterFunc(quietAfter, func() {
		_, _ = fmt.Fprintf(out, "no flow in %s; waiting for the first one, until Ctrl-C (\"collector ledger\" shows what arrives)\n", quietAfter)
	})
	return func() { timer.Stop() }
}
