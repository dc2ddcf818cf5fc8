package config

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestScaledVolumesAreForJSON(t *testing.T) {
	for encoding, want := range map[string]int{"JSON": 0, "Protobuf": 1} {
		_, problems := Parse([]byte("name: a\nlisteners: [{name: flows, address: \":2055\"}]\nnats: {urls: [\"nats://a\"]}\noutput: {scaledVolumes: true, encoding: " + encoding + "}\n"))
		if len(problems) != want || want == 1 && problems[0].Path != "output.scaledVolumes" {
			t.Errorf("%s: %v", encoding, problems)
		}
	}
}

func TestExampleIsValidAndNamesEveryField(t *testing.T) {
	c, problems := Parse(Example())
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if c.DrainTime.Std() != 5*time.Second {
		t.Errorf("drainTime is %s", c.DrainTime)
	}
	var walk func(kind reflect.Type, path string)
	walk = func(kind reflect.Type, path string) {
		for kind.Kind() == reflect.Pointer || kind.Kind() == reflect.Slice {
			kind = kind.Elem()
		}
		if kind.Kind() != reflect.Struct || kind.NumField() == 0 || kind.Field(0).Tag.Get("json") == "" {
			return
		}
		for i := range kind.NumField() {
			name, _, _ := strings.Cut(kind.Field(i).Tag.Get("json"), ",")
			if !strings.Contains(string(Example()), name+":") {
				t.Errorf("the example does not mention %s.%s", path, name)
			}
			walk(kind.Field(i).Type, path+"."+name)
		}
	}
	walk(reflect.TypeFor[Config](), "")
}

func TestEveryProblemIsReportedAtOnceWithItsPath(t *testing.T) {
	for _, test := range []struct {
		name, file string
		want       []string
	}{
		{"unknown fields and wrong types", "nane: x\nlisteners: [{name: a, address: \":1\", workers: many}]\ndrainTime: 5\n" +
			"output: {batch: {maxBytes: 64Kx}}\nexporters: {allowedNetworks: [10.0.0.0/8, nonsense]}\n",
			[]string{"listeners[0].workers", "exporters.allowedNetworks[1]", "output.batch.maxBytes", "drainTime", "nane", "nats.urls"}},
		{"what cannot be read and what is out of bounds", "nats: {urls: [nats://n:4222]}\ndrainTime: soon\nlisteners: [{name: Upper}]\n" +
			"templateStore: {replicas: 2, history: many}\noutput: nonsense\n",
			[]string{"templateStore.history", "output", "drainTime", "listeners[0].name", "listeners[0].address", "templateStore.replicas"}},
		{"values out of bounds", "name: Upper\ntemplateStore: {replicas: 2, history: 65, ttl: 1m}\nlog: {level: loud}\n" +
			"nats: {urls: [http://x]}\n",
			[]string{"name", "nats.urls[0]", "templateStore.history", "templateStore.ttl", "templateStore.replicas", "log.level"}},
		{"duplicate listeners", "nats: {urls: [nats://n:4222]}\nlisteners: [{name: a, address: \":1\"}, {name: a, address: \":1\"}, {name: b}]\n",
			[]string{"listeners[1].name", "listeners[1].address", "listeners[2].address"}},
		{"two ways to authenticate", "nats: {urls: [nats://n:4222], tokenFile: a, credentialsFile: b, user: u}\n",
			[]string{"nats", "nats.passwordFile"}},
		{"embedded and urls", "nats: {urls: [nats://n:4222], embedded: {}}\n",
			[]string{"nats.embedded", "nats.embedded.storeDir"}},
		{"no server", "name: a\n", []string{"nats.urls"}},
		{"stream that misses the flows", "nats: {urls: [nats://n:4222]}\noutput: {stream: {subjects: [other.>]}}\n",
			[]string{"output.stream.subjects"}},
		{"a spool without a place, and a small one", "nats: {urls: [nats://n:4222]}\noutput: {buffer: {spool: {maxBytes: 1Mi, after: 1ms}}}\n",
			[]string{"output.buffer.spool.directory", "output.buffer.spool.maxBytes", "output.buffer.spool.after"}},
		{"a spool for standard output", "nats: {urls: [nats://n:4222]}\noutput: {kind: Stdout, buffer: {spool: {directory: /x}}}\n",
			[]string{"output.buffer.spool"}},
		{"devices that share an address, and names that are none", "nats: {urls: [nats://n:4222]}\nexporters: {devices: [{addresses: [192.0.2.1]}, " +
			"{addresses: [\"::ffff:192.0.2.1\", \"fe80::1%eth0\"], interfaces: [{index: 1, name: \" x\"}, {index: 1, name: z, description: \"\\t\"}]}, {}]}\n",
			[]string{"exporters.devices[1].addresses[1]", "exporters.devices[1].interfaces[0].name", "exporters.devices[1].interfaces[1].description",
				"exporters.devices[1].interfaces[1].index", "exporters.devices[1].addresses", "exporters.devices[2].addresses"}},
		{"duplicate key", "name: a\nname: b\n", []string{"name"}},
		{"no mapping", "- a\n", []string{""}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, problems := Parse([]byte(test.file))
			var got []string
			for _, p := range problems {
				got = append(got, p.Path)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("paths (-want +got):\n%s\n%v", diff, problems)
			}
		})
	}
}

