package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/hack/flowgen/check"
	"github.com/flowfleet/flowfleet/hack/flowgen/traffic"
)

// collectorBinary is built once for all tests.
var collectorBinary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		directory, err := os.MkdirTemp("", "flowgen-test-")
		if err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(directory) }()
		collectorBinary = filepath.Join(directory, "collector")
		build := exec.Command("go", "build", "-trimpath", "-o", collectorBinary, "../../collector")
		build.Env = append(os.Environ(), "CGO_ENABLED=0") // as "make build" does, which shares its cache
		if out, err := build.CombinedOutput(); err != nil {
			panic(fmt.Sprintf("%v\n%s", err, out))
		}
		return m.Run()
	}())
}

// startCollector runs the collector, and returns the port that takes all protocols.
func startCollector(t *testing.T, server *natstest.Server) uint16 {
	t.Helper()
	file := filepath.Join(t.TempDir(), "collector.yaml")
	if err := os.WriteFile(file, []byte(fmt.Sprintf(`
listeners: [{name: any, address: "127.0.0.1:0"}]
nats: {urls: ["%s"]}
templateStore: {maxBytes: -1}
output: {stream: {maxBytes: -1}, batch: {maxAge: 20ms}}
http: {address: "127.0.0.1:0"}
`, server.URL())), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(collectorBinary, "run", "--config", file)
	stderr, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	addresses := make(chan string, 2)
	go func() {
		for scanner := bufio.NewScanner(stderr); scanner.Scan(); {
			var line struct{ Msg, Address string }
			_ = json.Unmarshal(scanner.Bytes(), &line)
			if line.Msg == "listening" || line.Msg == "serving metrics and health" {
				addresses <- line.Msg + " " + line.Address
			}
		}
	}()
	var port uint16
	var health string
	for range 2 {
		select {
		case line := <-addresses:
			if address, ok := cut(line, "listening "); ok {
				port = netip.MustParseAddrPort(address).Port()
			} else {
				health, _ = cut(line, "serving metrics and health ")
			}
		case <-time.After(30 * time.Second):
			t.Fatal("the collector does not listen")
		}
	}
	natstest.Eventually(t, "the collector is ready", func() bool {
		response, err := http.Get("http://" + health + "/readyz")
		if err != nil {
			return false
		}
		defer func() { _ = response.Body.Close() }()
		return response.StatusCode == http.StatusOK
	})
	return port
}

func cut(line, prefix string) (string, bool) {
	if len(line) < len(prefix) || line[:len(prefix)] != prefix {
		return "", false
	}
	return line[len(prefix):], true
}

// run sends and verifies as the command does.
func run(t *testing.T, server *natstest.Server, s traffic.Settings) check.Report {
	t.Helper()
	js, err := jetstream.New(server.Connect())
	if err != nil {
		t.Fatal(err)
	}
	tally := check.NewTally(s.Run)
	reader, err := check.Follow(t.Context(), js, "flows", nil, time.Time{}, tally)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Stop()
	manifest, err := traffic.Send(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	sent := make(chan traffic.Manifest, 1)
	sent <- manifest
	if _, err := reader.Read(t.Context(), sent, 3*time.Second); err != nil {
		t.Fatal(err)
	}
	report := tally.Report(manifest)
	if t.Failed() {
		report.Print(os.Stderr)
	}
	return report
}

func settings(port uint16, protocols ...traffic.Protocol) traffic.Settings {
	s := traffic.Settings{
		Target: netip.MustParseAddr("127.0.0.1"), Ports: map[traffic.Protocol]uint16{}, Protocols: protocols, Exporters: 8, Domains: 1,
		Records: 10, Rate: 2000, Datagrams: 800, Options: true, Run: 7, Source: netip.MustParseAddr("127.0.1.1"),
	}
	for _, protocol := range protocols {
		s.Ports[protocol] = port
	}
	return s
}

var all = []traffic.Protocol{traffic.NetFlow5, traffic.NetFlow9, traffic.IPFIX, traffic.SFlow}

func TestEachRecordOfEachProtocolArrivesOnce(t *testing.T) {
	server := natstest.Start(t)
	port := startCollector(t, server)
	for name, change := range map[string]func(*traffic.Settings){
		"plain":           func(*traffic.Settings) {},
		"several domains": func(s *traffic.Settings) { s.Domains, s.Run = 3, 8 },
		// Export times have whole seconds; the changes within one are to be told apart all the same.
		"templates that change": func(s *traffic.Settings) { s.Redefine, s.Rate, s.Run = 100*time.Millisecond, 200, 9 },
		"templates sent again":  func(s *traffic.Settings) { s.TemplateInterval, s.Run = 50*time.Millisecond, 10 },
		"named interfaces": func(s *traffic.Settings) {
			s.Names, s.TemplateInterval, s.Run = traffic.NamesSent, 50*time.Millisecond, 12
		},
		"datagrams as full as can": func(s *traffic.Settings) { s.Records, s.Run = traffic.MaxRecords, 11 },
	} {
		t.Run(name, func(t *testing.T) {
			s := settings(port, all...)
			change(&s)
			report := run(t, server, s)
			if !report.Good() || report.Once != 800*s.Records || report.Unnamed != 0 || report.Rates != 0 || report.Sources != 0 {
				report.Print(os.Stderr)
				t.Errorf("%+v", report)
			}
		})
	}
}

// A relay that drops some datagrams stands for a network that loses them.
func TestLostDatagramsAreNamed(t *testing.T) {
	server := natstest.Start(t)
	port := startCollector(t, server)
	relay, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = relay.Close() })
	go func() {
		target, err := net.Dial("udp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return
		}
		defer func() { _ = target.Close() }()
		buffer := make([]byte, 65536)
		for number := 1; ; number++ {
			n, _, err := relay.ReadFromUDP(buffer)
			if err != nil {
				return
			}
			if number == 5 || number >= 20 && number <= 29 {
				continue
			}
			_, _ = target.Write(buffer[:n])
		}
	}()
	s := settings(uint16(relay.LocalAddr().(*net.UDPAddr).Port), traffic.NetFlow5)
	s.Exporters, s.Datagrams, s.Rate = 1, 100, 500
	report := run(t, server, s)
	if report.Once != 890 || report.Lost != 110 || report.LostDatagrams != 11 || len(report.Gaps) != 2 || report.Good() {
		t.Fatalf("%+v", report)
	}
	for i, want := range [][3]int{{5, 5, 10}, {20, 29, 100}} {
		if gap := report.Gaps[i]; gap.First != want[0] || gap.Last != want[1] || gap.Records != want[2] || gap.To < gap.From {
			t.Errorf("gap %+v, want %v", gap, want)
		}
	}
	if report.Sources != 890 || len(report.Addresses) != 1 || report.Addresses[0].Seen != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("the relay's address is not told: %+v", report.Addresses)
	}
}

