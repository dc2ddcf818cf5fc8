package judge

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
)

// inNATS is a bucket or a stream, with the words for it.
type inNATS struct {
	kind                      string // of the condition
	what                      string // such as "bucket edge"
	conflict, foreign, failed string // reasons
	// without is what collectors do that cannot use it.
	without string
	look    *jetstream.Look
	overdue string // why the operator does not know, empty where it does
	kept    []string
	offline []string
	// missing: a Secret that its connection needs is not there.
	missing bool
	cannot  func(*collector) string
	// uses reports whether a collector has it now; one that has just begun may neither use it nor say that it cannot.
	uses func(*collector) bool
}

// found is what is known of what the spec says now; nil where that was not looked at.
func (j *judgement) found() (*jetstream.BucketFinding, *jetstream.StreamFinding) {
	bucket, stream := j.NATS.Bucket, j.NATS.Stream
	if bucket != nil && !bucket.Current {
		bucket = nil // it is of another spec, or of other Secrets
	}
	if stream != nil && !stream.Current {
		stream = nil
	}
	return bucket, stream
}

// overdue says why what was found of bucket or stream, of this spec or of the one before, says nothing of now; empty where it does.
func (j *judgement) overdue(l *jetstream.Look) string {
	why := l.Overdue()
	if why == "" {
		j.lookAgainAt(j.Now.Add(l.Lasts()))
	}
	return why
}

// templateStoreReady says whether the collectors share what exporters teach.
func (j *judgement) templateStoreReady() said {
	if j.Collector.Spec.TemplateStore.Disabled {
		return isTrue(ReasonDisabled, "templateStore.disabled is set: each collector knows only the templates that it received itself")
	}
	n := inNATS{kind: v1alpha1.ConditionTemplateStoreReady, what: "bucket " + fleet.BucketName(j.Collector), conflict: ReasonBucketConflict, foreign: ReasonBucketForeign,
		failed: ReasonBucketFailed, without: "go on from memory", missing: j.Secrets.NoTemplates, cannot: (*collector).cannotShare, uses: (*collector).shares}
	if b := j.NATS.Bucket; b != nil {
		n.overdue = j.overdue(&b.Look)
	}
	if b, _ := j.found(); b != nil {
		n.look, n.kept, n.offline = &b.Look, b.Found.Kept, b.Found.Offline
	}
	return j.judgeNATS(n)
}

// streamReady says whether flows leave.
func (j *judgement) streamReady() said {
	n := inNATS{kind: v1alpha1.ConditionStreamReady, what: "stream " + fleet.StreamName(j.Collector), conflict: ReasonStreamConflict, foreign: ReasonStreamForeign,
		failed: ReasonStreamFailed, without: "keep flows in their buffers", missing: j.Secrets.NoOutput, cannot: (*collector).cannotPublish, uses: (*collector).publishes}
	if s := j.NATS.Stream; s != nil {
		n.overdue = j.overdue(&s.Look)
	}
	if _, s := j.found(); s != nil {
		n.look, n.kept, n.offline = &s.Look, s.Found.Kept, s.Found.Offline
	}
	out := j.judgeNATS(n)
	if out.status != "False" {
		if without := j.those((*collector).spoolUnusable); len(without) > 0 {
			return isFalse(ReasonSpoolUnusable, "%d of %d collectors that answer cannot use their spool: %s", len(without), len(j.answering()), some(without))
		}
	}
	return out
}

