package traffic_test

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/hack/flowgen/traffic"
)

// header is what a test reads of an IPFIX message.
type header struct {
	time     time.Time
	sequence uint32
	set      uint16 // id of the first
	rate     uint32 // 0 where it tells none
}

// messages are those that 60 datagrams with 2 records each need.
func messages(t *testing.T, troubles traffic.Troubles) (all []header) {
	t.Helper()
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.Close() }()
	port := uint16(socket.LocalAddr().(*net.UDPAddr).Port)
	_, err = traffic.Send(t.Context(), traffic.Settings{Target: netip.MustParseAddr("127.0.0.1"), Ports: map[traffic.Protocol]uint16{traffic.IPFIX: port},
		Protocols: []traffic.Protocol{traffic.IPFIX}, Exporters: 1, Domains: 1, Records: 2, Rate: 1000, Datagrams: 60, Options: true, Run: 1, Troubles: troubles})
	if err != nil {
		t.Fatal(err)
	}
	for b := make([]byte, 2000); ; {
		_ = socket.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		n, err := socket.Read(b)
		if err != nil {
			return all
		}
		h := header{time: time.Unix(int64(binary.BigEndian.Uint32(b[4:])), 0), sequence: binary.BigEndian.Uint32(b[8:]), set: binary.BigEndian.Uint16(b[16:])}
		if h.set == 2 {
			h.rate = binary.BigEndian.Uint32(b[n-8:]) // scope, rate, algorithm, padding
		}
		all = append(all, h)
	}
}

func TestTroublesAreSentAsTheySay(t *testing.T) {
	began := time.Now()
	whole := messages(t, traffic.Troubles{})
	if len(whole) != 61 || whole[0].set != 2 || whole[0].rate != 100 || whole[1].sequence != 1 || whole[60].sequence != 119 ||
		whole[0].time.Sub(began).Abs() > time.Minute {
		t.Fatalf("a whole device sends %+v", whole)
	}
	if lossy := messages(t, traffic.Troubles{Skip: 20}); len(lossy) != 58 || lossy[19].sequence != 37 || lossy[20].sequence != 41 {
		t.Errorf("each 20th is lost: %+v", lossy)
	}
	if untaught := messages(t, traffic.Troubles{Untaught: true}); len(untaught) != 60 || untaught[0].set == 2 {
		t.Errorf("no templates: %+v", untaught)
	}
	for _, h := range messages(t, traffic.Troubles{Ahead: time.Hour}) {
		if ahead := h.time.Sub(began); ahead < 59*time.Minute || ahead > 61*time.Minute {
			t.Fatalf("an hour ahead: %+v", h)
		}
	}
	boots := 0
	for _, h := range messages(t, traffic.Troubles{Reboot: 20 * time.Millisecond}) {
		if h.sequence == 0 && h.set == 2 {
			boots++
		}
	}
	if boots != 2 {
		t.Errorf("a device that boots anew begins %d times", boots)
	}
	var rates []uint32
	for _, h := range messages(t, traffic.Troubles{Resample: 20 * time.Millisecond}) {
		if h.rate != 0 {
			rates = append(rates, h.rate)
		}
	}
	if len(rates) != 2 || rates[0] != 100 || rates[1] != 200 {
		t.Errorf("rates that are told: %d", rates)
	}
}
