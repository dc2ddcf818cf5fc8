package traffic_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/hack/flowgen/traffic"
)

func TestSettingsThatCannotBeSentAreRefused(t *testing.T) {
	good := traffic.Settings{
		Target: netip.MustParseAddr("127.0.0.1"), Ports: map[traffic.Protocol]uint16{traffic.NetFlow9: 2055},
		Protocols: []traffic.Protocol{traffic.NetFlow9}, Exporters: 1, Domains: 1, Records: 1, Rate: 1, Duration: time.Second,
	}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*traffic.Settings){
		"target":    func(s *traffic.Settings) { s.Target = netip.Addr{} },
		"exporters": func(s *traffic.Settings) { s.Exporters = 0 },
		"domains":   func(s *traffic.Settings) { s.Domains = 257 },
		"records":   func(s *traffic.Settings) { s.Records = traffic.MaxRecords + 1 },
		"rate":      func(s *traffic.Settings) { s.Rate = 0 },
		"end":       func(s *traffic.Settings) { s.Duration = 0 },
		"skip":      func(s *traffic.Settings) { s.Troubles.Skip = 1 },
		"protocols": func(s *traffic.Settings) { s.Protocols = nil },
		"protocol":  func(s *traffic.Settings) { s.Protocols = []traffic.Protocol{"v7"} },
		"port":      func(s *traffic.Settings) { s.Protocols = []traffic.Protocol{traffic.SFlow} },
	} {
		s := good
		change(&s)
		if err := s.Check(); !errors.Is(err, traffic.ErrSettings) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
