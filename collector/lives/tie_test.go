package lives

import (
	"net/netip"
	"testing"
	"time"
)

// Two devices with one address and domain are first heard in the very same instant. One falls silent: the data of the other one's cards is read an
// hour later, in each collector that knows, though nothing is announced just then.
func TestDevicesThatAreHeardInOneInstantAreHeldForAnHour(t *testing.T) {
	f := newFleet(t, 3)
	address := netip.MustParseAddr("192.0.2.1")
	stays, goes := &device{address: address, domain: 1, port: 1000}, &device{address: address, domain: 1, port: 2000, layout: 1}
	goes.says(f.collectors[1])
	stays.says(f.collectors[0])
	for minute := range 75 {
		for i, c := range f.collectors {
			ok, wrong, _ := stays.data(c, 3000)
			if wrong || ok && minute < 60 || !ok && minute > 60 {
				t.Fatalf("minute %d, collector %d: decoded %v, wrong %v", minute, i, ok, wrong)
			}
		}
		f.wait(time.Minute)
		if minute == 40 {
			stays.says(f.collectors[0])
		}
	}
}
