package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
)

const (
	// finalizer is on FlowCollectors that have something in NATS to delete. What is in Kubernetes goes by its owner.
	finalizer = "flowfleet.io/nats"
	// annotationAbandon, set to "true", lets a FlowCollector go without what it should have deleted in NATS.
	annotationAbandon = "flowfleet.io/abandon"
	// abandonAfter is how long NATS may keep a FlowCollector from going.
	abandonAfter = 30 * time.Minute
)

// errGone ends a pass whose object does not exist any more.
var errGone = errors.New("the FlowCollector is gone")

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
func (p *pass) keepFinalizer(ctx context.Context) error {
	if controllerutil.ContainsFinalizer(p.fc, finalizer) == deletes(p.fc) {
		return nil
	}
	return p.patchFinalizer(ctx, deletes(p.fc))
}

func (p *pass) patchFinalizer(ctx context.Context, wanted bool) error {
	changed := p.before.DeepCopy()
	if wanted {
		controllerutil.AddFinalizer(changed, finalizer)
	} else {
		controllerutil.RemoveFinalizer(changed, finalizer)
	}
	patch := client.MergeFromWithOptions(p.before, client.MergeFromWithOptimisticLock{})
	if err := p.Client.Patch(ctx, changed, patch, client.FieldOwner(fieldOwner)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("the finalizer of FlowCollector %s: %w", client.ObjectKeyFromObject(p.fc), err)
	}
	p.fc.ObjectMeta = changed.ObjectMeta
	p.before.ObjectMeta = *changed.ObjectMeta.DeepCopy()
	return nil
}

// delete deletes in NATS what the policies say, after the collectors: they would make it again. The rest goes by its owner.
func (p *pass) delete(ctx context.Context) error {
	if !controllerutil.ContainsFinalizer(p.fc, finalizer) {
		return errGone
	}
	if !deletes(p.fc) {
		return p.release(ctx, "")
	}
	if p.fc.Annotations[annotationAbandon] == "true" {
		return p.abandon(ctx, "left behind what is in NATS, as the annotation "+annotationAbandon+" says")
	}
	if refused := p.Allowed.refusedServers(p.fc); len(refused) > 0 {
		return p.abandon(ctx, "left behind what is in NATS: "+strings.Join(refused, "; "))
	}
	pods, err := p.endCollectors(ctx)
	if err != nil {
		return err
	}
	waitedLong := p.Clock.Since(p.fc.DeletionTimestamp.Time) >= abandonAfter
	if pods > 0 && !waitedLong { // a pod of a dead node may stay for ever
		p.set(v1alpha1.ConditionReady, metav1.ConditionFalse, reasonDeleting, "%d collectors are ending; what they use in NATS is deleted "+
			"after that, or after %s; to let the object go without: %s", pods, abandonAfter, p.howToAbandon())
		p.lookAgainIn(5 * time.Second)
		return nil
	}
	if err := p.readSecrets(ctx); err != nil {
		return err
	}
	hopeless, err := p.recallSecrets(ctx)
	if err != nil {
		return err
	}
	if hopeless {
		return p.abandon(ctx, "left behind what is in NATS: the namespace is being deleted, and the Secrets with which to connect are gone")
	}
	done, err := p.deleteFromNATS(ctx)
	if err == nil {
		p.event(corev1.EventTypeNormal, "Deleted", "Delete", done)
		return p.release(ctx, done)
	}
	if waitedLong {
		return p.abandon(ctx, fmt.Sprintf("left behind what is in NATS, which could not be deleted for %s: %v", abandonAfter, err))
	}
	p.set(v1alpha1.ConditionReady, metav1.ConditionFalse, reasonDeleting, "what the deletionPolicy Delete is for cannot be deleted: %v; the "+
		"operator tries for %s; to let the object go without: %s", err, abandonAfter, p.howToAbandon())
	p.view.failures++
	p.lookAgainIn(p.view.wait())
	return nil
}

