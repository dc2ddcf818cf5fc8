package element

import (
	"encoding/hex"
	"encoding/json"
	"testing"
)

func TestEveryRegisteredElementHasANameAndAKnownType(t *testing.T) {
	names := make(map[string]uint16)
	count := 0
	for id, e := range registry {
		if e.Name == "" {
			continue
		}
		count++
		if int(e.ID) != id || e.Type.String() == "unknown" || e.Semantics == "" {
			t.Errorf("element %d is incomplete: %+v", id, e)
		}
		if other, ok := names[e.Name]; ok {
			t.Errorf("elements %d and %d are both called %s", other, e.ID, e.Name)
		}
		names[e.Name] = e.ID
	}
	if count < 490 || RegistryDate < "2024" {
		t.Errorf("%d elements of %s: the registry had 498 in October 2024", count, RegistryDate)
	}
}

func TestNames(t *testing.T) {
	for _, test := range []struct {
		netflow9   bool
		enterprise uint32
		id         uint16
		want       string
	}{
		{false, 0, 8, "sourceIPv4Address"},
		{false, 29305, 1, "reverseOctetDeltaCount"},
		{false, 0, 65, "element65"},
		{false, 0, 40005, "element40005"},
		{true, 0, 40005, "NF_F_FW_EVENT"},
		{true, 0, 48, "samplerId"},
		{false, 9, 3, "enterprise9.3"},
		{false, 0, 529, "udpUnsafeExIDList"},
	} {
		if got := Name(test.netflow9, test.enterprise, test.id); got != test.want {
			t.Errorf("Name(%t, %d, %d) = %q, want %q", test.netflow9, test.enterprise, test.id, got, test.want)
		}
	}
}

func TestValuesAreRenderedByTheirType(t *testing.T) {
	for _, test := range []struct {
		kind        DataType
		value, want string
	}{
		{Unsigned64, "0102", "258"},
		{Signed32, "ff", "-1"},
		{Signed64, "ffffffffffffff00", "-256"},
		{Boolean, "01", "true"},
		{Boolean, "02", "false"},
		{Boolean, "00", `"00"`},
		{Float32, "3f800000", "1"},
		{Float64, "7ff0000000000000", "null"},
		{MacAddress, "0200000000ff", `"02:00:00:00:00:ff"`},
		{Ipv4Address, "c0000201", `"192.0.2.1"`},
		{Ipv4Address, "c000", `"c000"`},
		{Ipv6Address, "20010db8000000000000000000000001", `"2001:db8::1"`},
		{String, "65746830000000", `"eth0"`},
		{String, "22ff01", `"\"�\u0001"`},
		{DateTimeSeconds, "5f5e1000", `"2020-09-13T12:26:40Z"`},
		{DateTimeMilliseconds, "000001749e1b8d3b", `"2020-09-17T22:07:19.867Z"`},
		{DateTimeMicroseconds, "83aa7e8080000000", `"1970-01-01T00:00:00.5Z"`},
		{DateTimeNanoseconds, "6553f10080000000", `"2023-11-14T22:13:20.5Z"`},
		{DateTimeMicroseconds, "e8fe6f001f9acffa", `"2023-11-14T22:11:12.123456Z"`},
		{DateTimeNanoseconds, "e8fe6f0080000000", `"2023-11-14T22:11:12.5Z"`},
		{DateTimeMicroseconds, "00060a24181e4000", `"2023-11-14T22:13:20Z"`},
		{DateTimeNanoseconds, "17979cfe362a0000", `"2023-11-14T22:13:20Z"`},
		{DateTimeNanoseconds, "0000000000000000", "null"},
		{DateTimeNanoseconds, "0020000000000000", `"2036-03-02T13:00:48Z"`},
		{DateTimeMicroseconds, "000000006553f10000000000000f423f", `"2023-11-14T22:13:20.999999Z"`},
		{DateTimeMicroseconds, "000000006553f10000000000ffffffff", `"000000006553f10000000000ffffffff"`},
		{DateTimeSeconds, "0000000000000000000000000000000001", `"0000000000000000000000000000000001"`},
		{DateTimeSeconds, "000000006553f100", `"2023-11-14T22:13:20Z"`},
		{Signed16, "fff6", "-10"},
		{Float64, "3dcccccd", "0.1"},
		{Boolean, "0001", `"0001"`},
		{MacAddress, "0200", `"0200"`},
		{String, "00000000", `""`},
		{OctetArray, "dead", `"dead"`},
		{BasicList, "ff0001", `"ff0001"`},
		{Unsigned256, "0f", "15"},
	} {
		value, err := hex.DecodeString(test.value)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(AppendJSON(nil, Element{Type: test.kind}, true, value)); got != test.want {
			t.Errorf("%s %s = %s, want %s", test.kind, test.value, got, test.want)
		}
	}
	if got := string(AppendJSON(nil, Element{Type: Unsigned8}, false, []byte{1})); got != `"01"` {
		t.Errorf("an unknown element gives %s", got)
	}
}

func FuzzAppendJSON(f *testing.F) {
	for kind := range typeNames {
		f.Add(uint8(kind), []byte("12345678"))
		f.Add(uint8(kind), []byte{})
		f.Add(uint8(kind), []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	}
	f.Fuzz(func(t *testing.T, kind uint8, value []byte) {
		out := AppendJSON(nil, Element{Type: DataType(kind)}, true, value)
		if !json.Valid(out) {
			t.Errorf("%s of %x gives %s", DataType(kind), value, out)
		}
		if len(out) > 6*len(value)+64 {
			t.Errorf("%d bytes become %d", len(value), len(out))
		}
	})
}
