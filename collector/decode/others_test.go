package decode_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowfleet/flowfleet/collector/element"
	"github.com/flowfleet/flowfleet/collector/names"
)

// generatedDomain is the observation domain of generated messages.
const generatedDomain = 77

// others are the rows that a Store has of a router's other tables, as they are listed.
func others(s *names.Store) (out []string) {
	for _, e := range s.Rows(names.Scope{Exporter: router.Addr(), Domain: generatedDomain}, names.Others) {
		line := e.Name
		for _, a := range e.Attributes {
			line += " | " + element.Name(true, a.Enterprise, a.ID) + "=" + a.Text
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}

// Options tables that name nothing on flows are kept as they are: by what they are about.
func TestOtherOptionsTablesAreKept(t *testing.T) {
	const text = 16
	ten, nine := uint16(10), uint16(9)
	for name, test := range map[string]struct {
		version       uint16
		scope, fields []field
		records       []byte
		want          []string
	}{
		"information elements have a table of their own": {ten, []field{{346, 4}, {303, 2}}, []field{{339, 1}, {341, text}},
			concat(u32(9), u16(12232), []byte{13}, padded("category", text)), nil},
		"classes under NetFlow v9's scope System": {nine, []field{{1, 4}}, []field{{51, 4}, {100, text}},
			concat(u32(7), u32(1), padded("gold", text), u32(7), u32(2), padded("silver", text)),
			[]string{"System=7 classId=1 | className=gold", "System=7 classId=2 | className=silver"}},
		"what an interface has, and which it is no part of": {ten, []field{{10, 4}}, []field{{58, 2}, {56, 6}},
			concat(u32(5), u16(100), []byte{2, 0, 0, 0, 0, 1}), []string{"ingressInterface=5 | vlanId=100 | sourceMacAddress=02:00:00:00:00:01"}},
		"counters and times have no value": {ten, []field{{144, 4}}, []field{{41, 8}, {150, 4}, {36, 2}}, concat(u32(1), u32(0, 77), u32(1e9), u16(60)),
			[]string{"exportingProcessId=1 | exportedMessageTotalCount=(changes) | flowStartSeconds=(changes) | flowActiveTimeout=60"}},
		"elements that no list has": {nine, []field{{4, 2}}, []field{{50001, 8}, {50002, 4}, {50003, 9}},
			concat(u16(3), padded("v1.2", 8), u32(513), []byte{1, 2, 3, 4, 5, 6, 7, 8, 9}),
			[]string{"Cache=3 | element50001=v1.2 | element50002=513 | element50003=010203040506070809"}},
		"how the whole exporter samples, and padding": {nine, []field{{1, 4}}, []field{{35, 1}, {36, 2}, {210, 1}},
			concat(u32(1), []byte{2}, u16(60), []byte{0}), []string{"System=1 | samplingAlgorithm=2 | flowActiveTimeout=60"}},
		"no scope":                  {nine, nil, []field{{100, text}}, padded("gold", text), []string{" | className=gold"}},
		"a rate is read elsewhere":  {nine, []field{{1, 4}}, []field{{48, 4}, {49, 4}, {50, 4}}, u32(7, 1, 2, 1000), nil},
		"a rate and padding":        {nine, []field{{1, 4}}, []field{{34, 4}, {35, 1}, {210, 3}}, concat(u32(7, 1000), []byte{1, 0, 0, 0}), nil},
		"a clock is read elsewhere": {ten, []field{{144, 4}}, []field{{160, 8}}, u32(7, 0, 1000), nil},
		"names are joined":          {ten, []field{{10, 4}}, []field{{82, text}}, concat(u32(5), padded("eth0", text)), nil},
		"what was in memory behind a text is no part of it": {ten, []field{{100, 8}, {10, 4}}, []field{{100, 8}, {58, 2}},
			concat([]byte("gold\x00\xfe\x1b1"), u32(5), []byte("top\x00old\x00"), u16(100), []byte("gold\x00\xfe\x1b2"), u32(5), []byte("top\x00olds"), u16(100)),
			[]string{"className=gold ingressInterface=5 | className=top | vlanId=100"}},
		"a text that is none is left out": {ten, []field{{10, 4}}, []field{{100, text}, {58, 2}},
			concat(u32(5), padded("a\x1b[2J", text), u16(100)), []string{"ingressInterface=5 | vlanId=100"}},
		"what it is about is no text": {ten, []field{{100, text}}, []field{{58, 2}}, concat(padded("a\x1b[2J", text), u16(100)), nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGenerator(1)
			r := newReader(allNames)
			for range 2 { // sent again it is the same
				r.decode(router, g.message(test.version, 1, optionsSet(test.version, 400, test.scope, test.fields)),
					g.message(test.version, 1, set(400, test.records)))
			}
			if diff := cmp.Diff(test.want, others(r.store)); diff != "" {
				t.Error(diff)
			}
			off := newReader(0)
			off.decode(router, g.message(test.version, 1, optionsSet(test.version, 400, test.scope, test.fields)),
				g.message(test.version, 1, set(400, test.records)))
			if exporters, _ := off.store.Size(); exporters != 0 {
				t.Error("without any name, tables are learned")
			}
		})
	}
}

// A record with a changed value takes the place of the one before, and one with more fields than are kept is counted.
func TestARecordOfAnotherTableTakesThePlaceOfTheOneBefore(t *testing.T) {
	g := newGenerator(1)
	r := newReader(allNames)
	var many []field
	for range names.MaxFields + 1 {
		many = append(many, field{58, 2})
	}
	r.decode(router, g.message(10, 1, optionsSet(10, 400, []field{{10, 4}}, []field{{58, 2}})),
		g.message(10, 1, set(400, concat(u32(5), u16(100)))), g.message(10, 1, set(400, concat(u32(5), u16(101)))),
		g.message(10, 1, optionsSet(10, 401, []field{{14, 4}}, many)), g.message(10, 1, set(401, concat(u32(5), make([]byte, 2*len(many))))))
	got := others(r.store)
	if len(got) != 2 || !slices.Contains(got, "ingressInterface=5 | vlanId=101") {
		t.Errorf("%q", got)
	}
	if n := r.store.Refused()["too_many_fields"]; n != 1 {
		t.Errorf("%d records were counted to have too many fields", n)
	}
	for _, e := range r.store.Rows(names.Scope{Exporter: router.Addr(), Domain: generatedDomain}, names.Others) {
		if len(e.Attributes) > names.MaxFields {
			t.Errorf("%d fields are kept", len(e.Attributes))
		}
	}
}

// Records that describe elements of vendors (RFC 5610 section 3.9) are rows of Elements, whatever order their fields have. IANA's own are not.
func TestInformationElementsAreKeptByEnterpriseAndID(t *testing.T) {
	const text = 16
	described := func(r *reader) (out []string) {
		for _, e := range r.store.Rows(names.Scope{Exporter: router.Addr(), Domain: generatedDomain}, names.Elements) {
			line := names.Label(names.Elements, e.Number) + " " + e.Name + " " + e.Description
			for _, a := range e.Attributes {
				line += " " + element.Name(false, a.Enterprise, a.ID) + "=" + a.Text
			}
			out = append(out, line)
		}
		return out
	}
	g := newGenerator(1)
	r := newReader(allNames)
	r.decode(router,
		g.message(10, 1, optionsSet(10, 400, []field{{346, 4}, {303, 2}}, []field{{339, 1}, {344, 1}, {345, 2}, {342, 8}, {343, 8}, {340, text}, {341, text}})),
		g.message(10, 1, set(400, concat(
			u32(35632), u16(80), []byte{1, 4}, u16(2), u32(0, 1), u32(0, 9), padded("round trip", text), padded("rtt", text),
			u32(35632), u16(81|0x8000), []byte{13, 0}, u16(0), u32(0, 0), u32(0, 0), padded("", text), padded("host", text), // with the bit of an enterprise
			u32(0), u16(82), []byte{13, 0}, u16(0), u32(0, 0), u32(0, 0), padded("", text), padded("iana", text),
			u32(35632), u16(83), []byte{13, 0}, u16(0), u32(0, 0), u32(0, 0), padded("nameless", text), padded("", text)))),
		g.message(10, 1, optionsSet(10, 401, []field{{303, 2}, {346, 4}}, []field{{341, text}})),
		g.message(10, 1, set(401, concat(u16(80), u32(35632), padded("rtt", text)))))
	want := []string{
		"35632.80 rtt round trip informationElementDataType=1 informationElementSemantics=4 informationElementUnits=2 " +
			"informationElementRangeBegin=1 informationElementRangeEnd=9",
		"35632.81 host  informationElementDataType=13 informationElementSemantics=0 informationElementUnits=0 " +
			"informationElementRangeBegin=0 informationElementRangeEnd=0"}
	if diff := cmp.Diff(want, described(r)); diff != "" {
		t.Error(diff)
	}
}
