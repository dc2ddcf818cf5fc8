package connect

import (
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// FilterOf is what a consumer delivers of its stream's subjects; none stands for all of them. JetStream has one subject in a field of
// its own.
func FilterOf(c *jetstream.ConsumerConfig) []string {
	if c.FilterSubject != "" {
		return []string{c.FilterSubject}
	}
	return c.FilterSubjects
}

// FilterText is a filter in words.
func FilterText(filter []string) string {
	if len(filter) == 0 {
		return "everything"
	}
	return strings.Join(filter, ", ")
}
