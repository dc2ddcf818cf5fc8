package run

import (
	"regexp"
	"strconv"

	"github.com/flowfleet/flowfleet/collector/element"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/names"
)

// ExtraJSON renders a field that FlowMessage has no place for under the name its registry gives it.
func ExtraJSON(dst []byte, r *flow.Record, x *flow.Extra) ([]byte, string) {
	if r.Type == flow.TypeSFlow5 {
		return element.AppendSFlowJSON(dst, x.Enterprise, x.ID, x.Value), element.SFlowName(x.Enterprise, x.ID)
	}
	isNetFlow9 := r.Type == flow.TypeNetFlowV9
	e, known := element.Lookup(x.Enterprise, x.ID)
	if isNetFlow9 {
		e, known = element.LookupNetFlow9(x.ID)
	}
	return element.AppendJSON(dst, e, known, x.Value), element.Name(isNetFlow9, x.Enterprise, x.ID)
}

// Elements are the vendors' elements that exporters describe (RFC 5610), of those that no public list has. It looks each up once, until
// something that flows are named by changes. It is not safe for concurrent use.
type Elements struct {
	store   *names.Store
	changes uint64
	known   map[taughtElement]element.Element // without a name where nobody described it
}

// taughtElement is an element as an exporter's domain has it.
type taughtElement struct {
	exporter           flow.Address
	domain, enterprise uint32
	id                 uint16
}

// maxTaughtElements bounds what Elements remember: exporters invent them.
const maxTaughtElements = 1 << 14

// NewElements returns those that a Store learns; nil has none.
func NewElements(store *names.Store) *Elements {
	return &Elements{store: store, known: make(map[taughtElement]element.Element)}
}

// ExtraJSON is the function of that name, where a field has the name and type that its exporter said if no list has any.
func (t *Elements) ExtraJSON(dst []byte, r *flow.Record, x *flow.Extra) ([]byte, string) {
	if x.Enterprise != 0 && r.Type == flow.TypeIPFIX && t.store != nil {
		if _, listed := element.Lookup(x.Enterprise, x.ID); !listed {
			if e := t.find(taughtElement{r.SamplerAddress, r.ObservationDomainID, x.Enterprise, x.ID}); e.Name != "" {
				return element.AppendJSON(dst, e, true, x.Value), e.Name
			}
		}
	}
	return ExtraJSON(dst, r, x)
}

func (t *Elements) find(key taughtElement) element.Element {
	if changes := t.store.Changes(); changes != t.changes || len(t.known) >= maxTaughtElements {
		clear(t.known)
		t.changes = changes
	}
	e, known := t.known[key]
	if !known {
		e = t.lookUp(key)
		t.known[key] = e
	}
	return e
}

// elementName is what a name may consist of: it becomes a key in JSON, and may come from anybody.
var elementName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

func (t *Elements) lookUp(key taughtElement) element.Element {
	exporter := t.store.Find(key.exporter.Addr())
	if exporter == nil {
		return element.Element{}
	}
	row := exporter.Row(key.domain, names.Elements, names.ElementNumber(key.enterprise, key.id))
	if row == nil || !elementName.MatchString(row.Name) {
		return element.Element{}
	}
	e := element.Element{ID: key.id, Name: row.Name, Type: element.NumberOrText}
	for _, a := range row.Attributes {
		if a.ID == names.ElementDataType && a.Enterprise == 0 {
			if n, err := strconv.ParseUint(a.Text, 10, 8); err == nil && n <= uint64(element.Unsigned256) { // the last that is registered
				e.Type = element.DataType(n)
			}
		}
	}
	return e
}
