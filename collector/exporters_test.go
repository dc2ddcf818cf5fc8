package main

import (
	"strings"
	"testing"

	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/status"
)

// pages are what the collector says of exporters on the first page.
func (p *process) pages() *status.Exporters {
	p.t.Helper()
	_, body := p.get(status.ExportersPath)
	page, err := status.DecodeExporters(strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	return page
}

func TestWhatTwoCollectorsSayOfAnExporterAddsUpToWhatItSent(t *testing.T) {
	s := natstest.Start(t)
	a, b := startCollector(t, "a", s.URL(), "").awaitReady(), startCollector(t, "b", s.URL(), "").awaitReady()
	e := newExporter(t, 7)
	e.send(a.port, 0, oldLayout.template())
	natstest.Eventually(t, "the other has the template", func() bool { return b.metric("templates") == 1 })
	const sent, lost = 200, 20
	for i := range uint32(sent) {
		switch {
		case i%10 == 5:
			e.sequence++ // one record, which nobody gets
		case i%2 == 0:
			e.send(a.port, 1, oldLayout.data(i))
		default:
			e.send(b.port, 1, oldLayout.data(i))
		}
	}
	natstest.Eventually(t, "both say what came", func() bool {
		var records uint64
		var parts []ledger.Part
		for _, p := range []*process{a, b} {
			page := p.pages()
			if len(page.Exporters) != 1 || len(page.Exporters[0].Streams) != 1 {
				return false
			}
			one := page.Exporters[0]
			if one.Address != "127.0.0.1" || one.Protocol != "ipfix" || one.Streams[0].Domain != 7 || page.NoRoom || page.StreamsLeftOut || page.Next != "" {
				t.Fatalf("%+v", page)
			}
			records += one.Records
			parts = append(parts, ledger.Part{Span: one.Streams[0].Span, Heard: one.Streams[0].LastSeen})
		}
		sum, _ := ledger.Union(parts)
		return records == sent-lost && sum.Length() == sent && sum.Missed() == lost
	})
}

func TestACollectorSaysWhatAnExporterSaysOfRatesClockAndTemplates(t *testing.T) {
	s := natstest.Start(t)
	a := startCollector(t, "a", s.URL(), "").awaitReady()
	e := newExporter(t, 7) // its clock shows a day of 2023
	sampled := layout{310, [][2]uint16{{1, 4}, {2, 4}, {302, 4}}}
	e.send(a.port, 0, append([][]byte{sampled.template()}, selectorOptions(1000)...)...)
	e.send(a.port, 1, sampled.data(1))
	natstest.Eventually(t, "the collector tells", func() bool {
		page := a.pages()
		if len(page.Exporters) != 1 || len(page.Exporters[0].Streams) != 1 {
			return false
		}
		one := page.Exporters[0]
		rates, skew, taught := one.Streams[0].Sampling, one.Streams[0].SkewMillis, one.Taught
		if v := one.Volume; v == nil || v.Bytes != 1 || v.Scaled != 1000 { // the layout's first field is the bytes
			return false
		}
		return rates != nil && rates.Rated && !rates.Unrated && rates.Rate == 1000 && rates.Source == "announced" && skew != nil && *skew < -1e9 &&
			taught != nil && taught.Templates == 2 && taught.TemplatesChanged != nil && !taught.DisputedRates && !taught.ConflictingLayouts && !taught.BootTimes
	})
}
