package lives

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/template"
)

// scatter announces what an exporter says through collectors by turns, each message through another one, as a balancer that knows no streams
// spreads them.
func scatter(x *exporter, f *fleet, random *rand.Rand) {
	at := func() *collector { return f.collectors[random.IntN(len(f.collectors))] }
	x.send(at(), x.port, x.domain, x.templates())
	f.sync()
	for _, s := range x.options() {
		for _, one := range s.sets(x.version) {
			x.send(at(), x.port, s.domain, one)
			f.sync()
		}
	}
}

// Exporters of all kinds whose messages reach one of three collectors each by chance: all read them.
func TestExportersThatAreHeardByTurnsAreReadByAllCollectors(t *testing.T) {
	for seed := range seeds(3, 1) {
		for _, mode := range []template.Mode{template.ModeAuto, template.ModeAddress, template.ModeAddressPort} {
			t.Run(fmt.Sprint("mode ", mode, ", seed ", seed), func(t *testing.T) {
				t.Parallel()
				random := rand.New(rand.NewPCG(seed, 77))
				f := newFleet(t, 0)
				f.mode = mode
				f.begin(3)
				var all []*exporter
				port := uint16(1000)
				for i := range 16 {
					port++
					// Of NetFlow v9 and of IPFIX from each address.
					all = append(all, &exporter{version: uint16(9 + i%2), address: netip.AddrFrom4([4]byte{192, 0, 2, byte(i / 2)}), domain: uint32(1 + i%3),
						port: port, layout: random.IntN(len(layouts)), manner: manner(i/2) % manners, rate: uint32(1+random.IntN(5)) * 100, id: 1,
						began: f.now - int64(time.Hour), moved: f.now, rated: f.now})
				}
				var log []string
				note := func(format string, args ...any) {
					log = append(log, fmt.Sprintf("%s ", time.Duration(f.now-1_700_000_000*int64(time.Second)))+fmt.Sprintf(format, args...))
				}
				decoded, held := 0, 0
				for round := range 800 {
					f.wait(time.Minute)
					for i, x := range all {
						if round%5 == i%5 {
							scatter(x, f, random)
						}
						for n, c := range f.collectors {
							ok, wrong, got := x.data(c, x.port, x.id)
							since, rated := time.Duration(f.now-x.moved), time.Duration(f.now-max(x.rated, x.moved))
							bad := ""
							switch {
							case wrong:
								bad = "is read with another layout"
							case !ok && since > time.Hour: // what others hear of a port may be another device, for so long
								bad = "is not read"
							case ok && got != uint64(x.rate) && rated > 36*time.Minute: // half an hour, and the next announcement
								bad = fmt.Sprint("has rate ", got)
							}
							if bad != "" {
								t.Fatalf("exporter %d (%s) at %d: %s, since %s, rated %s; after %v", i, x, n, bad, since, rated, log[max(0, len(log)-12):])
							}
							if ok {
								decoded++
							} else {
								held++
							}
						}
					}
					if round%4 != 3 {
						continue
					}
					f.wait(7 * time.Second)
					i := random.IntN(len(all))
					x := all[i]
					switch random.IntN(7) {
					case 0:
						x.layout, x.moved = (x.layout+1+random.IntN(4))%len(layouts), f.now
						note("%d takes layout %d", i, x.layout)
					case 1:
						port++
						x.layout, x.port, x.moved, x.began, x.sequence = random.IntN(len(layouts)), port, f.now, f.now, 0
						note("%d reboots with layout %d and port %d", i, x.layout, x.port)
					case 2:
						x.layout, x.moved, x.began, x.sequence = random.IntN(len(layouts)), f.now, f.now, 0
						note("%d reboots at its port with layout %d", i, x.layout)
					case 3:
						x.rate, x.rated = uint32(1+random.IntN(5))*100, f.now
						note("%d samples 1 of %d", i, x.rate)
					case 4:
						x.ahead, x.unset = time.Duration(random.IntN(9)-4)*7*time.Hour, random.IntN(4) == 0
						note("%d has its clock set by %s (unset %v)", i, x.ahead, x.unset)
					case 5:
						x.id, x.rated = 1+x.id%5, f.now
						note("%d has sampler %d", i, x.id)
					case 6:
						n := random.IntN(3)
						f.replace(n)
						note("collector %d is replaced", n)
					}
					scatter(x, f, random)
				}
				t.Logf("%d records decoded, %d held", decoded, held)
			})
		}
	}
}
