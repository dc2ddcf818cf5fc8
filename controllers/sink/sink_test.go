package sink

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	policyac "k8s.io/client-go/applyconfigurations/policy/v1"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/sink/service"
	"github.com/flowfleet/flowfleet/controllers/controllertest"
	"github.com/flowfleet/flowfleet/controllers/fleet"
)

// golden are the files of FlowSinks in testdata.
var golden = []string{"minimal", "complete", "knobs", "platform"}

var update = flag.Bool("update", false, "write the golden files anew")

func read(t *testing.T, name string) *Sink {
	t.Helper()
	s := controllertest.ReadObject[v1alpha1.FlowSink](t, "testdata/"+name+".yaml", "flowfleet.io_flowsinks.yaml")
	c := controllertest.ReadObject[v1alpha1.FlowCollector](t, "testdata/fleet.yaml", "flowfleet.io_flowcollectors.yaml")
	return New(s, c, "flows-flows-edge", "registry.example.org/flowfleet:1.2.3")
}

func TestObjectsOfASink(t *testing.T) {
	for _, name := range golden {
		t.Run(name, func(t *testing.T) {
			s := read(t, name)
			configMap, err := s.ConfigMap()
			if err != nil {
				t.Fatal(err)
			}
			deployment, err := s.Deployment()
			if err != nil {
				t.Fatal(err)
			}
			dashboards, err := s.Dashboards()
			if err != nil {
				t.Fatal(err)
			}
			objects := []any{configMap, deployment}
			if budget := s.DisruptionBudget(); budget != nil {
				objects = append(objects, budget)
			}
			if dashboards != nil {
				for name := range dashboards.Data {
					dashboards.Data[name] = "(a dashboard)"
				}
				objects = append(objects, dashboards)
			}
			var got []byte
			for _, o := range objects {
				b, err := yaml.Marshal(o)
				if err != nil {
					t.Fatal(err)
				}
				got = append(append(got, "---\n"...), b...)
			}
			file := "testdata/" + name + ".golden.yaml"
			if *update {
				if err := os.WriteFile(file, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("other than %s (-want +got); go test ./controllers/sink -update writes it anew:\n%s", file, diff)
			}
		})
	}
}

// The file is read by the very code that "collector sink" reads it with.
func TestSinksAcceptTheirConfiguration(t *testing.T) {
	for _, name := range golden {
		s := read(t, name)
		if problems := s.Problems(); len(problems) > 0 {
			t.Errorf("%s: %v", name, problems)
		}
		file, err := s.file()
		if err != nil {
			t.Fatal(err)
		}
		var c service.Config
		if problems := config.ParseInto(file, &c); len(problems) > 0 {
			t.Errorf("%s: %v\n%s", name, problems, file)
		}
	}
}

func TestFilesThatTheConfigurationNamesAreMounted(t *testing.T) {
	s := read(t, "complete")
	d, err := s.Deployment()
	if err != nil {
		t.Fatal(err)
	}
	mounted := make(map[string]string)
	for _, m := range d.Spec.Template.Spec.Containers[0].VolumeMounts {
		mounted[*m.Name] = *m.MountPath
	}
	files := make(map[string]bool)
	for _, v := range d.Spec.Template.Spec.Volumes {
		if v.Projected == nil {
			continue
		}
		for _, source := range v.Projected.Sources {
			for _, item := range source.Secret.Items {
				files[mounted[*v.Name]+"/"+*item.Path] = true
			}
		}
	}
	c := s.Configuration()
	for _, file := range []string{c.NATS.CredentialsFile, c.NATS.TLS.CAFile, c.ClickHouse.PasswordFile, c.ClickHouse.TLS.CAFile,
		c.ClickHouse.TLS.CertFile, c.ClickHouse.TLS.KeyFile} {
		if file == "" || !files[file] {
			t.Errorf("%q is none of %v", file, files)
		}
	}
}

func TestSinksRunAsTheUserOfTheirCollectorsAndNotWithTheirSELinuxOptions(t *testing.T) {
	s := read(t, "minimal")
	user := int64(1234)
	s.Collector.Spec.Collector.SecurityContext = v1alpha1.SecurityContext{RunAsUser: &user, SELinuxOptions: &v1alpha1.SELinuxOptions{Type: "spc_t"}}
	for about, own := range map[string]*v1alpha1.SELinuxOptions{"theirs": nil, "their own": {Type: "container_t"}} {
		s.Sink.Spec.Pod.SecurityContext.SELinuxOptions = own
		d, err := s.Deployment()
		if err != nil {
			t.Fatal(err)
		}
		switch security := d.Spec.Template.Spec.SecurityContext; {
		case own == nil && (security.SELinuxOptions != nil || *security.RunAsUser != user):
			t.Errorf("%s: %+v of the user %d", about, security.SELinuxOptions, *security.RunAsUser)
		case own != nil && *security.SELinuxOptions.Type != own.Type:
			t.Errorf("%s: %+v", about, security.SELinuxOptions)
		}
	}
	if s.Collector.Spec.Collector.SecurityContext.SELinuxOptions == nil {
		t.Error("the FlowCollector lost its own")
	}
	// Who may change the FlowCollector would choose as whom the files are read that an administrator gave the sinks.
	s.Sink.Spec.Pod.SecurityContext, s.Sink.Spec.Pod.Volumes = v1alpha1.SecurityContext{}, []v1alpha1.Volume{{Name: "given"}}
	d, err := s.Deployment()
	if err != nil {
		t.Fatal(err)
	}
	if id := d.Spec.Template.Spec.SecurityContext.RunAsUser; id != nil && *id == user {
		t.Error("sinks with volumes run as the user that the FlowCollector names")
	}
}

func TestPodsAreReplacedForWhatSinksReadAtTheirStartAndForNothingElse(t *testing.T) {
	annotation := func(change func(*Sink)) string {
		s := read(t, "complete")
		change(s)
		d, err := s.Deployment()
		if err != nil {
			t.Fatal(err)
		}
		return d.Spec.Template.Annotations[fleet.AnnotationConfiguration]
	}
	before := annotation(func(*Sink) {})
	replicas := int32(5)
	if got := annotation(func(s *Sink) { s.Sink.Spec.Replicas = &replicas }); got != before {
		t.Error("other replicas replace pods")
	}
	if got := annotation(func(s *Sink) { s.Sink.Spec.ClickHouse.URL = "https://other:8443" }); got == before {
		t.Error("another url does not replace pods")
	}
	if got := annotation(func(s *Sink) { s.Collector.Spec.NATS.URLs = []string{"tls://other:4222"} }); got == before {
		t.Error("other NATS servers of the FlowCollector do not replace pods")
	}
}

func TestNoTwoFlowSinksHaveAConsumerOrAStreamOfRefusedMessagesInCommon(t *testing.T) {
	seen := make(map[string]bool)
	for _, names := range [][2]string{{"a", "b-c"}, {"a-b", "c"}, {"b", "warehouse"}, {"c", "warehouse"}} {
		s := read(t, "minimal")
		s.Sink.Namespace, s.Sink.Name = names[0], names[1]
		c := s.Configuration()
		for _, name := range []string{c.Consumer, c.Refused.Stream, c.Refused.Subject} {
			if seen[name] {
				t.Errorf("%v have %s, as others have", names, name)
			}
			seen[name] = true
		}
	}
}

func TestAStreamOfRefusedMessagesIsNoFleetsOwn(t *testing.T) {
	parts := []string{"a", "a-b", "edge", "a-edge", "b-edge-a"}
	var namespaces []string
	for _, of := range parts {
		namespaces = append(namespaces, of)
		for _, place := range parts { // as a stream of a fleet in the namespace goes on
			namespaces = append(namespaces, place+"-"+of+"-refused-"+place)
		}
	}
	kept := make(map[string]bool)
	for _, namespace := range namespaces {
		for _, collector := range parts {
			for _, stream := range config.FleetStreamNames(namespace, collector) {
				for _, name := range parts {
					kept[refusedStream(&v1alpha1.FlowSink{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}, stream)] = true
				}
			}
		}
	}
	for _, namespace := range namespaces {
		for _, name := range parts {
			for _, taken := range []bool{false, true} {
				c := &v1alpha1.FlowCollector{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
				if stream := fleet.NamesOf(c, fleet.Known{StreamTaken: taken}).Stream; kept[stream] {
					t.Errorf("%s is of the FlowCollector %s/%s, and has what a FlowSink was refused", stream, namespace, name)
				}
			}
		}
	}
}

func TestFlowsAsJSONAreNotStored(t *testing.T) {
	s := read(t, "minimal")
	s.Collector.Spec.Output.Encoding = v1alpha1.EncodingJSON
	if problems := s.Problems(); len(problems) != 1 || !strings.Contains(problems[0], "choose Protobuf") {
		t.Errorf("%q", problems)
	}
}

// Of one sink a budget would let none be evicted, or would bound nothing; a sink that cannot store is no reason to keep a node from being drained.
func TestSeveralSinksAreEvictedOneAtATimeAndASingleOneWhenever(t *testing.T) {
	budget := func(replicas int32) *policyac.PodDisruptionBudgetApplyConfiguration {
		s := read(t, "minimal")
		s.Sink.Spec.Replicas = &replicas
		return s.DisruptionBudget()
	}
	for _, replicas := range []int32{0, 1} {
		if b := budget(replicas); b != nil {
			t.Errorf("%d sinks: %+v", replicas, b.Spec)
		}
	}
	b := budget(2)
	if b == nil || b.Spec.MaxUnavailable.String() != "1" || *b.Spec.UnhealthyPodEvictionPolicy != policyv1.AlwaysAllow {
		t.Fatalf("2 sinks: %+v", b)
	}
	if diff := cmp.Diff(Selector(read(t, "minimal").Sink), b.Spec.Selector.MatchLabels); diff != "" {
		t.Error(diff)
	}
}

func TestContainersBesideASinkThatCannotBeAreNamedWithTheirPlace(t *testing.T) {
	s := read(t, "minimal")
	s.Sink.Spec.Pod.Sidecars = []v1alpha1.Container{{RawExtension: runtime.RawExtension{Raw: []byte(`{"name":"sink","image":"b"}`)}}}
	s.Sink.Spec.Pod.DNSPolicy = corev1.DNSNone
	want := []string{`spec.pod.sidecars[0].name: "sink" is the sink's own name too`, "spec.pod.dnsConfig.nameservers: the dnsPolicy None needs at least one"}
	if diff := cmp.Diff(want, s.Problems()); diff != "" {
		t.Error(diff)
	}
}

func TestASinkLeavesALostNodeSoonUnlessItsSpecSaysWhen(t *testing.T) {
	notReady := func(seconds int64) corev1.Toleration {
		return corev1.Toleration{Key: corev1.TaintNodeNotReady, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute,
			TolerationSeconds: &seconds}
	}
	unreachable := notReady(lostNodeSeconds)
	unreachable.Key = corev1.TaintNodeUnreachable
	pool := corev1.Toleration{Key: "pool", Value: "databases", Effect: corev1.TaintEffectNoSchedule}
	everything := corev1.Toleration{Operator: corev1.TolerationOpExists}
	for name, c := range map[string]struct{ given, want []corev1.Toleration }{
		"nothing":                   {nil, []corev1.Toleration{notReady(lostNodeSeconds), unreachable}},
		"another taint":             {[]corev1.Toleration{pool}, []corev1.Toleration{notReady(lostNodeSeconds), unreachable, pool}},
		"one of the two":            {[]corev1.Toleration{notReady(600)}, []corev1.Toleration{unreachable, notReady(600)}},
		"every taint":               {[]corev1.Toleration{everything}, []corev1.Toleration{everything}},
		"not to be scheduled there": {[]corev1.Toleration{{Key: corev1.TaintNodeNotReady, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := read(t, "minimal")
			s.Sink.Spec.Pod.Tolerations = c.given
			got := s.podSpec().Tolerations
			if c.want == nil {
				c.want = append([]corev1.Toleration{notReady(lostNodeSeconds), unreachable}, c.given...)
			}
			if !cmp.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
			if len(s.Sink.Spec.Pod.Tolerations) != len(c.given) {
				t.Errorf("the spec was changed: %v", s.Sink.Spec.Pod.Tolerations)
			}
		})
	}
}
