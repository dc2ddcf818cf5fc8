package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/flowfleet/flowfleet/collector/clock"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/natstest"
)

// runAsCollector makes the test binary the collector itself, so that tests run real processes of what was compiled.
const runAsCollector = "FLOWFLEET_TEST_RUN_COLLECTOR"

func TestMain(m *testing.M) {
	natstest.ServeIfAsked()
	if os.Getenv(runAsCollector) != "" {
		if file := os.Getenv(clockVariable); file != "" {
			clock.SetWall(func() time.Time { return time.Now().Add(clockOffset(file)) })
		}
		main()
		return
	}
	os.Exit(m.Run())
}

// process is a running collector.
type process struct {
	t       *testing.T
	command *exec.Cmd
	port    string // of the listener
	http    string
	logs    *logs
}

// logs keeps what a process wrote.
type logs struct {
	mu    sync.Mutex
	lines []map[string]any
}

func (l *logs) find(message string) map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if line["msg"] == message {
			return line
		}
	}
	return nil
}

func (l *logs) print(t *testing.T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		t.Log(line)
	}
}

// startCollector starts a collector on free ports and waits until it listens.
func startCollector(t *testing.T, name, nats, more string) *process {
	t.Helper()
	return startConfigured(t, name, fmt.Sprintf(`
instance: %s
listeners: [{name: any, address: "127.0.0.1:0", workers: 2}]
nats: {urls: ["%s"]}
templateStore: {maxBytes: -1, loadTimeout: 60s}
output: {stream: {maxBytes: -1}, batch: {maxAge: 20ms}}
http: {address: "127.0.0.1:0"}
drainTime: 100ms
%s`, name, nats, more))
}

// startConfigured starts a collector with a configuration and waits until it listens.
func startConfigured(t *testing.T, name, content string, change ...func(*exec.Cmd)) *process {
	t.Helper()
	file := filepath.Join(t.TempDir(), "collector.yaml")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return startFile(t, name, file, change...)
}

// startFile starts a collector with a configuration file and waits until it listens.
func startFile(t *testing.T, name, file string, change ...func(*exec.Cmd)) *process {
	t.Helper()
	p := &process{t: t, logs: &logs{}}
	p.command = exec.Command(os.Args[0], "run", "--config", file)
	p.command.Env = append(os.Environ(), runAsCollector+"=1")
	for _, f := range change {
		f(p.command)
	}
	stderr, err := p.command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		scanner := bufio.NewScanner(stderr)
		for scanner.Scan() {
			line := make(map[string]any)
			if json.Unmarshal(scanner.Bytes(), &line) != nil {
				line["msg"] = scanner.Text()
			}
			p.logs.mu.Lock()
			p.logs.lines = append(p.logs.lines, line)
			p.logs.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		if p.command.ProcessState == nil {
			p.kill()
		}
		if t.Failed() {
			t.Logf("log of %s:", name)
			p.logs.print(t)
		}
	})
	natstest.Eventually(t, "the collector listens", func() bool { return p.logs.find("listening") != nil })
	p.port = p.logs.find("listening")["address"].(string)
	sentTo.Delete(p.port) // of a collector that had it before
	p.http = p.logs.find("serving metrics and health")["address"].(string)
	return p
}

func (p *process) awaitReady() *process {
	p.t.Helper()
	natstest.Eventually(p.t, "the collector is ready", func() bool {
		status, _ := p.get("/readyz")
		return status == http.StatusOK
	})
	return p
}

func (p *process) get(path string) (int, string) {
	response, err := http.Get("http://" + p.http + path)
	if err != nil {
		return 0, ""
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, ""
	}
	return response.StatusCode, string(body)
}

// kill ends the process as a crash would.
func (p *process) kill() {
	_ = p.command.Process.Kill()
	_ = p.command.Wait()
}

// terminate asks the process to end and expects it to do so well.
func (p *process) terminate() {
	p.t.Helper()
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	if err := p.command.Wait(); err != nil {
		p.t.Errorf("the collector ended with %v", err)
	}
}

