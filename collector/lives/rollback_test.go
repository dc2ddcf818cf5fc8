package lives

import (
	"maps"
	"net/netip"
	"testing"
	"time"
)

// A bucket that is rolled back says of a layout which is silent that it is not. Nobody said it meanwhile: cards' data is read on by the
// only layout that is said, also in collectors that start then.
func TestARollbackRevivesNoSilentLayout(t *testing.T) {
	for name, test := range map[string]struct {
		before, after time.Duration // of the snapshot, since the reboot; of the rollback, since the snapshot
	}{
		"to before the reboot":         {0, 3 * time.Hour},
		"to a moment after it":         {10 * time.Minute, 3 * time.Hour},
		"to when the former was alive": {50 * time.Minute, 90 * time.Minute},
		"days later":                   {10 * time.Minute, 4 * 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 3)
			d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000}
			live := func(for_ time.Duration) {
				for end := f.now + int64(for_); f.now < end; {
					f.wait(5 * time.Minute)
					d.announce(f.collectors[0])
				}
			}
			live(time.Hour)
			if test.before == 0 {
				f.snapshot = maps.Clone(f.bucket)
			}
			d.port, d.layout = 5000, 1
			d.announce(f.collectors[0])
			if test.before > 0 {
				live(test.before)
				f.snapshot = maps.Clone(f.bucket)
			}
			live(test.after)
			for i, c := range f.collectors {
				if ok, wrong, _ := d.data(c, 5001); !ok || wrong {
					t.Fatalf("collector %d before the rollback: decoded %v, wrong %v", i, ok, wrong)
				}
			}
			f.bucket = maps.Clone(f.snapshot)
			f.relist()
			for round := range 36 {
				for i, c := range f.collectors {
					if ok, wrong, _ := d.data(c, 5001); !ok || wrong {
						t.Fatalf("collector %d, %d minutes after the rollback: decoded %v, wrong %v", i, 5*round, ok, wrong)
					}
				}
				live(5 * time.Minute)
				if round%5 == 0 {
					f.replace(round / 5 % 3)
				}
			}
		})
	}
}
