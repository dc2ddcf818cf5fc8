package flow

import (
	"encoding/json"
	"testing"
)

func TestNamesOnAFlow(t *testing.T) {
	var r Record
	r.Type, r.InIf, r.OutIf = TypeIPFIX, 5, 6
	r.SetName(InIfName, NewText("Gi0/5"))
	r.SetName(OutIfDescription, NewText(`to "the" core <10G>`))
	r.SetName(ApplicationName, nil)
	var e Encoder
	var back Record
	if err := Decode(e.AppendMessage(nil, &r), &back); err != nil {
		t.Fatal(err)
	}
	for n := range NumNames {
		if back.Names[n].String() != r.Names[n].String() {
			t.Errorf("%s: %q came back as %q", n, r.Names[n], back.Names[n])
		}
	}
	var object map[string]any
	if err := json.Unmarshal(r.AppendJSON(nil, nil), &object); err != nil {
		t.Fatal(err)
	}
	if object["in_if_name"] != "Gi0/5" || object["out_if_description"] != `to "the" core <10G>` || object["application_name"] != nil {
		t.Errorf("%v", object)
	}
	r.Reset()
	if r.named || len(e.AppendMessage(nil, &r)) != 0 {
		t.Errorf("a record that was reset has names: %v", r.Names)
	}
}

func TestNamesCostNoAllocation(t *testing.T) {
	var r Record
	var e Encoder
	r.SetName(InIfName, NewText("HundredGigE0/0/0/1"))
	r.SetName(OutIfName, NewText("HundredGigE0/0/0/2"))
	buffer := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { buffer = e.AppendDelimited(buffer[:0], &r) }); n != 0 {
		t.Errorf("%v allocations a record", n)
	}
}
