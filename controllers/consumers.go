package controllers

import (
	"maps"
	"slices"
	"time"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
)

// What a consumer has that says nothing else.
const (
	standardAckWait       = 30 * time.Second
	standardMaxAckPending = 1000
)

// wantedConsumers are those of the spec; the subjects are those that the stream takes in.
func wantedConsumers(fc *v1alpha1.FlowCollector, subjects []string) (out []jetstream.WantConsumer) {
	subject := fleet.Subject(fc)
	for _, c := range fc.Spec.Output.Consumers {
		w := jetstream.WantConsumer{Name: c.Name, AckWait: standardAckWait, MaxAckPending: standardMaxAckPending, Replicas: int(c.Replicas)}
		if c.AckWait != nil {
			w.AckWait = c.AckWait.Std()
		}
		if c.MaxAckPending > 0 {
			w.MaxAckPending = int(c.MaxAckPending)
		}
		for _, protocol := range c.Protocols {
			w.Subjects = append(w.Subjects, subject+"."+string(protocol))
		}
		slices.Sort(w.Subjects)
		// A stream may have flows of other fleets.
		if others := func(s string) bool { return !config.SubjectCovers(subject+".>", s) }; len(w.Subjects) == 0 && slices.ContainsFunc(subjects, others) {
			w.Subjects = []string{subject + ".>"}
		}
		out = append(out, w)
	}
	return out
}

// removedConsumers are those that the spec had, and has no more: that the status has, and that were wanted before it could be written. One that
// nobody removes would have the stream keep for ever what it has not read, where its retention is Interest.
func (m *memory) removedConsumers(fc *v1alpha1.FlowCollector) (out []string) {
	known := make(map[string]bool)
	for i := range fc.Status.Consumers {
		known[fc.Status.Consumers[i].Name] = true
	}
	wanted := make(map[string]bool)
	for i := range fc.Spec.Output.Consumers {
		wanted[fc.Spec.Output.Consumers[i].Name] = true
	}
	for name := range wanted {
		if !slices.Contains(m.consumers, name) {
			m.consumers = append(m.consumers, name)
		}
	}
	m.consumers = m.consumers[max(0, len(m.consumers)-maxConsumersNoted):]
	for _, name := range m.consumers {
		known[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if !wanted[name] {
			out = append(out, name)
		}
	}
	return out
}

// maxConsumersNoted bounds the consumers that were wanted and that no status has, where NATS cannot be asked whether they are gone: each edit may
// name others. The oldest go first.
const maxConsumersNoted = 64

// consumersGone notes those that are not there any more.
func (m *memory) consumersGone(names []string) {
	m.consumers = slices.DeleteFunc(m.consumers, func(name string) bool { return slices.Contains(names, name) })
}
