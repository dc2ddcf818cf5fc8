package sink

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/sink/clickhouse"
	"github.com/flowfleet/flowfleet/collector/sink/service"
)

func TestAnAddressIsTheSameHoweverItIsWritten(t *testing.T) {
	for _, test := range []struct{ address, want string }{
		{"http://clickhouse:8123", "http://clickhouse.flows:8123"},
		{"HTTP://ClickHouse.Flows:8123/", "http://clickhouse.flows:8123"},
		{"http://clickhouse.flows.svc:8123", "http://clickhouse.flows:8123"},
		{"http://clickhouse.flows.svc.cluster.local.:8123", "http://clickhouse.flows:8123"},
		{"http://clickhouse.other:8123", "http://clickhouse.other:8123"},
		{"http://clickhouse", "http://clickhouse.flows:80"},
		{"https://clickhouse.example.com/proxy/", "https://clickhouse.example.com:443/proxy"},
		{"https://[2001:DB8:0::1]", "https://[2001:db8::1]:443"},
		{"http://[::ffff:192.0.2.1]:8123", "http://192.0.2.1:8123"},
		{"nats://nats", "nats://nats.flows:4222"},
		{"wss://nats.example.com", "wss://nats.example.com:443"},
		{"clickhouse", ""},
	} {
		if got := Address(test.address, "flows"); got != test.want {
			t.Errorf("%s: %s, not %s", test.address, got, test.want)
		}
	}
}

func TestTheSamePlaceIsToldFromOthers(t *testing.T) {
	place := func(change ...func(*Place)) *Place {
		p := &Place{Namespace: "flows", Collector: "edge", Configuration: &service.Config{NATS: config.NATS{URLs: []string{"nats://nats:4222"}}, Stream: "flows-edge",
			FilterSubjects: []string{"flows.flows.edge.>"}, ClickHouse: clickhouse.Config{URL: "http://clickhouse:8123", Database: "flowfleet"}}}
		for _, f := range change {
			f(p)
		}
		return p
	}
	// elsewhere has the same stream and the same tables from another namespace.
	elsewhere := func(p *Place) {
		p.Namespace = "team"
		p.Configuration.NATS.URLs = []string{"nats://nats.flows.svc", "nats://other:4222"}
		p.Configuration.ClickHouse.URL = "http://clickhouse.flows:8123"
	}
	password := func(p *Place) { p.Configuration.NATS.User = "reader" }
	made := func(second int64) func(*Place) { return func(p *Place) { p.Made = metav1.Unix(second, 0) } }
	protocols := func(names ...string) func(*Place) {
		return func(p *Place) {
			p.Configuration.FilterSubjects = nil
			for _, n := range names {
				p.Configuration.FilterSubjects = append(p.Configuration.FilterSubjects, "flows.flows.edge."+n)
			}
		}
	}
	for name, test := range map[string]struct {
		a, b *Place
		want bool
	}{
		"the same":                    {place(), place(), true},
		"the address in other words":  {place(), place(func(p *Place) { p.Configuration.ClickHouse.URL = "http://CLICKHOUSE.flows.svc:8123/" }), true},
		"the database by default":     {place(), place(func(p *Place) { p.Configuration.ClickHouse.Database = "" }), true},
		"another database":            {place(), place(func(p *Place) { p.Configuration.ClickHouse.Database = "lake" }), false},
		"another server":              {place(), place(func(p *Place) { p.Configuration.ClickHouse.URL = "http://clickhouse.lake:8123" }), false},
		"another stream":              {place(), place(func(p *Place) { p.Configuration.Stream = "flows-core" }), false},
		"some protocols of all":       {place(), place(protocols("ipfix")), true},
		"a protocol of both":          {place(protocols("ipfix", "sflow")), place(protocols("netflow9", "sflow")), true},
		"all subjects of that stream": {place(), place(func(p *Place) { p.Configuration.FilterSubjects = nil }), true},
		"other protocols":             {place(protocols("ipfix")), place(protocols("sflow")), false},
		"other flows of one stream":   {place(), place(func(p *Place) { p.Collector, p.Configuration.FilterSubjects = "core", []string{"flows.flows.core.>"} }), false},
		"from another namespace":      {place(), place(elsewhere), true},
		"a Service of that name":      {place(), place(func(p *Place) { p.Namespace = "team" }), false},
		"another server of NATS":      {place(), place(elsewhere, func(p *Place) { p.Configuration.NATS.URLs = []string{"nats://nats:4222"} }), false},
		"another domain":              {place(), place(elsewhere, func(p *Place) { p.Configuration.NATS.Domain = "hub" }), false},
		"perhaps another account":     {place(password), place(elsewhere, password), false},
		"made at the same time":       {place(password, made(5)), place(elsewhere, password, made(5)), true},
		"made at another time":        {place(made(5)), place(elsewhere, made(6)), false},
		"one FlowCollector's account": {place(password), place(password), true},
	} {
		for _, got := range []bool{test.a.Same(test.b), test.b.Same(test.a)} {
			if got != test.want {
				t.Errorf("%s: %v", name, got)
			}
		}
	}
}

