package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

func TestErrorsSayWhatToDoWhereThatIsKnown(t *testing.T) {
	for want, err := range map[string]error{
		"namespace flows can bind it": apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", nil),
		"Flowfleet is not installed":  &meta.NoKindMatchError{},
		"listing: it broke":           fmt.Errorf("it broke"),
	} {
		if got := explained(fmt.Errorf("listing: %w", err), "flows").Error(); !strings.HasPrefix(got, "listing: ") || !strings.Contains(got, want) {
			t.Errorf("%q has no %q", got, want)
		}
	}
}

// without is a cluster that has no such kind.
type without struct{ client.Client }

func (without) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return fmt.Errorf("listing: %w", &meta.NoKindMatchError{})
}

// Where it matters, a cluster that cannot have FlowExporters is told from one that has none yet; elsewhere it is no fault.
func TestAClusterWithoutTheKindSaysSoOnlyWhereItMatters(t *testing.T) {
	c, f := &Client{objects: without{}}, &v1alpha1.FlowCollector{}
	if _, err := c.AllFlowExporters(t.Context(), f); !errors.Is(err, ErrNoFlowExporters) {
		t.Error(err)
	}
	if _, err := c.FlowExporters(t.Context(), f, netip.MustParseAddr("192.0.2.1")); err != nil {
		t.Error(err)
	}
	if _, err := c.Exporters(t.Context(), f); err != nil {
		t.Error(err)
	}
}
