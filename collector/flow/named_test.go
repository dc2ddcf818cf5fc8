package flow

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestNamesOnAFlow(t *testing.T) {
	var r Record
	r.Type, r.InIf, r.OutIf = TypeIPFIX, 5, 6
	r.Names = []*Text{NewText(InIfName, "Gi0/5"), NewText(OutIfDescription, `to "the" core <10G>`)}
	var e Encoder
	var back Record
	message := e.AppendMessage(nil, &r)
	again := append(message, e.AppendMessage(nil, &Record{Names: []*Text{NewText(InIfName, "Gi0/7")}})...)
	if err := Decode(message, &back); err != nil {
		t.Fatal(err)
	}
	for n := range NumNames {
		if got, want := back.NameText(n).String(), r.NameText(n).String(); got != want {
			t.Errorf("%s: %q came back as %q", n, want, got)
		}
	}
	if err := Decode(again, &back); err != nil || back.NameText(InIfName).String() != "Gi0/7" || len(back.Names) != 2 {
		t.Errorf("of a name that came twice: %v, %v", back.Names, err)
	}
	var object map[string]any
	if err := json.Unmarshal(r.AppendJSON(nil, nil), &object); err != nil {
		t.Fatal(err)
	}
	if object["in_if_name"] != "Gi0/5" || object["out_if_description"] != `to "the" core <10G>` || object["application_name"] != nil {
		t.Errorf("%v", object)
	}
	r.Reset()
	if len(r.Names) != 0 || len(e.AppendMessage(nil, &r)) != 0 {
		t.Errorf("a record that was reset has names: %v", r.Names)
	}
}

func TestNamesCostNoAllocation(t *testing.T) {
	r := Record{Names: []*Text{NewText(InIfName, "HundredGigE0/0/0/1"), NewText(OutIfName, "HundredGigE0/0/0/2")}}
	var e Encoder
	buffer := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { buffer = e.AppendDelimited(buffer[:0], &r) }); n != 0 {
		t.Errorf("%v allocations a record", n)
	}
}

// Short names are copied in another way than long ones: each length comes back, beside others, in a buffer that has room for no more.
func TestNamesOfEachLengthComeBack(t *testing.T) {
	var e Encoder
	for length := 1; length <= 255; length++ {
		r := Record{Names: []*Text{NewText(DomainName, strings.Repeat("d", length)), NewText(OutIfName, "x"), NewText(InIfName, strings.Repeat("i", length))}}
		var back Record
		if err := Decode(e.AppendMessage(make([]byte, 0, r.sizeBound()), &r), &back); err != nil {
			t.Fatal(err)
		}
		for _, n := range r.Names {
			if got := back.NameText(n.Name()).String(); got != n.String() {
				t.Errorf("%s of %d bytes came back as %q", n.Name(), length, got)
			}
		}
	}
}
