package run

import (
	"github.com/flowfleet/flowfleet/collector/element"
	"github.com/flowfleet/flowfleet/collector/flow"
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