// metric sums a metric over its labels, of those with a reason given only.
func (p *process) metric(name string, reasons ...string) float64 {
	family := p.family(name)
	if family == nil && p.family("build_info") == nil {
		return -1
	}
	sum := 0.0
	for _, m := range family.GetMetric() {
		if len(reasons) == 0 || hasLabel(m, reasons) {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

// family is a metric with all its series, nil where there is none.
func (p *process) family(name string) *dto.MetricFamily {
	_, body := p.get("/metrics")
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		return nil
	}
	return families["flowfleet_collector_"+name]
}

func hasLabel(m *dto.Metric, values []string) bool {
	for _, l := range m.GetLabel() {
		for _, v := range values {
			if l.GetValue() == v {
				return true
			}
		}
	}
	return false
}

// checkLedger is checkBooks where the kernel must not have dropped anything.
func (p *process) checkLedger() {
	p.t.Helper()
	p.checkBooks()
	if drops := p.metric("kernel_dropped_datagrams_total"); drops != 0 {
		p.t.Errorf("the kernel dropped %v datagrams", drops)
	}
}

// checkBooks waits until the collector is at rest and asserts that nothing is missing in its books.
func (p *process) checkBooks() {
	p.t.Helper()
	natstest.Eventually(p.t, "all records are published", func() bool { return p.metric("records_waiting") == 0 })
	for _, equation := range []struct {
		name        string
		left, right []string
	}{
		{"datagrams", []string{"datagrams_received_total"}, []string{"datagrams_decoded_total", "datagrams_refused_total"}},
		{"sets", []string{"sets_received_total"},
			[]string{"sets_decoded_total", "sets_waiting", "sets_expired_total", "sets_dropped_total"}},
		{"records", []string{"records_decoded_total", "records_recovered_total"},
			[]string{"records_published_total", "records_waiting", "records_spooled", "records_dropped_total"}},
	} {
		sum := func(names []string) (n float64) {
			for _, name := range names {
				n += p.metric(name)
			}
			return n
		}
		if left, right := sum(equation.left), sum(equation.right); left != right {
			p.t.Errorf("%s: %v is %v, %v is %v", equation.name, equation.left, left, equation.right, right)
		}
	}
	natstest.Eventually(p.t, "every equation holds", func() bool {
		_, body := p.get("/ledger")
		var a ledger.Account
		if err := json.Unmarshal([]byte(body), &a); err != nil {
			return false
		}
		return ledger.Imbalances([]ledger.Account{a}) == nil
	})
}

// published returns all records of the stream so far.
func published(t *testing.T, s *natstest.Server) []flow.Record {
	t.Helper()
	js, err := jetstream.New(s.Connect())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	stream, err := js.Stream(ctx, "flows")
	if err != nil {
		return nil
	}
	var out []flow.Record
	state := stream.CachedInfo().State
	for i := state.FirstSeq; i <= state.LastSeq && state.Msgs > 0; i++ {
		m, err := stream.GetMsg(ctx, i)
		if err != nil {
			t.Fatal(err)
		}
		for b := m.Data; len(b) > 0; {
			message, rest, err := flow.Split(b)
			if err != nil {
				t.Fatal(err)
			}
			var r flow.Record
			if err := flow.Decode(message, &r); err != nil {
				t.Fatal(err)
			}
			out, b = append(out, r), rest
		}
	}
	return out
}

// assertNumbers waits for exactly the records with the given numbers, each once and none read with a wrong layout.
func assertNumbers(t *testing.T, s *natstest.Server, want ...uint32) []flow.Record {
	t.Helper()
	var got []flow.Record
	natstest.Eventually(t, fmt.Sprintf("%d records are published", len(want)), func() bool {
		got = published(t, s)
		return len(got) >= len(want)
	})
	seen := make(map[uint64]int)
	for _, r := range got {
		if r.Packets != packetsOfTest {
			t.Errorf("a record was read with a wrong layout: %d bytes, %d packets", r.Bytes, r.Packets)
		}
		seen[r.Bytes]++
	}
	for _, n := range want {
		if seen[uint64(n)] != 1 {
			t.Errorf("record %d was published %d times", n, seen[uint64(n)])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d records, want %d", len(got), len(want))
	}
	return got
}

func TestTemplateToOneDataToTheOther(t *testing.T) {
	s := natstest.Start(t)
	a, b := startCollector(t, "a", s.URL(), "").awaitReady(), startCollector(t, "b", s.URL(), "").awaitReady()
	e := newExporter(t, 1)
	e.send(a.port, 0, oldLayout.template())
	natstest.Eventually(t, "the other has the template", func() bool { return b.metric("templates") == 1 })
	e.send(b.port, 3, oldLayout.data(1, 2, 3))
	assertNumbers(t, s, 1, 2, 3)
	if held := b.metric("sets_held_total"); held != 0 {
		t.Errorf("%v sets had to wait", held)
	}
	a.checkLedger()
	b.checkLedger()
}

func TestDataFirstIsHeldUntilTheOtherLearnsItsTemplate(t *testing.T) {
	s := natstest.Start(t)
	a, b := startCollector(t, "a", s.URL(), "").awaitReady(), startCollector(t, "b", s.URL(), "").awaitReady()
	e := newExporter(t, 1)
	e.send(b.port, 2, oldLayout.data(1, 2))
	e.send(b.port, 1, oldLayout.data(3))
	natstest.Eventually(t, "the data is held", func() bool { return b.metric("sets_waiting") == 2 })
	e.send(a.port, 0, oldLayout.template())
	assertNumbers(t, s, 1, 2, 3)
	a.checkLedger()
	b.checkLedger()
}

func TestRedefinedTemplateNeverDecodesWithTheOldLayout(t *testing.T) {
	s := natstest.Start(t)
	a, b := startCollector(t, "a", s.URL(), "").awaitReady(), startCollector(t, "b", s.URL(), "").awaitReady()
	e := newExporter(t, 1)
	e.send(a.port, 0, oldLayout.template())
	natstest.Eventually(t, "the other has the template", func() bool { return b.metric("templates") == 1 })
	var want []uint32
	current := oldLayout
	for round := range uint32(10) {
		for i := range uint32(20) {
			n := 1000*round + i
			e.send(b.port, 1, current.data(n))
			want = append(want, n)
		}
		natstest.Eventually(t, "the data is decoded", func() bool { return b.metric("records_decoded_total") == float64(len(want)) })
		if current.fields[0] == oldLayout.fields[0] {
			current = newLayout
		} else {
			current = oldLayout
		}
		restored := b.metric("templates_restored_total")
		e.send(a.port, 0, current.template())
		// The bound: what the bucket has acknowledged takes effect as soon as the watch has delivered it.
		natstest.Eventually(t, "the other has the new layout", func() bool {
			return b.metric("templates_restored_total") > restored
		})
	}
	assertNumbers(t, s, want...)
	a.checkLedger()
	b.checkLedger()
}

func TestSamplingFromAnotherPortAndAnotherCollector(t *testing.T) {
	s := natstest.Start(t)
	a, b := startCollector(t, "a", s.URL(), "").awaitReady(), startCollector(t, "b", s.URL(), "").awaitReady()
	options, data := newExporter(t, 1), newExporter(t, 1)
	withSelector := layout{301, [][2]uint16{{1, 4}, {2, 4}, {302, 4}}}
	options.send(a.port, 1, selectorOptions(512)...)
	natstest.Eventually(t, "the other has the rate", func() bool { return b.metric("sampling_rates") == 1 })
	data.send(b.port, 1, withSelector.template(), withSelector.data(1))
	data.send(b.port, 1, oldLayout.template(), oldLayout.data(2)) // names no selector: the only one counts
	for _, r := range assertNumbers(t, s, 1, 2) {
		if r.SamplingRate != 512 {
			t.Errorf("record %d has the rate %d", r.Bytes, r.SamplingRate)
		}
	}
	a.checkLedger()
	b.checkLedger()
}

func TestTwoExportersBehindOneAddress(t *testing.T) {
	s := natstest.Start(t)
	a, b := startCollector(t, "a", s.URL(), "").awaitReady(), startCollector(t, "b", s.URL(), "").awaitReady()
	one, two := newExporter(t, 1), newExporter(t, 1)
	one.send(a.port, 0, oldLayout.template())
	two.send(b.port, 0, newLayout.template())
	for _, p := range []*process{a, b} {
		natstest.Eventually(t, "both are known everywhere", func() bool { return p.metric("templates") == 2 })
	}
	for i := range uint32(10) {
		one.send([]string{a.port, b.port}[i%2], 1, oldLayout.data(100+i))
		two.send([]string{b.port, a.port}[i%2], 1, newLayout.data(200+i))
	}
	var want []uint32
	for i := range uint32(10) {
		want = append(want, 100+i, 200+i)
	}
	assertNumbers(t, s, want...)
	// Restarted, all is right at once.
	a.kill()
	b.terminate()
	a, b = startCollector(t, "a", s.URL(), "").awaitReady(), startCollector(t, "b", s.URL(), "").awaitReady()
	one.send(b.port, 1, oldLayout.data(300))
	two.send(a.port, 1, newLayout.data(301))
	assertNumbers(t, s, append(want, 300, 301)...)
	for _, p := range []*process{a, b} {
		p.checkLedger()
		if held := p.metric("sets_held_total"); held != 0 {
			t.Errorf("%v sets had to wait", held)
		}
	}
}

func TestServerKilledInTheMiddle(t *testing.T) {
	s := natstest.StartProcess(t)
	a, b := startCollector(t, "a", s.URL(), "").awaitReady(), startCollector(t, "b", s.URL(), "").awaitReady()
	e := newExporter(t, 1)
	e.send(a.port, 0, oldLayout.template())
	natstest.Eventually(t, "the other has the template", func() bool { return b.metric("templates") == 1 })
	e.send(b.port, 1, oldLayout.data(1))
	assertNumbers(t, s, 1)

	s.Stop()
	e.send(b.port, 2, oldLayout.data(2, 3)) // decoded from memory, published later
	e.send(a.port, 0, newLayout.template())
	natstest.Eventually(t, "the first has the new layout", func() bool { return a.metric("templates_changed_total") == 1 })
	e.send(a.port, 1, newLayout.data(4))
	s.Restart()
	assertNumbers(t, s, 1, 2, 3, 4)
	natstest.Eventually(t, "the other has the new layout", func() bool { return b.metric("templates_restored_total") >= 2 })
	e.send(b.port, 1, newLayout.data(5))
	assertNumbers(t, s, 1, 2, 3, 4, 5)

	s.Stop()
	s.UseStore(t.TempDir())
	s.Restart()
	e.send(b.port, 1, newLayout.data(6))
	assertNumbers(t, s, 6)
	c := startCollector(t, "c", s.URL(), "").awaitReady()
	natstest.Eventually(t, "a new collector has the template", func() bool { return c.metric("templates") == 1 })
	e.send(c.port, 1, newLayout.data(7))
	assertNumbers(t, s, 6, 7)
	for _, p := range []*process{a, b, c} {
		p.checkLedger()
	}
}

func TestServerAwayAtTheStart(t *testing.T) {
	s := natstest.Prepare(t)
	a := startCollector(t, "a", s.URL(), "")
	if status, body := a.get("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "templates: not ready") {
		t.Errorf("readiness is %d: %s", status, body)
	}
	if status, _ := a.get("/healthz"); status != http.StatusOK {
		t.Errorf("health is %d", status)
	}
	e := newExporter(t, 1)
	e.send(a.port, 2, oldLayout.template(), oldLayout.data(1, 2))
	natstest.Eventually(t, "it decodes", func() bool { return a.metric("records_decoded_total") == 2 })
	s.Restart()
	a.awaitReady()
	assertNumbers(t, s, 1, 2)
	a.checkLedger()
}

// Kubernetes lets a collector that ends have datagrams, until another one has taken its place, as long as it is ready.
func TestACollectorThatIsEndingIsReadyForAThirdOfItsDrainTimeAndReadsForAllOfIt(t *testing.T) {
	server := natstest.Start(t)
	p := startConfigured(t, "ending", fmt.Sprintf(`
listeners: [{name: any, address: "127.0.0.1:0"}]
nats: {urls: ["%s"]}
templateStore: {maxBytes: -1}
output: {stream: {maxBytes: -1}, batch: {maxAge: 20ms}}
http: {address: "127.0.0.1:0"}
drainTime: 9s
`, server.URL())).awaitReady()
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "the collector drains", func() bool { return p.logs.find("draining") != nil })
	if status, body := p.get("/readyz"); status != http.StatusOK {
		t.Errorf("it is not ready any more at once: %s", body)
	}
	natstest.Eventually(t, "the collector is not ready", func() bool {
		status, _ := p.get("/readyz")
		return status == http.StatusServiceUnavailable
	})
	received := p.metric("datagrams_received_total")
	sender, err := net.Dial("udp", p.port)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sender.Close() }()
	if _, err := sender.Write([]byte("refused, but received")); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "it still reads", func() bool { return p.metric("datagrams_received_total") == received+1 })
	if err := p.command.Wait(); err != nil {
		t.Errorf("the collector ended with %v", err)
	}
}

