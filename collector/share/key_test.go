package share

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowfleet/flowfleet/collector/sampling"
	"github.com/flowfleet/flowfleet/collector/template"
)

func subjectKey(t testing.TB, kind sampling.Kind, id uint64) uint64 {
	t.Helper()
	key, ok := sampling.Key(kind, id)
	if !ok {
		t.Fatalf("no key for %s %d", kind, id)
	}
	return key
}

func TestKeysAreReadableAndReversible(t *testing.T) {
	scope := func(v template.Version, a string, domain uint32) template.Scope {
		return template.Scope{Version: v, Exporter: netip.MustParseAddr(a), Domain: domain}
	}
	for want, key := range map[string]template.Key{
		"t1.ipfix.10-1-2-3.0.any.256":            {Scope: scope(template.IPFIX, "10.1.2.3", 0), ID: 256},
		"t1.netflow9.10-1-2-3.4294967295.2055.9": {Scope: scope(template.NetFlow9, "10.1.2.3", 1<<32-1), Port: 2055, ID: 9},
		"t1.ipfix.2001-db8--1.7.any.65535":       {Scope: scope(template.IPFIX, "2001:db8::1", 7), ID: 65535},
		"t1.ipfix.--.7.any.300":                  {Scope: scope(template.IPFIX, "::", 7), ID: 300},
		"t1.ipfix.fe80--1_eth0=2e100.7.any.300":  {Scope: scope(template.IPFIX, "fe80::1%eth0.100", 7), ID: 300},
		"s1.netflow9.10-1-2-3.0.any.system": {Scope: scope(template.NetFlow9, "10.1.2.3", 0), Family: template.FamilySampling,
			ID: subjectKey(t, sampling.System, 0)},
		"s1.netflow9.10-1-2-3.0.40000.sampler-5": {Scope: scope(template.NetFlow9, "10.1.2.3", 0), Family: template.FamilySampling, Port: 40000,
			ID: subjectKey(t, sampling.Sampler, 5)},
		"s1.ipfix.10-1-2-3.0.any.selector-72057594037927935": {Scope: scope(template.IPFIX, "10.1.2.3", 0), Family: template.FamilySampling,
			ID: subjectKey(t, sampling.Selector, 1<<56-1)},
		"t2.ipfix.10-1-2-3.0.2055.256-4d2": {Scope: scope(template.IPFIX, "10.1.2.3", 0), Port: 2055, ID: 256, Layout: 1234},
		"b1.ipfix.10-1-2-3.0.2055.boot":    {Scope: scope(template.IPFIX, "10.1.2.3", 0), Port: 2055, Family: template.FamilyClock},
		"s1.ipfix.10-1-2-3.0.any.process": {Scope: scope(template.IPFIX, "10.1.2.3", 0), Family: template.FamilySampling,
			ID: subjectKey(t, sampling.Process, 0)},
		"s2.ipfix.10-1-2-3.0.2055.system-0": {Scope: scope(template.IPFIX, "10.1.2.3", 0), Family: template.FamilySampling, Port: 2055,
			ID: subjectKey(t, sampling.System, 0), Layout: 1},
		"s2.ipfix.10-1-2-3.0.2055.interface-3-18446744073709551614": {Scope: scope(template.IPFIX, "10.1.2.3", 0),
			Family: template.FamilySampling, Port: 2055, ID: subjectKey(t, sampling.Interface, 3), Layout: 1<<64 - 1},
		"s1.ipfix.10-1-2-3.0.any.interface-3": {Scope: scope(template.IPFIX, "10.1.2.3", 0), Family: template.FamilySampling,
			ID: subjectKey(t, sampling.Interface, 3)},
	} {
		if got := EncodeKey(key); got != want {
			t.Errorf("EncodeKey(%+v) = %q, want %q", key, got, want)
		}
		back, err := DecodeKey(want)
		if err != nil || back != key {
			t.Errorf("DecodeKey(%q) = %+v, %v; want %+v", want, back, err, key)
		}
	}
	for _, text := range []string{"", "t1", "t2.ipfix.10-1-2-3.0.any.256", "t1.ipfix.10-1-2-3.00.any.256",
		"t1.ipfix.10-1-2-3.0.0.256", "t1.sflow.10-1-2-3.0.any.256", "t1.ipfix.10-1-2.0.any.256",
		"t1.ipfix.2001-DB8--1.0.any.256", "t1.ipfix.10-1-2-3.0.any.70000", "s1.ipfix.10-1-2-3.0.any.sampler",
		"s2.ipfix.10-1-2-3.0.any.system", "s2.ipfix.10-1-2-3.0.any.sampler-5", "s2.ipfix.10-1-2-3.0.any.-5", "s2.ipfix.10-1-2-3.0.any.",
		"s2.ipfix.10-1-2-3.0.any.system-18446744073709551615", "s2.ipfix.10-1-2-3.0.any.system-07"} {
		if k, err := DecodeKey(text); !errors.Is(err, ErrKey) {
			t.Errorf("DecodeKey(%q) = %+v, %v", text, k, err)
		}
	}
}

