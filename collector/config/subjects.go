package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var (
	// A wildcard is a token of its own: NATS would take "a*b" literally, which nobody means.
	subjectOf = regexp.MustCompile(`^[^\s.*>]+(\.[^\s.*>]+)*$`)
	patternOf = regexp.MustCompile(`^(\*|>|[^\s.*>]+(\.([^\s.*>]+|\*))*(\.>)?|\*(\.([^\s.*>]+|\*))*(\.>)?)$`)
)

// protocolTokens are what is appended to output.subject, one for each kind of flow.
var protocolTokens = []string{"netflow5", "netflow9", "ipfix", "sflow"}

// serverSubjects belong to nats-server, which refuses streams that take in any of them.
var serverSubjects = []string{"$JS.>", "$JSC.>", "$NRG.>", "$SYS.>"}

// subjects checks the subject of flows and those of the stream that is to take them.
func (k *checker) subjects(o *Output) {
	valid := subjectOf.MatchString(o.Subject)
	k.that(valid, "output.subject", "%q is not a subject: tokens with dots between, without blanks or wildcards", o.Subject)
	reserved := strings.HasPrefix(o.Subject, "$") || o.Subject == "_INBOX" || strings.HasPrefix(o.Subject, "_INBOX.")
	k.that(!reserved, "output.subject", "%q is among the subjects of NATS itself: begin with another token", o.Subject)

	subjects := o.Stream.Subjects
	for i, s := range subjects {
		path := fmt.Sprintf("output.stream.subjects[%d]", i)
		if !patternOf.MatchString(s) {
			k.that(false, path, "%q is not a subject: tokens with dots between; * stands for one token, > for the rest", s)
			continue
		}
		if o.Stream.Unmanaged {
			continue // the server has judged them
		}
		for _, own := range serverSubjects {
			if SubjectsCollide(s, own) {
				k.that(false, path, "%q takes in subjects of the server itself (%s): begin with a token such as flows", s, own)
				break
			}
		}
		for j, other := range subjects[:i] {
			if patternOf.MatchString(other) && SubjectsCollide(s, other) {
				k.that(false, path, "%q overlaps with %q in subjects[%d], which NATS refuses: leave one out", s, other, j)
				break
			}
		}
	}
	if !valid || reserved || o.Stream.Unmanaged || o.Kind != OutputJetStream {
		return
	}
	covered := func(subject string) bool {
		return slices.ContainsFunc(subjects, func(s string) bool { return SubjectCovers(s, subject) })
	}
	var missing []string
	for _, token := range protocolTokens {
		if !covered(o.Subject + "." + token) {
			missing = append(missing, o.Subject+"."+token)
		}
	}
	k.that(len(missing) == 0, "output.stream.subjects", "none takes in %s, which flows are published on: add %q",
		strings.Join(missing, ", "), o.Subject+".>")
	k.that(o.Ledger != LedgerMinutes || len(missing) > 0 || covered(o.LedgerSubject()), "output.ledger",
		"Minutes are published on %s, which none of output.stream.subjects takes in: add it, or set None", o.LedgerSubject())
	k.that(o.Names != NameRecordsChanges || len(missing) > 0 || covered(o.NamesSubject()), "output.names",
		"Changes are published on %s, which none of output.stream.subjects takes in: add it, or set None", o.NamesSubject())
}

// SubjectCovers reports whether a pattern of subjects matches all that another one matches, or a subject without wildcards.
func SubjectCovers(pattern, subject string) bool {
	p, s := strings.Split(pattern, "."), strings.Split(subject, ".")
	for i, part := range p {
		switch {
		case part == ">":
			return len(s) > i
		case i >= len(s), s[i] == ">", part != "*" && part != s[i]:
			return false
		}
	}
	return len(p) == len(s)
}

// SubjectsCollide reports whether some subject matches both patterns.
func SubjectsCollide(a, b string) bool {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y)) {
		switch {
		case x[i] == ">" || y[i] == ">":
			return true
		case x[i] != "*" && y[i] != "*" && x[i] != y[i]:
			return false
		}
	}
	return len(x) == len(y)
}
