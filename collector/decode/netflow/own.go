package netflow

import (
	"slices"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/template"
)

// ownNames finds the fields of a data template that name what its records number: some exporters send names with each flow, as Open
// vSwitch those of interfaces and nProbe those of applications. Those of interfaces and VRFs repeat where a record has two (RFC 7011
// section 8), in the order of the numbers. A name of which nobody can say whose it is has none.
func ownNames(t *template.Template) map[int]flow.Name {
	out := make(map[int]flow.Name)
	pair(out, t, 82, [2][]uint16{{10, 252}, {14, 253}}, [2]flow.Name{flow.InIfName, flow.OutIfName})
	pair(out, t, 83, [2][]uint16{{10, 252}, {14, 253}}, [2]flow.Name{flow.InIfDescription, flow.OutIfDescription})
	pair(out, t, elementVRFName, [2][]uint16{{elementIngressVRF}, {elementEgressVRF}}, [2]flow.Name{flow.IngressVRFName, flow.EgressVRFName})
	if at := fieldsOf(t, elementVRFName); len(at) == 1 && len(fieldsOf(t, elementIngressVRF, elementEgressVRF)) == 0 {
		out[at[0]] = flow.IngressVRFName // some say no number, but in which VRF a packet came
	}
	for _, single := range [...]struct {
		id uint16
		as flow.Name
	}{{elementApplicationName, flow.ApplicationName}, {elementSelectorName, flow.SamplerName}, {elementSamplerName, flow.SamplerName}, {300, flow.DomainName}} {
		if at := fieldsOf(t, single.id); len(at) > 0 {
			out[at[0]] = single.as
		}
	}
	if len(fieldsOf(t, elementApplicationName)) == 0 {
		if at := applicationField(t); at != absent {
			out[at] = flow.ApplicationName
		}
	}
	return out
}

// applicationElements are makers' own elements for the name of a flow's application, as the registry of package element has them, the best
// first: Palo Alto's App-ID, ntop's APPLICATION_NAME and L7_PROTO_NAME, Ixia's ixiaL7AppName. In NetFlow v9, those of the first two stand
// without an enterprise.
var applicationElements = [...]struct {
	enterprise     uint32
	id, netFlow9ID uint16
}{{25461, 23933, 56701}, {35632, 427, 57899}, {35632, 119, 57591}, {3054, 111, 0}}

// shortestName9 is the length from which fields of NetFlow v9 are taken for such names: nobody has registered their numbers there, and others may
// have numbers in them.
const shortestName9 = 8

// applicationField is the index of the field in which t has the best of applicationElements, or absent.
func applicationField(t *template.Template) int {
	for _, e := range applicationElements {
		if at := slices.IndexFunc(t.Fields, func(f template.Field) bool {
			if t.Version == template.NetFlow9 {
				return f.ID == e.netFlow9ID && f.ID != 0 && f.Length >= shortestName9
			}
			return f.Enterprise == e.enterprise && f.ID == e.id && f.Length != 0
		}); at >= 0 {
			return at
		}
	}
	return absent
}

// pair gives the names that an element says to the numbers of two directions.
func pair(out map[int]flow.Name, t *template.Template, name uint16, numbers [2][]uint16, as [2]flow.Name) {
	at := fieldsOf(t, name)
	var order []flow.Name // of the directions that are numbered, by their first number
	var first [2]int
	for direction, ids := range numbers {
		if found := fieldsOf(t, ids...); len(found) > 0 {
			first[direction] = found[0]
			order = append(order, as[direction])
		}
	}
	if len(order) == 2 && first[1] < first[0] {
		order[0], order[1] = order[1], order[0]
	}
	if len(at) != len(order) {
		return
	}
	for i, field := range at {
		out[field] = order[i]
	}
}

// fieldsOf are the fields of some elements of IANA's registry, by index.
func fieldsOf(t *template.Template, ids ...uint16) (at []int) {
	for i, f := range t.Fields {
		if f.Enterprise == 0 && f.Length != 0 && slices.Contains(ids, f.ID) {
			at = append(at, i)
		}
	}
	return at
}

// maxOwn bounds the names that a record has of its own, with those in its lists.
const maxOwn = 2 * int(flow.NumNames)

// takeText notes a name that the record says.
func takeText(r *flow.Record, step *step, v []byte) {
	if len(v) != 0 && len(r.Own) < maxOwn {
		r.Own = append(r.Own, flow.OwnName{Name: flow.Name(step.index), Value: v})
	}
	if step.extra && len(v) != 0 {
		r.Extra = append(r.Extra, flow.Extra{Enterprise: step.enterprise, ID: step.id, Value: v})
	}
}