func TestAnOutputWithoutNATSIsToldHowToDoWithoutTheBucketToo(t *testing.T) {
	for name, test := range map[string]struct {
		file, want string // want "": the file is right
	}{
		"JetStream needs a server":                   {"output: {kind: JetStream}\n", "or use nats.embedded"},
		"standard output, and a bucket by default":   {"output: {kind: Stdout}\n", "templateStore.disabled: true"},
		"a file, and a bucket by default":            {"output: {kind: File, file: /tmp/x}\n", "templateStore.disabled: true"},
		"standard output without a bucket":           {"output: {kind: Stdout}\ntemplateStore: {disabled: true}\n", ""},
		"standard output, and a bucket on a server":  {"output: {kind: Stdout}\nnats: {urls: [nats://n:4222]}\n", ""},
		"standard output, and servers of the bucket": {"output: {kind: Stdout}\ntemplateStore: {nats: {urls: [nats://n:4222]}}\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := Parse([]byte(test.file))
			if test.want == "" {
				if len(problems) > 0 {
					t.Errorf("problems are %v", problems)
				}
				return
			}
			if len(problems) != 1 || problems[0].Path != "nats.urls" || !strings.Contains(problems[0].Message, test.want) {
				t.Errorf("problems are %v", problems)
			}
		})
	}
}

func TestRenderedConfigurationReadsBackTheSame(t *testing.T) {
	before, problems := Parse(Example())
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	file, err := Render(before)
	if err != nil {
		t.Fatal(err)
	}
	after, problems := Parse(file)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if !reflect.DeepEqual(before, after) {
		t.Errorf("it changed:\n%s", file)
	}
	if before.Hash() != after.Hash() {
		t.Error("the hash of the same configuration changed")
	}
}

