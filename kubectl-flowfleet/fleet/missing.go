package fleet

import (
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// explained adds to an error of looking at what is in a namespace what to do about it, where that is known: rights or the kind are missing.
func explained(err error, namespace string) error {
	switch {
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%w; the ClusterRole flowfleet-fleet-viewer has the rights to look at fleets: who grants rights in namespace %s can bind it", err, namespace)
	case meta.IsNoMatchError(err):
		return fmt.Errorf("%w: Flowfleet is not installed in this cluster, or kubectl's context is another one", err)
	}
	return err
}

// NoneRuns is an error that says that a fleet has no collectors, so that nobody hears exporters.
func NoneRuns(f *v1alpha1.FlowCollector) error {
	return fmt.Errorf("no collector of %s runs, so that nobody hears exporters: see kubectl flowfleet status %s -n %s", f.Name, f.Name, f.Namespace)
}
