package lives

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

// An exporter whose port changes each time it announces, as behind a NAT that forgets it, leaves few keys in the bucket, though these stay
// for the ttl; its rate and layout are known, also when they change, and in a collector that starts.
func TestAPortForEachAnnouncementLeavesFewKeys(t *testing.T) {
	f := newFleet(t, 2)
	d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000, rate: 100}
	interfaces := func() {
		for i := range uint32(10) {
			d.send(f.collectors[0], d.port, 1, set(3, u16(401, 2, 1, 10, 4, 34, 4)), set(401, u32(100+i, d.rate)))
		}
		at := binary.BigEndian.AppendUint64(nil, 1_600_000_000_000)
		d.send(f.collectors[0], d.port, 1, set(3, u16(402, 2, 1, 149, 4, 160, 8)), set(402, u32(1), at))
		f.sync()
	}
	for i := range 3 * 24 * 6 {
		f.wait(10 * time.Minute)
		d.port++
		switch i {
		case 100:
			d.rate = 200
		case 200:
			f.replace(1)
		}
		d.announce(f.collectors[0])
		interfaces()
		for n, c := range f.collectors {
			if ok, wrong, rate := d.data(c, d.port+1); !ok || wrong || rate != uint64(d.rate) {
				t.Fatalf("announcement %d, collector %d: decoded %v, wrong %v, rate %d", i, n, ok, wrong, rate)
			}
		}
	}
	if len(f.bucket) > 100 {
		t.Errorf("%d keys after three days, of 14 things that it says", len(f.bucket))
	}
}
