package controllers

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
)

// unreachableError is for a server that cannot be connected to.
type unreachableError struct{ err error }

func (e *unreachableError) Error() string { return e.err.Error() }
func (e *unreachableError) Unwrap() error { return e.err }

func (p *pass) owner() jetstream.Owner {
	return jetstream.Owner{Namespace: p.fc.Namespace, Name: p.fc.Name, UID: string(p.fc.UID)}
}

// lookAtNATS keeps bucket and stream as the spec says, and notes how they are. Connections last for one look: an operator that
// asks twice a minute needs no standing ones.
func (p *pass) lookAtNATS(ctx context.Context) {
	v := p.view
	v.bucketErr, v.streamErr = nil, nil
	if p.secrets.forbidden || p.invalid {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	c := p.fleet.Filled()
	var connection *jetstream.Connection
	var err error
	connect := func(server *jetstream.Server) {
		if connection, err = jetstream.Connect(ctx, server); err != nil {
			err = &unreachableError{err}
		}
	}
	templates, output := p.secrets.templates, p.secrets.output
	looksAtBucket := templates != nil && !c.Templates.Disabled
	if looksAtBucket {
		if connect(templates); err != nil {
			v.bucketErr = err
		} else {
			v.bucket, v.bucketErr = connection.EnsureBucket(ctx, p.owner(), c.Templates, p.fc.Spec.TemplateStore.AllowReduction)
			p.report("bucket", c.Templates.Bucket, v.bucket.Created, v.bucket.Changed)
		}
	}
	if !looksAtBucket || !reflect.DeepEqual(templates, output) {
		if connection != nil {
			connection.Close()
		}
		if output == nil {
			return
		}
		connect(output)
	}
	if err != nil {
		v.streamErr = err
		return
	}
	defer connection.Close()
	v.stream, v.streamErr = connection.EnsureStream(ctx, p.owner(), c.Output.Stream, p.fc.Spec.Output.Stream.AllowReduction)
	p.report("stream", c.Output.Stream.Name, v.stream.Created, v.stream.Changed)
}

// report tells what was done in NATS.
//
// Events of one reason and action are one to the recorder, whatever they say: hence an action of its own for each of the two,
// and one event for all changes.
func (p *pass) report(what, name string, created bool, changed []string) {
	kind := strings.ToUpper(what[:1]) + what[1:]
	if created {
		p.log.Info("created", what, name)
		p.event(corev1.EventTypeNormal, "Created", "Create"+kind, fmt.Sprintf("created the %s %s", what, name))
	}
	if len(changed) > 0 {
		p.log.Info("changed", what, name, "changes", changed)
		p.event(corev1.EventTypeNormal, "Changed", "Change"+kind, fmt.Sprintf("%s %s: %s", what, name, strings.Join(changed, "; ")))
	}
}

// trouble is the reason for an error of NATS, of those given.
func trouble(err error, conflict, foreign, other string) string {
	var unreachable *unreachableError
	var conflicting *jetstream.ConflictError
	var foreigner *jetstream.ForeignError
	switch {
	case errors.As(err, &unreachable):
		return reasonNATSUnreachable
	case errors.As(err, &conflicting):
		return conflict
	case errors.As(err, &foreigner):
		return foreign
	}
	return other
}

// naming is an error's text, with what it is about where that does not stand in it.
func naming(what string, err error) string {
	if text := err.Error(); strings.Contains(text, what) {
		return text
	}
	return what + ": " + err.Error()
}

// meanwhile is what an error of NATS means for the flows.
const meanwhile = "; collectors go on from memory meanwhile, and the operator tries again"

// judgeTemplateStore says in TemplateStoreReady how the bucket is.
func (p *pass) judgeTemplateStore() {
	const kind = v1alpha1.ConditionTemplateStoreReady
	v := p.view
	name := fleet.BucketName(p.fc)
	switch {
	case p.fc.Spec.TemplateStore.Disabled:
		p.fc.Status.Bucket = nil
		p.set(kind, metav1.ConditionTrue, reasonDisabled, "templateStore.disabled is set: each collector knows only what it was sent itself")
	case p.secrets.forbidden:
		p.fc.Status.Bucket = nil
		p.fromCollectors(kind, "the bucket "+name, v.loaded())
	case p.notLookedAt(kind, "the bucket "+name, p.secrets.templates):
	case v.at.IsZero():
		p.set(kind, metav1.ConditionUnknown, reasonPending, "the bucket %s was not looked at yet", name)
	case v.bucketErr != nil:
		p.set(kind, metav1.ConditionFalse, trouble(v.bucketErr, reasonBucketConflict, reasonBucketForeign, reasonBucketFailed),
			"%s%s", naming("bucket "+name, v.bucketErr), meanwhile)
	default:
		p.fc.Status.Bucket = bucketStatus(name, &v.bucket)
		p.ready(kind, "bucket "+name, v.bucket.Kept, v.bucket.Offline)
	}
}

// notLookedAt reports whether the operator leaves something in NATS alone, because the spec or its Secrets are of no use yet, and
// says so: what runs may well go on.
func (p *pass) notLookedAt(kind, what string, server *jetstream.Server) bool {
	reason := reasonInvalidConfiguration
	switch {
	case p.invalid:
	case server == nil:
		reason = reasonSecretMissing
	default:
		return false
	}
	p.set(kind, metav1.ConditionUnknown, reason, "%s is not looked at until ConfigurationValid is True", what)
	return true
}

// ready is for what can be used, with what differs from the spec.
func (p *pass) ready(kind, what string, kept, offline []string) {
	if len(offline) > 0 {
		kept = append(kept[:len(kept):len(kept)], "without its replicas on "+strings.Join(offline, ", ")+": look at these NATS servers")
	}
	if len(kept) > 0 {
		p.set(kind, metav1.ConditionTrue, reasonDifferences, "%s is ready; %s", what, strings.Join(kept, "; "))
		return
	}
	p.set(kind, metav1.ConditionTrue, reasonReady, "%s is ready", what)
}

func bucketStatus(name string, b *jetstream.Bucket) *v1alpha1.BucketStatus {
	out := &v1alpha1.BucketStatus{
		Name:     name,
		Keys:     b.Keys,
		Bytes:    *resource.NewQuantity(b.Bytes, resource.DecimalSI),
		History:  int32(b.History),
		Replicas: int32(b.Replicas),
		Managed:  b.Managed,
	}
	if b.TTL > 0 {
		ttl := v1alpha1.Duration(b.TTL.String())
		out.TTL = &ttl
	}
	return out
}

// judgeStream says in StreamReady how the stream is.
func (p *pass) judgeStream() {
	const kind = v1alpha1.ConditionStreamReady
	v := p.view
	name := fleet.StreamName(p.fc)
	switch {
	case p.secrets.forbidden:
		p.fc.Status.Stream = nil
		p.fromCollectors(kind, "the stream "+name, v.publishing())
	case p.notLookedAt(kind, "the stream "+name, p.secrets.output):
	case v.at.IsZero():
		p.set(kind, metav1.ConditionUnknown, reasonPending, "the stream %s was not looked at yet", name)
	case v.streamErr != nil:
		p.set(kind, metav1.ConditionFalse, trouble(v.streamErr, reasonStreamConflict, reasonStreamForeign, reasonStreamFailed),
			"%s; flows wait in the collectors' buffers meanwhile, and the operator tries again", naming("stream "+name, v.streamErr))
	default:
		p.fc.Status.Stream = &v1alpha1.StreamStatus{Name: name, Replicas: int32(v.stream.Replicas), Managed: v.stream.Managed}
		p.ready(kind, "stream "+name, v.stream.Kept, v.stream.Offline)
	}
}

// fromCollectors is for an operator that cannot look itself: it asks the collectors.
func (p *pass) fromCollectors(kind, what string, ready int) {
	asked := len(p.view.collectors)
	switch {
	case asked == 0:
		p.set(kind, metav1.ConditionUnknown, reasonSecretsNotReadable, "the operator may not read the Secrets, and no collector tells how %s "+
			"is; to let it: %s", what, p.grant())
	case ready == asked:
		p.set(kind, metav1.ConditionTrue, reasonReportedByCollectors, "all %d collectors that answer use %s", asked, what)
	default:
		p.set(kind, metav1.ConditionFalse, reasonReportedByCollectors, "%d of %d collectors that answer cannot use %s: look at their logs",
			asked-ready, asked, what)
	}
}
