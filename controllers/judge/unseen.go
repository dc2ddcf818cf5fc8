package judge

import (
	"fmt"
	"strings"
)

// Unseen are kinds of objects that the operator cannot watch (any more): what it knows of them is of the past.
type Unseen map[string]Unwatched

// Unwatched says why a kind cannot be watched.
type Unwatched struct {
	// Words of the API server, or of the library that could not read its answer.
	Words string
	// Fails: the watch fails, and not for want of a right.
	Fails bool
	// Missing: it fails because the cluster does not have the kind (any more).
	Missing bool
}

// Reason of conditions of which nothing is known because of it.
func (u Unwatched) Reason() string {
	if u.Fails {
		return ReasonWatchFails
	}
	return ReasonOperatorForbidden
}

// Cannot is what the operator does not do because of it: up to the verb.
func (u Unwatched) Cannot() string {
	if u.Fails {
		return "cannot"
	}
	return "may not"
}

// Ask is what most often is behind it.
func (u Unwatched) Ask() string {
	if u.Fails {
		return "are all definitions of kinds installed, and does the API server's log name an error?"
	}
	return Interrupted
}

// worst is the one that conditions are about: rights that are missing come first, since somebody has to give them.
func (u Unseen) worst() (worst Unwatched) {
	worst.Fails = true
	for _, one := range u {
		worst.Fails = worst.Fails && one.Fails
	}
	return worst
}

// Reason of conditions of which nothing is known because of one of them.
func (u Unseen) Reason() string { return u.worst().Reason() }

// Cannot is what the operator does not do because of them, from the verb on, with what most often is behind it.
func (u Unseen) Cannot(do string) string {
	w := u.worst()
	return fmt.Sprintf("%s %s (%s)", w.Cannot(), do, w.Ask())
}

// String names the kinds, in order, each with the API server's words.
func (u Unseen) String() string {
	var out []string
	for kind, one := range u {
		out = append(out, fmt.Sprintf("%s (%s)", kind, one.Words))
	}
	return strings.Join(sorted(out), "; ")
}

// CannotBegin is what a message says, up to how things are then, where the operator cannot watch what all its work begins with.
func (u Unseen) CannotBegin() string {
	return "the operator cannot begin its work, because it " + u.Cannot("watch what it looks after")
}
