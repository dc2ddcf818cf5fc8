package judge

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
)

const (
	// behindPercent of what the stream keeps makes a reader one that is behind: as much time is left to act. It is so until less than
	// caughtUpPercent are used, lest the condition come and go.
	behindPercent, caughtUpPercent = 50, 40
	// readerLossTold is how long a loss is told after the last one.
	readerLossTold = time.Hour
)

// consumers are what was found of those that the spec names; nil where they were not looked at.
func (j *judgement) consumers() *jetstream.Consumers {
	_, s := j.found()
	if s == nil || s.At.IsZero() || s.Overdue() != "" || s.Class != jetstream.ClassNone && s.Class != jetstream.ClassReplicas {
		return nil
	}
	return s.Found.Consumers
}

// consumerCounts are what the status tells of consumers. What was not looked at stays as it was: losses are counted from there.
func (j *judgement) consumerCounts(status *v1alpha1.FlowCollectorStatus) {
	found := j.consumers()
	if found == nil {
		return
	}
	status.Consumers = slices.DeleteFunc(status.Consumers, func(c v1alpha1.ConsumerStatus) bool { return slices.Contains(found.Gone, c.Name) })
	at := j.there(j.NATS.Stream.FoundAt)
	for i := range found.Each {
		k := new(found.Each[i])
		if !k.Found {
			continue
		}
		is := func(c v1alpha1.ConsumerStatus) bool { return c.Name == k.Name }
		if n := slices.IndexFunc(status.Consumers, is); n >= 0 {
			status.Consumers[n] = counted(&status.Consumers[n], k, found, at)
		} else {
			status.Consumers = append(status.Consumers, counted(nil, k, found, at))
		}
	}
}

// counted is what is known of a consumer now, with what was lost since the look before, of which nil is known where it is new.
func counted(before *v1alpha1.ConsumerStatus, k *jetstream.Consumer, s *jetstream.Consumers, at time.Time) v1alpha1.ConsumerStatus {
	consumer, stream := *k, *s // what was found is the prober's, and others read it
	k, s = &consumer, &stream
	k.Made, k.LastRead, s.StreamMade = writable(k.Made), writable(k.LastRead), writable(s.StreamMade)
	if before == nil {
		return consumerStatus(&v1alpha1.ConsumerStatus{Name: k.Name}, k, s, at)
	}
	next := consumerStatus(before, k, s, at)
	if streamReplaced(before, &next, s) {
		noteReplaced(&next, before, at)
		before = &v1alpha1.ConsumerStatus{Position: v1alpha1.ConsumerPosition{Created: next.Position.Created}} // at the beginning of the new one
	}
	lost, atLeast := takenUnread(before, k, s, at)
	next.Lost = plus(next.Lost, signed(lost))
	next.LostAtLeast = next.LostAtLeast || atLeast
	if lost > 0 {
		next.LostTime = new(seconds(at))
	}
	return next
}

// consumerStatus is what is known now, with the losses of before.
func consumerStatus(before *v1alpha1.ConsumerStatus, k *jetstream.Consumer, s *jetstream.Consumers, at time.Time) v1alpha1.ConsumerStatus {
	out := v1alpha1.ConsumerStatus{Name: k.Name, Managed: k.Managed, Pending: signed(k.Pending), AckPending: signed(k.AckPending),
		Redelivered: signed(k.Redelivered), Lost: before.Lost, LostAtLeast: before.LostAtLeast, LostTime: before.LostTime,
		MayBeLost: before.MayBeLost, MayBeLostTime: before.MayBeLostTime}
	for _, t := range []**metav1.Time{&out.LostTime, &out.MayBeLostTime} {
		if *t != nil && (*t).After(at) { // the operator's clock was put back: a loss is told for an hour by the present one
			*t = new(seconds(at))
		}
	}
	if read := readTime(before, k); !read.IsZero() {
		out.LastReadTime = new(seconds(read))
	}
	if k.LagKnown {
		lag := int64(k.Lag / time.Second)
		out.LagSeconds = &lag
	}
	if percent, known := retentionUsed(k, s); known {
		out.RetentionUsedPercent = &percent
	}
	out.Position = v1alpha1.ConsumerPosition{Created: seconds(k.Made), StreamCreated: seconds(s.StreamMade), Start: signed(k.Start), First: signed(s.First), AckFloor: signed(k.AckFloor),
		Delivered: signed(k.Delivered), Deliveries: signed(k.Deliveries), Oldest: signed(k.Oldest)}
	return out
}

// seconds is a time as the API has it.
func seconds(t time.Time) metav1.Time { return metav1.NewTime(t.Truncate(time.Second)) }