var alphabet = regexp.MustCompile(`^[-/_=.a-zA-Z0-9]+$`)

func FuzzKeyRoundTrip(f *testing.F) {
	f.Add([]byte{10, 1, 2, 3}, "", uint32(0), uint16(0), uint64(256), false)
	f.Add([]byte{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, "eth0", uint32(1), uint16(2055), uint64(5)|1<<56, true)
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4}, "a.b_c-=", uint32(1), uint16(1), uint64(3), false)
	f.Fuzz(func(t *testing.T, address []byte, zone string, domain uint32, port uint16, id uint64, rate bool) {
		a, ok := netip.AddrFromSlice(address)
		if !ok {
			return
		}
		k := template.Key{Scope: template.Scope{Version: template.IPFIX, Exporter: a.WithZone(zone), Domain: domain}, Port: port, ID: id}
		if kind, n := sampling.Split(id); !rate {
			k.ID, k.Layout = uint64(uint16(id)), id>>16
		} else if k.Family = template.FamilySampling; kind > sampling.Sequence || kind == sampling.System && n != 0 {
			return
		} else {
			k.Layout = uint64(domain)
		}
		text := EncodeKey(k)
		if !alphabet.MatchString(text) {
			t.Fatalf("%q is outside of the bucket's alphabet", text)
		}
		back, err := DecodeKey(text)
		if err != nil || back != k {
			t.Fatalf("%+v became %q and %+v, %v", k, text, back, err)
		}
	})
}

func FuzzDecodeKey(f *testing.F) {
	f.Add("t1.ipfix.10-1-2-3.0.any.256")
	f.Add("s1.netflow9.2001-db8--1.4.any.sampler-5")
	f.Add("s2.netflow9.2001-db8--1.4.1000.sampler-5-100")
	f.Add("t1.ipfix.fe80--1_eth=3d.0.any.256")
	f.Fuzz(func(t *testing.T, text string) {
		if k, err := DecodeKey(text); err == nil && EncodeKey(k) != text {
			t.Errorf("%q is read as %+v, which is written as %q", text, k, EncodeKey(k))
		}
	})
}

func FuzzDecodeValue(f *testing.F) {
	f.Add(EncodeValue(Value{Kind: template.KindData, Stamp: 1, Heard: time.Unix(2, 3).UTC(), Writer: "w", Record: []byte("r")}))
	f.Add([]byte{2, 0})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := DecodeValue(b)
		if err != nil {
			return
		}
		if again := EncodeValue(v); !bytes.Equal(again, b) {
			t.Errorf("%x is read as %+v, which is written as %x", b, v, again)
		}
	})
}

func TestStampsWithoutACountAreExportTimesInTheBucket(t *testing.T) {
	const exported = 1_700_000_000
	for stamp, want := range map[template.Stamp]uint64{
		template.StampOf(exported):     exported,
		template.StampOf(exported) + 3: 3<<48 | exported,
	} {
		b := EncodeValue(Value{Kind: template.KindData, Stamp: stamp})
		if got := binary.BigEndian.Uint64(b[2:]); got != want {
			t.Errorf("%x is written as %x, want %x", stamp, got, want)
		}
		if v, err := DecodeValue(b); err != nil || v.Stamp != stamp {
			t.Errorf("%x is read back as %x, %v", stamp, v.Stamp, err)
		}
	}
}

func TestValuesOfANewerSchemaAreToldApart(t *testing.T) {
	want := Value{Kind: template.KindOptions, Stamp: 5, Heard: time.Unix(1, 2).UTC(), Writer: "pod-1", Record: []byte{1, 2},
		Witnessed: true, Silent: true}
	b := EncodeValue(want)
	got, err := DecodeValue(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	b[0]++
	if _, err := DecodeValue(b); !errors.Is(err, ErrNewerSchema) {
		t.Errorf("the error is %v", err)
	}
	for n := range b {
		if _, err := DecodeValue(append([]byte{schema}, b[1:n+1]...)); n < fixedHeader && !errors.Is(err, ErrValue) {
			t.Errorf("%d bytes: the error is %v", n+1, err)
		}
	}
}

func TestAKeyIsDecodedInThreeAllocations(t *testing.T) {
	const key = "t2.ipfix.2001-db8--1.7.2055.256-4d2"
	// Its parts, its address in the notation of package netip, and nothing to compare it with.
	if n := testing.AllocsPerRun(100, func() {
		if _, err := DecodeKey(key); err != nil {
			t.Fatal(err)
		}
	}); n > 3 {
		t.Errorf("%v allocations", n)
	}
}

// A new collector decodes the key of all that the bucket has, and a listing encodes it.
func BenchmarkKey(b *testing.B) {
	k := template.Key{Scope: template.Scope{Version: template.IPFIX, Exporter: netip.MustParseAddr("2001:db8::1"), Domain: 7}, Port: 2055, ID: 256, Layout: 1234}
	b.ReportAllocs()
	for b.Loop() {
		if back, err := DecodeKey(EncodeKey(k)); err != nil || back != k {
			b.Fatal(back, err)
		}
	}
}
