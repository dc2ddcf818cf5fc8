package install_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// harmless are the fields that the policy leaves to everybody, each with why that gives no more than collectors. One that ends in a dot stands
// for all below it.
var harmless = map[string]string{
	"suspend":                                             "the fleet stays as it is",
	"collector.affinity.nodeAffinity.":                    "which nodes; docs/tenants.md says that everybody chooses them",
	"collector.nodeSelector":                              "which nodes",
	"collector.tolerations.":                              "which nodes",
	"collector.topologySpreadConstraints.":                "which nodes",
	"collector.resources.":                                "bounded by ResourceQuota and LimitRange",
	"collector.drainTime":                                 "how long a pod takes to end",
	"collector.terminationGracePeriodSeconds":             "how long a pod takes to end",
	"collector.imagePullPolicy":                           "when an allowed image is pulled",
	"collector.logLevel":                                  "what a collector says",
	"collector.minReady":                                  "what its conditions say",
	"collector.progressDeadline":                          "what its conditions say",
	"collector.profiling":                                 "the collector's own profiles, on the port of its metrics",
	"collector.securityContext.assignedByPlatform":        "never root, and the platform chooses",
	"collector.securityContext.fsGroup":                   "of the pod's own volumes",
	"collector.securityContext.runAsGroup":                "the pod runs as no root whatever the spec says",
	"collector.securityContext.runAsUser":                 "the pod runs as no root whatever the spec says",
	"collector.updateStrategy.maxSurge":                   "how the fleet is replaced",
	"collector.updateStrategy.maxUnavailable":             "how the fleet is replaced",
	"podDisruption.minAvailable":                          "how many of its own pods may be evicted",
	"decoding.biflows":                                    "what the collector makes of datagrams",
	"decoding.deltaCountsOnly":                            "what the collector makes of datagrams",
	"decoding.extraFields":                                "what the collector makes of datagrams",
	"decoding.innerHeaders":                               "what the collector makes of datagrams",
	"decoding.names":                                      "what the collector makes of datagrams",
	"exporters.allowedNetworks":                           "whom a collector listens to, within its own memory; namesFrom is a ConfigMap, as in volumes",
	"exporters.heldData.disabled":                         "whom a collector listens to, within its own memory; namesFrom is a ConfigMap, as in volumes",
	"exporters.heldData.maxAge":                           "whom a collector listens to, within its own memory; namesFrom is a ConfigMap, as in volumes",
	"exporters.heldData.maxBytes":                         "whom a collector listens to, within its own memory; namesFrom is a ConfigMap, as in volumes",
	"exporters.heldData.maxBytesPerExporter":              "whom a collector listens to, within its own memory; namesFrom is a ConfigMap, as in volumes",
	"exporters.limits.exporterMetrics":                    "whom a collector listens to, within its own memory; namesFrom is a ConfigMap, as in volumes",
	"exporters.limits.exporters":                          "whom a collector listens to, within its own memory; namesFrom is a ConfigMap, as in volumes",
	"exporters.limits.fieldsPerTemplate":                  "whom a collector listens to, within its own memory; namesFrom is a ConfigMap, as in volumes",
	"exporters.limits.samplesPerDatagram":                 "whom a collector listens to, within its own memory; namesFrom is a ConfigMap, as in volumes",
	"exporters.limits.templatesPerExporter":               "whom a collector listens to, within its own memory; namesFrom is a ConfigMap, as in volumes",
	"exporters.maxObjects":                                "whom a collector listens to, within its own memory; namesFrom is a ConfigMap, as in volumes",
	"exporters.namePreference":                            "whom a collector listens to, within its own memory; namesFrom is a ConfigMap, as in volumes",
	"exporters.names.name":                                "whom a collector listens to, within its own memory; namesFrom is a ConfigMap, as in volumes",
	"exporters.names.network":                             "whom a collector listens to, within its own memory; namesFrom is a ConfigMap, as in volumes",
	"exporters.namesFrom.key":                             "whom a collector listens to, within its own memory; namesFrom is a ConfigMap, as in volumes",
	"exporters.namesFrom.name":                            "whom a collector listens to, within its own memory; namesFrom is a ConfigMap, as in volumes",
	"exporters.objects":                                   "whom a collector listens to, within its own memory; namesFrom is a ConfigMap, as in volumes",
	"exporters.sampling.defaults.network":                 "whom a collector listens to, within its own memory; namesFrom is a ConfigMap, as in volumes",
	"exporters.sampling.defaults.rate":                    "whom a collector listens to, within its own memory; namesFrom is a ConfigMap, as in volumes",
	"exporters.sampling.overrides.network":                "whom a collector listens to, within its own memory; namesFrom is a ConfigMap, as in volumes",
	"exporters.sampling.overrides.rate":                   "whom a collector listens to, within its own memory; namesFrom is a ConfigMap, as in volumes",
	"exporters.templateScope":                             "whom a collector listens to, within its own memory; namesFrom is a ConfigMap, as in volumes",
	"listeners.name":                                      "a name",
	"listeners.nodePort":                                  "a port of Services, as whoever makes Services has",
	"listeners.protocol":                                  "what the collector makes of datagrams",
	"listeners.sockets":                                   "within the pod's own resources",
	"listeners.workers":                                   "within the pod's own resources",
	"monitoring.dashboards.enabled":                       "objects of monitoring of this fleet; docs/tenants.md says that their labels are for everybody",
	"monitoring.dashboards.labels":                        "objects of monitoring of this fleet; docs/tenants.md says that their labels are for everybody",
	"monitoring.podMonitor.enabled":                       "objects of monitoring of this fleet; docs/tenants.md says that their labels are for everybody",
	"monitoring.podMonitor.interval":                      "objects of monitoring of this fleet; docs/tenants.md says that their labels are for everybody",
	"monitoring.podMonitor.labels":                        "objects of monitoring of this fleet; docs/tenants.md says that their labels are for everybody",
	"monitoring.prometheusRule.enabled":                   "objects of monitoring of this fleet; docs/tenants.md says that their labels are for everybody",
	"monitoring.prometheusRule.labels":                    "objects of monitoring of this fleet; docs/tenants.md says that their labels are for everybody",
	"networkPolicy.enabled":                               "who reaches this fleet's metrics",
	"networkPolicy.metricsFrom.matchExpressions.key":      "who reaches this fleet's metrics",
	"networkPolicy.metricsFrom.matchExpressions.operator": "who reaches this fleet's metrics",
	"networkPolicy.metricsFrom.matchExpressions.values":   "who reaches this fleet's metrics",
	"networkPolicy.metricsFrom.matchLabels":               "who reaches this fleet's metrics",
	"nats.tls.handshakeFirst":                             "how an allowed server is greeted",
	"nats.tls.serverName":                                 "which name an allowed server's certificate has to have",
	"nats.user.name":                                      "who one is at an allowed server",
	"output.batch.maxAge":                                 "how its own flows are written",
	"output.batch.maxBytes":                               "how its own flows are written",
	"output.buffer.inFlightBytes":                         "within the pod's own resources",
	"output.buffer.maxBytes":                              "within the pod's own resources",
	"output.buffer.policy":                                "what becomes of its own flows",
	"output.buffer.spool.after":                           "of the pod's own spool",
	"output.buffer.spool.emptyDir.":                       "of the pod's own spool",
	"output.buffer.spool.maxBytes":                        "of the pod's own spool",
	"output.buffer.spool.resendBytesPerSecond":            "of the pod's own spool",
	"output.consumers.ackWait":                            "of the fleet's own stream, which has a name that no other has; of another one they stay",
	"output.consumers.maxAckPending":                      "of the fleet's own stream, which has a name that no other has; of another one they stay",
	"output.consumers.name":                               "of the fleet's own stream, which has a name that no other has; of another one they stay",
	"output.consumers.protocols":                          "of the fleet's own stream, which has a name that no other has; of another one they stay",
	"output.consumers.replicas":                           "of the fleet's own stream, which has a name that no other has; of another one they stay",
	"output.encoding":                                     "how its own flows are written",
	"output.ledger":                                       "how its own flows are written",
	"output.names":                                        "how names of its own flows are written",
	"output.scaledVolumes":                                "how its own flows are written",
	"output.stream.allowReduction":                        "the fleet's own stream, within what the NATS account grants; of another one they stay",
	"output.stream.compression":                           "the fleet's own stream, within what the NATS account grants; of another one they stay",
	"output.stream.deletionPolicy":                        "the fleet's own stream, within what the NATS account grants; of another one they stay",
	"output.stream.discard":                               "the fleet's own stream, within what the NATS account grants; of another one they stay",
	"output.stream.duplicateWindow":                       "the fleet's own stream, within what the NATS account grants; of another one they stay",
	"output.stream.managed":                               "the fleet's own stream, within what the NATS account grants; of another one they stay",
	"output.stream.maxAge":                                "the fleet's own stream, within what the NATS account grants; of another one they stay",
	"output.stream.maxBytes":                              "the fleet's own stream, within what the NATS account grants; of another one they stay",
	"output.stream.placement.cluster":                     "the fleet's own stream, within what the NATS account grants; of another one they stay",
	"output.stream.placement.tags":                        "the fleet's own stream, within what the NATS account grants; of another one they stay",
	"output.stream.replicas":                              "the fleet's own stream, within what the NATS account grants; of another one they stay",
	"output.stream.retention":                             "the fleet's own stream, within what the NATS account grants; of another one they stay",
	"output.stream.storage":                               "the fleet's own stream, within what the NATS account grants; of another one they stay",
	"service.externalTrafficPolicy":                       "of this fleet's own Service",
	"service.ipFamilies":                                  "of this fleet's own Service",
	"service.ipFamilyPolicy":                              "of this fleet's own Service",
	"service.loadBalancerClass":                           "of this fleet's own Service",
	"service.loadBalancerSourceRanges":                    "of this fleet's own Service",
	"service.sessionAffinity":                             "of this fleet's own Service",
	"service.allocateLoadBalancerNodePorts":               "of this fleet's own Service",
	"service.healthCheckNodePort":                         "a port of Services, as whoever makes Services has",
	"service.internalTrafficPolicy":                       "of this fleet's own Service",
	"service.sessionAffinityTimeout":                      "of this fleet's own Service",
	"service.type":                                        "of this fleet's own Service",
	"templateStore.allowReduction":                        "the fleet's own bucket; of another one they stay",
	"templateStore.deletionPolicy":                        "the fleet's own bucket; of another one they stay",
	"templateStore.disabled":                              "the fleet's own bucket; of another one they stay",
	"templateStore.history":                               "the fleet's own bucket; of another one they stay",
	"templateStore.loadTimeout":                           "the fleet's own bucket; of another one they stay",
	"templateStore.maxBytes":                              "the fleet's own bucket, within what the NATS account grants; of another one they stay",
	"templateStore.replicas":                              "the fleet's own bucket, within what the NATS account grants; of another one they stay",
	"templateStore.storage":                               "the fleet's own bucket; of another one they stay",
	"templateStore.ttl":                                   "the fleet's own bucket; of another one they stay",
}

