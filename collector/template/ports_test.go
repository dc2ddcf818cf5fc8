package template

import (
	"testing"
	"time"
)

// Each of many ports is read with what it said itself, however many its neighbours are; what it said last counts.
func TestManyPortsAreReadWithWhatTheySaid(t *testing.T) {
	for name, mode := range map[string]Mode{"Auto": ModeAuto, "AddressPort": ModeAddressPort} {
		t.Run(name, func(t *testing.T) {
			m := newMemory(t, mode, roomy)
			length := func(port uint16) uint16 { return 4 + 4*(port%2) }
			for round := range uint64(5) {
				for port := uint16(1000); port < 1200; port++ {
					m.learn(port, 256, length(port), 100+round*600)
				}
				for port := uint16(1000); port < 1200; port++ {
					m.want(port, 256, length(port))
				}
				m.want(5000, 256, 0)
				m.now += int64(5 * time.Minute)
			}
			m.learn(1003, 256, 2, 4000)
			m.want(1003, 256, 2)
			m.learn(1003, 256, 8, 4100)
			m.want(1003, 256, 8)
			for port := uint16(10_000); port < 12_000; port++ {
				m.learn(port, 256, 4, 5000)
			}
			for _, l := range m.Find(scope).ids[256].layouts {
				if len(l.says) > maxSays {
					t.Errorf("%d ports of a layout are remembered", len(l.says))
				}
			}
			m.SetLimits(Limits{Exporters: 100, Templates: 1, Fields: 10})
			m.learn(1000, 257, 4, 6000)
			if taken, counted := bytesOf(m.Store), m.bytes.Load(); taken != counted {
				t.Errorf("%d bytes are counted of %d", counted, taken)
			}
		})
	}
}