func TestChangesAreSortedByWhatTheyNeed(t *testing.T) {
	before, after := Default(), Default()
	after.Exporters.AllowedNetworks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	after.Exporters.Held.MaxAge = Duration(time.Hour)
	after.Exporters.Devices = []Device{{Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, SamplingRate: 2}}
	after.Log.Level = "debug"
	if before.Hash() != after.Hash() {
		t.Error("live changes change the hash")
	}
	after.Output.Batch.MaxBytes = 1 << 12
	after.Exporters.TemplateScope = ScopeAddress
	live, restart := Changes(before, after)
	if diff := cmp.Diff([]string{"exporters.allowedNetworks", "exporters.heldData.maxAge", "exporters.devices", "log.level"}, live); diff != "" {
		t.Errorf("live (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"exporters.templateScope", "output.batch.maxBytes"}, restart); diff != "" {
		t.Errorf("restart (-want +got):\n%s", diff)
	}
	if before.Hash() == after.Hash() {
		t.Error("changes that need a restart do not change the hash")
	}
	_, left := Changes(TakeLive(before, after), after)
	if diff := cmp.Diff(restart, left); diff != "" {
		t.Errorf("after the live part was taken (-want +got):\n%s", diff)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Example())
	f.Add([]byte("listeners: [{name: a, address: \":1\"}]\nnats: {urls: [nats://n:4222]}\n"))
	f.Add([]byte("{\"drainTime\": \"1h\", \"nats\": null}"))
	f.Fuzz(func(t *testing.T, file []byte) {
		c, problems := Parse(file)
		if (c == nil) == (len(problems) == 0) {
			t.Fatalf("neither configuration nor problem, or both: %v", problems)
		}
		if c == nil {
			return
		}
		again, err := Render(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, problems := Parse(again); len(problems) > 0 {
			t.Fatalf("what was rendered is refused: %v\n%s", problems, again)
		}
	})
}

// IPFIX on 2055 and NetFlow v9 on 4739 are common.
func TestDefaultPortsOfNetFlowAndIPFIXTakeBoth(t *testing.T) {
	protocols := map[string]Protocol{}
	for _, l := range Default().Listeners {
		protocols[l.Address] = l.Protocol
	}
	for address, want := range map[string]Protocol{":2055": ProtocolAuto, ":4739": ProtocolAuto, ":6343": ProtocolSFlow} {
		if protocols[address] != want {
			t.Errorf("%s takes %s, want %s", address, protocols[address], want)
		}
	}
}

// The collector and the operator choose a size that the server has room for; an upgrade must not ask for what was the default.
func TestSizesThatAreLeftOutStayOpen(t *testing.T) {
	c := Default()
	if c.Templates.MaxBytes != 0 || c.Output.Stream.MaxBytes != 0 {
		t.Errorf("bucket %s, stream %s", c.Templates.MaxBytes, c.Output.Stream.MaxBytes)
	}
	if problems := c.Check(); len(problems) > 1 { // no server is named
		t.Errorf("%v", problems)
	}
}

func TestSubjectsBesideTheFlowsAreOfTheStream(t *testing.T) {
	for setting, path := range map[string]string{"ledger: Minutes": "output.ledger", "names: Changes": "output.names"} {
		for subjects, want := range map[string]int{"[flows.>]": 0, "[a.b.netflow5, a.b.netflow9, a.b.ipfix, a.b.sflow]": 1, "[a.b.*]": 0} {
			file := "listeners: [{name: a, address: ':1'}]\nnats: {urls: [nats://n:4222]}\noutput: {" + setting + ", subject: SUBJECT, stream: {subjects: " +
				subjects + "}}\n"
			subject := "a.b"
			if subjects == "[flows.>]" {
				subject = "flows.a.b"
			}
			if _, problems := Parse([]byte(strings.Replace(file, "SUBJECT", subject, 1))); len(problems) != want || want == 1 && problems[0].Path != path {
				t.Errorf("%s: %v", subjects, problems)
			}
		}
	}
}

func TestChangesOfNamesNeedNamesAndAStream(t *testing.T) {
	for output, want := range map[string]int{"{names: Changes}": 0, "{names: Changes}\ndecoding: {names: []}": 1, "{names: Changes, kind: Stdout}": 1} {
		_, problems := Parse([]byte("listeners: [{name: a, address: ':1'}]\nnats: {urls: [nats://n:4222]}\noutput: " + output + "\n"))
		if len(problems) != want || want == 1 && problems[0].Path != "output.names" {
			t.Errorf("%s: %v", output, problems)
		}
	}
}
