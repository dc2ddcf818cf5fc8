package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/natstest"
)

// execute runs a command line within the test.
func execute(t *testing.T, input string, args ...string) (out string, err error) {
	t.Helper()
	command := newCommand()
	var stdout, stderr bytes.Buffer
	command.SetOut(&stdout)
	command.SetErr(&stderr)
	command.SetIn(strings.NewReader(input))
	command.SetArgs(args)
	err = command.ExecuteContext(t.Context())
	return stdout.String() + stderr.String(), err
}

func TestTemplatesAreListedShownAndDeleted(t *testing.T) {
	s := natstest.Start(t)
	a := startCollector(t, "a", s.URL(), "").awaitReady()
	e := newExporter(t, 7)
	e.send(a.port, 1, append(selectorOptions(512), oldLayout.template())...)
	list := func() string {
		out, err := execute(t, "", "templates", "list", "--server", s.URL())
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	natstest.Eventually(t, "all is in the bucket", func() bool { return strings.Count(list(), "t1.ipfix.127-0-0-1.7.") == 2 })
	if out := list(); !strings.Contains(out, "selector-9: 1 of 512") || !strings.Contains(out, "3 fields") {
		t.Errorf("the list is\n%s", out)
	}
	out, err := execute(t, "", "templates", "show", "--json", "--exporter", "127.0.0.1", "--server", s.URL())
	if err != nil {
		t.Fatal(err)
	}
	if out, err := execute(t, "", "templates", "list", "--exporter", "192.0.2.77", "--server", s.URL()); err != nil || !strings.HasPrefix(out, "192.0.2.77 has taught no template") {
		t.Errorf("of an exporter that nobody heard: %s, %v", out, err)
	}
	names := make(map[string]bool)
	var key string
	for line := range strings.Lines(out) {
		var entry shownEntry
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		for _, f := range entry.Fields {
			names[f.Name] = true
		}
		if entry.ID == 300 {
			key = entry.Key
		}
		if entry.Writer != "a" || entry.Exporter != "127.0.0.1" || entry.Domain != 7 {
			t.Errorf("%+v", entry)
		}
	}
	for _, name := range []string{"octetDeltaCount", "packetDeltaCount", "protocolIdentifier", "selectorId", "samplingPacketSpace"} {
		if !names[name] {
			t.Errorf("no field is called %s", name)
		}
	}
	if _, err := execute(t, "n\n", "templates", "delete", key, "--server", s.URL()); err == nil {
		t.Error("it was deleted without consent")
	}
	if out, err := execute(t, "y\n", "templates", "delete", key, "--server", s.URL()); err != nil || !strings.Contains(out, "deleted "+key) {
		t.Errorf("%s: %v", out, err)
	}
	natstest.Eventually(t, "the collector forgets it", func() bool { return a.metric("templates") == 1 })
	if _, err := execute(t, "", "templates", "show", key, "--server", s.URL()); err == nil {
		t.Error("a key that is gone was shown")
	}
}

func TestTailShowsTheFlowsOfOneExporter(t *testing.T) {
	s := natstest.Start(t)
	a := startCollector(t, "a", s.URL(), "").awaitReady()
	e := newExporter(t, 1)
	e.send(a.port, 2, oldLayout.template(), oldLayout.data(41, 42))
	assertNumbers(t, s, 41, 42)
	out, err := execute(t, "", "tail", "--all", "--json", "-n", "2", "--exporter", "127.0.0.1", "--server", s.URL())
	if err != nil || !strings.Contains(out, `"bytes":41,`) || !strings.Contains(out, `"bytes":42,`) {
		t.Errorf("%s: %v", out, err)
	}
	if out, err = execute(t, "", "tail", "--all", "-n", "1", "--server", s.URL()); err != nil || !strings.Contains(out, "127.0.0.1") {
		t.Errorf("%s: %v", out, err)
	}
	if _, err := execute(t, "", "tail", "--server", "nats://127.0.0.1:1", "--timeout", "200ms"); err == nil ||
		!strings.Contains(err.Error(), "no connection to NATS") {
		t.Errorf("without a server: %v", err)
	}
}

// What was published before is in the first table: nobody waits for flows to come.
func TestTopShowsTheLastMinuteAtOnce(t *testing.T) {
	s := natstest.Start(t)
	a := startCollector(t, "a", s.URL(), "").awaitReady()
	e := newExporter(t, 1)
	e.send(a.port, 2, oldLayout.template(), oldLayout.data(41, 42))
	assertNumbers(t, s, 41, 42)
	for _, test := range []struct {
		arguments []string
		want      string
	}{
		{nil, "127.0.0.1"},
		{[]string{"--by", "protocol", "--sort", "flows", "--network", "0.0.0.0/0"}, "none of the 2 flows of the last "},
		{[]string{"--exporter", "192.0.2.1"}, "none of the 2 flows of the last "},
		{[]string{"--subject", "flows.none"}, "no flows in the last "},
		{[]string{"--json"}, `"flows":2`},
	} {
		out, err := execute(t, "", append([]string{"top", "--once", "--server", s.URL()}, test.arguments...)...)
		if err != nil || !strings.Contains(out, test.want) {
			t.Errorf("%v: %v\n%s", test.arguments, err, out)
		}
	}
}

func TestTailShowsATableOfJSONToo(t *testing.T) {
	s := natstest.Start(t)
	a := startConfigured(t, "a", fmt.Sprintf(`
listeners: [{name: any, address: "127.0.0.1:0", workers: 1}]
nats: {urls: ["%s"]}
templateStore: {maxBytes: -1}
output: {encoding: JSON, stream: {maxBytes: -1}, batch: {maxAge: 20ms}}
http: {address: "127.0.0.1:0"}
`, s.URL())).awaitReady()
	e := newExporter(t, 1)
	e.send(a.port, 2, oldLayout.template(), oldLayout.data(41, 42))
	out, err := execute(t, "", "tail", "--all", "-n", "2", "--server", s.URL())
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if err != nil || len(lines) != 3 || lines[0] != flow.Heading || !strings.Contains(lines[1], " 41 ") || !strings.Contains(lines[2], " 42 ") {
		t.Errorf("%s: %v", out, err)
	}
}

func TestLinesOfJSONHaveVolumesBeforeSamplingWhereTheyAreAskedFor(t *testing.T) {
	flows := filepath.Join(t.TempDir(), "flows.json")
	a := startConfigured(t, "a", fmt.Sprintf(`
instance: a
listeners: [{name: any, address: "127.0.0.1:0", workers: 1}]
templateStore: {disabled: true}
exporters: {sampling: {defaults: [{network: 127.0.0.1/32, rate: 100}]}}
output: {kind: File, file: %q, encoding: JSON, scaledVolumes: true, batch: {maxAge: 20ms}}
http: {address: "127.0.0.1:0"}
drainTime: 100ms
`, flows)).awaitReady()
	known, unknown := newExporter(t, 1), newExporter(t, 1, "127.0.0.2")
	known.send(a.port, 1, oldLayout.template(), oldLayout.data(41))
	unknown.send(a.port, 1, oldLayout.template(), oldLayout.data(42))
	a.atRest()
	a.terminate()
	written, err := os.ReadFile(flows)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(written)) {
		var r struct {
			Sampler       string `json:"sampler_address"`
			Bytes         uint64
			ScaledBytes   *uint64 `json:"scaled_bytes"`
			ScaledPackets *uint64 `json:"scaled_packets"`
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		switch {
		case r.Sampler == "127.0.0.1" && (r.Bytes == 0 || r.ScaledBytes == nil || r.ScaledPackets == nil || *r.ScaledBytes != 100*r.Bytes):
			t.Errorf("one packet of 100 was sampled: %s", line)
		case r.Sampler == "127.0.0.2" && (r.ScaledBytes != nil || r.ScaledPackets != nil || !strings.Contains(line, `"scaled_bytes":null`)):
			t.Errorf("nobody said the rate: %s", line)
		}
	}
	if n := strings.Count(string(written), "\n"); n != 2 {
		t.Errorf("%d lines", n)
	}
}

func TestMisuseIsExplained(t *testing.T) {
	for _, test := range []struct {
		args []string
		want []string
	}{
		{[]string{"run"}, []string{"--config is missing", "collector config example", "usage: collector run --config FILE"}},
		{[]string{"run", "--config"}, []string{"needs an argument", "collector run --help"}},
		{[]string{"run", "--config", "missing.yaml"}, []string{"missing.yaml", "collector config example"}},
		{[]string{"run", "x"}, []string{`"x": no argument is expected`}},
		{[]string{"decode"}, []string{"a capture is missing", "usage: collector decode CAPTURE..."}},
		{[]string{"decode", "--bogus"}, []string{"unknown flag: --bogus", "usage"}},
		{[]string{"templates", "remove"}, []string{`unknown command "remove"`, "collector templates --help"}},
		{[]string{"templates", "delete"}, []string{"a key", "is missing"}},
		{[]string{"templates", "list", "--exporter", "x"}, []string{`--exporter "x" is not an address`}},
		{[]string{"tail", "--exporter", "x"}, []string{`--exporter "x" is not an address`}},
		{[]string{"tail", "--network", "10.0.0.0/40"}, []string{`--network "10.0.0.0/40" is not an address or a network`}},
		{[]string{"top", "--by", "weight"}, []string{"--by", "conversation"}},
		{[]string{"top", "--sort", "weight"}, []string{"--sort", "packets"}},
		{[]string{"top", "--window", "1s"}, []string{"12s"}},
		{[]string{"config", "check", "a", "b"}, []string{`"b": only a file is expected`}},
		{[]string{"bogus"}, []string{`unknown command "bogus"`, "collector --help"}},
	} {
		root := newCommand()
		root.SetOut(io.Discard)
		root.SetErr(io.Discard)
		root.SetArgs(test.args)
		command, err := root.ExecuteContextC(t.Context())
		if err == nil {
			t.Errorf("%q is no error", test.args)
			continue
		}
		for _, want := range test.want {
			if got := explain(command, err); !strings.Contains(got, want) {
				t.Errorf("%q: %q is not in %q", test.args, want, got)
			}
		}
	}
}

func TestConfigCheckReportsEveryProblem(t *testing.T) {
	good, bad := filepath.Join(t.TempDir(), "good.yaml"), filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(good, config.Example(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bad, []byte("listener: []\nlog: {level: 7}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := execute(t, "", "config", "check", good); err != nil || !strings.Contains(out, "is valid") {
		t.Errorf("%s: %v", out, err)
	}
	if _, err := execute(t, "", "config", "check", bad); err == nil || !strings.Contains(err.Error(), "log.level: a string is expected") ||
		!strings.Contains(err.Error(), "listener: there is no such field") {
		t.Errorf("%v", err)
	}
	if out, err := execute(t, "", "config", "example"); err != nil || out != string(config.Example()) {
		t.Errorf("%v", err)
	}
}

// writeCapture writes raw IPv4 datagrams from 192.0.2.1:4000 into a pcap file and returns its path.
func writeCapture(t *testing.T, name string, compress bool, payloads ...[]byte) string {
	t.Helper()
	const linkRaw = 101
	u32 := binary.LittleEndian.AppendUint32
	b := u32(nil, 0xa1b2c3d4)
	b = append(b, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	b = u32(u32(b, 65535), linkRaw)
	for i, p := range payloads {
		packet := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 4000 >> 8, 4000 & 0xff, 0x08, 0x07, 0, 0, 0, 0}
		binary.BigEndian.PutUint16(packet[24:], uint16(8+len(p)))
		packet = append(packet, p...)
		binary.BigEndian.PutUint16(packet[2:], uint16(len(packet)))
		b = u32(u32(u32(u32(b, uint32(1_700_000_000+i)), 0), uint32(len(packet))), uint32(len(packet)))
		b = append(b, packet...)
	}
	if compress {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		b = out.Bytes()
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDecodeReadsCapturesAsOneStreamAndReportsTheRest(t *testing.T) {
	ipfix := func(sets ...[]byte) []byte {
		b := append([]byte{0, 10, 0, 0}, make([]byte, 12)...)
		for _, s := range sets {
			b = append(b, s...)
		}
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		return b
	}
	unknown := layout{999, oldLayout.fields}
	first := writeCapture(t, "first.pcap", false, ipfix(oldLayout.data(1)), []byte("no flows at all"), ipfix(unknown.data(9)))
	second := writeCapture(t, "second.pcap.gz", true, ipfix(set(7, nil)), ipfix(oldLayout.template()), append(ipfix(oldLayout.data(2)), 'x'))
	out, err := execute(t, "", "decode", first, second)
	if err != nil {
		t.Errorf("faults in a capture are an error: %v", err)
	}
	for _, want := range []string{
		`"sampler_address":"192.0.2.1"`, `"bytes":1,"packets":7`, `"bytes":2,"packets":7`,
		first + ": frame 2: exporter 192.0.2.1:4000: datagram refused: no version",
		first + ": frame 3: exporter 192.0.2.1:4000: data set not decoded: its template is in none of the captures (domain 0, set 999)",
		second + ": frame 1: exporter 192.0.2.1:4000: set not decoded: its id is reserved (domain 0, set 7)",
		second + ": frame 3: exporter 192.0.2.1:4000: it carries more than its lengths promise",
		"frames 6, datagrams 6,", "sets_released", "records_decoded                              2\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if out, err := execute(t, "", "decode", "--quiet", "--protocol", "netflow", second); err != nil || strings.Contains(out, "bytes\":") ||
		!strings.Contains(out, "of another protocol than --protocol asks for") || strings.Contains(out, "frames") {
		t.Errorf("%s: %v", out, err)
	}
}

// RFC 5655: messages one behind the other, in which templates come before what they describe.
func TestDecodeReadsIPFIXFilesAndPayloads(t *testing.T) {
	message := func(body []byte) []byte {
		head := binary.BigEndian.AppendUint16([]byte{0, 10}, uint16(16+len(body)))
		head = append(binary.BigEndian.AppendUint32(head, 1_700_000_000), make([]byte, 8)...)
		return append(head, body...)
	}
	write := func(name string, parts ...[]byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, bytes.Join(parts, nil), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file := write("flows.ipfix", message(oldLayout.template()), message(oldLayout.data(1)))
	payload := write("datagram.dat", message(oldLayout.data(2)))
	out, err := execute(t, "", "decode", file, payload)
	if err != nil {
		t.Error(err)
	}
	for _, want := range []string{`"bytes":1,"packets":7`, `"bytes":2,"packets":7`, `"sampler_address":"0.0.0.0"`, `"time_received_ns":1700000000000000000`,
		"frames 3, datagrams 3,"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

// RFC 5610 section 3.9: options records whose scope is an element say its name and type. What a public list has keeps its name there.
func TestDecodeNamesElementsThatTheExporterDescribes(t *testing.T) {
	u16 := func(values ...uint16) (b []byte) {
		for _, v := range values {
			b = binary.BigEndian.AppendUint16(b, v)
		}
		return b
	}
	message := func(sets ...[]byte) []byte {
		body := bytes.Join(sets, nil)
		return bytes.Join([][]byte{u16(10, uint16(16+len(body)), 0x6553, 0xf100), make([]byte, 8), body}, nil)
	}
	describe := func(enterprise, id, kind uint16, name string) []byte {
		return bytes.Join([][]byte{u16(0, enterprise, id), {byte(kind), byte(len(name))}, []byte(name)}, nil)
	}
	types := message(set(3, u16(400, 4, 2, 346, 4, 303, 2, 339, 1, 341, 65535)),
		set(400, bytes.Join([][]byte{describe(4000, 1, 13, "customer"), describe(4000, 0x8002, 1, "colour"), describe(4000, 3, 99, "shape"),
			describe(4000, 4, 1, "bad\"name"), describe(637, 93, 1, "other")}, nil)))
	flows := message(set(2, u16(300, 6, 1, 4, 0x8001, 4, 0, 4000, 0x8002, 1, 0, 4000, 0x8003, 2, 0, 4000, 0x8004, 1, 0, 4000, 0x805d, 1, 0, 637)),
		set(300, bytes.Join([][]byte{u16(0, 9), []byte("acme"), {7}, u16(513), {5}, []byte("a")}, nil)))
	path := filepath.Join(t.TempDir(), "flows.ipfix")
	if err := os.WriteFile(path, append(types, flows...), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := execute(t, "", "decode", "--all-fields", "--quiet", path)
	if err != nil {
		t.Error(err)
	}
	if want := `"fields":{"customer":"acme","colour":7,"shape":513,"enterprise4000.4":"05","natSubString":"a"}`; !strings.Contains(out, want) {
		t.Errorf("%s is not in\n%s", want, out)
	}
}

func TestDecodeReportsWhatItCannotReadAndGoesOn(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.pcap")
	if out, err := execute(t, "", "decode", missing); err == nil || !strings.Contains(out, "missing.pcap") {
		t.Errorf("%s: %v", out, err)
	}
	if _, err := execute(t, "", "decode", "--protocol", "netflow10", missing); err == nil || !strings.Contains(err.Error(), "ipfix") {
		t.Errorf("%v", err)
	}
	if _, err := execute(t, "", "decode"); err == nil {
		t.Error("no capture is no error")
	}
}
