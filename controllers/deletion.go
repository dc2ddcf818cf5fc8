package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
	"github.com/flowfleet/flowfleet/controllers/judge"
	"github.com/flowfleet/flowfleet/controllers/observation"
)

const (
	// finalizer is on FlowCollectors that have something in NATS to delete. What is in Kubernetes goes by its owner.
	finalizer = "flowfleet.io/nats"
	// annotationAbandon, set to "true", lets a FlowCollector go without what it should have deleted in NATS.
	annotationAbandon = "flowfleet.io/abandon"
	// abandonAfter is how long NATS may keep a FlowCollector from going.
	abandonAfter = 30 * time.Minute
)

// deletes reports whether the spec wants something in NATS deleted with the object.
func deletes(fc *v1alpha1.FlowCollector) bool {
	return deletesBucket(fc) || deletesStream(fc)
}

func deletesBucket(fc *v1alpha1.FlowCollector) bool {
	return fc.Spec.TemplateStore.DeletionPolicy == v1alpha1.DeletionDelete && !fc.Spec.TemplateStore.Disabled
}

func deletesStream(fc *v1alpha1.FlowCollector) bool {
	return fc.Spec.Output.Stream.DeletionPolicy == v1alpha1.DeletionDelete
}

// keepFinalizer puts the finalizer on, or takes it away, as the deletion policies say.
func (r *Reconciler) keepFinalizer(ctx context.Context, fc *v1alpha1.FlowCollector) error {
	if controllerutil.ContainsFinalizer(fc, finalizer) == deletes(fc) {
		return nil
	}
	return r.patchFinalizer(ctx, fc, deletes(fc))
}

func (r *Reconciler) patchFinalizer(ctx context.Context, fc *v1alpha1.FlowCollector, wanted bool) error {
	changed := fc.DeepCopy()
	if wanted {
		controllerutil.AddFinalizer(changed, finalizer)
	} else {
		controllerutil.RemoveFinalizer(changed, finalizer)
	}
	patch := client.MergeFromWithOptions(fc, client.MergeFromWithOptimisticLock{})
	if err := r.behind.refused(fc, r.Client.Patch(ctx, changed, patch, client.FieldOwner(fieldOwner))); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("the finalizer of FlowCollector %s: %w", client.ObjectKeyFromObject(fc), err)
	}
	fc.ObjectMeta = changed.ObjectMeta
	return nil
}

// delete deletes in NATS what the policies say, after the collectors: they would make it again. The rest goes by its owner. It reports
// whether the object is gone, or notes what is waited for.
func (r *Reconciler) delete(ctx context.Context, f *judge.Facts, m *memory) (gone bool, err error) {
	fc := f.Collector
	f.Deletion = &judge.Deletion{Message: "the FlowCollector is being deleted"}
	if !controllerutil.ContainsFinalizer(fc, finalizer) {
		return true, nil
	}
	if !deletes(fc) {
		return r.release(ctx, fc, "")
	}
	if fc.Annotations[annotationAbandon] == "true" {
		return r.abandon(ctx, fc, "left behind what is in NATS, as the annotation "+annotationAbandon+" says")
	}
	if refused := r.Allowed.refusedServers(fc); len(refused) > 0 {
		return r.abandon(ctx, fc, "left behind what is in NATS: "+strings.Join(refused, "; "))
	}
	left := m.abandonIn(fc, f.Now, f.Server)
	pods, err := r.endCollectors(ctx, fc)
	switch {
	case lacksRight(err) && left <= 0: // they go with their owner
		return r.abandon(ctx, fc, fmt.Sprintf("left behind what is in NATS, because for %s the operator lacked the right to end the collectors that use it: %s",
			abandonAfter, err))
	case lacksRight(err):
		f.Deletion.Message = fmt.Sprintf("%s%s; the operator tries for %s; to let the object go without what its collectors use in NATS: %s",
			judge.LacksRights, err, abandonAfter, howToAbandon(fc))
		return false, nil
	case err != nil:
		return false, err
	}
	if pods > 0 && left > 0 { // a pod of a dead node may stay for ever
		f.Deletion.Message = fmt.Sprintf("%d collectors are ending; what they use in NATS is deleted once they have ended, at the latest %s after "+
			"the deletion began; to let the object go without: %s", pods, abandonAfter, howToAbandon(fc))
		return false, nil
	}
	servers, hopeless, err := r.recallSecrets(ctx, fc, m)
	if err != nil {
		return false, err
	}
	if hopeless {
		return r.abandon(ctx, fc, "left behind what is in NATS: the namespace is being deleted, and the Secrets with which to connect are gone")
	}
	done, trouble := r.deleteFromNATS(ctx, f, m, servers)
	switch {
	case trouble == "" && done != "":
		if gone, err = r.release(ctx, fc, done); gone {
			r.event(fc, corev1.EventTypeNormal, "Deleted", "Delete", done)
		}
		return gone, err
	case trouble != "" && left <= 0:
		return r.abandon(ctx, fc, fmt.Sprintf("left behind what is in NATS, which could not be deleted for %s: %s", abandonAfter, trouble))
	case trouble != "":
		f.Deletion.Message = fmt.Sprintf("what the deletionPolicy Delete is for cannot be deleted: %s; the operator tries for %s; to let the "+
			"object go without: %s", trouble, abandonAfter, howToAbandon(fc))
	default:
		f.Deletion.Message = "what the deletionPolicy Delete is for is being deleted in NATS; to let the object go without: " + howToAbandon(fc)
	}
	return false, nil
}