// howToAbandon is the command that lets the object go at once.
func (p *pass) howToAbandon() string {
	return fmt.Sprintf("kubectl annotate flowcollectors.flowfleet.io %s -n %s %s=true", p.fc.Name, p.fc.Namespace, annotationAbandon)
}

// endCollectors deletes the DaemonSet and returns how many collectors there still are.
func (p *pass) endCollectors(ctx context.Context) (int, error) {
	set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: p.fc.Namespace, Name: fleet.ObjectName(p.fc)}}
	err := p.Client.Get(ctx, client.ObjectKeyFromObject(set), set)
	if client.IgnoreNotFound(err) != nil {
		return 0, fmt.Errorf("reading DaemonSet %s: %w", set.Name, err)
	}
	if err == nil && metav1.IsControlledBy(set, p.fc) && set.DeletionTimestamp.IsZero() {
		if err := p.Client.Delete(ctx, set); client.IgnoreNotFound(err) != nil {
			return 0, fmt.Errorf("deleting DaemonSet %s: %w", set.Name, err)
		}
	}
	pods, err := p.pods(ctx)
	return len(pods), err
}

// deleteFromNATS deletes bucket and stream as the policies say and tells what it did.
func (p *pass) deleteFromNATS(ctx context.Context) (string, error) {
	if p.secrets.forbidden {
		return "", fmt.Errorf("the operator may not read the Secrets; to let it: %s", p.grant())
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	var done []string
	remove := func(server *jetstream.Server, what, name string, f func(*jetstream.Connection) (bool, error)) error {
		if server == nil {
			return errors.New(strings.Join(p.secrets.missing, "; "))
		}
		connection, err := jetstream.Connect(ctx, server)
		if err != nil {
			return err
		}
		defer connection.Close()
		deleted, err := f(connection)
		var conflict *jetstream.ConflictError
		var foreign *jetstream.ForeignError
		switch {
		case errors.As(err, &conflict), errors.As(err, &foreign):
			done = append(done, fmt.Sprintf("left the %s %s, which is not ours: %v", what, name, err))
		case err != nil:
			return fmt.Errorf("%s %s: %w", what, name, err)
		case deleted:
			done = append(done, fmt.Sprintf("deleted the %s %s", what, name))
		default:
			done = append(done, fmt.Sprintf("the %s %s was not there", what, name))
		}
		return nil
	}
	if deletesBucket(p.fc) {
		name := fleet.BucketName(p.fc)
		if err := remove(p.secrets.templates, "bucket", name, func(c *jetstream.Connection) (bool, error) {
			return c.DeleteBucket(ctx, p.owner(), name)
		}); err != nil {
			return "", err
		}
	}
	if deletesStream(p.fc) {
		name := fleet.StreamName(p.fc)
		if err := remove(p.secrets.output, "stream", name, func(c *jetstream.Connection) (bool, error) {
			return c.DeleteStream(ctx, p.owner(), name)
		}); err != nil {
			return "", err
		}
	}
	return strings.Join(done, "; "), nil
}

// abandon lets the object go without what should have been deleted in NATS.
func (p *pass) abandon(ctx context.Context, message string) error {
	var left []string
	if deletesBucket(p.fc) {
		left = append(left, "bucket "+fleet.BucketName(p.fc))
	}
	if deletesStream(p.fc) {
		left = append(left, "stream "+fleet.StreamName(p.fc))
	}
	p.event(corev1.EventTypeWarning, "LeftBehind", "Delete", message+" ("+strings.Join(left, ", ")+")")
	return p.release(ctx, message)
}

// release lets the object go, and logs what was done before.
func (p *pass) release(ctx context.Context, message string) error {
	if message != "" {
		p.log.Info("letting the FlowCollector go", "note", message)
	}
	if err := p.patchFinalizer(ctx, false); err != nil {
		return err
	}
	return errGone
}
