package lives

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/template"
)

// The bucket takes no writes, and loses what it had, while an exporter takes another layout. A collector that has not heard of it reads data with the
// former one until then. When there is room again it brings the former one back to nobody: reading is not hearing.
func TestALayoutThatIsOnlyReadDoesNotWinOverOneThatWasSaid(t *testing.T) {
	for _, mode := range []template.Mode{template.ModeAuto, template.ModeAddress, template.ModeAddressPort} {
		for _, after := range []time.Duration{30 * time.Second, 10 * time.Minute, 5 * time.Hour} {
			t.Run(fmt.Sprint("mode ", mode, ", ", after), func(t *testing.T) {
				f := newFleet(t, 0)
				f.mode = mode
				f.begin(3)
				d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000}
				d.says(f.collectors[0])
				f.wait(10 * time.Minute)
				f.full = true
				clear(f.bucket)
				f.relist()
				d.layout = 1
				d.says(f.collectors[1])
				f.wait(after)
				d.data(f.collectors[0], 1000)
				f.collectors[0].store.Find(d.scope()).Template(1000, 300, f.now)
				f.full = false
				f.relist()
				f.wait(time.Second)
				for i, c := range f.collectors {
					if ok, wrong, _ := d.data(c, 1000); wrong || !ok && i > 0 {
						t.Errorf("collector %d: decoded %v, wrong %v", i, ok, wrong)
					}
				}
			})
		}
	}
}
