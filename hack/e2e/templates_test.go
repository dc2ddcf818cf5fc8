package e2e

import (
	"context"
	"testing"
	"time"
)

// Templates are sent once, at the beginning; then the router sends all to one node after the other, as when it hashes anew.
func TestAnyCollectorDecodesWhatAnyOtherLearned(t *testing.T) {
	diagnose(t)
	defer func() { must(t, cluster.Pin(context.WithoutCancel(t.Context()), fleet, "")) }()
	must(t, cluster.Pin(t.Context(), fleet, "n1"))
	end := begin(t, "--exporters", "20", "--domains", "2", "--rate", "1000", "--duration", "10s", "--template-interval", "0",
		"--protocols", "v9,ipfix")
	for _, node := range []string{"n2", "n3", "n1", "n3", "n2"} {
		time.Sleep(1500 * time.Millisecond)
		must(t, cluster.Pin(t.Context(), fleet, node))
	}
	complete(t, end())
	pods, err := cluster.Collectors(t.Context(), fleet)
	must(t, err)
	for node, pod := range pods {
		if decoded := decodedBy(t, pod); decoded < 500 {
			t.Errorf("%s decoded %.0f datagrams: the route did not change", node, decoded)
		}
	}
}