// lists are fields of which the policy allows what it names, and refuses whatever else comes up in them.
var lists = []string{"collector.volumes.", "collector.volumeMounts.", "collector.env.", "collector.envFrom.", "collector.sidecars", "collector.initContainers",
	"collector.dnsConfig.", "collector.imagePullSecrets.", "collector.affinity.podAffinity.", "collector.affinity.podAntiAffinity.", "collector.securityContext.seLinuxOptions."}

// guardedByOthers are fields that an attempt of another test is about, because it starts from what an administrator has set.
var guardedByOthers = []string{"listeners.port", "listeners.receiveBuffer", "collector.metricsPort"}

// beside are fields that attempts have only because the schema wants them beside what is tried: they are no attempt of their own.
var beside = []string{"nats.user.name", "clickHouse.user.name"}

// harmlessSink is the same of a FlowSink.
var harmlessSink = map[string]string{
	"ackWait":                   "of its own consumer",
	"clickHouse.cluster":        "on an allowed server; docs/tenants.md says to separate tenants in ClickHouse",
	"clickHouse.createTables":   "on an allowed server; docs/tenants.md says to separate tenants in ClickHouse",
	"clickHouse.database":       "on an allowed server; docs/tenants.md says to separate tenants in ClickHouse",
	"clickHouse.timeout":        "how its own flows are stored",
	"clickHouse.tls.serverName": "which name an allowed server's certificate has to have",
	"clickHouse.user.name":      "who one is at an allowed server; the password is a Secret",
	"dashboards.enabled":        "an object of monitoring; docs/tenants.md says that its labels are for everybody",
	"dashboards.labels":         "an object of monitoring; docs/tenants.md says that its labels are for everybody",
	"protocols":                 "which flows its own consumer has",
	"replicas":                  "bounded by ResourceQuota",
	"resources.":                "bounded by ResourceQuota and LimitRange",
	"workers":                   "within the pod's own resources",

	"logLevel":                     "what a sink says",
	"blocks.":                      "how much a sink stores at once, within bounds",
	"profiling":                    "the sink's own profiles, on the port of its metrics",
	"podDisruption.maxUnavailable": "how many of its own pods may be evicted",
}

