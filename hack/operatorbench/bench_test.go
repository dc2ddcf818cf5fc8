// Package operatorbench measures one operator that looks after many FlowCollectors, on a real API server and a real nats-server: how long
// an edit takes until it is applied, what memory the operator takes, and what it asks of the API server while nothing happens.
// "make bench-operator" runs it. It asserts nothing about time.
package operatorbench

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/procfs"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/controllertest"
	"github.com/flowfleet/flowfleet/controllers/fleet"
)

func TestMain(m *testing.M) { os.Exit(controllertest.Run(m)) }

const (
	fleets = 200
	// hostile ones have a NATS server that takes connections and says nothing, or one that never ends a line.
	hostile = 60
	edits   = 400
	editors = 4
)

func TestOperatorOfManyFleets(t *testing.T) {
	if os.Getenv("FLOWFLEET_BENCH_OPERATOR") == "" {
		t.Skip(`measures for some minutes: run "make bench-operator"`)
	}
	s := controllertest.Start(t)
	c, namespace := s.Client(t), s.Namespace(t)
	nats, mute, endless := natstest.Start(t), natstest.Listen(t, func(net.Conn) {}), natstest.Listen(t, flood)
	process := startOperator(t, s)

	began := time.Now()
	for i := range fleets {
		url := nats.URL()
		if i < hostile {
			url = []string{mute, endless}[i%2]
		}
		if err := c.Create(t.Context(), flowCollector(namespace, i, url)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range fleets {
		await(t, c, namespace, i, func(*corev1.ConfigMap) bool { return true })
	}
	t.Logf("%d FlowCollectors made and applied in %.1f s", fleets, time.Since(began).Seconds())
	time.Sleep(20 * time.Second) // what was found of NATS is written

	took := edit(t, c, namespace)
	slices.Sort(took)
	t.Logf("edit to applied, %d edits by %d editors: median %v, p99 %v, most %v", len(took), editors,
		took[len(took)/2].Round(time.Millisecond), took[len(took)*99/100].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
	t.Logf("the operator's memory: %d MiB at most", process.peak(t)>>20)

	time.Sleep(30 * time.Second)
	before, cpu := requests(t, s), process.processor(t)
	const rest = 60 * time.Second
	time.Sleep(rest)
	t.Logf("at rest, in %v: %.0f requests to the API server, watches and leases among them; %.1f s of a processor", rest, requests(t, s)-before,
		process.processor(t)-cpu)
}

func flowCollector(namespace string, i int, url string) *v1alpha1.FlowCollector {
	small := resource.MustParse("1Mi")
	fc := &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "f" + strconv.Itoa(i)}}
	fc.Spec.NATS.URLs = []string{url}
	fc.Spec.TemplateStore.MaxBytes, fc.Spec.Output.Stream.MaxBytes = &small, &small
	return fc
}

// edit changes healthy fleets, several at a time, and returns how long each change took until collectors would have it.
func edit(t *testing.T, c client.Client, namespace string) (took []time.Duration) {
	var mu sync.Mutex
	var working sync.WaitGroup
	for editor := range editors {
		working.Go(func() {
			for n := editor; n < edits; n += editors {
				i := hostile + n%(fleets-hostile)
				patch := fmt.Sprintf(`{"spec": {"commonAnnotations": {"edited": "%d"}}}`, n)
				fc := &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "f" + strconv.Itoa(i)}}
				began := time.Now()
				if err := c.Patch(t.Context(), fc, client.RawPatch("application/merge-patch+json", []byte(patch))); err != nil {
					t.Error(err)
					return
				}
				await(t, c, namespace, i, func(m *corev1.ConfigMap) bool { return m.Annotations["edited"] == strconv.Itoa(n) })
				mu.Lock()
				took = append(took, time.Since(began))
				mu.Unlock()
			}
		})
	}
	working.Wait()
	return took
}

// await waits until a fleet's ConfigMap is as wanted.
func await(t *testing.T, c client.Client, namespace string, i int, wanted func(*corev1.ConfigMap) bool) {
	name := client.ObjectKey{Namespace: namespace, Name: fleet.ObjectName(flowCollector(namespace, i, ""))}
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		m := &corev1.ConfigMap{}
		if err := c.Get(t.Context(), name, m); err == nil && wanted(m) {
			return
		} else if time.Now().After(deadline) {
			t.Errorf("%s is not as wanted after 5 minutes: %v", name, err)
			return
		}
	}
}

// flood greets, and then announces a message that has no end.
func flood(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_, err := conn.Write([]byte("INFO {\"server_id\":\"x\",\"version\":\"2.12.0\",\"headers\":true,\"max_payload\":1048576}\r\nMSG x 1 700000000\r\n"))
	for block := bytes.Repeat([]byte("x"), 1<<16); err == nil; time.Sleep(10 * time.Millisecond) {
		_, err = conn.Write(block)
	}
}

// operator is the program, as it runs in a pod.
type operator struct{ pid int }

func startOperator(t *testing.T, s *controllertest.Server) *operator {
	t.Helper()
	program := filepath.Join(t.TempDir(), "manager")
	if out, err := exec.Command("go", "build", "-trimpath", "-o", program, "../..").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program, "--collector-image", "example.com/flowfleet:v1", "--metrics-bind-address", "0", "--health-probe-bind-address", "0",
		"--leader-elect=false")
	command.Env = append(os.Environ(), "KUBECONFIG="+s.Kubeconfig(), "POD_NAMESPACE=flowfleet-system", "POD_SERVICE_ACCOUNT=flowfleet-manager")
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait() // it was killed
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("the operator's log ends:\n%s", text[max(0, len(text)-4000):])
		}
	})
	return &operator{command.Process.Pid}
}

// peak is the most memory that the process had, in bytes.
func (o *operator) peak(t *testing.T) int64 {
	t.Helper()
	status, err := o.proc(t).NewStatus()
	if err != nil {
		t.Fatal(err)
	}
	return int64(status.VmHWM)
}

// processor is how many seconds of a processor the process has used, in steps of a hundredth.
func (o *operator) processor(t *testing.T) float64 {
	t.Helper()
	stat, err := o.proc(t).Stat()
	if err != nil {
		t.Fatal(err)
	}
	return stat.CPUTime()
}

func (o *operator) proc(t *testing.T) procfs.Proc {
	t.Helper()
	p, err := procfs.NewProc(o.pid)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// requests is how many the API server has answered, but for its own and this program's look at that.
func requests(t *testing.T, s *controllertest.Server) (sum float64) {
	t.Helper()
	for scanner := bufio.NewScanner(strings.NewReader(s.Kubectl(t, "", "get", "--raw", "/metrics"))); scanner.Scan(); {
		line := scanner.Text()
		if strings.HasPrefix(line, "apiserver_request_total{") {
			n, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
			if err != nil {
				t.Fatal(err)
			}
			sum += n
		}
	}
	return sum
}
