package connect

import (
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/config"
)

// FilterOf is what a consumer delivers of its stream's subjects; none stands for all of them. JetStream has one subject in a field of
// its own.
func FilterOf(c *jetstream.ConsumerConfig) []string {
	if c.FilterSubject != "" {
		return []string{c.FilterSubject}
	}
	return c.FilterSubjects
}

// LeavesOut reports whether a consumer leaves out messages of its stream. A filter that covers all subjects of the stream leaves out none.
// What comes into a stream from another one may have any subject.
func LeavesOut(c *jetstream.ConsumerConfig, s *jetstream.StreamConfig) bool {
	filter := FilterOf(c)
	if len(filter) == 0 {
		return false
	}
	return len(s.Subjects) == 0 || len(s.Sources) > 0 || s.Mirror != nil || s.SubjectTransform != nil || slices.ContainsFunc(s.Subjects, func(subject string) bool {
		return !slices.ContainsFunc(filter, func(f string) bool { return config.SubjectCovers(f, subject) })
	})
}

// FilterText is a filter in words.
func FilterText(filter []string) string {
	if len(filter) == 0 {
		return "everything"
	}
	return strings.Join(filter, ", ")
}
