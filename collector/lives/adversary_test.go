package lives

import (
	"maps"
	"net/netip"
	"testing"
	"time"
)

// Two neighbours, one announces a system's rate and the other one an interface's, with new ports for each announcement: what is read right after an
// announcement has the port's own rate in the collector that heard it, and in the other one that or none, also after the bucket was brought back from a day ago, emptied, or lost,
// and when collectors are replaced. The bucket's keys stay few.
func TestNeighboursBehindANATThatForgets(t *testing.T) {
	for name, harm := range map[string]func(f *fleet){
		"nothing": func(*fleet) {},
		"a backup of a day ago": func(f *fleet) {
			f.bucket = maps.Clone(f.snapshot)
			f.relist()
		},
		"the bucket is lost": func(f *fleet) {
			clear(f.bucket)
			f.relist()
		},
		"all are replaced": func(f *fleet) {
			for i := range f.collectors {
				f.replace(i)
			}
		},
		"all are replaced, and the bucket is a day old": func(f *fleet) {
			f.bucket = maps.Clone(f.snapshot)
			for i := range f.collectors {
				f.collectors[i].decoder.Close()
				f.collectors[i] = f.start()
			}
			f.sync()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, 2)
			address := netip.MustParseAddr("192.0.2.1")
			all := []*exporter{{version: 9, address: address, domain: 1, rate: 300, name: "n"},
				{version: 9, address: address, domain: 1, rate: 500, manner: byInterface, name: "n"}}
			port, changed := uint16(1000), f.now
			for round := range 3 * 24 * 6 {
				switch round {
				case 100:
					f.snapshot = maps.Clone(f.bucket)
				case 250:
					harm(f)
					changed = f.now
				case 120, 300:
					all[0].rate += 100
					changed = f.now
				case 130, 310:
					all[1].rate += 100
					changed = f.now
				}
				for i, x := range all {
					port++
					x.port = port
					x.announce(f.collectors[(i+round/7)%2])
					f.wait(time.Second)
					for k, c := range f.collectors {
						ok, wrong, rate := x.data(c, x.port, 0)
						own := k == (i+round/7)%2
						if wrong || own && (!ok || rate != uint64(x.rate)) {
							t.Fatalf("round %d: device %d, collector %d: read %v, wrong %v, rate %d, want %d", round, i, k, ok, wrong, rate, x.rate)
						}
						if ok && rate != uint64(x.rate) && rate != 0 && f.now-changed > int64(rateWithin) {
							t.Fatalf("round %d: device %d has rate %d at collector %d, which did not hear it", round, i, rate, k)
						}
					}
				}
				f.wait(10 * time.Minute)
			}
			if len(f.bucket) > 300 {
				t.Errorf("%d keys", len(f.bucket))
			}
		})
	}
}
