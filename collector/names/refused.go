package names

import (
	"cmp"
	"slices"
)

// An exporter may call a number by a text that is refused, or describe it no more. What it said before is not true any more then. The row has
// the reason in place of the text, in an attribute of an enterprise that nobody has, as a contested one has what is said. Collectors of a
// version before this one take it for a row without a name.
const (
	refusedName        = 1<<32 - 3
	refusedDescription = 1<<32 - 4
	// blankDescription is what RowOf tells Learn: no row has it.
	blankDescription = 1<<32 - 5
)

// RowOf is the row with a name and a description as an exporter sent them, nil for what it has no field of. Texts that are refused are counted,
// and Learn takes it that what the number was called before is not its name.
func (s *Store) RowOf(name, description []byte) (r Row) {
	var reason Refusal
	if r.Name, reason = s.text(name); reason != Accepted {
		r.mark(refusedName, reason.String())
	}
	switch r.Description, reason = s.text(description); {
	case reason != Accepted:
		r.mark(refusedDescription, reason.String())
	case description != nil && r.Description == "" && (r.Name != "" || name == nil):
		r.mark(blankDescription, "") // where a name is blank, too, the record says nothing of the number
	}
	return r
}

func (r *Row) mark(enterprise uint32, text string) {
	r.Attributes = append(r.Attributes, Attribute{Enterprise: enterprise, Text: text})
}

// marks are what RowOf says of a row beside its texts.
type marks struct {
	// name and description are why they are refused, "" where they are not.
	name, description string
	blank             bool
}

// unmarked takes the marks out of a row.
func (r Row) unmarked() (Row, marks) {
	var m marks
	isMark := func(a Attribute) bool {
		switch a.Enterprise {
		case refusedName:
			m.name = a.Text
		case refusedDescription:
			m.description = a.Text
		case blankDescription:
			m.blank = true
		default:
			return false
		}
		return true
	}
	if slices.ContainsFunc(r.Attributes, isMark) {
		m = marks{}
		r.Attributes = left(r.Attributes, isMark)
	}
	return r, m
}

// onlyMarked reports whether a row says nothing but marks.
func (r *Row) onlyMarked() bool {
	if r.Name != "" || r.Description != "" || r.Speed != 0 {
		return false
	}
	bare, _ := r.unmarked()
	return bare.Empty()
}

// refused reports whether a row has the reason for which a name or a description is refused.
func (r *Row) refused(kind uint32) bool { return r.says(kind) }

// without is r without what says reports.
func (r Row) without(kind uint32) Row {
	if r.says(kind) {
		r.Attributes = left(r.Attributes, func(a Attribute) bool { return a.Enterprise == kind })
	}
	return r
}

// left are what is left of attributes, nil for nothing. The list is others', too.
func left(list []Attribute, goes func(Attribute) bool) []Attribute {
	if out := slices.DeleteFunc(slices.Clone(list), goes); len(out) > 0 {
		return out
	}
	return nil
}

// with is r with the reason for which a text is refused, in place of another attribute where there is no room.
func (r Row) with(kind uint32, reason string) Row {
	list := r.without(kind).Attributes
	r.Attributes = slices.Clone(list[:min(len(list), MaxAttributes-1)])
	r.mark(kind, reason)
	return r
}

// on is what becomes of a row when r is said with the marks: becomes, where these say nothing.
func (m marks) on(was *Row, r, becomes Row) Row {
	if r.Description != "" {
		becomes = becomes.without(refusedDescription)
	}
	switch {
	case was.contested(contestedName):
	case m.name != "" && (was.Name != "" || !was.refused(refusedName)): // a former collector adds a name, and leaves the reason
		return r.with(refusedName, m.name) // what the rest of the row was about had another name
	case m.name != "":
		return becomes.with(refusedName, m.name)
	case was.contested(contestedDescription):
	case becomes.Name == "" && (m.description != "" || m.blank && was.Description != ""):
		becomes.Description = ""
		return becomes.with(refusedDescription, cmp.Or(m.description, "blank"))
	case m.description != "" || m.blank:
		becomes.Description = ""
	}
	return becomes
}
