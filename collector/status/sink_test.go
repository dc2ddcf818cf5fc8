package status

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestTheDocumentOfASinkComesBackAsItWas(t *testing.T) {
	lag := time.Minute
	d := &Sink{Version: Version, Build: "1", Started: time.Unix(1000, 0).UTC(), Time: time.Unix(2000, 0).UTC(), Storing: "no space",
		Schema: &Schema{1, 2}, Stored: 3, Waiting: 4, Refused: map[string]uint64{"encoding": 5},
		Place: &Place{Stream: "flows", Consumer: "a_b", First: 1, Last: 9, MaxBytes: -1, MaxMessages: -1, Made: time.Unix(900, 0).UTC(), Lag: &lag}}
	text, err := EncodeSink(d)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeSink(strings.NewReader(string(text)))
	if err != nil || !reflect.DeepEqual(got, d) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestWhatIsNoSinksDocumentIsRefusedAndTextsAreCut(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "no JSON": "secret {", "another's": `{"secret":1}`, "no start": `{"version":1}`,
		"too long":            `{"version":1,"started":"2026-01-01T00:00:00Z","build":"` + strings.Repeat("x", MaxSinkBytes) + `"}`,
		"a number that is no": `{"version":1,"started":"2026-01-01T00:00:00Z","stored":-1}`,
	} {
		if _, err := DecodeSink(strings.NewReader(text)); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	d, err := DecodeSink(strings.NewReader(`{"version":1,"started":"2026-01-01T00:00:00Z","storing":"a\nb` + strings.Repeat("x", 2000) + `"}`))
	if err != nil || len(d.Storing) != MaxText || !strings.HasPrefix(d.Storing, "a bx") {
		t.Errorf("%+v, %v", d, err)
	}
}

func FuzzDecodeSink(f *testing.F) {
	f.Add(`{"version":1,"started":"2026-01-01T00:00:00Z","refused":{"a":1},"place":{"lag":1}}`)
	f.Fuzz(func(t *testing.T, text string) {
		d, err := DecodeSink(strings.NewReader(text))
		if err != nil {
			return
		}
		again, err := EncodeSink(d)
		if err != nil {
			return // a time that JSON does not have
		}
		if len(d.Refused) > MaxReasons || len(d.Storing) > MaxText {
			t.Errorf("beyond bounds: %s", again)
		}
	})
}
