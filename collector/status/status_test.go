package status

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// full is a document with more of everything than there is room for.
func full() *Document {
	long := strings.Repeat("ä\n", 4000)
	figures := make(map[string]uint64)
	for i := range 100 {
		figures[fmt.Sprintf("%s%d", strings.Repeat("x", 50), i)] = 1<<64 - 1
	}
	d := &Document{Instance: long, Build: long, Configuration: long, NotReady: long, Started: time.Unix(1, 0).UTC(), Time: time.Unix(2, 0).UTC(), Records: figures,
		Bucket: &Bucket{Name: long, LastError: long}, Spool: &Spool{Error: long},
		Output: Output{Kind: long, Stream: long, LastError: long, Dropped: figures}, SendersTotal: 1 << 20}
	for range 100 {
		d.Listeners = append(d.Listeners, Listener{Name: long, Protocol: long, Received: 1<<64 - 1, Refused: figures, SetsExpired: figures, SetsDropped: figures})
	}
	for i := range 1000 {
		d.Senders = append(d.Senders, Sender{Address: fmt.Sprintf("2001:db8:ffff:ffff:ffff:ffff:ffff:%d", i), Datagrams: 1<<64 - 1, Ports: 65535, Domains: 1 << 31})
	}
	return d
}

func TestADocumentIsNeverLongerThanItMayBe(t *testing.T) {
	before := full()
	text, err := Encode(before)
	if err != nil || len(text) > MaxBytes {
		t.Fatalf("%d bytes, %v", len(text), err)
	}
	if !reflect.DeepEqual(before, full()) {
		t.Error("it was changed by being written")
	}
	d, err := Decode(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if d.SendersTotal != 1<<20 || len(d.Listeners)+d.ListenersLeftOut != 100 || len(d.Output.LastError) > MaxText || strings.Contains(d.NotReady, "\n") {
		t.Errorf("%+v", d)
	}
}

func TestAnOrdinaryDocumentComesBackAsItWas(t *testing.T) {
	d := &Document{Version: Version, Instance: "a", Build: "1", Started: time.Unix(1, 0).UTC(), Time: time.Unix(2, 0).UTC(), Begun: true, Ready: true,
		Bucket: &Bucket{Name: "b", Connected: true}, Output: Output{Kind: "JetStream", Dropped: map[string]uint64{"oldest": 1}}, Spool: &Spool{Usable: true, Bytes: 7},
		Listeners: []Listener{{Name: "l", Refused: map[string]uint64{"too_short": 3}, GrantedBytes: 5}},
		Records:   map[string]uint64{"ipfix": 4}, Senders: []Sender{{"192.0.2.1", 1, 2, 3}}, SendersTotal: 1}
	for i := range MaxSenders - 1 {
		d.Senders = append(d.Senders, Sender{fmt.Sprintf("2001:db8:1111:2222:3333:4444:5555:%x", i), 1 << 40, 60000, 1 << 20})
	}
	text, err := Encode(d)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(strings.NewReader(string(text)))
	if err != nil || !reflect.DeepEqual(got, d) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestWhatIsNoStatusIsRefused(t *testing.T) {
	for _, text := range []string{"", "{}", "null", "[]", `{"version":1}`, `{"version":"1"}`, strings.Repeat(" ", MaxBytes+1), strings.Repeat("[", 60000),
		`{"version":1,"started":"2026-01-01T00:00:00Z","senders":[` + strings.Repeat("{},", 20000) + "{}]}"} {
		if d, err := Decode(strings.NewReader(text)); err == nil {
			t.Errorf("%.40q became %+v", text, d)
		}
	}
}

// FuzzDecode: whatever a pod answers, what is made of it is within the bounds.
func FuzzDecode(f *testing.F) {
	text, err := Encode(full())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"version":2,"started":"2026-01-01T00:00:00Z","new":{"a":[1]},"listeners":[{"name":"\u0000"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := Decode(strings.NewReader(string(text)))
		if err != nil {
			return
		}
		if len(d.Senders) > MaxSenders || len(d.Listeners) > MaxListeners || len(d.Records) > MaxReasons || len(d.Output.LastError) > MaxText {
			t.Fatalf("%+v", d)
		}
		if _, err := Encode(d); err != nil {
			t.Fatal(err)
		}
	})
}

// Figures that nobody can have counted are none of less than nothing when they are added up, or shown.
func TestFiguresAreWithinTheirBounds(t *testing.T) {
	const most = "18446744073709551615"
	text := `{"version":1,"started":"2026-01-01T00:00:00Z","bucket":{"keys":-1,"queue":-1,"writes":` + most + `},"output":{"published":` + most + `,"bufferBytes":-9223372036854775808,
		"dropped":{"a":` + most + `}},"spool":{"bytes":-1},"listeners":[{"received":` + most + `,"refused":{"a":` + most + `},"setsExpired":{"a":` + most + `},"sockets":-1,
		"receiveBufferAskedBytes":-1,"receiveBufferGrantedBytes":9223372036854775807}],"listenersLeftOut":-1,"known":{"exporters":-1,"templates":9223372036854775807,"samplingRates":-1},
		"records":{"a":` + most + `},"senders":[{"datagrams":` + most + `,"ports":-1,"domains":-1}],"sendersTotal":-1}`
	d, err := Decode(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	var check func(where string, v reflect.Value)
	check = func(where string, v reflect.Value) {
		switch {
		case v.Type() == reflect.TypeFor[time.Time]():
		case v.Kind() == reflect.Pointer && !v.IsNil():
			check(where, v.Elem())
		case v.Kind() == reflect.Struct:
			for i := range v.NumField() {
				check(where+"."+v.Type().Field(i).Name, v.Field(i))
			}
		case v.Kind() == reflect.Slice:
			for i := range v.Len() {
				check(where, v.Index(i))
			}
		case v.Kind() == reflect.Map:
			for _, key := range v.MapKeys() {
				check(where, v.MapIndex(key))
			}
		case v.CanInt() && (v.Int() < 0 || v.Int() > maxFigure), v.CanUint() && v.Uint() > maxFigure:
			t.Errorf("%s is %v", where, v)
		case v.CanInt(), v.CanUint():
			seen++
		}
	}
	check("", reflect.ValueOf(d))
	if seen < 25 {
		t.Errorf("%d figures were looked at", seen)
	}
}
