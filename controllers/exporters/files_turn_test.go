package exporters

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
)

// slowShelf answers when it is let to.
type slowShelf struct {
	client.Reader
	let chan struct{}

	mu             sync.Mutex
	reading, reads int
	of             map[string]int // by namespace
}

func newSlowShelf() *slowShelf { return &slowShelf{let: make(chan struct{}), of: make(map[string]int)} }

func (s *slowShelf) Get(_ context.Context, name client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	s.mu.Lock()
	s.reading++
	s.reads++
	s.of[name.Namespace]++
	s.mu.Unlock()
	<-s.let
	s.mu.Lock()
	s.reading--
	s.of[name.Namespace]--
	s.mu.Unlock()
	o.(*corev1.ConfigMap).Data = map[string]string{"names.csv": "192.0.2.1,interfaces,1,one\n"}
	return nil
}

func (s *slowShelf) now() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reading
}

// inNamespace are n FlowExporters with a ConfigMap each.
func inNamespace(namespace string, n int) (out []*v1alpha1.FlowExporter) {
	for i := range n {
		o := from(fmt.Sprintf("r%d", i), fmt.Sprintf("names%d", i), "192.0.2.1")
		o.Namespace = namespace
		out = append(out, o)
	}
	return out
}

func TestAPassReadsFewConfigMapsAndTheNextOnesTheOthers(t *testing.T) {
	const all = 3 * readsOfPass
	s := &shelf{texts: make(map[string]string)}
	for i := range all {
		s.texts[fmt.Sprintf("names%d", i)] = "192.0.2.1,interfaces,1,one\n"
	}
	clock := clocktesting.NewFakePassiveClock(noon)
	files, objects := NewFiles(s, clock), inNamespace("flows", all)
	for pass := 1; pass < 3; pass++ {
		if _, err := files.OfPass(t.Context(), objects); !errors.Is(err, ErrReading) || s.reads != pass*readsOfPass {
			t.Fatalf("pass %d: %v, %d reads", pass, err, s.reads)
		}
	}
	named, err := files.OfPass(t.Context(), objects)
	if err != nil || len(named) != all || s.reads != all {
		t.Fatalf("%v, %d of %d are named with %d reads", err, len(named), all, s.reads)
	}
	// What is due again holds until it is read.
	clock.SetTime(noon.Add(time.Hour))
	if named, err := files.OfPass(t.Context(), objects); err != nil || len(named) != all || s.reads != all+readsOfPass {
		t.Errorf("%v, %d of %d are named, %d reads", err, len(named), all, s.reads)
	}
}

func TestAPassReadsWhatItNeverReadBeforeWhatIsDue(t *testing.T) {
	s := &shelf{texts: make(map[string]string)}
	objects := inNamespace("flows", readsOfPass+1)
	for _, o := range objects {
		s.texts[o.Spec.InterfacesFrom.Name] = "192.0.2.1,interfaces,1,one\n"
	}
	clock := clocktesting.NewFakePassiveClock(noon)
	files := NewFiles(s, clock)
	if _, err := files.OfPass(t.Context(), objects[:readsOfPass]); err != nil {
		t.Fatal(err)
	}
	clock.SetTime(noon.Add(time.Hour))
	if named, err := files.OfPass(t.Context(), objects); err != nil || len(named) != len(objects) {
		t.Errorf("%v, %d of %d are named", err, len(named), len(objects))
	}
}

func TestOnePassOfANamespaceReadsAtATimeAndTheOthersDoNotWait(t *testing.T) {
	s := newSlowShelf()
	files := NewFiles(s, clocktesting.NewFakePassiveClock(noon))
	var passes sync.WaitGroup
	for _, namespace := range []string{"a", "b"} {
		passes.Go(func() {
			if _, err := files.OfPass(t.Context(), inNamespace(namespace, 1)); err != nil {
				t.Error(err)
			}
		})
	}
	natstest.Eventually(t, "a pass of each namespace reads", func() bool { return s.now() == 2 })
	if _, err := files.OfPass(t.Context(), inNamespace("a", 2)); !errors.Is(err, ErrReading) {
		t.Errorf("while another one reads: %v", err)
	}
	close(s.let)
	passes.Wait()
	if _, err := files.OfPass(t.Context(), inNamespace("a", 2)); err != nil || len(files.turns) != 0 {
		t.Errorf("%v; %d turns are left", err, len(files.turns))
	}
}

// A ConfigMap takes tens of megabytes while it is read.
func TestBesidePassesFewConfigMapsAreReadAtATimeAndOneOfANamespace(t *testing.T) {
	s := newSlowShelf()
	files := NewFiles(s, clocktesting.NewFakePassiveClock(noon))
	const namespaces, each = 2 * readsAtOnce, 3
	var looks sync.WaitGroup
	for i := range namespaces {
		for range 2 { // fleets
			looks.Go(func() {
				if named, err := files.Of(t.Context(), inNamespace(fmt.Sprintf("n%d", i), each)); err != nil || len(named) != each {
					t.Errorf("%v, %d are named", err, len(named))
				}
			})
		}
	}
	for range namespaces * each {
		natstest.Eventually(t, "some are read", func() bool { return s.now() > 0 })
		time.Sleep(5 * time.Millisecond) // for more to begin
		s.mu.Lock()
		if s.reading > readsAtOnce {
			t.Errorf("%d are read at a time", s.reading)
		}
		for namespace, n := range s.of {
			if n > 1 {
				t.Errorf("%d of %s are read at a time", n, namespace)
			}
		}
		s.mu.Unlock()
		s.let <- struct{}{}
	}
	close(s.let)
	looks.Wait()
	if s.reads != namespaces*each {
		t.Errorf("%d reads of %d ConfigMaps", s.reads, namespaces*each)
	}
}

func TestWhoWaitsToReadGoesWithItsContext(t *testing.T) {
	s := newSlowShelf()
	files := NewFiles(s, clocktesting.NewFakePassiveClock(noon))
	var first sync.WaitGroup
	first.Go(func() { _, _ = files.Of(t.Context(), inNamespace("a", 1)) })
	natstest.Eventually(t, "one reads", func() bool { return s.now() == 1 })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := files.Of(ctx, inNamespace("a", 1)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(s.let)
	first.Wait()
}