// Beside real exporters the stream is never quiet.
func TestWhatIsLostIsToldWhileOthersGoOnSending(t *testing.T) {
	server := natstest.Start(t)
	js, err := jetstream.New(server.Connect())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "flows", Subjects: []string{"flows.>"}}); err != nil {
		t.Fatal(err)
	}
	tally := check.NewTally(7)
	reader, err := check.Follow(ctx, js, "flows", nil, time.Time{}, tally)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Stop()
	others, stop := context.WithCancel(ctx)
	var sending sync.WaitGroup
	sending.Go(func() {
		var encoder flow.Encoder
		for others.Err() == nil {
			_, _ = js.Publish(others, "flows.others", encoder.AppendDelimited(nil, &flow.Record{Bytes: 1}))
			time.Sleep(10 * time.Millisecond)
		}
	})
	sent := make(chan traffic.Manifest, 1)
	sent <- traffic.Manifest{Records: 1, Exporters: []traffic.Sent{{Exporter: 1, Times: make([]uint32, 10)}}}
	manifest, err := reader.Read(ctx, sent, time.Second)
	stop()
	sending.Wait()
	if report := tally.Report(manifest); err != nil || report.Lost != 10 {
		t.Errorf("%v, %d records lost, want all 10", err, report.Lost)
	}
}

func TestRefusedDatagramsAreCounted(t *testing.T) {
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	port := uint16(socket.LocalAddr().(*net.UDPAddr).Port)
	if err := socket.Close(); err != nil { // now nobody listens there
		t.Fatal(err)
	}
	s := settings(port, traffic.NetFlow5)
	s.Datagrams = 50
	manifest, err := traffic.Send(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if manifest.Datagrams() != 50 || manifest.Refused() < 20 {
		t.Errorf("%d sent, %d refused", manifest.Datagrams(), manifest.Refused())
	}
}

func TestInterruptEndsSendingWithWhatWasSent(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s := settings(9, traffic.NetFlow5)
	s.Datagrams, s.Duration = 0, time.Hour
	time.AfterFunc(100*time.Millisecond, cancel)
	manifest, err := traffic.Send(ctx, s)
	if err != nil || manifest.Datagrams() == 0 {
		t.Errorf("%d sent, %v", manifest.Datagrams(), err)
	}
}

// The address of a fleet is a name where a cloud's load balancer gives one.
func TestATargetIsAnAddressOrAName(t *testing.T) {
	for target, want := range map[string]string{"192.0.2.1": "192.0.2.1", "2001:db8::1": "2001:db8::1", "localhost": "127.0.0.1"} {
		if got, err := resolve(target); err != nil || got.String() != want {
			t.Errorf("%s: %v, %v, want %s", target, got, err, want)
		}
	}
	if got, err := resolve(""); err == nil {
		t.Errorf("nobody named: %v", got)
	}
}
