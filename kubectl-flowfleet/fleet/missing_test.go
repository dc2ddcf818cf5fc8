package fleet

import (
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
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