// ofCollectorsOnly are harmless fields of collector that no pod section of FlowSinks has; the others are harmless there, too.
var ofCollectorsOnly = map[string]bool{"resources.": true, "drainTime": true, "logLevel": true, "minReady": true, "progressDeadline": true, "profiling": true,
	"updateStrategy.maxSurge": true, "updateStrategy.maxUnavailable": true}

// harmlessExporter is the same of a FlowExporter, which makes no pods: the policy is not about it.
var harmlessExporter = map[string]string{
	"addresses":              "whose figures it shows; docs/tenants.md says what its names and rates do",
	"collector":              "of its own namespace; docs/tenants.md says so",
	"displayName":            "a name for people",
	"interfaces.description": "a name that flows carry; docs/tenants.md says so",
	"interfaces.index":       "a name that flows carry; docs/tenants.md says so",
	"interfaces.name":        "a name that flows carry; docs/tenants.md says so",
	"interfacesFrom.key":     "a ConfigMap of its own namespace; docs/tenants.md says what of it gets out",
	"interfacesFrom.name":    "a ConfigMap of its own namespace; docs/tenants.md says what of it gets out",
	"maxLoss":                "what its conditions say",
	"protocols":              "what its conditions say",
	"samplingRate":           "a rate that flows carry; docs/tenants.md says so",
	"silentAfter":            "what its conditions say",
}