func TestEndingHandsOnEverything(t *testing.T) {
	s := natstest.Start(t)
	a := startCollector(t, "a", s.URL(), "").awaitReady()
	e := newExporter(t, 1)
	e.send(a.port, 0, oldLayout.template())
	var want []uint32
	for i := range uint32(500) {
		e.send(a.port, 1, oldLayout.data(i))
		want = append(want, i)
	}
	a.terminate()
	assertNumbers(t, s, want...)
	books := a.logs.find("ledger of the output")
	if books["published"] != 500.0 || books["waiting"] != 0.0 || books["dropped"] != 0.0 {
		t.Errorf("the ledger is %v", books)
	}
}

func TestChangesOfTheFileTakeEffectOrAreNamed(t *testing.T) {
	s := natstest.Start(t)
	a := startCollector(t, "a", s.URL(), "").awaitReady()
	e := newExporter(t, 1)
	e.send(a.port, 1, oldLayout.template(), oldLayout.data(1))
	assertNumbers(t, s, 1)
	file := a.command.Args[3]
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := string(content) + "exporters: {allowedNetworks: [192.0.2.0/24]}\nname: other\n"
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "the change is named", func() bool {
		line := a.logs.find("some changes need a restart of the collector")
		return line != nil && strings.Contains(line["fields"].(string), "name")
	})
	natstest.Eventually(t, "the exporter is refused", func() bool {
		e.send(a.port, 1, oldLayout.data(9))
		return a.metric("datagrams_refused_total", "not_allowed") > 0
	})
	if err := os.WriteFile(file, []byte("nonsense: true"), 0o600); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "the invalid file is reported", func() bool {
		return a.logs.find("the changed configuration is invalid; the former one stays in force") != nil
	})
}

