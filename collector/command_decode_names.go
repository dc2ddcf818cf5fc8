package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/decode"
	"github.com/flowfleet/flowfleet/collector/decode/sflow"
	"github.com/flowfleet/flowfleet/collector/element"
	"github.com/flowfleet/flowfleet/collector/run"
	"github.com/flowfleet/flowfleet/collector/template"
)

func wordsOf(kinds []config.NameKind) (out []string) {
	for _, k := range kinds {
		out = append(out, string(k))
	}
	return out
}

// noNames is the word for flows without names.
const noNames = "none"

func parseNames(list []string) (decode.NameSet, error) {
	var kinds []config.NameKind
	for _, word := range list {
		i := slices.IndexFunc(config.AllNames(), func(k config.NameKind) bool { return strings.EqualFold(string(k), word) })
		switch {
		case i >= 0:
			kinds = append(kinds, config.AllNames()[i])
		case word != noNames || len(list) > 1:
			return 0, misuse{fmt.Errorf("--names %q: they are %s, or %s alone", word, strings.Join(wordsOf(config.AllNames()), ", "), noNames)}
		}
	}
	return run.NamesOn(kinds), nil
}

// options writes a record of an options table as a line: its fields under their names, those of the scope apart.
func (s *jsonSink) options(o decode.OptionsRecord) {
	if s.err != nil {
		return
	}
	t := o.Template
	b := append(s.buffer[:0], `{"type":"OPTIONS","sampler_address":"`...)
	b = append(o.Source.Addr().AppendTo(b), `","observation_domain_id":`...)
	b = append(strconv.AppendUint(b, uint64(o.Domain), 10), `,"export_time":`...)
	b = append(strconv.AppendUint(b, uint64(o.Exported), 10), `,"template":`...)
	b = append(strconv.AppendUint(b, uint64(t.ID), 10), `,"scope":{`...)
	b = appendOptions(b, t, o.Values, 0, t.ScopeFields)
	b = append(b, `},"fields":{`...)
	b = append(appendOptions(b, t, o.Values, t.ScopeFields, len(t.Fields)), "}}\n"...)
	s.buffer = b
	_, s.err = s.out.Write(b)
}

// counters writes a counter sample as a line.
func (s *jsonSink) counters(c sflow.CounterSample) {
	if s.err != nil {
		return
	}
	b := append(s.buffer[:0], `{"type":"COUNTERS","time_received_ns":`...)
	b = append(strconv.AppendUint(b, c.Received, 10), `,"sampler_address":"`...)
	b = append(c.Header.Agent.Addr().AppendTo(b), `","sub_agent":`...)
	b = append(strconv.AppendUint(b, uint64(c.Header.SubAgent), 10), `,"sequence_num":`...)
	b = fmt.Appendf(strconv.AppendUint(b, uint64(c.Sequence), 10), `,"source_id":"%d:%d","counters":{`, c.Class, c.Index)
	seen := make(map[string]int)
	for format, body := range c.Records {
		if len(seen) > 0 {
			b = append(b, ',')
		}
		name := unique(seen, element.SFlowCountersName(format))
		b = element.AppendSFlowCounters(append(append(append(b, '"'), name...), `":`...), format, body)
	}
	s.buffer = append(b, "}}\n"...)
	_, s.err = s.out.Write(s.buffer)
}

// unique gives a repeated name "#2", "#3", ...
func unique(seen map[string]int, name string) string {
	if seen[name]++; seen[name] > 1 {
		return name + "#" + strconv.Itoa(seen[name])
	}
	return name
}

// appendOptions writes some of a record's fields, each with a name of its own.
func appendOptions(b []byte, t *template.Template, values [][]byte, from, to int) []byte {
	seen := make(map[string]int)
	for i := from; i < to; i++ {
		f := t.Fields[i]
		isNetFlow9 := t.Version == template.NetFlow9
		e, known := element.Lookup(f.Enterprise, f.ID)
		if isNetFlow9 {
			e, known = element.LookupNetFlow9(f.ID)
		}
		name := element.Name(isNetFlow9, f.Enterprise, f.ID)
		// These are scope types, not elements (RFC 3954 section 6.1).
		scope9 := isNetFlow9 && i < t.ScopeFields && f.ID <= 5
		if scope9 {
			name = element.ScopeName(f.ID)
		}
		name = unique(seen, name)
		if i > from {
			b = append(b, ',')
		}
		quoted, _ := json.Marshal(name) // a string always has a JSON
		b = append(append(b, quoted...), ':')
		if scope9 && len(values[i]) <= 8 {
			b = strconv.AppendUint(b, numberOf(values[i]), 10)
			continue
		}
		b = element.AppendJSON(b, e, known, values[i])
	}
	return b
}

func numberOf(v []byte) (n uint64) {
	for _, c := range v {
		n = n<<8 | uint64(c)
	}
	return n
}