// A field that is new is either tried in vain by a tenant, or said to be harmless by name: nobody adds one without deciding.
func TestEachFieldIsGuardedOrNamedAsHarmless(t *testing.T) {
	ofSinks := append(slices.Clone(sinkAttempts), podAttempts(t)...)
	var listsOfSinks []string
	for _, list := range lists {
		listsOfSinks = append(listsOfSinks, strings.Replace(list, "collector.", "pod.", 1))
	}
	harmlessOfSinks := maps.Clone(harmlessSink)
	for path, why := range harmless {
		if rest, ok := strings.CutPrefix(path, "collector."); ok && !ofCollectorsOnly[rest] {
			harmlessOfSinks["pod."+rest] = why
		}
	}
	for _, kind := range []struct {
		plural   string
		attempts []attempt
		others   []string // guarded by attempts of other tests
		lists    []string
		harmless map[string]string
		least    int // fields that there are
	}{
		{"flowcollectors", attempts, guardedByOthers, lists, harmless, 100},
		{"flowsinks", ofSinks, []string{"from.flowCollector"}, listsOfSinks, harmlessOfSinks, 20},
		{"flowexporters", nil, nil, nil, harmlessExporter, 10},
	} {
		t.Run(kind.plural, func(t *testing.T) {
			text, err := os.ReadFile("../../config/crd/bases/flowfleet.io_" + kind.plural + ".yaml")
			if err != nil {
				t.Fatal(err)
			}
			var definition apiextensionsv1.CustomResourceDefinition
			if err := yaml.Unmarshal(text, &definition); err != nil {
				t.Fatal(err)
			}
			var fields []string
			for _, version := range definition.Spec.Versions {
				leaves(version.Schema.OpenAPIV3Schema.Properties["spec"], "", func(path string) { fields = append(fields, path) })
			}
			if len(fields) < kind.least {
				t.Errorf("only %d fields were found", len(fields))
			}
			checkEachField(t, fields, triedIn(t, kind.attempts, kind.others), kind.lists, kind.harmless)
		})
	}
}

