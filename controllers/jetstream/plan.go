package jetstream

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/config"
)

// plan is what becomes of a stream that exists: the changes to its configuration, and the differences that stay.
type plan struct {
	target
	// ours may be changed.
	ours           bool
	allowReduction bool
	// config begins as what is there, so that all that is not ours to say stays.
	config  jetstream.StreamConfig
	changed []string
	kept    []string
	// replicas are not part of config: see bring.
	replicas *replicasChange
}

type replicasChange struct {
	to    int
	words string
}

func (p *plan) change(format string, values ...any) {
	p.changed = append(p.changed, fmt.Sprintf(format, values...))
}

func (p *plan) keep(format string, values ...any) {
	p.kept = append(p.kept, fmt.Sprintf(format, values...))
}

// level compares one setting of which more loses nothing, and reports what to say and whether it is to be changed.
func (p *plan) level(field string, have, want int64, show func(int64) string) (words string, change bool) {
	switch {
	case have == want:
		return "", false
	case !p.ours:
		p.keep("%s is %s, %s.%s says %s: the %s was not made by Flowfleet and is never changed; change the spec or the %s",
			field, show(have), p.section, field, show(want), p.kind, p.kind)
		return "", false
	case want > have:
		return fmt.Sprintf("%s raised from %s to %s", field, show(have), show(want)), true
	case p.allowReduction:
		return fmt.Sprintf("%s lowered from %s to %s", field, show(have), show(want)), true
	}
	p.keep("%s is %s, more than the %s of %s.%s: it is lowered only if %s.allowReduction is true",
		field, show(have), show(want), p.section, field, p.section)
	return "", false
}

func (p *plan) setReplicas(want int) {
	if words, ok := p.level("replicas", int64(p.config.Replicas), int64(want), number); ok {
		p.replicas = &replicasChange{to: want, words: words}
	}
}

func (p *plan) setHistory(want int) {
	if words, ok := p.level("history", p.config.MaxMsgsPerSubject, int64(want), number); ok {
		p.config.MaxMsgsPerSubject = int64(want)
		p.change("%s", words)
	}
}

// setMaxAge sets how long messages live; 0 is for ever.
func (p *plan) setMaxAge(field string, want time.Duration) {
	words, ok := p.level(field, unlimited(int64(p.config.MaxAge)), unlimited(int64(want)), age)
	if !ok {
		return
	}
	p.config.MaxAge = want
	if want > 0 {
		p.config.Duplicates = min(p.config.Duplicates, want) // the server refuses a longer one
	}
	p.change("%s", words)
}

// setMaxBytes sets the size; -1 is no limit.
func (p *plan) setMaxBytes(want int64) {
	if words, ok := p.level("maxBytes", unlimited(p.config.MaxBytes), unlimited(want), size); ok {
		p.config.MaxBytes = want
		p.change("%s", words)
	}
}

// keepStorage and keepRetention report what cannot change.
func (p *plan) keepStorage(want jetstream.StorageType) {
	if p.config.Storage != want {
		p.fixed("storage", p.config.Storage, want)
	}
}

func (p *plan) keepRetention(want jetstream.RetentionPolicy) {
	if p.config.Retention != want {
		p.fixed("retention", p.config.Retention, want)
	}
}

func (p *plan) fixed(field string, have, want fmt.Stringer) {
	p.keep("%s is %s, %s.%s says %s: it cannot change; change the spec, or delete the %s to have it made anew",
		field, have, p.section, field, want, p.kind)
}

// setSubjects makes a stream take in the subjects wanted. Those it takes in besides stay, unless reduction is allowed.
func (p *plan) setSubjects(want []string) {
	have := p.config.Subjects
	if same(have, want) {
		return
	}
	missing := slices.DeleteFunc(slices.Clone(want), func(s string) bool { return coveredBy(s, have) })
	surplus := slices.DeleteFunc(slices.Clone(have), func(s string) bool { return coveredBy(s, want) })
	switch {
	case !p.ours && len(missing) > 0:
		p.keep("subjects: %s is not taken in: the stream was not made by Flowfleet and is never changed; add it to the stream, or flows on it are refused",
			strings.Join(missing, ", "))
	case !p.ours:
		// What it takes in besides is none of our business.
	case p.allowReduction:
		p.change("subjects changed from %s to %s", list(have), list(want))
		p.config.Subjects = slices.Clone(want)
	default:
		// What a wider one covers must go: JetStream refuses subjects that overlap.
		union := slices.DeleteFunc(slices.Clone(have), func(s string) bool { return coveredBy(s, missing) })
		for _, s := range missing {
			if i := slices.IndexFunc(union, func(u string) bool { return config.SubjectsCollide(u, s) }); i >= 0 {
				p.keep("subjects: %s cannot be added, because it overlaps with %s, which the stream takes in: change %s.subjects, or set %s.allowReduction to replace them",
					s, union[i], p.section, p.section)
				return
			}
		}
		if len(surplus) > 0 {
			p.keep("subjects: %s is taken in too, and not in %s.subjects: it is taken away only if %s.allowReduction is true",
				strings.Join(surplus, ", "), p.section, p.section)
		}
		if len(missing) > 0 {
			union = append(union, missing...)
			p.change("subjects widened from %s to %s", list(have), list(union))
			p.config.Subjects = union
		}
	}
}

// same reports whether both are the same subjects, in whatever order.
func same(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// coveredBy reports whether one of the patterns takes in all of a subject.
func coveredBy(subject string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return config.SubjectCovers(p, subject) })
}

// noLimit is more than any limit.
const noLimit = math.MaxInt64

// unlimited makes values that stand for "no limit" (0 of an age, -1 of a size) the largest.
func unlimited(v int64) int64 {
	if v <= 0 {
		return noLimit
	}
	return v
}

func number(v int64) string { return fmt.Sprint(v) }

func age(v int64) string {
	if v == noLimit {
		return "for ever"
	}
	return time.Duration(v).String()
}

func size(v int64) string {
	if v == noLimit {
		return "unlimited"
	}
	return config.Size(v).String()
}

func list(subjects []string) string { return "[" + strings.Join(subjects, " ") + "]" }
