package decode

import (
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/names"
)

// saidTexts are names that records say themselves, encoded: what is said again costs a look-up.
type saidTexts struct {
	texts [flow.NumNames]map[string]*flow.Text // nil is one that is refused
	count int
}

// maxSaid bounds them: beyond it they are forgotten.
const maxSaid = 4096

// given reports whether a record has a name, by a table or of its own.
func (n *namer) given(r *flow.Record, w *word, as flow.Name) bool {
	return w.name != nil || len(r.Own) != 0 && n.ownText(r, as) != nil
}

// own has the record carry the names that it says itself and no table gave: the operator may have named better.
func (n *namer) own(r *flow.Record) {
	for i := range r.Own {
		as := r.Own[i].Name
		if !n.want.Has(as) || r.NameText(as) != nil {
			continue
		}
		if text := n.ownText(r, as); text != nil {
			r.Names = append(r.Names, text)
		}
	}
}

// ownText is the first name of a kind that a record says, nil for none. Texts that are refused are counted by the Store, once as long as
// they are remembered.
func (n *namer) ownText(r *flow.Record, as flow.Name) *flow.Text {
	for i := range r.Own {
		if r.Own[i].Name == as {
			return n.said.of(n, as, r.Own[i].Value)
		}
	}
	return nil
}

func (s *saidTexts) of(n *namer, as flow.Name, value []byte) *flow.Text {
	value = names.WithoutPadding(value) // what the exporter's memory had behind a name differs each time
	if text, ok := s.texts[as][string(value)]; ok {
		return text
	}
	if s.count >= maxSaid {
		*s = saidTexts{}
	}
	if s.texts[as] == nil {
		s.texts[as] = make(map[string]*flow.Text)
	}
	text := textOf(nil, as, n.store.Text(value))
	if len(value) <= maxSaidBytes {
		s.texts[as][string(value)] = text
		s.count++
	}
	return text
}

// maxSaidBytes bounds a value that is remembered: names have 255 bytes at most, and padding.
const maxSaidBytes = 512
