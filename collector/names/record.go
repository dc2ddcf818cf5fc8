package names

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/flowfleet/flowfleet/collector/element"
)

// Record says what a number means from a time on, for readers that join by themselves. What says the same is the same, whoever writes it.
type Record struct {
	// ValidFrom is when it was exported, in seconds since 1970; when it was heard, where the exporter's clock cannot be right.
	ValidFrom int64 `json:"valid_from"`
	// Version is greater for what came later: it orders what was exported within a second.
	Version  Stamp  `json:"version"`
	Exporter string `json:"exporter"`
	Domain   uint32 `json:"domain"`
	Table    string `json:"table"`
	// Number as routers show it, see Label.
	Number      string            `json:"number"`
	Name        string            `json:"name,omitempty"`
	Description string            `json:"description,omitempty"`
	Speed       uint64            `json:"speed,omitempty"`
	Attributes  map[string]string `json:"attributes,omitempty"`
}

// NewRecord describes a row as of now (nanoseconds since 1970), which bounds what an exporter's clock may say: a minute ahead, and no
// less than 1994, as for the times of flows.
func NewRecord(scope Scope, t Table, e *Entry, now int64) Record {
	r := Record{ValidFrom: ValidFrom(e.Stamp, now), Version: e.Stamp, Exporter: scope.Exporter.String(), Domain: scope.Domain, Table: t.String(),
		Number: Label(t, e.Number), Name: e.Name, Description: e.Description, Speed: e.Speed}
	for _, a := range e.Attributes {
		if r.Attributes == nil {
			r.Attributes = make(map[string]string)
		}
		word := attributeWord(a)
		name := word
		for n := 2; r.Attributes[name] != ""; n++ {
			name = fmt.Sprintf("%s#%d", word, n)
		}
		r.Attributes[name] = a.Text
	}
	return r
}

func attributeWord(a Attribute) string {
	switch a.Enterprise {
	case contestedName:
		return "contested_name"
	case contestedDescription:
		return "contested_description"
	case refusedName:
		return "refused_name"
	case refusedDescription:
		return "refused_description"
	}
	return element.Name(true, a.Enterprise, a.ID) // those that vendors put in NetFlow v9 have ids that IPFIX has no place for
}

const (
	aheadSeconds = 60
	// clockSet is the beginning of 1994.
	clockSet = 757_382_400
)

// ValidFrom is when a row was exported, in seconds since 1970.
func ValidFrom(s Stamp, now int64) int64 {
	at := now / int64(time.Second)
	if exported := s.Seconds(); exported >= clockSet && exported <= uint64(max(at+aheadSeconds, 0)) {
		return int64(exported)
	}
	return at
}

// AppendLine appends r as a line of JSON.
func (r *Record) AppendLine(dst []byte) []byte {
	b := bytes.NewBuffer(dst)
	encoder := json.NewEncoder(b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(r); err != nil {
		panic("names: a record cannot be marshalled: " + err.Error()) // its types all can
	}
	return b.Bytes()
}