// What would begin to store what another FlowSink stores waits; what stores is never stopped.
func TestOfTwoFlowSinksOfTheSameTablesOneStores(t *testing.T) {
	named := func(namespace, name string, second int64) *v1alpha1.FlowSink {
		return &v1alpha1.FlowSink{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, CreationTimestamp: metav1.Unix(second, 0)}}
	}
	elder, sibling, younger := named("flows", "old", 1), named("flows", "aa", 5), named("flows", "young", 9)
	stranger, idle := named("team", "theirs", 1), named("flows", "old", 1)
	idle.Spec.Replicas = new(int32)
	inBlocks := named("flows", "old", 1)
	inBlocks.Spec.Blocks = &v1alpha1.FlowSinkBlocks{}
	for _, test := range []struct {
		name         string
		stores, none bool
		twins        []Twin
		ready        string // a reason
		shared, says string
	}{
		{"it is alone", false, false, nil, ReasonSinksReady, "", ""},
		{"the older one begins", false, false, []Twin{{Sink: elder, Wanted: true}}, ReasonDestinationShared, ReasonNotStarted,
			"since FlowSink old stores the same flows in the same tables, and what is more than 10,000"},
		{"the older one stores", false, false, []Twin{{Sink: elder, Wanted: true, Stores: true}}, ReasonDestinationShared, ReasonNotStarted,
			"kubectl delete flowsink rows -n flows"},
		{"of one second, the name decides", false, false, []Twin{{Sink: sibling, Wanted: true}}, ReasonDestinationShared, ReasonNotStarted, "FlowSink aa"},
		{"the younger one waits", false, false, []Twin{{Sink: younger, Wanted: true}}, ReasonSinksReady, "", ""},
		{"the younger one was first", false, false, []Twin{{Sink: younger, Wanted: true, Stores: true}}, ReasonDestinationShared, ReasonNotStarted, "FlowSink young"},
		{"one that was to go elsewhere still stores here", false, false, []Twin{{Sink: younger, Stores: true}}, ReasonDestinationShared, ReasonNotStarted, "FlowSink young"},
		{"the older one wants no sinks", false, false, []Twin{{Sink: idle, Wanted: true}}, ReasonSinksReady, "", ""},
		{"no sinks are wanted", false, true, []Twin{{Sink: elder, Wanted: true, Stores: true}}, ReasonNoReplicas, "", ""},
		{"it stores, the older one waits", true, false, []Twin{{Sink: elder, Wanted: true}}, ReasonSinksReady, "", ""},
		{"both store", true, false, []Twin{{Sink: elder, Wanted: true, Stores: true}}, ReasonSinksReady, ReasonStoredTwice, "Both go on"},
		{"both store, one of them in blocks", true, false, []Twin{{Sink: inBlocks, Wanted: true, Stores: true}}, ReasonSinksReady, ReasonStoredTwice,
			"what is stored in blocks is stored twice. Both go on"},
		{"one stores in blocks", false, false, []Twin{{Sink: inBlocks, Wanted: true, Stores: true}}, ReasonDestinationShared, ReasonNotStarted,
			"what is stored in blocks would be stored twice"},
		{"both store, the younger one tells", true, false, []Twin{{Sink: younger, Wanted: true, Stores: true}}, ReasonSinksReady, "", ""},
		{"others' names are not told", false, false, []Twin{{Sink: stranger, Wanted: true, Stores: true}}, ReasonDestinationShared, ReasonNotStarted,
			"a FlowSink of another namespace"},
		{"the oldest is named", false, false, []Twin{{Sink: younger, Stores: true}, {Sink: elder, Stores: true}}, ReasonDestinationShared, ReasonNotStarted, "FlowSink old"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, one := named("flows", "rows", 5), int32(1)
			s.Generation, s.Status.ObservedGeneration = 7, 6
			d := &appsv1.Deployment{Status: appsv1.DeploymentStatus{Replicas: 1, UpdatedReplicas: 1, ReadyReplicas: 1}}
			if s.Spec.Replicas = &one; test.none {
				s.Spec.Replicas = new(int32)
			}
			got := Judge(&Facts{Sink: s, Collector: &v1alpha1.FlowCollector{}, Stream: "flows-edge", Deployment: d, Stores: test.stores, Twins: test.twins, Now: time.Unix(9, 0)})
			ready := meta.FindStatusCondition(got.Conditions, v1alpha1.ConditionReady)
			shared := meta.FindStatusCondition(got.Conditions, v1alpha1.ConditionDestinationShared)
			if ready.Reason != test.ready || (shared == nil) != (test.shared == "") {
				t.Fatalf("%+v, %+v", ready, shared)
			}
			if shared != nil && (shared.Status != metav1.ConditionTrue || shared.Reason != test.shared || !strings.Contains(shared.Message, test.says) ||
				strings.Contains(shared.Message, "theirs")) {
				t.Errorf("%+v", shared)
			}
			failed := ""
			if test.ready != ReasonSinksReady {
				failed = "True"
			}
			checkKstatus(t, s, got, string(ready.Status), failed)
			if got.ObservedGeneration != 7 {
				t.Errorf("observed generation %d", got.ObservedGeneration)
			}
		})
	}
}
