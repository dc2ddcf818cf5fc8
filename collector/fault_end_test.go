package main

import (
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// Fault: a collector is ended under load while NATS is away, so that its process lives on for a while to save what it has. Every
// datagram up to the closing of its port is in its last books.
func TestNothingIsUncountedAtTheEnd(t *testing.T) {
	t.Parallel()
	for _, spool := range []bool{false, true} {
		t.Run(fmt.Sprintf("spool %t", spool), func(t *testing.T) {
			t.Parallel()
			buffer := ""
			if spool {
				buffer = fmt.Sprintf("output: {buffer: {spool: {directory: %q, maxBytes: 64Mi}}}\n", t.TempDir())
			}
			a := startConfigured(t, "a", configured("a", fmt.Sprintf("%q", natstest.Prepare(t).URL()), "", buffer))
			conn, err := net.Dial("udp4", a.port) // connected: it is told that the port is closed
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			e := &exporter{t: t, domain: 1, now: 1_700_000_000}
			began, told, sent := time.Now(), false, 0
			for {
				message := e.message(1, oldLayout.template(), oldLayout.data(uint32(sent)))
				if _, err := conn.Write(message); err != nil {
					sent-- // the one before found the port closed
					break
				}
				sent++
				if !told && time.Since(began) > time.Second {
					told = true
					if err := a.command.Process.Signal(syscall.SIGTERM); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(200 * time.Microsecond)
			}
			closed := time.Now()
			if err := a.command.Wait(); err != nil {
				t.Errorf("the collector ended with %v", err)
			}
			figure(t, "the port was closed %.1f s before the process ended", time.Since(closed).Seconds())
			natstest.Eventually(t, "it gives account", func() bool { return a.logs.find("ledger of the output") != nil })
			l, out := a.logs.find("ledger of the listener"), a.logs.find("ledger of the output")
			number := func(line map[string]any, name string) int { n, _ := line[name].(float64); return int(n) }
			// One may come between the last look at the kernel's count and the closing of the port, or be sent before the refusal of the one
			// before it is told.
			received, dropped := number(l, "datagrams"), number(l, "kernelDrops")
			if missing := sent - received - dropped; missing < 0 || missing > 1 {
				t.Errorf("%d datagrams arrived before the port was closed, the books have %d and %d dropped by the kernel", sent, received, dropped)
			}
			if n := number(out, "published") + number(out, "waiting") + number(out, "spooled") + number(out, "dropped"); n != number(out, "records") ||
				number(l, "records") != number(out, "records") {
				t.Errorf("the books do not add up: %v, %v", l, out)
			}
			if spool && number(out, "dropped") != 0 {
				t.Errorf("%d records dropped, beside a spool", number(out, "dropped"))
			}
		})
	}
}