// signed is a server's number as the API has it.
func signed(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

// writable is a server's time, or none where no API server takes it: years from 1970 to 9999, in UTC (RFC 3339, section 5.6).
func writable(t time.Time) time.Time {
	if year := t.UTC().Year(); year < 1970 || year > 9999 {
		return time.Time{}
	}
	return t
}

// retentionUsed is how much of what the stream keeps has passed for the oldest message that is not acknowledged, in percent and at most 1000.
// It is not known where an age bounds the stream, that of the message is not known, and sizes alone do not put the reader behind.
func retentionUsed(k *jetstream.Consumer, s *jetstream.Consumers) (percent int32, known bool) {
	if k.Pending+k.AckPending == 0 {
		return 0, true
	}
	used := 0.0
	if s.MaxAge > 0 && k.LagKnown {
		used = float64(k.Lag) / float64(s.MaxAge)
	}
	oldest := k.Oldest
	if oldest == 0 {
		oldest = k.FirstUnread(s.First)
	}
	// What lies behind the message in the stream, of whatever subject: messages are taken in their order.
	behind, all := float64(less(s.Last+1, oldest)), float64(less(s.Last+1, s.First))
	if s.MaxBytes > 0 && all > 0 {
		used = max(used, behind/all*float64(s.Bytes)/float64(s.MaxBytes))
	}
	if s.MaxMessages > 0 {
		used = max(used, behind/float64(s.MaxMessages))
	}
	return int32(min(100*used, 1000)), s.MaxAge == 0 || k.LagKnown || used >= behindPercent/100.0
}

// consumersKeepUp says whether readers read in time. It is not there where the spec names no consumers.
func (j *judgement) consumersKeepUp() said {
	wanted := j.Collector.Spec.Output.Consumers
	if len(wanted) == 0 {
		return said{}
	}
	found := j.consumers()
	_, stream := j.found()
	switch {
	case j.Collector.Spec.Suspend:
		return isUnknown(ReasonSuspended, "consumers are not looked at while spec.suspend is set")
	case j.Secrets.Forbidden:
		return isUnknown(ReasonSecretsNotReadable, "the operator may not read the Secrets; to let it: %s", j.Grant())
	case j.Held != "":
		return isUnknown(ReasonRolloutHeld, "consumers are not looked at until ConfigurationValid is True")
	case j.Unusable():
		return isUnknown(j.unusableReason(), "consumers are not looked at until ConfigurationValid is True")
	case j.Secrets.NoOutput:
		return isUnknown(ReasonSecretMissing, "consumers are not looked at until ConfigurationValid is True")
	case j.NATS.Stream != nil && j.NATS.Stream.Overdue() != "":
		return isUnknown(ReasonLookOverdue, "%s", j.NATS.Stream.Overdue())
	case stream == nil || stream.At.IsZero():
		return isUnknown(ReasonPending, "the consumers were not looked at yet").yet()
	case stream.Class.Unanswered():
		return isUnknown(ReasonNATSUnreachable, "the consumers cannot be looked at: %s", stream.Error)
	case found == nil && stream.Error != "":
		return isUnknown(ReasonStreamFailed, "the consumers cannot be looked at: %s", stream.Error)
	case found == nil && stream.Found.ConsumersError != "":
		return isUnknown(ReasonConsumerFailed, "the consumers cannot be looked at: %s", stream.Found.ConsumersError)
	case found == nil:
		return isUnknown(ReasonPending, "the consumers were not looked at yet").yet()
	}
	var all readers
	for i := range found.Each {
		all.add(j.reader(&found.Each[i]))
	}
	return all.said(len(wanted), "stream "+fleet.StreamName(j.Collector))
}

// readers are what is said of each.
type readers struct {
	worst  int
	reason string
	told   []string
	kept   []string
}

// The kinds of what is said of a reader, the worst last.
const (
	readsInTime = iota
	neverRead
	notKnown
	isBehind
	notUsable
	mayHaveLost
	hasLost
)

type aReader struct {
	kind   int
	reason string
	words  string
	kept   []string
	again  time.Time // when the time alone changes it, zero for never
}

func (r *readers) add(a aReader) {
	r.kept = append(r.kept, a.kept...)
	if a.kind == readsInTime {
		return
	}
	if a.kind > r.worst {
		r.worst, r.reason = a.kind, a.reason
		r.told = append([]string{a.words}, r.told...)
		return
	}
	r.told = append(r.told, a.words)
}

func (r *readers) said(wanted int, stream string) said {
	words := strings.Join(r.told, "; ")
	switch r.worst {
	case readsInTime:
		if len(r.kept) > 0 {
			return isTrue(ReasonDifferences, "the readers of %s keep up; %s", stream, strings.Join(r.kept, "; "))
		}
		return isTrue(ReasonKeepingUp, "what the %d consumers of %s have not acknowledged has more than half of its time and room in the stream left", wanted, stream)
	case notKnown:
		return isUnknown(r.reason, "%s", words)
	}
	out := isFalse(r.reason, "%s", words)
	out.harmless = r.worst == neverRead
	return out
}

// reader judges one of the spec.
func (j *judgement) reader(k *jetstream.Consumer) aReader {
	var s *v1alpha1.ConsumerStatus
	for i := range j.consumersNow {
		if j.consumersNow[i].Name == k.Name {
			s = &j.consumersNow[i]
		}
	}
	out := judgeReader(k, s, j.condition(v1alpha1.ConditionConsumersKeepUp), j.server())
	if s != nil && k.Found && k.Deliveries == 0 {
		out.say(k, neverRead, ReasonNeverRead, "was never read from: start its reader, or take it out of output.consumers%s", alsoPaused(k))
	}
	if !out.again.IsZero() {
		j.lookAgainAt(j.here(out.again))
	}
	return out
}

// say notes what is worse than what was said before.
func (r *aReader) say(k *jetstream.Consumer, kind int, reason, format string, args ...any) {
	if kind > r.kind {
		r.kind, r.reason, r.words = kind, reason, "consumer "+k.Name+" "+fmt.Sprintf(format, args...)
	}
}

// judgeReader judges one: s is what its status tells, nil for nothing, and was the condition before, nil for none.
func judgeReader(k *jetstream.Consumer, s *v1alpha1.ConsumerStatus, was *metav1.Condition, now time.Time) aReader {
	out := aReader{kind: readsInTime}
	for _, line := range k.Kept {
		out.kept = append(out.kept, "consumer "+k.Name+": "+line)
	}
	if k.Paused != "" {
		out.kept = append(out.kept, "consumer "+k.Name+" "+k.Paused)
	}
	switch {
	case k.Class.Unusable():
		out.say(k, notKnown, ReasonConsumerFailed, "cannot be looked at: %s", k.Error)
	case k.Class == jetstream.ClassConflict:
		out.say(k, notUsable, ReasonConsumerConflict, "is another's: %s", k.Error)
	case k.Class == jetstream.ClassForeign:
		out.say(k, notUsable, ReasonConsumerForeign, "cannot be used: %s", k.Error)
	case k.Class != jetstream.ClassNone:
		out.say(k, notUsable, ReasonConsumerFailed, "cannot be made or kept: %s", k.Error)
	}
	if s == nil || !k.Found {
		return out
	}
	behind := int32(behindPercent)
	if was != nil && was.Reason == ReasonReaderBehind {
		behind = caughtUpPercent
	}
	switch used := s.RetentionUsedPercent; {
	case used == nil:
		out.say(k, notKnown, ReasonLagUnknown, "has %d messages that are not acknowledged, and how old they are is not known: %s", k.Pending+k.AckPending,
			cmp.Or(k.LagError, "they went away while they were looked at"))
	case *used >= behind:
		out.say(k, isBehind, ReasonReaderBehind, "is behind: its oldest unread message%s has used %d %% of what the stream keeps, and is taken at 100 %%; %s: "+
			"start or speed up the reader (several may read from one consumer), or raise output.stream.maxAge and maxBytes", aged(s), *used, unread(k))
	}
	if stillTold(s.MayBeLostTime, now) {
		out.again = s.MayBeLostTime.Add(readerLossTold)
		out.say(k, mayHaveLost, ReasonStreamReplaced, "reads another stream than before, %s", mayBeLost(s))
	}
	if stillTold(s.LostTime, now) {
		out.again = s.LostTime.Add(readerLossTold)
		atLeast := ""
		if s.LostAtLeast {
			atLeast = "at least "
		}
		out.say(k, hasLost, ReasonMessagesLost, "has lost %s%d messages, which the stream took before they were acknowledged, the last at %s; %s: start or speed up the reader, "+
			"or raise output.stream.maxAge and maxBytes; this is told for an hour after the last loss", atLeast, s.Lost, s.LostTime.UTC().Format(time.RFC3339), unread(k))
		if stillTold(s.MayBeLostTime, now) {
			out.words += "; it reads another stream than before, " + mayBeLost(s)
		}
	}
	return out
}

func aged(s *v1alpha1.ConsumerStatus) string {
	if s.LagSeconds == nil {
		return ""
	}
	return fmt.Sprintf(" is %s old and", time.Duration(*s.LagSeconds)*time.Second)
}

func unread(k *jetstream.Consumer) string {
	words := fmt.Sprintf("%d messages are unread", k.Pending+k.AckPending)
	if k.Deliveries == 0 {
		words += ", and nobody ever read from it"
	}
	return words + alsoPaused(k)
}

// alsoPaused is the end of a message: whoever paused a consumer need not be the one who looks for what is wrong with its reader.
func alsoPaused(k *jetstream.Consumer) string {
	if k.Paused == "" {
		return ""
	}
	return ", and it " + k.Paused
}