// triedIn are the fields that attempts are about, and others.
func triedIn(t *testing.T, attempts []attempt, others []string) map[string]bool {
	t.Helper()
	tried := map[string]bool{}
	for _, a := range attempts {
		var spec any
		if err := yaml.Unmarshal([]byte(a.spec), &spec); err != nil {
			t.Fatal(err)
		}
		fieldsOf(spec, "", func(path string) { tried[path] = true })
	}
	for _, path := range others {
		tried[path] = true
	}
	for path := range tried {
		if slices.Contains(beside, sameSection(path)) {
			delete(tried, path)
		}
	}
	return tried
}

// sameSection is a field of the first of the three sections of NATS, which have the same fields.
func sameSection(path string) string {
	for _, section := range []string{"templateStore.", "output."} {
		if rest, ok := strings.CutPrefix(path, section); ok && strings.HasPrefix(rest, "nats.") {
			return rest
		}
	}
	return path
}

func checkEachField(t *testing.T, fields []string, tried map[string]bool, lists []string, harmless map[string]string) {
	t.Helper()
	for _, list := range lists {
		found := false
		for path := range tried {
			found = found || strings.HasPrefix(path+".", list)
		}
		if !found {
			t.Errorf("nobody tries %s", list)
		}
	}
	used := map[string]bool{}
	for _, path := range fields {
		covered := tried[path]
		for _, list := range lists {
			covered = covered || strings.HasPrefix(path+".", list)
		}
		if same := sameSection(path); harmless[same] != "" {
			covered, used[same] = true, true
		}
		for name := range harmless {
			if strings.HasSuffix(name, ".") && strings.HasPrefix(path+".", name) {
				covered, used[name] = true, true
			}
		}
		if !covered {
			t.Errorf("spec.%s: no attempt of a tenant is about it, and it is not named as harmless: let the policy guard it and try it, or say why everybody may set it", path)
		}
	}
	for name := range harmless {
		if !used[name] {
			t.Errorf("%s is named as harmless, and is no field", name)
		}
		if tried[name] {
			t.Errorf("%s is named as harmless, and is refused", name)
		}
	}
}

// Fields with which a pod gets files or variables are guarded by what they allow, so that the schema has to keep them apart: one kind a volume.
func TestAVolumeIsOfOneKind(t *testing.T) {
	text, err := os.ReadFile("../../config/crd/bases/flowfleet.io_flowcollectors.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var definition apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal(text, &definition); err != nil {
		t.Fatal(err)
	}
	for _, version := range definition.Spec.Versions {
		volume := version.Schema.OpenAPIV3Schema.Properties["spec"].Properties["collector"].Properties["volumes"].Items.Schema
		var rules string
		for _, r := range volume.XValidations {
			rules += r.Rule
		}
		for kind := range volume.Properties {
			if kind != "name" && !strings.Contains(rules, "has(self."+kind+")") {
				t.Errorf("%s: a volume may be an emptyDir, which everybody may have, and %s as well: add it to the rule that lets a volume be one of them", version.Name, kind)
			}
		}
	}
}

// leaves tells of each field of a schema that has none below it; elements of lists have the path of their list.
func leaves(schema apiextensionsv1.JSONSchemaProps, path string, found func(string)) {
	switch {
	case len(schema.Properties) > 0:
		for name, field := range schema.Properties {
			leaves(field, strings.TrimPrefix(path+"."+name, "."), found)
		}
	case schema.Items != nil && schema.Items.Schema != nil:
		leaves(*schema.Items.Schema, path, found)
	default:
		found(path)
	}
}

// fieldsOf tells of each field of a value: all but maps that have others below them.
func fieldsOf(value any, path string, found func(string)) {
	switch value := value.(type) {
	case map[string]any:
		found(path) // a map of texts, such as labels, is one field
		for name, field := range value {
			fieldsOf(field, strings.TrimPrefix(path+"."+name, "."), found)
		}
	case []any:
		found(path)
		for _, element := range value {
			fieldsOf(element, path, found)
		}
	default:
		found(path)
	}
}