// judgeNATS weighs what the operator found and what the collectors say.
func (j *judgement) judgeNATS(n inNATS) said {
	asked := len(j.answering())
	cannot := j.those(n.cannot)
	users := fmt.Sprintf("%d of %d collectors that answer use it", j.using(n), asked)
	switch {
	case j.Trying && n.overdue == "" && j.condition(n.kind) != nil:
		return j.asBefore(n.kind)
	case j.Collector.Spec.Suspend && asked == 0:
		return isUnknown(ReasonSuspended, "the %s is not looked at while spec.suspend is set, and no collector tells how it is", n.what)
	case j.Collector.Spec.Suspend:
		return j.byCollectors(n, cannot)
	case j.Secrets.Forbidden:
		if asked == 0 {
			return isUnknown(ReasonSecretsNotReadable, "the operator may not read the Secrets, and no collector tells how the %s is; to let it: %s",
				n.what, j.Grant())
		}
		return j.byCollectors(n, cannot)
	case j.Unusable(), n.missing, j.Held != "":
		reason := j.unusableReason()
		if j.Held != "" {
			reason = ReasonRolloutHeld
		} else if n.missing {
			reason = ReasonSecretMissing
		}
		if asked > 0 && j.Held != "" {
			return j.byCollectors(n, cannot)
		}
		message := fmt.Sprintf("the %s is not looked at until ConfigurationValid is True", n.what)
		if asked > 0 {
			message += "; " + users
		}
		return isUnknown(reason, "%s", message)
	case n.overdue != "" && asked > 0:
		out := j.byCollectors(n, cannot)
		out.message += "; " + n.overdue
		return out
	case n.overdue != "":
		return isUnknown(ReasonLookOverdue, "no collector tells how the %s is, and %s", n.what, n.overdue)
	case n.look == nil || n.look.At.IsZero():
		if len(cannot) > 0 {
			return j.byCollectors(n, cannot)
		}
		return isUnknown(ReasonPending, "the %s was not looked at yet", n.what).yet()
	case n.look.Class != jetstream.ClassNone:
		meanwhile := "; collectors that cannot use it " + n.without + ", and the operator tries again"
		if asked > 0 {
			meanwhile = fmt.Sprintf("; %s", users)
			if len(cannot) > 0 {
				meanwhile += fmt.Sprintf(", the others %s (%s)", n.without, some(cannot))
			}
			meanwhile += "; the operator tries again"
		}
		return isFalse(n.reason(), "%s%s", naming(n.what, n.look.Error), meanwhile)
	case len(cannot) > 0:
		return isFalse(ReasonCollectorsCutOff, "%d of %d collectors that answer cannot use the %s, and %s: %s", len(cannot), asked, n.what, n.without, some(cannot))
	}
	kept := n.kept
	if len(n.offline) > 0 {
		kept = append(kept[:len(kept):len(kept)], "without its replicas on "+strings.Join(n.offline, ", ")+": look at these NATS servers")
	}
	if len(kept) > 0 {
		return isTrue(ReasonDifferences, "%s is ready; %s", n.what, strings.Join(kept, "; "))
	}
	return isTrue(ReasonReady, "%s is ready", n.what)
}

// using is how many of the collectors that answer use it.
func (j *judgement) using(n inNATS) (using int) {
	for _, c := range j.answering() {
		if n.uses(&c) {
			using++
		}
	}
	return using
}

// byCollectors is for what the operator cannot look at itself.
func (j *judgement) byCollectors(n inNATS, cannot []string) said {
	asked := len(j.answering())
	if len(cannot) == 0 && j.using(n) == 0 {
		return isUnknown(ReasonPending, "none of the %d collectors that answer uses the %s yet", asked, n.what).yet()
	}
	if len(cannot) == 0 {
		return isTrue(ReasonReportedByCollectors, "%d of %d collectors that answer use the %s, and none says that it cannot", j.using(n), asked, n.what)
	}
	return isFalse(ReasonReportedByCollectors, "%d of %d collectors that answer cannot use the %s, and %s: %s", len(cannot), asked, n.what, n.without, some(cannot))
}

func (n *inNATS) reason() string {
	switch {
	case n.look.Class.Unanswered():
		return ReasonNATSUnreachable
	case n.look.Class == jetstream.ClassConflict:
		return n.conflict
	case n.look.Class == jetstream.ClassForeign:
		return n.foreign
	}
	return n.failed
}

// naming is an error's text, with what it is about where that does not stand in it.
func naming(what, text string) string {
	if strings.Contains(text, what) {
		return text
	}
	return what + ": " + text
}

// storeCounts are what the status tells of bucket and stream; nothing where the operator does not look.
func (j *judgement) storeCounts(status *v1alpha1.FlowCollectorStatus) {
	if j.Collector.Spec.TemplateStore.Disabled || j.Secrets.Forbidden {
		status.Bucket = nil
	}
	if j.Secrets.Forbidden {
		status.Stream = nil
		return
	}
	bucket, stream := j.found()
	if bucket != nil && bucket.Class == jetstream.ClassNone && !bucket.At.IsZero() {
		b := &bucket.Found
		status.Bucket = &v1alpha1.BucketStatus{Name: fleet.BucketName(j.Collector), Keys: b.Keys,
			Bytes: *resource.NewQuantity(b.Bytes, resource.DecimalSI), History: int32(b.History), Replicas: int32(b.Replicas), Managed: b.Managed}
		if ms := b.TTL.Truncate(time.Millisecond); ms > 0 { // a server may say anything, and the schema has no less
			ttl := v1alpha1.Duration(ms.String())
			status.Bucket.TTL = &ttl
		}
	}
	if stream != nil && stream.Class == jetstream.ClassNone && !stream.At.IsZero() {
		status.Stream = &v1alpha1.StreamStatus{Name: fleet.StreamName(j.Collector), Replicas: int32(stream.Found.Replicas), Managed: stream.Found.Managed}
	}
}