func TestHangUpReadsTheFileAgain(t *testing.T) {
	s := natstest.Start(t)
	// Behind a symbolic link, so that nothing changes in the folder that is watched.
	target := filepath.Join(t.TempDir(), "target.yaml")
	link := filepath.Join(t.TempDir(), "collector.yaml")
	content := func(more string) string {
		return fmt.Sprintf(`
listeners: [{name: any, address: "127.0.0.1:0", workers: 1}]
nats: {urls: ["%s"]}
templateStore: {maxBytes: -1}
output: {stream: {maxBytes: -1}, batch: {maxAge: 20ms}}
http: {address: "127.0.0.1:0"}
drainTime: 100ms
`, s.URL()) + more
	}
	write := func(more string) {
		if err := os.WriteFile(target, []byte(content(more)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	a := startFile(t, "a", link).awaitReady()
	hangUp := func() {
		if err := a.command.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	e := newExporter(t, 1)
	e.send(a.port, 1, oldLayout.template(), oldLayout.data(1))
	if r := assertNumbers(t, s, 1)[0]; r.SamplingRate != 0 {
		t.Errorf("the rate is %d at first", r.SamplingRate)
	}
	write("exporters: {sampling: {overrides: [{network: 127.0.0.1/32, rate: 55}]}, limits: {fieldsPerTemplate: 2}}\nlog: {level: debug}\n")
	hangUp()
	natstest.Eventually(t, "the file is read again", func() bool { return a.logs.find("the configuration was read again") != nil })
	if changed := fmt.Sprint(a.logs.find("the configuration was read again")["changed"]); !strings.Contains(changed, "exporters.sampling") ||
		!strings.Contains(changed, "exporters.limits") || !strings.Contains(changed, "log.level") {
		t.Errorf("the log names %q", changed)
	}
	e.send(a.port, 1, oldLayout.data(2))
	for _, r := range assertNumbers(t, s, 1, 2) {
		if r.Bytes == 2 && r.SamplingRate != 55 {
			t.Errorf("the rate is %d with the override", r.SamplingRate)
		}
	}
	e.send(a.port, 0, layout{301, [][2]uint16{{1, 4}, {2, 4}, {4, 1}}}.template())
	natstest.Eventually(t, "the new limit holds", func() bool { return a.metric("templates_refused_total", "limit") == 1 })
	if a.logs.find("some changes need a restart of the collector") != nil {
		t.Error("a live change asks for a restart")
	}
	if err := os.Remove(target); err != nil {
		t.Fatal(err)
	}
	hangUp()
	natstest.Eventually(t, "the missing file is reported", func() bool { return a.logs.find("the configuration is not read again") != nil })
	a.checkLedger()
	a.terminate()
}

// RFC 7011 section 8.4: withdrawals over UDP are ignored, and counted.
func TestWithdrawalsOverUDPAreIgnored(t *testing.T) {
	s := natstest.Start(t)
	a, b := startCollector(t, "a", s.URL(), "").awaitReady(), startCollector(t, "b", s.URL(), "").awaitReady()
	e := newExporter(t, 1)
	e.send(a.port, 0, oldLayout.template())
	natstest.Eventually(t, "the other has it", func() bool { return b.metric("templates") == 1 })
	e.send(a.port, 0, set(2, []byte{byte(oldLayout.id >> 8), byte(oldLayout.id & 0xff), 0, 0}), set(2, []byte{0, 2, 0, 0}))
	natstest.Eventually(t, "both are counted", func() bool { return a.metric("templates_withdrawn_total") == 2 })
	e.send(a.port, 1, oldLayout.data(1))
	e.send(b.port, 1, oldLayout.data(2))
	assertNumbers(t, s, 1, 2)
	a.checkLedger()
	b.checkLedger()
}

func TestEndingDoesNotWaitForAServerThatIsAway(t *testing.T) {
	s := natstest.Prepare(t)
	a := startCollector(t, "a", s.URL(), "")
	file := a.command.Args[3]
	a.kill()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// A buffer for a few records, and workers that wait for room in it.
	small := strings.Replace(string(content), "batch: {maxAge: 20ms}",
		"batch: {maxAge: 20ms, maxBytes: 1Ki}, buffer: {maxBytes: 2Ki, inFlightBytes: 1Ki, policy: block}", 1)
	a = startConfigured(t, "a", small)
	e := newExporter(t, 1)
	for i := range uint32(300) {
		e.send(a.port, 1, oldLayout.template(), oldLayout.data(i))
	}
	natstest.Eventually(t, "the buffer is full", func() bool { return a.metric("publish_buffer_bytes") > 1000 })
	a.terminate()
	books := a.logs.find("ledger of the output")
	if books["records"] != 300.0 || books["dropped"] != 300.0 || books["waiting"] != 0.0 {
		t.Errorf("the ledger is %v", books)
	}
}

func TestOverloadIsCountedToTheLastDatagram(t *testing.T) {
	s := natstest.Start(t)
	a := startConfigured(t, "a", fmt.Sprintf(`
listeners: [{name: any, address: "127.0.0.1:0", workers: 1, receiveBuffer: 64Ki}]
nats: {urls: ["%s"]}
templateStore: {maxBytes: -1}
output: {stream: {maxBytes: -1}, buffer: {maxBytes: 1Mi, inFlightBytes: 128Ki}}
http: {address: "127.0.0.1:0"}
drainTime: 100ms
`, s.URL())).awaitReady()
	e := newExporter(t, 1)
	e.send(a.port, 0, oldLayout.template())
	natstest.Eventually(t, "the template is known", func() bool { return a.metric("templates") == 1 })
	numbers := make([]uint32, 150)
	const sent = 4_000
	for range sent {
		e.send(a.port, uint32(len(numbers)), oldLayout.data(numbers...))
	}
	natstest.Eventually(t, "every datagram is accounted for", func() bool {
		return a.metric("datagrams_received_total")+a.metric("kernel_dropped_datagrams_total") == sent+1
	})
	if a.metric("kernel_dropped_datagrams_total") == 0 && a.metric("records_dropped_total") == 0 {
		t.Log("this machine took it all")
	}
	natstest.Eventually(t, "it comes to rest", func() bool { return a.metric("records_waiting") == 0 })
	decoded, stored := a.metric("records_decoded_total"), a.metric("records_published_total")
	if decoded != stored+a.metric("records_dropped_total") {
		t.Errorf("%v records decoded, %v published, %v dropped", decoded, stored, a.metric("records_dropped_total"))
	}
	// What the collector says is published is what the stream holds.
	if got := len(published(t, s)); float64(got) != stored {
		t.Errorf("%v records published, %d stored", stored, got)
	}
	// What the kernel dropped shows as a gap in the exporter's sequence; the last datagrams may be among it.
	if missed, dropped := a.metric("sequence_skipped_total"), a.metric("kernel_dropped_datagrams_total"); missed > dropped*150 {
		t.Errorf("%v records missed, with %v datagrams dropped", missed, dropped)
	}
	a.terminate()
}
