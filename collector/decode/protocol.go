package decode

import "github.com/flowfleet/flowfleet/collector/flow"

// String is the word for tables and metrics.
func (p Protocol) String() string {
	switch p {
	case NetFlow1:
		return "netflow1"
	case NetFlow5:
		return "netflow5"
	case NetFlow6:
		return "netflow6"
	case NetFlow7:
		return "netflow7"
	case NetFlow8:
		return "netflow8"
	case NetFlow9:
		return "netflow9"
	case IPFIX:
		return "ipfix"
	case SFlow:
		return "sflow"
	}
	return "unknown"
}

// SubjectToken is the last token of the subject that records of a type are published on; NetFlow v1, v6, v7 and v8 go with v5,
// whose type they have.
func SubjectToken(t flow.Type) string {
	switch t {
	case flow.TypeNetFlowV5:
		return "netflow5"
	case flow.TypeNetFlowV9:
		return "netflow9"
	case flow.TypeIPFIX:
		return "ipfix"
	case flow.TypeSFlow5:
		return "sflow"
	}
	return "unknown"
}