// awaitOthers is for an object that is done with here, and that finalizers of others keep, such as Kubernetes' own until the collectors have ended.
func (r *Reconciler) awaitOthers(f *judge.Facts) {
	fc := f.Collector
	r.prober.Forget(jetstream.Key(key(fc)))
	r.observer.Forget(observation.Key(key(fc)))
	f.Deletion = &judge.Deletion{Message: "the FlowCollector is being deleted, and waits for those whose finalizers it has: " + strings.Join(fc.Finalizers, ", ")}
}

// howToAbandon is the command that lets the object go at once.
func howToAbandon(fc *v1alpha1.FlowCollector) string {
	return fmt.Sprintf("kubectl annotate flowcollectors.flowfleet.io %s -n %s %s=true", fc.Name, fc.Namespace, annotationAbandon)
}

// endCollectors deletes the DaemonSet and returns how many collectors there still are.
func (r *Reconciler) endCollectors(ctx context.Context, fc *v1alpha1.FlowCollector) (int, error) {
	set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: fc.Namespace, Name: fleet.ObjectName(fc)}}
	err := r.Client.Get(ctx, client.ObjectKeyFromObject(set), set)
	if client.IgnoreNotFound(err) != nil {
		return 0, fmt.Errorf("reading DaemonSet %s: %w", set.Name, err)
	}
	if err == nil && metav1.IsControlledBy(set, fc) && set.DeletionTimestamp.IsZero() {
		if err := deleteSame(ctx, r.Client, set); err != nil {
			return 0, fmt.Errorf("deleting DaemonSet %s: %w", set.Name, err)
		}
	}
	pods, err := r.pods(ctx, fc)
	return len(pods), err
}

// deleteFromNATS hands over what is to be deleted, and tells what was done once all of it is, or what keeps it from being done. Both
// are empty while it was not tried yet.
func (r *Reconciler) deleteFromNATS(ctx context.Context, f *judge.Facts, m *memory, servers *servers) (done, trouble string) {
	fc := f.Collector
	f.Secrets = servers.known
	if servers.known.Forbidden {
		return "", "the operator may not read the Secrets; to let it: " + f.Grant()
	}
	c := fleet.New(fc, r.Image, r.Namespace, servers.started, nil).Filled()
	want := jetstream.Want{Owner: ownerOf(fc), Revision: "delete " + servers.versions}
	if deletesBucket(fc) && servers.templates != nil {
		want.Bucket = &jetstream.WantBucket{Server: servers.templates, Spec: c.Templates, Delete: true}
	}
	if deletesStream(fc) && servers.output != nil {
		want.Stream = &jetstream.WantStream{Server: servers.output, Spec: c.Output.Stream, Delete: true}
	}
	if deletesBucket(fc) && want.Bucket == nil || deletesStream(fc) && want.Stream == nil {
		return "", strings.Join(servers.known.Missing, "; ")
	}
	id := jetstream.Key(key(fc))
	r.prober.Want(id, want)
	found := r.prober.Finding(id)
	var looks []*jetstream.Look
	if found.Bucket != nil {
		looks = append(looks, &found.Bucket.Look)
	}
	if found.Stream != nil {
		looks = append(looks, &found.Stream.Look)
	}
	var troubles []string
	all := len(looks) > 0
	for _, l := range looks {
		all = all && l.Current && l.Deleted
		switch {
		case l.Current && l.Deleted:
		case l.Overdue() != "":
			troubles = append(troubles, l.Overdue())
		case l.Current && l.Error != "":
			troubles = append(troubles, l.Error)
		}
	}
	if !all {
		return "", strings.Join(slices.Compact(troubles), "; ")
	}
	for _, d := range r.tellDeeds(ctx, fc) {
		switch {
		case d.Left != "":
			m.deeds = append(m.deeds, fmt.Sprintf("left the %s %s, which is not ours: %s", d.Kind, d.Name, d.Left))
		case d.Deleted:
			m.deeds = append(m.deeds, fmt.Sprintf("deleted the %s %s", d.Kind, d.Name))
		}
	}
	if len(m.deeds) == 0 {
		return "there was nothing left to delete in NATS", ""
	}
	return strings.Join(m.deeds, "; "), ""
}

// abandon lets the object go without what should have been deleted in NATS.
func (r *Reconciler) abandon(ctx context.Context, fc *v1alpha1.FlowCollector, message string) (bool, error) {
	var left []string
	if deletesBucket(fc) {
		left = append(left, "bucket "+fleet.BucketName(fc))
	}
	if deletesStream(fc) {
		left = append(left, "stream "+fleet.StreamName(fc))
	}
	gone, err := r.release(ctx, fc, message)
	if gone {
		r.event(fc, corev1.EventTypeWarning, "LeftBehind", "Delete", message+" ("+strings.Join(left, ", ")+")")
	}
	return gone, err
}

// release lets the object go, and logs what was done before. What is told of that is told once it has gone: somebody may have changed the object,
// and the next pass tries again.
func (r *Reconciler) release(ctx context.Context, fc *v1alpha1.FlowCollector, message string) (bool, error) {
	if err := r.patchFinalizer(ctx, fc, false); err != nil {
		return false, err
	}
	if message != "" {
		ctrl.LoggerFrom(ctx).Info("the FlowCollector was let go", "note", message)
	}
	return true, nil
}
