package controllers

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/controllers/exporters"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/judge"
	"github.com/flowfleet/flowfleet/controllers/observation"
)

// devices are what FlowExporters ask of fleets.
type devices struct {
	exporters *exporters.Lister
	files     *exporters.Files // ConfigMaps that FlowExporters name
}

// keepExporters adds what keeps FlowExporters, beside the reconciler: it asks collectors for more, and more often.
func (r *Reconciler) keepExporters(manager ctrl.Manager, notify func(namespace, name string)) error {
	if r.registry == nil {
		r.registry = prometheus.NewRegistry()
	}
	d := &devices{exporters.NewLister(r.Client, manager.GetCache()), exporters.NewFiles(r.Reader, r.Clock)}
	keeper, err := exporters.New(exporters.Keeper{
		Client: r.Client, Reader: r.Reader, Exporters: d.exporters, Events: r.Events, Clock: r.Clock, Server: r.Watches.serverTime,
		Collectors: func(ctx context.Context, fc *v1alpha1.FlowCollector) ([]observation.Pod, error) {
			pods, err := r.pods(ctx, fc)
			return askable(fc, pods), err
		},
		Configuration: func(ctx context.Context, fc *v1alpha1.FlowCollector) (file, version string, err error) {
			m := &corev1.ConfigMap{}
			name := client.ObjectKey{Namespace: fc.Namespace, Name: fleet.ObjectName(fc)}
			if err := r.Client.Get(ctx, name, m); client.IgnoreNotFound(err) != nil {
				return "", "", fmt.Errorf("reading ConfigMap %s: %w", name, err)
			}
			return m.Data[fleet.ConfigurationFile], m.ResourceVersion, nil
		},
		Files: d.files, Changed: func(name types.NamespacedName) { notify(name.Namespace, name.Name) },
		Failed: func(ctx context.Context, name types.NamespacedName, err error) {
			fc := &v1alpha1.FlowCollector{}
			if lacksRight(err) && r.Client.Get(ctx, name, fc) == nil {
				r.event(fc, corev1.EventTypeWarning, judge.ReasonOperatorForbidden, "KeepExporters", "FlowExporters are not kept: "+judge.LacksRights+err.Error())
			}
		},
		Mine: func(fc *v1alpha1.FlowCollector) bool {
			return fc.Status.Operator != nil && fc.Status.Operator.Identity == r.Identity
		},
		Interval: r.exportersInterval,
	}, r.registry)
	if err != nil {
		return err
	}
	if err := manager.Add(keeper); err != nil {
		return fmt.Errorf("adding what keeps FlowExporters: %w", err)
	}
	r.devices.Store(d)
	return nil
}

// readAgain is when a fleet is looked at again whose ConfigMaps of interfacesFrom were not all read.
const readAgain = 250 * time.Millisecond

// readingPatience is for how long the passes of a fleet wait for ConfigMaps that are still to be read. Who names others all the time is to keep
// neither the fleet from being looked at nor others' upgrades from their turn: the pass then returns an error.
const readingPatience = time.Minute

// waits reports whether a fleet's pass is to wait, given whether ConfigMaps are still to be read at now.
func (m *memory) waits(reading bool, now time.Time) bool {
	switch {
	case !reading:
		m.reading = time.Time{}
	case m.reading.IsZero():
		m.reading = now
	}
	return reading && now.Sub(m.reading) < readingPatience
}

// wishes are what FlowExporters ask of a fleet's collectors in one pass.
type wishes struct {
	devices []config.Device
	// asked is what devices are made of.
	asked []string
	// err is exporters.ErrReading where ConfigMaps are still to be read.
	err error
}

// of a fleet, none where it goes or its exporters.objects is Off, or for nil devices.
func (d *devices) of(ctx context.Context, fc *v1alpha1.FlowCollector) (w wishes) {
	if d == nil || fc.Spec.Exporters.Objects == v1alpha1.ObjectsOff || !fc.DeletionTimestamp.IsZero() {
		return wishes{}
	}
	objects, err := d.exporters.List(ctx, client.ObjectKeyFromObject(fc))
	if err != nil {
		return wishes{err: err}
	}
	from, err := d.files.OfPass(ctx, objects)
	if err != nil {
		return wishes{err: err}
	}
	return wishes{devices: exporters.SettingsOf(objects, from).Devices, asked: exporters.Asked(objects, from)}
}

// fleetOfExporter names the FlowCollector that a FlowExporter is of.
func fleetOfExporter(_ context.Context, o client.Object) []reconcile.Request {
	e, ok := o.(*v1alpha1.FlowExporter)
	if !ok || e.Spec.Collector == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: e.Namespace, Name: e.Spec.Collector}}}
}

// changesSettings passes what may change what FlowExporters ask for: not those of the operator's own, of which there are thousands, and no status.
func changesSettings() predicate.Predicate {
	concerns := func(o client.Object) bool {
		e, ok := o.(*v1alpha1.FlowExporter)
		return ok && exporters.Declared(e)
	}
	return predicate.Funcs{
		CreateFunc: func(e event.CreateEvent) bool { return concerns(e.Object) },
		DeleteFunc: func(e event.DeleteEvent) bool { return concerns(e.Object) },
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, after := concerns(e.ObjectOld), concerns(e.ObjectNew)
			return before != after || after && e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration()
		},
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
}

// ofDaemonSet reports whether the fleet's DaemonSet made a pod: labels are on any pod that wants them.
func ofDaemonSet(fc *v1alpha1.FlowCollector, pod *corev1.Pod) bool {
	owner := metav1.GetControllerOf(pod)
	return owner != nil && owner.Kind == "DaemonSet" && owner.APIVersion == "apps/v1" && owner.Name == fleet.ObjectName(fc)
}
